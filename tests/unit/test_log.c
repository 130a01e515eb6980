/* SPDX-License-Identifier: Apache-2.0 */
/* The log: form of a line, levels and files, reopening, threads. */
#include "base/log.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char info[100], error[100];
static char text[1024 * 1024];

static int setup(void **state)
{
    (void)state;
    scratch_make(dir, sizeof(dir));
    snprintf(info, sizeof(info), "%s/a/b/info.log", dir);
    snprintf(error, sizeof(error), "%s/error.log", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_close();
    return scratch_remove(dir);
}

static void start(enum log_level level)
{
    const char *bad = NULL;
    log_close();
    unlink(info);
    unlink(error);
    assert_int_equal(log_open(info, error, level, &bad), 0);
}

static const char *content(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

static void assert_matches(const char *s, const char *pattern)
{
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int rc = regexec(&re, s, 0, NULL, 0);
    regfree(&re);
    if (rc)
        fail_msg("'%s' is not like '%s'", s, pattern);
}

#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

static void form_and_files(void **state)
{
    (void)state;
    start(LOG_INFO);
    log_error("part", "e %d", 1);
    log_warn("part", "w");
    log_info("part", "i");
    log_debug("part", "d");
    assert_matches(content(info), "^" TIME "INFO  part: i\n$");
    assert_matches(content(error), "^" TIME "ERROR part: e 1\n" TIME "WARN  part: w\n$");
}

static void levels(void **state)
{
    (void)state;
    static const struct {
        int level;
        const char *info, *error;
    } rows[] = {
        {0, "^$", "^$"},
        {LOG_ERROR, "^$", "^[^\n]*ERROR x: e\n$"},
        {LOG_WARN, "^$", "ERROR x: e\n.*WARN  x: w\n$"},
        {LOG_INFO, "^[^\n]*INFO  x: i\n$", "WARN  x: w\n$"},
        {LOG_DEBUG, "INFO  x: i\n.*DEBUG x: d\n$", "WARN  x: w\n$"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start((enum log_level)rows[i].level);
        log_error("x", "e");
        log_warn("x", "w");
        log_info("x", "i");
        log_debug("x", "d");
        assert_int_equal(log_enabled(LOG_DEBUG), rows[i].level == LOG_DEBUG);
        assert_matches(content(info), rows[i].info);
        assert_matches(content(error), rows[i].error);
    }
}

static void one_line_whatever_it_holds(void **state)
{
    (void)state;
    start(LOG_INFO);
    log_text(LOG_INFO, "x", STR("a\nb\tc\x1b[31m\0z\x7f\xc3\xa9"));
    assert_matches(content(info), "x: a\\\\nb\\\\tc\\\\x1b\\[31m\\\\x00z\\\\x7f\xc3\xa9\n$");
}

static void component_is_said_once(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"sqlite: the disk is full", "INFO  sqlite: the disk is full\n$"},
        {"sqlite: ", "INFO  sqlite: sqlite: \n$"},
        {"sqlite:x", "INFO  sqlite: sqlite:x\n$"},
        {"sqlite", "INFO  sqlite: sqlite\n$"},
        {"mysql: gone", "INFO  sqlite: mysql: gone\n$"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(LOG_INFO);
        log_info("sqlite", "%s", rows[i][0]);
        assert_matches(content(info), rows[i][1]);
    }
}

static void long_lines_end_in_dots(void **state)
{
    (void)state;
    char big[9000];
    for (size_t i = 0; i + 2 < sizeof(big); i += 2)
        memcpy(big + i, "\xc3\xa9", 3);
    for (size_t skip = 0; skip < 2; skip++) {
        start(LOG_INFO);
        log_info("x", "%s%s", skip ? "a" : "", big);
        struct str line = str_z(content(info));
        assert_true(line.len > 4000 && line.len <= 4096);
        assert_true(str_ends(line, STR("...\n")));
        assert_true(str_utf8(line));
    }
}

static void reopening(void **state)
{
    (void)state;
    char old[120];
    start(LOG_INFO);
    log_info("x", "one");
    snprintf(old, sizeof(old), "%s.1", info);
    assert_int_equal(rename(info, old), 0);
    log_info("x", "two");
    assert_int_equal(log_reopen(), 0);
    log_info("x", "three");
    assert_matches(content(old), "one\n.*two\n$");
    assert_matches(content(info), "^[^\n]*three\n$");
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    const char *bad = NULL;
    log_close();
    assert_int_equal(log_open(info, "/proc/none/error.log", LOG_INFO, &bad), -1);
    assert_string_equal(bad, "/proc/none/error.log");
    log_close();
}

enum { THREADS = 4, LINES = 500 };

static void *writer(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("thread", "%s %04d end", (const char *)arg, i);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static const char *const names[THREADS] = {"aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc",
                                               "dddddddddd"};
    pthread_t t[THREADS];
    start(LOG_INFO);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, writer, (void *)(uintptr_t)names[i]), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(log_reopen(), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    struct str rest = str_z(content(info)), line;
    size_t n = 0;
    while (str_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        n++;
        assert_int_equal(line.len, strlen("2026-01-01T00:00:00.000Z INFO  thread: aaaaaaaaaa 0000 "
                                          "end"));
        assert_true(str_ends(line, STR(" end")));
    }
    assert_int_equal(n, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form_and_files),
        cmocka_unit_test(levels),
        cmocka_unit_test(one_line_whatever_it_holds),
        cmocka_unit_test(component_is_said_once),
        cmocka_unit_test(long_lines_end_in_dots),
        cmocka_unit_test(reopening),
        cmocka_unit_test(what_cannot_be_opened),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
