/* SPDX-License-Identifier: Apache-2.0 */
/* The program.  Everything is in cli/, so that unit tests can link it. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
