/* SPDX-License-Identifier: Apache-2.0 */
/* Users of all recipes: /users, /users/count, /users/count/active,
 * /users/by-accountinfo, /user/id, /user/remove, /user/search/tags. */
#include "recipe/users.h"
#include "api/user_json.h"
#include "base/clock.h"
#include "http/api.h"
#include "recipe/account_info.h"
#include "recipe/active.h"

#include <string.h>

enum { LIMIT_DEFAULT = 100 };

static int bad_request(struct api *a, const char *text)
{
    return ctx_fail_text(&a->ctx, FAIL_BAD_REQUEST, str_z(text));
}

/* ---- parameters */

/* A comma list of recipes.  Those that nobody signs in with are legal and match
 * no user. */
static int query_recipes(struct api *a, int64_t *mask, bool *none)
{
    static const char *const others[] = {
        "session",      "emailverification", "jwt",       "usermetadata",
        "userroles",    "useridmapping",     "dashboard", "totp",
        "multitenancy", "accountlinking",    "mfa",       "oauth"};
    struct str list, name;
    *mask = 0;
    *none = false;
    int rc = api_query_opt(a, "includeRecipeIds", &list);
    bool some = false;
    while (rc == RC_OK && str_split(&list, ',', &name)) {
        name = str_trim(name);
        if (name.len == 0)
            continue;
        some = true;
        int64_t bit = recipe_of_name(str_lower(a->ctx.arena, name));
        bool known = bit != 0;
        for (size_t i = 0; !known && i < sizeof(others) / sizeof(others[0]); i++)
            known = str_ieq(name, str_z(others[i]));
        if (!known)
            return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Unknown recipe ID: %.*s", STR_ARG(name));
        *mask |= bit;
    }
    *none = some && *mask == 0;
    return rc;
}

static int query_terms(struct api *a, const char *name, struct users_terms *terms)
{
    struct str list, term;
    *terms = (struct users_terms){NULL, 0};
    int rc = api_query_opt(a, name, &list);
    if (rc != RC_OK || !list.p)
        return rc;
    terms->list = ARENA_ARRAY(a->ctx.arena, struct str, 2 * list.len + 1);
    while (str_split(&list, ';', &term)) {
        struct str folded = text_fold(a->ctx.arena, term);
        if (folded.len == 0)
            continue;
        terms->list[terms->n++] = folded;
        /* the id an account has at its provider is stored as it is: look for either */
        term = str_trim(term);
        if (memmem(term.p, term.len, "::", 2) && !str_eq(term, folded))
            terms->list[terms->n++] = term;
    }
    return RC_OK;
}

static int query_limit(struct api *a, bool search, int64_t *limit)
{
    if (api_query_int_opt(a, "limit", LIMIT_DEFAULT, limit) != RC_OK)
        return RC_FAIL;
    if (*limit > USERS_PAGE_MAX && !search)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "max limit allowed is %d", USERS_PAGE_MAX);
    if (*limit < 1)
        return bad_request(a, "limit must a positive integer with min value 1");
    return RC_OK;
}

static int query_order(struct api *a, bool *desc)
{
    struct str order;
    int rc = api_query_opt(a, "timeJoinedOrder", &order);
    *desc = rc == RC_OK && str_eqz(order, "DESC");
    if (rc == RC_OK && order.p && !*desc && !str_eqz(order, "ASC"))
        return bad_request(a, "timeJoinedOrder can be either ASC OR DESC");
    return rc;
}

static int query_list(struct api *a, struct users_list *q)
{
    if (query_recipes(a, &q->recipes, &q->no_recipe) != RC_OK ||
        api_query_opt(a, "paginationToken", &q->token) != RC_OK ||
        query_order(a, &q->desc) != RC_OK || query_terms(a, "email", &q->emails) != RC_OK ||
        query_terms(a, "phone", &q->phones) != RC_OK ||
        query_terms(a, "provider", &q->providers) != RC_OK)
        return RC_FAIL;
    return query_limit(a, q->emails.n || q->phones.n || q->providers.n, &q->limit);
}

/* ---- GET /users */

static json_t *listed_json(struct api *a, const struct user *u)
{
    if (a->ctx.cdi >= CDI(4, 0))
        return user_json(u, a->ctx.cdi);
    json_t *o = json_object();
    json_add_str(o, "recipeId", recipe_name(u->methods[0].recipe));
    json_object_set_new(o, "user", user_json_old(u, a->ctx.cdi));
    return o;
}

static int list(struct api *a)
{
    struct users_list q;
    struct users_listed found;
    if (query_list(a, &q) != RC_OK)
        return RC_FAIL;
    int rc = users_list(&a->ctx, &q, &found);
    if (rc == USERS_BAD_TOKEN)
        return bad_request(a, "invalid pagination token");
    if (rc != RC_OK)
        return RC_FAIL;
    json_t *out = api_ok(a), *users = json_array();
    for (size_t i = 0; i < found.n; i++)
        json_array_append_new(users, listed_json(a, &found.users[i]));
    json_object_set_new(out, "users", users);
    json_add_str(out, "nextPaginationToken", found.next_token);
    return RC_OK;
}

/* ---- GET /users/count and /users/count/active */

static int count(struct api *a)
{
    int64_t recipes, n;
    bool none, app, approximate;
    if (query_recipes(a, &recipes, &none) != RC_OK ||
        api_query_bool_opt(a, "includeAllTenants", false, &app) != RC_OK ||
        api_query_bool_opt(a, "allowApproximate", false, &approximate) != RC_OK)
        return RC_FAIL;
    if (app && a->has_tenant && a->ctx.cdi >= CDI(5, 0))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Only public tenantId can call this app specific API");
    if (users_count_all(&a->ctx, app, recipes, none, &n) != RC_OK)
        return RC_FAIL;
    json_t *out = api_ok(a);
    json_add_i64(out, "count", n);
    if (approximate && a->ctx.cdi >= CDI(5, 6)) {
        /* counts are exact and cheap: there is nothing to approximate */
        json_add_bool(out, "approximate", false);
        json_add_i64(out, "asOf", clock_ms());
    }
    return RC_OK;
}

static int count_active(struct api *a)
{
    struct str text;
    int64_t since, n;
    if (api_query(a, "since", &text) != RC_OK || api_query_i64_opt(a, "since", 0, &since) != RC_OK)
        return RC_FAIL;
    if (since < 0)
        return bad_request(a, "'since' query parameter must be >= 0");
    if (active_count(&a->ctx, since, &n) != RC_OK)
        return RC_FAIL;
    json_add_i64(api_ok(a), "count", n);
    return RC_OK;
}

/* ---- GET /users/by-accountinfo */

static int query_union(struct api *a, bool *any)
{
    struct str text;
    if (api_query(a, "doUnionOfAccountInfo", &text) != RC_OK)
        return RC_FAIL;
    *any = str_eqz(text, "true");
    if (!*any && !str_eqz(text, "false"))
        return bad_request(a, "'doUnionOfAccountInfo' should be either 'true' or 'false'");
    return RC_OK;
}

static int by_account_info(struct api *a)
{
    struct account_info info;
    struct str credential;
    struct users_listed found;
    bool any;
    if (api_query_opt(a, "email", &info.email) != RC_OK ||
        api_query_opt(a, "phoneNumber", &info.phone) != RC_OK ||
        api_query_opt(a, "thirdPartyId", &info.tp_id) != RC_OK ||
        api_query_opt(a, "thirdPartyUserId", &info.tp_user_id) != RC_OK ||
        api_query_opt(a, "webauthnCredentialId", &credential) != RC_OK ||
        query_union(a, &any) != RC_OK)
        return RC_FAIL;
    if (!info.tp_id.p != !info.tp_user_id.p)
        return bad_request(a, "If 'thirdPartyId' is provided, 'thirdPartyUserId' must also be "
                              "provided, and vice versa");
    info.email = email_normalise(a->ctx.arena, info.email);
    info.phone = phone_normalise(a->ctx.arena, info.phone);
    if (users_by_account_info(&a->ctx, &info, any, credential.p, &found) != RC_OK)
        return RC_FAIL;
    json_t *users = json_array();
    for (size_t i = 0; i < found.n; i++)
        json_array_append_new(users, user_json(&found.users[i], a->ctx.cdi));
    json_object_set_new(api_ok(a), "users", users);
    return RC_OK;
}

/* ---- single users */

static int by_id(struct api *a)
{
    struct str id;
    struct users_found found;
    if (api_query(a, "userId", &id) != RC_OK)
        return RC_FAIL;
    int rc = users_find_in_app(&a->ctx, id, &found);
    if (rc < 0)
        return RC_FAIL;
    if (rc == USERS_UNKNOWN) {
        api_status(a, "UNKNOWN_USER_ID_ERROR");
        return RC_OK;
    }
    json_object_set_new(api_ok(a), "user", user_json(&found.ref.user, a->ctx.cdi));
    return RC_OK;
}

static int remove_user(struct api *a)
{
    struct str id;
    bool all;
    if (api_str(a, "userId", &id) != RC_OK ||
        api_bool_opt(a, "removeAllLinkedAccounts", true, &all) != RC_OK)
        return RC_FAIL;
    if (users_delete(&a->ctx, id, all) != RC_OK)
        return RC_FAIL;
    api_ok(a);
    return RC_OK;
}

static int search_tags(struct api *a)
{
    json_object_set_new(api_ok(a), "tags", json_pack("[sss]", "email", "phone", "provider"));
    return RC_OK;
}

const struct route users_routes[] = {
    {HTTP_GET, "/users", 0, list},
    {HTTP_GET, "/users/count", 0, count},
    {HTTP_GET, "/users/count/active", ROUTE_APP, count_active},
    {HTTP_GET, "/users/by-accountinfo", 0, by_account_info},
    {HTTP_GET, "/user/id", ROUTE_APP, by_id},
    {HTTP_POST, "/user/remove", ROUTE_APP | ROUTE_BODY, remove_user},
    {HTTP_GET, "/user/search/tags", 0, search_tags},
    {HTTP_OTHER, NULL, 0, NULL},
};
