/* SPDX-License-Identifier: Apache-2.0 */
/* Connection URIs: what parses is printed and parses to the same again, and a
 * masked one does not hold the password. */
#include <stk_sdk.h>
#include <stk_uri.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void check_again(const struct stk_uri *uri)
{
    stk_err err = {.size = sizeof(err)};
    struct stk_uri *again;
    char *text = stk_uri_format(uri, false);
    if (!text || stk_uri_parse(text, "uri", &again, &err) != STK_OK)
        abort();
    if (!same(uri->user, again->user) || !same(uri->password, again->password) ||
        !same(uri->database, again->database) || uri->nhosts != again->nhosts ||
        uri->nparams != again->nparams)
        abort();
    stk_uri_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct stk_uri *uri;
    stk_err err = {.size = sizeof(err)};
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (stk_uri_parse(text, "uri", &uri, &err) == STK_OK) {
        check_again(uri);
        char *masked = stk_uri_format(uri, true);
        free(masked);
        stk_uri_free(uri);
    }
    char out[64];
    stk_uri_mask(text, out, sizeof(out));
    if (!memchr(out, 0, sizeof(out)))
        abort();
    free(text);
    return 0;
}
