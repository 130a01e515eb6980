/* SPDX-License-Identifier: Apache-2.0 */
/* C16 to C19: predicates, order, limits, paging, prefixes, counts. */
#include "conform.h"

#define JOINED_IS(call, want)                                                                      \
    do {                                                                                           \
        const char *got_ = t_joined(t, (call));                                                    \
        CHECK(strcmp(got_, (want)) == 0, "found \"%s\" instead of \"%s\"", got_, (want));          \
    } while (0)

static void letters(struct t *t, const char *keys)
{
    for (const char *p = keys; *p; p++) {
        char k[2] = {*p, 0};
        ADD(Q_kv_insert, APP, S(k), S("v"), I(p - keys));
    }
    OK(EXEC());
}

/* ----------------------------------------------------------------------- C16 */

static void comparisons(struct t *t)
{
    letters(t, "abcde");
    JOINED_IS(ONE(Q_kv_lt, APP, S("c")), "a b");
    JOINED_IS(ONE(Q_kv_le, APP, S("c")), "a b c");
    JOINED_IS(ONE(Q_kv_gt, APP, S("c")), "d e");
    JOINED_IS(ONE(Q_kv_ge, APP, S("c")), "c d e");
    JOINED_IS(ONE(Q_kv_between, APP, S("b"), S("d")), "b c");
    JOINED_IS(ONE(Q_kv_between, APP, S("d"), S("b")), "");
    JOINED_IS(ONE(Q_kv_n_lt, APP, I(2)), "a b");
    JOINED_IS(ONE(Q_kv_n_le, APP, I(2)), "a b c");
    JOINED_IS(ONE(Q_kv_n_gt, APP, I(2)), "d e");
    JOINED_IS(ONE(Q_kv_n_ge, APP, I(2)), "c d e");
    JOINED_IS(ONE(Q_kv_n_eq, APP, I(2)), "c");
    JOINED_IS(ONE(Q_kv_lt, S("another app"), S("z")), "");
}

static void in_lists(struct t *t)
{
    letters(t, "abcdefgh");
    JOINED_IS(ONE(Q_kv_in, APP, stk_list(NULL, 0)), "");
    JOINED_IS(ONE(Q_kv_in, APP, LIST(S("b"))), "b");
    JOINED_IS(ONE(Q_kv_in, APP, LIST(S("h"), S("x"), S("b"), S("b"), S("h"))), "b h");
    JOINED_IS(ONE(Q_kv_in, APP, LIST(S("x"), S("y"), S("z"))), "");
    JOINED_IS(ONE(Q_kv_n_in, APP, LIST(I(7), I(1), I(5), I(99))), "b f h");
    JOINED_IS(ONE(Q_kv_n_in, APP, stk_list(NULL, 0)), "");
    CHECK(ONE(Q_kv_delete_in, APP, stk_list(NULL, 0))->result->affected == 0,
          "an empty list deleted rows");
    CHECK(ONE(Q_kv_delete_in, APP, LIST(S("a"), S("c"), S("nope")))->result->affected == 2,
          "a list of three deleted another number than two");
    /* As long as the plugin says, most of it absent. */
    uint32_t n = plug.v.max_in_list < 5000 ? plug.v.max_in_list : 5000;
    stk_val *list = stk_alloc(&t->mem.abi, sizeof(stk_val) * n);
    for (uint32_t i = 0; i < n; i++) {
        char *k = stk_alloc(&t->mem.abi, 16);
        snprintf(k, 16, "absent%u", i);
        list[i] = i == 50 ? S("e") : S(k);
    }
    list[n - 1] = S("f");
    JOINED_IS(ONE(Q_kv_in, APP, stk_list(list, n)), "e f");
    for (uint32_t len = 1; len <= 33 && len < n; len++)
        JOINED_IS(ONE(Q_kv_in, APP, stk_list(list + n - len, len)), "f");
}

static void columns_and_order(struct t *t)
{
    letters(t, "cab");
    stk_call *c = ONE(Q_kv_twice, APP);
    CHECK(c->result->ncols == 4, "%u columns instead of 4", c->result->ncols);
    for (uint32_t i = 0; i < 3; i++) {
        char k[2] = {"abc"[i], 0};
        CHECK(cell_is(t_cell(t, c, i, 0), k) && cell_is(t_cell(t, c, i, 1), k) &&
                  cell_is(t_cell(t, c, i, 2), t->app) && cell_is(t_cell(t, c, i, 3), k),
              "the columns of row %u are not those of out[]", i);
    }
    JOINED_IS(ONE(Q_kv_all_desc, APP), "c b a");
    for (int i = 0; i < 6; i++) {
        char id[32];
        snprintf(id, sizeof(id), "%c", "xyzuvw"[i]);
        ONE(Q_ev_insert, APP, I(i / 2), S(id), i % 2 ? S("odd") : S("even"), I(0));
    }
    ONE(Q_ev_insert, APP, I(2), S("a"), S("even"), I(0));
    JOINED_IS(ONE(Q_ev_tagged, APP, S("even")), "a v z x");
    JOINED_IS(ONE(Q_ev_range, APP, I(0), I(2)), "u z a v w");
}

static void limits(struct t *t)
{
    letters(t, "abcdefghi");
    JOINED_IS(ONE(Q_kv_first, APP), "a b c");
    JOINED_IS(ONE(Q_kv_page, APP, I(0)), "");
    JOINED_IS(ONE(Q_kv_page, APP, I(1)), "a");
    JOINED_IS(ONE(Q_kv_page, APP, I(5)), "a b c d e");
    JOINED_IS(ONE(Q_kv_page, APP, I(100)), "a b c d e f g h i");
    JOINED_IS(ONE(Q_kv_page, APP, I(INT32_MAX)), "a b c d e f g h i");
}

static void many_rows(struct t *t)
{
    for (int i = 0; i < 2000; i += 200) {
        for (int k = i; k < i + 50; k++) {
            stk_val v[16];
            char keys[4][16];
            for (int j = 0; j < 4; j++) {
                snprintf(keys[j], sizeof(keys[j]), "%05d", i + (k - i) * 4 + j);
                v[j * 4] = APP;
                v[j * 4 + 1] = S(keys[j]);
                v[j * 4 + 2] = S("some value");
                v[j * 4 + 3] = I(i + (k - i) * 4 + j);
            }
            t_add(t, Q_kv_insert, v, 16);
        }
        OK(EXEC());
    }
    stk_call *all = ONE(Q_kv_all, APP);
    CHECK(all->result->nrows == 2000, "%u rows instead of 2000", all->result->nrows);
    for (uint32_t i = 0; i < 2000; i++)
        CHECK(t_cell(t, all, i, 2)->u.i == i, "row %u is another", i);
    CHECK(ONE(Q_kv_delete_all, APP)->result->affected == 2000, "not all were deleted");
}

/* ----------------------------------------------------------------------- C17 */

enum { EVENTS = 23 };

static void events(struct t *t)
{
    /* Many ties: times 0, 0, 0, 10, 10, 10, ... and ids out of order. */
    for (int i = 0; i < EVENTS; i++) {
        char id[32];
        snprintf(id, sizeof(id), "e%02d", (i * 7) % EVENTS);
        ADD(Q_ev_insert, APP, I(i / 3 * 10), S(id), NUL, I(i));
    }
    OK(EXEC());
}

/* Walks all events in pages of this size, then in one; both must agree. */
static void walk(struct t *t, bool desc, int64_t page)
{
    const char *whole = t_joined(t, ONE(desc ? Q_ev_desc : Q_ev_asc, APP, I(1000)));
    char paged[EVENTS * 4 + 1] = "";
    stk_call *c = ONE(desc ? Q_ev_desc : Q_ev_asc, APP, I(page));
    for (int pages = 0; c->result->nrows; pages++) {
        CHECK(pages <= EVENTS, "paging does not end");
        if (paged[0])
            strncat(paged, " ", sizeof(paged) - strlen(paged) - 1);
        strncat(paged, t_joined(t, c), sizeof(paged) - strlen(paged) - 1);
        stk_val id = *t_cell(t, c, c->result->nrows - 1, 0);
        stk_val at = *t_cell(t, c, c->result->nrows - 1, 1);
        c = ONE(desc ? Q_ev_before : Q_ev_after, APP, at, id, I(page));
    }
    CHECK(strcmp(whole, paged) == 0, "in one: %s; in pages of %lld: %s", whole, (long long)page,
          paged);
}

static void paging(struct t *t)
{
    events(t);
    for (int64_t page = 1; page <= 5; page++) {
        walk(t, false, page);
        walk(t, true, page);
    }
}

static void paging_edges(struct t *t)
{
    for (int i = 0; i < 6; i++) {
        char id[2] = {(char)('a' + i), 0};
        ONE(Q_ev_insert, APP, I(i / 2), S(id), NUL, I(i));
    }
    JOINED_IS(ONE(Q_ev_after, APP, I(1), S("c"), I(9)), "d e f");
    JOINED_IS(ONE(Q_ev_from, APP, I(1), S("c"), I(9)), "c d e f");
    JOINED_IS(ONE(Q_ev_before, APP, I(1), S("c"), I(9)), "b a");
    JOINED_IS(ONE(Q_ev_downto, APP, I(1), S("c"), I(9)), "c b a");
    /* From a row that is not there. */
    JOINED_IS(ONE(Q_ev_after, APP, I(1), S("cc"), I(9)), "d e f");
    JOINED_IS(ONE(Q_ev_from, APP, I(1), S("cc"), I(9)), "d e f");
    JOINED_IS(ONE(Q_ev_downto, APP, I(1), S("cc"), I(9)), "c b a");
    JOINED_IS(ONE(Q_ev_after, APP, I(-5), S(""), I(9)), "a b c d e f");
    JOINED_IS(ONE(Q_ev_after, APP, I(INT64_MAX), S("z"), I(9)), "");
    JOINED_IS(ONE(Q_ev_before, APP, I(INT64_MIN), S(""), I(9)), "");
    JOINED_IS(ONE(Q_ev_from, APP, I(1), S("c"), I(2)), "c d");
    letters(t, "abcde");
    JOINED_IS(ONE(Q_kv_after, APP, S("b"), I(2)), "c d");
    JOINED_IS(ONE(Q_kv_after, APP, S(""), I(9)), "a b c d e");
}

/* ----------------------------------------------------------------------- C18 */

static void prefixes(struct t *t)
{
    static const char *const keys[] = {"ab", "abc", "abd", "ac", "a%c", "a_c", "a\\c",
                                       "aB", "b",   "a",   "A",  "aba", "a'c", "\xC3\xA4z"};
    for (int i = 0; i < 14; i++)
        ADD(Q_kv_insert, APP, S(keys[i]), S("v"), I(i));
    OK(EXEC());
    JOINED_IS(ONE(Q_kv_prefix, APP, S("ab")), "ab aba abc abd");
    JOINED_IS(ONE(Q_kv_prefix, APP, S("a%")), "a%c");
    JOINED_IS(ONE(Q_kv_prefix, APP, S("a_")), "a_c");
    JOINED_IS(ONE(Q_kv_prefix, APP, S("a\\")), "a\\c");
    JOINED_IS(ONE(Q_kv_prefix, APP, S("a'")), "a'c");
    JOINED_IS(ONE(Q_kv_prefix, APP, S("aB")), "aB");
    JOINED_IS(ONE(Q_kv_prefix, APP, S("\xC3\xA4")), "\xC3\xA4z");
    JOINED_IS(ONE(Q_kv_prefix, APP, S("zz")), "");
    CHECK(ONE(Q_kv_prefix, APP, S(""))->result->nrows == 14, "the empty prefix misses rows");
}

static void prefix_edges(struct t *t)
{
    /* The last code point before the surrogates, the last of all, and 0x7F. */
    static const char *const ends[] = {"\xED\x9F\xBF", "\xF4\x8F\xBF\xBF", "\x7F", "\xDF\xBF",
                                       "\xEF\xBF\xBF"};
    for (int i = 0; i < 5; i++) {
        char k[32];
        for (int v = 0; v < 4; v++) {
            static const char *const tails[] = {"", "x", "\xF4\x8F\xBF\xBF", "\x01"};
            snprintf(k, sizeof(k), "p%d%s%s", i, ends[i], tails[v]);
            ADD(Q_kv_insert, APP, S(k), S("v"), I(v));
        }
        snprintf(k, sizeof(k), "p%d%s", i, i == 1 ? "\xF4\x8F\xBF\xBE" : "\x01");
        ADD(Q_kv_insert, APP, S(k), S("v"), I(9));
        snprintf(k, sizeof(k), "p%dz", i);
        ADD(Q_kv_insert, APP, S(k), S("v"), I(9));
        OK(EXEC());
        snprintf(k, sizeof(k), "p%d%s", i, ends[i]);
        CHECK(ONE(Q_kv_prefix, APP, S(k))->result->nrows == 4,
              "prefix %d finds %u rows instead of 4", i,
              ONE(Q_kv_prefix, APP, S(k))->result->nrows);
    }
    /* All of the last code point: there is no successor. */
    ONE(Q_kv_insert, APP,
        S("\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF"
          "a"),
        S("v"), I(1));
    ONE(Q_kv_insert, APP, S("\xF4\x8F\xBF\xBE"), S("v"), I(1));
    CHECK(ONE(Q_kv_prefix, APP, S("\xF4\x8F\xBF\xBF"))->result->nrows == 1,
          "a prefix without a successor does not find its row");
    CHECK(ONE(Q_kv_prefix, APP, S("\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF"))->result->nrows == 1,
          "a prefix without a successor does not find its row");
    /* In a table whose key is text alone. */
    ONE(Q_wi_put, S("C18 a"), I(1), S("C18 b"), I(1), S("C19"), I(1));
    JOINED_IS(ONE(Q_wi_prefix, S("C18 ")), "C18 a C18 b");
    ONE(Q_wi_delete, S("C18 a"));
    ONE(Q_wi_delete, S("C18 b"));
    ONE(Q_wi_delete, S("C19"));
}

/* ----------------------------------------------------------------------- C19 */

static uint64_t affected(const stk_call *c)
{
    return c->result->affected;
}

static void counts(struct t *t)
{
    CHECK(affected(ONE(Q_kv_count, APP)) == 0, "an empty table counts rows");
    letters(t, "abcdefghijkl");
    CHECK(affected(ONE(Q_kv_count, APP)) == 12, "12 rows are counted otherwise");
    CHECK(affected(ONE(Q_kv_count_7, APP)) == 7, "a count capped at 7 is %llu",
          (unsigned long long)affected(ONE(Q_kv_count_7, APP)));
    CHECK(affected(ONE(Q_kv_count_cap, APP, I(1))) == 1, "a count capped at 1");
    CHECK(affected(ONE(Q_kv_count_cap, APP, I(12))) == 12, "a count capped at 12");
    CHECK(affected(ONE(Q_kv_count_cap, APP, I(100))) == 12, "a count capped at 100");
}

static void limited_writes(struct t *t)
{
    letters(t, "fcadbe");
    CHECK(affected(ONE(Q_kv_set_some, S("set"), APP, I(2))) == 2, "two were asked for");
    stk_call *all = ONE(Q_kv_all, APP);
    for (uint32_t i = 0; i < 6; i++)
        CHECK(cell_is(t_cell(t, all, i, 1), i < 2 ? "set" : "v"),
              "an update with order and limit took other rows than the first");
    CHECK(affected(ONE(Q_kv_delete_some, APP, I(2))) == 2, "two were asked for");
    JOINED_IS(ONE(Q_kv_all, APP), "a b c d");
    CHECK(affected(ONE(Q_kv_delete_some, APP, I(0))) == 0, "none was asked for");
    CHECK(affected(ONE(Q_kv_delete_some, APP, I(9))) == 4, "only four were there");
    for (int i = 0; i < 8; i++) {
        char id[2] = {(char)('a' + i), 0};
        ONE(Q_ev_insert, APP, I(i), S(id), NUL, I(0));
    }
    CHECK(affected(ONE(Q_ev_expire, APP, I(5), I(3))) == 3, "three of five were asked for");
    JOINED_IS(ONE(Q_ev_asc, APP, I(99)), "d e f g h");
    CHECK(affected(ONE(Q_ev_expire, APP, I(5), I(99))) == 2, "two were left");
}

static void increments(struct t *t)
{
    letters(t, "a");
    ONE(Q_kv_inc, I(5), APP, S("a"));
    ONE(Q_kv_inc, I(-7), APP, S("a"));
    ONE(Q_kv_inc, I(0), APP, S("a"));
    CHECK(t_cell(t, ONE(Q_kv_get, APP, S("a")), 0, 1)->u.i == -2, "0 + 5 - 7 is not -2");
    CHECK(affected(ONE(Q_kv_inc, I(1), APP, S("absent"))) == 0, "a row that is not there");
    ONE(Q_kv_set_n, I(INT64_MAX - 1), APP, S("a"));
    ONE(Q_kv_inc, I(1), APP, S("a"));
    CHECK(t_cell(t, ONE(Q_kv_get, APP, S("a")), 0, 1)->u.i == INT64_MAX, "the largest number");
}

struct claim {
    int64_t got;
};

static void claim_rows(struct t *t, void *arg)
{
    struct claim *c = arg;
    for (unsigned tries = 0, rounds = 0;;) {
        CHECK(++rounds < 5000, "5000 updates with a limit did not take all rows");
        stk_call *call = ADD(Q_kv_claim, I(1), APP, I(0));
        stk_status rc = EXEC();
        if (t_again(rc, &tries))
            continue;
        OK(rc);
        c->got += (int64_t)affected(call);
        /* Others may hold the rest just now: only what is really left counts. */
        if (affected(call) == 0 && ONE(Q_kv_n_eq, APP, I(0))->result->nrows == 0)
            return;
    }
}

static void claimed_once(struct t *t)
{
    enum { ROWS = 60, THREADS = 4 };
    for (int i = 0; i < ROWS; i++) {
        char k[32];
        snprintf(k, sizeof(k), "%02d", i);
        ADD(Q_kv_insert, APP, S(k), S("v"), I(0));
    }
    OK(EXEC());
    struct claim c[THREADS] = {{0}};
    t_threads(t, THREADS, claim_rows, c, sizeof(c[0]));
    int64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += c[i].got;
    CHECK(sum == ROWS, "%d rows were counted as %lld by updates with a limit", ROWS,
          (long long)sum);
}

extern const struct test queries_tests[];
const struct test queries_tests[] = {
    {"C16.1", "EQ LT LE GT GE on text and integers, joined by AND", comparisons},
    {"C16.2", "IN: empty, one, many, repeated, as long as max_in_list", in_lists},
    {"C16.3", "out[] in its order, order[] in both directions", columns_and_order},
    {"C16.4", "limits, fixed and given, zero included", limits},
    {"C16.5", "thousands of rows in one answer", many_rows},
    {"C17.1", "KEYSET pages meet every row once, over ties, both ways", paging},
    {"C17.2", "KEYSET from a row, from a row not there, inclusive and not", paging_edges},
    {"C18.1", "PREFIX takes every character as itself", prefixes},
    {"C18.2", "PREFIX at the ends of the code space", prefix_edges},
    {"C19.1", "COUNT, capped where asked", counts},
    {"C19.2", "UPDATE and DELETE with order and limit take the first rows", limited_writes},
    {"C19.3", "INC adds, also negative, also to the limits", increments},
    {"C19.4", "two updates with a limit never count one row both", claimed_once},
    {0},
};
