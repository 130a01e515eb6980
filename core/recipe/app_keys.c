/* SPDX-License-Identifier: Apache-2.0 */
/* Cached keys of an app; see app_keys.h.
 *
 * One thread at a time loads; the others go on with what they have, or wait for
 * it up to their deadline when they have nothing.  While the database is out of
 * reach the keys in memory go on verifying. */
#include "recipe/app_keys.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/key_pool.h"
#include "crypto/refresh_token.h"
#include "store/keys.h"
#include "store/multitenancy.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define REFRESH_KEY STR("refresh_token_key")

enum {
    OVERLAP_MS = 60000,      /* how long before its use a key is made */
    RELOAD_MS = 300000,      /* how old a set may be: keys deleted by hand go then */
    UNKNOWN_KEY_MS = 1000,   /* how often a token with an unknown key id may cause a read */
    AFTER_FAILURE_MS = 1000, /* how soon after a failed read the next is tried */
    LONGEST_WAIT_US = 30000000,
    ROUNDS = 8 /* reads until this core or another has made what is missing */
};

enum want { WANT_STATIC = 1, WANT_RELOAD = 2 };

struct snapshot {
    struct key_set set; /* first: what callers see */
    struct signing_key *keys;
    int64_t loaded_at;
    atomic_uint refs;
};

struct app_keys {
    struct core *core;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t loaded;
    struct snapshot *now; /* NULL until first loaded */
    int64_t failed_at;
    bool loading;
};

/* ---- snapshots */

static void snapshot_unref(void *arg)
{
    struct snapshot *s = arg;
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->set.n; i++) {
        rsa_unref(s->keys[i].rsa);
        mem_free((void *)(uintptr_t)s->keys[i].id.p);
    }
    char *secret = (char *)(uintptr_t)s->set.refresh_key.p;
    if (secret)
        explicit_bzero(secret, s->set.refresh_key.len);
    mem_free(secret);
    mem_free(s->keys);
    mem_free(s);
}

static struct str keep(struct str s)
{
    return s.p ? str_make(mem_dup(s.p, s.len), s.len) : STR_NULL;
}

static struct snapshot *snapshot_new(size_t most, struct str refresh_key)
{
    struct snapshot *s = mem_zalloc(sizeof(*s));
    atomic_init(&s->refs, 1);
    s->loaded_at = clock_ms();
    s->keys = mem_zalloc(sizeof(*s->keys) * (most + 1));
    s->set = (struct key_set){.keys = s->keys, .refresh_key = keep(refresh_key)};
    return s;
}

/* Takes the key over. */
static void snapshot_add(struct snapshot *s, const struct key_row *row, struct rsa_key *rsa)
{
    bool dynamic = str_eq(row->kind, KEY_DYNAMIC);
    s->keys[s->set.n++] = (struct signing_key){
        .id = keep(row->key_id), .dynamic = dynamic, .created_at = row->created_at, .rsa = rsa};
    s->set.ndynamic += dynamic;
}

/* A key already in memory keeps its contexts and its verified tokens. */
static struct rsa_key *find_loaded(const struct snapshot *old, struct str id)
{
    for (size_t i = 0; old && i < old->set.n; i++)
        if (str_eq(old->keys[i].id, id))
            return rsa_ref(old->keys[i].rsa);
    return NULL;
}

/* ---- time */

static int64_t interval_ms(const struct settings *s)
{
    return (int64_t)(s->access_token_dynamic_signing_key_update_interval * 3600 * 1000);
}

static int64_t overlap_ms(const struct core *core, const struct settings *s)
{
    int64_t interval = interval_ms(s);
    return core->test_mode && interval < OVERLAP_MS ? interval / 5 : OVERLAP_MS;
}

int64_t app_key_signs_until(const struct app *app, const struct signing_key *key)
{
    return key->created_at + interval_ms(app->settings);
}

int64_t app_key_verifies_until(const struct app *app, const struct signing_key *key)
{
    return app_key_signs_until(app, key) + 2 * app->settings->access_token_validity * 1000;
}

bool app_key_valid(const struct app *app, const struct signing_key *key, int64_t now)
{
    return !key->dynamic || app_key_verifies_until(app, key) >= now;
}

/* Whether it is time to make the key after the newest. */
static bool successor_due(const struct core *core, const struct app *app,
                          const struct signing_key *newest, int64_t now)
{
    return now + overlap_ms(core, app->settings) > app_key_signs_until(app, newest);
}

int64_t app_keys_fresh_for(struct ctx *c, const struct app *app, const struct key_set *set)
{
    int64_t left =
        app_key_signs_until(app, &set->keys[0]) - overlap_ms(c->core, app->settings) - clock_ms();
    return left >= 2000 ? left / 1000 : 1;
}

/* ---- loading */

struct missing {
    bool dynamic, fixed, refresh;
    struct str predecessor; /* newest dynamic key's id, "" if there is none */
    int64_t predecessor_at;
};

static int build(struct ctx *c, const struct app *app, const struct snapshot *old,
                 struct snapshot **out, struct missing *m)
{
    struct key_row *rows;
    size_t n;
    struct str refresh;
    int rc = keys_read(c, app->storage, app->app_id, REFRESH_KEY, &rows, &n, &refresh);
    if (rc != RC_OK)
        return rc;
    struct snapshot *s = snapshot_new(n, refresh);
    *m = (struct missing){.dynamic = true, .fixed = true, .refresh = !refresh.p};
    m->predecessor = STR("");
    for (size_t i = 0; i < n; i++) {
        struct rsa_key *rsa = find_loaded(old, rows[i].key_id);
        if (!rsa)
            rsa = rsa_parse(rows[i].data);
        if (rsa)
            snapshot_add(s, &rows[i], rsa);
        else
            log_error("keys", "the signing key %.*s of app %.*s is not an RSA-2048 key: ignored",
                      STR_ARG(rows[i].key_id), STR_ARG(app->app_id));
        if (str_eq(rows[i].kind, KEY_STATIC)) {
            m->fixed = m->fixed && !rsa;
        } else if (!m->predecessor.len) {
            m->predecessor = rows[i].key_id;
            m->predecessor_at = rows[i].created_at;
        }
    }
    if (s->set.ndynamic)
        m->dynamic = successor_due(c->core, app, &s->keys[0], clock_ms());
    *out = s;
    return RC_OK;
}

static struct key_row dynamic_row(struct arena *a, const struct rsa_key *rsa,
                                  const struct missing *m)
{
    int64_t now = clock_ms();
    int64_t at = now > m->predecessor_at ? now : m->predecessor_at + 1;
    return (struct key_row){
        .key_id = str_printf(a, "d-%lld", (long long)at),
        .kind = KEY_DYNAMIC,
        .data = rsa_text(a, rsa),
        .slot = str_printf(a, "d:%.*s", STR_ARG(m->predecessor)),
        .created_at = at,
    };
}

static struct key_row static_row(struct arena *a, const struct rsa_key *rsa)
{
    return (struct key_row){
        .key_id = str_printf(a, "s-%.*s", STR_ARG(uuid_v4_str(a))),
        .kind = KEY_STATIC,
        .data = rsa_text(a, rsa),
        .slot = STR("s:RS256:1"),
        .created_at = clock_ms(),
    };
}

/* Writes what is missing; of several cores one succeeds, and all read again. */
static int make_missing(struct ctx *c, const struct app *app, const struct missing *m)
{
    struct batch b;
    struct key_row row;
    batch_init(&b, c);
    batch_tenant_active(&b, app->app_id, PUBLIC_ID);
    if (m->dynamic) {
        struct rsa_key *rsa = key_pool_take(c->core->key_pool);
        row = dynamic_row(c->arena, rsa, m);
        batch_key_insert(&b, app->app_id, &row);
        rsa_unref(rsa);
    }
    if (m->fixed) {
        struct rsa_key *rsa = key_pool_take(c->core->key_pool);
        row = static_row(c->arena, rsa);
        batch_key_insert(&b, app->app_id, &row);
        rsa_unref(rsa);
    }
    if (m->refresh)
        batch_value_if_absent(&b, app->app_id, REFRESH_KEY, refresh_token_new_key(c->arena),
                              clock_ms());
    int rc = storage_write(c, app->storage, &b, NULL, NULL);
    if (rc == RC_EXPECT)
        return tenant_unknown(c, app->cud, app->app_id, PUBLIC_ID);
    return rc == RC_DUPLICATE ? RC_OK : rc;
}

static int load(struct ctx *c, const struct app *app, unsigned want, const struct snapshot *old,
                struct snapshot **out)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct missing m;
        int rc = build(c, app, old, out, &m);
        if (rc != RC_OK)
            return rc;
        m.fixed = m.fixed && (want & WANT_STATIC);
        if (!m.dynamic && !m.fixed && !m.refresh)
            return RC_OK;
        /* In test mode an interval may be over as soon as the key is made. */
        if (round && !m.fixed && !m.refresh && (*out)->set.ndynamic)
            return RC_OK;
        snapshot_unref(*out);
        rc = make_missing(c, app, &m);
        if (rc != RC_OK)
            return rc;
    }
    return ctx_fail(c, FAIL_UNAVAILABLE, "keys: other cores keep changing the signing keys");
}

/* ---- the cache */

struct app_keys *app_keys_new(struct core *core)
{
    struct app_keys *keys = mem_zalloc(sizeof(*keys));
    pthread_condattr_t attr;
    keys->core = core;
    pthread_mutex_init(&keys->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&keys->loaded, &attr);
    pthread_condattr_destroy(&attr);
    return keys;
}

void app_keys_free(struct app_keys *keys)
{
    if (!keys)
        return;
    snapshot_unref(keys->now);
    pthread_cond_destroy(&keys->loaded);
    pthread_mutex_destroy(&keys->lock);
    mem_free(keys);
}

/* Whether the set has what is asked for, however old it is. */
static bool serves(const struct snapshot *s, unsigned want)
{
    return s && (!(want & WANT_STATIC) || s->set.n > s->set.ndynamic);
}

static bool fresh(const struct app_keys *keys, const struct app *app, unsigned want, int64_t now)
{
    const struct snapshot *s = keys->now;
    if (!serves(s, want))
        return false;
    int64_t age = now - s->loaded_at;
    if (now - keys->failed_at < AFTER_FAILURE_MS)
        return true;
    if ((want & WANT_RELOAD) && age >= UNKNOWN_KEY_MS)
        return false;
    return age < RELOAD_MS && !successor_due(keys->core, app, &s->keys[0], now);
}

/* Waits for the thread that loads; false when the deadline (0: none was set) has
 * passed. */
static bool wait_loaded(struct app_keys *keys, uint64_t deadline_us)
{
    if (deadline_us == 0)
        deadline_us = clock_us() + LONGEST_WAIT_US;
    struct timespec t = {.tv_sec = (time_t)(deadline_us / 1000000),
                         .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    return pthread_cond_timedwait(&keys->loaded, &keys->lock, &t) == 0;
}

/* Called and returns locked. */
static int load_unlocked(struct ctx *c, const struct app *app, unsigned want)
{
    struct app_keys *keys = app->keys;
    struct snapshot *old = keys->now, *next = NULL;
    keys->loading = true;
    pthread_mutex_unlock(&keys->lock);
    int rc = load(c, app, want, old, &next);
    pthread_mutex_lock(&keys->lock);
    keys->loading = false;
    pthread_cond_broadcast(&keys->loaded);
    if (rc == RC_OK) {
        snapshot_unref(old);
        keys->now = next;
        return RC_OK;
    }
    keys->failed_at = clock_ms();
    if (!serves(old, want))
        return rc;
    log_warn("keys", "the keys of app %.*s could not be read, those in memory are used: %.*s",
             STR_ARG(app->app_id), STR_ARG(c->fail_text));
    c->fail = FAIL_NONE;
    return RC_OK;
}

static int get(struct ctx *c, const struct app *app, unsigned want, const struct key_set **set)
{
    struct app_keys *keys = app->keys;
    int rc = RC_OK;
    pthread_mutex_lock(&keys->lock);
    while (rc == RC_OK && !fresh(keys, app, want, clock_ms())) {
        if (!keys->loading) {
            rc = load_unlocked(c, app, want);
            break;
        }
        if (serves(keys->now, want))
            break;
        if (!wait_loaded(keys, c->deadline_us))
            rc = ctx_fail(c, FAIL_UNAVAILABLE, "keys: the signing keys could not be read in time");
    }
    if (rc == RC_OK) {
        struct snapshot *s = keys->now;
        atomic_fetch_add(&s->refs, 1);
        arena_defer(c->arena, snapshot_unref, s);
        *set = &s->set;
    }
    pthread_mutex_unlock(&keys->lock);
    return rc;
}

int app_keys_get(struct ctx *c, const struct app *app, const struct key_set **set)
{
    return get(c, app, 0, set);
}

int app_keys_get_all(struct ctx *c, const struct app *app, const struct key_set **set)
{
    return get(c, app, WANT_STATIC, set);
}

int app_keys_signer(struct ctx *c, const struct app *app, bool use_static,
                    const struct signing_key **key)
{
    const struct key_set *set;
    int rc = get(c, app, use_static ? WANT_STATIC : 0, &set);
    if (rc != RC_OK)
        return rc;
    int64_t now = clock_ms();
    const struct signing_key *newest = &set->keys[0];
    *key = newest;
    if (use_static)
        *key = &set->keys[set->ndynamic];
    else if (set->ndynamic > 1 && now < newest->created_at + overlap_ms(c->core, app->settings) &&
             now < app_key_signs_until(app, &set->keys[1]))
        *key = &set->keys[1];
    return RC_OK;
}

static const struct signing_key *key_by_id(const struct app *app, const struct key_set *set,
                                           struct str id)
{
    int64_t now = clock_ms();
    for (size_t i = 0; i < set->n; i++)
        if (str_eq(set->keys[i].id, id) && app_key_valid(app, &set->keys[i], now))
            return &set->keys[i];
    return NULL;
}

int app_keys_find(struct ctx *c, const struct app *app, struct str id,
                  const struct signing_key **key)
{
    const struct key_set *set;
    int rc = get(c, app, 0, &set);
    if (rc != RC_OK)
        return rc;
    *key = key_by_id(app, set, id);
    if (*key)
        return RC_OK;
    rc = get(c, app, WANT_RELOAD, &set);
    if (rc == RC_OK)
        *key = key_by_id(app, set, id);
    return rc;
}

int app_keys_expire(struct ctx *c, const struct app *app)
{
    struct signing_key oldest = {.created_at = 0};
    return keys_expire(c, app->storage, app->app_id,
                       clock_ms() - app_key_verifies_until(app, &oldest));
}

/* ---- a new app */

struct app_key_seed {
    struct rsa_key *rsa[2]; /* dynamic, static; NULL if out of stock */
    struct key_row rows[2];
    struct str refresh_key;
    const stk_call *stored; /* the refresh key as it is after the write */
};

static void unref_rsa(void *rsa)
{
    rsa_unref(rsa);
}

struct app_key_seed *app_keys_seed(struct ctx *c)
{
    struct app_key_seed *seed = ARENA_NEW(c->arena, struct app_key_seed);
    struct missing first = {.predecessor = STR("")};
    if (!key_pool_try(c->core->key_pool, seed->rsa, 2))
        (void)key_pool_try(c->core->key_pool, seed->rsa, 1);
    for (int i = 0; i < 2 && seed->rsa[i]; i++)
        arena_defer(c->arena, unref_rsa, seed->rsa[i]);
    if (seed->rsa[0])
        seed->rows[0] = dynamic_row(c->arena, seed->rsa[0], &first);
    if (seed->rsa[1])
        seed->rows[1] = static_row(c->arena, seed->rsa[1]);
    seed->refresh_key = refresh_token_new_key(c->arena);
    return seed;
}

void app_keys_seed_batch(struct batch *b, struct str app_id, struct app_key_seed *seed)
{
    for (int i = 0; i < 2 && seed->rsa[i]; i++)
        batch_key_insert(b, app_id, &seed->rows[i]);
    batch_value_if_absent(b, app_id, REFRESH_KEY, seed->refresh_key, clock_ms());
    seed->stored = batch_value_get(b, app_id, REFRESH_KEY);
}

void app_keys_seed_done(const struct app *app, const struct app_key_seed *seed)
{
    struct app_keys *keys = app->keys;
    if (!seed->rsa[0] || call_rows(seed->stored) == 0)
        return;
    struct snapshot *s = snapshot_new(2, cell_str(call_row(seed->stored, 0), 0));
    for (int i = 0; i < 2 && seed->rsa[i]; i++)
        snapshot_add(s, &seed->rows[i], rsa_ref(seed->rsa[i]));
    pthread_mutex_lock(&keys->lock);
    if (!keys->now && !keys->loading) {
        keys->now = s;
        s = NULL;
    }
    pthread_mutex_unlock(&keys->lock);
    snapshot_unref(s);
}
