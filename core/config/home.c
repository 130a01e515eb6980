/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the folders: HOME (what the guide calls the installation directory) from
 * --home, INSTALL_DIR or the place of the program; in it the configuration and
 * the plugins; and a writable place for .started. */
#include "config/config_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct str path_join(struct arena *a, struct str base, struct str path)
{
    if (path.len && path.p[0] == '/')
        return str_dup(a, path);
    while (base.len > 1 && base.p[base.len - 1] == '/')
        base.len--;
    return str_printf(a, "%.*s/%.*s", STR_ARG(base), STR_ARG(path));
}

static bool exists(struct arena *a, struct str dir, const char *name)
{
    struct str p = path_join(a, dir, str_z(name));
    return access(p.p, F_OK) == 0;
}

static struct str parent(struct arena *a, struct str path)
{
    ptrdiff_t slash = str_rfind(path, '/');
    return slash <= 0 ? STR("/") : str_dup(a, str_sub(path, 0, (size_t)slash));
}

static struct str base_name(struct str path)
{
    ptrdiff_t slash = str_rfind(path, '/');
    return slash < 0 ? path : str_sub(path, (size_t)slash + 1, path.len);
}

/* The folder of the program, links resolved. */
static struct str exe_dir(struct config *c)
{
    char buf[PATH_MAX];
    if (!realpath(c->args.exe ? c->args.exe : "/proc/self/exe", buf))
        return STR("/");
    return parent(&c->arena, str_z(buf));
}

/* PREFIX/bin -> PREFIX/lib/supertokens; PREFIX/lib/supertokens itself; a build
 * folder -> the repository above it, else the build folder. */
static struct str from_exe(struct config *c)
{
    struct arena *a = &c->arena;
    struct str dir = exe_dir(c), up = parent(a, dir);
    if (exists(a, dir, "config.yaml") || exists(a, dir, "plugins"))
        return dir;
    if (!str_eqz(base_name(dir), "bin"))
        return dir;
    if (exists(a, up, "lib/supertokens"))
        return path_join(a, up, STR("lib/supertokens"));
    for (struct str d = up; d.len > 1; d = parent(a, d))
        if (exists(a, d, "config/config.yaml"))
            return d;
    return up;
}

static struct str absolute(struct arena *a, const char *path)
{
    char buf[PATH_MAX];
    if (realpath(path, buf))
        return str_dup(a, str_z(buf));
    if (path[0] == '/' || !getcwd(buf, sizeof(buf)))
        return str_dup(a, str_z(path));
    return path_join(a, str_z(buf), str_z(path));
}

static void find_file(struct config *c)
{
    struct arena *a = &c->arena;
    if (c->args.file) {
        c->file = absolute(a, c->args.file);
        return;
    }
    static const char *const places[] = {"config.yaml", "config/config.yaml"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !c->file.p; i++)
        if (exists(a, c->home, places[i]))
            c->file = path_join(a, c->home, str_z(places[i]));
}

void config_find_home(struct config *c)
{
    const char *env = config_getenv(c, "INSTALL_DIR");
    const char *said = c->args.home ? c->args.home : env;
    c->home = said ? absolute(&c->arena, said) : from_exe(c);
    struct stat st;
    if (said && (stat(c->home.p, &st) || !S_ISDIR(st.st_mode)))
        config_error(c, "%s: %s is no folder", c->args.home ? "--home" : "INSTALL_DIR", c->home.p);
    find_file(c);
}

void config_find_plugins(struct config *c, struct str setting)
{
    struct arena *a = &c->arena;
    if (setting.p) {
        c->plugin_dir = setting;
        return;
    }
    c->plugin_dir = path_join(a, c->home, STR("plugins"));
    /* The repository keeps its C sources there: the built ones are beside bin/. */
    struct str dir = exe_dir(c), built = path_join(a, parent(a, dir), STR("plugins"));
    if (str_eqz(base_name(dir), "bin") && !c->args.home && access(built.p, F_OK) == 0)
        c->plugin_dir = built;
}

/* Whether dir/.started can be written to, or made; makes nothing. */
static bool usable(struct config *c, struct str dir)
{
    struct str started = path_join(&c->arena, dir, STR(".started"));
    if (access(started.p, F_OK) == 0)
        return access(started.p, W_OK | X_OK) == 0;
    if (access(dir.p, F_OK) == 0)
        return access(dir.p, W_OK | X_OK) == 0;
    return access(parent(&c->arena, dir).p, W_OK | X_OK) == 0;
}

void config_find_state(struct config *c, struct str setting)
{
    struct arena *a = &c->arena;
    const char *systemd = config_getenv(c, "STATE_DIRECTORY");
    struct str said = c->args.temp_dir ? absolute(a, c->args.temp_dir) : setting;
    if (said.p) {
        c->state_dir = said;
        if (!usable(c, said))
            config_error(c, "%s: %s/.started is not writable: %s",
                         c->args.temp_dir ? "--with-temp-dir" : "state_dir", said.p,
                         strerror(errno));
    } else if (usable(c, c->home)) {
        c->state_dir = c->home;
    } else if (systemd && usable(c, str_z(systemd))) {
        c->state_dir = str_dup(a, str_z(systemd));
    }
}
