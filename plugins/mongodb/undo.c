/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of pre-images of a standalone server, collection st_undo.
 *
 *     {_id: "SEQ.N", seq, n, c: collection, k: _id, img: document}   or without img
 *     {_id: "commit", seq}
 *
 * Before a write its pre-images are there, synced; a transaction is done when
 * "commit" carries its number.  Numbers above that are undone newest first: the
 * image is put back, or, without one, the document is removed.  Of rows to be
 * made every one gets an entry without image after the images of those that are
 * there already, so that undoing removes them all and then puts those back. */
#include <inttypes.h>

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
    if (!op->txn->seq)
        op->txn->seq = mg_solo_next(op->db);
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

/* Removes entries that are of no use any more. */
static stk_status forget(struct mg_op *op)
{
    bson_t *cmd = BCON_NEW("delete", UNDO, "deletes", "[", "{", "q", "{", "n", "{", "$exists",
                           BCON_BOOL(true), "}", "}", "limit", BCON_INT32(0), "}", "]");
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
    for (int i = 0; rc == STK_E_UNCERTAIN && i < TRIES; i++)
        rc = mark(op, op->txn->seq);
    if (!rc && op->txn->seq % OFTEN == 0) {
        struct mg_op own = *op;
        own.err = NULL;
        forget(&own);
    }
    return rc;
}

/* ------------------------------------------------------------------- undoing */

static stk_status restore(struct mg_op *op, const char *collection, const bson_value_t *id,
                          const bson_t *image)
{
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

static stk_status note_seq(void *ud, const bson_t *doc)
{
    uint64_t *seq = ud, n = (uint64_t)mg_int(doc, "seq");
    *seq = n > *seq ? n : *seq;
    return STK_OK;
}

stk_status mg_undo_restore(struct mg_op *op, uint64_t *seq)
{
    struct mg_op own = synced(op);
    uint64_t done = 0, newest = 0;
    bson_t *by = BCON_NEW("_id", BCON_UTF8("commit"));
    bson_t *all = bson_new();
    stk_status rc = mg_find(&own, UNDO, by, NULL, note_seq, &done);
    if (!rc)
        rc = mg_find(&own, UNDO, all, NULL, note_seq, &newest);
    bson_t *later = BCON_NEW("seq", "{", "$gt", BCON_INT64((int64_t)done), "}", "n", "{", "$exists",
                             BCON_BOOL(true), "}");
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}");
    if (!rc && newest > done)
        rc = mg_find(&own, UNDO, later, opts, restore_entry, &own);
    /* A number is never used again, so the mark may pass what was undone. */
    if (!rc && newest > done)
        rc = mark(&own, newest);
    if (!rc && newest > 0)
        rc = forget(&own);
    *seq = newest > *seq ? newest : *seq;
    bson_destroy(by);
    bson_destroy(all);
    bson_destroy(later);
    bson_destroy(opts);
    return rc == STK_E_UNCERTAIN
               ? mg_fail(op, STK_E_UNAVAILABLE, "the connection was lost while undoing")
               : rc;
}
