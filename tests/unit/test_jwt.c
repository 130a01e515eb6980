/* SPDX-License-Identifier: Apache-2.0 */
/* Base64, RSA keys, JSON Web Tokens, the memory of verified ones, refresh tokens. */
#include "base/ids.h"
#include "crypto/base64.h"
#include "crypto/hex.h"
#include "crypto/jwt.h"
#include "crypto/key_pool.h"
#include "crypto/refresh_token.h"
#include "crypto/sha.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct arena arena;
static struct rsa_key *key;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    key = rsa_generate(NULL);
    return key ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    rsa_unref(key);
    arena_free(&arena);
    return 0;
}

#define assert_str(s, z) assert_string_equal((s).p, (z))

static void base64_vectors(void **state)
{
    (void)state;
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const padded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                         "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (int i = 0; i < 7; i++) {
        struct str out, s = str_z(padded[i]);
        assert_str(base64_encode(&arena, plain[i], (size_t)i), padded[i]);
        assert_true(base64_decode(&arena, s, &out));
        assert_true(str_eqz(out, plain[i]));
        while (s.len && s.p[s.len - 1] == '=')
            s.len--;
        assert_true(str_eq(base64url_encode(&arena, plain[i], (size_t)i), s));
        assert_true(base64_decode(&arena, s, &out));
        assert_true(str_eqz(out, plain[i]));
    }
    assert_str(base64_encode(&arena, "\xfb\xff\xfe", 3), "+//+");
    assert_str(base64url_encode(&arena, "\xfb\xff\xfe", 3), "-__-");
}

static void base64_refuses(void **state)
{
    (void)state;
    struct str out;
    static const char *const bad[] = {
        "A", "AAAAA", "A=", "====", "Zg=", "Z g=", "Zg==Zg==", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(base64_decode(&arena, str_z(bad[i]), &out));
    assert_true(base64_decode(&arena, STR("-_+/"), &out));
    assert_memory_equal(out.p, "\xfb\xff\xbf", 3);
}

static void sha256_vector(void **state)
{
    (void)state;
    assert_str(sha256_hex(&arena, STR("abc")),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231, cases 2 and 6: the key of the latter is longer than a block. */
static void hmac_vectors(void **state)
{
    (void)state;
    uint8_t mac[SHA256_LEN];
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    assert_str(hex_encode(&arena, mac, sizeof(mac)),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char large[131];
    memset(large, 0xaa, sizeof(large));
    hmac_sha256(str_make(large, sizeof(large)),
                STR("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_str(hex_encode(&arena, mac, sizeof(mac)),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void key_survives_its_text(void **state)
{
    (void)state;
    struct str text = rsa_text(&arena, key);
    assert_true(str_starts(text, rsa_public(key)));
    struct rsa_key *copy = rsa_parse(text);
    assert_non_null(copy);
    assert_true(str_eq(rsa_modulus(copy), rsa_modulus(key)));
    assert_str(rsa_exponent(copy), "AQAB");
    assert_true(rsa_serial(copy) != rsa_serial(key));
    uint8_t sig[RSA_SIGNATURE_LEN];
    rsa_sign(copy, STR("data"), sig);
    struct str s = str_make((char *)sig, sizeof(sig));
    assert_true(rsa_verify(key, STR("data"), s));
    assert_false(rsa_verify(key, STR("datb"), s));
    sig[100] ^= 1;
    assert_false(rsa_verify(key, STR("data"), s));
    s.len--;
    assert_false(rsa_verify(key, STR("data"), s));
    rsa_unref(copy);
}

static void key_text_is_checked(void **state)
{
    (void)state;
    assert_null(rsa_parse(STR("")));
    assert_null(rsa_parse(STR("no separator")));
    assert_null(rsa_parse(STR("a|b")));
    assert_null(rsa_parse(STR("AAAA|AAAA")));
    struct str text = rsa_text(&arena, key);
    assert_null(rsa_parse(str_sub(text, 0, text.len - 8)));
}

static void token_forms(void **state)
{
    (void)state;
    struct str header = STR("{\"alg\":\"RS256\"}"), payload = STR("{\"a\":\"\xc3\xbf\xc3\xbe?\"}");
    for (int form = JWT_URL; form <= JWT_OLD; form++) {
        struct str token = jwt_sign(&arena, key, (enum jwt_form)form, header, payload);
        struct jwt_parts parts;
        struct str out;
        assert_true(jwt_split(token, &parts));
        assert_true(base64_decode(&arena, parts.header, &out) && str_eq(out, header));
        assert_true(base64_decode(&arena, parts.payload, &out) && str_eq(out, payload));
        assert_int_equal(parts.signature.len, form == JWT_OLD ? 344 : 342);
        assert_true(jwt_verify(NULL, key, &parts, &arena));
    }
}

static void token_shapes(void **state)
{
    (void)state;
    struct jwt_parts parts;
    static const char *const bad[] = {"", "a", "a.b", "a.b.c.d", "..", "a..c", ".b.c", "a.b."};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(jwt_split(str_z(bad[i]), &parts));
    assert_true(jwt_split(STR("a.b.c"), &parts));
    assert_true(str_eqz(parts.signature, "c"));
}

static void memory_of_verified_tokens(void **state)
{
    (void)state;
    struct verify_cache *cache = verify_cache_new();
    struct rsa_key *other = rsa_generate(NULL);
    struct jwt_parts parts, forged;
    struct str token = jwt_sign(&arena, key, JWT_URL, STR("{}"), STR("{\"n\":1}"));
    assert_true(jwt_split(token, &parts));
    assert_false(jwt_verify(cache, other, &parts, &arena));
    for (int i = 0; i < 3; i++)
        assert_true(jwt_verify(cache, key, &parts, &arena));
    assert_false(jwt_verify(cache, other, &parts, &arena));
    struct str bent = str_make(arena_dup(&arena, token.p, token.len), token.len);
    ((char *)(uintptr_t)bent.p)[token.len - 10] ^= 1;
    assert_true(jwt_split(bent, &forged));
    for (int i = 0; i < 3; i++)
        assert_false(jwt_verify(cache, key, &forged, &arena));
    rsa_unref(other);
    verify_cache_free(cache);
}

static void refresh_token_round_trip(void **state)
{
    (void)state;
    struct str master = refresh_token_new_key(&arena);
    struct refresh_token in = {.handle = STR("h_t1"),
                               .user_id = STR("u \xe2\x82\xac"),
                               .parent_hash1 = STR("ab"),
                               .tenant_id = STR("t1")},
                         out;
    struct str token = refresh_token_make(&arena, master, &in);
    assert_true(str_ends(token, STR(".V2")));
    assert_true(refresh_token_read(&arena, master, token, &out));
    assert_true(str_eq(out.handle, in.handle) && str_eq(out.user_id, in.user_id));
    assert_true(str_eq(out.parent_hash1, in.parent_hash1) && str_eq(out.tenant_id, in.tenant_id));
    assert_null(out.anti_csrf.p);
    assert_false(str_eq(token, refresh_token_make(&arena, master, &in)));
    assert_false(refresh_token_read(&arena, refresh_token_new_key(&arena), token, &out));
    for (size_t i = 0; i < token.len; i += 17) {
        char *bent = arena_dup(&arena, token.p, token.len);
        bent[i] = bent[i] == 'A' ? 'B' : 'A';
        assert_false(refresh_token_read(&arena, master, str_make(bent, token.len), &out));
        assert_false(refresh_token_read(&arena, master, str_sub(token, 0, i), &out));
    }
}

/* Made by another implementation: a core that takes over live data must read it. */
static void refresh_token_of_another_make(void **state)
{
    (void)state;
    static const char token[] =
        "AAECAwQFBgcICQoLYcO5vORu6SWqHkoMs6y5co5Q2/y+vuQsXVqdoQVvJQCwn1hiWTfZNLZ06BDnrUqNbWRhi0m4"
        "PXEqiXPulfyXgfLILadG2nUcBu48zRSdBsLXZoY8snY1Sm8a0Gu5HwAOluHCZve9wyVURGxcrL2IGE4aVzAX4KyT"
        "VHEtVaunp7zAMyXFFZ0qyQ3qeCkU67VN0rzu4nanxi9jYqkR7IssYx3EAMSu5MKBcXfrb7v4xNSqsxAUeR4zaGIy"
        "KXkCd5jruBhF7ts3dtY=.2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881.V2";
    struct refresh_token t;
    assert_true(refresh_token_read(&arena, STR("1000:00ff:abcdef0123456789"), STR(token), &t));
    assert_str(t.handle, "h1_t1");
    assert_str(t.user_id, "u1");
    assert_str(t.parent_hash1, "aa");
    assert_str(t.anti_csrf, "csrf");
    assert_str(t.tenant_id, "t1");
}

static void pool_gives_different_keys(void **state)
{
    (void)state;
    struct key_pool *pool = key_pool_new();
    struct rsa_key *keys[3];
    for (int i = 0; i < 3; i++)
        keys[i] = key_pool_take(pool);
    for (int i = 0; i < 3; i++)
        assert_false(str_eq(rsa_modulus(keys[i]), rsa_modulus(keys[(i + 1) % 3])));
    for (int i = 0; i < 3; i++)
        rsa_unref(keys[i]);
    key_pool_free(pool);
}

static void pool_stops_amid_a_key(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        key_pool_free(key_pool_new());
    atomic_bool cancel = true;
    assert_null(rsa_generate(&cancel));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(base64_refuses),
        cmocka_unit_test(sha256_vector),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(key_survives_its_text),
        cmocka_unit_test(key_text_is_checked),
        cmocka_unit_test(token_forms),
        cmocka_unit_test(token_shapes),
        cmocka_unit_test(memory_of_verified_tokens),
        cmocka_unit_test(refresh_token_round_trip),
        cmocka_unit_test(refresh_token_of_another_make),
        cmocka_unit_test(pool_gives_different_keys),
        cmocka_unit_test(pool_stops_amid_a_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
