/* SPDX-License-Identifier: Apache-2.0 */
/* Schema versions; see migrate.h.  The scripts themselves are run by the
 * plugin, under its own lock. */
#include "storage/migrate.h"

#include "base/log.h"
#include "storage/storage_internal.h"

#include <assert.h>
#include <string.h>

const char *migrate_state_text(uint32_t state)
{
    static const char *const texts[] = {"", "pending", "applied", "edited", "unknown"};
    return state < sizeof(texts) / sizeof(texts[0]) ? texts[state] : "unknown";
}

/* What migration_status() reports, kept. */
struct report {
    struct arena *a;
    struct migrate_line *lines;
    size_t n, cap;
    uint32_t pending;    /* at most `to` */
    uint32_t to;         /* the last version that is wanted */
    const char *edited;  /* the first edited one */
    uint32_t compat;     /* the highest of the unknown ones */
    const char *unknown; /* which one that is */
};

static void on_state(void *ud, const stk_migration_state *theirs)
{
    struct report *r = ud;
    stk_migration_state st = {0};
    memcpy(&st, theirs, theirs->size < sizeof(st) ? theirs->size : sizeof(st));
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 32;
        struct migrate_line *grown = ARENA_ARRAY(r->a, struct migrate_line, cap);
        if (r->n)
            memcpy(grown, r->lines, r->n * sizeof(*grown));
        r->lines = grown;
        r->cap = cap;
    }
    const char *name = arena_strdup(r->a, st.name ? st.name : "");
    r->lines[r->n++] = (struct migrate_line){
        .version = st.version, .state = st.state, .applied_at = st.applied_at, .name = name};
    if (st.state == STK_MIG_PENDING && st.version <= r->to)
        r->pending++;
    if (st.state == STK_MIG_EDITED && !r->edited)
        r->edited = name;
    if (st.state == STK_MIG_UNKNOWN && st.compat > r->compat) {
        r->compat = st.compat;
        r->unknown = name;
    }
}

static stk_status read_report(const struct plugin *p, stk_db *db, struct report *r,
                              struct str *error)
{
    stk_err err = err_new();
    stk_status rc = p->v.migration_status(db, p->v.migrations, p->v.nmigrations, on_state, r, &err);
    if (rc < 0)
        *error = storage_err_text(r->a, p, rc, &err);
    return rc;
}

/* The last version that this core and this plugin both know. */
static uint32_t wanted_version(const struct plugin *p, const stk_catalog *catalog)
{
    return p->v.nmigrations < catalog->version ? p->v.nmigrations : catalog->version;
}

static stk_status check_history(const struct plugin *p, const stk_catalog *catalog,
                                const struct report *r, struct str *error)
{
    if (r->edited) {
        *error = str_printf(r->a,
                            "%s: migration %s was changed after it was applied. Put the script and "
                            "the plugin of the release that applied it back, or, if the schema is "
                            "right, set its sha256 in st_schema_version to NULL",
                            p->v.name, r->edited);
        return STK_E_SCHEMA;
    }
    if (r->compat > catalog->version) {
        *error = str_printf(r->a,
                            "%s: the schema of the database (%s) needs a core that knows version "
                            "%u, this one knows %u. Update the core",
                            p->v.name, r->unknown, r->compat, catalog->version);
        return STK_E_SCHEMA;
    }
    return STK_OK;
}

/* ----------------------------------------------------------------- running */

struct run {
    const struct plugin *plugin;
    migrate_step step; /* or NULL: log */
    void *ud;
    uint32_t applied;
};

static int32_t on_progress(void *ud, const stk_progress *theirs)
{
    struct run *run = ud;
    stk_progress pr = {0};
    memcpy(&pr, theirs, theirs->size < sizeof(pr) ? theirs->size : sizeof(pr));
    run->applied++;
    if (run->step)
        run->step(run->ud, pr.name, pr.step, pr.nsteps, pr.text);
    else
        log_info("storage", "migrating %s %s %u/%u \xE2\x80\xA6", run->plugin->v.name, pr.name,
                 pr.step, pr.nsteps);
    return 0;
}

static stk_status run_scripts(struct run *run, stk_db *db, uint32_t to, uint32_t flags,
                              struct arena *a, struct str *error)
{
    const struct stk_plugin *v = &run->plugin->v;
    stk_err err = err_new();
    stk_status rc =
        v->migrate(db, v->migrations, v->nmigrations, to, flags, on_progress, run, &err);
    if (rc < 0)
        *error = storage_err_text(a, run->plugin, rc, &err);
    return rc;
}

static stk_status verify(const struct plugin *p, stk_db *db, struct arena *a, struct str *error)
{
    stk_err err = err_new();
    stk_status rc = p->v.verify(db, &err);
    if (rc < 0)
        *error = storage_err_text(a, p, rc, &err);
    return rc;
}

/* ----------------------------------------------------------------- at open */

static stk_status refuse_pending(const struct plugin *p, const struct report *r, struct str *error)
{
    struct strbuf b;
    strbuf_init(&b, r->a);
    strbuf_printf(&b, "%s: %u migration%s pending and auto_migrate is false:", p->v.name,
                  r->pending, r->pending == 1 ? " is" : "s are");
    for (size_t i = 0; i < r->n; i++)
        if (r->lines[i].state == STK_MIG_PENDING && r->lines[i].version <= r->to)
            strbuf_printf(&b, " %s", r->lines[i].name);
    strbuf_printf(&b,
                  ". Run: supertokens migrate, or the scripts of migration_scripts/%s in this "
                  "order",
                  p->v.name);
    *error = strbuf_str(&b);
    return STK_E_SCHEMA;
}

/* The catalogue wants more than the plugin's scripts make. */
static stk_status add_newer(const struct plugin *p, stk_db *db, const stk_catalog *catalog,
                            bool auto_migrate, struct arena *a, struct str *error)
{
    stk_err err = err_new();
    if (!auto_migrate)
        return STK_OK; /* verify() will say whether anything is missing */
    stk_status rc = p->v.ensure(db, catalog, &err);
    if (rc < 0)
        *error = storage_err_text(a, p, rc, &err);
    return rc;
}

stk_status migrate_at_open(const struct plugin *p, stk_db *db, const stk_catalog *catalog,
                           bool auto_migrate, struct arena *a, struct str *error)
{
    bool shorter = p->v.nmigrations < catalog->version;
    if (shorter && !(p->v.caps & STK_CAP_AUTO_SCHEMA)) {
        *error = str_printf(a,
                            "%s: plugin %s %s brings migrations up to version %u, this core needs "
                            "%u. Install a newer plugin",
                            p->v.name, p->file, p->v.version, p->v.nmigrations, catalog->version);
        return STK_E_SCHEMA;
    }
    struct report r = {.a = a, .to = wanted_version(p, catalog)};
    stk_status rc = read_report(p, db, &r, error);
    if (rc >= 0)
        rc = check_history(p, catalog, &r, error);
    if (rc >= 0 && r.pending && !auto_migrate)
        return refuse_pending(p, &r, error);
    /* Also with nothing pending: the plugin stores the hashes of hand-run scripts. */
    if (rc >= 0 && auto_migrate) {
        struct run run = {.plugin = p};
        rc = run_scripts(&run, db, r.to, 0, a, error);
        if (rc >= 0 && run.applied)
            log_info("storage", "%s: schema is at version %u", p->v.name, r.to);
    }
    if (rc >= 0 && shorter)
        rc = add_newer(p, db, catalog, auto_migrate, a, error);
    return rc < 0 ? rc : verify(p, db, a, error);
}

/* -------------------------------------------------------- the command line */

static stk_status target_open(const struct migrate_target *t, stk_db **db, struct arena *a,
                              struct str *error)
{
    stk_err err = err_new();
    stk_status rc = plugin_enter(t->plugin);
    if (rc >= 0)
        rc = t->plugin->v.open(t->kv, t->nkv, t->catalog, 0, db, &err);
    if (rc < 0)
        *error = storage_err_text(a, t->plugin, rc, &err);
    return rc;
}

stk_status storage_migrate_status(const struct migrate_target *t, struct arena *a,
                                  struct migrate_line **lines, size_t *n, struct str *error)
{
    *lines = NULL;
    *n = 0;
    stk_db *db;
    stk_status rc = target_open(t, &db, a, error);
    if (rc < 0)
        return rc;
    struct report r = {.a = a, .to = t->plugin->v.nmigrations};
    rc = read_report(t->plugin, db, &r, error);
    t->plugin->v.close(db);
    *lines = r.lines;
    *n = r.n;
    return rc;
}

stk_status storage_migrate_run(const struct migrate_target *t, uint32_t to, bool dry_run,
                               migrate_step step, void *ud, struct arena *a, uint32_t *applied,
                               struct str *error)
{
    assert(step);
    const struct plugin *p = t->plugin;
    *applied = 0;
    uint32_t last = p->v.nmigrations;
    if (to > last) {
        *error = str_printf(a, "%s: there is no migration %u; plugin %s has %u", p->v.name, to,
                            p->v.version, last);
        return STK_E_CONFIG;
    }
    stk_db *db;
    stk_status rc = target_open(t, &db, a, error);
    if (rc < 0)
        return rc;
    struct report r = {.a = a, .to = last};
    struct run run = {.plugin = p, .step = step, .ud = ud};
    rc = read_report(p, db, &r, error);
    if (rc >= 0)
        rc = check_history(p, t->catalog, &r, error);
    if (rc >= 0)
        rc = run_scripts(&run, db, to ? to : last, dry_run ? STK_MIGRATE_DRY_RUN : 0, a, error);
    if (rc >= 0 && !dry_run && (to == 0 || to == last) && last >= t->catalog->version)
        rc = verify(p, db, a, error);
    *applied = run.applied;
    p->v.close(db);
    return rc;
}
