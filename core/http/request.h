/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request as the router sees it, free of civetweb, so that tests can
 * make one by hand. */
#ifndef CORE_HTTP_REQUEST_H
#define CORE_HTTP_REQUEST_H

#include "base/arena.h"
#include "base/str.h"
#include "http/api.h"

#include <stddef.h>

enum {
    BODY_MAX = 1024 * 1024, /* bytes of a body */
    JSON_DEPTH_MAX = 100    /* jansson recurses, on civetweb's 100 KiB stacks */
};

struct http_header {
    const char *name, *value;
};

/* How the body can turn out.  BODY_CUT: the server stops and reads no further;
 * nobody is to blame. */
enum body_status { BODY_OK, BODY_TOO_BIG, BODY_BROKEN, BODY_CUT };

struct request {
    const char *method;
    struct str path;  /* as sent, percent-encoded, without the query */
    struct str query; /* after the '?', STR_NULL if there is none */
    const struct http_header *headers;
    size_t nheaders;
    struct str remote; /* textual address of the peer */
    /* Reads all of the body into the arena, when it is wanted. */
    enum body_status (*read_body)(const struct request *r, struct arena *a, struct str *body);
    void *user;
};

enum http_method request_method(const char *name);
/* The first header of this name in any case, STR_NULL if absent. */
struct str request_header(const struct request *r, const char *name);

/* ---- percent encoding (url.c) */

/* Decodes into the arena; plus: '+' is a space.  False on a bad escape, NUL or
 * what is not UTF-8. */
bool url_decode(struct arena *a, struct str in, bool plus, struct str *out);
/* The first value of a name in a query string, still encoded. */
bool url_query_find(struct arena *a, struct str query, const char *name, struct str *value);
/* A path decoded, runs of slashes made one, the trailing one cut ("/" gives "").
 * False if it is malformed or hides a slash in an escape. */
bool url_path(struct arena *a, struct str raw, struct str *path);

#endif
