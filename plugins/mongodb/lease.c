/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: documents {_id: name, owner, place, pid, start, beat} of st_leases.
 * `place` names the machine since it was started and its process namespace, so
 * that a pid of the same place can be looked up.  A waiter measures with its own
 * clock how long a document stays the same; clocks are never compared.
 *
 * And, as {_id: "sessions OWNER", owner, place, pid, start, ids, at}, the sessions
 * in which a process has transactions: a server keeps those of a process that was
 * killed, and the rows they wrote locked, for a minute. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "mongodb_plugin.h"

struct mg_lease {
    const stk_host *host;
    mongoc_client_t *client;
    char database[64], name[32], owner[40];
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;
    uint64_t acked_us;
    bool running, stop, lost;
};

/* Who we are, and who a document says. */
struct who {
    char owner[40], place[96];
    int64_t pid, start, beat;
};

static uint64_t now_us(const stk_host *host)
{
    return host->now_us(host->ctx);
}

/* The start time of a process in clock ticks since boot; 0: no such process. */
static int64_t started(int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    char *p = strrchr(text, ')'); /* the name may hold blanks */
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoll(p, NULL, 10) : 0;
}

static void describe_self(struct who *w)
{
    uint64_t r[2] = {0, 0};
    if (getrandom(r, sizeof r, 0) != sizeof r)
        r[0] = (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL);
    snprintf(w->owner, sizeof w->owner, "%016" PRIx64 "%016" PRIx64, r[0], r[1]);
    char boot[40] = "", ns[48] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f) {
        if (fscanf(f, "%36s", boot) != 1)
            boot[0] = '\0';
        fclose(f);
    }
    ssize_t n = readlink("/proc/self/ns/pid", ns, sizeof ns - 1);
    ns[n > 0 ? n : 0] = '\0';
    snprintf(w->place, sizeof w->place, "%s %s", boot, ns);
    w->pid = getpid();
    w->start = started(w->pid);
    w->beat = 1;
}

static bool is_dead(const struct who *w, const struct who *self)
{
    if (strcmp(w->place, self->place) != 0 || self->place[0] == ' ' || w->pid <= 0)
        return false;
    if (kill((pid_t)w->pid, 0) != 0 && errno == ESRCH)
        return true;
    int64_t start = started(w->pid);
    return start != 0 && w->start != 0 && start != w->start;
}

/* ------------------------------------------------------------------- commands */

static void put_who(bson_t *doc, const char *name, const struct who *w)
{
    bson_append_utf8(doc, "_id", -1, name, -1);
    bson_append_utf8(doc, "owner", -1, w->owner, -1);
    bson_append_utf8(doc, "place", -1, w->place, -1);
    bson_append_int64(doc, "pid", -1, w->pid);
    bson_append_int64(doc, "start", -1, w->start);
    bson_append_int64(doc, "beat", -1, w->beat);
}

static void take_text(const bson_t *doc, const char *name, char *out, size_t n)
{
    bson_iter_t it;
    bool there = bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it);
    snprintf(out, n, "%s", there ? bson_iter_utf8(&it, NULL) : "");
}

/* n of the reply, -1 where the command failed. */
static int64_t command(const struct mg_lease *l, const bson_t *cmd, bson_error_t *e)
{
    bson_t opts = BSON_INITIALIZER, w, reply;
    bson_append_document_begin(&opts, "writeConcern", -1, &w);
    bson_append_utf8(&w, "w", -1, "majority", -1);
    bson_append_document_end(&opts, &w);
    bool ok = mongoc_client_write_command_with_opts(l->client, l->database, cmd, &opts, &reply, e);
    int64_t n = ok ? mg_int(&reply, "n") : -1;
    bson_destroy(&reply);
    bson_destroy(&opts);
    return n;
}

/* An upsert of the document unless there is one: 1 ours, 0 another's, -1 failed.
 * n counts a match as well, so what was found must be read afterwards. */
static int64_t put_if_absent(const struct mg_lease *l, const struct who *self, bson_error_t *e)
{
    bson_t cmd = BSON_INITIALIZER, list, u, q, set, doc = BSON_INITIALIZER;
    bson_append_utf8(&cmd, "update", -1, MG_LEASES, -1);
    bson_append_array_begin(&cmd, "updates", -1, &list);
    bson_append_document_begin(&list, "0", -1, &u);
    bson_append_document_begin(&u, "q", -1, &q);
    bson_append_utf8(&q, "_id", -1, l->name, -1);
    bson_append_document_end(&u, &q);
    bson_append_document_begin(&u, "u", -1, &set);
    put_who(&doc, l->name, self);
    bson_append_document(&set, "$setOnInsert", -1, &doc);
    bson_append_document_end(&u, &set);
    bson_append_bool(&u, "upsert", -1, true);
    bson_append_document_end(&list, &u);
    bson_append_array_end(&cmd, &list);
    int64_t n = command(l, &cmd, e);
    bson_destroy(&doc);
    bson_destroy(&cmd);
    return n;
}

static bool read_who(const struct mg_lease *l, struct who *w, bson_error_t *e)
{
    mongoc_collection_t *coll = mongoc_client_get_collection(l->client, l->database, MG_LEASES);
    bson_t q = BSON_INITIALIZER;
    bson_append_utf8(&q, "_id", -1, l->name, -1);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(coll, &q, NULL, NULL);
    const bson_t *doc;
    memset(w, 0, sizeof *w);
    if (mongoc_cursor_next(cursor, &doc)) {
        take_text(doc, "owner", w->owner, sizeof w->owner);
        take_text(doc, "place", w->place, sizeof w->place);
        w->pid = mg_int(doc, "pid");
        w->start = mg_int(doc, "start");
        w->beat = mg_int(doc, "beat");
    }
    bool ok = !mongoc_cursor_error(cursor, e);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(coll);
    bson_destroy(&q);
    return ok;
}

/* {update: st_leases, ... q: {_id, owner, beat}, u}: the number matched. */
static int64_t change(const struct mg_lease *l, const struct who *seen, const bson_t *to,
                      bson_error_t *e)
{
    bson_t cmd = BSON_INITIALIZER, list, u, q;
    bool remove = to == NULL;
    bson_append_utf8(&cmd, remove ? "delete" : "update", -1, MG_LEASES, -1);
    bson_append_array_begin(&cmd, remove ? "deletes" : "updates", -1, &list);
    bson_append_document_begin(&list, "0", -1, &u);
    bson_append_document_begin(&u, "q", -1, &q);
    bson_append_utf8(&q, "_id", -1, l->name, -1);
    bson_append_utf8(&q, "owner", -1, seen->owner, -1);
    if (seen->beat)
        bson_append_int64(&q, "beat", -1, seen->beat);
    bson_append_document_end(&u, &q);
    if (remove)
        bson_append_int32(&u, "limit", -1, 1);
    else
        bson_append_document(&u, "u", -1, to);
    bson_append_document_end(&list, &u);
    bson_append_array_end(&cmd, &list);
    int64_t n = command(l, &cmd, e);
    bson_destroy(&cmd);
    return n;
}

static int64_t take_over(const struct mg_lease *l, const struct who *seen, const struct who *self,
                         bson_error_t *e)
{
    bson_t doc = BSON_INITIALIZER;
    put_who(&doc, l->name, self);
    int64_t n = change(l, seen, &doc, e);
    bson_destroy(&doc);
    return n;
}

/* ------------------------------------------------------------------- renewing */

static bool renew(struct mg_lease *l)
{
    bson_t u = BSON_INITIALIZER, inc;
    bson_append_document_begin(&u, "$inc", -1, &inc);
    bson_append_int64(&inc, "beat", -1, 1);
    bson_append_document_end(&u, &inc);
    struct who self = {.beat = 0};
    memcpy(self.owner, l->owner, sizeof self.owner);
    bson_error_t e;
    uint64_t sent = now_us(l->host);
    int64_t n = change(l, &self, &u, &e);
    bson_destroy(&u);
    pthread_mutex_lock(&l->lock);
    if (n == 1)
        l->acked_us = sent;
    l->lost = l->lost || n == 0;
    bool lost = l->lost;
    pthread_mutex_unlock(&l->lock);
    return !lost;
}

static void *renewer(void *arg)
{
    struct mg_lease *l = arg;
    bool more = true;
    while (more) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += MG_LEASE_US / 1000000 / 6;
        pthread_mutex_lock(&l->lock);
        int rc = 0;
        while (!l->stop && rc == 0)
            rc = pthread_cond_timedwait(&l->wake, &l->lock, &until);
        more = !l->stop;
        pthread_mutex_unlock(&l->lock);
        more = more && renew(l);
    }
    return NULL;
}

static bool start_renewing(struct mg_lease *l)
{
    l->running = stk_thread_start(&l->thread, renewer, l) == 0;
    return l->running;
}

/* --------------------------------------------------------------------- taking */

static struct mg_lease *lease_new(struct stk_db *db, const char *name)
{
    struct mg_lease *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->host = db->host;
    snprintf(l->name, sizeof l->name, "%s", name);
    snprintf(l->database, sizeof l->database, "%s", db->conf.database);
    l->client = mongoc_client_new_from_uri(db->conf.uri);
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (l->client) {
        mongoc_client_set_error_api(l->client, MONGOC_ERROR_API_VERSION_2);
        return l;
    }
    mg_lease_free(l);
    return NULL;
}

/* One try: 1 taken, 0 another has it, -1 failed. */
static int try_take(struct mg_lease *l, const struct who *self, struct who *seen, uint64_t *since,
                    bson_error_t *e)
{
    uint64_t sent = now_us(l->host);
    struct who w;
    if (put_if_absent(l, self, e) < 0 && e->code != 11000)
        return -1;
    if (!read_who(l, &w, e))
        return -1;
    bool ours = strcmp(w.owner, self->owner) == 0;
    if (!ours && w.owner[0]) {
        if (strcmp(w.owner, seen->owner) != 0 || w.beat != seen->beat) {
            *seen = w;
            *since = now_us(l->host);
        }
        sent = now_us(l->host);
        if (is_dead(&w, self) || sent - *since > MG_LEASE_US) {
            int64_t n = take_over(l, &w, self, e);
            if (n < 0)
                return -1;
            ours = n == 1;
        }
    }
    if (ours)
        l->acked_us = sent;
    return ours;
}

stk_status mg_lease_take(struct stk_db *db, const char *name, uint64_t deadline_us,
                         struct mg_lease **out, char *holder, size_t n, stk_err *err)
{
    struct who self = {.beat = 0}, seen = {.beat = 0};
    uint64_t since = 0;
    *out = NULL;
    holder[0] = '\0';
    struct mg_lease *l = lease_new(db, name);
    if (!l)
        return stk_err_nomem(err);
    describe_self(&self);
    memcpy(l->owner, self.owner, sizeof l->owner);
    for (;;) {
        bson_error_t e = {0};
        int got = try_take(l, &self, &seen, &since, &e);
        if (got == 1 && start_renewing(l)) {
            *out = l;
            return STK_OK;
        }
        if (got != 0) {
            struct mg_conn c = {.db = db, .client = l->client};
            struct mg_op op = mg_op(&c, 0, err);
            bson_t none = BSON_INITIALIZER;
            stk_status rc = got > 0 ? stk_err_nomem(err) : mg_error(&op, &none, &e);
            bson_destroy(&none);
            mg_lease_free(l);
            return rc == STK_E_UNCERTAIN ? STK_E_UNAVAILABLE : rc;
        }
        if (now_us(db->host) >= deadline_us)
            break;
        const struct timespec pause = {.tv_nsec = 100 * 1000000};
        nanosleep(&pause, NULL);
    }
    snprintf(holder, n, "process %" PRId64 "%s", seen.pid,
             strcmp(seen.place, self.place) == 0 ? " of this machine" : " of another machine");
    mg_lease_free(l);
    return stk_err_set(err, STK_E_TIMEOUT, MG_NAME ": the lease \"%s\" is held by %s", name,
                       holder);
}

int mg_lease_state(struct mg_lease *l)
{
    pthread_mutex_lock(&l->lock);
    bool lost = l->lost, late = now_us(l->host) - l->acked_us > MG_LEASE_US / 2;
    pthread_mutex_unlock(&l->lock);
    return lost ? MG_LEASE_LOST : late ? MG_LEASE_LATE : MG_LEASE_GOOD;
}

void mg_lease_free(struct mg_lease *l)
{
    if (l->running) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_signal(&l->wake);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
        struct who self = {.beat = 0};
        memcpy(self.owner, l->owner, sizeof self.owner);
        bson_error_t e;
        if (!l->lost)
            change(l, &self, NULL, &e);
    }
    if (l->client)
        mongoc_client_destroy(l->client);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ------------------------------------------------------- sessions of transactions */

enum { MOST_SESSIONS = 1024, NOTED_HOURS = 12, KEPT_HOURS = 48 };
#define HOUR_US (3600 * (uint64_t)1000000)

struct mg_sessions {
    struct who self;
    char name[56];
    pthread_mutex_t lock; /* guards all below */
    uint64_t since_us;    /* of the first that is noted */
    unsigned n;
    uint8_t ids[MOST_SESSIONS][16];
};

/* Whether the session has to be noted; those of long ago are noted again, for
 * documents that are older are taken for those of processes that died elsewhere. */
static bool take_session(struct mg_sessions *s, const bson_t *lsid, uint64_t now)
{
    bson_iter_t it;
    bson_subtype_t sub;
    uint32_t len = 0;
    const uint8_t *id = NULL;
    if (!bson_iter_init_find(&it, lsid, "id") || !BSON_ITER_HOLDS_BINARY(&it))
        return false;
    bson_iter_binary(&it, &sub, &len, &id);
    if (len != sizeof s->ids[0])
        return false;
    pthread_mutex_lock(&s->lock);
    if (now - s->since_us > NOTED_HOURS * HOUR_US)
        s->n = 0;
    if (s->n == 0)
        s->since_us = now;
    unsigned i = 0;
    while (i < s->n && memcmp(s->ids[i], id, len) != 0)
        i++;
    bool new = i == s->n &&i < MOST_SESSIONS;
    if (new)
        memcpy(s->ids[s->n++], id, len);
    pthread_mutex_unlock(&s->lock);
    return new;
}

static int64_t date_before(uint64_t hours)
{
    return ((int64_t)time(NULL) - (int64_t)hours * 3600) * 1000;
}

/* The concern of rows, and an outcome that nobody needs. */
static void run_aside(struct mg_op *op, bson_t *cmd)
{
    bson_t reply;
    struct mg_op own = *op;
    own.txn = NULL;
    own.err = NULL;
    (void)mg_command(&own, MG_WRITE, cmd, &reply);
    bson_destroy(&reply);
    bson_destroy(cmd);
}

void mg_session_note(struct mg_op *op, const bson_t *lsid)
{
    struct mg_sessions *s = op->db->sessions;
    if (!s || !take_session(s, lsid, mg_now(op->db)))
        return;
    run_aside(op, BCON_NEW("update", MG_LEASES, "updates", "[", "{", "q", "{", "_id",
                           BCON_UTF8(s->name), "}", "u", "{", "$set", "{", "owner",
                           BCON_UTF8(s->self.owner), "place", BCON_UTF8(s->self.place), "pid",
                           BCON_INT64(s->self.pid), "start", BCON_INT64(s->self.start), "at",
                           BCON_DATE_TIME(date_before(0)), "}", "$addToSet", "{", "ids",
                           BCON_DOCUMENT(lsid), "}", "}", "upsert", BCON_BOOL(true), "}", "]"));
}

/* Ends the sessions of a document whose process died on this machine. */
static stk_status end_sessions(void *ud, const bson_t *doc)
{
    struct mg_op *op = ud;
    struct who w = {.pid = mg_int(doc, "pid"), .start = mg_int(doc, "start")};
    char name[56];
    take_text(doc, "place", w.place, sizeof w.place);
    take_text(doc, "_id", name, sizeof name);
    bson_iter_t ids;
    if (!is_dead(&w, &op->db->sessions->self) || !bson_iter_init_find(&ids, doc, "ids"))
        return STK_OK;
    bson_t cmd = BSON_INITIALIZER;
    bson_append_iter(&cmd, "killSessions", -1, &ids);
    bool ok = mongoc_client_command_simple(op->conn->client, "admin", &cmd, NULL, NULL, NULL);
    bson_destroy(&cmd);
    if (ok)
        run_aside(op, BCON_NEW("delete", MG_LEASES, "deletes", "[", "{", "q", "{", "_id",
                               BCON_UTF8(name), "}", "limit", BCON_INT32(1), "}", "]"));
    return STK_OK;
}

stk_status mg_sessions_open(struct mg_op *op)
{
    struct mg_sessions *s = calloc(1, sizeof *s);
    if (!s)
        return stk_err_nomem(op->err);
    describe_self(&s->self);
    snprintf(s->name, sizeof s->name, "sessions %s", s->self.owner);
    pthread_mutex_init(&s->lock, NULL);
    op->db->sessions = s;
    struct mg_op own = *op;
    own.err = NULL;
    bson_t *by =
        BCON_NEW("_id", "{", "$gte", BCON_UTF8("sessions "), "$lt", BCON_UTF8("sessions!"), "}");
    /* What fails here is over in a minute. */
    (void)mg_find(&own, MG_LEASES, by, NULL, end_sessions, &own);
    bson_destroy(by);
    run_aside(op, BCON_NEW("delete", MG_LEASES, "deletes", "[", "{", "q", "{", "_id", "{", "$gte",
                           BCON_UTF8("sessions "), "$lt", BCON_UTF8("sessions!"), "}", "at", "{",
                           "$lt", BCON_DATE_TIME(date_before(KEPT_HOURS)), "}", "}", "limit",
                           BCON_INT32(0), "}", "]"));
    return STK_OK;
}

void mg_sessions_close(struct stk_db *db)
{
    if (!db->sessions)
        return;
    pthread_mutex_destroy(&db->sessions->lock);
    free(db->sessions);
    db->sessions = NULL;
}
