/* SPDX-License-Identifier: Apache-2.0 */
/* A standalone server.  One process serves a database, as the lease "serve"
 * says; in it a gate lets transactions in alone, and reads and writes of single
 * documents, which the server makes atomic, together.  All handles of the process
 * on one database share the gate, so it is kept in a list of the process. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "mongodb_plugin.h"

struct mg_solo {
    struct mg_solo *next;
    char id[330];         /* hosts and database */
    char server[330];     /* the server process and database, "": not told */
    unsigned refs;        /* guarded by all_lock, as is server */
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t turn;
    unsigned inside, waiting; /* waiting: to be alone, before which nobody newly enters */
    bool alone;
    /* Changed only by who is alone in the gate. */
    struct mg_lease *lease;
    bool dirty;
    uint64_t seq;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER; /* guards `all` and refs */
static struct mg_solo *all;

static struct mg_solo *solo_new(const char *id)
{
    struct mg_solo *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    snprintf(s->id, sizeof s->id, "%s", id);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->turn, &attr);
    pthread_condattr_destroy(&attr);
    s->dirty = true; /* what another process left is not known yet */
    return s;
}

/* The process of the server as it names itself since 4.4: one server may be
 * known by several addresses, and must still have one gate. */
static void server_id(const bson_t *hello, const char *database, char *out, size_t n)
{
    bson_iter_t it, at;
    out[0] = '\0';
    if (!bson_iter_init(&it, hello) ||
        !bson_iter_find_descendant(&it, "topologyVersion.processId", &at) ||
        !BSON_ITER_HOLDS_OID(&at))
        return;
    char hex[25];
    bson_oid_to_string(bson_iter_oid(&at), hex);
    snprintf(out, n, "%s/%s", hex, database);
}

stk_status mg_solo_open(struct stk_db *db, const bson_t *hello, stk_err *err)
{
    char id[330], server[330];
    snprintf(id, sizeof id, "%s/%s", db->conf.where, db->conf.database);
    server_id(hello, db->conf.database, server, sizeof server);
    pthread_mutex_lock(&all_lock);
    struct mg_solo *s = all;
    while (s && strcmp(s->id, id) != 0 && (!server[0] || strcmp(s->server, server) != 0))
        s = s->next;
    if (!s && (s = solo_new(id)) != NULL) {
        s->next = all;
        all = s;
    }
    if (s && server[0])
        memcpy(s->server, server, sizeof s->server);
    if (s)
        s->refs++;
    pthread_mutex_unlock(&all_lock);
    db->solo = s;
    if (s)
        stk_logf(db->host, STK_LOG_INFO, MG_NAME,
                 MG_NAME ": %s is a standalone server, which has no transactions: this process "
                         "serves database %s alone and keeps a journal. For several cores make "
                         "it a replica set: mongod --replSet rs0, then rs.initiate() in mongosh",
                 db->conf.where, db->conf.database);
    return s ? STK_OK : stk_err_nomem(err);
}

void mg_solo_close(struct stk_db *db)
{
    struct mg_solo *s = db->solo;
    if (!s)
        return;
    db->solo = NULL;
    pthread_mutex_lock(&all_lock);
    bool last = --s->refs == 0;
    if (last) {
        struct mg_solo **at = &all;
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
        if (s->lease)
            mg_lease_free(s->lease);
    }
    pthread_mutex_unlock(&all_lock);
    if (!last)
        return;
    pthread_cond_destroy(&s->turn);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ----------------------------------------------------------------------- gate */

static struct timespec until(const struct mg_op *op)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = mg_now(op->db), left = op->deadline_us > now ? op->deadline_us - now : 0;
    t.tv_sec += (time_t)(left / 1000000);
    t.tv_nsec += (long)(left % 1000000) * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

/* Called locked. */
static bool may_enter(const struct mg_solo *s, bool alone)
{
    return alone ? s->inside == 0 : !s->alone;
}

/* Who wants to be alone goes before those who come to others already inside, or
 * a stream of readers would starve it. */
static bool gate_enter(struct mg_solo *s, const struct mg_op *op, bool alone)
{
    struct timespec end = until(op);
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    if (alone)
        s->waiting++;
    while (rc == 0 && (!may_enter(s, alone) || (!alone && s->waiting > 0 && s->inside > 0)))
        rc = pthread_cond_timedwait(&s->turn, &s->lock, &end);
    if (alone)
        s->waiting--;
    bool in = may_enter(s, alone);
    if (in) {
        s->inside++;
        s->alone = alone;
    }
    if (!in || !alone)
        pthread_cond_broadcast(&s->turn);
    pthread_mutex_unlock(&s->lock);
    return in;
}

static void gate_leave(struct mg_solo *s, bool alone)
{
    pthread_mutex_lock(&s->lock);
    s->inside--;
    if (alone)
        s->alone = false;
    pthread_cond_broadcast(&s->turn);
    pthread_mutex_unlock(&s->lock);
}

/* From alone to together with others. */
static void gate_share(struct mg_solo *s)
{
    pthread_mutex_lock(&s->lock);
    s->alone = false;
    pthread_cond_broadcast(&s->turn);
    pthread_mutex_unlock(&s->lock);
}

static bool is_ready(struct mg_solo *s)
{
    pthread_mutex_lock(&s->lock);
    bool ready = s->lease && !s->dirty && mg_lease_state(s->lease) != MG_LEASE_LOST;
    pthread_mutex_unlock(&s->lock);
    return ready;
}

/* Called alone in the gate: becomes the serving process, undoes what is left. */
static stk_status get_ready(struct mg_op *op)
{
    struct stk_db *db = op->db;
    struct mg_solo *s = db->solo;
    struct mg_lease *lease = s->lease;
    stk_status rc = STK_OK;
    if (lease && mg_lease_state(lease) == MG_LEASE_LOST) {
        mg_lease_free(lease);
        lease = NULL;
    }
    bool others = !lease;
    if (!lease) {
        char holder[64];
        rc = mg_lease_take(db, "serve", op->deadline_us, &lease, holder, sizeof holder, op->err);
        if (rc == STK_E_TIMEOUT)
            rc = stk_err_set(op->err, STK_E_UNAVAILABLE,
                             MG_NAME ": %s serves database %s on %s, a standalone server, which "
                                     "takes one core. End that one, or for several cores make it "
                                     "a replica set: mongod --replSet rs0, then rs.initiate() in "
                                     "mongosh",
                             holder, db->conf.database, db->conf.where);
        s->dirty = true;
    }
    pthread_mutex_lock(&s->lock);
    s->lease = lease;
    pthread_mutex_unlock(&s->lock);
    if (!rc)
        rc = mg_undo_restore(op, others, &s->seq);
    pthread_mutex_lock(&s->lock);
    s->dirty = rc != STK_OK;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

stk_status mg_solo_enter(struct mg_op *op, bool alone)
{
    struct mg_solo *s = op->db->solo;
    bool ready = is_ready(s), by_oneself = alone || !ready;
    if (!gate_enter(s, op, by_oneself))
        return mg_fail(op, STK_E_TIMEOUT, "the deadline passed while another transaction ran");
    stk_status rc = is_ready(s) ? STK_OK : by_oneself ? get_ready(op) : STK_E_RETRY;
    if (rc)
        gate_leave(s, by_oneself);
    else if (by_oneself && !alone)
        gate_share(s);
    if (rc == STK_E_RETRY && !by_oneself)
        return mg_fail(op, rc, "a transaction has to be undone first");
    return rc;
}

void mg_solo_leave(struct stk_db *db, bool alone)
{
    gate_leave(db->solo, alone);
}

stk_status mg_solo_check(struct mg_op *op)
{
    if (op->db->solo->lease && mg_lease_state(op->db->solo->lease) == MG_LEASE_GOOD)
        return STK_OK;
    return mg_fail(op, STK_E_UNAVAILABLE,
                   "the lease of the serving process was not renewed in time: check server and "
                   "network");
}

uint64_t mg_solo_next(struct stk_db *db)
{
    return ++db->solo->seq;
}

void mg_solo_dirty(struct stk_db *db)
{
    pthread_mutex_lock(&db->solo->lock);
    db->solo->dirty = true;
    pthread_mutex_unlock(&db->solo->lock);
}

void mg_solo_undo(struct mg_op *op)
{
    if (mg_undo_restore(op, false, &op->db->solo->seq))
        mg_solo_dirty(op->db);
}
