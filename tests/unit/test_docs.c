/* SPDX-License-Identifier: Apache-2.0 */
/* docs/cdi.md lists exactly the calls that the program serves. */
#include "base/mem.h"
#include "base/str.h"
#include "http/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct route *const tables[] = {
    core_routes, emailpassword_routes, session_routes,
    jwt_routes,  multitenancy_routes,  multitenancy_user_routes,
    totp_routes, dashboard_routes,     users_routes,
};
enum { TABLES = sizeof(tables) / sizeof(*tables) };
static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};

static bool routed(struct str method, struct str path)
{
    for (size_t i = 0; i < TABLES; i++)
        for (const struct route *r = tables[i]; r->path; r++)
            if (str_eqz(path, r->path) && str_eqz(method, methods[r->method]))
                return true;
    return false;
}

/* "| GET, PUT `/path` | ..." gives the methods and the path; false: another line. */
static bool call_line(struct str line, struct str *names, struct str *path)
{
    ptrdiff_t open = str_find(line, '`');
    if (!str_starts(line, STR("| ")) || open < 0)
        return false;
    struct str rest = str_sub(line, (size_t)open + 1, line.len);
    ptrdiff_t close = str_find(rest, '`');
    if (close < 0 || rest.p[0] != '/')
        return false;
    *names = str_sub(line, 2, (size_t)open);
    *path = str_sub(rest, 0, (size_t)close);
    return strspn(names->p, "ACDEGHLOPSTU, ") >= names->len;
}

static struct str read_docs(struct arena *a)
{
    const char *src = getenv("STK_SRC");
    struct str name = str_printf(a, "%s/docs/cdi.md", src ? src : ".");
    FILE *f = fopen(name.p, "r");
    assert_non_null(f);
    char *text = arena_alloc(a, 65536);
    size_t n = fread(text, 1, 65536, f);
    fclose(f);
    return str_make(text, n);
}

static void every_listed_call_is_served(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct str text = read_docs(&a), line, names, path, name;
    size_t listed = 0, served = 0;
    while (str_split(&text, '\n', &line)) {
        if (!call_line(line, &names, &path))
            continue;
        while (str_split(&names, ',', &name)) {
            if (!routed(str_trim(name), path))
                fail_msg("docs/cdi.md lists %.*s %.*s, which is not served",
                         STR_ARG(str_trim(name)), STR_ARG(path));
            listed++;
        }
    }
    for (size_t i = 0; i < TABLES; i++)
        for (const struct route *r = tables[i]; r->path; r++)
            served++;
    assert_int_equal(listed, served);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_call_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
