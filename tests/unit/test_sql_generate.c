/* SPDX-License-Identifier: Apache-2.0 */
/* Statement texts and bind maps per dialect, pieces, and the checks of
 * catalogues and calls. */
#include "sql_fixture.h"

static struct stk_sql *open_dialect(int kind, const char *schema)
{
    struct stk_sql_dialect d = {.kind = kind, .plugin = "test", .schema = schema};
    struct stk_sql *sql = NULL;
    stk_err err = {.size = sizeof err};
    if (stk_sql_open(fixture(), &d, &sql, &err))
        fail_msg("%s", err.msg);
    return sql;
}

static void expect_text(const struct stk_sql *sql, int query, int slot, const char *text)
{
    const struct stk_sql_stmt *st = stk_sql_stmt(sql, (uint16_t)query, (uint8_t)slot);
    assert_non_null(st);
    assert_string_equal(st->text, text);
    assert_int_equal(st->len, strlen(text));
}

#define W_PAGE "\"a\" = $1 AND \"n\" <= $2 AND (\"n\" < $2 OR \"id\" < $3)"
#define I_COLS "(\"a\", \"id\", \"n\", \"flag\", \"note\", \"blob\", \"body\")"

static void postgresql_texts(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_POSTGRESQL, "my\"s");
    expect_text(s, Q_ITEM_INSERT, 1,
                "INSERT INTO \"my\"\"s\".\"st_t_item\" " I_COLS
                " VALUES ($1, $2, $3, $4, $5, $6, $7), ($8, $9, $10, $11, $12, $13, $14)");
    expect_text(s, Q_ITEM_LOCK, 0,
                "SELECT \"id\", \"n\" FROM \"my\"\"s\".\"st_t_item\" WHERE \"a\" = $1 AND "
                "\"id\" = ANY($2) ORDER BY \"a\", \"id\" FOR UPDATE");
    expect_text(s, Q_ITEM_PAGE, 0,
                "SELECT \"id\", \"n\" FROM \"my\"\"s\".\"st_t_item\" WHERE " W_PAGE
                " ORDER BY \"n\" DESC, \"id\" DESC LIMIT $4");
    expect_text(s, Q_ITEM_SWEEP, 0,
                "WITH k AS (SELECT \"a\", \"id\" FROM \"my\"\"s\".\"st_t_item\" WHERE \"a\" = $1 "
                "AND \"n\" < $2 ORDER BY \"n\", \"id\" LIMIT 2 FOR UPDATE SKIP LOCKED) DELETE FROM "
                "\"my\"\"s\".\"st_t_item\" AS t USING k WHERE t.\"a\" = k.\"a\" AND t.\"id\" = "
                "k.\"id\"");
    expect_text(s, Q_ITEM_CLAIM, 0,
                "WITH k AS (SELECT \"a\", \"id\" FROM \"my\"\"s\".\"st_t_item\" WHERE \"a\" = $1 "
                "AND \"flag\" = $2 ORDER BY \"n\", \"id\" LIMIT $3 FOR UPDATE SKIP LOCKED) UPDATE "
                "\"my\"\"s\".\"st_t_item\" AS t SET \"flag\" = $4 FROM k WHERE t.\"a\" = k.\"a\" "
                "AND t.\"id\" = k.\"id\"");
    expect_text(s, Q_COUNT_UPSERT, 0,
                "INSERT INTO \"my\"\"s\".\"st_t_count\" AS t (\"k\", \"s\", \"n\", \"v\") VALUES "
                "($1, $2, $3, $4) ON CONFLICT (\"k\", \"s\") DO UPDATE SET \"n\" = t.\"n\" + "
                "excluded.\"n\", \"v\" = excluded.\"v\"");
    expect_text(s, Q_COUNT_ABSENT, 0,
                "INSERT INTO \"my\"\"s\".\"st_t_count\" (\"k\", \"s\", \"n\", \"v\") VALUES "
                "($1, $2, $3, $4) ON CONFLICT (\"k\", \"s\") DO NOTHING");
    stk_sql_close(s);
}

static void sqlite_texts(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_SQLITE, NULL);
    expect_text(s, Q_ITEM_GET, 0,
                "SELECT \"a\", \"id\", \"n\", \"flag\", \"note\", \"blob\", \"body\" FROM "
                "\"st_t_item\" WHERE \"a\" = ?1 AND \"id\" = ?2");
    expect_text(s, Q_ITEM_LOCK, 2,
                "SELECT \"id\", \"n\" FROM \"st_t_item\" WHERE \"a\" = ?1 AND \"id\" IN (?2, ?3, "
                "?4, ?5) ORDER BY \"a\", \"id\"");
    expect_text(s, Q_ITEM_PAGE_ASC, 0,
                "SELECT \"id\", \"n\" FROM \"st_t_item\" WHERE \"a\" = ?1 AND \"n\" >= ?2 AND "
                "(\"n\" > ?2 OR \"id\" >= ?3) ORDER BY \"n\", \"id\" LIMIT ?4");
    expect_text(s, Q_ITEM_PREFIX, 0,
                "SELECT \"id\", \"n\" FROM \"st_t_item\" WHERE \"a\" = ?1 AND \"note\" >= ?2 AND "
                "\"note\" < ?3 ORDER BY \"note\" LIMIT 100");
    expect_text(s, Q_ITEM_UPDATE, 0,
                "UPDATE \"st_t_item\" SET \"note\" = ?1, \"n\" = \"n\" + ?2 WHERE \"a\" = ?3 AND "
                "\"id\" = ?4");
    expect_text(s, Q_ITEM_SWEEP, 0,
                "DELETE FROM \"st_t_item\" WHERE (\"a\", \"id\") IN (SELECT \"a\", \"id\" FROM "
                "\"st_t_item\" WHERE \"a\" = ?1 AND \"n\" < ?2 ORDER BY \"n\", \"id\" LIMIT 2)");
    expect_text(s, Q_ITEM_CLAIM, 0,
                "UPDATE \"st_t_item\" SET \"flag\" = ?1 WHERE (\"a\", \"id\") IN (SELECT \"a\", "
                "\"id\" FROM \"st_t_item\" WHERE \"a\" = ?2 AND \"flag\" = ?3 ORDER BY \"n\", "
                "\"id\" LIMIT ?4)");
    expect_text(s, Q_ITEM_COUNT, 0, "SELECT count(*) FROM \"st_t_item\" WHERE \"a\" = ?1");
    expect_text(
        s, Q_ITEM_COUNT_CAP, 0,
        "SELECT count(*) FROM (SELECT 1 FROM \"st_t_item\" WHERE \"a\" = ?1 LIMIT ?2) AS k");
    expect_text(s, Q_ITEM_NULLS, 0,
                "SELECT \"id\", \"n\" FROM \"st_t_item\" WHERE \"a\" = ?1 AND \"note\" IS NULL");
    expect_text(s, Q_COUNT_PAGE, 0,
                "SELECT \"k\", \"s\", \"n\", \"v\" FROM \"st_t_count\" WHERE \"k\" = ?1 AND \"s\" "
                "> ?2 ORDER BY \"s\" LIMIT 3");
    expect_text(s, Q_COUNT_KEEP, 0,
                "INSERT INTO \"st_t_count\" AS t (\"k\", \"s\", \"n\", \"v\") VALUES (?1, ?2, ?3, "
                "?4) ON CONFLICT (\"k\", \"s\") DO NOTHING");
    stk_sql_close(s);
}

static void mysql_texts(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_MYSQL, NULL);
    expect_text(s, Q_ITEM_PAGE, 0,
                "SELECT `id`, `n` FROM `st_t_item` WHERE `a` = ? AND `n` <= ? AND (`n` < ? OR `id` "
                "< ?) ORDER BY `n` DESC, `id` DESC LIMIT ?");
    const struct stk_sql_stmt *st = stk_sql_stmt(s, Q_ITEM_PAGE, 0);
    const uint16_t params[] = {0, 1, 1, 2, 3};
    assert_int_equal(st->nbinds, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(st->binds[i].param, params[i]);
    expect_text(s, Q_ITEM_SWEEP, 0,
                "DELETE FROM `st_t_item` WHERE `a` = ? AND `n` < ? ORDER BY `n`, `id` LIMIT 2");
    expect_text(s, Q_ITEM_LOCK, 1,
                "SELECT `id`, `n` FROM `st_t_item` FORCE INDEX (PRIMARY) WHERE `a` = ? AND `id` IN "
                "(?, ?) ORDER BY `a`, "
                "`id` FOR UPDATE");
    expect_text(s, Q_COUNT_UPSERT, 0,
                "INSERT INTO `st_t_count` (`k`, `s`, `n`, `v`) VALUES (?, ?, ?, ?) ON DUPLICATE "
                "KEY UPDATE `n` = `n` + VALUES(`n`), `v` = VALUES(`v`)");
    expect_text(s, Q_COUNT_ABSENT, 0,
                "INSERT INTO `st_t_count` (`k`, `s`, `n`, `v`) VALUES (?, ?, ?, ?) ON DUPLICATE "
                "KEY UPDATE `k` = `k`");
    stk_sql_close(s);
}

static void binds_and_names(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_POSTGRESQL, "public");
    const struct stk_sql_stmt *st = stk_sql_stmt(s, Q_ITEM_LOCK, 0);
    assert_int_equal(st->binds[1].kind, STK_BIND_LIST);
    assert_int_equal(st->binds[1].type, STK_T_TEXT);
    assert_int_equal(st->ncols, 2);
    st = stk_sql_stmt(s, Q_ITEM_PAGE, 0);
    assert_int_equal(st->nbinds, 4);
    assert_int_equal(st->binds[3].col, STK_NONE);
    assert_int_equal(st->binds[3].type, STK_T_I64);
    st = stk_sql_stmt(s, Q_ITEM_PREFIX, 0);
    assert_int_equal(st->binds[2].kind, STK_BIND_UPPER);
    assert_int_equal(strlen(st->name), 20);
    assert_string_not_equal(st->name, stk_sql_stmt(s, Q_ITEM_PAGE, 0)->name);
    char name[64];
    uint16_t t, k;
    stk_sql_key_name(s, F_ITEM, 1, name, sizeof name);
    assert_string_equal(name, "st_t_item_note");
    assert_true(stk_sql_find_key(s, "st_t_item_note", STK_NONE, &t, &k) && t == F_ITEM && k == 1);
    assert_true(stk_sql_find_key(s, "st_t_count_pkey", STK_NONE, &t, &k) && t == F_COUNT && k == 0);
    assert_false(stk_sql_find_key(s, "other", STK_NONE, &t, &k));
    stk_sql_close(s);
    s = open_dialect(STK_SQL_MYSQL, NULL);
    assert_true(stk_sql_find_key(s, "PRIMARY", F_COUNT, &t, &k) && t == F_COUNT && k == 0);
    assert_true(stk_sql_find_key(s, "note", F_ITEM, &t, &k) && k == 1);
    stk_sql_close(s);
}

/* ------------------------------------------------------------------ pieces */

static stk_result result;

static stk_call call_of(int query, const stk_val *params, uint32_t nrows)
{
    stk_call c = {
        .query = &fix_query_table[query], .params = params, .result = &result, .nrows = nrows};
    return c;
}

static void rows_in_powers_of_two(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_SQLITE, NULL);
    stk_val params[600 * 4];
    for (int i = 0; i < 600; i++) {
        params[i * 4] = stk_text("k");
        params[i * 4 + 1] = stk_i64(i);
        params[i * 4 + 2] = stk_i64(1);
        params[i * 4 + 3] = stk_null();
    }
    stk_call c = call_of(Q_COUNT_ABSENT, params, 13);
    struct stk_sql_piece p = {0};
    const uint32_t want[] = {8, 4, 1};
    for (int i = 0; i < 3; i++) {
        assert_true(stk_sql_next(s, &c, &p));
        assert_int_equal(p.rows, want[i]);
        assert_int_equal(1u << p.slot, want[i]);
    }
    assert_int_equal(p.first, 12);
    assert_false(stk_sql_next(s, &c, &p));

    stk_val v;
    p = (struct stk_sql_piece){.first = 8, .rows = 4, .slot = 2};
    const struct stk_sql_stmt *st = stk_sql_stmt(s, Q_COUNT_ABSENT, 2);
    assert_int_equal(st->nbinds, 16);
    stk_sql_value(s, &c, &p, &st->binds[9], NULL, &v); /* row 2 of the piece, column s */
    assert_int_equal(v.u.i, 10);

    c.nrows = 600;
    uint32_t total = 0;
    for (p = (struct stk_sql_piece){0}; stk_sql_next(s, &c, &p);) {
        assert_true(p.rows <= STK_SQL_MAX_ROWS);
        total += p.rows;
    }
    assert_int_equal(total, 600);
    stk_sql_close(s);
}

static void upsert_rows_are_distinct(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_POSTGRESQL, NULL);
    stk_val params[6 * 4];
    const int64_t keys[] = {1, 2, 1, 3, 1, 1};
    for (int i = 0; i < 6; i++) {
        params[i * 4] = stk_text(i == 5 ? "other" : "k");
        params[i * 4 + 1] = stk_i64(keys[i]);
        params[i * 4 + 2] = stk_i64(1);
        params[i * 4 + 3] = stk_null();
    }
    stk_call c = call_of(Q_COUNT_UPSERT, params, 6);
    const uint32_t want[] = {2, 2, 2};
    struct stk_sql_piece p = {0};
    for (int i = 0; i < 3; i++) {
        assert_true(stk_sql_next(s, &c, &p));
        assert_int_equal(p.rows, want[i]);
    }
    assert_false(stk_sql_next(s, &c, &p));
    stk_sql_close(s);
}

static void lists_in_slots(void **state)
{
    (void)state;
    struct stk_sql *lite = open_dialect(STK_SQL_SQLITE, NULL);
    struct stk_sql *pg = open_dialect(STK_SQL_POSTGRESQL, NULL);
    static stk_val ids[1024];
    for (int i = 0; i < 1024; i++)
        ids[i] = stk_text(i % 2 ? "x" : "y");
    const uint32_t sizes[] = {1, 2, 3, 5, 8, 1000, 1024};
    const int slots[] = {0, 1, 2, 3, 3, 10, 10};
    for (int i = 0; i < 7; i++) {
        stk_call c = call_of(Q_ITEM_LOCK, VALS(stk_text("a"), stk_list(ids, sizes[i])), 1);
        struct stk_sql_piece p = {0};
        assert_true(stk_sql_next(lite, &c, &p));
        assert_int_equal(p.slot, slots[i]);
        const struct stk_sql_stmt *st = stk_sql_stmt(lite, Q_ITEM_LOCK, p.slot);
        stk_val v;
        stk_sql_value(lite, &c, &p, &st->binds[st->nbinds - 1], NULL, &v);
        assert_ptr_equal(v.u.p, ids[sizes[i] - 1].u.p); /* the last one fills up */
        assert_false(stk_sql_next(lite, &c, &p));
        p = (struct stk_sql_piece){0};
        assert_true(stk_sql_next(pg, &c, &p));
        assert_int_equal(p.slot, 0);
    }
    stk_call c = call_of(Q_ITEM_LOCK, VALS(stk_text("a"), stk_list(ids, 0)), 1);
    struct stk_sql_piece p = {0};
    assert_false(stk_sql_next(lite, &c, &p));
    stk_sql_close(lite);
    stk_sql_close(pg);
}

static void prefix_without_successor(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_SQLITE, NULL);
    const struct stk_sql_stmt *st = stk_sql_stmt(s, Q_ITEM_PREFIX, 0);
    struct fix_arena f = fix_arena_new();
    struct stk_sql_piece p = {.rows = 1};
    stk_val v;
    stk_call c = call_of(Q_ITEM_PREFIX, VALS(stk_text("a"), stk_text("ab")), 1);
    stk_sql_value(s, &c, &p, &st->binds[2], &f.a, &v);
    assert_true(v.len == 2 && memcmp(v.u.p, "ac", 2) == 0);
    const char *const none[] = {"", "\xF4\x8F\xBF\xBF"};
    for (int i = 0; i < 2; i++) {
        c = call_of(Q_ITEM_PREFIX, VALS(stk_text("a"), stk_text(none[i])), 1);
        stk_sql_value(s, &c, &p, &st->binds[2], &f.a, &v);
        assert_int_equal(stk_utf8_count(v.u.p, v.len), 21); /* above all of 20 characters */
    }
    fix_arena_free(&f);
    stk_sql_close(s);
}

/* ------------------------------------------------------------------ checks */

static void refused_call(const struct stk_sql *s, stk_call c, stk_status want, uint16_t column)
{
    stk_err err = {.size = sizeof err};
    assert_int_equal(stk_sql_check_call(s, &c, 5, &err), want);
    assert_int_equal(err.code, want);
    assert_int_equal(err.call, 5);
    assert_int_equal(err.column, column);
    assert_true(strlen(err.msg) > 10);
    assert_null(strstr(err.msg, "s3cret"));
}

static void calls_are_checked(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_SQLITE, NULL);
    stk_err err = {.size = sizeof err};
    stk_val a = stk_text("a"), one = stk_i64(1), no = stk_bool(0), nul = stk_null();
    stk_val ok[] = {a, a, one, no, nul, nul, nul};
    stk_call c = call_of(Q_ITEM_INSERT, ok, 1);
    assert_int_equal(stk_sql_check_call(s, &c, 0, &err), STK_OK);
#define BAD(col, val, status)                                                                      \
    do {                                                                                           \
        stk_val v_[] = {a, a, one, no, nul, nul, nul};                                             \
        v_[col] = (val);                                                                           \
        refused_call(s, call_of(Q_ITEM_INSERT, v_, 1), status, col);                               \
    } while (0)
    BAD(I_A, nul, STK_E_INVALID);
    BAD(I_A, one, STK_E_INVALID);
    BAD(I_A, stk_text("s3cret7890123456X"), STK_E_TOO_BIG);
    BAD(I_A, stk_textn("a\0b", 3), STK_E_INVALID);
    BAD(I_A, stk_text("\xFF"), STK_E_INVALID);
    BAD(I_N, stk_bool(1), STK_E_INVALID);
    stk_val odd = stk_bool(1);
    odd.u.i = 2;
    BAD(I_FLAG, odd, STK_E_INVALID);
    static char big[65];
    BAD(I_BLOB, stk_bytes(big, 65), STK_E_TOO_BIG);
    BAD(I_BLOB, stk_text("x"), STK_E_INVALID);
    /* 20 characters of four bytes fit, 21 do not */
    char wide[21 * 4];
    for (int i = 0; i < 21; i++)
        memcpy(wide + i * 4, "\xF0\x9F\x98\x80", 4);
    ok[I_NOTE] = stk_textn(wide, 80);
    assert_int_equal(stk_sql_check_call(s, &c, 0, &err), STK_OK);
    BAD(I_NOTE, stk_textn(wide, 84), STK_E_TOO_BIG);
    refused_call(s, call_of(Q_ITEM_INSERT, ok, 0), STK_E_INVALID, STK_NONE);
    refused_call(s, call_of(Q_ITEM_GET, VALS(a, nul), 1), STK_E_INVALID, I_ID);
    refused_call(s, call_of(Q_ITEM_GET, VALS(a, a), 2), STK_E_INVALID, STK_NONE);
    refused_call(s, call_of(Q_ITEM_LOCK, VALS(a, a), 1), STK_E_INVALID, I_ID);
    refused_call(s, call_of(Q_ITEM_LOCK, VALS(a, stk_list(&one, 1)), 1), STK_E_INVALID, I_ID);
    refused_call(s, call_of(Q_ITEM_LOCK, VALS(a, stk_list(&one, 5000)), 1), STK_E_INVALID, I_ID);
    refused_call(s, call_of(Q_ITEM_PAGE, VALS(a, one, a, stk_i64(-1)), 1), STK_E_INVALID, STK_NONE);
    /* compared, a longer value just matches nothing */
    c = call_of(Q_ITEM_GET, VALS(stk_text("01234567890123456789"), a), 1);
    assert_int_equal(stk_sql_check_call(s, &c, 0, &err), STK_OK);
    c.expect = STK_EXPECT_AFFECTED;
    refused_call(s, c, STK_E_INVALID, STK_NONE);
    c.expect = 9;
    refused_call(s, c, STK_E_UNSUPPORTED, STK_NONE);
    stk_query foreign = {.id = 999};
    c.query = &foreign;
    refused_call(s, c, STK_E_INVALID, STK_NONE);
    stk_sql_close(s);
}

static void batches_are_checked(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_SQLITE, NULL);
    stk_val a = stk_text("a");
    stk_result r[3] = {{0}};
    stk_val pk[] = {a, a}, in[] = {a, stk_list(&a, 1)};
    stk_call calls[3] = {call_of(Q_ITEM_GET, pk, 1), call_of(Q_ITEM_LOCK, in, 1),
                         call_of(Q_ITEM_DELETE, pk, 1)};
    for (int i = 0; i < 3; i++)
        calls[i].result = &r[i];
    stk_batch b = {.size = sizeof b, .ncalls = 3, .call_size = sizeof(stk_call), .calls = calls};
    stk_err err = {.size = sizeof err};
    assert_int_equal(stk_sql_check_batch(s, &b, STK_TXN_RW, &err), STK_OK);
    assert_int_equal(stk_sql_check_batch(s, &b, -1, &err), STK_E_INVALID); /* lock alone */
    assert_int_equal(err.call, 1);
    assert_int_equal(r[1].status, STK_E_INVALID);
    assert_int_equal(r[2].status, STK_E_ABORTED);
    assert_int_equal(stk_sql_check_batch(s, &b, STK_TXN_RO, &err), STK_E_INVALID);
    assert_false(stk_sql_read_only(s, &b));
    b.ncalls = 1;
    assert_true(stk_sql_read_only(s, &b));
    assert_int_equal(stk_sql_check_batch(s, &b, STK_TXN_RO, &err), STK_OK);
    b.flags = 2;
    assert_int_equal(stk_sql_check_batch(s, &b, STK_TXN_RO, &err), STK_E_UNSUPPORTED);
    stk_sql_close(s);
}

static void expectations(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_SQLITE, NULL);
    stk_err err = {.size = sizeof err};
    stk_result r = {.affected = 1, .nrows = 3};
    stk_call c = {.query = &fix_query_table[Q_ITEM_DELETE], .result = &r, .expect_n = 1};
    assert_int_equal(stk_sql_expect(s, &c, &err), STK_OK);
    c.expect = STK_EXPECT_AFFECTED;
    assert_int_equal(stk_sql_expect(s, &c, &err), STK_OK);
    c.expect_n = 2;
    assert_int_equal(stk_sql_expect(s, &c, &err), STK_E_EXPECT);
    assert_int_equal(err.table, F_ITEM);
    c.expect = STK_EXPECT_ROWS;
    assert_int_equal(stk_sql_expect(s, &c, &err), STK_OK);
    c.expect_n = 4;
    assert_int_equal(stk_sql_expect(s, &c, &err), STK_E_EXPECT);
    stk_sql_close(s);
}

/* One query of a copied catalogue is made wrong. */
static void refused_query(const char *why, stk_query q, stk_status want)
{
    static const stk_query *list[1];
    stk_catalog cat = *fixture();
    q.id = 0;
    list[0] = &q;
    cat.queries = list;
    cat.nqueries = 1;
    struct stk_sql_dialect d = {.kind = STK_SQL_SQLITE, .plugin = "test"};
    struct stk_sql *sql = NULL;
    stk_err err = {.size = sizeof err};
    stk_status rc = stk_sql_open(&cat, &d, &sql, &err);
    if (rc != want)
        fail_msg("%s: got %d (%s)", why, rc, err.msg);
    if (want == STK_OK)
        stk_sql_close(sql);
    else
        assert_non_null(strstr(err.msg, q.name));
}

static void catalogues_are_checked(void **state)
{
    (void)state;
    fixture();
    stk_query q = fix_query_table[Q_ITEM_GET];
    refused_query("as it is", q, STK_OK);
#define WRONG(base, status, ...)                                                                   \
    do {                                                                                           \
        q = fix_query_table[base];                                                                 \
        __VA_ARGS__;                                                                               \
        refused_query(#__VA_ARGS__, q, status);                                                    \
    } while (0)
    WRONG(Q_ITEM_GET, STK_E_UNSUPPORTED, q.op = 9);
    WRONG(Q_ITEM_GET, STK_E_UNSUPPORTED, q.flags = 0x80);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.flags = STK_QF_IF_ABSENT);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.table = 7);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.nparams = 3);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.nparams = 1);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.limit_param = 0);
    WRONG(Q_ITEM_INSERT, STK_E_INVALID, q.flags = STK_QF_IF_ABSENT); /* has a unique key */
    WRONG(Q_ITEM_INSERT, STK_E_INVALID, q.op = STK_OP_UPSERT);
    WRONG(Q_ITEM_INSERT, STK_E_INVALID, q.nset = 3, q.nparams = 3); /* flag is NOT NULL */
    WRONG(Q_ITEM_PAGE, STK_E_INVALID, q.keyset = NULL);
    WRONG(Q_ITEM_PAGE, STK_E_INVALID, q.norder = 0);
    WRONG(Q_ITEM_PAGE, STK_E_INVALID, q.keyset = &from_asc);
    WRONG(Q_ITEM_PAGE, STK_E_INVALID, q.limit = 5);
    WRONG(Q_ITEM_COUNT, STK_E_INVALID, q.order = n_asc, q.norder = 2);
    stk_pred p[2] = {by_pk[0], by_pk[1]};
    WRONG(Q_ITEM_GET, STK_E_UNSUPPORTED, q.where = p, p[1].op = 42);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.where = p, p[1] = by_pk[1], p[1].col = 99);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.where = p, p[1] = by_pk[1], p[1].col = I_BODY);
    WRONG(Q_ITEM_GET, STK_E_INVALID, q.where = p, p[1] = by_pk[1], p[1].param = 0);
    stk_set set[2] = {item_change[0], item_change[1]};
    WRONG(Q_ITEM_UPDATE, STK_E_INVALID, q.set = set, set[0].col = I_ID);
    WRONG(Q_ITEM_UPDATE, STK_E_INVALID, q.set = set, set[0] = item_change[0],
          set[0].how = STK_INC); /* of a text */
    WRONG(Q_ITEM_UPDATE, STK_E_INVALID, q.set = set, set[0] = item_change[0],
          set[0].how = STK_KEEP);
    WRONG(Q_ITEM_UPDATE, STK_E_UNSUPPORTED, q.set = set, set[0] = item_change[0], set[0].how = 7);
}

/* A newer core has larger structs: strides, not sizeof, are walked. */
static void strides_of_a_newer_core(void **state)
{
    (void)state;
    struct big_query {
        stk_query q;
        uint64_t later;
    } q = {.q = fix_query_table[Q_ITEM_GET], .later = 1};
    struct big_pred {
        stk_pred p;
        uint64_t later;
    } preds[2] = {{by_pk[0], 1}, {by_pk[1], 1}};
    struct big_table {
        stk_table t;
        uint64_t later;
    } tables[2] = {{fix_tables[0], 1}, {fix_tables[1], 1}};
    struct {
        stk_catalog c;
        uint64_t later;
    } cat = {.c = *fixture(), .later = 1};
    q.q.id = 0;
    q.q.where = &preds[0].p;
    const stk_query *list[] = {&q.q};
    cat.c.size = sizeof cat;
    cat.c.queries = list;
    cat.c.nqueries = 1;
    cat.c.query_size = sizeof q;
    cat.c.pred_size = sizeof preds[0];
    cat.c.tables = &tables[0].t;
    cat.c.table_size = sizeof tables[0];
    struct stk_sql_dialect d = {.kind = STK_SQL_SQLITE, .plugin = "test"};
    struct stk_sql *sql = NULL;
    stk_err err = {.size = sizeof err};
    assert_int_equal(stk_sql_open(&cat.c, &d, &sql, &err), STK_OK);
    assert_non_null(strstr(stk_sql_stmt(sql, 0, 0)->text, "WHERE \"a\" = ?1 AND \"id\" = ?2"));
    assert_string_equal(sql->tables[1].name, "st_t_count");
    stk_sql_close(sql);
}

/* -------------------------------------------------------------- DDL, verify */

static stk_status append(void *ud, const char *sql, stk_err *err)
{
    (void)err;
    size_t n = strlen(ud);
    snprintf((char *)ud + n, 4096 - n, "%s;\n", sql);
    return STK_OK;
}

static void ddl_per_dialect(void **state)
{
    (void)state;
    char text[4096] = "";
    stk_err err = {.size = sizeof err};
    struct stk_sql *s = open_dialect(STK_SQL_POSTGRESQL, "app");
    assert_int_equal(stk_sql_ddl_table(s, F_COUNT, append, text, &err), STK_OK);
    assert_string_equal(text,
                        "CREATE TABLE IF NOT EXISTS \"app\".\"st_t_count\" (\n"
                        "    \"k\" VARCHAR(16) COLLATE \"C\" NOT NULL,\n"
                        "    \"s\" BIGINT NOT NULL,\n    \"n\" BIGINT NOT NULL,\n"
                        "    \"v\" VARCHAR(64) COLLATE \"C\",\n"
                        "    CONSTRAINT \"st_t_count_pkey\" PRIMARY KEY (\"k\", \"s\")\n);\n");
    text[0] = '\0';
    stk_sql_ddl_table(s, F_ITEM, append, text, &err);
    assert_non_null(strstr(text, "\"flag\" BOOLEAN NOT NULL"));
    assert_non_null(strstr(text, "\"blob\" BYTEA"));
    assert_non_null(strstr(text, "\"body\" TEXT,"));
    assert_non_null(strstr(text, "CREATE UNIQUE INDEX IF NOT EXISTS \"st_t_item_note\" ON "
                                 "\"app\".\"st_t_item\" (\"a\", \"note\");"));
    text[0] = '\0';
    stk_sql_ddl_drop(s, append, text, &err);
    assert_string_equal(text, "DROP TABLE IF EXISTS \"app\".\"st_t_item\";\n"
                              "DROP TABLE IF EXISTS \"app\".\"st_t_count\";\n");
    stk_sql_close(s);
    s = open_dialect(STK_SQL_MYSQL, NULL);
    text[0] = '\0';
    stk_sql_ddl_table(s, F_ITEM, append, text, &err);
    assert_non_null(strstr(text, "`a` VARBINARY(64) NOT NULL"));
    assert_non_null(strstr(text, "`body` MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,"));
    assert_non_null(strstr(text, "    UNIQUE KEY `note` (`a`, `note`),\n    KEY `byn`"));
    stk_sql_close(s);
    s = open_dialect(STK_SQL_SQLITE, NULL);
    text[0] = '\0';
    stk_sql_ddl_table(s, F_COUNT, append, text, &err);
    assert_non_null(strstr(text, ") STRICT, WITHOUT ROWID;"));
    stk_sql_ddl_table(s, F_ITEM, append, text, &err);
    assert_non_null(strstr(text, ") STRICT;"));
    stk_sql_close(s);
}

static void add_item(struct stk_sql_real *r, bool note, bool unique)
{
    for (int i = 0; i < I_NCOLS; i++)
        if (i != I_NOTE || note)
            stk_sql_real_column(r, "st_t_item", item_cols[i].name);
    stk_sql_real_key(r, "st_t_item", STK_KEY_PRIMARY, "a,id");
    stk_sql_real_key(r, "st_t_item", unique ? STK_KEY_UNIQUE : STK_KEY_INDEX, "a,note");
    stk_sql_real_key(r, "st_t_item", STK_KEY_INDEX, "a,n,id");
    stk_sql_real_column(r, "st_other", "x");
}

static void verify_names_what_is_missing(void **state)
{
    (void)state;
    struct stk_sql *s = open_dialect(STK_SQL_SQLITE, NULL);
    stk_err err = {.size = sizeof err};
    struct stk_sql_real *r = stk_sql_real_new();
    assert_int_equal(stk_sql_verify(s, r, "Do it.", &err), STK_E_SCHEMA);
    assert_string_equal(err.msg,
                        "test: the schema lacks table st_t_item, table st_t_count. Do it.");
    add_item(r, false, false);
    assert_int_equal(stk_sql_verify(s, r, "Do it.", &err), STK_E_SCHEMA);
    assert_string_equal(err.msg, "test: the schema lacks column st_t_item.note, key \"note\" of "
                                 "st_t_item, table st_t_count. Do it.");
    assert_true(err.table == F_ITEM && err.column == I_NOTE);
    char text[4096] = "";
    assert_int_equal(stk_sql_ensure(s, r, append, text, &err), STK_OK);
    assert_non_null(strstr(text, "ALTER TABLE \"st_t_item\" ADD COLUMN \"note\" TEXT;\n"
                                 "CREATE UNIQUE INDEX IF NOT EXISTS \"st_t_item_note\""));
    assert_non_null(strstr(text, "CREATE TABLE IF NOT EXISTS \"st_t_count\""));
    stk_sql_real_free(r);
    r = stk_sql_real_new();
    add_item(r, true, true);
    for (int i = 0; i < C_NCOLS; i++)
        stk_sql_real_column(r, "st_t_count", count_cols[i].name);
    stk_sql_real_key(r, "st_t_count", STK_KEY_PRIMARY, "k,s");
    assert_int_equal(stk_sql_verify(s, r, "", &err), STK_OK);
    stk_sql_real_free(r);
    stk_sql_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postgresql_texts),
        cmocka_unit_test(sqlite_texts),
        cmocka_unit_test(mysql_texts),
        cmocka_unit_test(binds_and_names),
        cmocka_unit_test(rows_in_powers_of_two),
        cmocka_unit_test(upsert_rows_are_distinct),
        cmocka_unit_test(lists_in_slots),
        cmocka_unit_test(prefix_without_successor),
        cmocka_unit_test(calls_are_checked),
        cmocka_unit_test(batches_are_checked),
        cmocka_unit_test(expectations),
        cmocka_unit_test(catalogues_are_checked),
        cmocka_unit_test(strides_of_a_newer_core),
        cmocka_unit_test(ddl_per_dialect),
        cmocka_unit_test(verify_names_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
