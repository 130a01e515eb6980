/* SPDX-License-Identifier: Apache-2.0 */
/* C9 and C10: how values compare and what fits. */
#include "conform.h"

/* ------------------------------------------------------------------------ C9 */

/* Texts that some collation takes for equal, or ignores a part of. */
static const char *const lookalikes[] = {
    "a",
    "A",
    "a ",
    " a",
    "a\t",
    "a\xCC\x81",
    "\xC3\xA1",
    "\xC3\x81",
    "ss",
    "\xC3\x9F",
    "SS",
    "i",
    "\xC4\xB1",
    "I",
    "\xC4\xB0",
    "a\xE2\x80\x8B",
    "a\xC2\xAD",
    "\xEF\xBD\x81",
    "\xE3\x81\x82",
    "\xE3\x82\xA2",
    "\xEF\xBD\xB1",
    "1",
    "\xC2\xB9",
    "\xE2\x91\xA0",
    "\xF0\x9F\x98\x80",
    "\xF0\x9F\x98\x81",
    "-a",
    "a-",
    "",
    "\x01",
    "a\x01",
    "\xEF\xBF\xBD",
    "a\xCC\x81 ",
    "a\n",
    "'a'",
};
enum { LOOKALIKES = sizeof(lookalikes) / sizeof(lookalikes[0]) };

static void all_differ(struct t *t)
{
    for (int i = 0; i < LOOKALIKES; i++) {
        char id[32];
        snprintf(id, sizeof(id), "%d", i);
        ADD(Q_kv_insert, APP, S(lookalikes[i]), S("v"), I(i));
        stk_status rc = EXEC();
        CHECK(rc == STK_OK, "primary key: text %d is taken for another: %s", i, t->err.msg);
        ADD(Q_pe_insert, APP, S(id), S(lookalikes[i]), NUL, I(i), I(0));
        rc = EXEC();
        CHECK(rc == STK_OK, "unique key: text %d is taken for another: %s", i, t->err.msg);
    }
    for (int i = 0; i < LOOKALIKES; i++) {
        stk_call *get = ONE(Q_kv_get, APP, S(lookalikes[i]));
        CHECK(get->result->nrows == 1 && t_cell(t, get, 0, 1)->u.i == i, "text %d finds %u rows", i,
              get->result->nrows);
        get = ONE(Q_pe_by_email, APP, S(lookalikes[i]));
        CHECK(get->result->nrows == 1, "unique key: text %d finds %u rows", i, get->result->nrows);
        get = ONE(Q_kv_in, APP, LIST(S(lookalikes[i]), S("nothing")));
        CHECK(get->result->nrows == 1, "IN: text %d finds %u rows", i, get->result->nrows);
        CHECK(cell_is(t_cell(t, get, 0, 0), lookalikes[i]), "text %d came back changed", i);
    }
}

static int bytewise(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void byte_order(struct t *t)
{
    static const char *const more[] = {"B",
                                       "b",
                                       "Z",
                                       "z",
                                       "~",
                                       "\x7F",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    const char *all[LOOKALIKES + 14];
    int n = 0;
    for (int i = 0; i < LOOKALIKES; i++)
        all[n++] = lookalikes[i];
    for (int i = 0; i < 14; i++)
        all[n++] = more[i];
    for (int i = 0; i < n; i++)
        ADD(Q_kv_insert, APP, S(all[i]), S("v"), I(i));
    OK(EXEC());
    qsort(all, (size_t)n, sizeof(all[0]), bytewise);
    stk_call *up = ONE(Q_kv_all, APP), *down = ONE(Q_kv_all_desc, APP);
    CHECK(up->result->nrows == (uint32_t)n, "%u rows instead of %d", up->result->nrows, n);
    for (int i = 0; i < n; i++) {
        CHECK(cell_is(t_cell(t, up, (uint32_t)i, 0), all[i]), "ascending: place %d is wrong", i);
        CHECK(cell_is(t_cell(t, down, (uint32_t)(n - 1 - i), 0), all[i]),
              "descending: place %d is wrong", n - 1 - i);
        stk_call *lt = ONE(Q_kv_lt, APP, S(all[i])), *ge = ONE(Q_kv_ge, APP, S(all[i]));
        CHECK(lt->result->nrows == (uint32_t)i, "LT: %u rows before place %d", lt->result->nrows,
              i);
        CHECK(ge->result->nrows == (uint32_t)(n - i), "GE: %u rows from place %d",
              ge->result->nrows, i);
        stk_call *le = ONE(Q_kv_le, APP, S(all[i])), *gt = ONE(Q_kv_gt, APP, S(all[i]));
        CHECK(le->result->nrows == (uint32_t)i + 1 && gt->result->nrows == (uint32_t)(n - i - 1),
              "LE and GT: %u and %u rows at place %d", le->result->nrows, gt->result->nrows, i);
    }
}

static void bytes_compare(struct t *t)
{
    static const struct {
        const char *p;
        size_t n;
    } bins[] = {{"a", 1}, {"A", 1}, {"a\0", 2}, {"a\0b", 3}, {"", 0}, {"\0", 1}, {"\xFF", 1}};
    for (int i = 0; i < 7; i++)
        ONE(Q_ty_insert, APP, I(i), NUL, NUL, NUL, stk_bytes(bins[i].p, bins[i].n), NUL, NUL);
    for (int i = 0; i < 7; i++) {
        stk_call *get = ONE(Q_ty_by_bytes, APP, stk_bytes(bins[i].p, bins[i].n));
        CHECK(get->result->nrows == 1 && t_cell(t, get, 0, 0)->u.i == i, "bytes %d find %u rows", i,
              get->result->nrows);
    }
}

/* ----------------------------------------------------------------------- C10 */

static void integers(struct t *t)
{
    static const int64_t nums[] = {INT64_MIN, INT64_MIN + 1, -4294967297,   -1,       0,
                                   1,         4294967297,    INT64_MAX - 1, INT64_MAX};
    for (int i = 0; i < 9; i++)
        ONE(Q_ty_insert, APP, I(nums[i]), NUL, I(nums[i]), NUL, NUL, NUL, NUL);
    for (int i = 0; i < 9; i++) {
        stk_call *get = ONE(Q_ty_get, APP, I(nums[i]));
        const stk_val *v = t_cell(t, get, 0, 1);
        CHECK(v->type == STK_T_I64 && v->u.i == nums[i], "%lld came back as %lld",
              (long long)nums[i], (long long)v->u.i);
        get = ONE(Q_ty_by_i64, APP, I(nums[i]));
        CHECK(get->result->nrows == (uint32_t)(9 - i), "%u numbers from %lld on",
              get->result->nrows, (long long)nums[i]);
        for (uint32_t r = 0; r < get->result->nrows; r++)
            CHECK(t_cell(t, get, r, 1)->u.i == nums[i + (int)r], "numbers are not in order");
    }
}

static void booleans(struct t *t)
{
    ONE(Q_ty_insert, APP, I(0), stk_bool(0), NUL, NUL, NUL, NUL, NUL);
    ONE(Q_ty_insert, APP, I(1), stk_bool(1), NUL, NUL, NUL, NUL, NUL);
    ONE(Q_ty_insert, APP, I(2), NUL, NUL, NUL, NUL, NUL, NUL);
    for (int b = 0; b < 2; b++) {
        stk_call *get = ONE(Q_ty_by_bool, APP, stk_bool(b));
        CHECK(get->result->nrows == 1 && t_cell(t, get, 0, 0)->u.i == b, "boolean %d finds %u rows",
              b, get->result->nrows);
        const stk_val *v = t_cell(t, ONE(Q_ty_get, APP, I(b)), 0, 0);
        CHECK(v->type == STK_T_BOOL && v->u.i == b, "boolean %d came back as type %u value %lld", b,
              v->type, (long long)v->u.i);
    }
    CHECK(t_cell(t, ONE(Q_ty_get, APP, I(2)), 0, 0)->type == STK_T_NULL, "NULL came back changed");
}

static void texts(struct t *t)
{
    char ascii[128];
    for (int i = 1; i < 128; i++)
        ascii[i - 1] = (char)i;
    ascii[127] = '\0';
    const char *all[] = {"",
                         " ",
                         ascii,
                         "\xF0\x9F\x98\x80\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD",
                         "\\",
                         "\\0",
                         "%_?$1:a{}",
                         "NULL",
                         "--;/*",
                         "\xEF\xBB\xBF"
                         "bom",
                         "\r\n"};
    for (int i = 0; i < 11; i++)
        ONE(Q_kv_insert, APP, S(all[i]), S(all[i]), I(i));
    for (int i = 0; i < 11; i++) {
        stk_call *get = ONE(Q_kv_get, APP, S(all[i]));
        CHECK(get->result->nrows == 1 && cell_is(t_cell(t, get, 0, 0), all[i]),
              "text %d did not come back", i);
    }
}

static void binaries(struct t *t)
{
    uint8_t all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    const stk_val vals[] = {stk_bytes("", 0), stk_bytes("\0\0", 2), stk_bytes(all, 256)};
    for (int i = 0; i < 3; i++) {
        ONE(Q_ty_insert, APP, I(i), NUL, NUL, NUL, vals[i], NUL, NUL);
        const stk_val *v = t_cell(t, ONE(Q_ty_get, APP, I(i)), 0, 3);
        CHECK(val_eq(v, &vals[i]), "bytes %d came back as type %u length %u", i, v->type, v->len);
    }
    ADD(Q_ty_insert, APP, I(9), NUL, NUL, NUL, NUL, NUL, NUL);
    OK(EXEC());
    CHECK(t_cell(t, ONE(Q_ty_get, APP, I(9)), 0, 3)->type == STK_T_NULL, "NULL is not empty bytes");
}

/* n copies of a character. */
static stk_val repeated(struct t *t, const char *c, size_t n)
{
    size_t len = strlen(c);
    char *p = stk_alloc(&t->mem.abi, n * len + 1);
    for (size_t i = 0; i < n; i++)
        memcpy(p + i * len, c, len);
    return stk_textn(p, n * len);
}

static const char *const widths[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

static void longest_text(struct t *t)
{
    for (int w = 0; w < 4; w++) {
        stk_val fits = repeated(t, widths[w], 64), over = repeated(t, widths[w], 65);
        ONE(Q_ty_insert, APP, I(w), NUL, NUL, fits, NUL, NUL, fits);
        stk_call *get = ONE(Q_ty_get, APP, I(w));
        CHECK(val_eq(t_cell(t, get, 0, 2), &fits), "64 characters of %zu bytes came back changed",
              strlen(widths[w]));
        ADD(Q_ty_insert, APP, I(100 + w), NUL, NUL, over, NUL, NUL, NUL);
        EXPECT(EXEC(), STK_E_TOO_BIG);
        CHECK(t->err.table == T_TYPES && t->err.column == TY_TEXT,
              "TOO_BIG names table %u column %u", t->err.table, t->err.column);
        CHECK(ONE(Q_ty_get, APP, I(100 + w))->result->nrows == 0, "a text was cut");
        ADD(Q_ty_set_text, over, APP, I(w));
        EXPECT(EXEC(), STK_E_TOO_BIG);
        CHECK(val_eq(t_cell(t, ONE(Q_ty_get, APP, I(w)), 0, 2), &fits), "an update cut a text");
    }
}

static void longest_key(struct t *t)
{
    for (int w = 0; w < 4; w++) {
        stk_val fits = repeated(t, widths[w], 512), over = repeated(t, widths[w], 513);
        stk_val near = repeated(t, widths[w], 512);
        ((char *)(uintptr_t)near.u.p)[near.len - 1] ^= 1; /* differs in the last byte only */
        ONE(Q_wi_put, fits, I(w), near, I(w + 100));
        stk_call *get = ONE(Q_wi_get, fits);
        CHECK(get->result->nrows == 1 && t_cell(t, get, 0, 1)->u.i == w &&
                  val_eq(t_cell(t, get, 0, 0), &fits),
              "a key of 512 characters of %zu bytes is not found", strlen(widths[w]));
        CHECK(t_cell(t, ONE(Q_wi_get, near), 0, 1)->u.i == w + 100,
              "keys that differ in their last byte are one");
        ADD(Q_wi_put, over, I(1));
        EXPECT(EXEC(), STK_E_TOO_BIG);
        CHECK(ONE(Q_wi_get, over)->result->nrows == 0, "a key that is too long finds a row");
        CHECK(ONE(Q_wi_delete, fits)->result->affected == 1, "the key is not deleted");
        ONE(Q_wi_delete, near);
    }
}

static void longest_bytes(struct t *t)
{
    uint8_t over[257] = {1};
    ADD(Q_ty_insert, APP, I(1), NUL, NUL, NUL, stk_bytes(over, 257), NUL, NUL);
    EXPECT(EXEC(), STK_E_TOO_BIG);
    CHECK(t->err.column == TY_BYTES, "TOO_BIG names column %u", t->err.column);
}

static void too_long_to_match(struct t *t)
{
    ONE(Q_kv_insert, APP, repeated(t, "x", 128), S("v"), I(1));
    stk_val over = repeated(t, "x", 129);
    CHECK(ONE(Q_kv_get, APP, over)->result->nrows == 0, "EQ with a text too long finds a row");
    CHECK(ONE(Q_kv_in, APP, LIST(over))->result->nrows == 0, "IN with a text too long finds a row");
    CHECK(ONE(Q_kv_prefix, APP, over)->result->nrows == 0, "a prefix too long finds a row");
    CHECK(ONE(Q_kv_delete, APP, over)->result->affected == 0, "a text too long deleted a row");
    CHECK(ONE(Q_kv_le, APP, over)->result->nrows == 1, "LE with a text too long misses the row");
}

static void long_document(struct t *t)
{
    for (size_t n = 1000; n <= 1000000; n *= 1000) {
        stk_val doc = repeated(t, "\xE2\x82\xAC", n);
        ONE(Q_ty_insert, APP, I((int64_t)n), NUL, NUL, NUL, NUL, doc, NUL);
        const stk_val *v = t_cell(t, ONE(Q_ty_get, APP, I((int64_t)n)), 0, 4);
        CHECK(val_eq(v, &doc), "a text of %zu characters came back with %u bytes", n, v->len);
    }
    ONE(Q_ty_set_long, S("short"), APP, I(1000));
    CHECK(cell_is(t_cell(t, ONE(Q_ty_get, APP, I(1000)), 0, 4), "short"), "not overwritten");
}

static void not_text(struct t *t)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {{"a\xFF", 2},    {"\xC3", 1}, {"\xED\xA0\x80", 3},
               {"\xC0\x80", 2}, {"a\0b", 3}, {"\xF4\x90\x80\x80", 4}};
    for (int i = 0; i < 6; i++) {
        ADD(Q_kv_insert, APP, S("k"), stk_textn(bad[i].p, bad[i].n), I(1));
        EXPECT(EXEC(), STK_E_INVALID);
        ADD(Q_kv_insert, APP, stk_textn(bad[i].p, bad[i].n), S("v"), I(1));
        EXPECT(EXEC(), STK_E_INVALID);
    }
    ADD(Q_kv_insert, APP, S("k"), I(7), I(1));
    EXPECT(EXEC(), STK_E_INVALID);
    ADD(Q_kv_get, APP, I(7));
    EXPECT(EXEC(), STK_E_INVALID);
    CHECK(ONE(Q_kv_count, APP)->result->affected == 0, "a row was kept");
}

static void secrets_are_values(struct t *t)
{
    ONE(Q_ty_insert, APP, I(1), NUL, NUL, NUL, NUL, NUL, S("hush"));
    CHECK(cell_is(t_cell(t, ONE(Q_ty_get, APP, I(1)), 0, 5), "hush"),
          "a SECRET column does not give its value");
}

extern const struct test values_tests[];
const struct test values_tests[] = {
    {"C9.1", "texts that look alike differ: case, blanks, accents, width", all_differ},
    {"C9.2", "texts order and compare by their bytes", byte_order},
    {"C9.3", "bytes compare exactly", bytes_compare},
    {"C10.1", "int64, its limits included, comes back and orders", integers},
    {"C10.2", "booleans", booleans},
    {"C10.3", "any text comes back: empty, controls, 4-byte characters, quotes", texts},
    {"C10.4", "bytes come back, NULs included; empty is not NULL", binaries},
    {"C10.5", "the longest text fits, one more is TOO_BIG and names its column", longest_text},
    {"C10.6", "a key of 512 characters of any width, to its last byte", longest_key},
    {"C10.7", "bytes beyond the maximum are TOO_BIG", longest_bytes},
    {"C10.8", "a longer value that is only compared matches nothing", too_long_to_match},
    {"C10.9", "documents of megabytes", long_document},
    {"C10.10", "text that is not UTF-8, NULs and wrong types are INVALID", not_text},
    {"C10.11", "SECRET columns are stored like others", secrets_are_values},
    {0},
};
