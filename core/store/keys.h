/* SPDX-License-Identifier: Apache-2.0 */
/* Signing keys and small named values of an app, in the app's storage. */
#ifndef CORE_STORE_KEYS_H
#define CORE_STORE_KEYS_H

#include "storage/storage.h"

#define KEY_DYNAMIC STR("dynamic")
#define KEY_STATIC STR("static")

struct key_row {
    struct str key_id, kind, data, slot; /* data is secret */
    int64_t created_at;
};

/* Every key of the app, newest first, and the value called `name` (STR_NULL if
 * there is none): one round trip. */
int keys_read(struct ctx *c, struct storage *s, struct str app_id, struct str name,
              struct key_row **rows, size_t *n, struct str *value);
/* The slot is unique within the app: of several cores that add a key for one
 * slot, one does; the others get RC_DUPLICATE and read its key. */
void batch_key_insert(struct batch *b, struct str app_id, const struct key_row *row);
/* Whichever core is first decides the value; read it back. */
void batch_value_if_absent(struct batch *b, struct str app_id, struct str name, struct str value,
                           int64_t now);
/* Adds the read of a value; one row of one cell, or none. */
stk_call *batch_value_get(struct batch *b, struct str app_id, struct str name);
/* Deletes dynamic keys made before the time, except the newest, whose id the
 * next key's slot is made of. */
int keys_expire(struct ctx *c, struct storage *s, struct str app_id, int64_t before);

#endif
