/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the passwordless recipe share. */
#ifndef CORE_RECIPE_PASSWORDLESS_INTERNAL_H
#define CORE_RECIPE_PASSWORDLESS_INTERNAL_H

#include "recipe/passwordless.h"
#include "storage/tenant.h"

static inline struct pl_place place_of(const struct ctx *c)
{
    return (struct pl_place){c->tenant->app_id, c->tenant->tenant_id};
}

/* The bytes of an id or code from outside; another text is a 400 that names the
 * field. */
int pl_decode(struct ctx *c, const char *field, bool url, struct str text, struct str *bytes);
/* How the database knows a device id or a link code. */
struct str pl_hash(struct arena *a, struct str bytes);
/* Bytes of the link code of what was typed; the salt is as it is stored. */
struct str pl_link_code(struct arena *a, struct str device_id, struct str salt,
                        struct str input_code);

#endif
