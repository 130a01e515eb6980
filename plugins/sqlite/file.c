/* SPDX-License-Identifier: Apache-2.0 */
/* The database file and its folder.  The file is made with mknod(), not open():
 * closing any descriptor of it would drop the POSIX locks that another
 * connection of this process holds. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite_plugin.h"

static char *join(const char *a, const char *b, size_t nb)
{
    size_t na = strlen(a);
    char *s = malloc(na + nb + 2);
    if (s)
        snprintf(s, na + nb + 2, "%s%s%.*s", a, na && a[na - 1] == '/' ? "" : "/", (int)nb, b);
    return s;
}

/* Splits off what does not exist: realpath() of the rest, then that part again. */
static char *resolve(const char *path)
{
    char *real = realpath(path, NULL);
    if (real || errno != ENOENT)
        return real;
    const char *end = path + strlen(path);
    while (end > path && end[-1] == '/')
        end--;
    const char *base = end;
    while (base > path && base[-1] != '/')
        base--;
    if (base == path) {
        real = getcwd(NULL, 0);
    } else {
        char *parent = strndup(path, (size_t)(base - path));
        real = parent ? resolve(parent) : NULL;
        free(parent);
    }
    char *out = real ? join(real, base, (size_t)(end - base)) : NULL;
    free(real);
    return out;
}

stk_status file_resolve(const char *path, char **out, stk_err *err)
{
    *out = NULL;
    size_t n = strlen(path);
    if (n == 0 || path[n - 1] == '/' || strcmp(path, ":memory:") == 0)
        return stk_err_set(err, STK_E_CONFIG,
                           "sqlite: sqlite_path \"%s\" is no path of a file. Name one; for a "
                           "database in memory, one on a tmpfs.",
                           path);
    char *real = resolve(path);
    if (!real) {
        stk_err_set(err, errno == ENOMEM ? STK_E_NOMEM : STK_E_CONFIG,
                    "sqlite: sqlite_path \"%s\" cannot be resolved: %s", path, strerror(errno));
        return err ? err->code : STK_E_CONFIG;
    }
    *out = real;
    return STK_OK;
}

static stk_status make_folders(char *path, stk_err *err)
{
    for (char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        int rc = mkdir(path, 0700);
        int e = errno;
        struct stat st;
        bool ok = rc == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
        if (!ok)
            stk_err_set(err, STK_E_CONFIG,
                        "sqlite: cannot make the folder %s: %s. Make it writable for this user "
                        "or set sqlite_path.",
                        path, strerror(e == EEXIST ? ENOTDIR : e));
        *s = '/';
        if (!ok)
            return STK_E_CONFIG;
    }
    return STK_OK;
}

stk_status file_create(const char *path, stk_err *err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISREG(st.st_mode))
            return STK_OK;
        return stk_err_set(err, STK_E_CONFIG, "sqlite: %s is no regular file. Set sqlite_path.",
                           path);
    }
    char *copy = strdup(path);
    if (!copy)
        return stk_err_nomem(err);
    stk_status rc = make_folders(copy, err);
    free(copy);
    if (rc)
        return rc;
    if (mknod(path, S_IFREG | 0600, 0) == 0 || errno == EEXIST)
        return STK_OK;
    return stk_err_set(err, errno == ENOSPC || errno == EROFS ? STK_E_READ_ONLY : STK_E_CONFIG,
                       "sqlite: cannot create %s: %s. Make its folder writable for this user or "
                       "set sqlite_path.",
                       path, strerror(errno));
}
