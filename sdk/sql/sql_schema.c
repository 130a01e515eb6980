/* SPDX-License-Identifier: Apache-2.0 */
/* Compares what a database really holds with the logical schema, and adds what
 * is missing. */
#include "sql_internal.h"

#include <stk_sdk.h>

/* Sorted texts: "t TABLE", "c TABLE COLUMN", "kN TABLE COLUMNS". */
struct stk_sql_real {
    char **items;
    size_t n, cap;
    bool sorted;
};

struct stk_sql_real *stk_sql_real_new(void)
{
    return calloc(1, sizeof(struct stk_sql_real));
}

void stk_sql_real_free(struct stk_sql_real *real)
{
    if (!real)
        return;
    for (size_t i = 0; i < real->n; i++)
        free(real->items[i]);
    free(real->items);
    free(real);
}

static bool real_add(struct stk_sql_real *real, const char *tag, const char *table,
                     const char *rest)
{
    if (real->n == real->cap) {
        size_t cap = real->cap ? real->cap * 2 : 256;
        char **p = realloc(real->items, cap * sizeof *p);
        if (!p)
            return false;
        real->items = p;
        real->cap = cap;
    }
    size_t size = strlen(tag) + strlen(table) + strlen(rest) + 3;
    char *s = malloc(size);
    if (!s)
        return false;
    snprintf(s, size, "%s %s %s", tag, table, rest);
    real->items[real->n++] = s;
    real->sorted = false;
    return true;
}

bool stk_sql_real_column(struct stk_sql_real *real, const char *table, const char *column)
{
    return real_add(real, "t", table, "") && real_add(real, "c", table, column);
}

bool stk_sql_real_key(struct stk_sql_real *real, const char *table, int kind, const char *cols)
{
    const char tag[3] = {'k', (char)('0' + kind), '\0'};
    return real_add(real, tag, table, cols);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool real_has(const struct stk_sql_real *real, const char *tag, const char *table,
                     const char *rest)
{
    char key[1024];
    char *p = key;
    int n = snprintf(key, sizeof key, "%s %s %s", tag, table, rest);
    return n > 0 && (size_t)n < sizeof key && real->n > 0 &&
           bsearch(&p, real->items, real->n, sizeof *real->items, by_text);
}

static bool real_has_key(const struct stk_sql_real *real, const stk_table *t, const stk_key *k)
{
    char cols[768] = "";
    size_t len = 0;
    for (uint16_t i = 0; i < k->ncols && len < sizeof cols; i++)
        len += (size_t)snprintf(cols + len, sizeof cols - len, "%s%s", i ? "," : "",
                                t->cols[k->cols[i]].name);
    if (len >= sizeof cols)
        return false;
    const char *tags[] = {
        [STK_KEY_PRIMARY] = "k1", [STK_KEY_UNIQUE] = "k2", [STK_KEY_INDEX] = "k3"};
    if (real_has(real, tags[k->kind], t->name, cols))
        return true;
    return k->kind == STK_KEY_INDEX &&
           (real_has(real, "k1", t->name, cols) || real_has(real, "k2", t->name, cols));
}

/* Calls missing() for each table, column or key that is not there.  A missing
 * table is one thing, whatever it holds. */
enum { MISSING_TABLE, MISSING_COLUMN, MISSING_KEY };
typedef stk_status (*missing_fn)(void *ud, int what, uint16_t table, uint16_t index, stk_err *err);

static stk_status compare(const struct stk_sql *sql, struct stk_sql_real *real, missing_fn missing,
                          void *ud, stk_err *err)
{
    if (!real->sorted && real->n)
        qsort(real->items, real->n, sizeof *real->items, by_text);
    real->sorted = true;
    stk_status rc = STK_OK;
    for (uint16_t i = 0; !rc && i < sql->ntables; i++) {
        const stk_table *t = &sql->tables[i];
        if (!real_has(real, "t", t->name, "")) {
            rc = missing(ud, MISSING_TABLE, i, 0, err);
            continue;
        }
        for (uint16_t c = 0; !rc && c < t->ncols; c++)
            if (!real_has(real, "c", t->name, t->cols[c].name))
                rc = missing(ud, MISSING_COLUMN, i, c, err);
        for (uint16_t k = 0; !rc && k < t->nkeys; k++)
            if (!real_has_key(real, t, &t->keys[k]))
                rc = missing(ud, MISSING_KEY, i, k, err);
    }
    return rc;
}

struct verify {
    const struct stk_sql *sql;
    unsigned count;
    uint16_t table, column, key;
    char list[256];
};

static stk_status note_missing(void *ud, int what, uint16_t table, uint16_t index, stk_err *err)
{
    (void)err;
    struct verify *v = ud;
    const stk_table *t = &v->sql->tables[table];
    if (v->count == 0) {
        v->table = table;
        v->column = what == MISSING_COLUMN ? index : STK_NONE;
        v->key = what == MISSING_KEY ? index : STK_NONE;
    }
    size_t len = strlen(v->list);
    if (v->count++ < 3) {
        const char *comma = len ? ", " : "";
        if (what == MISSING_TABLE)
            snprintf(v->list + len, sizeof v->list - len, "%stable %s", comma, t->name);
        else if (what == MISSING_COLUMN)
            snprintf(v->list + len, sizeof v->list - len, "%scolumn %s.%s", comma, t->name,
                     t->cols[index].name);
        else
            snprintf(v->list + len, sizeof v->list - len, "%skey \"%s\" of %s", comma,
                     t->keys[index].name, t->name);
    }
    return STK_OK;
}

stk_status stk_sql_verify(const struct stk_sql *sql, struct stk_sql_real *real, const char *remedy,
                          stk_err *err)
{
    struct verify v = {.sql = sql};
    compare(sql, real, note_missing, &v, err);
    if (v.count == 0)
        return STK_OK;
    char more[32] = "";
    if (v.count > 3)
        snprintf(more, sizeof more, " and %u more", v.count - 3);
    stk_err_set(err, STK_E_SCHEMA, "%s: the schema lacks %s%s. %s", sql->dialect.plugin, v.list,
                more, remedy ? remedy : "");
    if (err) {
        err->table = v.table;
        err->column = v.column;
        err->key = v.key;
    }
    return STK_E_SCHEMA;
}

/* ------------------------------------------------------------ the Java core */

#define TEXT_OF(name) #name
#define COMMA ,
static const char *const java_tables[] = {STK_SQL_JAVA_TABLES(TEXT_OF, COMMA)};

void stk_sql_warn_of_java_core(const struct stk_sql_real *real, const stk_host *host,
                               const char *plugin, const char *database)
{
    char list[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof java_tables / sizeof *java_tables; i++)
        if (real_has(real, "t", java_tables[i], "") && len < sizeof list)
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "",
                                    java_tables[i]);
    if (len == 0)
        return;
    stk_logf(host, STK_LOG_WARN, plugin,
             "%s: database \"%s\" holds tables of the Java core (%s). They are neither read nor "
             "changed: this core keeps its own beside them, whose names begin with st_. Users do "
             "not move over by themselves",
             plugin, database, list);
}

struct ensure {
    const struct stk_sql *sql;
    stk_sql_emit emit;
    void *ud;
};

static stk_status add_missing(void *ud, int what, uint16_t table, uint16_t index, stk_err *err)
{
    struct ensure *e = ud;
    if (what == MISSING_TABLE)
        return stk_sql_ddl_table(e->sql, table, e->emit, e->ud, err);
    if (what == MISSING_KEY && index == 0)
        return stk_err_set(err, STK_E_SCHEMA,
                           "%s: table %s exists with another primary key. Rename or drop it.",
                           e->sql->dialect.plugin, e->sql->tables[table].name);
    struct sql_text t = {0};
    if (what == MISSING_COLUMN)
        sql_put_add_column(&t, e->sql, table, index);
    else
        sql_put_index(&t, e->sql, table, index);
    return sql_send(&t, e->emit, e->ud, err);
}

stk_status stk_sql_ensure(const struct stk_sql *sql, struct stk_sql_real *real, stk_sql_emit emit,
                          void *ud, stk_err *err)
{
    struct ensure e = {.sql = sql, .emit = emit, .ud = ud};
    return compare(sql, real, add_missing, &e, err);
}
