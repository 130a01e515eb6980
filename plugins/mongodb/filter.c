/* SPDX-License-Identifier: Apache-2.0 */
/* Queries as documents.  What the primary key serves is asked of _id, as one
 * value, a list or a range; anything else of the fields, where a page (KEYSET)
 * names its index, for the server's own choice may change with the data. */
#include <inttypes.h>

#include "mongodb_plugin.h"

/* ------------------------------------------------------------------- values */

void mg_append(bson_t *doc, const char *key, const stk_val *v)
{
    switch (v->type) {
    case STK_T_BOOL: bson_append_bool(doc, key, -1, v->u.i != 0); break;
    case STK_T_I64: bson_append_int64(doc, key, -1, v->u.i); break;
    case STK_T_TEXT: bson_append_utf8(doc, key, -1, v->len ? v->u.p : "", (int)v->len); break;
    case STK_T_BYTES:
        bson_append_binary(doc, key, -1, BSON_SUBTYPE_BINARY, v->len ? v->u.p : (const uint8_t *)"",
                           v->len);
        break;
    default: break; /* NULL is an absent field */
    }
}

/* Text that grows in the arena; components of _id may be long. */
struct id {
    char *p;
    size_t len, cap;
};

static void id_put(struct id *id, stk_arena *arena, const void *p, size_t n)
{
    if (id->len + n + 1 > id->cap) {
        size_t cap = (id->len + n + 1) * 2 + 64;
        char *to = stk_alloc(arena, cap);
        if (id->len)
            memcpy(to, id->p, id->len);
        id->p = to;
        id->cap = cap;
    }
    if (n)
        memcpy(id->p + id->len, p, n);
    id->len += n;
    id->p[id->len] = '\0';
}

static void id_value(struct id *id, stk_arena *arena, const stk_val *v)
{
    char text[24];
    switch (v->type) {
    case STK_T_BOOL: id_put(id, arena, v->u.i ? "1" : "0", 1); break;
    case STK_T_I64:
        snprintf(text, sizeof text, "%016" PRIx64, (uint64_t)v->u.i ^ (UINT64_C(1) << 63));
        id_put(id, arena, text, 16);
        break;
    case STK_T_BYTES:
        for (uint32_t i = 0; i < v->len; i++) {
            snprintf(text, sizeof text, "%02x", ((const uint8_t *)v->u.p)[i]);
            id_put(id, arena, text, 2);
        }
        break;
    default: id_put(id, arena, v->u.p, v->len); break;
    }
}

size_t mg_row_id(const struct stk_sql *sql, const stk_query *q, const stk_val *row,
                 stk_arena *arena, char **out)
{
    const stk_key *pk = &sql->tables[q->table].keys[0];
    struct id id = {0};
    for (uint16_t k = 0; k < pk->ncols; k++)
        for (uint8_t i = 0; i < q->nset; i++)
            if (q->set[i].col == pk->cols[k]) {
                if (k)
                    id_put(&id, arena, "", 1);
                id_value(&id, arena, &row[i]);
            }
    *out = id.p;
    return id.len;
}

int64_t mg_limit(const stk_query *q, const stk_call *call)
{
    if (q->limit_param != STK_NONE)
        return call->params[q->limit_param].u.i;
    return q->limit ? (int64_t)q->limit : -1;
}

/* --------------------------------------------------------------------- plans */

static const stk_pred *pred_on(const stk_query *q, uint16_t col, uint8_t op)
{
    for (uint8_t i = 0; i < q->nwhere; i++)
        if (q->where[i].col == col && q->where[i].op == op)
            return &q->where[i];
    return NULL;
}

static bool ranged(const stk_query *q, uint16_t col)
{
    static const uint8_t ops[] = {STK_LT, STK_LE, STK_GT, STK_GE, STK_IN, STK_PREFIX};
    for (size_t i = 0; i < sizeof ops; i++)
        if (pred_on(q, col, ops[i]))
            return true;
    return q->keyset && q->keyset->cols[0] == col;
}

/* A unique key leaves out rows with a NULL: it serves only queries that do, too. */
static bool usable(const stk_table *t, const stk_key *k, const stk_query *q)
{
    if (k->kind != STK_KEY_UNIQUE)
        return true;
    for (uint16_t i = 0; i < k->ncols; i++) {
        uint16_t c = k->cols[i];
        if (!(t->cols[c].flags & STK_COL_NOT_NULL) && !pred_on(q, c, STK_EQ) && !ranged(q, c) &&
            !pred_on(q, c, STK_NOT_NULL))
            return false;
    }
    return true;
}

/* Whether order[], but for columns compared by EQ, is cols[from...] all in one
 * direction. */
static bool ordered_by(const stk_query *q, const stk_key *k, uint16_t from, bool *desc)
{
    bool first = true;
    for (uint8_t i = 0; i < q->norder; i++) {
        if (pred_on(q, q->order[i].col, STK_EQ))
            continue;
        if (from >= k->ncols || k->cols[from++] != q->order[i].col)
            return false;
        if (first)
            *desc = q->order[i].desc;
        else if (*desc != (q->order[i].desc != 0))
            return false;
        first = false;
    }
    return !first;
}

void mg_plan(const struct stk_sql *sql, const stk_query *q, struct mg_plan *plan)
{
    const stk_table *t = &sql->tables[q->table];
    memset(plan, 0, sizeof *plan);
    int best = -1;
    for (uint16_t k = 0; k < t->nkeys; k++) {
        const stk_key *key = &t->keys[k];
        if (!usable(t, key, q))
            continue;
        uint8_t neq = 0;
        while (neq < key->ncols && pred_on(q, key->cols[neq], STK_EQ))
            neq++;
        bool next = neq < key->ncols && ranged(q, key->cols[neq]);
        bool desc = false, order = ordered_by(q, key, neq, &desc);
        int score = 4 * neq + 2 * order + next;
        if (neq == key->ncols && key->kind != STK_KEY_INDEX)
            score += 1000;
        if (score <= best)
            continue;
        best = score;
        *plan = (struct mg_plan){.key = k, .neq = neq, .desc = desc};
        plan->by_id = k == 0 && order;
        plan->hinted = k > 0 && q->keyset && order;
    }
    const stk_key *pk = &t->keys[0];
    if (plan->key == 0) {
        plan->point = plan->neq == pk->ncols;
        plan->list = plan->neq + 1 == pk->ncols && pred_on(q, pk->cols[plan->neq], STK_IN);
    }
}

/* -------------------------------------------------------------------- filter */

/* A filter being built: a column met twice goes into $and. */
struct build {
    const struct stk_db *db;
    const stk_query *q;
    const stk_call *call;
    stk_arena *arena;
    bson_t *doc, more;
    uint32_t nmore;
    bool id_used;
    uint64_t used[4]; /* columns 0..255 */
};

static bool first_use(struct build *b, uint16_t col)
{
    if (col >= 256)
        return false;
    uint64_t bit = UINT64_C(1) << (col & 63);
    bool first = !(b->used[col >> 6] & bit);
    b->used[col >> 6] |= bit;
    return first;
}

/* Adds {name: value} to the document or, where the name is there, to $and. */
static void add(struct build *b, const char *name, bool first, const bson_t *cond)
{
    if (first) {
        bson_append_document(b->doc, name, -1, cond);
        return;
    }
    char index[16];
    const char *key;
    bson_uint32_to_string(b->nmore++, &key, index, sizeof index);
    bson_t term;
    bson_append_document_begin(&b->more, key, -1, &term);
    bson_append_document(&term, name, -1, cond);
    bson_append_document_end(&b->more, &term);
}

static void add_id(struct build *b, const char *op, const struct id *id)
{
    bson_t cond = BSON_INITIALIZER;
    bson_append_utf8(&cond, op, -1, id->len ? id->p : "", (int)id->len);
    add(b, "_id", !b->id_used, &cond);
    b->id_used = true;
    bson_destroy(&cond);
}

static const char *compare_name(uint8_t op)
{
    switch (op) {
    case STK_EQ: return "$eq";
    case STK_LT: return "$lt";
    case STK_LE: return "$lte";
    case STK_GT: return "$gt";
    default: return "$gte";
    }
}

/* Appends `op: value`, or what a list or a prefix becomes. */
static void put_pred(struct build *b, bson_t *cond, const stk_pred *p)
{
    if (p->op == STK_IS_NULL) {
        bson_append_null(cond, "$eq", -1);
        return;
    }
    if (p->op == STK_NOT_NULL) {
        bson_append_bool(cond, "$exists", -1, true);
        return;
    }
    const stk_val *v = &b->call->params[p->param];
    switch (p->op) {
    case STK_IN: {
        bson_t list;
        bson_append_array_begin(cond, "$in", -1, &list);
        for (uint32_t i = 0; i < v->len; i++) {
            char index[16];
            const char *key;
            bson_uint32_to_string(i, &key, index, sizeof index);
            mg_append(&list, key, &((const stk_val *)v->u.p)[i]);
        }
        bson_append_array_end(cond, &list);
        break;
    }
    case STK_PREFIX: {
        mg_append(cond, "$gte", v);
        char *end = stk_alloc(b->arena, (size_t)v->len + 1);
        size_t n = stk_prefix_successor(v->u.p, v->len, end);
        if (n)
            bson_append_utf8(cond, "$lt", -1, end, (int)n);
        break;
    }
    default: mg_append(cond, compare_name(p->op), v); break;
    }
}

/* a <= x AND (a < x OR b <= y), or one comparison. */
static void add_keyset(struct build *b, const stk_table *t)
{
    const stk_keyset *k = b->q->keyset;
    const stk_val *v = &b->call->params[k->param];
    const char *loose = k->desc ? "$lte" : "$gte", *strict = k->desc ? "$lt" : "$gt";
    const char *last = k->inclusive ? loose : strict;
    bson_t cond = BSON_INITIALIZER;
    mg_append(&cond, k->ncols == 1 ? last : loose, &v[0]);
    add(b, t->cols[k->cols[0]].name, first_use(b, k->cols[0]), &cond);
    bson_destroy(&cond);
    if (k->ncols == 1)
        return;
    bson_t either;
    bson_append_array_begin(b->doc, "$or", -1, &either);
    for (int i = 0; i < 2; i++) {
        bson_t term, compare;
        bson_append_document_begin(&either, i ? "1" : "0", 1, &term);
        bson_append_document_begin(&term, t->cols[k->cols[i]].name, -1, &compare);
        mg_append(&compare, i ? last : strict, &v[i]);
        bson_append_document_end(&term, &compare);
        bson_append_document_end(&either, &term);
    }
    bson_append_array_end(b->doc, &either);
}

/* The leading EQ components of _id, each but a last one followed by a NUL. */
static struct id id_prefix(const struct build *b, const stk_key *pk, uint8_t neq)
{
    struct id id = {0};
    for (uint8_t i = 0; i < neq; i++) {
        id_value(&id, b->arena, &b->call->params[pred_on(b->q, pk->cols[i], STK_EQ)->param]);
        if (i + 1 < pk->ncols)
            id_put(&id, b->arena, "", 1);
    }
    return id;
}

static struct id id_with(const struct build *b, const struct id *prefix, const stk_val *v,
                         const char *end)
{
    struct id id = {0};
    id_put(&id, b->arena, prefix->p, prefix->len);
    if (v)
        id_value(&id, b->arena, v);
    id_put(&id, b->arena, end, strlen(end));
    return id;
}

/* Bounds of _id from a comparison of the component after the prefix.  What is
 * above all ids of a value v is v and a byte 1, for v is followed by a NUL. */
static void add_bound(struct build *b, const struct id *prefix, const stk_val *v, uint8_t op,
                      bool is_last)
{
    struct id id = id_with(b, prefix, v, is_last || op == STK_LT || op == STK_GE ? "" : "\x01");
    if (is_last)
        add_id(b, compare_name(op), &id);
    else
        add_id(b, op == STK_LT || op == STK_LE ? "$lt" : "$gte", &id);
}

/* What the primary key serves.  The fields of EQ columns are then left out. */
static void add_range(struct build *b, const stk_key *pk, uint8_t neq)
{
    struct id prefix = id_prefix(b, pk, neq);
    uint16_t col = pk->cols[neq];
    bool is_last = neq + 1 == pk->ncols;
    bool low = false, high = false;
    for (uint8_t i = 0; i < b->q->nwhere; i++) {
        const stk_pred *p = &b->q->where[i];
        if (p->col != col || p->op < STK_LT || p->op > STK_GE)
            continue;
        add_bound(b, &prefix, &b->call->params[p->param], p->op, is_last);
        low = low || p->op >= STK_GT;
        high = high || p->op <= STK_LE;
    }
    const stk_pred *p = pred_on(b->q, col, STK_PREFIX);
    if (p) {
        const stk_val *v = &b->call->params[p->param];
        struct id from = id_with(b, &prefix, v, "");
        add_id(b, "$gte", &from);
        low = true;
        char *end = stk_alloc(b->arena, (size_t)v->len + 1);
        const stk_val upper = stk_textn(end, stk_prefix_successor(v->u.p, v->len, end));
        struct id to = id_with(b, &prefix, upper.len ? &upper : NULL, "");
        if (upper.len)
            add_id(b, "$lt", &to);
        high = upper.len > 0;
    }
    const stk_keyset *k = b->q->keyset;
    if (k && k->cols[0] == col) {
        uint8_t loose = k->desc ? STK_LE : STK_GE, strict = k->desc ? STK_LT : STK_GT;
        uint8_t op = k->ncols > 1 || k->inclusive ? loose : strict;
        add_bound(b, &prefix, &b->call->params[k->param], op, is_last);
        low = low || !k->desc;
        high = high || k->desc;
    }
    if (neq == 0)
        return;
    if (!low)
        add_id(b, "$gte", &prefix);
    if (!high) {
        struct id to = id_with(b, &prefix, NULL, "");
        to.p[to.len - 1] = '\x01';
        add_id(b, "$lt", &to);
    }
}

static void add_list(struct build *b, const stk_key *pk, uint8_t neq)
{
    struct id prefix = id_prefix(b, pk, neq);
    const stk_val *v = &b->call->params[pred_on(b->q, pk->cols[neq], STK_IN)->param];
    bson_t cond = BSON_INITIALIZER, list;
    bson_append_array_begin(&cond, "$in", -1, &list);
    for (uint32_t i = 0; i < v->len; i++) {
        char index[16];
        const char *key;
        bson_uint32_to_string(i, &key, index, sizeof index);
        struct id id = id_with(b, &prefix, &((const stk_val *)v->u.p)[i], "");
        bson_append_utf8(&list, key, -1, id.len ? id.p : "", (int)id.len);
    }
    bson_append_array_end(&cond, &list);
    add(b, "_id", true, &cond);
    bson_destroy(&cond);
}

/* Whether _id says all that a predicate says. */
static bool in_id(const struct mg_plan *plan, const stk_key *pk, const stk_pred *p)
{
    for (uint8_t i = 0; plan->key == 0 && i < pk->ncols; i++)
        if (pk->cols[i] == p->col)
            return (i < plan->neq && p->op == STK_EQ) || (plan->list && p->op == STK_IN);
    return false;
}

void mg_filter(const struct stk_db *db, const stk_call *call, stk_arena *arena, bson_t *filter)
{
    const stk_query *q = &db->sql->queries[call->query->id];
    const stk_table *t = &db->sql->tables[q->table];
    const struct mg_plan *plan = &db->plans[q->id];
    struct build b = {.db = db, .q = q, .call = call, .arena = arena, .doc = filter};
    bson_init(filter);
    bson_init(&b.more);
    if (plan->point) {
        struct id id = id_prefix(&b, &t->keys[0], plan->neq);
        bson_append_utf8(filter, "_id", -1, id.len ? id.p : "", (int)id.len);
    } else if (plan->list) {
        add_list(&b, &t->keys[0], plan->neq);
    } else if (plan->key == 0) {
        add_range(&b, &t->keys[0], plan->neq);
    }
    for (uint8_t i = 0; i < q->nwhere; i++) {
        const stk_pred *p = &q->where[i];
        if (p->op == STK_KEYSET) {
            add_keyset(&b, t);
            continue;
        }
        if (in_id(plan, &t->keys[0], p))
            continue;
        bson_t cond = BSON_INITIALIZER;
        put_pred(&b, &cond, p);
        add(&b, t->cols[p->col].name, first_use(&b, p->col), &cond);
        bson_destroy(&cond);
    }
    if (b.nmore)
        bson_append_array(filter, "$and", -1, &b.more);
    bson_destroy(&b.more);
}

void mg_order(const struct stk_db *db, const stk_query *q, bson_t *opts)
{
    const struct mg_plan *plan = &db->plans[q->id];
    const stk_table *t = &db->sql->tables[q->table];
    if (plan->hinted)
        bson_append_utf8(opts, "hint", -1, t->keys[plan->key].name, -1);
    if (plan->point || q->norder == 0)
        return;
    bson_t sort;
    bson_append_document_begin(opts, "sort", -1, &sort);
    if (plan->by_id)
        bson_append_int32(&sort, "_id", -1, plan->desc ? -1 : 1);
    for (uint8_t i = 0; !plan->by_id && i < q->norder; i++)
        if (!pred_on(q, q->order[i].col, STK_EQ))
            bson_append_int32(&sort, t->cols[q->order[i].col].name, -1, q->order[i].desc ? -1 : 1);
    bson_append_document_end(opts, &sort);
}
