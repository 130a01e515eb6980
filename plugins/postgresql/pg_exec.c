/* SPDX-License-Identifier: Apache-2.0 */
/* A batch as one pipeline: BEGIN where one is due, the statements (each prepared
 * in the same trip when it is new to the connection), COMMIT, one sync.
 *
 * What was applied is judged by the order of the answers, which is the order of
 * the commands.  An error ahead of the commit means that nothing was committed;
 * only silence after a commit was sent is uncertain.  A statement that commits
 * by itself does so at the sync, after its own answer, hence only the sync's
 * answer counts there.  An error that ends the connection proves less: a pooler
 * may have made it up. */
#include "pg.h"

#include <stdlib.h>

enum { STEP_PLANS, STEP_BEGIN, STEP_PREPARE, STEP_RUN, STEP_COMMIT };

struct step {
    uint8_t kind;
    bool guarded;
    uint16_t call; /* STK_NONE for COMMIT */
    uint32_t bit;  /* of the statement in pg_conn.prepared */
};

struct run {
    stk_db *db;
    struct stk_sql *sql;
    struct pg_conn *conn;
    stk_batch *batch;
    uint64_t deadline_us;
    struct step *steps;
    struct step few[8]; /* steps of a small batch; commit() has no arena */
    uint32_t nsteps;
    bool ro;          /* how BEGIN is spelt */
    bool begin;       /* a transaction is opened here */
    bool commit;      /* and ended here */
    bool ends;        /* what is written becomes permanent with this batch */
    bool cancelled;   /* the deadline passed */
    bool synced;      /* the answer is whole */
    bool committed;   /* COMMIT was answered by COMMIT */
    bool rolled_back; /* COMMIT was answered by ROLLBACK */
    bool failed;      /* f and at describe the first error */
    uint32_t cur, at; /* step whose answer is awaited; step that failed */
    struct pg_failure f;
};

/* ------------------------------------------------------------------ queueing */

static bool test_bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, uint32_t i, bool on)
{
    uint64_t mask = (uint64_t)1 << (i % 64);
    bits[i / 64] = on ? bits[i / 64] | mask : bits[i / 64] & ~mask;
}

static void add_step(struct run *r, uint8_t kind, uint16_t call, uint32_t bit, bool guarded)
{
    r->steps[r->nsteps++] = (struct step){kind, guarded, call, bit};
}

static bool send_plain(struct run *r, uint8_t kind, uint16_t call, const char *sql)
{
    add_step(r, kind, call, 0, false);
    return PQsendQueryParams(r->conn->pg, sql, 0, NULL, NULL, NULL, NULL, 1);
}

static bool send_statement(struct run *r, uint16_t call, const char *text, const char *name,
                           int nparams, uint32_t bit, bool guarded)
{
    struct pg_conn *c = r->conn;
    bool ok = true;
    if (atomic_load(&r->db->use_prepared)) {
        if (!test_bit(c->prepared, bit)) {
            ok = PQsendPrepare(c->pg, name, text, nparams, c->types);
            add_step(r, STEP_PREPARE, call, bit, false);
            set_bit(c->prepared, bit, true); /* taken back should it fail */
        }
        ok = ok && PQsendQueryPrepared(c->pg, name, nparams, c->values, c->lengths, c->formats, 1);
    } else {
        ok =
            PQsendQueryParams(c->pg, text, nparams, c->types, c->values, c->lengths, c->formats, 1);
    }
    add_step(r, STEP_RUN, call, bit, guarded);
    r->batch->statements++;
    return ok;
}

/* A missed expectation must fail on the server only where something would become
 * permanent before we could look. */
static bool needs_guard(const struct run *r, const stk_call *call)
{
    return r->ends && (call->expect == STK_EXPECT_AFFECTED ||
                       (call->expect == STK_EXPECT_ROWS && call->expect_n > 0));
}

static stk_status send_call(struct run *r, uint16_t index, stk_err *err)
{
    struct stk_sql *sql = r->sql;
    stk_call call;
    stk_batch_call(r->batch, index, &call);
    struct stk_sql_piece piece = {0};
    while (stk_sql_next(sql, &call, &piece)) {
        const struct stk_sql_stmt *stmt = stk_sql_stmt(sql, call.query->id, piece.slot);
        if (!stmt || !pg_bind_reserve(r->conn, stmt->nbinds + 1u))
            return stk_err_nomem(err);
        for (uint16_t i = 0; i < stmt->nbinds; i++) {
            stk_val v;
            stk_sql_value(sql, &call, &piece, &stmt->binds[i], r->batch->arena, &v);
            pg_bind(r->conn, i, &stmt->binds[i], &v, r->batch->arena);
        }
        const char *text = stmt->text, *name = stmt->name;
        uint32_t bit = call.query->id * (STK_SQL_SLOTS + 1u) + piece.slot;
        int nparams = stmt->nbinds;
        bool guarded = needs_guard(r, &call);
        if (guarded) {
            const struct pg_guard *guard = pg_guard_get(r->db, stmt);
            if (!guard)
                return stk_err_nomem(err);
            pg_bind_number(r->conn, stmt->nbinds, call.expect_n);
            text = guard->text;
            name = guard->name;
            bit = call.query->id * (STK_SQL_SLOTS + 1u) + STK_SQL_SLOTS;
            nparams++;
        }
        if (!send_statement(r, index, text, name, nparams, bit, guarded))
            return STK_E_UNAVAILABLE;
    }
    return STK_OK;
}

/* A plan made while a table was empty takes any index for as good as any other,
 * and the server keeps it until the table is analyzed, minutes and a million
 * rows later.  So plans are made anew at growing intervals, which costs a word
 * in a trip that is made anyway. */
static bool plans_are_due(const struct run *r)
{
    struct pg_conn *c = r->conn;
    if (!c->plans_every_us || !atomic_load(&r->db->use_prepared))
        return false;
    uint64_t now = pg_now();
    if (now < c->plans_due_us)
        return false;
    if (c->plans_every_us < PG_PLANS_MAX_US)
        c->plans_every_us *= 2;
    c->plans_due_us = now + c->plans_every_us;
    return true;
}

/* Queues everything; STK_E_UNAVAILABLE when libpq would not take it. */
static stk_status send_batch(struct run *r, uint32_t pieces, stk_err *err)
{
    size_t most = 2 * (size_t)pieces + 3;
    r->steps = r->few;
    if (most > sizeof r->few / sizeof r->few[0])
        r->steps = stk_alloc(r->batch->arena, most * sizeof *r->steps);
    stk_status st = STK_OK;
    if (plans_are_due(r) && !send_plain(r, STEP_PLANS, 0, "DISCARD PLANS"))
        st = STK_E_UNAVAILABLE;
    if (st == STK_OK && r->begin &&
        !send_plain(r, STEP_BEGIN, 0,
                    r->ro ? "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
                          : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"))
        st = STK_E_UNAVAILABLE;
    for (uint32_t i = 0; st == STK_OK && i < r->batch->ncalls; i++)
        st = send_call(r, (uint16_t)i, err);
    if (st == STK_OK && r->commit && !send_plain(r, STEP_COMMIT, STK_NONE, "COMMIT"))
        st = STK_E_UNAVAILABLE;
    if (st == STK_OK && !PQpipelineSync(r->conn->pg))
        st = STK_E_UNAVAILABLE;
    r->batch->round_trips++;
    return st;
}

/* ------------------------------------------------------------------- answers */

/* Takes the result of a statement over. */
static void take_rows(struct run *r, const struct step *s, PGresult *res)
{
    stk_call call;
    stk_batch_call(r->batch, s->call, &call);
    const stk_query *q = &r->sql->queries[call.query->id];
    switch (q->op) {
    case STK_OP_SELECT:
        pg_rows(r->sql, q, res, (uint32_t)PQntuples(res), r->batch->arena, call.result);
        return;
    case STK_OP_COUNT: call.result->affected = (uint64_t)pg_cell_i64(res, 0, 0); break;
    case STK_OP_UPDATE:
    case STK_OP_DELETE:
        call.result->affected +=
            s->guarded ? (uint64_t)pg_cell_i64(res, 0, 0) : strtoull(PQcmdTuples(res), NULL, 10);
        break;
    default: break;
    }
    PQclear(res);
}

static void take_result(struct run *r, PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);
    const struct step *s = r->cur < r->nsteps ? &r->steps[r->cur] : NULL;
    if (status == PGRES_PIPELINE_SYNC) {
        r->synced = true;
    } else if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
        if (!r->failed) {
            r->failed = true;
            r->at = r->cur;
            pg_failure_read(res, r->conn->pg, &r->f);
        }
    } else if (s && s->kind == STEP_RUN && status != PGRES_PIPELINE_ABORTED) {
        take_rows(r, s, res);
        return;
    } else if (s && s->kind == STEP_COMMIT && status == PGRES_COMMAND_OK) {
        r->committed = strcmp(PQcmdStatus(res), "COMMIT") == 0;
        r->rolled_back = !r->committed;
    }
    PQclear(res);
}

/* Reads until the sync is answered; PG_WAIT_READY then. */
static enum pg_wait receive(struct run *r)
{
    PGconn *pg = r->conn->pg;
    bool got = false;
    while (!r->synced) {
        enum pg_wait w = pg_wait_result(pg, r->deadline_us);
        if (w == PG_WAIT_TIMEOUT && !r->cancelled) {
            pg_cancel(r->conn);
            r->cancelled = true;
            /* Whether the commit came to pass is worth a moment. */
            if (r->ends) {
                r->deadline_us = pg_now() + PG_GRACE_US;
                continue;
            }
        }
        if (w != PG_WAIT_READY)
            return w;
        PGresult *res = PQgetResult(pg);
        if (res) {
            got = true;
            take_result(r, res);
        } else if (PQstatus(pg) == CONNECTION_BAD) {
            return PG_WAIT_LOST;
        } else if (got) {
            got = false;
            r->cur++;
        } else {
            return PG_WAIT_LOST; /* nothing more will come */
        }
    }
    return PG_WAIT_READY;
}

/* -------------------------------------------------------------------- verdict */

/* Whether the first error proves that nothing was committed. */
static bool error_is_proof(const struct run *r)
{
    if (!r->f.sqlstate[0])
        return false;
    if (!r->f.fatal)
        return true;
    return r->conn->direct && r->at < r->nsteps && strncmp(r->f.sqlstate, "57P0", 4) == 0 &&
           r->f.sqlstate[4] != '2';
}

static stk_status uncertain(struct run *r, stk_err *err)
{
    return stk_err_set(err, STK_E_UNCERTAIN,
                       PG_NAME ": the connection to %s was lost while committing; whether it was "
                               "applied is not known",
                       r->conn->server);
}

/* No answer, or not all of it. */
static stk_status judge_silence(struct run *r, enum pg_wait end, unsigned *flags, stk_err *err)
{
    *flags = PG_DROP | (end == PG_WAIT_LOST ? PG_STALE : 0);
    if (r->ends)
        return uncertain(r, err);
    if (end == PG_WAIT_TIMEOUT)
        return stk_err_set(err, STK_E_TIMEOUT,
                           PG_NAME ": no answer from %s before the deadline; the statement was "
                                   "cancelled",
                           r->conn->server);
    return stk_err_set(err, STK_E_UNAVAILABLE, PG_NAME ": the connection to %s was lost",
                       r->conn->server);
}

static stk_status judge_error(struct run *r, enum pg_wait end, unsigned *flags, stk_err *err)
{
    const struct step *s = r->at < r->nsteps ? &r->steps[r->at] : NULL;
    uint16_t call = s ? s->call : STK_NONE;
    if (!r->f.sqlstate[0] || (r->ends && r->f.fatal && !error_is_proof(r)))
        return judge_silence(r, PG_WAIT_LOST, flags, err);
    struct pg_place at;
    pg_place(r->conn, &at);
    /* How a standby refuses BEGIN ... READ WRITE. */
    if (s && s->kind == STEP_BEGIN && strcmp(r->f.sqlstate, "0A000") == 0)
        memcpy(r->f.sqlstate, "25006", 6);
    uint16_t table =
        call < r->batch->ncalls ? stk_sql_query_of(r->sql, r->batch, call)->table : STK_NONE;
    stk_status st = pg_error_statement(r->sql, &at, table, &r->f, flags, err);
    if (st == STK_E_EXPECT)
        stk_err_set(err, st, PG_NAME ": query \"%s\" met another number of rows than expected",
                    stk_sql_query_of(r->sql, r->batch, call)->name);
    if (end != PG_WAIT_READY || r->cancelled)
        *flags |= PG_DROP;
    return st;
}

/* What the answers mean: status, the call it belongs to (as it was: none), flags. */
static stk_status judge(struct run *r, enum pg_wait end, uint32_t *call, unsigned *flags,
                        stk_err *err)
{
    *flags = r->cancelled || end != PG_WAIT_READY ? PG_DROP : 0;
    if (r->failed) {
        if (r->at < r->nsteps && r->steps[r->at].call != STK_NONE)
            *call = r->steps[r->at].call;
        return judge_error(r, end, flags, err);
    }
    if (r->rolled_back) {
        *flags |= PG_DROP;
        return stk_err_set(err, STK_E_RETRY,
                           PG_NAME ": %s answered COMMIT by ROLLBACK; nothing was applied",
                           r->conn->server);
    }
    if (end != PG_WAIT_READY && !r->committed) {
        if (r->cur < r->nsteps && r->steps[r->cur].call != STK_NONE)
            *call = r->steps[r->cur].call;
        return judge_silence(r, end, flags, err);
    }
    for (uint32_t i = 0; i < r->batch->ncalls; i++) {
        stk_call c;
        stk_batch_call(r->batch, i, &c);
        *call = i;
        if (stk_sql_expect(r->sql, &c, err) != STK_OK)
            return STK_E_EXPECT;
    }
    return STK_OK;
}

/* Statements whose preparation did not happen are not known to the server. */
static void forget_unprepared(struct run *r, enum pg_wait end)
{
    uint32_t from = r->failed ? r->at : end == PG_WAIT_READY ? r->nsteps : r->cur;
    for (uint32_t i = from; i < r->nsteps; i++)
        if (r->steps[i].kind == STEP_PREPARE)
            set_bit(r->conn->prepared, r->steps[i].bit, false);
}

/* --------------------------------------------------------------- the attempt */

/* Where the batch is a unit of its own, or the first or last of a transaction. */
static void plan(struct run *r, const struct stk_exec *x)
{
    bool last = !x->txn || (r->batch->flags & STK_X_COMMIT);
    bool own = last && !x->open;
    bool wrote = x->writes || (x->txn && x->txn->wrote);
    r->ro = x->txn && x->txn->mode == STK_TXN_RO;
    /* Reads need no transaction of their own, one write is one by itself. */
    bool bare = own && !x->locks && (!wrote || x->pieces <= 1);
    r->begin = !bare && !x->open;
    r->commit = !bare && last;
    r->ends = wrote && last;
}

/* Named statements do not survive here: another client of the same pooler has
 * them, or another server. */
static void unprepare(stk_db *db, const struct pg_conn *conn)
{
    if (atomic_exchange(&db->use_prepared, false))
        stk_logf(pg_core, STK_LOG_INFO, PG_NAME,
                 PG_NAME ": %s does not keep prepared statements, they are not used from now on",
                 conn->server);
}

stk_status pg_attempt(struct stk_exec *x, stk_err *err)
{
    struct run r = {.db = x->db,
                    .sql = x->db->server.sql,
                    .conn = x->conn,
                    .batch = x->batch,
                    .deadline_us = x->deadline_us};
    unsigned flags = PG_DROP;
    enum pg_wait end = PG_WAIT_LOST;
    plan(&r, x);
    stk_status st = send_batch(&r, x->pieces, err);
    if (st == STK_OK) {
        end = receive(&r);
        st = judge(&r, end, &x->call, &flags, err);
    } else if (st == STK_E_UNAVAILABLE) {
        /* Unless COMMIT is on its way, the server commits nothing without the sync. */
        r.ends = r.ends && r.nsteps && r.steps[r.nsteps - 1].kind == STEP_COMMIT;
        st = judge_silence(&r, end, &flags, err);
    }
    forget_unprepared(&r, end);
    if (flags & PG_UNPREPARE)
        unprepare(r.db, r.conn);
    x->open = PQtransactionStatus(r.conn->pg) != PQTRANS_IDLE;
    x->drop = flags & PG_DROP;
    x->again = (flags & PG_STALE) && (r.conn->reused || (flags & PG_UNPREPARE));
    return st;
}

bool pg_undo(void *conn)
{
    return pg_query(conn, "ROLLBACK", 0, NULL, pg_now() + PG_ROLLBACK_US, NULL, NULL) == STK_OK;
}
