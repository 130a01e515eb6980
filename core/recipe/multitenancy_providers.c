/* SPDX-License-Identifier: Apache-2.0 */
/* Third-party providers of a tenant; see multitenancy_providers.h. */
#include "recipe/multitenancy_providers.h"

#include "base/json.h"

#include <stdlib.h>
#include <strings.h>

/* ---- the normal form */

enum kind {
    KIND_TEXT,    /* a number or a boolean is taken as its text */
    KIND_FLAG,    /* text is taken as a boolean */
    KIND_MAP,     /* free form, null included */
    KIND_OPTIONS, /* free form, without members that are null */
    KIND_TEXTS,   /* a list of texts, or of null until it is checked */
    KIND_CLIENTS, /* always there */
    KIND_USER_MAP /* always there */
};

struct member {
    const char *name;
    enum kind kind;
};

static const struct member provider_members[] = {
    {"thirdPartyId", KIND_TEXT},
    {"name", KIND_TEXT},
    {"clients", KIND_CLIENTS},
    {"authorizationEndpoint", KIND_TEXT},
    {"authorizationEndpointQueryParams", KIND_MAP},
    {"tokenEndpoint", KIND_TEXT},
    {"tokenEndpointBodyParams", KIND_MAP},
    {"userInfoEndpoint", KIND_TEXT},
    {"userInfoEndpointQueryParams", KIND_MAP},
    {"userInfoEndpointHeaders", KIND_MAP},
    {"jwksURI", KIND_TEXT},
    {"oidcDiscoveryEndpoint", KIND_TEXT},
    {"requireEmail", KIND_FLAG},
    {"userInfoMap", KIND_USER_MAP},
    {NULL, KIND_TEXT},
};
static const struct member client_members[] = {
    {"clientType", KIND_TEXT}, {"clientId", KIND_TEXT},  {"clientSecret", KIND_TEXT},
    {"scope", KIND_TEXTS},     {"forcePKCE", KIND_FLAG}, {"additionalConfig", KIND_OPTIONS},
    {NULL, KIND_TEXT},
};
static const struct member key_members[] = {
    {"userId", KIND_TEXT}, {"email", KIND_TEXT}, {"emailVerified", KIND_TEXT}, {NULL, KIND_TEXT}};

static int copy_members(struct ctx *c, const json_t *from, const struct member *members,
                        json_t **out);

static int invalid(struct ctx *c, const char *name)
{
    return ctx_fail(c, FAIL_BAD_REQUEST, "Field name '%s' is invalid in JSON input", name);
}

/* Each of these gives a new reference, NULL for a wrong type. */
static json_t *text_of(const json_t *v)
{
    if (json_is_string(v))
        return json_deep_copy(v);
    if (json_is_boolean(v))
        return json_string(json_is_true(v) ? "true" : "false");
    if (!json_is_number(v))
        return NULL;
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    json_t *out = json_string(text);
    free(text);
    return out;
}

static json_t *flag_of(const json_t *v)
{
    if (json_is_boolean(v))
        return json_boolean(json_is_true(v));
    if (json_is_string(v))
        return json_boolean(strcasecmp(json_string_value(v), "true") == 0);
    return NULL;
}

static json_t *texts_of(const json_t *v)
{
    if (!json_is_array(v))
        return NULL;
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        json_t *text = json_is_null(item) ? json_null() : text_of(item);
        if (json_array_append_new(out, text) != 0) { /* NULL too */
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static json_t *without_nulls(const json_t *v)
{
    json_t *out = json_is_object(v) ? json_object() : json_is_array(v) ? json_array() : NULL;
    if (!out)
        return json_deep_copy(v);
    const char *key;
    json_t *item;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)v, key, item)
    {
        if (!json_is_null(item))
            json_object_set_new(out, key, without_nulls(item));
    }
    json_array_foreach((json_t *)(uintptr_t)v, i, item)
    {
        json_array_append_new(out, without_nulls(item));
    }
    return out;
}

static int clients_of(struct ctx *c, const json_t *v, json_t *out)
{
    if (v && !json_is_array(v))
        return invalid(c, "clients");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        json_t *client;
        if (!json_is_object(item))
            return invalid(c, "clients");
        if (copy_members(c, item, client_members, &client) != RC_OK)
            return RC_FAIL;
        const char *type = json_string_value(json_object_get(client, "clientType"));
        if (type && !*type)
            json_object_del(client, "clientType");
        json_array_append(out, client);
    }
    return RC_OK;
}

static int user_map_of(struct ctx *c, const json_t *v, json_t *out)
{
    static const char *const sources[] = {"fromIdTokenPayload", "fromUserInfoAPI"};
    if (v && !json_is_object(v))
        return invalid(c, "userInfoMap");
    for (size_t i = 0; i < 2; i++) {
        const json_t *from = json_object_get(v, sources[i]);
        json_t *keys;
        if (from && !json_is_null(from) && !json_is_object(from))
            return invalid(c, sources[i]);
        if (copy_members(c, from, key_members, &keys) != RC_OK)
            return RC_FAIL;
        json_object_set(out, sources[i], keys);
    }
    return RC_OK;
}

/* One member; *out is NULL where it is left out. */
static int member_of(struct ctx *c, const struct member *m, const json_t *v, json_t **out)
{
    v = json_is_null(v) ? NULL : v;
    *out = NULL;
    if (m->kind == KIND_CLIENTS) {
        *out = json_own(c->arena, json_array());
        return clients_of(c, v, *out);
    }
    if (m->kind == KIND_USER_MAP) {
        *out = json_own(c->arena, json_object());
        return user_map_of(c, v, *out);
    }
    if (!v)
        return RC_OK;
    bool map = m->kind == KIND_MAP || m->kind == KIND_OPTIONS;
    json_t *copy = m->kind == KIND_TEXT        ? text_of(v)
                   : m->kind == KIND_FLAG      ? flag_of(v)
                   : m->kind == KIND_TEXTS     ? texts_of(v)
                   : map && !json_is_object(v) ? NULL
                   : m->kind == KIND_MAP       ? json_deep_copy(v)
                                               : without_nulls(v);
    if (!copy)
        return invalid(c, m->name);
    *out = json_own(c->arena, copy);
    return RC_OK;
}

static int copy_members(struct ctx *c, const json_t *from, const struct member *members,
                        json_t **out)
{
    *out = json_own(c->arena, json_object());
    for (; members->name; members++) {
        json_t *v;
        if (member_of(c, members, json_object_get(from, members->name), &v) != RC_OK)
            return RC_FAIL;
        if (v)
            json_object_set(*out, members->name, v);
    }
    return RC_OK;
}

int provider_normalise(struct ctx *c, const json_t *config, json_t **provider)
{
    return copy_members(c, config, provider_members, provider);
}

/* ---- what is accepted */

static int refuse(struct ctx *c, const char *why)
{
    return ctx_fail(c, FAIL_BAD_REQUEST, "Invalid third party config: %s", why);
}

/* Members of additionalConfig that the built-in providers know. */
static int check_options(struct ctx *c, struct str id, const json_t *options)
{
    static const char *const apple[] = {"keyId", "teamId", "privateKey"};
    for (size_t i = 0; str_starts(id, STR("apple")) && i < 3; i++)
        if (json_get_str(options, apple[i]).len == 0)
            return refuse(c, "a non empty string value must be specified for keyId, teamId and "
                             "privateKey in the additionalConfig for Apple provider");
    if (str_starts(id, STR("google-workspaces")) && json_object_get(options, "hd") &&
        json_get_str(options, "hd").len == 0)
        return refuse(c, "hd in additionalConfig must be a non empty string value");
    if (str_starts(id, STR("boxy-saml")) && json_object_get(options, "boxyURL") &&
        json_get_str(options, "boxyURL").len == 0)
        return refuse(c, "a non empty string value must be specified for boxyURL in the "
                         "additionalConfig for Boxy SAML provider");
    return RC_OK;
}

static int check_client(struct ctx *c, struct str id, const json_t *client)
{
    const json_t *scope = json_object_get(client, "scope");
    if (!json_get_str(client, "clientId").p)
        return refuse(c, "clientId cannot be null");
    for (size_t i = 0; i < json_array_size(scope); i++)
        if (json_is_null(json_array_get(scope, i)))
            return refuse(c, "scope array cannot contain a null");
    return check_options(c, id, json_object_get(client, "additionalConfig"));
}

/* What could not be kept, checked or not. */
static int check_client_types(struct ctx *c, const json_t *provider)
{
    const json_t *clients = json_object_get(provider, "clients");
    for (size_t i = 0; i < json_array_size(clients); i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(json_get_str(json_array_get(clients, i), "clientType"),
                       json_get_str(json_array_get(clients, k), "clientType")))
                return refuse(c, "Duplicate clientType was specified in the clients list.");
    return RC_OK;
}

static int check_provider(struct ctx *c, const json_t *provider)
{
    struct str id = json_get_str(provider, "thirdPartyId");
    if (id.len == 0)
        return refuse(c, "thirdPartyId cannot be null or empty");
    if (check_client_types(c, provider) != RC_OK)
        return RC_FAIL;
    const json_t *clients = json_object_get(provider, "clients");
    for (size_t i = 0; i < json_array_size(clients); i++)
        if (check_client(c, id, json_array_get(clients, i)) != RC_OK)
            return RC_FAIL;
    return RC_OK;
}

/* ---- changing */

int providers_apply(struct ctx *c, struct provider_change *change, struct tenant_recipes *r)
{
    json_t *list = json_own(c->arena, json_array()), *p;
    size_t i;
    change->existed = false;
    json_array_foreach(r->providers, i, p)
    {
        if (!str_eq(json_get_str(p, "thirdPartyId"), change->id))
            json_array_append(list, p);
        else if (change->set && !change->existed)
            json_array_append(list, change->set);
        change->existed = change->existed || str_eq(json_get_str(p, "thirdPartyId"), change->id);
    }
    if (change->set && !change->existed)
        json_array_append(list, change->set);
    if (change->set && check_client_types(c, change->set) != RC_OK)
        return RC_FAIL;
    json_array_foreach(list, i, p)
    {
        if (!change->unchecked && check_provider(c, p) != RC_OK)
            return RC_FAIL;
    }
    r->providers = list;
    return RC_OK;
}

int multitenancy_put_provider(struct ctx *c, struct provider_change *change)
{
    const struct tenant *t = c->tenant;
    const struct tenant_change put = {.cud = t->cud,
                                      .app_id = t->app_id,
                                      .tenant_id = t->tenant_id,
                                      .v2 = true,
                                      .emailpassword = TRI_UNSET,
                                      .thirdparty = TRI_UNSET,
                                      .passwordless = TRI_UNSET,
                                      .provider = change};
    bool created;
    return multitenancy_put(c, &put, &created);
}
