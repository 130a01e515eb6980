/* SPDX-License-Identifier: Apache-2.0 */
/* The MongoDB plugin: what its files share.
 *
 * A table is a collection, a row a document.  `_id` is the primary key as one
 * text: its components joined by a NUL byte, which no text holds, so that ids
 * sort as the key does; integers are 16 hex digits offset by 2^63.  Columns are
 * fields as well; NULL is an absent field; `_lk` counts locks of the row.
 *
 * On a replica set or sharded cluster transactions are the server's own.  A
 * standalone server has none: solo.c and undo.c make do with a gate, one serving
 * process and a journal of pre-images. */
#ifndef STK_MONGODB_PLUGIN_H
#define STK_MONGODB_PLUGIN_H

/* Inline functions of the library's headers are not as strict as this project. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <mongoc/mongoc.h>
#pragma GCC diagnostic pop
#include <stdatomic.h>
#include <stk_driver.h>
#include <stk_sql.h>

#define MG_NAME "mongodb"
#define MG_LEASES "st_leases"

enum {
    MG_WAIT_US = 10 * 1000000,          /* deadline of a call without one */
    MG_MIGRATE_US = 600 * 1000000,      /* waiting for another migrating core */
    MG_LEASE_US = 15 * 1000000,         /* a lease not renewed for so long is over */
    MG_MAX_LIST = 1000,                 /* longest IN list */
    MG_COMMAND_BYTES = 4 * 1024 * 1024, /* rows of one command */
    MG_FIND_BATCH = 1000                /* documents of one answer */
};

/* Settings: the URI first, then the single keys for what it leaves open. */
struct mg_conf {
    mongoc_uri_t *uri; /* with the plugin's own options */
    char *database;
    char where[256]; /* the hosts, for messages and identity */
    char user[128];
    char auth_source[128];
    uint32_t pool_size;
};
stk_status mg_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct mg_conf *conf,
                        stk_err *err);
void mg_conf_free(struct mg_conf *conf);
stk_status mg_conf_identity(const struct mg_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err);

/* How a query is served, decided once. */
struct mg_plan {
    uint16_t key; /* the key that serves it; 0: the primary key, through _id */
    uint8_t neq;  /* its leading columns compared by EQ */
    bool point;   /* one _id */
    bool list;    /* a list of _ids: all but the last column EQ, that one IN */
    bool by_id;   /* order[] is the order, or the reverse order, of _id */
    bool hinted;  /* the key is said to the server */
    bool desc;    /* by_id: descending */
};

struct mg_solo;
struct mg_sessions;

struct stk_db {
    const stk_host *host;
    struct stk_sql *sql;
    struct mg_conf conf;
    struct mg_plan *plans; /* [query] */
    mongoc_client_pool_t *clients;
    struct stk_pool *pool;
    _Atomic bool *known; /* [table]: the collection is there */
    char version[32];    /* of the server */
    uint32_t flags;
    bool sharded;
    struct mg_solo *solo;         /* a standalone server's; NULL: native transactions */
    struct mg_sessions *sessions; /* of native transactions */
};

struct mg_conn {
    struct stk_db *db;
    mongoc_client_t *client;
    bool broken;
};

/* A transaction; takes its connection with the first exec(). */
struct stk_txn {
    struct stk_db *db;
    struct mg_conn *conn;
    mongoc_client_session_t *session;
    uint64_t deadline_us;
    uint64_t seq; /* standalone: of its undo entries, 0 before the first */
    uint32_t n;   /* standalone: entries written */
    char on[48];  /* standalone: the connection as the server knows it */
    int mode;
    bool failed, gate;
};

/* One command under way: where it runs and what it may take. */
struct mg_op {
    struct stk_db *db;
    struct mg_conn *conn;
    struct stk_txn *txn; /* NULL: by itself */
    uint64_t deadline_us;
    uint64_t commands; /* round trips made */
    uint16_t table;    /* for messages */
    bool write;        /* an answer that is lost leaves it unknown whether it was applied */
    bool no_dup;       /* a duplicate _id is a race: RETRY */
    stk_err *err;
};

/* conn.c */
uint64_t mg_now(const struct stk_db *db);
stk_status mg_conn_get(struct stk_db *db, uint64_t deadline_us, struct mg_conn **out, stk_err *err);
void mg_conn_put(struct mg_conn *c);
stk_status mg_connect(struct stk_db *db, stk_err *err);
void mg_disconnect(struct stk_db *db);
/* An operation of its own outside exec(), e.g. of the schema. */
struct mg_op mg_op(struct mg_conn *c, uint64_t deadline_us, stk_err *err);
/* Runs a command on the database within the deadline.  reply is initialised,
 * whatever is returned.  MG_READ, MG_WRITE: with the concerns of rows; MG_ADMIN:
 * as it is. */
enum { MG_READ, MG_WRITE, MG_ADMIN };
stk_status mg_command(struct mg_op *op, int kind, const bson_t *command, bson_t *reply);
/* The options of a write through libmongoc's collections, and what came of it.
 * opts is initialised on STK_OK only. */
stk_status mg_write_opts(struct mg_op *op, bson_t *opts);
stk_status mg_written(struct mg_op *op, bool ok, const bson_t *reply, const bson_error_t *e);
/* A find; calls fn for each document until it returns other than STK_OK. */
typedef stk_status (*mg_doc_fn)(void *ud, const bson_t *doc);
stk_status mg_find(struct mg_op *op, const char *collection, const bson_t *filter,
                   const bson_t *opts, mg_doc_fn fn, void *ud);
/* The integer at a path of a reply, 0 when there is none. */
int64_t mg_int(const bson_t *doc, const char *path);

/* error.c */
/* What a failed command means, with op->err filled; marks the connection. */
stk_status mg_error(struct mg_op *op, const bson_t *reply, const bson_error_t *e);
stk_status mg_fail(struct mg_op *op, stk_status status, const char *what);
bool mg_has_label(const bson_t *reply, const char *label);

/* filter.c */
void mg_plan(const struct stk_sql *sql, const stk_query *q, struct mg_plan *plan);
/* The filter and sort documents of a call; opts gets sort, hint, limit. */
void mg_filter(const struct stk_db *db, const stk_call *call, stk_arena *arena, bson_t *filter);
void mg_order(const struct stk_db *db, const stk_query *q, bson_t *opts);
void mg_append(bson_t *doc, const char *key, const stk_val *v);
/* The _id of a row to be written: params of one row of an INSERT or UPSERT. */
size_t mg_row_id(const struct stk_sql *sql, const stk_query *q, const stk_val *row,
                 stk_arena *arena, char **out);
/* The limit of a call, -1: none. */
int64_t mg_limit(const stk_query *q, const stk_call *call);

/* run.c: one call; write.c: the calls that write */
stk_status mg_run(struct mg_op *op, const stk_call *call, stk_arena *arena);
/* True when the call touches one document at most. */
bool mg_single(const struct stk_db *db, const stk_call *call);

/* An array of _ids, as mg_find() meets them. */
struct mg_ids {
    bson_t list;
    uint32_t n;
};
stk_status mg_take_id(void *ud, const bson_t *doc); /* ud: struct mg_ids */
stk_status mg_insert(struct mg_op *op, const stk_call *call, stk_arena *arena);
/* UPDATE and DELETE; filter may be replaced. */
stk_status mg_change(struct mg_op *op, const stk_call *call, bson_t *filter);
/* Counts a lock in each of the documents and says how many there were. */
stk_status mg_touch(struct mg_op *op, const char *collection, const bson_t *ids, uint64_t *n);
void mg_put_touch(bson_t *to, const char *name);

/* exec.c */
stk_status mg_begin(struct stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn,
                    stk_err *err);
stk_status mg_exec(struct stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err);
stk_status mg_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err);
void mg_rollback(stk_txn *txn);

/* schema.c */
stk_status mg_verify(struct stk_db *db, stk_err *err);
stk_status mg_ensure(struct stk_db *db, const stk_catalog *catalog, stk_err *err);
stk_status mg_drop(struct stk_db *db, const stk_catalog *catalog, stk_err *err);
/* STK_E_SCHEMA unless the collection of the table is there; asked once. */
stk_status mg_known(struct mg_op *op, uint16_t table);
/* Whether a collection is there. */
stk_status mg_exists(struct mg_op *op, const char *collection, bool *exists);

/* migrate.c */
stk_status mg_migration_status(struct stk_db *db, const stk_migration *scripts, size_t nscripts,
                               void (*emit)(void *ud, const stk_migration_state *), void *ud,
                               stk_err *err);
stk_status mg_migrate(struct stk_db *db, const stk_migration *scripts, size_t nscripts, uint32_t to,
                      uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err);

/* lease.c: a document of st_leases, held while a thread renews it over a
 * connection of its own */
struct mg_lease;
/* Waits until the deadline for the lease of that name.  A holder that is a dead
 * process of this machine is followed at once, another when its document has
 * not changed for MG_LEASE_US of this process's clock.  STK_E_TIMEOUT: holder
 * says who has it. */
stk_status mg_lease_take(struct stk_db *db, const char *name, uint64_t deadline_us,
                         struct mg_lease **out, char *holder, size_t n, stk_err *err);
/* MG_LEASE_GOOD; LATE: not renewed for half its time, so write nothing; LOST:
 * another holds it. */
enum { MG_LEASE_GOOD, MG_LEASE_LATE, MG_LEASE_LOST };
int mg_lease_state(struct mg_lease *lease);
/* Gives it up. */
void mg_lease_free(struct mg_lease *lease);
/* Ends what processes of this machine that died left open on the server, and
 * prepares noting our own sessions for whom comes next. */
stk_status mg_sessions_open(struct mg_op *op);
void mg_sessions_close(struct stk_db *db);
void mg_session_note(struct mg_op *op, const bson_t *lsid);

/* solo.c: a standalone server, which has no transactions */
stk_status mg_solo_open(struct stk_db *db, const bson_t *hello, stk_err *err);
void mg_solo_close(struct stk_db *db);
/* Enters the gate, alone or with others, as the serving process; undoes first
 * what a transaction left behind. */
stk_status mg_solo_enter(struct mg_op *op, bool alone);
void mg_solo_leave(struct stk_db *db, bool alone);
/* STK_E_UNAVAILABLE unless this process may still write. */
stk_status mg_solo_check(struct mg_op *op);
/* The number of a transaction's first write; what is undone makes it dirty:
 * nothing runs before it is done again. */
uint64_t mg_solo_next(struct stk_db *db);
void mg_solo_dirty(struct stk_db *db);
/* Called alone in the gate: undoes what has no commit mark, or makes it dirty. */
void mg_solo_undo(struct mg_op *op);

/* undo.c: the journal of pre-images, collection st_undo */
/* Writes the pre-images of what a write of the transaction will touch: the
 * documents of the filter, or the _ids of rows to be made. */
stk_status mg_undo_keep(struct mg_op *op, const char *collection, const bson_t *filter,
                        const bson_t *ids);
/* Marks the transaction as done.  After STK_E_UNCERTAIN the journal decides. */
stk_status mg_undo_commit(struct mg_op *op);
/* Restores what is newer than the last commit.  *seq is the last number used, and
 * is raised to one that nobody has used; `others`: another process may have used
 * some that are not to be seen yet. */
stk_status mg_undo_restore(struct mg_op *op, bool others, uint64_t *seq);

#endif /* STK_MONGODB_PLUGIN_H */
