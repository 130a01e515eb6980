/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and merging metadata; see usermetadata.h.
 *
 * A merge locks the row it reads.  There is no row to lock for the first one of
 * a user: of two at once, one meets a duplicate and starts over. */
#include "recipe/usermetadata.h"

#include "base/json.h"
#include "recipe/users.h"
#include "storage/tenant.h"
#include "store/multitenancy.h"
#include "store/usermetadata.h"

enum { MERGE_TRIES = 5 };

static int parse(struct ctx *c, struct str text, json_t **out)
{
    *out = json_own(c->arena, json_object_parse(text));
    if (*out)
        return RC_OK;
    return ctx_fail(c, FAIL_INTERNAL,
                    "The stored metadata of the user is no JSON object. Remove it or mend it in "
                    "st_user_metadata");
}

int usermetadata_get(struct ctx *c, struct str user_id, json_t **metadata)
{
    struct storage *s;
    struct metadata_row row;
    int rc = users_home(c, user_id, &s);
    if (rc == RC_OK)
        rc = metadata_read(c, s, c->tenant->app_id, user_id, &row);
    return rc == RC_OK ? parse(c, row.found ? row.text : STR("{}"), metadata) : rc;
}

/* ---- merging */

struct merge {
    struct str app_id, user_id;
    json_t *update;
    struct metadata_row seen; /* of the last attempt */
    json_t *merged;
};

/* The row with the update merged in: a new object, whose members are shared. */
static int merged_with(struct ctx *c, const struct merge *x, const struct metadata_row *row,
                       json_t **out)
{
    int rc = parse(c, row->found ? row->text : STR("{}"), out);
    if (rc != RC_OK)
        return rc;
    const char *name;
    json_t *v;
    json_object_foreach(x->update, name, v)
    {
        json_object_del(*out, name); /* so that it goes to the end */
        if (!json_is_null(v))
            json_object_set(*out, name, v);
    }
    return RC_OK;
}

static int merge(struct txn *t, void *arg)
{
    struct merge *x = arg;
    struct ctx *c = txn_ctx(t);
    struct batch b;
    batch_init(&b, c);
    batch_app_active(&b, x->app_id);
    stk_call *lock = batch_metadata_lock(&b, x->app_id, x->user_id);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    x->seen = metadata_of(lock);
    rc = merged_with(c, x, &x->seen, &x->merged);
    if (rc != RC_OK)
        return rc;
    batch_init(&b, c);
    batch_metadata_write(&b, x->app_id, x->user_id, &x->seen, json_text(c->arena, x->merged));
    return txn_commit(t, &b);
}

/* A row that is as it was seen says no; one that the update would not change says
 * yes.  After any other the update may have been applied and then overwritten: to
 * apply it once more would undo what the other did. */
static int merge_applied(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    struct merge *x = arg;
    struct metadata_row row;
    json_t *now, *again;
    *applied = false;
    int rc = metadata_read(c, s, x->app_id, x->user_id, &row);
    if (rc != RC_OK)
        return rc;
    if (row.found == x->seen.found &&
        (!row.found || (row.row_ver == x->seen.row_ver && str_eq(row.text, x->seen.text))))
        return RC_OK;
    rc = row.found ? parse(c, row.text, &now) : RC_OK;
    if (rc == RC_OK && row.found)
        rc = merged_with(c, x, &row, &again);
    if (rc != RC_OK)
        return rc;
    if (!row.found || !json_equal(now, again))
        return ctx_fail(c, FAIL_UNAVAILABLE,
                        "It is not known whether the metadata was written. Read it, and try again");
    *applied = true;
    x->merged = now;
    return RC_OK;
}

int usermetadata_update(struct ctx *c, struct str user_id, json_t *update, json_t **metadata)
{
    const struct tenant *t = c->tenant;
    struct storage *s;
    struct merge x = {.app_id = t->app_id, .user_id = user_id, .update = update};
    int rc = users_home(c, user_id, &s);
    if (rc != RC_OK)
        return rc;
    rc = RC_DUPLICATE;
    for (int i = 0; rc == RC_DUPLICATE && i < MERGE_TRIES; i++)
        rc = storage_transact(c, s, merge, merge_applied, &x);
    if (rc == RC_EXPECT)
        return tenant_unknown(c, t->cud, t->app_id, PUBLIC_ID);
    if (rc == RC_DUPLICATE)
        return ctx_fail(c, FAIL_UNAVAILABLE,
                        "The metadata of the user is being changed by others. Try again");
    *metadata = x.merged;
    return rc;
}

int usermetadata_remove(struct ctx *c, struct str user_id)
{
    struct storage *s;
    struct batch b;
    int rc = users_home(c, user_id, &s);
    if (rc != RC_OK)
        return rc;
    batch_init(&b, c);
    batch_metadata_delete(&b, c->tenant->app_id, user_id);
    return storage_write(c, s, &b, NULL, NULL);
}

/* ---- many at once */

static int fill(struct ctx *c, struct storage *s, const struct str *ids, size_t n, json_t **list)
{
    struct metadata_row *rows;
    size_t nrows;
    int rc = metadata_read_many(c, s, c->tenant->app_id, ids, n, &rows, &nrows);
    for (size_t r = 0; rc == RC_OK && r < nrows; r++) {
        json_t *v;
        rc = parse(c, rows[r].text, &v);
        for (size_t i = 0; rc == RC_OK && i < n; i++)
            if (!list[i] && str_eq(ids[i], rows[r].user_id))
                list[i] = v;
    }
    return rc;
}

int usermetadata_many(struct ctx *c, const struct str *ids, size_t n, json_t ***metadata)
{
    struct storage **storages;
    size_t nstorages;
    int rc = tenant_app_storages(c, c->tenant->app, &storages, &nstorages);
    *metadata = ARENA_ARRAY(c->arena, json_t *, n + 1);
    for (size_t i = 0; i < n; i++)
        (*metadata)[i] = NULL;
    for (size_t i = 0; rc == RC_OK && i < nstorages; i++)
        rc = fill(c, storages[i], ids, n, *metadata);
    return rc;
}
