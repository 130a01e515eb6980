/* SPDX-License-Identifier: Apache-2.0 */
/* `supertokens hashingCalibrate`: settings at which a password hash takes the
 * wanted time on this machine. */
#include "cli/cli.h"

#include "crypto/password_calibrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

static void print_try(void *ud, const char *setting, double ms)
{
    (void)ud;
    printf("%s: %.0f ms per hash\n", setting, ms);
    fflush(stdout);
}

static int bcrypt(int64_t target)
{
    struct calibrate_bcrypt b = {.target_ms = (double)target};
    if (calibrate_bcrypt(&b, print_try, NULL)) {
        cli_complain("no bcrypt hash could be made");
        return CLI_FAILED;
    }
    printf("\n# %.0f ms per hash\nbcrypt_log_rounds: %d\n", b.ms, b.rounds);
    return CLI_OK;
}

static int argon2(const struct cli *cli, int64_t target)
{
    int64_t pool, memory, lanes, cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (!cli_number(cli, "with-argon2-hashing-pool-size", 1, 256, 1, &pool) ||
        !cli_number(cli, "with-argon2-max-memory-mb", 1, 1024 * 1024, 1024, &memory) ||
        !cli_number(cli, "with-argon2-parallelism", 1, 255, cpus > 0 ? 2 * cpus : 2, &lanes))
        return CLI_USAGE;
    struct calibrate_argon2 x = {.target_ms = (double)target,
                                 .pool_size = (unsigned)pool,
                                 .max_memory_kb = memory * 1024,
                                 .parallelism = (unsigned)lanes};
    if (calibrate_argon2(&x, print_try, NULL)) {
        cli_complain("no setting with at least 15 MB a hash takes %" PRId64 " ms. Give more "
                     "memory (--with_argon2_max_memory_mb) or make fewer hashes at once "
                     "(--with_argon2_hashing_pool_size)",
                     target);
        return CLI_FAILED;
    }
    printf("\n# %.0f ms per hash\nargon2_memory_kb: %" PRId64 "\nargon2_iterations: %" PRId64
           "\nargon2_parallelism: %" PRId64 "\nargon2_hashing_pool_size: %" PRId64 "\n",
           x.ms, x.memory_kb, x.iterations, lanes, pool);
    return CLI_OK;
}

int cmd_calibrate(struct cli *cli)
{
    const char *alg = cli_option(cli, "with-alg");
    int64_t target;
    if (!cli_number(cli, "with-time-per-hash-ms", 1, 60000, 300, &target))
        return CLI_USAGE;
    if (alg && strcasecmp(alg, "bcrypt") == 0)
        return bcrypt(target);
    if (alg && strcasecmp(alg, "argon2") == 0)
        return argon2(cli, target);
    cli_complain("say --with_alg=bcrypt or --with_alg=argon2");
    return CLI_USAGE;
}
