/* SPDX-License-Identifier: Apache-2.0 */
/* Ids behind the user id of a session.  All reads are by primary key, but for
 * the mapping (its unique key `external`) and a user's login methods (`user`). */
#include "store/session_users.h"

#include "store/query.h"

QUERY(session_mapping, SELECT(USER_ID_MAPPING), OUT(USER_ID_MAPPING_SUPERTOKENS_USER_ID),
      WHERE(EQ(USER_ID_MAPPING_APP_ID, 0), EQ(USER_ID_MAPPING_EXTERNAL_USER_ID, 1)), PARAMS(2),
      NO_LIMIT);
QUERY(session_login, SELECT(LOGIN_METHODS),
      OUT(LOGIN_METHODS_USER_ID, LOGIN_METHODS_EXTERNAL_USER_ID),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 0), EQ(LOGIN_METHODS_RECIPE_USER_ID, 1)), PARAMS(2), NO_LIMIT);
QUERY(session_primary, SELECT(USERS), OUT(USERS_EXTERNAL_USER_ID),
      WHERE(EQ(USERS_APP_ID, 0), EQ(USERS_USER_ID, 1)), PARAMS(2), NO_LIMIT);
QUERY(session_logins_of, SELECT(LOGIN_METHODS),
      OUT(LOGIN_METHODS_RECIPE_USER_ID, LOGIN_METHODS_EXTERNAL_USER_ID),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 0), EQ(LOGIN_METHODS_USER_ID, 1)), PARAMS(2), NO_LIMIT);

/* Own ids are UUIDs: a longer text is none, and no column of theirs takes it. */
static bool may_be_own(struct str id)
{
    return id.len <= 36;
}

static stk_call *add_login(struct batch *b, struct str app_id, struct str id)
{
    return may_be_own(id) ? BATCH(b, q_session_login, v_str(app_id), v_str(id)) : NULL;
}

static struct str cell_of(const stk_call *call, unsigned col)
{
    return call && call_rows(call) ? cell_str(call_row(call, 0), col) : STR_NULL;
}

void session_user_start(struct session_user_lookup *l, struct batch *b, struct str app_id,
                        struct str id, struct str hint)
{
    *l = (struct session_user_lookup){
        .app_id = app_id, .id = id, .hint = hint.p && may_be_own(hint) ? hint : id};
    l->mapping = BATCH(b, q_session_mapping, v_str(app_id), v_str(id));
    l->login = add_login(b, app_id, l->hint);
}

bool session_user_step(struct session_user_lookup *l, struct batch *b)
{
    struct session_user *u = &l->user;
    struct str mapped = cell_of(l->mapping, 0);
    u->own_id = mapped.p ? mapped : l->id;
    if (!str_eq(u->own_id, l->hint)) {
        l->hint = u->own_id;
        l->login = add_login(b, l->app_id, u->own_id);
        if (l->login)
            return true;
    }
    struct str primary = cell_of(l->login, 0), external = cell_of(l->login, 1);
    u->shown_id = mapped.p ? l->id : external.p ? external : u->own_id;
    u->primary_own = primary.p ? primary : u->own_id;
    u->primary_shown = u->shown_id;
    if (str_eq(u->primary_own, u->own_id))
        return false;
    if (!l->primary) {
        l->primary = BATCH(b, q_session_primary, v_str(l->app_id), v_str(u->primary_own));
        return true;
    }
    external = cell_of(l->primary, 0);
    u->primary_shown = external.p ? external : u->primary_own;
    return false;
}

int session_user_find(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                      struct session_user *user)
{
    struct session_user_lookup l;
    struct batch b;
    batch_init(&b, c);
    session_user_start(&l, &b, app_id, id, STR_NULL);
    int rc;
    do {
        rc = storage_read(c, s, &b);
        batch_init(&b, c);
    } while (rc == RC_OK && session_user_step(&l, &b));
    *user = l.user;
    return rc;
}

static void add_id(struct str *ids, size_t *n, struct str id)
{
    for (size_t i = 0; i < *n; i++)
        if (str_eq(ids[i], id))
            return;
    if (id.p)
        ids[(*n)++] = id;
}

int session_user_ids(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                     bool linked, struct session_user *user, struct str **ids, size_t *n)
{
    int rc = session_user_find(c, s, app_id, id, user);
    if (rc != RC_OK)
        return rc;
    struct batch b;
    batch_init(&b, c);
    stk_call *logins = NULL;
    if (linked && may_be_own(user->primary_own))
        logins = BATCH(&b, q_session_logins_of, v_str(app_id), v_str(user->primary_own));
    rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    uint32_t rows = logins ? call_rows(logins) : 0;
    *ids = ARENA_ARRAY(c->arena, struct str, 2 * (size_t)rows + 5);
    *n = 0;
    add_id(*ids, n, id);
    add_id(*ids, n, user->own_id);
    add_id(*ids, n, user->shown_id);
    if (linked) { /* a primary user's id may outlive its own login method */
        add_id(*ids, n, user->primary_own);
        add_id(*ids, n, user->primary_shown);
    }
    for (uint32_t i = 0; i < rows; i++) {
        add_id(*ids, n, cell_str(call_row(logins, i), 0));
        add_id(*ids, n, cell_str(call_row(logins, i), 1));
    }
    return RC_OK;
}
