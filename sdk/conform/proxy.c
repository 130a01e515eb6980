/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP proxy on loopback that can lose an answer: it lets a request through,
 * waits until the server has answered, and closes both sides without passing the
 * answer on.  One thread serves all connections with poll(). */
#include "conform.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 64, CHUNK = 65536 };

struct pair {
    int client, server; /* -1: free */
    bool asked;         /* a request went through while armed */
};

struct proxy {
    pthread_t thread;
    int listener;
    char host[256], port[32];
    struct pair pairs[PAIRS];
    atomic_bool stop, cut_answer, cut_now, has_cut;
};

static void close_pair(struct pair *p)
{
    if (p->client >= 0)
        close(p->client);
    if (p->server >= 0)
        close(p->server);
    *p = (struct pair){-1, -1, false};
}

static int connect_server(const struct proxy *p)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(p->host, p->port, &hints, &list) != 0)
        return -1;
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static void accept_one(struct proxy *p)
{
    int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (int i = 0; i < PAIRS; i++) {
        if (p->pairs[i].client >= 0)
            continue;
        int server = connect_server(p);
        if (server < 0)
            break;
        p->pairs[i] = (struct pair){fd, server, false};
        return;
    }
    close(fd);
}

static bool send_all(int fd, const char *buf, ssize_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, buf, (size_t)n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        buf += sent;
        n -= sent;
    }
    return true;
}

static void pump(struct proxy *p, struct pair *pair, bool from_client)
{
    static _Thread_local char buf[CHUNK];
    ssize_t n = recv(from_client ? pair->client : pair->server, buf, sizeof(buf), 0);
    if (n <= 0) {
        close_pair(pair);
        return;
    }
    if (from_client && atomic_load(&p->cut_answer))
        pair->asked = true;
    if (!from_client && pair->asked) {
        atomic_store(&p->cut_answer, false);
        atomic_store(&p->has_cut, true);
        close_pair(pair);
        return;
    }
    if (!send_all(from_client ? pair->server : pair->client, buf, n))
        close_pair(pair);
}

static void turn(struct proxy *p)
{
    struct pollfd fds[1 + 2 * PAIRS];
    fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    for (int i = 0; i < PAIRS; i++) {
        fds[1 + 2 * i] = (struct pollfd){.fd = p->pairs[i].client, .events = POLLIN};
        fds[2 + 2 * i] = (struct pollfd){.fd = p->pairs[i].server, .events = POLLIN};
    }
    poll(fds, 1 + 2 * PAIRS, 20);
    if (atomic_exchange(&p->cut_now, false))
        for (int i = 0; i < PAIRS; i++)
            close_pair(&p->pairs[i]);
    for (int i = 0; i < PAIRS; i++) {
        if (p->pairs[i].client >= 0 && fds[1 + 2 * i].revents)
            pump(p, &p->pairs[i], true);
        if (p->pairs[i].server >= 0 && fds[2 + 2 * i].revents)
            pump(p, &p->pairs[i], false);
    }
    if (fds[0].revents)
        accept_one(p);
}

static void *serve(void *arg)
{
    struct proxy *p = arg;
    while (!atomic_load(&p->stop))
        turn(p);
    return NULL;
}

struct proxy *proxy_new(const char *host, const char *port, char out_port[8])
{
    struct proxy *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    snprintf(p->host, sizeof(p->host), "%s", host);
    snprintf(p->port, sizeof(p->port), "%s", port);
    for (int i = 0; i < PAIRS; i++)
        p->pairs[i] = (struct pair){-1, -1, false};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&a, len) != 0 ||
        listen(p->listener, 64) != 0 ||
        getsockname(p->listener, (struct sockaddr *)&a, &len) != 0 ||
        pthread_create(&p->thread, NULL, serve, p) != 0)
        abort();
    snprintf(out_port, 8, "%u", ntohs(a.sin_port));
    return p;
}

void proxy_free(struct proxy *p)
{
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < PAIRS; i++)
        close_pair(&p->pairs[i]);
    close(p->listener);
    free(p);
}

void proxy_cut_now(struct proxy *p)
{
    atomic_store(&p->cut_now, true);
    while (atomic_load(&p->cut_now))
        usleep(1000);
}

void proxy_cut_answer(struct proxy *p)
{
    atomic_store(&p->has_cut, false);
    atomic_store(&p->cut_answer, true);
}

bool proxy_has_cut(struct proxy *p)
{
    return atomic_load(&p->has_cut);
}
