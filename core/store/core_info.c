/* SPDX-License-Identifier: Apache-2.0 */
/* Named values by primary key; whether a tenant has a session by the leading
 * part of the sessions' primary key, and whether an app has a primary user by that
 * of the reservations', which only primary users hold.  Users seen in a day are a
 * range of key `last_active`: all days together read each user of them once. */
#include "store/core_info.h"

#include "store/dashboard.h"
#include "store/keys.h"
#include "store/query.h"

QUERY(core_value_put, UPSERT(KEY_VALUE),
      SETS(PUT(KEY_VALUE_APP_ID, 0), PUT(KEY_VALUE_TENANT_ID, 1), PUT(KEY_VALUE_NAME, 2),
           PUT(KEY_VALUE_VALUE, 3), PUT(KEY_VALUE_CREATED_AT, 4)),
      PARAMS(5), FLAGS(STK_QF_IDEMPOTENT));
QUERY(core_value_delete, DELETE(KEY_VALUE),
      WHERE(EQ(KEY_VALUE_APP_ID, 0), EQ(KEY_VALUE_TENANT_ID, 1), EQ(KEY_VALUE_NAME, 2)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(core_session_any, SELECT(SESSIONS), OUT(SESSIONS_CREATED_AT),
      WHERE(EQ(SESSIONS_APP_ID, 0), EQ(SESSIONS_TENANT_ID, 1)), PARAMS(2), LIMIT(1));

QUERY(core_active_between, COUNT(USER_LAST_ACTIVE),
      WHERE(EQ(USER_LAST_ACTIVE_APP_ID, 0), GE(USER_LAST_ACTIVE_LAST_ACTIVE, 1),
            LT(USER_LAST_ACTIVE_LAST_ACTIVE, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(core_reservation_any, SELECT(ACCOUNT_RESERVATIONS), OUT(ACCOUNT_RESERVATIONS_KIND),
      WHERE(EQ(ACCOUNT_RESERVATIONS_APP_ID, 0)), PARAMS(1), LIMIT(1));

/* Values of the whole app carry no tenant. */
#define WHOLE_APP v_str(STR(""))

static struct str value_of(const stk_call *call)
{
    return call_rows(call) ? cell_str(call_row(call, 0), 0) : STR_NULL;
}

int value_get(struct ctx *c, struct storage *s, struct str app_id, struct str name,
              struct str *value)
{
    struct batch b;
    batch_init(&b, c);
    const stk_call *call = batch_value_get(&b, app_id, name);
    int rc = storage_read(c, s, &b);
    *value = rc == RC_OK ? value_of(call) : STR_NULL;
    return rc;
}

int value_get2(struct ctx *c, struct storage *s, struct str app_id, const struct str names[2],
               struct str values[2])
{
    struct batch b;
    batch_init(&b, c);
    const stk_call *calls[2];
    for (int i = 0; i < 2; i++)
        calls[i] = batch_value_get(&b, app_id, names[i]);
    int rc = storage_read(c, s, &b);
    for (int i = 0; i < 2; i++)
        values[i] = rc == RC_OK ? value_of(calls[i]) : STR_NULL;
    return rc;
}

void batch_value_put(struct batch *b, struct str app_id, struct str name, struct str value,
                     int64_t now)
{
    BATCH(b, q_core_value_put, v_str(app_id), WHOLE_APP, v_str(name), v_str(value), v_i64(now));
}

int value_delete(struct ctx *c, struct storage *s, struct str app_id, struct str name)
{
    struct batch b;
    batch_init(&b, c);
    BATCH(&b, q_core_value_delete, v_str(app_id), WHOLE_APP, v_str(name));
    return storage_write(c, s, &b, NULL, NULL);
}

int tenant_has_session(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                       bool *has)
{
    struct batch b;
    batch_init(&b, c);
    const stk_call *call = BATCH(&b, q_core_session_any, v_str(app_id), v_str(tenant_id));
    int rc = storage_read(c, s, &b);
    *has = rc == RC_OK && call_rows(call) > 0;
    return rc;
}

int app_usage_read(struct ctx *c, struct storage *s, struct str app_id, int64_t now,
                   int64_t seen[USAGE_DAYS], int64_t *dashboard_users)
{
    static const int64_t day_ms = 24 * 3600 * 1000LL;
    const stk_call *days[USAGE_DAYS];
    struct batch b;
    batch_init(&b, c);
    int64_t end = INT64_MAX; /* a clock that is ahead of ours makes no user unseen */
    for (int i = 0; i < USAGE_DAYS; i++) {
        int64_t start = now - (i + 1) * day_ms;
        days[i] = BATCH(&b, q_core_active_between, v_str(app_id), v_i64(start), v_i64(end));
        end = start;
    }
    const stk_call *dashboard = batch_dashboard_users_count(&b, app_id);
    int rc = storage_read(c, s, &b);
    for (int i = 0; rc == RC_OK && i < USAGE_DAYS; i++)
        seen[i] = (int64_t)call_affected(days[i]);
    if (rc == RC_OK)
        *dashboard_users = (int64_t)call_affected(dashboard);
    return rc;
}

int app_has_primary(struct ctx *c, struct storage *s, struct str app_id, bool *has)
{
    struct batch b;
    batch_init(&b, c);
    const stk_call *call = BATCH(&b, q_core_reservation_any, v_str(app_id));
    int rc = storage_read(c, s, &b);
    *has = rc == RC_OK && call_rows(call) > 0;
    return rc;
}
