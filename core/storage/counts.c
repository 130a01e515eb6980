/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what the databases are asked, and the log of slow queries; see
 * counts.h. */
#include "storage/counts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/settings.h"
#include "core.h"
#include "storage/storage_internal.h"

enum { NAMES_MAX = 8, LINES_A_SECOND = 10 };

static const char *const names[COUNT_STATUSES] = {
    "",         "duplicate",   "expect",  "conflict",  "uncertain", "unavailable",
    "timeout",  "unsupported", "aborted", "schema",    "config",    "memory",
    "contract", "too_big",     "denied",  "read_only", "internal",
};

const char *count_status_name(unsigned status)
{
    return status < COUNT_STATUSES ? names[status] : "internal";
}

struct storage_counts *storage_counts_new(const stk_catalog *catalog)
{
    struct storage_counts *n =
        mem_zalloc(sizeof(*n) + catalog->nqueries * sizeof(struct query_count));
    n->catalog = catalog;
    return n;
}

/* ---- the log of slow queries */

/* A database that is slow is slow for everybody: some lines a second tell it. */
static bool may_say(struct storage_counts *n)
{
    uint64_t now = clock_us() / 1000000u;
    if (atomic_exchange_explicit(&n->said_s, now, memory_order_relaxed) != now)
        atomic_store_explicit(&n->said_n, 0, memory_order_relaxed);
    return atomic_fetch_add_explicit(&n->said_n, 1, memory_order_relaxed) < LINES_A_SECOND;
}

static void say_slow(struct ctx *c, struct storage *s, const struct batch *b, uint64_t us,
                     int64_t limit_ms)
{
    struct strbuf text;
    strbuf_init(&text, c->arena);
    for (uint32_t i = 0; i < b->n && i < NAMES_MAX; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "", b->calls[i]->query->name);
    if (b->n > NAMES_MAX)
        strbuf_printf(&text, " and %u more", b->n - NAMES_MAX);
    if (b->n == 0)
        strbuf_add(&text, STR("commit"));
    log_warn(storage_name(s), "slow: %llu ms, more than slow_query_threshold_ms=%lld, for %.*s",
             (unsigned long long)us / 1000u, (long long)limit_ms, STR_ARG(strbuf_str(&text)));
}

static void mind_slow(struct ctx *c, struct storage *s, const struct batch *b, uint64_t us)
{
    struct storage_counts *n = s->owner->counts;
    int64_t limit_ms =
        c->core && c->core->settings ? c->core->settings->slow_query_threshold_ms : 0;
    if (limit_ms == 0 || us < (uint64_t)limit_ms * 1000u)
        return;
    count_one(&n->slow);
    if (may_say(n))
        say_slow(c, s, b, us, limit_ms);
}

/* ---- counting */

/* Those that ran: where one failed, the ones after it did not. */
static uint32_t ran(const struct batch *b, stk_status rc, const stk_err *err)
{
    if (rc >= 0 || b->n == 0)
        return b->n;
    return err->call < b->n ? err->call + 1 : 1;
}

static void count_failure(struct query_count *q, stk_status rc)
{
    unsigned status = 0u - (unsigned)rc;
    count_one(&q->by_status[status < COUNT_STATUSES ? status : COUNT_STATUSES - 1]);
}

void storage_count_begin(struct storage *s, stk_status rc)
{
    if (rc < 0)
        count_failure(&s->owner->counts->transaction, rc);
}

void storage_count(struct ctx *c, struct storage *s, const struct batch *b, uint64_t us,
                   stk_status rc, const stk_err *err)
{
    struct storage_counts *n = s->owner->counts;
    histogram_add(&n->batches, us);
    if (rc != STK_E_UNAVAILABLE) /* which waited for a server and ran no query */
        mind_slow(c, s, b, us);
    uint32_t calls = ran(b, rc, err);
    struct query_count *q = &n->transaction;
    for (uint32_t i = 0; i < calls; i++) {
        q = &n->queries[b->calls[i]->query->id];
        count_one(&q->calls);
        count_more(&q->us, us / calls);
    }
    if (rc < 0)
        count_failure(q, rc);
}

void storage_count_end(struct storage *s, bool committed)
{
    struct storage_counts *n = s->owner->counts;
    count_one(committed ? &n->committed : &n->rolled_back);
}

void storage_count_again(struct storage *s, stk_status rc)
{
    enum storage_again why = rc == STK_E_UNAVAILABLE ? AGAIN_CONNECTION
                             : rc == STK_E_UNCERTAIN ? AGAIN_UNCERTAIN
                                                     : AGAIN_CONFLICT;
    count_one(&s->owner->counts->again[why]);
}
