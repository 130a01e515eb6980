/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of user metadata: one JSON object a user, as text. */
#ifndef CORE_STORE_USERMETADATA_H
#define CORE_STORE_USERMETADATA_H

#include "storage/storage.h"

struct metadata_row {
    bool found;
    struct str user_id, text;
    int64_t row_ver;
};
int metadata_read(struct ctx *c, struct storage *s, struct str app_id, struct str user_id,
                  struct metadata_row *row);
/* Of any number of users: those that have some, in no order. */
int metadata_read_many(struct ctx *c, struct storage *s, struct str app_id, const struct str *ids,
                       size_t n, struct metadata_row **rows, size_t *nrows);

/* In a transaction: reads and locks the row, if there is one. */
stk_call *batch_metadata_lock(struct batch *b, struct str app_id, struct str user_id);
struct metadata_row metadata_of(const stk_call *call);
/* Writes the text over the row that was locked, or as a first one: RC_DUPLICATE
 * if another made one meanwhile. */
void batch_metadata_write(struct batch *b, struct str app_id, struct str user_id,
                          const struct metadata_row *locked, struct str text);
void batch_metadata_delete(struct batch *b, struct str app_id, struct str user_id);

#endif
