/* SPDX-License-Identifier: Apache-2.0 */
/* `supertokens migrate`: applies pending scripts, or says which there are. */
#include "cli/cli.h"

#include "storage/migrate.h"
#include "store/query.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_step(void *ud, const char *name, uint32_t step, uint32_t nsteps, const char *text)
{
    const char *plugin = ud;
    if (text)
        printf("-- %s %s %u/%u\n%s\n", plugin, name, step, nsteps, text);
    else
        printf("migrating %s %s %u/%u ...\n", plugin, name, step, nsteps);
    fflush(stdout);
}

static const char *when(int64_t ms, char *buf, size_t n)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    if (ms == 0 || !gmtime_r(&t, &tm))
        return "";
    strftime(buf, n, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return buf;
}

static int status(const struct migrate_target *t, struct arena *a)
{
    struct migrate_line *lines;
    size_t n;
    struct str error;
    bool pending = false;
    if (storage_migrate_status(t, a, &lines, &n, &error) < 0) {
        cli_complain("%.*s", STR_ARG(error));
        return CLI_FAILED;
    }
    for (size_t i = 0; i < n; i++) {
        char buf[40];
        printf("%s %-30s %-8s %s\n", t->plugin->v.name, lines[i].name,
               migrate_state_text(lines[i].state), when(lines[i].applied_at, buf, sizeof(buf)));
        pending = pending || lines[i].state == STK_MIG_PENDING;
    }
    return pending ? CLI_PENDING : CLI_OK;
}

static int apply(const struct cli *cli, const struct migrate_target *t, uint32_t to,
                 struct arena *a)
{
    bool dry = cli_flag(cli, "dry-run");
    uint32_t applied = 0;
    struct str error;
    void *name = (void *)(uintptr_t)t->plugin->v.name;
    if (storage_migrate_run(t, to, dry, print_step, name, a, &applied, &error) < 0) {
        cli_complain("%.*s", STR_ARG(error));
        return CLI_FAILED;
    }
    if (applied == 0)
        printf("%s: nothing to apply, the schema is up to date\n", t->plugin->v.name);
    else if (!dry)
        printf("%s: %u migration%s applied\n", t->plugin->v.name, applied, applied == 1 ? "" : "s");
    return CLI_OK;
}

int cmd_migrate(struct cli *cli)
{
    int64_t to;
    if (!cli_number(cli, "to", 1, UINT16_MAX, 0, &to))
        return CLI_USAGE;
    struct config *c = cli_config(cli);
    struct plugins *plugins = NULL;
    struct migrate_target t = {.catalog = &store_catalog};
    struct str why;
    stk_kv *kv = NULL;
    int rc = c ? cli_plugin(c, &cli->arena, &plugins, &why, &kv, &t.nkv) : CLI_USAGE;
    if (rc == CLI_OK) {
        t.plugin = c->plugin;
        t.kv = kv;
        rc = cli_flag(cli, "status") ? status(&t, &cli->arena)
                                     : apply(cli, &t, (uint32_t)to, &cli->arena);
    }
    plugins_free(plugins);
    config_free(c);
    return rc;
}
