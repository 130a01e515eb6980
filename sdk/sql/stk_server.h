/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_server.h -- what drivers of a database server have alike: settings behind a URI
 * or single keys, hosts of which one is connected to, the pool, transactions,
 * the schema.
 *
 * A driver's struct stk_db begins with a struct stk_server, so that the callbacks of
 * stk_plugin that are the same for all can be taken from here as they are.  What
 * differs it brings as struct stk_server_ops.
 */
#ifndef STK_SERVER_H
#define STK_SERVER_H

#include <stdatomic.h>

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

/* --------------------------------------------------- hosts, pool and health */

#define STK_SERVER_WAIT_US 30000000u /* of a call without a deadline */

struct stk_server;
struct stk_exec;
struct stk_server_schema;

/* What a driver brings.  A connection is whatever connect() makes of it; one is used by
 * one thread at a time. */
struct stk_server_ops {
    /* Opens one connection, most often by stk_server_try(). */
    stk_status (*connect)(struct stk_server *s, uint64_t deadline_us, void **conn, stk_err *err);
    void (*close)(void *conn);
    /* Called when a connection is handed out once more: false when its socket is known to be
     * dead.  No round trip. */
    bool (*reuse)(void *conn);
    /* Asks the server whether the connection is of use: after a failover the old primary may
     * still answer, but take no writes. */
    bool (*ping)(struct stk_server *s, void *conn);
    /* What refused a connection was the server being full, so that waiting for one of ours
     * may help. */
    bool (*full)(const stk_err *err);
    /* What STK_E_UNAVAILABLE or STK_E_TIMEOUT of connecting says would be said by every
     * host, as that the database is missing. */
    bool (*everywhere)(const stk_err *err);
    /* One attempt at a batch, all of it on x->conn: see struct stk_exec. */
    stk_status (*attempt)(struct stk_exec *x, stk_err *err);
    /* Rolls back what is open on the connection; false: it is of no use any more. */
    bool (*undo)(void *conn);
    const struct stk_server_schema *schema;
    /* One round trip; writes what runs there and where: "PostgreSQL 15.4, db:5432". */
    stk_status (*ask)(void *conn, uint64_t deadline_us, char *server, size_t n, stk_err *err);
};

/* One opened database; first member of a driver's struct stk_db. */
struct stk_server {
    const char *plugin;
    const stk_host *host; /* the core */
    const struct stk_server_ops *ops;
    const struct stk_server_conf *conf; /* borrowed */
    struct stk_sql *sql;
    struct stk_pool *pool;
    struct stk_jobs jobs;   /* what is to be ended on the server is ended by them */
    char size_key[64];      /* PLUGIN_connection_pool_size */
    uint32_t flags;         /* STK_OPEN_* */
    atomic_bool up;         /* the last attempt to connect succeeded */
    atomic_bool was_up;     /* one did */
    atomic_uint first_host; /* index of the host that was good last */
};

/* Begins, of zeroed memory, before anything can fail; stk_server_close() ends it. */
void stk_server_init(struct stk_server *s, const char *plugin, const stk_host *host,
                     const struct stk_server_ops *ops);

/* Prepares the statements of the catalogue and the pool; connects to nothing.  conf
 * outlives s.  STK_E_UNSUPPORTED: an unknown flag, or as stk_sql_open(). */
stk_status stk_server_open(struct stk_server *s, const struct stk_server_conf *conf,
                           const stk_catalog *catalog, const struct stk_sql_dialect *dialect,
                           uint32_t flags, stk_err *err);

/* Opens the first connection, for open() to fail where it does not come about. */
stk_status stk_server_reach(struct stk_server *s, stk_err *err);

/* Closes the pool, then waits for the jobs; s may have been opened half. */
void stk_server_close(struct stk_server *s);

/* The core's clock. */
static inline uint64_t stk_server_now(const struct stk_server *s)
{
    return s->host->now_us(s->host->ctx);
}

/* Connects to the first host that will do, beginning with the one that was good last.
 * open_host() is called for one after the other until one succeeds, or fails with other
 * than STK_E_UNAVAILABLE and STK_E_TIMEOUT or as every host would; how is passed on.
 * Of several hosts the error tells what each said. */
stk_status stk_server_try(struct stk_server *s, int how, uint64_t deadline_us,
                          stk_status (*open_host)(struct stk_server *s,
                                                  const struct stk_server_host *host, int how,
                                                  uint64_t deadline_us, void **conn, stk_err *err),
                          void **conn, stk_err *err);

/* stk_plugin.health: of the pool, and with timeout_ms of the server.  db: a struct
 * stk_server. */
stk_status stk_server_health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err);

/* For stk_plugin.dump: the server, then stk_sql_dump(). */
void stk_server_dump(struct stk_server *s,
                     void (*emit)(void *ud, const char *key, const char *value), void *ud);

/* ----------------------------------------------------- transactions and batches */

/* A transaction.  It takes its connection with its first batch. */
struct stk_txn {
    stk_db *db;
    void *conn; /* NULL before */
    uint64_t deadline_us;
    int32_t mode;
    bool open;   /* a transaction of the server's is open on conn */
    bool failed; /* it has to be rolled back */
    bool wrote;  /* a batch wrote */
};

/* A batch on its way. */
struct stk_exec {
    stk_db *db;
    const stk_txn *txn; /* NULL: by itself */
    stk_batch *batch;   /* attempt() counts round_trips and statements */
    void *conn;
    uint64_t deadline_us;
    uint32_t pieces; /* statements of all calls */
    bool writes;     /* one of them changes rows */
    bool locks;      /* one of them locks */

    bool open;     /* before: txn->open; attempt() says what is so after it */
    uint32_t call; /* said by attempt() when it fails: the call; batch->ncalls: none */
    bool drop;     /* said by attempt(): the connection is of no use any more */
    bool again;    /* said by attempt() when it fails: nothing was applied, and another
                      connection may do better */
};

/* stk_plugin.begin, exec, commit and rollback; db is a struct stk_server.
 *
 * exec() checks the batch, takes a connection, or that of the transaction, and calls
 * attempt(), which begins and commits as the flags and txn demand.  Where nothing is open
 * on the connection, an attempt that says `again` is repeated once on another.  A failed
 * batch that began its transaction undoes it at once; one of an open transaction leaves
 * that to rollback(). */
stk_status stk_server_begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn,
                            stk_err *err);
stk_status stk_server_exec(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err);
stk_status stk_server_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err);
void stk_server_rollback(stk_txn *txn);

/* ------------------------------------------------------------------ the schema */

#define STK_SERVER_CATALOG_US 30000000u   /* of one look at the server's catalogue */
#define STK_SERVER_SCRIPT_US 86400000000u /* an index over a large table takes long */

/* A connection on which the schema is looked at or changed. */
struct stk_server_job {
    stk_db *db;
    void *conn;
    void *lock;    /* the driver's, between begin and end */
    bool dropping; /* nothing of ours is to stay */
};

/* What a driver brings for its schema.  ud is a struct stk_server_job everywhere. */
struct stk_server_schema {
    struct stk_migrate_ops migrate; /* start and stop are not the driver's */
    const char *manual;             /* as in struct stk_migrate */
    const char *remedy;             /* of an incomplete schema, see stk_sql_verify() */
    /* Tells what tables, columns and keys there are. */
    stk_status (*read)(struct stk_server_job *job, struct stk_sql_real *real, stk_err *err);
    /* Makes sure that tables can be made; NULL: nothing is to be done. */
    stk_status (*prepare)(struct stk_server_job *job, stk_err *err);
    /* Runs one statement of DDL. */
    stk_status (*ddl)(void *ud, const char *sql, stk_err *err);
};

/* stk_plugin.migration_status, migrate, verify, ensure and drop; db is a struct
 * stk_server.  ensure() and drop() run between migrate.begin and migrate.end. */
stk_status stk_server_migration_status(stk_db *db, const stk_migration *scripts, size_t nscripts,
                                       void (*emit)(void *ud, const stk_migration_state *),
                                       void *ud, stk_err *err);
stk_status stk_server_migrate(stk_db *db, const stk_migration *scripts, size_t nscripts,
                              uint32_t to, uint32_t flags, stk_progress_fn progress, void *ud,
                              stk_err *err);
stk_status stk_server_verify(stk_db *db, stk_err *err);
stk_status stk_server_ensure(stk_db *db, const stk_catalog *catalog, stk_err *err);
stk_status stk_server_drop(stk_db *db, const stk_catalog *catalog, stk_err *err);

/* The members of a driver's stk_plugin that are the calls above as they are; identity,
 * open, close and what else it has are its own. */
#define STK_SERVER_CALLBACKS                                                                       \
    .migration_status = stk_server_migration_status, .migrate = stk_server_migrate,                \
    .verify = stk_server_verify, .ensure = stk_server_ensure, .drop = stk_server_drop,             \
    .begin = stk_server_begin, .exec = stk_server_exec, .commit = stk_server_commit,               \
    .rollback = stk_server_rollback, .health = stk_server_health

#endif /* STK_SERVER_H */
