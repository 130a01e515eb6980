/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to a reply: checks in the order the SDKs rely on, the call
 * itself, the encoding.  Knows nothing of sockets. */
#ifndef CORE_HTTP_ROUTER_H
#define CORE_HTTP_ROUTER_H

#include "core.h"
#include "http/request.h"
#include "http/routes.h"

struct router {
    struct core *core;
    struct routes *routes;
    struct str base_path; /* "" or "/path", as sent in requests */
    uint64_t timeout_us;  /* of one request */
};

/* One request and what is to be sent.  Everything lives in the arena. */
struct exchange {
    struct api api;
    int status;
    struct str content_type, cache_control; /* cache_control may be STR_NULL */
    struct str body;                        /* a newline follows it on the wire */
    bool close; /* the rest of the request was not read: end the connection */
    /* For router_done(). */
    struct route_match match;
    const struct tenant *app, *tenant; /* referenced; app: its public tenant */
    uint64_t started_us;
};

/* Does the call.  Every exchange must see router_done() afterwards, when the
 * reply has been sent, before the arena is reset. */
void router_run(struct router *r, const struct request *req, struct arena *a, struct exchange *x);
void router_done(struct router *r, struct exchange *x);

#endif
