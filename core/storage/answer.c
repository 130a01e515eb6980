/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what a plugin answered is an answer to what it was asked.  Recipes read
 * cells by position and type without asking again, so that a plugin with a bug
 * must fail here, not by a wild pointer there. */
#include "base/str.h"
#include "storage/storage.h"
#include "storage/storage_internal.h"

#include <stk_sdk.h>

const stk_val no_row[UINT8_MAX];

static const char *wrong_cell(const stk_col *col, const stk_val *v)
{
    if (v->type == STK_T_NULL)
        return col->flags & STK_COL_NOT_NULL ? "a NULL where the column has none" : NULL;
    if (v->type != col->type)
        return "a value of another type than the column's";
    if (v->type != STK_T_TEXT && v->type != STK_T_BYTES)
        return NULL;
    if (v->len && !v->u.p)
        return "a value without its bytes";
    if (v->type == STK_T_TEXT && v->len && !str_utf8(str_make(v->u.p, v->len)))
        return "a text that is not UTF-8";
    return NULL;
}

static const char *wrong_rows(const struct storage *s, const stk_query *q, const stk_result *r)
{
    const stk_table *table = &s->catalog->tables[q->table];
    if (r->nrows && (r->ncols != q->nout || !r->cells))
        return "rows of another width than asked for";
    for (uint32_t row = 0; row < r->nrows; row++)
        for (unsigned i = 0; i < q->nout; i++) {
            const char *wrong =
                wrong_cell(&table->cols[q->out[i]], &r->cells[(size_t)row * r->ncols + i]);
            if (wrong)
                return wrong;
        }
    return NULL;
}

static const char *wrong_call(const struct storage *s, const stk_call *call)
{
    const stk_query *q = call->query;
    const stk_result *r = call->result;
    if (q->op != STK_OP_SELECT) {
        if (r->nrows)
            return "rows to what reads none";
        return call->expect == STK_EXPECT_AFFECTED && r->affected != call->expect_n
                   ? "success with another number of rows than expected"
                   : NULL;
    }
    int64_t limit = q->limit_param == STK_NONE ? q->limit : call->params[q->limit_param].u.i;
    if ((q->limit || q->limit_param != STK_NONE) && r->nrows > limit)
        return "more rows than the limit";
    if (call->expect == STK_EXPECT_ROWS && r->nrows < call->expect_n)
        return "success with fewer rows than expected";
    return wrong_rows(s, q, r);
}

stk_status batch_check(const struct storage *s, const struct batch *b, stk_err *err)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const char *wrong = wrong_call(s, b->calls[i]);
        if (wrong)
            return stk_err_set(err, STK_E_INTERNAL,
                               "%s: the plugin answered query %s with %s. Run "
                               "supertokens-plugin-test on it, and report it to its author",
                               s->plugin->v.name, b->calls[i]->query->name, wrong);
    }
    return STK_OK;
}
