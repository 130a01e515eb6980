/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: the numbers of this process for Prometheus, and the two signs of
 * life for orchestrators.  Nothing here asks a database. */
#include "api/metrics.h"

#include "core.h"
#include "crypto/hash_pool.h"
#include "http/api.h"
#include "http/routes.h"
#include "http/server.h"
#include "jobs/jobs.h"
#include "storage/tenant.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- the format */

void metric(struct strbuf *b, const char *name, const char *type, const char *help)
{
    strbuf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void head(struct strbuf *b, const char *name, const char *labels)
{
    strbuf_printf(b, *labels ? "%s{%s} " : "%s%s ", name, labels);
}

void sample(struct strbuf *b, const char *name, const char *labels, uint64_t value)
{
    head(b, name, labels);
    strbuf_printf(b, "%" PRIu64 "\n", value);
}

void sample_us(struct strbuf *b, const char *name, const char *labels, uint64_t us)
{
    head(b, name, labels);
    strbuf_printf(b, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000u, us % 1000000u);
}

/* "0.0025" of 2500: no trailing zeros. */
static void bound_text(char text[24], uint32_t us)
{
    int n = snprintf(text, 24, "%u.%06u", us / 1000000u, us % 1000000u);
    while (text[n - 1] == '0' && text[n - 2] != '.')
        text[--n] = '\0';
}

/* The count is the sum of the buckets: read apart it might not agree with them. */
void sample_histogram(struct strbuf *b, const char *name, const char *labels,
                      const struct histogram *h)
{
    const char *comma = *labels ? "," : "";
    uint64_t sum = 0;
    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        char bound[24] = "+Inf";
        if (i < HISTOGRAM_BOUNDS)
            bound_text(bound, histogram_bounds[i]);
        sum += counted(&h->buckets[i]);
        strbuf_printf(b, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels, comma, bound, sum);
    }
    struct str part = str_printf(b->arena, "%s_sum", name);
    sample_us(b, part.p, labels, counted(&h->sum_us));
    part = str_printf(b->arena, "%s_count", name);
    sample(b, part.p, labels, sum);
}

struct str label_escape(struct arena *a, struct str value)
{
    struct strbuf b;
    strbuf_init(&b, a);
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] == '\\' || value.p[i] == '"')
            strbuf_addc(&b, '\\');
        if (value.p[i] == '\n')
            strbuf_add(&b, STR("\\n"));
        else
            strbuf_addc(&b, value.p[i]);
    }
    return strbuf_str(&b);
}

/* ---- requests */

static const char *route_labels(struct arena *a, const struct route_count *c)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "other"};
    if (!c->route)
        return "method=\"other\",route=\"none\"";
    return str_printf(a, "method=\"%s\",route=\"%s\"", methods[c->route->method], c->route->path).p;
}

static void requests_total(struct strbuf *b, struct route_count *counts, size_t n)
{
    const char *name = "supertokens_http_requests_total";
    metric(b, name, "counter", "Requests answered, by call and class of the status");
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < 5; k++) {
            uint64_t value = counted(&counts[i].by_class[k]);
            if (value == 0)
                continue;
            const char *call = route_labels(b->arena, &counts[i]);
            sample(b, name, str_printf(b->arena, "%s,status=\"%uxx\"", call, k + 1).p, value);
        }
}

static bool was_used(const struct route_count *c)
{
    bool used = false;
    for (unsigned k = 0; k < 5; k++)
        used = used || counted(&c->by_class[k]);
    return used;
}

static void requests_time(struct strbuf *b, struct route_count *counts, size_t n)
{
    const char *name = "supertokens_http_request_duration_seconds";
    metric(b, name, "histogram", "From the head read to the reply made, by call");
    for (size_t i = 0; i < n; i++)
        if (was_used(&counts[i]))
            sample_histogram(b, name, route_labels(b->arena, &counts[i]), &counts[i].time);
}

static void gauge(struct strbuf *b, const char *name, const char *help, uint64_t value)
{
    metric(b, name, "gauge", help);
    sample(b, name, "", value);
}

static void metrics_http(struct strbuf *b, struct http_server *http)
{
    size_t n;
    struct route_count *counts = routes_counts(http_server_routes(http), &n);
    struct http_load load;
    requests_total(b, counts, n);
    requests_time(b, counts, n);
    http_server_load(http, &load);
    gauge(b, "supertokens_http_requests_in_progress", "Requests being answered now", load.requests);
    gauge(b, "supertokens_http_connections", "Client connections open now", load.connections);
    gauge(b, "supertokens_http_connections_max", "Client connections that can be open",
          load.connections_max);
    gauge(b, "supertokens_http_slots", "Requests that may run at once: max_server_pool_size",
          load.slots);
    gauge(b, "supertokens_http_slots_free", "Of these, not taken now", load.slots_free);
    gauge(b, "supertokens_http_slots_waiting", "Requests waiting to begin", load.slots_waiters);
}

/* ---- password hashes */

static void metrics_hash(struct strbuf *b, struct hash_pool *pool)
{
    struct hash_lane_stats s[HASH_LANES];
    const char *lane[HASH_LANES];
    hash_pool_stats(pool, s);
    for (int i = 0; i < HASH_LANES; i++)
        lane[i] = str_printf(b->arena, "lane=\"%s\"", hash_lane_name((enum hash_lane)i)).p;
#define EACH_LANE(name, type, help, value)                                                         \
    metric(b, name, type, help);                                                                   \
    for (int i = 0; i < HASH_LANES; i++)                                                           \
        sample(b, name, lane[i], s[i].value);
    EACH_LANE("supertokens_hash_threads", "gauge", "Password hashes computed at once at most",
              threads)
    EACH_LANE("supertokens_hash_running", "gauge", "Password hashes being computed now", running)
    EACH_LANE("supertokens_hash_queued", "gauge", "Password hashes waiting for a thread", waiting)
    EACH_LANE("supertokens_hash_done_total", "counter", "Password hashes computed", done)
    EACH_LANE("supertokens_hash_rejected_total", "counter",
              "Password hashes refused because the queue was full", refused)
    EACH_LANE("supertokens_hash_timeouts_total", "counter",
              "Password hashes given up because no thread was free in time", too_late)
#undef EACH_LANE
}

/* ---- jobs */

static void metrics_jobs(struct strbuf *b, const struct jobs *jobs)
{
    struct job_stats s;
    const char *const names[] = {"supertokens_job_runs_total", "supertokens_job_failures_total",
                                 "supertokens_job_last_run_timestamp_seconds",
                                 "supertokens_job_last_duration_seconds"};
    const char *const types[] = {"counter", "counter", "gauge", "gauge"};
    const char *const help[] = {"Runs of a background job on this core, one for each storage",
                                "Runs that failed; they are tried again",
                                "When the job last ended here; 0: not since the start",
                                "How long it took then"};
    for (int k = 0; k < 4; k++) {
        metric(b, names[k], types[k], help[k]);
        for (size_t i = 0; jobs_stats(jobs, i, &s); i++) {
            const char *label = str_printf(b->arena, "job=\"%s\"", s.name).p;
            if (k < 2)
                sample(b, names[k], label, k == 0 ? s.runs : s.failures);
            else
                sample_us(b, names[k], label, k == 2 ? (uint64_t)s.last_ms * 1000u : s.last_us);
        }
    }
}

/* ---- the calls */

/* Of the whole process, so for who runs it: the keys of other apps do not open it. */
static int metrics(struct api *a)
{
    struct strbuf b;
    struct core *core = a->ctx.core;
    if (!tenant_is_base(a->ctx.tenant))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "you can call this only from the base connection uri domain, public app "
                        "and tenant");
    strbuf_init(&b, a->ctx.arena);
    metrics_process(&b, core);
    metrics_http(&b, core->http);
    metrics_storage(&b, &a->ctx);
    metrics_hash(&b, core->hash_pool);
    metrics_jobs(&b, core->jobs);
    struct str text = strbuf_str(&b);
    a->reply.text = str_sub(text, 0, text.len - 1); /* its newline is added on the wire */
    a->reply.content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    a->reply.cache_control = STR("no-store");
    return RC_OK;
}

const struct route metrics_routes[] = {
    {HTTP_GET, "/metrics", ROUTE_APP | ROUTE_NO_CDI, metrics},
    {HTTP_OTHER, NULL, 0, NULL},
};
