/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a catalogue once, when a storage is opened, so that nothing about a
 * query can be wrong later.  Each rule is one of stk_plugin.h. */
#include "sql_internal.h"

/* What is being checked, for messages. */
struct check {
    struct stk_sql *sql;
    const stk_query *q;
    const stk_table *t;
    stk_err *err;
};

static stk_status bad(const struct check *k, stk_status code, const char *what)
{
    if (k->q)
        return stk_err_set(k->err, code, "%s: query \"%s\" cannot be served: %s",
                           k->sql->dialect.plugin, k->q->name ? k->q->name : "?", what);
    return stk_err_set(k->err, code, "%s: table \"%s\" cannot be served: %s",
                       k->sql->dialect.plugin, k->t->name ? k->t->name : "?", what);
}

#define REQUIRE(cond, code, what)                                                                  \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return bad(k, code, what);                                                             \
    } while (0)

static bool good_name(const char *s)
{
    if (!s || !*s || strlen(s) > 63)
        return false;
    for (; *s; s++)
        if (!(*s == '_' || (*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9')))
            return false;
    return true;
}

bool sql_in_pk(const stk_table *t, uint16_t c)
{
    for (uint16_t i = 0; i < t->keys[0].ncols; i++)
        if (t->keys[0].cols[i] == c)
            return true;
    return false;
}

static bool sole_unique_is_pk(const stk_table *t)
{
    for (uint16_t i = 1; i < t->nkeys; i++)
        if (t->keys[i].kind == STK_KEY_UNIQUE)
            return false;
    return true;
}

static bool comparable(const stk_col *c)
{
    return c->type == STK_T_BOOL || c->type == STK_T_I64 ||
           (c->max_len > 0 && c->max_len <= SQL_KEY_TEXT);
}

static stk_status check_key(const struct check *k, const stk_key *key, uint16_t index)
{
    REQUIRE(good_name(key->name), STK_E_INVALID, "a key has no name of [a-z0-9_]");
    REQUIRE(key->kind >= STK_KEY_PRIMARY && key->kind <= STK_KEY_INDEX, STK_E_UNSUPPORTED,
            "a key of an unknown kind");
    REQUIRE((key->kind == STK_KEY_PRIMARY) == (index == 0), STK_E_INVALID,
            "keys[0] and no other key is the primary key");
    REQUIRE(key->ncols > 0, STK_E_INVALID, "a key without columns");
    REQUIRE(strlen(k->t->name) + strlen(key->name) + 1 <= 63, STK_E_INVALID,
            "the name of a key is longer than 63 characters with its table");
    for (uint16_t i = 0; i < key->ncols; i++) {
        REQUIRE(key->cols[i] < k->t->ncols, STK_E_INVALID, "a key names a column out of range");
        const stk_col *c = &k->t->cols[key->cols[i]];
        REQUIRE(comparable(c), STK_E_INVALID, "a key over a column longer than 512");
        REQUIRE(index != 0 || (c->flags & STK_COL_NOT_NULL), STK_E_INVALID,
                "a column of the primary key may be NULL");
    }
    return STK_OK;
}

static stk_status check_table(const struct check *k)
{
    REQUIRE(good_name(k->t->name), STK_E_INVALID, "its name is not [a-z0-9_]");
    REQUIRE(k->t->ncols > 0 && k->t->nkeys > 0, STK_E_INVALID, "no column or no primary key");
    for (uint16_t i = 0; i < k->t->ncols; i++) {
        const stk_col *c = &k->t->cols[i];
        REQUIRE(good_name(c->name), STK_E_INVALID, "the name of a column is not [a-z0-9_]");
        REQUIRE(c->type >= STK_T_BOOL && c->type <= STK_T_BYTES, STK_E_UNSUPPORTED,
                "a column of an unknown type");
        REQUIRE((c->flags & ~(STK_COL_NOT_NULL | STK_COL_SECRET)) == 0, STK_E_UNSUPPORTED,
                "a column with an unknown flag");
    }
    for (uint16_t i = 0; i < k->t->nkeys; i++) {
        stk_status rc = check_key(k, &k->t->keys[i], i);
        if (rc)
            return rc;
    }
    return STK_OK;
}

/* Records the one use of a parameter. */
static stk_status use_param(const struct check *k, struct sql_use *uses, uint32_t param, int role,
                            uint16_t col)
{
    REQUIRE(param < k->q->nparams, STK_E_INVALID, "a parameter out of range");
    REQUIRE(uses[param].role == USE_NONE, STK_E_INVALID, "a parameter used twice");
    uses[param].role = (uint8_t)role;
    uses[param].col = col;
    return STK_OK;
}

static stk_status check_set(const struct check *k, struct sql_use *uses)
{
    const stk_query *q = k->q;
    bool insert = q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT;
    REQUIRE((insert || q->op == STK_OP_UPDATE) == (q->nset > 0), STK_E_INVALID,
            "set[] belongs to INSERT, UPSERT and UPDATE");
    for (uint8_t i = 0; i < q->nset; i++) {
        const stk_set *s = &q->set[i];
        REQUIRE(s->col < k->t->ncols, STK_E_INVALID, "set[] names a column out of range");
        REQUIRE(s->how >= STK_SET && s->how <= STK_KEEP, STK_E_UNSUPPORTED,
                "set[] with an unknown way to write");
        REQUIRE(s->how != STK_KEEP || q->op == STK_OP_UPSERT, STK_E_INVALID,
                "KEEP belongs to UPSERT");
        REQUIRE(s->how != STK_INC || k->t->cols[s->col].type == STK_T_I64, STK_E_INVALID,
                "INC of a column that is no integer");
        REQUIRE(!insert || s->param == i, STK_E_INVALID, "set[i].param must be i");
        REQUIRE(q->op != STK_OP_UPDATE || !sql_in_pk(k->t, s->col), STK_E_INVALID,
                "an UPDATE of the primary key");
        REQUIRE(q->op != STK_OP_UPSERT || s->how != STK_INC || !sql_in_pk(k->t, s->col),
                STK_E_INVALID, "INC of the primary key");
        for (uint8_t j = 0; j < i; j++)
            REQUIRE(q->set[j].col != s->col, STK_E_INVALID, "a column written twice");
        stk_status rc = use_param(k, uses, s->param, USE_WRITE, s->col);
        if (rc)
            return rc;
    }
    for (uint16_t c = 0; insert && c < k->t->ncols; c++) {
        bool given = !(k->t->cols[c].flags & STK_COL_NOT_NULL);
        for (uint8_t i = 0; i < q->nset; i++)
            given = given || q->set[i].col == c;
        REQUIRE(given, STK_E_INVALID, "a NOT NULL column is left out");
    }
    return STK_OK;
}

static stk_status check_keyset(const struct check *k, struct sql_use *uses)
{
    const stk_query *q = k->q;
    const stk_keyset *s = q->keyset;
    REQUIRE(q->op == STK_OP_SELECT, STK_E_INVALID, "KEYSET belongs to SELECT");
    REQUIRE(s && s->ncols >= 1 && s->ncols <= 2, STK_E_INVALID, "KEYSET takes one or two columns");
    REQUIRE(s->ncols <= q->norder, STK_E_INVALID, "KEYSET is not the tail of order[]");
    for (uint16_t i = 0; i < s->ncols; i++) {
        const stk_order *o = &q->order[q->norder - s->ncols + i];
        REQUIRE(s->cols[i] < k->t->ncols, STK_E_INVALID, "KEYSET names a column out of range");
        REQUIRE(o->col == s->cols[i] && !o->desc == !s->desc, STK_E_INVALID,
                "KEYSET is not the tail of order[]");
        const stk_col *c = &k->t->cols[s->cols[i]];
        REQUIRE(comparable(c) && (c->flags & STK_COL_NOT_NULL), STK_E_INVALID,
                "KEYSET over a column that may be NULL or is too long");
        stk_status rc = use_param(k, uses, (uint32_t)s->param + i, USE_COMPARE, s->cols[i]);
        if (rc)
            return rc;
    }
    return STK_OK;
}

static stk_status check_pred(const struct check *k, const stk_pred *p, struct sql_use *uses)
{
    REQUIRE(p->op >= STK_EQ && p->op <= STK_KEYSET, STK_E_UNSUPPORTED, "an unknown predicate");
    if (p->op == STK_KEYSET)
        return check_keyset(k, uses);
    REQUIRE(p->col < k->t->ncols, STK_E_INVALID, "where[] names a column out of range");
    if (p->op == STK_IS_NULL || p->op == STK_NOT_NULL)
        return STK_OK;
    const stk_col *c = &k->t->cols[p->col];
    REQUIRE(comparable(c), STK_E_INVALID, "a column longer than 512 is compared");
    REQUIRE(p->op != STK_PREFIX || c->type == STK_T_TEXT, STK_E_INVALID,
            "PREFIX of a column that is no text");
    int role = p->op == STK_IN ? USE_LIST : p->op == STK_PREFIX ? USE_PREFIX : USE_COMPARE;
    return use_param(k, uses, p->param, role, p->col);
}

static stk_status check_order(const struct check *k)
{
    const stk_query *q = k->q;
    bool limited = q->limit || q->limit_param != STK_NONE;
    bool may =
        q->op == STK_OP_SELECT || ((q->op == STK_OP_UPDATE || q->op == STK_OP_DELETE) && limited);
    REQUIRE(q->norder == 0 || may, STK_E_INVALID, "order[] without a use");
    for (uint8_t i = 0; i < q->norder; i++) {
        REQUIRE(q->order[i].col < k->t->ncols, STK_E_INVALID,
                "order[] names a column out of range");
        REQUIRE(comparable(&k->t->cols[q->order[i].col]), STK_E_INVALID,
                "order by a column longer than 512");
    }
    return STK_OK;
}

static stk_status check_shape(const struct check *k)
{
    const stk_query *q = k->q;
    uint8_t allowed = STK_QF_IDEMPOTENT;
    if (q->op == STK_OP_INSERT)
        allowed |= STK_QF_IF_ABSENT;
    if (q->op == STK_OP_SELECT)
        allowed |= STK_QF_LOCK;
    REQUIRE((q->flags & ~(STK_QF_IDEMPOTENT | STK_QF_IF_ABSENT | STK_QF_LOCK)) == 0,
            STK_E_UNSUPPORTED, "an unknown flag");
    REQUIRE((q->flags & ~allowed) == 0, STK_E_INVALID, "a flag that its operation does not take");
    REQUIRE(!((q->flags & STK_QF_IF_ABSENT) || q->op == STK_OP_UPSERT) || sole_unique_is_pk(k->t),
            STK_E_INVALID,
            "IF_ABSENT and UPSERT need the primary key to be the only unique key of the table");
    REQUIRE(q->nout == 0 || q->op == STK_OP_SELECT, STK_E_INVALID, "out[] belongs to SELECT");
    for (uint8_t i = 0; i < q->nout; i++)
        REQUIRE(q->out[i] < k->t->ncols, STK_E_INVALID, "out[] names a column out of range");
    bool insert = q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT;
    REQUIRE(!insert || (q->nwhere == 0 && q->limit == 0 && q->limit_param == STK_NONE),
            STK_E_INVALID, "where[] or a limit on an insert");
    REQUIRE(q->limit == 0 || q->limit_param == STK_NONE, STK_E_INVALID, "two limits");
    return STK_OK;
}

static stk_status check_query(struct check *k, uint16_t index)
{
    const stk_query *q = k->q;
    REQUIRE(q->id == index, STK_E_INVALID, "its id is not its place in the catalogue");
    REQUIRE(good_name(q->name), STK_E_INVALID, "its name is not [a-z0-9_]");
    REQUIRE(q->op >= STK_OP_INSERT && q->op <= STK_OP_COUNT, STK_E_UNSUPPORTED,
            "an unknown operation");
    REQUIRE(q->table < k->sql->ntables, STK_E_INVALID, "its table is out of range");
    k->t = &k->sql->tables[q->table];
    struct sql_use *uses = sql_keep(k->sql->impl, (q->nparams + 1u) * sizeof *uses);
    if (!uses)
        return stk_err_nomem(k->err);
    k->sql->impl->uses[index] = uses;

    stk_status rc = check_shape(k);
    if (!rc)
        rc = check_set(k, uses);
    uint8_t keysets = 0;
    for (uint8_t i = 0; !rc && i < q->nwhere; i++) {
        keysets = (uint8_t)(keysets + (q->where[i].op == STK_KEYSET));
        rc = check_pred(k, &q->where[i], uses);
    }
    if (!rc)
        rc = check_order(k);
    if (!rc && q->limit_param != STK_NONE)
        rc = use_param(k, uses, q->limit_param, USE_LIMIT, STK_NONE);
    if (rc)
        return rc;
    REQUIRE(keysets == (q->keyset != NULL), STK_E_INVALID, "KEYSET without its operands");
    for (uint8_t i = 0; i < q->nparams; i++)
        REQUIRE(uses[i].role != USE_NONE, STK_E_INVALID, "a parameter that nothing uses");
    return STK_OK;
}

stk_status sql_check_catalog(struct stk_sql *sql, stk_err *err)
{
    struct check k = {.sql = sql, .err = err};
    for (uint16_t i = 0; i < sql->ntables; i++) {
        k.t = &sql->tables[i];
        stk_status rc = check_table(&k);
        if (rc)
            return rc;
    }
    sql->impl->uses = sql_keep(sql->impl, (sql->nqueries + 1u) * sizeof *sql->impl->uses);
    if (!sql->impl->uses)
        return stk_err_nomem(err);
    for (uint16_t i = 0; i < sql->nqueries; i++) {
        k.q = &sql->queries[i];
        stk_status rc = check_query(&k, i);
        if (rc)
            return rc;
    }
    return STK_OK;
}
