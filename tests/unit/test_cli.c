/* SPDX-License-Identifier: Apache-2.0 */
/* The program as people use it: commands, exit codes, what ps sees, .started,
 * the background, signals.  Runs build/bin/supertokens on SQLite. */
#include "cli/started.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char home[64];
static char program[4200], plugins[4300];
static char out[64 * 1024];
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    scratch_make(home, sizeof(home));
    snprintf(program, sizeof(program), "%s/bin/supertokens", scratch_build());
    snprintf(plugins, sizeof(plugins), "--plugin-dir=%s/plugins", scratch_build());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return scratch_remove(home);
}

/* Starts the program with standard output and error in one pipe. */
static pid_t spawn(const char *const *args, int *pipe_end)
{
    char dir[100];
    const char *argv[20] = {program};
    int n = 1, fds[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    while (*args)
        argv[n++] = *args++;
    snprintf(dir, sizeof(dir), "--home=%s", home);
    argv[n++] = dir;
    argv[n++] = plugins;
    /* Sanitizers' options pass on. */
    static const char *const pass[] = {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS",
                                       "TSAN_OPTIONS"};
    static char options[4][512];
    char *env[6] = {(char *)(uintptr_t) "PATH=/bin"};
    for (int i = 0, k = 1; i < 4; i++) {
        if (getenv(pass[i])) {
            snprintf(options[i], sizeof(options[i]), "%s=%s", pass[i], getenv(pass[i]));
            env[k++] = options[i];
        }
    }
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
    assert_int_equal(
        posix_spawn(&pid, program, &actions, NULL, (char *const *)(uintptr_t)argv, env), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    *pipe_end = fds[0];
    return pid;
}

static int exit_code(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Reads into out until `until` is seen (NULL: the end). */
static void read_until(int fd, const char *until)
{
    size_t n = 0;
    out[0] = '\0';
    while (n + 1 < sizeof(out) && !(until && strstr(out, until))) {
        ssize_t got = read(fd, out + n, sizeof(out) - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        out[n] = '\0';
    }
    if (until && !strstr(out, until))
        fail_msg("'%s' was not said: %s", until, out);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})
static int run(const char *const *args)
{
    int fd;
    pid_t pid = spawn(args, &fd);
    read_until(fd, NULL);
    close(fd);
    return exit_code(pid);
}

static void assert_said(const char *part)
{
    if (!strstr(out, part))
        fail_msg("'%s' lacks '%s'", out, part);
}

/* ---- commands that end */

static void usage(void **state)
{
    (void)state;
    assert_int_equal(RUN("version"), 0);
    assert_said("SuperTokens Core ");
    assert_int_equal(RUN("help"), 0);
    assert_said("Exit status");
    assert_int_equal(RUN("start", "--help"), 0);
    assert_said("Usage: supertokens start");
    assert_int_equal(RUN("nonsense"), 2);
    assert_said("unknown command \"nonsense\"");
    assert_int_equal(RUN("start", "staging"), 2);
    assert_int_equal(RUN("start", "--port"), 2);
    assert_said("--port needs a value");
    assert_int_equal(RUN("start", "--prot=1"), 2);
    assert_said("unknown key prot; did you mean port?");
    assert_int_equal(RUN("start", "--port=http"), 2);
    assert_said("command line: 'port' must be of type int");
    assert_int_equal(RUN("stop", "--id=x"), 2);
    assert_int_equal(RUN("hashingCalibrate", "--with_alg=md5"), 2);
    assert_int_equal(RUN("start", "--with-config=/nonexistent"), 2);
    assert_said("cannot read the configuration /nonexistent");
}

static void configuration(void **state)
{
    (void)state;
    assert_int_equal(RUN("config", "check"), 0);
    assert_said("The configuration is valid.");
    assert_int_equal(RUN("config", "check", "--bcrypt-log-rounds=40"), 2);
    assert_int_equal(RUN("config", "show", "--api-keys=hunter2hunter2hunter2",
                         "--postgresql-connection-uri=postgresql://u:hunter2@h/d",
                         "--postgresql-password=hunter2"),
                     0);
    assert_said("api_keys: \"***\"");
    assert_said("postgresql_connection_uri: postgresql://u:***@h/d  # command line");
    assert_said("port: 3567  # default");
    assert_null(strstr(out, "hunter2"));
    assert_int_equal(RUN("plugins", "sqlite"), 0);
    assert_said("sqlite_path");
    assert_int_equal(RUN("plugins", "nosuch"), 1);
}

static void migrations(void **state)
{
    (void)state;
    char path[120];
    snprintf(path, sizeof(path), "--sqlite-path=%s/m.db", home);
    assert_int_equal(RUN("migrate", "--status", path), 3);
    assert_said("001_initial_schema");
    assert_int_equal(RUN("migrate", "--dry-run", path), 0);
    assert_said("CREATE TABLE");
    assert_int_equal(RUN("start", "--auto-migrate=false", "--port=0", path), 1);
    assert_said("auto_migrate is false");
    assert_int_equal(RUN("migrate", path), 0);
    assert_int_equal(RUN("migrate", "--status", path), 0);
    assert_said("applied");
    assert_int_equal(RUN("migrate", path), 0);
    assert_said("nothing to apply");
}

static void an_unreachable_database(void **state)
{
    (void)state;
    assert_int_equal(RUN("start",
                         "--postgresql-connection-uri=postgresql://u:hunter2@127.0.0.1:1/d",
                         "--startup-timeout=0", "--port=0"),
                     1);
    assert_said("127.0.0.1:1");
    assert_null(strstr(out, "hunter2"));
}

/* ---- serving */

struct server {
    pid_t pid;
    int fd, port;
};

#define START(s, ...) start(s, (const char *const[]){"start", "--port=0", __VA_ARGS__, NULL})
static void start(struct server *s, const char *const *args)
{
    s->pid = spawn(args, &s->fd);
    read_until(s->fd, "with PID: ");
    const char *line = strstr(out, "Started SuperTokens on localhost:");
    assert_non_null(line);
    s->port = (int)strtol(strchr(line, ':') + 1, NULL, 10);
    assert_true(s->port > 0);
}

static void end(struct server *s, int sig)
{
    kill(s->pid, sig);
    assert_int_equal(exit_code(s->pid), 0);
    close(s->fd);
}

static struct str slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = arena_zalloc(&arena, 65536);
    size_t n = fread(text, 1, 65535, f);
    fclose(f);
    return str_make(text, n);
}

static void started_files(void **state)
{
    (void)state;
    struct server s;
    struct started *list;
    START(&s, "dev", "--base-path=/auth", "--with-space=100");
    struct str file = slurp(str_printf(&arena, "%s/.started/localhost-%d", home, s.port).p);
    assert_string_equal(file.p, str_printf(&arena, "%d\n/auth", (int)s.pid).p);
    assert_int_equal(started_list(&arena, str_z(home), &list), 1);
    assert_int_equal(list[0].pid, s.pid);
    assert_string_equal(list[0].base_path.p, "/auth");
    assert_int_equal(RUN("list"), 0);
    assert_said(
        str_printf(&arena, "-> Instance PID: %d, address: localhost:%d", (int)s.pid, s.port).p);
    assert_int_equal(RUN("stop", "--id=1"), 1);
    end(&s, SIGTERM);
    assert_int_equal(started_list(&arena, str_z(home), &list), 0);
    assert_int_equal(RUN("list"), 0);
    assert_said("No SuperTokens instances running.");
}

/* A file whose process is gone, or is another program, is not believed. */
static void stale_files(void **state)
{
    (void)state;
    struct started *list;
    char path[200], text[20];
    snprintf(path, sizeof(path), "%s/.started/localhost-4000", home);
    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    scratch_write(home, ".started/localhost-4000", text);
    assert_int_equal(started_list(&arena, str_z(home), &list), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void secrets_in_ps(void **state)
{
    (void)state;
    struct server s;
    START(&s, "--api-keys=hunter2hunter2hunter2", "--postgresql-password=hunter2",
          "--access-token-validity=77");
    struct str cmdline = slurp(str_printf(&arena, "/proc/%d/cmdline", (int)s.pid).p);
    assert_null(memmem(cmdline.p, cmdline.len, "hunter2", 7));
    assert_non_null(memmem(cmdline.p, cmdline.len, "=77", 3));
    end(&s, SIGINT);
}

static void background(void **state)
{
    (void)state;
    struct started *list;
    assert_int_equal(RUN("start", "--background", "--port=0"), 0);
    assert_said("Started SuperTokens on localhost:");
    assert_int_equal(started_list(&arena, str_z(home), &list), 1);
    pid_t pid = list[0].pid;
    char port[40];
    snprintf(port, sizeof(port), "--port=%s", list[0].port.p);
    assert_int_equal(RUN("start", "--background", port), 1);
    assert_said("http: cannot listen on");
    assert_int_equal(RUN("stop"), 0);
    assert_said("Successfully stopped SuperTokens with PID");
    /* Nobody may have waited for it yet, but it runs nothing any more. */
    char exe[10];
    assert_int_equal(readlink(str_printf(&arena, "/proc/%d/exe", (int)pid).p, exe, 10), -1);
    assert_int_equal(RUN("stop"), 0);
    assert_said("No SuperTokens instances are running.");
}

static void hangup_reopens_logs(void **state)
{
    (void)state;
    struct server s;
    char path[200], old[220];
    START(&s, "production");
    snprintf(path, sizeof(path), "%s/logs/info.log", home);
    snprintf(old, sizeof(old), "%s.1", path);
    assert_int_equal(rename(path, old), 0);
    kill(s.pid, SIGHUP);
    for (int i = 0; i < 1000 && access(path, F_OK); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    assert_int_equal(access(path, F_OK), 0);
    kill(s.pid, SIGPIPE);
    end(&s, SIGTERM);
    assert_non_null(strstr(slurp(path).p, "SIGTERM: finishing what runs"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage),
        cmocka_unit_test(configuration),
        cmocka_unit_test(migrations),
        cmocka_unit_test(an_unreachable_database),
        cmocka_unit_test(started_files),
        cmocka_unit_test(stale_files),
        cmocka_unit_test(secrets_in_ps),
        cmocka_unit_test(background),
        cmocka_unit_test(hangup_reopens_logs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
