/* SPDX-License-Identifier: Apache-2.0 */
/* `supertokens start`.  The main thread starts everything, then waits for
 * signals, which every other thread has blocked. */
#include "cli/cli.h"
#include "cli/notify.h"
#include "cli/started.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/server.h"
#include "lifecycle.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What runs gets 10 s; whatever has not ended by then is ended with the process. */
enum { WATCHDOG_S = 15 };

/* ---- background */

/* Forks; the parent waits until the child serves, or has failed, and exits with
 * what it says.  The child gets the descriptor to say it on. */
static int daemonise(int *ready, int *exit_code)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC)) {
        cli_complain("cannot make a pipe: %s", strerror(errno));
        *exit_code = CLI_FAILED;
        return 1;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        cli_complain("cannot fork: %s", strerror(errno));
        *exit_code = CLI_FAILED;
        return 1;
    }
    if (pid == 0) {
        close(fds[0]);
        setsid();
        *ready = fds[1];
        return 0;
    }
    char byte;
    int status;
    close(fds[1]);
    if (read(fds[0], &byte, 1) == 1)
        *exit_code = CLI_OK;
    else if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status))
        *exit_code = WEXITSTATUS(status);
    else
        *exit_code = CLI_FAILED;
    return 1;
}

/* Tells the parent, and lets go of its terminal. */
static void leave_terminal(int ready)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (write(ready, "1", 1) != 1)
        log_warn("core", "the process that started this one has ended already");
    close(ready);
}

/* ---- signals */

static void ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

static void block_signals(void)
{
    sigset_t set;
    ending_signals(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Asked while the database is waited for; the signal stays pending. */
static bool end_wanted(void *arg)
{
    sigset_t set;
    (void)arg;
    sigpending(&set);
    return sigismember(&set, SIGTERM) || sigismember(&set, SIGINT);
}

static void wait_for_end(void)
{
    sigset_t set;
    ending_signals(&set);
    sigaddset(&set, SIGHUP);
    for (;;) {
        int sig = sigwaitinfo(&set, NULL);
        if (sig == SIGHUP) {
            if (log_reopen())
                log_error("core", "a log file cannot be opened anew: %s", strerror(errno));
            else
                log_info("core", "log files opened anew");
        } else if (sig > 0) {
            log_info("core", "%s: finishing what runs", sig == SIGTERM ? "SIGTERM" : "SIGINT");
            return;
        }
    }
}

/* The next signal of the set, or 0 when it is too late.  Being stopped and continued, or
 * looked at by a debugger, interrupts the wait without being a signal of ours. */
static int signal_until(const sigset_t *set, uint64_t until_us)
{
    for (;;) {
        uint64_t now = clock_us(), left = until_us > now ? until_us - now : 0;
        struct timespec limit = {.tv_sec = (time_t)(left / 1000000),
                                 .tv_nsec = (long)(left % 1000000) * 1000};
        int sig = sigtimedwait(set, NULL, &limit);
        if (sig > 0)
            return sig;
        if (errno != EINTR)
            return 0;
    }
}

/* Ends the process when the orderly way takes too long, or at a second signal. */
static void *watchdog(void *arg)
{
    sigset_t set;
    (void)arg;
    ending_signals(&set);
    if (signal_until(&set, clock_us() + WATCHDOG_S * 1000000ULL))
        log_warn("core", "second signal: ending at once");
    else
        log_warn("core", "not everything has ended after %d s: ending anyway", WATCHDOG_S);
    _exit(CLI_OK);
}

static void start_watchdog(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, watchdog, NULL) == 0)
        pthread_detach(thread);
}

/* ---- the command */

static struct str announce(const struct core *core, struct arena *a)
{
    const struct settings *s = core->settings;
    const struct config *config = core->config;
    int port = http_server_port(core->http);
    struct str file = STR_NULL;
    if (config->state_dir.p)
        file = started_write(a, config->state_dir, s->host, port, s->base_path);
    if (config->state_dir.p && !file.p)
        log_warn("core", "cannot write to %.*s/.started: %s", STR_ARG(config->state_dir),
                 strerror(errno));
    log_echo(false);
    if (s->info_log_path.p)
        log_info("core", "started on %.*s:%d", STR_ARG(s->host), port);
    printf("Started SuperTokens on %.*s:%d with PID: %d\n", STR_ARG(s->host), port, (int)getpid());
    fflush(stdout);
    return file;
}

static int run(struct cli *cli, int ready)
{
    struct config *config;
    struct core *core;
    struct str error = STR_NULL;
    const struct start_how how = {.stop = end_wanted};
    block_signals();
    if (config_load(&cli->args, &config)) {
        cli_problems(config, 0);
        config_free(config);
        return CLI_USAGE;
    }
    if (!config->state_dir.p)
        log_warn("core",
                 "%.*s/.started is not writable: `supertokens list` and stop will not know this "
                 "process. Set state_dir to a folder that is",
                 STR_ARG(config->home));
    enum start_result rc = core_start(config, &how, &cli->arena, &core, &error);
    if (rc != START_OK) {
        if (end_wanted(NULL))
            return CLI_OK;
        cli_complain("%.*s", STR_ARG(error));
        return rc == START_CONFIG ? CLI_USAGE : CLI_FAILED;
    }
    struct str file = announce(core, &cli->arena);
    if (ready >= 0)
        leave_terminal(ready);
    notify_manager("READY=1");
    wait_for_end();
    notify_manager("STOPPING=1");
    start_watchdog();
    if (file.p)
        unlink(file.p);
    core_stop(core);
    return CLI_OK;
}

int cmd_start(struct cli *cli)
{
    int ready = -1, exit_code = CLI_OK;
    for (size_t i = 0; i < cli->nwords; i++)
        if (strcmp(cli->words[i], "dev") != 0 && strcmp(cli->words[i], "production") != 0) {
            cli_complain("start takes no \"%s\"; see `supertokens help start`", cli->words[i]);
            return CLI_USAGE;
        }
    if (cli_flag(cli, "background") && daemonise(&ready, &exit_code))
        return exit_code;
    return run(cli, ready);
}
