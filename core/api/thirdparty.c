/* SPDX-License-Identifier: Apache-2.0 */
/* Third party: /recipe/signinup, /recipe/user and /recipe/users/by-email. */
#include "recipe/thirdparty.h"

#include "api/user_json.h"
#include "http/api.h"

static int bad_request(struct api *a, const char *text)
{
    return ctx_fail_text(&a->ctx, FAIL_BAD_REQUEST, str_z(text));
}

/* {"id": ..., "isVerified": ...}, the latter from CDI 4.0 on. */
static int email_of(struct api *a, struct thirdparty_account *account)
{
    json_t *body = a->body, *email;
    if (api_object(a, "email", &email) != RC_OK)
        return RC_FAIL;
    a->body = email;
    int rc = api_str(a, "id", &account->email);
    if (rc == RC_OK && a->ctx.cdi >= CDI(4, 0))
        rc = api_bool(a, "isVerified", &account->verified);
    a->body = body;
    return rc;
}

static int sign_in_up(struct api *a)
{
    struct thirdparty_account account = {.verified = false};
    struct user user;
    const struct login_method *method;
    bool created;
    if (api_str(a, "thirdPartyId", &account.id) != RC_OK ||
        api_str(a, "thirdPartyUserId", &account.user_id) != RC_OK ||
        email_of(a, &account) != RC_OK || thirdparty_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    int rc = thirdparty_sign_in_up(&a->ctx, &account, &user, &method, &created);
    if (rc == USERS_CHANGE_NOT_ALLOWED) {
        json_add_str(api_status(a, "EMAIL_CHANGE_NOT_ALLOWED_ERROR"), "reason",
                     STR("Email already associated with another primary user."));
        return RC_OK;
    }
    if (rc != RC_OK)
        return RC_FAIL;
    json_t *out = api_ok(a);
    json_add_bool(out, "createdNewUser", created);
    json_object_set_new(out, "user", user_json_of(&user, a->ctx.cdi));
    if (a->ctx.cdi >= CDI(4, 0))
        json_add_str(out, "recipeUserId", login_outer_id(method));
    return RC_OK;
}

static int get_user(struct api *a)
{
    struct str id, tp_id, tp_user_id;
    struct user user;
    if (api_query_opt(a, "userId", &id) != RC_OK ||
        api_query_opt(a, "thirdPartyId", &tp_id) != RC_OK ||
        api_query_opt(a, "thirdPartyUserId", &tp_user_id) != RC_OK)
        return RC_FAIL;
    if (id.p && (tp_id.p || tp_user_id.p))
        return bad_request(
            a, "Please provide only one of userId or (thirdPartyId & thirdPartyUserId)");
    if (!id.p && (!tp_id.p || !tp_user_id.p))
        return bad_request(a, "Please provide one of userId or (thirdPartyId & thirdPartyUserId)");
    if (id.p && a->has_tenant && a->ctx.cdi >= CDI(5, 0)) /* by id it is a call for the app */
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Only public tenantId can call this app specific API");
    int rc = id.p ? thirdparty_by_id(&a->ctx, id, &user)
                  : thirdparty_by_account(&a->ctx, tp_id, tp_user_id, &user);
    if (rc < 0)
        return RC_FAIL;
    if (rc != RC_OK)
        api_status(a, id.p ? "UNKNOWN_USER_ID_ERROR" : "UNKNOWN_THIRD_PARTY_USER_ERROR");
    else
        json_object_set_new(api_ok(a), "user", user_json_of(&user, a->ctx.cdi));
    return RC_OK;
}

static int by_email(struct api *a)
{
    struct str email;
    struct users_listed found;
    if (api_query(a, "email", &email) != RC_OK ||
        thirdparty_by_email(&a->ctx, email, &found) != RC_OK)
        return RC_FAIL;
    json_t *users = json_array();
    for (size_t i = 0; i < found.n; i++)
        json_array_append_new(users, user_json_of(&found.users[i], a->ctx.cdi));
    json_object_set_new(api_ok(a), "users", users);
    return RC_OK;
}

const struct route thirdparty_routes[] = {
    {HTTP_POST, "/recipe/signinup", ROUTE_BODY, sign_in_up},
    {HTTP_GET, "/recipe/user#thirdparty", 0, get_user},
    {HTTP_GET, "/recipe/users/by-email", 0, by_email},
    {HTTP_OTHER, NULL, 0, NULL},
};
