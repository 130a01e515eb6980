/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashes; see password.h. */
#include "crypto/password.h"

#include "base/permits.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/argon2.h"
#include "crypto/bcrypt.h"
#include "crypto/firebase_scrypt.h"
#include "crypto/hash_pool.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

/* Jobs that may wait in one lane. */
enum { QUEUE = 1024 };

/* One job; in and out. */
struct work {
    const struct settings *settings;
    struct str password;
    struct str hash; /* to verify; absent: make one */
    char made[ARGON2_HASH_MAX];
    bool ok;
};

static unsigned at_least_one(int64_t n)
{
    return n < 1 ? 1 : (unsigned)n;
}

struct hash_pool *password_pool(const struct settings *s)
{
    const unsigned threads[HASH_LANES] = {
        [HASH_LANE_BCRYPT] = at_least_one(sysconf(_SC_NPROCESSORS_ONLN)),
        [HASH_LANE_ARGON2] = at_least_one(s->argon2_hashing_pool_size),
        [HASH_LANE_FIREBASE] = at_least_one(s->firebase_password_hashing_pool_size),
    };
    return hash_pool_new(threads, QUEUE);
}

static void make(void *arg)
{
    struct work *w = arg;
    const struct settings *s = w->settings;
    if (s->password_hashing_alg == HASH_ALG_ARGON2)
        w->ok = argon2_make(w->password, s->argon2_iterations, s->argon2_memory_kb,
                            s->argon2_parallelism, w->made) == 0;
    else
        w->ok = bcrypt_hash(w->password, s->bcrypt_log_rounds, w->made) == 0;
}

static void verify(void *arg)
{
    struct work *w = arg;
    if (argon2_is(w->hash))
        w->ok = argon2_match(w->password, w->hash);
    else if (bcrypt_is(w->hash))
        w->ok = bcrypt_verify(w->password, w->hash);
    else
        w->ok = firebase_scrypt_verify(w->password, w->hash,
                                       w->settings->firebase_password_hashing_signer_key);
}

static int run(struct ctx *c, enum hash_lane lane, void (*fn)(void *), struct work *w)
{
    assert(!c->held);
    permit_pause(c);
    int refused = hash_pool_run(c->core->hash_pool, lane, c->deadline_us, fn, w);
    permit_resume(c);
    if (refused)
        return ctx_fail_text(c, FAIL_UNAVAILABLE,
                             STR("Too many password hashes are waited for. Try again later"));
    return RC_OK;
}

int password_hash(struct ctx *c, const struct settings *s, struct str password, struct str *hash)
{
    struct work w = {.settings = s, .password = password};
    enum hash_lane lane =
        s->password_hashing_alg == HASH_ALG_ARGON2 ? HASH_LANE_ARGON2 : HASH_LANE_BCRYPT;
    c->arena->wipe = true;
    int rc = run(c, lane, make, &w);
    if (rc != RC_OK)
        return rc;
    if (!w.ok)
        return ctx_fail_text(c, FAIL_INTERNAL,
                             STR("A password hash could not be computed: out of memory, or the "
                                 "settings of the algorithm are out of its range"));
    *hash = str_dup(c->arena, str_z(w.made));
    explicit_bzero(w.made, sizeof(w.made));
    return RC_OK;
}

static int need_signer_key(struct ctx *c, const struct settings *s)
{
    if (s->firebase_password_hashing_signer_key.p)
        return RC_OK;
    return ctx_fail_text(c, FAIL_INTERNAL,
                         STR("'firebase_password_hashing_signer_key' cannot be null"));
}

int password_verify(struct ctx *c, const struct settings *s, struct str password, struct str hash,
                    bool *match)
{
    struct work w = {.settings = s, .password = password, .hash = hash};
    enum hash_lane lane = HASH_LANE_BCRYPT;
    int rc = RC_OK;
    *match = false;
    c->arena->wipe = true;
    if (argon2_is(hash)) {
        lane = HASH_LANE_ARGON2;
    } else if (!bcrypt_is(hash)) {
        if (!firebase_scrypt_is(hash))
            return RC_OK;
        lane = HASH_LANE_FIREBASE;
        rc = need_signer_key(c, s);
    }
    if (rc == RC_OK)
        rc = run(c, lane, verify, &w);
    *match = rc == RC_OK && w.ok;
    return rc;
}

bool password_format_parse(struct str name, enum password_format *format)
{
    if (str_ieq(name, STR("ARGON2")))
        *format = PASSWORD_ARGON2;
    else if (str_ieq(name, STR("BCRYPT")))
        *format = PASSWORD_BCRYPT;
    else if (str_ieq(name, STR("FIREBASE_SCRYPT")))
        *format = PASSWORD_FIREBASE_SCRYPT;
    else
        return false;
    return true;
}

int password_check_import(struct ctx *c, const struct settings *s, struct str hash,
                          enum password_format format)
{
    bool firebase = firebase_scrypt_is(hash);
    switch (format) {
    case PASSWORD_ANY:
        if (firebase)
            return need_signer_key(c, s);
        if (bcrypt_is(hash) || argon2_is(hash))
            return RC_OK;
        return ctx_fail_text(c, FAIL_BAD_REQUEST, STR("Password hash is in invalid format"));
    case PASSWORD_ARGON2:
        if (argon2_is(hash))
            return RC_OK;
        return ctx_fail_text(c, FAIL_BAD_REQUEST, STR("Password hash is in invalid Argon2 format"));
    case PASSWORD_BCRYPT:
        if (bcrypt_is(hash))
            return RC_OK;
        return ctx_fail_text(c, FAIL_BAD_REQUEST, STR("Password hash is in invalid BCrypt format"));
    case PASSWORD_FIREBASE_SCRYPT: break;
    }
    int rc = need_signer_key(c, s);
    if (rc == RC_OK && !firebase)
        rc = ctx_fail_text(c, FAIL_BAD_REQUEST,
                           STR("Password hash is in invalid Firebase SCrypt format"));
    return rc;
}
