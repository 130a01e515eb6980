/* SPDX-License-Identifier: Apache-2.0 */
/* Ends connections whose client drags out a body or a reply.  civetweb limits
 * each wait for more; a byte now and then would keep a thread for ever. */
#ifndef CORE_HTTP_WATCH_H
#define CORE_HTTP_WATCH_H

#include <stdint.h>

struct watches;
struct watch; /* one thread's */

/* Watches over connections of the local port, about once a second. */
struct watches *watches_start(int port);
/* No connection is ended any more. */
void watches_stop(struct watches *ws);
/* Once every watch is gone. */
void watches_free(struct watches *ws);

struct watch *watch_new(struct watches *ws);
void watch_free(struct watches *ws, struct watch *w);

/* From now on until watch_end() the thread waits for the client at this address
 * and port, for at most so long.  Then the connection's reading is ended, how
 * being SHUT_RD, or all of it, SHUT_RDWR. */
void watch_begin(struct watch *w, const char *address, int port, int how, uint64_t most_us);
void watch_end(struct watch *w);

#endif
