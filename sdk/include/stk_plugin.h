/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_plugin.h -- the storage plugin ABI, major version 1.
 *
 * A storage plugin is one shared object that exports one function,
 * stk_plugin_v1(), and implements at most 20 callbacks over a logical schema
 * and a closed catalogue of query descriptors that the core hands to open().
 * This header is the whole contract; stk_sdk.h adds inline helpers and may be
 * left out.  PLUGINS.md is the manual, and its contract numbers (C1, C2, ...)
 * are the ones that supertokens-plugin-test prints.
 *
 * Rules that hold everywhere
 *   - Fixed-width types only; no C enum, bit-field or variadic callback.
 *   - A struct that begins with `size` is grown at its end only: the writer
 *     sets size to its own sizeof, the reader copies min(size, own sizeof) and
 *     treats the rest as zero.  An array of structs travels with the size of
 *     its element, and is walked by that stride.
 *   - Text is UTF-8 with a length; it is compared byte by byte, never padded,
 *     never folded (C9).  Times are int64 milliseconds since 1970-01-01 UTC
 *     unless a name says otherwise; deadlines are microseconds of the
 *     monotonic clock (stk_host.now_us), 0 meaning "the plugin's own default".
 *   - A callback never exits the process, forks, installs a signal handler,
 *     writes to stdout or stderr, or changes locale or environment (C12).
 *   - An operation, flag, predicate or type a plugin does not know is
 *     STK_E_UNSUPPORTED, never ignored (C11).
 *
 * Changes (append only; a member is never moved, resized or reused)
 *   1.0  first release
 */
#ifndef STK_PLUGIN_H
#define STK_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define STK_EXTERN_C extern "C"
extern "C" {
#else
#define STK_EXTERN_C
#endif

#if defined(__GNUC__)
#define STK_EXPORT __attribute__((visibility("default")))
#else
#define STK_EXPORT
#endif

#define STK_MAGIC 0x53544b50u /* "STKP" */
#define STK_ABI_MAJOR 1       /* also in the entry symbol */
#define STK_ABI_MINOR 0
#define STK_NONE 0xFFFFu /* "no such index" in every uint16_t reference */

/* ------------------------------------------------------------------ status */

/* Result of every callback that can fail.  Zero is success, negative is
 * failure; positive values are reserved. */
typedef int32_t stk_status;
enum {
    STK_OK = 0,
    /* A unique key refused the row.  err.table and err.key name the logical
     * key; where a row violates several, any of them (C5). */
    STK_E_DUPLICATE = -1,
    /* stk_call.expect was not met; nothing of the transaction is kept (C4). */
    STK_E_EXPECT = -2,
    /* Deadlock, serialisation or write conflict: everything was rolled back,
     * running the whole transaction again may succeed.  May come at commit. */
    STK_E_RETRY = -3,
    /* A commit was sent and its answer was lost: it may or may not have been
     * applied (C14).  Only from commit, an exec with STK_X_COMMIT, or an
     * autocommit write. */
    STK_E_UNCERTAIN = -4,
    /* No server could be reached, or the connection was lost before anything
     * could have been committed.  Nothing was applied. */
    STK_E_UNAVAILABLE = -5,
    /* The deadline passed (waiting for a connection, a lock or an answer).
     * Nothing was applied. */
    STK_E_TIMEOUT = -6,
    STK_E_UNSUPPORTED = -7, /* unknown operation, flag, predicate or type */
    STK_E_ABORTED = -8,     /* per call: an earlier call of the batch failed */
    STK_E_SCHEMA = -9,      /* the real schema does not match; see err.msg */
    STK_E_CONFIG = -10,     /* an option is wrong; err.msg names it */
    STK_E_NOMEM = -11,
    STK_E_INVALID = -12,   /* the caller broke the contract */
    STK_E_TOO_BIG = -13,   /* a value exceeds its column (err.table, err.column) */
    STK_E_DENIED = -14,    /* the database refused for lack of a privilege */
    STK_E_READ_ONLY = -15, /* the storage is read-only (disk full, read-only file) */
    STK_E_INTERNAL = -16
};

/* Details of a failure.  Owned by the caller, fixed size, nothing to free.  A
 * plugin fills it on every negative status and leaves it alone on success.
 * msg never holds a parameter value or a secret (C13). */
typedef struct stk_err {
    uint32_t size;    /* sizeof(stk_err) of the caller */
    stk_status code;  /* the status returned */
    int32_t native;   /* the driver's own number (errno, 1062, 11000, ...) or 0 */
    char sqlstate[8]; /* five characters and NUL, or "" */
    uint16_t call;    /* index of the failing call of the batch, or STK_NONE */
    uint16_t table;   /* logical table, or STK_NONE */
    uint16_t key;     /* logical key of that table, or STK_NONE */
    uint16_t column;  /* logical column of that table, or STK_NONE */
    char msg[512];    /* what failed, on what, why and what to do; NUL-terminated */
} stk_err;

/* ------------------------------------------------------------------ values */

enum {
    STK_T_NULL = 0,
    STK_T_BOOL = 1,
    STK_T_I64 = 2,
    STK_T_TEXT = 3,
    STK_T_BYTES = 4,
    STK_T_LIST = 5
};

/* One typed value: 16 bytes, passed by pointer, nothing to free.  BOOL is 0 or
 * 1 in u.i.  TEXT and BYTES are u.p with len bytes; a TEXT *result* is also
 * followed by a NUL byte.  LIST, only as the operand of STK_IN, is u.p
 * pointing to len values of one type. */
typedef struct stk_val {
    union {
        int64_t i;
        const void *p;
    } u;
    uint32_t len;
    uint8_t type;
    uint8_t rsv[3]; /* zero */
} stk_val;

/* The request arena: owned by the core, used by one thread at a time.  All
 * that a call returns lives here until the core resets it.  cur and end may be
 * bumped by stk_alloc(); grow() makes room when they do not suffice. */
typedef struct stk_arena {
    uint8_t *cur, *end;
    /* Returns n bytes (n already rounded up), aligned to 16, never NULL. */
    void *(*grow)(struct stk_arena *, size_t n);
    /* Runs fn(arg) when the arena is reset, last registered first: how a
     * driver pins its own result memory to the request. */
    void (*defer)(struct stk_arena *, void (*fn)(void *), void *arg);
} stk_arena;

/* Allocates n bytes aligned to 16 from the arena; never NULL. */
static inline void *stk_alloc(stk_arena *a, size_t n)
{
    n = (n + 15u) & ~(size_t)15u;
    if ((size_t)(a->end - a->cur) < n)
        return a->grow(a, n);
    void *p = a->cur;
    a->cur += n;
    return p;
}

/* ---------------------------------------------------------- logical schema */

/* Column flags. */
enum {
    STK_COL_NOT_NULL = 1,
    STK_COL_SECRET = 2 /* values are never logged; the core wipes them after use */
};

/* A column.  max_len counts Unicode characters for TEXT and bytes for BYTES; a
 * longer value written is STK_E_TOO_BIG and must not be truncated (C10), one
 * that is only compared equals nothing.  TEXT columns of any key have max_len <=
 * 512; longer ones are never compared or ordered.
 * since: the catalogue version that introduced it. */
typedef struct stk_col {
    const char *name;
    uint32_t max_len, since;
    uint8_t type, flags;
    uint8_t rsv[6];
} stk_col;

enum { STK_KEY_PRIMARY = 1, STK_KEY_UNIQUE = 2, STK_KEY_INDEX = 3 };

/* A key over columns in order.  keys[0] of a table is its primary key, whose
 * columns are NOT NULL and never updated.  A UNIQUE key does not constrain a
 * row that has NULL in one of its columns (C7).  An INDEX serves equality on a
 * leading part, then a range or the order of what follows. */
typedef struct stk_key {
    const char *name; /* unique within the table, e.g. "email" */
    const uint16_t *cols;
    uint32_t since;
    uint16_t ncols;
    uint8_t kind;
    uint8_t rsv[1];
} stk_key;

typedef struct stk_table {
    const char *name; /* physical name too, always "st_..." */
    const stk_col *cols;
    const stk_key *keys;
    uint16_t ncols, nkeys;
    uint32_t since;
} stk_table;

/* ------------------------------------------------------- query descriptors */

enum {
    STK_OP_INSERT = 1, /* set[]: the columns given; others become NULL */
    STK_OP_UPSERT = 2, /* as INSERT; on a primary-key conflict apply set[] */
    STK_OP_UPDATE = 3,
    STK_OP_DELETE = 4,
    STK_OP_SELECT = 5,
    STK_OP_COUNT = 6 /* result.affected = rows matched, at most the limit if given */
};

/* Predicates of where[], all joined by AND. */
enum {
    STK_EQ = 1,
    STK_LT = 2,
    STK_LE = 3,
    STK_GT = 4,
    STK_GE = 5,
    STK_IN = 6,       /* param is one LIST value, 0..max_in_list elements; empty matches nothing */
    STK_IS_NULL = 7,  /* no param */
    STK_NOT_NULL = 8, /* no param */
    STK_PREFIX = 9,   /* text begins with param; the empty prefix matches all non-NULL */
    STK_KEYSET = 10   /* the row after query.keyset's operands; col is STK_NONE */
};

/* How a column of set[] is written. */
enum {
    STK_SET = 1, /* the parameter */
    STK_INC = 2, /* INSERT: the parameter; UPDATE or conflict: column + parameter (I64) */
    STK_KEEP = 3 /* UPSERT only: written on insert, left alone on conflict */
};

/* Query flags. */
enum {
    /* INSERT: a row whose primary key exists is skipped silently.  Only on
     * tables whose sole unique key is the primary key; gives no count (C6). */
    STK_QF_IF_ABSENT = 1,
    /* SELECT within a read-write transaction: lock the rows found until its
     * end, in primary-key order; existing rows only.  The latest committed
     * version is returned, or STK_E_RETRY. */
    STK_QF_LOCK = 2,
    /* Running it twice does what running it once does. */
    STK_QF_IDEMPOTENT = 4
};

typedef struct stk_pred {
    uint16_t col, param;
    uint8_t op;
    uint8_t rsv[3];
} stk_pred;

typedef struct stk_set {
    uint16_t col, param;
    uint8_t how;
    uint8_t rsv[3];
} stk_set;

typedef struct stk_order {
    uint16_t col;
    uint8_t desc;
    uint8_t rsv[5];
} stk_order;

/* Operands of STK_KEYSET: rows that come after (or at, if inclusive) the row
 * (params[param], params[param+1], ...) in the order of cols, all ascending or
 * all descending; one or two columns, the tail of order[].  Never spelt as a
 * row value, which some databases answer by a scan. */
typedef struct stk_keyset {
    const uint16_t *cols;
    uint16_t ncols, param;
    uint8_t desc, inclusive;
    uint8_t rsv[2];
} stk_keyset;

/* One query, static const in the core; id indexes stk_catalog.queries.
 * Parameters are numbered 0..nparams-1; each is used by exactly one place.
 * For INSERT and UPSERT set[i].param == i and a call may carry many rows. */
typedef struct stk_query {
    uint16_t id, table;
    uint8_t op, flags, nparams, rsv0;
    const char *name; /* for logs, metrics, statement names: [a-z0-9_]+ */
    const uint16_t *out;
    const stk_set *set;
    const stk_pred *where;
    const stk_order *order;
    const stk_keyset *keyset; /* NULL unless where[] has STK_KEYSET */
    uint8_t nout, nset, nwhere, norder;
    uint16_t limit_param; /* I64 parameter, or STK_NONE */
    uint16_t rsv1;
    uint32_t limit; /* fixed limit, 0 = none; never both */
    uint32_t since;
} stk_query;

/* The catalogue: every table and query the core will ever use on this handle.
 * Valid from open() until close() returns. */
typedef struct stk_catalog {
    uint32_t size;
    uint32_t version; /* highest migration the core needs */
    uint32_t table_size, col_size, key_size;
    uint32_t query_size, pred_size, set_size, order_size, keyset_size;
    uint16_t ntables, nqueries;
    uint32_t rsv0;
    const stk_table *tables;         /* stride table_size; cols and keys by theirs */
    const stk_query *const *queries; /* queries[i]->id == i; each query_size bytes */
} stk_catalog;

/* ------------------------------------------------------------------- calls */

/* What a call yields.  cells is row-major, nrows * ncols, in the arena. */
typedef struct stk_result {
    stk_status status; /* of this call */
    uint32_t nrows;
    uint64_t affected; /* UPDATE, DELETE: rows matched; COUNT: the count; else 0 */
    const stk_val *cells;
    uint32_t ncols;
    uint32_t rsv;
} stk_result;

enum {
    STK_EXPECT_NONE = 0,
    STK_EXPECT_AFFECTED = 1, /* UPDATE, DELETE: affected == expect_n */
    STK_EXPECT_ROWS = 2      /* SELECT: nrows >= expect_n */
};

typedef struct stk_call {
    const stk_query *query;
    const stk_val *params; /* nparams values; INSERT, UPSERT: nrows * nparams, row-major */
    stk_result *result;    /* zeroed by the core, filled by the plugin; not NULL */
    uint32_t nrows;        /* INSERT, UPSERT: rows (>= 1); else 1 */
    uint32_t expect_n;
    uint8_t expect;
    uint8_t rsv[7];
} stk_call;

/* Batch flags. */
enum {
    STK_X_COMMIT = 1 /* commit after the last call; on STK_OK the handle is gone */
};

/* The argument block of exec().  calls are borrowed for the call only; results
 * live in arena.  round_trips and statements are added to by the plugin: the
 * network round trips waited for (0 for an embedded engine: then one per
 * batch) and the statements run, BEGIN and COMMIT not counted as statements. */
typedef struct stk_batch {
    uint32_t size, flags;
    uint32_t ncalls, call_size;
    const stk_call *calls;
    stk_arena *arena;
    uint64_t deadline_us;
    uint32_t round_trips, statements; /* out */
} stk_batch;

enum { STK_TXN_RW = 0, STK_TXN_RO = 1 };

typedef struct stk_db stk_db;   /* one opened storage; defined by the plugin */
typedef struct stk_txn stk_txn; /* one transaction; defined by the plugin */

/* ------------------------------------ options, migrations, health, the host */

enum {
    STK_OPT_STR = 1,
    STK_OPT_INT = 2,  /* decimal; min and max apply */
    STK_OPT_BOOL = 3, /* "true" or "false" */
    STK_OPT_ENUM = 4, /* help text lists, choices holds "a|b|c" */
    STK_OPT_PATH = 5,
    STK_OPT_URI = 6 /* printed with its password masked */
};
enum {
    STK_OPT_SECRET = 1,  /* never printed */
    STK_OPT_REFUSED = 2, /* known only to be refused: help says what to use instead */
    STK_OPT_IGNORED = 4  /* accepted for the incumbent's sake, has no effect */
};

/* A configuration key.  Keys begin with the plugin's name and '_'; the
 * environment variable is the key in upper case.  The core parses and checks
 * them and passes only keys that are set (or have a default) to open(). */
typedef struct stk_option {
    const char *key;
    const char *alias; /* another accepted spelling, or NULL */
    const char *dflt;  /* default as text, or NULL for unset */
    const char *choices;
    const char *help; /* one line, no final period */
    int64_t min, max;
    uint8_t type, flags;
    uint8_t rsv[6];
} stk_option;

typedef struct stk_kv {
    const char *key, *value;
} stk_kv;

/* One migration script, embedded in the plugin when it is built.  versions run
 * 1, 2, 3, ... without gaps; version N of every plugin is catalogue version N. */
typedef struct stk_migration {
    uint32_t version;
    uint32_t rsv;
    const char *name; /* "001_initial_schema" */
    const char *text; /* the script, exactly as in migration_scripts/ */
    size_t text_len;
    const char *sha256; /* lower-case hex of text */
} stk_migration;

enum { STK_MIG_PENDING = 1, STK_MIG_APPLIED = 2, STK_MIG_EDITED = 3, STK_MIG_UNKNOWN = 4 };

/* One line of migration_status(): PENDING (not applied), APPLIED, EDITED
 * (applied with another hash), UNKNOWN (recorded by a newer plugin). */
typedef struct stk_migration_state {
    uint32_t size, version, state;
    uint32_t compat;    /* UNKNOWN: lowest catalogue version that may still use the schema */
    int64_t applied_at; /* ms UTC, 0 if pending */
    const char *name;   /* valid during the callback */
} stk_migration_state;

enum { STK_MIGRATE_DRY_RUN = 1 };

typedef struct stk_progress {
    uint32_t size, version;
    uint32_t step, nsteps; /* step of nsteps pending scripts */
    const char *name;
    const char *text; /* dry run: what would be run; else NULL */
} stk_progress;
/* Called in the thread that called migrate(); nonzero stops cleanly after the
 * current script (STK_E_ABORTED). */
typedef int32_t (*stk_progress_fn)(void *ud, const stk_progress *);

typedef struct stk_health {
    uint32_t size;
    uint32_t pool_size, pool_open, pool_idle, pool_waiters;
    uint32_t rsv;
    uint64_t rtt_us;     /* of the probe just made */
    uint64_t reconnects; /* since open */
    char server[128];    /* product, version, host:port; no credentials */
    /* Since open: waits for a connection that ended without one. */
    uint64_t pool_timeouts;
} stk_health;

enum { STK_LOG_ERROR = 1, STK_LOG_WARN = 2, STK_LOG_INFO = 3, STK_LOG_DEBUG = 4 };

/* What the core gives the plugin, valid for the life of the process.  Every
 * function may be called from any thread. */
typedef struct stk_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    void *ctx;
    /* One line, without newline; len bytes. */
    void (*log)(void *ctx, int32_t level, const char *plugin, const char *msg, size_t len);
    uint64_t (*now_us)(void *ctx); /* monotonic microseconds: the clock of deadlines */
    int64_t (*time_ms)(void *ctx); /* wall clock, ms UTC */
} stk_host;

/* ------------------------------------------------------------ capabilities */

enum {
    STK_CAP_TXN = 1u << 0,         /* multi-row transactions */
    STK_CAP_PIPELINE = 1u << 1,    /* a batch is one network round trip */
    STK_CAP_AUTO_SCHEMA = 1u << 2, /* creates what a newer catalogue adds by itself */
    STK_CAP_LOCK = 1u << 3, /* STK_QF_LOCK really waits (else the whole writer is exclusive) */
    /* Asks again where the answer to a write or commit was lost, and can then say
     * STK_OK truly (C14). */
    STK_CAP_ASK_AGAIN = 1u << 4
};

enum { STK_THREAD_SERIAL = 1, STK_THREAD_PER_DB = 2, STK_THREAD_PARALLEL = 3 };

enum {
    STK_OPEN_SCRATCH = 1 /* a test database: drop() is allowed */
};

/* ----------------------------------------------------------- the callbacks */

/* Thread rules: load once before any other callback, possibly while other
 * threads of the process run; thread_enter on each thread before its first use
 * of the plugin, thread_leave before that thread ends.  Everything on a stk_db
 * may be called from many threads at once if thread_model is PARALLEL; the
 * core serialises per handle (PER_DB) or over the plugin (SERIAL) otherwise.
 * A stk_txn is used by one thread at a time.  Members marked (optional) may be
 * NULL. */
typedef struct stk_plugin {
    uint32_t magic, size;
    uint16_t abi_major, abi_minor; /* built with */
    uint16_t need_minor;           /* oldest core minor accepted */
    uint8_t thread_model, rsv0;
    const char *name; /* [a-z][a-z0-9]{1,31}; also the prefix of its keys */
    const char *version, *license, *help;
    uint64_t caps; /* upper bound; db_caps() says what a server really gives */
    const stk_option *options;
    const stk_migration *migrations;
    uint32_t noptions, option_size;
    uint32_t nmigrations, migration_size;
    uint32_t max_in_list; /* longest STK_IN list (>= 100) */
    uint32_t max_batch;   /* most calls of one exec (>= 64) */

    /* Keeps host for the life of the process. (optional) */
    stk_status (*load)(const stk_host *host, stk_err *err);
    /* At process end, after every close(). (optional) */
    void (*unload)(void);
    /* (optional, both) */
    stk_status (*thread_enter)(void);
    void (*thread_leave)(void);

    /* Without connecting, writes two NUL-terminated identities of at most n
     * bytes: equal data_id means the same rows (host, port, database, schema),
     * equal pool_id the same connections as well.  No secret in data_id. */
    stk_status (*identity)(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err);
    /* Connects once, so that a wrong setting is told here, checks that every
     * query of the catalogue can be served, and returns a handle.  Creates no
     * table.  kv is borrowed for the call.  flags: STK_OPEN_*. */
    stk_status (*open)(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                       stk_db **db, stk_err *err);
    /* Waits for nothing: the caller has ended every transaction. */
    void (*close)(stk_db *db);
    /* What this server really gives, a subset of caps. (optional: caps) */
    uint64_t (*db_caps)(stk_db *db);

    /* Reports each script and each recorded version once, in version order.
     * scripts here and in migrate(): elements of this plugin's migration_size.
     * Works on an empty database; no statement fails in the server's log. */
    stk_status (*migration_status)(stk_db *db, const stk_migration *scripts, size_t nscripts,
                                   void (*emit)(void *ud, const stk_migration_state *), void *ud,
                                   stk_err *err);
    /* Applies pending scripts up to version `to` under a lock that excludes
     * every other core and hand-run script; several callers at once are safe:
     * one applies, the others wait and find nothing to do (C15).  An edited or
     * half-applied history is STK_E_SCHEMA with the remedy in msg.  Progress
     * may be NULL.  flags: STK_MIGRATE_*. */
    stk_status (*migrate)(stk_db *db, const stk_migration *scripts, size_t nscripts, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err);
    /* Compares the real schema with the catalogue: missing table, column or
     * key is STK_E_SCHEMA naming it; extra ones are fine. */
    stk_status (*verify)(stk_db *db, stk_err *err);
    /* Creates the tables and keys of `catalog` that do not exist; adds nothing
     * to migrations.  Used by the conformance program and by AUTO_SCHEMA. */
    stk_status (*ensure)(stk_db *db, const stk_catalog *catalog, stk_err *err);
    /* Drops the tables of `catalog`; STK_E_INVALID unless opened SCRATCH. */
    stk_status (*drop)(stk_db *db, const stk_catalog *catalog, stk_err *err);

    /* May be lazy: nothing need be sent before the first exec.  *txn, never NULL
     * on STK_OK, is owned by the caller until commit(), rollback() or an exec with STK_X_COMMIT
     * that returned STK_OK.  mode: STK_TXN_*. */
    stk_status (*begin)(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn,
                        stk_err *err);
    /* Runs the calls in order (C1).  The first failure stops: its status is
     * returned, set in its result and in err, later calls get STK_E_ABORTED.
     * txn NULL: the batch is one atomic unit of its own.  In a transaction the
     * only legal call after a negative status is rollback() (C2). */
    stk_status (*exec)(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err);
    /* Both release the handle, whatever they return (C3). */
    stk_status (*commit)(stk_txn *txn, uint64_t deadline_us, stk_err *err);
    void (*rollback)(stk_txn *txn);

    /* A real round trip to the server within timeout_ms; fills *health.  With
     * timeout_ms 0 no round trip and no wait: the numbers of the pool alone,
     * also while every connection is in use. */
    stk_status (*health)(stk_db *db, uint32_t timeout_ms, stk_health *health, stk_err *err);
    /* Emits key/value lines for people: driver library and server versions
     * (db may be NULL: library only), and with db the statement of each query
     * as "query.<name>". (optional) */
    void (*dump)(stk_db *db, void (*emit)(void *ud, const char *key, const char *value), void *ud);
    /* 1.0 ends here; append with the minor that added it. */
} stk_plugin;

/* The entry point.  Returns a pointer to static data, or NULL when the host's
 * version cannot be served. */
typedef const stk_plugin *(*stk_entry_fn)(uint16_t host_major, uint16_t host_minor);
#define STK_ENTRY_SYMBOL "stk_plugin_v1"
#define STK_PLUGIN(p)                                                                              \
    STK_EXTERN_C STK_EXPORT const stk_plugin *stk_plugin_v1(uint16_t major, uint16_t minor);       \
    STK_EXTERN_C STK_EXPORT const stk_plugin *stk_plugin_v1(uint16_t major, uint16_t minor)        \
    {                                                                                              \
        (void)major;                                                                               \
        (void)minor;                                                                               \
        return &(p);                                                                               \
    }

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L &&           \
    UINTPTR_MAX > 0xFFFFFFFFu
_Static_assert(sizeof(stk_val) == 16, "leaf layout");
_Static_assert(sizeof(stk_pred) == 8 && sizeof(stk_set) == 8 && sizeof(stk_order) == 8,
               "leaf layout");
#endif

#ifdef __cplusplus
}
#endif
#endif /* STK_PLUGIN_H */
