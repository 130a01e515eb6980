/* SPDX-License-Identifier: Apache-2.0 */
/* Normal forms of emails and phone numbers; see account_info.h.  Lower case is
 * Unicode's full mapping outside any language, so that the same user is found by
 * whatever wrote the address. */
#include "recipe/account_info.h"

#include <utf8proc.h>

enum { PHONE_MIN = 3, PHONE_MAX = 17, CAPITAL_I_DOT = 0x130, COMBINING_DOT = 0x307 };
enum { CAPITAL_SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2 };

/* Characters up to the space, at both ends. */
static struct str trim(struct str s)
{
    size_t from = 0, to = s.len;
    while (from < to && (unsigned char)s.p[from] <= ' ')
        from++;
    while (to > from && (unsigned char)s.p[to - 1] <= ' ')
        to--;
    return str_sub(s, from, to);
}

static void put(struct strbuf *b, utf8proc_int32_t c)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
    strbuf_add(b, str_make((const char *)bytes, (size_t)n));
}

static bool is_letter(utf8proc_int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool letter_at(struct str s, size_t at)
{
    utf8proc_int32_t c;
    return at < s.len &&
           utf8proc_iterate((const utf8proc_uint8_t *)s.p + at, (utf8proc_ssize_t)(s.len - at),
                            &c) > 0 &&
           is_letter(c);
}

static struct str lower(struct arena *a, struct str s)
{
    struct strbuf b;
    strbuf_init(&b, a);
    bool after_letter = false;
    for (size_t i = 0; i < s.len;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, (utf8proc_ssize_t)(s.len - i), &c);
        if (n <= 0) { /* not UTF-8: no database takes it, the storage will say so */
            strbuf_addc(&b, s.p[i++]);
            continue;
        }
        i += (size_t)n;
        if (c == CAPITAL_I_DOT) {
            put(&b, 'i');
            put(&b, COMBINING_DOT);
        } else if (c == CAPITAL_SIGMA && after_letter && !letter_at(s, i)) {
            put(&b, FINAL_SIGMA);
        } else {
            put(&b, utf8proc_tolower(c));
        }
        after_letter = is_letter(c);
    }
    return strbuf_str(&b);
}

struct str text_fold(struct arena *a, struct str text)
{
    return text.p ? lower(a, trim(text)) : text;
}

struct str email_normalise(struct arena *a, struct str email)
{
    return text_fold(a, email);
}

bool email_is_fake(struct str email)
{
    return str_ends(email, STR("@stfakeemail.supertokens.com")) ||
           str_ends(email, STR(".fakeemail.com"));
}

struct str phone_normalise(struct arena *a, struct str phone)
{
    if (!phone.p)
        return phone;
    struct str s = trim(phone);
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_addc(&b, '+');
    bool number = s.len > 0 && s.p[0] == '+';
    for (size_t i = 1; number && i < s.len; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9')
            strbuf_addc(&b, s.p[i]);
        else
            number = str_find(STR(" -.()/"), s.p[i]) >= 0;
    }
    struct str plain = strbuf_str(&b);
    number =
        number && plain.len >= PHONE_MIN + 1 && plain.len <= PHONE_MAX + 1 && plain.p[1] != '0';
    return number ? plain : str_dup(a, s);
}
