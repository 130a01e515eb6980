/* SPDX-License-Identifier: Apache-2.0 */
/* `supertokens stop` and `supertokens list`: the cores that .started knows. */
#include "cli/cli.h"
#include "cli/started.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A core may take 10 s to finish its requests, and a little more to close. */
enum { STOP_TIMEOUT_MS = 20 * 1000 };

static size_t running(struct cli *cli, struct config **config, struct started **list)
{
    *config = cli_config(cli);
    if (!*config || !(*config)->state_dir.p)
        return 0;
    return started_list(&cli->arena, (*config)->state_dir, list);
}

/* Waits until the process has ended; false after the time allowed. */
static bool wait_end(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int rc = poll(&p, 1, STOP_TIMEOUT_MS);
    close(fd);
    return rc == 1;
}

static bool stop_one(const struct started *s)
{
    const char *why = "it is still running";
    bool ok = kill(s->pid, SIGTERM) == 0;
    if (ok) {
        ok = wait_end(s->pid);
    } else {
        ok = errno == ESRCH; /* gone by itself */
        why = strerror(errno);
    }
    if (ok)
        printf("Successfully stopped SuperTokens with PID %d, running on %s:%s\n", (int)s->pid,
               s->host.p, s->port.p);
    else
        cli_complain("failed to stop SuperTokens with PID %d, running on %s:%s: %s", (int)s->pid,
                     s->host.p, s->port.p, why);
    return ok;
}

static int stop_all(const struct started *list, size_t n, int64_t id)
{
    bool all = true, found = id == 0;
    for (size_t i = 0; i < n; i++) {
        if (id && list[i].pid != id)
            continue;
        found = true;
        all = stop_one(&list[i]) && all;
    }
    if (!found)
        cli_complain("no SuperTokens with PID %d runs here; `supertokens list` shows those that do",
                     (int)id);
    return found && all ? CLI_OK : CLI_FAILED;
}

int cmd_stop(struct cli *cli)
{
    struct config *config;
    struct started *list;
    int64_t id;
    if (!cli_number(cli, "id", 1, INT32_MAX, 0, &id))
        return CLI_USAGE;
    size_t n = running(cli, &config, &list);
    int rc = CLI_USAGE;
    if (config && n == 0) {
        puts("No SuperTokens instances are running.");
        rc = CLI_OK;
    } else if (config) {
        rc = stop_all(list, n, id);
    }
    config_free(config);
    return rc;
}

/* The configuration file a core was started with, from its command line. */
static struct str config_of(struct arena *a, const struct config *config, pid_t pid)
{
    char text[4096];
    FILE *f = fopen(str_printf(a, "/proc/%d/cmdline", (int)pid).p, "re");
    if (!f)
        return STR("unknown");
    size_t n = fread(text, 1, sizeof(text), f);
    fclose(f);
    struct str rest = str_make(text, n), arg, option = STR("--with-config=");
    while (str_split(&rest, '\0', &arg))
        if (str_starts(arg, option))
            return str_dup(a, str_sub(arg, option.len, arg.len));
    return config->file.p ? config->file : STR("none");
}

int cmd_list(struct cli *cli)
{
    struct config *config;
    struct started *list;
    size_t n = running(cli, &config, &list);
    if (!config)
        return CLI_USAGE;
    if (n == 0)
        puts("No SuperTokens instances running.");
    for (size_t i = 0; i < n; i++)
        printf("-> Instance PID: %d, address: %s:%s%s, config file loaded: %s\n", (int)list[i].pid,
               list[i].host.p, list[i].port.p, list[i].base_path.p,
               config_of(&cli->arena, config, list[i].pid).p);
    config_free(config);
    return CLI_OK;
}
