# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in production besides the connection itself: each is told in one line that
says what failed, on what, why and what to do, in the reply with 503 where a request met it,
and the core goes on by itself once the cause is gone."""

import os
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import time
import uuid

import pytest

from conftest import Balloon, documented
from core import Core
from core_fixtures import or_skip
from mysql_servers import MariaDBServer
from proxy import TcpProxy
from servers import PostgresServer, unprivileged_user, wait_for
from together import at_once

SIGN_UP = {"email": "a@example.com", "password": "secret123"}
SESSION = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
           "useDynamicSigningKey": True}

def sign_up(app, n=0):
    return app.post("/recipe/signup", {"email": f"user{n}@example.com", "password": "secret123"})


def refusal(uri=None, **keys):
    """The last line of a start that fails."""
    core = Core(uri=uri, **dict({"startup_timeout": 0}, **keys))
    try:
        r = core.run("start")
        assert r.returncode == 1, r.stdout + r.stderr
        return r.stderr.rstrip().splitlines()[-1]
    finally:
        core.close()


@pytest.fixture(params=["postgresql", "mysql"])
def server(request):
    return request.getfixturevalue({"postgresql": "pg", "mysql": "mariadb"}[request.param])


def through(uri, server, proxy):
    return uri.replace(f":{server.port}/", f":{proxy.port}/")


# ------------------------------------------------------- slow, and too few connections

def test_pool_exhausted(server, name):
    """One connection, which a slow statement holds: who waits for it is told so in time."""
    kind = type(server).kind.replace("mariadb", "mysql")
    with TcpProxy(server.port) as proxy:
        uri = through(server.create_database(name), server, proxy)
        with Core(uri=uri, request_timeout=1, **{f"{kind}_connection_pool_size": 1}) as core:
            app = core.app()
            sign_up(app).ok()
            proxy.stall()
            start = time.monotonic()
            replies = at_once(6, lambda i: sign_up(app, i + 1))
            assert time.monotonic() - start < 4
            assert [r.status for r in replies] == [503] * 6
            told = [r.text for r in replies if "pool exhausted" in r.text]
            assert told, [r.text for r in replies]
            documented(told[0], "pool exhausted")
            assert f"Raise {kind}_connection_pool_size or look for slow queries" in told[0]
            # and the one that had it: the database is slow
            for text in [r.text for r in replies if "pool exhausted" not in r.text]:
                near = "did not answer within" in text  # what was left of it
                documented(text, "did not answer within" if near else "before the deadline")
            proxy.release()
            proxy.cut_all()
            wait_for(lambda: sign_up(app, 99).status == 200, 10, "served again")


def test_postgresql_too_many_connections(name):
    """At the start, and later when the pool would grow."""
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    import psycopg
    with PostgresServer(conf={"max_connections": 12, "superuser_reserved_connections": 1}) as pg:
        pg.create_user("app", "secret")
        pg.create_database(name, owner="app")
        uri, held = pg.uri(name, "app", "secret"), []

        def fill():
            try:
                while True:
                    held.append(psycopg.connect(uri))
            except psycopg.OperationalError:
                pass
        fill()
        line = refusal(uri)
        documented(line, "has no connection left")
        assert "max_connections" in line and "postgresql_connection_pool_size" in line
        while held:
            held.pop().close()
        many_at_once_are_served(uri, fill)
        while held:
            held.pop().close()


def test_mysql_too_many_connections(name):
    db = or_skip(lambda: MariaDBServer(conf={"max_connections": 12}))
    import pymysql
    with db:
        uri, held = db.create_database(name), []

        def fill():
            try:
                while True:
                    held.append(pymysql.connect(host="127.0.0.1", port=db.port, user=db.user_name,
                                                password=db.user_password))
            except pymysql.err.OperationalError:
                pass
        fill()
        line = refusal(uri)
        documented(line, "has no connection left")
        assert "max_connections" in line and "mysql_connection_pool_size" in line
        while held:
            held.pop().close()
        many_at_once_are_served(uri, fill)
        while held:
            held.pop().close()


def many_at_once_are_served(uri, fill):
    """The pool cannot grow: the requests share the connections that there are."""
    with Core(uri=uri) as core:
        app = core.app()
        sign_up(app, 100).ok()
        fill()
        replies = at_once(12, lambda i: sign_up(app, i))
        assert [r.status for r in replies] == [200] * 12, [r.text for r in replies]


# ------------------------------------------------------------------- full disk

FULL = {"sqlite": "the disk is full", "postgresql": "No space left on device",
        "mysql": "the table or the disk is full"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"])
def test_disk_full(small_disk, kind):
    """Writes get 503 and the cause; reads go on; with room again all is as before."""
    server = None
    if kind == "postgresql":
        if not shutil.which("psql"):
            pytest.skip("no PostgreSQL on this machine")
        server = PostgresServer()
    elif kind == "mysql":
        # a table space that may not grow: MariaDB itself dies on a disk without any room
        server = or_skip(lambda: MariaDBServer(conf={
            "innodb_file_per_table": 0,
            "innodb_data_file_path": "ibdata1:12M:autoextend:max:40M"}))
    home = os.path.join("/tmp", "stk-" + uuid.uuid4().hex)
    os.mkdir(home)
    try:
        if server:
            server.start()
            where = {"uri": server.create_database("supertokens")}
        else:
            where = {"sqlite_path": os.path.join(small_disk, "users.db")}
        with Core(home=home, **where) as core:
            app = core.app()
            sign_up(app).ok()
            balloon, n, reply = None, 1, None
            if kind != "mysql":
                balloon = Balloon(small_disk)
            big = dict(SESSION, userDataInDatabase={"a": "x" * 50000})
            while n < 3000 and (reply is None or reply.status == 200):
                reply = app.post("/recipe/session", big)
                n += 1
            assert reply.status == 503, reply.text
            documented(reply.text, FULL[kind])
            assert "Free space" in reply.text
            app.post("/recipe/signin", {"email": "user0@example.com", "password": "secret123"}).ok()
            if balloon:
                balloon.prick()
            else:
                app.post("/recipe/session/remove", {"userId": "u"}).ok()
            wait_for(lambda: app.post("/recipe/session", SESSION).status == 200, 10, "written again")
            sign_up(app, 1).ok()
    finally:
        if server:
            server.close()
        shutil.rmtree(home, ignore_errors=True)


# ------------------------------------------------------------------- read-only

def test_postgresql_read_only(pg, name):
    """A database that takes no writes is refused at the start, and met later is left alone
    until it takes them again."""
    uri = pg.create_database(name)
    pg.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    documented(refusal(uri), "takes no writes")
    pg.psql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    with Core(uri=uri, request_timeout=2) as core:
        app = core.app()
        sign_up(app).ok()
        pg.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = on; SELECT "
                f"pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        reply = sign_up(app, 1)
        assert reply.status == 503
        documented(reply.text, "takes no writes")
        pg.psql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        wait_for(lambda: sign_up(app, 2).status == 200, 10, "served again")


def test_postgresql_standby_only(pg, name):
    uri = pg.create_database(name)
    with Core(uri=uri) as core:
        sign_up(core.app()).ok()
    standby = pg.replica()
    try:
        standby.start()
        line = refusal(uri.replace(f":{pg.port}/", f":{standby.port}/"))
        documented(line, "takes no writes")
    finally:
        standby.close()


def test_mysql_read_only(mariadb, name):
    uri = mariadb.create_database(name)
    try:
        mariadb.sql("SET GLOBAL read_only = ON")
        line = refusal(uri)
        documented(line, "the server is read-only")
        mariadb.sql("SET GLOBAL read_only = OFF")
        with Core(uri=uri, request_timeout=2) as core:
            app = core.app()
            sign_up(app).ok()
            mariadb.sql("SET GLOBAL read_only = ON")
            reply = sign_up(app, 1)
            assert reply.status == 503
            documented(reply.text, "the server is read-only")
            mariadb.sql("SET GLOBAL read_only = OFF")
            wait_for(lambda: sign_up(app, 2).status == 200, 10, "served again")
    finally:
        mariadb.sql("SET GLOBAL read_only = OFF")


def run_as_nobody(core, *words):
    """A command without root's right to write everywhere."""
    user = unprivileged_user()
    drop = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    return subprocess.run(core.command(*words), env=core.environment(), text=True, timeout=60,
                          capture_output=True, check=False, **drop)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_sqlite_read_only(tmp_path, what):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    path = tmp_path / "users.db"
    if what == "file":
        with Core(sqlite_path=path) as core:
            sign_up(core.app()).ok()
        path.chmod(0o444)
    else:
        tmp_path.chmod(0o555)
    core = Core(sqlite_path=path)
    os.chmod(core.home, 0o777)
    try:
        r = run_as_nobody(core, "start")
        assert r.returncode in (1, 2)
        line = r.stderr.rstrip().splitlines()[-1]
        assert str(path) in line
        documented(line, "cannot be written by user" if what == "file" else "cannot create")
    finally:
        core.close()
        tmp_path.chmod(0o755)


# --------------------------------------------------- the installation directory

def test_home_read_only(pg, name):
    """Said at the start with the remedy; served all the same where the database is elsewhere.
    The remedy helps."""
    uri = pg.create_database(name)
    for writable in (None, "/tmp/stk-state-" + name):
        core = Core(uri=uri, **({"state_dir": writable} if writable else {}))
        if writable:
            os.mkdir(writable, 0o777)
            os.chmod(writable, 0o777)
        os.chmod(core.home, 0o555)
        try:
            core.log_path = os.path.join(tempfile.mkdtemp(), "core.log")
            start_as_nobody(core)
            sign_up(core.app(), 1 if writable else 0).ok()
            text = core.log_text()
            listed = core.run("list").stdout
            if writable:
                assert "WARN" not in text and str(core.port) in listed
            else:
                (line,) = [t for t in text.splitlines() if " WARN " in t]
                documented(line, ".started is not writable")
                assert "Set state_dir" in line and core.home in line
                assert "No SuperTokens instances" in listed
            assert core.stop() == 0
        finally:
            core.close()
            shutil.rmtree(os.path.dirname(core.log_path))
            if writable:
                shutil.rmtree(writable)


def start_as_nobody(core):
    user = unprivileged_user()
    drop = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    argv = core.command("start") + ["--info-log-path=null", "--error-log-path=null", "--test-mode"]
    with open(core.log_path, "ab") as log:
        core.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     cwd="/", env=core.environment(), **drop)
    wait_for(core.serves, 30, "the core serves")


def test_home_read_only_with_sqlite():
    """There the default place of the database is what is missing."""
    core = Core()
    os.chmod(core.home, 0o555)
    try:
        r = run_as_nobody(core, "start")
        assert r.returncode == 2
        assert "Set state_dir" in r.stderr
        documented(r.stderr.rstrip().splitlines()[-1], "cannot make the folder")
    finally:
        core.close()


def test_started_is_deleted_while_running(pg, name):
    """`list` and `stop` do not know the core any more; it serves, and ends by a signal."""
    with Core(uri=pg.create_database(name)) as core:
        app = core.app()
        shutil.rmtree(os.path.join(core.home, ".started"))
        sign_up(app).ok()
        assert "No SuperTokens instances" in core.run("list").stdout
        assert core.stop() == 0
        core.start()  # and is known again
        assert str(core.port) in core.run("list").stdout


def test_sqlite_file_is_deleted_while_running(tmp_path):
    """What was written to a file without a name would be lost: nothing is acknowledged."""
    path = tmp_path / "users.db"
    with Core(sqlite_path=path) as core:
        app = core.app()
        sign_up(app).ok()
        path.rename(tmp_path / "elsewhere")
        for reply in (sign_up(app, 1), app.get("/users/count")):
            assert reply.status == 503
            documented(reply.text, "was moved or deleted")
            assert str(path) in reply.text
        wait_for(lambda: core.get("/hello").status == 503, 10, "/hello says so")
        path.write_bytes(b"")  # another file is not the same one
        assert sign_up(app, 1).status == 503
        path.unlink()
        (tmp_path / "elsewhere").rename(path)
        sign_up(app, 1).ok()
        assert app.get("/users/count").ok()["count"] == 2
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM st_users").fetchall() == [(2,)]


# ------------------------------------------------------------------ clock

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long *offset;
__attribute__((constructor)) static void begin(void)
{
    int fd = open(getenv("STK_CLOCK_OFFSET"), O_RDONLY);
    offset = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        t->tv_sec += *offset;
    return rc;
}
time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}
int gettimeofday(struct timeval *v, void *zone)
{
    struct timespec t;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    v->tv_sec = t.tv_sec;
    v->tv_usec = t.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture
def clock(tmp_path):
    """A core's environment, and a way of moving the clock that it sees."""
    source, lib, offset = tmp_path / "clock.c", tmp_path / "clock.so", tmp_path / "offset"
    source.write_text(CLOCK)
    if os.environ.get("STK_SAN") or not shutil.which("gcc"):
        pytest.skip("the clock is moved by a library that gcc makes, without a sanitizer")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", lib, source], check=True)
    offset.write_bytes(struct.pack("l", 0))

    def jump(seconds):
        with open(offset, "r+b") as f:
            f.write(struct.pack("l", seconds))
    return {"LD_PRELOAD": str(lib), "STK_CLOCK_OFFSET": str(offset)}, jump


def test_clock_jumps(clock, pg, name):
    """Deadlines do not move with the clock of the day.  Forwards: what expires is expired and
    said as such.  Backwards: what was made in the meantime still works."""
    env, jump = clock
    with Core(uri=pg.create_database(name), env=env, request_timeout=3,
              access_token_validity=3600) as core:
        app = core.app()
        sign_up(app).ok()

        def session():
            return app.post("/recipe/session", SESSION).ok()

        def verify(s):
            return app.post("/recipe/session/verify", {
                "accessToken": s["accessToken"]["token"], "enableAntiCsrf": False,
                "doAntiCsrfCheck": False, "checkDatabase": True}).json["status"]

        def refresh(s):
            return app.post("/recipe/session/refresh", {
                "refreshToken": s["refreshToken"]["token"], "enableAntiCsrf": False,
                "useDynamicSigningKey": True}).ok()
        first = session()
        for hours in (2, -2, 24 * 30, 0):
            jump(hours * 3600)
            start = time.monotonic()
            fresh = session()
            assert verify(fresh) == "OK"
            assert verify(first) == ("TRY_REFRESH_TOKEN" if hours > 1 else "OK")
            assert verify(refresh(fresh)) == "OK"
            app.post("/recipe/signin", {"email": "user0@example.com", "password": "secret123"}).ok()
            assert core.get("/hello").status == 200
            assert time.monotonic() - start < 8
        jump(2 * 3600)
        made_ahead = session()
        jump(0)
        assert verify(made_ahead) == "OK"
        assert " ERROR " not in core.log_text() and " WARN " not in core.log_text()
