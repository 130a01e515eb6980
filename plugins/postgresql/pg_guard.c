/* SPDX-License-Identifier: Apache-2.0 */
/* Statements that check their own row count. */
#include "pg.h"

#include <inttypes.h>
#include <stdlib.h>

/* Division by zero is evaluated after the whole of x, whose writes and row locks
 * happen whether or not it is read; its SQLSTATE 22012 can come from nowhere
 * else, since no query divides.  g always is one row, so the SELECT form fails
 * also when x is empty; joining it as the outer side keeps the order of x. */
static char *guard_text(const struct stk_sql_stmt *stmt)
{
    char *text = NULL;
    int n, k = stmt->nbinds + 1;
    if (stmt->op == STK_OP_SELECT)
        n = asprintf(&text,
                     "WITH x AS (%s), g AS (SELECT 1 / (CASE WHEN count(*) >= $%d THEN 1 ELSE 0 "
                     "END) AS ok FROM x) SELECT x.*, g.ok FROM g LEFT JOIN x ON true",
                     stmt->text, k);
    else
        n = asprintf(&text,
                     "WITH x AS (%s RETURNING 1) SELECT count(*), 1 / (CASE WHEN count(*) = $%d "
                     "THEN 1 ELSE 0 END) FROM x",
                     stmt->text, k);
    return n < 0 ? NULL : text;
}

static struct pg_guard *guard_new(const struct stk_sql_stmt *stmt)
{
    struct pg_guard *g = calloc(1, sizeof *g);
    if (g)
        g->text = guard_text(stmt);
    if (!g || !g->text) {
        free(g);
        return NULL;
    }
    uint64_t h = 14695981039346656037u;
    for (const char *s = g->text; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    h ^= (stmt->query + 1u) * 0x9e3779b97f4a7c15u; /* its text may be that of another query */
    snprintf(g->name, sizeof g->name, "stk_%016" PRIx64, h);
    return g;
}

static void guard_free(struct pg_guard *g)
{
    if (g)
        free(g->text);
    free(g);
}

const struct pg_guard *pg_guard_get(struct stk_db *db, const struct stk_sql_stmt *stmt)
{
    _Atomic(struct pg_guard *) *slot = &db->guards[stmt->query].guard;
    struct pg_guard *g = atomic_load(slot);
    if (g)
        return g;
    struct pg_guard *made = guard_new(stmt);
    if (!made || atomic_compare_exchange_strong(slot, &g, made))
        return made;
    guard_free(made);
    return g;
}

void pg_guards_free(struct stk_db *db)
{
    for (uint16_t i = 0; db->guards && i < db->server.sql->nqueries; i++)
        guard_free(atomic_load(&db->guards[i].guard));
    free(db->guards);
}
