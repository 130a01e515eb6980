/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: checked before anything is sent, cut into statements, bound. */
#include "sql_internal.h"

bool stk_sql_is_read(const stk_query *q)
{
    return (q->op == STK_OP_SELECT && !(q->flags & STK_QF_LOCK)) || q->op == STK_OP_COUNT;
}

bool stk_sql_is_write(const stk_query *q)
{
    return q->op != STK_OP_SELECT && q->op != STK_OP_COUNT;
}

const stk_query *stk_sql_query_of(const struct stk_sql *sql, const stk_batch *batch, uint32_t call)
{
    stk_call c;
    stk_batch_call(batch, call, &c);
    return &sql->queries[c.query->id];
}

stk_val *stk_sql_rows_add(struct stk_sql_rows *r, uint32_t ncols, stk_arena *arena)
{
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 4;
        stk_val *cells = stk_alloc(arena, (size_t)cap * ncols * sizeof *cells + 1);
        if (r->n)
            memcpy(cells, r->cells, (size_t)r->n * ncols * sizeof *cells);
        r->cells = cells;
        r->cap = cap;
    }
    return r->cells + (size_t)r->n++ * ncols;
}

static bool is_insert(const stk_query *q)
{
    return q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT;
}

/* ------------------------------------------------------------------ checks */

/* Names the column a value was refused for. */
static stk_status refuse(const struct stk_sql *sql, const stk_query *q, uint16_t col,
                         stk_status code, const char *what, stk_err *err)
{
    const stk_table *t = &sql->tables[q->table];
    stk_err_set(err, code, "%s: query \"%s\": value for %s.%s %s", sql->dialect.plugin, q->name,
                t->name, col == STK_NONE ? "limit" : t->cols[col].name, what);
    if (err) {
        err->table = q->table;
        err->column = col;
    }
    return code;
}

static stk_status check_value(const struct stk_sql *sql, const stk_query *q,
                              const struct sql_use *use, const stk_val *v, stk_err *err)
{
    const stk_col *c = &sql->tables[q->table].cols[use->col];
    bool write = use->role == USE_WRITE;
    if (v->type == STK_T_NULL) {
        if (write && !(c->flags & STK_COL_NOT_NULL))
            return STK_OK;
        return refuse(sql, q, use->col, STK_E_INVALID,
                      write ? "is NULL but the column is NOT NULL"
                            : "is NULL: compare with IS_NULL or NOT_NULL",
                      err);
    }
    if (v->type != c->type)
        return refuse(sql, q, use->col, STK_E_INVALID, "has another type than the column", err);
    if (v->type == STK_T_BOOL && (v->u.i & ~(int64_t)1))
        return refuse(sql, q, use->col, STK_E_INVALID, "is no boolean", err);
    if (v->type != STK_T_TEXT && v->type != STK_T_BYTES)
        return STK_OK;
    int64_t len = v->len;
    if (v->type == STK_T_TEXT)
        len = stk_utf8_count(v->u.p, v->len);
    if (len < 0)
        return refuse(sql, q, use->col, STK_E_INVALID, "is not UTF-8 or holds a NUL", err);
    if (write && c->max_len && len > (int64_t)c->max_len) {
        char what[64];
        snprintf(what, sizeof what, "is longer than %u %s", c->max_len,
                 v->type == STK_T_TEXT ? "characters" : "bytes");
        return refuse(sql, q, use->col, STK_E_TOO_BIG, what, err);
    }
    return STK_OK;
}

static stk_status check_param(const struct stk_sql *sql, const stk_query *q,
                              const struct sql_use *use, const stk_val *v, stk_err *err)
{
    if (use->role == USE_LIMIT) {
        if (v->type != STK_T_I64 || v->u.i < 0)
            return refuse(sql, q, STK_NONE, STK_E_INVALID, "is no count", err);
        return STK_OK;
    }
    if (use->role != USE_LIST)
        return check_value(sql, q, use, v, err);
    if (v->type != STK_T_LIST || v->len > sql->impl->max_list)
        return refuse(sql, q, use->col, STK_E_INVALID, "is no list or is too long a one", err);
    const stk_val *e = v->u.p;
    for (uint32_t i = 0; i < v->len; i++) {
        stk_status rc = check_value(sql, q, use, &e[i], err);
        if (rc)
            return rc;
    }
    return STK_OK;
}

static stk_status check_expect(const struct stk_sql *sql, const stk_query *q, const stk_call *call,
                               stk_err *err)
{
    if (call->expect > STK_EXPECT_ROWS)
        return stk_err_set(err, STK_E_UNSUPPORTED, "%s: query \"%s\": an unknown expectation",
                           sql->dialect.plugin, q->name);
    bool change = q->op == STK_OP_UPDATE || q->op == STK_OP_DELETE;
    if ((call->expect == STK_EXPECT_AFFECTED && !change) ||
        (call->expect == STK_EXPECT_ROWS && q->op != STK_OP_SELECT))
        return stk_err_set(err, STK_E_INVALID,
                           "%s: query \"%s\" does not count what the call expects",
                           sql->dialect.plugin, q->name);
    return STK_OK;
}

stk_status stk_sql_check_call(const struct stk_sql *sql, const stk_call *call, uint32_t index,
                              stk_err *err)
{
    stk_status rc = STK_OK;
    if (!call->query || !call->result || call->query->id >= sql->nqueries) {
        rc = stk_err_set(err, STK_E_INVALID, "%s: a call of a query outside the catalogue",
                         sql->dialect.plugin);
        goto out;
    }
    const stk_query *q = &sql->queries[call->query->id];
    uint32_t rows = is_insert(q) ? call->nrows : 1;
    if (rows == 0 || (!is_insert(q) && call->nrows > 1)) {
        rc = stk_err_set(err, STK_E_INVALID, "%s: query \"%s\": %u rows", sql->dialect.plugin,
                         q->name, call->nrows);
        goto out;
    }
    rc = check_expect(sql, q, call, err);
    const struct sql_use *uses = sql->impl->uses[q->id];
    for (size_t i = 0; !rc && i < (size_t)rows * q->nparams; i++)
        rc = check_param(sql, q, &uses[i % q->nparams], &call->params[i], err);
out:
    if (rc && err)
        err->call = (uint16_t)(index < STK_NONE ? index : STK_NONE);
    return rc;
}

stk_status stk_sql_check_batch(const struct stk_sql *sql, const stk_batch *batch, int txn_mode,
                               stk_err *err)
{
    if (batch->flags & ~(uint32_t)STK_X_COMMIT) {
        stk_err_set(err, STK_E_UNSUPPORTED, "%s: a batch with an unknown flag",
                    sql->dialect.plugin);
        return stk_sql_fail(batch, 0, STK_E_UNSUPPORTED, err);
    }
    for (uint32_t i = 0; i < batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(batch, i, &call);
        stk_status rc = stk_sql_check_call(sql, &call, i, err);
        if (!rc) {
            const stk_query *q = &sql->queries[call.query->id];
            if (txn_mode == STK_TXN_RO && !stk_sql_is_read(q))
                rc = stk_err_set(err, STK_E_INVALID,
                                 "%s: query \"%s\" writes or locks in a read-only transaction",
                                 sql->dialect.plugin, q->name);
            else if (txn_mode < 0 && (q->flags & STK_QF_LOCK))
                rc = stk_err_set(err, STK_E_INVALID, "%s: query \"%s\" locks without a transaction",
                                 sql->dialect.plugin, q->name);
        }
        if (rc)
            return stk_sql_fail(batch, i, rc, err);
    }
    return STK_OK;
}

stk_status stk_sql_expect(const struct stk_sql *sql, const stk_call *call, stk_err *err)
{
    uint64_t got = call->expect == STK_EXPECT_ROWS ? call->result->nrows : call->result->affected;
    bool met = call->expect == STK_EXPECT_NONE ||
               (call->expect == STK_EXPECT_ROWS ? got >= call->expect_n : got == call->expect_n);
    if (met)
        return STK_OK;
    const stk_query *q = &sql->queries[call->query->id];
    stk_err_set(err, STK_E_EXPECT, "%s: query \"%s\" met %llu rows where %u were expected",
                sql->dialect.plugin, q->name, (unsigned long long)got, call->expect_n);
    if (err)
        err->table = q->table;
    return STK_E_EXPECT;
}

void stk_sql_clear_results(const stk_batch *batch)
{
    for (uint32_t i = 0; i < batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(batch, i, &call);
        memset(call.result, 0, sizeof *call.result);
    }
}

stk_status stk_sql_accept(const struct stk_sql *sql, const stk_batch *batch, int txn_mode,
                          bool failed, stk_err *err)
{
    if (failed) {
        stk_err_set(err, STK_E_INVALID, "%s: the transaction has failed and must be rolled back",
                    sql->dialect.plugin);
        return stk_sql_fail(batch, 0, STK_E_INVALID, err);
    }
    stk_status rc = stk_sql_check_batch(sql, batch, txn_mode, err);
    if (rc)
        return rc;
    stk_sql_clear_results(batch);
    for (uint32_t i = 0; i < batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(batch, i, &call);
        struct stk_sql_piece piece = {0};
        if (call.expect != STK_EXPECT_NONE && !stk_sql_next(sql, &call, &piece) &&
            stk_sql_expect(sql, &call, err) != STK_OK)
            return stk_sql_fail(batch, i, STK_E_EXPECT, err);
    }
    return STK_OK;
}

stk_status stk_sql_fail(const stk_batch *batch, uint32_t index, stk_status status, stk_err *err)
{
    for (uint32_t i = index; i < batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(batch, i, &call);
        if (!call.result)
            continue;
        memset(call.result, 0, sizeof *call.result);
        call.result->status = i == index ? status : STK_E_ABORTED;
    }
    if (err) {
        err->code = status;
        err->call = (uint16_t)(index < batch->ncalls && index < STK_NONE ? index : STK_NONE);
    }
    return status;
}

bool stk_sql_read_only(const struct stk_sql *sql, const stk_batch *batch)
{
    for (uint32_t i = 0; i < batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(batch, i, &call);
        if (!stk_sql_is_read(&sql->queries[call.query->id]))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ pieces */

static bool same_value(const stk_val *a, const stk_val *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == STK_T_TEXT || a->type == STK_T_BYTES)
        return a->len == b->len && (a->len == 0 || memcmp(a->u.p, b->u.p, a->len) == 0);
    return a->u.i == b->u.i;
}

static bool same_pk(const stk_table *t, const stk_query *q, const stk_val *a, const stk_val *b)
{
    for (uint8_t i = 0; i < q->nset; i++)
        if (sql_in_pk(t, q->set[i].col) && !same_value(&a[i], &b[i]))
            return false;
    return true;
}

/* How many rows from `first` on have pairwise different primary keys: PostgreSQL
 * refuses an upsert that meets a row twice. */
static uint32_t distinct_rows(const stk_table *t, const stk_query *q, const stk_call *call,
                              uint32_t first, uint32_t n)
{
    const stk_val *row = call->params + (size_t)first * q->nparams;
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (same_pk(t, q, row + (size_t)i * q->nparams, row + (size_t)j * q->nparams))
                return i;
    return n;
}

static uint8_t log2_floor(uint32_t n)
{
    uint8_t slot = 0;
    while (n >>= 1)
        slot++;
    return slot;
}

static bool next_rows(const struct stk_sql *sql, const stk_query *q, const stk_call *call,
                      struct stk_sql_piece *p)
{
    p->first += p->rows;
    if (p->first >= call->nrows)
        return false;
    uint32_t n = call->nrows - p->first;
    uint32_t max = 16384u / q->nparams; /* SQLite takes 32766 parameters, others more */
    n = n < max ? n : max;
    n = n < STK_SQL_MAX_ROWS ? n : STK_SQL_MAX_ROWS;
    if (q->op == STK_OP_UPSERT)
        n = distinct_rows(&sql->tables[q->table], q, call, p->first, n);
    p->slot = log2_floor(n);
    p->rows = 1u << p->slot;
    return true;
}

bool stk_sql_next(const struct stk_sql *sql, const stk_call *call, struct stk_sql_piece *p)
{
    const stk_query *q = &sql->queries[call->query->id];
    if (is_insert(q))
        return next_rows(sql, q, call, p);
    if (p->started)
        return false;
    p->started = 1;
    p->rows = 1;
    uint32_t longest = 1;
    for (uint8_t i = 0; i < q->nwhere; i++) {
        if (q->where[i].op != STK_IN)
            continue;
        uint32_t n = call->params[q->where[i].param].len;
        if (n == 0)
            return false;
        longest = n > longest ? n : longest;
    }
    if (sql->dialect.kind != STK_SQL_POSTGRESQL) {
        p->slot = log2_floor(longest);
        if (longest > 1u << p->slot)
            p->slot++;
    }
    return true;
}

/* The exclusive upper bound of a prefix.  Where no successor exists, a text one
 * character longer than the column holds is above all of its values. */
static stk_val upper_bound(const stk_val *v, uint32_t max_len, stk_arena *arena)
{
    char *out = stk_alloc(arena, (size_t)v->len + 1);
    size_t n = stk_prefix_successor(v->u.p, v->len, out);
    if (n == 0) {
        size_t chars = (size_t)max_len + 1;
        out = stk_alloc(arena, chars * 4);
        for (; n < chars * 4; n += 4)
            memcpy(out + n, "\xF4\x8F\xBF\xBF", 4);
    }
    return stk_textn(out, n);
}

void stk_sql_value(const struct stk_sql *sql, const stk_call *call, const struct stk_sql_piece *p,
                   const struct stk_sql_bind *b, stk_arena *arena, stk_val *out)
{
    const stk_query *q = &sql->queries[call->query->id];
    const stk_val *v = &call->params[b->param];
    switch (b->kind) {
    case STK_BIND_PARAM: *out = v[((size_t)p->first + b->row) * q->nparams]; break;
    case STK_BIND_ELEM:
        *out = ((const stk_val *)v->u.p)[b->elem < v->len ? b->elem : v->len - 1];
        break;
    case STK_BIND_UPPER:
        *out = upper_bound(v, sql->tables[q->table].cols[b->col].max_len, arena);
        break;
    default: *out = *v; break;
    }
}
