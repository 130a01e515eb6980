/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server: civetweb's threads, one a connection, around the router.
 * civetweb serves nothing by itself: no files, no forms, no scripts. */
#ifndef CORE_HTTP_SERVER_H
#define CORE_HTTP_SERVER_H

#include "base/arena.h"
#include "base/str.h"
#include "core.h"

struct http_server;

/* Listens where core->settings say; sets core->http and core->permits before the
 * first request.  NULL: *error, in the arena, says why not. */
struct http_server *http_server_start(struct core *core, struct arena *a, struct str *error);
/* Refuses new connections, lets requests that run end for 10 s, then ends all
 * threads and frees.  Waits without limit for a request that does not end by
 * itself then: the caller's watchdog decides what becomes of it. */
void http_server_stop(struct http_server *s);
int http_server_port(const struct http_server *s);

/* What it does at this moment. */
struct http_load {
    unsigned requests, connections, connections_max;
    unsigned slots, slots_free, slots_waiters; /* requests at work, base/permits.h */
};
void http_server_load(struct http_server *s, struct http_load *load);
struct routes;
const struct routes *http_server_routes(const struct http_server *s);

#endif
