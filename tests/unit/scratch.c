/* SPDX-License-Identifier: Apache-2.0 */
/* Folders for unit tests; see scratch.h. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

void scratch_make(char *path, size_t n)
{
    snprintf(path, n, "/tmp/stk_unit_XXXXXX");
    must(mkdtemp(path) != NULL, path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int scratch_remove(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void scratch_mkdir(const char *dir, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    for (char *p = path + strlen(dir) + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char c = *p;
        *p = '\0';
        must(mkdir(path, 0755) == 0 || errno == EEXIST, path);
        *p = c;
        if (!c)
            return;
    }
}

void scratch_write(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    must(f != NULL, path);
    must(fwrite(text, 1, strlen(text), f) == strlen(text), path);
    must(fclose(f) == 0, path);
}

const char *scratch_src(void)
{
    const char *src = getenv("STK_SRC");
    return src ? src : ".";
}

const char *scratch_build(void)
{
    static char exe[PATH_MAX];
    const char *build = getenv("STK_BUILD");
    if (build)
        return build;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    must(n > 0, "/proc/self/exe");
    exe[n] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(exe, '/');
        must(slash != NULL, exe);
        *slash = '\0';
    }
    return exe;
}
