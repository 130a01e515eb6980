/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and batches.  Rows are copied into the request arena and every
 * statement is reset at once: a statement left half-read would hold its snapshot
 * and keep the log from being copied back. */
#include <stdlib.h>

#include "sqlite_plugin.h"

static void bind_one(sqlite3_stmt *st, int n, const stk_val *v)
{
    switch (v->type) {
    case STK_T_BOOL:
    case STK_T_I64: sqlite3_bind_int64(st, n, v->u.i); break;
    /* A NULL pointer would bind NULL instead of the empty value. */
    case STK_T_TEXT:
        sqlite3_bind_text(st, n, v->len ? v->u.p : "", (int)v->len, SQLITE_STATIC);
        break;
    case STK_T_BYTES:
        sqlite3_bind_blob(st, n, v->len ? v->u.p : "", (int)v->len, SQLITE_STATIC);
        break;
    default: sqlite3_bind_null(st, n); break;
    }
}

static void read_cell(sqlite3_stmt *st, int i, uint8_t type, stk_arena *arena, stk_val *out)
{
    if (sqlite3_column_type(st, i) == SQLITE_NULL) {
        *out = stk_null();
        return;
    }
    switch (type) {
    case STK_T_BOOL: *out = stk_bool(sqlite3_column_int64(st, i) != 0); break;
    case STK_T_I64: *out = stk_i64(sqlite3_column_int64(st, i)); break;
    default: {
        const void *p =
            type == STK_T_TEXT ? sqlite3_column_text(st, i) : sqlite3_column_blob(st, i);
        size_t n = (size_t)sqlite3_column_bytes(st, i);
        char *copy = stk_arena_text(arena, p, n);
        *out = type == STK_T_TEXT ? stk_textn(copy, n) : stk_bytes(copy, n);
        break;
    }
    }
}

static int collect(const struct stk_sql *sql, const stk_query *q, sqlite3_stmt *st,
                   stk_arena *arena, stk_result *res)
{
    const stk_table *t = &sql->tables[q->table];
    struct stk_sql_rows rows = {0};
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (q->op == STK_OP_COUNT) {
            res->affected = (uint64_t)sqlite3_column_int64(st, 0);
            continue;
        }
        stk_val *cells = stk_sql_rows_add(&rows, q->nout, arena);
        for (int i = 0; i < q->nout; i++)
            read_cell(st, i, t->cols[q->out[i]].type, arena, &cells[i]);
    }
    res->cells = rows.cells;
    res->nrows = rows.n;
    res->ncols = q->op == STK_OP_SELECT ? q->nout : 0;
    return rc;
}

static stk_status run_piece(struct conn *c, const stk_call *call, const struct stk_sql_piece *p,
                            stk_arena *arena, stk_err *err)
{
    const struct stk_sql *sql = c->db->sql;
    const stk_query *q = &sql->queries[call->query->id];
    sqlite3_stmt *st = conn_stmt(c, q->id, p->slot, err);
    if (!st)
        return err->code;
    const struct stk_sql_stmt *text = stk_sql_stmt(sql, q->id, p->slot);
    for (uint16_t i = 0; i < text->nbinds; i++) {
        stk_val v;
        stk_sql_value(sql, call, p, &text->binds[i], arena, &v);
        bind_one(st, i + 1, &v);
    }
    int rc = collect(sql, q, st, arena, call->result);
    stk_status status = STK_OK;
    if (rc != SQLITE_DONE)
        status = conn_error(c, rc, q->name, err);
    else if (q->op == STK_OP_UPDATE || q->op == STK_OP_DELETE)
        call->result->affected = (uint64_t)sqlite3_changes(c->s);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return status;
}

static stk_status run_call(struct conn *c, const stk_call *call, stk_batch *batch, stk_err *err)
{
    struct stk_sql_piece p = {0};
    while (stk_sql_next(c->db->sql, call, &p)) {
        stk_status rc = run_piece(c, call, &p, batch->arena, err);
        if (rc)
            return rc;
        batch->statements++;
    }
    return stk_sql_expect(c->db->sql, call, err);
}

static stk_status run_calls(struct conn *c, stk_batch *batch, stk_err *err)
{
    for (uint32_t i = 0; i < batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(batch, i, &call);
        stk_status rc = run_call(c, &call, batch, err);
        if (rc)
            return stk_sql_fail(batch, i, rc, err);
    }
    return STK_OK;
}

/* A batch of its own: one read needs no transaction, for it is one statement. */
static stk_status exec_alone(struct stk_db *db, stk_batch *batch, stk_err *err)
{
    if (batch->ncalls == 0)
        return STK_OK;
    bool read_only = stk_sql_read_only(db->sql, batch);
    bool txn = !read_only || batch->ncalls > 1;
    struct conn *c;
    stk_status rc = conn_get(db, !read_only, batch->deadline_us, &c, err);
    if (rc)
        return stk_sql_fail(batch, 0, rc, err);
    rc = txn ? conn_begin(c, err) : STK_OK;
    if (rc)
        stk_sql_fail(batch, 0, rc, err);
    else
        rc = run_calls(c, batch, err);
    if (!rc && txn) {
        rc = conn_commit(c, err);
        if (rc)
            stk_sql_fail(batch, 0, rc, err);
    }
    conn_put(c); /* rolls back what is open */
    return rc;
}

/* ------------------------------------------------------------ transactions */

stk_status sqlite_begin(struct stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn,
                        stk_err *err)
{
    *txn = NULL;
    if (mode != STK_TXN_RW && mode != STK_TXN_RO)
        return stk_err_set(err, STK_E_UNSUPPORTED, "sqlite: an unknown transaction mode");
    stk_txn *t = calloc(1, sizeof *t);
    if (!t)
        return stk_err_nomem(err);
    t->db = db;
    t->mode = mode;
    t->deadline_us = deadline_us;
    *txn = t;
    return STK_OK;
}

static void release(stk_txn *t)
{
    if (t->conn)
        conn_put(t->conn);
    free(t);
}

static stk_status start(stk_txn *t, uint64_t deadline_us, stk_err *err)
{
    if (deadline_us == 0)
        deadline_us = t->deadline_us;
    if (t->conn) {
        t->conn->deadline_us =
            deadline_us ? deadline_us : t->db->host->now_us(t->db->host->ctx) + SQLITE_WAIT_US;
        return STK_OK;
    }
    stk_status rc = conn_get(t->db, t->mode == STK_TXN_RW, deadline_us, &t->conn, err);
    return rc ? rc : conn_begin(t->conn, err);
}

stk_status sqlite_exec(struct stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    stk_err own = {.size = sizeof own};
    err = err ? err : &own; /* run_piece() reads the code back */
    stk_status rc = stk_sql_accept(db->sql, batch, txn ? txn->mode : -1, txn && txn->failed, err);
    if (!rc)
        batch->round_trips++;
    if (!txn)
        return rc ? rc : exec_alone(db, batch, err);
    if (!rc && batch->ncalls > 0) {
        rc = start(txn, batch->deadline_us, err);
        if (rc)
            stk_sql_fail(batch, 0, rc, err);
        else
            rc = run_calls(txn->conn, batch, err);
    }
    if (!rc && (batch->flags & STK_X_COMMIT)) {
        rc = txn->conn ? conn_commit(txn->conn, err) : STK_OK;
        if (rc && batch->ncalls)
            stk_sql_fail(batch, 0, rc, err);
        if (!rc) {
            release(txn);
            return STK_OK;
        }
    }
    if (rc)
        txn->failed = true;
    return rc;
}

stk_status sqlite_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    stk_status rc = STK_OK;
    if (txn->failed)
        rc = stk_err_set(err, STK_E_INVALID, "sqlite: the transaction has failed: roll it back");
    else if (txn->conn && !(rc = start(txn, deadline_us, err)))
        rc = conn_commit(txn->conn, err);
    release(txn);
    return rc;
}

void sqlite_rollback(stk_txn *txn)
{
    release(txn);
}
