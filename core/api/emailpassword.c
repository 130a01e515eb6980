/* SPDX-License-Identifier: Apache-2.0 */
/* Email/password: /recipe/signup, /recipe/signin, /recipe/user and
 * /recipe/user/password/..., /recipe/user/passwordhash/import. */
#include "recipe/emailpassword.h"

#include "api/user_json.h"
#include "http/api.h"

static int bad_request(struct api *a, const char *text)
{
    return ctx_fail_text(&a->ctx, FAIL_BAD_REQUEST, str_z(text));
}

/* The answer of an outcome; RC_FAIL for a failure. */
static int outcome(struct api *a, int rc)
{
    switch (rc) {
    case RC_OK: api_ok(a); return RC_OK;
    case USERS_UNKNOWN: api_status(a, "UNKNOWN_USER_ID_ERROR"); return RC_OK;
    case USERS_EMAIL_EXISTS: api_status(a, "EMAIL_ALREADY_EXISTS_ERROR"); return RC_OK;
    case USERS_CHANGE_NOT_ALLOWED:
        json_add_str(api_status(a, "EMAIL_CHANGE_NOT_ALLOWED_ERROR"), "reason",
                     STR("New email is associated with another primary user ID"));
        return RC_OK;
    case EMAILPASSWORD_WRONG_CREDENTIALS: api_status(a, "WRONG_CREDENTIALS_ERROR"); return RC_OK;
    case EMAILPASSWORD_INVALID_TOKEN:
        api_status(a, "RESET_PASSWORD_INVALID_TOKEN_ERROR");
        return RC_OK;
    default: return RC_FAIL;
    }
}

/* ---- signing up and in */

static void reply_user(struct api *a, const struct user *u, struct str recipe_user_id)
{
    json_t *out = api_ok(a);
    json_object_set_new(out, "user", user_json_of(u, a->ctx.cdi));
    if (a->ctx.cdi >= CDI(4, 0))
        json_add_str(out, "recipeUserId", recipe_user_id);
}

static int sign_up(struct api *a)
{
    struct str email, password;
    struct user user;
    if (api_str(a, "email", &email) != RC_OK || api_str(a, "password", &password) != RC_OK)
        return RC_FAIL;
    if (password.len == 0)
        return bad_request(a, "Password cannot be an empty string");
    if (emailpassword_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    int rc = emailpassword_sign_up(&a->ctx, email, password, &user);
    if (rc != RC_OK)
        return outcome(a, rc);
    reply_user(a, &user, user.id);
    return RC_OK;
}

static int sign_in(struct api *a)
{
    struct str email, password;
    struct user user;
    const struct login_method *method;
    if (api_str(a, "email", &email) != RC_OK || api_str(a, "password", &password) != RC_OK ||
        emailpassword_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    int rc = emailpassword_sign_in(&a->ctx, email, password, &user, &method);
    if (rc != RC_OK)
        return outcome(a, rc);
    reply_user(a, &user, login_outer_id(method));
    return RC_OK;
}

static int import(struct api *a)
{
    struct str email, hash, name;
    enum password_format format = PASSWORD_ANY;
    struct user user;
    bool existed;
    if (api_str(a, "email", &email) != RC_OK || api_str(a, "passwordHash", &hash) != RC_OK ||
        api_str_opt(a, "hashingAlgorithm", &name) != RC_OK)
        return RC_FAIL;
    hash = str_dup(a->ctx.arena, str_trim(hash));
    if (hash.len == 0)
        return bad_request(a, "Password hash cannot be an empty string");
    name = name.p ? str_trim(name) : name;
    if (name.p && name.len == 0)
        return bad_request(a, "Hashing Algorithm cannot be an empty string");
    if (name.p && !password_format_parse(name, &format))
        return bad_request(a, "Unsupported password hashing algorithm");
    if (emailpassword_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    int rc = emailpassword_import(&a->ctx, email, hash, format, &user, &existed);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_t *out = api_ok(a);
    json_object_set_new(out, "user", user_json_of(&user, a->ctx.cdi));
    json_add_bool(out, "didUserAlreadyExist", existed);
    return RC_OK;
}

/* ---- /recipe/user */

static int get_user(struct api *a)
{
    struct str id, email;
    struct user user;
    if (api_query_opt(a, "userId", &id) != RC_OK || api_query_opt(a, "email", &email) != RC_OK)
        return RC_FAIL;
    if (id.p && email.p)
        return bad_request(a, "Please provide only one of userId or email");
    if (!id.p && !email.p)
        return bad_request(a, "Please provide one of userId or email");
    if (id.p && a->has_tenant && a->ctx.cdi >= CDI(5, 0)) /* by id it is a call for the app */
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Only public tenantId can call this app specific API");
    int rc = id.p ? emailpassword_by_id(&a->ctx, id, &user)
                  : emailpassword_by_email(&a->ctx, email, &user);
    if (rc < 0)
        return RC_FAIL;
    if (rc != RC_OK)
        api_status(a, id.p ? "UNKNOWN_USER_ID_ERROR" : "UNKNOWN_EMAIL_ERROR");
    else
        json_object_set_new(api_ok(a), "user", user_json_of(&user, a->ctx.cdi));
    return RC_OK;
}

static int put_user(struct api *a)
{
    struct str id, email, password;
    if (api_str(a, a->ctx.cdi < CDI(4, 0) ? "userId" : "recipeUserId", &id) != RC_OK ||
        api_str_opt(a, "email", &email) != RC_OK || api_str_opt(a, "password", &password) != RC_OK)
        return RC_FAIL;
    if (!email.p && !password.p)
        return bad_request(a, "You have to provide either email or password.");
    return outcome(a, emailpassword_update(&a->ctx, id, email, password));
}

/* ---- resetting passwords */

static int make_token(struct api *a)
{
    struct str id, email = STR_NULL, token;
    struct users_found found;
    if (api_str(a, "userId", &id) != RC_OK || emailpassword_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    int rc = users_find_in_tenant(&a->ctx, id, &found);
    if (rc != RC_OK)
        return outcome(a, rc);
    if (a->ctx.cdi >= CDI(4, 0) && api_str(a, "email", &email) != RC_OK)
        return RC_FAIL;
    rc = emailpassword_make_token(&a->ctx, &found, email, &token);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_add_str(api_ok(a), "token", token);
    return RC_OK;
}

static int consume_token(struct api *a)
{
    struct str token, user_id, email;
    if (api_str(a, "token", &token) != RC_OK)
        return RC_FAIL;
    int rc = emailpassword_consume_token(&a->ctx, token, &user_id, &email);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_t *out = api_ok(a);
    json_add_str(out, "userId", user_id);
    json_add_str(out, "email", email);
    return RC_OK;
}

static int reset(struct api *a)
{
    struct str method, token, password, user_id;
    if (api_str(a, "method", &method) != RC_OK || api_str(a, "token", &token) != RC_OK ||
        api_str(a, "newPassword", &password) != RC_OK)
        return RC_FAIL;
    if (!str_eqz(method, "token"))
        return bad_request(a, "Unsupported method for password reset");
    if (password.len == 0)
        return bad_request(a, "Password cannot be an empty string");
    int rc = emailpassword_reset(&a->ctx, token, password, &user_id);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_add_str(api_ok(a), "userId", user_id);
    return RC_OK;
}

const struct route emailpassword_routes[] = {
    {HTTP_POST, "/recipe/signup", ROUTE_BODY, sign_up},
    {HTTP_POST, "/recipe/signin", ROUTE_BODY, sign_in},
    {HTTP_GET, "/recipe/user", 0, get_user},
    {HTTP_PUT, "/recipe/user", ROUTE_APP | ROUTE_BODY, put_user},
    {HTTP_POST, "/recipe/user/password/reset/token", ROUTE_BODY, make_token},
    {HTTP_POST, "/recipe/user/password/reset/token/consume", ROUTE_BODY, consume_token},
    {HTTP_POST, "/recipe/user/password/reset", ROUTE_BODY, reset},
    {HTTP_POST, "/recipe/user/passwordhash/import", ROUTE_BODY, import},
    {HTTP_OTHER, NULL, 0, NULL},
};
