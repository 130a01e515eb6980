/* SPDX-License-Identifier: Apache-2.0 */
/* Names and DDL of tables and keys.  migration_scripts/ say the same by hand;
 * a test holds the two together. */
#include "sql_internal.h"

/* Rows up to about this many bytes are clustered by their primary key on SQLite,
 * which is quicker as long as many fit on a page. */
enum { SQLITE_SMALL_ROW = 320 };

void stk_sql_key_name(const struct stk_sql *sql, uint16_t table, uint16_t key, char *out, size_t n)
{
    const stk_table *t = &sql->tables[table];
    int kind = sql->dialect.kind;
    bool per_table = kind == STK_SQL_MYSQL || kind == STK_SQL_NONE;
    if (key == 0 && per_table)
        snprintf(out, n, "%s", kind == STK_SQL_MYSQL ? "PRIMARY" : "_id_");
    else if (key == 0)
        snprintf(out, n, "%s_pkey", t->name);
    else
        snprintf(out, n, "%s%s%s", per_table ? "" : t->name, per_table ? "" : "_",
                 t->keys[key].name);
}

bool stk_sql_find_table(const struct stk_sql *sql, const char *name, uint16_t *table)
{
    for (uint16_t i = 0; i < sql->ntables; i++) {
        if (strcmp(sql->tables[i].name, name) == 0) {
            *table = i;
            return true;
        }
    }
    return false;
}

bool stk_sql_find_key(const struct stk_sql *sql, const char *name, uint16_t table_hint,
                      uint16_t *table, uint16_t *key)
{
    char own[160];
    for (uint16_t t = 0; t < sql->ntables; t++) {
        if (table_hint != STK_NONE && t != table_hint)
            continue;
        for (uint16_t k = 0; k < sql->tables[t].nkeys; k++) {
            stk_sql_key_name(sql, t, k, own, sizeof own);
            if (strcmp(own, name) != 0)
                continue;
            *table = t;
            *key = k;
            return true;
        }
    }
    return false;
}

stk_status stk_sql_duplicate(const struct stk_sql *sql, uint16_t table, uint16_t key, stk_err *err)
{
    const stk_table *t = table < sql->ntables ? &sql->tables[table] : NULL;
    stk_err_set(err, STK_E_DUPLICATE, "%s: a row of %s already has this key \"%s\"",
                sql->dialect.plugin, t ? t->name : "a table",
                t && key < t->nkeys ? t->keys[key].name : "?");
    if (err) {
        err->table = table;
        err->key = key;
    }
    return STK_E_DUPLICATE;
}

/* ------------------------------------------------------------------- types */

/* Text that may be compared is VARBINARY on MySQL, four bytes a character: no
 * collation there is bytewise and unpadded on every server. */
static void put_type_mysql(struct sql_text *t, const stk_col *c)
{
    uint64_t len = c->max_len;
    switch (c->type) {
    case STK_T_BOOL: sql_put(t, "TINYINT(1)"); return;
    case STK_T_I64: sql_put(t, "BIGINT"); return;
    case STK_T_TEXT:
        if (len > 0 && len <= SQL_KEY_TEXT)
            sql_putf(t, "VARBINARY(%u)", (unsigned)len * 4);
        else
            sql_putf(t, "%s CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                     len && len * 4 <= 16777215 ? "MEDIUMTEXT" : "LONGTEXT");
        return;
    default:
        if (len > 0 && len <= SQL_KEY_TEXT)
            sql_putf(t, "VARBINARY(%u)", (unsigned)len);
        else
            sql_put(t, len && len <= 16777215 ? "MEDIUMBLOB" : "LONGBLOB");
        return;
    }
}

static void put_type_postgresql(struct sql_text *t, const stk_col *c)
{
    switch (c->type) {
    case STK_T_BOOL: sql_put(t, "BOOLEAN"); return;
    case STK_T_I64: sql_put(t, "BIGINT"); return;
    case STK_T_BYTES: sql_put(t, "BYTEA"); return;
    default:
        if (c->max_len > 0 && c->max_len <= SQL_KEY_TEXT)
            sql_putf(t, "VARCHAR(%u) COLLATE \"C\"", c->max_len);
        else
            sql_put(t, "TEXT");
        return;
    }
}

static void put_column(struct sql_text *t, int dialect, const stk_col *c)
{
    static const char *const sqlite[] = {[STK_T_BOOL] = "INTEGER",
                                         [STK_T_I64] = "INTEGER",
                                         [STK_T_TEXT] = "TEXT",
                                         [STK_T_BYTES] = "BLOB"};
    sql_put_name(t, dialect, c->name);
    sql_put(t, " ");
    if (dialect == STK_SQL_SQLITE)
        sql_put(t, sqlite[c->type]);
    else if (dialect == STK_SQL_MYSQL)
        put_type_mysql(t, c);
    else
        put_type_postgresql(t, c);
    if (c->flags & STK_COL_NOT_NULL)
        sql_put(t, " NOT NULL");
}

/* ------------------------------------------------------------------ tables */

static bool sqlite_clustered(const stk_table *t)
{
    unsigned size = 0;
    for (uint16_t i = 0; i < t->ncols; i++) {
        const stk_col *c = &t->cols[i];
        if (c->type == STK_T_BOOL || c->type == STK_T_I64)
            size += 8;
        else if (c->max_len == 0 || c->max_len > SQL_KEY_TEXT)
            return false;
        else
            size += c->max_len < 64 ? c->max_len : 64;
    }
    return size <= SQLITE_SMALL_ROW;
}

static void put_table(struct sql_text *t, const struct stk_sql *sql, uint16_t table)
{
    const stk_table *tab = &sql->tables[table];
    int dialect = sql->dialect.kind;
    char name[160];
    sql_put(t, "CREATE TABLE IF NOT EXISTS ");
    sql_put_table(t, sql, table);
    sql_put(t, " (\n");
    for (uint16_t i = 0; i < tab->ncols; i++) {
        sql_put(t, "    ");
        put_column(t, dialect, &tab->cols[i]);
        sql_put(t, ",\n");
    }
    stk_sql_key_name(sql, table, 0, name, sizeof name);
    if (dialect == STK_SQL_POSTGRESQL)
        sql_putf(t, "    CONSTRAINT \"%s\" PRIMARY KEY (", name);
    else
        sql_put(t, "    PRIMARY KEY (");
    sql_put_key_cols(t, sql, tab, &tab->keys[0], "");
    for (uint16_t k = 1; dialect == STK_SQL_MYSQL && k < tab->nkeys; k++) {
        sql_putf(t, "),\n    %sKEY `%s` (", tab->keys[k].kind == STK_KEY_UNIQUE ? "UNIQUE " : "",
                 tab->keys[k].name);
        sql_put_key_cols(t, sql, tab, &tab->keys[k], "");
    }
    sql_put(t, ")\n)");
    if (dialect == STK_SQL_SQLITE)
        sql_put(t, sqlite_clustered(tab) ? " STRICT, WITHOUT ROWID" : " STRICT");
    else if (dialect == STK_SQL_MYSQL)
        sql_put(t, " ENGINE=InnoDB ROW_FORMAT=DYNAMIC");
}

void sql_put_index(struct sql_text *t, const struct stk_sql *sql, uint16_t table, uint16_t key)
{
    const stk_table *tab = &sql->tables[table];
    const stk_key *k = &tab->keys[key];
    int dialect = sql->dialect.kind;
    char name[160];
    stk_sql_key_name(sql, table, key, name, sizeof name);
    sql_put(t, k->kind == STK_KEY_UNIQUE ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    sql_put(t, dialect == STK_SQL_MYSQL ? "" : "IF NOT EXISTS ");
    sql_put_name(t, dialect, name);
    sql_put(t, " ON ");
    sql_put_table(t, sql, table);
    sql_put(t, " (");
    sql_put_key_cols(t, sql, tab, k, "");
    sql_put(t, ")");
}

/* Hands the text on and empties it. */
stk_status sql_send(struct sql_text *t, stk_sql_emit emit, void *ud, stk_err *err)
{
    stk_status rc = t->oom ? stk_err_nomem(err) : emit(ud, t->p, err);
    free(t->p);
    memset(t, 0, sizeof *t);
    return rc;
}

stk_status stk_sql_ddl_table(const struct stk_sql *sql, uint16_t table, stk_sql_emit emit, void *ud,
                             stk_err *err)
{
    struct sql_text t = {0};
    put_table(&t, sql, table);
    stk_status rc = sql_send(&t, emit, ud, err);
    for (uint16_t k = 1; !rc && sql->dialect.kind != STK_SQL_MYSQL && k < sql->tables[table].nkeys;
         k++) {
        sql_put_index(&t, sql, table, k);
        rc = sql_send(&t, emit, ud, err);
    }
    return rc;
}

stk_status stk_sql_ddl_drop(const struct stk_sql *sql, stk_sql_emit emit, void *ud, stk_err *err)
{
    stk_status rc = STK_OK;
    for (uint16_t i = 0; !rc && i < sql->ntables; i++) {
        struct sql_text t = {0};
        sql_put(&t, "DROP TABLE IF EXISTS ");
        sql_put_table(&t, sql, i);
        rc = sql_send(&t, emit, ud, err);
    }
    return rc;
}

/* A column added to a table with rows needs a value for them. */
static const char *default_of(const stk_col *c, int dialect)
{
    if (!(c->flags & STK_COL_NOT_NULL))
        return "";
    if (dialect == STK_SQL_MYSQL && (c->max_len == 0 || c->max_len > SQL_KEY_TEXT) &&
        c->type >= STK_T_TEXT)
        return ""; /* MySQL refuses one for long types and fills in '' by itself */
    switch (c->type) {
    case STK_T_BOOL: return " DEFAULT FALSE";
    case STK_T_I64: return " DEFAULT 0";
    default: return " DEFAULT ''";
    }
}

void sql_put_add_column(struct sql_text *t, const struct stk_sql *sql, uint16_t table, uint16_t col)
{
    const stk_col *c = &sql->tables[table].cols[col];
    sql_put(t, "ALTER TABLE ");
    sql_put_table(t, sql, table);
    sql_put(t, sql->dialect.kind == STK_SQL_POSTGRESQL ? " ADD COLUMN IF NOT EXISTS "
                                                       : " ADD COLUMN ");
    put_column(t, sql->dialect.kind, c);
    sql_put(t, default_of(c, sql->dialect.kind));
}
