/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of migrations: a row with an owner and an end by the server's clock.
 * Not GET_LOCK(), which a cluster keeps on each node for itself, and not a row
 * lock, which every DDL statement would release.  A thread with a connection of
 * its own prolongs the lease while a statement runs for long; who dies lets it
 * run out. */
#include "mq.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define LEASE_MS "15000"
#define RENEW_S 4
#define POLL_MS 50
#define LOCK_WAIT_US 600000000u
#define STEP_US 30000000u
#define LOCK_TABLE "st_migration_lock"
#define NO_SUCH_TABLE 1146
#define NOW_MS "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"

struct mq_lease {
    struct mq_conn *conn; /* settings and host only */
    char owner[33];
    pthread_t thread;
    pthread_mutex_t lock; /* guards done */
    pthread_cond_t cond;
    bool done;
};

static void sleep_ms(unsigned ms)
{
    struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&ts, NULL);
}

static void random_owner(char out[33])
{
    unsigned char raw[16];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw) {
        uint64_t now = mq_now();
        memset(raw, 0, sizeof raw);
        memcpy(raw, &now, sizeof now);
    }
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

/* ------------------------------------------------------------------- renewing */

/* True while the lease is to be kept. */
static bool wait_turn(struct mq_lease *l)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RENEW_S;
    pthread_mutex_lock(&l->lock);
    int rc = 0;
    while (!l->done && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&l->cond, &l->lock, &until);
    bool more = !l->done;
    pthread_mutex_unlock(&l->lock);
    return more;
}

static void *renew(void *arg)
{
    struct mq_lease *l = arg;
    const struct stk_db *db = l->conn->db;
    mysql_thread_init();
    MYSQL *my = NULL;
    char sql[320];
    snprintf(sql, sizeof sql,
             "UPDATE " LOCK_TABLE " SET lease_until = " NOW_MS " + " LEASE_MS
             " WHERE name = 'migrate' AND owner = '%s'",
             l->owner);
    while (wait_turn(l)) {
        uint64_t deadline = mq_now() + RENEW_S * 1000000u;
        if (!my)
            my = mq_connect_bare(db->conf, l->conn->host, atomic_load(&db->plain), deadline);
        mq_limit(deadline);
        if (my && mysql_query(my, sql)) {
            mysql_close(my);
            my = NULL;
        }
        mq_limit_end();
    }
    if (my) {
        mq_limit(mq_now() + MQ_CLOSE_US);
        mysql_close(my);
        mq_limit_end();
    }
    mysql_thread_end();
    return NULL;
}

static stk_status start_renewing(struct mq_lease *l, stk_err *err)
{
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->cond, NULL);
    return stk_thread_start(&l->thread, renew, l) ? stk_err_nomem(err) : STK_OK;
}

/* ------------------------------------------------------------------ the table */

static stk_status run(struct mq_conn *conn, const char *sql, stk_err *err)
{
    return mq_query(conn, sql, mq_now() + STEP_US, NULL, err);
}

static stk_status make_table(struct mq_conn *conn, stk_err *err)
{
    MYSQL_RES *res = NULL;
    stk_status st = mq_query(conn,
                             "SELECT 1 FROM information_schema.tables WHERE table_schema = "
                             "DATABASE() AND table_name = '" LOCK_TABLE "'",
                             mq_now() + STEP_US, &res, err);
    bool exists = st == STK_OK && mysql_num_rows(res) > 0;
    if (res)
        mysql_free_result(res);
    if (st != STK_OK || exists)
        return st;
    return run(conn,
               "CREATE TABLE IF NOT EXISTS " LOCK_TABLE " (name VARBINARY(64) NOT NULL, owner "
               "VARBINARY(64) NOT NULL, lease_until BIGINT NOT NULL, PRIMARY KEY (name)) "
               "ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
               err);
}

/* One try; STK_E_RETRY: somebody else has it. */
static stk_status try_lock(struct mq_conn *conn, const char *owner, stk_err *err)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "UPDATE " LOCK_TABLE " SET owner = '%s', lease_until = " NOW_MS " + " LEASE_MS
             " WHERE name = 'migrate' AND lease_until < " NOW_MS,
             owner);
    stk_status st = run(conn, sql, err);
    if (st != STK_OK || mysql_affected_rows(conn->my) == 1)
        return st;
    /* Taken, or not there yet: the row is made only when it is missing, for this
     * form of INSERT takes a lock in any case. */
    MYSQL_RES *res = NULL;
    st = mq_query(conn, "SELECT 1 FROM " LOCK_TABLE " WHERE name = 'migrate'", mq_now() + STEP_US,
                  &res, err);
    bool exists = st == STK_OK && mysql_num_rows(res) > 0;
    if (res)
        mysql_free_result(res);
    if (st == STK_OK && !exists)
        st = run(conn,
                 "INSERT INTO " LOCK_TABLE " (name, owner, lease_until) VALUES ('migrate', '', 0) "
                 "ON DUPLICATE KEY UPDATE name = name",
                 err);
    return st == STK_OK ? STK_E_RETRY : st;
}

stk_status mq_lease_take(struct mq_conn *conn, struct mq_lease **out, stk_err *err)
{
    struct mq_lease *l = calloc(1, sizeof *l);
    if (!l)
        return stk_err_nomem(err);
    l->conn = conn;
    random_owner(l->owner);
    stk_err own = {.size = sizeof own};
    err = err ? err : &own;
    uint64_t end = mq_now() + LOCK_WAIT_US;
    stk_status st = make_table(conn, err);
    for (bool first = true; st == STK_OK || st == STK_E_RETRY; first = false) {
        st = try_lock(conn, l->owner, err);
        if (st == STK_OK)
            break;
        if (st == STK_E_SCHEMA && err->native == NO_SUCH_TABLE) { /* mq_drop() took it */
            st = make_table(conn, err);
            continue;
        }
        if (st == STK_E_RETRY && mq_now() > end)
            st = stk_err_set(err, STK_E_TIMEOUT,
                             MQ_NAME ": another core holds the migration lock of database \"%s\" "
                                     "on %s. See table " LOCK_TABLE,
                             conn->db->conf->server.database, conn->server);
        else if (st == STK_E_RETRY && !first)
            sleep_ms(POLL_MS);
    }
    if (st == STK_OK)
        st = start_renewing(l, err);
    if (st != STK_OK) {
        free(l);
        return st;
    }
    *out = l;
    return STK_OK;
}

void mq_lease_release(struct mq_conn *conn, struct mq_lease *l, bool drop)
{
    char sql[160];
    pthread_mutex_lock(&l->lock);
    l->done = true;
    pthread_cond_signal(&l->cond);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->cond);
    snprintf(sql, sizeof sql,
             "UPDATE " LOCK_TABLE " SET owner = '', lease_until = 0 WHERE name = 'migrate' AND "
             "owner = '%s'",
             l->owner);
    if (run(conn, sql, NULL) == STK_OK && mysql_affected_rows(conn->my) == 1 && drop)
        run(conn, "DROP TABLE IF EXISTS " LOCK_TABLE, NULL);
    free(l);
}
