/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of settings that have a text of their own: these texts reach
 * clients through the multitenancy calls and are upstream's to the letter, odd
 * ones included.  Order matters too: the first broken rule is the one told. */
#include "config/settings_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BAD(...) return settings_bad(a, err, __VA_ARGS__)

static int check_sessions(const struct settings *s, bool test_mode, struct arena *a,
                          struct str *err)
{
    if (s->access_token_validity < 1 || s->access_token_validity > 86400000)
        BAD("'access_token_validity' must be between 1 and 86400000 seconds inclusive.");
    if (!test_mode && s->refresh_token_validity * 60 <= (double)s->access_token_validity)
        BAD("'refresh_token_validity' must be strictly greater than 'access_token_validity'.");
    double interval = s->access_token_dynamic_signing_key_update_interval;
    if (interval <= 0 || (!test_mode && interval < 1))
        BAD("'access_token_dynamic_signing_key_update_interval' must be greater than, equal to "
            "1 hour.");
    int64_t grace = s->refresh_token_rotation_grace_period;
    if (grace < 0 || (!test_mode && grace > 300))
        BAD("'refresh_token_rotation_grace_period' must be between 0 and 300 seconds inclusive.");
    double jitter = s->access_token_validity_jitter;
    if (jitter < 0 || jitter > 0.25)
        BAD("'access_token_validity_jitter' must be between 0 and 0.25 inclusive.");
    return RC_OK;
}

static int check_limits(const struct settings *s, struct arena *a, struct str *err)
{
    if (s->password_reset_token_lifetime <= 0)
        BAD("'password_reset_token_lifetime' must be >= 0");
    if (s->email_verification_token_lifetime <= 0)
        BAD("'email_verification_token_lifetime' must be >= 0");
    if (s->passwordless_code_lifetime <= 0)
        BAD("'passwordless_code_lifetime' must be > 0");
    if (s->passwordless_max_code_input_attempts <= 0)
        BAD("'passwordless_max_code_input_attempts' must be > 0");
    if (s->totp_max_attempts <= 0)
        BAD("'totp_max_attempts' must be > 0");
    if (s->totp_rate_limit_cooldown_sec <= 0)
        BAD("'totp_rate_limit_cooldown_sec' must be > 0");
    return RC_OK;
}

static bool key_chars(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool ok = c == '=' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                  (c >= 'A' && c <= 'Z');
        if (!ok)
            return false;
    }
    return true;
}

static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

/* Checks each key and rewrites the list sorted and without white space, so that
 * two spellings of one list are equal. */
static int check_api_keys(struct settings *s, struct arena *a, struct str *err)
{
    struct str rest = s->api_keys, key;
    if (!rest.p)
        return RC_OK;
    while (rest.len && rest.p[rest.len - 1] == ',')
        rest.len--;
    size_t n = 0;
    struct str *keys = ARENA_ARRAY(a, struct str, rest.len + 1);
    do {
        ptrdiff_t comma = str_find(rest, ',');
        key = str_trim(comma < 0 ? rest : str_sub(rest, 0, (size_t)comma));
        rest = comma < 0 ? STR_NULL : str_sub(rest, (size_t)comma + 1, rest.len);
        if (key.len < 20)
            BAD("One of the API keys is too short. Please use at least 20 characters");
        if (!key_chars(key))
            BAD("Invalid characters in API key. Please only use '=', '-' and alpha-numeric "
                "(including capitals)");
        keys[n++] = key;
    } while (rest.p);
    qsort(keys, n, sizeof(*keys), by_text);
    struct strbuf b;
    strbuf_init(&b, a);
    for (size_t i = 0; i < n; i++) {
        if (i)
            strbuf_addc(&b, ',');
        strbuf_add(&b, keys[i]);
    }
    s->api_keys = strbuf_str(&b);
    return RC_OK;
}

static int check_saas(struct settings *s, struct arena *a, struct str *err)
{
    if (!s->supertokens_saas_secret.p)
        return RC_OK;
    if (!s->api_keys.p)
        BAD("supertokens_saas_secret can only be used when api_key is also defined");
    s->supertokens_saas_secret = str_trim(s->supertokens_saas_secret);
    if (s->supertokens_saas_secret.len < 40)
        BAD("supertokens_saas_secret is too short. Please use at least 40 characters");
    if (!key_chars(s->supertokens_saas_secret))
        BAD("Invalid characters in supertokens_saas_secret key. Please only use '=', '-' and "
            "alpha-numeric (including capitals)");
    return RC_OK;
}

static int64_t at_least(int64_t v, int64_t low)
{
    return v < low ? low : v;
}

static int check_hashing(struct settings *s, struct arena *a, struct str *err)
{
    if (s->password_hashing_alg == HASH_ALG_ARGON2) {
        if (s->argon2_iterations <= 0)
            BAD("'argon2_iterations' must be >= 1");
        if (s->argon2_parallelism <= 0)
            BAD("'argon2_parallelism' must be >= 1");
        if (s->argon2_memory_kb <= 0)
            BAD("'argon2_memory_kb' must be >= 1");
        if (s->argon2_hashing_pool_size <= 0)
            BAD("'argon2_hashing_pool_size' must be >= 1");
        if (s->argon2_hashing_pool_size > s->max_server_pool_size)
            BAD("'argon2_hashing_pool_size' must be <= 'max_server_pool_size'");
    } else if (s->bcrypt_log_rounds <= 0) {
        BAD("'bcrypt_log_rounds' must be >= 1");
    }
    /* What the other algorithm is set to must still be usable: an app may pick it. */
    s->bcrypt_log_rounds = at_least(s->bcrypt_log_rounds, 4);
    s->argon2_iterations = at_least(s->argon2_iterations, 1);
    s->argon2_parallelism = at_least(s->argon2_parallelism, 1);
    s->argon2_memory_kb = at_least(s->argon2_memory_kb, 8 * s->argon2_parallelism);
    s->argon2_hashing_pool_size = at_least(s->argon2_hashing_pool_size, 1);
    s->firebase_password_hashing_pool_size = at_least(s->firebase_password_hashing_pool_size, 1);
    return RC_OK;
}

/* "" or "/a/b": one slash in front, none behind, none doubled. */
static int check_base_path(struct settings *s, struct arena *a, struct str *err)
{
    struct str in = s->base_path;
    if (!in.p || in.len == 0 || str_eqz(in, "/")) {
        s->base_path = STR("");
        return RC_OK;
    }
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_addc(&b, '/');
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if (c == ' ' || c < 0x20 || c == 0x7f || c == '?' || c == '#')
            BAD("Invalid characters in base_path config");
        if (c != '/' || b.p[b.len - 1] != '/')
            strbuf_addc(&b, (char)c);
    }
    struct str out = strbuf_str(&b);
    if (out.p[out.len - 1] == '/')
        out = str_dup(a, str_sub(out, 0, out.len - 1));
    s->base_path = out;
    return RC_OK;
}

static void blank_is_unset(struct str *s)
{
    if (!s->p)
        return;
    *s = str_trim(*s);
    if (s->len == 0)
        *s = STR_NULL;
}

static int check_ips(struct settings *s, struct arena *a, struct str *err)
{
    if (ip_filter_check(s->ip_allow_regex))
        BAD("Provided regular expression is invalid for ip_allow_regex config");
    if (ip_filter_check(s->ip_deny_regex))
        BAD("Provided regular expression is invalid for ip_deny_regex config");
    blank_is_unset(&s->ip_allow_regex);
    blank_is_unset(&s->ip_deny_regex);
    return RC_OK;
}

/* ---- CDI versions */

bool settings_cdi_known(int cdi)
{
    int minor = cdi % 1000;
    switch (cdi / 1000) {
    case 2: return minor >= 7 && minor <= 21;
    case 3: return minor <= 1;
    case 4: return minor == 0;
    case 5: return minor <= 6;
    default: return false;
    }
}

/* Upstream takes any number of parts as a version; none but major.minor is known. */
static bool version_form(struct str text)
{
    struct str rest = text, part;
    if (!text.p || text.len == 0 || text.p[text.len - 1] == '.')
        return false;
    while (str_split(&rest, '.', &part)) {
        if (part.len == 0)
            return false;
        for (size_t i = 0; i < part.len; i++)
            if (!isdigit((unsigned char)part.p[i]))
                return false;
    }
    return true;
}

int settings_cdi_parse(struct str text)
{
    if (!version_form(text))
        return 0;
    ptrdiff_t dot = str_find(text, '.');
    int64_t major, minor;
    if (dot < 0 || !str_i64(str_sub(text, 0, (size_t)dot), &major) ||
        !str_i64(str_sub(text, (size_t)dot + 1, text.len), &minor) || major > 99 || minor > 999)
        return 0;
    return CDI((int)major, (int)minor);
}

static int check_cdi(const struct settings *s, struct arena *a, struct str *err)
{
    const struct {
        const char *name;
        struct str value;
    } keys[] = {
        {"supertokens_max_cdi_version", s->supertokens_max_cdi_version},
        {"supertokens_min_cdi_version", s->supertokens_min_cdi_version},
    };
    for (size_t i = 0; i < 2; i++) {
        if (!keys[i].value.p)
            continue;
        if (!version_form(keys[i].value))
            BAD("%s is not a valid semantic version", keys[i].name);
        if (!settings_cdi_known(settings_cdi_parse(keys[i].value)))
            BAD("%s is not a supported version", keys[i].name);
    }
    if (keys[0].value.p && keys[1].value.p &&
        settings_cdi_parse(keys[1].value) > settings_cdi_parse(keys[0].value))
        BAD("supertokens_min_cdi_version cannot be greater than supertokens_max_cdi_version");
    return RC_OK;
}

/* ---- managed hosting, OAuth2, import */

static int check_import(const struct settings *s, struct arena *a, struct str *err)
{
    if (s->bulk_migration_parallelism < 1)
        BAD("Provided bulk_migration_parallelism must be >= 1");
    if (s->bulk_migration_batch_size < 1)
        BAD("Provided bulk_migration_batch_size must be >= 1");
    if (s->webauthn_recover_account_token_lifetime <= 0)
        BAD("Provided webauthn_recover_account_token_lifetime must be > 0");
    return RC_OK;
}

/* Host names and IPv4 addresses, the port cut off. */
static int check_cud(struct settings *s, struct arena *a, struct str *err)
{
    if (!s->supertokens_saas_load_only_cud.p)
        return RC_OK;
    struct str cud = str_lower(a, str_trim(s->supertokens_saas_load_only_cud));
    ptrdiff_t colon = str_find(cud, ':');
    int64_t port = 0;
    bool ok = colon < 0 || (str_i64(str_sub(cud, (size_t)colon + 1, cud.len), &port) && port >= 0);
    cud = str_dup(a, colon < 0 ? cud : str_sub(cud, 0, (size_t)colon));
    char before = '.';
    for (size_t i = 0; i < cud.len; i++) {
        char c = cud.p[i];
        ok = ok && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                    (c == '.' && before != '.'));
        before = c;
    }
    if (!ok || before == '.')
        BAD("supertokens_saas_load_only_cud is invalid");
    s->supertokens_saas_load_only_cud = cud;
    return RC_OK;
}

static bool is_url(struct str s)
{
    return (str_starts(s, STR("http://")) && s.len > 7) ||
           (str_starts(s, STR("https://")) && s.len > 8);
}

static int check_oauth(struct settings *s, struct arena *a, struct str *err)
{
    if (s->oauth_provider_public_service_url.p && !is_url(s->oauth_provider_public_service_url))
        BAD("oauth_provider_public_service_url is not a valid URL");
    if (s->oauth_provider_admin_service_url.p && !is_url(s->oauth_provider_admin_service_url))
        BAD("oauth_provider_admin_service_url is not a valid URL");
    if (s->oauth_provider_consent_login_base_url.p &&
        !is_url(s->oauth_provider_consent_login_base_url))
        BAD("oauth_provider_consent_login_base_url is not a valid URL");
    struct str *shown = &s->oauth_provider_url_configured_in_oauth_provider;
    if (!shown->p)
        *shown = s->oauth_provider_public_service_url;
    else if (!is_url(*shown))
        BAD("oauth_provider_url_configured_in_oauth_provider is not a valid URL");
    int set = (s->oauth_provider_public_service_url.p != NULL) +
              (s->oauth_provider_admin_service_url.p != NULL) +
              (s->oauth_provider_consent_login_base_url.p != NULL);
    if (set != 0 && set != 3)
        BAD("If any of the following is set, all of them has to be set: "
            "oauth_provider_public_service_url, oauth_provider_admin_service_url, "
            "oauth_provider_consent_login_base_url");
    return RC_OK;
}

int settings_check(struct settings *draft, bool test_mode, struct arena *a, struct str *err)
{
    struct settings *s = draft;
    int rc = check_sessions(s, test_mode, a, err);
    if (rc == RC_OK)
        rc = check_limits(s, a, err);
    if (rc == RC_OK)
        rc = check_api_keys(s, a, err);
    if (rc == RC_OK)
        rc = check_saas(s, a, err);
    if (rc == RC_OK)
        rc = check_hashing(s, a, err);
    if (rc == RC_OK)
        rc = check_base_path(s, a, err);
    if (rc == RC_OK)
        rc = check_ips(s, a, err);
    if (rc == RC_OK)
        rc = check_cdi(s, a, err);
    if (rc == RC_OK)
        rc = check_import(s, a, err);
    if (rc == RC_OK)
        rc = check_cud(s, a, err);
    if (rc == RC_OK)
        rc = check_oauth(s, a, err);
    return rc;
}
