# SPDX-License-Identifier: Apache-2.0
"""Scripts: applied once whoever comes, by cores at the same time or by hand, resumed where
they broke off, and what is said when they cannot be."""

import glob
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import model as m
import pytest
from servers import wait_for
from stkabi import Catalog, StkError

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PENDING, APPLIED, EDITED, UNKNOWN = 1, 2, 3, 4


def script(version, name, body, compat=1):
    return (f"{version:03}_{name}", f"""-- {name}; with a semicolon
CREATE TABLE IF NOT EXISTS st_schema_version (
    version INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at BIGINT NOT NULL,
    compat INTEGER NOT NULL, sha256 CHAR(64));
{body}
INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES ({version}, '{version:03}_{name}', 1, {compat}) ON DUPLICATE KEY UPDATE version = version;
""")


# How a later script adds a column: no routine, no DELIMITER, and twice is harmless.
GUARDED = """SET @s = IF((SELECT count(*) FROM information_schema.columns WHERE table_schema =
    DATABASE() AND table_name = 'st_one' AND column_name = 'b') = 0,
    'ALTER TABLE st_one ADD COLUMN b VARBINARY(64), ADD KEY b (b)', 'DO 0');
PREPARE s FROM @s; EXECUTE s; DEALLOCATE PREPARE s; /* done; */"""
ONE = script(1, "initial", "CREATE TABLE IF NOT EXISTS st_one (a BIGINT PRIMARY KEY, c VARCHAR(9) "
                           "DEFAULT 'a;''b');")
TWO = script(2, "more", GUARDED)
BOTH = [ONE, TWO]
EMPTY = Catalog([], [], version=2)


@pytest.fixture
def db(plugin, database):
    with plugin.open({"mysql_connection_uri": database}, EMPTY) as handle:
        yield handle


def test_applies_what_is_pending_once(db, server, name):
    assert db.migration_status(BOTH) == [(1, PENDING), (2, PENDING)]
    assert db.migrate(BOTH, dry_run=True) == [(1, 1, 2), (2, 2, 2)]
    assert db.migration_status(BOTH) == [(1, PENDING), (2, PENDING)]
    assert db.migrate(BOTH, to=1) == [(1, 1, 1)]
    assert db.migrate(BOTH) == [(2, 1, 1)]
    assert db.migrate(BOTH) == []
    assert db.migration_status(BOTH) == [(1, APPLIED), (2, APPLIED)]
    assert server.rows("SELECT version, name, sha256 IS NOT NULL FROM st_schema_version ORDER BY 1",
                       name) == [("1", "001_initial", "1"), ("2", "002_more", "1")]
    assert server.rows("SELECT owner, lease_until FROM st_migration_lock", name) == [("", "0")]


def test_by_hand_gives_the_same(db, server, name, tmp_path):
    for file, body in BOTH:
        (tmp_path / file).write_text(body)
        for _ in range(2):  # twice is harmless
            code, out = server.run_file(str(tmp_path / file), name)
            assert code == 0, out
    assert db.migration_status(BOTH) == [(1, APPLIED), (2, APPLIED)]
    assert db.migrate(BOTH) == []
    assert server.sql("SELECT count(*) FROM st_schema_version WHERE sha256 IS NULL", name) == "0"


def test_edited_scripts_are_refused(db, server, name):
    db.migrate(BOTH)
    changed = [script(1, "initial", "SELECT 1;"), TWO]
    assert db.migration_status(changed)[0] == (1, EDITED)
    with pytest.raises(StkError) as e:
        db.migrate(changed)
    assert e.value.status == "SCHEMA" and "001_initial was edited" in e.value.message
    server.sql("DELETE FROM st_schema_version WHERE version = 1", name)
    with pytest.raises(StkError) as e:
        db.migrate(BOTH)
    assert e.value.status == "SCHEMA" and "source" in e.value.message


def test_a_newer_schema_is_served_unless_it_says_no(db, server, name):
    db.migrate(BOTH)
    server.sql("INSERT INTO st_schema_version VALUES (3, '003_later', 1, 2, NULL)", name)
    assert db.migrate(BOTH) == []
    assert db.migration_status(BOTH)[-1] == (3, UNKNOWN)
    server.sql("UPDATE st_schema_version SET compat = 3 WHERE version = 3", name)
    with pytest.raises(StkError) as e:
        db.migrate(BOTH)
    assert e.value.status == "SCHEMA" and "newer" in e.value.message


def test_a_failing_script_is_resumed(db, server, name):
    bad = script(2, "more", GUARDED + "\nCREATE TABLE st_one (a BIGINT);")
    with pytest.raises(StkError) as e:
        db.migrate([ONE, bad])
    assert "002_more failed" in e.value.message and "already exists" in e.value.message
    assert db.migration_status([ONE, bad]) == [(1, APPLIED), (2, PENDING)]
    assert server.sql("SELECT owner = '' FROM st_migration_lock", name) == "1"
    assert db.migrate(BOTH) == [(2, 1, 1)]  # its first half was there already


CORE = """
import sys
sys.path[:0] = [{lib!r}]
sys.path += [{here!r}, {model!r}]
from stkabi import Plugin
from test_mysql_migrations import BOTH, EMPTY, script, ONE
scripts = {scripts}
print("ready", flush=True)
sys.stdin.readline()
with Plugin({so!r}).open({{"mysql_connection_uri": {uri!r}}}, EMPTY) as db:
    print(len(db.migrate(scripts)))
"""


def core(so, uri, scripts="BOTH"):
    here = os.path.dirname(__file__)
    code = CORE.format(lib=os.path.join(ROOT, "tests", "lib"), here=here, scripts=scripts, so=so, uri=uri,
                       model=os.path.join(ROOT, "tests", "plugins", "postgresql"))
    c = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
    assert c.stdout.readline() == "ready\n"
    return c


def go(c):
    c.stdin.write("\n")
    c.stdin.flush()


def test_cores_that_start_at_once(so, server, database, name):
    cores = [core(so, database) for _ in range(5)]
    for c in cores:
        go(c)
    out = [c.communicate()[0].strip() for c in cores]
    assert [c.returncode for c in cores] == [0] * 5
    assert sum(map(int, out)) >= 2 and set(out) <= {"0", "1", "2"}
    assert server.rows("SELECT version FROM st_schema_version ORDER BY 1", name) == [("1",), ("2",)]


def test_killed_in_the_middle_and_resumed(so, plugin, server, database, name):
    slow = script(2, "more", GUARDED + "\nDO SLEEP(30);")
    c = core(so, database, f"[ONE, {slow!r}]")
    go(c)
    wait_for(lambda: "SLEEP" in server.sql(
        f"SELECT coalesce(group_concat(info), '') FROM information_schema.processlist WHERE db = '{name}'"),
        what="it is in the middle")
    assert server.sql("SELECT owner <> '' FROM st_migration_lock", name) == "1"
    c.kill()
    c.communicate()
    # The next core waits until the lease of the dead one has run out.
    with plugin.open({"mysql_connection_uri": database}, EMPTY) as db:
        assert db.migration_status(BOTH) == [(1, APPLIED), (2, PENDING)]
        assert db.migrate(BOTH) == [(2, 1, 1)]
    assert server.sql("SELECT count(*) FROM information_schema.columns WHERE table_schema = "
                      f"'{name}' AND table_name = 'st_one'") == "3"


def test_a_long_statement_keeps_the_lease(so, plugin, server, database, name):
    slow = script(2, "more", GUARDED + "\nDO SLEEP(7);")
    c = core(so, database, f"[ONE, {slow!r}]")
    go(c)
    query = "SELECT coalesce(max(lease_until), 0) FROM st_migration_lock"
    wait_for(lambda: server.sql(
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'st_migration_lock' AND "
        f"table_schema = '{name}'") == "1", what="the table of the lock")
    wait_for(lambda: server.sql(query, name) != "0", what="it has the lock")
    first = int(server.sql(query, name))
    wait_for(lambda: int(server.sql(query, name)) > first + 2000, what="the lease is prolonged")
    assert c.communicate()[0].strip() == "2"


def test_threads_of_one_core_migrate_at_once(plugin, database):
    box = []

    def run():
        with plugin.open({"mysql_connection_uri": database}, EMPTY) as db:
            box.append(db.migrate(BOTH))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(box) == 6


@pytest.mark.usefixtures("database")
def test_a_user_that_may_not_create(plugin, server, name):
    server.sql("CREATE USER IF NOT EXISTS 'reader'@'%' IDENTIFIED BY 'p'; "
               f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO 'reader'@'%'")
    with plugin.open({"mysql_connection_uri": server.uri(name, "reader", "p")}, EMPTY) as db:
        assert db.migration_status(BOTH) == [(1, PENDING), (2, PENDING)]
        with pytest.raises(StkError) as e:
            db.migrate(BOTH)
        assert e.value.status == "DENIED"
        assert f"GRANT ALL PRIVILEGES ON `{name}`.* TO 'reader'@'%';" in e.value.message


# --------------------------------------------------------- verify, ensure, drop

def test_verify_names_what_is_missing(plugin, server, database, name):
    with plugin.open({"mysql_connection_uri": database}, m.catalog) as db:
        db.ensure()
        db.ensure()  # nothing to do
        db.verify()
        for sql, word in (("ALTER TABLE st_item DROP COLUMN n2", "n2"),
                          ("DROP INDEX by_n ON st_item", "by_n"),
                          ("DROP INDEX by_n ON st_item; CREATE INDEX by_n ON st_item (app(3), n, id)",
                           "by_n"),
                          ("DROP TABLE st_pair", "st_pair")):
            server.sql(sql, name)
            with pytest.raises(StkError) as e:
                db.verify()
            assert e.value.status == "SCHEMA" and word in e.value.message
            if "app(3)" in sql:
                server.sql("DROP INDEX by_n ON st_item", name)
            db.ensure()
            db.verify()
        db.drop()
        assert server.sql("SELECT count(*) FROM information_schema.tables WHERE table_schema = "
                          f"'{name}'") == "0"
        db.ensure()


def test_cores_that_drop_and_make_at_once(plugin, server, database, name):
    """The table of the lock goes with the others; who waited for it makes it anew."""
    def both():
        with plugin.open({"mysql_connection_uri": database}, m.catalog) as db:
            for _ in range(3):
                db.ensure()
                db.drop()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(both) for _ in range(4)]:
            done.result()
    assert server.sql("SELECT count(*) FROM information_schema.tables WHERE table_schema = "
                      f"'{name}'") == "0"


def test_drop_needs_a_scratch_handle(plugin, database):
    with plugin.open({"mysql_connection_uri": database}, m.catalog, scratch=False) as db:
        db.ensure()
        with pytest.raises(StkError) as e:
            db.drop()
        assert e.value.status == "INVALID"
        db.verify()


# ------------------------------------------------------------- the real scripts

SHIPPED = sorted(glob.glob(os.path.join(ROOT, "migration_scripts", "mysql", "*.sql")))


def shipped(plugin):
    return [(plugin.v.migrations[i].name.decode(), plugin.v.migrations[i].text.decode())
            for i in range(plugin.v.nmigrations)]


def test_the_shipped_scripts(plugin, server, name, database):
    assert [n for n, _ in shipped(plugin)] == [os.path.basename(p)[:-4] for p in SHIPPED]
    hand = server.create_database(name + "_hand")
    scripts = shipped(plugin)
    catalog = Catalog([], [], version=len(scripts))
    with plugin.open({"mysql_connection_uri": database}, catalog) as db:
        assert len(db.migrate(scripts)) == len(scripts)
        assert db.migrate(scripts) == []
    for path in SHIPPED * 2:
        code, out = server.run_file(path, name + "_hand")
        assert code == 0, out
    with plugin.open({"mysql_connection_uri": hand}, catalog) as db:
        assert db.migrate(scripts) == []
    columns = ("SELECT table_name, column_name, column_type, is_nullable, collation_name FROM "
               "information_schema.columns WHERE table_schema = DATABASE() AND table_name <> "
               "'st_migration_lock' ORDER BY 1, 2")
    assert server.rows(columns, name) == server.rows(columns, name + "_hand")
    assert server.sql("SELECT count(*) FROM st_schema_version WHERE applied_at BETWEEN 1600000000000 "
                      "AND 4000000000000", name + "_hand") == str(len(scripts))
