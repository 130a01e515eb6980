/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics, what concerns the process, from the system and under the names
 * that Prometheus' own clients use. */
#include "api/metrics.h"

#include "base/clock.h"
#include "core.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t resident_bytes(void)
{
    char text[128];
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    size_t n = fread(text, 1, sizeof(text), f);
    fclose(f);
    struct str rest = str_make(text, n), all, resident;
    int64_t pages = 0;
    if (!str_split(&rest, ' ', &all) || !str_split(&rest, ' ', &resident) ||
        !str_i64(resident, &pages))
        return 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
    uint64_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n ? n - 1 : 0; /* without the folder's own */
}

static uint64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void metrics_process(struct strbuf *b, const struct core *core)
{
    int64_t up_ms = clock_ms() - core->started_ms;
    metric(b, "supertokens_build_info", "gauge", "Always 1; the label says the version");
    sample(b, "supertokens_build_info", "version=\"" STK_CORE_VERSION "\"", 1);
    metric(b, "supertokens_uptime_seconds", "gauge", "Seconds since the core started");
    sample_us(b, "supertokens_uptime_seconds", "", up_ms > 0 ? (uint64_t)up_ms * 1000u : 0);
    metric(b, "process_start_time_seconds", "gauge", "When the core started, seconds since 1970");
    sample_us(b, "process_start_time_seconds", "", (uint64_t)core->started_ms * 1000u);
    metric(b, "process_cpu_seconds_total", "counter", "Processor time used");
    sample_us(b, "process_cpu_seconds_total", "", cpu_us());
    metric(b, "process_resident_memory_bytes", "gauge", "Memory in use");
    sample(b, "process_resident_memory_bytes", "", resident_bytes());
    metric(b, "process_open_fds", "gauge", "Files and sockets open");
    sample(b, "process_open_fds", "", open_files());
}
