/* SPDX-License-Identifier: Apache-2.0 */
/* bcrypt; see bcrypt.h.  A hash is "$2b$NN$", 22 characters of salt and 31 of
 * digest.  struct crypt_data is 32 KiB, hence on the heap. */
#include "crypto/bcrypt.h"

#include "base/ids.h"
#include "base/mem.h"

#include <crypt.h>
#include <string.h>

#define PREFIX "$2b$"

enum { KEY_MAX = 72, SALT_BYTES = 16, SETTING_LEN = 29, ROUNDS_MIN = 4, ROUNDS_MAX = 31 };

bool bcrypt_is(struct str hash)
{
    return hash.len >= 3 && hash.p[0] == '$' && hash.p[1] == '2' && memchr("abxy", hash.p[2], 4);
}

/* bcrypt reads no more than 72 bytes; a NUL would end the password early. */
static int key_of(struct str password, char key[KEY_MAX + 1])
{
    if (memchr(password.p, '\0', password.len))
        return -1;
    size_t n = password.len < KEY_MAX ? password.len : KEY_MAX;
    memcpy(key, password.p, n);
    key[n] = '\0';
    return 0;
}

static int compute(struct str password, const char *setting, char out[BCRYPT_LEN + 1])
{
    char key[KEY_MAX + 1];
    struct crypt_data *data = mem_zalloc(sizeof(*data));
    int rc = -1;
    if (key_of(password, key) < 0)
        goto out;
    const char *hash = crypt_rn(key, setting, data, (int)sizeof(*data));
    if (!hash || strlen(hash) != BCRYPT_LEN)
        goto out;
    memcpy(out, hash, BCRYPT_LEN + 1);
    rc = 0;
out:
    explicit_bzero(key, sizeof(key));
    explicit_bzero(data, sizeof(*data));
    mem_free(data);
    return rc;
}

int bcrypt_hash(struct str password, int64_t rounds, char out[BCRYPT_LEN + 1])
{
    if (rounds < ROUNDS_MIN)
        rounds = ROUNDS_MIN;
    if (rounds > ROUNDS_MAX)
        rounds = ROUNDS_MAX;
    char salt[SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    random_bytes(salt, sizeof(salt));
    if (!crypt_gensalt_rn(PREFIX, (unsigned long)rounds, salt, sizeof(salt), setting,
                          sizeof(setting)))
        return -1;
    return compute(password, setting, out);
}

bool bcrypt_verify(struct str password, struct str hash)
{
    if (!bcrypt_is(hash) || hash.len != BCRYPT_LEN)
        return false;
    char setting[SETTING_LEN + 1], computed[BCRYPT_LEN + 1];
    memcpy(setting, hash.p, SETTING_LEN);
    memcpy(setting, PREFIX, 3);
    setting[SETTING_LEN] = '\0';
    if (compute(password, setting, computed) < 0)
        return false;
    /* The digest alone: some libraries write a salt whose last character has
     * bits that do not count. */
    bool same = str_eq_secret(str_sub(hash, SETTING_LEN, BCRYPT_LEN),
                              str_make(computed + SETTING_LEN, BCRYPT_LEN - SETTING_LEN));
    explicit_bzero(computed, sizeof(computed));
    return same;
}
