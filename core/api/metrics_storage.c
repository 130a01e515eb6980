/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics, what concerns the databases. */
#include "api/metrics.h"

#include "core.h"
#include "storage/counts.h"
#include "storage/storages.h"

#include <string.h>

enum { POOLS_MAX = 64 }; /* further storages are summed up in one more */

/* ---- by query */

static const char *query_label(struct arena *a, const char *name)
{
    return str_printf(a, "query=\"%s\"", name).p;
}

static void errors_of(struct strbuf *b, const char *name, const char *query,
                      const struct query_count *q)
{
    for (unsigned k = 1; k < COUNT_STATUSES; k++) {
        uint64_t n = counted(&q->by_status[k]);
        if (n)
            sample(b, name,
                   str_printf(b->arena, "query=\"%s\",error=\"%s\"", query, count_status_name(k)).p,
                   n);
    }
}

static void queries(struct strbuf *b, const struct storage_counts *n)
{
    const char *name = "supertokens_storage_queries_total";
    metric(b, name, "counter", "Queries run, by name");
    for (uint32_t i = 0; i < n->catalog->nqueries; i++)
        if (counted(&n->queries[i].calls))
            sample(b, name, query_label(b->arena, n->catalog->queries[i]->name),
                   counted(&n->queries[i].calls));
    name = "supertokens_storage_query_duration_seconds_total";
    metric(b, name, "counter", "Time of their batches, in equal parts to the queries of each");
    for (uint32_t i = 0; i < n->catalog->nqueries; i++)
        if (counted(&n->queries[i].calls))
            sample_us(b, name, query_label(b->arena, n->catalog->queries[i]->name),
                      counted(&n->queries[i].us));
    name = "supertokens_storage_errors_total";
    metric(b, name, "counter",
           "Queries that ended otherwise, by kind; duplicate and expect are "
           "answers that the core reckons with");
    for (uint32_t i = 0; i < n->catalog->nqueries; i++)
        errors_of(b, name, n->catalog->queries[i]->name, &n->queries[i]);
    errors_of(b, name, "transaction", &n->transaction);
}

static void transactions(struct strbuf *b, const struct storage_counts *n)
{
    static const char *const why[AGAINS] = {"reason=\"conflict\"", "reason=\"connection\"",
                                            "reason=\"uncertain\""};
    metric(b, "supertokens_storage_batch_duration_seconds", "histogram",
           "Batches of queries, each one exchange with the database, waiting for a connection "
           "included");
    sample_histogram(b, "supertokens_storage_batch_duration_seconds", "", &n->batches);
    metric(b, "supertokens_storage_slow_batches_total", "counter",
           "Batches that took longer than slow_query_threshold_ms");
    sample(b, "supertokens_storage_slow_batches_total", "", counted(&n->slow));
    const char *name = "supertokens_storage_transactions_total";
    metric(b, name, "counter", "Transactions that read before they write, by their end");
    sample(b, name, "end=\"commit\"", counted(&n->committed));
    sample(b, name, "end=\"rollback\"", counted(&n->rolled_back));
    name = "supertokens_storage_retries_total";
    metric(b, name, "counter", "Attempts after a first one that failed, by the reason");
    for (int i = 0; i < AGAINS; i++)
        sample(b, name, why[i], counted(&n->again[i]));
}

/* ---- pools */

struct pool {
    const char *label;
    uint64_t size, in_use, idle, waiters, timeouts, reconnects;
};

static struct pool *pool_of(struct pool *list, size_t *n, const char *label)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(list[i].label, label) == 0)
            return &list[i];
    if (*n == POOLS_MAX) /* its last place is for all that came too late */
        return &list[POOLS_MAX];
    list[*n].label = label;
    return &list[(*n)++];
}

static void add(struct pool *p, const stk_health *h)
{
    p->size += h->pool_size;
    p->in_use += h->pool_open - h->pool_idle;
    p->idle += h->pool_idle;
    p->waiters += h->pool_waiters;
    p->timeouts += h->pool_timeouts;
    p->reconnects += h->reconnects;
}

/* One entry for each set of rows: what is reached in two ways has two pools. */
static size_t gather(struct ctx *c, struct pool *list)
{
    struct storage **storages;
    size_t found = storages_list(c->core->storages, c->arena, &storages), n = 0;
    list[POOLS_MAX].label = "storage=\"other\"";
    for (size_t i = 0; i < found; i++) {
        stk_health h;
        struct str error;
        if (storage_health(storages[i], c->arena, 0, &h, &error) != STK_OK)
            continue;
        struct str id = label_escape(c->arena, str_z(storage_data_id(storages[i])));
        const char *label = str_printf(c->arena, "storage=\"%.*s\"", STR_ARG(id)).p;
        add(pool_of(list, &n, label), &h);
    }
    return list[POOLS_MAX].size ? n + 1 : n;
}

static void pools(struct strbuf *b, struct ctx *c)
{
    struct pool *p = ARENA_ARRAY(c->arena, struct pool, POOLS_MAX + 1);
    size_t n = gather(c, p);
#define EACH_POOL(name, type, help, value)                                                         \
    metric(b, name, type, help);                                                                   \
    for (size_t i = 0; i < n; i++)                                                                 \
        sample(b, name, p[i].label, p[i].value);
    EACH_POOL("supertokens_storage_pool_size", "gauge", "Connections at most", size)
    EACH_POOL("supertokens_storage_pool_in_use", "gauge", "Connections in use now", in_use)
    EACH_POOL("supertokens_storage_pool_idle", "gauge", "Connections open and not in use", idle)
    EACH_POOL("supertokens_storage_pool_waiters", "gauge", "Requests waiting for a connection",
              waiters)
    EACH_POOL("supertokens_storage_pool_timeouts_total", "counter",
              "Waits for a connection that ended without one", timeouts)
    EACH_POOL("supertokens_storage_pool_reconnects_total", "counter",
              "Connections opened in place of a broken one", reconnects)
#undef EACH_POOL
}

void metrics_storage(struct strbuf *b, struct ctx *c)
{
    const struct storage_counts *n = storages_counts(c->core->storages);
    queries(b, n);
    transactions(b, n);
    pools(b, c);
}
