/* SPDX-License-Identifier: Apache-2.0 */
/* Reading whole users, and finding who an id names.
 *
 * st_users and st_login_methods by id are reads of their primary keys; the
 * login methods of users and the tenants of their methods are ranges of the
 * keys `user`; an external id is the unique key `external`.  Key `app_email` gives
 * the tenants of a login method that is known by its email only: it has the same
 * email in all of them. */
#include "store/users.h"

#include "store/query.h"

#include <stdlib.h>

/* Elements of one IN list: what every plugin takes. */
enum { CHUNK = 100, CHUNKS_AT_ONCE = 16, TENANTS_MAX = 64, LOOKS = 5 };

enum { U_ID, U_PRIMARY, U_TIME, U_EXTERNAL };
#define USER_COLUMNS OUT(USERS_USER_ID, USERS_IS_PRIMARY, USERS_TIME_JOINED, USERS_EXTERNAL_USER_ID)
QUERY(user_rows, SELECT(USERS), USER_COLUMNS, WHERE(EQ(USERS_APP_ID, 0), IN(USERS_USER_ID, 1)),
      PARAMS(2), NO_LIMIT);
QUERY(user_rows_lock, SELECT(USERS), USER_COLUMNS, WHERE(EQ(USERS_APP_ID, 0), IN(USERS_USER_ID, 1)),
      PARAMS(2), NO_LIMIT, FLAGS(STK_QF_LOCK));

enum {
    L_RECIPE_USER_ID,
    L_USER_ID,
    L_RECIPE,
    L_TIME,
    L_EMAIL,
    L_PHONE,
    L_TP_ID,
    L_TP_USER_ID,
    L_RP_ID,
    L_HASH,
    L_EXTERNAL,
    L_VERIFIED
};
#define LOGIN_COLUMNS                                                                              \
    OUT(LOGIN_METHODS_RECIPE_USER_ID, LOGIN_METHODS_USER_ID, LOGIN_METHODS_RECIPE_ID,              \
        LOGIN_METHODS_TIME_JOINED, LOGIN_METHODS_EMAIL, LOGIN_METHODS_PHONE, LOGIN_METHODS_TP_ID,  \
        LOGIN_METHODS_TP_USER_ID, LOGIN_METHODS_RP_ID, LOGIN_METHODS_PASSWORD_HASH,                \
        LOGIN_METHODS_EXTERNAL_USER_ID, LOGIN_METHODS_VERIFIED)
QUERY(login_row, SELECT(LOGIN_METHODS), LOGIN_COLUMNS,
      WHERE(EQ(LOGIN_METHODS_APP_ID, 0), EQ(LOGIN_METHODS_RECIPE_USER_ID, 1)), PARAMS(2), NO_LIMIT);
QUERY(logins_of_users, SELECT(LOGIN_METHODS), LOGIN_COLUMNS,
      WHERE(EQ(LOGIN_METHODS_APP_ID, 0), IN(LOGIN_METHODS_USER_ID, 1)), PARAMS(2), NO_LIMIT);

enum { T_USER_ID, T_RECIPE_USER_ID, T_TENANT_ID };
QUERY(tenants_of_users, SELECT(USER_TENANTS),
      OUT(USER_TENANTS_USER_ID, USER_TENANTS_RECIPE_USER_ID, USER_TENANTS_TENANT_ID),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), IN(USER_TENANTS_USER_ID, 1)), PARAMS(2), NO_LIMIT);

enum { E_RECIPE_USER_ID, E_TENANT_ID };
QUERY(tenants_of_email, SELECT(USER_TENANTS),
      OUT(USER_TENANTS_RECIPE_USER_ID, USER_TENANTS_TENANT_ID),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_EMAIL, 1), EQ(USER_TENANTS_RECIPE_ID, 2)),
      PARAMS(3), LIMIT(TENANTS_MAX));

enum { M_EXTERNAL, M_USER_ID };
QUERY(mapping_of_external, SELECT(USER_ID_MAPPING),
      OUT(USER_ID_MAPPING_EXTERNAL_USER_ID, USER_ID_MAPPING_SUPERTOKENS_USER_ID),
      WHERE(EQ(USER_ID_MAPPING_APP_ID, 0), EQ(USER_ID_MAPPING_EXTERNAL_USER_ID, 1)), PARAMS(2),
      NO_LIMIT);

/* ---- names of recipes */

static const struct {
    enum recipe_mask mask;
    struct str name;
} recipes[] = {
    {MASK_EMAILPASSWORD, {"emailpassword", 13}},
    {MASK_THIRDPARTY, {"thirdparty", 10}},
    {MASK_PASSWORDLESS, {"passwordless", 12}},
    {MASK_WEBAUTHN, {"webauthn", 8}},
};

struct str recipe_name(enum recipe_mask recipe)
{
    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++)
        if (recipes[i].mask == recipe)
            return recipes[i].name;
    return STR_NULL;
}

int64_t recipe_of_name(struct str name)
{
    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++)
        if (str_eq(recipes[i].name, name))
            return recipes[i].mask;
    return 0;
}

/* ---- what a user is made of */

struct login_method *user_method(const struct user *u, struct str recipe_user_id)
{
    for (size_t i = 0; i < u->nmethods; i++)
        if (str_eq(u->methods[i].recipe_user_id, recipe_user_id))
            return &u->methods[i];
    return NULL;
}

bool login_in_tenant(const struct login_method *m, struct str tenant_id)
{
    for (size_t i = 0; i < m->ntenants; i++)
        if (str_eq(m->tenants[i], tenant_id))
            return true;
    return false;
}

int64_t user_mask(const struct user *u)
{
    int64_t mask = 0;
    for (size_t i = 0; i < u->nmethods; i++)
        mask |= u->methods[i].recipe;
    return mask;
}

int64_t user_tenant_mask(const struct user *u, struct str tenant_id, int64_t *count)
{
    int64_t mask = 0;
    *count = 0;
    for (size_t i = 0; i < u->nmethods; i++) {
        if (!login_in_tenant(&u->methods[i], tenant_id))
            continue;
        mask |= u->methods[i].recipe;
        ++*count;
    }
    return mask;
}

/* ---- reading */

struct login_method login_of_row(const stk_val *row)
{
    return (struct login_method){
        .recipe_user_id = cell_str(row, L_RECIPE_USER_ID),
        .user_id = cell_str(row, L_USER_ID),
        .external_id = cell_str(row, L_EXTERNAL),
        .recipe = (enum recipe_mask)recipe_of_name(cell_str(row, L_RECIPE)),
        .time_joined = cell_i64(row, L_TIME),
        .verified = cell_bool(row, L_VERIFIED),
        .email = cell_str(row, L_EMAIL),
        .phone = cell_str(row, L_PHONE),
        .tp_id = cell_str(row, L_TP_ID),
        .tp_user_id = cell_str(row, L_TP_USER_ID),
        .rp_id = cell_str(row, L_RP_ID),
        .password_hash = cell_str(row, L_HASH),
    };
}

void batch_users(struct batch *b, struct str app_id, const struct str *ids, size_t n, bool lock,
                 struct users_calls *calls)
{
    struct arena *a = b->c->arena;
    *calls = (struct users_calls){app_id, ids, n, (n + CHUNK - 1) / CHUNK, NULL};
    calls->calls = ARENA_ARRAY(a, stk_call *, calls->nchunks * 3 + 1);
    for (size_t i = 0; i < calls->nchunks; i++) {
        size_t from = i * CHUNK, left = n - from;
        stk_val list = v_strs(a, ids + from, left < CHUNK ? left : CHUNK);
        stk_call **three = calls->calls + i * 3;
        three[0] = lock ? BATCH(b, q_user_rows_lock, v_str(app_id), list)
                        : BATCH(b, q_user_rows, v_str(app_id), list);
        three[1] = BATCH(b, q_logins_of_users, v_str(app_id), list);
        three[2] = BATCH(b, q_tenants_of_users, v_str(app_id), list);
    }
}

/* Rows of a call whose id is in column `col`, in the order of that id. */
struct sorted {
    const stk_val **rows;
    size_t n;
    unsigned col;
};

static int by_id(const void *x, const void *y, void *col)
{
    const stk_val *a = *(const stk_val *const *)x, *b = *(const stk_val *const *)y;
    return str_cmp(cell_str(a, *(unsigned *)col), cell_str(b, *(unsigned *)col));
}

static struct sorted sort_rows(struct arena *a, const stk_call *call, unsigned col)
{
    struct sorted s = {ARENA_ARRAY(a, const stk_val *, call_rows(call) + 1), call_rows(call), col};
    for (uint32_t i = 0; i < s.n; i++)
        s.rows[i] = call_row(call, i);
    qsort_r(s.rows, s.n, sizeof(*s.rows), by_id, &s.col);
    return s;
}

/* The first of the rows with this id, and how many follow it. */
static const stk_val **find_rows(const struct sorted *s, struct str id, size_t *n)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(cell_str(s->rows[mid], s->col), id) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    size_t end = lo;
    while (end < s->n && str_eq(cell_str(s->rows[end], s->col), id))
        end++;
    *n = end - lo;
    return s->rows + lo;
}

static int by_age(const void *x, const void *y)
{
    const struct login_method *a = x, *b = y;
    if (a->time_joined != b->time_joined)
        return a->time_joined < b->time_joined ? -1 : 1;
    return str_cmp(a->recipe_user_id, b->recipe_user_id);
}

static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

/* rows: the tenants of all methods of the user. */
static void take_tenants(struct arena *a, struct user *u, const stk_val **rows, size_t n)
{
    for (size_t i = 0; i < u->nmethods; i++) {
        struct login_method *m = &u->methods[i];
        m->tenants = ARENA_ARRAY(a, struct str, n + 1);
        for (size_t k = 0; k < n; k++)
            if (str_eq(cell_str(rows[k], T_RECIPE_USER_ID), m->recipe_user_id))
                m->tenants[m->ntenants++] = cell_str(rows[k], T_TENANT_ID);
        qsort(m->tenants, m->ntenants, sizeof(*m->tenants), by_text);
    }
}

void users_calls_take(struct arena *a, const struct users_calls *calls, struct user *out)
{
    for (size_t i = 0; i < calls->nchunks; i++) {
        stk_call **three = calls->calls + i * 3;
        struct sorted users = sort_rows(a, three[0], U_ID);
        struct sorted logins = sort_rows(a, three[1], L_USER_ID);
        struct sorted tenants = sort_rows(a, three[2], T_USER_ID);
        for (size_t k = i * CHUNK; k < calls->n && k < (i + 1) * CHUNK; k++) {
            struct user *u = &out[k];
            size_t n;
            *u = (struct user){.id = STR_NULL};
            const stk_val **rows = find_rows(&users, calls->ids[k], &n);
            if (n == 0)
                continue;
            u->id = cell_str(rows[0], U_ID);
            u->is_primary = cell_bool(rows[0], U_PRIMARY);
            u->time_joined = cell_i64(rows[0], U_TIME);
            u->external_id = cell_str(rows[0], U_EXTERNAL);
            rows = find_rows(&logins, u->id, &u->nmethods);
            u->methods = ARENA_ARRAY(a, struct login_method, u->nmethods + 1);
            for (size_t m = 0; m < u->nmethods; m++)
                u->methods[m] = login_of_row(rows[m]);
            qsort(u->methods, u->nmethods, sizeof(*u->methods), by_age);
            rows = find_rows(&tenants, u->id, &n);
            take_tenants(a, u, rows, n);
        }
    }
}

int users_load(struct ctx *c, struct storage *s, struct str app_id, const struct str *ids, size_t n,
               struct user *out)
{
    for (size_t at = 0; at < n; at += CHUNK * CHUNKS_AT_ONCE) {
        size_t some = n - at < CHUNK * CHUNKS_AT_ONCE ? n - at : CHUNK * CHUNKS_AT_ONCE;
        struct batch b;
        struct users_calls calls;
        batch_init(&b, c);
        batch_users(&b, app_id, ids + at, some, false, &calls);
        int rc = storage_read(c, s, &b);
        if (rc != RC_OK)
            return rc;
        users_calls_take(c->arena, &calls, out + at);
    }
    return RC_OK;
}

struct email_tenants batch_email_tenants(struct batch *b, struct str app_id, struct str email,
                                         enum recipe_mask recipe)
{
    return (struct email_tenants){
        BATCH(b, q_tenants_of_email, v_str(app_id), v_str(email), v_str(recipe_name(recipe)))};
}

bool email_tenants_take(struct arena *a, const struct email_tenants *t, struct login_method *m)
{
    uint32_t n = call_rows(t->call);
    if (n >= TENANTS_MAX)
        return false;
    m->tenants = ARENA_ARRAY(a, struct str, n + 1);
    for (uint32_t i = 0; i < n; i++)
        if (str_eq(cell_str(call_row(t->call, i), E_RECIPE_USER_ID), m->recipe_user_id))
            m->tenants[m->ntenants++] = cell_str(call_row(t->call, i), E_TENANT_ID);
    qsort(m->tenants, m->ntenants, sizeof(*m->tenants), by_text);
    return true;
}

/* ---- finding */

stk_call *batch_mapping_of_external(struct batch *b, struct str app_id, struct str external_id)
{
    return BATCH(b, q_mapping_of_external, v_str(app_id), v_str(external_id));
}

struct str mapped_user(const stk_call *mapping)
{
    return call_rows(mapping) ? cell_str(call_row(mapping, 0), M_USER_ID) : STR_NULL;
}

stk_call *batch_login_row(struct batch *b, struct str app_id, struct str recipe_user_id)
{
    return BATCH(b, q_login_row, v_str(app_id), v_str(recipe_user_id));
}

/* Ids of other lengths name nobody: no column could hold them. */
static bool may_be_id(struct str id)
{
    return id.len > 0 && id.len <= 512 && str_utf8(id);
}

/* One look: the user called id, the login method called id, the id mapped to. */
struct look {
    struct user user;
    struct str visible_id; /* of the login method */
    struct str method_external, mapped_to;
    bool is_method;
};

static int look_up(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                   struct look *l)
{
    struct batch b;
    struct users_calls calls;
    batch_init(&b, c);
    batch_users(&b, app_id, &id, 1, false, &calls);
    stk_call *login = batch_login_row(&b, app_id, id);
    stk_call *mapping = batch_mapping_of_external(&b, app_id, id);
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    *l = (struct look){.visible_id = STR_NULL};
    users_calls_take(c->arena, &calls, &l->user);
    l->is_method = call_rows(login) > 0;
    if (l->is_method) {
        l->visible_id = cell_str(call_row(login, 0), L_USER_ID);
        l->method_external = cell_str(call_row(login, 0), L_EXTERNAL);
    }
    l->mapped_to = mapped_user(mapping);
    return RC_OK;
}

static int find_once(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                     struct user_ref *ref, bool *is_method)
{
    struct look l;
    int rc = look_up(c, s, app_id, id, &l);
    if (rc != RC_OK)
        return rc;
    *ref = (struct user_ref){.exists = l.user.id.p || l.is_method, .mapped = l.mapped_to.p};
    /* An id may be somebody's own and another's external one; then it means the
     * other, unless its owner has an external id too. */
    bool own = ref->exists && (l.user.external_id.p || l.method_external.p || !ref->mapped);
    *is_method = false;
    if (!own && !ref->mapped)
        return RC_OK;
    ref->recipe_user_id = own ? id : l.mapped_to;
    if (!own) {
        rc = look_up(c, s, app_id, l.mapped_to, &l);
        if (rc != RC_OK)
            return rc;
    }
    *is_method = l.is_method;
    if (l.is_method && !str_eq(l.user.id, l.visible_id))
        return users_load(c, s, app_id, &l.visible_id, 1, &ref->user);
    ref->user = l.user;
    return RC_OK;
}

int users_find(struct ctx *c, struct storage *s, struct str app_id, struct str id,
               struct user_ref *ref)
{
    *ref = (struct user_ref){.recipe_user_id = STR_NULL};
    if (!may_be_id(id))
        return RC_OK;
    /* The reads are no snapshot: a login method that is being linked or unlinked
     * may be missing from the user that was read before or after it. */
    for (int i = 0; i < LOOKS; i++) {
        bool is_method;
        int rc = find_once(c, s, app_id, id, ref, &is_method);
        if (rc != RC_OK || !is_method || user_method(&ref->user, ref->recipe_user_id))
            return rc;
    }
    return RC_OK;
}
