/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text and the spelling of names. */
#include "sql_internal.h"

static bool reserve(struct sql_text *t, size_t n)
{
    if (t->oom)
        return false;
    if (t->len + n + 1 <= t->cap)
        return true;
    size_t cap = t->cap ? t->cap : 256;
    while (cap < t->len + n + 1)
        cap *= 2;
    char *p = realloc(t->p, cap);
    if (!p) {
        t->oom = true;
        return false;
    }
    t->p = p;
    t->cap = cap;
    return true;
}

void sql_put(struct sql_text *t, const char *s)
{
    size_t n = strlen(s);
    if (!reserve(t, n))
        return;
    memcpy(t->p + t->len, s, n + 1);
    t->len += n;
}

void sql_putf(struct sql_text *t, const char *fmt, ...)
{
    char buf[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof buf)
        t->oom = true;
    else
        sql_put(t, buf);
}

/* Names of the logical schema are [a-z0-9_] and need no escaping; the PostgreSQL
 * schema comes from the operator and may hold anything. */
void sql_put_name(struct sql_text *t, int dialect, const char *name)
{
    const char quote[2] = {dialect == STK_SQL_MYSQL ? '`' : '"', '\0'};
    sql_put(t, quote);
    for (const char *s = name; *s; s++) {
        const char c[3] = {*s, *s == quote[0] ? *s : '\0', '\0'};
        sql_put(t, c);
    }
    sql_put(t, quote);
}

void sql_put_table(struct sql_text *t, const struct stk_sql *sql, uint16_t table)
{
    if (sql->dialect.schema) {
        sql_put_name(t, sql->dialect.kind, sql->dialect.schema);
        sql_put(t, ".");
    }
    sql_put_name(t, sql->dialect.kind, sql->tables[table].name);
}

void sql_put_key_cols(struct sql_text *t, const struct stk_sql *sql, const stk_table *table,
                      const stk_key *key, const char *prefix)
{
    for (uint16_t i = 0; i < key->ncols; i++) {
        sql_put(t, i ? ", " : "");
        sql_put(t, prefix);
        sql_put_name(t, sql->dialect.kind, table->cols[key->cols[i]].name);
    }
}
