/* SPDX-License-Identifier: Apache-2.0 */
/* Pages, counts and search.
 *
 * A page is one range of st_tenant_users' key `joined`, or one of key `recipe`
 * for every combination of recipes that has a wanted one, merged here: a page
 * costs the same wherever it begins and however rare the recipe is.  Counts are
 * the shards of st_user_counters, a range of its primary key.  Searches are
 * prefixes in st_user_tenants' keys `email`, `email_domain`, `uk_phone`, `tp` and
 * `uk_tp`; where two kinds are given the first one's key is read and the other
 * filters. */
#include "store/users.h"

#include "store/query.h"

#include <stdlib.h>
#include <string.h>

enum { CALLS_AT_ONCE = 32 };

/* ---- pages */

enum { P_USER_ID, P_TIME };
#define PAGE(name, desc_, order_)                                                                  \
    QUERY(name, SELECT(TENANT_USERS), OUT(TENANT_USERS_USER_ID, TENANT_USERS_TIME_JOINED),         \
          WHERE(EQ(TENANT_USERS_APP_ID, 0), EQ(TENANT_USERS_TENANT_ID, 1), KEYSET),                \
          ORDER(order_(TENANT_USERS_TIME_JOINED), order_(TENANT_USERS_USER_ID)),                   \
          KEYSET_FROM(desc_, 2, TENANT_USERS_TIME_JOINED, TENANT_USERS_USER_ID), PARAMS(5),        \
          LIMIT_PARAM(4))
#define PAGE_RECIPE(name, desc_, order_)                                                           \
    QUERY(name, SELECT(TENANT_USERS), OUT(TENANT_USERS_USER_ID, TENANT_USERS_TIME_JOINED),         \
          WHERE(EQ(TENANT_USERS_APP_ID, 0), EQ(TENANT_USERS_TENANT_ID, 1),                         \
                EQ(TENANT_USERS_RECIPE_MASK, 5), KEYSET),                                          \
          ORDER(order_(TENANT_USERS_TIME_JOINED), order_(TENANT_USERS_USER_ID)),                   \
          KEYSET_FROM(desc_, 2, TENANT_USERS_TIME_JOINED, TENANT_USERS_USER_ID), PARAMS(6),        \
          LIMIT_PARAM(4))
PAGE(users_asc, 0, ASC);
PAGE(users_desc, 1, DESC);
PAGE_RECIPE(users_asc_recipe, 0, ASC);
PAGE_RECIPE(users_desc_recipe, 1, DESC);

static int earlier(const void *x, const void *y)
{
    const struct user_key *a = x, *b = y;
    if (a->time_joined != b->time_joined)
        return a->time_joined < b->time_joined ? -1 : 1;
    return str_cmp(a->user_id, b->user_id);
}

static int later(const void *x, const void *y)
{
    return -earlier(x, y);
}

int users_page(struct ctx *c, struct storage *s, const struct users_page *p, struct user_key **keys,
               size_t *n)
{
    struct batch b;
    batch_init(&b, c);
    /* Before the first: no id is greater than one '~'. */
    struct user_key from = p->has_from ? p->from
                           : p->desc   ? (struct user_key){STR("~"), INT64_MAX}
                                       : (struct user_key){STR(""), INT64_MIN};
    const stk_val common[] = {v_str(p->app_id), v_str(p->tenant_id), v_i64(from.time_joined),
                              v_str(from.user_id), v_i64(p->limit)};
    bool all = p->recipes == 0 || (p->recipes & MASK_ALL) == MASK_ALL;
    if (all)
        batch_add(&b, p->desc ? &q_users_desc : &q_users_asc, common, 5);
    for (int64_t mask = 1; !all && mask <= MASK_ALL; mask++) {
        if (!(mask & p->recipes))
            continue;
        stk_val params[6];
        memcpy(params, common, sizeof(common));
        params[5] = v_i64(mask);
        batch_add(&b, p->desc ? &q_users_desc_recipe : &q_users_asc_recipe, params, 6);
    }
    int rc = b.n ? storage_read(c, s, &b) : RC_OK;
    if (rc != RC_OK)
        return rc;
    size_t total = 0;
    for (uint32_t i = 0; i < b.n; i++)
        total += call_rows(b.calls[i]);
    *keys = ARENA_ARRAY(c->arena, struct user_key, total + 1);
    *n = 0;
    for (uint32_t i = 0; i < b.n; i++)
        for (uint32_t r = 0; r < call_rows(b.calls[i]); r++) {
            const stk_val *row = call_row(b.calls[i], r);
            (*keys)[(*n)++] = (struct user_key){cell_str(row, P_USER_ID), cell_i64(row, P_TIME)};
        }
    if (!all)
        qsort(*keys, *n, sizeof(**keys), p->desc ? later : earlier);
    if (*n > (size_t)p->limit)
        *n = (size_t)p->limit;
    return RC_OK;
}

/* ---- counts */

QUERY(users_count, SELECT(USER_COUNTERS), OUT(USER_COUNTERS_RECIPE_MASK, USER_COUNTERS_N),
      WHERE(EQ(USER_COUNTERS_APP_ID, 0), EQ(USER_COUNTERS_TENANT_ID, 1)), PARAMS(2), NO_LIMIT);

int users_count(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                int64_t recipes, int64_t *count)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *shards = BATCH(&b, q_users_count, v_str(app_id), v_str(tenant_id));
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    *count = 0;
    for (uint32_t i = 0; i < call_rows(shards); i++) {
        const stk_val *row = call_row(shards, i);
        if (recipes == 0 || (cell_i64(row, 0) & recipes))
            *count += cell_i64(row, 1);
    }
    return RC_OK;
}

/* ---- sets of ids */

struct id_set {
    struct str *list;
    size_t n, cap;
};

static void collect(struct ctx *c, struct id_set *set, const struct batch *b)
{
    size_t more = set->n;
    for (uint32_t i = 0; i < b->n; i++)
        more += call_rows(b->calls[i]);
    if (!set->list || more > set->cap) {
        struct str *grown = ARENA_ARRAY(c->arena, struct str, more * 2 + 1);
        if (set->n)
            memcpy(grown, set->list, set->n * sizeof(*grown));
        set->list = grown;
        set->cap = more * 2;
    }
    for (uint32_t i = 0; i < b->n; i++)
        for (uint32_t r = 0; r < call_rows(b->calls[i]); r++)
            set->list[set->n++] = cell_str(call_row(b->calls[i], r), 0);
}

static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static void make_unique(struct id_set *set)
{
    if (set->n == 0)
        return;
    qsort(set->list, set->n, sizeof(*set->list), by_text);
    size_t kept = 1;
    for (size_t i = 1; i < set->n; i++)
        if (!str_eq(set->list[i], set->list[kept - 1]))
            set->list[kept++] = set->list[i];
    set->n = kept;
}

/* ---- search */

#define SEARCH(name, col)                                                                          \
    QUERY(name, SELECT(USER_TENANTS), OUT(USER_TENANTS_USER_ID),                                   \
          WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), PREFIX(col, 2)),        \
          ORDER(ASC(col)), PARAMS(3), LIMIT(SEARCH_LIMIT))
#define SEARCH_TWO(name, col, filter)                                                              \
    QUERY(name, SELECT(USER_TENANTS), OUT(USER_TENANTS_USER_ID),                                   \
          WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), PREFIX(col, 2),         \
                PREFIX(filter, 3)),                                                                \
          ORDER(ASC(col)), PARAMS(4), LIMIT(SEARCH_LIMIT))
/* The account of a provider, "google::1234": both parts, as they are stored. */
#define SEARCH_ACCOUNT(name, col)                                                                  \
    QUERY(name, SELECT(USER_TENANTS), OUT(USER_TENANTS_USER_ID),                                   \
          WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), PREFIX(col, 2),         \
                EQ(USER_TENANTS_TP_ID, 3), PREFIX(USER_TENANTS_TP_USER_ID, 4)),                    \
          ORDER(ASC(col)), PARAMS(5), LIMIT(SEARCH_LIMIT))
QUERY(search_account, SELECT(USER_TENANTS), OUT(USER_TENANTS_USER_ID),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), EQ(USER_TENANTS_TP_ID, 2),
            PREFIX(USER_TENANTS_TP_USER_ID, 3)),
      ORDER(ASC(USER_TENANTS_TP_USER_ID)), PARAMS(4), LIMIT(SEARCH_LIMIT));
SEARCH_ACCOUNT(search_email_account, USER_TENANTS_EMAIL);
SEARCH_ACCOUNT(search_domain_account, USER_TENANTS_EMAIL_DOMAIN);
SEARCH(search_email, USER_TENANTS_EMAIL);
SEARCH(search_domain, USER_TENANTS_EMAIL_DOMAIN);
SEARCH(search_phone, USER_TENANTS_PHONE);
SEARCH(search_provider, USER_TENANTS_TP_ID_LC);
SEARCH_TWO(search_email_phone, USER_TENANTS_EMAIL, USER_TENANTS_PHONE);
SEARCH_TWO(search_domain_phone, USER_TENANTS_EMAIL_DOMAIN, USER_TENANTS_PHONE);
SEARCH_TWO(search_email_provider, USER_TENANTS_EMAIL, USER_TENANTS_TP_ID_LC);
SEARCH_TWO(search_domain_provider, USER_TENANTS_EMAIL_DOMAIN, USER_TENANTS_TP_ID_LC);

/* Runs what is gathered once there is enough of it, or at the end. */
static int run_some(struct ctx *c, struct storage *s, struct batch *b, bool last,
                    struct id_set *set)
{
    if (b->n == 0 || (b->n < CALLS_AT_ONCE && !last))
        return RC_OK;
    int rc = storage_read(c, s, b);
    if (rc == RC_OK)
        collect(c, set, b);
    batch_init(b, c);
    return rc;
}

struct search {
    struct ctx *c;
    struct storage *s;
    struct str app_id, tenant_id;
    struct batch b;
    struct id_set set;
};

/* "google::1234" in its two parts. */
static bool is_account(struct str term, struct str *provider, struct str *id)
{
    const char *mark = memmem(term.p, term.len, "::", 2);
    if (!mark)
        return false;
    *provider = str_sub(term, 0, (size_t)(mark - term.p));
    *id = str_sub(term, (size_t)(mark - term.p) + 2, term.len);
    return true;
}

/* One term of a provider: with q beside `other`, or alone. */
static void search_provider(struct search *x, const stk_query *q, const stk_query *account,
                            struct str other, struct str term)
{
    stk_val params[5] = {v_str(x->app_id), v_str(x->tenant_id)};
    struct str provider, id;
    size_t n = 2;
    if (other.p)
        params[n++] = v_str(other);
    bool whole = is_account(term, &provider, &id);
    params[n++] = v_str(whole ? provider : term);
    if (whole)
        params[n++] = v_str(id);
    batch_add(&x->b, whole ? account : q, params, n);
}

static int search_providers(struct search *x, const stk_query *q, const stk_query *account,
                            const struct users_terms *others, const struct users_terms *providers)
{
    int rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < (others ? others->n : 1); i++)
        for (size_t k = 0; rc == RC_OK && k < providers->n; k++) {
            search_provider(x, q, account, others ? others->list[i] : STR_NULL, providers->list[k]);
            rc = run_some(x->c, x->s, &x->b, false, &x->set);
        }
    return rc;
}

/* Every term, alone or with every term of another kind. */
static int search_terms(struct search *x, const stk_query *q, const struct users_terms *terms,
                        const struct users_terms *others)
{
    int rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < terms->n; i++) {
        if (!others) {
            BATCH(&x->b, *q, v_str(x->app_id), v_str(x->tenant_id), v_str(terms->list[i]));
            rc = run_some(x->c, x->s, &x->b, false, &x->set);
        }
        for (size_t k = 0; others && rc == RC_OK && k < others->n; k++) {
            BATCH(&x->b, *q, v_str(x->app_id), v_str(x->tenant_id), v_str(terms->list[i]),
                  v_str(others->list[k]));
            rc = run_some(x->c, x->s, &x->b, false, &x->set);
        }
    }
    return rc;
}

/* Emails, by their beginning and by that of their domain, beside providers. */
static int search_emails_of(struct search *x, const struct users_terms *emails,
                            const struct users_terms *providers)
{
    int rc =
        search_providers(x, &q_search_email_provider, &q_search_email_account, emails, providers);
    return rc != RC_OK ? rc
                       : search_providers(x, &q_search_domain_provider, &q_search_domain_account,
                                          emails, providers);
}

int users_search(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                 const struct users_terms *emails, const struct users_terms *phones,
                 const struct users_terms *providers, struct str **ids, size_t *n)
{
    struct search x = {.c = c, .s = s, .app_id = app_id, .tenant_id = tenant_id};
    batch_init(&x.b, c);
    *n = 0;
    int rc = RC_OK;
    if (phones->n && providers->n) /* no login method has both */
        return RC_OK;
    if (emails->n && phones->n) {
        rc = search_terms(&x, &q_search_email_phone, emails, phones);
        if (rc == RC_OK)
            rc = search_terms(&x, &q_search_domain_phone, emails, phones);
    } else if (emails->n && providers->n) {
        rc = search_emails_of(&x, emails, providers);
    } else if (emails->n) {
        rc = search_terms(&x, &q_search_email, emails, NULL);
        if (rc == RC_OK)
            rc = search_terms(&x, &q_search_domain, emails, NULL);
    } else if (phones->n) {
        rc = search_terms(&x, &q_search_phone, phones, NULL);
    } else {
        rc = search_providers(&x, &q_search_provider, &q_search_account, NULL, providers);
    }
    if (rc == RC_OK)
        rc = run_some(c, s, &x.b, true, &x.set);
    make_unique(&x.set);
    *ids = x.set.list;
    *n = x.set.n;
    return rc;
}

/* ---- by account: an index range, or a unique key */

QUERY(account_by_email, SELECT(USER_TENANTS), OUT(USER_TENANTS_USER_ID),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), EQ(USER_TENANTS_EMAIL, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(account_by_phone, SELECT(USER_TENANTS), OUT(USER_TENANTS_USER_ID),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), EQ(USER_TENANTS_PHONE, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(account_by_third_party, SELECT(USER_TENANTS), OUT(USER_TENANTS_USER_ID),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), EQ(USER_TENANTS_TP_ID, 2),
            EQ(USER_TENANTS_TP_USER_ID, 3)),
      PARAMS(4), NO_LIMIT);

int users_by_account(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                     const struct account_info *info, struct str **ids, size_t *n)
{
    struct batch b;
    struct id_set set = {NULL, 0, 0};
    batch_init(&b, c);
    if (info->email.p)
        BATCH(&b, q_account_by_email, v_str(app_id), v_str(tenant_id), v_str(info->email));
    if (info->phone.p)
        BATCH(&b, q_account_by_phone, v_str(app_id), v_str(tenant_id), v_str(info->phone));
    if (info->tp_id.p)
        BATCH(&b, q_account_by_third_party, v_str(app_id), v_str(tenant_id), v_str(info->tp_id),
              v_str(info->tp_user_id));
    int rc = run_some(c, s, &b, true, &set);
    make_unique(&set);
    *ids = set.list;
    *n = set.n;
    return rc;
}
