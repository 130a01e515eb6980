/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets around civetweb; see sockets.h.  It keeps its descriptors to itself,
 * so they are found by their local port. */
#include "http/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- where to listen */

static bool resolve(struct arena *a, struct str host, struct sockaddr_in *addr, struct str *error)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (str_find(host, ':') >= 0) {
        *error = str_printf(a,
                            "http: host \"%.*s\" is an IPv6 address, and this server listens on "
                            "IPv4 only. Set host to 0.0.0.0 or an IPv4 address, or put a proxy "
                            "that speaks IPv6 before it",
                            STR_ARG(host));
        return false;
    }
    int rc = getaddrinfo(str_dup(a, host).p, NULL, &hints, &found);
    if (rc != 0) {
        *error = str_printf(a,
                            "http: host \"%.*s\" has no IPv4 address: %s. Set host to localhost, "
                            "0.0.0.0 or an address of this machine",
                            STR_ARG(host), gai_strerror(rc));
        return false;
    }
    memcpy(addr, found->ai_addr, sizeof(*addr));
    freeaddrinfo(found);
    return true;
}

/* civetweb tells why it cannot bind in a log line only, so it is tried before. */
static int try_bind(struct sockaddr_in *addr)
{
    int on = 1, failed = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*addr);
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)addr, sizeof(*addr)) || listen(fd, 1) ||
        getsockname(fd, (struct sockaddr *)addr, &len))
        failed = errno;
    close(fd);
    return failed;
}

static const char *remedy(int why)
{
    switch (why) {
    case EADDRINUSE: return "End the process that listens there, or set another port";
    case EACCES:
        return "Ports below 1024 need the capability CAP_NET_BIND_SERVICE; set a higher one";
    case EADDRNOTAVAIL: return "Set host to an address of this machine, or to 0.0.0.0";
    default: return "Check host and port";
    }
}

bool sockets_address(struct arena *a, struct str host, int64_t port, struct str *address,
                     int *bound, struct str *error)
{
    struct sockaddr_in addr;
    char text[INET_ADDRSTRLEN];
    if (!resolve(a, host, &addr, error))
        return false;
    addr.sin_port = htons((uint16_t)port);
    inet_ntop(AF_INET, &addr.sin_addr, text, sizeof(text));
    int why = try_bind(&addr);
    if (why) {
        *error = str_printf(a, "http: cannot listen on %s:%d: %s. %s", text, (int)port,
                            strerror(why), remedy(why));
        return false;
    }
    *bound = ntohs(addr.sin_port);
    *address = str_printf(a, "%s:%d", text, *bound);
    return true;
}

/* ---- the descriptors of a running server */

static bool is_ours(int fd, int port, bool listening)
{
    struct sockaddr_in addr = {.sin_family = AF_UNSPEC};
    socklen_t len = sizeof(addr), optlen = sizeof(int);
    int accepts = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &optlen) || !accepts == listening)
        return false;
    return getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.sin_family == AF_INET &&
           ntohs(addr.sin_port) == port;
}

static void each_socket(int port, bool listening, void (*fn)(int fd, void *arg), void *arg)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && is_ours((int)fd, port, listening))
            fn((int)fd, arg);
    }
    if (dir)
        closedir(dir);
}

static void replace(int fd, void *arg)
{
    struct sockets_quiet *quiet = arg;
    int ends[2];
    if (quiet->pipe >= 0 || pipe2(ends, O_CLOEXEC))
        return;
    quiet->pipe = ends[1];
    quiet->old = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    dup3(ends[0], fd, O_CLOEXEC);
    close(ends[0]);
    if (quiet->old >= 0)
        shutdown(quiet->old, SHUT_RDWR);
}

struct sockets_quiet sockets_stop_listening(int port)
{
    struct sockets_quiet quiet = {-1, -1};
    each_socket(port, true, replace, &quiet);
    return quiet;
}

/* A poll() that began before the exchange waits for news of the old socket, then
 * looks at what the descriptor is now; a later one waits for the pipe.  A second
 * shutdown wakes the former, although there is nothing left to shut down. */
void sockets_wake(struct sockets_quiet quiet)
{
    if (quiet.pipe >= 0)
        close(quiet.pipe);
    if (quiet.old >= 0) {
        shutdown(quiet.old, SHUT_RDWR);
        close(quiet.old);
    }
}

static void end_reading(int fd, void *arg)
{
    (void)arg;
    shutdown(fd, SHUT_RD);
}

void sockets_end_reading(int port)
{
    each_socket(port, false, end_reading, NULL);
}

struct peer {
    uint32_t address;
    int port, how;
};

static void end_peer(int fd, void *arg)
{
    const struct peer *peer = arg;
    struct sockaddr_in addr = {.sin_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);
    if (getpeername(fd, (struct sockaddr *)&addr, &len) == 0 &&
        addr.sin_addr.s_addr == peer->address && ntohs(addr.sin_port) == peer->port)
        shutdown(fd, peer->how);
}

void sockets_end_peer(int port, uint32_t address, int peer_port, int how)
{
    struct peer peer = {address, peer_port, how};
    each_socket(port, false, end_peer, &peer);
}
