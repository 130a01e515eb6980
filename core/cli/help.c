/* SPDX-License-Identifier: Apache-2.0 */
/* `supertokens help` and `supertokens version`. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char overview[] =
    "Usage: supertokens COMMAND [options]\n"
    "\n"
    "  start             run the core, in the foreground unless --background is given\n"
    "  stop              stop every core of this installation, or one (--id=PID)\n"
    "  list              show the cores that run\n"
    "  config check      say whether the configuration is valid\n"
    "  config show       show every setting and where it comes from, secrets masked\n"
    "  migrate           apply pending migrations; --status, --dry-run, --to=N\n"
    "  plugins           list installed storage plugins; plugins NAME describes one\n"
    "  hashingCalibrate  find costs of password hashes; --with_alg=bcrypt|argon2\n"
    "  version           show the version\n"
    "  help [COMMAND]    show this, or more about a command\n"
    "\n"
    "Options of all commands\n"
    "  --home=DIR           installation directory (else INSTALL_DIR, else found)\n"
    "  --with-config=FILE   configuration file (else config.yaml in there)\n"
    "  --with-temp-dir=DIR  keep .started there\n"
    "  --some-key=VALUE     set the configuration key some_key\n"
    "\n"
    "A setting is taken from the command line, else from the environment variable of\n"
    "its name in upper case (SUPERTOKENS_HOST and SUPERTOKENS_PORT for host and port;\n"
    "NAME_FILE names a file that holds the value), else from the configuration file.\n"
    "\n"
    "Exit status\n"
    "  0  done\n"
    "  1  it failed: the message says on what, why, and what to do\n"
    "  2  the command line or the configuration is wrong\n"
    "  3  migrate --status: scripts are pending\n";

static const struct {
    const char *command, *text;
} details[] = {
    {"start", "Usage: supertokens start [--host=HOST] [--port=PORT] [--background] [--test-mode]\n"
              "                         [--fast-jobs]\n"
              "\n"
              "Runs the core until SIGTERM or SIGINT; what runs then is finished first. SIGHUP\n"
              "opens the log files anew.\n"
              "\n"
              "  --background   leave the terminal once the core serves; exits 1 if it does not\n"
              "  --foreground   stay (the default)\n"
              "  --test-mode    for tests of SDKs: intervals may be shorter than is sensible,\n"
              "                 and what has expired is first deleted at once\n"
              "  --fast-jobs    for tests of the core: an hour of background work is a second\n"
              "\n"
              "The words dev and production and the options --with-space, --no-in-mem-db,\n"
              "--javaagent and --jmx are accepted and mean nothing.\n"},
    {"stop", "Usage: supertokens stop [--id=PID]\n"
             "\n"
             "Stops every core whose file is in .started of this installation, or the one with\n"
             "that process id, and waits until it has ended.\n"},
    {"config", "Usage: supertokens config check|show\n"
               "\n"
               "Reads the configuration as start would, without connecting to a database.\n"},
    {"migrate",
     "Usage: supertokens migrate [--status] [--dry-run] [--to=N]\n"
     "\n"
     "  --status   show each script and whether it was applied; exits 3 if one is pending\n"
     "  --dry-run  show what would be run\n"
     "  --to=N     stop after script N\n"},
    {"plugins", "Usage: supertokens plugins [NAME|FILE.so ...]\n"
                "\n"
                "Lists the storage plugins of the plugin folder, or describes those that are\n"
                "named: ABI, version, capabilities, options, migrations.\n"},
    {"hashingCalibrate",
     "Usage: supertokens hashingCalibrate --with_alg=bcrypt|argon2\n"
     "\n"
     "  --with_time_per_hash_ms=300          how long one hash may take\n"
     "  --with_argon2_hashing_pool_size=1    how many hashes run at once\n"
     "  --with_argon2_max_memory_mb=1024     memory of all of them\n"
     "  --with_argon2_parallelism=N          lanes of a hash (two per processor)\n"},
};

int cmd_help(struct cli *cli)
{
    const char *about = strcmp(cli->command, "help") != 0 ? cli->command
                        : cli->nwords                     ? cli->words[0]
                                                          : "";
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
        if (strcmp(details[i].command, about) == 0) {
            fputs(details[i].text, stdout);
            return CLI_OK;
        }
    fputs(overview, stdout);
    return CLI_OK;
}

int cmd_version(struct cli *cli)
{
    (void)cli;
    printf("SuperTokens Core %s, plugin ABI %d.%d\n", STK_CORE_VERSION, STK_ABI_MAJOR,
           STK_ABI_MINOR);
    return CLI_OK;
}
