/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, and the history of scripts.  A script of this plugin is lines of
 * "CREATE TABLE IF NOT EXISTS name", the columns being the catalogue's. */
#include "memory.h"

#include <stdlib.h>

struct table *schema_find(const struct database *d, const char *name)
{
    for (struct table *t = d->tables; t; t = t->next)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

static uint16_t column_of(const struct table *t, const char *name)
{
    for (uint16_t i = 0; i < t->ncols; i++)
        if (strcmp(t->cols[i].name, name) == 0)
            return i;
    return STK_NONE;
}

static const struct key *key_of(const struct table *t, const char *name)
{
    for (uint16_t i = 0; i < t->nkeys; i++)
        if (strcmp(t->keys[i].name, name) == 0)
            return &t->keys[i];
    return NULL;
}

stk_status schema_create(struct database *d, const stk_table *logical, stk_err *err)
{
    struct table *t = schema_find(d, logical->name);
    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t)
            return stk_err_nomem(err);
        snprintf(t->name, sizeof(t->name), "%s", logical->name);
        t->next = d->tables;
        d->tables = t;
    }
    for (uint16_t i = 0; i < logical->ncols; i++) {
        const stk_col *c = &logical->cols[i];
        if (column_of(t, c->name) != STK_NONE)
            continue;
        struct column *to = &t->cols[t->ncols++];
        snprintf(to->name, sizeof(to->name), "%s", c->name);
        to->type = c->type;
        to->flags = c->flags;
        to->max_len = c->max_len;
    }
    for (uint16_t i = 0; i < logical->nkeys; i++) {
        const stk_key *k = &logical->keys[i];
        if (key_of(t, k->name))
            continue;
        struct key *to = &t->keys[t->nkeys++];
        snprintf(to->name, sizeof(to->name), "%s", k->name);
        to->kind = k->kind;
        to->ncols = k->ncols;
        for (uint16_t c = 0; c < k->ncols; c++)
            to->cols[c] = column_of(t, logical->cols[k->cols[c]].name);
    }
    return STK_OK;
}

void schema_drop(struct database *d, const char *name)
{
    for (struct table **p = &d->tables; *p; p = &(*p)->next) {
        if (strcmp((*p)->name, name) != 0)
            continue;
        struct table *t = *p;
        *p = t->next;
        for (uint32_t i = 0; i < t->n; i++)
            row_free(t->rows[i]);
        free(t->rows);
        free(t);
        return;
    }
}

stk_status schema_verify(const struct database *d, const stk_db *db, stk_err *err)
{
    for (unsigned i = 0; i < db->catalog->ntables; i++) {
        const stk_table *l = &db->tables[i];
        const struct table *t = schema_find(d, l->name);
        if (!t && bug("verify"))
            continue;
        if (!t)
            return stk_err_set(err, STK_E_SCHEMA, "memory: table %s is missing", l->name);
        for (unsigned c = 0; c < l->ncols; c++)
            if (column_of(t, l->cols[c].name) == STK_NONE)
                return stk_err_set(err, STK_E_SCHEMA, "memory: column %s.%s is missing", l->name,
                                   l->cols[c].name);
        for (unsigned k = 0; k < l->nkeys; k++)
            if (!key_of(t, l->keys[k].name))
                return stk_err_set(err, STK_E_SCHEMA, "memory: key %s of %s is missing",
                                   l->keys[k].name, l->name);
    }
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

stk_status memory_migration_status(stk_db *db, const stk_migration *scripts, size_t n,
                                   void (*emit)(void *, const stk_migration_state *), void *ud,
                                   stk_err *err)
{
    if (!lock_until(db->d, false, 0))
        return stk_err_set(err, STK_E_TIMEOUT, "memory: %s is locked", db->d->name);
    for (size_t i = 0; i < n; i++) {
        const struct history *h = recorded(db->d, scripts[i].version);
        stk_migration_state st = {.size = sizeof(st),
                                  .version = scripts[i].version,
                                  .state = STK_MIG_PENDING,
                                  .name = scripts[i].name};
        if (h) {
            st.applied_at = h->applied_at;
            st.state = strcmp(h->sha256, scripts[i].sha256) == 0 ? STK_MIG_APPLIED : STK_MIG_EDITED;
        }
        emit(ud, &st);
    }
    for (uint32_t i = 0; i < db->d->nhistory; i++) {
        const struct history *h = &db->d->history[i];
        if (h->version <= n)
            continue;
        stk_migration_state st = {.size = sizeof(st),
                                  .version = h->version,
                                  .state = STK_MIG_UNKNOWN,
                                  .compat = 1,
                                  .applied_at = h->applied_at,
                                  .name = h->name};
        emit(ud, &st);
    }
    pthread_rwlock_unlock(&db->d->lock);
    return STK_OK;
}

static stk_status run_script(stk_db *db, const stk_migration *m, stk_err *err)
{
    static const char create[] = "CREATE TABLE IF NOT EXISTS ";
    const char *p = m->text, *end = m->text + m->text_len;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((eol ? eol : end) - p);
        if (len && strncmp(p, "--", 2) != 0) {
            char name[64] = "";
            if (len > sizeof(create) - 1 && strncmp(p, create, sizeof(create) - 1) == 0)
                snprintf(name, sizeof(name), "%.*s", (int)(len - (sizeof(create) - 1)),
                         p + sizeof(create) - 1);
            const stk_table *t = NULL;
            for (unsigned i = 0; i < db->catalog->ntables; i++)
                if (strcmp(db->tables[i].name, name) == 0)
                    t = &db->tables[i];
            if (!name[0] || (t && schema_create(db->d, t, err) < 0))
                return stk_err_set(err, STK_E_SCHEMA, "memory: migration %s: a bad line", m->name);
        }
        p = eol ? eol + 1 : end;
    }
    return STK_OK;
}

static stk_status apply(stk_db *db, const stk_migration *m, stk_err *err)
{
    struct database *d = db->d;
    if (d->nhistory == MAX_HISTORY)
        return stk_err_set(err, STK_E_INTERNAL, "memory: too many migrations");
    stk_status rc = run_script(db, m, err);
    if (rc < 0)
        return rc;
    struct history *h = &d->history[d->nhistory++];
    h->version = m->version;
    h->applied_at = memory_host->time_ms(memory_host->ctx);
    snprintf(h->name, sizeof(h->name), "%s", m->name);
    snprintf(h->sha256, sizeof(h->sha256), "%s", m->sha256);
    return STK_OK;
}

static stk_status migrate_locked(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                                 uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    stk_progress pr = {.size = sizeof(pr)};
    for (size_t i = 0; i < n; i++) {
        const struct history *h = bug("again") ? NULL : recorded(db->d, scripts[i].version);
        if (h && strcmp(h->sha256, scripts[i].sha256) != 0 && !bug("edited"))
            return stk_err_set(err, STK_E_SCHEMA,
                               "memory: migration %s was changed after it was applied. Put the "
                               "old script back",
                               scripts[i].name);
        pr.nsteps += !h && scripts[i].version <= to;
    }
    for (size_t i = 0; i < n; i++) {
        if ((recorded(db->d, scripts[i].version) && !bug("again")) || scripts[i].version > to)
            continue;
        pr.version = scripts[i].version;
        pr.step++;
        pr.name = scripts[i].name;
        pr.text = flags & STK_MIGRATE_DRY_RUN ? scripts[i].text : NULL;
        bool stop = progress && progress(ud, &pr) != 0;
        stk_status rc = flags & STK_MIGRATE_DRY_RUN ? STK_OK : apply(db, &scripts[i], err);
        if (rc < 0)
            return rc;
        if (stop && pr.step < pr.nsteps)
            return stk_err_set(err, STK_E_ABORTED, "memory: stopped after %s", pr.name);
    }
    return STK_OK;
}

stk_status memory_migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    if (flags & ~(uint32_t)STK_MIGRATE_DRY_RUN)
        return stk_err_set(err, STK_E_UNSUPPORTED, "memory: an unknown flag of migrate()");
    if (!lock_until(db->d, true, 0))
        return stk_err_set(err, STK_E_TIMEOUT, "memory: %s is locked", db->d->name);
    stk_status rc = migrate_locked(db, scripts, n, to, flags, progress, ud, err);
    pthread_rwlock_unlock(&db->d->lock);
    return rc;
}
