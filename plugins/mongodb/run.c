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

/* What a SELECT finds. */
struct rows {
    const stk_query *q;
    const stk_table *t;
    stk_arena *arena;
    struct stk_sql_rows found;
    struct mg_ids *ids; /* of what was found, or NULL */
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

stk_status mg_take_id(void *ud, const bson_t *doc)
{
    struct mg_ids *ids = ud;
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
    stk_val *cells = stk_sql_rows_add(&r->found, r->q->nout, r->arena);
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
    return r->ids ? mg_take_id(r->ids, doc) : STK_OK;
}

static void give_rows(const struct rows *r, stk_result *res)
{
    res->cells = r->found.cells;
    res->nrows = r->found.n;
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

/* -------------------------------------------------------------------- locking */

/* One row: written and read in one command. */
static stk_status lock_one(struct mg_op *op, const bson_t *filter, struct rows *r)
{
    bson_t cmd = BSON_INITIALIZER, reply;
    bson_append_utf8(&cmd, "findAndModify", -1, r->t->name, -1);
    bson_append_document(&cmd, "query", -1, filter);
    mg_put_touch(&cmd, "update");
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
    struct mg_ids ids = {BSON_INITIALIZER, 0};
    r->ids = &ids;
    stk_status rc = run_select(op, call, filter, r);
    if (!rc && r->found.n > 0) {
        uint64_t n = 0;
        rc = mg_touch(op, r->t->name, &ids.list, &n);
        if (!rc && n != r->found.n)
            rc = mg_fail(op, STK_E_RETRY, "a row to be locked was deleted meanwhile");
    }
    bson_destroy(&ids.list);
    r->ids = NULL;
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
        return mg_insert(op, call, arena);
    if (!means_nothing(q, call)) {
        bson_t filter;
        mg_filter(op->db, call, arena, &filter);
        rc = q->op == STK_OP_SELECT || q->op == STK_OP_COUNT ? run_read(op, call, &filter, arena)
                                                             : mg_change(op, call, &filter);
        bson_destroy(&filter);
    }
    return rc ? rc : stk_sql_expect(op->db->sql, call, op->err);
}
