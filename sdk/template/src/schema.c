/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as the catalogue wants them, and the scripts that make them.
 *
 * This store needs no DDL, so its one kind of script is {"create_up_to": N}: all
 * that the catalogue has of version N and older.  Yours will hold real tables.
 * (A database records what was applied in the table st_schema_version.) */
#include "template.h"

struct table *schema_find(const struct database *d, const char *name)
{
    struct table *t = d->tables;
    while (t && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

uint16_t schema_column(const struct table *t, const char *name)
{
    for (uint16_t i = 0; i < t->ncols; i++)
        if (strcmp(t->cols[i].name, name) == 0)
            return i;
    return STK_NONE;
}

static bool has_key(const struct table *t, const char *name)
{
    for (uint16_t i = 0; i < t->nkeys; i++)
        if (strcmp(t->keys[i].name, name) == 0)
            return true;
    return false;
}

void schema_free(struct database *d, struct table *t)
{
    struct table **p = &d->tables;
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    for (uint32_t i = 0; i < t->n; i++)
        free(t->rows[i]);
    free(t->rows);
    free(t);
}

/* Adds what the table lacks of what the catalogue has since `to` or before. */
static stk_status create(struct database *d, const stk_catalog *c, const stk_table *l, uint32_t to,
                         stk_err *err)
{
    struct table *t = schema_find(d, l->name);
    if (l->since > to)
        return STK_OK;
    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t)
            return stk_err_nomem(err);
        snprintf(t->name, MAX_NAME, "%s", l->name);
        t->next = d->tables;
        d->tables = t;
    }
    for (uint16_t i = 0; i < l->ncols; i++) {
        const stk_col *col = cat_col(c, l, i);
        if (col->since > to || schema_column(t, col->name) != STK_NONE)
            continue;
        if (t->ncols == MAX_COLS)
            return stk_err_set(err, STK_E_SCHEMA, PLUGIN_NAME ": %s has too many columns", l->name);
        struct column *new = &t->cols[t->ncols++];
        snprintf(new->name, MAX_NAME, "%s", col->name);
        new->type = col->type;
        new->flags = col->flags;
    }
    for (uint16_t i = 0; i < l->nkeys; i++) {
        const stk_key *key = cat_key(c, l, i);
        if (key->since > to || has_key(t, key->name))
            continue;
        if (t->nkeys == MAX_KEYS)
            return stk_err_set(err, STK_E_SCHEMA, PLUGIN_NAME ": %s has too many keys", l->name);
        struct key *new = &t->keys[t->nkeys++];
        snprintf(new->name, MAX_NAME, "%s", key->name);
        new->kind = key->kind;
        new->ncols = key->ncols;
        for (uint16_t k = 0; k < key->ncols; k++)
            new->cols[k] = schema_column(t, cat_col(c, l, key->cols[k])->name);
    }
    return STK_OK;
}

static stk_status create_all(struct database *d, const stk_catalog *c, uint32_t to, stk_err *err)
{
    stk_status rc = STK_OK;
    for (unsigned i = 0; rc >= 0 && i < c->ntables; i++)
        rc = create(d, c, cat_table(c, i), to, err);
    return rc;
}

stk_status schema_ensure(stk_db *db, const stk_catalog *c, stk_err *err)
{
    stk_status rc = check_catalog(c, err);
    if (rc >= 0)
        rc = db_enter(db, true, 0, err);
    if (rc < 0)
        return rc;
    rc = create_all(db->d, c, UINT32_MAX, err);
    db_leave(db, true);
    return rc;
}

static stk_status missing(stk_err *err, const char *what, const char *table, const char *name)
{
    return stk_err_set(err, STK_E_SCHEMA, PLUGIN_NAME ": %s %s%s%s is missing", what, table,
                       *name ? "." : "", name);
}

static stk_status verify_table(const stk_db *db, const stk_table *l, stk_err *err)
{
    const stk_catalog *c = db->catalog;
    const struct table *t = schema_find(db->d, l->name);
    if (!t)
        return missing(err, "table", l->name, "");
    for (unsigned i = 0; i < l->ncols; i++)
        if (schema_column(t, cat_col(c, l, i)->name) == STK_NONE)
            return missing(err, "column", l->name, cat_col(c, l, i)->name);
    for (unsigned i = 0; i < l->nkeys; i++)
        if (!has_key(t, cat_key(c, l, i)->name))
            return missing(err, "key", l->name, cat_key(c, l, i)->name);
    return STK_OK;
}

stk_status schema_verify(stk_db *db, stk_err *err)
{
    stk_status rc = db_enter(db, false, 0, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; rc >= 0 && i < db->catalog->ntables; i++)
        rc = verify_table(db, cat_table(db->catalog, i), err);
    db_leave(db, false);
    return rc;
}

stk_status schema_drop(stk_db *db, const stk_catalog *c, stk_err *err)
{
    if (!(db->flags & STK_OPEN_SCRATCH))
        return stk_err_set(err, STK_E_INVALID, PLUGIN_NAME ": drop() without STK_OPEN_SCRATCH");
    stk_status rc = db_enter(db, true, 0, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < c->ntables; i++) {
        const char *name = cat_table(c, i)->name;
        struct table *t = schema_find(db->d, name);
        if (t)
            schema_free(db->d, t);
        if (strcmp(name, "st_schema_version") == 0)
            db->d->nhistory = 0;
    }
    db_leave(db, true);
    return STK_OK;
}

/* -------------------------------------------------------------- migrations */

static struct history *recorded(struct database *d, uint32_t version)
{
    for (uint32_t i = 0; i < d->nhistory; i++)
        if (d->history[i].version == version)
            return &d->history[i];
    return NULL;
}

static bool edited(const struct history *h, const stk_migration *m)
{
    return strcmp(h->sha256, m->sha256) != 0;
}

stk_status schema_status(stk_db *db, const stk_migration *scripts, size_t n,
                         void (*emit)(void *, const stk_migration_state *), void *ud, stk_err *err)
{
    stk_status rc = db_enter(db, false, 0, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        const struct history *h = recorded(db->d, scripts[i].version);
        stk_migration_state st = {.size = sizeof(st),
                                  .version = scripts[i].version,
                                  .state = STK_MIG_PENDING,
                                  .name = scripts[i].name};
        if (h) {
            st.state = edited(h, &scripts[i]) ? STK_MIG_EDITED : STK_MIG_APPLIED;
            st.applied_at = h->applied_at;
        }
        emit(ud, &st);
    }
    for (uint32_t i = 0; i < db->d->nhistory; i++) {
        const struct history *h = &db->d->history[i];
        const stk_migration_state st = {.size = sizeof(st),
                                        .version = h->version,
                                        .state = STK_MIG_UNKNOWN, /* a newer plugin's */
                                        .compat = 1,
                                        .applied_at = h->applied_at,
                                        .name = h->name};
        if (h->version > n)
            emit(ud, &st);
    }
    db_leave(db, false);
    return STK_OK;
}

static stk_status apply(stk_db *db, const stk_migration *m, stk_err *err)
{
    static const char start[] = "{\"create_up_to\": ";
    struct database *d = db->d;
    char *end = NULL;
    uint32_t to = 0;
    if (strncmp(m->text, start, sizeof(start) - 1) == 0)
        to = (uint32_t)strtoul(m->text + sizeof(start) - 1, &end, 10);
    if (!end || *end != '}' || d->nhistory == MAX_HISTORY)
        return stk_err_set(err, STK_E_SCHEMA,
                           PLUGIN_NAME ": script %s is not {\"create_up_to\": N}", m->name);
    stk_status rc = create_all(d, db->catalog, to, err);
    if (rc < 0)
        return rc;
    struct history *h = &d->history[d->nhistory++];
    *h = (struct history){.version = m->version, .applied_at = host->time_ms(host->ctx)};
    snprintf(h->name, sizeof(h->name), "%s", m->name);
    snprintf(h->sha256, sizeof(h->sha256), "%s", m->sha256);
    return STK_OK;
}

static stk_status migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to, bool dry,
                          stk_progress_fn progress, void *ud, stk_err *err)
{
    stk_progress pr = {.size = sizeof(pr)};
    for (size_t i = 0; i < n; i++) {
        const struct history *h = recorded(db->d, scripts[i].version);
        if (h && edited(h, &scripts[i]))
            return stk_err_set(err, STK_E_SCHEMA,
                               PLUGIN_NAME ": migration %s was changed after it was applied. Put "
                                           "the old script back",
                               scripts[i].name);
        pr.nsteps += !h && scripts[i].version <= to;
    }
    for (size_t i = 0; i < n; i++) {
        if (scripts[i].version > to || recorded(db->d, scripts[i].version))
            continue;
        pr.version = scripts[i].version;
        pr.step++;
        pr.name = scripts[i].name;
        pr.text = dry ? scripts[i].text : NULL;
        bool stop = progress && progress(ud, &pr) != 0;
        stk_status rc = dry ? STK_OK : apply(db, &scripts[i], err);
        if (rc < 0)
            return rc;
        if (stop && pr.step < pr.nsteps)
            return stk_err_set(err, STK_E_ABORTED, PLUGIN_NAME ": stopped after %s", pr.name);
    }
    return STK_OK;
}

stk_status schema_migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    if (flags & ~(uint32_t)STK_MIGRATE_DRY_RUN)
        return stk_err_set(err, STK_E_UNSUPPORTED, PLUGIN_NAME ": an unknown flag of migrate()");
    stk_status rc = db_enter(db, true, 0, err); /* one applies, others wait (C15) */
    if (rc < 0)
        return rc;
    rc = migrate(db, scripts, n, to, (flags & STK_MIGRATE_DRY_RUN) != 0, progress, ud, err);
    db_leave(db, true);
    return rc;
}
