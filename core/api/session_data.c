/* SPDX-License-Identifier: Apache-2.0 */
/* The session calls by handle and by user. */
#include "api/session_internal.h"
#include "recipe/active.h"

static json_t *stored(struct str text)
{
    json_t *o = json_object_parse(text);
    return o ? o : json_object();
}

int session_api_get(struct api *a)
{
    struct str handle;
    struct session_info info;
    if (api_query(a, "sessionHandle", &handle))
        return RC_FAIL;
    int rc = session_get(&a->ctx, handle, &info);
    if (rc == SESSION_UNAUTHORISED)
        return session_reply_unauthorised(a, SESSION_GONE);
    if (rc != RC_OK)
        return rc;
    json_t *reply = api_ok(a);
    json_add_str(reply, "sessionHandle", info.row.handle);
    json_add_str(reply, "userId", info.user.primary_shown);
    if (a->ctx.cdi >= CDI(4, 0))
        json_add_str(reply, "recipeUserId", info.row.user_id);
    json_object_set_new(reply, "userDataInDatabase", stored(info.row.data));
    json_add_i64(reply, "expiry", info.row.expires_at);
    json_object_set_new(reply, "userDataInJWT", stored(info.row.payload));
    json_add_i64(reply, "timeCreated", info.row.created_at);
    if (a->ctx.cdi >= CDI(3, 0))
        json_add_str(reply, "tenantId", info.tenant_id);
    return RC_OK;
}

static int get_part(struct api *a, const char *name, bool payload)
{
    struct str handle;
    struct session_info info;
    if (api_query(a, "sessionHandle", &handle))
        return RC_FAIL;
    int rc = session_get_row(&a->ctx, handle, &info);
    if (rc == SESSION_UNAUTHORISED)
        return session_reply_unauthorised(a, SESSION_GONE);
    if (rc == RC_OK)
        json_object_set_new(api_ok(a), name, stored(payload ? info.row.payload : info.row.data));
    return rc;
}

static int put_part(struct api *a, const char *name, bool payload)
{
    struct str handle;
    json_t *value;
    if (api_str(a, "sessionHandle", &handle) || api_object(a, name, &value))
        return RC_FAIL;
    int rc = payload ? session_update(&a->ctx, handle, NULL, value)
                     : session_update(&a->ctx, handle, value, NULL);
    if (rc == SESSION_UNAUTHORISED)
        return session_reply_unauthorised(a, SESSION_GONE);
    if (rc == RC_OK)
        (void)api_ok(a);
    return rc;
}

int session_api_get_data(struct api *a)
{
    return get_part(a, "userDataInDatabase", false);
}

int session_api_put_data(struct api *a)
{
    return put_part(a, "userDataInDatabase", false);
}

int session_api_get_payload(struct api *a)
{
    return get_part(a, "userDataInJWT", true);
}

int session_api_put_payload(struct api *a)
{
    return put_part(a, "userDataInJWT", true);
}

/* ---- by user */

/* True unless it is given as something else than "true". */
static int query_flag(struct api *a, const char *name, bool *out)
{
    struct str value;
    if (api_query_opt(a, name, &value))
        return RC_FAIL;
    *out = !value.p || str_ieq(value, STR("true"));
    return RC_OK;
}

int session_api_list(struct api *a)
{
    struct session_scope scope;
    struct str *handles;
    size_t n;
    if (api_query(a, "userId", &scope.user_id) ||
        query_flag(a, "fetchAcrossAllTenants", &scope.all_tenants) ||
        query_flag(a, "fetchSessionsForAllLinkedAccounts", &scope.linked) ||
        (scope.all_tenants && session_require_public(a, CDI(5, 0))))
        return RC_FAIL;
    int rc = session_list(&a->ctx, &scope, &handles, &n);
    return rc == RC_OK ? session_reply_handles(a, "sessionHandles", handles, n) : rc;
}

static int remove_handles(struct api *a, json_t *array)
{
    struct str *revoked;
    size_t n = json_array_size(array), nrevoked;
    struct str *handles = ARENA_ARRAY(a->ctx.arena, struct str, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(array, i);
        if (!json_is_string(item))
            return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                            "Field name 'sessionHandles' is invalid in JSON input");
        handles[i] = str_make(json_string_value(item), json_string_length(item));
    }
    int rc = session_revoke(&a->ctx, handles, n, &revoked, &nrevoked);
    return rc == RC_OK ? session_reply_handles(a, "sessionHandlesRevoked", revoked, nrevoked) : rc;
}

static int remove_of_user(struct api *a, const struct session_scope *scope)
{
    struct str *revoked, active_user;
    size_t n;
    if (scope->all_tenants && session_require_public(a, CDI(5, 0)))
        return RC_FAIL;
    int rc = session_revoke_user(&a->ctx, scope, &revoked, &n, &active_user);
    if (rc != RC_OK)
        return rc;
    users_last_active_mark(&a->ctx, active_user);
    return session_reply_handles(a, "sessionHandlesRevoked", revoked, n);
}

/* A flag that goes with userId only. */
static int user_flag(struct api *a, const char *name, const struct session_scope *scope, bool *out)
{
    if (api_bool_opt(a, name, true, out))
        return RC_FAIL;
    if (!scope->user_id.p && json_object_get(a->body, name))
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                        "Invalid JSON input - %s can only be set if userId is set", name);
    return RC_OK;
}

int session_api_remove(struct api *a)
{
    struct session_scope scope;
    json_t *handles;
    if (api_str_opt(a, "userId", &scope.user_id) || api_array_opt(a, "sessionHandles", &handles))
        return RC_FAIL;
    if (!scope.user_id.p == !handles)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                        "Invalid JSON input - use one of userId or sessionHandles array");
    if (user_flag(a, "revokeAcrossAllTenants", &scope, &scope.all_tenants) ||
        user_flag(a, "revokeSessionsForLinkedAccounts", &scope, &scope.linked))
        return RC_FAIL;
    return handles ? remove_handles(a, handles) : remove_of_user(a, &scope);
}
