/* SPDX-License-Identifier: Apache-2.0 */
/* C11 to C13, C23 and C25: what is refused, what is left alone, what is said. */
#include "conform.h"

#include <dirent.h>

/* ----------------------------------------------------------------------- C11 */

/* Opens a catalogue with one thing wrong. */
static void refused(struct t *t, void (*spoil)(struct cat *k), stk_status wanted)
{
    struct cat *k = cat_new();
    spoil(k);
    struct handle h;
    stk_status rc = h_open(&h, k, STK_OPEN_SCRATCH, &t->err);
    if (rc >= 0)
        h_close(&h);
    cat_free(k);
    EXPECT(rc, wanted);
    CHECK(t->err.msg[0], "a refusal without a message");
}

static void bad_op(struct cat *k)
{
    cat_query(k, Q_kv_get)->op = 99;
}
static void bad_pred(struct cat *k)
{
    cat_pred(k, Q_kv_get, 1)->op = 99;
}
static void bad_flag(struct cat *k)
{
    cat_query(k, Q_kv_get)->flags = 0x80;
}
static void bad_how(struct cat *k)
{
    cat_set(k, Q_kv_put, 2)->how = 9;
}
static void bad_type(struct cat *k)
{
    cat_col(k, T_KV, KV_V)->type = 99;
}
static void bad_table(struct cat *k)
{
    cat_query(k, Q_kv_get)->table = T_MAX + 7;
}
static void bad_upsert(struct cat *k)
{
    cat_query(k, Q_pe_insert)->op = STK_OP_UPSERT;
}

static void unknown_in_catalogue(struct t *t)
{
    refused(t, bad_op, STK_E_UNSUPPORTED);
    refused(t, bad_pred, STK_E_UNSUPPORTED);
    refused(t, bad_flag, STK_E_UNSUPPORTED);
    refused(t, bad_how, STK_E_UNSUPPORTED);
    refused(t, bad_type, STK_E_UNSUPPORTED);
}

static void wrong_in_catalogue(struct t *t)
{
    refused(t, bad_table, STK_E_INVALID);
    refused(t, bad_upsert, STK_E_INVALID);
}

static bool refusal(stk_status rc)
{
    return rc == STK_E_UNSUPPORTED || rc == STK_E_INVALID;
}

static void unknown_in_calls(struct t *t)
{
    ADD(Q_kv_insert, APP, S("a"), S("v"), I(1));
    EXPECT(t_exec(t, NULL, 0x40), STK_E_UNSUPPORTED);
    stk_call *del = ADD(Q_kv_delete, APP, S("a"));
    del->expect = 77;
    stk_status rc = EXEC();
    CHECK(refusal(rc), "an unknown expectation: %s", status_name(rc));
    ADD(Q_kv_insert, APP, S("a"), S("v"), I(1))->expect = STK_EXPECT_AFFECTED;
    rc = EXEC();
    CHECK(refusal(rc), "an insert that expects a count: %s", status_name(rc));
    struct txn *x;
    rc = t_try_txn(t, 9, &x);
    CHECK(refusal(rc), "an unknown mode of begin(): %s", status_name(rc));
    CHECK(ONE(Q_kv_count, APP)->result->affected == 0, "what was refused was applied");
}

static void writes_need_a_writer(struct t *t)
{
    struct txn *x = t_txn(t, STK_TXN_RO);
    ADD(Q_kv_insert, APP, S("a"), S("v"), I(1));
    EXPECT(t_exec(t, x, 0), STK_E_INVALID);
    t_rollback(t, x);
    x = t_txn(t, STK_TXN_RO);
    ADD(Q_kv_lock, APP, S("a"));
    EXPECT(t_exec(t, x, 0), STK_E_INVALID);
    t_rollback(t, x);
    ADD(Q_kv_lock, APP, S("a"));
    EXPECT(EXEC(), STK_E_INVALID);
    CHECK(ONE(Q_kv_count, APP)->result->affected == 0, "a read-only transaction wrote");
}

static void wrong_calls(struct t *t)
{
    uint32_t n = plug.v.max_in_list + 1;
    if (n < 100000) {
        stk_val *list = stk_alloc(&t->mem.abi, sizeof(stk_val) * n);
        for (uint32_t i = 0; i < n; i++)
            list[i] = S("x");
        ADD(Q_kv_in, APP, stk_list(list, n));
        EXPECT(EXEC(), STK_E_INVALID);
    }
    ADD(Q_kv_in, APP, S("no list"));
    EXPECT(EXEC(), STK_E_INVALID);
    ADD(Q_kv_page, APP, I(-1));
    EXPECT(EXEC(), STK_E_INVALID);
    ADD(Q_kv_page, APP, S("3"));
    EXPECT(EXEC(), STK_E_INVALID);
    ADD(Q_kv_get, APP, NUL);
    EXPECT(EXEC(), STK_E_INVALID);
    stk_call *none = ADD(Q_kv_insert, APP, S("a"), S("v"), I(1));
    none->nrows = 0;
    EXPECT(EXEC(), STK_E_INVALID);
    CHECK(t->err.msg[0], "a refusal without a message");
}

/* ----------------------------------------------------------------------- C12 */

static unsigned entries(const char *dir)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void cycle(struct t *t)
{
    struct handle h;
    struct cat *k = cat_new();
    stk_status rc = h_open(&h, k, STK_OPEN_SCRATCH, &t->err);
    if (rc >= 0) {
        struct handle *before = t->on;
        t->on = &h;
        ADD(Q_kv_put, APP, S("a"), S("v"), I(1));
        rc = EXEC();
        t->on = before;
        h_close(&h);
    }
    cat_free(k);
    OK(rc);
}

static void nothing_leaks(struct t *t)
{
    cycle(t);
    unsigned fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    for (int i = 0; i < 15; i++)
        cycle(t);
    CHECK(entries("/proc/self/fd") <= fds, "%u files open after 15 more open() and close()",
          entries("/proc/self/fd") - fds);
    CHECK(entries("/proc/self/task") <= threads, "%u threads more after 15 open() and close()",
          entries("/proc/self/task") - threads);
}

/* ----------------------------------------------------------------------- C13 */

#define MARK "s3cr3t-m4rk"

static void no_mark(struct t *t, const char *where)
{
    CHECK(!strstr(t->err.msg, MARK), "a value is in the message of %s: %s", where, t->err.msg);
    CHECK(memchr(t->err.msg, 0, sizeof(t->err.msg)), "the message of %s does not end", where);
    CHECK(t->err.msg[0], "%s has no message", where);
}

static void no_values_in_messages(struct t *t)
{
    ONE(Q_pe_insert, APP, S("1"), S(MARK "@x"), S(MARK), I(1), I(0));
    ADD(Q_pe_insert, APP, S("2"), S(MARK "@x"), NUL, I(1), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    no_mark(t, "DUPLICATE");
    char over[100];
    memset(over, 'x', sizeof(over));
    memcpy(over, MARK, sizeof(MARK) - 1);
    ADD(Q_ty_insert, APP, I(1), NUL, NUL, NUL, NUL, NUL, stk_textn(over, 99));
    EXPECT(EXEC(), STK_E_TOO_BIG);
    no_mark(t, "TOO_BIG");
    ADD(Q_kv_insert, APP, S("k"), S(MARK "\xFF"), I(1));
    EXPECT(EXEC(), STK_E_INVALID);
    no_mark(t, "INVALID");
    stk_call *del = ADD(Q_kv_delete, APP, S(MARK));
    del->expect = STK_EXPECT_AFFECTED;
    del->expect_n = 1;
    EXPECT(EXEC(), STK_E_EXPECT);
    no_mark(t, "EXPECT");
    CHECK(!plug_logged(MARK), "a value is in the log");
}

/* Settings that must not be seen. */
static const char *leaked(const char *text)
{
    for (uint32_t i = 0; i < plug.v.noptions; i++) {
        stk_option o;
        stk_copy_min(&o, sizeof(o), stk_at(plug.v.options, plug.v.option_size, i),
                     plug.v.option_size);
        const char *v = stk_kv_get(plug.kv, plug.nkv, o.key, NULL);
        if ((o.flags & STK_OPT_SECRET) && v && strlen(v) > 3 && strstr(text, v))
            return o.key;
    }
    return NULL;
}

static void dumped(void *ud, const char *key, const char *value)
{
    struct t *t = ud;
    if (!key || !key[0] || !value)
        FAIL("dump() emits an empty line");
    if (leaked(value))
        FAIL("dump() shows the setting %s", leaked(value));
    t->statements++;
}

static void no_secrets_shown(struct t *t)
{
    char data[2048] = "", pool[2048] = "";
    OK(plug.v.identity(plug.kv, plug.nkv, data, pool, sizeof(data), &t->err));
    CHECK(!leaked(data), "data_id shows the setting %s", leaked(data));
    stk_health h = {.size = sizeof(h)};
    OK(plug.v.health(t->on->db, 2000, &h, &t->err));
    CHECK(!leaked(h.server), "health() shows the setting %s", leaked(h.server));
    if (plug.v.dump) {
        plug.v.dump(NULL, dumped, t);
        plug.v.dump(t->on->db, dumped, t);
        CHECK(t->statements > 0, "dump() emits nothing");
    }
}

/* ----------------------------------------------------------------------- C23 */

static void check_option(struct t *t, uint32_t i)
{
    stk_option o;
    stk_copy_min(&o, sizeof(o), stk_at(plug.v.options, plug.v.option_size, i), plug.v.option_size);
    size_t n = strlen(plug.v.name);
    CHECK(o.key && strncmp(o.key, plug.v.name, n) == 0 && o.key[n] == '_',
          "option %u does not begin with the plugin's name", i);
    CHECK(strspn(o.key, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(o.key),
          "option %s has other characters than [a-z0-9_]", o.key);
    CHECK(o.help && o.help[0] && o.help[strlen(o.help) - 1] != '.' && !strchr(o.help, '\n'),
          "the help of %s is not one line without a final period", o.key);
    CHECK(o.type >= STK_OPT_STR && o.type <= STK_OPT_URI, "the type of %s is unknown", o.key);
    CHECK(o.type != STK_OPT_INT || o.min <= o.max, "the range of %s is empty", o.key);
    CHECK(o.type != STK_OPT_ENUM || o.choices, "%s has no choices", o.key);
}

static void vtable(struct t *t)
{
    const stk_plugin *v = &plug.v;
    size_t n = strlen(v->name);
    CHECK(n >= 2 && n <= 32 && strspn(v->name, "abcdefghijklmnopqrstuvwxyz0123456789") == n &&
              v->name[0] > '9',
          "the name is not [a-z][a-z0-9]{1,31}");
    CHECK(v->version && v->license && v->help, "version, license or help is missing");
    CHECK(v->identity && v->migration_status && v->migrate && v->verify && v->health,
          "a callback is missing");
    CHECK(v->max_in_list >= 100 && v->max_batch >= 64, "max_in_list or max_batch is too small");
    CHECK(v->thread_model >= STK_THREAD_SERIAL && v->thread_model <= STK_THREAD_PARALLEL,
          "the thread model is unknown");
    for (uint32_t i = 0; i < v->noptions; i++)
        check_option(t, i);
    for (uint32_t i = 0; i < v->nmigrations; i++) {
        const stk_migration *m = stk_at(v->migrations, v->migration_size, i);
        CHECK(m->version == i + 1 && m->name && m->text && m->text_len == strlen(m->text),
              "migration %u has no name or text, or another number", i + 1);
        CHECK(m->sha256 && strspn(m->sha256, "0123456789abcdef") == 64 && strlen(m->sha256) == 64,
              "the hash of migration %u is not 64 lower-case hex digits", i + 1);
    }
    uint64_t caps = v->db_caps ? v->db_caps(t->on->db) : v->caps;
    CHECK((caps & ~v->caps) == 0, "db_caps() gives more than caps");
    CHECK(caps & STK_CAP_TXN, "no transactions: no core can use it");
}

static void identity(struct t *t)
{
    enum { ROOM = 1024 };
    char data[2][ROOM], pool[2][ROOM];
    memset(data, 0xA5, sizeof(data));
    memset(pool, 0x5A, sizeof(pool));
    for (int i = 0; i < 2; i++)
        OK(plug.v.identity(plug.kv, plug.nkv, data[i], pool[i], ROOM, &t->err));
    CHECK(memchr(data[0], 0, ROOM) && memchr(pool[0], 0, ROOM), "an identity does not end");
    CHECK(data[0][0], "data_id is empty");
    CHECK(strcmp(data[0], data[1]) == 0 && strcmp(pool[0], pool[1]) == 0,
          "equal settings have different identities");
}

static void reopened(struct t *t)
{
    struct handle h[2], *main_handle = t->on;
    struct cat *k = cat_new();
    OK(h_open(&h[0], k, STK_OPEN_SCRATCH, &t->err));
    t->on = &h[0];
    ADD(Q_kv_put, APP, S("a"), S("kept"), I(1));
    stk_status rc = EXEC();
    h_close(&h[0]);
    OK(rc);
    OK(h_open(&h[0], k, 0, &t->err));
    OK(h_open(&h[1], k, 0, &t->err));
    stk_call *get[3];
    for (int i = 0; i < 3; i++) {
        t->on = i < 2 ? &h[i] : main_handle;
        get[i] = ADD(Q_kv_get, APP, S("a"));
        if (rc >= 0)
            rc = EXEC();
    }
    t->on = main_handle;
    h_close(&h[1]);
    h_close(&h[0]);
    cat_free(k);
    OK(rc);
    for (int i = 0; i < 3; i++)
        CHECK(get[i]->result->nrows == 1 && cell_is(t_cell(t, get[i], 0, 0), "kept"),
              "handle %d does not see the row", i);
}

/* ----------------------------------------------------------------------- C25 */

static void healthy(struct t *t)
{
    struct {
        stk_health h;
        uint8_t pad[16];
    } big;
    memset(&big, 0, sizeof(big));
    memset(big.pad, 0xA5, sizeof(big.pad));
    big.h.size = sizeof(big.h);
    OK(plug.v.health(t->on->db, 2000, &big.h, &t->err));
    CHECK(big.h.server[0] && memchr(big.h.server, 0, sizeof(big.h.server)),
          "server is empty or does not end");
    CHECK(big.h.pool_open <= big.h.pool_size && big.h.pool_idle <= big.h.pool_open,
          "a pool of %u with %u open and %u idle", big.h.pool_size, big.h.pool_open,
          big.h.pool_idle);
    stk_health still = {.size = sizeof(still)};
    OK(plug.v.health(t->on->db, 0, &still, &t->err)); /* no round trip: only the numbers */
    CHECK(still.pool_size == big.h.pool_size, "a pool of %u is one of %u without a probe",
          big.h.pool_size, still.pool_size);
    CHECK(big.pad[0] == 0xA5 && big.h.size == sizeof(big.h), "health() wrote beyond the struct");
}

static void small_err(struct t *t)
{
    /* The err of an older core: nothing may be written beyond its size. */
    struct {
        stk_err e;
        uint8_t pad[16];
    } big;
    memset(&big, 0xA5, sizeof(big));
    big.e = (stk_err){.size = sizeof(big.e)};
    ADD(Q_kv_insert, APP, S("a"), S("v"), I(1));
    OK(EXEC());
    stk_call *c = ADD(Q_kv_insert, APP, S("a"), S("v"), I(1));
    t->ncalls = 0;
    stk_batch b = {
        .size = sizeof(b), .ncalls = 1, .call_size = sizeof(*c), .calls = c, .arena = &t->mem.abi};
    stk_status rc = plug.v.exec(t->on->db, NULL, &b, &big.e);
    CHECK(rc == STK_E_DUPLICATE && big.e.code == rc, "%s and err.code %s", status_name(rc),
          status_name(big.e.code));
    CHECK(big.pad[0] == 0xA5 && big.pad[15] == 0xA5 && big.e.size == sizeof(big.e),
          "exec() wrote beyond the struct");
}

extern const struct test contract_tests[];
const struct test contract_tests[] = {
    {"C11.1", "an unknown op, predicate, flag, type or set is UNSUPPORTED at open",
     unknown_in_catalogue},
    {"C11.2", "a catalogue that contradicts itself is INVALID at open", wrong_in_catalogue},
    {"C11.3", "unknown flags, expectations and modes are refused, nothing is done",
     unknown_in_calls},
    {"C11.4", "writes and locks need a read-write transaction or none", writes_need_a_writer},
    {"C11.5", "lists too long, limits below zero and wrong types are INVALID", wrong_calls},
    {"C12.1", "open() and close() leak no file and no thread", nothing_leaks},
    {"C13.1", "no value of a row in any message or log line", no_values_in_messages},
    {"C13.2", "no secret setting in identity, health or dump", no_secrets_shown},
    {"C23.1", "the vtable, its options and its migrations are complete", vtable},
    {"C23.2", "identity() is the same for the same settings", identity},
    {"C23.3", "rows outlive handles; handles see one another's", reopened},
    {"C25.1", "health() makes a round trip and says what it found", healthy},
    {"C25.2", "nothing is written beyond a struct's size", small_err},
    {0},
};
