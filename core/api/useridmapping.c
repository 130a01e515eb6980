/* SPDX-License-Identifier: Apache-2.0 */
/* External user ids: /recipe/userid/map and below. */
#include "recipe/useridmapping.h"

#include "http/api.h"

static int id_type(struct api *a, struct str text, enum user_id_type *type)
{
    text = str_trim(text);
    *type = USER_ID_ANY;
    if (str_eqz(text, "SUPERTOKENS"))
        *type = USER_ID_SUPERTOKENS;
    else if (str_eqz(text, "EXTERNAL"))
        *type = USER_ID_EXTERNAL;
    else if (text.p && !str_eqz(text, "ANY"))
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                        "Field name 'userIdType' should be one of 'SUPERTOKENS', 'EXTERNAL' or "
                        "'ANY'");
    return RC_OK;
}

static int id_and_type(struct api *a, struct str *id, enum user_id_type *type)
{
    struct str text;
    if (api_str(a, "userId", id) != RC_OK || api_trim(a, "userId", id) != RC_OK ||
        api_str_opt(a, "userIdType", &text) != RC_OK)
        return RC_FAIL;
    return id_type(a, text, type);
}

static int info_of(struct api *a, struct str *info)
{
    *info = STR_NULL;
    if (json_is_null(json_object_get(a->body, "externalUserIdInfo")))
        return RC_OK;
    if (api_str_opt(a, "externalUserIdInfo", info) != RC_OK)
        return RC_FAIL;
    return api_trim(a, "externalUserIdInfo", info);
}

static int create(struct api *a)
{
    struct useridmapping_new x = {.verified_follow = a->ctx.cdi >= CDI(4, 0)};
    struct id_mapping *m = &x.mapping;
    if (api_str(a, "superTokensUserId", &m->user_id) != RC_OK ||
        api_trim(a, "superTokensUserId", &m->user_id) != RC_OK ||
        api_str(a, "externalUserId", &m->external_id) != RC_OK ||
        api_trim(a, "externalUserId", &m->external_id) != RC_OK || info_of(a, &m->info) != RC_OK ||
        api_bool_opt(a, "force", false, &x.force) != RC_OK)
        return RC_FAIL;
    int rc = useridmapping_create(&a->ctx, &x);
    if (rc < 0)
        return RC_FAIL;
    if (rc == USERIDMAPPING_UNKNOWN_USER) {
        api_status(a, "UNKNOWN_SUPERTOKENS_USER_ID_ERROR");
    } else if (rc == USERIDMAPPING_EXISTS) {
        json_t *out = api_status(a, "USER_ID_MAPPING_ALREADY_EXISTS_ERROR");
        json_add_bool(out, "doesSuperTokensUserIdExist", x.user_exists);
        json_add_bool(out, "doesExternalUserIdExist", x.external_exists);
    } else {
        api_ok(a);
    }
    return RC_OK;
}

static int get(struct api *a)
{
    struct str id, text;
    enum user_id_type type;
    struct id_mapping m;
    if (api_query(a, "userId", &id) != RC_OK || api_trim(a, "userId", &id) != RC_OK ||
        api_query_opt(a, "userIdType", &text) != RC_OK || id_type(a, text, &type) != RC_OK)
        return RC_FAIL;
    int rc = useridmapping_get(&a->ctx, id, type, &m);
    if (rc < 0)
        return RC_FAIL;
    if (rc == USERIDMAPPING_NONE) {
        api_status(a, "UNKNOWN_MAPPING_ERROR");
        return RC_OK;
    }
    json_t *out = api_ok(a);
    json_add_str(out, "superTokensUserId", m.user_id);
    json_add_str(out, "externalUserId", m.external_id);
    if (m.info.p)
        json_add_str(out, "externalUserIdInfo", m.info);
    return RC_OK;
}

static int remove_mapping(struct api *a)
{
    struct str id;
    enum user_id_type type;
    bool force;
    if (id_and_type(a, &id, &type) != RC_OK || api_bool_opt(a, "force", false, &force) != RC_OK)
        return RC_FAIL;
    int rc = useridmapping_remove(&a->ctx, id, type, force);
    if (rc < 0)
        return RC_FAIL;
    json_add_bool(api_ok(a), "didMappingExist", rc == RC_OK);
    return RC_OK;
}

static int set_info(struct api *a)
{
    struct str id, info;
    enum user_id_type type;
    if (id_and_type(a, &id, &type) != RC_OK)
        return RC_FAIL;
    if (!json_object_get(a->body, "externalUserIdInfo"))
        return api_str(a, "externalUserIdInfo", &info); /* says that it is missing */
    if (info_of(a, &info) != RC_OK)
        return RC_FAIL;
    int rc = useridmapping_set_info(&a->ctx, id, type, info);
    if (rc < 0)
        return RC_FAIL;
    if (rc == USERIDMAPPING_NONE)
        api_status(a, "UNKNOWN_MAPPING_ERROR");
    else
        api_ok(a);
    return RC_OK;
}

const struct route useridmapping_routes[] = {
    {HTTP_POST, "/recipe/userid/map", ROUTE_APP | ROUTE_BODY, create},
    {HTTP_GET, "/recipe/userid/map", ROUTE_APP, get},
    {HTTP_POST, "/recipe/userid/map/remove", ROUTE_APP | ROUTE_BODY, remove_mapping},
    {HTTP_PUT, "/recipe/userid/external-user-id-info", ROUTE_APP | ROUTE_BODY, set_info},
    {HTTP_OTHER, NULL, 0, NULL},
};
