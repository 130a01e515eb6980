/* SPDX-License-Identifier: Apache-2.0 */
/* civetweb around the router; see server.h.
 *
 * Traps of civetweb 1.15: its threads have stacks of 100 KiB; each is pinned to
 * one connection for its life; it reads on a request whose head has 64 fields,
 * or both lengths, in a way of its own, so such requests are refused here; once
 * told to stop it sends nothing any more, so requests end before. */
#include "http/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/permits.h"
#include "config/settings.h"
#include "http/router.h"
#include "http/sockets.h"
#include "http/watch.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum {
    THREADS = 384,              /* connections at once; idle ones cost about 20 KiB each */
    BUSY_PERCENT = 80,          /* above, connections are closed after each reply */
    SMALL_BODY = 64 * 1024,     /* an unread body up to this is skipped, not cut off */
    BODY_US = 10 * 1000 * 1000, /* for a whole body to arrive */
    REPLY_US = 60 * 1000 * 1000,
    REPLY_SMALL = 64 * 1024, /* up to this the system takes a reply off our hands */
    LINGER_US = 2 * 1000 * 1000,
    DRAIN_US = 10 * 1000 * 1000,
    CLOSE_US = 1000 * 1000
};
/* Texts because civetweb wants texts. */
#define THREADS_TEXT "384"
#define HEAD_MAX "16384"
#define READ_TIMEOUT_MS "10000"
#define IDLE_TIMEOUT_MS "60000"
#define IDLE_TIMEOUT_HINT "55" /* seconds told to clients, so that they close first */

struct http_server {
    struct router router;
    struct mg_context *mg;
    struct watches *watches;
    int port;
    atomic_uint running; /* requests */
    atomic_uint open;    /* connections */
    atomic_bool stopping;
    pthread_mutex_t lock;   /* for changed */
    pthread_cond_t changed; /* running or open fell to 0 while stopping */
    char complaint[256];    /* civetweb's last one */
};

/* Of one of civetweb's threads. */
struct worker {
    struct arena arena;
    struct watch *watch;
    time_t date_at;
    char date[40];
};

static struct http_server *server_of(const struct mg_connection *conn)
{
    return mg_get_user_data(mg_get_context(conn));
}

/* ---- the head of a request */

static const char *field(const struct mg_request_info *ri, const char *name, int *count)
{
    const char *first = NULL;
    *count = 0;
    for (int i = 0; i < ri->num_headers; i++)
        if (strcasecmp(ri->http_headers[i].name, name) == 0 && (*count)++ == 0)
            first = ri->http_headers[i].value;
    return first;
}

static bool digits(const char *s)
{
    return *s && s[strspn(s, "0123456789")] == '\0';
}

/* Heads that another server on the way may read in another way. */
static bool ambiguous(const struct mg_request_info *ri, bool *chunked)
{
    int lengths, encodings;
    const char *length = field(ri, "Content-Length", &lengths);
    const char *encoding = field(ri, "Transfer-Encoding", &encodings);
    *chunked = encodings == 1;
    return lengths + encodings > 1 || (length && !digits(length)) ||
           (encoding && strcasecmp(encoding, "chunked") != 0);
}

/* As civetweb decides it. */
static bool client_keeps(const struct mg_request_info *ri)
{
    int count;
    struct str rest = str_z(field(ri, "Connection", &count)), one;
    if (!rest.p)
        return strcmp(ri->http_version, "1.1") == 0;
    while (str_split(&rest, ',', &one))
        if (str_ieq(str_trim(one), STR("keep-alive")))
            return true;
    return false;
}

static void head_of(const struct mg_connection *conn, const struct mg_request_info *ri,
                    struct arena *a, struct request *req)
{
    struct http_header *headers = ARENA_ARRAY(a, struct http_header, (size_t)ri->num_headers + 1);
    for (int i = 0; i < ri->num_headers; i++)
        headers[i] = (struct http_header){ri->http_headers[i].name, ri->http_headers[i].value};
    *req = (struct request){
        .method = ri->request_method,
        .path = str_z(ri->local_uri_raw),
        .query = str_z(ri->query_string),
        .headers = headers,
        .nheaders = (size_t)ri->num_headers,
        .remote = str_z(ri->remote_addr),
        .user = (void *)(uintptr_t)conn,
    };
}

/* ---- its body */

static enum body_status read_known(struct mg_connection *conn, struct arena *a, size_t len,
                                   struct str *body)
{
    char *p = arena_alloc(a, len + 1);
    size_t got = 0;
    while (got < len) {
        int n = mg_read(conn, p + got, len - got);
        if (n <= 0)
            return BODY_BROKEN;
        got += (size_t)n;
    }
    p[len] = '\0';
    *body = str_make(p, len);
    return BODY_OK;
}

static enum body_status read_chunks(struct mg_connection *conn, struct arena *a, struct str *body)
{
    struct strbuf b;
    char part[4096];
    int n;
    strbuf_init(&b, a);
    while ((n = mg_read(conn, part, sizeof(part))) > 0) {
        if (b.len + (size_t)n > BODY_MAX)
            return BODY_TOO_BIG;
        strbuf_add(&b, str_make(part, (size_t)n));
    }
    *body = strbuf_str(&b);
    return n < 0 ? BODY_BROKEN : BODY_OK;
}

/* Whether the client sends the body only once it is told to. */
static bool waits_for_leave(const struct request *req)
{
    return str_ieq(str_trim(request_header(req, "expect")), STR("100-continue"));
}

static struct watch *watch_client(struct mg_connection *conn, int how, uint64_t most_us)
{
    const struct mg_request_info *ri = mg_get_request_info(conn);
    struct worker *w = mg_get_thread_pointer(conn);
    watch_begin(w->watch, ri->remote_addr, ri->remote_port, how, most_us);
    return w->watch;
}

static enum body_status read_body(const struct request *req, struct arena *a, struct str *body)
{
    struct mg_connection *conn = req->user;
    long long length = mg_get_request_info(conn)->content_length;
    if (length > BODY_MAX)
        return BODY_TOO_BIG;
    if (waits_for_leave(req))
        mg_write(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    struct watch *watch = watch_client(conn, SHUT_RD, BODY_US);
    enum body_status status =
        length >= 0 ? read_known(conn, a, (size_t)length, body) : read_chunks(conn, a, body);
    watch_end(watch);
    return status == BODY_BROKEN && atomic_load(&server_of(conn)->stopping) ? BODY_CUT : status;
}

/* Reads on for a while after an early reply: closing at once would make the
 * client's system throw the reply away unread. */
static void linger(struct mg_connection *conn)
{
    char part[4096];
    uint64_t until = clock_us() + LINGER_US;
    struct watch *watch = watch_client(conn, SHUT_RD, LINGER_US);
    while (clock_us() < until && mg_read(conn, part, sizeof(part)) > 0)
        ;
    watch_end(watch);
}

/* ---- the reply */

static const char *date_of(struct worker *w)
{
    time_t now = time(NULL);
    struct tm tm;
    if (now != w->date_at) {
        gmtime_r(&now, &tm);
        strftime(w->date, sizeof(w->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        w->date_at = now;
    }
    return w->date;
}

static void send_reply(struct mg_connection *conn, struct worker *w, const struct exchange *x,
                       bool keep, bool test_mode)
{
    struct strbuf b;
    strbuf_init(&b, &w->arena);
    strbuf_printf(&b,
                  "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\n"
                  "Connection: %s\r\n",
                  x->status, mg_get_response_code_text(conn, x->status), date_of(w),
                  STR_ARG(x->content_type), x->body.len + 1, keep ? "keep-alive" : "close");
    if (keep)
        strbuf_add(&b, STR("Keep-Alive: timeout=" IDLE_TIMEOUT_HINT "\r\n"));
    if (x->cache_control.p)
        strbuf_printf(&b, "Cache-Control: %.*s\r\n", STR_ARG(x->cache_control));
    const struct ctx *c = &x->api.ctx;
    if (test_mode)
        strbuf_printf(&b, "st-round-trips: %u\r\nst-statements: %u\r\nst-batches: %u\r\n",
                      c->round_trips, c->statements, c->batches);
    strbuf_add(&b, STR("\r\n"));
    if (strcmp(mg_get_request_info(conn)->request_method, "HEAD") != 0) {
        strbuf_add(&b, x->body);
        strbuf_addc(&b, '\n');
    }
    if (b.len > REPLY_SMALL)
        watch_client(conn, SHUT_RDWR, REPLY_US);
    mg_write(conn, b.p, b.len);
    watch_end(w->watch);
}

/* For requests that never reach the router. */
static int refuse(struct mg_connection *conn, struct http_server *s, int status, const char *text)
{
    char reply[512];
    int n = snprintf(reply, sizeof(reply),
                     "HTTP/1.1 %d %s\r\nContent-Type: text/html;charset=UTF-8\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                     status, mg_get_response_code_text(conn, status), strlen(text) + 1, text);
    mg_disable_connection_keep_alive(conn);
    mg_write(conn, reply, (size_t)n);
    route_counted(routes_count(s->router.routes, NULL, HTTP_OTHER), status, 0);
    return status;
}

/* ---- one request */

static bool crowded(struct http_server *s)
{
    return atomic_load(&s->stopping) || atomic_load(&s->open) * 100 > THREADS * BUSY_PERCENT;
}

static int serve(struct mg_connection *conn, struct http_server *s, struct worker *w)
{
    const struct mg_request_info *ri = mg_get_request_info(conn);
    struct request req;
    struct exchange x;
    bool chunked;
    if (ri->num_headers >= MG_MAX_HEADERS)
        return refuse(conn, s, 431, "The request has too many header fields");
    if (ambiguous(ri, &chunked))
        return refuse(conn, s, 400, "The length of the body is ambiguous");
    head_of(conn, ri, &w->arena, &req);
    req.read_body = read_body;
    router_run(&s->router, &req, &w->arena, &x);
    bool unsent = !x.api.body && waits_for_leave(&req);
    bool skip = x.api.body || (!chunked && !unsent && ri->content_length <= SMALL_BODY);
    bool keep = skip && !x.close && client_keeps(ri) && !crowded(s);
    if (!keep)
        mg_disable_connection_keep_alive(conn);
    send_reply(conn, w, &x, keep, s->router.core->test_mode);
    if ((!skip || x.close) && !unsent)
        linger(conn);
    router_done(&s->router, &x);
    return x.status;
}

static void tell(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static int begin_request(struct mg_connection *conn)
{
    struct http_server *s = server_of(conn);
    struct worker *w = mg_get_thread_pointer(conn);
    atomic_fetch_add(&s->running, 1);
    int status = serve(conn, s, w);
    arena_reset(&w->arena);
    if (atomic_fetch_sub(&s->running, 1) == 1 && atomic_load(&s->stopping))
        tell(s);
    return status;
}

/* ---- civetweb's other callbacks */

/* What civetweb itself refuses; a head that is too large is "malformed" to it. */
static int http_error(struct mg_connection *conn, int status, const char *text)
{
    if (status == 400)
        text = "The request is malformed, or its head is larger than " HEAD_MAX " bytes";
    refuse(conn, server_of(conn), status, text);
    return 0;
}

static int log_message(const struct mg_connection *conn, const char *text)
{
    struct http_server *s = server_of(conn);
    pthread_mutex_lock(&s->lock);
    snprintf(s->complaint, sizeof(s->complaint), "%s", text);
    pthread_mutex_unlock(&s->lock);
    log_debug("http", "civetweb: %s", text);
    return 1;
}

static int init_connection(const struct mg_connection *conn, void **data)
{
    (void)data;
    atomic_fetch_add(&server_of(conn)->open, 1);
    return 0;
}

static void connection_closed(const struct mg_connection *conn)
{
    struct http_server *s = server_of(conn);
    if (atomic_fetch_sub(&s->open, 1) == 1 && atomic_load(&s->stopping))
        tell(s);
}

static void *init_thread(const struct mg_context *mg, int type)
{
    struct http_server *s = mg_get_user_data(mg);
    if (type != 1)
        return NULL;
    struct worker *w = mem_zalloc(sizeof(*w));
    w->watch = watch_new(s->watches);
    arena_init(&w->arena);
    return w;
}

static void exit_thread(const struct mg_context *mg, int type, void *worker)
{
    struct http_server *s = mg_get_user_data(mg);
    struct worker *w = worker;
    if (type != 1)
        return;
    watch_free(s->watches, w->watch);
    arena_free(&w->arena);
    mem_free(w);
}

/* ---- start and stop */

static bool listen_on(struct http_server *s, struct str address)
{
    const char *options[] = {
        "listening_ports",
        address.p,
        "num_threads",
        THREADS_TEXT,
        "connection_queue",
        "1024",
        "listen_backlog",
        "1024",
        "tcp_nodelay",
        "1",
        "max_request_size",
        HEAD_MAX,
        "enable_keep_alive",
        "yes",
        "keep_alive_timeout_ms",
        IDLE_TIMEOUT_MS,
        "request_timeout_ms",
        READ_TIMEOUT_MS,
        "decode_url",
        "no",
        "enable_auth_domain_check",
        "no",
        "enable_directory_listing",
        "no",
        NULL,
    };
    const struct mg_callbacks callbacks = {
        .begin_request = begin_request,
        .http_error = http_error,
        .log_message = log_message,
        .init_connection = init_connection,
        .connection_closed = connection_closed,
        .init_thread = init_thread,
        .exit_thread = exit_thread,
    };
    mg_init_library(0);
    s->mg = mg_start(&callbacks, s, options);
    return s->mg != NULL;
}

static void free_server(struct http_server *s)
{
    struct core *core = s->router.core;
    mg_exit_library();
    permits_free(core->permits);
    core->permits = NULL;
    core->http = NULL;
    routes_free(s->router.routes);
    watches_stop(s->watches);
    watches_free(s->watches);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct http_server *http_server_start(struct core *core, struct arena *a, struct str *error)
{
    const struct settings *settings = core->settings;
    struct str address;
    int port;
    if (!sockets_address(a, settings->host, settings->port, &address, &port, error))
        return NULL;
    struct http_server *s = mem_zalloc(sizeof(*s));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    s->port = port;
    s->watches = watches_start(port);
    s->router = (struct router){
        .core = core,
        .routes = routes_all(),
        .base_path = settings->base_path,
        .timeout_us = (uint64_t)settings->request_timeout * 1000000,
    };
    core->permits = permits_new((unsigned)settings->max_server_pool_size);
    core->http = s;
    json_object_seed(0);
    if (listen_on(s, address))
        return s;
    *error = str_printf(a, "http: cannot serve on %.*s: %s. Check its limits on threads and memory",
                        STR_ARG(address), s->complaint);
    free_server(s);
    return NULL;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_load(struct http_server *s, struct http_load *load)
{
    *load = (struct http_load){.requests = atomic_load(&s->running),
                               .connections = atomic_load(&s->open),
                               .connections_max = THREADS};
    permits_stats(s->router.core->permits, &load->slots, &load->slots_free, &load->slots_waiters);
}

const struct routes *http_server_routes(const struct http_server *s)
{
    return s->router.routes;
}

/* Waits until the counter is 0; false: not in time. */
static bool wait_zero(struct http_server *s, atomic_uint *counter, uint64_t most_us)
{
    uint64_t until = clock_us() + most_us;
    struct timespec t = {.tv_sec = (time_t)(until / 1000000),
                         .tv_nsec = (long)(until % 1000000) * 1000};
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (atomic_load(counter) && rc == 0)
        rc = pthread_cond_timedwait(&s->changed, &s->lock, &t);
    pthread_mutex_unlock(&s->lock);
    return rc == 0;
}

void http_server_stop(struct http_server *s)
{
    struct sockets_quiet quiet = sockets_stop_listening(s->port);
    atomic_store(&s->stopping, true);
    if (!wait_zero(s, &s->running, DRAIN_US))
        log_warn("http", "%u requests still run after %d s", atomic_load(&s->running),
                 DRAIN_US / 1000000);
    sockets_end_reading(s->port);
    wait_zero(s, &s->open, CLOSE_US);
    sockets_wake(quiet);
    watches_stop(s->watches);
    mg_stop(s->mg);
    free_server(s);
}
