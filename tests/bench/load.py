# SPDX-License-Identifier: Apache-2.0
"""Load with wrk, and what it cost: requests a second, latencies, processor time."""

import json
import os
import subprocess
import tempfile

TICK = os.sysconf("SC_CLK_TCK")

DONE = """
done = function(summary, latency, requests)
  io.write(string.format('\\n{"requests":%d,"us":%d,"p50":%d,"p99":%d,"bad":%d,"broken":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""

# Requests come from a file, one "METHOD PATH BODY" a line, each used once, then again.
FROM_FILE = """
local list = {}
for line in io.lines(%(file)s) do
  local method, path, body = line:match("^(%%u+) (%%S+) ?(.*)$")
  list[#list + 1] = wrk.format(method, path, %(headers)s, body ~= "" and body or nil)
end
local i = 0
request = function()
  i = i + 1
  return list[(i - 1) %% #list + 1]
end
"""

HEADERS = ('{["Content-Type"]="application/json; charset=utf-8",["cdi-version"]="5.4",'
           '["Host"]="127.0.0.1"}')


def cpu_of(pid):
    """Processor seconds a process has used, its ended children included."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(x) for x in fields[11:15]) / TICK


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def tree_cpu(pid):
    return cpu_of(pid) + sum(cpu_of(c) for c in children(pid)) if pid else 0.0


def rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def run(port, lines, connections=8, seconds=5, core_pid=None, db_pid=None):
    """Sends the requests of `lines` for some seconds over keep-alive connections."""
    with tempfile.TemporaryDirectory() as folder:
        requests = os.path.join(folder, "requests")
        with open(requests, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        script = os.path.join(folder, "wrk.lua")
        with open(script, "w", encoding="utf-8") as f:
            f.write(FROM_FILE % {"file": json.dumps(requests), "headers": HEADERS} + DONE)
        core, db = tree_cpu(core_pid), tree_cpu(db_pid)
        out = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script,
             f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True).stdout
        core, db = tree_cpu(core_pid) - core, tree_cpu(db_pid) - db
    r = json.loads(out.strip().splitlines()[-1])
    if r["bad"] or r["broken"] or not r["requests"]:
        raise RuntimeError(f"{r} in {lines[0]}\n{out}")
    n = r["requests"]
    return {"rate": n / (r["us"] / 1e6), "p50": r["p50"] / 1000, "p99": r["p99"] / 1000,
            "core": core / n * 1e6, "db": db / n * 1e6, "rss": rss_mb(core_pid) if core_pid else 0}
