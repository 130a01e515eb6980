/* SPDX-License-Identifier: Apache-2.0 */
/* Rows, predicates and the six operations, over tables that are read from end to
 * end: right, and slow. */
#include "template.h"

/* -------------------------------------------------------------------- rows */

/* Bytes, not characters: no locale, no padding, no case (C9). */
static int compare(const stk_val *a, const stk_val *b)
{
    if (a->type == STK_T_BOOL || a->type == STK_T_I64)
        return (a->u.i > b->u.i) - (a->u.i < b->u.i);
    uint32_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(a->u.p, b->u.p, n) : 0;
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* A column added after the row was written: nothing, or its type's zero. */
static stk_val cell(const struct table *t, const struct row *r, uint16_t col)
{
    if (col < r->n)
        return r->cells[col];
    stk_val v = stk_null();
    if (t->cols[col].flags & STK_COL_NOT_NULL) {
        v.type = t->cols[col].type;
        if (v.type >= STK_T_TEXT)
            v.u.p = "";
    }
    return v;
}

/* A row of copies of these values, in one block. */
static struct row *row_make(const stk_val *cells, uint32_t n)
{
    size_t size = sizeof(struct row) + n * sizeof(stk_val);
    for (uint32_t i = 0; i < n; i++)
        size += cells[i].type >= STK_T_TEXT ? cells[i].len : 0;
    struct row *r = malloc(size);
    if (!r)
        return NULL;
    r->n = n;
    char *p = (char *)&r->cells[n];
    for (uint32_t i = 0; i < n; i++) {
        r->cells[i] = cells[i];
        if (cells[i].type < STK_T_TEXT)
            continue;
        if (cells[i].len)
            memcpy(p, cells[i].u.p, cells[i].len);
        r->cells[i].u.p = p;
        p += cells[i].len;
    }
    return r;
}

static bool same_key(const struct table *t, const struct key *k, const struct row *a,
                     const struct row *b)
{
    for (uint16_t i = 0; i < k->ncols; i++) {
        stk_val v = cell(t, a, k->cols[i]), w = cell(t, b, k->cols[i]);
        if (v.type == STK_T_NULL || w.type == STK_T_NULL || compare(&v, &w) != 0)
            return false; /* NULL is equal to nothing, not to another NULL either (C7) */
    }
    return true;
}

/* The first unique key that refuses r, and the row that has it; `old` is the row
 * that r is to replace, or NULL. */
static const struct key *refusal(const struct table *t, const struct row *r, const struct row *old,
                                 struct row **by)
{
    for (uint16_t k = 0; k < t->nkeys; k++)
        for (uint32_t i = 0; t->keys[k].kind != STK_KEY_INDEX && i < t->n; i++)
            if (t->rows[i] != old && same_key(t, &t->keys[k], r, t->rows[i])) {
                *by = t->rows[i];
                return &t->keys[k];
            }
    return NULL;
}

/* ----------------------------------------------------------------- changes */

/* Makes row `at` of before `after`; NULL is no row. */
static void replace(struct table *t, uint32_t at, const struct row *before, struct row *after)
{
    if (before && !after) {
        t->n--;
        memmove(&t->rows[at], &t->rows[at + 1], (t->n - at) * sizeof(*t->rows));
    } else if (!before) {
        memmove(&t->rows[at + 1], &t->rows[at], (t->n - at) * sizeof(*t->rows));
        t->n++;
    }
    if (after)
        t->rows[at] = after;
}

/* replace() that can be undone; false: no memory. */
static bool change(struct table *t, struct row *before, struct row *after, struct change **log)
{
    struct change *c = malloc(sizeof(*c));
    if (c && t->n == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 16;
        struct row **rows = realloc(t->rows, cap * sizeof(*rows));
        if (rows) {
            t->rows = rows;
            t->cap = cap;
        }
    }
    if (!c || t->n == t->cap) {
        free(c);
        return false;
    }
    uint32_t at = 0;
    while (at < t->n && t->rows[at] != before)
        at++;
    replace(t, at, before, after);
    *c = (struct change){.table = t, .at = at, .before = before, .after = after, .next = *log};
    *log = c;
    return true;
}

void engine_undo(struct change **log)
{
    for (struct change *c; (c = *log); free(c)) {
        *log = c->next;
        replace(c->table, c->at, c->after, c->before);
        free(c->after);
    }
}

void engine_keep(struct change **log)
{
    for (struct change *c; (c = *log); free(c)) {
        *log = c->next;
        free(c->before);
    }
}

/* -------------------------------------------------------------- predicates */

/* One call on one table. */
struct job {
    const stk_catalog *cat;
    const stk_call *call;
    const stk_query *q;
    struct table *t;
    uint16_t col[MAX_COLS]; /* column of the catalogue -> column of t */
    stk_arena *arena;
    struct change **log;
    stk_err *err;
};

static stk_val value(const struct job *j, const struct row *r, uint16_t col)
{
    return cell(j->t, r, j->col[col]);
}

static bool in_list(const stk_val *v, const stk_val *list)
{
    for (uint32_t i = 0; i < list->len; i++)
        if (compare(v, (const stk_val *)list->u.p + i) == 0)
            return true;
    return false;
}

static bool after_keyset(const struct job *j, const struct row *r)
{
    const stk_keyset *k = j->q->keyset;
    for (unsigned i = 0; i < k->ncols; i++) {
        stk_val v = value(j, r, k->cols[i]);
        int c = compare(&v, &j->call->params[k->param + i]);
        if (c)
            return k->desc ? c < 0 : c > 0;
    }
    return k->inclusive;
}

static bool holds(const struct job *j, const stk_pred *p, const struct row *r)
{
    if (p->op == STK_KEYSET)
        return after_keyset(j, r);
    stk_val v = value(j, r, p->col);
    if (p->op == STK_IS_NULL || p->op == STK_NOT_NULL)
        return (v.type == STK_T_NULL) == (p->op == STK_IS_NULL);
    if (v.type == STK_T_NULL)
        return false;
    const stk_val *with = &j->call->params[p->param];
    switch (p->op) {
    case STK_EQ: return compare(&v, with) == 0;
    case STK_LT: return compare(&v, with) < 0;
    case STK_LE: return compare(&v, with) <= 0;
    case STK_GT: return compare(&v, with) > 0;
    case STK_GE: return compare(&v, with) >= 0;
    case STK_IN: return in_list(&v, with);
    default: /* STK_PREFIX */
        return v.len >= with->len && (with->len == 0 || memcmp(v.u.p, with->u.p, with->len) == 0);
    }
}

static int by_order(const void *a, const void *b, void *arg)
{
    const struct job *j = arg;
    const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
    for (unsigned i = 0; i < j->q->norder; i++) {
        const stk_order *o = cat_order(j->cat, j->q, i);
        stk_val v = value(j, x, o->col), w = value(j, y, o->col);
        int c = v.type && w.type ? compare(&v, &w) : (v.type != 0) - (w.type != 0);
        if (c)
            return o->desc ? -c : c;
    }
    return 0;
}

/* The rows of the call, ordered and limited, in the arena. */
static uint32_t find(const struct job *j, struct row ***rows)
{
    const stk_query *q = j->q;
    uint32_t n = 0;
    struct row **list = stk_alloc(j->arena, (j->t->n + 1u) * sizeof(*list));
    for (uint32_t i = 0; i < j->t->n; i++) {
        bool match = true;
        for (unsigned p = 0; match && p < q->nwhere; p++)
            match = holds(j, cat_pred(j->cat, q, p), j->t->rows[i]);
        if (match)
            list[n++] = j->t->rows[i];
    }
    if (q->norder && n)
        qsort_r(list, n, sizeof(*list), by_order, (void *)(uintptr_t)j);
    uint64_t limit = q->limit ? q->limit : UINT64_MAX;
    if (q->limit_param != STK_NONE)
        limit = (uint64_t)j->call->params[q->limit_param].u.i;
    *rows = list;
    return n < limit ? n : (uint32_t)limit;
}

/* -------------------------------------------------------------- operations */

static stk_status duplicate(const struct job *j, const struct key *k)
{
    const stk_table *l = cat_table(j->cat, j->q->table);
    stk_err_set(j->err, STK_E_DUPLICATE, PLUGIN_NAME ": key \"%s\" of %s refuses a row", k->name,
                j->t->name);
    j->err->table = j->q->table;
    for (uint16_t i = 0; i < l->nkeys; i++)
        if (strcmp(cat_key(j->cat, l, i)->name, k->name) == 0)
            j->err->key = i;
    return STK_E_DUPLICATE;
}

/* Puts r, made by written(), in the place of old (NULL: as a new row). */
static stk_status put(const struct job *j, struct row *old, struct row *r)
{
    struct row *by;
    const struct key *k = r ? refusal(j->t, r, old, &by) : NULL;
    if (!k && r && change(j->t, old, r, j->log))
        return STK_OK;
    free(r);
    return k ? duplicate(j, k) : stk_err_nomem(j->err);
}

/* old with set[] applied, or a new row. */
static struct row *written(const struct job *j, const struct row *old, const stk_val *params)
{
    stk_val cells[MAX_COLS];
    for (uint16_t i = 0; i < j->t->ncols; i++)
        cells[i] = old ? cell(j->t, old, i) : stk_null();
    for (unsigned i = 0; i < j->q->nset; i++) {
        const stk_set *s = cat_set(j->cat, j->q, i);
        stk_val *to = &cells[j->col[s->col]];
        if (!old || s->how == STK_SET)
            *to = params[s->param];
        else if (s->how == STK_INC && to->type == STK_T_I64)
            to->u.i = (int64_t)((uint64_t)to->u.i + (uint64_t)params[s->param].u.i);
    }
    return row_make(cells, j->t->ncols);
}

static stk_status run_insert(const struct job *j)
{
    stk_status rc = STK_OK;
    for (uint32_t i = 0; rc >= 0 && i < j->call->nrows; i++) {
        const stk_val *params = j->call->params + (size_t)i * j->q->nparams;
        struct row *r = written(j, NULL, params), *by;
        const struct key *k = r ? refusal(j->t, r, NULL, &by) : NULL;
        bool there = k && k->kind == STK_KEY_PRIMARY;
        if (there && j->q->op == STK_OP_UPSERT) {
            free(r);
            rc = put(j, by, written(j, by, params));
        } else if (there && (j->q->flags & STK_QF_IF_ABSENT)) {
            free(r);
        } else {
            rc = put(j, NULL, r);
        }
    }
    return rc;
}

static stk_status run_change(const struct job *j)
{
    struct row **rows;
    stk_status rc = STK_OK;
    uint32_t n = find(j, &rows);
    for (uint32_t i = 0; rc >= 0 && i < n; i++) {
        if (j->q->op == STK_OP_UPDATE)
            rc = put(j, rows[i], written(j, rows[i], j->call->params));
        else if (!change(j->t, rows[i], NULL, j->log))
            rc = stk_err_nomem(j->err);
    }
    j->call->result->affected = n; /* matched, changed or not */
    return rc;
}

/* Copies, because the rows may be gone before the arena is (C8). */
static void run_select(const struct job *j)
{
    struct row **rows;
    uint32_t n = find(j, &rows), ncols = j->q->nout;
    stk_val *cells = stk_alloc(j->arena, (size_t)n * ncols * sizeof(stk_val) + 1);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < ncols; c++) {
            stk_val v = value(j, rows[i], j->q->out[c]);
            if (v.type >= STK_T_TEXT)
                v.u.p = stk_arena_text(j->arena, v.u.p, v.len);
            cells[(size_t)i * ncols + c] = v;
        }
    *j->call->result = (stk_result){.nrows = n, .ncols = ncols, .cells = cells};
}

stk_status engine_run(stk_db *db, const stk_call *call, stk_arena *arena, struct change **log,
                      stk_err *err)
{
    struct job j = {
        .cat = db->catalog, .call = call, .q = call->query, .arena = arena, .log = log, .err = err};
    const stk_table *l = cat_table(j.cat, j.q->table);
    j.t = schema_find(db->d, l->name);
    if (!j.t)
        return stk_err_set(err, STK_E_SCHEMA, PLUGIN_NAME ": table %s is missing", l->name);
    for (uint16_t i = 0; i < l->ncols; i++) {
        j.col[i] = schema_column(j.t, cat_col(j.cat, l, i)->name);
        if (j.col[i] == STK_NONE)
            return stk_err_set(err, STK_E_SCHEMA, PLUGIN_NAME ": column %s.%s is missing", l->name,
                               cat_col(j.cat, l, i)->name);
    }
    stk_status rc = STK_OK;
    struct row **rows;
    switch (j.q->op) {
    case STK_OP_INSERT:
    case STK_OP_UPSERT: rc = run_insert(&j); break;
    case STK_OP_UPDATE:
    case STK_OP_DELETE: rc = run_change(&j); break;
    case STK_OP_COUNT: call->result->affected = find(&j, &rows); break;
    default: run_select(&j); break;
    }
    const stk_result *res = call->result;
    bool met = call->expect == STK_EXPECT_NONE ||
               (call->expect == STK_EXPECT_ROWS ? res->nrows >= call->expect_n
                                                : res->affected == call->expect_n);
    if (rc < 0 || met)
        return rc;
    stk_err_set(err, STK_E_EXPECT, PLUGIN_NAME ": query \"%s\" missed what was expected",
                j.q->name);
    err->table = j.q->table;
    return STK_E_EXPECT;
}
