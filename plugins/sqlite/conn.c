/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: how they are set up, wait for other processes, and fail. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sqlite_plugin.h"

enum {
    PROGRESS_OPS = 20000,    /* virtual machine steps between looks at the clock */
    CHECKPOINT_PAGES = 1000, /* pages in the log before it is copied back */
    RESTART_PAGES = 8000     /* pages before readers are waited for, to start it afresh */
};

static uint64_t now_us(const struct conn *c)
{
    return c->db->host->now_us(c->db->host->ctx);
}

/* ------------------------------------------------------------------ errors */

static stk_status duplicate(struct conn *c, const char *msg, stk_err *err)
{
    const struct stk_sql *sql = c->db->sql;
    /* "UNIQUE constraint failed: st_t.a, st_t.b" lists the columns of the key. */
    const char *s = strstr(msg, "failed: ");
    s = s ? s + 8 : "";
    size_t n = strcspn(s, ".");
    char name[128];
    uint16_t table = STK_NONE;
    snprintf(name, sizeof name, "%.*s", (int)n, s);
    if (!stk_sql_find_table(sql, name, &table))
        return stk_sql_duplicate(sql, STK_NONE, STK_NONE, err);
    const stk_table *t = &sql->tables[table];
    for (uint16_t k = 0; k < t->nkeys; k++) {
        char cols[1024] = "";
        size_t len = 0;
        for (uint16_t i = 0; i < t->keys[k].ncols && len < sizeof cols; i++)
            len += (size_t)snprintf(cols + len, sizeof cols - len, "%s%s.%s", i ? ", " : "",
                                    t->name, t->cols[t->keys[k].cols[i]].name);
        if (t->keys[k].kind != STK_KEY_INDEX && strcmp(cols, s) == 0)
            return stk_sql_duplicate(sql, table, k, err);
    }
    return stk_sql_duplicate(sql, table, STK_NONE, err);
}

struct meaning {
    int code; /* primary result code */
    stk_status status;
    const char *what, *remedy;
};

static const struct meaning meanings[] = {
    {SQLITE_BUSY, STK_E_TIMEOUT, "another process kept the database locked until the deadline",
     "Find it with: fuser"},
    {SQLITE_LOCKED, STK_E_TIMEOUT, "the database stayed locked until the deadline", NULL},
    {SQLITE_INTERRUPT, STK_E_TIMEOUT, "the deadline passed", NULL},
    {SQLITE_FULL, STK_E_READ_ONLY, "the disk is full", "Free space for"},
    {SQLITE_READONLY, STK_E_READ_ONLY, "the file cannot be written", "Make this user own"},
    {SQLITE_PERM, STK_E_READ_ONLY, "permission denied", "Make this user own"},
    {SQLITE_CANTOPEN, STK_E_UNAVAILABLE, "the file cannot be opened", "Check the permissions of"},
    {SQLITE_CORRUPT, STK_E_INTERNAL, "the file is damaged",
     "Restore a backup, or see sqlite3's .recover, of"},
    {SQLITE_NOTADB, STK_E_CONFIG, "the file is no SQLite database",
     "Set sqlite_path to another file than"},
    {SQLITE_IOERR, STK_E_UNAVAILABLE, "reading or writing the file failed", "Check the disk of"},
    {SQLITE_NOMEM, STK_E_NOMEM, "out of memory", NULL},
    {SQLITE_TOOBIG, STK_E_TOO_BIG, "a value is too long", NULL},
    {SQLITE_CONSTRAINT, STK_E_INVALID, "a constraint refused the row", NULL},
    {SQLITE_MISMATCH, STK_E_INVALID, "a value has the wrong type", NULL},
    {SQLITE_ERROR, STK_E_SCHEMA, "the statement does not fit the schema",
     "Run supertokens migrate on"},
};

stk_status conn_error(struct conn *c, int code, const char *what, stk_err *err)
{
    int ext = c->s ? sqlite3_extended_errcode(c->s) : code;
    if ((ext & 0xFF) != (code & 0xFF))
        ext = code;
    const char *msg = c->s ? sqlite3_errmsg(c->s) : sqlite3_errstr(code);
    stk_status rc = STK_E_INTERNAL;
    if (ext == SQLITE_CONSTRAINT_UNIQUE || ext == SQLITE_CONSTRAINT_PRIMARYKEY) {
        rc = duplicate(c, msg, err);
    } else {
        const struct meaning *m = NULL;
        int primary = ext & 0xFF;
        /* The index of the log is made larger without a word of SQLITE_FULL. */
        if (primary == SQLITE_IOERR && c->s && sqlite3_system_errno(c->s) == ENOSPC)
            primary = SQLITE_FULL;
        for (size_t i = 0; !m && i < sizeof meanings / sizeof meanings[0]; i++)
            if (meanings[i].code == primary)
                m = &meanings[i];
        rc = m ? m->status : STK_E_INTERNAL;
        stk_err_set(err, rc, "sqlite: %s failed on %s: %s (%s).%s%s%s%s", what, c->db->path,
                    m ? m->what : "unexpected error", msg, m && m->remedy ? " " : "",
                    m && m->remedy ? m->remedy : "", m && m->remedy ? " " : "",
                    m && m->remedy ? c->db->path : "");
    }
    if (err)
        err->native = ext;
    return rc;
}

/* --------------------------------------------------------------- callbacks */

/* Another process holds a lock: looks again after a while, up to the deadline. */
static int on_busy(void *arg, int count)
{
    struct conn *c = arg;
    uint64_t now = now_us(c);
    if (now >= c->deadline_us)
        return 0;
    uint64_t pause = count < 5 ? 1000 : count < 20 ? 5000 : 20000;
    if (pause > c->deadline_us - now)
        pause = c->deadline_us - now;
    struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)pause * 1000};
    nanosleep(&ts, NULL);
    return 1;
}

static int on_progress(void *arg)
{
    struct conn *c = arg;
    return now_us(c) >= c->deadline_us;
}

/* Replaces SQLite's automatic checkpoint: where readers never pause, a passive
 * one can never start the log afresh, so a long log waits for them a moment. */
static int on_wal(void *arg, sqlite3 *s, const char *name, int pages)
{
    struct conn *c = arg;
    (void)name;
    if (pages < CHECKPOINT_PAGES)
        return SQLITE_OK;
    uint64_t deadline = c->deadline_us;
    c->deadline_us = now_us(c) + 100000;
    sqlite3_wal_checkpoint_v2(
        s, NULL, pages < RESTART_PAGES ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART,
        NULL, NULL);
    c->deadline_us = deadline;
    return SQLITE_OK; /* the commit is done, whatever became of this */
}

/* ----------------------------------------------------------- open and close */

static bool is_wal(struct conn *c, const char *pragma, int *rc)
{
    sqlite3_stmt *st = NULL;
    bool wal = false;
    *rc = sqlite3_prepare_v2(c->s, pragma, -1, &st, NULL);
    if (*rc == SQLITE_OK && (*rc = sqlite3_step(st)) == SQLITE_ROW)
        wal = sqlite3_stricmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;
    if (st)
        *rc = sqlite3_finalize(st);
    return wal;
}

/* The switch to WAL answers BUSY without asking the busy handler. */
static stk_status set_wal(struct conn *c, stk_err *err)
{
    int rc;
    if (is_wal(c, "PRAGMA journal_mode", &rc))
        return STK_OK;
    for (int count = 0; rc == SQLITE_OK || (rc & 0xFF) == SQLITE_BUSY; count++) {
        if (is_wal(c, "PRAGMA journal_mode=WAL", &rc))
            return STK_OK;
        if (rc == SQLITE_OK)
            return stk_err_set(err, STK_E_CONFIG,
                               "sqlite: the file system of %s has no shared memory for a "
                               "write-ahead log. Set sqlite_path to a local disk.",
                               c->db->path);
        if ((rc & 0xFF) == SQLITE_BUSY && !on_busy(c, count))
            break;
    }
    if ((rc & 0xFF) == SQLITE_CANTOPEN || (rc & 0xFF) == SQLITE_READONLY)
        return stk_err_set(err, STK_E_CONFIG,
                           "sqlite: the write-ahead log cannot be made beside %s. Make its folder "
                           "writable for user %u or set sqlite_path.",
                           c->db->path, (unsigned)geteuid());
    return conn_error(c, rc, "switching to WAL", err);
}

static stk_status set_up(struct conn *c, stk_err *err)
{
    sqlite3_extended_result_codes(c->s, 1);
    sqlite3_busy_handler(c->s, on_busy, c);
    sqlite3_progress_handler(c->s, PROGRESS_OPS, on_progress, c);
    sqlite3_db_config(c->s, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(c->s, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(c->s, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->s, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_wal_hook(c->s, on_wal, c);
    if (c->writer && sqlite3_db_readonly(c->s, "main") == 1)
        return stk_err_set(err, STK_E_READ_ONLY,
                           "sqlite: %s cannot be written by user %u. Give it to that user or set "
                           "sqlite_path.",
                           c->db->path, (unsigned)geteuid());
    stk_status rc = set_wal(c, err);
    if (!rc)
        rc = conn_run(c, "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;", err);
    if (!rc)
        rc = conn_run(c, c->writer ? "PRAGMA journal_size_limit=33554432" : "PRAGMA query_only=ON",
                      err);
    return rc;
}

static sqlite3_stmt *prepare(struct conn *c, const char *text, stk_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(c->s, text, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK)
        conn_error(c, rc, "preparing a statement", err);
    return st;
}

static stk_status open_one(struct stk_db *db, bool writer, uint64_t deadline_us, void **out,
                           stk_err *err)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        return stk_err_nomem(err);
    c->db = db;
    c->writer = writer;
    c->deadline_us = deadline_us;
    c->stmts = calloc((size_t)db->sql->nqueries * STK_SQL_SLOTS + 1, sizeof(sqlite3_stmt *));
    stk_status rc = c->stmts ? STK_OK : stk_err_nomem(err);
    if (!rc) {
        int code =
            sqlite3_open_v2(db->path, &c->s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        rc = code == SQLITE_OK ? set_up(c, err) : conn_error(c, code, "opening", err);
    }
    if (!rc) {
        c->begin = prepare(c, writer ? "BEGIN IMMEDIATE" : "BEGIN", err);
        c->commit = prepare(c, "COMMIT", err);
        c->rollback = prepare(c, "ROLLBACK", err);
        if (!c->begin || !c->commit || !c->rollback)
            rc = err && err->code ? err->code : STK_E_INTERNAL;
    }
    if (rc)
        conn_close(db, c);
    else
        *out = c;
    return rc;
}

stk_status conn_open_reader(void *db, uint64_t deadline_us, void **conn, stk_err *err)
{
    return open_one(db, false, deadline_us, conn, err);
}

stk_status conn_open_writer(void *db, uint64_t deadline_us, void **conn, stk_err *err)
{
    return open_one(db, true, deadline_us, conn, err);
}

void conn_close(void *db, void *conn)
{
    struct conn *c = conn;
    const struct stk_db *d = db;
    for (size_t i = 0; c->stmts && i < (size_t)d->sql->nqueries * STK_SQL_SLOTS; i++)
        sqlite3_finalize(c->stmts[i]);
    sqlite3_finalize(c->begin);
    sqlite3_finalize(c->commit);
    sqlite3_finalize(c->rollback);
    /* The last one copies the log back, waiting for nobody. */
    c->deadline_us = 0;
    sqlite3_close(c->s);
    free(c->stmts);
    free(c);
}

/* -------------------------------------------------------------- take, use */

/* What is written to a file without a name is lost with the process; with a log
 * beside the database SQLite does not look by itself. */
static bool moved(struct conn *c)
{
    int is = 0;
    return sqlite3_file_control(c->s, "main", SQLITE_FCNTL_HAS_MOVED, &is) == SQLITE_OK && is;
}

stk_status conn_get(struct stk_db *db, bool writer, uint64_t deadline_us, struct conn **out,
                    stk_err *err)
{
    uint64_t now = db->host->now_us(db->host->ctx);
    if (deadline_us == 0)
        deadline_us = now + SQLITE_WAIT_US;
    if (deadline_us <= now)
        return stk_err_set(err, STK_E_TIMEOUT, "sqlite: the deadline had passed on arrival");
    void *p = NULL;
    stk_status rc = stk_pool_get(writer ? db->writer : db->readers, deadline_us, &p, err);
    if (rc)
        return rc;
    struct conn *c = p;
    if (moved(c)) {
        stk_pool_put(writer ? db->writer : db->readers, p, false);
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           "sqlite: %s was moved or deleted while in use. Put the same file back, "
                           "or restart.",
                           db->path);
    }
    c->deadline_us = deadline_us;
    *out = c;
    return STK_OK;
}

void conn_put(struct conn *c)
{
    if (!sqlite3_get_autocommit(c->s))
        conn_rollback(c);
    bool stuck = !sqlite3_get_autocommit(c->s);
    stk_pool_put(c->writer ? c->db->writer : c->db->readers, c, stuck);
}

static int step_once(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

stk_status conn_begin(struct conn *c, stk_err *err)
{
    int rc = step_once(c->begin);
    return rc == SQLITE_OK ? STK_OK : conn_error(c, rc, "BEGIN", err);
}

stk_status conn_commit(struct conn *c, stk_err *err)
{
    int rc = step_once(c->commit);
    if (rc == SQLITE_OK)
        return STK_OK;
    stk_status status = conn_error(c, rc, "COMMIT", err);
    /* The log holds the commit but it is not known to be on the disk. */
    if (c->writer && err && err->native == SQLITE_IOERR_FSYNC)
        status = err->code = STK_E_UNCERTAIN;
    conn_rollback(c);
    return status;
}

void conn_rollback(struct conn *c)
{
    if (!sqlite3_get_autocommit(c->s))
        step_once(c->rollback);
}

stk_status conn_run(struct conn *c, const char *sql, stk_err *err)
{
    int rc = sqlite3_exec(c->s, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? STK_OK : conn_error(c, rc, "a statement", err);
}

sqlite3_stmt *conn_stmt(struct conn *c, uint16_t query, uint8_t slot, stk_err *err)
{
    sqlite3_stmt **place = &c->stmts[(size_t)query * STK_SQL_SLOTS + slot];
    sqlite3_stmt *ready = *place;
    if (ready)
        return ready;
    const struct stk_sql_stmt *st = stk_sql_stmt(c->db->sql, query, slot);
    if (!st) {
        stk_err_nomem(err);
        return NULL;
    }
    *place = prepare(c, st->text, err);
    return *place;
}
