/* SPDX-License-Identifier: Apache-2.0 */
/* Refresh tokens; see refresh_token.h. */
#include "crypto/refresh_token.h"

#include "base/ids.h"
#include "base/json.h"
#include "crypto/aes.h"
#include "crypto/base64.h"
#include "crypto/hex.h"
#include "crypto/sha.h"

#include <string.h>

enum { ROUNDS = 100, MASTER_ROUNDS = 1000, MASTER_LEN = 64 };

static void derive(struct str master_key, const uint8_t iv[AES_IV_LEN], uint8_t key[AES_KEY_LEN])
{
    pbkdf2_sha512(master_key, iv, AES_IV_LEN, ROUNDS, key, AES_KEY_LEN);
}

static struct str payload_text(struct arena *a, const struct refresh_token *t, struct str nonce)
{
    json_t *o = json_object();
    json_add_str(o, "sessionHandle", t->handle);
    json_add_str(o, "userId", t->user_id);
    json_add_str(o, "parentRefreshTokenHash1", t->parent_hash1);
    json_add_str(o, "nonce", nonce);
    json_add_str(o, "antiCsrfToken", t->anti_csrf);
    json_add_str(o, "tenantId", t->tenant_id);
    json_add_str(o, "stId", t->supertokens_id);
    struct str text = json_text(a, o);
    json_decref(o);
    return text;
}

struct str refresh_token_make(struct arena *a, struct str master_key, const struct refresh_token *t)
{
    struct str nonce = sha256_hex(a, uuid_v4_str(a));
    struct str plain = payload_text(a, t, nonce);
    uint8_t key[AES_KEY_LEN];
    size_t n = AES_IV_LEN + plain.len + AES_TAG_LEN;
    uint8_t *sealed = arena_alloc(a, n);
    random_bytes(sealed, AES_IV_LEN);
    derive(master_key, sealed, key);
    aes_seal(key, sealed, plain, sealed + AES_IV_LEN);
    explicit_bzero(key, sizeof(key));
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_add(&b, base64_encode(a, sealed, n));
    strbuf_addc(&b, '.');
    strbuf_add(&b, nonce);
    strbuf_add(&b, STR(".V2"));
    return strbuf_str(&b);
}

static bool open_sealed(struct arena *a, struct str master_key, struct str sealed, struct str *text)
{
    if (sealed.len < AES_IV_LEN + AES_TAG_LEN)
        return false;
    uint8_t key[AES_KEY_LEN];
    const uint8_t *iv = (const uint8_t *)sealed.p;
    uint8_t *plain = arena_alloc(a, sealed.len);
    derive(master_key, iv, key);
    bool ok = aes_open(key, iv, str_sub(sealed, AES_IV_LEN, sealed.len), plain);
    explicit_bzero(key, sizeof(key));
    *text = str_make((const char *)plain, sealed.len - AES_IV_LEN - AES_TAG_LEN);
    return ok;
}

static bool known_type(struct str type)
{
    return str_ieq(type, STR("V2")) || str_ieq(type, STR("V1")) || str_ieq(type, STR("V0"));
}

bool refresh_token_read(struct arena *a, struct str master_key, struct str token,
                        struct refresh_token *t)
{
    struct str rest = token, body, nonce, type, sealed, text;
    if (!str_split(&rest, '.', &body) || !str_split(&rest, '.', &nonce) ||
        !str_split(&rest, '.', &type) || rest.p || !known_type(type) ||
        !base64_decode(a, body, &sealed) || !open_sealed(a, master_key, sealed, &text))
        return false;
    const json_t *o = json_own(a, json_object_parse(text));
    *t = (struct refresh_token){
        .handle = json_get_str(o, "sessionHandle"),
        .user_id = json_get_str(o, "userId"),
        .parent_hash1 = json_get_str(o, "parentRefreshTokenHash1"),
        .anti_csrf = json_get_str(o, "antiCsrfToken"),
        .tenant_id = json_get_str(o, "tenantId"),
        .supertokens_id = json_get_str(o, "stId"),
    };
    return t->handle.p && t->user_id.p && str_eq_secret(json_get_str(o, "nonce"), nonce);
}

struct str refresh_token_hash1(struct arena *a, struct str token)
{
    return sha256_hex(a, token);
}

struct str refresh_token_hash2(struct arena *a, struct str hash1)
{
    return sha256_hex(a, hash1);
}

struct str refresh_token_new_key(struct arena *a)
{
    uint8_t phrase[MASTER_LEN], salt[MASTER_LEN], key[MASTER_LEN];
    random_bytes(phrase, sizeof(phrase));
    random_bytes(salt, sizeof(salt));
    a->wipe = true;
    struct str hex = hex_encode(a, phrase, sizeof(phrase));
    pbkdf2_sha512(hex, salt, sizeof(salt), MASTER_ROUNDS, key, sizeof(key));
    struct str text = str_printf(a, "%d:%.*s:%.*s", (int)MASTER_ROUNDS,
                                 STR_ARG(hex_encode(a, salt, sizeof(salt))),
                                 STR_ARG(hex_encode(a, key, sizeof(key))));
    explicit_bzero(phrase, sizeof(phrase));
    explicit_bzero(key, sizeof(key));
    return text;
}
