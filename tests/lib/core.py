# SPDX-License-Identifier: Apache-2.0
"""A running core for tests, and a client that speaks to it as an SDK does.

    with Core(uri=pg.uri("supertokens")) as core:      # no uri: SQLite in its own folder
        app = core.app()                               # a new app of that core
        app.post("/recipe/signup", {"email": "a@b.c", "password": "secret12"}).ok()

Each core has a home of its own in a temporary folder and a free loopback port, and runs
in test mode, so every reply tells what it cost the database (`Reply.round_trips`), with
background work so often that tests can wait for it.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from urllib.parse import urlencode

from servers import ServerError, free_port, wait_for

SRC = os.environ.get("STK_SRC", os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BUILD = os.environ.get("STK_BUILD", os.path.join(SRC, "build"))
BINARY = os.path.join(BUILD, "bin", "supertokens")
PLUGINS = os.path.join(BUILD, "plugins")
LATEST = "5.4"
# The cheapest hashes that the settings allow: tests are not about their cost.
CHEAP = {"bcrypt_log_rounds": "4", "log_level": "INFO"}


class Reply:
    """What came back: status, headers, text, and json where it is one."""

    def __init__(self, response, body):
        self.status = response.status
        self.call = ""  # method, path and rid of what was asked
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.text = body.decode("utf-8")
        self.json = None
        if self.headers.get("content-type", "").startswith("application/json"):
            self.json = json.loads(self.text)

    def _count(self, name):
        return int(self.headers[name])

    @property
    def round_trips(self):
        return self._count("st-round-trips")

    @property
    def statements(self):
        return self._count("st-statements")

    @property
    def batches(self):
        return self._count("st-batches")

    def ok(self):
        """The JSON of a 200 with status OK."""
        return self.is_status("OK")

    def is_status(self, status):
        assert self.status == 200, f"{self.status}: {self.text}"
        assert self.json.get("status") == status, self.text
        return self.json

    def is_error(self, code, text=None):
        """A plain text error, compared whole; it ends with a newline on the wire."""
        assert self.status == code, f"{self.status}: {self.text}"
        assert self.headers["content-type"] == "text/html;charset=UTF-8"
        assert self.text.endswith("\n")
        if text is not None:
            assert self.text == text + "\n"
        return self.text


class Client:
    """Calls below a prefix such as /appid-x or /appid-x/t1, one connection a thread."""

    def __init__(self, port, prefix="", cdi=LATEST, headers=None):
        self.port, self.prefix, self.cdi = port, prefix, cdi
        self.headers = dict(headers or {})
        self.local = threading.local()

    def at(self, prefix=None, cdi=None, **headers):
        """The same core, another place or version."""
        return Client(self.port, self.prefix if prefix is None else prefix, cdi or self.cdi,
                      dict(self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}))

    def tenant(self, tenant):
        return self.at(f"{self.prefix}/{tenant}")

    def _connection(self):
        """This thread's connection; one that may have been idle too long is made anew."""
        now, used = time.monotonic(), getattr(self.local, "used", 0)
        if getattr(self.local, "c", None) is not None and now - used > 5:
            self.local.c.close()
            self.local.c = None
        if getattr(self.local, "c", None) is None:
            self.local.c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.local.used = now
        return self.local.c

    def request(self, method, path, body=None, query=None, rid=None, raw=None, **headers):
        head = dict(self.headers)
        if self.cdi != "none":
            head["cdi-version"] = self.cdi
        if rid:
            head["rid"] = rid
        head.update({k.replace("_", "-"): v for k, v in headers.items()})
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            head.setdefault("content-type", "application/json; charset=utf-8")
        url = self.prefix + path + ("?" + urlencode(query) if query else "")
        c = self._connection()
        try:
            c.request(method, url, data, head)
            response = c.getresponse()
            reply = Reply(response, response.read())
            reply.call = f"{method} {path.partition('?')[0]}" + (f"#{rid}" if rid else "")
        except (OSError, http.client.HTTPException):
            c.close()
            self.local.c = None
            raise
        if response.will_close:
            c.close()
            self.local.c = None
        return reply

    def get(self, path, query=None, **kw):
        return self.request("GET", path, query=query, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, {} if body is None else body, **kw)

    def put(self, path, body=None, **kw):
        return self.request("PUT", path, {} if body is None else body, **kw)

    def delete(self, path, body=None, **kw):
        return self.request("DELETE", path, body, **kw)


class Core(Client):
    """A process of the core; kw are configuration keys."""

    def __init__(self, uri=None, home=None, test_mode=True, env=None, args=(),
                 fast_jobs=True, **kw):
        super().__init__(free_port())
        self.home = home or tempfile.mkdtemp(prefix="stk-core-")
        self.own_home = home is None
        self.log_path = os.path.join(self.home, "core.log")
        self.proc, self.uri = None, uri
        self.settings = dict(CHEAP, plugin_dir=PLUGINS)
        self.settings.update({k: str(v) for k, v in kw.items()})
        self.args = ["--test-mode"] * test_mode
        self.args += ["--fast-jobs"] * (test_mode and fast_jobs) + list(args)
        self.env = dict(env or {})
        if uri:
            self.env[uri.split(":")[0].upper() + "_CONNECTION_URI"] = uri

    def command(self, *words):
        keys = [f"--{k.replace('_', '-')}={v}" for k, v in self.settings.items()]
        return [BINARY, *words, f"--home={self.home}", f"--port={self.port}", *keys]

    def environment(self):
        return dict(os.environ, INFO_LOG_PATH="", ERROR_LOG_PATH="", **self.env)

    def run(self, *words, timeout=60):
        """Another command of the program over the same home and settings."""
        return subprocess.run(self.command(*words), env=self.environment(), text=True,
                              capture_output=True, timeout=timeout, check=False)

    def spawn(self):
        argv = self.command("start") + ["--info-log-path=null", "--error-log-path=null", *self.args]
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         cwd=self.home, env=self.environment())
        return self

    def start(self, timeout=60):
        self.spawn()
        wait_for(self.serves, timeout, "the core serves /hello", interval=0.01)
        return self

    def serves(self):
        if self.proc.poll() is not None:
            raise ServerError(f"the core ended with {self.proc.returncode}:\n{self.log_text()}")
        try:
            return self.get("/hello").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def signal(self, sig):
        self.proc.send_signal(sig)

    def stop(self, timeout=30):
        """SIGTERM and the exit status."""
        if self.proc is None:
            return None
        self.signal(signal.SIGTERM)
        try:
            code = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise ServerError(f"the core did not end on SIGTERM:\n{self.log_text()}") from None
        self.proc = None
        return code

    def kill(self):
        if self.proc:
            self.proc.kill()
            self.proc.wait()
            self.proc = None

    def close(self):
        self.kill()
        if self.own_home:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind, value, trace):
        try:
            code = self.stop() if kind is None else self.kill()
            if kind is None and code not in (0, None):
                raise ServerError(f"the core ended with {code}:\n{self.log_text()}")
        finally:
            self.close()

    def app(self, core_config=None, app_id=None):
        """A client of a new app, made the way SDK suites make theirs."""
        app_id = app_id or str(uuid.uuid4())
        self.put("/recipe/multitenancy/app/v2",
                 {"appId": app_id, "coreConfig": core_config or {}}).ok()
        return self.at(f"/appid-{app_id}")


def scripts(plugin):
    """The names of a plugin's migration scripts, in their order."""
    folder = os.path.join(SRC, "migration_scripts", plugin)
    return sorted(os.path.splitext(name)[0] for name in os.listdir(folder))
