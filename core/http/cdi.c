/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of the Core Driver Interface; see cdi.h. */
#include "http/cdi.h"

#include "config/settings.h"
#include "http/api.h"

#include <ctype.h>

static const int served[] = {CDI(3, 0), CDI(3, 1), CDI(4, 0), CDI(5, 0), CDI(5, 1),
                             CDI(5, 2), CDI(5, 3), CDI(5, 4), CDI(5, 5), CDI(5, 6)};
enum { NSERVED = sizeof(served) / sizeof(served[0]) };

static int newest(const struct settings *app)
{
    return app && app->max_cdi ? app->max_cdi : CDI_LATEST;
}

size_t cdi_list(const struct settings *app, int out[], size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < NSERVED && n < max; i++)
        if (served[i] <= newest(app) && (!app || served[i] >= app->min_cdi))
            out[n++] = served[i];
    return n;
}

struct str cdi_text(struct arena *a, int cdi)
{
    return str_printf(a, "%d.%d", cdi / 1000, cdi % 1000);
}

/* Digits in groups, joined by single dots. */
static bool well_formed(struct str s)
{
    bool digit = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '.' && !digit)
            return false;
        digit = isdigit((unsigned char)s.p[i]);
        if (!digit && s.p[i] != '.')
            return false;
    }
    return digit;
}

static bool is_served(int cdi, unsigned flags)
{
    return cdi != 0 && settings_cdi_known(cdi) && (cdi >= CDI(3, 0) || (flags & ROUTE_OLD_CDI));
}

static int unsupported(struct ctx *c, const struct settings *app, unsigned flags, struct str header)
{
    int list[NSERVED];
    size_t n = cdi_list(app, list, NSERVED);
    struct strbuf b;
    strbuf_init(&b, c->arena);
    strbuf_printf(&b, "cdi-version %.*s not supported. This core serves ", STR_ARG(header));
    if (flags & ROUTE_OLD_CDI)
        strbuf_add(&b, STR("2.7 to 2.21 for this call, "));
    for (size_t i = 0; i < n; i++)
        strbuf_printf(&b, "%s%d.%d", i ? ", " : "", list[i] / 1000, list[i] % 1000);
    return ctx_fail_text(c, FAIL_BAD_REQUEST, strbuf_str(&b));
}

int cdi_decide(struct ctx *c, const struct settings *app, unsigned flags, struct str header)
{
    int asked = header.p ? settings_cdi_parse(header) : 0;
    c->cdi = newest(app);
    if (flags & ROUTE_NO_CDI) {
        if (asked && settings_cdi_known(asked) && asked < c->cdi)
            c->cdi = asked;
        return RC_OK;
    }
    if (!header.p)
        return RC_OK;
    if (!well_formed(header))
        return ctx_fail(c, FAIL_BAD_REQUEST, "cdi-version header is invalid");
    if (asked > newest(app) || !is_served(asked, flags))
        return unsupported(c, app, flags, header);
    if (app && asked < app->min_cdi)
        return ctx_fail(c, FAIL_BAD_REQUEST,
                        "cdi-version %.*s is lower than the minimum allowed version %d.%d",
                        STR_ARG(header), app->min_cdi / 1000, app->min_cdi % 1000);
    c->cdi = asked;
    return RC_OK;
}
