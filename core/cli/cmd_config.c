/* SPDX-License-Identifier: Apache-2.0 */
/* `supertokens config check` and `config show`: what the core would start with
 * and where each value comes from.  Nothing is connected to; secrets are ***. */
#include "cli/cli.h"

#include "storage/loader.h"

#include <stdio.h>
#include <string.h>

static void print_place(const char *what, struct str path, const char *none)
{
    printf("# %-13s %s\n", what, path.p ? path.p : none);
}

static void print_places(const struct config *c, const struct str *why)
{
    print_place("home", c->home, "");
    print_place("configuration", c->file, "none, all defaults");
    print_place("plugins", c->plugin_dir, "");
    print_place("state", c->state_dir, "none, nothing is writable");
    print_place("info log", c->settings->info_log_path, "standard output");
    print_place("error log", c->settings->error_log_path, "standard error");
    printf("# %-13s %s (%.*s)\n", "storage", c->plugin->v.name, STR_ARG(*why));
}

/* A value as it may stand in the file: quoted where YAML would misread it. */
static void print_value(const char *key, struct str value, struct str from)
{
    bool plain = value.len > 0 && !strchr("[{|>&*!%@`\"'#~", value.p[0]) &&
                 !strstr(value.p, " #") && !strchr(value.p, '\n') && value.p[0] != ' ';
    printf("%s: ", key);
    if (!value.p) {
        printf("null");
    } else if (plain) {
        printf("%s", value.p);
    } else {
        putchar('"');
        for (const char *p = value.p; *p; p++) {
            if (*p == '"' || *p == '\\')
                putchar('\\');
            if (*p == '\n')
                printf("\\n");
            else
                putchar(*p);
        }
        putchar('"');
    }
    printf("  # %.*s\n", STR_ARG(from));
}

static void show_settings(struct config *c, struct arena *a)
{
    size_t n;
    const struct setting *t = settings_table(&n);
    for (size_t i = 0; i < n; i++) {
        struct config_value v = config_origin(c, &t[i]);
        print_value(t[i].name, settings_show(c->settings, &t[i], a),
                    config_where(c, t[i].name, &v, a));
    }
}

static void show_plugin(struct config *c, const stk_kv *kv, size_t nkv, struct arena *a)
{
    for (size_t i = 0; i < nkv; i++) {
        const stk_option *o = plugin_option(c->plugin, kv[i].key);
        const char *said = kv[i].key;
        struct config_value v;
        if (!config_lookup(c, o->key, &v) && o->alias && config_lookup(c, o->alias, &v))
            said = o->alias;
        print_value(o->key, config_option_show(o, kv[i].value, a), config_where(c, said, &v, a));
    }
}

int cmd_config(struct cli *cli)
{
    const char *what = cli->nwords ? cli->words[0] : "";
    bool show = strcmp(what, "show") == 0;
    if (!show && strcmp(what, "check") != 0) {
        cli_complain("say `supertokens config check` or `supertokens config show`");
        return CLI_USAGE;
    }
    struct config *c = cli_config(cli);
    struct plugins *plugins = NULL;
    struct str why;
    stk_kv *kv;
    size_t nkv;
    int rc = c ? cli_plugin(c, &cli->arena, &plugins, &why, &kv, &nkv) : CLI_USAGE;
    if (rc == CLI_OK) {
        print_places(c, &why);
        if (show) {
            show_settings(c, &cli->arena);
            show_plugin(c, kv, nkv, &cli->arena);
        } else {
            puts("The configuration is valid.");
        }
    }
    plugins_free(plugins);
    config_free(c);
    return rc;
}
