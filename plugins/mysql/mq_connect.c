/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting: hosts one by one, each with its own time limit, starting with the
 * host that was good last.
 *
 * What the session needs is said in init commands, which proxies such as ProxySQL
 * keep in step on the connections behind them. */
#include "mq.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* READ COMMITTED: a row that another transaction made must be seen by the next
 * statement.  The strict mode turns silent truncation into errors. */
static const char *const init_commands[] = {
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
};

static MYSQL *make_handle(const struct mq_conf *conf, const struct stk_server_host *host,
                          bool plain, uint64_t limit_us)
{
    MYSQL *my = mysql_init(NULL);
    if (!my)
        return NULL;
    uint64_t now = mq_now();
    unsigned seconds = limit_us > now ? (unsigned)((limit_us - now) / 1000000 + 1) : 1;
    unsigned long packet = 1024u * 1024 * 1024;
    unsigned off = 0;
    unsigned protocol = host->host[0] == '/' ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(my, MYSQL_OPT_PROTOCOL, &protocol); /* localhost would mean a socket */
    mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &off);  /* a server must not read our files */
    mysql_options(my, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "supertokens");
    for (size_t i = 0; i < sizeof init_commands / sizeof init_commands[0]; i++)
        mysql_options(my, MYSQL_INIT_COMMAND, init_commands[i]);
    mq_limit_set_up(my, seconds);
    mq_tls_set_up(my, conf, plain);
    return my;
}

static bool attempt(MYSQL *my, const struct mq_conf *conf, const struct stk_server_host *host,
                    uint64_t limit_us)
{
    bool socket = host->host[0] == '/';
    mq_limit(limit_us);
    if (!mysql_real_connect(my, socket ? NULL : host->host, conf->server.user,
                            conf->server.password, conf->server.database, socket ? 0 : host->port,
                            socket ? host->host : NULL, CLIENT_FOUND_ROWS))
        return false;
    mq_limit_connected(my);
    return true;
}

/* Whether TLS is not to be asked for. */
static bool wants_plain(const struct mq_conf *conf, const struct stk_server_host *host, bool known)
{
    return conf->tls == MQ_TLS_DISABLED ||
           (conf->tls == MQ_TLS_PREFERRED && (known || host->host[0] == '/'));
}

MYSQL *mq_connect_bare(const struct mq_conf *conf, const struct stk_server_host *host, bool plain,
                       uint64_t deadline_us)
{
    MYSQL *my = make_handle(conf, host, wants_plain(conf, host, plain), deadline_us);
    if (my && (!attempt(my, conf, host, deadline_us) ||
               (conf->tls >= MQ_TLS_REQUIRED && !mysql_get_ssl_cipher(my)))) {
        mysql_close(my);
        my = NULL;
    }
    mq_limit_end();
    return my;
}

/* ------------------------------------------------------ why there is no way */

static int connect_address(const struct addrinfo *to, uint64_t limit_us)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int error = connect(fd, to->ai_addr, to->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        struct pollfd p = {fd, POLLOUT, 0};
        uint64_t now = mq_now();
        socklen_t len = sizeof error;
        if (poll(&p, 1, limit_us > now ? (int)((limit_us - now) / 1000) : 0) != 1)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
            error = errno;
    }
    close(fd);
    return error;
}

static int connect_error(const struct stk_server_host *host, uint64_t limit_us)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", host->port);
    if (getaddrinfo(host->host, port, &hints, &list) != 0)
        return 0;
    int error = 0;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        error = connect_address(a, limit_us);
        if (error == 0)
            break;
    }
    freeaddrinfo(list);
    return error;
}

/* Puts the system's words in place of its number.  MariaDB's library tells how the
 * attempt began (EINPROGRESS) and not how it ended, so that is tried once more. */
static void say_reason(const struct stk_server_host *host, uint64_t limit_us, struct mq_failure *f)
{
    const char *number = strrchr(f->message, '(');
    if ((f->code != 2002 && f->code != 2003) || !number)
        return;
    long error = strtol(number + 1, NULL, 10);
    if (error == EINPROGRESS && host->host[0] != '/')
        error = connect_error(host, limit_us);
    const char *words = error > 0 && error != EINPROGRESS ? strerrordesc_np((int)error) : NULL;
    if (words)
        snprintf(f->message, sizeof f->message, "%s", words);
}

/* --------------------------------------------------------------- one attempt */

static stk_status open_host(struct stk_db *db, const struct stk_server_host *host,
                            uint64_t deadline_us, MYSQL **out, stk_err *err)
{
    const struct mq_conf *conf = db->conf;
    bool plain = wants_plain(conf, host, atomic_load(&db->plain));
    uint64_t start = mq_now();
    uint64_t limit_us = start + conf->server.connect_us;
    if (limit_us > deadline_us)
        limit_us = deadline_us;
    for (;;) {
        MYSQL *my = make_handle(conf, host, plain, limit_us);
        if (!my)
            return stk_err_nomem(err);
        struct mq_failure f;
        if (attempt(my, conf, host, limit_us)) {
            if (conf->tls < MQ_TLS_REQUIRED || mysql_get_ssl_cipher(my)) {
                mq_limit_end();
                *out = my;
                return STK_OK;
            }
            /* What mq_tls_set_up() asks for is not left to the library alone. */
            mq_failure_set(&f, 2026, "HY000", "the server does not offer it");
        } else {
            mq_failure_read(my, &f);
        }
        bool late = mq_expired();
        mysql_close(my);
        mq_limit_end();
        if (!late)
            say_reason(host, limit_us, &f);
        if (f.code == 2026 && !plain && conf->tls == MQ_TLS_PREFERRED && !late) {
            plain = true; /* known from now on, so that it is asked once */
            atomic_store(&db->plain, true);
            continue;
        }
        struct mq_place at = {host->name, conf->server.user, conf->server.database};
        return mq_error_connect(&at, &f, late ? limit_us - start : 0, err);
    }
}

/* ---------------------------------------------------------------- the server */

static stk_status ask_server(struct mq_conn *conn, uint64_t deadline_us, bool *read_only,
                             stk_err *err)
{
    MYSQL_RES *res = NULL;
    stk_status st = mq_query(conn,
                             "SELECT @@max_allowed_packet, CONNECTION_ID(), @@GLOBAL.read_only, "
                             "@@GLOBAL.innodb_read_only",
                             deadline_us, &res, err);
    MYSQL_ROW row = st == STK_OK && res ? mysql_fetch_row(res) : NULL;
    *read_only = false;
    if (row && row[0] && row[1]) {
        conn->max_packet = strtoull(row[0], NULL, 10);
        conn->id = strtoul(row[1], NULL, 10);
        /* Numbers, or words on newer servers. */
        for (int i = 2; i < 4; i++)
            *read_only =
                *read_only || (row[i] && strcmp(row[i], "0") != 0 && strcmp(row[i], "OFF") != 0);
    }
    if (res)
        mysql_free_result(res);
    return st;
}

static stk_status check_server(struct mq_conn *conn, uint64_t deadline_us, stk_err *err)
{
    const char *info = mysql_get_server_info(conn->my);
    bool maria = strstr(info, "MariaDB") != NULL;
    unsigned long version = mysql_get_server_version(conn->my);
    if (version < (maria ? 100200u : 50700u))
        return stk_err_set(err, STK_E_CONFIG,
                           MQ_NAME ": %s runs version %s. MySQL 5.7 or MariaDB 10.2 or newer is "
                                   "needed",
                           conn->server, info);
    bool read_only;
    stk_status st = ask_server(conn, deadline_us, &read_only, err);
    /* With one host its refusals are better told one by one. */
    if (st == STK_OK && read_only && conn->db->conf->server.nhosts > 1)
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           MQ_NAME ": %s takes no writes: it is read-only. Start the primary, or "
                                   "name it in the list of hosts",
                           conn->server);
    return st;
}

static stk_status connect_host(struct stk_server *s, const struct stk_server_host *host, int how,
                               uint64_t deadline_us, void **out, stk_err *err)
{
    (void)how;
    stk_db *db = (stk_db *)s;
    struct mq_conn *conn = calloc(1, sizeof *conn);
    if (conn)
        conn->stmts = calloc((size_t)s->sql->nqueries * STK_SQL_SLOTS + 1, sizeof *conn->stmts);
    stk_status st = STK_E_NOMEM;
    if (!conn || !conn->stmts) {
        stk_err_nomem(err);
        goto out;
    }
    conn->db = db;
    conn->host = host;
    conn->server = host->name;
    st = open_host(db, host, deadline_us, &conn->my, err);
    if (st == STK_OK)
        st = check_server(conn, deadline_us, err);
    if (st == STK_OK) {
        *out = conn;
        return st;
    }
out:
    mq_disconnect(conn);
    return st;
}

stk_status mq_connect(struct stk_server *s, uint64_t deadline_us, void **conn, stk_err *err)
{
    return stk_server_try(s, 0, deadline_us, connect_host, conn, err);
}

void mq_disconnect(void *c)
{
    struct mq_conn *conn = c;
    if (!conn)
        return;
    /* Closed first, so that the statements are freed without a word to the
     * server each. */
    if (conn->my) {
        mq_limit(mq_now() + MQ_CLOSE_US);
        mysql_close(conn->my);
        mq_limit_end();
    }
    if (conn->stmts)
        mq_stmt_forget(conn);
    free(conn->stmts);
    free(conn->in);
    free(conn->numbers);
    free(conn);
}

static int socket_of(MYSQL *my)
{
#ifdef MARIADB_PACKAGE_VERSION_ID
    return (int)mysql_get_socket(my);
#else
    return my->net.fd;
#endif
}

bool mq_reuse(void *c)
{
    struct mq_conn *conn = c;
    conn->reused = true;
    /* Whatever can be read while idle is the end of the stream or a farewell. */
    struct pollfd p = {socket_of(conn->my), POLLIN, 0};
    return p.fd >= 0 && poll(&p, 1, 0) == 0;
}

bool mq_ping(struct stk_server *s, void *conn)
{
    bool read_only;
    return ask_server(conn, mq_now() + MQ_PING_US, &read_only, NULL) == STK_OK &&
           !(read_only && s->conf->nhosts > 1);
}

void mq_place(const struct mq_conn *conn, struct mq_place *out)
{
    *out = (struct mq_place){conn->server, conn->db->conf->server.user,
                             conn->db->conf->server.database};
}
