/* SPDX-License-Identifier: Apache-2.0 */
/* Every query of the core's catalogue is carried out once, with values of no
 * meaning: on SQLite, or on what the environment names, as tests of plugins do:
 *     STK_CATALOGUE_PLUGIN=mongodb STK_CATALOGUE_SETTINGS=mongodb_connection_uri=... */
#include "sql_plugin_fixture.h"

extern const stk_catalog store_catalog;

enum { LIST = 2, PARAMS = 64 };

/* A value for each parameter; lists have two. */
struct params {
    stk_val v[PARAMS];
    stk_val lists[PARAMS][LIST];
};

static stk_val sample(const stk_query *q, uint16_t col)
{
    switch (store_catalog.tables[q->table].cols[col].type) {
    case STK_T_BOOL: return stk_bool(1);
    case STK_T_I64: return stk_i64(7);
    case STK_T_BYTES: return stk_bytes("seven", 5);
    default: return stk_text("seven");
    }
}

static void fill(const stk_query *q, struct params *p)
{
    for (unsigned i = 0; i < q->nset; i++)
        p->v[q->set[i].param] = sample(q, q->set[i].col);
    for (unsigned i = 0; i < q->nwhere; i++) {
        const stk_pred *w = &q->where[i];
        if (w->op == STK_KEYSET) {
            for (unsigned k = 0; k < q->keyset->ncols; k++)
                p->v[q->keyset->param + k] = sample(q, q->keyset->cols[k]);
        } else if (w->op == STK_IN) {
            for (int k = 0; k < LIST; k++)
                p->lists[w->param][k] = sample(q, w->col);
            p->v[w->param] = (stk_val){.u.p = p->lists[w->param], .len = LIST, .type = STK_T_LIST};
        } else if (w->op != STK_IS_NULL && w->op != STK_NOT_NULL) {
            p->v[w->param] = sample(q, w->col);
        }
    }
    if (q->limit_param != STK_NONE)
        p->v[q->limit_param] = stk_i64(3);
}

/* In a transaction that is rolled back, so that each query meets the same rows. */
static void carry_out(stk_db *db, const stk_query *q)
{
    struct params p = {0};
    assert_true(q->nparams < PARAMS);
    fill(q, &p);
    struct run r;
    run_init(&r);
    r.calls[0] =
        (stk_call){.query = q, .params = p.v, .nrows = 1, .result = &r.results[r.batch.ncalls++]};
    stk_txn *txn = NULL;
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->begin(db, STK_TXN_RW, 0, &txn, &err), STK_OK);
    if (run_exec(&r, db, txn, 0))
        fail_msg("%s: %s", q->name, r.err.msg);
    plugin->rollback(txn);
    run_done(&r);
}

/* The settings of the environment, one key=value a line. */
static size_t settings(char *text, stk_kv *kv, size_t max)
{
    size_t n = 0;
    char *rest = text;
    for (char *line; n < max && (line = strsep(&rest, "\n"));) {
        char *eq = strchr(line, '=');
        if (!eq)
            continue;
        *eq = '\0';
        kv[n++] = (stk_kv){line, eq + 1};
    }
    return n;
}

static void every_query_is_carried_out(void **state)
{
    (void)state;
    char text[4096];
    const char *given = getenv("STK_CATALOGUE_SETTINGS");
    snprintf(text, sizeof text, "%s%s",
             given ? given : "sqlite_path=", given ? "" : fix_path("t.db"));
    stk_kv kv[16];
    size_t nkv = settings(text, kv, 16);
    stk_db *db = NULL;
    stk_err err = {.size = sizeof err};
    if (plugin->open(kv, nkv, &store_catalog, 0, &db, &err) ||
        plugin->migrate(db, plugin->migrations, plugin->nmigrations, UINT32_MAX, 0, NULL, NULL,
                        &err) ||
        plugin->verify(db, &err))
        fail_msg("%s", err.msg);
    for (uint16_t i = 0; i < store_catalog.nqueries; i++)
        carry_out(db, store_catalog.queries[i]);
    plugin->close(db);
}

int main(void)
{
    const char *name = getenv("STK_CATALOGUE_PLUGIN");
    fix_load(name ? name : "sqlite");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_query_is_carried_out, fix_setup, fix_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
