/* SPDX-License-Identifier: Apache-2.0 */
/* The migration runner.  The history is first read without a lock, so that a
 * start with nothing to do locks nothing; under the lock it is read again, for
 * another core or a person may have been quicker. */
#include <stdlib.h>
#include <strings.h>

#include "stk_migrate.h"
#include "stk_sdk.h"

struct row {
    uint32_t version, compat;
    int64_t applied_at;
    char *name, *sha256;
};

struct history {
    struct row *rows;
    size_t n, cap;
};

static void history_clear(struct history *h)
{
    for (size_t i = 0; i < h->n; i++) {
        free(h->rows[i].name);
        free(h->rows[i].sha256);
    }
    free(h->rows);
    memset(h, 0, sizeof *h);
}

static stk_status add_row(void *ud, const struct stk_migrate_row *r)
{
    struct history *h = ud;
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 32;
        struct row *p = realloc(h->rows, cap * sizeof *p);
        if (!p)
            return STK_E_NOMEM;
        h->rows = p;
        h->cap = cap;
    }
    struct row *to = &h->rows[h->n];
    *to = (struct row){.version = r->version, .compat = r->compat, .applied_at = r->applied_at};
    to->name = strdup(r->name ? r->name : "");
    to->sha256 = r->sha256 ? strdup(r->sha256) : NULL;
    h->n++;
    return to->name && (to->sha256 || !r->sha256) ? STK_OK : STK_E_NOMEM;
}

stk_status stk_migrate_cells(const char *const cells[5], stk_migrate_row_fn row, void *rud)
{
    const struct stk_migrate_row r = {.version = (uint32_t)strtoul(cells[0], NULL, 10),
                                      .compat = (uint32_t)strtoul(cells[1], NULL, 10),
                                      .applied_at = strtoll(cells[2], NULL, 10),
                                      .name = cells[3],
                                      .sha256 = cells[4]};
    return row(rud, &r);
}

static stk_status load(const struct stk_migrate *m, struct history *h, stk_err *err)
{
    history_clear(h);
    bool exists = false;
    stk_status rc = m->ops->exists(m->ud, &exists, err);
    if (!rc && exists)
        rc = m->ops->read(m->ud, add_row, h, err);
    if (rc == STK_E_NOMEM)
        stk_err_nomem(err);
    return rc;
}

static const struct row *find(const struct history *h, uint32_t version)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->rows[i].version == version)
            return &h->rows[i];
    return NULL;
}

static bool edited(const struct row *r, const stk_migration *s)
{
    return r->sha256 && strcasecmp(r->sha256, s->sha256) != 0;
}

/* ------------------------------------------------------------------ status */

static stk_status start(const struct stk_migrate *m, stk_err *err)
{
    return m->ops->start ? m->ops->start(m->ud, err) : STK_OK;
}

static void stop(const struct stk_migrate *m, stk_status rc)
{
    if (m->ops->stop)
        m->ops->stop(m->ud, rc);
}

static stk_status report(const struct stk_migrate *m,
                         void (*emit)(void *ud, const stk_migration_state *), void *ud,
                         stk_err *err)
{
    struct history h = {0};
    stk_status rc = load(m, &h, err);
    for (size_t i = 0; !rc && i < m->nscripts; i++) {
        const struct row *r = find(&h, m->scripts[i].version);
        stk_migration_state st = {.size = sizeof st,
                                  .version = m->scripts[i].version,
                                  .state = STK_MIG_PENDING,
                                  .name = m->scripts[i].name};
        if (r) {
            st.state = edited(r, &m->scripts[i]) ? STK_MIG_EDITED : STK_MIG_APPLIED;
            st.compat = r->compat;
            st.applied_at = r->applied_at;
        }
        emit(ud, &st);
    }
    for (size_t i = 0; !rc && i < h.n; i++) {
        if (h.rows[i].version <= m->nscripts)
            continue;
        stk_migration_state st = {.size = sizeof st,
                                  .version = h.rows[i].version,
                                  .state = STK_MIG_UNKNOWN,
                                  .compat = h.rows[i].compat,
                                  .applied_at = h.rows[i].applied_at,
                                  .name = h.rows[i].name};
        emit(ud, &st);
    }
    history_clear(&h);
    return rc;
}

stk_status stk_migrate_status(const struct stk_migrate *m,
                              void (*emit)(void *ud, const stk_migration_state *), void *ud,
                              stk_err *err)
{
    stk_status rc = start(m, err);
    if (rc)
        return rc;
    rc = report(m, emit, ud, err);
    stop(m, rc);
    return rc;
}

/* ------------------------------------------------------------------ checks */

static stk_status history_edited(const struct stk_migrate *m, const stk_migration *s,
                                 const struct row *r, stk_err *err)
{
    const char *forget = m->forget ? m->forget
                                   : "UPDATE " STK_MIGRATE_TABLE
                                     " SET sha256 = NULL WHERE version = %u;";
    const char *at = strstr(forget, "%u");
    return stk_err_set(err, STK_E_SCHEMA,
                       "%s: migration %s was edited after it had been applied (recorded sha256 "
                       "%.12s, the script has %.12s). Restore the script of this release; write "
                       "changes as a new script. If what was run is known to be equal: %.*s%u%s",
                       m->plugin, s->name, r->sha256, s->sha256, (int)(at - forget), forget,
                       s->version, at + 2);
}

static stk_status history_gap(const struct stk_migrate *m, const stk_migration *s, uint32_t newest,
                              stk_err *err)
{
    char hint[256] = "Run it by hand.";
    if (m->manual) {
        size_t n = (size_t)snprintf(hint, sizeof hint, "Run it by hand: ");
        const char *at = strstr(m->manual, "%s");
        if (at)
            snprintf(hint + n, sizeof hint - n, "%.*s%s%s", (int)(at - m->manual), m->manual,
                     s->name, at + 2);
    }
    return stk_err_set(err, STK_E_SCHEMA,
                       "%s: migration %s is not recorded in " STK_MIGRATE_TABLE
                       " although version %u is: the history is half-applied. %s",
                       m->plugin, s->name, newest, hint);
}

static stk_status check(const struct stk_migrate *m, const struct history *h, stk_err *err)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct row *r = &h->rows[i];
        if (r->version > newest)
            newest = r->version;
        if (r->version > m->nscripts && r->compat > m->catalog_version)
            return stk_err_set(err, STK_E_SCHEMA,
                               "%s: the database was migrated to version %u (%s), which needs a "
                               "core that knows version %u or newer; this one knows %u. Start "
                               "the newer core.",
                               m->plugin, r->version, r->name, r->compat, m->catalog_version);
    }
    for (size_t i = 0; i < m->nscripts; i++) {
        const struct row *r = find(h, m->scripts[i].version);
        if (r && edited(r, &m->scripts[i]))
            return history_edited(m, &m->scripts[i], r, err);
        if (!r && m->scripts[i].version < newest)
            return history_gap(m, &m->scripts[i], newest, err);
    }
    return STK_OK;
}

/* --------------------------------------------------------------------- run */

static bool starts_with_word(const char *s, const char *e, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(e - s) > n && strncasecmp(s, word, n) == 0 && (s[n] == ';' || s[n] == ' ');
}

void stk_migrate_body(const char *text, size_t len, const char **body, size_t *body_len)
{
    const char *s = text, *end = text + len, *from = NULL, *to = end;
    bool may_lock = false;
    while (s < end) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        const char *next = nl ? nl + 1 : end;
        const char *p = s;
        while (p < next && (*p == ' ' || *p == '\t'))
            p++;
        bool blank = p >= next || *p == '\n' || *p == '\r' || (next - p > 1 && !memcmp(p, "--", 2));
        if (!blank && !from) {
            if (!starts_with_word(p, next, "BEGIN"))
                break; /* no frame */
            from = next;
            may_lock = true;
        } else if (!blank && may_lock) {
            may_lock = false;
            if (memmem(p, (size_t)(next - p), "pg_advisory_xact_lock", 21))
                from = next;
        }
        if (!blank && from && starts_with_word(p, next, "COMMIT"))
            to = s;
        s = next;
    }
    *body = from ? from : text;
    *body_len = from ? (size_t)(to - from) : len;
}

/* Puts the script's name before the driver's message. */
static stk_status script_failed(const struct stk_migrate *m, const stk_migration *s, stk_status rc,
                                stk_err *err)
{
    if (!err)
        return rc;
    stk_err cause = *err;
    size_t skip = strlen(m->plugin);
    const char *msg = cause.msg;
    if (strncmp(msg, m->plugin, skip) == 0 && msg[skip] == ':')
        msg += skip + 1;
    while (*msg == ' ')
        msg++;
    stk_err_set(err, rc, "%s: migration %s failed: %s", m->plugin, s->name, msg);
    err->native = cause.native;
    memcpy(err->sqlstate, cause.sqlstate, sizeof err->sqlstate);
    return rc;
}

static stk_status set_missing_shas(const struct stk_migrate *m, const struct history *h,
                                   stk_err *err)
{
    stk_status rc = STK_OK;
    for (size_t i = 0; !rc && i < m->nscripts; i++) {
        const struct row *r = find(h, m->scripts[i].version);
        if (!r || r->sha256)
            continue;
        rc = m->ops->set_sha(m->ud, r->version, m->scripts[i].sha256, err);
        if (!rc)
            stk_logf(m->host, STK_LOG_DEBUG, m->plugin, "recorded the sha256 of migration %s",
                     m->scripts[i].name);
    }
    return rc;
}

/* The caller's progress callback. */
struct teller {
    stk_progress_fn fn;
    void *ud;
    stk_progress p;
    bool stop;
};

static void tell(struct teller *t)
{
    if (t && t->fn && t->fn(t->ud, &t->p))
        t->stop = true;
}

/* One locked unit: applies script s if it is still pending (NULL: none), and
 * stores the hashes that are missing.  Only who really applies it tells. */
static stk_status apply(const struct stk_migrate *m, const stk_migration *s, struct teller *t,
                        stk_err *err)
{
    struct history h = {0};
    stk_status rc = m->ops->begin(m->ud, err);
    if (rc)
        return rc;
    rc = load(m, &h, err);
    if (!rc)
        rc = check(m, &h, err);
    if (!rc && s && !find(&h, s->version)) {
        const char *body;
        size_t len;
        stk_migrate_body(s->text, s->text_len, &body, &len);
        tell(t);
        rc = m->ops->script(m->ud, s, body, len, err);
        if (rc)
            script_failed(m, s, rc, err);
        else
            rc = load(m, &h, err);
        if (!rc && !find(&h, s->version))
            rc = stk_err_set(err, STK_E_SCHEMA,
                             "%s: migration %s did not record version %u in " STK_MIGRATE_TABLE
                             ". Restore the script of this release.",
                             m->plugin, s->name, s->version);
    }
    if (!rc)
        rc = set_missing_shas(m, &h, err);
    history_clear(&h);
    if (rc) {
        m->ops->end(m->ud, false, NULL);
        return rc;
    }
    return m->ops->end(m->ud, true, err);
}

static bool pending(const struct history *h, const stk_migration *s, uint32_t to)
{
    return s->version <= to && !find(h, s->version);
}

static stk_status run_pending(const struct stk_migrate *m, const struct history *h, uint32_t to,
                              uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    bool dry = flags & STK_MIGRATE_DRY_RUN;
    struct teller t = {.fn = progress, .ud = ud, .p = {.size = sizeof t.p}};
    for (size_t i = 0; i < m->nscripts; i++)
        t.p.nsteps += pending(h, &m->scripts[i], to);
    for (size_t i = 0; i < m->nscripts; i++) {
        const stk_migration *s = &m->scripts[i];
        if (!pending(h, s, to))
            continue;
        t.p.step++;
        t.p.version = s->version;
        t.p.name = s->name;
        t.p.text = dry ? s->text : NULL;
        stk_status rc = STK_OK;
        if (dry)
            tell(&t);
        else
            rc = apply(m, s, &t, err);
        if (rc)
            return rc;
        if (t.stop && t.p.step < t.p.nsteps)
            return stk_err_set(err, STK_E_ABORTED, "%s: stopped after migration %s as asked",
                               m->plugin, s->name);
    }
    return STK_OK;
}

static stk_status run(const struct stk_migrate *m, uint32_t to, uint32_t flags,
                      stk_progress_fn progress, void *ud, stk_err *err)
{
    struct history h = {0};
    stk_status rc = load(m, &h, err);
    if (!rc)
        rc = check(m, &h, err);
    if (!rc)
        rc = run_pending(m, &h, to, flags, progress, ud, err);
    if (!rc && !(flags & STK_MIGRATE_DRY_RUN)) {
        /* Where no script was pending, hashes of hand-run ones may be missing. */
        bool missing = false, ran = false;
        for (size_t i = 0; i < m->nscripts; i++) {
            const struct row *r = find(&h, m->scripts[i].version);
            missing = missing || (r && !r->sha256);
            ran = ran || pending(&h, &m->scripts[i], to);
        }
        if (missing && !ran)
            rc = apply(m, NULL, NULL, err);
    }
    history_clear(&h);
    return rc;
}

stk_status stk_migrate_run(const struct stk_migrate *m, uint32_t to, uint32_t flags,
                           stk_progress_fn progress, void *ud, stk_err *err)
{
    if (flags & ~(uint32_t)STK_MIGRATE_DRY_RUN)
        return stk_err_set(err, STK_E_UNSUPPORTED, "%s: an unknown migration flag", m->plugin);
    stk_status rc = start(m, err);
    if (rc)
        return rc;
    rc = run(m, to, flags, progress, ud, err);
    stop(m, rc);
    return rc;
}
