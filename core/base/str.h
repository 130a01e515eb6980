/* SPDX-License-Identifier: Apache-2.0 */
/* Strings as pointer and length.  Every struct str made by a function of the
 * core is also followed by a NUL, so .p can go to C APIs; one that was sliced
 * out of another (str_sub and the like) is not. */
#ifndef CORE_BASE_STR_H
#define CORE_BASE_STR_H

#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *p; /* NULL only for "absent" */
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NULL ((struct str){NULL, 0})
/* For "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_make(const char *p, size_t len)
{
    return (struct str){p, len};
}

struct str str_z(const char *z); /* NULL gives STR_NULL */
bool str_eq(struct str a, struct str b);
bool str_eqz(struct str a, const char *z);
bool str_ieq(struct str a, struct str b); /* ASCII case folded */
int str_cmp(struct str a, struct str b);  /* bytewise, as the databases order */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_sub(struct str s, size_t from, size_t to);
struct str str_trim(struct str s); /* ASCII white space */
/* Index of c, or -1. */
ptrdiff_t str_find(struct str s, char c);
ptrdiff_t str_rfind(struct str s, char c);
/* Whole string as decimal int64 with optional '-'; false if it is not one. */
bool str_i64(struct str s, int64_t *value);
/* Whether the bytes are valid UTF-8 without NUL. */
bool str_utf8(struct str s);
/* How many UTF-16 units the UTF-8 text takes: what limits of the CDI count. */
size_t str_utf16_len(struct str s);
/* Same length and same bytes, in time that depends on the length only. */
bool str_eq_secret(struct str a, struct str b);
/* 64-bit FNV-1a, for in-memory tables. */
uint64_t str_hash(struct str s);

struct str str_dup(struct arena *a, struct str s);
struct str str_lower(struct arena *a, struct str s); /* ASCII only */
struct str str_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct str str_vprintf(struct arena *a, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Takes the next piece of *rest up to sep (removed); false at the end. */
bool str_split(struct str *rest, char sep, struct str *piece);

/* A growing buffer in an arena. */
struct strbuf {
    struct arena *arena;
    char *p;
    size_t len, cap;
};
void strbuf_init(struct strbuf *b, struct arena *a);
void strbuf_add(struct strbuf *b, struct str s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct str strbuf_str(struct strbuf *b); /* NUL-terminated view; stays valid until the next add */

#endif
