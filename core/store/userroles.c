/* SPDX-License-Identifier: Apache-2.0 */
/* Roles; see userroles.h.  Single rows by primary key.  Lists are ranges of a key
 * that ends with the name listed: the primary ones (roles, permissions of a role,
 * roles of a user), `permission` (roles of a permission), `role` (users of a role
 * in a tenant).  Deletes: of a role key `app_role`, of a user key `user`. */
#include "store/userroles.h"

#include "store/query.h"

#include <string.h>

enum { PAGE = 1000, DELETE_ROWS = 1000 };
/* A hundred is what a list of any plugin may hold, 64 what a batch may. */
enum { LIST_ROWS = 100, BATCH_CALLS = 32 };

#define ROLE_IS(first) EQ(ROLES_APP_ID, first), EQ(ROLES_ROLE, (first) + 1)
#define PERMISSIONS_OF(first)                                                                      \
    EQ(ROLE_PERMISSIONS_APP_ID, first), EQ(ROLE_PERMISSIONS_ROLE, (first) + 1)
#define USER_ROLE_IS                                                                               \
    EQ(USER_ROLES_APP_ID, 0), EQ(USER_ROLES_TENANT_ID, 1), EQ(USER_ROLES_USER_ID, 2),              \
        EQ(USER_ROLES_ROLE, 3)

QUERY(role_get, SELECT(ROLES), OUT(ROLES_CREATED_AT), WHERE(ROLE_IS(0)), PARAMS(2), NO_LIMIT);
QUERY(role_insert, INSERT(ROLES),
      SETS(PUT(ROLES_APP_ID, 0), PUT(ROLES_ROLE, 1), PUT(ROLES_CREATED_AT, 2)), PARAMS(3));
/* Moves the time by a millisecond: no database takes that for nothing to write. */
QUERY(role_hold, UPDATE(ROLES), SETS(INC(ROLES_CREATED_AT, 0)), WHERE(ROLE_IS(1)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(role_delete, DELETE(ROLES), WHERE(ROLE_IS(0)), PARAMS(2), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(roles_existing, SELECT(ROLES), OUT(ROLES_ROLE), WHERE(EQ(ROLES_APP_ID, 0), IN(ROLES_ROLE, 1)),
      PARAMS(2), NO_LIMIT);

QUERY(role_permissions_insert, INSERT(ROLE_PERMISSIONS),
      SETS(PUT(ROLE_PERMISSIONS_APP_ID, 0), PUT(ROLE_PERMISSIONS_ROLE, 1),
           PUT(ROLE_PERMISSIONS_PERMISSION, 2)),
      PARAMS(3), FLAGS(STK_QF_IF_ABSENT | STK_QF_IDEMPOTENT));
QUERY(role_permissions_delete, DELETE(ROLE_PERMISSIONS),
      WHERE(PERMISSIONS_OF(0), IN(ROLE_PERMISSIONS_PERMISSION, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(role_permissions_clear, DELETE(ROLE_PERMISSIONS), WHERE(PERMISSIONS_OF(0)), PARAMS(2),
      LIMIT(DELETE_ROWS), FLAGS(STK_QF_IDEMPOTENT));

QUERY(user_role_insert, INSERT(USER_ROLES),
      SETS(PUT(USER_ROLES_APP_ID, 0), PUT(USER_ROLES_TENANT_ID, 1), PUT(USER_ROLES_USER_ID, 2),
           PUT(USER_ROLES_ROLE, 3)),
      PARAMS(4));
QUERY(user_role_get, SELECT(USER_ROLES), OUT(USER_ROLES_ROLE), WHERE(USER_ROLE_IS), PARAMS(4),
      NO_LIMIT);
QUERY(user_role_delete, DELETE(USER_ROLES), WHERE(USER_ROLE_IS), PARAMS(4), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_roles_of_role_delete, DELETE(USER_ROLES),
      WHERE(EQ(USER_ROLES_APP_ID, 0), EQ(USER_ROLES_ROLE, 1)), PARAMS(2), LIMIT(DELETE_ROWS),
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_roles_of_id_delete, DELETE(USER_ROLES),
      WHERE(EQ(USER_ROLES_APP_ID, 0), EQ(USER_ROLES_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_roles_of_id_in_tenant_delete, DELETE(USER_ROLES),
      WHERE(EQ(USER_ROLES_APP_ID, 0), EQ(USER_ROLES_TENANT_ID, 1), EQ(USER_ROLES_USER_ID, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

/* ---- lists: each page begins with the last name of the one before */

QUERY(roles_page, SELECT(ROLES), OUT(ROLES_ROLE), WHERE(EQ(ROLES_APP_ID, 0), KEYSET),
      ORDER(ASC(ROLES_ROLE)), KEYSET_FROM(0, 1, ROLES_ROLE), PARAMS(2), LIMIT(PAGE));
QUERY(role_permissions_page, SELECT(ROLE_PERMISSIONS), OUT(ROLE_PERMISSIONS_PERMISSION),
      WHERE(PERMISSIONS_OF(0), KEYSET), ORDER(ASC(ROLE_PERMISSIONS_PERMISSION)),
      KEYSET_FROM(0, 2, ROLE_PERMISSIONS_PERMISSION), PARAMS(3), LIMIT(PAGE));
QUERY(permission_roles_page, SELECT(ROLE_PERMISSIONS), OUT(ROLE_PERMISSIONS_ROLE),
      WHERE(EQ(ROLE_PERMISSIONS_APP_ID, 0), EQ(ROLE_PERMISSIONS_PERMISSION, 1), KEYSET),
      ORDER(ASC(ROLE_PERMISSIONS_ROLE)), KEYSET_FROM(0, 2, ROLE_PERMISSIONS_ROLE), PARAMS(3),
      LIMIT(PAGE));
QUERY(user_roles_page, SELECT(USER_ROLES), OUT(USER_ROLES_ROLE),
      WHERE(EQ(USER_ROLES_APP_ID, 0), EQ(USER_ROLES_TENANT_ID, 1), EQ(USER_ROLES_USER_ID, 2),
            KEYSET),
      ORDER(ASC(USER_ROLES_ROLE)), KEYSET_FROM(0, 3, USER_ROLES_ROLE), PARAMS(4), LIMIT(PAGE));
QUERY(role_users_page, SELECT(USER_ROLES), OUT(USER_ROLES_USER_ID),
      WHERE(EQ(USER_ROLES_APP_ID, 0), EQ(USER_ROLES_TENANT_ID, 1), EQ(USER_ROLES_ROLE, 2), KEYSET),
      ORDER(ASC(USER_ROLES_USER_ID)), KEYSET_FROM(0, 3, USER_ROLES_USER_ID), PARAMS(4),
      LIMIT(PAGE));

struct list {
    const stk_query *query;
    stk_val params[4]; /* the last one: where the page begins */
    stk_call *call;
    struct names *out;
};

static struct list list_of(const stk_query *q, struct names *out, struct str a, struct str b,
                           struct str c)
{
    struct list l = {.query = q, .params = {v_str(a), v_str(b), v_str(c)}, .out = out};
    l.params[q->nparams - 1] = v_str(STR(""));
    *out = (struct names){0};
    return l;
}

static void list_add(struct batch *b, struct list *l)
{
    l->call = batch_add(b, l->query, l->params, l->query->nparams);
}

/* After that batch; whether there may be another page. */
static bool list_take(struct arena *a, struct list *l)
{
    struct names *out = l->out;
    uint32_t rows = call_rows(l->call);
    if (out->n + rows > out->cap) {
        size_t cap = 2 * out->cap + rows;
        struct str *grown = ARENA_ARRAY(a, struct str, cap);
        if (out->n)
            memcpy(grown, out->list, out->n * sizeof(*grown));
        out->list = grown;
        out->cap = cap;
    }
    for (uint32_t i = 0; i < rows; i++) {
        struct str name = cell_str(call_row(l->call, i), 0);
        if (i > 0 || out->n == 0 || !str_eq(name, out->list[out->n - 1]))
            out->list[out->n++] = name;
    }
    if (rows < PAGE)
        return false;
    l->params[l->query->nparams - 1] = v_str(out->list[out->n - 1]);
    return true;
}

/* The pages that are left, or all. */
static int list_rest(struct ctx *c, struct storage *s, struct list *l)
{
    do {
        struct batch b;
        batch_init(&b, c);
        list_add(&b, l);
        int rc = storage_read(c, s, &b);
        if (rc != RC_OK)
            return rc;
    } while (list_take(c->arena, l));
    return RC_OK;
}

/* The list, and in the same round trip whether the role exists. */
static int list_with_role(struct ctx *c, struct storage *s, struct str app_id, struct str role,
                          bool *exists, struct list *l)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *get = batch_role(&b, app_id, role);
    list_add(&b, l);
    int rc = storage_read(c, s, &b);
    *exists = rc == RC_OK && call_rows(get) > 0;
    return *exists && list_take(c->arena, l) ? list_rest(c, s, l) : rc;
}

/* ---- roles */

stk_call *batch_role(struct batch *b, struct str app_id, struct str role)
{
    return BATCH(b, q_role_get, v_str(app_id), v_str(role));
}

int role_exists(struct ctx *c, struct storage *s, struct str app_id, struct str role, bool *exists,
                int64_t *created_at)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *get = batch_role(&b, app_id, role);
    int rc = storage_read(c, s, &b);
    *exists = rc == RC_OK && call_rows(get) > 0;
    *created_at = *exists ? cell_i64(call_row(get, 0), 0) : 0;
    return rc;
}

static bool found_in(const struct batch *b, struct str name)
{
    for (uint32_t i = 0; i < b->n; i++)
        for (uint32_t r = 0; r < call_rows(b->calls[i]); r++)
            if (str_eq(name, cell_str(call_row(b->calls[i], r), 0)))
                return true;
    return false;
}

int roles_existing(struct ctx *c, struct storage *s, struct str app_id, struct names *list)
{
    size_t step = storage_max_in(s), kept = 0;
    step = step < PAGE ? step : PAGE;
    for (size_t i = 0; i < list->n; i += step) {
        size_t n = list->n - i < step ? list->n - i : step;
        struct batch b;
        batch_init(&b, c);
        BATCH(&b, q_roles_existing, v_str(app_id), v_strs(c->arena, list->list + i, n));
        int rc = storage_read(c, s, &b);
        if (rc != RC_OK)
            return rc;
        for (size_t k = i; k < i + n; k++)
            if (call_rows(b.calls[0]) == n || found_in(&b, list->list[k]))
                list->list[kept++] = list->list[k];
    }
    list->n = kept;
    return RC_OK;
}

int roles_list(struct ctx *c, struct storage *s, struct str app_id, struct names *out)
{
    struct list l = list_of(&q_roles_page, out, app_id, STR_NULL, STR_NULL);
    return list_rest(c, s, &l);
}

void batch_role_create(struct batch *b, struct str app_id, struct str role, int64_t now)
{
    BATCH(b, q_role_insert, v_str(app_id), v_str(role), v_i64(now));
    batch_user_roles_of_role_delete(b, app_id, role);
}

void batch_role_hold(struct batch *b, struct str app_id, struct str role)
{
    call_expect_affected(BATCH(b, q_role_hold, v_i64(1), v_str(app_id), v_str(role)), 1);
}

int role_delete(struct txn *t, struct str app_id, struct str role, bool *existed)
{
    struct batch b;
    batch_init(&b, txn_ctx(t));
    stk_call *row = BATCH(&b, q_role_delete, v_str(app_id), v_str(role));
    stk_call *some = BATCH(&b, q_role_permissions_clear, v_str(app_id), v_str(role));
    int rc = txn_exec(t, &b);
    *existed = rc == RC_OK && call_affected(row) > 0;
    while (rc == RC_OK && call_affected(some) >= DELETE_ROWS) {
        batch_init(&b, txn_ctx(t));
        some = BATCH(&b, q_role_permissions_clear, v_str(app_id), v_str(role));
        rc = txn_exec(t, &b);
    }
    return rc;
}

/* ---- permissions */

static void add_some(struct batch *b, struct str app_id, struct str role, const struct str *list,
                     size_t n)
{
    stk_val *values = ARENA_ARRAY(b->c->arena, stk_val, 3 * n);
    for (size_t i = 0; i < n; i++) {
        values[3 * i] = v_str(app_id);
        values[3 * i + 1] = v_str(role);
        values[3 * i + 2] = v_str(list[i]);
    }
    batch_add(b, &q_role_permissions_insert, values, 3 * n);
}

int role_permissions_commit(struct txn *t, struct batch *b, struct str app_id, struct str role,
                            const struct names *permissions, bool add)
{
    for (size_t i = 0; i < permissions->n; i += LIST_ROWS) {
        const struct str *list = permissions->list + i;
        size_t n = permissions->n - i < LIST_ROWS ? permissions->n - i : LIST_ROWS;
        if (b->n >= BATCH_CALLS) {
            int rc = txn_exec(t, b);
            if (rc != RC_OK)
                return rc;
            batch_init(b, txn_ctx(t));
        }
        if (add)
            add_some(b, app_id, role, list, n);
        else
            BATCH(b, q_role_permissions_delete, v_str(app_id), v_str(role),
                  v_strs(b->c->arena, list, n));
    }
    return txn_commit(t, b);
}

int role_permissions_clear(struct ctx *c, struct storage *s, struct str app_id, struct str role,
                           bool *exists)
{
    uint64_t n = DELETE_ROWS;
    *exists = true;
    while (n >= DELETE_ROWS && *exists) {
        struct batch b;
        batch_init(&b, c);
        stk_call *get = batch_role(&b, app_id, role);
        stk_call *gone = BATCH(&b, q_role_permissions_clear, v_str(app_id), v_str(role));
        int rc = storage_write(c, s, &b, NULL, NULL);
        if (rc != RC_OK)
            return rc;
        *exists = call_rows(get) > 0;
        n = call_affected(gone);
    }
    return RC_OK;
}

int role_permissions(struct ctx *c, struct storage *s, struct str app_id, struct str role,
                     bool *exists, struct names *out)
{
    struct list l = list_of(&q_role_permissions_page, out, app_id, role, STR_NULL);
    return list_with_role(c, s, app_id, role, exists, &l);
}

int permission_roles(struct ctx *c, struct storage *s, struct str app_id, struct str permission,
                     struct names *out)
{
    struct list l = list_of(&q_permission_roles_page, out, app_id, permission, STR_NULL);
    return list_rest(c, s, &l);
}

/* ---- who has them */

#define USER_ROLE(r)                                                                               \
    v_str((r)->app_id), v_str((r)->tenant_id), v_str((r)->user_id), v_str((r)->role)

void batch_user_role_insert(struct batch *b, const struct user_role *r)
{
    BATCH(b, q_user_role_insert, USER_ROLE(r));
}

stk_call *batch_user_role_delete(struct batch *b, const struct user_role *r)
{
    return BATCH(b, q_user_role_delete, USER_ROLE(r));
}

int user_role_exists(struct ctx *c, struct storage *s, const struct user_role *r, bool *exists)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *get = BATCH(&b, q_user_role_get, USER_ROLE(r));
    int rc = storage_read(c, s, &b);
    *exists = rc == RC_OK && call_rows(get) > 0;
    return rc;
}

int user_roles(struct ctx *c, struct storage *s, const struct user_role *of, struct names *out)
{
    struct list l = list_of(&q_user_roles_page, out, of->app_id, of->tenant_id, of->user_id);
    return list_rest(c, s, &l);
}

int role_users(struct ctx *c, struct storage *s, const struct user_role *of, bool with_role,
               bool *exists, struct names *out)
{
    struct list l = list_of(&q_role_users_page, out, of->app_id, of->tenant_id, of->role);
    return with_role ? list_with_role(c, s, of->app_id, of->role, exists, &l) : list_rest(c, s, &l);
}

stk_call *batch_user_roles_of_role_delete(struct batch *b, struct str app_id, struct str role)
{
    return BATCH(b, q_user_roles_of_role_delete, v_str(app_id), v_str(role));
}

int user_roles_of_role_delete(struct ctx *c, struct storage *s, struct str app_id, struct str role)
{
    uint64_t n = DELETE_ROWS;
    while (n >= DELETE_ROWS) {
        struct batch b;
        batch_init(&b, c);
        stk_call *gone = batch_user_roles_of_role_delete(&b, app_id, role);
        int rc = storage_write(c, s, &b, NULL, NULL);
        if (rc != RC_OK)
            return rc;
        n = call_affected(gone);
    }
    return RC_OK;
}

void batch_user_roles_delete(struct batch *b, struct str app_id, struct str user_id)
{
    BATCH(b, q_user_roles_of_id_delete, v_str(app_id), v_str(user_id));
}

void batch_user_roles_leave(struct batch *b, struct str app_id, struct str tenant_id,
                            struct str user_id)
{
    BATCH(b, q_user_roles_of_id_in_tenant_delete, v_str(app_id), v_str(tenant_id), v_str(user_id));
}
