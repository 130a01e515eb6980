/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin under test: loaded, given its settings, opened; and the host it
 * sees. */
#include "conform.h"

#include <dlfcn.h>
#include <limits.h>
#include <time.h>

struct plug plug = {.seconds = 3};

/* --------------------------------------------------------------------- host */

/* What the plugin logged; lines are kept to be searched for secrets. */
static struct {
    pthread_mutex_t lock;
    char *text;
    size_t len;
    unsigned lines;
} logged = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void host_log(void *ctx, int32_t level, const char *name, const char *msg, size_t len)
{
    (void)ctx;
    (void)level;
    (void)name;
    pthread_mutex_lock(&logged.lock);
    char *p = realloc(logged.text, logged.len + len + 2);
    if (!p)
        abort();
    memcpy(p + logged.len, msg, len);
    memcpy(p + logged.len + len, "\n", 2);
    logged.text = p;
    logged.len += len + 1;
    logged.lines++;
    pthread_mutex_unlock(&logged.lock);
}

unsigned plug_log_lines(void)
{
    pthread_mutex_lock(&logged.lock);
    unsigned n = logged.lines;
    pthread_mutex_unlock(&logged.lock);
    return n;
}

bool plug_logged(const char *text)
{
    pthread_mutex_lock(&logged.lock);
    bool found = logged.text && strstr(logged.text, text);
    pthread_mutex_unlock(&logged.lock);
    return found;
}

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t host_now(void *ctx)
{
    (void)ctx;
    return now_us();
}

static int64_t host_time(void *ctx)
{
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const stk_host host = {.size = sizeof(stk_host),
                              .abi_major = STK_ABI_MAJOR,
                              .abi_minor = STK_ABI_MINOR,
                              .log = host_log,
                              .now_us = host_now,
                              .time_ms = host_time};

/* ------------------------------------------------------------------ loading */

_Noreturn static void give_up(const char *fmt, ...) STK_PRINTF(1, 2);
static void give_up(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "supertokens-plugin-test: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    exit(2);
}

static stk_option option_at(uint32_t i)
{
    stk_option o;
    stk_copy_min(&o, sizeof(o), stk_at(plug.v.options, plug.v.option_size, i), plug.v.option_size);
    return o;
}

static bool known(const char *key, const char **real)
{
    for (uint32_t i = 0; i < plug.v.noptions; i++) {
        stk_option o = option_at(i);
        if (strcmp(o.key, key) == 0 || (o.alias && strcmp(o.alias, key) == 0)) {
            *real = o.key;
            return true;
        }
    }
    return false;
}

/* The settings given, then the defaults of those not given. */
static void take_settings(char **settings, int n)
{
    plug.kv = calloc((size_t)n + plug.v.noptions + 1, sizeof(stk_kv));
    if (!plug.kv)
        abort();
    for (int i = 0; i < n; i++) {
        char *eq = strchr(settings[i], '=');
        if (!eq)
            give_up("%s is no key=value", settings[i]);
        *eq = '\0';
        stk_kv *kv = &plug.kv[plug.nkv++];
        kv->value = eq + 1;
        if (!known(settings[i], &kv->key)) {
            fprintf(stderr, "supertokens-plugin-test: %s has no setting %s. It has:", plug.v.name,
                    settings[i]);
            for (uint32_t o = 0; o < plug.v.noptions; o++)
                fprintf(stderr, " %s", option_at(o).key);
            give_up("see above");
        }
    }
    for (uint32_t i = 0; i < plug.v.noptions; i++) {
        stk_option o = option_at(i);
        if (o.dflt && !stk_kv_get(plug.kv, plug.nkv, o.key, NULL))
            plug.kv[plug.nkv++] = (stk_kv){o.key, o.dflt};
    }
}

void plug_load(const char *path, char **settings, int nsettings)
{
    static char real[PATH_MAX];
    if (!realpath(path, real))
        give_up("%s does not exist", path);
    plug.path = real;
    void *so = dlopen(real, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!so)
        give_up("%s cannot be loaded: %s", path, dlerror());
    stk_entry_fn entry;
    *(void **)&entry = dlsym(so, STK_ENTRY_SYMBOL);
    const stk_plugin *v = entry ? entry(STK_ABI_MAJOR, STK_ABI_MINOR) : NULL;
    if (!v)
        give_up("%s is no plugin: no %s, or it returns NULL", path, STK_ENTRY_SYMBOL);
    if (v->magic != STK_MAGIC || v->abi_major != STK_ABI_MAJOR || v->need_minor > STK_ABI_MINOR)
        give_up("%s is for another ABI", path);
    memcpy(&plug.v, v, v->size < sizeof(plug.v) ? v->size : sizeof(plug.v));
    if (!plug.v.name || !plug.v.open || !plug.v.close || !plug.v.exec || !plug.v.ensure ||
        !plug.v.drop || !plug.v.begin || !plug.v.commit || !plug.v.rollback ||
        (plug.v.noptions && (!plug.v.options || plug.v.option_size < offsetof(stk_option, rsv))))
        give_up("%s lacks a callback or its table of options", path);
    take_settings(settings, nsettings);
    stk_err err = {.size = sizeof(err)};
    if (plug.v.load && plug.v.load(&host, &err) < 0)
        give_up("%s: load() failed: %s", path, err.msg);
    if (plug.v.thread_enter && plug.v.thread_enter() < 0)
        give_up("%s: thread_enter() failed", path);
}

stk_status h_open(struct handle *h, const struct cat *k, uint32_t flags, stk_err *err)
{
    stk_err_clear(err);
    *h = (struct handle){.cat = k};
    pthread_mutex_init(&h->lock, NULL);
    stk_status rc = plug.v.open(plug.kv, plug.nkv, k->c, flags, &h->db, err);
    if (rc < 0)
        h->db = NULL;
    return rc;
}

void h_close(struct handle *h)
{
    if (!h->db)
        return;
    plug.v.close(h->db);
    h->db = NULL;
    pthread_mutex_destroy(&h->lock);
}
