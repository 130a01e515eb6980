/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of user metadata: a JSON object an application keeps of a user.  The id
 * is taken as it is given, whether or not a login recipe knows it. */
#ifndef CORE_RECIPE_USERMETADATA_H
#define CORE_RECIPE_USERMETADATA_H

#include "base/ctx.h"
#include "base/str.h"

#include <jansson.h>

/* {} where there is none.  What comes out lives as long as the arena. */
int usermetadata_get(struct ctx *c, struct str user_id, json_t **metadata);
/* Each member of update replaces the one of its name, null removes it; gives the
 * whole.  Nothing that others merge at the same time is lost. */
int usermetadata_update(struct ctx *c, struct str user_id, json_t *update, json_t **metadata);
int usermetadata_remove(struct ctx *c, struct str user_id);

enum { USERMETADATA_MANY = 500 };
/* metadata[i] is that of ids[i], or NULL; at most USERMETADATA_MANY. */
int usermetadata_many(struct ctx *c, const struct str *ids, size_t n, json_t ***metadata);

#endif
