/* SPDX-License-Identifier: Apache-2.0 */
/* /recipe/multitenancy/tenant/user: which tenants a login method belongs to. */
#include "http/api.h"
#include "recipe/users.h"

static int user_field(struct api *a, struct str *id)
{
    if (api_str(a, a->ctx.cdi < CDI(4, 0) ? "userId" : "recipeUserId", id) != RC_OK)
        return RC_FAIL;
    *id = str_trim(*id);
    if (id->len == 0)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name 'userId' cannot be an empty String");
    return RC_OK;
}

static int associate(struct api *a)
{
    struct str id, reason = STR_NULL;
    bool was = false;
    if (user_field(a, &id) != RC_OK)
        return RC_FAIL;
    switch (users_add_tenant(&a->ctx, id, &was, &reason)) {
    case RC_OK: json_add_bool(api_ok(a), "wasAlreadyAssociated", was); return RC_OK;
    case USERS_UNKNOWN: api_status(a, "UNKNOWN_USER_ID_ERROR"); return RC_OK;
    case USERS_EMAIL_EXISTS: api_status(a, "EMAIL_ALREADY_EXISTS_ERROR"); return RC_OK;
    case USERS_PHONE_EXISTS: api_status(a, "PHONE_NUMBER_ALREADY_EXISTS_ERROR"); return RC_OK;
    case USERS_THIRD_PARTY_EXISTS:
        api_status(a, "THIRD_PARTY_USER_ALREADY_EXISTS_ERROR");
        return RC_OK;
    case USERS_TENANT_NOT_ALLOWED:
        json_add_str(api_status(a, "ASSOCIATION_NOT_ALLOWED_ERROR"), "reason", reason);
        return RC_OK;
    default: return RC_FAIL;
    }
}

static int disassociate(struct api *a)
{
    struct str id;
    bool was = false;
    if (user_field(a, &id) != RC_OK)
        return RC_FAIL;
    int rc = users_remove_tenant(&a->ctx, id, &was);
    if (rc < 0)
        return RC_FAIL;
    if (rc == USERS_UNKNOWN)
        api_status(a, "UNKNOWN_USER_ID_ERROR");
    else
        json_add_bool(api_ok(a), "wasAssociated", was);
    return RC_OK;
}

const struct route multitenancy_user_routes[] = {
    {HTTP_POST, "/recipe/multitenancy/tenant/user", ROUTE_BODY, associate},
    {HTTP_POST, "/recipe/multitenancy/tenant/user/remove", ROUTE_BODY, disassociate},
    {HTTP_OTHER, NULL, 0, NULL},
};
