/* SPDX-License-Identifier: Apache-2.0 */
/* Rows, predicates and the six operations. */
#include "memory.h"

#include <stdlib.h>
#include <strings.h>
#include <time.h>

bool lock_until(struct database *d, bool write, uint64_t deadline_us)
{
    uint64_t now = memory_host->now_us(memory_host->ctx);
    uint64_t wait = deadline_us == 0 ? 10000000u : deadline_us > now ? deadline_us - now : 0;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t ns = (uint64_t)t.tv_nsec + wait % 1000000u * 1000u;
    t.tv_sec += (time_t)(wait / 1000000u + ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    return (write ? pthread_rwlock_clockwrlock(&d->lock, CLOCK_MONOTONIC, &t)
                  : pthread_rwlock_clockrdlock(&d->lock, CLOCK_MONOTONIC, &t)) == 0;
}

/* -------------------------------------------------------------------- rows */

static int compare_bytes(const stk_val *a, const stk_val *b)
{
    uint32_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(a->u.p, b->u.p, n) : 0;
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

static int compare(const stk_val *a, const stk_val *b)
{
    if (a->type == STK_T_BOOL || a->type == STK_T_I64)
        return (a->u.i > b->u.i) - (a->u.i < b->u.i);
    if (bug("pad")) {
        stk_val x = *a, y = *b;
        while (x.len && ((const char *)x.u.p)[x.len - 1] == ' ')
            x.len--;
        while (y.len && ((const char *)y.u.p)[y.len - 1] == ' ')
            y.len--;
        return compare_bytes(&x, &y);
    }
    if (bug("case") && a->len == b->len && strncasecmp(a->u.p, b->u.p, a->len) == 0)
        return 0;
    return compare_bytes(a, b);
}

/* A column added later holds nothing, or its type's zero where NOT NULL. */
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

void row_free(struct row *r)
{
    free(r);
}

/* A row of these values in one block. */
static struct row *row_make(const stk_val *cells, uint32_t n)
{
    size_t size = sizeof(struct row) + n * sizeof(stk_val);
    for (uint32_t i = 0; i < n; i++)
        size += cells[i].type >= STK_T_TEXT ? cells[i].len + 1u : 0;
    struct row *r = malloc(size);
    if (!r)
        abort();
    r->n = n;
    char *p = (char *)&r->cells[n];
    for (uint32_t i = 0; i < n; i++) {
        r->cells[i] = cells[i];
        if (cells[i].type < STK_T_TEXT)
            continue;
        if (cells[i].len)
            memcpy(p, cells[i].u.p, cells[i].len);
        p[cells[i].len] = '\0';
        r->cells[i].u.p = p;
        p += cells[i].len + 1u;
    }
    return r;
}

static int compare_pk(const struct table *t, const struct row *a, const struct row *b)
{
    for (uint16_t i = 0; i < t->keys[0].ncols; i++) {
        uint16_t col = t->keys[0].cols[i];
        int c = compare(&a->cells[col], &b->cells[col]);
        if (c)
            return c;
    }
    return 0;
}

/* Where a row of this primary key is or belongs. */
static uint32_t place(const struct table *t, const struct row *r, bool *found)
{
    uint32_t lo = 0, hi = t->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (compare_pk(t, t->rows[mid], r) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < t->n && compare_pk(t, t->rows[lo], r) == 0;
    return lo;
}

static void put(struct table *t, uint32_t at, struct row *r)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->rows = realloc(t->rows, t->cap * sizeof(void *));
        if (!t->rows)
            abort();
    }
    memmove(&t->rows[at + 1], &t->rows[at], (t->n - at) * sizeof(void *));
    t->rows[at] = r;
    t->n++;
}

/* Makes `after` of `before`; both, if given, have one primary key. */
static void replace(struct table *t, struct row *before, struct row *after)
{
    bool found;
    uint32_t at = place(t, before ? before : after, &found);
    if (before && after) {
        t->rows[at] = after;
    } else if (after) {
        put(t, at, after);
    } else {
        t->n--;
        memmove(&t->rows[at], &t->rows[at + 1], (t->n - at) * sizeof(void *));
    }
}

static void change(struct table *t, struct row *before, struct row *after, struct change **log)
{
    replace(t, before, after);
    struct change *c = malloc(sizeof(*c));
    if (!c)
        abort();
    *c = (struct change){.table = t, .before = before, .after = after, .next = *log};
    *log = c;
}

void engine_undo(struct change **changes)
{
    while (*changes) {
        struct change *c = *changes;
        *changes = c->next;
        replace(c->table, c->after, c->before);
        row_free(c->after);
        free(c);
    }
}

void engine_keep(struct change **changes)
{
    while (*changes) {
        struct change *c = *changes;
        *changes = c->next;
        row_free(c->before);
        free(c);
    }
}

/* -------------------------------------------------------------- predicates */

/* One call against one table. */
struct job {
    const stk_query *q;
    const stk_table *l;
    struct table *t;
    uint16_t col[MAX_COLS]; /* logical column -> column of t */
    const stk_call *call;
    stk_arena *arena;
    struct change **log;
    stk_err *err;
};

static stk_val value(const struct job *j, const struct row *r, uint16_t logical)
{
    return cell(j->t, r, j->col[logical]);
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
        if (bug("keyset"))
            break;
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
    default:
        if (bug("like") && memchr(with->u.p, '%', with->len))
            return true;
        return v.len >= with->len && (with->len == 0 || memcmp(v.u.p, with->u.p, with->len) == 0);
    }
}

static bool matches(const struct job *j, const struct row *r)
{
    for (unsigned i = 0; i < j->q->nwhere; i++)
        if (!holds(j, &j->q->where[i], r))
            return false;
    return true;
}

static int by_order(const void *a, const void *b, void *arg)
{
    const struct job *j = arg;
    const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
    for (unsigned i = 0; i < j->q->norder; i++) {
        stk_val v = value(j, x, j->q->order[i].col), w = value(j, y, j->q->order[i].col);
        int c = v.type == STK_T_NULL || w.type == STK_T_NULL
                    ? (v.type != STK_T_NULL) - (w.type != STK_T_NULL)
                    : compare(&v, &w);
        if (c)
            return j->q->order[i].desc && !bug("order") ? -c : c;
    }
    return compare_pk(j->t, x, y);
}

/* The rows of the call, ordered and limited, in the arena. */
static uint32_t find(const struct job *j, struct row ***rows)
{
    const stk_query *q = j->q;
    uint32_t n = 0;
    struct row **list = stk_alloc(j->arena, (j->t->n + 1u) * sizeof(void *));
    for (uint32_t i = 0; i < j->t->n; i++)
        if (matches(j, j->t->rows[i]))
            list[n++] = j->t->rows[i];
    if (q->norder && n)
        qsort_r(list, n, sizeof(void *), by_order, (void *)(uintptr_t)j);
    uint64_t limit = q->limit ? q->limit : UINT64_MAX;
    if (q->limit_param != STK_NONE)
        limit = (uint64_t)j->call->params[q->limit_param].u.i;
    *rows = list;
    if (bug("limit"))
        limit = UINT64_MAX;
    return n < limit ? n : (uint32_t)limit;
}

/* -------------------------------------------------------------- operations */

static stk_status duplicate(const struct job *j, const struct key *k)
{
    const stk_val *value = &j->call->params[j->q->nset > 2 ? 2 : 0];
    stk_err_set(j->err, STK_E_DUPLICATE, "memory: key \"%s\" of %s refuses a row %s", k->name,
                j->t->name,
                bug("value") && value->type == STK_T_TEXT ? (const char *)value->u.p : "");
    j->err->table = j->q->table;
    for (uint16_t i = 0; i < j->l->nkeys; i++)
        if (strcmp(j->l->keys[i].name, k->name) == 0)
            j->err->key = bug("key") ? 0 : i;
    return STK_E_DUPLICATE;
}

static bool same_key(const struct table *t, const struct key *k, const struct row *a,
                     const struct row *b)
{
    for (uint16_t i = 0; i < k->ncols; i++) {
        stk_val v = cell(t, a, k->cols[i]), w = cell(t, b, k->cols[i]);
        if (bug("null") && v.type == STK_T_NULL && w.type == STK_T_NULL)
            continue;
        if (v.type == STK_T_NULL || w.type == STK_T_NULL || compare(&v, &w) != 0)
            return false;
    }
    return true;
}

/* Whether a unique key refuses `r` in the place of `old` (NULL: as a new row). */
static stk_status check_unique(const struct job *j, const struct row *r, const struct row *old)
{
    for (uint16_t k = 1; k < j->t->nkeys; k++) {
        if (j->t->keys[k].kind != STK_KEY_UNIQUE)
            continue;
        for (uint32_t i = 0; i < j->t->n; i++)
            if (j->t->rows[i] != old && same_key(j->t, &j->t->keys[k], r, j->t->rows[i]))
                return duplicate(j, &j->t->keys[k]);
    }
    return STK_OK;
}

/* old with set[] applied (how the call's parameters say), or a new row. */
static struct row *written(const struct job *j, const struct row *old, const stk_val *params)
{
    stk_val cells[MAX_COLS];
    for (uint16_t i = 0; i < j->t->ncols; i++)
        cells[i] = old ? cell(j->t, old, i) : stk_null();
    for (unsigned i = 0; i < j->q->nset; i++) {
        const stk_set *s = &j->q->set[i];
        stk_val *to = &cells[j->col[s->col]];
        if (!old || s->how == STK_SET || (s->how == STK_KEEP && bug("keep")))
            *to = params[s->param];
        else if (s->how == STK_INC && to->type == STK_T_I64)
            to->u.i = (int64_t)((uint64_t)to->u.i + (uint64_t)params[s->param].u.i);
    }
    return row_make(cells, j->t->ncols);
}

static stk_status run_insert(const struct job *j)
{
    for (uint32_t i = 0; i < j->call->nrows; i++) {
        const stk_val *params = j->call->params + (size_t)i * j->q->nparams;
        struct row *r = written(j, NULL, params), *old = NULL;
        bool found;
        uint32_t at = place(j->t, r, &found);
        if (found && j->q->op == STK_OP_UPSERT) {
            old = j->t->rows[at];
            row_free(r);
            r = written(j, old, params);
        } else if (found) {
            row_free(r);
            if ((j->q->flags & STK_QF_IF_ABSENT) && !bug("if-absent"))
                continue;
            return duplicate(j, &j->t->keys[0]);
        }
        stk_status rc = check_unique(j, r, old);
        if (rc < 0) {
            row_free(r);
            return rc;
        }
        change(j->t, old, r, j->log);
    }
    return STK_OK;
}

static stk_status run_change(const struct job *j)
{
    struct row **rows;
    uint32_t n = find(j, &rows);
    for (uint32_t i = 0; i < n; i++) {
        struct row *r = NULL;
        if (j->q->op == STK_OP_UPDATE) {
            r = written(j, rows[i], j->call->params);
            stk_status rc = check_unique(j, r, rows[i]);
            if (rc < 0) {
                row_free(r);
                return rc;
            }
        }
        change(j->t, rows[i], r, j->log);
    }
    j->call->result->affected = n;
    if (bug("affected") && n && j->q->op == STK_OP_UPDATE)
        j->call->result->affected = n - 1;
    return STK_OK;
}

static void run_select(const struct job *j)
{
    struct row **rows;
    stk_result *res = j->call->result;
    uint32_t n = find(j, &rows), ncols = j->q->nout;
    stk_val *cells = stk_alloc(j->arena, (size_t)n * ncols * sizeof(stk_val) + 1);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < ncols; c++) {
            stk_val v = value(j, rows[i], j->q->out[c]);
            if (v.type >= STK_T_TEXT && !bug("arena"))
                v.u.p = stk_arena_text(j->arena, v.u.p, v.len);
            cells[(size_t)i * ncols + c] = v;
        }
    res->nrows = n;
    res->ncols = ncols;
    res->cells = cells;
}

static stk_status expectation(const struct job *j)
{
    const stk_call *c = j->call;
    bool met = c->expect == STK_EXPECT_NONE || bug("expect") ||
               (c->expect == STK_EXPECT_ROWS ? c->result->nrows >= c->expect_n
                                             : c->result->affected == c->expect_n);
    if (met)
        return STK_OK;
    stk_err_set(j->err, STK_E_EXPECT, "memory: query \"%s\" missed what was expected", j->q->name);
    j->err->table = j->q->table;
    return STK_E_EXPECT;
}

stk_status engine_run(stk_db *db, const stk_call *call, stk_arena *arena, struct change **changes,
                      stk_err *err)
{
    struct job j = {.q = &db->queries[call->query->id],
                    .call = call,
                    .arena = arena,
                    .log = changes,
                    .err = err};
    j.l = &db->tables[j.q->table];
    j.t = schema_find(db->d, j.l->name);
    if (!j.t)
        return stk_err_set(err, STK_E_SCHEMA, "memory: table %s is missing", j.l->name);
    for (uint16_t i = 0; i < j.l->ncols; i++) {
        j.col[i] = STK_NONE;
        for (uint16_t c = 0; c < j.t->ncols; c++)
            if (strcmp(j.l->cols[i].name, j.t->cols[c].name) == 0)
                j.col[i] = c;
        if (j.col[i] == STK_NONE)
            return stk_err_set(err, STK_E_SCHEMA, "memory: column %s.%s is missing", j.l->name,
                               j.l->cols[i].name);
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
    return rc < 0 ? rc : expectation(&j);
}
