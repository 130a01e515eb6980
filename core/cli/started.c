/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes .started; see started.h. */
#include "cli/started.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct str folder(struct arena *a, struct str state_dir)
{
    return str_printf(a, "%.*s/.started", STR_ARG(state_dir));
}

struct str started_write(struct arena *a, struct str state_dir, struct str host, int port,
                         struct str base_path)
{
    struct str dir = folder(a, state_dir);
    struct str file = str_printf(a, "%s/%.*s-%d", dir.p, STR_ARG(host), port);
    struct str temp = str_printf(a, "%s/.%.*s-%d.%d", dir.p, STR_ARG(host), port, (int)getpid());
    mkdir(str_printf(a, "%.*s", STR_ARG(state_dir)).p, 0755);
    mkdir(dir.p, 0755);
    /* Made under another name: a reader never sees half a file. */
    FILE *f = fopen(temp.p, "we");
    if (!f)
        return STR_NULL;
    fprintf(f, "%d\n%.*s", (int)getpid(), STR_ARG(base_path));
    int bad = ferror(f);
    bad = fclose(f) || bad;
    if (!bad && rename(temp.p, file.p) == 0)
        return file;
    unlink(temp.p);
    return STR_NULL;
}

/* A process id is only a hint after a crash: it must be one of our programs. */
static bool runs(struct arena *a, pid_t pid)
{
    char exe[1024];
    if (pid <= 0 || (kill(pid, 0) && errno != EPERM))
        return false;
    ssize_t n = readlink(str_printf(a, "/proc/%d/exe", (int)pid).p, exe, sizeof(exe) - 1);
    if (n < 0)
        return errno == EACCES || errno == EPERM;
    exe[n] = '\0';
    const char *name = strrchr(exe, '/');
    return name && strncmp(name, "/supertokens", strlen("/supertokens")) == 0;
}

/* Fills *s from a file; false if it is none of ours or its core is gone. */
static bool read_one(struct arena *a, struct str dir, const char *name, struct started *s)
{
    char text[1024];
    const char *dash = strrchr(name, '-');
    int64_t pid = 0, port;
    if (name[0] == '.' || !dash || !str_i64(str_z(dash + 1), &port))
        return false;
    s->file = str_printf(a, "%s/%s", dir.p, name);
    FILE *f = fopen(s->file.p, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    struct str rest = str_make(text, n), line, path = STR("");
    str_split(&rest, '\n', &line);
    if (rest.p)
        str_split(&rest, '\n', &path);
    if (!str_i64(str_trim(line), &pid) || pid <= 0 || pid > INT32_MAX)
        return false;
    s->pid = (pid_t)pid;
    s->host = str_dup(a, str_make(name, (size_t)(dash - name)));
    s->port = str_dup(a, str_z(dash + 1));
    s->base_path = str_dup(a, path);
    if (runs(a, s->pid))
        return true;
    unlink(s->file.p);
    return false;
}

static int by_pid(const void *x, const void *y)
{
    return ((const struct started *)x)->pid < ((const struct started *)y)->pid ? -1 : 1;
}

size_t started_list(struct arena *a, struct str state_dir, struct started **list)
{
    struct str dir = folder(a, state_dir);
    DIR *d = opendir(dir.p);
    size_t n = 0, cap = 16;
    *list = ARENA_ARRAY(a, struct started, cap);
    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (n == cap) {
            struct started *more = ARENA_ARRAY(a, struct started, cap * 2);
            memcpy(more, *list, n * sizeof(**list));
            *list = more;
            cap *= 2;
        }
        n += read_one(a, dir, e->d_name, &(*list)[n]);
    }
    closedir(d);
    qsort(*list, n, sizeof(**list), by_pid);
    return n;
}
