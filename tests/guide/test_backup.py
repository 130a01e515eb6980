# SPDX-License-Identifier: Apache-2.0
"""Backups taken while the core serves, and restored: it starts on them and every user who had
signed up before signs in.  The commands run as the guide's own user, by the guide's words."""

import os
import shutil
import sqlite3
import subprocess

import pytest

from conftest import USER, USER_PASSWORD, by_the_book
from core import Core
from core_fixtures import or_skip
from history import PASSWORD, History
from mysql_servers import MariaDBServer
from servers import (NEWEST_POSTGRES, MongoServer, PostgresServer, ServerError, child_env,
                     mongod_of_tests, wait_for)

def run(argv, env=None, stdin=None, stdout=None):
    r = subprocess.run(argv, stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.PIPE,
                       stderr=subprocess.PIPE, env=env or child_env(), check=False, timeout=120)
    assert r.returncode == 0, r.stderr.decode()
    return r


def back_up_under_load(core, take):
    """Calls take() while clients work; the users that were acknowledged before it and not
    removed after."""
    with History(core.app(app_id="a1")) as h:
        h.progress(60)
        with h.lock:
            known = dict(h.users)
        take()
        h.progress(20)
    h.check()
    return {email: user for email, user in known.items() if email in h.users}


def sign_in_all(core, known):
    app = core.at("/appid-a1")
    for email, user_id in known.items():
        told = app.post("/recipe/signin", {"email": email, "password": PASSWORD}).ok()
        assert told["user"]["id"] == user_id
    app.post("/recipe/signup", {"email": "new@example.com", "password": PASSWORD}).ok()


# ------------------------------------------------------------------ PostgreSQL

def test_pg_dump_and_psql(pg, name, tmp_path):
    backup = tmp_path / "backup.sql"
    env = child_env(PGPASSWORD=USER_PASSWORD)
    where = ["-U", USER, "-h", "localhost", "-p", str(pg.port)]

    def dump():
        with open(backup, "wb") as f:
            run(["pg_dump", *where, name], env, stdout=f)
    with Core(uri=by_the_book(pg, name)) as core:
        known = back_up_under_load(core, dump)
    restored = by_the_book(pg, name + "_r")
    with open(backup, "rb") as f:
        run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, name + "_r"], env, stdin=f)
    with Core(uri=restored) as core:
        sign_in_all(core, known)
        assert "migrating" not in core.log_text()


@pytest.mark.skipif(os.environ.get("STK_HEAVY") == "0", reason="other servers are heavy")
def test_dump_of_the_oldest_into_the_newest(tmp_path):
    """The guide's statements on PostgreSQL 11 and on 18, and its dump from one to the other."""
    backup = tmp_path / "backup.sql"
    env = child_env(PGPASSWORD=USER_PASSWORD)
    try:
        old, new = PostgresServer("11"), PostgresServer(NEWEST_POSTGRES)
    except (ServerError, subprocess.CalledProcessError) as e:
        pytest.skip(str(e))

    def where(server):
        return ["-U", USER, "-h", "localhost", "-p", str(server.port)]

    def dump():
        with open(backup, "wb") as f:
            run(["pg_dump", *where(old), "supertokens"], env, stdout=f)
    with old, new:
        with Core(uri=by_the_book(old, "supertokens")) as core:
            known = back_up_under_load(core, dump)
        uri = by_the_book(new, "supertokens")
        with open(backup, "rb") as f:
            told = run(["psql", "-X", "-q", *where(new), "supertokens"], env, stdin=f).stderr
        # the grants of the schema, which is not the user's, are there already
        told = told.decode().splitlines()
        assert all("schema public" in line for line in told if line.startswith("ERROR")), told
        with Core(uri=uri) as core:
            sign_in_all(core, known)
            assert "migrating" not in core.log_text()


def test_point_in_time_recovery(tmp_path):
    """A base backup while serving, the archived log, and a new server from both."""
    if not shutil.which("pg_basebackup"):
        pytest.skip("no PostgreSQL on this machine")
    pg = PostgresServer()
    archive = os.path.join(pg.home, "archive")
    os.mkdir(archive)
    if pg.user:
        os.chown(archive, pg.user.pw_uid, pg.user.pw_gid)
    pg.conf = {"archive_mode": "on", "archive_command": f"cp %p {archive}/%f"}
    copies = []
    with pg:
        uri = by_the_book(pg, "supertokens")
        with Core(uri=uri) as core:
            known = back_up_under_load(core, lambda: copies.append(pg.replica()))
        segment = pg.psql("SELECT pg_walfile_name(pg_switch_wal())")
        wait_for(lambda: os.path.exists(os.path.join(archive, segment)), 20, "archived")
        copy = copies[0]
        # not a standby any more: what the archive has, and then a server of its own
        os.remove(os.path.join(copy.data, "standby.signal"))
        with open(os.path.join(copy.data, "postgresql.auto.conf"), "a", encoding="utf-8") as f:
            f.write(f"primary_conninfo = ''\narchive_mode = off\n"
                    f"restore_command = 'cp {archive}/%f %p'\n")
        open(os.path.join(copy.data, "recovery.signal"), "w", encoding="utf-8").close()
        pg.stop()
        with copy:
            wait_for(lambda: copy.psql("SELECT pg_is_in_recovery()") == "f", 30, "recovered")
            with Core(uri=copy.uri("supertokens", USER, USER_PASSWORD)) as core:
                sign_in_all(core, known)


def test_base_backup_as_archives(tmp_path):
    """pg_basebackup -D FOLDER -F tar -z -P while serving, by a role that may replicate, which
    the core's own may not; unpacked, it is a server."""
    if not shutil.which("pg_basebackup"):
        pytest.skip("no PostgreSQL on this machine")
    folder = tmp_path / "base"
    with PostgresServer() as pg, PostgresServer() as copy:
        uri = by_the_book(pg, "supertokens")
        pg.psql("CREATE ROLE backup LOGIN REPLICATION PASSWORD 'b'")

        def base_backup(user, password):
            return subprocess.run(
                ["pg_basebackup", "-D", folder, "-F", "tar", "-z", "-P", "-h", "localhost", "-p",
                 str(pg.port), "-U", user, "-c", "fast"], env=child_env(PGPASSWORD=password),
                capture_output=True, text=True, check=False, timeout=120)
        assert "replication role" in base_backup(USER, USER_PASSWORD).stderr
        with Core(uri=uri) as core:
            done = []
            known = back_up_under_load(core, lambda: done.append(base_backup("backup", "b")))
        assert done[0].returncode == 0 and "100%" in done[0].stderr, done[0].stderr
        pg.stop()
        copy.stop()
        own = ("postgresql.conf", "pg_hba.conf")
        kept = {name: open(os.path.join(copy.data, name), encoding="utf-8").read() for name in own}
        shutil.rmtree(copy.data)
        for archive, to in (("base.tar.gz", copy.data), ("pg_wal.tar.gz", copy.data + "/pg_wal")):
            os.makedirs(to, exist_ok=True)
            run(["tar", "-xzf", folder / archive, "-C", to])
        for name, text in kept.items():
            copy.write(os.path.join("data", name), text)
        if copy.user:
            run(["chown", "-R", copy.user.pw_name, copy.data])
        os.chmod(copy.data, 0o700)
        copy.start()
        with Core(uri=copy.uri("supertokens", USER, USER_PASSWORD)) as core:
            sign_in_all(core, known)


# ----------------------------------------------------------------- MySQL

@pytest.mark.parametrize("option", [None, "--single-transaction"])
def test_mysqldump_and_mysql(mariadb, name, tmp_path, option):
    """By a user who has no PROCESS privilege; without the option it locks the tables."""
    backup = tmp_path / "backup.sql"
    dumper = shutil.which("mariadb-dump") or shutil.which("mysqldump")
    client = shutil.which("mariadb") or shutil.which("mysql")
    env = child_env(MYSQL_PWD=USER_PASSWORD)
    where = ["--no-defaults", "--protocol=TCP", "-h", "127.0.0.1", "-P", str(mariadb.port),
             "-u", USER]

    def dump():
        with open(backup, "wb") as f:
            run([dumper, *where, *([option] if option else []), name], env, stdout=f)
    with Core(uri=mariadb.create_database(name)) as core:
        known = back_up_under_load(core, dump)
    restored = mariadb.create_database(name + "_r")
    with open(backup, "rb") as f:
        run([client, *where, name + "_r"], env, stdin=f)
    with Core(uri=restored) as core:
        sign_in_all(core, known)
        assert "migrating" not in core.log_text()


def test_binlog_replica():
    """The guide's log_bin and server_id; a replica takes over."""
    with or_skip(lambda: MariaDBServer(conf={"log_bin": "mysql-bin", "server_id": 1})) as primary, \
            MariaDBServer(conf={"server_id": 2}) as replica:
        primary.sql("CREATE USER 'copy'@'%' IDENTIFIED BY 'copy'; "
                    "GRANT REPLICATION SLAVE ON *.* TO 'copy'@'%';")
        replica.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, "
                    "MASTER_USER='copy', MASTER_PASSWORD='copy', MASTER_USE_GTID=slave_pos; "
                    "START SLAVE;")
        with Core(uri=primary.create_database("supertokens")) as core:
            known = back_up_under_load(core, lambda: None)
        there = primary.sql("SELECT @@gtid_current_pos")
        assert replica.sql(f"SELECT MASTER_GTID_WAIT('{there}', 30)") == "0"
        primary.kill()
        replica.sql("STOP SLAVE; RESET SLAVE ALL;")
        with Core(uri=replica.uri("supertokens")) as core:
            sign_in_all(core, known)


# -------------------------------------------------------- SQLite and MongoDB

@pytest.mark.parametrize("how", ["backup", "copy"])
def test_sqlite(tmp_path, how):
    path, copy = str(tmp_path / "live.db"), str(tmp_path / "copy.db")
    def take():
        if how == "backup":
            run(["sqlite3", "-cmd", ".timeout 10000", path, f".backup '{copy}'"])
    with Core(sqlite_path=path) as core:
        known = back_up_under_load(core, take)
    if how == "copy":
        # stopped, the file is whole: the log beside it was written back
        assert not os.path.exists(path + "-wal") or os.path.getsize(path + "-wal") == 0
        shutil.copyfile(path, copy)
    db = sqlite3.connect(copy)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    with Core(sqlite_path=copy) as core:
        sign_in_all(core, known)
        assert "migrating" not in core.log_text()


def test_mongodb_dump(tmp_path):
    """Every document of every collection as BSON, as mongodump writes them.  Like it, the
    dump of a serving database spans collections at different moments, so this one is taken
    between two requests."""
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    from bson import decode_all
    from bson.raw_bson import RawBSONDocument, DEFAULT_RAW_BSON_OPTIONS
    with MongoServer() as mongo:
        with Core(uri=mongo.create_database("supertokens")) as core:
            known = back_up_under_load(core, lambda: None)
            db = mongo.client().get_database("supertokens", codec_options=DEFAULT_RAW_BSON_OPTIONS)
            for name in db.list_collection_names():
                with open(tmp_path / name, "wb") as f:
                    f.writelines(doc.raw for doc in db[name].find())
        restored = mongo.create_database("restored")
        with Core(uri=restored):
            pass  # the collections with their validators and indexes
        db = mongo.client()["restored"]
        for name in os.listdir(tmp_path):
            db[name].delete_many({})
            with open(tmp_path / name, "rb") as f:
                docs = [RawBSONDocument(d.raw) for d in decode_all(
                    f.read(), codec_options=DEFAULT_RAW_BSON_OPTIONS)]
            if docs:
                db[name].insert_many(docs)
        with Core(uri=restored) as core:
            sign_in_all(core, known)
            assert "migrating" not in core.log_text()
