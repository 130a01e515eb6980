/* SPDX-License-Identifier: Apache-2.0 */
/* Creating, changing and removing apps and tenants. */
#include "recipe/multitenancy.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "config/settings.h"
#include "core.h"

#include "recipe/app_keys.h"
#include "recipe/multitenancy_providers.h"
#include "recipe/multitenancy_sweep.h"
#include "storage/storages.h"
#include "store/multitenancy.h"

enum { CHANGE_ATTEMPTS = 25 };

void tenant_recipes_parse(struct arena *a, struct str text, struct tenant_recipes *r)
{
    json_t *v = json_own(a, json_object_parse(text));
    const json_t *none = json_null();
    const json_t *first = json_object_get(v, "firstFactors");
    json_t *providers = json_object_get(v, "providers");
    *r = (struct tenant_recipes){
        .emailpassword = json_is_true(json_object_get(v, "emailPassword")),
        .thirdparty = json_is_true(json_object_get(v, "thirdParty")),
        .passwordless = json_is_true(json_object_get(v, "passwordless")),
        .first_factors = first && first != none ? json_object_get(v, "firstFactors") : NULL,
        .required_secondary_factors = json_object_get(v, "requiredSecondaryFactors"),
        .providers = providers ? providers : json_own(a, json_array()),
    };
}

static struct str recipes_text(struct ctx *c, const struct tenant_recipes *r)
{
    json_t *v = json_own(c->arena, json_object());
    json_add_bool(v, "emailPassword", r->emailpassword);
    json_add_bool(v, "thirdParty", r->thirdparty);
    json_add_bool(v, "passwordless", r->passwordless);
    if (r->first_factors)
        json_object_set(v, "firstFactors", r->first_factors);
    if (r->required_secondary_factors)
        json_object_set(v, "requiredSecondaryFactors", r->required_secondary_factors);
    json_object_set(v, "providers", r->providers);
    return json_text(c->arena, v);
}

/* ---- who may change what */

static int may_put(struct ctx *c, const struct tenant_change *t)
{
    const struct tenant *from = c->tenant;
    bool same_app = str_eq(from->cud, t->cud) && str_eq(from->app_id, t->app_id);
    if (!str_eq(t->tenant_id, PUBLIC_ID)) {
        if (!str_eq(from->tenant_id, PUBLIC_ID) && !str_eq(from->tenant_id, t->tenant_id))
            return ctx_fail(c, FAIL_FORBIDDEN,
                            "You must use the public or same tenant to add/update a tenant");
        if (!same_app)
            return ctx_fail(c, FAIL_FORBIDDEN,
                            "You must use the same app to create/update a tenant");
    } else if (!str_eq(t->app_id, PUBLIC_ID)) {
        if (!str_eq(from->tenant_id, PUBLIC_ID) ||
            (!str_eq(from->app_id, PUBLIC_ID) && !str_eq(from->app_id, t->app_id)))
            return ctx_fail(c, FAIL_FORBIDDEN,
                            "You must use the public or same app to add/update an app");
        if (!str_eq(from->cud, t->cud))
            return ctx_fail(c, FAIL_FORBIDDEN,
                            "You must use the same connection URI domain to create/update an app");
    } else if (t->cud.len && !tenant_is_base(from) && !str_eq(from->cud, t->cud)) {
        return ctx_fail(c, FAIL_FORBIDDEN,
                        "You must use the default or same connectionUriDomain to create/update a "
                        "connectionUriDomain");
    }
    struct str only = c->core->settings->supertokens_saas_load_only_cud;
    if (only.p && t->cud.len && !str_eq(t->cud, only))
        return ctx_fail(c, FAIL_BAD_REQUEST,
                        "Creation of connection uri domain or app or tenant is disallowed");
    return RC_OK;
}

/* ---- writing a configuration */

struct put {
    const struct tenant_change *change;
    struct tenant_row row; /* what is to be written */
    int64_t seen;          /* seq of the row it was made from, 0: there was none */
    bool with_rows;        /* the tenant's rows live in the base storage: same commit */
    bool same;             /* the row is so already: nothing to write */
    bool new_app;
    bool has_keys; /* the app's keys were there already: a former attempt made them */
    struct app_key_seed *seed;
    bool changed; /* out: somebody else wrote the row meanwhile */
};

static void add_keys(struct batch *b, const struct put *p)
{
    if (p->new_app && !p->has_keys)
        app_keys_seed_batch(b, p->row.app_id, p->seed);
}

static int put_txn(struct txn *t, void *arg)
{
    struct put *p = arg;
    struct tenant_row now;
    bool found;
    int rc = multitenancy_lock_row(t, &p->row, &p->row.seq, &found, &now);
    if (rc != RC_OK)
        return rc;
    p->changed = (found ? now.seq : 0) != p->seen;
    if (p->changed)
        return 1;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    batch_tenant_config(&b, &p->row);
    if (p->with_rows)
        batch_tenant_create(&b, p->row.app_id, p->row.tenant_id, p->row.created_at);
    if (p->with_rows)
        add_keys(&b, p);
    return txn_commit(t, &b);
}

static int put_applied(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    (void)s;
    struct put *p = arg;
    struct tenant_row now;
    bool found;
    int rc = multitenancy_read_row(c, &p->row, &found, &now);
    *applied = rc == RC_OK && found && now.seq == p->row.seq &&
               str_eq(now.recipe_config, p->row.recipe_config) &&
               str_eq(now.core_config, p->row.core_config);
    return rc;
}

bool tenant_key_protected(const char *key)
{
    const struct setting *known = settings_find(str_z(key));
    return !known || (known->flags & SETTING_PROTECTED);
}

/* A key nobody knows gets its own text later. */
static int check_protected(struct ctx *c, const json_t *stored, json_t *change)
{
    const char *key;
    json_t *value;
    json_object_foreach(change, key, value)
    {
        if (!tenant_key_protected(key) || json_equal(value, json_object_get(stored, key)))
            continue;
        if (settings_find(str_z(key)))
            return ctx_fail(c, FAIL_FORBIDDEN, "Not allowed to modify protected configs.");
        if (plugin_option(storage_plugin(c->core->base_storage), key))
            return ctx_fail(c, FAIL_FORBIDDEN, "Not allowed to modify DB related configs.");
    }
    return RC_OK;
}

/* Lays the asked members over what was set; null takes one away. */
static struct str merge_config(struct ctx *c, struct str stored, json_t *change)
{
    json_t *v = json_own(c->arena, json_object_parse(stored));
    if (!v)
        v = json_own(c->arena, json_object());
    const char *key;
    json_t *value;
    json_object_foreach(change, key, value)
    {
        if (json_is_null(value) && json_object_get(v, key))
            json_object_del(v, key);
        else
            json_object_set(v, key, value);
    }
    return json_text(c->arena, v);
}

/* Makes the row that the change asks for out of the one there is. */
static int make_row(struct ctx *c, struct put *p)
{
    const struct tenant_change *change = p->change;
    struct tenant_row key = {
        .cud = change->cud, .app_id = change->app_id, .tenant_id = change->tenant_id};
    struct tenant_row old;
    bool found;
    int rc = multitenancy_read_row(c, &key, &found, &old);
    if (rc != RC_OK)
        return rc;
    bool fresh = !found || !old.active;
    struct tenant_recipes r;
    if (fresh)
        tenant_recipes_initial(c, change, &r);
    else
        tenant_recipes_parse(c->arena, old.recipe_config, &r);
    if (tenant_recipes_apply(c, change, &r) != RC_OK)
        return RC_FAIL;
    if (change->provider && fresh) /* deleted a moment ago */
        return tenant_unknown(c, change->cud, change->app_id, change->tenant_id);
    if (change->provider && providers_apply(c, change->provider, &r) != RC_OK)
        return RC_FAIL;
    const json_t *stored =
        json_own(c->arena, json_object_parse(fresh ? STR("{}") : old.core_config));
    if (change->protect && check_protected(c, stored, change->core_config) != RC_OK)
        return RC_FAIL;
    p->seen = found ? old.seq : 0;
    p->new_app = fresh && str_eq(change->tenant_id, PUBLIC_ID);
    p->row = key;
    p->row.active = true;
    p->row.created_at = fresh ? clock_ms() : old.created_at;
    p->row.core_config = merge_config(c, fresh ? STR("{}") : old.core_config, change->core_config);
    p->row.recipe_config = recipes_text(c, &r);
    p->same = !fresh && str_eq(p->row.core_config, old.core_config) &&
              str_eq(p->row.recipe_config, old.recipe_config);
    p->row.seq = p->seen;
    bool base =
        key.cud.len == 0 && str_eq(key.app_id, PUBLIC_ID) && str_eq(key.tenant_id, PUBLIC_ID);
    if (base && !str_eq(p->row.core_config, STR("{}")))
        return ctx_fail(c, FAIL_BAD_REQUEST, "Cannot modify base config");
    return fresh;
}

/* The tenant's rows in a storage of its own; done before the configuration, so
 * that whoever sees the tenant can use it. */
static int create_elsewhere(struct ctx *c, struct storage *s, struct put *p)
{
    struct batch b;
    batch_init(&b, c);
    batch_tenant_create(&b, p->row.app_id, p->row.tenant_id, p->row.created_at);
    add_keys(&b, p);
    return storage_write(c, s, &b, NULL, NULL);
}

static int put_once(struct ctx *c, struct put *p, bool *created)
{
    int fresh = make_row(c, p);
    if (fresh < 0)
        return fresh;
    *created = fresh;
    if (p->same)
        return RC_OK;
    struct storage *storage = NULL;
    int rc = registry_check(c, &p->row, &storage);
    if (rc == RC_OK)
        rc = sweep_finish(c, storage, p->row.app_id, p->row.tenant_id);
    if (rc != RC_OK)
        return rc;
    if (p->new_app && !p->seed)
        p->seed = app_keys_seed(c);
    p->with_rows = storage == c->core->base_storage;
    if (!p->with_rows) {
        rc = create_elsewhere(c, storage, p);
        if (rc != RC_OK)
            return rc;
    }
    return storage_transact(c, c->core->base_storage, put_txn, put_applied, p);
}

/* The first session of the app then finds its keys in memory. */
static int put_done(struct ctx *c, struct put *p)
{
    const struct tenant *t = NULL;
    int rc = registry_apply(c, &p->row);
    if (rc != RC_OK || !p->new_app || p->has_keys || p->same)
        return rc;
    rc = tenant_find(c, p->row.cud, p->row.app_id, p->row.tenant_id, &t);
    if (t)
        app_keys_seed_done(t->app, p->seed);
    tenant_unref(t);
    return rc;
}

static int put_change(struct ctx *c, const struct tenant_change *change, bool *created)
{
    struct put p = {.change = change};
    for (int i = 0; i < CHANGE_ATTEMPTS && clock_us() < c->deadline_us; i++) {
        p.changed = false;
        int rc = put_once(c, &p, created);
        if (rc == RC_OK)
            return put_done(c, &p);
        if (rc == RC_DUPLICATE && !p.has_keys)
            p.has_keys = true;
        else if (!p.changed)
            return rc;
    }
    return ctx_fail(c, FAIL_UNAVAILABLE,
                    "The tenant is being changed by others at the same time. Try again.");
}

int multitenancy_put(struct ctx *c, const struct tenant_change *change, bool *created)
{
    int rc = may_put(c, change);
    return rc == RC_OK ? put_change(c, change, created) : rc;
}

int multitenancy_bootstrap(struct ctx *c)
{
    int rc = registry_refresh(c);
    const struct tenant *base = NULL;
    if (rc == RC_OK)
        rc = tenant_find(c, STR(""), PUBLIC_ID, PUBLIC_ID, &base);
    if (rc != RC_OK || base) {
        tenant_unref(base);
        return rc;
    }
    struct tenant_change change = {.cud = STR(""),
                                   .app_id = PUBLIC_ID,
                                   .tenant_id = PUBLIC_ID,
                                   .v2 = true,
                                   .emailpassword = TRI_UNSET,
                                   .thirdparty = TRI_UNSET,
                                   .passwordless = TRI_UNSET};
    bool created;
    return put_change(c, &change, &created);
}

/* ---- removing */

struct removal {
    struct tenant_row row;
    bool existed;
};

static int remove_txn(struct txn *t, void *arg)
{
    struct removal *r = arg;
    struct tenant_row now;
    int64_t seq;
    bool found;
    int rc = multitenancy_lock_row(t, &r->row, &seq, &found, &now);
    if (rc != RC_OK)
        return rc;
    r->existed = found && now.active;
    if (!r->existed)
        return 1;
    r->row = now;
    r->row.active = false;
    r->row.seq = seq;
    r->row.core_config = r->row.recipe_config = STR("{}");
    struct batch b;
    batch_init(&b, txn_ctx(t));
    batch_tenant_config(&b, &r->row);
    return txn_commit(t, &b);
}

static int remove_applied(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    (void)s;
    struct removal *r = arg;
    struct tenant_row now;
    bool found;
    int rc = multitenancy_read_row(c, &r->row, &found, &now);
    *applied = rc == RC_OK && found && !now.active && now.seq == r->row.seq;
    return rc;
}

static int remove_config(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id,
                         bool *existed)
{
    struct removal r = {.row = {.cud = cud, .app_id = app_id, .tenant_id = tenant_id}};
    int rc = storage_transact(c, c->core->base_storage, remove_txn, remove_applied, &r);
    if (rc < 0)
        return rc;
    *existed = r.existed;
    return r.existed ? registry_apply(c, &r.row) : RC_OK;
}

int multitenancy_remove_tenant(struct ctx *c, struct str tenant_id, bool *existed)
{
    if (!str_eq(c->tenant->tenant_id, PUBLIC_ID))
        return ctx_fail(c, FAIL_FORBIDDEN,
                        "Only the public tenantId is allowed to delete a tenant");
    struct str cud = c->tenant->cud, app_id = c->tenant->app_id;
    const struct tenant *target = NULL;
    int rc = tenant_find(c, cud, app_id, tenant_id, &target);
    if (rc != RC_OK)
        return rc;
    *existed = false;
    if (!target)
        return RC_OK;
    rc = multitenancy_mark_deleting(c, target->storage, app_id, tenant_id);
    if (rc == RC_OK)
        rc = remove_config(c, cud, app_id, tenant_id, existed);
    if (rc == RC_OK)
        sweep_begin(c, target->storage, app_id, tenant_id);
    tenant_unref(target);
    return rc;
}

/* The app's rows may be in the storage of any tenant it ever had, so every open
 * storage is swept; only its own must be there now. */
static int mark_app(struct ctx *c, struct str cud, struct str app_id)
{
    const struct tenant *public = NULL;
    int rc = tenant_find(c, cud, app_id, PUBLIC_ID, &public);
    if (rc != RC_OK || !public)
        return rc;
    struct storage **list, *own = public->storage;
    size_t n = registry_storages(c, &list);
    rc = multitenancy_mark_deleting(c, own, app_id, STR_NULL);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        struct ctx other = *c;
        if (list[i] != own &&
            multitenancy_mark_deleting(&other, list[i], app_id, STR_NULL) != RC_OK)
            log_warn("multitenancy", "rows of the deleted app %.*s may stay in %s: %.*s",
                     STR_ARG(app_id), storage_name(list[i]), STR_ARG(other.fail_text));
    }
    tenant_unref(public);
    return rc;
}

static int remove_whole_app(struct ctx *c, struct str cud, struct str app_id, const char *too_many,
                            bool *existed)
{
    const struct tenant **tenants;
    size_t n = tenant_list(c, cud, app_id, &tenants);
    if (n > 1)
        return ctx_fail(c, FAIL_FORBIDDEN, "%s", too_many);
    *existed = false;
    if (n == 0)
        return RC_OK;
    int rc = mark_app(c, cud, app_id);
    if (rc == RC_OK)
        rc = remove_config(c, cud, app_id, PUBLIC_ID, existed);
    if (rc != RC_OK)
        return rc;
    struct storage **list;
    n = registry_storages(c, &list);
    for (size_t i = 0; i < n; i++)
        sweep_begin(c, list[i], app_id, STR_NULL);
    return RC_OK;
}

int multitenancy_remove_app(struct ctx *c, struct str app_id, bool *existed)
{
    if (!str_eq(c->tenant->tenant_id, PUBLIC_ID) || !str_eq(c->tenant->app_id, PUBLIC_ID))
        return ctx_fail(c, FAIL_FORBIDDEN,
                        "Only the public tenantId and public appId is allowed to delete an app");
    int rc = registry_refresh(c);
    if (rc != RC_OK)
        return rc;
    return remove_whole_app(c, c->tenant->cud, app_id,
                            "Please delete all tenants except the public tenant for this app "
                            "before calling the delete API",
                            existed);
}

int multitenancy_remove_cud(struct ctx *c, struct str cud, bool *existed)
{
    if (!tenant_is_base(c->tenant))
        return ctx_fail(c, FAIL_FORBIDDEN,
                        "Only the public tenantId, public appId and default connectionUriDomain is "
                        "allowed to delete a connectionUriDomain");
    int rc = registry_refresh(c);
    if (rc != RC_OK)
        return rc;
    const struct tenant **tenants;
    size_t n = tenant_list(c, cud, STR_NULL, &tenants);
    for (size_t i = 0; i < n; i++)
        if (!str_eq(tenants[i]->app_id, PUBLIC_ID))
            return ctx_fail(c, FAIL_FORBIDDEN,
                            "Please delete all apps except the public appID for this "
                            "connectionUriDomain before calling the delete API.");
    return remove_config(c, cud, PUBLIC_ID, PUBLIC_ID, existed);
}

const struct registry_hooks multitenancy_hooks = {
    .changes = multitenancy_changes,
    .keys_new = app_keys_new,
    .keys_free = app_keys_free,
};
