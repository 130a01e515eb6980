/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the statement of a query.  Two spellings are deliberate:
 *   - a keyset is a <= x AND (a < x OR b < y), never a row value: the latter is
 *     answered by a scan on MariaDB;
 *   - a limited UPDATE or DELETE first finds the keys.  On PostgreSQL in a CTE
 *     that locks them, skipping rows others hold: unlike IN (SELECT ...) it is
 *     run exactly once whatever the plan, and the outer statement then looks
 *     each key up. */
#include "sql_internal.h"

struct gen {
    const struct stk_sql *sql;
    const stk_query *q;
    const stk_table *t;
    int dialect;
    uint8_t slot;
    struct sql_text text;
    struct stk_sql_bind *binds;
    size_t nbinds, cap;
    const char *qualifier; /* "t." where a column would be ambiguous, else "" */
};

/* Writes a placeholder.  Numbered ones are shared by equal binds. */
static void put_bind(struct gen *g, struct stk_sql_bind b)
{
    size_t n = g->nbinds;
    if (g->dialect != STK_SQL_MYSQL)
        for (n = 0; n < g->nbinds; n++)
            if (memcmp(&g->binds[n], &b, sizeof b) == 0)
                break;
    if (n == g->nbinds) {
        if (g->nbinds == g->cap) {
            size_t cap = g->cap ? g->cap * 2 : 32;
            struct stk_sql_bind *p = realloc(g->binds, cap * sizeof *p);
            if (!p) {
                g->text.oom = true;
                return;
            }
            g->binds = p;
            g->cap = cap;
        }
        g->binds[g->nbinds++] = b;
    }
    if (g->dialect == STK_SQL_MYSQL)
        sql_put(&g->text, "?");
    else
        sql_putf(&g->text, "%c%zu", g->dialect == STK_SQL_SQLITE ? '?' : '$', n + 1);
}

static struct stk_sql_bind bind_of(const struct gen *g, int kind, uint16_t col, uint16_t param)
{
    struct stk_sql_bind b;
    memset(&b, 0, sizeof b);
    b.kind = (uint8_t)kind;
    b.type = col == STK_NONE ? STK_T_I64 : g->t->cols[col].type;
    b.col = col;
    b.param = param;
    return b;
}

static void put_param(struct gen *g, uint16_t col, uint16_t param)
{
    put_bind(g, bind_of(g, STK_BIND_PARAM, col, param));
}

static void put_col(struct gen *g, uint16_t col)
{
    sql_put(&g->text, g->qualifier);
    sql_put_name(&g->text, g->dialect, g->t->cols[col].name);
}

/* ------------------------------------------------------------------- where */

static void put_in(struct gen *g, const stk_pred *p)
{
    put_col(g, p->col);
    if (g->dialect == STK_SQL_POSTGRESQL) {
        sql_put(&g->text, " = ANY(");
        put_bind(g, bind_of(g, STK_BIND_LIST, p->col, p->param));
    } else {
        sql_put(&g->text, " IN (");
        for (uint16_t i = 0; i < 1u << g->slot; i++) {
            sql_put(&g->text, i ? ", " : "");
            struct stk_sql_bind b = bind_of(g, STK_BIND_ELEM, p->col, p->param);
            b.elem = i;
            put_bind(g, b);
        }
    }
    sql_put(&g->text, ")");
}

static void put_compare(struct gen *g, uint16_t col, const char *op, uint16_t param)
{
    put_col(g, col);
    sql_put(&g->text, op);
    put_param(g, col, param);
}

static void put_keyset(struct gen *g)
{
    const stk_keyset *k = g->q->keyset;
    const char *strict = k->desc ? " < " : " > ";
    const char *loose = k->desc ? " <= " : " >= ";
    const char *last = k->inclusive ? loose : strict;
    if (k->ncols == 1) {
        put_compare(g, k->cols[0], last, k->param);
        return;
    }
    put_compare(g, k->cols[0], loose, k->param);
    sql_put(&g->text, " AND (");
    put_compare(g, k->cols[0], strict, k->param);
    sql_put(&g->text, " OR ");
    put_compare(g, k->cols[1], last, (uint16_t)(k->param + 1));
    sql_put(&g->text, ")");
}

static void put_pred(struct gen *g, const stk_pred *p)
{
    static const char *const ops[] = {
        [STK_EQ] = " = ", [STK_LT] = " < ", [STK_LE] = " <= ", [STK_GT] = " > ", [STK_GE] = " >= "};
    switch (p->op) {
    case STK_IN: put_in(g, p); break;
    case STK_IS_NULL:
    case STK_NOT_NULL:
        put_col(g, p->col);
        sql_put(&g->text, p->op == STK_IS_NULL ? " IS NULL" : " IS NOT NULL");
        break;
    case STK_PREFIX:
        put_compare(g, p->col, " >= ", p->param);
        sql_put(&g->text, " AND ");
        put_col(g, p->col);
        sql_put(&g->text, " < ");
        put_bind(g, bind_of(g, STK_BIND_UPPER, p->col, p->param));
        break;
    case STK_KEYSET: put_keyset(g); break;
    default: put_compare(g, p->col, ops[p->op], p->param); break;
    }
}

static void put_where(struct gen *g)
{
    for (uint8_t i = 0; i < g->q->nwhere; i++) {
        sql_put(&g->text, i ? " AND " : " WHERE ");
        put_pred(g, &g->q->where[i]);
    }
}

/* ----------------------------------------------------------- order, limits */

static void put_order(struct gen *g)
{
    for (uint8_t i = 0; i < g->q->norder; i++) {
        sql_put(&g->text, i ? ", " : " ORDER BY ");
        put_col(g, g->q->order[i].col);
        sql_put(&g->text, g->q->order[i].desc ? " DESC" : "");
    }
    /* Locks are taken in one order everywhere, so that they do not deadlock. */
    if (g->q->norder == 0 && (g->q->flags & STK_QF_LOCK)) {
        sql_put(&g->text, " ORDER BY ");
        sql_put_key_cols(&g->text, g->sql, g->t, &g->t->keys[0], "");
    }
}

static bool has_limit(const stk_query *q)
{
    return q->limit || q->limit_param != STK_NONE;
}

static void put_limit(struct gen *g)
{
    if (!has_limit(g->q))
        return;
    sql_put(&g->text, " LIMIT ");
    if (g->q->limit)
        sql_putf(&g->text, "%u", g->q->limit);
    else
        put_param(g, STK_NONE, g->q->limit_param);
}

/* ----------------------------------------------------------------- inserts */

static void put_rows(struct gen *g)
{
    sql_put(&g->text, "INSERT INTO ");
    sql_put_table(&g->text, g->sql, g->q->table);
    if (g->q->op == STK_OP_UPSERT && g->dialect != STK_SQL_MYSQL)
        sql_put(&g->text, " AS t");
    for (uint8_t i = 0; i < g->q->nset; i++) {
        sql_put(&g->text, i ? ", " : " (");
        put_col(g, g->q->set[i].col);
    }
    sql_put(&g->text, ") VALUES ");
    for (uint16_t r = 0; r < 1u << g->slot; r++) {
        for (uint8_t i = 0; i < g->q->nset; i++) {
            sql_put(&g->text, i ? ", " : r ? ", (" : "(");
            struct stk_sql_bind b =
                bind_of(g, STK_BIND_PARAM, g->q->set[i].col, g->q->set[i].param);
            b.row = r;
            put_bind(g, b);
        }
        sql_put(&g->text, ")");
    }
}

/* MySQL has no DO NOTHING, and INSERT IGNORE also swallows bad values. */
static void put_nothing(struct gen *g)
{
    if (g->dialect != STK_SQL_MYSQL) {
        sql_put(&g->text, " DO NOTHING");
        return;
    }
    uint16_t pk = g->t->keys[0].cols[0];
    put_col(g, pk);
    sql_put(&g->text, " = ");
    put_col(g, pk);
}

static void put_excluded(struct gen *g, uint16_t col)
{
    bool mysql = g->dialect == STK_SQL_MYSQL;
    sql_put(&g->text, mysql ? "VALUES(" : "excluded.");
    sql_put_name(&g->text, g->dialect, g->t->cols[col].name);
    sql_put(&g->text, mysql ? ")" : "");
}

static void put_conflict(struct gen *g)
{
    if (g->dialect == STK_SQL_MYSQL) {
        sql_put(&g->text, " ON DUPLICATE KEY UPDATE ");
    } else {
        sql_put(&g->text, " ON CONFLICT (");
        sql_put_key_cols(&g->text, g->sql, g->t, &g->t->keys[0], "");
        sql_put(&g->text, ")");
    }
    int n = 0;
    for (uint8_t i = 0; g->q->op == STK_OP_UPSERT && i < g->q->nset; i++) {
        const stk_set *s = &g->q->set[i];
        if (s->how == STK_KEEP || sql_in_pk(g->t, s->col))
            continue;
        if (n++)
            sql_put(&g->text, ", ");
        else if (g->dialect != STK_SQL_MYSQL)
            sql_put(&g->text, " DO UPDATE SET ");
        put_col(g, s->col);
        sql_put(&g->text, " = ");
        if (s->how == STK_INC) {
            sql_put(&g->text, g->dialect == STK_SQL_MYSQL ? "" : "t.");
            put_col(g, s->col);
            sql_put(&g->text, " + ");
        }
        put_excluded(g, s->col);
    }
    if (n == 0)
        put_nothing(g);
}

static void gen_insert(struct gen *g)
{
    put_rows(g);
    if (g->q->op == STK_OP_UPSERT || (g->q->flags & STK_QF_IF_ABSENT))
        put_conflict(g);
}

/* --------------------------------------------------------- update, delete */

static void put_sets(struct gen *g)
{
    const char *qualifier = g->qualifier;
    for (uint8_t i = 0; i < g->q->nset; i++) {
        const stk_set *s = &g->q->set[i];
        g->qualifier = "";
        sql_put(&g->text, i ? ", " : " SET ");
        put_col(g, s->col);
        sql_put(&g->text, " = ");
        g->qualifier = qualifier;
        if (s->how == STK_INC) {
            put_col(g, s->col);
            sql_put(&g->text, " + ");
        }
        put_param(g, s->col, s->param);
    }
}

static void put_change(struct gen *g, const char *alias)
{
    bool update = g->q->op == STK_OP_UPDATE;
    sql_put(&g->text, update ? "UPDATE " : "DELETE FROM ");
    sql_put_table(&g->text, g->sql, g->q->table);
    sql_put(&g->text, alias);
    if (update)
        put_sets(g);
}

/* SELECT of the primary keys the limited statement may touch. */
static void put_found_keys(struct gen *g)
{
    sql_put(&g->text, "SELECT ");
    sql_put_key_cols(&g->text, g->sql, g->t, &g->t->keys[0], "");
    sql_put(&g->text, " FROM ");
    sql_put_table(&g->text, g->sql, g->q->table);
    put_where(g);
    put_order(g);
    put_limit(g);
}

static void gen_limited_postgresql(struct gen *g)
{
    const stk_key *pk = &g->t->keys[0];
    sql_put(&g->text, "WITH k AS (");
    put_found_keys(g);
    sql_put(&g->text, " FOR UPDATE SKIP LOCKED) ");
    g->qualifier = "t.";
    put_change(g, " AS t");
    sql_put(&g->text, g->q->op == STK_OP_UPDATE ? " FROM k" : " USING k");
    for (uint16_t i = 0; i < pk->ncols; i++) {
        const char *name = g->t->cols[pk->cols[i]].name;
        sql_putf(&g->text, "%s t.\"%s\" = k.\"%s\"", i ? " AND" : " WHERE", name, name);
    }
}

static void gen_limited_sqlite(struct gen *g)
{
    const stk_key *pk = &g->t->keys[0];
    put_change(g, "");
    sql_put(&g->text, pk->ncols > 1 ? " WHERE (" : " WHERE ");
    sql_put_key_cols(&g->text, g->sql, g->t, pk, "");
    sql_put(&g->text, pk->ncols > 1 ? ") IN (" : " IN (");
    put_found_keys(g);
    sql_put(&g->text, ")");
}

static void gen_change(struct gen *g)
{
    if (has_limit(g->q) && g->dialect == STK_SQL_POSTGRESQL) {
        gen_limited_postgresql(g);
    } else if (has_limit(g->q) && g->dialect == STK_SQL_SQLITE) {
        gen_limited_sqlite(g);
    } else {
        put_change(g, "");
        put_where(g);
        put_order(g);
        put_limit(g);
    }
}

/* ---------------------------------------------------------- select, count */

static bool names_rows(const struct gen *g)
{
    const stk_key *pk = &g->t->keys[0];
    uint16_t found = 0;
    for (uint16_t k = 0; k < pk->ncols; k++) {
        bool has = false;
        for (uint8_t i = 0; i < g->q->nwhere; i++)
            has = has || (g->q->where[i].col == pk->cols[k] &&
                          (g->q->where[i].op == STK_EQ || g->q->where[i].op == STK_IN));
        found += has;
    }
    return found == pk->ncols;
}

/* MySQL would rather read an index that covers the columns asked for; while it
 * waits there for a lock, the entry it waits for may move behind it, and the row
 * is missed.  So rows that are locked by name are found by name. */
static void put_lock_path(struct gen *g)
{
    if ((g->q->flags & STK_QF_LOCK) && g->dialect == STK_SQL_MYSQL && names_rows(g))
        sql_put(&g->text, " FORCE INDEX (PRIMARY)");
}

static void gen_select(struct gen *g)
{
    sql_put(&g->text, "SELECT ");
    for (uint8_t i = 0; i < g->q->nout; i++) {
        sql_put(&g->text, i ? ", " : "");
        put_col(g, g->q->out[i]);
    }
    sql_put(&g->text, g->q->nout ? " FROM " : "1 FROM ");
    sql_put_table(&g->text, g->sql, g->q->table);
    put_lock_path(g);
    put_where(g);
    put_order(g);
    put_limit(g);
    if ((g->q->flags & STK_QF_LOCK) && g->dialect != STK_SQL_SQLITE)
        sql_put(&g->text, " FOR UPDATE");
}

static void gen_count(struct gen *g)
{
    bool capped = has_limit(g->q);
    sql_put(&g->text, capped ? "SELECT count(*) FROM (SELECT 1 FROM " : "SELECT count(*) FROM ");
    sql_put_table(&g->text, g->sql, g->q->table);
    put_where(g);
    put_limit(g);
    sql_put(&g->text, capped ? ") AS k" : "");
}

/* ------------------------------------------------------------------ result */

static uint64_t fnv1a(const char *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 0x100000001b3u;
    return h;
}

static struct stk_sql_stmt *pack(const struct gen *g)
{
    size_t nb = g->nbinds * sizeof *g->binds;
    struct stk_sql_stmt *s = calloc(1, sizeof *s + nb + g->text.len + 1);
    if (!s)
        return NULL;
    struct stk_sql_bind *binds = (struct stk_sql_bind *)(s + 1);
    char *text = (char *)binds + nb;
    if (nb)
        memcpy(binds, g->binds, nb);
    memcpy(text, g->text.p, g->text.len + 1);
    s->text = text;
    s->len = g->text.len;
    s->binds = binds;
    s->nbinds = (uint16_t)g->nbinds;
    s->query = g->q->id;
    s->op = g->q->op;
    s->slot = g->slot;
    s->ncols = g->q->op == STK_OP_SELECT ? g->q->nout : g->q->op == STK_OP_COUNT ? 1 : 0;
    /* Two queries may be one text, and are two statements all the same. */
    uint64_t h = fnv1a(text, s->len) ^ (uint64_t)(s->query * 256u + s->slot) * 0x9e3779b97f4a7c15u;
    snprintf(s->name, sizeof s->name, "stk_%016llx", (unsigned long long)h);
    return s;
}

struct stk_sql_stmt *sql_generate(const struct stk_sql *sql, const stk_query *q, uint8_t slot)
{
    struct gen g = {.sql = sql,
                    .q = q,
                    .t = &sql->tables[q->table],
                    .dialect = sql->dialect.kind,
                    .slot = slot,
                    .qualifier = ""};
    switch (q->op) {
    case STK_OP_INSERT:
    case STK_OP_UPSERT: gen_insert(&g); break;
    case STK_OP_UPDATE:
    case STK_OP_DELETE: gen_change(&g); break;
    case STK_OP_SELECT: gen_select(&g); break;
    default: gen_count(&g); break;
    }
    struct stk_sql_stmt *s = g.text.oom ? NULL : pack(&g);
    free(g.text.p);
    free(g.binds);
    return s;
}
