/* SPDX-License-Identifier: Apache-2.0 */
/* Writing users.  Rows are written by primary key, but: a login method's rows in
 * all tenants are a range of st_user_tenants' key `recipe_user`, a user's rows in
 * st_tenant_users one of key `user`.
 *
 * What is copied from table to table: st_user_tenants repeats the login method
 * and the user it belongs to (sign-in and search read nothing else),
 * st_tenant_users the time and the recipes of the user in that tenant. */
#include "store/users.h"

#include "store/query.h"

#include <stdlib.h>
#include <string.h>

enum { SHARDS = 16, CHUNK = 100 };

QUERY(user_insert, INSERT(USERS),
      SETS(PUT(USERS_APP_ID, 0), PUT(USERS_USER_ID, 1), PUT(USERS_IS_PRIMARY, 2),
           PUT(USERS_TIME_JOINED, 3), PUT(USERS_RECIPE_MASK, 4), PUT(USERS_LM_COUNT, 5),
           PUT(USERS_EXTERNAL_USER_ID, 6), PUT(USERS_ROW_VER, 7)),
      PARAMS(8));
QUERY(login_insert, INSERT(LOGIN_METHODS),
      SETS(PUT(LOGIN_METHODS_APP_ID, 0), PUT(LOGIN_METHODS_RECIPE_USER_ID, 1),
           PUT(LOGIN_METHODS_USER_ID, 2), PUT(LOGIN_METHODS_RECIPE_ID, 3),
           PUT(LOGIN_METHODS_TIME_JOINED, 4), PUT(LOGIN_METHODS_EMAIL, 5),
           PUT(LOGIN_METHODS_PHONE, 6), PUT(LOGIN_METHODS_TP_ID, 7),
           PUT(LOGIN_METHODS_TP_USER_ID, 8), PUT(LOGIN_METHODS_RP_ID, 9),
           PUT(LOGIN_METHODS_PASSWORD_HASH, 10), PUT(LOGIN_METHODS_EXTERNAL_USER_ID, 11),
           PUT(LOGIN_METHODS_VERIFIED, 12), PUT(LOGIN_METHODS_UPDATED_AT, 13)),
      PARAMS(14));
QUERY(user_tenant_insert, INSERT(USER_TENANTS),
      SETS(PUT(USER_TENANTS_APP_ID, 0), PUT(USER_TENANTS_TENANT_ID, 1),
           PUT(USER_TENANTS_RECIPE_USER_ID, 2), PUT(USER_TENANTS_USER_ID, 3),
           PUT(USER_TENANTS_RECIPE_ID, 4), PUT(USER_TENANTS_IS_PRIMARY, 5),
           PUT(USER_TENANTS_TIME_JOINED, 6), PUT(USER_TENANTS_EMAIL, 7),
           PUT(USER_TENANTS_EMAIL_DOMAIN, 8), PUT(USER_TENANTS_PHONE, 9),
           PUT(USER_TENANTS_TP_ID, 10), PUT(USER_TENANTS_TP_ID_LC, 11),
           PUT(USER_TENANTS_TP_USER_ID, 12), PUT(USER_TENANTS_UK_EMAIL, 13),
           PUT(USER_TENANTS_PASSWORD_HASH, 14), PUT(USER_TENANTS_EXTERNAL_USER_ID, 15),
           PUT(USER_TENANTS_VERIFIED, 16)),
      PARAMS(17));
QUERY(tenant_user_insert, INSERT(TENANT_USERS),
      SETS(PUT(TENANT_USERS_APP_ID, 0), PUT(TENANT_USERS_TENANT_ID, 1),
           PUT(TENANT_USERS_USER_ID, 2), PUT(TENANT_USERS_TIME_JOINED, 3),
           PUT(TENANT_USERS_RECIPE_MASK, 4), PUT(TENANT_USERS_LM_COUNT, 5)),
      PARAMS(6));
QUERY(tenant_user_put, UPSERT(TENANT_USERS),
      SETS(PUT(TENANT_USERS_APP_ID, 0), PUT(TENANT_USERS_TENANT_ID, 1),
           PUT(TENANT_USERS_USER_ID, 2), PUT(TENANT_USERS_TIME_JOINED, 3),
           PUT(TENANT_USERS_RECIPE_MASK, 4), PUT(TENANT_USERS_LM_COUNT, 5)),
      PARAMS(6), FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_count_add, UPSERT(USER_COUNTERS),
      SETS(PUT(USER_COUNTERS_APP_ID, 0), PUT(USER_COUNTERS_TENANT_ID, 1),
           PUT(USER_COUNTERS_RECIPE_MASK, 2), PUT(USER_COUNTERS_SHARD, 3), INC(USER_COUNTERS_N, 4)),
      PARAMS(5));
QUERY(user_touch, UPDATE(USERS), SETS(INC(USERS_ROW_VER, 0)),
      WHERE(EQ(USERS_APP_ID, 1), EQ(USERS_USER_ID, 2)), PARAMS(3), NO_LIMIT);
QUERY(user_summary, UPDATE(USERS),
      SETS(PUT(USERS_TIME_JOINED, 0), PUT(USERS_RECIPE_MASK, 1), PUT(USERS_LM_COUNT, 2),
           INC(USERS_ROW_VER, 3)),
      WHERE(EQ(USERS_APP_ID, 4), EQ(USERS_USER_ID, 5)), PARAMS(6), NO_LIMIT);

QUERY(login_email, UPDATE(LOGIN_METHODS),
      SETS(PUT(LOGIN_METHODS_EMAIL, 0), PUT(LOGIN_METHODS_VERIFIED, 1),
           PUT(LOGIN_METHODS_UPDATED_AT, 2)),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 3), EQ(LOGIN_METHODS_RECIPE_USER_ID, 4)), PARAMS(5), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(login_password, UPDATE(LOGIN_METHODS),
      SETS(PUT(LOGIN_METHODS_PASSWORD_HASH, 0), PUT(LOGIN_METHODS_UPDATED_AT, 1)),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 2), EQ(LOGIN_METHODS_RECIPE_USER_ID, 3)), PARAMS(4), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(login_phone, UPDATE(LOGIN_METHODS),
      SETS(PUT(LOGIN_METHODS_PHONE, 0), PUT(LOGIN_METHODS_UPDATED_AT, 1)),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 2), EQ(LOGIN_METHODS_RECIPE_USER_ID, 3)), PARAMS(4), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenant_phone, UPDATE(USER_TENANTS), SETS(PUT(USER_TENANTS_PHONE, 0)),
      WHERE(EQ(USER_TENANTS_APP_ID, 1), EQ(USER_TENANTS_RECIPE_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenant_email, UPDATE(USER_TENANTS),
      SETS(PUT(USER_TENANTS_EMAIL, 0), PUT(USER_TENANTS_EMAIL_DOMAIN, 1),
           PUT(USER_TENANTS_UK_EMAIL, 2), PUT(USER_TENANTS_VERIFIED, 3)),
      WHERE(EQ(USER_TENANTS_APP_ID, 4), EQ(USER_TENANTS_RECIPE_USER_ID, 5)), PARAMS(6), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenant_password, UPDATE(USER_TENANTS), SETS(PUT(USER_TENANTS_PASSWORD_HASH, 0)),
      WHERE(EQ(USER_TENANTS_APP_ID, 1), EQ(USER_TENANTS_RECIPE_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

bool account_duplicate(const struct ctx *c, enum account_kind *kind)
{
    if (c->dup_table != T_USER_TENANTS || c->dup_key == USER_TENANTS_KEY_PRIMARY)
        return false;
    *kind = c->dup_key == USER_TENANTS_KEY_UK_PHONE ? ACCOUNT_PHONE
            : c->dup_key == USER_TENANTS_KEY_UK_TP  ? ACCOUNT_THIRD_PARTY
                                                    : ACCOUNT_EMAIL;
    return true;
}

/* ---- counts */

void user_counts_init(struct user_counts *k, struct arena *a)
{
    *k = (struct user_counts){.arena = a};
}

void user_counts_add(struct user_counts *k, struct str tenant_id, int64_t mask, struct str user_id,
                     int64_t n)
{
    int64_t shard = (int64_t)(str_hash(user_id) % SHARDS);
    for (size_t i = 0; i < k->n; i++) {
        struct user_count *x = &k->list[i];
        if (x->mask == mask && x->shard == shard && str_eq(x->tenant_id, tenant_id)) {
            x->n += n;
            return;
        }
    }
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 8;
        struct user_count *grown = ARENA_ARRAY(k->arena, struct user_count, k->cap);
        if (k->n)
            memcpy(grown, k->list, k->n * sizeof(*grown));
        k->list = grown;
    }
    k->list[k->n++] = (struct user_count){tenant_id, mask, shard, n};
}

static int by_key(const void *x, const void *y)
{
    const struct user_count *a = x, *b = y;
    int order = str_cmp(a->tenant_id, b->tenant_id);
    if (order)
        return order;
    if (a->mask != b->mask)
        return a->mask < b->mask ? -1 : 1;
    return (a->shard > b->shard) - (a->shard < b->shard);
}

void batch_user_counts(struct batch *b, struct str app_id, struct user_counts *k)
{
    if (k->n == 0)
        return;
    qsort(k->list, k->n, sizeof(*k->list), by_key);
    stk_val *rows = ARENA_ARRAY(k->arena, stk_val, k->n * 5);
    size_t at = 0;
    for (size_t i = 0; i < k->n; i++) {
        const struct user_count *x = &k->list[i];
        if (x->n == 0)
            continue;
        rows[at++] = v_str(app_id);
        rows[at++] = v_str(x->tenant_id);
        rows[at++] = v_i64(x->mask);
        rows[at++] = v_i64(x->shard);
        rows[at++] = v_i64(x->n);
    }
    if (at)
        batch_add(b, &q_user_count_add, rows, at);
}

/* ---- creating */

static struct str domain_of(struct str email)
{
    ptrdiff_t at = email.p ? str_find(email, '@') : -1;
    return at < 0 ? STR_NULL : str_sub(email, (size_t)at + 1, email.len);
}

/* The email that must be unique in recipe and tenant: providers do not vouch
 * for theirs. */
static struct str unique_email(const struct login_method *m, struct str email)
{
    return m->recipe == MASK_THIRDPARTY ? STR_NULL : email;
}

void batch_user_tenant(struct batch *b, struct str app_id, struct str tenant_id,
                       const struct login_method *m, bool is_primary)
{
    struct str tp_id_lc = m->tp_id.p ? str_lower(b->c->arena, m->tp_id) : STR_NULL;
    BATCH(b, q_user_tenant_insert, v_str(app_id), v_str(tenant_id), v_str(m->recipe_user_id),
          v_str(m->user_id), v_str(recipe_name(m->recipe)), v_bool(is_primary),
          v_i64(m->time_joined), v_str(m->email), v_str(domain_of(m->email)), v_str(m->phone),
          v_str(m->tp_id), v_str(tp_id_lc), v_str(m->tp_user_id), v_str(unique_email(m, m->email)),
          v_str(m->password_hash), v_str(m->external_id), v_bool(m->verified));
}

void batch_user_create(struct batch *b, struct str app_id, const struct login_method *m,
                       struct user_counts *counts)
{
    BATCH(b, q_login_insert, v_str(app_id), v_str(m->recipe_user_id), v_str(m->user_id),
          v_str(recipe_name(m->recipe)), v_i64(m->time_joined), v_str(m->email), v_str(m->phone),
          v_str(m->tp_id), v_str(m->tp_user_id), v_str(m->rp_id), v_str(m->password_hash),
          v_str(m->external_id), v_bool(m->verified), v_i64(m->time_joined));
    BATCH(b, q_user_insert, v_str(app_id), v_str(m->user_id), v_bool(false), v_i64(m->time_joined),
          v_i64(m->recipe), v_i64(1), v_str(m->external_id), v_i64(1));
    user_counts_add(counts, STR(""), m->recipe, m->user_id, 1);
    for (size_t i = 0; i < m->ntenants; i++) {
        batch_user_tenant(b, app_id, m->tenants[i], m, false);
        BATCH(b, q_tenant_user_insert, v_str(app_id), v_str(m->tenants[i]), v_str(m->user_id),
              v_i64(m->time_joined), v_i64(m->recipe), v_i64(1));
        user_counts_add(counts, m->tenants[i], m->recipe, m->user_id, 1);
    }
}

/* ---- what the user's own rows say */

/* Every tenant of a user once. */
struct tenant_set {
    struct str *list;
    size_t n;
};

static void add_tenants(struct tenant_set *set, const struct user *u)
{
    for (size_t i = 0; i < u->nmethods; i++)
        for (size_t t = 0; t < u->methods[i].ntenants; t++)
            set->list[set->n++] = u->methods[i].tenants[t];
}

static size_t count_tenants(const struct user *u)
{
    size_t n = 0;
    for (size_t i = 0; i < u->nmethods; i++)
        n += u->methods[i].ntenants;
    return n;
}

static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static struct tenant_set tenants_of(struct arena *a, const struct user *x, const struct user *y)
{
    struct tenant_set set = {ARENA_ARRAY(a, struct str, count_tenants(x) + count_tenants(y) + 1),
                             0};
    add_tenants(&set, x);
    add_tenants(&set, y);
    qsort(set.list, set.n, sizeof(*set.list), by_text);
    size_t kept = 0;
    for (size_t i = 0; i < set.n; i++)
        if (kept == 0 || !str_eq(set.list[i], set.list[kept - 1]))
            set.list[kept++] = set.list[i];
    set.n = kept;
    return set;
}

/* Lists of ids, cut to what one call takes. */
static void batch_tenant_users_delete(struct batch *b, struct str app_id, const struct str *tenants,
                                      size_t n, struct str user_id)
{
    for (size_t at = 0; at < n; at += CHUNK)
        BATCH(b, q_tenant_user_delete, v_str(app_id),
              v_strs(b->c->arena, tenants + at, n - at < CHUNK ? n - at : CHUNK), v_str(user_id));
}

static void batch_tenants_summary(struct batch *b, struct str app_id, const struct user *before,
                                  const struct user *after, struct user_counts *counts)
{
    struct arena *a = b->c->arena;
    struct str id = before->id.p ? before->id : after->id;
    struct tenant_set tenants = tenants_of(a, before, after);
    stk_val *puts = ARENA_ARRAY(a, stk_val, tenants.n * 6 + 1);
    struct str *gone = ARENA_ARRAY(a, struct str, tenants.n + 1);
    size_t nputs = 0, ngone = 0;
    for (size_t i = 0; i < tenants.n; i++) {
        struct str tenant = tenants.list[i];
        int64_t had, has;
        int64_t old = user_tenant_mask(before, tenant, &had);
        int64_t now = user_tenant_mask(after, tenant, &has);
        if (had)
            user_counts_add(counts, tenant, old, id, -1);
        if (has)
            user_counts_add(counts, tenant, now, id, 1);
        if (!has) {
            gone[ngone++] = tenant;
        } else if (old != now || had != has || before->time_joined != after->time_joined) {
            const stk_val row[] = {v_str(app_id), v_str(tenant),
                                   v_str(id),     v_i64(after->time_joined),
                                   v_i64(now),    v_i64(has)};
            memcpy(puts + nputs, row, sizeof(row));
            nputs += 6;
        }
    }
    if (nputs)
        batch_add(b, &q_tenant_user_put, puts, nputs);
    if (ngone)
        batch_tenant_users_delete(b, app_id, gone, ngone, id);
}

void batch_user_summary(struct batch *b, struct str app_id, const struct user *before,
                        const struct user *after, struct user_counts *counts)
{
    bool had = before->id.p, has = after->nmethods > 0;
    if (has && had) {
        stk_call *call =
            BATCH(b, q_user_summary, v_i64(after->time_joined), v_i64(user_mask(after)),
                  v_i64((int64_t)after->nmethods), v_i64(1), v_str(app_id), v_str(after->id));
        call_expect_affected(call, 1);
    } else if (has) {
        BATCH(b, q_user_insert, v_str(app_id), v_str(after->id), v_bool(after->is_primary),
              v_i64(after->time_joined), v_i64(user_mask(after)), v_i64((int64_t)after->nmethods),
              v_str(after->external_id), v_i64(1));
    }
    if (had)
        user_counts_add(counts, STR(""), user_mask(before), before->id, -1);
    if (has)
        user_counts_add(counts, STR(""), user_mask(after), after->id, 1);
    batch_tenants_summary(b, app_id, before, after, counts);
}

void batch_user_touch(struct batch *b, struct str app_id, struct str user_id)
{
    stk_call *call = BATCH(b, q_user_touch, v_i64(1), v_str(app_id), v_str(user_id));
    call_expect_affected(call, 1);
}

void batch_login_email(struct batch *b, struct str app_id, const struct login_method *m,
                       struct str email, bool verified, int64_t now)
{
    stk_call *call = BATCH(b, q_login_email, v_str(email), v_bool(verified), v_i64(now),
                           v_str(app_id), v_str(m->recipe_user_id));
    call_expect_affected(call, 1);
    BATCH(b, q_user_tenant_email, v_str(email), v_str(domain_of(email)),
          v_str(unique_email(m, email)), v_bool(verified), v_str(app_id), v_str(m->recipe_user_id));
}

void batch_login_phone(struct batch *b, struct str app_id, const struct login_method *m,
                       struct str phone, int64_t now)
{
    stk_call *call =
        BATCH(b, q_login_phone, v_str(phone), v_i64(now), v_str(app_id), v_str(m->recipe_user_id));
    call_expect_affected(call, 1);
    BATCH(b, q_user_tenant_phone, v_str(phone), v_str(app_id), v_str(m->recipe_user_id));
}

void batch_login_password(struct batch *b, struct str app_id, const struct login_method *m,
                          struct str password_hash, int64_t now)
{
    stk_call *call = BATCH(b, q_login_password, v_str(password_hash), v_i64(now), v_str(app_id),
                           v_str(m->recipe_user_id));
    call_expect_affected(call, 1);
    BATCH(b, q_user_tenant_password, v_str(password_hash), v_str(app_id), v_str(m->recipe_user_id));
}
