/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_server.h -- what drivers of a database server have alike: settings behind a URI
 * or single keys.
 */
#ifndef STK_SERVER_H
#define STK_SERVER_H

#include "stk_conf.h"
#include "stk_driver.h"

/* ---------------------------------------------------------------- settings */

struct stk_server_host {
    char *host; /* a name, an address or the path of a socket; NULL: the library's default */
    char *name; /* for messages and identities: "db:5432", "[::1]:5432" or the socket */
    uint16_t port;
};

/* What every server's settings hold; the driver's own stand beside it. */
struct stk_server_conf {
    struct stk_server_host *hosts;
    size_t nhosts;
    char *user, *password; /* NULL: none */
    char *database;
    /* Of the pool.  While parameters are being read -1: not said yet. */
    int64_t pool_size, min_idle, idle_ms;
    uint64_t connect_us; /* limit of connecting to one host */
    uint16_t port;       /* of hosts that name none.  While parameters are being read 0 */
};

/* How the settings of one kind of server differ from another's. */
struct stk_server_rules {
    const char *schemes[2]; /* "postgresql", "postgres" */
    const char *example;    /* a whole URI, for messages */
    const char *own_tables; /* how to keep the tables of two installations apart, one sentence */
    const char *no_host;    /* what a URI without a host means; NULL: the library knows */
    const char *socket;     /* follows the folder of a socket, before the port; NULL: a path
                               names the socket itself */
    uint16_t port;
    bool needs_user; /* false: a URI without one will do */
    /* One parameter of the URI or of PLUGIN_connection_attributes, of which those of the
     * URI come last.  May write to the struct stk_server_conf being read. */
    stk_status (*param)(void *ud, const char *name, const char *value);
};

/* Reads PLUGIN_connection_uri, then from the single keys what it leaves open, then
 * the defaults; tells c->host of keys the URI overrides.  conf is zeroed memory and
 * to be freed whatever comes of it.  STK_E_CONFIG names the key that is wrong. */
stk_status stk_server_conf_load(const struct stk_conf *c, const struct stk_server_rules *rules,
                                void *ud, struct stk_server_conf *conf);

/* Appends a host; NULL or "": the library's default. */
stk_status stk_server_conf_add(const struct stk_conf *c, const struct stk_server_rules *rules,
                               struct stk_server_conf *conf, const char *host, uint16_t port);
void stk_server_conf_drop_hosts(struct stk_server_conf *conf);

/* Wipes and frees what conf holds, not conf. */
void stk_server_conf_free(struct stk_server_conf *conf);

/* stk_plugin.identity over loaded settings.  more: what else tells the data apart,
 * such as a schema; hash: of the driver's own settings, see stk_conf_hash(). */
stk_status stk_server_identity(const struct stk_conf *c, const struct stk_server_conf *conf,
                               const char *more, uint64_t hash, char *data_id, char *pool_id,
                               size_t n);

/* The options that stk_server_conf_load() reads, and those of the Java core that are
 * accepted or refused, as members of the driver's table.  plugin: a string literal; the
 * others are help texts.  No defaults are said: they would look like settings that the
 * URI overrides. */
#define STK_SERVER_OPTIONS(plugin, uri_help, host_help, port_help, prefix_help)                    \
    {.key = plugin "_connection_uri",                                                              \
     .type = STK_OPT_URI,                                                                          \
     .flags = STK_OPT_SECRET,                                                                      \
     .help = uri_help},                                                                            \
        {.key = plugin "_user", .type = STK_OPT_STR, .help = "User name"},                         \
        {.key = plugin "_password",                                                                \
         .type = STK_OPT_STR,                                                                      \
         .flags = STK_OPT_SECRET,                                                                  \
         .help = "Password of the user"},                                                          \
        {.key = plugin "_host", .type = STK_OPT_STR, .help = host_help},                           \
        {.key = plugin "_port", .type = STK_OPT_INT, .min = 1, .max = 65535, .help = port_help},   \
        {.key = plugin "_database_name",                                                           \
         .type = STK_OPT_STR,                                                                      \
         .help = "Database (default supertokens)"},                                                \
        {.key = plugin "_connection_pool_size",                                                    \
         .type = STK_OPT_INT,                                                                      \
         .min = 1,                                                                                 \
         .max = 10000,                                                                             \
         .help = "Connections at most (default 10)"},                                              \
        {.key = plugin "_minimum_idle_connections",                                                \
         .type = STK_OPT_INT,                                                                      \
         .min = 0,                                                                                 \
         .max = 10000,                                                                             \
         .help = "Connections that are kept although idle; unset: all of them"},                   \
        {.key = plugin "_idle_connection_timeout",                                                 \
         .type = STK_OPT_INT,                                                                      \
         .min = 0,                                                                                 \
         .max = INT32_MAX,                                                                         \
         .help = "Milliseconds after which an idle connection above that number is closed "        \
                 "(default 60000)"},                                                               \
        {.key = plugin "_connection_attributes",                                                   \
         .type = STK_OPT_STR,                                                                      \
         .flags = STK_OPT_SECRET,                                                                  \
         .help = "More parameters of the connection, as in a URI: a=b&c=d; weaker than those of "  \
                 "the URI"},                                                                       \
        {.key = plugin "_table_names_prefix",                                                      \
         .type = STK_OPT_STR,                                                                      \
         .flags = STK_OPT_REFUSED,                                                                 \
         .help = prefix_help},                                                                     \
        STK_SERVER_IGNORED(plugin "_connection_scheme", "Scheme of the Java core's URL"),          \
        STK_SERVER_IGNORED(plugin "_config_version", "Version of the Java core's file"),           \
        STK_SERVER_JAVA_TABLE(plugin "_key_value"), STK_SERVER_JAVA_TABLE(plugin "_session_info"), \
        STK_SERVER_JAVA_TABLE(plugin "_emailpassword_users"),                                      \
        STK_SERVER_JAVA_TABLE(plugin "_emailpassword_pswd_reset_tokens"),                          \
        STK_SERVER_JAVA_TABLE(plugin "_emailverification_tokens"),                                 \
        STK_SERVER_JAVA_TABLE(plugin "_emailverification_verified_emails"),                        \
        STK_SERVER_JAVA_TABLE(plugin "_thirdparty_users")
#define STK_SERVER_IGNORED(name, what)                                                             \
    {                                                                                              \
        .key = name, .type = STK_OPT_STR, .flags = STK_OPT_IGNORED, .help = what ", has no effect" \
    }
#define STK_SERVER_JAVA_TABLE(name)                                                                \
    STK_SERVER_IGNORED(name "_table_name", "Name of a table of the Java core")

#endif /* STK_SERVER_H */
