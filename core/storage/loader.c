/* SPDX-License-Identifier: Apache-2.0 */
/* Loading plugins; see loader.h.
 *
 * Locks: plugins.lock covers the list and is held while a plugin is loaded, its
 * load() included; loaded.serial is one plugin's, held around each use of a
 * SERIAL one.  Neither is taken inside the other but lock before serial. */
#include "storage/loader_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PLUGINS = 64 /* bits of thread_mark.entered */ };

struct loaded {
    struct plugin pub; /* first member */
    struct plugins *owner;
    void *handle;
    pthread_mutex_t serial;
};

struct plugins {
    char *dir;
    pthread_mutex_t lock;
    struct loaded *list[MAX_PLUGINS];
    uint16_t n;
    pthread_key_t mark; /* struct thread_mark of each thread */
    stk_host host;
};

/* Which plugins a thread has entered. */
struct thread_mark {
    struct plugins *ps;
    uint64_t entered;
};

static struct loaded *loaded_of(const struct plugin *p)
{
    return (struct loaded *)(uintptr_t)p;
}

/* -------------------------------------------------------------------- host */

static void host_log(void *ctx, int32_t level, const char *plugin, const char *msg, size_t len)
{
    (void)ctx;
    enum log_level l = level < LOG_ERROR ? LOG_ERROR : level > LOG_DEBUG ? LOG_DEBUG : level;
    log_text(l, plugin ? plugin : "plugin", str_make(msg, len));
}

static uint64_t host_now_us(void *ctx)
{
    (void)ctx;
    return clock_us();
}

static int64_t host_time_ms(void *ctx)
{
    (void)ctx;
    return clock_ms();
}

/* ----------------------------------------------------------------- threads */

static void leave_all(void *arg)
{
    struct thread_mark *m = arg;
    for (unsigned i = 0; i < MAX_PLUGINS; i++)
        if ((m->entered >> i & 1u) && m->ps->list[i]->pub.v.thread_leave)
            m->ps->list[i]->pub.v.thread_leave();
    mem_free(m);
}

stk_status plugin_enter(const struct plugin *p)
{
    if (!p->v.thread_enter && !p->v.thread_leave)
        return STK_OK;
    struct plugins *ps = loaded_of(p)->owner;
    struct thread_mark *m = pthread_getspecific(ps->mark);
    if (!m) {
        m = mem_zalloc(sizeof(*m));
        m->ps = ps;
        pthread_setspecific(ps->mark, m);
    }
    uint64_t bit = (uint64_t)1 << p->index;
    if (m->entered & bit)
        return STK_OK;
    stk_status rc = p->v.thread_enter ? p->v.thread_enter() : STK_OK;
    if (rc >= 0)
        m->entered |= bit;
    return rc;
}

bool plugin_lock(const struct plugin *p, uint64_t deadline_us)
{
    if (p->v.thread_model != STK_THREAD_SERIAL)
        return true;
    pthread_mutex_t *m = &loaded_of(p)->serial;
    if (deadline_us == 0)
        return pthread_mutex_lock(m) == 0;
    struct timespec t = {.tv_sec = (time_t)(deadline_us / 1000000u),
                         .tv_nsec = (long)(deadline_us % 1000000u) * 1000};
    return pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &t) == 0;
}

void plugin_unlock(const struct plugin *p)
{
    if (p->v.thread_model == STK_THREAD_SERIAL)
        pthread_mutex_unlock(&loaded_of(p)->serial);
}

/* -------------------------------------------------------- making and ending */

struct plugins *plugins_new(const char *dir)
{
    struct plugins *ps = mem_zalloc(sizeof(*ps));
    ps->dir = mem_strdup(dir);
    pthread_mutex_init(&ps->lock, NULL);
    if (pthread_key_create(&ps->mark, leave_all) != 0)
        abort();
    ps->host = (stk_host){.size = sizeof(ps->host),
                          .abi_major = STK_ABI_MAJOR,
                          .abi_minor = STK_ABI_MINOR,
                          .log = host_log,
                          .now_us = host_now_us,
                          .time_ms = host_time_ms};
    return ps;
}

static void loaded_free(struct loaded *l)
{
    pthread_mutex_destroy(&l->serial);
    mem_free((char *)(uintptr_t)l->pub.file);
    mem_free((stk_option *)(uintptr_t)l->pub.options);
    mem_free((stk_migration *)(uintptr_t)l->pub.migrations);
    mem_free(l);
}

void plugins_free(struct plugins *ps)
{
    if (!ps)
        return;
    struct thread_mark *m = pthread_getspecific(ps->mark);
    if (m) {
        pthread_setspecific(ps->mark, NULL);
        leave_all(m);
    }
    pthread_key_delete(ps->mark);
    while (ps->n) {
        struct loaded *l = ps->list[--ps->n];
        if (l->pub.v.unload)
            l->pub.v.unload();
        loaded_free(l);
    }
    pthread_mutex_destroy(&ps->lock);
    mem_free(ps->dir);
    mem_free(ps);
}

const char *plugins_dir(const struct plugins *ps)
{
    return ps->dir;
}

/* ----------------------------------------------------------------- finding */

const char *plugin_canonical(const char *name)
{
    if (strcmp(name, "postgres") == 0)
        return "postgresql";
    return strcmp(name, "mariadb") == 0 ? "mysql" : name;
}

static const char *path_in_dir(const struct plugins *ps, struct arena *a, const char *name)
{
    return str_printf(a, "%s/%s.so", ps->dir, plugin_canonical(name)).p;
}

bool plugins_installed(const struct plugins *ps, const char *name)
{
    struct arena a;
    arena_init(&a);
    bool found = access(path_in_dir(ps, &a, name), F_OK) == 0;
    arena_free(&a);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t plugins_names(const struct plugins *ps, struct arena *a, const char *const **names)
{
    size_t n = 0, cap = 0;
    const char **list = NULL;
    DIR *d = opendir(ps->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len <= 3 || e->d_name[0] == '.' || strcmp(e->d_name + len - 3, ".so") != 0)
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            const char **grown = ARENA_ARRAY(a, const char *, cap);
            if (n)
                memcpy(grown, list, n * sizeof(*list));
            list = grown;
        }
        list[n++] = arena_dup(a, e->d_name, len - 3);
    }
    if (d)
        closedir(d);
    if (n)
        qsort(list, n, sizeof(*list), by_name);
    *names = list;
    return n;
}

static enum plugin_refusal not_found(const struct plugins *ps, struct arena *a, const char *name,
                                     const char *path, int why, struct str *error)
{
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_printf(&b, "storage plugin \"%s\" was not found: tried %s (%s).", name, path,
                  strerror(why));
    const char *const *names;
    size_t n = plugins_names(ps, a, &names);
    strbuf_printf(&b, n ? " Plugins in %s:" : " There are no plugins in %s", ps->dir);
    for (size_t i = 0; i < n; i++)
        strbuf_printf(&b, "%s %s", i ? "," : "", names[i]);
    strbuf_add(&b, n ? STR(". Set storage_plugin to one of these, or to the path of a .so")
                     : STR(". Set plugin_dir, or storage_plugin to the path of a .so"));
    *error = strbuf_str(&b);
    return PLUGIN_NOT_FOUND;
}

/* ----------------------------------------------------------------- loading */

static enum plugin_refusal check_elf(struct arena *a, const char *file, struct str *error)
{
    unsigned char head[4] = {0};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *error = str_printf(a, "plugin %s cannot be read: %s", file, strerror(errno));
        return PLUGIN_NOT_FOUND;
    }
    ssize_t n = read(fd, head, sizeof(head));
    close(fd);
    if (n == sizeof(head) && memcmp(head, "\177ELF", 4) == 0)
        return PLUGIN_OK;
    *error =
        str_printf(a, "%s is not a storage plugin: it is no shared object (no ELF file)", file);
    return PLUGIN_NOT_A_PLUGIN;
}

static enum plugin_refusal open_object(struct arena *a, struct loaded *l, struct str *error)
{
    const char *file = l->pub.file;
    l->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (l->handle)
        return PLUGIN_OK;
    const char *why = dlerror();
    if (strstr(why, "undefined symbol"))
        *error = str_printf(a,
                            "plugin %s is not loaded: a symbol it needs is nowhere: %s. Link the "
                            "plugin against all of its libraries",
                            file, why);
    else if (strstr(why, "cannot open shared object file"))
        *error = str_printf(a,
                            "plugin %s is not loaded: a library it needs is missing: %s. Install "
                            "the client library of its database",
                            file, why);
    else
        *error = str_printf(a, "plugin %s is not loaded: %s", file, why);
    return PLUGIN_UNRESOLVED;
}

/* No entry symbol of our major: perhaps one of another? */
static enum plugin_refusal no_entry(struct arena *a, struct loaded *l, struct str *error)
{
    for (unsigned major = 0; major < 32; major++) {
        char symbol[24];
        snprintf(symbol, sizeof(symbol), "stk_plugin_v%u", major);
        if (!dlsym(l->handle, symbol))
            continue;
        *error = str_printf(a,
                            "plugin %s is not loaded: it is built for plugin ABI %u, this core has "
                            "ABI %u. Install the plugin's release for ABI %u",
                            l->pub.file, major, STK_ABI_MAJOR, STK_ABI_MAJOR);
        return PLUGIN_MAJOR;
    }
    *error = str_printf(a, "%s is not a storage plugin: it does not export %s", l->pub.file,
                        STK_ENTRY_SYMBOL);
    return PLUGIN_NOT_A_PLUGIN;
}

static enum plugin_refusal read_vtable(struct arena *a, struct loaded *l, struct str *error)
{
    enum plugin_refusal rc = open_object(a, l, error);
    if (rc != PLUGIN_OK)
        return rc;
    /* POSIX wants the conversion of an object pointer to a function pointer. */
    stk_entry_fn entry;
    *(void **)&entry = dlsym(l->handle, STK_ENTRY_SYMBOL);
    if (!entry)
        return no_entry(a, l, error);
    const struct stk_plugin *v = entry(STK_ABI_MAJOR, STK_ABI_MINOR);
    if (!v) {
        *error = str_printf(a,
                            "plugin %s is not loaded: it does not serve plugin ABI %u.%u, which "
                            "this core has. Install the plugin's release for it",
                            l->pub.file, STK_ABI_MAJOR, STK_ABI_MINOR);
        return PLUGIN_NEEDS_NEWER;
    }
    return loader_check_vtable(a, v, &l->pub, error);
}

/* wanted: the name it was asked for by, or NULL for a path. */
static enum plugin_refusal check_name(struct plugins *ps, struct arena *a, const struct loaded *l,
                                      const char *wanted, struct str *error)
{
    const char *name = l->pub.v.name;
    for (uint16_t i = 0; i < ps->n; i++) {
        if (strcmp(ps->list[i]->pub.v.name, name) != 0)
            continue;
        *error = str_printf(a,
                            "plugin %s is not loaded: its name \"%s\" is taken by %s. Use one of "
                            "the two",
                            l->pub.file, name, ps->list[i]->pub.file);
        return PLUGIN_NAME_CLASH;
    }
    if (wanted && strcmp(wanted, name) != 0) {
        *error = str_printf(a,
                            "plugin %s is not loaded: it calls itself \"%s\". Rename the file to "
                            "%s.so, or give its path",
                            l->pub.file, name, name);
        return PLUGIN_NAME_CLASH;
    }
    if (ps->n == MAX_PLUGINS) {
        *error = str_printf(a, "plugin %s is not loaded: %u plugins are", l->pub.file, ps->n);
        return PLUGIN_LOAD_FAILED;
    }
    return PLUGIN_OK;
}

static enum plugin_refusal run_load(struct plugins *ps, struct arena *a, const struct loaded *l,
                                    struct str *error)
{
    if (!l->pub.v.load)
        return PLUGIN_OK;
    stk_err err = {.size = sizeof(err)};
    stk_status rc = l->pub.v.load(&ps->host, &err);
    if (rc >= 0)
        return PLUGIN_OK;
    *error = str_printf(a, "plugin %s is not loaded: %s", l->pub.file,
                        err.msg[0] ? err.msg : "its load() failed");
    return PLUGIN_LOAD_FAILED;
}

static enum plugin_refusal load_file(struct plugins *ps, struct arena *a, const char *path,
                                     const char *real, const char *wanted, struct loaded **out,
                                     struct str *error)
{
    struct loaded *l = mem_zalloc(sizeof(*l));
    pthread_mutex_init(&l->serial, NULL);
    l->owner = ps;
    l->pub.file = mem_strdup(real);
    l->pub.index = ps->n;
    enum plugin_refusal rc = loader_check_owner(a, path, real, error);
    if (rc == PLUGIN_OK)
        rc = check_elf(a, real, error);
    if (rc == PLUGIN_OK)
        rc = read_vtable(a, l, error);
    if (rc == PLUGIN_OK)
        rc = check_name(ps, a, l, wanted, error);
    if (rc == PLUGIN_OK)
        rc = run_load(ps, a, l, error);
    if (rc != PLUGIN_OK) {
        loaded_free(l);
        return rc;
    }
    ps->list[ps->n++] = l;
    *out = l;
    log_debug("plugins", "%s %s loaded from %s", l->pub.v.name, l->pub.v.version, real);
    return PLUGIN_OK;
}

enum plugin_refusal plugins_load(struct plugins *ps, struct arena *a, const char *name,
                                 const struct plugin **plugin, struct str *error)
{
    *plugin = NULL;
    bool is_path = strchr(name, '/') != NULL;
    const char *path = is_path ? name : path_in_dir(ps, a, name);
    char *real = realpath(path, NULL);
    if (!real)
        return not_found(ps, a, name, path, errno, error);
    /* Made absolute, so that the folder that holds the link can be looked at. */
    if (path[0] != '/') {
        char *cwd = realpath(".", NULL);
        path = str_printf(a, "%s/%s", cwd ? cwd : "", path).p;
        free(cwd);
    }
    enum plugin_refusal rc = PLUGIN_OK;
    struct loaded *l = NULL;
    pthread_mutex_lock(&ps->lock);
    for (uint16_t i = 0; i < ps->n && !l; i++)
        if (strcmp(ps->list[i]->pub.file, real) == 0)
            l = ps->list[i];
    if (!l)
        rc = load_file(ps, a, path, real, is_path ? NULL : plugin_canonical(name), &l, error);
    pthread_mutex_unlock(&ps->lock);
    free(real);
    if (l)
        *plugin = &l->pub;
    return rc;
}

const struct plugin *plugins_find(struct plugins *ps, const char *name)
{
    const struct plugin *found = NULL;
    name = plugin_canonical(name);
    pthread_mutex_lock(&ps->lock);
    for (uint16_t i = 0; i < ps->n && !found; i++)
        if (strcmp(ps->list[i]->pub.v.name, name) == 0)
            found = &ps->list[i]->pub;
    pthread_mutex_unlock(&ps->lock);
    return found;
}
