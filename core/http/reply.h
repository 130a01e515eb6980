/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in and out of an exchange. */
#ifndef CORE_HTTP_REPLY_H
#define CORE_HTTP_REPLY_H

#include "http/router.h"

/* The body as an object owned by the arena; NULL if it is none, or nested too
 * deeply for our stacks. */
json_t *reply_body_parse(struct arena *a, struct str text);

/* Sets status, content type and body of the exchange from what the call
 * returned and left in api.reply or ctx.fail. */
void reply_encode(struct exchange *x, int rc);

#endif
