/* SPDX-License-Identifier: Apache-2.0 */
/* /recipe/role..., /recipe/roles, /recipe/permission/roles, /recipe/user/role... */
#include "recipe/userroles.h"

#include "http/api.h"

static int outcome(struct api *a, int rc)
{
    if (rc != USERROLES_UNKNOWN)
        return rc;
    api_status(a, "UNKNOWN_ROLE_ERROR");
    return RC_OK;
}

static int flag(struct api *a, int rc, const char *name, bool value)
{
    if (rc == RC_OK)
        json_add_bool(api_ok(a), name, value);
    return outcome(a, rc);
}

static int list(struct api *a, int rc, const char *name, const struct names *names)
{
    if (rc != RC_OK)
        return outcome(a, rc);
    json_t *items = json_array();
    json_object_set_new(api_ok(a), name, items);
    for (size_t i = 0; i < names->n; i++)
        json_array_append_new(items, json_stringn(names->list[i].p, names->list[i].len));
    return RC_OK;
}

/* ---- what calls name: roles and permissions are trimmed */

static int body_role(struct api *a, struct str *role)
{
    return api_str(a, "role", role) == RC_OK ? api_trim(a, "role", role) : RC_FAIL;
}

static int query_name(struct api *a, const char *field, struct str *name)
{
    return api_query(a, field, name) == RC_OK ? api_trim(a, field, name) : RC_FAIL;
}

static int body_permissions(struct api *a, bool *given, struct names *out)
{
    json_t *items, *v;
    size_t i;
    *out = (struct names){0};
    if (api_array_opt(a, "permissions", &items) != RC_OK)
        return RC_FAIL;
    *given = items != NULL;
    out->n = out->cap = json_array_size(items);
    out->list = ARENA_ARRAY(a->ctx.arena, struct str, out->n + 1);
    json_array_foreach(items, i, v)
    {
        if (!json_is_string(v))
            return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                            "Field name 'permissions' is invalid in JSON input");
        out->list[i] = str_trim(str_make(json_string_value(v), json_string_length(v)));
        if (out->list[i].len == 0)
            return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                            "Field name 'permissions' cannot contain an empty string");
    }
    return RC_OK;
}

/* ---- roles */

static int put_role(struct api *a)
{
    struct str role;
    struct names permissions;
    bool given, created = false;
    if (body_role(a, &role) != RC_OK || body_permissions(a, &given, &permissions) != RC_OK)
        return RC_FAIL;
    int rc = userroles_put(&a->ctx, role, &permissions, &created);
    return flag(a, rc, "createdNewRole", created);
}

static int remove_role(struct api *a)
{
    struct str role;
    bool existed = false;
    if (body_role(a, &role) != RC_OK)
        return RC_FAIL;
    int rc = userroles_remove(&a->ctx, role, &existed);
    return flag(a, rc, "didRoleExist", existed);
}

static int remove_permissions(struct api *a)
{
    struct str role;
    struct names permissions;
    bool given;
    if (body_role(a, &role) != RC_OK || body_permissions(a, &given, &permissions) != RC_OK)
        return RC_FAIL;
    int rc = userroles_permissions_remove(&a->ctx, role, given ? &permissions : NULL);
    if (rc == RC_OK)
        api_ok(a);
    return outcome(a, rc);
}

static int get_permissions(struct api *a)
{
    struct str role;
    struct names found;
    if (query_name(a, "role", &role) != RC_OK)
        return RC_FAIL;
    return list(a, userroles_permissions(&a->ctx, role, &found), "permissions", &found);
}

static int get_roles_with(struct api *a)
{
    struct str permission;
    struct names found;
    if (query_name(a, "permission", &permission) != RC_OK)
        return RC_FAIL;
    return list(a, userroles_with_permission(&a->ctx, permission, &found), "roles", &found);
}

static int get_roles(struct api *a)
{
    struct names found;
    return list(a, userroles_all(&a->ctx, &found), "roles", &found);
}

/* ---- who has them */

static int put_user_role(struct api *a)
{
    struct str user_id, role;
    bool had = false;
    if (api_str(a, "userId", &user_id) != RC_OK || body_role(a, &role) != RC_OK)
        return RC_FAIL;
    int rc = userroles_assign(&a->ctx, user_id, role, &had);
    return flag(a, rc, "didUserAlreadyHaveRole", had);
}

static int remove_user_role(struct api *a)
{
    struct str user_id, role;
    bool had = false;
    if (api_str(a, "userId", &user_id) != RC_OK || body_role(a, &role) != RC_OK)
        return RC_FAIL;
    int rc = userroles_unassign(&a->ctx, user_id, role, &had);
    return flag(a, rc, "didUserHaveRole", had);
}

static int get_user_roles(struct api *a)
{
    struct str user_id;
    struct names found;
    if (api_query(a, "userId", &user_id) != RC_OK)
        return RC_FAIL;
    return list(a, userroles_of_user(&a->ctx, user_id, &found), "roles", &found);
}

static int get_role_users(struct api *a)
{
    struct str role;
    struct names found;
    if (query_name(a, "role", &role) != RC_OK)
        return RC_FAIL;
    return list(a, userroles_users(&a->ctx, role, &found), "users", &found);
}

const struct route userroles_routes[] = {
    {HTTP_PUT, "/recipe/role", ROUTE_APP | ROUTE_BODY, put_role},
    {HTTP_POST, "/recipe/role/remove", ROUTE_APP | ROUTE_BODY, remove_role},
    {HTTP_GET, "/recipe/role/permissions", ROUTE_APP, get_permissions},
    {HTTP_POST, "/recipe/role/permissions/remove", ROUTE_APP | ROUTE_BODY, remove_permissions},
    {HTTP_GET, "/recipe/permission/roles", ROUTE_APP, get_roles_with},
    {HTTP_GET, "/recipe/roles", ROUTE_APP, get_roles},
    {HTTP_GET, "/recipe/role/users", 0, get_role_users},
    {HTTP_PUT, "/recipe/user/role", ROUTE_BODY, put_user_role},
    {HTTP_POST, "/recipe/user/role/remove", ROUTE_BODY, remove_user_role},
    {HTTP_GET, "/recipe/user/roles", 0, get_user_roles},
    {HTTP_OTHER, NULL, 0, NULL},
};
