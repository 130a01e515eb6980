/* SPDX-License-Identifier: Apache-2.0 */
/* How settings are made, shared by the files of core/config: a draft with its
 * texts in an arena is filled key by key, checked, and packed into one block. */
#ifndef CORE_CONFIG_SETTINGS_INTERNAL_H
#define CORE_CONFIG_SETTINGS_INTERNAL_H

#include "base/ctx.h"
#include "config/settings.h"

/* Sets every member to its default. */
void settings_defaults(struct settings *draft);
/* Copies s into a draft; texts stay those of s. */
void settings_draft(struct settings *draft, const struct settings *s);
/* Sets one member from text; value.p NULL is null and gives the default.  The
 * text is borrowed unless it needs changing.  RC_FAIL: *err says why. */
int settings_set(struct settings *draft, const struct setting *k, struct str value, struct arena *a,
                 struct str *err);
/* The rules between members and those with a text of their own; normalises
 * texts.  test_mode lifts the bounds that keep intervals sensible. */
int settings_check(struct settings *draft, bool test_mode, struct arena *a, struct str *err);
/* One heap block with one reference. */
const struct settings *settings_pack(const struct settings *draft);

/* Sets *err and returns RC_FAIL. */
int settings_bad(struct arena *a, struct str *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Items of "A|B|C"; false at the end. */
bool choice_next(const char **rest, struct str *item);

struct ip_filter *ip_filter_new(struct str allow, struct str deny);
/* RC_FAIL when the expression does not compile. */
int ip_filter_check(struct str regex);
void ip_filter_free(struct ip_filter *f);

static inline void *setting_member(struct settings *s, const struct setting *k)
{
    return (char *)s + k->offset;
}
static inline const void *setting_value(const struct settings *s, const struct setting *k)
{
    return (const char *)s + k->offset;
}

#endif
