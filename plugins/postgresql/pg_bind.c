/* SPDX-License-Identifier: Apache-2.0 */
/* Values to and from the binary wire format.
 *
 * Texts and bytes are passed as they are, integers as eight bytes, a list as
 * one array parameter.  Text and bytes cells point into the PGresult, which the
 * arena keeps until it is reset; secret columns are wiped there before. */
#include "pg.h"

#include <endian.h>
#include <stdlib.h>

bool pg_bind_reserve(struct pg_conn *c, uint32_t n)
{
    if (n <= c->cap)
        return true;
    uint32_t cap = c->cap ? c->cap : 64;
    while (cap < n)
        cap *= 2;
    const char **values = realloc(c->values, cap * sizeof *values);
    c->values = values ? values : c->values;
    int *lengths = realloc(c->lengths, cap * sizeof *lengths);
    c->lengths = lengths ? lengths : c->lengths;
    int *formats = realloc(c->formats, cap * sizeof *formats);
    c->formats = formats ? formats : c->formats;
    Oid *types = realloc(c->types, cap * sizeof *types);
    c->types = types ? types : c->types;
    int64_t *numbers = realloc(c->numbers, cap * sizeof *numbers);
    c->numbers = numbers ? numbers : c->numbers;
    if (!values || !lengths || !formats || !types || !numbers)
        return false;
    for (uint32_t i = c->cap; i < cap; i++)
        formats[i] = 1;
    c->cap = cap;
    return true;
}

static Oid oid_of(uint8_t type, bool list)
{
    switch (type) {
    case STK_T_BOOL: return list ? PG_OID_BOOL_ARRAY : PG_OID_BOOL;
    case STK_T_I64: return list ? PG_OID_INT8_ARRAY : PG_OID_INT8;
    case STK_T_BYTES: return list ? PG_OID_BYTEA_ARRAY : PG_OID_BYTEA;
    default: return list ? PG_OID_TEXT_ARRAY : PG_OID_TEXT;
    }
}

static char *put32(char *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, 4);
    return p + 4;
}

/* Bytes an element takes in an array, without its length. */
static uint32_t element_len(const stk_val *v)
{
    return v->type == STK_T_I64 ? 8 : v->type == STK_T_BOOL ? 1 : v->len;
}

/* A one-dimensional array: dimensions, has-null flag, element type, count,
 * lower bound, then each element with its length. */
static char *encode_list(uint8_t type, const stk_val *list, stk_arena *arena, int *len)
{
    const stk_val *v = list->u.p;
    size_t size = 20;
    for (uint32_t i = 0; i < list->len; i++)
        size += 4u + element_len(&v[i]);
    char *buf = stk_alloc(arena, size), *p = buf;
    p = put32(p, 1);
    p = put32(p, 0);
    p = put32(p, oid_of(type, false));
    p = put32(p, list->len);
    p = put32(p, 1);
    for (uint32_t i = 0; i < list->len; i++) {
        uint32_t n = element_len(&v[i]);
        p = put32(p, n);
        if (v[i].type == STK_T_I64) {
            uint64_t be = htobe64((uint64_t)v[i].u.i);
            memcpy(p, &be, 8);
        } else if (v[i].type == STK_T_BOOL) {
            *p = v[i].u.i ? 1 : 0;
        } else if (n) {
            memcpy(p, v[i].u.p, n);
        }
        p += n;
    }
    *len = (int)size;
    return buf;
}

void pg_bind_number(struct pg_conn *c, uint32_t i, int64_t n)
{
    c->types[i] = PG_OID_INT8;
    c->numbers[i] = (int64_t)htobe64((uint64_t)n);
    c->values[i] = (const char *)&c->numbers[i];
    c->lengths[i] = 8;
}

void pg_bind(struct pg_conn *c, uint32_t i, const struct stk_sql_bind *b, const stk_val *v,
             stk_arena *arena)
{
    c->types[i] = oid_of(b->type, b->kind == STK_BIND_LIST);
    switch (v->type) {
    case STK_T_NULL:
        c->values[i] = NULL;
        c->lengths[i] = 0;
        break;
    case STK_T_LIST: c->values[i] = encode_list(b->type, v, arena, &c->lengths[i]); break;
    case STK_T_I64: pg_bind_number(c, i, v->u.i); break;
    case STK_T_BOOL: {
        char *byte = (char *)&c->numbers[i];
        *byte = v->u.i ? 1 : 0;
        c->values[i] = byte;
        c->lengths[i] = 1;
        break;
    }
    default:
        /* An empty text may come without a pointer, which libpq would read as NULL. */
        c->values[i] = v->len ? v->u.p : "";
        c->lengths[i] = (int)v->len;
    }
}

/* ------------------------------------------------------------------- results */

int64_t pg_cell_i64(const PGresult *res, int row, int col)
{
    const char *p = PQgetvalue(res, row, col);
    uint64_t be64;
    uint32_t be32;
    uint16_t be16;
    switch (PQgetlength(res, row, col)) {
    case 8: memcpy(&be64, p, 8); return (int64_t)be64toh(be64);
    case 4: memcpy(&be32, p, 4); return (int32_t)be32toh(be32);
    case 2: memcpy(&be16, p, 2); return (int16_t)be16toh(be16);
    default: return 0;
    }
}

struct pinned {
    PGresult *res;
    int nsecret;
    int secret[];
};

static void unpin(void *arg)
{
    struct pinned *p = arg;
    for (int i = 0; i < p->nsecret; i++)
        for (int row = 0; row < PQntuples(p->res); row++)
            explicit_bzero(PQgetvalue(p->res, row, p->secret[i]),
                           (size_t)PQgetlength(p->res, row, p->secret[i]));
    PQclear(p->res);
}

static void cell(const PGresult *res, int row, int col, uint8_t type, stk_val *out)
{
    memset(out, 0, sizeof *out);
    if (PQgetisnull(res, row, col))
        return;
    out->type = type;
    if (type == STK_T_I64) {
        out->u.i = pg_cell_i64(res, row, col);
    } else if (type == STK_T_BOOL) {
        out->u.i = PQgetvalue(res, row, col)[0] != 0;
    } else {
        out->u.p = PQgetvalue(res, row, col); /* libpq adds a NUL byte */
        out->len = (uint32_t)PQgetlength(res, row, col);
    }
}

void pg_rows(const struct stk_sql *sql, const stk_query *q, PGresult *res, uint32_t nrows,
             stk_arena *arena, stk_result *out)
{
    const stk_table *t = &sql->tables[q->table];
    struct pinned *pin = stk_alloc(arena, sizeof *pin + q->nout * sizeof(int));
    pin->res = res;
    pin->nsecret = 0;
    for (int c = 0; c < q->nout; c++)
        if (t->cols[q->out[c]].flags & STK_COL_SECRET)
            pin->secret[pin->nsecret++] = c;
    arena->defer(arena, unpin, pin);
    stk_val *cells = stk_alloc(arena, (size_t)nrows * q->nout * sizeof *cells);
    for (uint32_t r = 0; r < nrows; r++)
        for (int c = 0; c < q->nout; c++)
            cell(res, (int)r, c, t->cols[q->out[c]].type, &cells[r * q->nout + (uint32_t)c]);
    out->nrows = nrows;
    out->ncols = q->nout;
    out->cells = cells;
}
