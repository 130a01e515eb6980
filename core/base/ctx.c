/* SPDX-License-Identifier: Apache-2.0 */
/* The call context; see ctx.h. */
#include "base/ctx.h"

#include <stdarg.h>

int ctx_fail_text(struct ctx *c, enum fail_kind kind, struct str text)
{
    if (c->fail == FAIL_NONE) {
        c->fail = kind;
        c->fail_text = text;
    }
    return RC_FAIL;
}

int ctx_fail(struct ctx *c, enum fail_kind kind, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str text = str_vprintf(c->arena, fmt, ap);
    va_end(ap);
    return ctx_fail_text(c, kind, text);
}
