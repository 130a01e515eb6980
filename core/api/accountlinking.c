/* SPDX-License-Identifier: Apache-2.0 */
/* Account linking: /recipe/accountlinking/user/... */
#include "recipe/accountlinking.h"

#include "api/user_json.h"
#include "http/api.h"

static const char *taken_text(enum account_kind kind)
{
    switch (kind) {
    case ACCOUNT_PHONE:
        return "This user's phone number is already associated with another user ID";
    case ACCOUNT_THIRD_PARTY:
        return "This user's third party login is already associated with another user ID";
    default: return "This user's email is already associated with another user ID";
    }
}

static json_t *refused(struct api *a, const char *status, struct str primary_user_id,
                       const char *description)
{
    json_t *out = api_status(a, status);
    json_add_str(out, "primaryUserId", primary_user_id);
    json_add_str(out, "description", str_z(description));
    return out;
}

/* The answer to every outcome but RC_OK and LINKING_OTHER_USER. */
static int outcome(struct api *a, int rc, const struct linking *l)
{
    switch (rc) {
    case USERS_UNKNOWN:
        return ctx_fail_text(&a->ctx, FAIL_BAD_REQUEST, STR("Unknown user ID provided"));
    case LINKING_NOT_PRIMARY: api_status(a, "INPUT_USER_IS_NOT_A_PRIMARY_USER"); return RC_OK;
    case LINKING_ACCOUNT_TAKEN:
        refused(a, "ACCOUNT_INFO_ALREADY_ASSOCIATED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR", l->owner,
                taken_text(l->kind));
        return RC_OK;
    default: return RC_FAIL;
    }
}

/* ---- becoming a primary user */

static int reply_primary(struct api *a, struct str id, bool check)
{
    struct linking l;
    int rc = accountlinking_make_primary(&a->ctx, id, check, &l);
    if (rc == LINKING_OTHER_USER) {
        refused(a, "RECIPE_USER_ID_ALREADY_LINKED_WITH_PRIMARY_USER_ID_ERROR",
                user_outer_id(&l.user), "This user ID is already linked to another user ID");
        return RC_OK;
    }
    if (rc != RC_OK)
        return outcome(a, rc, &l);
    json_t *out = api_ok(a);
    json_add_bool(out, "wasAlreadyAPrimaryUser", l.already);
    if (!check)
        json_object_set_new(out, "user", user_json(&l.user, a->ctx.cdi));
    return RC_OK;
}

static int check_primary(struct api *a)
{
    struct str id;
    return api_query(a, "recipeUserId", &id) == RC_OK ? reply_primary(a, id, true) : RC_FAIL;
}

static int make_primary(struct api *a)
{
    struct str id;
    return api_str(a, "recipeUserId", &id) == RC_OK ? reply_primary(a, id, false) : RC_FAIL;
}

/* ---- linking */

static int reply_link(struct api *a, struct str recipe, struct str primary, bool check)
{
    struct linking l;
    int rc = accountlinking_link(&a->ctx, recipe, primary, check, &l);
    if (rc == LINKING_OTHER_USER) {
        json_t *out = refused(a, "RECIPE_USER_ID_ALREADY_LINKED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR",
                              user_outer_id(&l.user),
                              "The input recipe user ID is already linked to another user ID");
        if (!check)
            json_object_set_new(out, "user", user_json(&l.user, a->ctx.cdi));
        return RC_OK;
    }
    if (rc != RC_OK)
        return outcome(a, rc, &l);
    json_t *out = api_ok(a);
    json_add_bool(out, "accountsAlreadyLinked", l.already);
    if (!check)
        json_object_set_new(out, "user", user_json(&l.user, a->ctx.cdi));
    return RC_OK;
}

static int check_link(struct api *a)
{
    struct str recipe, primary;
    if (api_query(a, "recipeUserId", &recipe) != RC_OK ||
        api_query(a, "primaryUserId", &primary) != RC_OK)
        return RC_FAIL;
    return reply_link(a, recipe, primary, true);
}

static int link_users(struct api *a)
{
    struct str recipe, primary;
    if (api_str(a, "recipeUserId", &recipe) != RC_OK ||
        api_str(a, "primaryUserId", &primary) != RC_OK)
        return RC_FAIL;
    return reply_link(a, recipe, primary, false);
}

static int unlink_user(struct api *a)
{
    struct str id;
    bool linked, deleted;
    if (api_str(a, "recipeUserId", &id) != RC_OK)
        return RC_FAIL;
    const struct linking unused = {.already = false};
    int rc = accountlinking_unlink(&a->ctx, id, &linked, &deleted);
    if (rc != RC_OK)
        return outcome(a, rc, &unused);
    json_t *out = api_ok(a);
    json_add_bool(out, "wasRecipeUserDeleted", deleted);
    json_add_bool(out, "wasLinked", linked);
    return RC_OK;
}

#define PATH "/recipe/accountlinking/user/"
const struct route accountlinking_routes[] = {
    {HTTP_GET, PATH "primary/check", ROUTE_APP, check_primary},
    {HTTP_POST, PATH "primary", ROUTE_APP | ROUTE_BODY, make_primary},
    {HTTP_GET, PATH "link/check", ROUTE_APP, check_link},
    {HTTP_POST, PATH "link", ROUTE_APP | ROUTE_BODY, link_users},
    {HTTP_POST, PATH "unlink", ROUTE_APP | ROUTE_BODY, unlink_user},
    {HTTP_OTHER, NULL, 0, NULL},
};
