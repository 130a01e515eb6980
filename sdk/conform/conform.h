/* SPDX-License-Identifier: Apache-2.0 */
/* supertokens-plugin-test: proves on any plugin and any database what
 * stk_plugin.h asks for.  It knows the plugin by that header only and brings its
 * own tables (st_conform_*), made by ensure() and dropped at the end.
 *
 * Every struct and array is handed over larger than this build's, the surplus
 * filled with 0xA5, as a newer core would: a plugin that ignores a size or a
 * stride fails everywhere. */
#ifndef STK_CONFORM_H
#define STK_CONFORM_H

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stk_plugin.h>
#include <stk_sdk.h>

/* ----------------------------------------------------------------- catalogue */

enum { T_KV, T_TYPES, T_PERSON, T_EVENT, T_WIDE, T_MAX };

enum { KV_APP, KV_K, KV_V, KV_N };
enum { TY_APP, TY_ID, TY_BOOL, TY_I64, TY_TEXT, TY_BYTES, TY_LONG, TY_SECRET };
enum { PE_APP, PE_ID, PE_EMAIL, PE_PHONE, PE_GRP, PE_VER };
enum { EV_APP, EV_AT, EV_ID, EV_TAG, EV_N };
enum { WI_KEY, WI_N };

enum { PE_KEY_PRIMARY, PE_KEY_EMAIL, PE_KEY_CONTACT, PE_KEY_GRP };

enum { LONG_TEXT = 4194303 };

enum query {
#define Q(name, ...) Q_##name,
#include "queries.def"
#undef Q
    Q_MAX
};

/* A catalogue with padded strides, changed and freed at will. */
struct cat {
    stk_catalog *c; /* what the plugin gets */
    void **kept;
    size_t nkept;
};
struct cat *cat_new(void);
void cat_free(struct cat *k);
/* Its elements, to be changed before open(). */
stk_query *cat_query(struct cat *k, unsigned q);
stk_table *cat_table(struct cat *k, unsigned t);
stk_pred *cat_pred(struct cat *k, unsigned q, unsigned i);
stk_set *cat_set(struct cat *k, unsigned q, unsigned i);
stk_col *cat_col(struct cat *k, unsigned t, unsigned c);
stk_key *cat_key(struct cat *k, unsigned t, unsigned i);
/* Appends a table with one text column, its primary key. */
void cat_add_table(struct cat *k, const char *name);
/* Appends a nullable text column, or an index over the columns, to table t. */
void cat_add_col(struct cat *k, unsigned t, const char *name);
void cat_add_index(struct cat *k, unsigned t, const char *name, const uint16_t *cols, uint16_t n);
/* Tables of these names only and no query: for drop(). */
struct cat *cat_names(char **names, size_t n);

/* -------------------------------------------------------------------- plugin */

/* The plugin under test, and the settings given on the command line. */
struct plug {
    stk_plugin v; /* copied, missing members zero */
    const char *path;
    stk_kv *kv;
    size_t nkv;
    const char *proxy_host, *proxy_port; /* keys to be replaced, or NULL */
    unsigned seconds;                    /* of the tests with many threads */
};
extern struct plug plug;

/* Prints why and exits 2 when it cannot be used. */
void plug_load(const char *path, char **settings, int nsettings);
/* Counts lines the plugin logged, and tells whether one held this text. */
unsigned plug_log_lines(void);
bool plug_logged(const char *text);
uint64_t now_us(void);

/* The callbacks under the plugin's thread model: a SERIAL or PER_DB one is
 * locked from begin to end of a transaction, as the core does. */
struct handle {
    stk_db *db;
    pthread_mutex_t lock;
    const struct cat *cat;
};
stk_status h_open(struct handle *h, const struct cat *k, uint32_t flags, stk_err *err);
void h_close(struct handle *h);

/* --------------------------------------------------------------------- tests */

enum { MAX_CALLS = 2048, MAX_TXNS = 64 };

struct block;
struct mem {
    stk_arena abi; /* first member */
    struct block *blocks;
    struct defer *defers;
};
void mem_init(struct mem *m);
void mem_reset(struct mem *m); /* poisons and frees all */

struct txn {
    stk_txn *h; /* NULL: ended */
    struct handle *on;
};

/* One thread of one test: its arena, the batch being built, its transactions. */
struct t {
    const struct test *test;
    struct handle *on; /* what new batches and transactions go to */
    struct mem mem;
    char app[48]; /* the key that keeps tests apart */
    stk_call *calls[MAX_CALLS];
    uint32_t ncalls;
    struct txn txns[MAX_TXNS];
    unsigned ntxns;
    uint64_t deadline_us; /* of the next batches, 0: none */
    uint32_t round_trips, statements;
    stk_err err; /* of the last call */
    jmp_buf out;
    bool failed, skipped;
    char why[600];
};

struct test {
    const char *id;   /* "C1.2": contract and number */
    const char *what; /* what holds */
    void (*run)(struct t *t);
};
extern const struct test *const test_groups[];

_Noreturn void t_fail(struct t *t, const char *file, int line, const char *fmt, ...)
    STK_PRINTF(4, 5);
_Noreturn void t_skip(struct t *t, const char *fmt, ...) STK_PRINTF(2, 3);
#define FAIL(...) t_fail(t, __FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond, ...)                                                                           \
    do {                                                                                           \
        if (!(cond))                                                                               \
            FAIL(__VA_ARGS__);                                                                     \
    } while (0)
/* The status of the last call, which must be this one. */
#define EXPECT(rc, wanted) t_status(t, __FILE__, __LINE__, (rc), (wanted))
#define OK(rc) EXPECT(rc, STK_OK)
void t_status(struct t *t, const char *file, int line, stk_status rc, stk_status wanted);
const char *status_name(stk_status rc);

/* A second thread state for the same test; t_end() rolls back what is open. */
void t_begin(struct t *t, const struct test *test, struct handle *on);
void t_end(struct t *t);

/* ------------------------------------------------------------ batches in tests */

/* Appends a call; the values are copied. */
stk_call *t_add(struct t *t, enum query q, const stk_val *vals, size_t n);
#define ADD(q, ...)                                                                                \
    t_add(t, (q), (const stk_val[]){__VA_ARGS__},                                                  \
          sizeof((const stk_val[]){__VA_ARGS__}) / sizeof(stk_val))
#define APP stk_text(t->app)
#define S(z) stk_text(z)
#define I(n) stk_i64(n)
#define NUL stk_null()
#define LIST(...)                                                                                  \
    stk_list((const stk_val[]){__VA_ARGS__},                                                       \
             sizeof((const stk_val[]){__VA_ARGS__}) / sizeof(stk_val))

/* Runs the calls added so far (txn NULL: on their own) and forgets them; their
 * results stay.  err is in t->err. */
stk_status t_exec(struct t *t, struct txn *txn, uint32_t flags);
/* One call that must succeed, outside a transaction. */
#define ONE(q, ...) t_one(t, __FILE__, __LINE__, ADD(q, __VA_ARGS__))
stk_call *t_one(struct t *t, const char *file, int line, stk_call *call);
#define EXEC() t_exec(t, NULL, 0)

struct txn *t_txn(struct t *t, int32_t mode);
stk_status t_try_txn(struct t *t, int32_t mode, struct txn **txn);
stk_status t_commit(struct t *t, struct txn *txn);
void t_rollback(struct t *t, struct txn *txn);

/* Cells. */
const stk_val *t_cell(struct t *t, const stk_call *call, uint32_t row, uint32_t col);
bool cell_is(const stk_val *v, const char *z); /* this TEXT, NUL-terminated */
bool val_eq(const stk_val *a, const stk_val *b);
/* All texts of column 0, joined by blanks, in the arena. */
const char *t_joined(struct t *t, const stk_call *call);

/* --------------------------------------------------------------------- threads */

struct worker {
    pthread_t thread;
    struct t t;
    void (*fn)(struct t *t, void *arg);
    void *arg;
};
/* Runs fn in n threads, each with its own struct t and args[i] (stride bytes
 * apart), and fails the test when one failed. */
void t_threads(struct t *t, unsigned n, void (*fn)(struct t *t, void *arg), void *args,
               size_t stride);
/* One thread beside this one. */
struct worker *t_spawn(struct t *t, void (*fn)(struct t *t, void *arg), void *arg);
void t_join(struct t *t, struct worker *w);
/* Whether a conflict that may be run again; sleeps a little. */
bool t_again(stk_status rc, unsigned *tries);

/* ------------------------------------------------------------- other processes */

/* Runs this program again: `child` what, with the same settings; its exit code. */
int child_start(const char *what);
int child_wait(int pid);
/* The entry of such a child; returns its exit code. */
int child_main(const char *what);
int child_migrate(void);

/* A TCP proxy in front of the server, for the tests that lose answers. */
struct proxy;
struct proxy *proxy_new(const char *host, const char *port, char out_port[8]);
void proxy_free(struct proxy *p);
void proxy_cut_now(struct proxy *p);
/* Lets this many client messages pass, swallows the answer and cuts. */
void proxy_cut_answer(struct proxy *p);
bool proxy_has_cut(struct proxy *p);

void bench(void);

#endif
