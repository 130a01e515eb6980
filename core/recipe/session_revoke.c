/* SPDX-License-Identifier: Apache-2.0 */
/* Listing and revoking sessions.  A user's sessions are found in every storage
 * the app's tenants use, under each id the user has. */
#include "recipe/session.h"

#include "base/clock.h"
#include "core.h"

/* A list of handles that grows in the arena. */
struct handles {
    struct arena *arena;
    struct str *items;
    size_t n, cap;
};

static void add(struct handles *h, struct str item)
{
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 16;
        struct str *grown = ARENA_ARRAY(h->arena, struct str, cap);
        for (size_t i = 0; i < h->n; i++)
            grown[i] = h->items[i];
        h->items = grown;
        h->cap = cap;
    }
    h->items[h->n++] = item;
}

/* Revokes those handles of the list that belong to the tenant. */
static int revoke_in(struct ctx *c, struct str tenant_id, const struct session_handle *list,
                     size_t n, struct handles *revoked)
{
    const struct tenant *t;
    int rc = session_tenant(c, tenant_id, &t);
    if (rc != RC_OK)
        return rc;
    struct handles mine = {.arena = c->arena};
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i].tenant_id, tenant_id))
            add(&mine, list[i].handle);
    struct str *gone;
    size_t ngone;
    rc = sessions_delete(c, t->storage, t->app_id, t->tenant_id, mine.items, mine.n, &gone, &ngone);
    for (size_t i = 0; rc == RC_OK && i < ngone; i++)
        add(revoked, gone[i]);
    return rc;
}

static bool seen_before(const struct session_handle *list, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(list[k].tenant_id, list[i].tenant_id))
            return true;
    return false;
}

/* skip_unknown: a tenant deleted since the list was read is no failure. */
static int revoke_list(struct ctx *c, const struct session_handle *list, size_t n,
                       bool skip_unknown, struct handles *revoked)
{
    for (size_t i = 0; i < n; i++) {
        if (seen_before(list, i))
            continue;
        int rc = revoke_in(c, list[i].tenant_id, list, n, revoked);
        if (rc != RC_OK && skip_unknown && c->fail == FAIL_BAD_REQUEST)
            c->fail = FAIL_NONE;
        else if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

int session_revoke(struct ctx *c, const struct str *handles, size_t n, struct str **revoked,
                   size_t *nrevoked)
{
    struct session_handle *list = ARENA_ARRAY(c->arena, struct session_handle, n + 1);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct session_handle){session_tenant_of(handles[i]), handles[i]};
    struct handles out = {.arena = c->arena};
    int rc = revoke_list(c, list, n, false, &out);
    *revoked = out.items;
    *nrevoked = out.n;
    return rc;
}

/* ---- by user */

struct found {
    struct session_handle *list;
    size_t n;
    struct session_user user;
};

/* The user's ids, from the first storage that knows more than the one given. */
static int all_ids(struct ctx *c, const struct session_scope *scope, struct storage **storages,
                   size_t nstorages, struct session_user *user, struct str **ids, size_t *n)
{
    for (size_t i = 0; i < nstorages; i++) {
        int rc = session_user_ids(c, storages[i], c->tenant->app_id, scope->user_id, scope->linked,
                                  user, ids, n);
        if (rc != RC_OK || *n > 1)
            return rc;
    }
    return RC_OK;
}

static int find(struct ctx *c, const struct session_scope *scope, struct found *out)
{
    struct storage *own[1] = {c->tenant->storage}, **storages = own;
    size_t nstorages = 1, nids = 0;
    struct str *ids = NULL;
    if (scope->all_tenants &&
        tenant_app_storages(c, c->tenant->app, &storages, &nstorages) != RC_OK)
        return RC_FAIL;
    struct session_user user = {.own_id = scope->user_id};
    int rc = all_ids(c, scope, storages, nstorages, &user, &ids, &nids);
    struct found *parts = ARENA_ARRAY(c->arena, struct found, nstorages);
    int64_t now = clock_ms();
    size_t total = 0;
    for (size_t i = 0; rc == RC_OK && i < nstorages; i++) {
        rc = sessions_of_users(c, storages[i], c->tenant->app_id, ids, nids, now, &parts[i].list,
                               &parts[i].n);
        total += parts[i].n;
    }
    *out = (struct found){.list = ARENA_ARRAY(c->arena, struct session_handle, total + 1),
                          .user = user};
    for (size_t i = 0; rc == RC_OK && i < nstorages; i++)
        for (size_t k = 0; k < parts[i].n; k++)
            if (scope->all_tenants || str_eq(parts[i].list[k].tenant_id, c->tenant->tenant_id))
                out->list[out->n++] = parts[i].list[k];
    return rc;
}

int session_list(struct ctx *c, const struct session_scope *scope, struct str **handles, size_t *n)
{
    struct found found;
    int rc = find(c, scope, &found);
    if (rc != RC_OK)
        return rc;
    *handles = ARENA_ARRAY(c->arena, struct str, found.n + 1);
    *n = found.n;
    for (size_t i = 0; i < found.n; i++)
        (*handles)[i] = found.list[i].handle;
    return RC_OK;
}

int session_revoke_user(struct ctx *c, const struct session_scope *scope, struct str **revoked,
                        size_t *nrevoked, struct str *active_user)
{
    struct found found;
    struct handles out = {.arena = c->arena};
    int rc = find(c, scope, &found);
    if (rc == RC_OK)
        rc = revoke_list(c, found.list, found.n, true, &out);
    *revoked = out.items;
    *nrevoked = out.n;
    *active_user = found.user.own_id;
    return rc;
}
