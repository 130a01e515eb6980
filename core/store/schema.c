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
};
