/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue of the tests, built with padded strides. */
#include "conform.h"

enum { PAD = 16 };

/* ------------------------------------------------------------------- tables */

#define NN STK_COL_NOT_NULL
#define TEXT(n, len, f)                                                                            \
    {                                                                                              \
        .name = (n), .type = STK_T_TEXT, .max_len = (len), .flags = (f), .since = 1                \
    }
#define OTHER(n, t, f)                                                                             \
    {                                                                                              \
        .name = (n), .type = (t), .flags = (f), .since = 1                                         \
    }

static const stk_col kv_cols[] = {TEXT("app", 64, NN), TEXT("k", 128, NN), TEXT("v", 256, 0),
                                  OTHER("n", STK_T_I64, 0)};
static const stk_col ty_cols[] = {
    TEXT("app", 64, NN),         OTHER("id", STK_T_I64, NN),
    OTHER("yes", STK_T_BOOL, 0), OTHER("num", STK_T_I64, 0),
    TEXT("txt", 64, 0),          {.name = "bin", .type = STK_T_BYTES, .max_len = 256, .since = 1},
    TEXT("doc", LONG_TEXT, 0),   TEXT("secret", 64, STK_COL_SECRET)};
static const stk_col pe_cols[] = {TEXT("app", 64, NN),         TEXT("id", 36, NN),
                                  TEXT("email", 256, 0),       TEXT("phone", 64, 0),
                                  OTHER("grp", STK_T_I64, NN), OTHER("ver", STK_T_I64, NN)};
static const stk_col ev_cols[] = {TEXT("app", 64, NN), OTHER("at", STK_T_I64, NN),
                                  TEXT("id", 36, NN), TEXT("tag", 128, 0),
                                  OTHER("n", STK_T_I64, NN)};
static const stk_col wi_cols[] = {TEXT("k", 512, NN), OTHER("n", STK_T_I64, NN)};

#define KEY(n, k, ...)                                                                             \
    {                                                                                              \
        .name = (n), .kind = (k), .since = 1, .cols = (const uint16_t[]){__VA_ARGS__},             \
        .ncols = sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t)                        \
    }
#define PRIMARY(...) KEY("primary", STK_KEY_PRIMARY, __VA_ARGS__)

static const stk_key kv_keys[] = {PRIMARY(KV_APP, KV_K), KEY("n", STK_KEY_INDEX, KV_APP, KV_N)};
static const stk_key ty_keys[] = {PRIMARY(TY_APP, TY_ID),
                                  KEY("num", STK_KEY_INDEX, TY_APP, TY_I64)};
static const stk_key pe_keys[] = {[PE_KEY_PRIMARY] = PRIMARY(PE_APP, PE_ID),
                                  [PE_KEY_EMAIL] = KEY("email", STK_KEY_UNIQUE, PE_APP, PE_EMAIL),
                                  [PE_KEY_CONTACT] =
                                      KEY("contact", STK_KEY_UNIQUE, PE_APP, PE_PHONE, PE_GRP),
                                  [PE_KEY_GRP] = KEY("grp", STK_KEY_INDEX, PE_APP, PE_GRP, PE_ID)};
static const stk_key ev_keys[] = {PRIMARY(EV_APP, EV_ID),
                                  KEY("at", STK_KEY_INDEX, EV_APP, EV_AT, EV_ID),
                                  KEY("tag", STK_KEY_INDEX, EV_APP, EV_TAG, EV_AT)};
static const stk_key wi_keys[] = {PRIMARY(WI_KEY)};

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define TABLE(n, p)                                                                                \
    {                                                                                              \
        .name = "st_conform_" n, .cols = p##_cols, .keys = p##_keys, .ncols = LEN(p##_cols),       \
        .nkeys = LEN(p##_keys), .since = 1                                                         \
    }
static const stk_table tables[T_MAX] = {[T_KV] = TABLE("kv", kv),
                                        [T_TYPES] = TABLE("types", ty),
                                        [T_PERSON] = TABLE("person", pe),
                                        [T_EVENT] = TABLE("event", ev),
                                        [T_WIDE] = TABLE("wide", wi)};

/* ------------------------------------------------------------------ queries */

#define INSERT(t) .op = STK_OP_INSERT, .table = T_##t
#define UPSERT(t) .op = STK_OP_UPSERT, .table = T_##t
#define UPDATE(t) .op = STK_OP_UPDATE, .table = T_##t
#define DELETE(t) .op = STK_OP_DELETE, .table = T_##t
#define SELECT(t) .op = STK_OP_SELECT, .table = T_##t
#define COUNT(t) .op = STK_OP_COUNT, .table = T_##t
#define ARRAY(type, ...)                                                                           \
    (const type[])                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define ALEN(type, ...) (uint8_t)(sizeof(ARRAY(type, __VA_ARGS__)) / sizeof(type))
#define OUT(...) .out = ARRAY(uint16_t, __VA_ARGS__), .nout = ALEN(uint16_t, __VA_ARGS__)
#define WHERE(...) .where = ARRAY(stk_pred, __VA_ARGS__), .nwhere = ALEN(stk_pred, __VA_ARGS__)
#define SETS(...) .set = ARRAY(stk_set, __VA_ARGS__), .nset = ALEN(stk_set, __VA_ARGS__)
#define ORDER(...) .order = ARRAY(stk_order, __VA_ARGS__), .norder = ALEN(stk_order, __VA_ARGS__)
#define KEYSET_OF(d, inc, p, ...)                                                                  \
    .keyset = &(const stk_keyset)                                                                  \
    {                                                                                              \
        .cols = ARRAY(uint16_t, __VA_ARGS__), .ncols = ALEN(uint16_t, __VA_ARGS__), .desc = (d),   \
        .inclusive = (inc), .param = (p)                                                           \
    }
#define PRED(o, c, p)                                                                              \
    {                                                                                              \
        .op = (o), .col = (c), .param = (p)                                                        \
    }
#define EQ(c, p) PRED(STK_EQ, c, p)
#define LT(c, p) PRED(STK_LT, c, p)
#define LE(c, p) PRED(STK_LE, c, p)
#define GT(c, p) PRED(STK_GT, c, p)
#define GE(c, p) PRED(STK_GE, c, p)
#define IN(c, p) PRED(STK_IN, c, p)
#define PREFIX(c, p) PRED(STK_PREFIX, c, p)
#define IS_NULL(c) PRED(STK_IS_NULL, c, STK_NONE)
#define NOT_NULL(c) PRED(STK_NOT_NULL, c, STK_NONE)
#define KEYSET PRED(STK_KEYSET, STK_NONE, STK_NONE)
#define WRITE(h, c, p)                                                                             \
    {                                                                                              \
        .how = (h), .col = (c), .param = (p)                                                       \
    }
#define PUT(c, p) WRITE(STK_SET, c, p)
#define INC(c, p) WRITE(STK_INC, c, p)
#define KEEP(c, p) WRITE(STK_KEEP, c, p)
#define ASC(c)                                                                                     \
    {                                                                                              \
        .col = (c)                                                                                 \
    }
#define DESC(c)                                                                                    \
    {                                                                                              \
        .col = (c), .desc = 1                                                                      \
    }

/* limit_param 0 stands for "none": parameter 0 is never a limit here. */
static const stk_query queries[Q_MAX] = {
#define Q(qname, ...)                                                                              \
    [Q_##qname] = {.name = "conform_" #qname, .id = Q_##qname, .since = 1, __VA_ARGS__},
#include "queries.def"
#undef Q
};

/* ----------------------------------------------------------------- building */

static void *keep(struct cat *k, size_t n)
{
    void *p = malloc(n);
    void **kept = realloc(k->kept, (k->nkept + 1) * sizeof(void *));
    if (!p || !kept)
        abort();
    memset(p, 0xA5, n);
    k->kept = kept;
    k->kept[k->nkept++] = p;
    return p;
}

/* Copies an array to elements PAD bytes longer, with room for one more. */
static void *padded(struct cat *k, const void *from, size_t n, size_t size, size_t stride)
{
    char *to = keep(k, (n + 1) * (size + PAD));
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * (size + PAD), stk_at(from, stride, i), size);
    return to;
}

static void *at(const void *base, size_t size, unsigned i)
{
    return (char *)(uintptr_t)base + (size + PAD) * i;
}

stk_query *cat_query(struct cat *k, unsigned q)
{
    return (stk_query *)(uintptr_t)k->c->queries[q];
}
stk_table *cat_table(struct cat *k, unsigned t)
{
    return at(k->c->tables, sizeof(stk_table), t);
}
stk_pred *cat_pred(struct cat *k, unsigned q, unsigned i)
{
    return at(cat_query(k, q)->where, sizeof(stk_pred), i);
}
stk_set *cat_set(struct cat *k, unsigned q, unsigned i)
{
    return at(cat_query(k, q)->set, sizeof(stk_set), i);
}
stk_col *cat_col(struct cat *k, unsigned t, unsigned c)
{
    return at(cat_table(k, t)->cols, sizeof(stk_col), c);
}
stk_key *cat_key(struct cat *k, unsigned t, unsigned i)
{
    return at(cat_table(k, t)->keys, sizeof(stk_key), i);
}

static struct cat *cat_empty(void)
{
    struct cat *k = calloc(1, sizeof(*k));
    if (!k)
        abort();
    k->c = keep(k, sizeof(stk_catalog) + PAD);
    *k->c = (stk_catalog){.size = sizeof(stk_catalog) + PAD,
                          .version = 1,
                          .table_size = sizeof(stk_table) + PAD,
                          .col_size = sizeof(stk_col) + PAD,
                          .key_size = sizeof(stk_key) + PAD,
                          .query_size = sizeof(stk_query) + PAD,
                          .pred_size = sizeof(stk_pred) + PAD,
                          .set_size = sizeof(stk_set) + PAD,
                          .order_size = sizeof(stk_order) + PAD,
                          .keyset_size = sizeof(stk_keyset) + PAD};
    return k;
}

struct cat *cat_new(void)
{
    struct cat *k = cat_empty();
    k->c->tables = padded(k, tables, T_MAX, sizeof(stk_table), sizeof(stk_table));
    k->c->ntables = T_MAX;
    for (unsigned i = 0; i < T_MAX; i++) {
        stk_table *t = cat_table(k, i);
        t->cols = padded(k, t->cols, t->ncols, sizeof(stk_col), sizeof(stk_col));
        t->keys = padded(k, t->keys, t->nkeys, sizeof(stk_key), sizeof(stk_key));
    }
    const stk_query **list = keep(k, (Q_MAX + 1) * sizeof(*list));
    for (unsigned i = 0; i < Q_MAX; i++) {
        stk_query *q = padded(k, &queries[i], 1, sizeof(stk_query), sizeof(stk_query));
        q->where = padded(k, q->where, q->nwhere, sizeof(stk_pred), sizeof(stk_pred));
        q->set = padded(k, q->set, q->nset, sizeof(stk_set), sizeof(stk_set));
        q->order = padded(k, q->order, q->norder, sizeof(stk_order), sizeof(stk_order));
        if (q->keyset)
            q->keyset = padded(k, q->keyset, 1, sizeof(stk_keyset), sizeof(stk_keyset));
        if (q->limit_param == 0)
            q->limit_param = STK_NONE;
        list[i] = q;
    }
    k->c->queries = list;
    k->c->nqueries = Q_MAX;
    return k;
}

void cat_free(struct cat *k)
{
    for (size_t i = 0; k && i < k->nkept; i++)
        free(k->kept[i]);
    if (k)
        free(k->kept);
    free(k);
}

static stk_table named_table(struct cat *k, const char *name)
{
    static const stk_col col[] = {TEXT("id", 64, NN)};
    static const uint16_t first[] = {0};
    static const stk_key key[] = {
        {.name = "primary", .kind = STK_KEY_PRIMARY, .since = 1, .cols = first, .ncols = 1}};
    return (stk_table){.name = name,
                       .ncols = 1,
                       .nkeys = 1,
                       .since = 1,
                       .cols = padded(k, col, 1, sizeof(stk_col), sizeof(stk_col)),
                       .keys = padded(k, key, 1, sizeof(stk_key), sizeof(stk_key))};
}

void cat_add_table(struct cat *k, const char *name)
{
    k->c->tables =
        padded(k, k->c->tables, k->c->ntables, sizeof(stk_table), sizeof(stk_table) + PAD);
    *cat_table(k, k->c->ntables) = named_table(k, name);
    k->c->ntables++;
}

void cat_add_col(struct cat *k, unsigned t, const char *name)
{
    stk_table *to = cat_table(k, t);
    const stk_col col = TEXT(name, 64, 0);
    *cat_col(k, t, to->ncols) = col;
    to->ncols++;
}

void cat_add_index(struct cat *k, unsigned t, const char *name, const uint16_t *cols, uint16_t n)
{
    stk_table *to = cat_table(k, t);
    *cat_key(k, t, to->nkeys) =
        (stk_key){.name = name, .kind = STK_KEY_INDEX, .since = 1, .cols = cols, .ncols = n};
    to->nkeys++;
}

struct cat *cat_names(char **names, size_t n)
{
    struct cat *k = cat_empty();
    k->c->tables = keep(k, (n + 1) * (sizeof(stk_table) + PAD));
    for (size_t i = 0; i < n; i++)
        *cat_table(k, (unsigned)i) = named_table(k, names[i]);
    k->c->ntables = (uint16_t)n;
    k->c->queries = keep(k, sizeof(void *));
    return k;
}
