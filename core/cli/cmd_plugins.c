/* SPDX-License-Identifier: Apache-2.0 */
/* `supertokens plugins`: what is installed, or all about one; no database is
 * opened. */
#include "cli/cli.h"

#include "storage/loader.h"

#include <stdio.h>

static void print_pair(void *ud, const char *key, const char *value)
{
    (void)ud;
    printf("%s: %s\n", key, value);
}

static int describe(struct plugins *ps, struct arena *a, const char *name)
{
    const struct plugin *p;
    struct str error;
    if (plugins_load(ps, a, name, &p, &error) != PLUGIN_OK) {
        cli_complain("%.*s", STR_ARG(error));
        return CLI_FAILED;
    }
    plugin_describe(p, print_pair, NULL);
    return CLI_OK;
}

static int list(struct plugins *ps, struct arena *a)
{
    const char *const *names;
    size_t n = plugins_names(ps, a, &names);
    int rc = CLI_OK;
    printf("# %s\n", plugins_dir(ps));
    for (size_t i = 0; i < n; i++) {
        const struct plugin *p;
        struct str error;
        if (plugins_load(ps, a, names[i], &p, &error) != PLUGIN_OK) {
            cli_complain("%.*s", STR_ARG(error));
            rc = CLI_FAILED;
            continue;
        }
        printf("%-12s %-8s ABI %u.%u  %u migrations  %u options  [%s]  %s\n", p->v.name,
               p->v.version, p->v.abi_major, p->v.abi_minor, p->v.nmigrations, p->v.noptions,
               plugin_caps_text(a, p->v.caps).p, p->v.help);
    }
    if (n == 0)
        puts("no plugin is installed there");
    return rc;
}

int cmd_plugins(struct cli *cli)
{
    struct config *c = cli_config(cli);
    if (!c)
        return CLI_USAGE;
    struct plugins *ps = plugins_new(c->plugin_dir.p);
    int rc = CLI_OK;
    for (size_t i = 0; i < cli->nwords; i++) {
        int one = describe(ps, &cli->arena, cli->words[i]);
        rc = one ? one : rc;
    }
    if (cli->nwords == 0)
        rc = list(ps, &cli->arena);
    plugins_free(ps);
    config_free(c);
    return rc;
}
