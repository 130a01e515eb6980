/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the costs at which one password hash takes a wanted time on this
 * machine, for `supertokens hashingCalibrate`.  Runs for seconds to minutes. */
#ifndef CORE_CRYPTO_PASSWORD_CALIBRATE_H
#define CORE_CRYPTO_PASSWORD_CALIBRATE_H

#include <stdint.h>

/* What is told while it runs: one measured setting. */
typedef void (*calibrate_fn)(void *ud, const char *setting, double ms);

struct calibrate_bcrypt {
    double target_ms; /* wanted */
    int rounds;       /* found */
    double ms;        /* what a hash takes with it */
};
/* 0, or -1 if no hash can be made. */
int calibrate_bcrypt(struct calibrate_bcrypt *b, calibrate_fn tell, void *ud);

struct calibrate_argon2 {
    double target_ms;
    unsigned pool_size;            /* hashes at once */
    int64_t max_memory_kb;         /* of all of them */
    unsigned parallelism;          /* lanes of a hash */
    int64_t memory_kb, iterations; /* found */
    double ms;
};
/* 0, or -1 if no setting of at least 15 MiB a hash meets the target. */
int calibrate_argon2(struct calibrate_argon2 *x, calibrate_fn tell, void *ud);

#endif
