/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, listing and creating users; see users.h. */
#include "recipe/users.h"

#include "base/clock.h"
#include "base/ids.h"
#include "crypto/base64.h"
#include "recipe/active.h"
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/emailverification.h"
#include "store/multitenancy.h"

#include <stdlib.h>

/* ---- finding */

int users_find_in_app(struct ctx *c, struct str id, struct users_found *found)
{
    struct storage **list;
    size_t n;
    const struct app *app = c->tenant->app;
    int rc = tenant_app_storages(c, app, &list, &n);
    found->storage = NULL;
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        struct user_ref ref;
        rc = users_find(c, list[i], app->app_id, id, &ref);
        if (rc != RC_OK || !ref.user.id.p)
            continue;
        /* Whoever has it as its own id goes before whoever is mapped to it. */
        if (ref.exists || !found->storage)
            *found = (struct users_found){list[i], ref};
        if (ref.exists)
            break;
    }
    if (rc != RC_OK)
        return rc;
    return found->storage ? RC_OK : USERS_UNKNOWN;
}

int users_find_in_tenant(struct ctx *c, struct str id, struct users_found *found)
{
    const struct tenant *t = c->tenant;
    found->storage = t->storage;
    int rc = users_find(c, t->storage, t->app_id, id, &found->ref);
    if (rc != RC_OK)
        return rc;
    return found->ref.user.id.p ? RC_OK : USERS_UNKNOWN;
}

int users_given_up(struct ctx *c)
{
    return ctx_fail(c, FAIL_UNAVAILABLE, "The user is being changed by others. Try again");
}

int users_method_by_id(struct ctx *c, struct str id, enum recipe_mask recipe, struct user *user)
{
    struct users_found found;
    int rc = users_find_in_app(c, id, &found);
    if (rc != RC_OK)
        return rc;
    struct login_method *m = user_method(&found.ref.user, found.ref.recipe_user_id);
    if (!m || m->recipe != recipe)
        return USERS_UNKNOWN;
    *user = (struct user){.id = m->recipe_user_id,
                          .external_id = m->external_id,
                          .is_primary = found.ref.user.is_primary,
                          .time_joined = m->time_joined,
                          .methods = m,
                          .nmethods = 1};
    return RC_OK;
}

int users_home(struct ctx *c, struct str id, struct storage **s)
{
    struct storage **list;
    struct users_found found;
    size_t n;
    int rc = tenant_app_storages(c, c->tenant->app, &list, &n);
    *s = c->tenant->app->storage;
    if (rc != RC_OK || n == 1)
        return rc;
    rc = users_find_in_app(c, id, &found);
    if (rc == RC_OK)
        *s = found.storage;
    return rc == USERS_UNKNOWN ? RC_OK : rc;
}

/* ---- page tokens: base64 of "user id;time joined" of the page's first user */

static struct str token_make(struct arena *a, const struct user_key *key)
{
    struct str text =
        str_printf(a, "%.*s;%lld", STR_ARG(key->user_id), (long long)key->time_joined);
    return base64_encode(a, text.p, text.len);
}

static bool token_read(struct arena *a, struct str token, struct user_key *key)
{
    struct str text;
    if (!base64_decode(a, token, &text) || !str_utf8(text))
        return false;
    ptrdiff_t semicolon = str_find(text, ';');
    if (semicolon < 0)
        return false;
    key->user_id = str_sub(text, 0, (size_t)semicolon);
    return str_i64(str_sub(text, (size_t)semicolon + 1, text.len), &key->time_joined);
}

/* ---- lists */

static int by_time(const void *x, const void *y)
{
    const struct user *a = x, *b = y;
    if (a->time_joined != b->time_joined)
        return a->time_joined < b->time_joined ? -1 : 1;
    return str_cmp(a->id, b->id);
}

static int by_time_desc(const void *x, const void *y)
{
    return by_time(y, x);
}

/* Users deleted since their ids were read are left out. */
static void drop_missing(struct users_listed *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (out->users[i].id.p && out->users[i].nmethods)
            out->users[kept++] = out->users[i];
    out->n = kept;
}

static int load(struct ctx *c, const struct str *ids, size_t n, struct users_listed *out)
{
    out->users = ARENA_ARRAY(c->arena, struct user, n + 1);
    out->n = n;
    int rc = users_load(c, c->tenant->storage, c->tenant->app_id, ids, n, out->users);
    if (rc == RC_OK)
        drop_missing(out);
    return rc;
}

static int search(struct ctx *c, const struct users_list *q, struct users_listed *out)
{
    const struct tenant *t = c->tenant;
    struct str *ids;
    size_t n;
    int rc = users_search(c, t->storage, t->app_id, t->tenant_id, &q->emails, &q->phones,
                          &q->providers, &ids, &n);
    if (rc == RC_OK)
        rc = load(c, ids, n, out);
    if (rc != RC_OK)
        return rc;
    qsort(out->users, out->n, sizeof(*out->users), q->desc ? by_time_desc : by_time);
    if (out->n > SEARCH_LIMIT)
        out->n = SEARCH_LIMIT;
    return RC_OK;
}

int users_list(struct ctx *c, const struct users_list *q, struct users_listed *out)
{
    const struct tenant *t = c->tenant;
    struct users_page page = {.app_id = t->app_id,
                              .tenant_id = t->tenant_id,
                              .desc = q->desc,
                              .recipes = q->recipes,
                              .has_from = q->token.p,
                              .limit = q->limit + 1};
    *out = (struct users_listed){.next_token = STR_NULL};
    if (q->token.p && !token_read(c->arena, q->token, &page.from))
        return USERS_BAD_TOKEN;
    if (q->emails.n || q->phones.n || q->providers.n)
        return search(c, q, out);
    if (q->no_recipe)
        return RC_OK;
    struct user_key *keys;
    size_t n;
    int rc = users_page(c, t->storage, &page, &keys, &n);
    if (rc != RC_OK)
        return rc;
    if (n > (size_t)q->limit) {
        n = (size_t)q->limit;
        out->next_token = token_make(c->arena, &keys[n]);
    }
    struct str *ids = ARENA_ARRAY(c->arena, struct str, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = keys[i].user_id;
    return load(c, ids, n, out);
}

static bool has_account(const struct user *u, const struct account_info *info)
{
    bool email = !info->email.p, phone = !info->phone.p, third_party = !info->tp_id.p;
    for (size_t i = 0; i < u->nmethods; i++) {
        const struct login_method *m = &u->methods[i];
        email = email || str_eq(m->email, info->email);
        phone = phone || str_eq(m->phone, info->phone);
        third_party = third_party ||
                      (str_eq(m->tp_id, info->tp_id) && str_eq(m->tp_user_id, info->tp_user_id));
    }
    return email && phone && third_party;
}

int users_by_account_info(struct ctx *c, const struct account_info *info, bool any,
                          bool webauthn_asked, struct users_listed *out)
{
    const struct tenant *t = c->tenant;
    struct str *ids;
    size_t n;
    *out = (struct users_listed){.next_token = STR_NULL};
    if (webauthn_asked && !any)
        return RC_OK;
    int rc = users_by_account(c, t->storage, t->app_id, t->tenant_id, info, &ids, &n);
    if (rc == RC_OK)
        rc = load(c, ids, n, out);
    if (rc != RC_OK)
        return rc;
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (any || has_account(&out->users[i], info))
            out->users[kept++] = out->users[i];
    out->n = kept;
    qsort(out->users, out->n, sizeof(*out->users), by_time);
    return RC_OK;
}

int users_count_all(struct ctx *c, bool app, int64_t recipes, bool no_recipe, int64_t *count)
{
    const struct tenant *t = c->tenant;
    *count = 0;
    if (no_recipe)
        return RC_OK;
    if (!app)
        return users_count(c, t->storage, t->app_id, t->tenant_id, recipes, count);
    struct storage **list;
    size_t n;
    int rc = tenant_app_storages(c, t->app, &list, &n);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        int64_t some = 0;
        rc = users_count(c, list[i], t->app_id, STR(""), recipes, &some);
        *count += some;
    }
    return rc;
}

/* ---- creating */

/* Of the transaction that makes a user. */
static int created(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    return login_witness(c, s, arg, applied);
}

int users_taken(const struct ctx *c)
{
    enum account_kind kind;
    if (!account_duplicate(c, &kind))
        return RC_DUPLICATE;
    return kind == ACCOUNT_PHONE         ? USERS_PHONE_EXISTS
           : kind == ACCOUNT_THIRD_PARTY ? USERS_THIRD_PARTY_EXISTS
                                         : USERS_EMAIL_EXISTS;
}

static int create_once(struct ctx *c, struct login_method *m, bool seen)
{
    const struct tenant *t = c->tenant;
    m->recipe_user_id = m->user_id = uuid_v7_str(c->arena);
    struct login_witness w = {.app_id = t->app_id, .recipe_user_id = m->recipe_user_id};
    struct user_counts counts;
    struct batch b;
    user_counts_init(&counts, c->arena);
    batch_init(&b, c);
    batch_tenant_active(&b, t->app_id, t->tenant_id);
    batch_user_create(&b, t->app_id, m, &counts);
    if (m->verified && m->email.p)
        batch_email_verified(&b, t->app_id, m->recipe_user_id, m->email);
    bool marked = seen && active_add(c, t->storage, &b, m->user_id);
    batch_user_counts(&b, t->app_id, &counts);
    int rc = storage_write(c, t->storage, &b, created, &w);
    if (rc == RC_DUPLICATE)
        return users_taken(c);
    if (rc == RC_EXPECT)
        return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
    if (rc == RC_OK && marked)
        active_noted(c, m->user_id);
    return rc;
}

int users_load_and_mark(struct ctx *c, struct user *user)
{
    const struct tenant *t = c->tenant;
    struct str id = user->id;
    struct batch b;
    struct users_calls calls;
    batch_init(&b, c);
    batch_users(&b, t->app_id, &id, 1, false, &calls);
    bool marked = active_add(c, t->storage, &b, id);
    int rc =
        marked ? storage_write(c, t->storage, &b, NULL, NULL) : storage_read(c, t->storage, &b);
    if (rc != RC_OK)
        return rc;
    if (marked)
        active_noted(c, id);
    users_calls_take(c->arena, &calls, user);
    return RC_OK;
}

int users_create(struct ctx *c, struct login_method *m, bool seen, struct user *user)
{
    m->tenants = ARENA_NEW(c->arena, struct str);
    m->tenants[0] = c->tenant->tenant_id;
    m->ntenants = 1;
    int rc;
    do
        rc = create_once(c, m, seen);
    while (rc == RC_DUPLICATE); /* of an id: once in the life of the universe */
    if (rc != RC_OK)
        return rc;
    if (seen)
        users_last_active_mark(c, m->user_id);
    *user =
        (struct user){.id = m->user_id, .time_joined = m->time_joined, .methods = m, .nmethods = 1};
    return RC_OK;
}
