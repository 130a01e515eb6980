/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_sdk.h -- inline helpers for plugin authors over stk_plugin.h.
 *
 * Nothing here is part of the ABI: it compiles into the plugin, needs only
 * libc, keeps no state and may be used from any thread.  Leave it out and the
 * plugin still is one.
 */
#ifndef STK_SDK_H
#define STK_SDK_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stk_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define STK_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define STK_PRINTF(f, a)
#endif

/* ------------------------------------------------------------------ values */

static inline stk_val stk_null(void)
{
    stk_val v;
    memset(&v, 0, sizeof v);
    return v;
}

static inline stk_val stk_bool(int b)
{
    stk_val v = stk_null();
    v.type = STK_T_BOOL;
    v.u.i = b ? 1 : 0;
    return v;
}

static inline stk_val stk_i64(int64_t i)
{
    stk_val v = stk_null();
    v.type = STK_T_I64;
    v.u.i = i;
    return v;
}

/* Borrows n bytes of UTF-8 at p. */
static inline stk_val stk_textn(const char *p, size_t n)
{
    stk_val v = stk_null();
    v.type = STK_T_TEXT;
    v.u.p = p;
    v.len = (uint32_t)n;
    return v;
}

/* Borrows a NUL-terminated text; a NULL pointer is the NULL value. */
static inline stk_val stk_text(const char *s)
{
    return s ? stk_textn(s, strlen(s)) : stk_null();
}

static inline stk_val stk_bytes(const void *p, size_t n)
{
    stk_val v = stk_null();
    v.type = STK_T_BYTES;
    v.u.p = p;
    v.len = (uint32_t)n;
    return v;
}

/* Borrows n values of one type: the operand of STK_IN. */
static inline stk_val stk_list(const stk_val *elems, size_t n)
{
    stk_val v = stk_null();
    v.type = STK_T_LIST;
    v.u.p = elems;
    v.len = (uint32_t)n;
    return v;
}

/* Copies n bytes into the arena and adds a NUL byte. */
static inline char *stk_arena_text(stk_arena *a, const void *p, size_t n)
{
    char *s = (char *)stk_alloc(a, n + 1);
    if (n > 0)
        memcpy(s, p, n);
    s[n] = '\0';
    return s;
}

/* ------------------------------------------------- growing structs, strides */

/* Copies what both sides know of a struct and zeroes the rest of *dst. */
static inline void stk_copy_min(void *dst, size_t dst_size, const void *src, size_t src_size)
{
    size_t n = src_size < dst_size ? src_size : dst_size;
    memcpy(dst, src, n);
    memset((char *)dst + n, 0, dst_size - n);
}

/* Element i of an array whose elements are stride bytes apart. */
static inline const void *stk_at(const void *base, size_t stride, size_t i)
{
    return (const char *)base + stride * i;
}

/* Reads call i of a batch of any core version. */
static inline void stk_batch_call(const stk_batch *b, uint32_t i, stk_call *out)
{
    stk_copy_min(out, sizeof *out, stk_at(b->calls, b->call_size, i), b->call_size);
}

/* The value of an option, or dflt when it is not set. */
static inline const char *stk_kv_get(const stk_kv *kv, size_t nkv, const char *key,
                                     const char *dflt)
{
    for (size_t i = 0; i < nkv; i++)
        if (strcmp(kv[i].key, key) == 0)
            return kv[i].value;
    return dflt;
}

/* -------------------------------------------------------------- the vtable */

/* Members of a stk_plugin that say what it was built against: the ABI and how large the
 * structs of its arrays are.  need_minor stays 0, the oldest core will do.  C only. */
#define STK_PLUGIN_BUILT                                                                           \
    .magic = STK_MAGIC, .size = sizeof(stk_plugin), .abi_major = STK_ABI_MAJOR,                    \
    .abi_minor = STK_ABI_MINOR, .option_size = sizeof(stk_option),                                 \
    .migration_size = sizeof(stk_migration)

/* ------------------------------------------------------------------ errors */

/* Starts an error afresh; err may be NULL. */
static inline void stk_err_clear(stk_err *err)
{
    if (!err)
        return;
    uint32_t size = err->size;
    /* That of an older core may be shorter than this build's. */
    memset(err, 0, size && size < sizeof *err ? size : sizeof *err);
    err->size = size;
    err->call = err->table = err->key = err->column = STK_NONE;
}

/* Fills *err (which may be NULL) and returns code.  The message is cut at a
 * character boundary when it is too long.  Never pass a value of a row. */
static inline stk_status stk_err_set(stk_err *err, stk_status code, const char *fmt, ...)
    STK_PRINTF(3, 4);
static inline stk_status stk_err_set(stk_err *err, stk_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    stk_err_clear(err);
    err->code = code;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof err->msg) {
        size_t end = sizeof err->msg - 1;
        while (end > 0 && ((unsigned char)err->msg[end - 1] & 0xC0) == 0x80)
            end--;
        if (end > 0 && ((unsigned char)err->msg[end - 1] & 0xC0) == 0xC0)
            end--;
        err->msg[end] = '\0';
    }
    return code;
}

static inline stk_status stk_err_nomem(stk_err *err)
{
    return stk_err_set(err, STK_E_NOMEM, "out of memory");
}

/* ----------------------------------------------------------------- logging */

/* One line through the host; lines longer than 1 KiB are cut. */
static inline void stk_logf(const stk_host *host, int32_t level, const char *plugin,
                            const char *fmt, ...) STK_PRINTF(4, 5);
static inline void stk_logf(const stk_host *host, int32_t level, const char *plugin,
                            const char *fmt, ...)
{
    if (!host || !host->log)
        return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    host->log(host->ctx, level, plugin, line, len);
}

/* ----------------------------------------------------------------- Unicode */

/* Decodes one code point of valid or invalid UTF-8 at p; returns its length in
 * bytes, or 0 when the bytes are not UTF-8 (overlong, surrogate, cut off). */
static inline size_t stk_utf8_next(const char *p, size_t n, uint32_t *cp)
{
    const unsigned char *s = (const unsigned char *)p;
    if (n == 0)
        return 0;
    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }
    size_t len = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || n < len)
        return 0;
    uint32_t c = s[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10FFFF)) ||
        (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *cp = c;
    return len;
}

/* Writes a code point as UTF-8; returns 1 to 4. */
static inline size_t stk_utf8_put(uint32_t c, char *out)
{
    unsigned char *o = (unsigned char *)out;
    if (c < 0x80) {
        o[0] = (unsigned char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; c >>= 6)
        o[i] = (unsigned char)(0x80 | (c & 0x3F));
    o[0] = (unsigned char)((0xF00u >> len & 0xFF) | c);
    return len;
}

/* The length of a text in characters (code points); -1 when it is not UTF-8 or
 * holds a NUL, which no column accepts. */
static inline int64_t stk_utf8_count(const char *p, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; count++) {
        unsigned char b = (unsigned char)p[i];
        if (b - 1u < 0x7F) {
            i++;
            continue;
        }
        uint32_t cp;
        size_t len = b ? stk_utf8_next(p + i, n - i, &cp) : 0;
        if (len == 0)
            return -1;
        i += len;
    }
    return count;
}

/* Writes the least text greater than every text that begins with the n bytes at
 * p (valid UTF-8), in byte order: the last code point is incremented, stepping
 * over the surrogates, and U+10FFFF carries into the one before.  out has room
 * for n + 1 bytes (an increment may need one byte more).  Returns its length,
 * or 0 when there is none (p is empty or all U+10FFFF). */
static inline size_t stk_prefix_successor(const char *p, size_t n, char *out)
{
    while (n > 0) {
        size_t start = n - 1;
        while (start > 0 && ((unsigned char)p[start] & 0xC0) == 0x80)
            start--;
        uint32_t cp = 0;
        if (stk_utf8_next(p + start, n - start, &cp) != n - start)
            return 0;
        n = start;
        if (cp == 0x10FFFF)
            continue;
        memcpy(out, p, start);
        return start + stk_utf8_put(cp == 0xD7FF ? 0xE000 : cp + 1, out + start);
    }
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif /* STK_SDK_H */
