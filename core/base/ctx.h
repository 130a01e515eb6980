/* SPDX-License-Identifier: Apache-2.0 */
/* What travels down with every call from api to storage: the arena, the tenant
 * in whose name it runs, its deadline, and where a failure is put. */
#ifndef CORE_BASE_CTX_H
#define CORE_BASE_CTX_H

#include "base/arena.h"
#include "base/str.h"

#include <stdint.h>

struct core;   /* core.h: the one context of the process */
struct tenant; /* storage/tenant.h */

/* What functions of recipe, store and storage return: 0 is success, a positive
 * value is an outcome the function names itself (a wrong password is no
 * failure), a negative one is one of these. */
enum {
    RC_OK = 0,
    RC_FAIL = -1,      /* ctx.fail and ctx.fail_text say why; pass it up */
    RC_RETRY = -2,     /* in a transaction: pass it up, storage_transact() runs it again */
    RC_DUPLICATE = -3, /* a unique key refused; ctx.dup_table and dup_key say which */
    RC_EXPECT = -4     /* an expected count was missed; nothing was written */
};

/* How a failure is answered over HTTP. */
enum fail_kind {
    FAIL_NONE = 0,
    FAIL_BAD_REQUEST,  /* 400 */
    FAIL_UNAUTHORISED, /* 401 */
    FAIL_FEATURE,      /* 402 */
    FAIL_FORBIDDEN,    /* 403 */
    FAIL_NOT_FOUND,    /* 404 */
    FAIL_INTERNAL,     /* 500 */
    FAIL_UNAVAILABLE   /* 503 */
};

/* Whether this request counts among those that run; see base/permits.h. */
enum permit { PERMIT_NONE = 0, PERMIT_HELD, PERMIT_PAUSED };

struct ctx {
    struct core *core;
    struct arena *arena;
    const struct tenant *tenant; /* a reference is held while the ctx lives; may be NULL */
    uint64_t deadline_us;        /* monotonic, see base/clock.h */
    int cdi;                     /* CDI(5, 4) */
    enum fail_kind fail;
    struct str fail_text;
    uint16_t dup_table, dup_key; /* after RC_DUPLICATE */
    void *held;                  /* the storage whose connection this thread holds, or NULL */
    uint32_t round_trips, statements, batches; /* spent so far */
    enum permit permit;
};

#define CDI(major, minor) ((major)*1000 + (minor))

/* Sets the failure (the first one stays) and returns RC_FAIL. */
int ctx_fail(struct ctx *c, enum fail_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int ctx_fail_text(struct ctx *c, enum fail_kind kind, struct str text);

#endif
