/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements: made on first use by a connection, run in the binary
 * protocol.  A result is stored before its first row is read: MariaDB's library
 * hides an error that comes between two rows, such as a deadlock. */
#include "mq.h"

#include <stdlib.h>

static void stmt_free(struct mq_stmt *s)
{
    if (!s)
        return;
    if (s->h)
        mysql_stmt_close(s->h);
    free(s->out);
    free(s->cells);
    free(s);
}

static struct mq_stmt **slot_of(struct mq_conn *c, uint16_t query, uint8_t slot)
{
    return &c->stmts[(size_t)query * STK_SQL_SLOTS + slot];
}

void mq_stmt_forget(struct mq_conn *c)
{
    for (size_t i = 0; i < (size_t)c->db->server.sql->nqueries * STK_SQL_SLOTS; i++) {
        stmt_free(c->stmts[i]);
        c->stmts[i] = NULL;
    }
}

/* Texts and bytes get no buffer: their row tells the length. */
static bool bind_out(struct mq_stmt *s, const struct stk_sql *sql, const struct stk_sql_stmt *text)
{
    const stk_query *q = &sql->queries[text->query];
    size_t n = text->ncols;
    s->out = calloc(n + 1, sizeof *s->out);
    s->cells = calloc(n + 1, sizeof *s->cells);
    if (!s->out || !s->cells)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t type =
            q->op == STK_OP_COUNT ? STK_T_I64 : sql->tables[q->table].cols[q->out[i]].type;
        MYSQL_BIND *b = &s->out[i];
        bool number = type == STK_T_I64 || type == STK_T_BOOL;
        b->buffer_type = number               ? MYSQL_TYPE_LONGLONG
                         : type == STK_T_TEXT ? MYSQL_TYPE_STRING
                                              : MYSQL_TYPE_BLOB;
        b->buffer = &s->cells[i].n;
        b->buffer_length = number ? sizeof s->cells[i].n : 0;
        b->length = &s->cells[i].len;
        b->is_null = &s->cells[i].null;
        b->error = &s->cells[i].error;
    }
    return true;
}

static void stmt_failure(const struct mq_conn *c, MYSQL_STMT *h, struct mq_failure *f)
{
    mq_failure_set(f, mysql_stmt_errno(h), mysql_stmt_sqlstate(h), mysql_stmt_error(h));
    if (!f->code)
        mq_failure_read(c->my, f);
}

/* The statement, prepared; NULL: see run->f. */
static struct mq_stmt *prepare(struct mq_conn *c, const struct stk_sql_stmt *text,
                               struct mq_run *run)
{
    struct mq_stmt **slot = slot_of(c, text->query, text->slot);
    if (*slot)
        return *slot;
    struct mq_stmt *s = calloc(1, sizeof *s);
    if (s)
        s->h = mysql_stmt_init(c->my);
    if (!s || !s->h || !bind_out(s, c->db->server.sql, text)) {
        mq_failure_set(&run->f, 2008, "HY001", "out of memory");
        goto fail;
    }
    run->trips++;
    if (mysql_stmt_prepare(s->h, text->text, text->len) ||
        (text->ncols && mysql_stmt_bind_result(s->h, s->out))) {
        stmt_failure(c, s->h, &run->f);
        goto fail;
    }
    *slot = s;
    return s;
fail:
    stmt_free(s);
    return NULL;
}

/* -------------------------------------------------------------------- values */

static bool reserve(struct mq_conn *c, uint32_t n)
{
    if (n <= c->cap)
        return true;
    uint32_t cap = c->cap ? c->cap : 64;
    while (cap < n)
        cap *= 2;
    MYSQL_BIND *in = realloc(c->in, cap * sizeof *in);
    c->in = in ? in : c->in;
    int64_t *numbers = realloc(c->numbers, cap * sizeof *numbers);
    c->numbers = numbers ? numbers : c->numbers;
    if (!in || !numbers)
        return false;
    c->cap = cap;
    return true;
}

static void bind_in(struct mq_conn *c, uint32_t i, const stk_val *v)
{
    MYSQL_BIND *b = &c->in[i];
    memset(b, 0, sizeof *b);
    switch (v->type) {
    case STK_T_NULL: b->buffer_type = MYSQL_TYPE_NULL; break;
    case STK_T_BOOL:
    case STK_T_I64:
        c->numbers[i] = v->u.i;
        b->buffer_type = MYSQL_TYPE_LONGLONG;
        b->buffer = &c->numbers[i];
        break;
    default:
        b->buffer_type = v->type == STK_T_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
        /* The library reads it only; its type is older than const. */
        memcpy(&b->buffer, &v->u.p, sizeof b->buffer);
        if (!v->len)
            b->buffer = &c->numbers[i];
        b->buffer_length = v->len;
    }
}

/* Binds all values; false: too large for the server, or out of memory. */
static bool bind_all(struct mq_conn *c, const struct stk_sql_stmt *text, const stk_call *call,
                     const struct stk_sql_piece *piece, stk_arena *arena, struct mq_run *run)
{
    size_t bytes = text->nbinds * 12u + 1024u;
    if (!reserve(c, text->nbinds + 1u)) {
        mq_failure_set(&run->f, 2008, "HY001", "out of memory");
        return false;
    }
    for (uint16_t i = 0; i < text->nbinds; i++) {
        stk_val v;
        stk_sql_value(c->db->server.sql, call, piece, &text->binds[i], arena, &v);
        bind_in(c, i, &v);
        bytes += c->in[i].buffer_length;
    }
    /* The server would answer by closing the connection, often unheard. */
    if (bytes > c->max_packet) {
        mq_failure_set(&run->f, 1301, "HY000", "");
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------- results */

static bool read_text(struct mq_stmt *s, unsigned col, uint8_t type, stk_arena *arena, stk_val *out)
{
    unsigned long len = s->cells[col].len, got = 0;
    char *copy = stk_alloc(arena, len + 1);
    mq_bool null = 0, error = 0;
    MYSQL_BIND b = s->out[col];
    b.buffer = copy;
    b.buffer_length = len;
    b.length = &got;
    b.is_null = &null;
    b.error = &error;
    if (len && mysql_stmt_fetch_column(s->h, &b, col, 0))
        return false;
    copy[len] = '\0';
    *out = type == STK_T_TEXT ? stk_textn(copy, len) : stk_bytes(copy, len);
    return true;
}

static bool read_row(struct mq_stmt *s, const struct stk_sql *sql, const stk_query *q,
                     stk_arena *arena, stk_val *cells)
{
    for (unsigned i = 0; i < q->nout; i++) {
        uint8_t type = sql->tables[q->table].cols[q->out[i]].type;
        if (s->cells[i].null)
            cells[i] = stk_null();
        else if (type == STK_T_I64)
            cells[i] = stk_i64(s->cells[i].n);
        else if (type == STK_T_BOOL)
            cells[i] = stk_bool(s->cells[i].n != 0);
        else if (!read_text(s, i, type, arena, &cells[i]))
            return false;
    }
    return true;
}

static bool read_rows(struct mq_stmt *s, const struct stk_sql *sql, const stk_query *q,
                      stk_arena *arena, stk_result *res)
{
    struct stk_sql_rows rows = {0};
    int rc;
    if (mysql_stmt_store_result(s->h))
        return false;
    while ((rc = mysql_stmt_fetch(s->h)) == 0 || rc == MYSQL_DATA_TRUNCATED) {
        if (q->op == STK_OP_COUNT) {
            res->affected = (uint64_t)s->cells[0].n;
            continue;
        }
        if (!read_row(s, sql, q, arena, stk_sql_rows_add(&rows, q->nout, arena)))
            return false;
    }
    res->cells = rows.cells;
    res->nrows = rows.n;
    res->ncols = q->op == STK_OP_SELECT ? q->nout : 0;
    return rc == MYSQL_NO_DATA;
}

bool mq_stmt_run(struct mq_conn *c, const stk_call *call, const struct stk_sql_piece *piece,
                 stk_arena *arena, struct mq_run *run)
{
    const struct stk_sql *sql = c->db->server.sql;
    const stk_query *q = &sql->queries[call->query->id];
    const struct stk_sql_stmt *text = stk_sql_stmt(sql, q->id, piece->slot);
    run->sent = false;
    if (!text) {
        mq_failure_set(&run->f, 2008, "HY001", "out of memory");
        return false;
    }
    for (int tries = 0;; tries++) {
        struct mq_stmt *s = prepare(c, text, run);
        if (!s || !bind_all(c, text, call, piece, arena, run))
            return false;
        run->sent = true;
        run->trips++;
        bool ok = !mysql_stmt_bind_param(s->h, c->in) && !mysql_stmt_execute(s->h);
        if (ok && text->ncols)
            ok = read_rows(s, sql, q, arena, call->result);
        if (!ok)
            stmt_failure(c, s->h, &run->f);
        else if (q->op == STK_OP_UPDATE || q->op == STK_OP_DELETE)
            call->result->affected += (uint64_t)mysql_stmt_affected_rows(s->h);
        if (text->ncols && (ok || !mq_error_lost(run->f.code)))
            mysql_stmt_free_result(s->h);
        if (ok)
            return true;
        /* The server forgot the statement, or the table changed under it. */
        if (tries || (run->f.code != 1243 && run->f.code != 1615))
            return false;
        struct mq_stmt **slot = slot_of(c, text->query, text->slot);
        stmt_free(*slot);
        *slot = NULL;
    }
}
