/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of apps; see stats.h.  Only minutes that had requests take room, so an
 * app that is hardly used costs some hundred bytes. */
#include "recipe/stats.h"

#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

enum { MAX_APPS = 4096, PROBE_US = 200 * 1000, KEY_MAX = 512 };

struct minute {
    int64_t minute;
    uint32_t sum, peak;
};

struct app_stats {
    char *key;
    int64_t used_ms;
    int64_t since, minute; /* first minute known; the one being counted */
    uint32_t seconds[60];  /* of that minute */
    struct minute *past;   /* rising */
    size_t n, cap;
    uint64_t probe_us;
    bool probe_ok;
    uint64_t domains; /* hash; 0: none */
};

struct stats {
    pthread_mutex_t lock; /* all below */
    struct map apps;
};

struct stats *stats_new(void)
{
    struct stats *s = mem_zalloc(sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    map_init(&s->apps);
    return s;
}

static void app_free(struct app_stats *app)
{
    mem_free(app->key);
    mem_free(app->past);
    mem_free(app);
}

void stats_free(struct stats *s)
{
    size_t at = 0;
    struct app_stats *app;
    if (!s)
        return;
    while ((app = map_next(&s->apps, &at)) != NULL)
        app_free(app);
    map_free(&s->apps);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static void forget_one(struct stats *s)
{
    size_t at = 0;
    struct app_stats *app, *oldest = NULL;
    while ((app = map_next(&s->apps, &at)) != NULL)
        if (!oldest || app->used_ms < oldest->used_ms)
            oldest = app;
    if (oldest) {
        map_remove(&s->apps, str_z(oldest->key));
        app_free(oldest);
    }
}

/* With the lock held.  An id too long to be one shares the entry of its start. */
static struct app_stats *app_of(struct stats *s, struct str cud, struct str app_id)
{
    char buf[KEY_MAX];
    size_t c = cud.len < KEY_MAX / 2 - 2 ? cud.len : KEY_MAX / 2 - 2;
    size_t i = app_id.len < KEY_MAX / 2 - 2 ? app_id.len : KEY_MAX / 2 - 2;
    if (c)
        memcpy(buf, cud.p, c);
    buf[c] = '\n';
    if (i)
        memcpy(buf + c + 1, app_id.p, i);
    struct str key = str_make(buf, c + 1 + i);
    struct app_stats *app = map_get(&s->apps, key);
    if (app)
        return app;
    if (s->apps.n >= MAX_APPS)
        forget_one(s);
    app = mem_zalloc(sizeof(*app));
    app->key = mem_dup(key.p, key.len);
    app->probe_ok = true;
    map_put(&s->apps, key, app);
    return app;
}

/* ---- requests per second */

static void keep_minute(struct app_stats *app, const struct minute *m)
{
    size_t old = 0;
    while (old < app->n && app->past[old].minute <= m->minute - STATS_MINUTES)
        old++;
    if (old) {
        app->n -= old;
        memmove(app->past, app->past + old, app->n * sizeof(*app->past));
    }
    if (app->n == app->cap) {
        app->cap = app->cap ? app->cap * 2 : 4;
        app->past = mem_realloc(app->past, app->cap * sizeof(*app->past));
    }
    app->past[app->n++] = *m;
}

static void turn_minute(struct app_stats *app, int64_t minute)
{
    if (app->minute == minute)
        return;
    struct minute m = {.minute = app->minute};
    for (int i = 0; i < 60; i++) {
        m.sum += app->seconds[i];
        if (app->seconds[i] > m.peak)
            m.peak = app->seconds[i];
    }
    /* A clock set back would spoil the order. */
    if (m.sum && (app->n == 0 || app->past[app->n - 1].minute < m.minute))
        keep_minute(app, &m);
    if (app->since == 0)
        app->since = minute;
    app->minute = minute;
    memset(app->seconds, 0, sizeof(app->seconds));
}

void stats_count(struct stats *s, struct str cud, struct str app_id, int64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    struct app_stats *app = app_of(s, cud, app_id);
    app->used_ms = now_ms;
    turn_minute(app, now_ms / 60000);
    app->seconds[now_ms / 1000 % 60]++;
    pthread_mutex_unlock(&s->lock);
}

const struct stats_day *stats_day(struct stats *s, struct arena *a, struct str cud,
                                  struct str app_id, int64_t now_ms)
{
    struct stats_day *day = ARENA_NEW(a, struct stats_day);
    day->at_minute = now_ms / 60000;
    int64_t first = day->at_minute - STATS_MINUTES;
    pthread_mutex_lock(&s->lock);
    struct app_stats *app = app_of(s, cud, app_id);
    turn_minute(app, day->at_minute);
    for (int64_t i = 0; i < STATS_MINUTES; i++) {
        bool known = first + i >= app->since;
        day->average[i] = known ? 0 : -1;
        day->peak[i] = known ? 0 : -1;
    }
    for (size_t k = 0; k < app->n; k++) {
        int64_t i = app->past[k].minute - first;
        if (i < 0 || i >= STATS_MINUTES)
            continue;
        day->average[i] = app->past[k].sum / 60.0;
        day->peak[i] = app->past[k].peak;
    }
    pthread_mutex_unlock(&s->lock);
    return day;
}

/* ---- probes and domains */

bool stats_probe_due(struct stats *s, struct str cud, struct str app_id, uint64_t now_us, bool *ok)
{
    pthread_mutex_lock(&s->lock);
    struct app_stats *app = app_of(s, cud, app_id);
    bool due = app->probe_us == 0 || now_us - app->probe_us >= PROBE_US;
    if (due)
        app->probe_us = now_us;
    *ok = app->probe_ok;
    pthread_mutex_unlock(&s->lock);
    return due;
}

void stats_probed(struct stats *s, struct str cud, struct str app_id, bool ok)
{
    pthread_mutex_lock(&s->lock);
    app_of(s, cud, app_id)->probe_ok = ok;
    pthread_mutex_unlock(&s->lock);
}

static uint64_t domains_hash(struct str website, struct str api)
{
    return (str_hash(website) * 31 + str_hash(api) + (website.p ? 1 : 0)) | 1;
}

bool stats_domains_known(struct stats *s, struct str cud, struct str app_id, struct str website,
                         struct str api)
{
    pthread_mutex_lock(&s->lock);
    bool known = app_of(s, cud, app_id)->domains == domains_hash(website, api);
    pthread_mutex_unlock(&s->lock);
    return known;
}

void stats_domains_note(struct stats *s, struct str cud, struct str app_id, struct str website,
                        struct str api)
{
    pthread_mutex_lock(&s->lock);
    app_of(s, cud, app_id)->domains = domains_hash(website, api);
    pthread_mutex_unlock(&s->lock);
}
