/* SPDX-License-Identifier: Apache-2.0 */
/* /recipe/multitenancy/config/thirdparty: third-party providers of a tenant. */
#include "recipe/multitenancy_providers.h"

#include "base/json.h"
#include "http/api.h"

static int put_provider(struct api *a)
{
    struct provider_change change = {.set = NULL};
    json_t *config, *body = a->body;
    if (api_object(a, "config", &config) != RC_OK)
        return RC_FAIL;
    a->body = config;
    int rc = api_str(a, "thirdPartyId", &change.id);
    a->body = body;
    if (rc != RC_OK || api_bool_opt(a, "skipValidation", false, &change.unchecked) != RC_OK ||
        provider_normalise(&a->ctx, config, &change.set) != RC_OK)
        return RC_FAIL;
    change.id = str_trim(change.id);
    json_object_set_new(change.set, "thirdPartyId", json_stringn(change.id.p, change.id.len));
    if (multitenancy_put_provider(&a->ctx, &change) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "createdNew", !change.existed);
    return RC_OK;
}

static int remove_provider(struct api *a)
{
    struct provider_change change = {.set = NULL};
    if (api_str(a, "thirdPartyId", &change.id) != RC_OK)
        return RC_FAIL;
    change.id = str_trim(change.id);
    if (multitenancy_put_provider(&a->ctx, &change) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "didConfigExist", change.existed);
    return RC_OK;
}

const struct route multitenancy_provider_routes[] = {
    {HTTP_PUT, "/recipe/multitenancy/config/thirdparty", ROUTE_BODY, put_provider},
    {HTTP_POST, "/recipe/multitenancy/config/thirdparty/remove", ROUTE_BODY, remove_provider},
    {HTTP_OTHER, NULL, 0, NULL},
};
