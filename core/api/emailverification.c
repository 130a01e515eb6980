/* SPDX-License-Identifier: Apache-2.0 */
/* Email verification: /recipe/user/email/verify and below. */
#include "recipe/emailverification.h"

#include "http/api.h"
#include "recipe/account_info.h"

static int user_and_email(struct api *a, struct str *id, struct str *email)
{
    if (api_str(a, "userId", id) != RC_OK || api_str(a, "email", email) != RC_OK)
        return RC_FAIL;
    *email = email_normalise(a->ctx.arena, *email);
    return RC_OK;
}

static int make_token(struct api *a)
{
    struct str id, email, token;
    if (user_and_email(a, &id, &email) != RC_OK)
        return RC_FAIL;
    int rc = emailverification_make_token(&a->ctx, id, email, &token);
    if (rc < 0)
        return RC_FAIL;
    if (rc == EMAILVERIFICATION_ALREADY)
        api_status(a, "EMAIL_ALREADY_VERIFIED_ERROR");
    else
        json_add_str(api_ok(a), "token", token);
    return RC_OK;
}

static int verify(struct api *a)
{
    struct str method, token, id, email;
    if (api_str(a, "method", &method) != RC_OK || api_str(a, "token", &token) != RC_OK)
        return RC_FAIL;
    if (!str_eqz(method, "token"))
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Unsupported method for email verification");
    int rc = emailverification_verify(&a->ctx, token, &id, &email);
    if (rc < 0)
        return RC_FAIL;
    if (rc == EMAILVERIFICATION_INVALID_TOKEN) {
        api_status(a, "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
        return RC_OK;
    }
    json_t *out = api_ok(a);
    json_add_str(out, "userId", id);
    json_add_str(out, "email", email);
    return RC_OK;
}

/* The email is compared as it was sent, as the incumbent does. */
static int is_verified(struct api *a)
{
    struct str id, email;
    bool verified;
    if (api_query(a, "userId", &id) != RC_OK || api_query(a, "email", &email) != RC_OK ||
        emailverification_is_verified(&a->ctx, id, email, &verified) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "isVerified", verified);
    return RC_OK;
}

static int unverify(struct api *a)
{
    struct str id, email;
    if (user_and_email(a, &id, &email) != RC_OK ||
        emailverification_unverify(&a->ctx, id, email) != RC_OK)
        return RC_FAIL;
    api_ok(a);
    return RC_OK;
}

static int revoke(struct api *a)
{
    struct str id, email;
    if (user_and_email(a, &id, &email) != RC_OK ||
        emailverification_revoke(&a->ctx, id, email) != RC_OK)
        return RC_FAIL;
    api_ok(a);
    return RC_OK;
}

const struct route emailverification_routes[] = {
    {HTTP_POST, "/recipe/user/email/verify/token", ROUTE_BODY, make_token},
    {HTTP_POST, "/recipe/user/email/verify", ROUTE_BODY, verify},
    {HTTP_GET, "/recipe/user/email/verify", ROUTE_APP, is_verified},
    {HTTP_POST, "/recipe/user/email/verify/remove", ROUTE_APP | ROUTE_BODY, unverify},
    {HTTP_POST, "/recipe/user/email/verify/token/remove", ROUTE_BODY, revoke},
    {HTTP_OTHER, NULL, 0, NULL},
};
