/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations: a primary user holds every account (email, phone number, third
 * party login) of its login methods in every tenant it is in; nobody else's
 * primary user may.  The row's key says it all, so the primary key decides who
 * was first; all of a user's are a range of key `user`. */
#include "store/users.h"

#include "store/query.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 100 };

QUERY(reservation_put, INSERT(ACCOUNT_RESERVATIONS),
      SETS(PUT(ACCOUNT_RESERVATIONS_APP_ID, 0), PUT(ACCOUNT_RESERVATIONS_RKEY, 1),
           PUT(ACCOUNT_RESERVATIONS_TENANT_ID, 2), PUT(ACCOUNT_RESERVATIONS_KIND, 3),
           PUT(ACCOUNT_RESERVATIONS_USER_ID, 4)),
      PARAMS(5), FLAGS(STK_QF_IF_ABSENT | STK_QF_IDEMPOTENT));
enum { R_USER_ID, R_KIND };
QUERY(reservation_owners, SELECT(ACCOUNT_RESERVATIONS),
      OUT(ACCOUNT_RESERVATIONS_USER_ID, ACCOUNT_RESERVATIONS_KIND),
      WHERE(EQ(ACCOUNT_RESERVATIONS_APP_ID, 0), IN(ACCOUNT_RESERVATIONS_RKEY, 1)), PARAMS(2),
      NO_LIMIT);
QUERY(reservations_mine, SELECT(ACCOUNT_RESERVATIONS), OUT(ACCOUNT_RESERVATIONS_KIND),
      WHERE(EQ(ACCOUNT_RESERVATIONS_APP_ID, 0), IN(ACCOUNT_RESERVATIONS_RKEY, 1),
            EQ(ACCOUNT_RESERVATIONS_USER_ID, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(reservation_delete, DELETE(ACCOUNT_RESERVATIONS),
      WHERE(EQ(ACCOUNT_RESERVATIONS_APP_ID, 0), IN(ACCOUNT_RESERVATIONS_RKEY, 1),
            EQ(ACCOUNT_RESERVATIONS_USER_ID, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

static const struct str kinds[] = {
    [ACCOUNT_EMAIL] = {"email", 5},
    [ACCOUNT_PHONE] = {"phone", 5},
    [ACCOUNT_THIRD_PARTY] = {"tparty", 6},
};

void reservations_init(struct reservations *r, struct arena *a)
{
    *r = (struct reservations){.arena = a};
}

static bool holds(const struct reservations *r, struct str key)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(r->list[i].key, key))
            return true;
    return false;
}

/* 0x1f separates: no id or address holds it. */
static void reserve(struct reservations *r, struct str tenant_id, enum account_kind kind,
                    struct str value)
{
    struct str key = str_printf(r->arena, "%.*s\x1f%.*s\x1f%.*s", STR_ARG(tenant_id),
                                STR_ARG(kinds[kind]), STR_ARG(value));
    if (holds(r, key))
        return;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        struct reservation *grown = ARENA_ARRAY(r->arena, struct reservation, r->cap);
        if (r->n)
            memcpy(grown, r->list, r->n * sizeof(*grown));
        r->list = grown;
    }
    r->list[r->n++] = (struct reservation){key, tenant_id, kind};
}

static void reserve_method(struct reservations *r, struct str tenant_id,
                           const struct login_method *m)
{
    if (m->email.p)
        reserve(r, tenant_id, ACCOUNT_EMAIL, m->email);
    if (m->phone.p)
        reserve(r, tenant_id, ACCOUNT_PHONE, m->phone);
    if (m->tp_id.p)
        reserve(r, tenant_id, ACCOUNT_THIRD_PARTY,
                str_printf(r->arena, "%.*s::%.*s", STR_ARG(m->tp_id), STR_ARG(m->tp_user_id)));
}

static int by_key(const void *x, const void *y)
{
    return str_cmp(((const struct reservation *)x)->key, ((const struct reservation *)y)->key);
}

/* Sorted, so that two writers never wait for each other in a circle. */
static void sort(struct reservations *r)
{
    if (r->n)
        qsort(r->list, r->n, sizeof(*r->list), by_key);
}

static void reserve_tenant(struct reservations *r, const struct user *u, struct str tenant_id)
{
    for (size_t m = 0; m < u->nmethods; m++)
        reserve_method(r, tenant_id, &u->methods[m]);
}

void reservations_of(struct reservations *r, struct arena *a, const struct user *u)
{
    reservations_init(r, a);
    for (size_t m = 0; m < u->nmethods; m++)
        for (size_t t = 0; t < u->methods[m].ntenants; t++)
            reserve_tenant(r, u, u->methods[m].tenants[t]);
    sort(r);
}

void reservations_in(struct reservations *r, struct arena *a, const struct user *u,
                     struct str tenant_id)
{
    reservations_init(r, a);
    reserve_tenant(r, u, tenant_id);
    sort(r);
}

/* The keys from `at` on, as many as one call takes. */
static stk_val keys_from(struct arena *a, const struct str *keys, size_t n, size_t at)
{
    return v_strs(a, keys + at, n - at < CHUNK ? n - at : CHUNK);
}

static void put(struct batch *b, struct str app_id, const struct reservation *list, size_t n,
                struct str user_id)
{
    if (n == 0)
        return;
    stk_val *rows = ARENA_ARRAY(b->c->arena, stk_val, n * 5);
    for (size_t i = 0; i < n; i++) {
        const struct reservation *x = &list[i];
        const stk_val row[] = {v_str(app_id), v_str(x->key), v_str(x->tenant_id),
                               v_str(kinds[x->kind]), v_str(user_id)};
        memcpy(rows + i * 5, row, sizeof(row));
    }
    batch_add(b, &q_reservation_put, rows, n * 5);
}

struct reserve_calls batch_reservation_owners(struct batch *b, struct str app_id,
                                              const struct reservations *r)
{
    struct arena *a = b->c->arena;
    struct reserve_calls calls = {ARENA_ARRAY(a, stk_call *, r->n / CHUNK + 1), 0};
    struct str *keys = ARENA_ARRAY(a, struct str, r->n + 1);
    for (size_t i = 0; i < r->n; i++)
        keys[i] = r->list[i].key;
    for (size_t at = 0; at < r->n; at += CHUNK)
        calls.calls[calls.n++] =
            BATCH(b, q_reservation_owners, v_str(app_id), keys_from(a, keys, r->n, at));
    return calls;
}

struct reserve_calls batch_reserve(struct batch *b, struct str app_id, const struct reservations *r,
                                   struct str user_id)
{
    put(b, app_id, r->list, r->n, user_id);
    return batch_reservation_owners(b, app_id, r);
}

void batch_reserve_more(struct batch *b, struct str app_id, const struct reservations *want,
                        const struct reservations *have, struct str user_id)
{
    struct arena *a = b->c->arena;
    struct reservation *more = ARENA_ARRAY(a, struct reservation, want->n + 1);
    struct str *keys = ARENA_ARRAY(a, struct str, want->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < want->n; i++) {
        if (holds(have, want->list[i].key))
            continue;
        more[n] = want->list[i];
        keys[n++] = want->list[i].key;
    }
    put(b, app_id, more, n, user_id);
    for (size_t at = 0; at < n; at += CHUNK) {
        stk_call *mine =
            BATCH(b, q_reservations_mine, v_str(app_id), keys_from(a, keys, n, at), v_str(user_id));
        call_expect_rows(mine, (uint32_t)(n - at < CHUNK ? n - at : CHUNK));
    }
}

static enum account_kind kind_of(struct str name)
{
    for (int k = ACCOUNT_EMAIL; k < ACCOUNT_THIRD_PARTY; k++)
        if (str_eq(kinds[k], name))
            return (enum account_kind)k;
    return ACCOUNT_THIRD_PARTY;
}

struct str reserve_conflict(const struct reserve_calls *calls, struct str user_id,
                            enum account_kind *kind)
{
    struct str owner = STR_NULL;
    for (size_t i = 0; i < calls->n; i++) {
        for (uint32_t r = 0; r < call_rows(calls->calls[i]); r++) {
            const stk_val *row = call_row(calls->calls[i], r);
            enum account_kind k = kind_of(cell_str(row, R_KIND));
            if (str_eq(cell_str(row, R_USER_ID), user_id) || (owner.p && k != ACCOUNT_THIRD_PARTY))
                continue;
            owner = cell_str(row, R_USER_ID);
            *kind = k;
            if (k == ACCOUNT_THIRD_PARTY)
                return owner;
        }
    }
    return owner;
}

void batch_unreserve(struct batch *b, struct str app_id, const struct reservations *have,
                     const struct reservations *keep, struct str user_id)
{
    struct arena *a = b->c->arena;
    struct str *keys = ARENA_ARRAY(a, struct str, have->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < have->n; i++)
        if (!holds(keep, have->list[i].key))
            keys[n++] = have->list[i].key;
    for (size_t at = 0; at < n; at += CHUNK)
        BATCH(b, q_reservation_delete, v_str(app_id), keys_from(a, keys, n, at), v_str(user_id));
}
