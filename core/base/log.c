/* SPDX-License-Identifier: Apache-2.0 */
/* The log: each line is formatted on the caller's stack and goes out in one
 * write(), so lines of threads and of processes that share a file never mix and
 * no lock is held while writing.  Files are opened for append; log_reopen()
 * swaps the file behind a descriptor number with dup3(), which is atomic for
 * threads that write at that moment. */
#include "base/log.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINE = 4096 };

struct sink {
    char path[PATH_MAX]; /* "": a standard stream */
    int fd;
};

/* All but echo is written by log_open() and log_close() only, while no other
 * thread runs. */
static struct {
    struct sink info, error;
    enum log_level level;
    bool echo; /* atomic */
} state = {.info = {.fd = STDOUT_FILENO}, .error = {.fd = STDERR_FILENO}, .level = LOG_INFO};

/* Makes the folders that a file lies in. */
static void make_parents(const char *path)
{
    char dir[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof(dir))
        return;
    memcpy(dir, path, n + 1);
    for (char *p = dir + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(dir, 0755);
        *p = '/';
    }
}

static int open_file(const char *path)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
    int fd = open(path, flags, 0640);
    if (fd < 0 && errno == ENOENT) {
        make_parents(path);
        fd = open(path, flags, 0640);
    }
    return fd;
}

static int sink_open(struct sink *s, const char *path, int standard)
{
    size_t n = path ? strlen(path) : 0;
    int fd = standard;
    if (n >= sizeof(s->path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (n && (fd = open_file(path)) < 0)
        return -1;
    if (s->path[0])
        close(s->fd);
    memcpy(s->path, path ? path : "", n + 1);
    s->fd = fd;
    return 0;
}

int log_open(const char *info_path, const char *error_path, enum log_level level, const char **bad)
{
    state.level = level;
    if (sink_open(&state.info, info_path, STDOUT_FILENO)) {
        *bad = info_path;
        return -1;
    }
    if (sink_open(&state.error, error_path, STDERR_FILENO)) {
        *bad = error_path;
        return -1;
    }
    return 0;
}

static int sink_reopen(struct sink *s)
{
    if (!s->path[0])
        return 0;
    int fd = open_file(s->path);
    if (fd < 0)
        return -1;
    int rc = dup3(fd, s->fd, O_CLOEXEC) < 0 ? -1 : 0;
    close(fd);
    return rc;
}

int log_reopen(void)
{
    int info = sink_reopen(&state.info), error = sink_reopen(&state.error);
    return info || error ? -1 : 0;
}

void log_close(void)
{
    sink_open(&state.info, NULL, STDOUT_FILENO);
    sink_open(&state.error, NULL, STDERR_FILENO);
    state.level = LOG_INFO;
}

bool log_enabled(enum log_level level)
{
    return level <= state.level;
}

void log_echo(bool on)
{
    __atomic_store_n(&state.echo, on, __ATOMIC_RELAXED);
}

/* ---- lines */

static const char *const names[] = {"", "ERROR", "WARN ", "INFO ", "DEBUG"};

static size_t put(char *line, size_t n, const char *text)
{
    for (; *text && n < MAX_LINE - 8; text++)
        line[n++] = *text;
    return n;
}

static size_t put_time(char *line, size_t n)
{
    struct timespec ts;
    struct tm tm;
    char buf[32], ms[8];
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ms, sizeof(ms), ".%03ldZ", ts.tv_nsec / 1000000 % 1000);
    return put(line, put(line, n, buf), ms);
}

/* Control characters as \xHH, and \n and \t as such: a line stays one line. */
static size_t put_escaped(char *line, size_t n, struct str text)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < text.len && n < MAX_LINE - 8; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x20 && c != 0x7f) {
            line[n++] = (char)c;
            continue;
        }
        line[n++] = '\\';
        if (c == '\n' || c == '\t') {
            line[n++] = c == '\n' ? 'n' : 't';
            continue;
        }
        line[n++] = 'x';
        line[n++] = hex[c >> 4];
        line[n++] = hex[c & 15];
    }
    return n;
}

/* A line too long for the buffer ends in "..."; no UTF-8 character is cut. */
static size_t put_end(char *line, size_t n)
{
    if (n >= MAX_LINE - 8) {
        while (n && ((unsigned char)line[n - 1] & 0xc0) == 0x80)
            n--;
        if (n && (unsigned char)line[n - 1] >= 0xc0)
            n--;
        memcpy(line + n, "...", 3);
        n += 3;
    }
    line[n++] = '\n';
    return n;
}

static void send_line(int fd, const char *line, size_t n)
{
    while (n) {
        ssize_t done = write(fd, line, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody is left to be told */
        line += done;
        n -= (size_t)done;
    }
}

/* Plugins begin their messages with their own name, for replies and errors. */
static struct str without_component(const char *component, struct str text)
{
    size_t n = strlen(component);
    if (text.len > n + 2 && memcmp(text.p, component, n) == 0 && memcmp(text.p + n, ": ", 2) == 0)
        return str_sub(text, n + 2, text.len);
    return text;
}

void log_text(enum log_level level, const char *component, struct str text)
{
    char line[MAX_LINE];
    if (!log_enabled(level) || level < LOG_ERROR || level > LOG_DEBUG)
        return;
    const struct sink *sink = level <= LOG_WARN ? &state.error : &state.info;
    size_t n = put_time(line, 0);
    n = put(line, n, " ");
    n = put(line, n, names[level]);
    n = put(line, n, " ");
    size_t shown = n;
    n = put(line, n, component);
    n = put(line, n, ": ");
    n = put_end(line, put_escaped(line, n, without_component(component, text)));
    int saved = errno;
    send_line(sink->fd, line, n);
    if (sink->path[0] && level != LOG_DEBUG && __atomic_load_n(&state.echo, __ATOMIC_RELAXED))
        send_line(level <= LOG_WARN ? STDERR_FILENO : STDOUT_FILENO, line + shown, n - shown);
    errno = saved;
}

void log_write(enum log_level level, const char *component, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char text[MAX_LINE];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    log_text(level, component, str_make(text, len));
}
