# SPDX-License-Identifier: Apache-2.0
"""Migrations in production: from each earlier version of the schema with its data in place, by
the core, by a command or by hand; broken off in the middle and resumed; and an older core on
a newer schema.  Another role than the serving one: test_privileges.py.  Many cores at once:
tests/fault/test_start.py."""

import os
import re
import shutil
import tempfile
import uuid

import pytest

from conftest import Balloon, documented
from core import Core, scripts
from core_fixtures import or_skip
from mysql_servers import MariaDBServer
from proxy import TcpProxy
from servers import PostgresServer, wait_for
from tables import Tables

KINDS = ["sqlite", "postgresql", "mysql", "mongodb"]
SERVERS = {"postgresql": "pg", "mysql": "mariadb", "mongodb": "mongo"}
USERS = [{"email": f"user{i}@example.com", "password": f"secret-{i}23"} for i in range(3)]
SESSION = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {"n": 1},
           "enableAntiCsrf": False, "useDynamicSigningKey": True}


class Databases:
    """Empty databases of one kind, and cores upon them."""

    def __init__(self, kind, server, folder):
        self.kind, self.server, self.folder = kind, server, folder

    def new(self):
        name = "db_" + uuid.uuid4().hex
        if self.server:
            return Tables(self.kind, self.server.create_database(name))
        return Tables(self.kind, os.path.join(self.folder, name))

    def core(self, at, **more):
        if self.kind == "sqlite":
            return Core(sqlite_path=at.where, **more)
        return Core(uri=at.where, **more)

    def command(self, at, *words, **more):
        core = self.core(at, **more)
        try:
            return core.run(*words)
        finally:
            core.close()

    def migrate(self, at, *words):
        r = self.command(at, "migrate", *words)
        assert r.returncode == 0, r.stdout + r.stderr
        return r.stdout


@pytest.fixture(params=KINDS)
def dbs(request, tmp_path):
    server = None
    if request.param != "sqlite":
        server = request.getfixturevalue(SERVERS[request.param])
    return Databases(request.param, server, str(tmp_path))


def fill(core):
    """Users, a tenant and a session: what must be there afterwards."""
    app = core.app()
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    for user in USERS:
        app.post("/recipe/signup", user).ok()
        app.tenant("t1").post("/recipe/signup", user).ok()
    session = app.post("/recipe/session", SESSION).ok()
    return app.prefix, session["refreshToken"]["token"], session["accessToken"]["token"]


def serves_it(core, there):
    """All that fill() left still works, and something new does too."""
    prefix, refresh, access = there
    app = core.at(prefix)
    for user in USERS:
        app.post("/recipe/signin", user).ok()
        app.tenant("t1").post("/recipe/signin", user).ok()
    app.post("/recipe/session/verify", {"accessToken": access, "enableAntiCsrf": False,
                                        "doAntiCsrfCheck": False, "checkDatabase": True}).ok()
    app.post("/recipe/session/refresh", {"refreshToken": refresh, "enableAntiCsrf": False,
                                         "useDynamicSigningKey": True}).ok()
    app.post("/recipe/signup", {"email": "new@example.com", "password": "secret123"}).ok()
    assert app.get("/users/count").ok()["count"] == len(USERS) + 1
    assert " WARN " not in core.log_text() and " ERROR " not in core.log_text()


# ------------------------------------------------- from each version to the newest

def told_commands(text, name):
    """Whether a refusal says how to run this script."""
    return "auto_migrate" in text and "supertokens migrate" in text and name in text


def test_from_each_version(dbs):
    """In turn by the core as it starts, by `supertokens migrate`, and by hand; where the core
    may not, it says what to run, and serves once that is done."""
    all_scripts = scripts(dbs.kind)
    full = dbs.new()
    with dbs.core(full) as core:
        there = fill(core)
    for version in range(1, len(all_scripts)):
        at, rest = dbs.new(), all_scripts[version:]
        dbs.migrate(at, f"--to={version}")
        assert at.history() == all_scripts[:version]
        at.copy_from(full)
        how = ("core", "command", "hand")[version % 3]
        if how == "core":
            with dbs.core(at) as core:
                steps = re.findall(r"migrating \w+ (\S+) (\d+)/(\d+)", core.log_text())
                assert steps == [(name, str(i + 1), str(len(rest))) for i, name in enumerate(rest)]
                serves_it(core, there)
        else:
            r = dbs.command(at, "start", auto_migrate="false", startup_timeout=0)
            assert r.returncode == 1
            assert all(told_commands(r.stderr, name) for name in rest), r.stderr
            r = dbs.command(at, "migrate", "--status")
            assert r.returncode == 3 and r.stdout.count("pending") == len(rest)
            if how == "command":
                dbs.migrate(at)
            else:
                for name in rest:
                    at.by_hand(name)
                at.by_hand(rest[-1])  # once too often does no harm
            with dbs.core(at, auto_migrate="false") as core:
                assert "migrating" not in core.log_text()
                serves_it(core, there)
        assert at.history() == all_scripts and at.names() == full.names()


# ----------------------------------------------------- broken off in the middle

def created_by(kind, name):
    """The last table that a script makes."""
    with open(os.path.join(os.environ["STK_SRC"], "migration_scripts", kind, name
                           + (".json" if kind == "mongodb" else ".sql")), encoding="utf-8") as f:
        text = f.read()
    pattern = r'"create": "(\w+)"' if kind == "mongodb" else r"CREATE TABLE IF NOT EXISTS (\w+)"
    return re.findall(pattern, text)[-1]


@pytest.mark.parametrize("arrives", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dbs", KINDS[1:], indirect=True)
def test_killed_in_the_middle_of_a_script(dbs, arrives):
    """The core dies as it sends the making of a script's last table, before or after the
    server does it; the next one goes on from there.  (SQLite: tests/fault/test_start.py.)"""
    at, names = dbs.new(), scripts(dbs.kind)
    dbs.migrate(at, "--to=2")
    mark = created_by(dbs.kind, names[2]).encode()
    with TcpProxy(dbs.server.port) as proxy:
        core = Core(uri=at.where.replace(f":{dbs.server.port}/", f":{proxy.port}/"))

        def on_client(data):
            if mark not in data:
                return "pass"
            core.proc.kill()
            return "cut_after" if arrives else "cut"
        try:
            proxy.on_client = on_client
            core.spawn()
            wait_for(lambda: core.proc.poll() is not None, 30, "the core is killed")
            assert f"{names[2]} 1/" in core.log_text()
            core.kill()
            proxy.on_client = None
            core.start()
            serves_it(core, fill(core))
            assert core.stop() == 0
        finally:
            core.close()
    assert at.history() == names


@pytest.mark.parametrize("kind", KINDS[:3])
def test_disk_full_in_the_middle(small_disk, kind):
    """What the disk has no room for is said as such; with room again the next start goes on.
    (The server that stands in for MongoDB does not survive this.)"""
    server = None
    if kind == "postgresql":
        server = PostgresServer() if shutil.which("psql") else None
    elif kind == "mysql":
        server = or_skip(lambda: MariaDBServer(conf={
            "innodb_log_file_size": "8M", "innodb_buffer_pool_size": "8M"}))
    if kind != "sqlite" and not server:
        pytest.skip(f"no {kind} on this machine")
    dbs = Databases(kind, server, small_disk)
    try:
        if server:
            server.start()
        at = dbs.new()
        dbs.migrate(at, "--to=1")
        balloon = Balloon(small_disk)
        try:
            r = refused_by_full_disk(dbs, at)
        finally:
            balloon.prick()
        if server and not server.running():
            server.start()
        assert re.search(r"No space left on device|the disk is full", r.stderr), r.stderr
        with dbs.core(at) as core:
            serves_it(core, fill(core))
        assert at.history() == scripts(kind)
    finally:
        if server:
            server.close()


def refused_by_full_disk(dbs, at):
    """Goes on starting; the home of the core itself is on a disk with room."""
    home = tempfile.mkdtemp(prefix="stk-core-", dir="/tmp")
    try:
        r = dbs.command(at, "start", home=home, startup_timeout=2)
        assert r.returncode == 1, r.stdout + r.stderr
        return r
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_postgresql_no_privilege_in_the_middle(pg, name):
    """The right to make tables is taken away between two scripts."""
    pg.create_database(name)
    pg.create_user("m" + name[3:15], "secret")
    role, names = "m" + name[3:15], scripts("postgresql")
    pg.psql(f"GRANT ALL ON SCHEMA public TO {role}", name)
    dbs, at = Databases("postgresql", pg, None), Tables("postgresql", pg.uri(name, role, "secret"))
    dbs.migrate(at, "--to=2")
    pg.psql(f"REVOKE CREATE ON SCHEMA public FROM {role}; REVOKE CREATE ON SCHEMA public FROM public",
            name)
    r = dbs.command(at, "start", startup_timeout=0)
    last = r.stderr.rstrip().splitlines()[-1]
    assert r.returncode == 1 and names[2] in last, r.stderr
    pg.psql(re.search(r"GRANT [^;]*;", last)[0], name)
    with dbs.core(at) as core:
        serves_it(core, fill(core))
    assert at.history() == names


def test_mysql_no_privilege_in_the_middle(mariadb, name):
    """A script may make its first table and not its second, which is no one transaction there."""
    mariadb.create_database(name)
    role, names = name[:12], scripts("mysql")
    mariadb.sql(f"CREATE USER '{role}'@'%' IDENTIFIED BY 'secret'; GRANT ALL ON `{name}`.* TO '{role}'@'%'")
    dbs, at = Databases("mysql", mariadb, None), Tables("mysql", mariadb.uri(name, role, "secret"))
    dbs.migrate(at, "--to=2")
    mariadb.sql(f"REVOKE CREATE ON `{name}`.* FROM '{role}'@'%'; "
                f"GRANT CREATE ON `{name}`.st_passwordless_devices TO '{role}'@'%'")
    r = dbs.command(at, "start", startup_timeout=0)
    last = r.stderr.rstrip().splitlines()[-1]
    assert r.returncode == 1 and names[2] in last, r.stderr
    assert "st_passwordless_devices" in at.names() and "st_passwordless_codes" not in at.names()
    mariadb.sql(re.search(r"GRANT [^;]*;", last)[0])
    with dbs.core(at) as core:
        serves_it(core, fill(core))
    assert at.history() == names


# ----------------------------------------------------------- a rolling upgrade

def test_older_core_on_a_newer_schema(dbs):
    """It serves what a newer core's scripts have made of the schema, unless they say that it
    may not."""
    at, newest = dbs.new(), len(scripts(dbs.kind))
    with dbs.core(at) as core:
        there = fill(core)
        at.expand(newest + 1, compat=1)
        core.at(there[0]).post("/recipe/signin", USERS[0]).ok()  # in the middle of its service
    with dbs.core(at) as core:
        serves_it(core, there)
    if dbs.kind == "mongodb":
        at._mongo()["st_schema_version"].update_one({"_id": newest + 1},
                                                    {"$set": {"compat": newest + 1}})
    else:
        at.run(f"UPDATE st_schema_version SET compat = {newest + 1} WHERE version = {newest + 1}")
    r = dbs.command(at, "start", startup_timeout=0)
    assert r.returncode == 1
    assert f"needs a core that knows version {newest + 1}, this one knows {newest}" in r.stderr


# ------------------------------------------------------------- what somebody changed

def mark_as_edited(at, sha256):
    """Another hash than that of the second script, in its record; the one that was there."""
    if at.kind == "mongodb":
        before = at._mongo()["st_schema_version"].find_one_and_update(
            {"_id": 2}, {"$set": {"sha256": sha256}})
        return before["sha256"]
    ((before,),) = at.run("SELECT sha256 FROM st_schema_version WHERE version = 2")
    before = before.decode() if isinstance(before, bytes) else before
    at.run(f"UPDATE st_schema_version SET sha256 = '{sha256}' WHERE version = 2")
    return before


def test_edited_scripts_and_dropped_tables(dbs):
    """Both are refused with what and why; the remedies of the messages mend."""
    at = dbs.new()
    dbs.migrate(at)

    def refused(row):
        r = dbs.command(at, "start", startup_timeout=0)
        assert r.returncode == 1
        documented(r.stderr.rstrip().splitlines()[-1], row)
        return r.stderr.rstrip().splitlines()[-1]
    before = mark_as_edited(at, "0" * 64)
    assert scripts(dbs.kind)[1] in refused("was changed after it was applied")
    mark_as_edited(at, before)
    if dbs.kind == "mongodb":
        at._mongo()["st_user_metadata"].drop()
    else:
        at.run("DROP TABLE st_user_metadata")
    told = refused("the schema lacks")
    assert "table st_user_metadata. " in told
    # its history says that all is there
    assert dbs.command(at, "migrate").stderr.rstrip().splitlines()[-1] == told
    assert f"migration_scripts/{dbs.kind}, run by hand" in told
    for script in scripts(dbs.kind):
        at.by_hand(script)
    with dbs.core(at) as core:
        serves_it(core, fill(core))
