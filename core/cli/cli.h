/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one function per command. */
#ifndef CORE_CLI_CLI_H
#define CORE_CLI_CLI_H

#include "base/arena.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

/* What the program exits with; `supertokens help` documents them. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1, /* what was asked could not be done */
    CLI_USAGE = 2,  /* the command line or the configuration is wrong */
    CLI_PENDING = 3 /* migrate --status: scripts wait to be applied */
};

/* An option of a command that is no configuration key. */
struct cli_option {
    const char *name, *value; /* without dashes; value NULL if there was no '=' */
};

struct cli {
    struct arena arena;
    const char *program;
    const char *command;
    const char **words; /* after the command, without options */
    size_t nwords;
    struct cli_option *options;
    size_t noptions;
    struct config_arg *keys;
    struct config_args args;
};

/* Runs the program; argv's secrets are overwritten. */
int cli_main(int argc, char **argv);

/* The value of an option, NULL if it was not given ("" if without value). */
const char *cli_option(const struct cli *cli, const char *name);
/* Whether the option was given, and takes no value. */
bool cli_flag(const struct cli *cli, const char *name);
/* A whole number from low to high; false, with a message, if it is not one. */
bool cli_number(const struct cli *cli, const char *name, int64_t low, int64_t high, int64_t dflt,
                int64_t *value);
/* "supertokens: ..." on standard error. */
void cli_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints the problems of a configuration from the given one on. */
void cli_problems(const struct config *c, size_t from);
/* Loads the configuration and prints its problems; NULL after errors. */
struct config *cli_config(const struct cli *cli);
/* The storage plugin of the configuration and its keys, problems printed;
 * CLI_OK or what to exit with.  The caller frees *plugins. */
int cli_plugin(struct config *config, struct arena *a, struct plugins **plugins, struct str *why,
               stk_kv **kv, size_t *nkv);

/* ---- commands (cmd_*.c) */
int cmd_start(struct cli *cli);
int cmd_stop(struct cli *cli);
int cmd_list(struct cli *cli);
int cmd_config(struct cli *cli);
int cmd_migrate(struct cli *cli);
int cmd_plugins(struct cli *cli);
int cmd_calibrate(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_help(struct cli *cli);

#endif
