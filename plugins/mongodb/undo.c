/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of pre-images of a standalone server, collection st_undo.
 *
 *     {_id: "SEQ.N", seq, n, on, c: collection, k: _id, img: document}   or without img
 *     {_id: "commit", seq}
 *     {_id: "undo", on}
 *
 * Before a write its pre-images are there, synced; a transaction is done when
 * "commit" carries its number.  Numbers above that are undone newest first: the
 * image is put back, or, without one, the document is removed.  Of rows to be
 * made every one gets an entry without image after the images of those that are
 * there already, so that undoing removes them all and then puts those back.
 *
 * What was sent over a connection that died may arrive at any later time.  For
 * writes to the journal that does no harm: a mark never goes back, entries below
 * it mean nothing, and only such are removed.  Writes to rows would: `on` names
 * the connection they came over, of the transaction or of who undid it last, and
 * nothing is undone before the server has seen the end of that connection. */
#include <inttypes.h>
#include <time.h>

#include "mongodb_plugin.h"

#define UNDO "st_undo"

/* Entries on their way. */
struct keep {
    struct mg_op *op;
    struct stk_txn *txn;
    const char *collection;
    bson_t list;
    uint32_t n;
};

/* Synced, and not part of the transaction whose pre-images they are. */
static struct mg_op synced(const struct mg_op *op)
{
    struct mg_op own = *op;
    own.txn = NULL;
    own.table = STK_NONE;
    return own;
}

static stk_status run(struct mg_op *op, bson_t *cmd)
{
    bson_t reply;
    struct mg_op own = synced(op);
    stk_status rc = mg_command(&own, MG_WRITE, cmd, &reply);
    op->commands = own.commands;
    bson_destroy(&reply);
    bson_destroy(cmd);
    return rc;
}

/* "PROCESS/NUMBER": the server's process and its number of our connection; "" where
 * the server does not say. */
static stk_status name_connection(struct mg_op *op, char *out, size_t n)
{
    bson_t *cmd = BCON_NEW("isMaster", BCON_INT32(1)), reply;
    struct mg_op own = synced(op);
    stk_status rc = mg_command(&own, MG_READ, cmd, &reply);
    bson_iter_t it, at;
    char hex[25] = "";
    if (bson_iter_init(&it, &reply) &&
        bson_iter_find_descendant(&it, "topologyVersion.processId", &at) &&
        BSON_ITER_HOLDS_OID(&at))
        bson_oid_to_string(bson_iter_oid(&at), hex);
    int64_t number = mg_int(&reply, "connectionId");
    out[0] = '\0';
    if (number)
        snprintf(out, n, "%s/%" PRId64, hex, number);
    bson_destroy(cmd);
    bson_destroy(&reply);
    return rc;
}

static stk_status flush(struct keep *k)
{
    if (k->n == 0)
        return STK_OK;
    bson_t cmd = BSON_INITIALIZER;
    bson_append_utf8(&cmd, "insert", -1, UNDO, -1);
    bson_append_array(&cmd, "documents", -1, &k->list);
    bson_destroy(&k->list);
    bson_init(&k->list);
    k->n = 0;
    stk_status rc = run(k->op, &cmd);
    /* Nothing of the transaction's own was lost: its write was not yet sent. */
    return rc == STK_E_UNCERTAIN ? mg_fail(k->op, STK_E_UNAVAILABLE, "the connection was lost")
                                 : rc;
}

static stk_status add(struct keep *k, const bson_value_t *id, const bson_t *image)
{
    char name[40], index[16];
    const char *key;
    bson_t e;
    uint32_t n = ++k->txn->n;
    snprintf(name, sizeof name, "%016" PRIx64 ".%08" PRIx32, k->txn->seq, n);
    bson_uint32_to_string(k->n++, &key, index, sizeof index);
    bson_append_document_begin(&k->list, key, -1, &e);
    bson_append_utf8(&e, "_id", -1, name, -1);
    bson_append_int64(&e, "seq", -1, (int64_t)k->txn->seq);
    bson_append_int64(&e, "n", -1, n);
    bson_append_utf8(&e, "on", -1, k->txn->on, -1);
    bson_append_utf8(&e, "c", -1, k->collection, -1);
    bson_append_value(&e, "k", -1, id);
    if (image)
        bson_append_document(&e, "img", -1, image);
    bson_append_document_end(&k->list, &e);
    return k->list.len > MG_COMMAND_BYTES ? flush(k) : STK_OK;
}

static stk_status keep_image(void *ud, const bson_t *doc)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, "_id") ? add(ud, bson_iter_value(&it), doc) : STK_OK;
}

stk_status mg_undo_keep(struct mg_op *op, const char *collection, const bson_t *filter,
                        const bson_t *ids)
{
    struct keep k = {.op = op, .txn = op->txn, .collection = collection, .list = BSON_INITIALIZER};
    if (!op->txn->seq) {
        stk_status rc = name_connection(op, op->txn->on, sizeof op->txn->on);
        if (rc)
            return rc;
        op->txn->seq = mg_solo_next(op->db);
    }
    bson_t by_id = BSON_INITIALIZER, in;
    if (ids) {
        bson_append_document_begin(&by_id, "_id", -1, &in);
        bson_append_array(&in, "$in", -1, ids);
        bson_append_document_end(&by_id, &in);
    }
    stk_status rc = mg_find(op, collection, ids ? &by_id : filter, NULL, keep_image, &k);
    bson_iter_t it;
    if (!rc && ids && bson_iter_init(&it, ids))
        while (!rc && bson_iter_next(&it))
            rc = add(&k, bson_iter_value(&it), NULL);
    if (!rc)
        rc = flush(&k);
    bson_destroy(&k.list);
    bson_destroy(&by_id);
    return rc;
}

/* Removes entries that are of no use any more: those of a number up to seq. */
static stk_status forget(struct mg_op *op, uint64_t seq)
{
    bson_t *cmd = BCON_NEW("delete", UNDO, "deletes", "[", "{", "q", "{", "n", "{", "$exists",
                           BCON_BOOL(true), "}", "seq", "{", "$lte", BCON_INT64((int64_t)seq), "}",
                           "}", "limit", BCON_INT32(0), "}", "]");
    bson_t own;
    bson_copy_to(cmd, &own);
    bson_destroy(cmd);
    return run(op, &own);
}

static stk_status mark(struct mg_op *op, uint64_t seq)
{
    bson_t *cmd = BCON_NEW("update", UNDO, "updates", "[", "{", "q", "{", "_id",
                           BCON_UTF8("commit"), "}", "u", "{", "$max", "{", "seq",
                           BCON_INT64((int64_t)seq), "}", "}", "upsert", BCON_BOOL(true), "}", "]");
    bson_t own;
    bson_copy_to(cmd, &own);
    bson_destroy(cmd);
    return run(op, &own);
}

stk_status mg_undo_commit(struct mg_op *op)
{
    enum { TRIES = 3, OFTEN = 64 };
    stk_status rc = mg_solo_check(op);
    if (rc)
        return rc;
    rc = STK_E_UNCERTAIN;
    bool unknown = false;
    for (int i = 0; rc == STK_E_UNCERTAIN && i < TRIES; i++) {
        rc = mark(op, op->txn->seq);
        unknown = unknown || rc == STK_E_UNCERTAIN;
    }
    if (rc && unknown && rc != STK_E_UNCERTAIN)
        rc = mg_fail(op, STK_E_UNCERTAIN, "no answer came to a commit, and then a refusal");
    if (!rc && op->txn->seq % OFTEN == 0) {
        struct mg_op own = *op;
        own.err = NULL;
        forget(&own, op->txn->seq);
    }
    return rc;
}

/* ------------------------------------------------------------------- undoing */

/* What the journal tells of transactions without a mark. */
struct left {
    uint64_t done, newest;
    char on[48];  /* the present connection */
    bson_t ended; /* {name: true} of connections that have to be over */
};

static stk_status note_done(void *ud, const bson_t *doc)
{
    struct left *l = ud;
    l->done = (uint64_t)mg_int(doc, "seq");
    return STK_OK;
}

static stk_status note_left(void *ud, const bson_t *doc)
{
    struct left *l = ud;
    uint64_t seq = (uint64_t)mg_int(doc, "seq");
    l->newest = seq > l->newest ? seq : l->newest;
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "on") || !BSON_ITER_HOLDS_UTF8(&it) ||
        (seq && seq <= l->done))
        return STK_OK;
    const char *on = bson_iter_utf8(&it, NULL);
    /* Another process of the server: it died, and its connections with it. */
    size_t process = strcspn(l->on, "/") + 1;
    if (strncmp(on, l->on, process) == 0 && strcmp(on, l->on) != 0 &&
        !bson_has_field(&l->ended, on))
        bson_append_bool(&l->ended, on, -1, true);
    return STK_OK;
}

/* Whether one of those connections is there yet. */
static stk_status still_there(struct mg_op *op, const struct left *l, bool *there)
{
    bson_t *cmd = BCON_NEW("currentOp", BCON_INT32(1), "$ownOps", BCON_BOOL(true), "$all",
                           BCON_BOOL(true), "connectionId", "{", "$exists", BCON_BOOL(true), "}");
    bson_t reply;
    bson_error_t e = {0};
    bson_iter_t it, list;
    stk_status rc = STK_OK;
    *there = false;
    if (!mongoc_client_command_simple(op->conn->client, "admin", cmd, NULL, &reply, &e))
        rc = mg_error(op, &reply, &e);
    else if (bson_iter_init_find(&it, &reply, "inprog") && bson_iter_recurse(&it, &list))
        while (!*there && bson_iter_next(&list)) {
            bson_iter_t one;
            char name[48];
            if (bson_iter_recurse(&list, &one) && bson_iter_find(&one, "connectionId")) {
                snprintf(name, sizeof name, "%.*s/%" PRId64, (int)strcspn(l->on, "/"), l->on,
                         bson_iter_as_int64(&one));
                *there = bson_has_field(&l->ended, name);
            }
        }
    bson_destroy(cmd);
    bson_destroy(&reply);
    return rc;
}

/* Waits until nothing can arrive any more over connections that died.  A server
 * that has not heard of their end gets some time, one that does not tell a little. */
static stk_status wait_for_end(struct mg_op *op, const struct left *l)
{
    enum { MOST_US = 3 * 1000000, UNTOLD_US = 200 * 1000, POLL_US = 20 * 1000 };
    uint64_t end = mg_now(op->db) + MOST_US;
    bool there = !bson_empty(&l->ended), told = true;
    while (there && mg_now(op->db) < end) {
        struct mg_op own = synced(op);
        own.err = NULL;
        own.write = false;
        if (told && still_there(&own, l, &there)) {
            if (own.conn->broken)
                return mg_fail(op, STK_E_UNAVAILABLE, "the connection was lost while undoing");
            told = false;
            there = true;
            end = mg_now(op->db) + UNTOLD_US;
        }
        if (there) {
            const struct timespec pause = {.tv_nsec = (long)POLL_US * 1000};
            nanosleep(&pause, NULL);
        }
    }
    return STK_OK;
}

/* Says over which connection rows are put back from now on. */
static stk_status announce(struct mg_op *op, const char *on)
{
    bson_t *cmd = BCON_NEW("update", UNDO, "updates", "[", "{", "q", "{", "_id", BCON_UTF8("undo"),
                           "}", "u", "{", "$set", "{", "on", BCON_UTF8(on), "}", "}", "upsert",
                           BCON_BOOL(true), "}", "]");
    bson_t own;
    bson_copy_to(cmd, &own);
    bson_destroy(cmd);
    return run(op, &own);
}

static stk_status restore(struct mg_op *op, const char *collection, const bson_value_t *id,
                          const bson_t *image)
{
    stk_status rc = mg_solo_check(op);
    if (rc)
        return rc;
    bson_t cmd = BSON_INITIALIZER, list, one, q;
    bson_append_utf8(&cmd, image ? "update" : "delete", -1, collection, -1);
    bson_append_array_begin(&cmd, image ? "updates" : "deletes", -1, &list);
    bson_append_document_begin(&list, "0", -1, &one);
    bson_append_document_begin(&one, "q", -1, &q);
    bson_append_value(&q, "_id", -1, id);
    bson_append_document_end(&one, &q);
    if (image) {
        bson_append_document(&one, "u", -1, image);
        bson_append_bool(&one, "upsert", -1, true);
    } else {
        bson_append_int32(&one, "limit", -1, 1);
    }
    bson_append_document_end(&list, &one);
    bson_append_array_end(&cmd, &list);
    return run(op, &cmd);
}

static stk_status restore_entry(void *ud, const bson_t *doc)
{
    bson_iter_t c, k, img;
    if (!bson_iter_init_find(&c, doc, "c") || !BSON_ITER_HOLDS_UTF8(&c) ||
        !bson_iter_init_find(&k, doc, "k"))
        return STK_OK;
    bson_t image;
    bool has = bson_iter_init_find(&img, doc, "img") && BSON_ITER_HOLDS_DOCUMENT(&img);
    if (has) {
        uint32_t n;
        const uint8_t *data;
        bson_iter_document(&img, &n, &data);
        has = bson_init_static(&image, data, n);
    }
    return restore(ud, bson_iter_utf8(&c, NULL), bson_iter_value(&k), has ? &image : NULL);
}

/* Reads what there is to be undone. */
static stk_status look(struct mg_op *op, struct left *l)
{
    bson_t *by = BCON_NEW("_id", BCON_UTF8("commit"));
    bson_t *all = bson_new();
    bson_t *fields = BCON_NEW("projection", "{", "seq", BCON_INT32(1), "on", BCON_INT32(1), "}");
    stk_status rc = name_connection(op, l->on, sizeof l->on);
    if (!rc)
        rc = mg_find(op, UNDO, by, NULL, note_done, l);
    if (!rc)
        rc = mg_find(op, UNDO, all, fields, note_left, l);
    bson_destroy(by);
    bson_destroy(all);
    bson_destroy(fields);
    return rc;
}

static stk_status undo(struct mg_op *op, const struct left *l)
{
    bson_t *later = BCON_NEW("seq", "{", "$gt", BCON_INT64((int64_t)l->done), "}", "n", "{",
                             "$exists", BCON_BOOL(true), "}");
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}");
    stk_status rc = wait_for_end(op, l);
    if (!rc)
        rc = announce(op, l->on);
    if (!rc)
        rc = mg_find(op, UNDO, later, opts, restore_entry, op);
    bson_destroy(later);
    bson_destroy(opts);
    return rc;
}

stk_status mg_undo_restore(struct mg_op *op, bool others, uint64_t *seq)
{
    /* More than a process can lose the entries of without getting any there. */
    enum { UNSEEN = 1 << 20 };
    struct mg_op own = synced(op);
    struct left l = {.ended = BSON_INITIALIZER};
    stk_status rc = mg_solo_check(&own);
    if (!rc)
        rc = look(&own, &l);
    if (!rc && l.newest > l.done)
        rc = undo(&own, &l);
    /* The mark passes what was undone, and what may still arrive of it. */
    uint64_t mine = (l.newest > *seq ? l.newest : *seq) + (others ? UNSEEN : 0);
    if (!rc && mine > l.done)
        rc = mark(&own, mine);
    if (!rc && l.newest > 0)
        rc = forget(&own, mine);
    if (!rc)
        *seq = mine;
    bson_destroy(&l.ended);
    return rc == STK_E_UNCERTAIN
               ? mg_fail(op, STK_E_UNAVAILABLE, "the connection was lost while undoing")
               : rc;
}
