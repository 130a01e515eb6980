/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that answers anything: the SQLite plugin, whose results and errors are
 * changed on their way to the core as the input says.  The first byte chooses a
 * request; the rest is eaten by each exec() in turn:
 *
 *     ACTION, below 128: as it was; else a change (action % 12), and its operands
 *
 * Whatever a plugin says, there is a reply with a status of HTTP, 500 among them,
 * and a healthy plugin is served as ever afterwards. */
#include "fuzz_core.h"

#include "storage/loader.h"
#include "storage/storage_internal.h"

#include <stk_sdk.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static stk_status (*real_exec)(stk_db *, stk_txn *, stk_batch *, stk_err *);
static stk_status (*real_commit)(stk_txn *, uint64_t, stk_err *);

static struct {
    const uint8_t *p;
    size_t left;
} in;

static uint8_t eat(void)
{
    if (in.left == 0)
        return 0;
    in.left--;
    return *in.p++;
}

static int64_t eat_i64(void)
{
    uint64_t v = 0;
    for (uint8_t n = eat() % 9; n; n--)
        v = v << 8 | eat();
    return (int64_t)v;
}

/* ------------------------------------------------------------------- changes */

static void *copied(stk_arena *a, const void *from, size_t n)
{
    void *p = stk_alloc(a, n ? n : 1);
    if (n)
        memcpy(p, from, n);
    return p;
}

static void change_value(stk_arena *a, stk_val *v, uint8_t how)
{
    if (how == 0) {
        *v = (stk_val){.type = STK_T_NULL};
    } else if (how == 1) {
        v->type = eat(); /* and the union is what it was */
    } else if (how == 2) {
        v->u.i = eat_i64();
        if (v->type == STK_T_TEXT || v->type == STK_T_BYTES) {
            v->u.p = NULL;
            v->len = eat();
        }
    } else {
        size_t n = eat() % 64;
        n = n < in.left ? n : in.left;
        v->type = how == 3 ? STK_T_TEXT : v->type;
        if (v->type != STK_T_TEXT && v->type != STK_T_BYTES)
            return;
        v->u.p = copied(a, in.p, n);
        v->len = (uint32_t)n;
        in.p += n;
        in.left -= n;
    }
}

/* Another cell: of any row, in a copy, for the plugin's own is constant. */
static void change_cell(stk_arena *a, stk_result *r, uint8_t how)
{
    size_t n = (size_t)r->nrows * r->ncols;
    if (n == 0)
        return;
    stk_val *cells = copied(a, r->cells, n * sizeof(*cells));
    change_value(a, &cells[((size_t)eat() << 8 | eat()) % n], how);
    r->cells = cells;
}

/* The rows once more and again, or fewer. */
static void change_rows(stk_arena *a, stk_result *r)
{
    uint32_t n = eat() % 200;
    size_t had = (size_t)r->nrows * r->ncols, want = (size_t)n * r->ncols;
    if (had == 0)
        return;
    stk_val *cells = stk_alloc(a, (want ? want : 1) * sizeof(*cells));
    for (size_t i = 0; i < want; i++)
        cells[i] = r->cells[i % had];
    r->cells = cells;
    r->nrows = n;
}

static void change_error(stk_err *err)
{
    err->code = -(stk_status)(1 + eat() % 19); /* OK without having run would lose the handle */
    err->call = eat();
    err->table = eat();
    err->key = eat();
    err->column = eat();
    err->native = (int32_t)eat_i64();
    memset(err->sqlstate, 'A' + eat() % 26, sizeof(err->sqlstate));
    memset(err->msg, eat(), sizeof(err->msg)); /* without an end */
}

static stk_status exec(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    uint8_t action = eat();
    stk_status rc = STK_OK;
    if (action < 128 || action % 12 != 11)
        rc = real_exec(db, txn, batch, err);
    if (action < 128 || rc != STK_OK)
        return rc;
    const stk_call *call = stk_at(batch->calls, batch->call_size, eat() % batch->ncalls);
    stk_result *r = call->result;
    switch (action % 12) {
    case 4: change_rows(batch->arena, r); break;
    case 5: r->ncols = eat(); break;
    case 6: r->cells = NULL; break;
    case 7: r->affected = (uint64_t)eat_i64(); break;
    case 8: memset(r, 0, sizeof(*r)); break;
    case 9: r->nrows = eat() % (r->nrows + 1); break; /* more could not be told */
    case 10: return eat();                            /* more than OK */
    case 11: change_error(err); return err->code;
    default: change_cell(batch->arena, r, action % 12); break;
    }
    return rc;
}

static stk_status commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    stk_status rc = real_commit(txn, deadline_us, err);
    if (eat() < 200)
        return rc;
    change_error(err);
    return err->code;
}

/* ------------------------------------------------------------------ requests */

static char requests[32][2048];
static size_t nrequests;

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(requests[nrequests++], sizeof(requests[0]), format, args);
    va_end(args);
}

/* The text after "key":" (and what is between) in the last reply. */
static const char *found(const char *key)
{
    static char out[4][1500];
    static unsigned turn;
    char *to = out[turn++ % 4];
    const char *at = strstr(reply, key);
    at = at ? at + strlen(key) : "";
    snprintf(to, sizeof(out[0]), "%.*s", (int)strcspn(at, "\""), at);
    return to;
}

static void make_requests(void)
{
    send_request(
        STR("POST /recipe/signup\n5.4\n{\"email\":\"a@b.co\",\"password\":\"secret123\"}"));
    const char *user = found("\"recipeUserId\":\"");
    add("GET /user/id?userId=%s\n5.4\n", user);
    add("GET /recipe/user?userId=%s\n3.0 emailpassword\n", user);
    add("POST /recipe/user/password/reset/token\n5.4\n{\"userId\":\"%s\",\"email\":\"a@b.co\"}",
        user);
    add("POST "
        "/recipe/session\n5.4\n{\"userId\":\"%s\",\"userDataInJWT\":{},\"userDataInDatabase\":{},"
        "\"enableAntiCsrf\":false,\"useDynamicSigningKey\":true}",
        user);
    send_request(str_z(requests[nrequests - 1]));
    const char *access = found("\"accessToken\":{\"token\":\"");
    const char *refresh = found("\"refreshToken\":{\"token\":\"");
    const char *handle = found("\"handle\":\"");
    add("POST /recipe/session/verify\n5.4\n{\"accessToken\":\"%s\",\"enableAntiCsrf\":false,"
        "\"doAntiCsrfCheck\":false,\"checkDatabase\":true}",
        access);
    add("POST /recipe/session/refresh\n5.4\n{\"refreshToken\":\"%s\",\"enableAntiCsrf\":false,"
        "\"useDynamicSigningKey\":true}",
        refresh);
    add("GET /recipe/session?sessionHandle=%s\n5.4\n", handle);
    add("PUT /recipe/session/data\n5.4\n{\"sessionHandle\":\"%s\",\"userDataInDatabase\":{}}",
        handle);
    add("GET /recipe/session/user?userId=%s\n5.4\n", user);
    add("POST /recipe/signin\n5.4\n{\"email\":\"a@b.co\",\"password\":\"secret123\"}");
    add("POST /recipe/signup\n5.4\n{\"email\":\"a@b.co\",\"password\":\"secret123\"}");
    add("GET /users?limit=5&timeJoinedOrder=DESC\n5.4\n");
    add("GET /users/count\n5.4\n");
    add("GET /users/by-accountinfo?email=a%%40b.co\n5.4\n");
    add("GET /recipe/jwt/jwks\n2.21\n");
    add("GET /.well-known/jwks.json\n5.4\n");
    add("POST "
        "/recipe/jwt\n5.4\n{\"payload\":{},\"algorithm\":\"RS256\",\"jwksDomain\":\"http://x\","
        "\"validity\":10,\"useStaticSigningKey\":true}");
    add("GET /recipe/multitenancy/tenant/list/v2\n5.4\n");
    add("PUT /recipe/multitenancy/tenant/v2\n5.4\n{\"tenantId\":\"t1\"}");
    add("POST /recipe/signinup\n5.4\n{\"thirdPartyId\":\"g\",\"thirdPartyUserId\":\"1\",\"email\":"
        "{\"id\":\"c@b.co\",\"isVerified\":true}}");
    add("POST /recipe/user/email/verify/token\n5.4\n{\"userId\":\"%s\",\"email\":\"a@b.co\"}",
        user);
    add("GET /recipe/user/email/verify?userId=%s&email=a%%40b.co\n5.4\n", user);
    add("POST /recipe/signinup/code\n5.4\n{\"email\":\"p@b.co\"}");
    add("GET /recipe/signinup/codes?email=p%%40b.co\n5.4\n");
    add("GET /hello\n\n");
    for (size_t i = 0; i < nrequests; i++)
        send_request(str_z(requests[i]));
}

static void wrap(void)
{
    start();
    may_be_500 = true;
    make_requests();
    struct stk_plugin *v = (struct stk_plugin *)&fixture->core.base_storage->plugin->v;
    real_exec = v->exec;
    real_commit = v->commit;
    v->exec = exec;
    v->commit = commit;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!fixture)
        wrap();
    if (size == 0)
        return 0;
    in.p = data + 1;
    in.left = size - 1;
    send_request(str_z(requests[data[0] % nrequests]));
    in.left = 0;
    if (send_request(STR("GET /hello\n\n")) != 200)
        abort();
    return 0;
}
