/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue copied into this build's sizes, and what may be wrong with it
 * or with a call. */
#include "memory.h"

#include <stdlib.h>

static void *keep(stk_db *db, const void *from, size_t n, size_t stride, size_t own)
{
    char *to = calloc(n + 1, own);
    void **kept = realloc(db->kept, (db->nkept + 1) * sizeof(void *));
    if (!to || !kept)
        abort();
    db->kept = kept;
    db->kept[db->nkept++] = to;
    for (size_t i = 0; i < n; i++)
        stk_copy_min(to + i * own, own, stk_at(from, stride, i), stride);
    return to;
}

void catalog_free(stk_db *db)
{
    for (size_t i = 0; i < db->nkept; i++)
        free(db->kept[i]);
    free(db->kept);
}

static stk_status refuse(stk_err *err, stk_status rc, const char *name, const char *what)
{
    return stk_err_set(err, rc, "memory: query \"%s\" cannot be served: %s", name, what);
}

static bool sole_unique(const stk_table *t)
{
    for (uint16_t i = 1; i < t->nkeys; i++)
        if (t->keys[i].kind == STK_KEY_UNIQUE)
            return false;
    return true;
}

static stk_status check_parts(const stk_query *q, const stk_table *t, stk_err *err)
{
    for (unsigned i = 0; i < q->nout; i++)
        if (q->out[i] >= t->ncols)
            return refuse(err, STK_E_INVALID, q->name, "a column out of range");
    for (unsigned i = 0; i < q->nset; i++) {
        if (q->set[i].how < STK_SET || q->set[i].how > STK_KEEP)
            return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown way to write");
        if (q->set[i].col >= t->ncols || q->set[i].param >= q->nparams)
            return refuse(err, STK_E_INVALID, q->name, "set[] out of range");
    }
    for (unsigned i = 0; i < q->nwhere; i++) {
        const stk_pred *p = &q->where[i];
        if ((p->op < STK_EQ || p->op > STK_KEYSET) && !bug("unknown"))
            return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown predicate");
        if ((p->op == STK_KEYSET) != (p->col == STK_NONE) || (p->op == STK_KEYSET && !q->keyset))
            return refuse(err, STK_E_INVALID, q->name, "KEYSET without its operands");
        if (p->op != STK_KEYSET && p->col >= t->ncols)
            return refuse(err, STK_E_INVALID, q->name, "a column out of range");
        if (p->op < STK_IS_NULL && p->param >= q->nparams)
            return refuse(err, STK_E_INVALID, q->name, "a parameter out of range");
    }
    return STK_OK;
}

static stk_status check_query(const stk_db *db, const stk_query *q, uint16_t index, stk_err *err)
{
    if (q->id != index || q->table >= db->catalog->ntables)
        return refuse(err, STK_E_INVALID, q->name, "its id or table is out of range");
    if (q->op < STK_OP_INSERT || q->op > STK_OP_COUNT)
        return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown operation");
    if (q->flags & ~(STK_QF_IF_ABSENT | STK_QF_LOCK | STK_QF_IDEMPOTENT))
        return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown flag");
    const stk_table *t = &db->tables[q->table];
    if ((q->op == STK_OP_UPSERT || (q->flags & STK_QF_IF_ABSENT)) && !sole_unique(t))
        return refuse(err, STK_E_INVALID, q->name, "its table has a further unique key");
    return check_parts(q, t, err);
}

static stk_status copy_tables(stk_db *db, const stk_catalog *c, stk_err *err)
{
    db->tables = keep(db, c->tables, c->ntables, c->table_size, sizeof(stk_table));
    for (unsigned i = 0; i < c->ntables; i++) {
        stk_table *t = &db->tables[i];
        if (t->ncols > MAX_COLS || t->nkeys > MAX_KEYS || strlen(t->name) > 63)
            return stk_err_set(err, STK_E_UNSUPPORTED, "memory: table %s is too large", t->name);
        t->cols = keep(db, t->cols, t->ncols, c->col_size, sizeof(stk_col));
        t->keys = keep(db, t->keys, t->nkeys, c->key_size, sizeof(stk_key));
        for (unsigned k = 0; k < t->ncols; k++)
            if (t->cols[k].type < STK_T_BOOL || t->cols[k].type > STK_T_BYTES)
                return stk_err_set(err, STK_E_UNSUPPORTED, "memory: column %s.%s: unknown type",
                                   t->name, t->cols[k].name);
    }
    return STK_OK;
}

stk_status catalog_copy(stk_db *db, const stk_catalog *c, stk_err *err)
{
    db->catalog = c;
    stk_status rc = copy_tables(db, c, err);
    db->queries = keep(db, NULL, 0, 0, sizeof(stk_query) * (c->nqueries + 1u));
    for (uint16_t i = 0; rc >= 0 && i < c->nqueries; i++) {
        stk_query *q = &db->queries[i];
        stk_copy_min(q, sizeof(*q), c->queries[i], c->query_size);
        q->set = keep(db, q->set, q->nset, c->set_size, sizeof(stk_set));
        q->where = keep(db, q->where, q->nwhere, c->pred_size, sizeof(stk_pred));
        q->order = keep(db, q->order, q->norder, c->order_size, sizeof(stk_order));
        if (q->keyset)
            q->keyset = keep(db, q->keyset, 1, c->keyset_size, sizeof(stk_keyset));
        rc = check_query(db, q, i, err);
    }
    return rc;
}

/* ------------------------------------------------------------------- calls */

static stk_status bad_value(const stk_query *q, const stk_table *t, uint16_t col, stk_status rc,
                            const char *what, stk_err *err)
{
    stk_err_set(err, rc, "memory: query \"%s\": value of %s.%s %s", q->name, t->name,
                col == STK_NONE ? "limit" : t->cols[col].name, what);
    err->table = q->table;
    err->column = col;
    return rc;
}

static stk_status check_value(const stk_query *q, const stk_table *t, uint16_t col, bool write,
                              const stk_val *v, stk_err *err)
{
    const stk_col *c = &t->cols[col];
    if (v->type == STK_T_NULL && write && (!(c->flags & STK_COL_NOT_NULL) || bug("not-null")))
        return STK_OK;
    if (v->type != c->type)
        return bad_value(q, t, col, STK_E_INVALID, "has a wrong type", err);
    if (v->type == STK_T_BOOL && (v->u.i & ~(int64_t)1))
        return bad_value(q, t, col, STK_E_INVALID, "is no boolean", err);
    int64_t len = v->len;
    if (v->type == STK_T_TEXT && (len = stk_utf8_count(v->u.p, v->len)) < 0)
        return bad_value(q, t, col, STK_E_INVALID, "is not UTF-8 or holds a NUL", err);
    if (write && v->type >= STK_T_TEXT && len > (int64_t)c->max_len && !bug("too-big"))
        return bad_value(q, t, col, STK_E_TOO_BIG, "is too long", err);
    return STK_OK;
}

static stk_status check_where(const stk_query *q, const stk_table *t, const stk_val *params,
                              stk_err *err)
{
    stk_status rc = STK_OK;
    for (unsigned i = 0; rc >= 0 && i < q->nwhere; i++) {
        const stk_pred *p = &q->where[i];
        if (p->op == STK_KEYSET) {
            for (unsigned k = 0; rc >= 0 && k < q->keyset->ncols; k++)
                rc = check_value(q, t, q->keyset->cols[k], false, &params[q->keyset->param + k],
                                 err);
        } else if (p->op == STK_IN) {
            const stk_val *list = &params[p->param];
            if (list->type != STK_T_LIST || list->len > MAX_LIST)
                return bad_value(q, t, p->col, STK_E_INVALID, "is no list, or too long", err);
            for (uint32_t k = 0; rc >= 0 && k < list->len; k++)
                rc = check_value(q, t, p->col, false, (const stk_val *)list->u.p + k, err);
        } else if (p->op != STK_IS_NULL && p->op != STK_NOT_NULL) {
            rc = check_value(q, t, p->col, false, &params[p->param], err);
        }
    }
    if (rc >= 0 && q->limit_param != STK_NONE &&
        (params[q->limit_param].type != STK_T_I64 || params[q->limit_param].u.i < 0))
        rc = bad_value(q, t, STK_NONE, STK_E_INVALID, "is no count", err);
    return rc;
}

stk_status catalog_check_call(const stk_db *db, const stk_call *call, stk_err *err)
{
    if (!call->query || call->query->id >= db->catalog->nqueries || !call->result)
        return stk_err_set(err, STK_E_INVALID, "memory: a call of no query");
    const stk_query *q = &db->queries[call->query->id];
    const stk_table *t = &db->tables[q->table];
    bool insert = q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT;
    if (call->expect > STK_EXPECT_ROWS)
        return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown expectation");
    if ((call->expect == STK_EXPECT_ROWS && q->op != STK_OP_SELECT) ||
        (call->expect == STK_EXPECT_AFFECTED && q->op != STK_OP_UPDATE && q->op != STK_OP_DELETE))
        return refuse(err, STK_E_INVALID, q->name, "an expectation it cannot meet");
    if (insert ? call->nrows == 0 : call->nrows > 1)
        return refuse(err, STK_E_INVALID, q->name, "a wrong number of rows");
    stk_status rc = STK_OK;
    for (uint32_t r = 0; rc >= 0 && r < (insert ? call->nrows : 1); r++)
        for (unsigned i = 0; rc >= 0 && i < q->nset; i++)
            rc = check_value(q, t, q->set[i].col, true,
                             &call->params[(size_t)r * q->nparams + q->set[i].param], err);
    return rc < 0 ? rc : check_where(q, t, call->params, err);
}
