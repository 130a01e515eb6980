/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of the Core Driver Interface: which are served, and which one a
 * request asks for. */
#ifndef CORE_HTTP_CDI_H
#define CORE_HTTP_CDI_H

#include "base/ctx.h"

#include <stddef.h>

struct settings;

enum { CDI_LATEST = CDI(5, 6) };

/* Those served in full, in rising order, within the app's bounds; app may be
 * NULL.  2.7 to 2.21 are served by some calls only and are not among them. */
size_t cdi_list(const struct settings *app, int out[], size_t max);
struct str cdi_text(struct arena *a, int cdi);

/* Sets c->cdi from the header (STR_NULL: absent).  flags are those of the route:
 * with ROUTE_NO_CDI an unusable header counts as absent.  RC_FAIL is a 400. */
int cdi_decide(struct ctx *c, const struct settings *app, unsigned flags, struct str header);

#endif
