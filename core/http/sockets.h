/* SPDX-License-Identifier: Apache-2.0 */
/* What civetweb does not offer: to resolve and try an address with a reason for
 * failure, and to reach its sockets when the server ends. */
#ifndef CORE_HTTP_SOCKETS_H
#define CORE_HTTP_SOCKETS_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* "127.0.0.1:3567" for host and port (0: any free one), which can be bound now.
 * False: *error says why not and what to do. */
bool sockets_address(struct arena *a, struct str host, int64_t port, struct str *address,
                     int *bound, struct str *error);

/* What stands in for the socket that listened: both -1 where there was none. */
struct sockets_quiet {
    int pipe; /* the writing end */
    int old;  /* the socket, which does not listen any more */
};

/* Puts a pipe, which never gets readable, in the place of the process's socket
 * that listens on the port: clients are refused from now on, and the thread that
 * polls it sleeps on. */
struct sockets_quiet sockets_stop_listening(int port);
/* Wakes that thread. */
void sockets_wake(struct sockets_quiet quiet);
/* Ends reading on every connection of the port: what has arrived is still
 * answered, then its thread sees the end. */
void sockets_end_reading(int port);
/* Shuts down, as shutdown() does, the connection of the port with that peer. */
void sockets_end_peer(int port, uint32_t address, int peer_port, int how);

#endif
