/* SPDX-License-Identifier: Apache-2.0 */
/* YAML scalars on one line, with the escapes of YAML 1.2.  Messages never quote
 * the value: it may be a password. */
#include "config/config_internal.h"

#include <ctype.h>
#include <string.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* After a closing quote only a comment may follow. */
static bool only_comment(struct str rest)
{
    struct str t = str_trim(rest);
    return t.len == 0 || (t.p[0] == '#' && rest.len && blank(rest.p[0]));
}

static void add_utf8(struct strbuf *b, uint32_t cp)
{
    if (cp < 0x80) {
        strbuf_addc(b, (char)cp);
    } else if (cp < 0x800) {
        strbuf_addc(b, (char)(0xc0 | cp >> 6));
        strbuf_addc(b, (char)(0x80 | (cp & 0x3f)));
    } else if (cp < 0x10000) {
        strbuf_addc(b, (char)(0xe0 | cp >> 12));
        strbuf_addc(b, (char)(0x80 | (cp >> 6 & 0x3f)));
        strbuf_addc(b, (char)(0x80 | (cp & 0x3f)));
    } else {
        strbuf_addc(b, (char)(0xf0 | cp >> 18));
        strbuf_addc(b, (char)(0x80 | (cp >> 12 & 0x3f)));
        strbuf_addc(b, (char)(0x80 | (cp >> 6 & 0x3f)));
        strbuf_addc(b, (char)(0x80 | (cp & 0x3f)));
    }
}

/* n hexadecimal digits at s.p[*i]; false if they are not there. */
static bool hex(struct str s, size_t *i, unsigned n, uint32_t *cp)
{
    *cp = 0;
    for (unsigned k = 0; k < n; k++) {
        if (*i >= s.len || !isxdigit((unsigned char)s.p[*i]))
            return false;
        char c = s.p[(*i)++];
        *cp = *cp * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return true;
}

static const char *escape_code(struct str s, size_t *i, unsigned digits, struct strbuf *b)
{
    uint32_t cp;
    if (!hex(s, i, digits, &cp))
        return "an escape lacks its hexadecimal digits";
    if (cp == 0 || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return "an escape is no character";
    add_utf8(b, cp);
    return NULL;
}

/* Escapes that stand for one character, and that character. */
static const struct {
    char escape;
    uint16_t cp;
} simple[] = {
    {'a', 7},   {'b', 8},     {'t', 9},    {'\t', 9},   {'n', 10},     {'v', 11},
    {'f', 12},  {'r', 13},    {'e', 27},   {' ', ' '},  {'"', '"'},    {'\'', '\''},
    {'/', '/'}, {'\\', '\\'}, {'N', 0x85}, {'_', 0xa0}, {'L', 0x2028}, {'P', 0x2029},
};

static const char *escape(struct str s, size_t *i, struct strbuf *b)
{
    char c = s.p[(*i)++];
    for (size_t k = 0; k < sizeof(simple) / sizeof(simple[0]); k++)
        if (simple[k].escape == c) {
            add_utf8(b, simple[k].cp);
            return NULL;
        }
    if (c == 'x')
        return escape_code(s, i, 2, b);
    if (c == 'u')
        return escape_code(s, i, 4, b);
    if (c == 'U')
        return escape_code(s, i, 8, b);
    return "an unknown escape follows a backslash (write \\\\ for one backslash)";
}

const char *scalar_unescape(struct str inside, struct arena *a, struct str *value)
{
    struct strbuf b;
    strbuf_init(&b, a);
    for (size_t i = 0; i < inside.len;) {
        char c = inside.p[i++];
        if (c != '\\') {
            strbuf_addc(&b, c);
            continue;
        }
        const char *why = i < inside.len ? escape(inside, &i, &b) : "a backslash ends the value";
        if (why)
            return why;
    }
    *value = strbuf_str(&b);
    return NULL;
}

static const char *double_quoted(struct str raw, struct arena *a, struct str *value)
{
    size_t end = 1;
    while (end < raw.len && raw.p[end] != '"')
        end += raw.p[end] == '\\' ? 2 : 1;
    if (end >= raw.len)
        return "the closing double quote is missing";
    if (!only_comment(str_sub(raw, end + 1, raw.len)))
        return "text follows the closing double quote";
    return scalar_unescape(str_sub(raw, 1, end), a, value);
}

static const char *single_quoted(struct str raw, struct arena *a, struct str *value)
{
    struct strbuf b;
    strbuf_init(&b, a);
    size_t i = 1;
    for (;; i++) {
        if (i >= raw.len)
            return "the closing single quote is missing";
        if (raw.p[i] == '\'' && (i + 1 >= raw.len || raw.p[i + 1] != '\''))
            break;
        if (raw.p[i] == '\'')
            i++;
        strbuf_addc(&b, raw.p[i]);
    }
    if (!only_comment(str_sub(raw, i + 1, raw.len)))
        return "text follows the closing single quote";
    *value = strbuf_str(&b);
    return NULL;
}

static const char *plain(struct str raw, struct arena *a, struct str *value)
{
    for (size_t i = 0; i < raw.len; i++)
        if (raw.p[i] == '#' && (i == 0 || blank(raw.p[i - 1])))
            raw.len = i;
    struct str text = str_trim(raw);
    if (text.len && strchr("[{|>&*!%@`", text.p[0]))
        return "lists, maps, blocks, anchors and tags are not supported; put quotes around a text "
               "that begins like one";
    bool null = text.len == 0 || str_eqz(text, "~") || str_eqz(text, "null") ||
                str_eqz(text, "Null") || str_eqz(text, "NULL");
    *value = null ? STR_NULL : str_dup(a, text);
    return NULL;
}

const char *scalar_parse(struct str raw, struct arena *a, struct str *value)
{
    while (raw.len && blank(raw.p[0]))
        raw = str_sub(raw, 1, raw.len);
    if (!str_utf8(raw))
        return "the value is not UTF-8";
    if (raw.len && raw.p[0] == '"')
        return double_quoted(raw, a, value);
    if (raw.len && raw.p[0] == '\'')
        return single_quoted(raw, a, value);
    return plain(raw, a, value);
}
