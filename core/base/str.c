/* SPDX-License-Identifier: Apache-2.0 */
/* Strings as pointer and length; see str.h. */
#include "base/str.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

struct str str_z(const char *z)
{
    return z ? (struct str){z, strlen(z)} : STR_NULL;
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_eqz(struct str a, const char *z)
{
    return str_eq(a, str_z(z));
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_ieq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    if (d)
        return d;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_make(s.p, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_make(s.p + (s.len - suffix.len), suffix.len), suffix);
}

struct str str_sub(struct str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return str_make(s.p + from, to - from);
}

struct str str_trim(struct str s)
{
    while (s.len && isspace((unsigned char)s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len && isspace((unsigned char)s.p[s.len - 1]))
        s.len--;
    return s;
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *hit = s.len ? memchr(s.p, c, s.len) : NULL;
    return hit ? hit - s.p : -1;
}

ptrdiff_t str_rfind(struct str s, char c)
{
    const char *hit = s.len ? memrchr(s.p, c, s.len) : NULL;
    return hit ? hit - s.p : -1;
}

bool str_i64(struct str s, int64_t *value)
{
    bool negative = s.len && s.p[0] == '-';
    size_t i = negative;
    if (i == s.len || s.len > 20)
        return false;
    int64_t v = 0;
    for (; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        int digit = s.p[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v) || (negative ? __builtin_sub_overflow(v, digit, &v)
                                                           : __builtin_add_overflow(v, digit, &v)))
            return false;
    }
    *value = v;
    return true;
}

/* Bytes that follow the lead byte, or -1. */
static int utf8_tail(unsigned char c)
{
    if (c < 0x80)
        return 0;
    if (c >= 0xc2 && c <= 0xdf)
        return 1;
    if (c >= 0xe0 && c <= 0xef)
        return 2;
    if (c >= 0xf0 && c <= 0xf4)
        return 3;
    return -1;
}

/* Second bytes that would be overlong, a surrogate or above U+10FFFF. */
static bool utf8_bad_second(unsigned char lead, unsigned char second)
{
    return (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
           (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
}

bool str_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.len;) {
        int tail = p[i] ? utf8_tail(p[i]) : -1;
        if (tail < 0 || (size_t)tail >= s.len - i)
            return false;
        if (tail && utf8_bad_second(p[i], p[i + 1]))
            return false;
        for (int k = 1; k <= tail; k++)
            if ((p[i + (size_t)k] & 0xc0) != 0x80)
                return false;
        i += (size_t)tail + 1;
    }
    return true;
}

size_t str_utf16_len(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        n += (c & 0xc0) != 0x80;
        n += c >= 0xf0; /* four bytes are two surrogates */
    }
    return n;
}

bool str_eq_secret(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

uint64_t str_hash(struct str s)
{
    uint64_t h = 14695981039346656037ull;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211ull;
    return h;
}

struct str str_dup(struct arena *a, struct str s)
{
    return s.p ? str_make(arena_dup(a, s.p, s.len), s.len) : STR_NULL;
}

struct str str_lower(struct arena *a, struct str s)
{
    if (!s.p)
        return s;
    char *p = arena_dup(a, s.p, s.len);
    for (size_t i = 0; i < s.len; i++)
        p[i] = (char)lower(p[i]);
    return str_make(p, s.len);
}

struct str str_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    size_t len = n > 0 ? (size_t)n : 0;
    char *p = arena_alloc(a, len + 1);
    p[0] = '\0';
    (void)vsnprintf(p, len + 1, fmt, again);
    va_end(again);
    return str_make(p, len);
}

struct str str_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str s = str_vprintf(a, fmt, ap);
    va_end(ap);
    return s;
}

bool str_split(struct str *rest, char sep, struct str *piece)
{
    if (!rest->p)
        return false;
    ptrdiff_t at = str_find(*rest, sep);
    if (at < 0) {
        *piece = *rest;
        *rest = STR_NULL;
    } else {
        *piece = str_sub(*rest, 0, (size_t)at);
        *rest = str_sub(*rest, (size_t)at + 1, rest->len);
    }
    return true;
}

void strbuf_init(struct strbuf *b, struct arena *a)
{
    *b = (struct strbuf){.arena = a};
}

static void reserve(struct strbuf *b, size_t more)
{
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap * 2 : 256;
    if (cap < need)
        cap = need;
    char *p = arena_alloc(b->arena, cap);
    if (b->len)
        memcpy(p, b->p, b->len);
    b->p = p;
    b->cap = cap;
}

void strbuf_add(struct strbuf *b, struct str s)
{
    reserve(b, s.len);
    if (s.len)
        memcpy(b->p + b->len, s.p, s.len);
    b->len += s.len;
}

void strbuf_addc(struct strbuf *b, char c)
{
    reserve(b, 1);
    b->p[b->len++] = c;
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str s = str_vprintf(b->arena, fmt, ap);
    va_end(ap);
    strbuf_add(b, s);
}

struct str strbuf_str(struct strbuf *b)
{
    reserve(b, 0);
    b->p[b->len] = '\0';
    return str_make(b->p, b->len);
}
