/* SPDX-License-Identifier: Apache-2.0 */
/* The real schema against the logical one.  A collection has no columns: what
 * stands for them are the properties of its validator, whose _id also says, as
 * its description, what the primary key is made of. */
#include "mongodb_plugin.h"

enum { NAMESPACE_EXISTS = 48, NAMESPACE_NOT_FOUND = 26 };

/* ---------------------------------------------------------- what there is */

static void list_command(bson_t *cmd, const char *name, bool name_only)
{
    bson_t filter, cursor;
    bson_init(cmd);
    bson_append_int32(cmd, "listCollections", -1, 1);
    bson_append_document_begin(cmd, "filter", -1, &filter);
    if (name)
        bson_append_utf8(&filter, "name", -1, name, -1);
    bson_append_document_end(cmd, &filter);
    bson_append_bool(cmd, "nameOnly", -1, name_only);
    bson_append_bool(cmd, "authorizedCollections", -1, name_only);
    bson_append_document_begin(cmd, "cursor", -1, &cursor);
    bson_append_int32(&cursor, "batchSize", -1, 100000);
    bson_append_document_end(cmd, &cursor);
}

/* Outside of any transaction. */
static stk_status list(const struct mg_op *op, const char *name, bson_t *reply)
{
    struct mg_op own = *op;
    own.txn = NULL;
    bson_t cmd;
    list_command(&cmd, name, name != NULL);
    stk_status rc = mg_command(&own, MG_ADMIN, &cmd, reply);
    bson_destroy(&cmd);
    return rc;
}

stk_status mg_exists(struct mg_op *op, const char *collection, bool *exists)
{
    bson_t reply;
    stk_status rc = list(op, collection, &reply);
    bson_iter_t it, at;
    *exists = !rc && bson_iter_init(&it, &reply) &&
              bson_iter_find_descendant(&it, "cursor.firstBatch.0", &at);
    bson_destroy(&reply);
    return rc;
}

stk_status mg_known(struct mg_op *op, uint16_t table)
{
    if (atomic_load_explicit(&op->db->known[table], memory_order_relaxed))
        return STK_OK;
    bool exists;
    stk_status rc = mg_exists(op, op->db->sql->tables[table].name, &exists);
    if (!rc && !exists)
        rc = mg_fail(op, STK_E_SCHEMA, "a collection is not there. Run: supertokens migrate");
    if (!rc)
        atomic_store_explicit(&op->db->known[table], true, memory_order_relaxed);
    return rc;
}

/* Descends into a document of the iterator; false: there is none. */
static bool enter(const bson_iter_t *from, const char *path, bson_iter_t *to)
{
    bson_iter_t it, at;
    if (!bson_iter_recurse(from, &it) || !bson_iter_find_descendant(&it, path, &at))
        return false;
    return bson_iter_recurse(&at, to);
}

static const char *text_at(const bson_iter_t *from, const char *path)
{
    bson_iter_t it, at;
    if (!bson_iter_recurse(from, &it) || !bson_iter_find_descendant(&it, path, &at) ||
        !BSON_ITER_HOLDS_UTF8(&at))
        return NULL;
    return bson_iter_utf8(&at, NULL);
}

/* One collection of listCollections. */
static bool note_collection(struct stk_sql_real *real, const bson_iter_t *c, const char *name)
{
    bson_iter_t p;
    bool ok = true;
    if (enter(c, "options.validator.$jsonSchema.properties", &p))
        while (ok && bson_iter_next(&p))
            if (bson_iter_key(&p)[0] != '_')
                ok = stk_sql_real_column(real, name, bson_iter_key(&p));
    const char *pk = text_at(c, "options.validator.$jsonSchema.properties._id.description");
    return ok && (!pk || stk_sql_real_key(real, name, STK_KEY_PRIMARY, pk));
}

/* One index of listIndexes.  A unique one must leave out absent fields, or it
 * would let only one row have none; that is not compared here. */
static bool note_index(struct stk_sql_real *real, const bson_iter_t *index, const char *table)
{
    char cols[768] = "";
    size_t len = 0;
    bson_iter_t k, it, at;
    if (!enter(index, "key", &k))
        return true;
    while (bson_iter_next(&k) && len < sizeof cols)
        len += (size_t)snprintf(cols + len, sizeof cols - len, "%s%s", len ? "," : "",
                                bson_iter_key(&k));
    bool unique = bson_iter_recurse(index, &it) && bson_iter_find_descendant(&it, "unique", &at) &&
                  bson_iter_as_bool(&at);
    return strcmp(cols, "_id") == 0 ||
           stk_sql_real_key(real, table, unique ? STK_KEY_UNIQUE : STK_KEY_INDEX, cols);
}

static stk_status read_indexes(struct mg_op *op, struct stk_sql_real *real, const char *table)
{
    bson_t cmd = BSON_INITIALIZER, reply, cursor;
    bson_append_utf8(&cmd, "listIndexes", -1, table, -1);
    bson_append_document_begin(&cmd, "cursor", -1, &cursor);
    bson_append_int32(&cursor, "batchSize", -1, 1000);
    bson_append_document_end(&cmd, &cursor);
    stk_status rc = mg_command(op, MG_ADMIN, &cmd, &reply);
    bson_iter_t it, at, each;
    if (!rc && bson_iter_init(&it, &reply) &&
        bson_iter_find_descendant(&it, "cursor.firstBatch", &at) && bson_iter_recurse(&at, &each))
        while (!rc && bson_iter_next(&each))
            if (!note_index(real, &each, table))
                rc = stk_err_nomem(op->err);
    bson_destroy(&cmd);
    bson_destroy(&reply);
    return rc;
}

/* What there is of the tables of sql. */
static stk_status read_real(struct mg_op *op, const struct stk_sql *sql, struct stk_sql_real *real)
{
    bson_t reply;
    stk_status rc = list(op, NULL, &reply);
    bson_iter_t it, at, each;
    if (!rc && bson_iter_init(&it, &reply) &&
        bson_iter_find_descendant(&it, "cursor.firstBatch", &at) && bson_iter_recurse(&at, &each))
        while (!rc && bson_iter_next(&each)) {
            const char *name = text_at(&each, "name");
            uint16_t table;
            if (!name || !stk_sql_find_table(sql, name, &table))
                continue;
            if (!note_collection(real, &each, name))
                rc = stk_err_nomem(op->err);
            if (!rc)
                rc = read_indexes(op, real, name);
        }
    bson_destroy(&reply);
    return rc;
}

stk_status mg_verify(struct stk_db *db, stk_err *err)
{
    struct mg_conn *c = NULL;
    stk_status rc = mg_conn_get(db, 0, &c, err);
    if (rc)
        return rc;
    struct mg_op op = mg_op(c, 0, err);
    struct stk_sql_real *real = stk_sql_real_new();
    rc = real ? read_real(&op, db->sql, real) : stk_err_nomem(err);
    if (!rc)
        rc = stk_sql_verify(db->sql, real, STK_SQL_REMEDY(MG_NAME), err);
    stk_sql_real_free(real);
    mg_conn_put(c);
    return rc;
}

/* ------------------------------------------------------------ what there must be */

static const char *bson_type(uint8_t type)
{
    switch (type) {
    case STK_T_BOOL: return "bool";
    case STK_T_I64: return "long";
    case STK_T_TEXT: return "string";
    default: return "binData";
    }
}

static void put_index_name(bson_t *array, uint32_t i, const char *value)
{
    char index[16];
    const char *key;
    bson_uint32_to_string(i, &key, index, sizeof index);
    bson_append_utf8(array, key, -1, value, -1);
}

static void put_properties(bson_t *schema, const stk_table *t)
{
    char pk[768] = "";
    size_t len = 0;
    for (uint16_t i = 0; i < t->keys[0].ncols && len < sizeof pk; i++)
        len += (size_t)snprintf(pk + len, sizeof pk - len, "%s%s", i ? "," : "",
                                t->cols[t->keys[0].cols[i]].name);
    bson_t props, p;
    bson_append_document_begin(schema, "properties", -1, &props);
    bson_append_document_begin(&props, "_id", -1, &p);
    bson_append_utf8(&p, "bsonType", -1, "string", -1);
    bson_append_utf8(&p, "description", -1, pk, -1);
    bson_append_document_end(&props, &p);
    for (uint16_t i = 0; i < t->ncols; i++) {
        const stk_col *c = &t->cols[i];
        bson_append_document_begin(&props, c->name, -1, &p);
        bson_append_utf8(&p, "bsonType", -1, bson_type(c->type), -1);
        if (c->type == STK_T_TEXT && c->max_len)
            bson_append_int64(&p, "maxLength", -1, c->max_len);
        bson_append_document_end(&props, &p);
    }
    bson_append_document_end(schema, &props);
}

static void put_create(bson_t *cmd, const stk_table *t)
{
    bson_t validator, schema, required;
    bson_append_utf8(cmd, "create", -1, t->name, -1);
    bson_append_document_begin(cmd, "validator", -1, &validator);
    bson_append_document_begin(&validator, "$jsonSchema", -1, &schema);
    bson_append_utf8(&schema, "bsonType", -1, "object", -1);
    bson_append_array_begin(&schema, "required", -1, &required);
    uint32_t n = 0;
    put_index_name(&required, n++, "_id");
    for (uint16_t i = 0; i < t->ncols; i++)
        if (t->cols[i].flags & STK_COL_NOT_NULL)
            put_index_name(&required, n++, t->cols[i].name);
    bson_append_array_end(&schema, &required);
    put_properties(&schema, t);
    bson_append_document_end(&validator, &schema);
    bson_append_document_end(cmd, &validator);
}

static void put_index(bson_t *index, const struct stk_sql *sql, uint16_t table, uint16_t key)
{
    const stk_table *t = &sql->tables[table];
    const stk_key *k = &t->keys[key];
    char name[80];
    bson_t doc, exists;
    bool partial = false;
    stk_sql_key_name(sql, table, key, name, sizeof name);
    bson_append_document_begin(index, "key", -1, &doc);
    for (uint16_t i = 0; i < k->ncols; i++)
        bson_append_int32(&doc, t->cols[k->cols[i]].name, -1, 1);
    bson_append_document_end(index, &doc);
    bson_append_utf8(index, "name", -1, name, -1);
    if (k->kind != STK_KEY_UNIQUE)
        return;
    bson_append_bool(index, "unique", -1, true);
    for (uint16_t i = 0; i < k->ncols; i++)
        partial = partial || !(t->cols[k->cols[i]].flags & STK_COL_NOT_NULL);
    if (!partial)
        return;
    bson_append_document_begin(index, "partialFilterExpression", -1, &doc);
    for (uint16_t i = 0; i < k->ncols; i++)
        if (!(t->cols[k->cols[i]].flags & STK_COL_NOT_NULL)) {
            bson_append_document_begin(&doc, t->cols[k->cols[i]].name, -1, &exists);
            bson_append_bool(&exists, "$exists", -1, true);
            bson_append_document_end(&doc, &exists);
        }
    bson_append_document_end(index, &doc);
}

static stk_status run(struct mg_op *op, const bson_t *cmd, int32_t allowed)
{
    bson_t reply;
    stk_status rc = mg_command(op, MG_ADMIN, cmd, &reply);
    if (rc && mg_int(&reply, "code") == allowed)
        rc = STK_OK;
    bson_destroy(&reply);
    return rc;
}

static stk_status make_table(struct mg_op *op, const struct stk_sql *sql, uint16_t table)
{
    const stk_table *t = &sql->tables[table];
    bson_t cmd = BSON_INITIALIZER, list_of, index;
    bool exists;
    stk_status rc = mg_exists(op, t->name, &exists);
    if (!rc && !exists) {
        put_create(&cmd, t);
        rc = run(op, &cmd, NAMESPACE_EXISTS);
    }
    bson_destroy(&cmd);
    if (rc || t->nkeys < 2)
        return rc;
    bson_init(&cmd);
    bson_append_utf8(&cmd, "createIndexes", -1, t->name, -1);
    bson_append_array_begin(&cmd, "indexes", -1, &list_of);
    for (uint16_t k = 1; k < t->nkeys; k++) {
        char number[16];
        const char *key;
        bson_uint32_to_string(k - 1u, &key, number, sizeof number);
        bson_append_document_begin(&list_of, key, -1, &index);
        put_index(&index, sql, table, k);
        bson_append_document_end(&list_of, &index);
    }
    bson_append_array_end(&cmd, &list_of);
    rc = run(op, &cmd, 0);
    bson_destroy(&cmd);
    return rc;
}

static stk_status drop_collection(struct mg_op *op, const char *name)
{
    bson_t cmd = BSON_INITIALIZER;
    bool exists;
    stk_status rc = mg_exists(op, name, &exists);
    if (!rc && exists) {
        bson_append_utf8(&cmd, "drop", -1, name, -1);
        rc = run(op, &cmd, NAMESPACE_NOT_FOUND);
    }
    bson_destroy(&cmd);
    return rc;
}

/* Calls fn for each table of a catalogue. */
static stk_status each_table(struct stk_db *db, const stk_catalog *catalog, bool drop, stk_err *err)
{
    struct stk_sql *sql = NULL;
    struct mg_conn *c = NULL;
    stk_status rc = stk_sql_open(catalog, &db->sql->dialect, &sql, err);
    if (!rc)
        rc = mg_conn_get(db, 0, &c, err);
    for (uint16_t i = 0; !rc && i < sql->ntables; i++) {
        struct mg_op op = mg_op(c, mg_now(db) + 6 * (uint64_t)MG_WAIT_US, err);
        rc = drop ? drop_collection(&op, sql->tables[i].name) : make_table(&op, sql, i);
    }
    if (!rc && drop) {
        struct mg_op op = mg_op(c, 0, err);
        rc = drop_collection(&op, STK_MIGRATE_TABLE);
    }
    for (uint16_t i = 0; i < db->sql->ntables; i++)
        atomic_store(&db->known[i], false);
    mg_conn_put(c);
    stk_sql_close(sql);
    return rc;
}

stk_status mg_ensure(struct stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    return each_table(db, catalog, false, err);
}

stk_status mg_drop(struct stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    if (!(db->flags & STK_OPEN_SCRATCH))
        return stk_err_set(err, STK_E_INVALID,
                           MG_NAME ": drop of database %s on %s refused: it was not opened as a "
                                   "test database",
                           db->conf.database, db->conf.where);
    return each_table(db, catalog, true, err);
}
