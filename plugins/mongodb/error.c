/* SPDX-License-Identifier: Apache-2.0 */
/* What a failed command means.  The server's own texts are used for connecting
 * only: those about documents quote their values. */
#include "mongodb_plugin.h"

struct rule {
    int32_t code;
    stk_status status;
    bool unknown; /* of a write by itself: it may have been applied */
    const char *what;
};

static const struct rule rules[] = {
    {112, STK_E_RETRY, false, "another transaction wrote the same row"},
    {251, STK_E_RETRY, false, "the server ended the transaction"},
    {225, STK_E_RETRY, false, "the transaction is too old"},
    {246, STK_E_RETRY, false, "the snapshot is not there yet"},
    {239, STK_E_RETRY, false, "the snapshot is too old"},
    {24, STK_E_RETRY, false, "a lock was not available"},
    {117, STK_E_RETRY, false, "a conflicting operation is in progress"},
    {314, STK_E_RETRY, false, "a collection was changed meanwhile"},
    {50, STK_E_TIMEOUT, false, "the deadline passed"},
    {262, STK_E_TIMEOUT, false, "the deadline passed"},
    {202, STK_E_UNAVAILABLE, true, "the network interface exceeded its time limit"},
    {13, STK_E_DENIED, false, NULL},
    {18, STK_E_DENIED, false, NULL},
    {11, STK_E_DENIED, false, NULL},
    {121, STK_E_SCHEMA, false,
     "the validator of the collection refused the document. Run: supertokens migrate"},
    {26, STK_E_SCHEMA, false, "the collection is not there. Run: supertokens migrate"},
    {27, STK_E_SCHEMA, false, "an index is not there. Run: supertokens migrate"},
    {10334, STK_E_TOO_BIG, false, "a document is larger than 16 MiB"},
    {17419, STK_E_TOO_BIG, false, "a document is larger than 16 MiB"},
    {17420, STK_E_TOO_BIG, false, "a document is larger than 16 MiB"},
    {14031, STK_E_READ_ONLY, false, "the disk is full"},
    {20, STK_E_UNSUPPORTED, false,
     "the server takes no transactions: it must be a member of a replica set"},
    {263, STK_E_UNSUPPORTED, false, "the server does not take this in a transaction"},
    {10107, STK_E_UNAVAILABLE, false, "the server is not the primary"},
    {13435, STK_E_UNAVAILABLE, false, "the server is not the primary"},
    {13436, STK_E_UNAVAILABLE, false, "the server is recovering"},
    {189, STK_E_UNAVAILABLE, true, "the primary stepped down"},
    {91, STK_E_UNAVAILABLE, true, "the server is shutting down"},
    {11600, STK_E_UNAVAILABLE, true, "the server is shutting down"},
    {11602, STK_E_UNAVAILABLE, true, "the primary stepped down"},
    {6, STK_E_UNAVAILABLE, true, "a host is unreachable"},
    {7, STK_E_UNAVAILABLE, true, "a host was not found"},
    {89, STK_E_UNAVAILABLE, true, "the network timed out"},
    {9001, STK_E_UNAVAILABLE, true, "a socket failed"},
    {133, STK_E_UNAVAILABLE, false, "no host of the replica set can be used"},
};

static const struct rule *find_rule(int32_t code)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].code == code)
            return &rules[i];
    return NULL;
}

stk_status mg_fail(struct mg_op *op, stk_status status, const char *what)
{
    const struct stk_sql *sql = op->db->sql;
    const char *table = sql && op->table < sql->ntables ? sql->tables[op->table].name : NULL;
    stk_err_set(op->err, status, MG_NAME ": %s%s%s (database %s on %s)", what,
                table ? ", table " : "", table ? table : "", op->db->conf.database,
                op->db->conf.where);
    if (op->err)
        op->err->table = op->table;
    return status;
}

bool mg_has_label(const bson_t *reply, const char *label)
{
    return mongoc_error_has_label(reply, label);
}

/* The index named in "... index: NAME dup key: ...". */
static uint16_t duplicate_key(const struct mg_op *op, const char *text)
{
    char name[80] = "";
    const char *at = strstr(text, "index: ");
    if (at)
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 7, " "), at + 7);
    uint16_t table, key;
    return stk_sql_find_key(op->db->sql, name, op->table, &table, &key) ? key : STK_NONE;
}

static stk_status duplicate(struct mg_op *op, const char *text)
{
    uint16_t key = op->table < op->db->sql->ntables ? duplicate_key(op, text) : STK_NONE;
    if (op->no_dup && key == 0)
        return mg_fail(op, STK_E_RETRY, "another transaction made the same row");
    return stk_sql_duplicate(op->db->sql, op->table, key, op->err);
}

static stk_status auth_failed(const struct mg_op *op)
{
    const struct mg_conf *conf = &op->db->conf;
    return stk_err_set(op->err, STK_E_DENIED,
                       MG_NAME ": %s refuses user \"%s\", looked for in the database \"%s\". Check "
                               "name and password in mongodb_connection_uri; where the user was "
                               "made in another database, name it: ?authSource=admin",
                       conf->where, conf->user, conf->auth_source);
}

static stk_status denied(const struct mg_op *op)
{
    const struct mg_conf *conf = &op->db->conf;
    return stk_err_set(
        op->err, STK_E_DENIED,
        MG_NAME ": user \"%s\" may not do this in database \"%s\" on %s. Grant it: "
                "db.getSiblingDB(\"%s\").grantRolesToUser(\"%s\", [{role: \"dbOwner\", db: "
                "\"%s\"}])",
        conf->user, conf->database, conf->where, conf->auth_source, conf->user, conf->database);
}

/* A failure without an answer of the server. */
static stk_status no_answer(struct mg_op *op, const bson_error_t *e)
{
    const char *where = op->db->conf.where;
    if (e->domain == MONGOC_ERROR_SERVER_SELECTION)
        return stk_err_set(op->err, STK_E_UNAVAILABLE,
                           MG_NAME
                           ": no server to be used at %s: %.300s. Check that MongoDB runs "
                           "there, that hosts, ports and replicaSet are right, and that tls=true "
                           "is in the URI if and only if the server has TLS",
                           where, e->message);
    op->conn->broken = true;
    if (op->write)
        return mg_fail(op, STK_E_UNCERTAIN,
                       "the connection was lost before the answer to a write came");
    return stk_err_set(op->err, STK_E_UNAVAILABLE,
                       MG_NAME ": the connection to %s was lost: %.200s. Check server and network",
                       where, e->message);
}

static bool of_connection(const bson_error_t *e)
{
    return e->domain == MONGOC_ERROR_STREAM || e->domain == MONGOC_ERROR_SERVER_SELECTION ||
           (e->domain == MONGOC_ERROR_PROTOCOL && e->code == MONGOC_ERROR_PROTOCOL_INVALID_REPLY);
}

/* The text of the first write error; "" when there is none. */
static const char *first_write_error(const bson_t *reply, int32_t *code)
{
    bson_iter_t it, at;
    if (bson_iter_init(&it, reply) && bson_iter_find_descendant(&it, "writeErrors.0.code", &at))
        *code = (int32_t)bson_iter_as_int64(&at);
    if (bson_iter_init(&it, reply) && bson_iter_find_descendant(&it, "writeErrors.0.errmsg", &at) &&
        BSON_ITER_HOLDS_UTF8(&at))
        return bson_iter_utf8(&at, NULL);
    return "";
}

static stk_status unknown_code(struct mg_op *op, int32_t code, const bson_t *reply)
{
    bson_iter_t it;
    char what[128];
    bool named = bson_iter_init_find(&it, reply, "codeName") && BSON_ITER_HOLDS_UTF8(&it);
    snprintf(what, sizeof what, "the server refused a command: %.60s (code %d)",
             named ? bson_iter_utf8(&it, NULL) : "no name given", (int)code);
    return mg_fail(op, STK_E_INTERNAL, what);
}

stk_status mg_error(struct mg_op *op, const bson_t *reply, const bson_error_t *e)
{
    int32_t code = 0;
    const char *text = first_write_error(reply, &code);
    bool transient = mg_has_label(reply, "TransientTransactionError");
    stk_status rc;
    if (!code && bson_has_field(reply, "code")) {
        code = (int32_t)mg_int(reply, "code");
        text = e->message;
    }
    if (!code && bson_has_field(reply, "writeConcernError"))
        rc = mg_fail(op, STK_E_UNCERTAIN, "a write was not acknowledged by a majority in time");
    else if (e->domain == MONGOC_ERROR_CLIENT && e->code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        rc = auth_failed(op);
    else if (!code && of_connection(e))
        rc = no_answer(op, e);
    else {
        if (!code)
            code = (int32_t)e->code;
        const struct rule *r = find_rule(code);
        if (code == 11000 || code == 11001)
            rc = duplicate(op, text[0] ? text : e->message);
        else if (code == 18 || code == 11)
            rc = auth_failed(op);
        else if (code == 13)
            rc = denied(op);
        else if (code == 2 && strstr(e->message, "hint"))
            rc = mg_fail(op, STK_E_SCHEMA, "an index is not there. Run: supertokens migrate");
        else if (r)
            rc = mg_fail(op, r->unknown && op->write ? STK_E_UNCERTAIN : r->status, r->what);
        else if (transient)
            rc = mg_fail(op, STK_E_RETRY, "the transaction met a passing obstacle");
        else
            rc = unknown_code(op, code, reply);
    }
    if (op->err)
        op->err->native = code ? code : (int32_t)e->code;
    return rc;
}
