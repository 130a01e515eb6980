/* SPDX-License-Identifier: Apache-2.0 */
/* /recipe/user/metadata, .../remove and .../bulk. */
#include "recipe/usermetadata.h"

#include "http/api.h"

static int get(struct api *a)
{
    struct str user_id;
    json_t *metadata;
    int rc = api_query(a, "userId", &user_id);
    if (rc == RC_OK)
        rc = usermetadata_get(&a->ctx, user_id, &metadata);
    if (rc == RC_OK)
        json_object_set(api_ok(a), "metadata", metadata);
    return rc;
}

static int put(struct api *a)
{
    struct str user_id;
    json_t *update, *metadata;
    if (api_str(a, "userId", &user_id) != RC_OK ||
        api_object(a, "metadataUpdate", &update) != RC_OK)
        return RC_FAIL;
    int rc = usermetadata_update(&a->ctx, user_id, update, &metadata);
    if (rc == RC_OK)
        json_object_set(api_ok(a), "metadata", metadata);
    return rc;
}

static int remove_all(struct api *a)
{
    struct str user_id;
    int rc = api_str(a, "userId", &user_id);
    if (rc == RC_OK)
        rc = usermetadata_remove(&a->ctx, user_id);
    if (rc == RC_OK)
        api_ok(a);
    return rc;
}

static int bulk(struct api *a)
{
    struct arena *arena = a->ctx.arena;
    json_t *ids, *v, **metadata;
    size_t i;
    if (api_array(a, "userIds", &ids) != RC_OK)
        return RC_FAIL;
    size_t n = json_array_size(ids);
    if (n > USERMETADATA_MANY)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "You can only query up to %d users at a time.",
                        USERMETADATA_MANY);
    struct str *list = ARENA_ARRAY(arena, struct str, n + 1);
    json_array_foreach(ids, i, v)
    {
        if (!json_is_string(v))
            return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "userIds array must contain only strings");
        list[i] = str_make(json_string_value(v), json_string_length(v));
    }
    int rc = n ? usermetadata_many(&a->ctx, list, n, &metadata) : RC_OK;
    if (rc != RC_OK)
        return rc;
    json_t *users = json_array();
    json_object_set_new(api_ok(a), "users", users);
    for (i = 0; i < n; i++) {
        json_t *user = json_object();
        json_add_str(user, "userId", list[i]);
        json_object_set_new(user, "metadata", metadata[i] ? json_incref(metadata[i]) : json_null());
        json_array_append_new(users, user);
    }
    return RC_OK;
}

const struct route usermetadata_routes[] = {
    {HTTP_GET, "/recipe/user/metadata", ROUTE_APP, get},
    {HTTP_PUT, "/recipe/user/metadata", ROUTE_APP | ROUTE_BODY, put},
    {HTTP_POST, "/recipe/user/metadata/remove", ROUTE_APP | ROUTE_BODY, remove_all},
    {HTTP_POST, "/recipe/user/metadata/bulk", ROUTE_APP | ROUTE_BODY, bulk},
    {HTTP_OTHER, NULL, 0, NULL},
};
