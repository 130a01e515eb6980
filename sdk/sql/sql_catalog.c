/* SPDX-License-Identifier: Apache-2.0 */
/* Takes a catalogue of any core version into this build's struct sizes. */
#include "sql_internal.h"

void *sql_keep(struct stk_sql_impl *impl, size_t n)
{
    struct sql_block *b = calloc(1, sizeof *b + n);
    if (!b)
        return NULL;
    b->next = impl->blocks;
    impl->blocks = b;
    return b->data;
}

/* Copies n elements of `stride` bytes into elements of `size` bytes. */
static void *copy_array(struct stk_sql_impl *impl, const void *src, size_t n, size_t stride,
                        size_t size)
{
    char *dst = sql_keep(impl, n ? n * size : 1);
    for (size_t i = 0; dst && i < n; i++)
        stk_copy_min(dst + i * size, size, stk_at(src, stride, i), stride);
    return dst;
}

static bool copy_tables(struct stk_sql *sql, const stk_catalog *c)
{
    stk_table *t = copy_array(sql->impl, c->tables, c->ntables, c->table_size, sizeof *t);
    if (!t)
        return false;
    for (uint16_t i = 0; i < c->ntables; i++) {
        t[i].cols = copy_array(sql->impl, t[i].cols, t[i].ncols, c->col_size, sizeof(stk_col));
        t[i].keys = copy_array(sql->impl, t[i].keys, t[i].nkeys, c->key_size, sizeof(stk_key));
        if (!t[i].cols || !t[i].keys)
            return false;
    }
    sql->tables = t;
    sql->ntables = c->ntables;
    return true;
}

static bool copy_queries(struct stk_sql *sql, const stk_catalog *c)
{
    struct stk_sql_impl *im = sql->impl;
    stk_query *q = sql_keep(im, (c->nqueries + 1u) * sizeof *q);
    if (!q)
        return false;
    for (uint16_t i = 0; i < c->nqueries; i++) {
        stk_copy_min(&q[i], sizeof *q, c->queries[i], c->query_size);
        q[i].set = copy_array(im, q[i].set, q[i].nset, c->set_size, sizeof(stk_set));
        q[i].where = copy_array(im, q[i].where, q[i].nwhere, c->pred_size, sizeof(stk_pred));
        q[i].order = copy_array(im, q[i].order, q[i].norder, c->order_size, sizeof(stk_order));
        if (q[i].keyset)
            q[i].keyset = copy_array(im, q[i].keyset, 1, c->keyset_size, sizeof(stk_keyset));
        if (!q[i].set || !q[i].where || !q[i].order)
            return false;
    }
    sql->queries = q;
    sql->nqueries = c->nqueries;
    return true;
}

static bool copy_dialect(struct stk_sql *sql, const struct stk_sql_dialect *d)
{
    sql->dialect = *d;
    size_t np = strlen(d->plugin) + 1;
    char *plugin = sql_keep(sql->impl, np);
    if (!plugin)
        return false;
    sql->dialect.plugin = memcpy(plugin, d->plugin, np);
    if (d->schema) {
        size_t ns = strlen(d->schema) + 1;
        char *schema = sql_keep(sql->impl, ns);
        if (!schema)
            return false;
        sql->dialect.schema = memcpy(schema, d->schema, ns);
    }
    sql->impl->max_list = d->max_list ? d->max_list : STK_SQL_MAX_LIST;
    if (d->kind != STK_SQL_POSTGRESQL && sql->impl->max_list > STK_SQL_MAX_LIST)
        sql->impl->max_list = STK_SQL_MAX_LIST;
    return true;
}

stk_status stk_sql_open(const stk_catalog *catalog, const struct stk_sql_dialect *dialect,
                        struct stk_sql **out, stk_err *err)
{
    *out = NULL;
    struct stk_sql *sql = calloc(1, sizeof *sql);
    if (!sql)
        return stk_err_nomem(err);
    sql->impl = calloc(1, sizeof *sql->impl);
    stk_catalog c;
    stk_copy_min(&c, sizeof c, catalog, catalog->size);
    sql->version = c.version;
    if (!sql->impl || !copy_dialect(sql, dialect) || !copy_tables(sql, &c) ||
        !copy_queries(sql, &c)) {
        stk_sql_close(sql);
        return stk_err_nomem(err);
    }
    stk_status rc = sql_check_catalog(sql, err);
    if (rc == STK_OK && dialect->kind != STK_SQL_NONE) {
        sql->impl->cache =
            sql_keep(sql->impl, ((size_t)sql->nqueries * STK_SQL_SLOTS + 1) * sizeof(sql_slot));
        for (uint16_t i = 0; rc == STK_OK && i < sql->nqueries; i++)
            if (!sql->impl->cache || !stk_sql_stmt(sql, i, 0))
                rc = stk_err_nomem(err);
    }
    if (rc != STK_OK)
        stk_sql_close(sql);
    else
        *out = sql;
    return rc;
}

void stk_sql_close(struct stk_sql *sql)
{
    if (!sql)
        return;
    struct stk_sql_impl *im = sql->impl;
    if (im) {
        for (size_t i = 0; im->cache && i < (size_t)sql->nqueries * STK_SQL_SLOTS; i++)
            free(atomic_load(&im->cache[i]));
        for (struct sql_block *b = im->blocks, *next; b; b = next) {
            next = b->next;
            free(b);
        }
        free(im);
    }
    free(sql);
}

/* Two threads may generate the same statement; the first one stored stays. */
const struct stk_sql_stmt *stk_sql_stmt(const struct stk_sql *sql, uint16_t query, uint8_t slot)
{
    sql_slot *place = &sql->impl->cache[(size_t)query * STK_SQL_SLOTS + slot];
    struct stk_sql_stmt *s = atomic_load_explicit(place, memory_order_acquire);
    if (s)
        return s;
    s = sql_generate(sql, &sql->queries[query], slot);
    struct stk_sql_stmt *other = NULL;
    if (s && !atomic_compare_exchange_strong(place, &other, s)) {
        free(s);
        s = other;
    }
    return s;
}
