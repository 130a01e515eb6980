/* SPDX-License-Identifier: Apache-2.0 */
/* The logical schema; see schema.h.  Which key serves which query is said in
 * the store file of the query. */
#include "store/schema.h"

#define COLS(...) ((const uint16_t[]){__VA_ARGS__})
#define NCOLS(...) (sizeof(COLS(__VA_ARGS__)) / sizeof(uint16_t))
#define KEY(n, k, s, ...)                                                                          \
    {                                                                                              \
        .name = (n), .kind = (k), .since = (s), .cols = COLS(__VA_ARGS__),                         \
        .ncols = NCOLS(__VA_ARGS__)                                                                \
    }
#define TEXT(n, len, f, s)                                                                         \
    {                                                                                              \
        .name = (n), .type = STK_T_TEXT, .max_len = (len), .flags = (f), .since = (s)              \
    }
#define I64(n, f, s)                                                                               \
    {                                                                                              \
        .name = (n), .type = STK_T_I64, .flags = (f), .since = (s)                                 \
    }
#define BOOL(n, f, s)                                                                              \
    {                                                                                              \
        .name = (n), .type = STK_T_BOOL, .flags = (f), .since = (s)                                \
    }
#define TABLE(n, s, c, k)                                                                          \
    {                                                                                              \
        .name = (n), .since = (s), .cols = (c), .keys = (k), .ncols = sizeof(c) / sizeof((c)[0]),  \
        .nkeys = sizeof(k) / sizeof((k)[0])                                                        \
    }

static const stk_col apps_cols[] = {
    [APPS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [APPS_STATE] = TEXT("state", 16, STK_COL_NOT_NULL, 1),
    [APPS_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 1),
};
static const stk_key apps_keys[] = {
    [APPS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, APPS_APP_ID),
};

static const stk_col tenants_cols[] = {
    [TENANTS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [TENANTS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [TENANTS_STATE] = TEXT("state", 16, STK_COL_NOT_NULL, 1),
    [TENANTS_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 1),
    [TENANTS_ROW_VER] = I64("row_ver", STK_COL_NOT_NULL, 1),
};
static const stk_key tenants_keys[] = {
    [TENANTS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, TENANTS_APP_ID, TENANTS_TENANT_ID),
};

static const stk_col tenant_configs_cols[] = {
    [TENANT_CONFIGS_CUD] = TEXT("cud", 256, STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_CORE_CONFIG] = TEXT("core_config", SCHEMA_LONG_TEXT, STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_RECIPE_CONFIG] = TEXT("recipe_config", SCHEMA_LONG_TEXT, STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_STATE] = TEXT("state", 16, STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_SEQ] = I64("seq", STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 1),
    [TENANT_CONFIGS_UPDATED_AT] = I64("updated_at", STK_COL_NOT_NULL, 1),
};
static const stk_key tenant_configs_keys[] = {
    [TENANT_CONFIGS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, TENANT_CONFIGS_CUD,
                                       TENANT_CONFIGS_APP_ID, TENANT_CONFIGS_TENANT_ID),
    [TENANT_CONFIGS_KEY_SEQ] = KEY("seq", STK_KEY_INDEX, 1, TENANT_CONFIGS_SEQ),
};

static const stk_col key_value_cols[] = {
    [KEY_VALUE_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [KEY_VALUE_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [KEY_VALUE_NAME] = TEXT("name", 128, STK_COL_NOT_NULL, 1),
    [KEY_VALUE_VALUE] = TEXT("value", SCHEMA_LONG_TEXT, STK_COL_NOT_NULL | STK_COL_SECRET, 1),
    [KEY_VALUE_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 1),
};
static const stk_key key_value_keys[] = {
    [KEY_VALUE_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 1, KEY_VALUE_APP_ID, KEY_VALUE_TENANT_ID, KEY_VALUE_NAME),
};

static const stk_col locks_cols[] = {
    [LOCKS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [LOCKS_NAME] = TEXT("name", 255, STK_COL_NOT_NULL, 1),
    [LOCKS_N] = I64("n", STK_COL_NOT_NULL, 1),
};
static const stk_key locks_keys[] = {
    [LOCKS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, LOCKS_APP_ID, LOCKS_NAME),
};

static const stk_col jobs_cols[] = {
    [JOBS_NAME] = TEXT("name", 255, STK_COL_NOT_NULL, 1),
    [JOBS_OWNER] = TEXT("owner", 64, STK_COL_NOT_NULL, 1),
    [JOBS_LEASE_UNTIL] = I64("lease_until", STK_COL_NOT_NULL, 1),
    [JOBS_LAST_RUN] = I64("last_run", STK_COL_NOT_NULL, 1),
};
static const stk_key jobs_keys[] = {
    [JOBS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, JOBS_NAME),
};

static const stk_col signing_keys_cols[] = {
    [SIGNING_KEYS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [SIGNING_KEYS_KEY_ID] = TEXT("key_id", 255, STK_COL_NOT_NULL, 1),
    [SIGNING_KEYS_KIND] = TEXT("kind", 8, STK_COL_NOT_NULL, 1),
    [SIGNING_KEYS_ALGORITHM] = TEXT("algorithm", 16, STK_COL_NOT_NULL, 1),
    [SIGNING_KEYS_KEY_DATA] =
        TEXT("key_data", SCHEMA_LONG_TEXT, STK_COL_NOT_NULL | STK_COL_SECRET, 1),
    [SIGNING_KEYS_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 1),
    [SIGNING_KEYS_SLOT] = TEXT("slot", 128, 0, 1),
};
static const stk_key signing_keys_keys[] = {
    [SIGNING_KEYS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 1, SIGNING_KEYS_APP_ID, SIGNING_KEYS_KEY_ID),
    [SIGNING_KEYS_KEY_SLOT] =
        KEY("slot", STK_KEY_UNIQUE, 1, SIGNING_KEYS_APP_ID, SIGNING_KEYS_SLOT),
    [SIGNING_KEYS_KEY_KIND] = KEY("kind", STK_KEY_INDEX, 1, SIGNING_KEYS_APP_ID, SIGNING_KEYS_KIND,
                                  SIGNING_KEYS_CREATED_AT),
};

static const stk_col users_cols[] = {
    [USERS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [USERS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 1),
    [USERS_IS_PRIMARY] = BOOL("is_primary", STK_COL_NOT_NULL, 1),
    [USERS_TIME_JOINED] = I64("time_joined", STK_COL_NOT_NULL, 1),
    [USERS_RECIPE_MASK] = I64("recipe_mask", STK_COL_NOT_NULL, 1),
    [USERS_LM_COUNT] = I64("lm_count", STK_COL_NOT_NULL, 1),
    [USERS_EXTERNAL_USER_ID] = TEXT("external_user_id", 128, 0, 1),
    [USERS_ROW_VER] = I64("row_ver", STK_COL_NOT_NULL, 1),
};
static const stk_key users_keys[] = {
    [USERS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, USERS_APP_ID, USERS_USER_ID),
};

static const stk_col login_methods_cols[] = {
    [LOGIN_METHODS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [LOGIN_METHODS_RECIPE_USER_ID] = TEXT("recipe_user_id", 36, STK_COL_NOT_NULL, 1),
    [LOGIN_METHODS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 1),
    [LOGIN_METHODS_RECIPE_ID] = TEXT("recipe_id", 16, STK_COL_NOT_NULL, 1),
    [LOGIN_METHODS_TIME_JOINED] = I64("time_joined", STK_COL_NOT_NULL, 1),
    [LOGIN_METHODS_EMAIL] = TEXT("email", 256, 0, 1),
    [LOGIN_METHODS_PHONE] = TEXT("phone", 256, 0, 1),
    [LOGIN_METHODS_TP_ID] = TEXT("tp_id", 64, 0, 1),
    [LOGIN_METHODS_TP_USER_ID] = TEXT("tp_user_id", 256, 0, 1),
    [LOGIN_METHODS_RP_ID] = TEXT("rp_id", 256, 0, 1),
    [LOGIN_METHODS_PASSWORD_HASH] = TEXT("password_hash", 512, STK_COL_SECRET, 1),
    [LOGIN_METHODS_EXTERNAL_USER_ID] = TEXT("external_user_id", 128, 0, 1),
    [LOGIN_METHODS_VERIFIED] = BOOL("verified", STK_COL_NOT_NULL, 1),
    [LOGIN_METHODS_UPDATED_AT] = I64("updated_at", STK_COL_NOT_NULL, 1),
};
static const stk_key login_methods_keys[] = {
    [LOGIN_METHODS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 1, LOGIN_METHODS_APP_ID, LOGIN_METHODS_RECIPE_USER_ID),
    [LOGIN_METHODS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 1, LOGIN_METHODS_APP_ID, LOGIN_METHODS_USER_ID),
    [LOGIN_METHODS_KEY_EMAIL] =
        KEY("email", STK_KEY_INDEX, 1, LOGIN_METHODS_APP_ID, LOGIN_METHODS_EMAIL),
    [LOGIN_METHODS_KEY_PHONE] =
        KEY("phone", STK_KEY_INDEX, 1, LOGIN_METHODS_APP_ID, LOGIN_METHODS_PHONE),
    [LOGIN_METHODS_KEY_TP] = KEY("tp", STK_KEY_INDEX, 1, LOGIN_METHODS_APP_ID, LOGIN_METHODS_TP_ID,
                                 LOGIN_METHODS_TP_USER_ID),
};

static const stk_col user_tenants_cols[] = {
    [USER_TENANTS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [USER_TENANTS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [USER_TENANTS_RECIPE_USER_ID] = TEXT("recipe_user_id", 36, STK_COL_NOT_NULL, 1),
    [USER_TENANTS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 1),
    [USER_TENANTS_RECIPE_ID] = TEXT("recipe_id", 16, STK_COL_NOT_NULL, 1),
    [USER_TENANTS_IS_PRIMARY] = BOOL("is_primary", STK_COL_NOT_NULL, 1),
    [USER_TENANTS_TIME_JOINED] = I64("time_joined", STK_COL_NOT_NULL, 1),
    [USER_TENANTS_EMAIL] = TEXT("email", 256, 0, 1),
    [USER_TENANTS_EMAIL_DOMAIN] = TEXT("email_domain", 256, 0, 1),
    [USER_TENANTS_PHONE] = TEXT("phone", 256, 0, 1),
    [USER_TENANTS_TP_ID] = TEXT("tp_id", 64, 0, 1),
    [USER_TENANTS_TP_ID_LC] = TEXT("tp_id_lc", 64, 0, 1),
    [USER_TENANTS_TP_USER_ID] = TEXT("tp_user_id", 256, 0, 1),
    [USER_TENANTS_UK_EMAIL] = TEXT("uk_email", 256, 0, 1),
    [USER_TENANTS_PASSWORD_HASH] = TEXT("password_hash", 512, STK_COL_SECRET, 1),
    [USER_TENANTS_EXTERNAL_USER_ID] = TEXT("external_user_id", 128, 0, 1),
    [USER_TENANTS_VERIFIED] = BOOL("verified", STK_COL_NOT_NULL, 1),
};
static const stk_key user_tenants_keys[] = {
    [USER_TENANTS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, USER_TENANTS_APP_ID,
                                     USER_TENANTS_TENANT_ID, USER_TENANTS_RECIPE_USER_ID),
    [USER_TENANTS_KEY_UK_EMAIL] =
        KEY("uk_email", STK_KEY_UNIQUE, 1, USER_TENANTS_APP_ID, USER_TENANTS_TENANT_ID,
            USER_TENANTS_RECIPE_ID, USER_TENANTS_UK_EMAIL),
    [USER_TENANTS_KEY_UK_PHONE] = KEY("uk_phone", STK_KEY_UNIQUE, 1, USER_TENANTS_APP_ID,
                                      USER_TENANTS_TENANT_ID, USER_TENANTS_PHONE),
    [USER_TENANTS_KEY_UK_TP] =
        KEY("uk_tp", STK_KEY_UNIQUE, 1, USER_TENANTS_APP_ID, USER_TENANTS_TENANT_ID,
            USER_TENANTS_TP_ID, USER_TENANTS_TP_USER_ID),
    [USER_TENANTS_KEY_EMAIL] = KEY("email", STK_KEY_INDEX, 1, USER_TENANTS_APP_ID,
                                   USER_TENANTS_TENANT_ID, USER_TENANTS_EMAIL),
    [USER_TENANTS_KEY_EMAIL_DOMAIN] = KEY("email_domain", STK_KEY_INDEX, 1, USER_TENANTS_APP_ID,
                                          USER_TENANTS_TENANT_ID, USER_TENANTS_EMAIL_DOMAIN),
    [USER_TENANTS_KEY_TP] = KEY("tp", STK_KEY_INDEX, 1, USER_TENANTS_APP_ID, USER_TENANTS_TENANT_ID,
                                USER_TENANTS_TP_ID_LC),
    [USER_TENANTS_KEY_APP_EMAIL] =
        KEY("app_email", STK_KEY_INDEX, 1, USER_TENANTS_APP_ID, USER_TENANTS_EMAIL),
    [USER_TENANTS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 1, USER_TENANTS_APP_ID, USER_TENANTS_USER_ID),
    [USER_TENANTS_KEY_RECIPE_USER] =
        KEY("recipe_user", STK_KEY_INDEX, 1, USER_TENANTS_APP_ID, USER_TENANTS_RECIPE_USER_ID),
};

static const stk_col tenant_users_cols[] = {
    [TENANT_USERS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [TENANT_USERS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [TENANT_USERS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 1),
    [TENANT_USERS_TIME_JOINED] = I64("time_joined", STK_COL_NOT_NULL, 1),
    [TENANT_USERS_RECIPE_MASK] = I64("recipe_mask", STK_COL_NOT_NULL, 1),
    [TENANT_USERS_LM_COUNT] = I64("lm_count", STK_COL_NOT_NULL, 1),
};
static const stk_key tenant_users_keys[] = {
    [TENANT_USERS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, TENANT_USERS_APP_ID,
                                     TENANT_USERS_TENANT_ID, TENANT_USERS_USER_ID),
    [TENANT_USERS_KEY_JOINED] =
        KEY("joined", STK_KEY_INDEX, 1, TENANT_USERS_APP_ID, TENANT_USERS_TENANT_ID,
            TENANT_USERS_TIME_JOINED, TENANT_USERS_USER_ID),
    [TENANT_USERS_KEY_RECIPE] =
        KEY("recipe", STK_KEY_INDEX, 1, TENANT_USERS_APP_ID, TENANT_USERS_TENANT_ID,
            TENANT_USERS_RECIPE_MASK, TENANT_USERS_TIME_JOINED, TENANT_USERS_USER_ID),
    [TENANT_USERS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 1, TENANT_USERS_APP_ID, TENANT_USERS_USER_ID),
};

static const stk_col account_reservations_cols[] = {
    [ACCOUNT_RESERVATIONS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [ACCOUNT_RESERVATIONS_RKEY] = TEXT("rkey", 400, STK_COL_NOT_NULL, 1),
    [ACCOUNT_RESERVATIONS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [ACCOUNT_RESERVATIONS_KIND] = TEXT("kind", 8, STK_COL_NOT_NULL, 1),
    [ACCOUNT_RESERVATIONS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 1),
};
static const stk_key account_reservations_keys[] = {
    [ACCOUNT_RESERVATIONS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 1, ACCOUNT_RESERVATIONS_APP_ID, ACCOUNT_RESERVATIONS_RKEY),
    [ACCOUNT_RESERVATIONS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 1, ACCOUNT_RESERVATIONS_APP_ID, ACCOUNT_RESERVATIONS_USER_ID),
    [ACCOUNT_RESERVATIONS_KEY_TENANT] = KEY("tenant", STK_KEY_INDEX, 1, ACCOUNT_RESERVATIONS_APP_ID,
                                            ACCOUNT_RESERVATIONS_TENANT_ID),
};

static const stk_col user_id_mapping_cols[] = {
    [USER_ID_MAPPING_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [USER_ID_MAPPING_SUPERTOKENS_USER_ID] = TEXT("supertokens_user_id", 36, STK_COL_NOT_NULL, 1),
    [USER_ID_MAPPING_EXTERNAL_USER_ID] = TEXT("external_user_id", 128, STK_COL_NOT_NULL, 1),
    [USER_ID_MAPPING_EXTERNAL_USER_ID_INFO] = TEXT("external_user_id_info", SCHEMA_LONG_TEXT, 0, 1),
};
static const stk_key user_id_mapping_keys[] = {
    [USER_ID_MAPPING_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 1, USER_ID_MAPPING_APP_ID,
                                        USER_ID_MAPPING_SUPERTOKENS_USER_ID),
    [USER_ID_MAPPING_KEY_EXTERNAL] = KEY("external", STK_KEY_UNIQUE, 1, USER_ID_MAPPING_APP_ID,
                                         USER_ID_MAPPING_EXTERNAL_USER_ID),
};

static const stk_col user_counters_cols[] = {
    [USER_COUNTERS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [USER_COUNTERS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [USER_COUNTERS_RECIPE_MASK] = I64("recipe_mask", STK_COL_NOT_NULL, 1),
    [USER_COUNTERS_SHARD] = I64("shard", STK_COL_NOT_NULL, 1),
    [USER_COUNTERS_N] = I64("n", STK_COL_NOT_NULL, 1),
};
static const stk_key user_counters_keys[] = {
    [USER_COUNTERS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 1, USER_COUNTERS_APP_ID, USER_COUNTERS_TENANT_ID,
            USER_COUNTERS_RECIPE_MASK, USER_COUNTERS_SHARD),
};

static const stk_col user_last_active_cols[] = {
    [USER_LAST_ACTIVE_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [USER_LAST_ACTIVE_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 1),
    [USER_LAST_ACTIVE_LAST_ACTIVE] = I64("last_active", STK_COL_NOT_NULL, 1),
};
static const stk_key user_last_active_keys[] = {
    [USER_LAST_ACTIVE_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 1, USER_LAST_ACTIVE_APP_ID, USER_LAST_ACTIVE_USER_ID),
    [USER_LAST_ACTIVE_KEY_LAST_ACTIVE] =
        KEY("last_active", STK_KEY_INDEX, 1, USER_LAST_ACTIVE_APP_ID, USER_LAST_ACTIVE_LAST_ACTIVE),
};

static const stk_col password_reset_tokens_cols[] = {
    [PASSWORD_RESET_TOKENS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [PASSWORD_RESET_TOKENS_TOKEN] = TEXT("token", 128, STK_COL_NOT_NULL, 1),
    [PASSWORD_RESET_TOKENS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 1),
    [PASSWORD_RESET_TOKENS_EMAIL] = TEXT("email", 256, 0, 1),
    [PASSWORD_RESET_TOKENS_EXPIRES_AT] = I64("expires_at", STK_COL_NOT_NULL, 1),
};
static const stk_key password_reset_tokens_keys[] = {
    [PASSWORD_RESET_TOKENS_KEY_PRIMARY] = KEY(
        "primary", STK_KEY_PRIMARY, 1, PASSWORD_RESET_TOKENS_APP_ID, PASSWORD_RESET_TOKENS_TOKEN),
    [PASSWORD_RESET_TOKENS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 1, PASSWORD_RESET_TOKENS_APP_ID, PASSWORD_RESET_TOKENS_USER_ID),
    [PASSWORD_RESET_TOKENS_KEY_EXPIRES] =
        KEY("expires", STK_KEY_INDEX, 1, PASSWORD_RESET_TOKENS_EXPIRES_AT),
};

static const stk_col sessions_cols[] = {
    [SESSIONS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 1),
    [SESSIONS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 1),
    [SESSIONS_HANDLE] = TEXT("handle", 255, STK_COL_NOT_NULL, 1),
    [SESSIONS_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 1),
    [SESSIONS_REFRESH_HASH2] = TEXT("refresh_hash2", 128, STK_COL_NOT_NULL, 1),
    [SESSIONS_PREV_REFRESH_HASH2] = TEXT("prev_refresh_hash2", 128, 0, 1),
    [SESSIONS_ROTATED_AT] = I64("rotated_at", 0, 1),
    [SESSIONS_SESSION_DATA] = TEXT("session_data", SCHEMA_LONG_TEXT, STK_COL_NOT_NULL, 1),
    [SESSIONS_JWT_PAYLOAD] = TEXT("jwt_payload", SCHEMA_LONG_TEXT, STK_COL_NOT_NULL, 1),
    [SESSIONS_EXPIRES_AT] = I64("expires_at", STK_COL_NOT_NULL, 1),
    [SESSIONS_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 1),
    [SESSIONS_USE_STATIC_KEY] = BOOL("use_static_key", STK_COL_NOT_NULL, 1),
};
static const stk_key sessions_keys[] = {
    [SESSIONS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 1, SESSIONS_APP_ID, SESSIONS_TENANT_ID, SESSIONS_HANDLE),
    [SESSIONS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 1, SESSIONS_APP_ID, SESSIONS_USER_ID, SESSIONS_EXPIRES_AT),
    [SESSIONS_KEY_EXPIRES] = KEY("expires", STK_KEY_INDEX, 1, SESSIONS_EXPIRES_AT),
};

static const stk_col email_verified_cols[] = {
    [EMAIL_VERIFIED_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 2),
    [EMAIL_VERIFIED_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 2),
    [EMAIL_VERIFIED_EMAIL] = TEXT("email", 256, STK_COL_NOT_NULL, 2),
};
static const stk_key email_verified_keys[] = {
    [EMAIL_VERIFIED_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 2, EMAIL_VERIFIED_APP_ID,
                                       EMAIL_VERIFIED_USER_ID, EMAIL_VERIFIED_EMAIL),
};

static const stk_col email_verification_tokens_cols[] = {
    [EMAIL_VERIFICATION_TOKENS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 2),
    [EMAIL_VERIFICATION_TOKENS_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 2),
    [EMAIL_VERIFICATION_TOKENS_TOKEN] = TEXT("token", 128, STK_COL_NOT_NULL, 2),
    [EMAIL_VERIFICATION_TOKENS_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 2),
    [EMAIL_VERIFICATION_TOKENS_EMAIL] = TEXT("email", 256, STK_COL_NOT_NULL, 2),
    [EMAIL_VERIFICATION_TOKENS_EXPIRES_AT] = I64("expires_at", STK_COL_NOT_NULL, 2),
};
static const stk_key email_verification_tokens_keys[] = {
    [EMAIL_VERIFICATION_TOKENS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 2, EMAIL_VERIFICATION_TOKENS_APP_ID,
            EMAIL_VERIFICATION_TOKENS_TENANT_ID, EMAIL_VERIFICATION_TOKENS_TOKEN),
    [EMAIL_VERIFICATION_TOKENS_KEY_EMAIL] =
        KEY("email", STK_KEY_INDEX, 2, EMAIL_VERIFICATION_TOKENS_APP_ID,
            EMAIL_VERIFICATION_TOKENS_TENANT_ID, EMAIL_VERIFICATION_TOKENS_USER_ID,
            EMAIL_VERIFICATION_TOKENS_EMAIL),
    [EMAIL_VERIFICATION_TOKENS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 2, EMAIL_VERIFICATION_TOKENS_APP_ID,
            EMAIL_VERIFICATION_TOKENS_USER_ID),
    [EMAIL_VERIFICATION_TOKENS_KEY_EXPIRES] =
        KEY("expires", STK_KEY_INDEX, 2, EMAIL_VERIFICATION_TOKENS_EXPIRES_AT),
};

static const stk_col passwordless_devices_cols[] = {
    [PASSWORDLESS_DEVICES_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_DEVICES_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_DEVICES_DEVICE_ID_HASH] = TEXT("device_id_hash", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_DEVICES_EMAIL] = TEXT("email", 256, 0, 3),
    [PASSWORDLESS_DEVICES_PHONE] = TEXT("phone", 256, 0, 3),
    [PASSWORDLESS_DEVICES_LINK_CODE_SALT] = TEXT("link_code_salt", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_DEVICES_FAILED_ATTEMPTS] = I64("failed_attempts", STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_DEVICES_EXPIRES_AT] = I64("expires_at", STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_DEVICES_ROW_VER] = I64("row_ver", STK_COL_NOT_NULL, 3),
};
static const stk_key passwordless_devices_keys[] = {
    [PASSWORDLESS_DEVICES_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 3, PASSWORDLESS_DEVICES_APP_ID,
            PASSWORDLESS_DEVICES_TENANT_ID, PASSWORDLESS_DEVICES_DEVICE_ID_HASH),
    [PASSWORDLESS_DEVICES_KEY_EMAIL] =
        KEY("email", STK_KEY_INDEX, 3, PASSWORDLESS_DEVICES_APP_ID, PASSWORDLESS_DEVICES_TENANT_ID,
            PASSWORDLESS_DEVICES_EMAIL),
    [PASSWORDLESS_DEVICES_KEY_PHONE] =
        KEY("phone", STK_KEY_INDEX, 3, PASSWORDLESS_DEVICES_APP_ID, PASSWORDLESS_DEVICES_TENANT_ID,
            PASSWORDLESS_DEVICES_PHONE),
    [PASSWORDLESS_DEVICES_KEY_EXPIRES] =
        KEY("expires", STK_KEY_INDEX, 3, PASSWORDLESS_DEVICES_EXPIRES_AT),
};

static const stk_col passwordless_codes_cols[] = {
    [PASSWORDLESS_CODES_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_CODES_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_CODES_CODE_ID] = TEXT("code_id", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_CODES_DEVICE_ID_HASH] = TEXT("device_id_hash", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_CODES_LINK_CODE_HASH] = TEXT("link_code_hash", 64, STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_CODES_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 3),
    [PASSWORDLESS_CODES_EXPIRES_AT] = I64("expires_at", STK_COL_NOT_NULL, 3),
};
static const stk_key passwordless_codes_keys[] = {
    [PASSWORDLESS_CODES_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 3, PASSWORDLESS_CODES_APP_ID, PASSWORDLESS_CODES_TENANT_ID,
            PASSWORDLESS_CODES_CODE_ID),
    [PASSWORDLESS_CODES_KEY_LINK] =
        KEY("link", STK_KEY_UNIQUE, 3, PASSWORDLESS_CODES_APP_ID, PASSWORDLESS_CODES_TENANT_ID,
            PASSWORDLESS_CODES_LINK_CODE_HASH),
    [PASSWORDLESS_CODES_KEY_DEVICE] =
        KEY("device", STK_KEY_INDEX, 3, PASSWORDLESS_CODES_APP_ID, PASSWORDLESS_CODES_TENANT_ID,
            PASSWORDLESS_CODES_DEVICE_ID_HASH),
    [PASSWORDLESS_CODES_KEY_EXPIRES] =
        KEY("expires", STK_KEY_INDEX, 3, PASSWORDLESS_CODES_EXPIRES_AT),
};

static const stk_col user_metadata_cols[] = {
    [USER_METADATA_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 4),
    [USER_METADATA_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 4),
    [USER_METADATA_METADATA] = TEXT("metadata", SCHEMA_LONG_TEXT, STK_COL_NOT_NULL, 4),
    [USER_METADATA_ROW_VER] = I64("row_ver", STK_COL_NOT_NULL, 4),
};
static const stk_key user_metadata_keys[] = {
    [USER_METADATA_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 4, USER_METADATA_APP_ID, USER_METADATA_USER_ID),
};

static const stk_col roles_cols[] = {
    [ROLES_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 5),
    [ROLES_ROLE] = TEXT("role", 255, STK_COL_NOT_NULL, 5),
    [ROLES_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 5),
};
static const stk_key roles_keys[] = {
    [ROLES_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 5, ROLES_APP_ID, ROLES_ROLE),
};

static const stk_col role_permissions_cols[] = {
    [ROLE_PERMISSIONS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 5),
    [ROLE_PERMISSIONS_ROLE] = TEXT("role", 255, STK_COL_NOT_NULL, 5),
    [ROLE_PERMISSIONS_PERMISSION] = TEXT("permission", 255, STK_COL_NOT_NULL, 5),
};
static const stk_key role_permissions_keys[] = {
    [ROLE_PERMISSIONS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 5, ROLE_PERMISSIONS_APP_ID,
                                         ROLE_PERMISSIONS_ROLE, ROLE_PERMISSIONS_PERMISSION),
    [ROLE_PERMISSIONS_KEY_PERMISSION] = KEY("permission", STK_KEY_INDEX, 5, ROLE_PERMISSIONS_APP_ID,
                                            ROLE_PERMISSIONS_PERMISSION, ROLE_PERMISSIONS_ROLE),
};

static const stk_col user_roles_cols[] = {
    [USER_ROLES_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 5),
    [USER_ROLES_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 5),
    [USER_ROLES_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 5),
    [USER_ROLES_ROLE] = TEXT("role", 255, STK_COL_NOT_NULL, 5),
};
static const stk_key user_roles_keys[] = {
    [USER_ROLES_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 5, USER_ROLES_APP_ID,
                                   USER_ROLES_TENANT_ID, USER_ROLES_USER_ID, USER_ROLES_ROLE),
    [USER_ROLES_KEY_ROLE] = KEY("role", STK_KEY_INDEX, 5, USER_ROLES_APP_ID, USER_ROLES_TENANT_ID,
                                USER_ROLES_ROLE, USER_ROLES_USER_ID),
    [USER_ROLES_KEY_APP_ROLE] =
        KEY("app_role", STK_KEY_INDEX, 5, USER_ROLES_APP_ID, USER_ROLES_ROLE),
    [USER_ROLES_KEY_USER] = KEY("user", STK_KEY_INDEX, 5, USER_ROLES_APP_ID, USER_ROLES_USER_ID),
};

static const stk_col totp_users_cols[] = {
    [TOTP_USERS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 6),
    [TOTP_USERS_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 6),
    [TOTP_USERS_ROW_VER] = I64("row_ver", STK_COL_NOT_NULL, 6),
};
static const stk_key totp_users_keys[] = {
    [TOTP_USERS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 6, TOTP_USERS_APP_ID, TOTP_USERS_USER_ID),
};

static const stk_col totp_devices_cols[] = {
    [TOTP_DEVICES_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 6),
    [TOTP_DEVICES_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 6),
    [TOTP_DEVICES_DEVICE_NAME] = TEXT("device_name", 256, STK_COL_NOT_NULL, 6),
    [TOTP_DEVICES_SECRET_KEY] = TEXT("secret_key", 256, STK_COL_NOT_NULL | STK_COL_SECRET, 6),
    [TOTP_DEVICES_PERIOD] = I64("period", STK_COL_NOT_NULL, 6),
    [TOTP_DEVICES_SKEW] = I64("skew", STK_COL_NOT_NULL, 6),
    [TOTP_DEVICES_VERIFIED] = BOOL("verified", STK_COL_NOT_NULL, 6),
    [TOTP_DEVICES_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 6),
};
static const stk_key totp_devices_keys[] = {
    [TOTP_DEVICES_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 6, TOTP_DEVICES_APP_ID,
                                     TOTP_DEVICES_USER_ID, TOTP_DEVICES_DEVICE_NAME),
};

static const stk_col totp_used_codes_cols[] = {
    [TOTP_USED_CODES_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 6),
    [TOTP_USED_CODES_TENANT_ID] = TEXT("tenant_id", 64, STK_COL_NOT_NULL, 6),
    [TOTP_USED_CODES_USER_ID] = TEXT("user_id", 128, STK_COL_NOT_NULL, 6),
    [TOTP_USED_CODES_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 6),
    [TOTP_USED_CODES_NONCE] = TEXT("nonce", 16, STK_COL_NOT_NULL, 6),
    [TOTP_USED_CODES_CODE] = TEXT("code", 16, STK_COL_NOT_NULL, 6),
    [TOTP_USED_CODES_IS_VALID] = BOOL("is_valid", STK_COL_NOT_NULL, 6),
    [TOTP_USED_CODES_EXPIRES_AT] = I64("expires_at", STK_COL_NOT_NULL, 6),
};
static const stk_key totp_used_codes_keys[] = {
    [TOTP_USED_CODES_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 6, TOTP_USED_CODES_APP_ID, TOTP_USED_CODES_TENANT_ID,
            TOTP_USED_CODES_USER_ID, TOTP_USED_CODES_CREATED_AT, TOTP_USED_CODES_NONCE),
    [TOTP_USED_CODES_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 6, TOTP_USED_CODES_APP_ID, TOTP_USED_CODES_USER_ID),
    [TOTP_USED_CODES_KEY_EXPIRES] = KEY("expires", STK_KEY_INDEX, 6, TOTP_USED_CODES_EXPIRES_AT),
};

static const stk_col dashboard_users_cols[] = {
    [DASHBOARD_USERS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 7),
    [DASHBOARD_USERS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 7),
    [DASHBOARD_USERS_EMAIL] = TEXT("email", 256, STK_COL_NOT_NULL, 7),
    [DASHBOARD_USERS_PASSWORD_HASH] =
        TEXT("password_hash", 512, STK_COL_NOT_NULL | STK_COL_SECRET, 7),
    [DASHBOARD_USERS_TIME_JOINED] = I64("time_joined", STK_COL_NOT_NULL, 7),
};
static const stk_key dashboard_users_keys[] = {
    [DASHBOARD_USERS_KEY_PRIMARY] =
        KEY("primary", STK_KEY_PRIMARY, 7, DASHBOARD_USERS_APP_ID, DASHBOARD_USERS_USER_ID),
    [DASHBOARD_USERS_KEY_EMAIL] =
        KEY("email", STK_KEY_UNIQUE, 7, DASHBOARD_USERS_APP_ID, DASHBOARD_USERS_EMAIL),
};

static const stk_col dashboard_sessions_cols[] = {
    [DASHBOARD_SESSIONS_APP_ID] = TEXT("app_id", 64, STK_COL_NOT_NULL, 7),
    [DASHBOARD_SESSIONS_SESSION_ID] = TEXT("session_id", 64, STK_COL_NOT_NULL, 7),
    [DASHBOARD_SESSIONS_USER_ID] = TEXT("user_id", 36, STK_COL_NOT_NULL, 7),
    [DASHBOARD_SESSIONS_CREATED_AT] = I64("created_at", STK_COL_NOT_NULL, 7),
    [DASHBOARD_SESSIONS_EXPIRES_AT] = I64("expires_at", STK_COL_NOT_NULL, 7),
};
static const stk_key dashboard_sessions_keys[] = {
    [DASHBOARD_SESSIONS_KEY_PRIMARY] = KEY("primary", STK_KEY_PRIMARY, 7, DASHBOARD_SESSIONS_APP_ID,
                                           DASHBOARD_SESSIONS_SESSION_ID),
    [DASHBOARD_SESSIONS_KEY_USER] =
        KEY("user", STK_KEY_INDEX, 7, DASHBOARD_SESSIONS_APP_ID, DASHBOARD_SESSIONS_USER_ID),
    [DASHBOARD_SESSIONS_KEY_EXPIRES] =
        KEY("expires", STK_KEY_INDEX, 7, DASHBOARD_SESSIONS_EXPIRES_AT),
};

const stk_table schema_tables[T_COUNT] = {
    [T_APPS] = TABLE("st_apps", 1, apps_cols, apps_keys),
    [T_TENANTS] = TABLE("st_tenants", 1, tenants_cols, tenants_keys),
    [T_TENANT_CONFIGS] = TABLE("st_tenant_configs", 1, tenant_configs_cols, tenant_configs_keys),
    [T_KEY_VALUE] = TABLE("st_key_value", 1, key_value_cols, key_value_keys),
    [T_LOCKS] = TABLE("st_locks", 1, locks_cols, locks_keys),
    [T_JOBS] = TABLE("st_jobs", 1, jobs_cols, jobs_keys),
    [T_SIGNING_KEYS] = TABLE("st_signing_keys", 1, signing_keys_cols, signing_keys_keys),
    [T_USERS] = TABLE("st_users", 1, users_cols, users_keys),
    [T_LOGIN_METHODS] = TABLE("st_login_methods", 1, login_methods_cols, login_methods_keys),
    [T_USER_TENANTS] = TABLE("st_user_tenants", 1, user_tenants_cols, user_tenants_keys),
    [T_TENANT_USERS] = TABLE("st_tenant_users", 1, tenant_users_cols, tenant_users_keys),
    [T_ACCOUNT_RESERVATIONS] =
        TABLE("st_account_reservations", 1, account_reservations_cols, account_reservations_keys),
    [T_USER_ID_MAPPING] =
        TABLE("st_user_id_mapping", 1, user_id_mapping_cols, user_id_mapping_keys),
    [T_USER_COUNTERS] = TABLE("st_user_counters", 1, user_counters_cols, user_counters_keys),
    [T_USER_LAST_ACTIVE] =
        TABLE("st_user_last_active", 1, user_last_active_cols, user_last_active_keys),
    [T_PASSWORD_RESET_TOKENS] = TABLE("st_password_reset_tokens", 1, password_reset_tokens_cols,
                                      password_reset_tokens_keys),
    [T_SESSIONS] = TABLE("st_sessions", 1, sessions_cols, sessions_keys),
    [T_EMAIL_VERIFIED] = TABLE("st_email_verified", 2, email_verified_cols, email_verified_keys),
    [T_EMAIL_VERIFICATION_TOKENS] =
        TABLE("st_email_verification_tokens", 2, email_verification_tokens_cols,
              email_verification_tokens_keys),
    [T_PASSWORDLESS_DEVICES] =
        TABLE("st_passwordless_devices", 3, passwordless_devices_cols, passwordless_devices_keys),
    [T_PASSWORDLESS_CODES] =
        TABLE("st_passwordless_codes", 3, passwordless_codes_cols, passwordless_codes_keys),
    [T_USER_METADATA] = TABLE("st_user_metadata", 4, user_metadata_cols, user_metadata_keys),
    [T_ROLES] = TABLE("st_roles", 5, roles_cols, roles_keys),
    [T_ROLE_PERMISSIONS] =
        TABLE("st_role_permissions", 5, role_permissions_cols, role_permissions_keys),
    [T_USER_ROLES] = TABLE("st_user_roles", 5, user_roles_cols, user_roles_keys),
    [T_TOTP_USERS] = TABLE("st_totp_users", 6, totp_users_cols, totp_users_keys),
    [T_TOTP_DEVICES] = TABLE("st_totp_devices", 6, totp_devices_cols, totp_devices_keys),
    [T_TOTP_USED_CODES] =
        TABLE("st_totp_used_codes", 6, totp_used_codes_cols, totp_used_codes_keys),
    [T_DASHBOARD_USERS] =
        TABLE("st_dashboard_users", 7, dashboard_users_cols, dashboard_users_keys),
    [T_DASHBOARD_SESSIONS] =
        TABLE("st_dashboard_sessions", 7, dashboard_sessions_cols, dashboard_sessions_keys),
};
