/* SPDX-License-Identifier: Apache-2.0 */
/* TOTP: /recipe/totp/device and below, /recipe/totp/verify. */
#include "recipe/totp.h"

#include "crypto/totp.h"
#include "http/api.h"

enum { STATUS_IDS_MAX = 500 };

static int bad_request(struct api *a, const char *text)
{
    return ctx_fail_text(&a->ctx, FAIL_BAD_REQUEST, str_z(text));
}

static int not_empty(struct api *a, const char *field, struct str s)
{
    if (s.p && s.len == 0)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "%s cannot be empty", field);
    return RC_OK;
}

/* The answer of an outcome; RC_FAIL for a failure. */
static int outcome(struct api *a, int rc)
{
    switch (rc) {
    case RC_OK: api_ok(a); return RC_OK;
    case TOTP_UNKNOWN_USER: api_status(a, "UNKNOWN_USER_ID_ERROR"); return RC_OK;
    case TOTP_UNKNOWN_DEVICE: api_status(a, "UNKNOWN_DEVICE_ERROR"); return RC_OK;
    case TOTP_DEVICE_EXISTS: api_status(a, "DEVICE_ALREADY_EXISTS_ERROR"); return RC_OK;
    default: return RC_FAIL;
    }
}

/* ---- devices */

static int int_field(struct api *a, const char *field, int64_t *out)
{
    int rc = api_i64(a, field, out);
    if (rc == RC_OK && (*out > INT32_MAX || *out < INT32_MIN))
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name '%s' is invalid in JSON input",
                        field);
    return rc;
}

/* secret: of an import, else NULL. */
static int decode_device(struct api *a, struct str *user_id, struct totp_device *d,
                         struct str *secret)
{
    if (api_str(a, "userId", user_id) != RC_OK || api_str_opt(a, "deviceName", &d->name) != RC_OK ||
        int_field(a, "skew", &d->skew) != RC_OK || int_field(a, "period", &d->period) != RC_OK ||
        (secret && api_str(a, "secretKey", secret) != RC_OK) ||
        not_empty(a, "userId", *user_id) != RC_OK || not_empty(a, "deviceName", d->name) != RC_OK ||
        (secret && not_empty(a, "secretKey", *secret) != RC_OK))
        return RC_FAIL;
    if (d->skew < 0)
        return bad_request(a, "skew must be >= 0");
    if (d->period <= 0)
        return bad_request(a, "period must be > 0");
    if (d->skew > TOTP_SKEW_MAX)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "skew must be <= %d", TOTP_SKEW_MAX);
    return RC_OK;
}

static int create(struct api *a)
{
    struct str user_id;
    struct totp_device d = {.name = STR_NULL};
    if (decode_device(a, &user_id, &d, NULL) != RC_OK)
        return RC_FAIL;
    int rc = totp_device_create(&a->ctx, user_id, &d);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_t *out = api_ok(a);
    json_add_str(out, "deviceName", d.name);
    json_add_str(out, "secret", d.secret);
    return RC_OK;
}

static int import(struct api *a)
{
    struct str user_id;
    struct totp_device d = {.name = STR_NULL};
    a->ctx.arena->wipe = true;
    if (decode_device(a, &user_id, &d, &d.secret) != RC_OK)
        return RC_FAIL;
    if (base32_decode(a->ctx.arena, d.secret).len == 0)
        return bad_request(a, "secretKey must be base32");
    int rc = totp_device_import(&a->ctx, user_id, &d);
    if (rc != RC_OK)
        return outcome(a, rc);
    json_add_str(api_ok(a), "deviceName", d.name);
    return RC_OK;
}

static int rename_device(struct api *a)
{
    struct str user_id, name, new_name;
    if (api_str(a, "userId", &user_id) != RC_OK ||
        api_str(a, "existingDeviceName", &name) != RC_OK ||
        api_str(a, "newDeviceName", &new_name) != RC_OK ||
        not_empty(a, "userId", user_id) != RC_OK ||
        not_empty(a, "existingDeviceName", name) != RC_OK ||
        not_empty(a, "newDeviceName", new_name) != RC_OK)
        return RC_FAIL;
    return outcome(a, totp_device_rename(&a->ctx, user_id, name, new_name));
}

static int remove_device(struct api *a)
{
    struct str user_id, name;
    if (api_str(a, "userId", &user_id) != RC_OK || api_str(a, "deviceName", &name) != RC_OK ||
        not_empty(a, "userId", user_id) != RC_OK || not_empty(a, "deviceName", name) != RC_OK)
        return RC_FAIL;
    int rc = totp_device_remove(&a->ctx, user_id, name);
    if (rc != RC_OK && rc != TOTP_UNKNOWN_DEVICE)
        return RC_FAIL;
    json_add_bool(api_ok(a), "didDeviceExist", rc == RC_OK);
    return RC_OK;
}

static int list(struct api *a)
{
    struct str user_id;
    struct totp_device *devices;
    size_t n;
    if (api_query(a, "userId", &user_id) != RC_OK || not_empty(a, "userId", user_id) != RC_OK ||
        totp_device_list(&a->ctx, user_id, &devices, &n) != RC_OK)
        return RC_FAIL;
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_object();
        json_add_str(o, "name", devices[i].name);
        json_add_i64(o, "period", devices[i].period);
        json_add_i64(o, "skew", devices[i].skew);
        json_add_bool(o, "verified", devices[i].verified);
        json_array_append_new(array, o);
    }
    json_object_set_new(api_ok(a), "devices", array);
    return RC_OK;
}

static int status_ids(struct api *a, const json_t *array, struct str *ids)
{
    size_t n = json_array_size(array);
    if (n > STATUS_IDS_MAX)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "You can only query up to %d users at a time.",
                        STATUS_IDS_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(array, i);
        if (!json_is_string(v))
            return bad_request(a, "userIds array must contain only strings");
        ids[i] = str_make(json_string_value(v), json_string_length(v));
    }
    return RC_OK;
}

static int status(struct api *a)
{
    json_t *array, *users = json_array();
    if (api_array(a, "userIds", &array) != RC_OK) {
        json_decref(users);
        return RC_FAIL;
    }
    size_t n = json_array_size(array);
    struct str *ids = ARENA_ARRAY(a->ctx.arena, struct str, n + 1);
    struct totp_status *found = ARENA_ARRAY(a->ctx.arena, struct totp_status, n + 1);
    if (status_ids(a, array, ids) != RC_OK ||
        (n && totp_device_status(&a->ctx, ids, n, found) != RC_OK)) {
        json_decref(users);
        return RC_FAIL;
    }
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_object();
        json_add_str(o, "userId", ids[i]);
        json_object_set_new(o, "hasVerifiedDevice",
                            found[i].any ? json_boolean(found[i].verified) : json_null());
        json_array_append_new(users, o);
    }
    json_object_set_new(api_ok(a), "users", users);
    return RC_OK;
}

/* ---- codes */

static int attempted(struct api *a, int rc, const struct totp_attempts *t)
{
    if (rc != TOTP_INVALID && rc != TOTP_LIMIT)
        return outcome(a, rc);
    json_t *out = api_status(a, rc == TOTP_LIMIT ? "LIMIT_REACHED_ERROR" : "INVALID_TOTP_ERROR");
    if (rc == TOTP_LIMIT)
        json_add_i64(out, "retryAfterMs", t->retry_after_ms);
    if (a->ctx.cdi >= CDI(5, 0)) {
        json_add_i64(out, "currentNumberOfFailedAttempts", t->failed);
        json_add_i64(out, "maxNumberOfFailedAttempts", t->most);
    }
    return RC_OK;
}

static int verify_device(struct api *a)
{
    struct str user_id, name, code;
    struct totp_attempts attempts = {0};
    bool was_verified;
    if (api_str(a, "userId", &user_id) != RC_OK || api_str(a, "deviceName", &name) != RC_OK ||
        api_str(a, "totp", &code) != RC_OK || not_empty(a, "userId", user_id) != RC_OK ||
        not_empty(a, "deviceName", name) != RC_OK)
        return RC_FAIL;
    int rc = totp_device_verify(&a->ctx, user_id, name, code, &was_verified, &attempts);
    if (rc != RC_OK)
        return attempted(a, rc, &attempts);
    json_add_bool(api_ok(a), "wasAlreadyVerified", was_verified);
    return RC_OK;
}

static int verify(struct api *a)
{
    struct str user_id, code;
    struct totp_attempts attempts = {0};
    if (api_str(a, "userId", &user_id) != RC_OK || api_str(a, "totp", &code) != RC_OK ||
        not_empty(a, "userId", user_id) != RC_OK)
        return RC_FAIL;
    return attempted(a, totp_verify(&a->ctx, user_id, code, &attempts), &attempts);
}

const struct route totp_routes[] = {
    {HTTP_POST, "/recipe/totp/device", ROUTE_APP | ROUTE_BODY, create},
    {HTTP_PUT, "/recipe/totp/device", ROUTE_APP | ROUTE_BODY, rename_device},
    {HTTP_POST, "/recipe/totp/device/import", ROUTE_APP | ROUTE_BODY, import},
    {HTTP_GET, "/recipe/totp/device/list", ROUTE_APP, list},
    {HTTP_POST, "/recipe/totp/device/remove", ROUTE_APP | ROUTE_BODY, remove_device},
    {HTTP_POST, "/recipe/totp/device/status/bulk", ROUTE_APP | ROUTE_BODY, status},
    {HTTP_POST, "/recipe/totp/device/verify", ROUTE_BODY, verify_device},
    {HTTP_POST, "/recipe/totp/verify", ROUTE_BODY, verify},
    {HTTP_OTHER, NULL, 0, NULL},
};
