/* SPDX-License-Identifier: Apache-2.0 */
/* Whole requests against a core on SQLite.  The input is
 *
 *     METHOD PATH[?QUERY]
 *     CDI-VERSION RID[<TAB>HEADER:VALUE]...
 *     BODY
 *
 * Whatever comes, there is a reply: text or JSON, with a status of HTTP, and
 * never a 500, which would be a rule that was forgotten. */
#include "fuzz_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!fixture)
        start();
    char *text = mem_dup(data, size);
    send_request(str_make(text, size));
    mem_free(text);
    return 0;
}
