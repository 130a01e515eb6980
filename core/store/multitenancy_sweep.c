/* SPDX-License-Identifier: Apache-2.0 */
/* Removing the rows of a deleted tenant or app, in batches.  Every delete is a
 * range of a key led by (app_id, tenant_id) or (app_id); a pending sweep is a
 * row of st_jobs named "sweep/<app>/<tenant>", listed by a prefix of its key. */
#include "store/multitenancy.h"

#include "base/clock.h"
#include "store/query.h"

#define DELETING STR("deleting")
#define NAME_PREFIX STR("sweep/")

enum { SWEEP_ROWS = 1000, SWEEP_LIST = 1000 };

QUERY(tenant_deleting, UPDATE(TENANTS), SETS(PUT(TENANTS_STATE, 0), INC(TENANTS_ROW_VER, 1)),
      WHERE(EQ(TENANTS_APP_ID, 2), EQ(TENANTS_TENANT_ID, 3)), PARAMS(4), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(app_deleting, UPDATE(APPS), SETS(PUT(APPS_STATE, 0)), WHERE(EQ(APPS_APP_ID, 1)), PARAMS(2),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(tenant_remove, DELETE(TENANTS),
      WHERE(EQ(TENANTS_APP_ID, 0), EQ(TENANTS_TENANT_ID, 1), EQ(TENANTS_STATE, 2)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(app_remove, DELETE(APPS), WHERE(EQ(APPS_APP_ID, 0), EQ(APPS_STATE, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

QUERY(sweep_put, UPSERT(JOBS),
      SETS(PUT(JOBS_NAME, 0), PUT(JOBS_OWNER, 1), PUT(JOBS_LEASE_UNTIL, 2), PUT(JOBS_LAST_RUN, 3)),
      PARAMS(4), FLAGS(STK_QF_IDEMPOTENT));
QUERY(sweep_list, SELECT(JOBS), OUT(JOBS_NAME, JOBS_LEASE_UNTIL, JOBS_LAST_RUN),
      WHERE(PREFIX(JOBS_NAME, 0)), ORDER(ASC(JOBS_NAME)), PARAMS(1), LIMIT(SWEEP_LIST));
QUERY(sweep_named, SELECT(JOBS), OUT(JOBS_NAME, JOBS_LEASE_UNTIL, JOBS_LAST_RUN),
      WHERE(IN(JOBS_NAME, 0)), PARAMS(1), NO_LIMIT);
QUERY(sweep_claim, UPDATE(JOBS), SETS(PUT(JOBS_LEASE_UNTIL, 0), PUT(JOBS_LAST_RUN, 1)),
      WHERE(EQ(JOBS_NAME, 2), EQ(JOBS_LEASE_UNTIL, 3), EQ(JOBS_LAST_RUN, 4)), PARAMS(5), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(sweep_done, DELETE(JOBS), WHERE(EQ(JOBS_NAME, 0)), PARAMS(1), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

/* First in every batch of a sweep: a tenant or app that was made anew meanwhile
 * must not lose rows, and writing its row keeps its makers out till commit. */
QUERY(sweep_hold_tenant, UPDATE(TENANTS), SETS(INC(TENANTS_ROW_VER, 0)),
      WHERE(EQ(TENANTS_APP_ID, 1), EQ(TENANTS_TENANT_ID, 2), EQ(TENANTS_STATE, 3)), PARAMS(4),
      NO_LIMIT);
QUERY(sweep_hold_app, UPDATE(APPS), SETS(PUT(APPS_STATE, 0)),
      WHERE(EQ(APPS_APP_ID, 1), EQ(APPS_STATE, 2)), PARAMS(3), NO_LIMIT);

#define TENANT_SWEEP(name, TABLE)                                                                  \
    QUERY(sweep_tenant_##name, DELETE(TABLE),                                                      \
          WHERE(EQ(TABLE##_APP_ID, 0), EQ(TABLE##_TENANT_ID, 1)), PARAMS(2), LIMIT(SWEEP_ROWS),    \
          FLAGS(STK_QF_IDEMPOTENT))
#define APP_SWEEP(name, TABLE)                                                                     \
    QUERY(sweep_app_##name, DELETE(TABLE), WHERE(EQ(TABLE##_APP_ID, 0)), PARAMS(1),                \
          LIMIT(SWEEP_ROWS), FLAGS(STK_QF_IDEMPOTENT))

TENANT_SWEEP(user_tenants, USER_TENANTS);
TENANT_SWEEP(tenant_users, TENANT_USERS);
TENANT_SWEEP(account_reservations, ACCOUNT_RESERVATIONS);
TENANT_SWEEP(user_counters, USER_COUNTERS);
TENANT_SWEEP(sessions, SESSIONS);
TENANT_SWEEP(key_value, KEY_VALUE);
TENANT_SWEEP(email_verification_tokens, EMAIL_VERIFICATION_TOKENS);
TENANT_SWEEP(passwordless_devices, PASSWORDLESS_DEVICES);
TENANT_SWEEP(passwordless_codes, PASSWORDLESS_CODES);
TENANT_SWEEP(user_roles, USER_ROLES);
TENANT_SWEEP(totp_used_codes, TOTP_USED_CODES);

APP_SWEEP(user_tenants, USER_TENANTS);
APP_SWEEP(tenant_users, TENANT_USERS);
APP_SWEEP(account_reservations, ACCOUNT_RESERVATIONS);
APP_SWEEP(user_counters, USER_COUNTERS);
APP_SWEEP(sessions, SESSIONS);
APP_SWEEP(key_value, KEY_VALUE);
APP_SWEEP(login_methods, LOGIN_METHODS);
APP_SWEEP(users, USERS);
APP_SWEEP(user_id_mapping, USER_ID_MAPPING);
APP_SWEEP(user_last_active, USER_LAST_ACTIVE);
APP_SWEEP(password_reset_tokens, PASSWORD_RESET_TOKENS);
APP_SWEEP(email_verification_tokens, EMAIL_VERIFICATION_TOKENS);
APP_SWEEP(passwordless_devices, PASSWORDLESS_DEVICES);
APP_SWEEP(passwordless_codes, PASSWORDLESS_CODES);
APP_SWEEP(user_roles, USER_ROLES);
APP_SWEEP(totp_used_codes, TOTP_USED_CODES);
APP_SWEEP(email_verified, EMAIL_VERIFIED);
APP_SWEEP(user_metadata, USER_METADATA);
APP_SWEEP(roles, ROLES);
APP_SWEEP(role_permissions, ROLE_PERMISSIONS);
APP_SWEEP(totp_users, TOTP_USERS);
APP_SWEEP(totp_devices, TOTP_DEVICES);
APP_SWEEP(dashboard_users, DASHBOARD_USERS);
APP_SWEEP(dashboard_sessions, DASHBOARD_SESSIONS);
APP_SWEEP(signing_keys, SIGNING_KEYS);
APP_SWEEP(locks, LOCKS);
APP_SWEEP(tenants, TENANTS);

static const stk_query *const tenant_queries[] = {
    &q_sweep_tenant_user_tenants,
    &q_sweep_tenant_tenant_users,
    &q_sweep_tenant_account_reservations,
    &q_sweep_tenant_user_counters,
    &q_sweep_tenant_sessions,
    &q_sweep_tenant_key_value,
    &q_sweep_tenant_email_verification_tokens,
    &q_sweep_tenant_passwordless_devices,
    &q_sweep_tenant_passwordless_codes,
    &q_sweep_tenant_user_roles,
    &q_sweep_tenant_totp_used_codes,
};

static const stk_query *const app_queries[] = {
    &q_sweep_app_user_tenants,
    &q_sweep_app_tenant_users,
    &q_sweep_app_account_reservations,
    &q_sweep_app_user_counters,
    &q_sweep_app_sessions,
    &q_sweep_app_key_value,
    &q_sweep_app_login_methods,
    &q_sweep_app_users,
    &q_sweep_app_user_id_mapping,
    &q_sweep_app_user_last_active,
    &q_sweep_app_password_reset_tokens,
    &q_sweep_app_email_verification_tokens,
    &q_sweep_app_passwordless_devices,
    &q_sweep_app_passwordless_codes,
    &q_sweep_app_user_roles,
    &q_sweep_app_totp_used_codes,
    &q_sweep_app_email_verified,
    &q_sweep_app_user_metadata,
    &q_sweep_app_roles,
    &q_sweep_app_role_permissions,
    &q_sweep_app_totp_users,
    &q_sweep_app_totp_devices,
    &q_sweep_app_dashboard_users,
    &q_sweep_app_dashboard_sessions,
    &q_sweep_app_signing_keys,
    &q_sweep_app_locks,
    &q_sweep_app_tenants,
};

struct str sweep_name(struct arena *a, struct str app_id, struct str tenant_id)
{
    return str_printf(a, "sweep/%.*s/%.*s", STR_ARG(app_id), STR_ARG(tenant_id));
}

int multitenancy_mark_deleting(struct ctx *c, struct storage *s, struct str app_id,
                               struct str tenant_id)
{
    struct batch b;
    batch_init(&b, c);
    if (tenant_id.p) {
        BATCH(&b, q_tenant_deleting, v_str(DELETING), v_i64(1), v_str(app_id), v_str(tenant_id));
    } else {
        BATCH(&b, q_app_deleting, v_str(DELETING), v_str(app_id));
        BATCH(&b, q_tenant_deleting, v_str(DELETING), v_i64(1), v_str(app_id), v_str(PUBLIC_ID));
    }
    BATCH(&b, q_sweep_put, v_str(sweep_name(c->arena, app_id, tenant_id)), v_str(STR("")),
          v_i64(clock_ms()), v_i64(0));
    return storage_write(c, s, &b, NULL, NULL);
}

static void parse_name(struct str name, struct sweep *w)
{
    struct str rest = str_sub(name, NAME_PREFIX.len, name.len);
    ptrdiff_t slash = str_find(rest, '/');
    size_t at = slash < 0 ? rest.len : (size_t)slash;
    w->name = name;
    w->app_id = str_sub(rest, 0, at);
    w->tenant_id = at + 1 < rest.len ? str_sub(rest, at + 1, rest.len) : STR_NULL;
}

static int read_sweeps(struct ctx *c, struct storage *s, struct batch *b, struct sweep **list,
                       size_t *n)
{
    int rc = storage_read(c, s, b);
    if (rc != RC_OK)
        return rc;
    const stk_call *rows = b->calls[0];
    *n = call_rows(rows);
    *list = ARENA_ARRAY(c->arena, struct sweep, *n);
    for (uint32_t i = 0; i < *n; i++) {
        const stk_val *row = call_row(rows, i);
        parse_name(cell_str(row, 0), &(*list)[i]);
        (*list)[i].due = cell_i64(row, 1);
        (*list)[i].passes = cell_i64(row, 2);
    }
    return RC_OK;
}

int multitenancy_sweeps(struct ctx *c, struct storage *s, struct sweep **list, size_t *n)
{
    struct batch b;
    batch_init(&b, c);
    BATCH(&b, q_sweep_list, v_str(NAME_PREFIX));
    return read_sweeps(c, s, &b, list, n);
}

int multitenancy_sweeps_of(struct ctx *c, struct storage *s, struct str app_id,
                           struct str tenant_id, struct sweep **list, size_t *n)
{
    struct str names[2] = {sweep_name(c->arena, app_id, STR_NULL),
                           sweep_name(c->arena, app_id, tenant_id)};
    struct batch b;
    batch_init(&b, c);
    BATCH(&b, q_sweep_named, v_strs(c->arena, names, 2));
    return read_sweeps(c, s, &b, list, n);
}

int multitenancy_sweep_claim(struct ctx *c, struct storage *s, const struct sweep *w, int64_t due,
                             int64_t passes, bool *won)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *claim = BATCH(&b, q_sweep_claim, v_i64(due), v_i64(passes), v_str(w->name),
                            v_i64(w->due), v_i64(w->passes));
    int rc = storage_write(c, s, &b, NULL, NULL);
    *won = rc == RC_OK && call_affected(claim) == 1;
    return rc;
}

/* Deleting again what may be gone already does no harm: "not applied" is right
 * either way. */
static int still_deleting(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    (void)c;
    (void)s;
    (void)arg;
    *applied = false;
    return RC_OK;
}

int multitenancy_sweep_batch(struct ctx *c, struct storage *s, const struct sweep *w, bool *more)
{
    bool tenant = w->tenant_id.p != NULL;
    const stk_query *const *queries = tenant ? tenant_queries : app_queries;
    size_t n = tenant ? sizeof(tenant_queries) / sizeof(*tenant_queries)
                      : sizeof(app_queries) / sizeof(*app_queries);
    struct batch b;
    batch_init(&b, c);
    stk_call *hold =
        tenant ? BATCH(&b, q_sweep_hold_tenant, v_i64(1), v_str(w->app_id), v_str(w->tenant_id),
                       v_str(DELETING))
               : BATCH(&b, q_sweep_hold_app, v_str(DELETING), v_str(w->app_id), v_str(DELETING));
    call_expect_affected(hold, 1);
    stk_val params[2] = {v_str(w->app_id), v_str(w->tenant_id)};
    for (size_t i = 0; i < n; i++)
        batch_add(&b, queries[i], params, tenant ? 2 : 1);
    int rc = storage_write(c, s, &b, still_deleting, NULL);
    *more = false;
    for (uint32_t i = 1; rc == RC_OK && i < b.n; i++)
        *more = *more || call_affected(b.calls[i]) >= SWEEP_ROWS;
    return rc;
}

int multitenancy_sweep_done(struct ctx *c, struct storage *s, const struct sweep *w)
{
    struct batch b;
    batch_init(&b, c);
    if (w->tenant_id.p)
        BATCH(&b, q_tenant_remove, v_str(w->app_id), v_str(w->tenant_id), v_str(DELETING));
    else
        BATCH(&b, q_app_remove, v_str(w->app_id), v_str(DELETING));
    BATCH(&b, q_sweep_done, v_str(w->name));
    return storage_write(c, s, &b, NULL, NULL);
}
