/* SPDX-License-Identifier: Apache-2.0 */
/* What may be wrong with a catalogue or with a call.  Nothing is ignored: what
 * is not known is refused (C11). */
#include "template.h"

static stk_status refuse(stk_err *err, stk_status rc, const char *name, const char *what)
{
    return stk_err_set(err, rc, PLUGIN_NAME ": query \"%s\" cannot be served: %s", name, what);
}

/* --------------------------------------------------------------- catalogue */

static stk_status check_table(const stk_catalog *c, const stk_table *t, stk_err *err)
{
    bool fits = t->ncols <= MAX_COLS && t->nkeys <= MAX_KEYS && strlen(t->name) < MAX_NAME;
    for (unsigned i = 0; fits && i < t->nkeys; i++)
        fits = cat_key(c, t, i)->ncols <= MAX_KEY_COLS && strlen(cat_key(c, t, i)->name) < MAX_NAME;
    if (!fits)
        return stk_err_set(err, STK_E_UNSUPPORTED, PLUGIN_NAME ": table %s is too large", t->name);
    for (unsigned i = 0; i < t->ncols; i++) {
        const stk_col *col = cat_col(c, t, i);
        if (col->type < STK_T_BOOL || col->type > STK_T_BYTES || strlen(col->name) >= MAX_NAME)
            return stk_err_set(err, STK_E_UNSUPPORTED, PLUGIN_NAME ": column %s.%s: unknown type",
                               t->name, col->name);
    }
    return STK_OK;
}

static bool sole_unique(const stk_catalog *c, const stk_table *t)
{
    for (unsigned i = 1; i < t->nkeys; i++)
        if (cat_key(c, t, i)->kind == STK_KEY_UNIQUE)
            return false;
    return true;
}

static stk_status check_query(const stk_catalog *c, unsigned id, stk_err *err)
{
    const stk_query *q = c->queries[id];
    if (q->id != id || q->table >= c->ntables)
        return refuse(err, STK_E_INVALID, q->name, "its id or table is out of range");
    const stk_table *t = cat_table(c, q->table);
    if (q->op < STK_OP_INSERT || q->op > STK_OP_COUNT)
        return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown operation");
    if (q->flags & ~(STK_QF_IF_ABSENT | STK_QF_LOCK | STK_QF_IDEMPOTENT))
        return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown flag");
    if ((q->op == STK_OP_UPSERT || (q->flags & STK_QF_IF_ABSENT)) && !sole_unique(c, t))
        return refuse(err, STK_E_INVALID, q->name, "its table has a further unique key");
    bool in_range = true;
    for (unsigned i = 0; i < q->nout; i++)
        in_range = in_range && q->out[i] < t->ncols;
    for (unsigned i = 0; i < q->norder; i++)
        in_range = in_range && cat_order(c, q, i)->col < t->ncols;
    for (unsigned i = 0; i < q->nset; i++) {
        const stk_set *s = cat_set(c, q, i);
        in_range = in_range && s->col < t->ncols && s->param < q->nparams;
        if (s->how < STK_SET || s->how > STK_KEEP)
            return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown way to write");
    }
    for (unsigned i = 0; i < q->nwhere; i++) {
        const stk_pred *p = cat_pred(c, q, i);
        bool keyset = p->op == STK_KEYSET, bare = p->op == STK_IS_NULL || p->op == STK_NOT_NULL;
        if (p->op < STK_EQ || p->op > STK_KEYSET)
            return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown predicate");
        in_range = in_range && (keyset ? q->keyset != NULL : p->col < t->ncols) &&
                   (keyset || bare || p->param < q->nparams);
    }
    return in_range ? STK_OK : refuse(err, STK_E_INVALID, q->name, "a reference out of range");
}

stk_status check_catalog(const stk_catalog *c, stk_err *err)
{
    stk_status rc = STK_OK;
    for (unsigned i = 0; rc >= 0 && i < c->ntables; i++)
        rc = check_table(c, cat_table(c, i), err);
    for (unsigned i = 0; rc >= 0 && i < c->nqueries; i++)
        rc = check_query(c, i, err);
    return rc;
}

/* ------------------------------------------------------------------- calls */

/* A value to be written to a column, or only compared with it. */
static stk_status check_value(const stk_catalog *c, const stk_query *q, uint16_t col, bool write,
                              const stk_val *v, stk_err *err)
{
    const stk_table *t = cat_table(c, q->table);
    const stk_col *to = cat_col(c, t, col);
    stk_status rc = STK_OK;
    if (v->type == STK_T_NULL && write && !(to->flags & STK_COL_NOT_NULL))
        return STK_OK;
    int64_t len = v->type == STK_T_TEXT ? stk_utf8_count((const char *)v->u.p, v->len) : v->len;
    if (v->type != to->type || len < 0 || (v->type == STK_T_BOOL && v->u.i != 0 && v->u.i != 1))
        rc = stk_err_set(err, STK_E_INVALID, PLUGIN_NAME ": query \"%s\": no value for %s.%s",
                         q->name, t->name, to->name);
    else if (write && v->type >= STK_T_TEXT && len > (int64_t)to->max_len)
        rc = stk_err_set(err, STK_E_TOO_BIG, PLUGIN_NAME ": %s.%s takes at most %u", t->name,
                         to->name, to->max_len);
    if (rc < 0) {
        err->table = q->table;
        err->column = col;
    }
    return rc;
}

static stk_status check_operand(const stk_catalog *c, const stk_query *q, const stk_pred *p,
                                const stk_val *params, stk_err *err)
{
    stk_status rc = STK_OK;
    if (p->op == STK_IS_NULL || p->op == STK_NOT_NULL)
        return STK_OK;
    if (p->op == STK_KEYSET) {
        const stk_keyset *k = q->keyset;
        for (unsigned i = 0; rc >= 0 && i < k->ncols; i++)
            rc = check_value(c, q, k->cols[i], false, &params[k->param + i], err);
        return rc;
    }
    const stk_val *v = &params[p->param];
    if (p->op != STK_IN)
        return check_value(c, q, p->col, false, v, err);
    if (v->type != STK_T_LIST || v->len > MAX_LIST)
        return refuse(err, STK_E_INVALID, q->name, "no list, or one that is too long");
    for (uint32_t i = 0; rc >= 0 && i < v->len; i++)
        rc = check_value(c, q, p->col, false, (const stk_val *)v->u.p + i, err);
    return rc;
}

stk_status check_call(const stk_catalog *c, const stk_call *call, stk_err *err)
{
    const stk_query *q = call->query;
    bool insert = q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT;
    bool change = q->op == STK_OP_UPDATE || q->op == STK_OP_DELETE;
    if (call->expect > STK_EXPECT_ROWS)
        return refuse(err, STK_E_UNSUPPORTED, q->name, "an unknown expectation");
    if ((call->expect == STK_EXPECT_ROWS && q->op != STK_OP_SELECT) ||
        (call->expect == STK_EXPECT_AFFECTED && !change))
        return refuse(err, STK_E_INVALID, q->name, "an expectation it cannot meet");
    if (insert ? call->nrows == 0 : call->nrows > 1)
        return refuse(err, STK_E_INVALID, q->name, "a wrong number of rows");
    if (q->limit_param != STK_NONE &&
        (call->params[q->limit_param].type != STK_T_I64 || call->params[q->limit_param].u.i < 0))
        return refuse(err, STK_E_INVALID, q->name, "its limit is no count");
    stk_status rc = STK_OK;
    for (uint32_t r = 0; rc >= 0 && r < (insert ? call->nrows : 1); r++)
        for (unsigned i = 0; rc >= 0 && i < q->nset; i++) {
            const stk_set *s = cat_set(c, q, i);
            rc = check_value(c, q, s->col, true, &call->params[(size_t)r * q->nparams + s->param],
                             err);
        }
    for (unsigned i = 0; rc >= 0 && i < q->nwhere; i++)
        rc = check_operand(c, q, cat_pred(c, q, i), call->params, err);
    return rc;
}
