/* SPDX-License-Identifier: Apache-2.0 */
/* Who signs in to the dashboard, and the settings it shows: /recipe/dashboard/... */
#include "recipe/dashboard.h"

#include "http/api.h"
#include "recipe/account_info.h"

/* The answer of an outcome; RC_FAIL for a failure. */
static int outcome(struct api *a, int rc)
{
    switch (rc) {
    case RC_OK: api_ok(a); return RC_OK;
    case DASHBOARD_UNKNOWN_USER: api_status(a, "UNKNOWN_USER_ERROR"); return RC_OK;
    case DASHBOARD_EMAIL_EXISTS: api_status(a, "EMAIL_ALREADY_EXISTS_ERROR"); return RC_OK;
    case DASHBOARD_WRONG_CREDENTIALS: api_status(a, "INVALID_CREDENTIALS_ERROR"); return RC_OK;
    case DASHBOARD_INVALID_SESSION: api_status(a, "INVALID_SESSION_ERROR"); return RC_OK;
    default: return RC_FAIL;
    }
}

static json_t *user_json(const struct dashboard_user *user)
{
    json_t *o = json_object();
    json_add_str(o, "email", user->email);
    json_add_str(o, "userId", user->id);
    json_add_i64(o, "timeJoined", user->time_joined);
    return o;
}

/* ---- decoding.  *done: the call is answered with a status. */

static int trim_email(struct api *a, const char *field, struct str *email)
{
    int rc = api_trim(a, field, email);
    *email = email_normalise(a->ctx.arena, *email);
    return rc;
}

static int good_email(struct api *a, const char *field, struct str *email, bool *done)
{
    int rc = trim_email(a, field, email);
    *done = rc == RC_OK && email->p && !dashboard_email_ok(*email);
    if (*done)
        api_status(a, "INVALID_EMAIL_ERROR");
    return rc;
}

static int good_password(struct api *a, const char *field, struct str *password, bool *done)
{
    int rc = api_trim(a, field, password);
    const char *why = rc == RC_OK && password->p ? dashboard_password_weakness(*password) : NULL;
    *done = why != NULL;
    if (why)
        json_add_str(api_status(a, "PASSWORD_WEAK_ERROR"), "message", str_z(why));
    return rc;
}

static int neither(struct api *a)
{
    return ctx_fail_text(&a->ctx, FAIL_BAD_REQUEST,
                         STR("Either field 'email' or 'userId' must be present"));
}

/* ---- users */

static int post_user(struct api *a)
{
    struct str email, password;
    struct dashboard_user user;
    bool done;
    a->ctx.arena->wipe = true;
    if (api_str(a, "email", &email) != RC_OK || good_email(a, "email", &email, &done) != RC_OK)
        return RC_FAIL;
    if (done)
        return RC_OK;
    if (api_str(a, "password", &password) != RC_OK ||
        good_password(a, "password", &password, &done) != RC_OK)
        return RC_FAIL;
    if (done)
        return RC_OK;
    int rc = dashboard_sign_up(&a->ctx, email, password, &user);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_object_set_new(api_ok(a), "user", user_json(&user));
    return RC_OK;
}

/* Which user is meant: by id, else by email. */
static int whose(struct api *a, struct str *id, struct str *email)
{
    *email = STR_NULL;
    if (api_str_opt(a, "userId", id) != RC_OK || api_trim(a, "userId", id) != RC_OK)
        return RC_FAIL;
    if (id->p)
        return RC_OK;
    if (api_str_opt(a, "email", email) != RC_OK || trim_email(a, "email", email) != RC_OK)
        return RC_FAIL;
    return email->p ? RC_OK : neither(a);
}

static int put_user(struct api *a)
{
    struct str id, email, new_email, new_password;
    struct dashboard_user user;
    bool done;
    a->ctx.arena->wipe = true;
    if (api_str_opt(a, "newEmail", &new_email) != RC_OK ||
        good_email(a, "newEmail", &new_email, &done) != RC_OK)
        return RC_FAIL;
    if (done)
        return RC_OK;
    if (api_str_opt(a, "newPassword", &new_password) != RC_OK ||
        good_password(a, "newPassword", &new_password, &done) != RC_OK)
        return RC_FAIL;
    if (done)
        return RC_OK;
    if (whose(a, &id, &email) != RC_OK)
        return RC_FAIL;
    int rc = dashboard_update(&a->ctx, id, email, new_email, new_password, &user);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_object_set_new(api_ok(a), "user", user_json(&user));
    return RC_OK;
}

static int delete_user(struct api *a)
{
    struct str id, email = STR_NULL;
    bool existed;
    if (api_query_opt(a, "userId", &id) != RC_OK || api_trim(a, "userId", &id) != RC_OK)
        return RC_FAIL;
    if (!id.p &&
        (api_query_opt(a, "email", &email) != RC_OK || trim_email(a, "email", &email) != RC_OK))
        return RC_FAIL;
    if (!id.p && !email.p)
        return neither(a);
    if (dashboard_remove(&a->ctx, id, email, &existed) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "didUserExist", existed);
    return RC_OK;
}

static int get_users(struct api *a)
{
    struct dashboard_user *list;
    size_t n;
    if (dashboard_list(&a->ctx, &list, &n) != RC_OK)
        return RC_FAIL;
    json_t *users = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(users, user_json(&list[i]));
    json_object_set_new(api_ok(a), "users", users);
    return RC_OK;
}

/* ---- sessions */

static int sign_in(struct api *a)
{
    struct str email, password, session;
    a->ctx.arena->wipe = true;
    if (api_str(a, "email", &email) != RC_OK || trim_email(a, "email", &email) != RC_OK ||
        api_str(a, "password", &password) != RC_OK || api_trim(a, "password", &password) != RC_OK)
        return RC_FAIL;
    int rc = dashboard_sign_in(&a->ctx, email, password, &session);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_add_str(api_ok(a), "sessionId", session);
    return RC_OK;
}

static int verify(struct api *a)
{
    struct str session, email;
    a->ctx.arena->wipe = true;
    if (api_str(a, "sessionId", &session) != RC_OK || api_trim(a, "sessionId", &session) != RC_OK)
        return RC_FAIL;
    int rc = dashboard_verify(&a->ctx, session, &email);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_t *out = api_ok(a);
    if (a->ctx.cdi >= CDI(3, 0))
        json_add_str(out, "email", email);
    return RC_OK;
}

static int revoke(struct api *a)
{
    struct str session;
    a->ctx.arena->wipe = true;
    if (api_query(a, "sessionId", &session) != RC_OK || api_trim(a, "sessionId", &session) != RC_OK)
        return RC_FAIL;
    return outcome(a, dashboard_revoke(&a->ctx, session));
}

static int get_sessions(struct api *a)
{
    struct str id;
    struct dashboard_session *list;
    size_t n;
    if (api_query(a, "userId", &id) != RC_OK || api_trim(a, "userId", &id) != RC_OK ||
        dashboard_sessions(&a->ctx, id, &list, &n) != RC_OK)
        return RC_FAIL;
    json_t *sessions = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_object();
        json_add_str(o, "userId", list[i].user_id);
        json_add_str(o, "sessionId", list[i].hash);
        json_add_i64(o, "timeCreated", list[i].created_at);
        json_add_i64(o, "expiry", list[i].expires_at);
        json_array_append_new(sessions, o);
    }
    json_object_set_new(api_ok(a), "sessions", sessions);
    return RC_OK;
}

/* ---- settings */

static int core_config(struct api *a)
{
    json_t *list = NULL;
    int rc = dashboard_core_config(&a->ctx, a->protect_config, &list);
    if (rc != RC_OK) {
        json_decref(list);
        return RC_FAIL;
    }
    json_object_set_new(api_ok(a), "config", list);
    return RC_OK;
}

const struct route dashboard_routes[] = {
    {HTTP_POST, "/recipe/dashboard/user", ROUTE_APP | ROUTE_BODY, post_user},
    {HTTP_PUT, "/recipe/dashboard/user", ROUTE_APP | ROUTE_BODY, put_user},
    {HTTP_DELETE, "/recipe/dashboard/user", ROUTE_APP, delete_user},
    {HTTP_GET, "/recipe/dashboard/users", ROUTE_APP, get_users},
    {HTTP_GET, "/recipe/dashboard/user/sessions", ROUTE_APP, get_sessions},
    {HTTP_POST, "/recipe/dashboard/signin", ROUTE_APP | ROUTE_BODY, sign_in},
    {HTTP_POST, "/recipe/dashboard/session/verify", ROUTE_APP | ROUTE_BODY, verify},
    {HTTP_DELETE, "/recipe/dashboard/session", ROUTE_APP, revoke},
    {HTTP_GET, "/recipe/dashboard/tenant/core-config", 0, core_config},
    {HTTP_OTHER, NULL, 0, NULL},
};
