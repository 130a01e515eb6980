/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the command line: a command, words, options.  --some-key=value sets the
 * configuration key some_key; the rest are options of commands.  Values of
 * secrets are wiped from argv, where ps would show them. */
#include "cli/cli.h"

#include "config/settings.h"
#include "storage/loader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(struct cli *cli);
    const char *options; /* names it takes, between blanks; beside configuration keys */
} commands[] = {
    {"start", cmd_start, " foreground background test-mode fast-jobs "},
    {"stop", cmd_stop, " id "},
    {"list", cmd_list, " "},
    {"config", cmd_config, " test-mode "},
    {"migrate", cmd_migrate, " status dry-run to "},
    {"plugins", cmd_plugins, " "},
    {"hashingCalibrate", cmd_calibrate,
     " with-alg with-time-per-hash-ms with-argon2-hashing-pool-size with-argon2-max-memory-mb "
     "with-argon2-parallelism "},
    {"version", cmd_version, " "},
    {"help", cmd_help, " "},
};
enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* Options of the incumbent that mean nothing here. */
static const char ignored[] =
    " with-space no-in-mem-db javaagent jmx jmx-port jmx-authenticate jmx-ssl ";

void cli_complain(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("supertokens: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

const char *cli_option(const struct cli *cli, const char *name)
{
    for (size_t i = cli->noptions; i-- > 0;)
        if (strcmp(cli->options[i].name, name) == 0)
            return cli->options[i].value ? cli->options[i].value : "";
    return NULL;
}

bool cli_flag(const struct cli *cli, const char *name)
{
    return cli_option(cli, name) != NULL;
}

bool cli_number(const struct cli *cli, const char *name, int64_t low, int64_t high, int64_t dflt,
                int64_t *value)
{
    const char *text = cli_option(cli, name);
    *value = dflt;
    if (!text)
        return true;
    if (str_i64(str_z(text), value) && *value >= low && *value <= high)
        return true;
    cli_complain("--%s must be a whole number from %" PRId64 " to %" PRId64, name, low, high);
    return false;
}

/* ---- parsing */

static bool listed(const char *list, struct str name)
{
    char word[64];
    if (name.len == 0 || name.len > sizeof(word) - 3)
        return false;
    snprintf(word, sizeof(word), " %.*s ", STR_ARG(name));
    return strstr(list, word) != NULL;
}

static char *with_char(struct arena *a, struct str s, char from, char to)
{
    char *p = arena_dup(a, s.p, s.len);
    for (char *q = p; *q; q++)
        if (*q == from)
            *q = to;
    return p;
}

/* Whether ps may show the value of a key: only one the table knows as no secret. */
static bool harmless(const char *key)
{
    const struct setting *k = settings_find(str_z(key));
    return k && !(k->flags & SETTING_SECRET);
}

static int parse_key(struct cli *cli, struct str name, char *value)
{
    char *key = with_char(&cli->arena, name, '-', '_');
    if (!value) {
        cli_complain("--%.*s needs a value: --%.*s=...", STR_ARG(name), STR_ARG(name));
        return CLI_USAGE;
    }
    cli->keys[cli->args.nkeys++] = (struct config_arg){key, arena_strdup(&cli->arena, value)};
    if (!harmless(key))
        explicit_bzero(value, strlen(value));
    return CLI_OK;
}

/* An option that says where things are; NULL: it is none of them. */
static const char **place(struct cli *cli, struct str name)
{
    if (str_eqz(name, "home"))
        return &cli->args.home;
    if (str_eqz(name, "with-config"))
        return &cli->args.file;
    if (str_eqz(name, "with-temp-dir"))
        return &cli->args.temp_dir;
    return NULL;
}

static int parse_option(struct cli *cli, const char *takes, char *arg)
{
    char *eq = strchr(arg, '=');
    struct str raw = eq ? str_make(arg, (size_t)(eq - arg)) : str_z(arg);
    char *value = eq ? eq + 1 : NULL;
    /* The incumbent's calibration spells its options with underscores. */
    struct str name = str_z(with_char(&cli->arena, raw, '_', '-'));
    const char **where = place(cli, name);
    if (where) {
        if (!value || !*value) {
            cli_complain("--%.*s needs a value: --%.*s=...", STR_ARG(raw), STR_ARG(raw));
            return CLI_USAGE;
        }
        *where = arena_strdup(&cli->arena, value);
        return CLI_OK;
    }
    if (listed(takes, name)) {
        cli->options[cli->noptions++] =
            (struct cli_option){name.p, value ? arena_strdup(&cli->arena, value) : NULL};
        return CLI_OK;
    }
    if (listed(ignored, name))
        return CLI_OK;
    return parse_key(cli, raw, value);
}

static int parse(struct cli *cli, const char *takes, int argc, char **argv)
{
    size_t n = (size_t)argc + 1;
    cli->words = ARENA_ARRAY(&cli->arena, const char *, n);
    cli->options = ARENA_ARRAY(&cli->arena, struct cli_option, n);
    cli->keys = ARENA_ARRAY(&cli->arena, struct config_arg, n);
    cli->args.keys = cli->keys;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            cli->words[cli->nwords++] = argv[i];
            continue;
        }
        int rc = parse_option(cli, takes, argv[i] + 2);
        if (rc)
            return rc;
    }
    cli->args.test_mode = cli_flag(cli, "test-mode");
    cli->args.fast_jobs = cli_flag(cli, "fast-jobs");
    return CLI_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    cli->program = argc ? argv[0] : "supertokens";
    cli->command = argc > 1 ? argv[1] : "help";
    if (strcmp(cli->command, "--help") == 0 || strcmp(cli->command, "-h") == 0)
        cli->command = "help";
    if (strcmp(cli->command, "--version") == 0 || strcmp(cli->command, "-v") == 0)
        cli->command = "version";
    for (size_t i = 0; i < NCOMMANDS; i++) {
        if (strcmp(commands[i].name, cli->command) != 0)
            continue;
        for (int k = 2; k < argc; k++)
            if (strcmp(argv[k], "--help") == 0 || strcmp(argv[k], "-h") == 0)
                return cmd_help(cli);
        int rc = parse(cli, commands[i].options, argc > 2 ? argc - 2 : 0, argv + 2);
        return rc ? rc : commands[i].run(cli);
    }
    cli_complain("unknown command \"%s\"; `supertokens help` lists them", cli->command);
    return CLI_USAGE;
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    arena_init(&cli.arena);
    cli.arena.wipe = true;
    int rc = run(&cli, argc, argv);
    arena_free(&cli.arena);
    return rc;
}

/* ---- shared by commands */

void cli_problems(const struct config *c, size_t from)
{
    for (size_t i = from; i < c->nproblems; i++)
        cli_complain("%s%s", c->problems[i].error ? "" : "warning: ", c->problems[i].text.p);
}

struct config *cli_config(const struct cli *cli)
{
    struct config *c;
    int rc = config_load(&cli->args, &c);
    cli_problems(c, 0);
    if (rc == 0)
        return c;
    config_free(c);
    return NULL;
}

int cli_plugin(struct config *config, struct arena *a, struct plugins **plugins, struct str *why,
               stk_kv **kv, size_t *nkv)
{
    struct str err;
    *plugins = plugins_new(config->plugin_dir.p);
    if (config_plugin(config, *plugins, a, why, &err)) {
        cli_complain("%.*s", STR_ARG(err));
        return CLI_USAGE;
    }
    size_t before = config->nproblems;
    config_unknown_keys(config, *plugins);
    cli_problems(config, before);
    if (config->nerrors)
        return CLI_USAGE;
    if (config_plugin_kv(config, a, kv, nkv, &err)) {
        cli_complain("%.*s", STR_ARG(err));
        return CLI_USAGE;
    }
    return CLI_OK;
}
