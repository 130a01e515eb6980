/* SPDX-License-Identifier: Apache-2.0 */
/* Users and sessions of the dashboard; see dashboard.h. */
#include "recipe/dashboard.h"

#include "base/clock.h"
#include "base/ids.h"
#include "crypto/password.h"
#include "crypto/sha.h"
#include "storage/tenant.h"
#include "store/multitenancy.h"

#include <string.h>

#define SESSION_MS (30 * 24 * 3600 * 1000LL)

enum { PASSWORD_LEAST = 8, PASSWORD_MOST = 99 };

/* ---- what is accepted */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What may follow the '@': one or more groups, each a run of letters, digits and
 * '-' and then any one character, and at the end two letters or more.  All ways
 * to read it are followed at once. */
static bool domain_ok(struct str s)
{
    enum { START = 1, RUN = 2, GROUP = 4, LETTER = 8, LETTERS = 16 };
    unsigned at = START;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool letter = is_letter(c), run = letter || is_digit(c) || c == '-';
        unsigned next = 0;
        if (((unsigned char)c & 0xc0) == 0x80) /* the rest of a character */
            continue;
        if (run && (at & (START | RUN | GROUP)))
            next |= RUN;
        if (at & RUN)
            next |= GROUP;
        if (letter && (at & GROUP))
            next |= LETTER;
        if (letter && (at & (LETTER | LETTERS)))
            next |= LETTERS;
        at = next;
    }
    return (at & LETTERS) != 0;
}

bool dashboard_email_ok(struct str email)
{
    if (str_find(email, '\n') >= 0 || str_find(email, '\r') >= 0)
        return false;
    for (size_t i = 1; i < email.len; i++) {
        struct str domain = str_sub(email, i + 1, email.len);
        if (email.p[i] != '@')
            continue;
        if (domain_ok(domain) || (domain.len == 1 && is_digit(domain.p[0])))
            return true;
    }
    return false;
}

const char *dashboard_password_weakness(struct str password)
{
    bool letter = false, digit = false;
    for (size_t i = 0; i < password.len; i++) {
        letter = letter || is_letter(password.p[i]);
        digit = digit || is_digit(password.p[i]);
    }
    size_t len = str_utf16_len(password);
    return len < PASSWORD_LEAST  ? "Password must contain at least 8 characters, including a number"
           : len > PASSWORD_MOST ? "Password's length must be lesser than 100 characters"
           : !letter             ? "Password must contain at least one alphabet"
           : !digit              ? "Password must contain at least one number"
                                 : NULL;
}

/* ---- users */

static struct storage *home(const struct ctx *c)
{
    return c->tenant->app->storage;
}

static int find(struct ctx *c, struct str id, struct str email, struct dashboard_user *user)
{
    int rc = dashboard_user_find(c, home(c), c->tenant->app_id, id, email, user);
    return rc == RC_OK && !user->id.p ? DASHBOARD_UNKNOWN_USER : rc;
}

/* Whether the user is as it was to be written. */
static int is_so(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct dashboard_user *want = arg;
    struct dashboard_user now;
    int rc = dashboard_user_find(c, s, c->tenant->app_id, want->id, STR_NULL, &now);
    *applied = rc == RC_OK && now.id.p && str_eq(now.email, want->email) &&
               str_eq_secret(now.password_hash, want->password_hash);
    return rc;
}

int dashboard_sign_up(struct ctx *c, struct str email, struct str password,
                      struct dashboard_user *user)
{
    const struct tenant *t = c->tenant;
    struct str hash;
    int rc = find(c, STR_NULL, email, user);
    if (rc == RC_OK)
        return DASHBOARD_EMAIL_EXISTS;
    if (rc != DASHBOARD_UNKNOWN_USER)
        return rc;
    rc = password_hash(c, t->app->settings, password, &hash);
    if (rc != RC_OK)
        return rc;
    do {
        *user = (struct dashboard_user){uuid_v7_str(c->arena), email, hash, clock_ms()};
        struct batch b;
        batch_init(&b, c);
        batch_app_active(&b, t->app_id);
        batch_dashboard_user(&b, t->app_id, user);
        rc = storage_write(c, home(c), &b, is_so, user);
    } while (rc == RC_DUPLICATE && !dashboard_email_taken(c));
    if (rc == RC_EXPECT)
        return tenant_unknown(c, t->cud, t->app_id, PUBLIC_ID);
    return rc == RC_DUPLICATE ? DASHBOARD_EMAIL_EXISTS : rc;
}

int dashboard_update(struct ctx *c, struct str id, struct str email, struct str new_email,
                     struct str new_password, struct dashboard_user *user)
{
    struct str app_id = c->tenant->app_id;
    int rc = find(c, id, email, user);
    if (rc != RC_OK)
        return rc;
    struct batch b;
    batch_init(&b, c);
    batch_dashboard_lock(&b, app_id, user->id);
    if (new_email.p) {
        user->email = new_email;
        batch_dashboard_email(&b, app_id, user->id, new_email);
    }
    if (new_password.p) {
        rc = password_hash(c, c->tenant->app->settings, new_password, &user->password_hash);
        if (rc != RC_OK)
            return rc;
        batch_dashboard_password(&b, app_id, user->id, user->password_hash);
    }
    batch_dashboard_sessions_delete(&b, app_id, user->id);
    rc = storage_write(c, home(c), &b, is_so, user);
    if (rc == RC_DUPLICATE)
        return DASHBOARD_EMAIL_EXISTS;
    return rc == RC_EXPECT ? DASHBOARD_UNKNOWN_USER : rc;
}

int dashboard_remove(struct ctx *c, struct str id, struct str email, bool *existed)
{
    struct dashboard_user user;
    *existed = false;
    if (!id.p) {
        int rc = find(c, id, email, &user);
        if (rc != RC_OK)
            return rc == DASHBOARD_UNKNOWN_USER ? RC_OK : rc;
        id = user.id;
    }
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_dashboard_delete(&b, c->tenant->app_id, id);
    int rc = storage_write(c, home(c), &b, NULL, NULL);
    *existed = rc == RC_OK && call_affected(call) > 0;
    return rc;
}

int dashboard_list(struct ctx *c, struct dashboard_user **list, size_t *n)
{
    return dashboard_users_list(c, home(c), c->tenant->app_id, list, n);
}

/* ---- sessions */

static int session_made(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct dashboard_session *want = arg;
    struct dashboard_session now;
    int rc = dashboard_session_find(c, s, c->tenant->app_id, want->hash, &now);
    *applied = rc == RC_OK && now.hash.p;
    return rc;
}

/* In the name of the user as it was when its password was checked. */
static int make_session(struct ctx *c, const struct dashboard_user *user, struct str *id)
{
    *id = uuid_v4_str(c->arena);
    struct dashboard_session session = {
        .hash = sha256_hex(c->arena, *id), .user_id = user->id, .created_at = clock_ms()};
    session.expires_at = session.created_at + SESSION_MS;
    struct batch b;
    batch_init(&b, c);
    batch_dashboard_lock(&b, c->tenant->app_id, user->id);
    batch_dashboard_same(&b, c->tenant->app_id, user);
    batch_dashboard_session(&b, c->tenant->app_id, &session);
    int rc = storage_write(c, home(c), &b, session_made, &session);
    return rc == RC_EXPECT ? DASHBOARD_WRONG_CREDENTIALS : rc;
}

int dashboard_sign_in(struct ctx *c, struct str email, struct str password, struct str *session_id)
{
    const struct settings *hashing = c->tenant->app->settings;
    struct dashboard_user user;
    bool match;
    int rc = find(c, STR_NULL, email, &user);
    if (rc == DASHBOARD_UNKNOWN_USER) {
        /* The same work, so that the answer's delay does not tell who has an account. */
        struct str unused;
        rc = password_hash(c, hashing, password, &unused);
        return rc == RC_OK ? DASHBOARD_WRONG_CREDENTIALS : rc;
    }
    if (rc == RC_OK)
        rc = password_verify(c, hashing, password, user.password_hash, &match);
    if (rc != RC_OK)
        return rc;
    return match ? make_session(c, &user, session_id) : DASHBOARD_WRONG_CREDENTIALS;
}

int dashboard_verify(struct ctx *c, struct str session_id, struct str *email)
{
    struct dashboard_session session;
    struct dashboard_user user;
    int rc = dashboard_session_find(c, home(c), c->tenant->app_id, sha256_hex(c->arena, session_id),
                                    &session);
    if (rc != RC_OK)
        return rc;
    if (!session.hash.p || session.expires_at <= clock_ms())
        return DASHBOARD_INVALID_SESSION;
    rc = find(c, session.user_id, STR_NULL, &user);
    if (rc == RC_OK)
        *email = user.email;
    return rc == DASHBOARD_UNKNOWN_USER ? DASHBOARD_INVALID_SESSION : rc;
}

int dashboard_revoke(struct ctx *c, struct str session_id)
{
    const struct str hashes[2] = {sha256_hex(c->arena, session_id), session_id};
    return dashboard_session_delete(c, home(c), c->tenant->app_id, hashes,
                                    session_id.len == hashes[0].len ? 2 : 1);
}

int dashboard_sessions(struct ctx *c, struct str user_id, struct dashboard_session **list,
                       size_t *n)
{
    return dashboard_sessions_list(c, home(c), c->tenant->app_id, user_id, list, n);
}
