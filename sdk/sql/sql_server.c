/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts, pool and health of a database server: see stk_server.h. */
#include "stk_server.h"

#include "stk_sdk.h"

/* ------------------------------------------------------------------ the hosts */

/* Appends what one host of several said: its first sentence. */
static void note(const struct stk_server *s, char *all, size_t n, const char *msg)
{
    size_t len = strlen(all), skip = strlen(s->plugin);
    if (strncmp(msg, s->plugin, skip) == 0 && strncmp(msg + skip, ": ", 2) == 0)
        msg += skip + 2;
    const char *end = strstr(msg, ". ");
    snprintf(all + len, n - len, "%s%.*s", len ? "; " : "",
             (int)(end ? (size_t)(end - msg) : strlen(msg)), msg);
}

stk_status stk_server_try(struct stk_server *s, int how, uint64_t deadline_us,
                          stk_status (*open_host)(struct stk_server *s,
                                                  const struct stk_server_host *host, int how,
                                                  uint64_t deadline_us, void **conn, stk_err *err),
                          void **conn, stk_err *err)
{
    size_t nhosts = s->conf->nhosts, first = atomic_load(&s->first_host);
    char all[400] = "";
    stk_status st = STK_E_UNAVAILABLE;
    for (size_t i = 0; i < nhosts; i++) {
        size_t index = (first + i) % nhosts;
        const struct stk_server_host *host = &s->conf->hosts[index];
        uint64_t now = stk_server_now(s);
        if (deadline_us < now + 1000) /* a millisecond is the least that can be waited */
            st = stk_err_set(err, STK_E_TIMEOUT, "%s: no answer from %s before the deadline",
                             s->plugin, host->name);
        else
            st = open_host(s, host, how, deadline_us, conn, err);
        if (st == STK_OK)
            atomic_store(&s->first_host, (unsigned)index);
        if ((st != STK_E_UNAVAILABLE && st != STK_E_TIMEOUT) || s->ops->everywhere(err) ||
            nhosts == 1)
            return st;
        note(s, all, sizeof all, err->msg);
        if (stk_server_now(s) >= deadline_us)
            break;
    }
    return stk_err_set(err, st, "%s: none of %zu hosts can be used: %s", s->plugin, nhosts, all);
}

/* ------------------------------------------------------------------- the pool */

/* Says once that the server is away, and once that it is back. */
static stk_status pool_open(void *ud, uint64_t deadline_us, void **conn, stk_err *err)
{
    struct stk_server *s = ud;
    stk_err own = {.size = sizeof own};
    err = err ? err : &own;
    stk_status st = s->ops->connect(s, deadline_us, conn, err);
    if (st != STK_OK) {
        /* Before the first connection it is told by whoever opens the database. */
        if (atomic_exchange(&s->up, false))
            stk_logf(s->host, STK_LOG_WARN, s->plugin, "%s", err->msg);
    } else if (!atomic_exchange(&s->up, true) && atomic_exchange(&s->was_up, true)) {
        stk_logf(s->host, STK_LOG_INFO, s->plugin, "%s: connected to %s again", s->plugin,
                 s->conf->hosts[atomic_load(&s->first_host)].name);
    }
    return st;
}

static void pool_close(void *ud, void *conn)
{
    struct stk_server *s = ud;
    s->ops->close(conn);
}

static bool pool_reuse(void *ud, void *conn)
{
    struct stk_server *s = ud;
    return s->ops->reuse(conn);
}

static bool pool_ping(void *ud, void *conn)
{
    struct stk_server *s = ud;
    return s->ops->ping(s, conn);
}

static bool pool_full(void *ud, const stk_err *err)
{
    struct stk_server *s = ud;
    return s->ops->full(err);
}

/* --------------------------------------------------------------- open, close */

void stk_server_init(struct stk_server *s, const char *plugin, const stk_host *host,
                     const struct stk_server_ops *ops)
{
    s->plugin = plugin;
    s->host = host;
    s->ops = ops;
    stk_jobs_init(&s->jobs);
}

stk_status stk_server_open(struct stk_server *s, const struct stk_server_conf *conf,
                           const stk_catalog *catalog, const struct stk_sql_dialect *dialect,
                           uint32_t flags, stk_err *err)
{
    if (flags & ~(uint32_t)STK_OPEN_SCRATCH)
        return stk_err_set(err, STK_E_UNSUPPORTED, "%s: an unknown flag of open()", s->plugin);
    s->flags = flags;
    s->conf = conf;
    stk_status st = stk_sql_open(catalog, dialect, &s->sql, err);
    if (st != STK_OK)
        return st;
    snprintf(s->size_key, sizeof s->size_key, "%s_connection_pool_size", s->plugin);
    struct stk_pool_conf pool = {.name = s->plugin,
                                 .size_key = s->size_key,
                                 .host = s->host,
                                 .ops = {.open = pool_open,
                                         .close = pool_close,
                                         .reuse = pool_reuse,
                                         .ping = pool_ping,
                                         .full = pool_full},
                                 .ud = s,
                                 .max = (uint32_t)conf->pool_size,
                                 .min_idle = (uint32_t)conf->min_idle,
                                 .idle_timeout_us = (uint64_t)conf->idle_ms * 1000,
                                 .ping_after_us = 30000000,
                                 .wait_us = STK_SERVER_WAIT_US};
    s->pool = stk_pool_new(&pool);
    return s->pool ? STK_OK : stk_err_nomem(err);
}

stk_status stk_server_reach(struct stk_server *s, stk_err *err)
{
    void *conn;
    stk_status st = stk_pool_get(s->pool, 0, &conn, err);
    if (st == STK_OK)
        stk_pool_put(s->pool, conn, false);
    return st;
}

void stk_server_close(struct stk_server *s)
{
    stk_pool_free(s->pool);
    stk_jobs_drain(&s->jobs);
    stk_jobs_destroy(&s->jobs);
    stk_sql_close(s->sql);
}

/* ------------------------------------------------------------- health and dump */

stk_status stk_server_health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    struct stk_server *s = (struct stk_server *)db;
    stk_health h = {.size = out->size};
    uint64_t deadline = stk_server_now(s) + (uint64_t)timeout_ms * 1000;
    void *conn;
    stk_status st = timeout_ms ? stk_pool_get(s->pool, deadline, &conn, err) : STK_OK;
    if (timeout_ms && st == STK_OK) {
        uint64_t start = stk_server_now(s);
        st = s->ops->ask(conn, deadline, h.server, sizeof h.server, err);
        h.rtt_us = stk_server_now(s) - start;
        stk_pool_put(s->pool, conn, st != STK_OK);
    }
    stk_pool_health(s->pool, &h);
    stk_copy_min(out, out->size, &h, sizeof h);
    return st;
}

void stk_server_dump(struct stk_server *s,
                     void (*emit)(void *ud, const char *key, const char *value), void *ud)
{
    stk_health h = {.size = sizeof h};
    if (stk_server_health((stk_db *)s, 2000, &h, NULL) == STK_OK)
        emit(ud, "server", h.server);
    stk_sql_dump(s->sql, emit, ud);
}
