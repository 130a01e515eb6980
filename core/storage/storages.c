/* SPDX-License-Identifier: Apache-2.0 */
/* Opened storages; see storages.h.
 *
 * Lock: storages.lock covers the list and every reference count; it is not held
 * while a database is spoken to.  A storage being opened is in the list already,
 * so that others who want it wait on `opened`. */
#include "storage/storage_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/migrate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ID_MAX = 2048, FIRST_WAIT_US = 250 * 1000, LONGEST_WAIT_US = 5 * 1000 * 1000 };

static bool touches_secret(const stk_query *q, const stk_table *t)
{
    for (unsigned i = 0; i < q->nout; i++)
        if (t->cols[q->out[i]].flags & STK_COL_SECRET)
            return true;
    for (unsigned i = 0; i < q->nset; i++)
        if (t->cols[q->set[i].col].flags & STK_COL_SECRET)
            return true;
    return false;
}

struct storages *storages_new(struct plugins *plugins, const stk_catalog *catalog)
{
    struct storages *ss = mem_zalloc(sizeof(*ss));
    ss->plugins = plugins;
    ss->catalog = catalog;
    ss->secret = mem_zalloc(catalog->nqueries + 1u);
    for (unsigned i = 0; i < catalog->nqueries; i++)
        ss->secret[i] =
            touches_secret(catalog->queries[i], &catalog->tables[catalog->queries[i]->table]);
    ss->counts = storage_counts_new(catalog);
    pthread_mutex_init(&ss->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ss->opened, &attr);
    pthread_condattr_destroy(&attr);
    return ss;
}

void storages_free(struct storages *ss)
{
    if (!ss)
        return;
    assert(!ss->list);
    pthread_cond_destroy(&ss->opened);
    pthread_mutex_destroy(&ss->lock);
    mem_free(ss->counts);
    mem_free(ss->secret);
    mem_free(ss);
}

/* --------------------------------------------------------------- one storage */

static struct storage *storage_new(struct storages *ss, const struct plugin *plugin,
                                   const struct storage_identity *id)
{
    struct storage *s = mem_zalloc(sizeof(*s));
    s->owner = ss;
    s->plugin = plugin;
    s->catalog = ss->catalog;
    s->secret = ss->secret;
    s->data_id = mem_dup(id->data_id.p, id->data_id.len);
    s->pool_id = mem_dup(id->pool_id.p, id->pool_id.len);
    s->refs = 1;
    pthread_mutex_init(&s->serial, NULL);
    return s;
}

static void storage_free(struct storage *s)
{
    pthread_mutex_destroy(&s->serial);
    explicit_bzero(s->pool_id, strlen(s->pool_id));
    mem_free(s->pool_id);
    mem_free(s->data_id);
    mem_free(s->error);
    mem_free(s);
}

stk_status storage_enter(struct storage *s, uint64_t deadline_us, stk_err *err)
{
    stk_status rc = plugin_enter(s->plugin);
    if (rc < 0) {
        err->code = rc;
        return rc;
    }
    bool locked;
    if (s->plugin->v.thread_model != STK_THREAD_PER_DB) {
        locked = plugin_lock(s->plugin, deadline_us);
    } else if (deadline_us == 0) {
        locked = pthread_mutex_lock(&s->serial) == 0;
    } else {
        struct timespec t = {.tv_sec = (time_t)(deadline_us / 1000000u),
                             .tv_nsec = (long)(deadline_us % 1000000u) * 1000};
        locked = pthread_mutex_clocklock(&s->serial, CLOCK_MONOTONIC, &t) == 0;
    }
    if (locked)
        return STK_OK;
    err->code = STK_E_TIMEOUT;
    return STK_E_TIMEOUT;
}

void storage_leave(struct storage *s)
{
    if (s->plugin->v.thread_model == STK_THREAD_PER_DB)
        pthread_mutex_unlock(&s->serial);
    else
        plugin_unlock(s->plugin);
}

static void close_db(struct storage *s)
{
    stk_err err = err_new();
    stk_status rc = storage_enter(s, 0, &err);
    s->plugin->v.close(s->db);
    s->db = NULL;
    if (rc >= 0)
        storage_leave(s);
}

/* ------------------------------------------------------------------- opening */

stk_status storage_identify(struct arena *a, const struct plugin *plugin, const stk_kv *kv,
                            size_t nkv, struct storage_identity *id, struct str *error)
{
    a->wipe = true;
    char *data = arena_zalloc(a, ID_MAX), *pool = arena_zalloc(a, ID_MAX);
    stk_err err = err_new();
    stk_status rc = plugin_enter(plugin);
    if (rc >= 0)
        rc = plugin->v.identity(kv, nkv, data, pool, ID_MAX, &err);
    if (rc < 0) {
        *error = storage_err_text(a, plugin, rc, &err);
        return rc;
    }
    id->data_id = str_printf(a, "%s:%s", plugin->v.name, data);
    id->pool_id = str_printf(a, "%s:%s", plugin->v.name, pool);
    return STK_OK;
}

static stk_status check_caps(const struct storage *s, struct arena *a, struct str *error)
{
    if (s->caps & STK_CAP_TXN)
        return STK_OK;
    *error = str_printf(a,
                        "%s: this server gives no transactions, which the core needs. Use a server "
                        "that does",
                        s->plugin->v.name);
    return STK_E_UNSUPPORTED;
}

/* One attempt: connect, capabilities, schema. */
static stk_status open_once(struct storage *s, const stk_kv *kv, size_t nkv, bool auto_migrate,
                            struct arena *a, struct str *error)
{
    const struct stk_plugin *v = &s->plugin->v;
    stk_err err = err_new();
    stk_status rc = storage_enter(s, 0, &err);
    if (rc >= 0) {
        rc = v->open(kv, nkv, s->catalog, 0, &s->db, &err);
        if (rc < 0)
            storage_leave(s);
    }
    if (rc < 0) {
        s->db = NULL;
        *error = storage_err_text(a, s->plugin, rc, &err);
        return rc;
    }
    s->caps = v->db_caps ? v->db_caps(s->db) & v->caps : v->caps;
    rc = check_caps(s, a, error);
    if (rc >= 0)
        rc = migrate_at_open(s->plugin, s->db, s->catalog, auto_migrate, a, error);
    storage_leave(s);
    if (rc < 0)
        close_db(s);
    return rc;
}

static bool stopped(const struct open_how *how)
{
    return how->stop && how->stop(how->stop_arg);
}

/* Sleeps in pieces, so that the end of the process is not waited for. */
static void wait_until(const struct open_how *how, uint64_t until_us)
{
    while (clock_us() < until_us && !stopped(how)) {
        struct timespec t = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&t, NULL);
    }
}

static bool may_come_up(stk_status rc)
{
    return rc == STK_E_UNAVAILABLE || rc == STK_E_TIMEOUT || rc == STK_E_RETRY;
}

static stk_status open_until(struct storage *s, const stk_kv *kv, size_t nkv,
                             const struct open_how *how, struct arena *a, struct str *error)
{
    uint64_t wait = FIRST_WAIT_US;
    struct str said = STR("");
    for (;;) {
        stk_status rc = open_once(s, kv, nkv, how->auto_migrate, a, error);
        uint64_t now = clock_us();
        if (rc >= 0 || !may_come_up(rc) || now >= how->deadline_us || stopped(how))
            return rc;
        if (!str_eq(said, *error))
            log_warn("storage", "%.*s; trying again for %llu s", STR_ARG(*error),
                     (unsigned long long)((how->deadline_us - now) / 1000000u));
        said = *error;
        wait_until(how, now + wait < how->deadline_us ? now + wait : how->deadline_us);
        wait = wait * 2 < LONGEST_WAIT_US ? wait * 2 : LONGEST_WAIT_US;
    }
}

/* ---------------------------------------------------------------- the list */

static void unlink_storage(struct storages *ss, const struct storage *s)
{
    for (struct storage **p = &ss->list; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            return;
        }
}

/* Waits for the one who opens it; the lock is held. */
static stk_status wait_opened(struct storages *ss, struct storage *s, uint64_t deadline_us)
{
    struct timespec t = {.tv_sec = (time_t)(deadline_us / 1000000u),
                         .tv_nsec = (long)(deadline_us % 1000000u) * 1000};
    while (s->state == STORAGE_OPENING) {
        int rc = deadline_us ? pthread_cond_timedwait(&ss->opened, &ss->lock, &t)
                             : pthread_cond_wait(&ss->opened, &ss->lock);
        if (rc != 0)
            return STK_E_TIMEOUT;
    }
    return s->state == STORAGE_OPEN ? STK_OK : s->status;
}

static struct storage *find(struct storages *ss, const struct plugin *p, struct str pool_id)
{
    for (struct storage *s = ss->list; s; s = s->next)
        if (s->plugin == p && str_eqz(pool_id, s->pool_id))
            return s;
    return NULL;
}

static stk_status join(struct storages *ss, struct storage *s, const struct open_how *how,
                       struct arena *a, struct str *error)
{
    s->refs++;
    stk_status rc = wait_opened(ss, s, how->deadline_us);
    if (rc >= 0)
        return rc;
    *error = s->state == STORAGE_FAILED
                 ? str_dup(a, str_z(s->error))
                 : str_printf(a, "%s: the database is still being opened", s->plugin->v.name);
    return rc;
}

stk_status storages_open(struct storages *ss, struct arena *a, const struct plugin *plugin,
                         const stk_kv *kv, size_t nkv, const struct open_how *how,
                         struct storage **storage, struct str *error)
{
    *storage = NULL;
    struct storage_identity id;
    stk_status rc = storage_identify(a, plugin, kv, nkv, &id, error);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&ss->lock);
    struct storage *s = find(ss, plugin, id.pool_id);
    if (s) {
        rc = join(ss, s, how, a, error);
        pthread_mutex_unlock(&ss->lock);
    } else {
        s = storage_new(ss, plugin, &id);
        s->next = ss->list;
        ss->list = s;
        pthread_mutex_unlock(&ss->lock);
        rc = open_until(s, kv, nkv, how, a, error);
        pthread_mutex_lock(&ss->lock);
        s->state = rc < 0 ? STORAGE_FAILED : STORAGE_OPEN;
        s->status = rc;
        if (rc < 0) {
            s->error = mem_dup(error->p, error->len);
            unlink_storage(ss, s);
        }
        pthread_cond_broadcast(&ss->opened);
        pthread_mutex_unlock(&ss->lock);
    }
    if (rc < 0)
        storage_unref(s);
    else
        *storage = s;
    return rc;
}

struct storage *storage_ref(struct storage *s)
{
    if (s) {
        pthread_mutex_lock(&s->owner->lock);
        s->refs++;
        pthread_mutex_unlock(&s->owner->lock);
    }
    return s;
}

void storage_unref(struct storage *s)
{
    if (!s)
        return;
    struct storages *ss = s->owner;
    pthread_mutex_lock(&ss->lock);
    bool last = --s->refs == 0;
    if (last)
        unlink_storage(ss, s);
    pthread_mutex_unlock(&ss->lock);
    if (!last)
        return;
    if (s->db)
        close_db(s);
    storage_free(s);
}

static void unref_arg(void *arg)
{
    storage_unref(arg);
}

size_t storages_list(struct storages *ss, struct arena *a, struct storage ***list)
{
    size_t n = 0;
    pthread_mutex_lock(&ss->lock);
    for (struct storage *s = ss->list; s; s = s->next)
        n += s->state == STORAGE_OPEN;
    *list = ARENA_ARRAY(a, struct storage *, n + 1);
    n = 0;
    for (struct storage *s = ss->list; s; s = s->next) {
        if (s->state != STORAGE_OPEN)
            continue;
        s->refs++;
        (*list)[n++] = s;
    }
    pthread_mutex_unlock(&ss->lock);
    for (size_t i = 0; i < n; i++)
        arena_defer(a, unref_arg, (*list)[i]);
    return n;
}

/* --------------------------------------------------------------- questions */

const struct storage_counts *storages_counts(const struct storages *ss)
{
    return ss->counts;
}

const char *storage_data_id(const struct storage *s)
{
    return s->data_id;
}

const struct plugin *storage_plugin(const struct storage *s)
{
    return s->plugin;
}

uint64_t storage_caps(const struct storage *s)
{
    return s->caps;
}

uint32_t storage_max_in(const struct storage *s)
{
    return s->plugin->v.max_in_list;
}

const char *storage_name(const struct storage *s)
{
    return s->plugin->v.name;
}

stk_status storage_health(struct storage *s, struct arena *a, uint32_t timeout_ms,
                          stk_health *health, struct str *error)
{
    memset(health, 0, sizeof(*health));
    health->size = sizeof(*health);
    stk_err err = err_new();
    stk_status rc = storage_enter(s, clock_us() + (uint64_t)timeout_ms * 1000u, &err);
    if (rc >= 0) {
        rc = s->plugin->v.health(s->db, timeout_ms, health, &err);
        storage_leave(s);
    }
    if (rc < 0)
        *error = storage_err_text(a, s->plugin, rc, &err);
    return rc;
}
