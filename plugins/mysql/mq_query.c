/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, ending what the server still runs, and the statements that
 * migrations, health and connecting need.
 *
 * MariaDB's library asks a function of ours before each wait for the network;
 * what it must know, the deadline, can only reach it by the thread.  MySQL's own
 * library has no such function: there the read timeout of the connection, in
 * whole seconds, is all there is. */
#include "mq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

enum { MAX_STEP_MS = 64 };

static _Thread_local struct {
    uint64_t deadline_us; /* 0: none */
    struct mq_conn *stop; /* its statement is interrupted at the deadline, and waited for */
    unsigned step_ms;     /* of wait_io() */
    bool expired;
} limit;

void mq_limit(uint64_t deadline_us)
{
    limit.deadline_us = deadline_us;
    limit.stop = NULL;
    limit.step_ms = 1;
    limit.expired = false;
}

void mq_limit_stop(struct mq_conn *conn)
{
    limit.stop = conn;
}

void mq_limit_end(void)
{
    limit.deadline_us = 0;
    limit.stop = NULL;
}

bool mq_expired(void)
{
    return limit.expired || (limit.deadline_us && mq_now() >= limit.deadline_us);
}

#ifdef MARIADB_PACKAGE_VERSION_ID

/* At the deadline; true: it was put off. */
static bool late(void)
{
    struct mq_conn *stop = limit.stop;
    limit.expired = true;
    if (!stop)
        return false;
    limit.stop = NULL;
    limit.deadline_us = mq_now() + MQ_GRACE_US;
    mq_kill(stop, true);
    return true;
}

/* 1: ready, 0: too late, -1: the socket is broken.  A write over TLS also comes
 * here as a read (a slip of the library), hence the short steps: after each it
 * is said to be ready, and the library tries again what it was about. */
static int wait_io(my_socket fd, my_bool is_read, int timeout_ms)
{
    struct pollfd p = {fd, is_read ? POLLIN : POLLOUT, 0};
    uint64_t own = mq_now() + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000 : STK_SERVER_WAIT_US);
    for (;;) {
        uint64_t now = mq_now();
        uint64_t end = limit.deadline_us ? limit.deadline_us : own;
        if (now >= end) {
            if (late())
                continue;
            errno = ETIMEDOUT;
            return 0;
        }
        uint64_t ms = (end - now + 999) / 1000;
        bool step = is_read && limit.deadline_us && ms > limit.step_ms;
        int n = poll(&p, 1, step ? (int)limit.step_ms : ms > 60000 ? 60000 : (int)ms);
        if (n > 0)
            return 1;
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0 && step) {
            limit.step_ms = limit.step_ms < MAX_STEP_MS ? limit.step_ms * 2 : MAX_STEP_MS;
            return 1;
        }
    }
}

void mq_limit_set_up(MYSQL *my, unsigned seconds)
{
    /* Without a read timeout the library would block in recv() and never ask. */
    mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    mysql_optionsv(my, MARIADB_OPT_IO_WAIT, (const void *)wait_io);
}

void mq_limit_connected(MYSQL *my)
{
    /* Nor does it ask while OpenSSL blocks in read(). */
    int fd = (int)mysql_get_socket(my);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

#else

void mq_limit_set_up(MYSQL *my, unsigned seconds)
{
    seconds = STK_SERVER_WAIT_US / 1000000;
    mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
}

void mq_limit_connected(MYSQL *my)
{
    (void)my;
}

#endif

/* ---------------------------------------------------------------------- kill */

struct kill {
    struct stk_db *db;
    const struct stk_server_host *host;
    unsigned long id;
    bool statement_only;
};

/* A server does not notice that its client has gone while it waits for a lock:
 * the transaction would live on, with the locks that it has. */
static void deliver(void *arg)
{
    struct kill *k = arg;
    mysql_thread_init();
    uint64_t deadline = mq_now() + MQ_ROLLBACK_US;
    MYSQL *my = mq_connect_bare(k->db->conf, k->host, atomic_load(&k->db->plain), deadline);
    if (my) {
        char sql[48];
        mq_limit(deadline);
        snprintf(sql, sizeof sql, k->statement_only ? "KILL QUERY %lu" : "KILL %lu", k->id);
        mysql_query(my, sql);
        mysql_close(my);
        mq_limit_end();
    }
    mysql_thread_end();
    free(k);
}

void mq_kill(struct mq_conn *conn, bool statement_only)
{
    struct kill *k = malloc(sizeof *k);
    if (!k)
        return;
    *k = (struct kill){conn->db, conn->host, conn->id, statement_only};
    stk_jobs_start(&conn->db->server.jobs, deliver, k);
}

/* --------------------------------------------------------- single statements */

void mq_failure_read(MYSQL *my, struct mq_failure *out)
{
    mq_failure_set(out, mysql_errno(my), mysql_sqlstate(my), mysql_error(my));
}

stk_status mq_query(struct mq_conn *conn, const char *sql, uint64_t deadline_us, MYSQL_RES **out,
                    stk_err *err)
{
    MYSQL *my = conn->my;
    MYSQL_RES *res = NULL;
    stk_status st = STK_OK;
    mq_limit(deadline_us);
    bool ok = mysql_real_query(my, sql, strlen(sql)) == 0;
    if (ok && mysql_field_count(my) > 0) {
        res = mysql_store_result(my);
        ok = res != NULL;
    }
    if (!ok) {
        struct mq_failure f;
        struct mq_place at;
        unsigned flags;
        mq_failure_read(my, &f);
        mq_place(conn, &at);
        if (mq_error_lost(f.code) && mq_expired()) {
            st = stk_err_set(err, STK_E_TIMEOUT, MQ_NAME ": no answer from %s before the deadline",
                             conn->server);
            mq_kill(conn, false);
        } else {
            st = mq_error_statement(NULL, &at, STK_NONE, &f, &flags, err);
        }
    }
    mq_limit_end();
    if (!out || st != STK_OK) {
        if (res)
            mysql_free_result(res);
        res = NULL;
    }
    if (out)
        *out = res;
    return st;
}
