/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of GET /metrics: the text format of Prometheus, 0.0.4. */
#ifndef CORE_API_METRICS_H
#define CORE_API_METRICS_H

#include "base/ctx.h"
#include "base/histogram.h"
#include "base/str.h"

/* Begins a family of samples; type is counter, gauge or histogram. */
void metric(struct strbuf *b, const char *name, const char *type, const char *help);
/* One sample of the family; labels is "" or 'a="b",c="d"', values escaped. */
void sample(struct strbuf *b, const char *name, const char *labels, uint64_t value);
void sample_us(struct strbuf *b, const char *name, const char *labels,
               uint64_t us); /* as seconds */
void sample_histogram(struct strbuf *b, const char *name, const char *labels,
                      const struct histogram *h);
/* Backslash, quote and newline as a label's value has them. */
struct str label_escape(struct arena *a, struct str value);

void metrics_storage(struct strbuf *b, struct ctx *c);
void metrics_process(struct strbuf *b, const struct core *core);

#endif
