/* SPDX-License-Identifier: Apache-2.0 */
/* Questions asked of settings on every request: the api key, the caller's
 * address.  Expressions are compiled once, when the settings are made. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/mem.h"
#include "config/settings_internal.h"

#include <pcre2.h>

struct ip_filter {
    pcre2_code *allow, *deny;
};

bool settings_api_key(const struct settings *s, struct str key)
{
    struct str rest = s->api_keys, one;
    if (!rest.p)
        return true;
    bool found = false;
    while (str_split(&rest, ',', &one))
        found |= str_eq_secret(one, key);
    return found;
}

/* The whole text must match, as with Java's Matcher.matches(). */
static pcre2_code *compile(struct str regex)
{
    int code;
    PCRE2_SIZE at;
    return pcre2_compile((PCRE2_SPTR)regex.p, regex.len,
                         PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &code, &at, NULL);
}

int ip_filter_check(struct str regex)
{
    if (!regex.p)
        return RC_OK;
    pcre2_code *code = compile(regex);
    pcre2_code_free(code);
    return code ? RC_OK : RC_FAIL;
}

struct ip_filter *ip_filter_new(struct str allow, struct str deny)
{
    if (!allow.p && !deny.p)
        return NULL;
    struct ip_filter *f = mem_zalloc(sizeof(*f));
    f->allow = allow.p ? compile(allow) : NULL;
    f->deny = deny.p ? compile(deny) : NULL;
    return f;
}

void ip_filter_free(struct ip_filter *f)
{
    if (!f)
        return;
    pcre2_code_free(f->allow);
    pcre2_code_free(f->deny);
    mem_free(f);
}

/* -1: the match could not be done (limits of the engine); nobody is let in then. */
static int matches(const pcre2_code *code, struct str ip)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data)
        return -1;
    int rc = pcre2_match(code, (PCRE2_SPTR)ip.p, ip.len, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    return rc >= 0 ? 1 : -1;
}

bool settings_ip_allowed(const struct settings *s, struct str ip)
{
    const struct ip_filter *f = s->ips;
    if (!f)
        return true;
    if (f->deny && matches(f->deny, ip) != 0)
        return false;
    return !f->allow || matches(f->allow, ip) == 1;
}
