/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the table, coreConfig laid over the base, texts of refusals. */
#include "config/settings.h"

#include "base/ctx.h"
#include "config/settings_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;
static const struct settings *base;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    struct settings draft;
    struct str err;
    settings_defaults(&draft);
    if (settings_check(&draft, false, &arena, &err))
        return -1;
    base = settings_pack(&draft);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    settings_unref(base);
    arena_free(&arena);
    return 0;
}

static json_t *parse(const char *text)
{
    json_t *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return v;
}

static const struct settings *overlay(const char *text, bool test_mode)
{
    const struct settings *out = NULL;
    struct str err = STR_NULL;
    json_t *v = parse(text);
    int rc = settings_overlay(base, v, test_mode, &arena, &out, &err);
    json_decref(v);
    if (rc)
        fail_msg("%s: %s", text, err.p);
    return out;
}

static void refused(const char *text, bool test_mode, const char *why)
{
    const struct settings *out = NULL;
    struct str err = STR_NULL;
    json_t *v = parse(text);
    int rc = settings_overlay(base, v, test_mode, &arena, &out, &err);
    json_decref(v);
    if (rc == 0)
        fail_msg("%s was accepted", text);
    assert_string_equal(err.p, why);
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(base->port, 3567);
    assert_true(str_eqz(base->host, "localhost"));
    assert_true(str_eqz(base->base_path, ""));
    assert_int_equal(base->access_token_validity, 3600);
    assert_true(base->refresh_token_validity == 144000);
    assert_true(base->access_token_dynamic_signing_key_update_interval == 168);
    assert_true(base->access_token_validity_jitter == 0.05);
    assert_int_equal(base->password_reset_token_lifetime, 3600000);
    assert_int_equal(base->bcrypt_log_rounds, 11);
    assert_int_equal(base->argon2_memory_kb, 87795);
    assert_int_equal(base->password_hashing_alg, HASH_ALG_BCRYPT);
    assert_int_equal(base->log_level, LEVEL_INFO);
    assert_int_equal(base->recent_token_reuse_behaviour, REUSE_TOKEN_THEFT);
    assert_true(base->auto_migrate);
    assert_null(base->api_keys.p);
    assert_null(base->ips);
    assert_int_equal(base->max_cdi, 0);
    assert_true(base->bulk_migration_parallelism >= 1);
}

static void numbers_and_strings(void **state)
{
    (void)state;
    const struct settings *s =
        overlay("{\"access_token_validity\": \"600\", \"refresh_token_validity\": 20.5,"
                " \"access_token_signing_key_dynamic\": \"FALSE\", \"disable_telemetry\": true,"
                " \"password_hashing_alg\": \"argon2\", \"passwordless_code_lifetime\": 5000.0,"
                " \"access_token_signing_key_update_interval\": \"1.5\","
                " \"api_keys\": \" bbbbbbbbbbbbbbbbbbbb-=, aaaaaaaaaaaaaaaaaaaa,\","
                " \"postgresql_host\": \"elsewhere\"}",
                false);
    assert_int_equal(s->access_token_validity, 600);
    assert_true(s->refresh_token_validity == 20.5);
    assert_true(s->access_token_dynamic_signing_key_update_interval == 1.5);
    assert_false(s->access_token_signing_key_dynamic);
    assert_true(s->disable_telemetry);
    assert_int_equal(s->password_hashing_alg, HASH_ALG_ARGON2);
    assert_int_equal(s->passwordless_code_lifetime, 5000);
    assert_string_equal(s->api_keys.p, "aaaaaaaaaaaaaaaaaaaa,bbbbbbbbbbbbbbbbbbbb-=");
    assert_int_equal(s->port, 3567);
    settings_unref(s);
    assert_int_equal(base->access_token_validity, 3600);
}

static void nothing_laid_over_is_the_base(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "{\"port\": 1}", "{\"sqlite_path\": \"x\"}"};
    for (size_t i = 0; i < 3; i++) {
        const struct settings *s = overlay(texts[i], false);
        assert_ptr_equal(s, base);
        settings_unref(s);
    }
}

static void null_is_the_default(void **state)
{
    (void)state;
    const struct settings *s =
        overlay("{\"access_token_validity\": null, \"api_keys\": null,"
                " \"password_hashing_alg\": null,"
                " \"bulk_migration_sleep_between_rounds_in_batch_ms\": null}",
                false);
    assert_int_equal(s->access_token_validity, 3600);
    assert_null(s->api_keys.p);
    assert_int_equal(s->password_hashing_alg, HASH_ALG_BCRYPT);
    assert_int_equal(s->bulk_migration_sleep_between_rounds_in_batch_ms, 0);
    settings_unref(s);
}

static const struct {
    const char *text, *why;
} bad_values[] = {
    {"{\"access_token_validity\": \"soon\"}", "'access_token_validity' must be of type long"},
    {"{\"access_token_validity\": 1.5}", "'access_token_validity' must be of type long"},
    {"{\"access_token_validity\": true}", "'access_token_validity' must be of type long"},
    {"{\"access_token_validity\": \"0x10\"}", "'access_token_validity' must be of type long"},
    {"{\"access_token_validity\": \"\"}", "'access_token_validity' must be of type long"},
    {"{\"access_token_validity\": {}}", "'access_token_validity' must be of type long"},
    {"{\"totp_max_attempts\": 5000000000}", "'totp_max_attempts' must be of type int"},
    {"{\"refresh_token_validity\": \"nan\"}", "'refresh_token_validity' must be of type double"},
    {"{\"refresh_token_validity\": \"1e999\"}", "'refresh_token_validity' must be of type double"},
    {"{\"disable_telemetry\": 1}", "'disable_telemetry' must be of type boolean"},
    {"{\"disable_telemetry\": \"yes\"}", "'disable_telemetry' must be of type boolean"},
    {"{\"api_keys\": []}", "'api_keys' must be of type String"},
    {"{\"bulk_migration_sleep_between_rounds_in_batch_ms\": \"x\"}",
     "'bulk_migration_sleep_between_rounds_in_batch_ms' must be of type Integer"},
    {"{\"access_token_validity\": 0}",
     "'access_token_validity' must be between 1 and 86400000 seconds inclusive."},
    {"{\"access_token_validity\": 86400001}",
     "'access_token_validity' must be between 1 and 86400000 seconds inclusive."},
    {"{\"refresh_token_validity\": 60}",
     "'refresh_token_validity' must be strictly greater than 'access_token_validity'."},
    {"{\"access_token_dynamic_signing_key_update_interval\": 0.5}",
     "'access_token_dynamic_signing_key_update_interval' must be greater than, equal to 1 hour."},
    {"{\"refresh_token_rotation_grace_period\": 301}",
     "'refresh_token_rotation_grace_period' must be between 0 and 300 seconds inclusive."},
    {"{\"access_token_validity_jitter\": 0.26}",
     "'access_token_validity_jitter' must be between 0 and 0.25 inclusive."},
    {"{\"password_reset_token_lifetime\": 0}", "'password_reset_token_lifetime' must be >= 0"},
    {"{\"email_verification_token_lifetime\": -1}",
     "'email_verification_token_lifetime' must be >= 0"},
    {"{\"passwordless_code_lifetime\": 0}", "'passwordless_code_lifetime' must be > 0"},
    {"{\"passwordless_max_code_input_attempts\": 0}",
     "'passwordless_max_code_input_attempts' must be > 0"},
    {"{\"totp_max_attempts\": 0}", "'totp_max_attempts' must be > 0"},
    {"{\"totp_rate_limit_cooldown_sec\": 0}", "'totp_rate_limit_cooldown_sec' must be > 0"},
    {"{\"api_keys\": \"short\"}",
     "One of the API keys is too short. Please use at least 20 characters"},
    {"{\"api_keys\": \"\"}", "One of the API keys is too short. Please use at least 20 characters"},
    {"{\"api_keys\": \"aaaaaaaaaaaaaaaaaaaa,,bbbbbbbbbbbbbbbbbbbb\"}",
     "One of the API keys is too short. Please use at least 20 characters"},
    {"{\"api_keys\": \"aaaaaaaaaaaaaaaaaaaa_\"}",
     "Invalid characters in API key. Please only use '=', '-' and alpha-numeric (including "
     "capitals)"},
    {"{\"password_hashing_alg\": \"MD5\"}",
     "'password_hashing_alg' must be one of 'ARGON2' or 'BCRYPT'"},
    {"{\"ip_allow_regex\": \"(\"}",
     "Provided regular expression is invalid for ip_allow_regex config"},
    {"{\"ip_deny_regex\": \"*\"}",
     "Provided regular expression is invalid for ip_deny_regex config"},
    {"{\"supertokens_max_cdi_version\": \"five\"}",
     "supertokens_max_cdi_version is not a valid semantic version"},
    {"{\"supertokens_max_cdi_version\": \"5.\"}",
     "supertokens_max_cdi_version is not a valid semantic version"},
    {"{\"supertokens_max_cdi_version\": \"2.6\"}",
     "supertokens_max_cdi_version is not a supported version"},
    {"{\"supertokens_min_cdi_version\": \"9.9\"}",
     "supertokens_min_cdi_version is not a supported version"},
    {"{\"supertokens_min_cdi_version\": \"5.1\", \"supertokens_max_cdi_version\": \"4.0\"}",
     "supertokens_min_cdi_version cannot be greater than supertokens_max_cdi_version"},
    {"{\"bulk_migration_parallelism\": 0}", "Provided bulk_migration_parallelism must be >= 1"},
    {"{\"bulk_migration_batch_size\": 0}", "Provided bulk_migration_batch_size must be >= 1"},
    {"{\"webauthn_recover_account_token_lifetime\": 0}",
     "Provided webauthn_recover_account_token_lifetime must be > 0"},
    {"{\"webauthn_recover_account_token_lifetime\": 9223372036854775807}",
     "'webauthn_recover_account_token_lifetime' must be <= 315360000000000"},
    {"{\"oauth_provider_public_service_url\": \"nowhere\"}",
     "oauth_provider_public_service_url is not a valid URL"},
    {"{\"oauth_provider_public_service_url\": \"http://a\"}",
     "If any of the following is set, all of them has to be set: "
     "oauth_provider_public_service_url, oauth_provider_admin_service_url, "
     "oauth_provider_consent_login_base_url"},
};

static void bad_values_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++)
        refused(bad_values[i].text, false, bad_values[i].why);
}

static void test_mode_lifts_bounds(void **state)
{
    (void)state;
    const struct settings *s = overlay("{\"refresh_token_validity\": 0.05,"
                                       " \"access_token_dynamic_signing_key_update_interval\":"
                                       " \"0.0001\", \"refresh_token_rotation_grace_period\": 400}",
                                       true);
    assert_true(s->refresh_token_validity == 0.05);
    settings_unref(s);
    refused("{\"access_token_dynamic_signing_key_update_interval\": 0}", true,
            "'access_token_dynamic_signing_key_update_interval' must be greater than, equal to 1 "
            "hour.");
    refused("{\"access_token_validity\": 0}", true,
            "'access_token_validity' must be between 1 and 86400000 seconds inclusive.");
}

static bool is_x(void *ud, const char *key)
{
    (void)ud;
    return strcmp(key, "x_host") == 0;
}

static void keys_scopes_and_apps(void **state)
{
    (void)state;
    struct str err;
    json_t *v = parse("{\"x_host\": 1, \"api_keys\": 1}");
    assert_int_equal(settings_check_keys(v, is_x, NULL, &arena, &err), RC_OK);
    assert_int_equal(settings_check_keys(v, NULL, NULL, &arena, &err), RC_FAIL);
    assert_string_equal(err.p, "Invalid config key: x_host");
    assert_int_equal(settings_check_scope(v, &arena, &err), RC_OK);
    json_object_set_new(v, "bcrypt_log_rounds", json_integer(4));
    assert_int_equal(settings_check_scope(v, &arena, &err), RC_FAIL);
    assert_string_equal(err.p,
                        "bcrypt_log_rounds can only be set via the core's base config setting");
    json_decref(v);
    const struct settings *app = overlay("{\"access_token_validity\": 5}", false);
    const struct settings *tenant = overlay("{\"passwordless_code_lifetime\": 5}", false);
    assert_int_equal(settings_check_app(base, tenant, &arena, &err), RC_OK);
    assert_int_equal(settings_check_app(base, app, &arena, &err), RC_FAIL);
    assert_string_equal(
        err.p, "You cannot set different values for access_token_validity for the same appId");
    settings_unref(app);
    settings_unref(tenant);
}

static void server_rules(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *why;
    } rows[] = {
        {"bcrypt_log_rounds", "0", "'bcrypt_log_rounds' must be >= 1"},
        {"bcrypt_log_rounds", "32", "'bcrypt_log_rounds' must be <= 31"},
        {"max_server_pool_size", "0", "'max_server_pool_size' must be >= 1"},
        {"port", "65536", "'port' must be <= 65535"},
        {"base_path", "/a b", "Invalid characters in base_path config"},
        {"log_level", "LOUD",
         "'log_level' config must be one of \"NONE\",\"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"."},
        {"recent_token_reuse_behaviour", "x",
         "recent_token_reuse_behaviour property is not set correctly. It must be one of "
         "[TOKEN_THEFT, UNAUTHORISED]"},
        {"supertokens_saas_secret", "0123456789012345678901234567890123456789",
         "supertokens_saas_secret can only be used when api_key is also defined"},
        {"supertokens_saas_load_only_cud", "a b", "supertokens_saas_load_only_cud is invalid"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct settings draft;
        struct str err = STR_NULL;
        settings_defaults(&draft);
        const struct setting *k = settings_find(str_z(rows[i].key));
        int rc = settings_set(&draft, k, str_z(rows[i].value), &arena, &err) ||
                 settings_check(&draft, false, &arena, &err);
        assert_int_not_equal(rc, 0);
        assert_string_equal(err.p, rows[i].why);
    }
}

static void base_path_is_normalised(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""}, {"/", ""}, {"a", "/a"}, {"/a/", "/a"}, {"//a///b//", "/a/b"}, {"a/b", "/a/b"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct settings draft;
        struct str err;
        settings_defaults(&draft);
        draft.base_path = str_z(rows[i][0]);
        assert_int_equal(settings_check(&draft, false, &arena, &err), RC_OK);
        assert_true(str_eqz(draft.base_path, rows[i][1]));
    }
}

static void api_keys_and_addresses(void **state)
{
    (void)state;
    assert_true(settings_api_key(base, STR("anything")));
    assert_true(settings_ip_allowed(base, STR("10.0.0.1")));
    const struct settings *s =
        overlay("{\"api_keys\": \"aaaaaaaaaaaaaaaaaaaa,bbbbbbbbbbbbbbbbbbbb\","
                " \"ip_allow_regex\": \"127\\\\.\\\\d+\\\\.\\\\d+\\\\.\\\\d+|::1\","
                " \"ip_deny_regex\": \" 127\\\\.0\\\\.0\\\\.9 \", \"supertokens_max_cdi_version\": "
                "\"5.1\"}",
                false);
    assert_int_equal(s->max_cdi, CDI(5, 1));
    assert_true(settings_api_key(s, STR("bbbbbbbbbbbbbbbbbbbb")));
    assert_false(settings_api_key(s, STR("bbbbbbbbbbbbbbbbbbb")));
    assert_false(settings_api_key(s, STR("")));
    assert_false(settings_api_key(s, STR_NULL));
    assert_true(settings_ip_allowed(s, STR("127.0.0.1")));
    assert_true(settings_ip_allowed(s, STR("::1")));
    assert_false(settings_ip_allowed(s, STR("127.0.0.1.5")));
    assert_false(settings_ip_allowed(s, STR("127.0.0.9")));
    assert_false(settings_ip_allowed(s, STR("10.127.0.0.1")));
    const struct setting *k = settings_find(STR("api_keys"));
    assert_string_equal(settings_show(s, k, &arena).p, "***");
    settings_unref(s);
}

static const json_t *described(const json_t *list, const char *key)
{
    size_t i;
    const json_t *f;
    json_array_foreach((json_t *)(uintptr_t)list, i, f)
    {
        if (strcmp(json_string_value(json_object_get(f, "key")), key) == 0)
            return f;
    }
    return NULL;
}

static void description(void **state)
{
    (void)state;
    json_t *list = settings_describe(base);
    static const char *const hidden[] = {"port", "api_keys", "access_token_blacklisting",
                                         "oauth_provider_public_service_url"};
    for (size_t i = 0; i < 4; i++)
        assert_null(described(list, hidden[i]));
    const json_t *f = described(list, "password_hashing_alg");
    char *text = json_dumps(f, JSON_COMPACT);
    assert_non_null(strstr(text, "{\"key\":\"password_hashing_alg\",\"valueType\":\"enum\","
                                 "\"value\":\"BCRYPT\",\"description\":"));
    assert_non_null(strstr(text,
                           "\"isDifferentAcrossTenants\":false,\"possibleValues\":[\"ARGON2\","
                           "\"BCRYPT\"],\"isNullable\":false,\"defaultValue\":\"BCRYPT\","
                           "\"isPluginProperty\":false,\"isPluginPropertyEditable\":false}"));
    free(text);
    f = described(list, "ip_allow_regex");
    assert_true(json_is_true(json_object_get(f, "isNullable")));
    assert_true(json_is_true(json_object_get(f, "isDifferentAcrossTenants")));
    assert_true(json_is_null(json_object_get(f, "value")));
    f = described(list, "refresh_token_validity");
    assert_true(json_real_value(json_object_get(f, "defaultValue")) == 144000);
    json_decref(list);
}

static void cdi_versions(void **state)
{
    (void)state;
    static const int known[] = {CDI(2, 7), CDI(2, 21), CDI(3, 0), CDI(3, 1),
                                CDI(4, 0), CDI(5, 0),  CDI(5, 6)};
    static const int unknown[] = {0,         CDI(1, 0), CDI(2, 6), CDI(2, 22),
                                  CDI(3, 2), CDI(4, 1), CDI(5, 7), CDI(6, 0)};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(settings_cdi_known(known[i]));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(settings_cdi_known(unknown[i]));
    assert_int_equal(settings_cdi_parse(STR("5.4")), CDI(5, 4));
    assert_int_equal(settings_cdi_parse(STR("5")), 0);
    assert_int_equal(settings_cdi_parse(STR("5.4.1")), 0);
    assert_int_equal(settings_cdi_parse(STR("-5.4")), 0);
    assert_int_equal(settings_cdi_parse(STR_NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(numbers_and_strings),
        cmocka_unit_test(nothing_laid_over_is_the_base),
        cmocka_unit_test(null_is_the_default),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(test_mode_lifts_bounds),
        cmocka_unit_test(keys_scopes_and_apps),
        cmocka_unit_test(server_rules),
        cmocka_unit_test(base_path_is_normalised),
        cmocka_unit_test(api_keys_and_addresses),
        cmocka_unit_test(description),
        cmocka_unit_test(cdi_versions),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
