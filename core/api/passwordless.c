/* SPDX-License-Identifier: Apache-2.0 */
/* Passwordless: /recipe/signinup/code, .../code/check, .../code/consume,
 * .../code/remove, /recipe/signinup/codes, .../codes/remove, /recipe/user. */
#include "recipe/passwordless.h"

#include "api/user_json.h"
#include "http/api.h"
#include "recipe/account_info.h"

static int bad_request(struct api *a, const char *text)
{
    return ctx_fail_text(&a->ctx, FAIL_BAD_REQUEST, str_z(text));
}

/* Number of texts that are there. */
static int given(const struct str *list, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += list[i].p != NULL;
    return count;
}

/* ---- making codes */

static int create(struct api *a)
{
    struct passwordless_new what;
    struct passwordless_code code;
    if (api_str_opt(a, "email", &what.email) != RC_OK ||
        api_str_opt(a, "phoneNumber", &what.phone) != RC_OK ||
        api_str_opt(a, "deviceId", &what.device_id) != RC_OK)
        return RC_FAIL;
    const struct str one[] = {what.email, what.phone, what.device_id};
    if (given(one, 3) != 1)
        return bad_request(a, "Please provide exactly one of email, phoneNumber or deviceId");
    if (api_str_opt(a, "userInputCode", &what.input_code) != RC_OK)
        return RC_FAIL;
    if (what.input_code.p && what.input_code.len == 0)
        return bad_request(a, "userInputCode cannot be an empty string.");
    if (passwordless_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    what.email = email_normalise(a->ctx.arena, what.email);
    what.phone = phone_normalise(a->ctx.arena, what.phone);
    switch (passwordless_create(&a->ctx, &what, &code)) {
    case RC_OK: break;
    case PASSWORDLESS_RESTART: api_status(a, "RESTART_FLOW_ERROR"); return RC_OK;
    case PASSWORDLESS_CODE_USED: api_status(a, "USER_INPUT_CODE_ALREADY_USED_ERROR"); return RC_OK;
    default: return RC_FAIL;
    }
    json_t *out = api_ok(a);
    json_add_str(out, "preAuthSessionId", code.pre_auth_id);
    json_add_str(out, "codeId", code.code_id);
    json_add_str(out, "deviceId", code.device_id);
    json_add_str(out, "userInputCode", code.input_code);
    json_add_str(out, "linkCode", code.link_code);
    json_add_i64(out, "timeCreated", code.created_at);
    json_add_i64(out, "codeLifetime", code.lifetime);
    return RC_OK;
}

/* ---- presenting them */

static int proof_of(struct api *a, struct passwordless_proof *proof)
{
    static const char wrong[] = "Please provide exactly one of linkCode or deviceId+userInputCode";
    bool link = json_object_get(a->body, "linkCode"), id = json_object_get(a->body, "deviceId"),
         typed = json_object_get(a->body, "userInputCode");
    *proof = (struct passwordless_proof){.link_code = STR_NULL};
    if (api_str(a, "preAuthSessionId", &proof->pre_auth_id) != RC_OK)
        return RC_FAIL;
    if (link ? id || typed : !id || !typed)
        return bad_request(a, wrong);
    if (link)
        return api_str(a, "linkCode", &proof->link_code);
    int rc = api_str(a, "deviceId", &proof->device_id);
    return rc == RC_OK ? api_str(a, "userInputCode", &proof->input_code) : rc;
}

/* The answer of a code that is no good; RC_FAIL for a failure. */
static int refused(struct api *a, int rc, const struct passwordless_checked *checked)
{
    if (rc < 0)
        return RC_FAIL;
    json_t *out = api_status(a, rc == PASSWORDLESS_INCORRECT ? "INCORRECT_USER_INPUT_CODE_ERROR"
                                : rc == PASSWORDLESS_EXPIRED ? "EXPIRED_USER_INPUT_CODE_ERROR"
                                                             : "RESTART_FLOW_ERROR");
    if (rc == PASSWORDLESS_RESTART)
        return RC_OK;
    json_add_i64(out, "failedCodeInputAttemptCount", checked->failed);
    json_add_i64(out, "maximumCodeInputAttempts", checked->most);
    return RC_OK;
}

static json_t *device_json(const struct pl_device *d)
{
    json_t *o = json_object();
    json_add_str(o, "preAuthSessionId", d->hash);
    json_add_i64(o, "failedCodeInputAttemptCount", d->failed);
    json_add_str(o, "email", d->email);
    json_add_str(o, "phoneNumber", d->phone);
    return o;
}

static int check(struct api *a)
{
    struct passwordless_proof proof;
    struct passwordless_checked checked;
    if (proof_of(a, &proof) != RC_OK || passwordless_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    int rc = passwordless_check(&a->ctx, &proof, &checked);
    if (rc != RC_OK)
        return refused(a, rc, &checked);
    json_object_set_new(api_ok(a), "consumedDevice", device_json(&checked.device));
    return RC_OK;
}

static int consume(struct api *a)
{
    struct passwordless_proof proof;
    struct passwordless_checked checked;
    struct passwordless_login login;
    if (proof_of(a, &proof) != RC_OK || passwordless_allowed(&a->ctx) != RC_OK)
        return RC_FAIL;
    int rc = passwordless_consume(&a->ctx, &proof, &checked, &login);
    if (rc != RC_OK)
        return refused(a, rc, &checked);
    json_t *out = api_ok(a);
    json_add_bool(out, "createdNewUser", login.created);
    json_object_set_new(out, "user", user_json_of(&login.user, a->ctx.cdi));
    if (a->ctx.cdi >= CDI(4, 0))
        json_add_str(out, "recipeUserId", login.recipe_user_id);
    if (a->ctx.cdi >= CDI(5, 0))
        json_object_set_new(out, "consumedDevice", device_json(&checked.device));
    return RC_OK;
}

/* ---- removing and listing */

static int done(struct api *a, int rc)
{
    if (rc != RC_OK)
        return RC_FAIL;
    api_ok(a);
    return RC_OK;
}

static int remove_code(struct api *a)
{
    struct str code, device = STR_NULL;
    if (a->ctx.cdi < CDI(5, 0))
        return api_str(a, "codeId", &code) != RC_OK
                   ? RC_FAIL
                   : done(a, passwordless_remove_code(&a->ctx, code));
    if (api_str_opt(a, "codeId", &code) != RC_OK ||
        api_str_opt(a, "preAuthSessionId", &device) != RC_OK)
        return RC_FAIL;
    if (!code.p && !device.p)
        return bad_request(a, "Please provide either 'codeId' or 'preAuthSessionId'");
    if (code.p && device.p)
        return bad_request(a, "Please provide only one of 'codeId' or 'preAuthSessionId'");
    return done(a, code.p ? passwordless_remove_code(&a->ctx, code)
                          : passwordless_remove_device(&a->ctx, device));
}

static int remove_codes(struct api *a)
{
    struct str email, phone;
    if (api_str_opt(a, "email", &email) != RC_OK || api_str_opt(a, "phoneNumber", &phone) != RC_OK)
        return RC_FAIL;
    if (!email.p == !phone.p)
        return bad_request(a, "Please provide exactly one of email or phoneNumber");
    return done(a, passwordless_remove_codes(&a->ctx, email_normalise(a->ctx.arena, email),
                                             phone_normalise(a->ctx.arena, phone)));
}

static int list(struct api *a)
{
    struct passwordless_of of;
    struct passwordless_device *found = NULL;
    size_t n;
    if (api_query_opt(a, "email", &of.email) != RC_OK ||
        api_query_opt(a, "phoneNumber", &of.phone) != RC_OK ||
        api_query_opt(a, "deviceId", &of.device_id) != RC_OK ||
        api_query_opt(a, "preAuthSessionId", &of.pre_auth_id) != RC_OK)
        return RC_FAIL;
    const struct str one[] = {of.email, of.phone, of.device_id, of.pre_auth_id};
    if (given(one, 4) != 1)
        return bad_request(
            a, "Please provide exactly one of email, phoneNumber, deviceId or preAuthSessionId");
    of.email = email_normalise(a->ctx.arena, of.email);
    of.phone = phone_normalise(a->ctx.arena, of.phone);
    if (passwordless_list(&a->ctx, &of, &found, &n) != RC_OK)
        return RC_FAIL;
    json_t *devices = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *device = device_json(&found[i].device), *codes = json_array();
        for (size_t k = 0; k < found[i].ncodes; k++) {
            json_t *code = json_object();
            json_add_str(code, "codeId", found[i].codes[k].id);
            json_add_i64(code, "timeCreated", found[i].codes[k].created_at);
            json_add_i64(code, "codeLifetime", passwordless_lifetime(&a->ctx));
            json_array_append_new(codes, code);
        }
        json_object_set_new(device, "codes", codes);
        json_array_append_new(devices, device);
    }
    json_object_set_new(api_ok(a), "devices", devices);
    return RC_OK;
}

/* ---- /recipe/user */

static int get_user(struct api *a)
{
    struct str id, email, phone;
    struct user user;
    if (api_query_opt(a, "userId", &id) != RC_OK || api_query_opt(a, "email", &email) != RC_OK ||
        api_query_opt(a, "phoneNumber", &phone) != RC_OK)
        return RC_FAIL;
    const struct str one[] = {id, email, phone};
    if (given(one, 3) != 1)
        return bad_request(a, "Please provide exactly one of userId, email or phoneNumber");
    if (id.p && a->has_tenant && a->ctx.cdi >= CDI(5, 0)) /* by id it is a call for the app */
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Only public tenantId can call this app specific API");
    int rc = id.p ? passwordless_by_id(&a->ctx, id, &user)
                  : passwordless_by_account(&a->ctx, email_normalise(a->ctx.arena, email),
                                            phone_normalise(a->ctx.arena, phone), &user);
    if (rc < 0)
        return RC_FAIL;
    if (rc != RC_OK)
        api_status(a, id.p      ? "UNKNOWN_USER_ID_ERROR"
                      : email.p ? "UNKNOWN_EMAIL_ERROR"
                                : "UNKNOWN_PHONE_NUMBER_ERROR");
    else
        json_object_set_new(api_ok(a), "user", user_json_of(&user, a->ctx.cdi));
    return RC_OK;
}

/* A field that may be null, which clears it. */
static int nullable(struct api *a, const char *field, bool *is_given, struct str *text)
{
    const json_t *v = json_object_get(a->body, field);
    *is_given = v != NULL;
    *text = STR_NULL;
    return !v || json_is_null(v) ? RC_OK : api_str(a, field, text);
}

static int put_user(struct api *a)
{
    struct str id;
    struct passwordless_change change;
    if (api_str(a, a->ctx.cdi < CDI(4, 0) ? "userId" : "recipeUserId", &id) != RC_OK ||
        nullable(a, "email", &change.email_given, &change.email) != RC_OK ||
        nullable(a, "phoneNumber", &change.phone_given, &change.phone) != RC_OK)
        return RC_FAIL;
    change.email = email_normalise(a->ctx.arena, change.email);
    change.phone = phone_normalise(a->ctx.arena, change.phone);
    switch (passwordless_update(&a->ctx, id, &change)) {
    case RC_OK: api_ok(a); return RC_OK;
    case USERS_UNKNOWN: api_status(a, "UNKNOWN_USER_ID_ERROR"); return RC_OK;
    case USERS_EMAIL_EXISTS: api_status(a, "EMAIL_ALREADY_EXISTS_ERROR"); return RC_OK;
    case USERS_PHONE_EXISTS: api_status(a, "PHONE_NUMBER_ALREADY_EXISTS_ERROR"); return RC_OK;
    case USERS_CHANGE_NOT_ALLOWED:
        json_add_str(api_status(a, "EMAIL_CHANGE_NOT_ALLOWED_ERROR"), "reason",
                     STR("New email is associated with another primary user ID"));
        return RC_OK;
    case PASSWORDLESS_PHONE_NOT_ALLOWED:
        json_add_str(api_status(a, "PHONE_NUMBER_CHANGE_NOT_ALLOWED_ERROR"), "reason",
                     STR("New phone number is associated with another primary user ID"));
        return RC_OK;
    default: return RC_FAIL;
    }
}

const struct route passwordless_routes[] = {
    {HTTP_POST, "/recipe/signinup/code", ROUTE_BODY, create},
    {HTTP_POST, "/recipe/signinup/code/check", ROUTE_BODY, check},
    {HTTP_POST, "/recipe/signinup/code/consume", ROUTE_BODY, consume},
    {HTTP_POST, "/recipe/signinup/code/remove", ROUTE_BODY, remove_code},
    {HTTP_GET, "/recipe/signinup/codes", 0, list},
    {HTTP_POST, "/recipe/signinup/codes/remove", ROUTE_BODY, remove_codes},
    {HTTP_GET, "/recipe/user#passwordless", 0, get_user},
    {HTTP_PUT, "/recipe/user#passwordless", ROUTE_APP | ROUTE_BODY, put_user},
    {HTTP_OTHER, NULL, 0, NULL},
};
