/* SPDX-License-Identifier: Apache-2.0 */
/* C14: connections and answers that are lost.  Needs --proxy, which names the
 * settings that hold host and port; the plugin then speaks through a proxy. */
#include "conform.h"

/* The storage behind a proxy, beside the main one that sees what happened. */
struct lost {
    struct proxy *proxy;
    struct handle h, *main_handle;
    struct cat *cat;
    stk_kv *kv, *before;
    char port[8];
};

static void begin(struct t *t, struct lost *l)
{
    if (!plug.proxy_host)
        t_skip(t, "needs --proxy HOSTKEY,PORTKEY");
    memset(l, 0, sizeof(*l));
    const char *host = stk_kv_get(plug.kv, plug.nkv, plug.proxy_host, "127.0.0.1");
    const char *port = stk_kv_get(plug.kv, plug.nkv, plug.proxy_port, NULL);
    if (!port)
        FAIL("--proxy: the setting %s is not given", plug.proxy_port);
    l->proxy = proxy_new(host, port, l->port);
    l->before = plug.kv;
    l->kv = calloc(plug.nkv + 1, sizeof(stk_kv));
    if (!l->kv)
        abort();
    memcpy(l->kv, plug.kv, plug.nkv * sizeof(stk_kv));
    for (size_t i = 0; i < plug.nkv; i++) {
        if (strcmp(l->kv[i].key, plug.proxy_host) == 0)
            l->kv[i].value = "127.0.0.1";
        if (strcmp(l->kv[i].key, plug.proxy_port) == 0)
            l->kv[i].value = l->port;
    }
    plug.kv = l->kv;
    l->cat = cat_new();
    stk_status rc = h_open(&l->h, l->cat, STK_OPEN_SCRATCH, &t->err);
    plug.kv = l->before;
    OK(rc);
    l->main_handle = t->on;
    t->on = &l->h;
    ONE(Q_kv_put, APP, S("warm"), S("v"), I(0)); /* a connection is there */
}

static void end(struct t *t, struct lost *l)
{
    t->on = l->main_handle;
    h_close(&l->h);
    cat_free(l->cat);
    proxy_free(l->proxy);
    free(l->kv);
}

/* Whether the row is there, seen past the proxy. */
static bool there(struct t *t, const struct lost *l, const char *k)
{
    struct handle *before = t->on;
    t->on = l->main_handle;
    bool found = ONE(Q_kv_get, APP, S(k))->result->nrows > 0;
    t->on = before;
    return found;
}

/* OK though the answer was cut off: only who asks again can know. */
static bool told(const struct lost *l, stk_status rc)
{
    uint64_t caps = plug.v.db_caps ? plug.v.db_caps(l->h.db) : plug.v.caps;
    return rc == STK_OK && (caps & STK_CAP_ASK_AGAIN);
}

/* What was said of a write must be true of the row.  OK: what was lost may be the answer
 * to a word before the write, such as its preparing. */
static void truthful(struct t *t, const struct lost *l, stk_status rc, const char *k)
{
    CHECK(rc == STK_OK || rc == STK_E_UNCERTAIN || rc == STK_E_UNAVAILABLE || rc == STK_E_RETRY,
          "a lost answer is reported as %s", status_name(rc));
    bool applied = there(t, l, k);
    CHECK(rc == STK_E_UNCERTAIN || applied == (rc == STK_OK), "%s, but the row %s", status_name(rc),
          applied ? "is there" : "is not there");
}

static void lost_commit(struct t *t)
{
    struct lost l;
    begin(t, &l);
    stk_status rc[3];
    static const char *const keys[] = {"commit", "batch", "own"};
    for (int i = 0; i < 3; i++) {
        struct txn *x = i < 2 ? t_txn(t, STK_TXN_RW) : NULL;
        ADD(Q_kv_insert, APP, S(keys[i]), S("v"), I(1));
        if (i == 0) {
            OK(t_exec(t, x, 0));
            proxy_cut_answer(l.proxy);
            rc[i] = t_commit(t, x);
        } else {
            proxy_cut_answer(l.proxy);
            rc[i] = t_exec(t, x, i == 1 ? STK_X_COMMIT : 0);
        }
        if (x && x->h)
            t_rollback(t, x);
        CHECK(proxy_has_cut(l.proxy), "the proxy cut nothing");
        truthful(t, &l, rc[i], keys[i]);
        unsigned tries = 0;
        do /* the next use finds a good connection */
            ADD(Q_kv_get, APP, S("warm"));
        while (EXEC() == STK_E_UNAVAILABLE && ++tries < 10);
    }
    CHECK(rc[0] == STK_E_UNCERTAIN || told(&l, rc[0]), "the lost answer of commit() is %s",
          status_name(rc[0]));
    end(t, &l);
}

static void lost_inside(struct t *t)
{
    struct lost l;
    begin(t, &l);
    struct txn *x = t_txn(t, STK_TXN_RW);
    ADD(Q_kv_insert, APP, S("first"), S("v"), I(1));
    OK(t_exec(t, x, 0));
    proxy_cut_answer(l.proxy);
    ADD(Q_kv_insert, APP, S("second"), S("v"), I(1));
    stk_status rc = t_exec(t, x, 0);
    t_rollback(t, x);
    CHECK(rc == STK_E_UNAVAILABLE || rc == STK_E_RETRY || told(&l, rc),
          "an answer lost inside a transaction is %s", status_name(rc));
    CHECK(!there(t, &l, "first") && !there(t, &l, "second"), "a lost transaction was kept");
    proxy_cut_answer(l.proxy);
    ADD(Q_kv_get, APP, S("warm"));
    rc = EXEC();
    CHECK(rc == STK_OK || rc == STK_E_UNAVAILABLE, "a lost answer to a read is %s",
          status_name(rc));
    end(t, &l);
}

static void reconnects(struct t *t)
{
    struct lost l;
    begin(t, &l);
    for (int round = 0; round < 3; round++) {
        proxy_cut_now(l.proxy);
        stk_status rc;
        unsigned failed = 0;
        do {
            ADD(Q_kv_put, APP, S("a"), S("v"), I(round));
            rc = EXEC();
            failed += rc < 0;
        } while (rc == STK_E_UNAVAILABLE && failed < 40);
        OK(rc);
        CHECK(failed <= 4, "%u calls failed before a connection was made anew", failed);
    }
    end(t, &l);
}

static void away_and_back(struct t *t)
{
    struct lost l;
    begin(t, &l);
    /* Nobody listens: another proxy at once would get another port. */
    char port[8];
    struct proxy *closed = proxy_new("127.0.0.1", "1", port);
    proxy_free(closed);
    stk_kv *kv = l.kv;
    for (size_t i = 0; i < plug.nkv; i++)
        if (strcmp(kv[i].key, plug.proxy_port) == 0)
            kv[i].value = port;
    plug.kv = kv;
    struct handle h;
    uint64_t start = now_us();
    stk_status rc = h_open(&h, l.cat, 0, &t->err);
    plug.kv = l.before;
    if (rc >= 0)
        h_close(&h);
    CHECK(rc == STK_E_UNAVAILABLE || rc == STK_E_TIMEOUT, "open() of a closed port is %s",
          status_name(rc));
    CHECK(strstr(t->err.msg, port), "the message does not say where: %s", t->err.msg);
    CHECK(now_us() - start < 30000000u, "open() of a closed port took half a minute");
    end(t, &l);
}

extern const struct test lost_tests[];
const struct test lost_tests[] = {
    {"C14.1", "a commit whose answer is lost is UNCERTAIN, never RETRY", lost_commit},
    {"C14.2", "a connection lost inside a transaction keeps nothing", lost_inside},
    {"C14.3", "lost connections are made anew", reconnects},
    {"C14.4", "a server that is not there is UNAVAILABLE, and the message says where",
     away_and_back},
    {0},
};
