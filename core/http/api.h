/* SPDX-License-Identifier: Apache-2.0 */
/* What api files see of HTTP: one call with its decoded body and query, the
 * context it runs in, and the reply to fill.  No civetweb here. */
#ifndef CORE_HTTP_API_H
#define CORE_HTTP_API_H

#include "base/ctx.h"
#include "base/json.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

struct api;

struct reply {
    int status;               /* 200 unless set */
    json_t *json;             /* owned by the router once set here */
    struct str text;          /* used when json is NULL: sent as text/html with a newline */
    struct str content_type;  /* overrides the default of json or text */
    struct str cache_control; /* header, absent by default */
    /* Runs when the reply has been sent, in the same ctx with a deadline of its
     * own; nobody learns of its failure.  NULL: nothing. */
    void (*after)(struct api *a);
};

struct api {
    struct ctx ctx; /* tenant, cdi and arena are set */
    enum http_method method;
    struct str path;                   /* below base path, app and tenant: "/recipe/signin" */
    struct str host;                   /* Host header without port, lower-cased */
    struct str rid;                    /* lower-cased, STR_NULL if absent */
    bool has_tenant;                   /* the path named another tenant than public */
    bool protect_config;               /* supertokens_saas_secret is set and was not sent */
    struct str cud, app_id, tenant_id; /* as asked for; "", "public" and "public" by default */
    json_t *body;                      /* parsed JSON object for ROUTE_BODY routes, else NULL */
    const struct request *request;     /* for api_query() */
    struct reply reply;
};

/* A handler fills api->reply and returns RC_OK, or RC_FAIL with ctx.fail set;
 * the router answers the failure. */
typedef int (*api_fn)(struct api *a);

enum {
    ROUTE_APP = 1,      /* for the app: only the public tenant may call it (403 from CDI 5.0) */
    ROUTE_NO_KEY = 2,   /* no api key is asked for */
    ROUTE_NO_CDI = 4,   /* the cdi-version header is ignored */
    ROUTE_BODY = 8,     /* a JSON object body is required */
    ROUTE_OLD_CDI = 16, /* also served at CDI 2.7 to 2.21 */
    ROUTE_TENANT_OPTIONAL = 32 /* an unknown tenant is no error: ctx.tenant is NULL */
};

/* Routes that share method and path are told apart by the rid header: a path
 * "/recipe/user#passwordless" is for that rid, one without for any other. */
struct route {
    enum http_method method;
    const char *path;
    unsigned flags;
    api_fn fn;
};

/* Each api file exports its table, ended by a NULL path. */
extern const struct route core_routes[];
extern const struct route dashboard_routes[];
extern const struct route emailpassword_routes[];
extern const struct route session_routes[];
extern const struct route jwt_routes[];
extern const struct route multitenancy_routes[];
extern const struct route multitenancy_user_routes[];
extern const struct route totp_routes[];
extern const struct route users_routes[];

/* ---- decoding.  Each fails with the text the SDKs know: "Field name 'X' is
 * invalid in JSON input" (also for a required one that is missing), "Field name
 * 'X' is missing in GET request", "Field name 'X' must be an int in the GET
 * request".  Optional variants leave *out at STR_NULL / dflt where the field is
 * absent; null counts as a wrong type.  Strings are not trimmed. */
int api_str(struct api *a, const char *field, struct str *out);
int api_str_opt(struct api *a, const char *field, struct str *out);
/* Trims *s and fails if nothing is left: "Field name 'X' cannot be an empty
 * String".  An absent one stays absent. */
int api_trim(struct api *a, const char *field, struct str *s);
int api_bool(struct api *a, const char *field, bool *out);
int api_bool_opt(struct api *a, const char *field, bool dflt, bool *out);
int api_i64(struct api *a, const char *field, int64_t *out);
int api_i64_opt(struct api *a, const char *field, int64_t dflt, int64_t *out);
int api_object(struct api *a, const char *field, json_t **out);     /* borrowed */
int api_object_opt(struct api *a, const char *field, json_t **out); /* NULL if absent */
int api_array(struct api *a, const char *field, json_t **out);
int api_array_opt(struct api *a, const char *field, json_t **out);
int api_query(struct api *a, const char *name, struct str *out); /* percent-decoded */
int api_query_opt(struct api *a, const char *name, struct str *out);
/* "true" in any case is true, anything else false. */
int api_query_bool_opt(struct api *a, const char *name, bool dflt, bool *out);
int api_query_i64_opt(struct api *a, const char *name, int64_t dflt, int64_t *out);
/* The same within 32 bits: "must be an int" instead of "a long". */
int api_query_int_opt(struct api *a, const char *name, int64_t dflt, int64_t *out);
/* A header of the request, STR_NULL if absent. */
struct str api_header(const struct api *a, const char *name);

/* What the api layer does after each request of a known app (api/core.c). */
void core_request_done(const struct api *a);

/* ---- replying */
/* {"status": status}, set as the reply; returns the object to add to. */
json_t *api_status(struct api *a, const char *status);
json_t *api_ok(struct api *a);

#endif
