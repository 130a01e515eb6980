/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a batch, as one or more commands. */
#include "mongodb_plugin.h"

static const stk_query *query_of(const struct stk_db *db, const stk_call *call)
{
    return &db->sql->queries[call->query->id];
}

static const stk_table *table_of(const struct stk_db *db, const stk_query *q)
{
    return &db->sql->tables[q->table];
}

/* An IN list without elements, or a limit of 0: nothing is meant. */
static bool means_nothing(const stk_query *q, const stk_call *call)
{
    for (uint8_t i = 0; i < q->nwhere; i++)
        if (q->where[i].op == STK_IN && call->params[q->where[i].param].len == 0)
            return true;
    return mg_limit(q, call) == 0;
}

bool mg_single(const struct stk_db *db, const stk_call *call)
{
    const stk_query *q = query_of(db, call);
    if (q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT)
        return call->nrows == 1;
    return db->plans[q->id].point;
}

/* -------------------------------------------------------------------- reading */

/* An array of _ids. */
struct ids {
    bson_t list;
    uint32_t n;
};

/* Cells that grow by doubling in the arena. */
struct rows {
    const stk_query *q;
    const stk_table *t;
    stk_arena *arena;
    stk_val *cells;
    uint32_t n, cap;
    struct ids *ids; /* of what was found, or NULL */
};

static stk_val read_cell(const bson_iter_t *it, uint8_t type, stk_arena *arena)
{
    uint32_t n = 0;
    const uint8_t *bytes = NULL;
    bson_subtype_t sub;
    switch (type) {
    case STK_T_BOOL: return stk_bool(bson_iter_as_bool(it));
    case STK_T_I64:
        return BSON_ITER_HOLDS_NUMBER(it) ? stk_i64(bson_iter_as_int64(it)) : stk_null();
    case STK_T_TEXT: {
        const char *s = bson_iter_utf8(it, &n);
        return s ? stk_textn(stk_arena_text(arena, s, n), n) : stk_null();
    }
    default:
        if (!BSON_ITER_HOLDS_BINARY(it))
            return stk_null();
        bson_iter_binary(it, &sub, &n, &bytes);
        return stk_bytes(stk_arena_text(arena, bytes, n), n);
    }
}

static stk_status take_id(void *ud, const bson_t *doc)
{
    struct ids *ids = ud;
    bson_iter_t it;
    char index[16];
    const char *key;
    if (!bson_iter_init_find(&it, doc, "_id"))
        return STK_OK;
    bson_uint32_to_string(ids->n++, &key, index, sizeof index);
    bson_append_value(&ids->list, key, -1, bson_iter_value(&it));
    return STK_OK;
}

static stk_status take_row(void *ud, const bson_t *doc)
{
    struct rows *r = ud;
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 4;
        stk_val *cells = stk_alloc(r->arena, (size_t)cap * r->q->nout * sizeof *cells + 1);
        if (r->n)
            memcpy(cells, r->cells, (size_t)r->n * r->q->nout * sizeof *cells);
        r->cells = cells;
        r->cap = cap;
    }
    stk_val *cells = r->cells + (size_t)r->n++ * r->q->nout;
    for (uint8_t i = 0; i < r->q->nout; i++)
        cells[i] = stk_null();
    bson_iter_t it;
    if (bson_iter_init(&it, doc))
        while (bson_iter_next(&it))
            for (uint8_t i = 0; i < r->q->nout; i++) {
                const stk_col *c = &r->t->cols[r->q->out[i]];
                if (strcmp(bson_iter_key(&it), c->name) == 0)
                    cells[i] = read_cell(&it, c->type, r->arena);
            }
    return r->ids ? take_id(r->ids, doc) : STK_OK;
}

static void give_rows(const struct rows *r, stk_result *res)
{
    res->cells = r->cells;
    res->nrows = r->n;
    res->ncols = r->q->nout;
}

static void append_projection(bson_t *to, const char *name, const stk_query *q, const stk_table *t,
                              bool with_id)
{
    bson_t p;
    bson_append_document_begin(to, name, -1, &p);
    if (!with_id)
        bson_append_int32(&p, "_id", -1, 0);
    for (uint8_t i = 0; i < q->nout; i++) {
        bool again = false;
        for (uint8_t j = 0; j < i; j++)
            again = again || q->out[j] == q->out[i];
        if (!again)
            bson_append_int32(&p, t->cols[q->out[i]].name, -1, 1);
    }
    if (with_id && q->nout == 0)
        bson_append_int32(&p, "_id", -1, 1);
    bson_append_document_end(to, &p);
}

static stk_status run_select(struct mg_op *op, const stk_call *call, const bson_t *filter,
                             struct rows *r)
{
    bson_t opts = BSON_INITIALIZER;
    append_projection(&opts, "projection", r->q, r->t, r->ids != NULL);
    mg_order(op->db, r->q, &opts);
    int64_t limit = mg_limit(r->q, call);
    if (limit > 0)
        bson_append_int64(&opts, "limit", -1, limit);
    stk_status rc = mg_find(op, r->t->name, filter, &opts, take_row, r);
    bson_destroy(&opts);
    return rc;
}

/* aggregate, for the count command is not taken in a transaction */
static stk_status run_count(struct mg_op *op, const stk_call *call, const bson_t *filter)
{
    const stk_query *q = query_of(op->db, call);
    int64_t limit = mg_limit(q, call);
    bson_t cmd = BSON_INITIALIZER, list, stage, inner, reply;
    bson_append_utf8(&cmd, "aggregate", -1, table_of(op->db, q)->name, -1);
    bson_append_array_begin(&cmd, "pipeline", -1, &list);
    bson_append_document_begin(&list, "0", -1, &stage);
    bson_append_document(&stage, "$match", -1, filter);
    bson_append_document_end(&list, &stage);
    if (limit > 0) {
        bson_append_document_begin(&list, "1", -1, &stage);
        bson_append_int64(&stage, "$limit", -1, limit);
        bson_append_document_end(&list, &stage);
    }
    bson_append_document_begin(&list, "2", -1, &stage);
    bson_append_utf8(&stage, "$count", -1, "n", -1);
    bson_append_document_end(&list, &stage);
    bson_append_array_end(&cmd, &list);
    bson_append_document_begin(&cmd, "cursor", -1, &inner);
    bson_append_document_end(&cmd, &inner);
    stk_status rc = mg_command(op, MG_READ, &cmd, &reply);
    if (!rc)
        call->result->affected = (uint64_t)mg_int(&reply, "cursor.firstBatch.0.n");
    bson_destroy(&cmd);
    bson_destroy(&reply);
    return rc;
}

/* -------------------------------------------------------------------- writing */

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

/* One document by itself: libmongoc sends such writes again when their answer is
 * lost, and the server knows them by their number and applies them once. */
static stk_status many_send_one(struct many *m)
{
    bson_t doc, q, u, opts, reply;
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
    } else if (part(&doc, "q", &q) && !part(&doc, "u", &u)) {
        ok = mongoc_collection_delete_one(coll, &q, &opts, &reply, &e);
        m->matched += ok ? (uint64_t)mg_int(&reply, "deletedCount") : 0;
    } else {
        bson_iter_t it;
        if (bson_iter_init_find(&it, &doc, "upsert"))
            bson_append_bool(&opts, "upsert", -1, true);
        ok = mongoc_collection_update_one(coll, &q, &u, &opts, &reply, &e);
        m->matched += ok ? (uint64_t)mg_int(&reply, "matchedCount") : 0;
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

static stk_status run_insert(struct mg_op *op, const stk_call *call, stk_arena *arena)
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
    struct ids ids = {BSON_INITIALIZER, 0};
    bson_t opts = BSON_INITIALIZER, p;
    bson_append_document_begin(&opts, "projection", -1, &p);
    bson_append_int32(&p, "_id", -1, 1);
    bson_append_document_end(&opts, &p);
    mg_order(op->db, q, &opts);
    bson_append_int64(&opts, "limit", -1, mg_limit(q, call));
    stk_status rc = mg_find(op, table_of(op->db, q)->name, filter, &opts, take_id, &ids);
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

static stk_status run_change(struct mg_op *op, const stk_call *call, bson_t *filter)
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

/* -------------------------------------------------------------------- locking */

static void append_touch(bson_t *to, const char *name)
{
    bson_t u, inc;
    bson_append_document_begin(to, name, -1, &u);
    bson_append_document_begin(&u, "$inc", -1, &inc);
    bson_append_int64(&inc, "_lk", -1, 1);
    bson_append_document_end(&u, &inc);
    bson_append_document_end(to, &u);
}

/* One row: written and read in one command. */
static stk_status lock_one(struct mg_op *op, const bson_t *filter, struct rows *r)
{
    bson_t cmd = BSON_INITIALIZER, reply;
    bson_append_utf8(&cmd, "findAndModify", -1, r->t->name, -1);
    bson_append_document(&cmd, "query", -1, filter);
    append_touch(&cmd, "update");
    append_projection(&cmd, "fields", r->q, r->t, false);
    bson_append_bool(&cmd, "new", -1, true);
    stk_status rc = mg_command(op, MG_WRITE, &cmd, &reply);
    bson_iter_t it;
    if (!rc && bson_iter_init_find(&it, &reply, "value") && BSON_ITER_HOLDS_DOCUMENT(&it)) {
        uint32_t len;
        const uint8_t *data;
        bson_t doc;
        bson_iter_document(&it, &len, &data);
        if (bson_init_static(&doc, data, len))
            rc = take_row(r, &doc);
    }
    bson_destroy(&cmd);
    bson_destroy(&reply);
    return rc;
}

/* Several rows: read in the transaction's snapshot, then written, which fails
 * where the snapshot is no longer the latest version.  The server goes through
 * the list of _ids in their order. */
static stk_status lock_many(struct mg_op *op, const stk_call *call, const bson_t *filter,
                            struct rows *r)
{
    struct ids ids = {BSON_INITIALIZER, 0};
    r->ids = &ids;
    stk_status rc = run_select(op, call, filter, r);
    if (!rc && r->n > 0) {
        struct many m = {.op = op, .verb = "update", .array = "updates"};
        m.collection = r->t->name;
        many_begin(&m);
        bson_t doc = BSON_INITIALIZER, by, in;
        bson_append_document_begin(&doc, "q", -1, &by);
        bson_append_document_begin(&by, "_id", -1, &in);
        bson_append_array(&in, "$in", -1, &ids.list);
        bson_append_document_end(&by, &in);
        bson_append_document_end(&doc, &by);
        append_touch(&doc, "u");
        bson_append_bool(&doc, "multi", -1, true);
        rc = many_add(&m, &doc);
        if (!rc)
            rc = many_send(&m);
        if (!rc && m.matched != r->n)
            rc = mg_fail(op, STK_E_RETRY, "a row to be locked was deleted meanwhile");
        bson_destroy(&doc);
        bson_destroy(&m.list);
    }
    bson_destroy(&ids.list);
    return rc;
}

/* ----------------------------------------------------------------- dispatching */

static stk_status run_read(struct mg_op *op, const stk_call *call, const bson_t *filter,
                           stk_arena *arena)
{
    const stk_query *q = query_of(op->db, call);
    if (q->op == STK_OP_COUNT)
        return run_count(op, call, filter);
    struct rows r = {.q = q, .t = table_of(op->db, q), .arena = arena};
    stk_status rc;
    /* A standalone server's transaction is alone: nothing need be locked. */
    if (!(q->flags & STK_QF_LOCK) || op->db->solo)
        rc = run_select(op, call, filter, &r);
    else if (op->db->plans[q->id].point)
        rc = lock_one(op, filter, &r);
    else
        rc = lock_many(op, call, filter, &r);
    if (!rc)
        give_rows(&r, call->result);
    return rc;
}

stk_status mg_run(struct mg_op *op, const stk_call *call, stk_arena *arena)
{
    const stk_query *q = query_of(op->db, call);
    memset(call->result, 0, sizeof *call->result);
    call->result->ncols = q->op == STK_OP_SELECT ? q->nout : 0;
    op->table = q->table;
    stk_status rc = mg_known(op, q->table);
    if (!rc && op->db->solo && !stk_sql_is_read(q))
        rc = mg_solo_check(op);
    if (rc)
        return rc;
    if (q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT)
        return run_insert(op, call, arena);
    if (!means_nothing(q, call)) {
        bson_t filter;
        mg_filter(op->db, call, arena, &filter);
        rc = q->op == STK_OP_SELECT || q->op == STK_OP_COUNT ? run_read(op, call, &filter, arena)
                                                             : run_change(op, call, &filter);
        bson_destroy(&filter);
    }
    return rc ? rc : stk_sql_expect(op->db->sql, call, op->err);
}
