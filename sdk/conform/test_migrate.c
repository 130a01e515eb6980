/* SPDX-License-Identifier: Apache-2.0 */
/* C15 and C24: scripts and their history; ensure, verify and drop.
 *
 * The scripts are the plugin's own, so these tests need a database that has none
 * of them applied; they drop what the scripts create. */
#include "conform.h"

#include <ctype.h>
#include <strings.h>
#include <time.h>

/* --------------------------------------------------- scripts and their tables */

enum { MAX_NAMES = 200 };

static char *names[MAX_NAMES];
static size_t nnames;

static void add_name(const char *p, size_t n)
{
    for (size_t i = 0; i < nnames; i++)
        if (strlen(names[i]) == n && strncmp(names[i], p, n) == 0)
            return;
    if (nnames < MAX_NAMES)
        names[nnames++] = strndup(p, n);
}

/* Whether what precedes p, blanks and quotes aside, ends in these words. */
static bool follows(const char *text, const char *p, const char *words)
{
    size_t n = strlen(words);
    for (;;) {
        while (p > text && strchr(" \t\r\n\"`':", p[-1]))
            p--;
        const char *end = words + n;
        while (end > words && end[-1] != ' ')
            end--;
        size_t len = (size_t)(words + n - end);
        if ((size_t)(p - text) < len || strncasecmp(p - len, end, len) != 0)
            return false;
        p -= len;
        if (end == words)
            return true;
        n = (size_t)(end - words) - 1;
    }
}

/* The tables a script makes: CREATE TABLE IF NOT EXISTS st_x, "create": "st_x". */
static void find_names(const char *text)
{
    for (const char *p = text; (p = strstr(p, "st_")); p++) {
        if (p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_'))
            continue;
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (follows(text, p, "TABLE IF NOT EXISTS") || follows(text, p, "create"))
            add_name(p, n);
    }
}

static const stk_migration *script(uint32_t i)
{
    return stk_at(plug.v.migrations, plug.v.migration_size, i);
}

static stk_status drop_scripts(stk_db *db, stk_err *err)
{
    if (!nnames) {
        for (uint32_t i = 0; i < plug.v.nmigrations; i++)
            find_names(script(i)->text);
        add_name("st_schema_version", 17);
    }
    struct cat *k = cat_names(names, nnames);
    stk_status rc = plug.v.drop(db, k->c, err);
    cat_free(k);
    return rc;
}

void names_free(void);
void names_free(void)
{
    while (nnames)
        free(names[--nnames]);
}

/* ----------------------------------------------------------------- reporting */

struct report {
    uint32_t n, pending, applied, edited, unknown;
    uint32_t last;
    bool ordered, named;
    int64_t newest;
};

static void on_state(void *ud, const stk_migration_state *st)
{
    struct report *r = ud;
    r->n++;
    r->pending += st->state == STK_MIG_PENDING;
    r->applied += st->state == STK_MIG_APPLIED;
    r->edited += st->state == STK_MIG_EDITED;
    r->unknown += st->state == STK_MIG_UNKNOWN;
    r->ordered = r->ordered && st->version > r->last;
    r->named = r->named && st->name && st->name[0];
    r->last = st->version;
    if (st->applied_at > r->newest)
        r->newest = st->applied_at;
}

static struct report status(struct t *t, const stk_migration *scripts, uint32_t n)
{
    struct report r = {.ordered = true, .named = true};
    OK(plug.v.migration_status(t->on->db, scripts, n, on_state, &r, &t->err));
    CHECK(r.ordered, "versions are not reported once and in order");
    CHECK(r.named, "a version has no name");
    return r;
}

struct steps {
    uint32_t n, texts, stop_after;
};

static int32_t on_step(void *ud, const stk_progress *p)
{
    struct steps *s = ud;
    s->n++;
    s->texts += p->text != NULL;
    return s->stop_after && s->n >= s->stop_after;
}

static stk_status migrate(struct t *t, uint32_t to, uint32_t flags, struct steps *s)
{
    return plug.v.migrate(t->on->db, plug.v.migrations, plug.v.nmigrations, to, flags, on_step, s,
                          &t->err);
}

bool scripts_untouched(struct handle *h);
/* Whether none of the plugin's scripts is applied to the database. */
bool scripts_untouched(struct handle *h)
{
    struct report r = {.ordered = true, .named = true};
    stk_err err = {.size = sizeof(err)};
    if (!plug.v.migration_status)
        return false;
    stk_status rc =
        plug.v.migration_status(h->db, plug.v.migrations, plug.v.nmigrations, on_state, &r, &err);
    return rc >= 0 && r.applied == 0 && r.edited == 0 && r.unknown == 0;
}

static void need_scripts(struct t *t, uint32_t n)
{
    if (plug.v.nmigrations < n)
        t_skip(t, "%u scripts, needs %u", plug.v.nmigrations, n);
    if (!scripts_untouched(t->on))
        FAIL("scripts are applied to this database: give an empty one, or --wipe");
}

/* ----------------------------------------------------------------------- C15 */

static void before_any(struct t *t)
{
    need_scripts(t, 0);
    struct report r = status(t, plug.v.migrations, plug.v.nmigrations);
    CHECK(r.n == plug.v.nmigrations && r.pending == r.n, "%u of %u scripts are pending", r.pending,
          plug.v.nmigrations);
    struct steps s = {0};
    OK(migrate(t, plug.v.nmigrations, STK_MIGRATE_DRY_RUN, &s));
    CHECK(s.n == r.n && s.texts == r.n, "a dry run shows %u scripts and %u texts", s.n, s.texts);
    r = status(t, plug.v.migrations, plug.v.nmigrations);
    CHECK(r.pending == r.n, "a dry run applied scripts");
    s = (struct steps){0};
    EXPECT(migrate(t, plug.v.nmigrations, 0x40, &s), STK_E_UNSUPPORTED);
}

static void in_steps(struct t *t)
{
    need_scripts(t, 2);
    uint32_t n = plug.v.nmigrations;
    struct steps s = {0};
    OK(migrate(t, 1, 0, &s));
    struct report r = status(t, plug.v.migrations, n);
    CHECK(s.n == 1 && r.applied == 1 && r.pending == n - 1, "up to 1: %u steps, %u applied", s.n,
          r.applied);
    if (n > 2) {
        s = (struct steps){.stop_after = 1};
        EXPECT(migrate(t, n, 0, &s), STK_E_ABORTED);
        r = status(t, plug.v.migrations, n);
        CHECK(r.applied == 2, "stopped after one more, %u are applied", r.applied);
    }
    s = (struct steps){0};
    OK(migrate(t, n, 0, &s));
    OK(drop_scripts(t->on->db, &t->err));
    CHECK(scripts_untouched(t->on), "dropping did not forget the history");
}

enum { CHILD_BASE = 100 };

int child_migrate(void)
{
    struct cat *k = cat_new();
    struct handle h;
    stk_err err = {.size = sizeof(err)};
    struct steps s = {0};
    stk_status rc = h_open(&h, k, STK_OPEN_SCRATCH, &err);
    if (rc >= 0) {
        rc = plug.v.migrate(h.db, plug.v.migrations, plug.v.nmigrations, plug.v.nmigrations, 0,
                            on_step, &s, &err);
        h_close(&h);
    }
    cat_free(k);
    if (rc < 0)
        fprintf(stderr, "migrating at once: %s: %s\n", status_name(rc), err.msg);
    return rc < 0 ? 1 : CHILD_BASE + (int)s.n;
}

static void by_many(struct t *t)
{
    need_scripts(t, 1);
    enum { CHILDREN = 4 };
    int pid[CHILDREN], steps = 0;
    for (int i = 0; i < CHILDREN; i++)
        pid[i] = child_start("migrate");
    for (int i = 0; i < CHILDREN; i++) {
        int rc = child_wait(pid[i]);
        CHECK(rc >= CHILD_BASE, "process %d of %d that migrate at once fails (%d)", i, CHILDREN,
              rc);
        steps += rc - CHILD_BASE;
    }
    struct report r = status(t, plug.v.migrations, plug.v.nmigrations);
    if (r.applied == 0 && steps == CHILDREN * (int)plug.v.nmigrations) {
        struct steps own = {0};
        OK(migrate(t, plug.v.nmigrations, 0, &own));
        t_skip(t, "this database is each process's own");
    }
    CHECK(steps == (int)plug.v.nmigrations, "%u scripts were applied %d times", plug.v.nmigrations,
          steps);
    CHECK(r.applied == plug.v.nmigrations, "%u of %u scripts are recorded", r.applied,
          plug.v.nmigrations);
}

static void need_applied(struct t *t)
{
    if (plug.v.nmigrations == 0)
        t_skip(t, "no scripts");
    struct report r = status(t, plug.v.migrations, plug.v.nmigrations);
    if (r.applied == plug.v.nmigrations)
        return;
    struct steps s = {0};
    OK(migrate(t, plug.v.nmigrations, 0, &s));
}

static void twice(struct t *t)
{
    need_applied(t);
    struct steps s = {0};
    OK(migrate(t, plug.v.nmigrations, 0, &s));
    CHECK(s.n == 0, "a second migrate() applied %u scripts", s.n);
    struct report r = status(t, plug.v.migrations, plug.v.nmigrations);
    int64_t now = (int64_t)time(NULL) * 1000;
    CHECK(r.newest > now - 3600000 && r.newest < now + 60000, "applied_at is not of the last hour");
    OK(migrate(t, plug.v.nmigrations, STK_MIGRATE_DRY_RUN, &s));
    CHECK(s.n == 0, "a dry run with nothing to do shows %u scripts", s.n);
}

/* A copy of the plugin's scripts in its own stride, to be changed. */
static stk_migration *copied(struct t *t)
{
    size_t n = (size_t)plug.v.nmigrations * plug.v.migration_size;
    void *p = stk_alloc(&t->mem.abi, n + 1);
    memcpy(p, plug.v.migrations, n);
    return p;
}

static void edited(struct t *t)
{
    need_applied(t);
    stk_migration *m = copied(t);
    char *text = stk_alloc(&t->mem.abi, m->text_len + 16);
    memcpy(text, m->text, m->text_len);
    memcpy(text + m->text_len, "\n-- edited\n", 12);
    m->text = text;
    m->text_len += 11;
    m->sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct report r = status(t, m, plug.v.nmigrations);
    CHECK(r.edited == 1 && r.applied == plug.v.nmigrations - 1, "%u edited and %u applied",
          r.edited, r.applied);
    struct steps s = {0};
    stk_status rc = plug.v.migrate(t->on->db, m, plug.v.nmigrations, plug.v.nmigrations, 0, on_step,
                                   &s, &t->err);
    EXPECT(rc, STK_E_SCHEMA);
    CHECK(s.n == 0, "scripts were applied to an edited history");
    CHECK(strstr(t->err.msg, m->name), "the message does not name %s: %s", m->name, t->err.msg);
}

static void newer(struct t *t)
{
    need_applied(t);
    uint32_t n = plug.v.nmigrations - 1;
    struct report r = status(t, plug.v.migrations, n);
    CHECK(r.n == n + 1 && r.unknown == 1 && r.applied == n,
          "a version of a newer plugin: %u unknown, %u applied", r.unknown, r.applied);
}

static void scripts_dropped(struct t *t)
{
    need_applied(t);
    OK(drop_scripts(t->on->db, &t->err));
    CHECK(scripts_untouched(t->on), "dropping did not forget the history");
}

/* ----------------------------------------------------------------------- C24 */

static void ensured_twice(struct t *t)
{
    OK(plug.v.verify(t->on->db, &t->err));
    ONE(Q_kv_put, APP, S("a"), S("kept"), I(1));
    OK(plug.v.ensure(t->on->db, t->on->cat->c, &t->err));
    OK(plug.v.verify(t->on->db, &t->err));
    CHECK(ONE(Q_kv_get, APP, S("a"))->result->nrows == 1, "ensure() lost a row");
}

static const uint16_t by_n[] = {EV_APP, EV_N};

static void add_new_table(struct cat *k)
{
    cat_add_table(k, "st_conform_new");
}
static void add_new_col(struct cat *k)
{
    cat_add_col(k, T_EVENT, "added");
}
static void add_new_key(struct cat *k)
{
    cat_add_index(k, T_EVENT, "by_n", by_n, 2);
}

/* What is missing is named, then made by ensure(). */
static void missing(struct t *t, void (*add)(struct cat *k), const char *name, bool may_add)
{
    struct cat *k = cat_new();
    add(k);
    struct handle h;
    stk_status rc = h_open(&h, k, STK_OPEN_SCRATCH, &t->err);
    bool named = false;
    stk_status ensure = STK_OK, after = STK_OK;
    if (rc >= 0) {
        rc = plug.v.verify(h.db, &t->err);
        named = strstr(t->err.msg, name) != NULL;
        if (rc == STK_E_SCHEMA && may_add) {
            ensure = plug.v.ensure(h.db, k->c, &t->err);
            after = ensure >= 0 ? plug.v.verify(h.db, &t->err) : STK_OK;
        }
        h_close(&h);
    }
    cat_free(k);
    EXPECT(rc, STK_E_SCHEMA);
    CHECK(named, "verify() does not name %s: %s", name, t->err.msg);
    OK(ensure);
    OK(after);
}

static void missing_named(struct t *t)
{
    ONE(Q_ev_insert, APP, I(1), S("a"), NUL, I(5));
    missing(t, add_new_table, "st_conform_new", true);
    missing(t, add_new_col, "added", (plug.v.caps & STK_CAP_AUTO_SCHEMA) != 0);
    missing(t, add_new_key, "st_conform_event", true);
    char new_table[] = "st_conform_new", *list[] = {new_table};
    struct cat *k = cat_names(list, 1);
    stk_status rc = plug.v.drop(t->on->db, k->c, &t->err);
    cat_free(k);
    OK(rc);
    /* What is more than the catalogue is fine. */
    OK(plug.v.verify(t->on->db, &t->err));
    CHECK(ONE(Q_ev_asc, APP, I(9))->result->nrows == 1, "ensure() lost a row");
}

static void drop_needs_scratch(struct t *t)
{
    ONE(Q_kv_put, APP, S("a"), S("kept"), I(1));
    struct cat *k = cat_new();
    struct handle h;
    stk_status rc = h_open(&h, k, 0, &t->err), dropped = STK_OK;
    if (rc >= 0) {
        dropped = plug.v.drop(h.db, k->c, &t->err);
        h_close(&h);
    }
    cat_free(k);
    OK(rc);
    EXPECT(dropped, STK_E_INVALID);
    CHECK(ONE(Q_kv_get, APP, S("a"))->result->nrows == 1, "drop() dropped");
}

static void table_not_there(struct t *t)
{
    struct cat *k = cat_new();
    cat_table(k, T_WIDE)->name = "st_conform_absent";
    struct handle h, *before = t->on;
    stk_status rc = h_open(&h, k, STK_OPEN_SCRATCH, &t->err), read = STK_OK;
    if (rc >= 0) {
        t->on = &h;
        ADD(Q_wi_get, S("a"));
        read = EXEC();
        t->on = before;
        h_close(&h);
    }
    cat_free(k);
    OK(rc);
    EXPECT(read, STK_E_SCHEMA);
}

extern const struct test migrate_tests[];
const struct test migrate_tests[] = {
    {"C15.1", "on an empty database all scripts are pending; a dry run applies none", before_any},
    {"C15.2", "scripts are applied up to a version, and stop when told", in_steps},
    {"C15.3", "processes that migrate at once: each script is applied once", by_many},
    {"C15.4", "migrating again does nothing", twice},
    {"C15.5", "an edited script is EDITED and refused by name", edited},
    {"C15.6", "a version of a newer plugin is UNKNOWN", newer},
    {"C15.7", "the history goes with its tables", scripts_dropped},
    {"C24.1", "ensure() twice keeps rows, verify() accepts", ensured_twice},
    {"C24.2", "verify() names what is missing, ensure() adds it", missing_named},
    {"C24.3", "drop() is refused unless opened as scratch", drop_needs_scratch},
    {"C24.4", "a query of a table that is not there is SCHEMA", table_not_there},
    {0},
};

void wipe_scripts(stk_db *db);
void wipe_scripts(stk_db *db)
{
    stk_err err = {.size = sizeof(err)};
    if (drop_scripts(db, &err) < 0)
        fprintf(stderr, "supertokens-plugin-test: --wipe: %s\n", err.msg);
}
