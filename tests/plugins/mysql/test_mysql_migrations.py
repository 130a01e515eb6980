# SPDX-License-Identifier: Apache-2.0
"""Scripts: applied once whoever comes, by cores at the same time or by hand, resumed where
they broke off, and what is said when they cannot be."""

from concurrent.futures import ThreadPoolExecutor

import model as m
import pytest
from driver_migrations import *  # noqa: F403
from driver_migrations import (APPLIED, EMPTY, PENDING, Scripts, core, cores_at_once, go, shipped,
                               shipped_files)
from servers import wait_for
from stkabi import Catalog, StkError


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


@pytest.fixture
def scripts():
    return Scripts(script, BOTH)


def test_the_lock_is_given_back(db, server, name):
    db.migrate(BOTH)
    assert server.rows("SELECT owner, lease_until FROM st_migration_lock", name) == [("", "0")]


def test_a_failing_script_is_resumed(db, server, name):
    bad = script(2, "more", GUARDED + "\nCREATE TABLE st_one (a BIGINT);")
    with pytest.raises(StkError) as e:
        db.migrate([ONE, bad])
    assert "002_more failed" in e.value.message and "already exists" in e.value.message
    assert db.migration_status([ONE, bad]) == [(1, APPLIED), (2, PENDING)]
    assert server.sql("SELECT owner = '' FROM st_migration_lock", name) == "1"
    assert db.migrate(BOTH) == [(2, 1, 1)]  # its first half was there already


def test_cores_that_start_at_once(plugin, so, server, database, name):
    cores_at_once(plugin, so, database, BOTH)
    assert server.rows("SELECT version FROM st_schema_version ORDER BY 1", name) == [("1",), ("2",)]


def test_killed_in_the_middle_and_resumed(so, plugin, server, database, name):
    slow = script(2, "more", GUARDED + "\nDO SLEEP(30);")
    c = core(plugin, so, database, [ONE, slow])
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
    c = core(plugin, so, database, [ONE, slow])
    go(c)
    query = "SELECT coalesce(max(lease_until), 0) FROM st_migration_lock"
    wait_for(lambda: server.sql(
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'st_migration_lock' AND "
        f"table_schema = '{name}'") == "1", what="the table of the lock")
    wait_for(lambda: server.sql(query, name) != "0", what="it has the lock")
    first = int(server.sql(query, name))
    wait_for(lambda: int(server.sql(query, name)) > first + 2000, what="the lease is prolonged")
    assert c.communicate()[0].strip() == "2"


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


# ------------------------------------------------------------- the real scripts

def test_the_shipped_scripts(plugin, server, name, database):
    hand = server.create_database(name + "_hand")
    scripts = shipped(plugin)
    catalog = Catalog([], [], version=len(scripts))
    with plugin.open({"mysql_connection_uri": database}, catalog) as db:
        assert len(db.migrate(scripts)) == len(scripts)
        assert db.migrate(scripts) == []
    for path in shipped_files(plugin) * 2:
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
