/* SPDX-License-Identifier: Apache-2.0 */
/* Opening storages: shared by identity, tried again, migrated, refused. */
#include "storage_fixture.h"

#include "base/mem.h"

#include <pthread.h>

static struct open_how once = {.auto_migrate = true};

static int bare_setup(void **state)
{
    *state = fx_new(3);
    return 0;
}

static void says(const struct fix *f, const char *text)
{
    if (!str_has(f->error, text))
        fail_msg("\"%s\" does not say \"%s\"", f->error.p, text);
}

static void shared_by_identity(void **state)
{
    struct fix *f = *state;
    struct storage *a, *b, *other, **list;
    assert_int_equal(fx_open_as(f, f->name, &once, &a), STK_OK);
    assert_int_equal(fx_open_as(f, f->name, &once, &b), STK_OK);
    assert_int_equal(fx_open_as(f, "another", &once, &other), STK_OK);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, other);
    assert_string_not_equal(storage_data_id(a), storage_data_id(other));
    assert_string_equal(storage_name(a), "inject");
    assert_true(storage_caps(a) & STK_CAP_TXN);
    assert_int_equal(storage_max_in(a), 1000);
    assert_int_equal(storages_list(f->ss, &f->arena, &list), 2);
    storage_unref(other);
    arena_reset(&f->arena); /* gives back what the list held */
    assert_int_equal(storages_list(f->ss, &f->arena, &list), 1);
    arena_reset(&f->arena);
    storage_unref(a);
    f->s = storage_ref(b);
    storage_unref(b);
    fx_put_row(f, "kept", 7);
    storage_unref(f->s);
    assert_int_equal(storages_list(f->ss, &f->arena, &list), 0);
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_OK);
    assert_int_equal(fx_number(f, "kept"), 7);
}

static void identified_without_connecting(void **state)
{
    struct fix *f = *state;
    rules(f, "open UNAVAILABLE 100\n");
    stk_kv kv[] = {{"inject_name", "x"}, {"inject_password", "hush"}};
    struct storage_identity one, two;
    assert_int_equal(storage_identify(&f->arena, f->plugin, kv, 2, &one, &f->error), STK_OK);
    assert_int_equal(storage_identify(&f->arena, f->plugin, kv, 1, &two, &f->error), STK_OK);
    assert_true(str_eq(one.data_id, two.data_id));
    assert_false(str_eq(one.pool_id, two.pool_id));
    assert_true(str_starts(one.data_id, STR("inject:")));
    assert_false(str_has(one.data_id, "hush"));
}

static bool give_up(void *arg)
{
    int *calls = arg;
    return ++*calls > 3;
}

static void tried_again(void **state)
{
    struct fix *f = *state;
    rules(f, "open UNAVAILABLE 1\nmigrate TIMEOUT 1\n");
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_E_UNAVAILABLE);
    says(f, "inject: open was told to fail");
    assert_null(f->s);
    struct open_how patient = {.auto_migrate = true, .deadline_us = clock_us() + 20000000};
    rules(f, "open UNAVAILABLE 1\nmigrate TIMEOUT 1 \n");
    assert_int_equal(fx_open_as(f, f->name, &patient, &f->s), STK_OK);
    storage_unref(f->s);
    f->s = NULL;
    rules(f, "open CONFIG 1\n");
    assert_int_equal(fx_open_as(f, f->name, &patient, &f->s), STK_E_CONFIG);
    rules(f, "open UNAVAILABLE 100\n");
    int calls = 0;
    patient.stop = give_up;
    patient.stop_arg = &calls;
    assert_int_equal(fx_open_as(f, f->name, &patient, &f->s), STK_E_UNAVAILABLE);
    assert_true(calls > 3);
    struct open_how brief = {.deadline_us = clock_us() + 300000};
    uint64_t start = clock_us();
    assert_int_equal(fx_open_as(f, f->name, &brief, &f->s), STK_E_UNAVAILABLE);
    assert_true(clock_us() - start >= 250000 && clock_us() - start < 5000000);
}

struct opener {
    struct fix *f;
    struct storage *s;
    stk_status rc;
};

static void *open_one(void *arg)
{
    struct opener *o = arg;
    struct arena a;
    struct str error;
    arena_init(&a);
    stk_kv kv[] = {{"inject_name", o->f->name}};
    struct open_how how = {.auto_migrate = true, .deadline_us = clock_us() + 10000000};
    o->rc = storages_open(o->f->ss, &a, o->f->plugin, kv, 1, &how, &o->s, &error);
    arena_free(&a);
    return NULL;
}

static void opened_once_by_many(void **state)
{
    struct fix *f = *state;
    enum { N = 8 };
    for (int round = 0; round < 3; round++) {
        rules(f, round == 1 ? "open UNAVAILABLE 1\n" : round == 2 ? "open CONFIG 100\n" : NULL);
        struct opener o[N];
        pthread_t t[N];
        for (int i = 0; i < N; i++) {
            o[i] = (struct opener){.f = f};
            assert_int_equal(pthread_create(&t[i], NULL, open_one, &o[i]), 0);
        }
        for (int i = 0; i < N; i++)
            pthread_join(t[i], NULL);
        for (int i = 0; i < N; i++) {
            assert_int_equal(o[i].rc, round == 2 ? STK_E_CONFIG : STK_OK);
            assert_ptr_equal(o[i].s, o[0].s);
            storage_unref(o[i].s);
        }
    }
}

/* --------------------------------------------------------------- migrations */

static size_t status(struct fix *f, struct migrate_line **lines)
{
    stk_kv kv[] = {{"inject_name", f->name}};
    struct migrate_target t = {f->plugin, kv, 1, &f->catalog};
    size_t n;
    assert_int_equal(storage_migrate_status(&t, &f->arena, lines, &n, &f->error), STK_OK);
    return n;
}

static unsigned applied(struct fix *f)
{
    struct migrate_line *lines;
    unsigned count = 0;
    size_t n = status(f, &lines);
    for (size_t i = 0; i < n; i++)
        count += lines[i].state == STK_MIG_APPLIED;
    return count;
}

static void migrated_at_open(void **state)
{
    struct fix *f = *state;
    struct migrate_line *lines;
    assert_int_equal(status(f, &lines), 3);
    assert_string_equal(lines[0].name, "001_first");
    assert_string_equal(migrate_state_text(lines[0].state), "pending");
    fx_catalog(f, 2); /* an older core applies what it knows */
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_OK);
    assert_int_equal(applied(f), 2);
    storage_unref(f->s);
    fx_catalog(f, 3);
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_OK);
    assert_int_equal(applied(f), 3);
    status(f, &lines);
    assert_string_equal(migrate_state_text(lines[2].state), "applied");
    assert_true(lines[2].applied_at > clock_ms() - 60000);
}

static void pending_refused(void **state)
{
    struct fix *f = *state;
    struct open_how never = {.auto_migrate = false, .deadline_us = clock_us() + 10000000};
    assert_int_equal(fx_open_as(f, f->name, &never, &f->s), STK_E_SCHEMA);
    says(f, "inject: 3 migrations are pending and auto_migrate is false: 001_first 002_second "
            "003_third. Run: supertokens migrate, or the scripts of migration_scripts/inject");
    assert_int_equal(applied(f), 0);
    fx_catalog(f, 2);
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_OK);
    storage_unref(f->s);
    fx_catalog(f, 3);
    assert_int_equal(fx_open_as(f, f->name, &never, &f->s), STK_E_SCHEMA);
    says(f, "1 migration is pending");
    fx_catalog(f, 2);
    assert_int_equal(fx_open_as(f, f->name, &never, &f->s), STK_OK);
}

/* migrate_at_open() with a plugin that differs in one thing. */
static stk_status with_plugin(struct fix *f, const struct plugin *p, bool auto_migrate)
{
    stk_kv kv[] = {{"inject_name", f->name}};
    stk_err err = {.size = sizeof(err)};
    stk_db *db;
    assert_int_equal(p->v.open(kv, 1, &f->catalog, 0, &db, &err), STK_OK);
    f->error = STR("");
    stk_status rc = migrate_at_open(p, db, &f->catalog, auto_migrate, &f->arena, &f->error);
    p->v.close(db);
    return rc;
}

static void plugin_too_old(void **state)
{
    struct fix *f = *state;
    fx_catalog(f, 4);
    struct plugin p = *f->plugin;
    p.v.caps &= ~(uint64_t)STK_CAP_AUTO_SCHEMA;
    assert_int_equal(with_plugin(f, &p, true), STK_E_SCHEMA);
    says(f, "brings migrations up to version 3, this core needs 4. Install a newer plugin");
    assert_int_equal(applied(f), 0);
    /* One with AUTO_SCHEMA adds what the newer catalogue has. */
    assert_int_equal(with_plugin(f, f->plugin, false), STK_E_SCHEMA);
    assert_int_equal(with_plugin(f, f->plugin, true), STK_OK);
    assert_int_equal(applied(f), 3);
    assert_int_equal(with_plugin(f, f->plugin, false), STK_OK);
}

static void history_refused(void **state)
{
    struct fix *f = *state;
    assert_int_equal(with_plugin(f, f->plugin, true), STK_OK);
    struct plugin p = *f->plugin;
    stk_migration edited[3];
    memcpy(edited, f->plugin->migrations, sizeof(edited));
    edited[1].sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    p.v.migrations = edited;
    assert_int_equal(with_plugin(f, &p, true), STK_E_SCHEMA);
    says(f, "migration 002_second was changed after it was applied");
    /* Of a newer plugin: fine as long as this core may use it. */
    p = *f->plugin;
    p.v.nmigrations = 2;
    fx_catalog(f, 2);
    assert_int_equal(with_plugin(f, &p, true), STK_OK);
    fx_catalog(f, 1);
    f->catalog.version = 0;
    p.v.nmigrations = 0;
    assert_int_equal(with_plugin(f, &p, true), STK_E_SCHEMA);
    says(f, "needs a core that knows version 1, this one knows 0. Update the core");
}

static void schema_verified(void **state)
{
    struct fix *f = *state;
    rules(f, "verify SCHEMA 1\n");
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_E_SCHEMA);
    rules(f, "migrate DENIED 1\n");
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_E_DENIED);
    rules(f, "migration_status UNAVAILABLE 1\n");
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_E_UNAVAILABLE);
    struct plugin *p = (struct plugin *)(uintptr_t)f->plugin;
    p->v.caps &= ~(uint64_t)STK_CAP_TXN;
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_E_UNSUPPORTED);
    says(f, "gives no transactions");
    p->v.caps |= STK_CAP_TXN;
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_OK);
}

struct steps {
    char text[256];
    unsigned scripts;
};

static void on_step(void *ud, const char *name, uint32_t step, uint32_t nsteps, const char *text)
{
    struct steps *s = ud;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof(s->text) - n, "%s %u/%u ", name, step, nsteps);
    s->scripts += text && strstr(text, "create_up_to");
}

static void migrated_by_hand(void **state)
{
    struct fix *f = *state;
    stk_kv kv[] = {{"inject_name", f->name}};
    struct migrate_target t = {f->plugin, kv, 1, &f->catalog};
    struct steps s = {0};
    uint32_t n;
    assert_int_equal(storage_migrate_run(&t, 0, true, on_step, &s, &f->arena, &n, &f->error),
                     STK_OK);
    assert_string_equal(s.text, "001_first 1/3 002_second 2/3 003_third 3/3 ");
    assert_int_equal(s.scripts, 3);
    assert_int_equal(applied(f), 0);
    s = (struct steps){0};
    assert_int_equal(storage_migrate_run(&t, 2, false, on_step, &s, &f->arena, &n, &f->error),
                     STK_OK);
    assert_int_equal(n, 2);
    assert_int_equal(s.scripts, 0);
    assert_int_equal(applied(f), 2);
    assert_int_equal(storage_migrate_run(&t, 9, false, on_step, &s, &f->arena, &n, &f->error),
                     STK_E_CONFIG);
    says(f, "there is no migration 9");
    assert_int_equal(storage_migrate_run(&t, 0, false, on_step, &s, &f->arena, &n, &f->error),
                     STK_OK);
    assert_int_equal(n, 1);
    assert_int_equal(storage_migrate_run(&t, 0, false, on_step, &s, &f->arena, &n, &f->error),
                     STK_OK);
    assert_int_equal(n, 0);
    rules(f, "open UNAVAILABLE 1\n");
    struct migrate_line *lines;
    size_t count;
    assert_int_equal(storage_migrate_status(&t, &f->arena, &lines, &count, &f->error),
                     STK_E_UNAVAILABLE);
}

static void health(void **state)
{
    struct fix *f = *state;
    assert_int_equal(fx_open_as(f, f->name, &once, &f->s), STK_OK);
    stk_health h;
    assert_int_equal(storage_health(f->s, &f->arena, 1000, &h, &f->error), STK_OK);
    assert_true(strstr(h.server, "memory 1.0"));
    rules(f, "health UNAVAILABLE 1\n");
    assert_int_equal(storage_health(f->s, &f->arena, 1000, &h, &f->error), STK_E_UNAVAILABLE);
    says(f, "inject: health was told to fail");
    assert_int_equal(storage_health(f->s, &f->arena, 1000, &h, &f->error), STK_OK);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, bare_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(shared_by_identity),
        T(identified_without_connecting),
        T(tried_again),
        T(opened_once_by_many),
        T(migrated_at_open),
        T(pending_refused),
        T(plugin_too_old),
        T(history_refused),
        T(schema_verified),
        T(migrated_by_hand),
        T(health),
    };
    return cmocka_run_group_tests_name("storage_open", tests, NULL, NULL);
}
