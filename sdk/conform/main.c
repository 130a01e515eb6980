/* SPDX-License-Identifier: Apache-2.0 */
/* supertokens-plugin-test PLUGIN.so [key=value...]: the command line, the runs,
 * TAP.  The tests run in a child whose standard streams are kept, for a plugin
 * must not write to them, and so that a crash is reported like a failure. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct test calls_tests[], values_tests[], queries_tests[], contract_tests[],
    txn_tests[], migrate_tests[], lost_tests[], bench_tests[];
extern bool scripts_untouched(struct handle *h);
extern void wipe_scripts(stk_db *db);
extern void names_free(void);
extern char **environ;

static const struct test *const groups[] = {
    calls_tests, values_tests, queries_tests, contract_tests, txn_tests, migrate_tests, lost_tests};
enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

static const struct test own_tests[] = {
    {"C12.2", "nothing is written to standard output or standard error", NULL},
    {"C12.3", "signals, locale, environment, umask and folder are left alone", NULL},
};

static struct {
    const char *only, *child;
    bool list, bench, wipe, raw;
    char **argv;
    FILE *tap; /* where results go: the true standard output */
    unsigned number, failed, skipped;
} run;

static const char usage[] =
    "usage: supertokens-plugin-test [options] PLUGIN.so [key=value...]\n"
    "Proves the contracts of stk_plugin.h on a plugin and a database of its own.\n"
    "  --list            the contracts and what is tested of each\n"
    "  --only ID         one contract (C9) or test (C9.2); several with commas\n"
    "  --bench           microseconds and round trips per operation instead of tests\n"
    "  --seconds N       how long the tests with many threads run (3)\n"
    "  --proxy HOST,PORT keys of the settings that hold host and port: tests lost answers\n"
    "  --wipe            first drop the tables of the plugin's scripts, rows included\n"
    "  --raw             in this process, streams not kept: for debuggers\n"
    "TAP on standard output; exit status 0 all passed, 1 not, 2 could not run.\n";

/* ----------------------------------------------------------------- selection */

static bool wanted(const char *id)
{
    if (!run.only)
        return true;
    for (const char *p = run.only; *p;) {
        size_t n = strcspn(p, ",");
        if (strncmp(id, p, n) == 0 && (id[n] == '\0' || id[n] == '.'))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static void each(void (*fn)(const struct test *test))
{
    for (int g = 0; g < GROUPS; g++)
        for (const struct test *test = groups[g]; test->id; test++)
            if (wanted(test->id))
                fn(test);
    for (int i = 0; i < 2; i++)
        if (wanted(own_tests[i].id))
            fn(&own_tests[i]);
}

static void print_one(const struct test *test)
{
    printf("%-7s %s\n", test->id, test->what);
}

static void count_one(const struct test *test)
{
    (void)test;
    run.number++;
}

/* ------------------------------------------------------------------- running */

static struct handle main_handle;

static void result(const struct test *test, bool ok, const char *skip, const char *why)
{
    run.number++;
    run.failed += !ok;
    run.skipped += skip != NULL;
    fprintf(run.tap, "%sok %u - %s %s%s%s\n", ok ? "" : "not ", run.number, test->id, test->what,
            skip ? " # SKIP " : "", skip ? skip : "");
    if (!ok)
        fprintf(run.tap, "# %s\n", why);
    fflush(run.tap);
}

static void run_one(const struct test *test)
{
    if (!test->run)
        return;
    static struct t t;
    t_begin(&t, test, &main_handle);
    if (setjmp(t.out) == 0)
        test->run(&t);
    t.ncalls = 0;
    t_end(&t);
    result(test, !t.failed, t.skipped ? t.why : NULL, t.why);
}

/* ------------------------------------------------- what must be left alone */

struct surroundings {
    struct sigaction signals[32];
    char locale[512], folder[1024];
    char *env;
    mode_t mask;
};

static char *join_env(void)
{
    size_t n = 1;
    for (char **e = environ; *e; e++)
        n += strlen(*e) + 1;
    char *s = calloc(1, n), *to = s;
    for (char **e = environ; s && *e; e++) {
        size_t len = strlen(*e);
        memcpy(to, *e, len);
        to[len] = '\n';
        to += len + 1;
    }
    return s;
}

static void look(struct surroundings *s)
{
    for (int i = 1; i < 32; i++)
        sigaction(i, NULL, &s->signals[i]);
    snprintf(s->locale, sizeof(s->locale), "%s", setlocale(LC_ALL, NULL));
    if (!getcwd(s->folder, sizeof(s->folder)))
        s->folder[0] = '\0';
    s->env = join_env();
    s->mask = umask(0);
    umask(s->mask);
}

static const char *differs(const struct surroundings *a, const struct surroundings *b)
{
    for (int i = 1; i < 32; i++)
        if (a->signals[i].sa_handler != b->signals[i].sa_handler)
            return strsignal(i);
    if (strcmp(a->locale, b->locale) != 0)
        return "the locale";
    if (strcmp(a->folder, b->folder) != 0)
        return "the working folder";
    if (strcmp(a->env, b->env) != 0)
        return "the environment";
    return a->mask != b->mask ? "the umask" : NULL;
}

static void check_surroundings(const struct surroundings *before)
{
    if (!wanted(own_tests[1].id))
        return;
    static struct surroundings now;
    look(&now);
    const char *what = differs(before, &now);
    char why[128];
    snprintf(why, sizeof(why), "%s was changed", what ? what : "nothing");
    result(&own_tests[1], !what, NULL, why);
    free(now.env);
}

/* What the plugin wrote to the streams, both kept in one file. */
static void check_streams(int kept)
{
    if (!wanted(own_tests[0].id))
        return;
    fflush(stdout);
    fflush(stderr);
    struct stat st;
    bool quiet = kept < 0 || (fstat(kept, &st) == 0 && st.st_size == 0);
    result(&own_tests[0], quiet, kept < 0 ? "--raw" : NULL, "see the end of this output");
}

static int setup(void)
{
    stk_err err = {.size = sizeof(err)};
    struct cat *k = cat_new();
    stk_status rc = h_open(&main_handle, k, STK_OPEN_SCRATCH, &err);
    if (rc >= 0 && run.wipe)
        wipe_scripts(main_handle.db);
    if (rc >= 0)
        rc = plug.v.drop(main_handle.db, k->c, &err); /* of a run that was killed */
    if (rc >= 0)
        rc = plug.v.ensure(main_handle.db, k->c, &err);
    if (rc >= 0)
        return 0;
    fprintf(run.tap, "Bail out! %s: %s\n", status_name(rc), err.msg);
    fflush(run.tap);
    return 2;
}

static void take_down(void)
{
    stk_err err = {.size = sizeof(err)};
    struct cat *k = (struct cat *)(uintptr_t)main_handle.cat;
    if (plug.v.drop(main_handle.db, k->c, &err) < 0)
        fprintf(run.tap, "# the tables could not be dropped: %s\n", err.msg);
    h_close(&main_handle);
    cat_free(k);
    names_free();
    if (plug.v.thread_leave)
        plug.v.thread_leave();
    if (plug.v.unload)
        plug.v.unload();
    free(plug.kv);
}

static int run_tests(char **settings, int n, int kept)
{
    static struct surroundings before;
    look(&before);
    plug_load(settings[0], settings + 1, n - 1);
    int rc = setup();
    if (rc)
        return rc;
    if (run.bench) {
        static struct t t;
        t_begin(&t, bench_tests, &main_handle);
        if (setjmp(t.out) == 0)
            bench_tests->run(&t);
        if (t.failed)
            fprintf(run.tap, "%s\n", t.why);
        run.failed = t.failed;
        fflush(stdout);
        t_end(&t);
    } else {
        each(count_one);
        fprintf(run.tap, "TAP version 13\n1..%u\n# %s %s\n", run.number, plug.v.name,
                plug.v.version);
        run.number = 0;
        each(run_one);
    }
    take_down();
    if (!run.bench) {
        check_streams(kept);
        check_surroundings(&before);
        fprintf(run.tap, "# %u passed, %u failed, %u skipped\n",
                run.number - run.failed - run.skipped, run.failed, run.skipped);
        fflush(run.tap);
    }
    free(before.env);
    return run.failed ? 1 : 0;
}

/* --------------------------------------------------------------- processes */

int child_start(const char *what)
{
    int pid = fork();
    if (pid != 0)
        return pid;
    char arg[64];
    snprintf(arg, sizeof(arg), "--child=%s", what);
    size_t n = 0;
    while (run.argv[n])
        n++;
    char **argv = calloc(n + 2, sizeof(char *));
    if (!argv)
        _exit(1);
    argv[0] = run.argv[0];
    argv[1] = arg;
    for (size_t i = 1; i < n; i++)
        argv[i + 1] = run.argv[i];
    execv("/proc/self/exe", argv);
    _exit(127);
}

int child_wait(int pid)
{
    int st;
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
}

int child_main(const char *what)
{
    return strcmp(what, "migrate") == 0 ? child_migrate() : 1;
}

static void show_kept(int kept)
{
    char buf[1024];
    bool first = true;
    FILE *f = fdopen(kept, "r");
    if (!f)
        return;
    rewind(f);
    while (fgets(buf, sizeof(buf), f)) {
        if (first)
            printf("# written to the standard streams:\n");
        first = false;
        printf("#   %s%s", buf, strchr(buf, '\n') ? "" : "\n");
    }
    fclose(f);
}

/* The tests in a child, its streams in a file; its exit status. */
static int supervised(char **settings, int n)
{
    int kept = memfd_create("streams", MFD_CLOEXEC), out = dup(STDOUT_FILENO);
    if (kept < 0 || out < 0)
        return 2;
    fflush(stdout);
    int pid = fork();
    if (pid == 0) {
        fcntl(out, F_SETFD, FD_CLOEXEC);
        run.tap = fdopen(out, "w");
        dup2(kept, STDOUT_FILENO);
        dup2(kept, STDERR_FILENO);
        exit(run_tests(settings, n, kept));
    }
    close(out);
    int rc = child_wait(pid);
    if (rc < 0)
        printf("Bail out! the plugin was killed by signal %d (%s)\n", -rc, strsignal(-rc));
    show_kept(kept);
    return rc < 0 ? 1 : rc;
}

/* ---------------------------------------------------------------- arguments */

static void parse_proxy(char *arg)
{
    char *comma = strchr(arg, ',');
    if (!comma) {
        fputs(usage, stderr);
        exit(2);
    }
    *comma = '\0';
    plug.proxy_host = arg;
    plug.proxy_port = comma + 1;
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = {{"list", 0, NULL, 'l'},  {"only", 1, NULL, 'o'},
                                          {"bench", 0, NULL, 'b'}, {"seconds", 1, NULL, 's'},
                                          {"proxy", 1, NULL, 'p'}, {"wipe", 0, NULL, 'w'},
                                          {"child", 1, NULL, 'c'}, {"raw", 0, NULL, 'r'},
                                          {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (c) {
        case 'l': run.list = true; break;
        case 'o': run.only = optarg; break;
        case 'b': run.bench = run.raw = true; break;
        case 's': plug.seconds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'p': parse_proxy(optarg); break;
        case 'w': run.wipe = true; break;
        case 'c': run.child = optarg; break;
        case 'r': run.raw = true; break;
        default: fputs(usage, c == 'h' ? stdout : stderr); exit(c == 'h' ? 0 : 2);
        }
    }
}

int main(int argc, char **argv)
{
    run.argv = calloc((size_t)argc + 1, sizeof(char *));
    for (int i = 0; run.argv && i < argc; i++)
        run.argv[i] = strdup(argv[i]); /* as given, for children */
    parse(argc, argv);
    run.tap = stdout;
    if (run.list) {
        each(print_one);
        return 0;
    }
    if (optind >= argc) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int rc;
    if (run.child) {
        plug_load(argv[optind], argv + optind + 1, argc - optind - 1);
        rc = child_main(run.child);
    } else if (run.raw) {
        rc = run_tests(argv + optind, argc - optind, -1);
    } else {
        rc = supervised(argv + optind, argc - optind);
    }
    for (int i = 0; i < argc; i++)
        free(run.argv[i]);
    free(run.argv);
    return rc;
}
