/* SPDX-License-Identifier: Apache-2.0 */
/* External user ids; see useridmapping.h.
 *
 * A mapping is read by its primary key or by its unique key `external`; copies are
 * written by primary keys and, in the tenants, by key `recipe_user`.  Whether an id
 * is in use is one row of a key that begins with it: `user` of sessions, roles and
 * verification tokens, the primary key elsewhere. */
#include "store/useridmapping.h"

#include "store/emailverification.h"
#include "store/query.h"

enum { VERIFIED_MAX = 1000 };

enum { M_USER_ID, M_EXTERNAL, M_INFO };
#define MAPPING_OUT                                                                                \
    OUT(USER_ID_MAPPING_SUPERTOKENS_USER_ID, USER_ID_MAPPING_EXTERNAL_USER_ID,                     \
        USER_ID_MAPPING_EXTERNAL_USER_ID_INFO)
QUERY(mapping_of_user, SELECT(USER_ID_MAPPING), MAPPING_OUT,
      WHERE(EQ(USER_ID_MAPPING_APP_ID, 0), EQ(USER_ID_MAPPING_SUPERTOKENS_USER_ID, 1)), PARAMS(2),
      NO_LIMIT);
QUERY(mapping_by_external, SELECT(USER_ID_MAPPING), MAPPING_OUT,
      WHERE(EQ(USER_ID_MAPPING_APP_ID, 0), EQ(USER_ID_MAPPING_EXTERNAL_USER_ID, 1)), PARAMS(2),
      NO_LIMIT);
QUERY(mapping_user, SELECT(USERS), OUT(USERS_USER_ID),
      WHERE(EQ(USERS_APP_ID, 0), EQ(USERS_USER_ID, 1)), PARAMS(2), NO_LIMIT);

QUERY(mapping_insert, INSERT(USER_ID_MAPPING),
      SETS(PUT(USER_ID_MAPPING_APP_ID, 0), PUT(USER_ID_MAPPING_SUPERTOKENS_USER_ID, 1),
           PUT(USER_ID_MAPPING_EXTERNAL_USER_ID, 2), PUT(USER_ID_MAPPING_EXTERNAL_USER_ID_INFO, 3)),
      PARAMS(4));
QUERY(mapping_info, UPDATE(USER_ID_MAPPING), SETS(PUT(USER_ID_MAPPING_EXTERNAL_USER_ID_INFO, 0)),
      WHERE(EQ(USER_ID_MAPPING_APP_ID, 1), EQ(USER_ID_MAPPING_SUPERTOKENS_USER_ID, 2)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_external, UPDATE(USERS), SETS(PUT(USERS_EXTERNAL_USER_ID, 0)),
      WHERE(EQ(USERS_APP_ID, 1), EQ(USERS_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(login_external, UPDATE(LOGIN_METHODS), SETS(PUT(LOGIN_METHODS_EXTERNAL_USER_ID, 0)),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 1), EQ(LOGIN_METHODS_RECIPE_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenant_external, UPDATE(USER_TENANTS), SETS(PUT(USER_TENANTS_EXTERNAL_USER_ID, 0)),
      WHERE(EQ(USER_TENANTS_APP_ID, 1), EQ(USER_TENANTS_RECIPE_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

#define USES(name, TABLE, COLUMN)                                                                  \
    QUERY(name, SELECT(TABLE), OUT(TABLE##_##COLUMN),                                              \
          WHERE(EQ(TABLE##_APP_ID, 0), EQ(TABLE##_USER_ID, 1)), PARAMS(2), LIMIT(1))
USES(id_in_metadata, USER_METADATA, USER_ID);
USES(id_in_roles, USER_ROLES, ROLE);
USES(id_in_tokens, EMAIL_VERIFICATION_TOKENS, EMAIL);
USES(id_in_totp, TOTP_DEVICES, DEVICE_NAME);
/* Sessions that have ended are no use, though their rows may be there yet. */
QUERY(id_in_sessions, SELECT(SESSIONS), OUT(SESSIONS_HANDLE),
      WHERE(EQ(SESSIONS_APP_ID, 0), EQ(SESSIONS_USER_ID, 1), GE(SESSIONS_EXPIRES_AT, 2)), PARAMS(3),
      LIMIT(1));
QUERY(id_in_verified, SELECT(EMAIL_VERIFIED), OUT(EMAIL_VERIFIED_EMAIL),
      WHERE(EQ(EMAIL_VERIFIED_APP_ID, 0), EQ(EMAIL_VERIFIED_USER_ID, 1)), PARAMS(2),
      LIMIT(VERIFIED_MAX));
QUERY(tokens_rekey, UPDATE(EMAIL_VERIFICATION_TOKENS),
      SETS(PUT(EMAIL_VERIFICATION_TOKENS_USER_ID, 0)),
      WHERE(EQ(EMAIL_VERIFICATION_TOKENS_APP_ID, 1), EQ(EMAIL_VERIFICATION_TOKENS_USER_ID, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

stk_call *batch_mapping_of_user(struct batch *b, struct str app_id, struct str user_id)
{
    return BATCH(b, q_mapping_of_user, v_str(app_id), v_str(user_id));
}

struct str mapped_outer_id(const stk_call *mapping, struct str user_id)
{
    return call_rows(mapping) ? cell_str(call_row(mapping, 0), M_EXTERNAL) : user_id;
}

void batch_id(struct batch *b, struct str app_id, struct str id, struct id_calls *calls)
{
    calls->of_user = batch_mapping_of_user(b, app_id, id);
    calls->by_external = BATCH(b, q_mapping_by_external, v_str(app_id), v_str(id));
    calls->login = batch_login_row(b, app_id, id);
    calls->user = BATCH(b, q_mapping_user, v_str(app_id), v_str(id));
}

bool id_is_user(const struct id_calls *calls)
{
    return call_rows(calls->login) > 0 || call_rows(calls->user) > 0;
}

struct str id_root(const struct id_calls *calls, struct str id)
{
    return call_rows(calls->login) ? login_of_row(call_row(calls->login, 0)).user_id : id;
}

static struct id_mapping mapping_of(const stk_call *call)
{
    if (call_rows(call) == 0)
        return (struct id_mapping){.user_id = STR_NULL};
    const stk_val *row = call_row(call, 0);
    return (struct id_mapping){.user_id = cell_str(row, M_USER_ID),
                               .external_id = cell_str(row, M_EXTERNAL),
                               .info = cell_str(row, M_INFO)};
}

struct id_mapping id_mapping_of_user(const struct id_calls *calls)
{
    return mapping_of(calls->of_user);
}

struct id_mapping id_mapping_by_external(const struct id_calls *calls)
{
    return mapping_of(calls->by_external);
}

static void copy(struct batch *b, struct str app_id, struct str user_id, struct str external_id)
{
    BATCH(b, q_user_external, v_str(external_id), v_str(app_id), v_str(user_id));
    BATCH(b, q_login_external, v_str(external_id), v_str(app_id), v_str(user_id));
    BATCH(b, q_user_tenant_external, v_str(external_id), v_str(app_id), v_str(user_id));
}

void batch_mapping_create(struct batch *b, struct str app_id, const struct id_mapping *m)
{
    BATCH(b, q_mapping_insert, v_str(app_id), v_str(m->user_id), v_str(m->external_id),
          v_str(m->info));
    copy(b, app_id, m->user_id, m->external_id);
}

void batch_mapping_remove(struct batch *b, struct str app_id, struct str user_id)
{
    batch_mapping_delete(b, app_id, user_id);
    copy(b, app_id, user_id, STR_NULL);
}

stk_call *batch_mapping_info(struct batch *b, struct str app_id, struct str user_id,
                             struct str info)
{
    return BATCH(b, q_mapping_info, v_str(info), v_str(app_id), v_str(user_id));
}

/* ---- who uses an id */

void batch_id_use(struct batch *b, struct str app_id, struct str outer_id, int64_t now,
                  struct id_use_calls *calls)
{
    calls->sessions = BATCH(b, q_id_in_sessions, v_str(app_id), v_str(outer_id), v_i64(now));
    calls->metadata = BATCH(b, q_id_in_metadata, v_str(app_id), v_str(outer_id));
    calls->roles = BATCH(b, q_id_in_roles, v_str(app_id), v_str(outer_id));
    calls->verified = BATCH(b, q_id_in_verified, v_str(app_id), v_str(outer_id));
    calls->tokens = BATCH(b, q_id_in_tokens, v_str(app_id), v_str(outer_id));
    calls->totp = BATCH(b, q_id_in_totp, v_str(app_id), v_str(outer_id));
}

const char *id_used_in(const struct id_use_calls *calls, bool follow)
{
    if (call_rows(calls->sessions))
        return "Session";
    if (call_rows(calls->metadata))
        return "UserMetadata";
    if (call_rows(calls->roles))
        return "UserRoles";
    bool totp = call_rows(calls->totp) > 0;
    if ((totp || !follow) && (call_rows(calls->verified) || call_rows(calls->tokens)))
        return "EmailVerification";
    return totp ? "TOTP" : NULL;
}

void batch_verification_rekey(struct batch *b, struct str app_id, const struct id_use_calls *use,
                              struct str from, struct str to)
{
    for (uint32_t i = 0; i < call_rows(use->verified); i++) {
        struct str email = cell_str(call_row(use->verified, i), 0);
        batch_email_unverified(b, app_id, from, email);
        batch_email_verified(b, app_id, to, email);
    }
    if (call_rows(use->tokens))
        BATCH(b, q_tokens_rekey, v_str(to), v_str(app_id), v_str(from));
}

bool id_verified(const struct id_use_calls *use, struct str email)
{
    for (uint32_t i = 0; i < call_rows(use->verified); i++)
        if (str_eq(cell_str(call_row(use->verified, i), 0), email))
            return true;
    return false;
}
