/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings, setting one from text, and the packed block that keeps
 * a finished one: the struct and, behind it, its texts. */
#include "config/settings.h"

#include "base/mem.h"
#include "config/settings_internal.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_MS INT64_C(315360000000000)

#define SECRET SETTING_SECRET
#define HIDDEN SETTING_HIDDEN
#define PROTECTED SETTING_PROTECTED
#define DEPRECATED SETTING_DEPRECATED
#define UNUSED SETTING_UNUSED
#define LATER SETTING_LATER
#define NULLABLE SETTING_NULLABLE
#define PATH SETTING_PATH

#define ROW(kind, n, sc, fl, ja, ch, he, df, lo, hi)                                               \
    {.name = #n,                                                                                   \
     .type = SETTING_##kind,                                                                       \
     .scope = SETTING_##sc,                                                                        \
     .flags = (fl),                                                                                \
     .offset = offsetof(struct settings, n),                                                       \
     .java = (ja),                                                                                 \
     .choices = (ch),                                                                              \
     .help = (he),                                                                                 \
     .dflt = (df),                                                                                 \
     .min = (double)(lo),                                                                          \
     .max = (double)(hi)},

static const struct setting table[] = {
#define INT(n, sc, fl, ja, df, lo, hi, he) ROW(INT, n, sc, fl, ja, NULL, he, #df, lo, hi)
#define REAL(n, sc, fl, df, lo, hi, he) ROW(REAL, n, sc, fl, "double", NULL, he, #df, lo, hi)
#define BOOL(n, sc, fl, df, he) ROW(BOOL, n, sc, fl, "boolean", NULL, he, #df, 0, 1)
#define TEXT(n, sc, fl, df, he) ROW(TEXT, n, sc, fl, "String", NULL, he, df, 0, 0)
#define CHOICE(n, sc, fl, ty, df, ch, he) ROW(CHOICE, n, sc, fl, "String", ch, he, NULL, df, 0)
#include "config/keys.def"
#undef INT
#undef REAL
#undef BOOL
#undef TEXT
#undef CHOICE
};
enum { NKEYS = sizeof(table) / sizeof(table[0]) };

/* Spellings that older configurations use. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    {"access_token_signing_key_update_interval",
     "access_token_dynamic_signing_key_update_interval"},
};

const struct setting *settings_table(size_t *n)
{
    *n = NKEYS;
    return table;
}

const struct setting *settings_find(struct str key)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (str_eqz(key, aliases[i].alias))
            key = str_z(aliases[i].name);
    for (size_t i = 0; i < NKEYS; i++)
        if (str_eqz(key, table[i].name))
            return &table[i];
    return NULL;
}

int settings_bad(struct arena *a, struct str *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    *err = str_vprintf(a, fmt, ap);
    va_end(ap);
    return RC_FAIL;
}

bool choice_next(const char **rest, struct str *item)
{
    if (!*rest)
        return false;
    const char *bar = strchrnul(*rest, '|');
    *item = str_make(*rest, (size_t)(bar - *rest));
    *rest = *bar ? bar + 1 : NULL;
    return true;
}

/* ---- values */

/* A choice is stored as its index; enums are int-sized here. */
_Static_assert(sizeof(enum setting_hash_alg) == sizeof(unsigned), "choices are stored as unsigned");

static int64_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

static void set_default(struct settings *draft, const struct setting *k)
{
    void *m = setting_member(draft, k);
    switch (k->type) {
    case SETTING_INT:
        *(int64_t *)m =
            m == &draft->bulk_migration_parallelism ? processors() : strtoll(k->dflt, NULL, 10);
        break;
    case SETTING_REAL: *(double *)m = strtod(k->dflt, NULL); break;
    case SETTING_BOOL: *(bool *)m = k->dflt[0] == 't'; break;
    case SETTING_TEXT: *(struct str *)m = str_z(k->dflt); break;
    case SETTING_CHOICE: *(unsigned *)m = (unsigned)k->min; break;
    }
}

void settings_defaults(struct settings *draft)
{
    memset(draft, 0, sizeof(*draft));
    for (size_t i = 0; i < NKEYS; i++)
        set_default(draft, &table[i]);
}

void settings_draft(struct settings *draft, const struct settings *s)
{
    /* Not refs, the last member, which others are changing. */
    memset(draft, 0, sizeof(*draft));
    memcpy(draft, s, offsetof(struct settings, refs));
    draft->ips = NULL;
}

/* Decimal with optional fraction and exponent: no hex, no inf, no nan. */
static bool parse_real(struct str s, double *v)
{
    char buf[64];
    if (s.len == 0 || s.len >= sizeof(buf))
        return false;
    memcpy(buf, s.p, s.len);
    buf[s.len] = '\0';
    if (strspn(buf, "0123456789.+-eE") != s.len)
        return false;
    char *end;
    errno = 0;
    *v = strtod(buf, &end);
    return *end == '\0' && isfinite(*v);
}

static bool parse_int(struct str s, int64_t *v)
{
    if (str_i64(s, v))
        return true;
    double d;
    if (!parse_real(s, &d) || d > 9e15 || d < -9e15 || d != (double)(int64_t)d)
        return false;
    *v = (int64_t)d;
    return true;
}

static int wrong_type(const struct setting *k, struct arena *a, struct str *err)
{
    return settings_bad(a, err, "'%s' must be of type %s", k->name, k->java);
}

static int set_int(int64_t *m, const struct setting *k, struct str text, struct arena *a,
                   struct str *err)
{
    int64_t v;
    if (!parse_int(text, &v))
        return wrong_type(k, a, err);
    bool narrow = strcmp(k->java, "long") != 0;
    if (narrow && (v < INT32_MIN || v > INT32_MAX))
        return wrong_type(k, a, err);
    if ((double)v < k->min)
        return settings_bad(a, err, "'%s' must be >= %.0f", k->name, k->min);
    if ((double)v > k->max)
        return settings_bad(a, err, "'%s' must be <= %.0f", k->name, k->max);
    *m = v;
    return RC_OK;
}

static int set_real(double *m, const struct setting *k, struct str text, struct arena *a,
                    struct str *err)
{
    double v;
    if (!parse_real(text, &v))
        return wrong_type(k, a, err);
    if (v < k->min)
        return settings_bad(a, err, "'%s' must be >= %g", k->name, k->min);
    if (v > k->max)
        return settings_bad(a, err, "'%s' must be <= %.0f", k->name, k->max);
    *m = v;
    return RC_OK;
}

/* Two of the choices have a text of their own upstream. */
static int wrong_choice(const struct setting *k, struct arena *a, struct str *err)
{
    if (strcmp(k->name, "password_hashing_alg") == 0)
        return settings_bad(a, err, "'password_hashing_alg' must be one of 'ARGON2' or 'BCRYPT'");
    if (strcmp(k->name, "log_level") == 0)
        return settings_bad(a, err,
                            "'log_level' config must be one of \"NONE\",\"DEBUG\", \"INFO\", "
                            "\"WARN\" or \"ERROR\".");
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_printf(&b, "%s property is not set correctly. It must be one of [", k->name);
    const char *rest = k->choices;
    struct str item;
    while (choice_next(&rest, &item))
        strbuf_printf(&b, "%.*s%s", STR_ARG(item), rest ? ", " : "]");
    *err = strbuf_str(&b);
    return RC_FAIL;
}

static int set_choice(unsigned *m, const struct setting *k, struct str text, struct arena *a,
                      struct str *err)
{
    const char *rest = k->choices;
    struct str item;
    for (unsigned i = 0; choice_next(&rest, &item); i++)
        if (str_ieq(item, text)) {
            *m = i;
            return RC_OK;
        }
    return wrong_choice(k, a, err);
}

int settings_set(struct settings *draft, const struct setting *k, struct str value, struct arena *a,
                 struct str *err)
{
    void *m = setting_member(draft, k);
    if (!value.p) {
        set_default(draft, k);
        if (k->flags & SETTING_NULLABLE)
            *(int64_t *)m = 0;
        return RC_OK;
    }
    struct str text = str_trim(value);
    switch (k->type) {
    case SETTING_INT: return set_int(m, k, text, a, err);
    case SETTING_REAL: return set_real(m, k, text, a, err);
    case SETTING_BOOL:
        if (!str_ieq(text, STR("true")) && !str_ieq(text, STR("false")))
            return wrong_type(k, a, err);
        *(bool *)m = text.len == 4;
        return RC_OK;
    case SETTING_TEXT:
        if (!str_utf8(value))
            return wrong_type(k, a, err);
        *(struct str *)m = value;
        return RC_OK;
    case SETTING_CHOICE: return set_choice(m, k, text, a, err);
    }
    return RC_FAIL;
}

/* ---- the packed block */

const struct settings *settings_pack(const struct settings *draft)
{
    size_t n = sizeof(struct settings);
    for (size_t i = 0; i < NKEYS; i++)
        if (table[i].type == SETTING_TEXT)
            n += ((const struct str *)setting_value(draft, &table[i]))->len + 1;
    struct settings *s = mem_alloc(n);
    *s = *draft;
    char *p = (char *)(s + 1);
    for (size_t i = 0; i < NKEYS; i++) {
        if (table[i].type != SETTING_TEXT)
            continue;
        struct str *m = setting_member(s, &table[i]);
        if (!m->p)
            continue;
        if (m->len)
            memcpy(p, m->p, m->len);
        p[m->len] = '\0';
        m->p = p;
        p += m->len + 1;
    }
    s->max_cdi = settings_cdi_parse(s->supertokens_max_cdi_version);
    s->min_cdi = settings_cdi_parse(s->supertokens_min_cdi_version);
    s->ips = ip_filter_new(s->ip_allow_regex, s->ip_deny_regex);
    s->refs = 1;
    return s;
}

const struct settings *settings_ref(const struct settings *s)
{
    __atomic_add_fetch(&((struct settings *)(uintptr_t)s)->refs, 1, __ATOMIC_RELAXED);
    return s;
}

static void wipe(struct str text)
{
    if (text.p)
        explicit_bzero((char *)(uintptr_t)text.p, text.len);
}

void settings_unref(const struct settings *s)
{
    if (!s)
        return;
    struct settings *own = (struct settings *)(uintptr_t)s;
    if (__atomic_sub_fetch(&own->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < NKEYS; i++)
        if (table[i].flags & SETTING_SECRET)
            wipe(*(struct str *)setting_member(own, &table[i]));
    ip_filter_free(own->ips);
    mem_free(own);
}
