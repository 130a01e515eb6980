/* SPDX-License-Identifier: Apache-2.0 */
/* Writing: rows and predicates as documents of insert, update and delete. */
#include "mongodb_plugin.h"

static const stk_query *query_of(const struct stk_db *db, const stk_call *call)
{
    return &db->sql->queries[call->query->id];
}

static const stk_table *table_of(const struct stk_db *db, const stk_query *q)
{
    return &db->sql->tables[q->table];
}

/* A command with an array of one document for each row, sent when it is large. */
struct many {
    struct mg_op *op;
    const char *verb, *array, *collection;
    bson_t list;
    uint32_t n;
    uint64_t matched;
};

static void many_begin(struct many *m)
{
    bson_init(&m->list);
    m->n = 0;
}

/* A part of the one document of the list, as static BSON. */
static bool part(const bson_t *doc, const char *name, bson_t *out)
{
    bson_iter_t it;
    uint32_t n;
    const uint8_t *data;
    if (!bson_iter_init_find(&it, doc, name) || !BSON_ITER_HOLDS_DOCUMENT(&it))
        return false;
    bson_iter_document(&it, &n, &data);
    return bson_init_static(out, data, n);
}

/* update_one() takes no time limit, so a single update is a findAndModify. */
static bool find_and_modify(struct many *m, mongoc_collection_t *coll, const bson_t *doc,
                            const bson_t *opts, bson_t *reply, bson_error_t *e)
{
    bson_t q, u, fields = BSON_INITIALIZER, rest = BSON_INITIALIZER;
    bson_iter_t it;
    if (!part(doc, "q", &q) || !part(doc, "u", &u)) {
        bson_init(reply);
        return false;
    }
    mongoc_find_and_modify_opts_t *f = mongoc_find_and_modify_opts_new();
    bson_append_int32(&fields, "_id", -1, 1);
    bson_copy_to_excluding_noinit(opts, &rest, "maxTimeMS", NULL);
    mongoc_find_and_modify_opts_set_fields(f, &fields);
    mongoc_find_and_modify_opts_set_update(f, &u);
    mongoc_find_and_modify_opts_set_max_time_ms(f, (uint32_t)mg_int(opts, "maxTimeMS"));
    mongoc_find_and_modify_opts_append(f, &rest);
    if (bson_iter_init_find(&it, doc, "upsert"))
        mongoc_find_and_modify_opts_set_flags(f, MONGOC_FIND_AND_MODIFY_UPSERT);
    bool ok = mongoc_collection_find_and_modify_with_opts(coll, &q, f, reply, e);
    m->matched += ok ? (uint64_t)mg_int(reply, "lastErrorObject.n") : 0;
    mongoc_find_and_modify_opts_destroy(f);
    bson_destroy(&fields);
    bson_destroy(&rest);
    return ok;
}

/* One document by itself: libmongoc sends such writes again when their answer is
 * lost, and the server knows them by their number and applies them once. */
static stk_status many_send_one(struct many *m)
{
    bson_t doc, q, opts, reply;
    bson_error_t e = {0};
    if (!part(&m->list, "0", &doc))
        return stk_err_nomem(m->op->err);
    stk_status rc = mg_write_opts(m->op, &opts);
    if (rc)
        return rc;
    mongoc_collection_t *coll =
        mongoc_client_get_collection(m->op->conn->client, m->op->db->conf.database, m->collection);
    bool ok;
    if (m->verb[0] == 'i') {
        ok = mongoc_collection_insert_one(coll, &doc, &opts, &reply, &e);
    } else if (m->verb[0] == 'd' && part(&doc, "q", &q)) {
        ok = mongoc_collection_delete_one(coll, &q, &opts, &reply, &e);
        m->matched += ok ? (uint64_t)mg_int(&reply, "deletedCount") : 0;
    } else {
        ok = find_and_modify(m, coll, &doc, &opts, &reply, &e);
    }
    rc = mg_written(m->op, ok, &reply, &e);
    bson_destroy(&reply);
    bson_destroy(&opts);
    mongoc_collection_destroy(coll);
    return rc;
}

static stk_status many_send(struct many *m)
{
    if (m->n == 0)
        return STK_OK;
    if (m->n == 1 && !m->op->txn)
        return many_send_one(m);
    bson_t cmd = BSON_INITIALIZER, reply;
    bson_append_utf8(&cmd, m->verb, -1, m->collection, -1);
    bson_append_array(&cmd, m->array, -1, &m->list);
    bson_append_bool(&cmd, "ordered", -1, true);
    stk_status rc = mg_command(m->op, MG_WRITE, &cmd, &reply);
    if (!rc)
        m->matched += (uint64_t)mg_int(&reply, "n");
    bson_destroy(&cmd);
    bson_destroy(&reply);
    bson_destroy(&m->list);
    many_begin(m);
    return rc;
}

static stk_status many_add(struct many *m, const bson_t *doc)
{
    if (m->n && m->list.len + doc->len > MG_COMMAND_BYTES) {
        stk_status rc = many_send(m);
        if (rc)
            return rc;
    }
    char index[16];
    const char *key;
    bson_uint32_to_string(m->n++, &key, index, sizeof index);
    bson_append_document(&m->list, key, -1, doc);
    return STK_OK;
}

/* The _ids of the rows of an INSERT or UPSERT. */
static void row_ids(struct mg_op *op, const stk_call *call, stk_arena *arena, bson_t *ids)
{
    const stk_query *q = query_of(op->db, call);
    bson_init(ids);
    for (uint32_t r = 0; r < call->nrows; r++) {
        char *id, index[16];
        const char *key;
        size_t n = mg_row_id(op->db->sql, q, call->params + (size_t)r * q->nparams, arena, &id);
        bson_uint32_to_string(r, &key, index, sizeof index);
        bson_append_utf8(ids, key, -1, n ? id : "", (int)n);
    }
}

static void insert_doc(const struct stk_db *db, const stk_query *q, const stk_val *row,
                       stk_arena *arena, bson_t *doc)
{
    char *id;
    size_t n = mg_row_id(db->sql, q, row, arena, &id);
    bson_append_utf8(doc, "_id", -1, n ? id : "", (int)n);
    for (uint8_t i = 0; i < q->nset; i++)
        mg_append(doc, table_of(db, q)->cols[q->set[i].col].name, &row[i]);
}

/* Collects the operators of an update; an empty one must not be sent. */
struct change {
    bson_t set, unset, inc, on_insert;
};

static void change_begin(struct change *c)
{
    bson_init(&c->set);
    bson_init(&c->unset);
    bson_init(&c->inc);
    bson_init(&c->on_insert);
}

static void change_end(struct change *c, bson_t *to, const char *name)
{
    const struct {
        const char *op;
        bson_t *doc;
    } parts[] = {{"$set", &c->set},
                 {"$unset", &c->unset},
                 {"$inc", &c->inc},
                 {"$setOnInsert", &c->on_insert}};
    bson_t u;
    bson_append_document_begin(to, name, -1, &u);
    for (size_t i = 0; i < 4; i++) {
        if (!bson_empty(parts[i].doc))
            bson_append_document(&u, parts[i].op, -1, parts[i].doc);
        bson_destroy(parts[i].doc);
    }
    bson_append_document_end(to, &u);
}

static void change_put(struct change *c, const char *name, uint8_t how, const stk_val *v)
{
    if (v->type == STK_T_NULL)
        bson_append_bool(&c->unset, name, -1, true);
    else
        mg_append(how == STK_INC ? &c->inc : &c->set, name, v);
}

static bool in_pk(const stk_table *t, uint16_t col)
{
    for (uint16_t i = 0; i < t->keys[0].ncols; i++)
        if (t->keys[0].cols[i] == col)
            return true;
    return false;
}

/* IF_ABSENT and UPSERT: an update of one _id that inserts. */
static void upsert_doc(const struct stk_db *db, const stk_query *q, const stk_val *row,
                       stk_arena *arena, bson_t *doc)
{
    const stk_table *t = table_of(db, q);
    char *id;
    size_t n = mg_row_id(db->sql, q, row, arena, &id);
    bson_t by;
    bson_append_document_begin(doc, "q", -1, &by);
    bson_append_utf8(&by, "_id", -1, n ? id : "", (int)n);
    bson_append_document_end(doc, &by);
    struct change c;
    change_begin(&c);
    for (uint8_t i = 0; i < q->nset; i++) {
        const char *name = t->cols[q->set[i].col].name;
        if (q->op == STK_OP_INSERT || q->set[i].how == STK_KEEP || in_pk(t, q->set[i].col))
            mg_append(&c.on_insert, name, &row[i]);
        else
            change_put(&c, name, q->set[i].how, &row[i]);
    }
    change_end(&c, doc, "u");
    bson_append_bool(doc, "upsert", -1, true);
}

stk_status mg_insert(struct mg_op *op, const stk_call *call, stk_arena *arena)
{
    const stk_query *q = query_of(op->db, call);
    bool plain = q->op == STK_OP_INSERT && !(q->flags & STK_QF_IF_ABSENT);
    struct many m = {.op = op, .collection = table_of(op->db, q)->name};
    m.verb = plain ? "insert" : "update";
    m.array = plain ? "documents" : "updates";
    op->no_dup = !plain;
    many_begin(&m);
    stk_status rc = STK_OK;
    if (op->txn && op->db->solo) {
        bson_t ids;
        row_ids(op, call, arena, &ids);
        rc = mg_undo_keep(op, m.collection, NULL, &ids);
        bson_destroy(&ids);
    }
    for (uint32_t r = 0; !rc && r < call->nrows; r++) {
        const stk_val *row = call->params + (size_t)r * q->nparams;
        bson_t doc = BSON_INITIALIZER;
        if (plain)
            insert_doc(op->db, q, row, arena, &doc);
        else
            upsert_doc(op->db, q, row, arena, &doc);
        rc = many_add(&m, &doc);
        bson_destroy(&doc);
    }
    if (!rc)
        rc = many_send(&m);
    bson_destroy(&m.list);
    op->no_dup = false;
    return rc;
}

static void update_doc(const struct stk_db *db, const stk_call *call, const bson_t *filter,
                       bool one, bson_t *doc)
{
    const stk_query *q = query_of(db, call);
    const stk_table *t = table_of(db, q);
    bson_append_document(doc, "q", -1, filter);
    if (q->op == STK_OP_DELETE) {
        bson_append_int32(doc, "limit", -1, one ? 1 : 0);
        return;
    }
    struct change c;
    change_begin(&c);
    for (uint8_t i = 0; i < q->nset; i++)
        change_put(&c, t->cols[q->set[i].col].name, q->set[i].how, &call->params[q->set[i].param]);
    change_end(&c, doc, "u");
    bson_append_bool(doc, "multi", -1, !one);
}

/* The rows that order and limit choose, as a filter that repeats the predicate. */
static stk_status choose(struct mg_op *op, const stk_call *call, bson_t *filter, bool *none)
{
    const stk_query *q = query_of(op->db, call);
    struct mg_ids ids = {BSON_INITIALIZER, 0};
    bson_t opts = BSON_INITIALIZER, p;
    bson_append_document_begin(&opts, "projection", -1, &p);
    bson_append_int32(&p, "_id", -1, 1);
    bson_append_document_end(&opts, &p);
    mg_order(op->db, q, &opts);
    bson_append_int64(&opts, "limit", -1, mg_limit(q, call));
    stk_status rc = mg_find(op, table_of(op->db, q)->name, filter, &opts, mg_take_id, &ids);
    *none = ids.n == 0;
    bson_t guarded = BSON_INITIALIZER, list, term, in;
    bson_append_array_begin(&guarded, "$and", -1, &list);
    bson_append_document_begin(&list, "0", -1, &term);
    bson_append_document_begin(&term, "_id", -1, &in);
    bson_append_array(&in, "$in", -1, &ids.list);
    bson_append_document_end(&term, &in);
    bson_append_document_end(&list, &term);
    bson_append_document(&list, "1", -1, filter);
    bson_append_array_end(&guarded, &list);
    bson_destroy(filter);
    bson_steal(filter, &guarded);
    bson_destroy(&ids.list);
    bson_destroy(&opts);
    return rc;
}

stk_status mg_change(struct mg_op *op, const stk_call *call, bson_t *filter)
{
    const stk_query *q = query_of(op->db, call);
    bool none = false, point = op->db->plans[q->id].point;
    stk_status rc = STK_OK;
    if (mg_limit(q, call) > 0 && !point)
        rc = choose(op, call, filter, &none);
    if (rc || none)
        return rc;
    struct many m = {.op = op, .collection = table_of(op->db, q)->name};
    m.verb = q->op == STK_OP_DELETE ? "delete" : "update";
    m.array = q->op == STK_OP_DELETE ? "deletes" : "updates";
    many_begin(&m);
    if (op->txn && op->db->solo)
        rc = mg_undo_keep(op, m.collection, filter, NULL);
    bson_t doc = BSON_INITIALIZER;
    update_doc(op->db, call, filter, point, &doc);
    if (!rc)
        rc = many_add(&m, &doc);
    if (!rc)
        rc = many_send(&m);
    call->result->affected = m.matched;
    bson_destroy(&doc);
    bson_destroy(&m.list);
    return rc;
}

/* ---------------------------------------------------------------------- locks */

void mg_put_touch(bson_t *to, const char *name)
{
    bson_t u, inc;
    bson_append_document_begin(to, name, -1, &u);
    bson_append_document_begin(&u, "$inc", -1, &inc);
    bson_append_int64(&inc, "_lk", -1, 1);
    bson_append_document_end(&u, &inc);
    bson_append_document_end(to, &u);
}

stk_status mg_touch(struct mg_op *op, const char *collection, const bson_t *ids, uint64_t *n)
{
    struct many m = {.op = op, .verb = "update", .array = "updates", .collection = collection};
    bson_t doc = BSON_INITIALIZER, by, in;
    many_begin(&m);
    bson_append_document_begin(&doc, "q", -1, &by);
    bson_append_document_begin(&by, "_id", -1, &in);
    bson_append_array(&in, "$in", -1, ids);
    bson_append_document_end(&by, &in);
    bson_append_document_end(&doc, &by);
    mg_put_touch(&doc, "u");
    bson_append_bool(&doc, "multi", -1, true);
    stk_status rc = many_add(&m, &doc);
    if (!rc)
        rc = many_send(&m);
    *n = m.matched;
    bson_destroy(&doc);
    bson_destroy(&m.list);
    return rc;
}
