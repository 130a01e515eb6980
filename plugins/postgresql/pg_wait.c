/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting with a deadline, cancelling, and the simple statements that
 * migrations, health and connecting need.
 *
 * PQcancel() connects anew and may block for as long as the network pleases, so
 * it runs in a thread of its own: a deadline is a deadline. */
#include "pg.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum pg_wait pg_wait_socket(PGconn *pg, bool in, bool out, uint64_t deadline_us)
{
    struct pollfd p = {PQsocket(pg), (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0)), 0};
    if (p.fd < 0)
        return PG_WAIT_LOST;
    for (;;) {
        uint64_t now = pg_now();
        if (now >= deadline_us)
            return PG_WAIT_TIMEOUT;
        uint64_t ms = (deadline_us - now + 999) / 1000;
        int n = poll(&p, 1, ms > 60000 ? 60000 : (int)ms);
        if (n > 0)
            return PG_WAIT_READY;
        if (n < 0 && errno != EINTR)
            return PG_WAIT_LOST;
    }
}

enum pg_wait pg_wait_result(PGconn *pg, uint64_t deadline_us)
{
    while (PQisBusy(pg)) {
        int flush = PQflush(pg);
        /* A failed flush may still leave an explanation to be read. */
        enum pg_wait w = pg_wait_socket(pg, true, flush > 0, deadline_us);
        if (w != PG_WAIT_READY)
            return w;
        if (!PQconsumeInput(pg))
            return PG_WAIT_LOST;
    }
    return PG_WAIT_READY;
}

/* -------------------------------------------------------------------- cancel */

static void deliver(void *request)
{
    char msg[256];
    PQcancel(request, msg, sizeof msg);
    PQfreeCancel(request);
}

void pg_cancel(struct pg_conn *conn)
{
    PGcancel *request = PQgetCancel(conn->pg);
    if (request)
        stk_jobs_start(&conn->db->server.jobs, deliver, request);
}

/* --------------------------------------------------------- single statements */

void pg_failure_read(const PGresult *res, PGconn *pg, struct pg_failure *out)
{
    memset(out, 0, sizeof *out);
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    if (state)
        snprintf(out->sqlstate, sizeof out->sqlstate, "%s", state);
    const char *severity = res ? PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
    out->fatal = severity && strcmp(severity, "ERROR") != 0;
    const char *constraint = res ? PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME) : NULL;
    if (constraint)
        snprintf(out->constraint, sizeof out->constraint, "%s", constraint);
    const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (!text)
        text = pg ? PQerrorMessage(pg) : "";
    text += strspn(text, " \n");
    snprintf(out->message, sizeof out->message, "%.*s", (int)strcspn(text, "\n"), text);
}

static stk_status lost(struct pg_conn *conn, enum pg_wait why, stk_err *err)
{
    if (why == PG_WAIT_TIMEOUT)
        return stk_err_set(err, STK_E_TIMEOUT, PG_NAME ": no answer from %s before the deadline",
                           conn->server);
    return stk_err_set(err, STK_E_UNAVAILABLE, PG_NAME ": the connection to %s was lost",
                       conn->server);
}

/* Reads all results of what was just sent; keeps the last one with rows. */
static stk_status collect(struct pg_conn *conn, uint64_t deadline_us, PGresult **out, stk_err *err)
{
    bool pipeline = PQpipelineStatus(conn->pg) != PQ_PIPELINE_OFF;
    stk_status st = STK_OK;
    for (;;) {
        enum pg_wait w = pg_wait_result(conn->pg, deadline_us);
        if (w != PG_WAIT_READY)
            return st != STK_OK ? st : lost(conn, w, err);
        PGresult *res = PQgetResult(conn->pg);
        if (!res) {
            if (!pipeline)
                return st;
            if (PQstatus(conn->pg) == CONNECTION_BAD)
                return st != STK_OK ? st : lost(conn, PG_WAIT_LOST, err);
            continue;
        }
        ExecStatusType status = PQresultStatus(res);
        if (status == PGRES_TUPLES_OK && out) {
            PQclear(*out);
            *out = res;
            continue;
        }
        if (status == PGRES_FATAL_ERROR && st == STK_OK) {
            struct pg_failure f;
            struct pg_place at;
            unsigned flags;
            pg_failure_read(res, conn->pg, &f);
            pg_place(conn, &at);
            st = f.sqlstate[0] ? pg_error_statement(NULL, &at, STK_NONE, &f, &flags, err)
                               : lost(conn, PG_WAIT_LOST, err);
        }
        PQclear(res);
        if (status == PGRES_PIPELINE_SYNC)
            return st;
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT)
            return stk_err_set(err, STK_E_INVALID, PG_NAME ": COPY is not served");
    }
}

static stk_status finish(struct pg_conn *conn, uint64_t deadline_us, PGresult **out, stk_err *err)
{
    PGresult *res = NULL;
    stk_status st = collect(conn, deadline_us, &res, err);
    if (st == STK_E_TIMEOUT)
        pg_cancel(conn);
    if (st != STK_OK || !out) {
        PQclear(res);
        res = NULL;
    }
    if (out)
        *out = res;
    return st;
}

stk_status pg_query(struct pg_conn *conn, const char *sql, int nparams, const char *const *params,
                    uint64_t deadline_us, PGresult **out, stk_err *err)
{
    if (out)
        *out = NULL;
    if (!PQsendQueryParams(conn->pg, sql, nparams, NULL, params, NULL, NULL, 0) ||
        (PQpipelineStatus(conn->pg) != PQ_PIPELINE_OFF && !PQpipelineSync(conn->pg)))
        return lost(conn, PG_WAIT_LOST, err);
    return finish(conn, deadline_us, out, err);
}

stk_status pg_script(struct pg_conn *conn, const char *sql, uint64_t deadline_us, stk_err *err)
{
    if (!PQexitPipelineMode(conn->pg) || !PQsendQuery(conn->pg, sql))
        return lost(conn, PG_WAIT_LOST, err);
    stk_status st = finish(conn, deadline_us, NULL, err);
    if (!PQenterPipelineMode(conn->pg) && st == STK_OK)
        st = lost(conn, PG_WAIT_LOST, err);
    return st;
}
