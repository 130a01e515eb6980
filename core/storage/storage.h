/* SPDX-License-Identifier: Apache-2.0 */
/* What store files use: batches of calls over static queries, run alone or in a
 * transaction on the storage of a tenant.  Retry, uncertain commits, deadlines
 * and the mapping of plugin statuses live behind it, once.
 *
 * A thread holds at most one connection over all storages at any time (checked
 * through ctx.held), so nothing here may be called for another storage, and
 * nothing slow may be done, inside a transaction. */
#ifndef CORE_STORAGE_STORAGE_H
#define CORE_STORAGE_STORAGE_H

#include "base/ctx.h"
#include "base/str.h"

#include <stdbool.h>
#include <stk_plugin.h>

struct storage; /* an opened storage with its plugin; reference counted */
struct txn;     /* one attempt of a transaction */

/* ---- values */
static inline stk_val v_str(struct str s)
{
    stk_val v = {.len = (uint32_t)s.len, .type = s.p ? STK_T_TEXT : STK_T_NULL};
    v.u.p = s.p;
    return v;
}
static inline stk_val v_i64(int64_t i)
{
    stk_val v = {.type = STK_T_I64};
    v.u.i = i;
    return v;
}
static inline stk_val v_bool(bool b)
{
    stk_val v = {.type = STK_T_BOOL};
    v.u.i = b;
    return v;
}
static inline stk_val v_null(void)
{
    return (stk_val){.type = STK_T_NULL};
}
/* The operand of STK_IN; items stay owned by the caller. */
static inline stk_val v_list(const stk_val *items, size_t n)
{
    stk_val v = {.len = (uint32_t)n, .type = STK_T_LIST};
    v.u.p = items;
    return v;
}
/* A list of texts, made in the arena. */
stk_val v_strs(struct arena *a, const struct str *items, size_t n);

/* ---- batches */
struct batch {
    struct ctx *c;
    stk_call **calls; /* each stays where it is, in the arena */
    uint32_t n, cap;
};
void batch_init(struct batch *b, struct ctx *c);
/* Appends one call.  params (n == query->nparams * rows) are copied into the
 * arena; what they point to must live until the batch has run. */
stk_call *batch_add(struct batch *b, const stk_query *q, const stk_val *params, size_t n);
#define BATCH(b, q, ...)                                                                           \
    batch_add((b), &(q), (const stk_val[]){__VA_ARGS__},                                           \
              sizeof((const stk_val[]){__VA_ARGS__}) / sizeof(stk_val))
/* The call must touch exactly n rows, or find at least n; else RC_EXPECT. */
void call_expect_affected(stk_call *call, uint32_t n);
void call_expect_rows(stk_call *call, uint32_t n);

/* ---- rows of a result */
static inline uint32_t call_rows(const stk_call *call)
{
    return call->result->nrows;
}
static inline uint64_t call_affected(const stk_call *call)
{
    return call->result->affected;
}
/* What is read from a row that is not there: NULLs. */
extern const stk_val no_row[UINT8_MAX];
static inline const stk_val *call_row(const stk_call *call, uint32_t row)
{
    const stk_result *r = call->result;
    return row < r->nrows ? r->cells + (size_t)row * r->ncols : no_row;
}
static inline struct str cell_str(const stk_val *row, unsigned col)
{
    return row[col].type == STK_T_NULL ? STR_NULL : str_make(row[col].u.p, row[col].len);
}
static inline int64_t cell_i64(const stk_val *row, unsigned col)
{
    return row[col].type == STK_T_NULL ? 0 : row[col].u.i;
}
static inline bool cell_bool(const stk_val *row, unsigned col)
{
    return row[col].type != STK_T_NULL && row[col].u.i != 0;
}
static inline bool cell_null(const stk_val *row, unsigned col)
{
    return row[col].type == STK_T_NULL;
}

/* ---- running them */

/* Reads only: one batch outside a transaction; retried when the plugin says so.
 * RC_OK, RC_EXPECT or RC_FAIL.  An empty batch is RC_OK. */
int storage_read(struct ctx *c, struct storage *s, struct batch *b);

/* Whether an uncertain transaction was applied: reads a row that only it can
 * have written (named by ids made before the first attempt).  Returns RC_OK
 * with *applied set, or RC_FAIL.  It may be asked more than once: a commit in
 * flight can show late. */
typedef int (*witness_fn)(struct ctx *c, struct storage *s, void *arg, bool *applied);

/* A write that needs no read before it: the batch is one transaction, one round
 * trip where the database can.  Returns RC_OK, RC_DUPLICATE, RC_EXPECT or
 * RC_FAIL.  witness may be NULL only if every query is IDEMPOTENT.  Where the
 * witness decided, RC_OK comes with empty results. */
int storage_write(struct ctx *c, struct storage *s, struct batch *b, witness_fn witness, void *arg);

/* Runs fn in a read-write transaction, again from the start on RC_RETRY (from
 * below or its own), bounded in count and by ctx.deadline_us with jitter.  fn
 * reads with txn_exec(), decides, and ends with txn_commit(); if it returns
 * without having committed, the transaction is rolled back and its value
 * returned.  fn must reset what it computed at its start, makes no ids (they
 * come in arg, made before), does no hashing or network.  What txn_exec and
 * txn_commit return other than RC_OK is passed up.  Where a witness (it may be
 * NULL: undecidable is then a 503) decides that a lost commit was applied, the
 * result is RC_OK. */
typedef int (*txn_fn)(struct txn *t, void *arg);
int storage_transact(struct ctx *c, struct storage *s, txn_fn fn, witness_fn witness, void *arg);
struct ctx *txn_ctx(struct txn *t);
int txn_exec(struct txn *t, struct batch *b);
/* Runs the batch (may be empty) and commits with it. */
int txn_commit(struct txn *t, struct batch *b);

uint64_t storage_caps(const struct storage *s);
uint32_t storage_max_in(const struct storage *s);
const char *storage_name(const struct storage *s); /* plugin name, for messages */

#endif
