# SPDX-License-Identifier: Apache-2.0
"""Scripts: applied once whoever comes, by cores at the same time or by hand, and
what is said when they cannot be."""

import os
import subprocess
import threading

import model as m
import pytest
from conftest import numbers, plugin_path
from driver_migrations import *  # noqa: F403
from driver_migrations import (APPLIED, EMPTY, PENDING, Scripts, cores_at_once, shipped,
                               shipped_files)
from servers import PgBouncer, PostgresServer, child_env, wait_for
from stkabi import Catalog, StkError

LOCK = "7310868735422148"


def script(version, name, body, compat=1):
    return (f"{version:03}_{name}", f"""-- {name}
BEGIN;
SELECT pg_advisory_xact_lock({LOCK});

CREATE TABLE IF NOT EXISTS st_schema_version (
    version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL,
    compat INTEGER NOT NULL, sha256 TEXT);
{body}
INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES ({version}, '{version:03}_{name}', 1, {compat}) ON CONFLICT DO NOTHING;
COMMIT;
""")


ONE = script(1, "initial", "CREATE TABLE IF NOT EXISTS st_one (a BIGINT PRIMARY KEY);")
TWO = script(2, "more", "ALTER TABLE st_one ADD COLUMN IF NOT EXISTS b TEXT; "
                        "CREATE INDEX IF NOT EXISTS st_one_b ON st_one (b);")
BOTH = [ONE, TWO]


@pytest.fixture
def scripts():
    return Scripts(script, BOTH)


def test_a_failing_script_leaves_nothing(db, name, pg):
    bad = script(2, "bad", "CREATE TABLE st_half (a BIGINT); CREATE TABLE st_one (a BIGINT);")
    with pytest.raises(StkError) as e:
        db.migrate([ONE, bad])
    assert "002_bad failed" in e.value.message and "already exists" in e.value.message
    assert pg.psql("SELECT to_regclass('st_half') IS NULL", name) == "t"
    assert db.migration_status([ONE, bad]) == [(1, APPLIED), (2, PENDING)]
    assert db.migrate(BOTH) == [(2, 1, 1)]


def test_progress_can_stop(db):
    with pytest.raises(StkError) as e:
        db.migrate(BOTH, progress=lambda p: 1)
    assert e.value.status == "ABORTED"
    assert db.migration_status(BOTH) == [(1, APPLIED), (2, PENDING)]


def test_a_script_run_by_hand_is_waited_for(db, pg, name):
    holder = subprocess.Popen(
        ["psql", "-X", "-q", "-A", "-t", "-h", pg.home, "-p", str(pg.port), "-U", "postgres", "-d", name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child_env())
    holder.stdin.write(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK}); SELECT 'held';\n")
    holder.stdin.flush()
    while "held" not in holder.stdout.readline():
        pass
    done = []
    t = threading.Thread(target=lambda: done.append(db.migrate(BOTH)))
    t.start()
    wait_for(lambda: pg.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT "
                             "granted") == "1", what="it waits for the lock")
    assert not done
    holder.communicate("COMMIT;\n")
    t.join()
    assert done == [[(1, 1, 2), (2, 2, 2)]]


@pytest.mark.parametrize("through", ["server", "pgbouncer"])
def test_cores_that_start_at_once(plugin, through):
    with PostgresServer() as server:
        server.create_database("d")
        front = PgBouncer(server).start() if through == "pgbouncer" else server
        try:
            cores_at_once(plugin, plugin_path(), front.uri("d"), BOTH)
            assert server.rows("SELECT version FROM st_schema_version ORDER BY 1", "d") == [
                ("1",), ("2",)]
            assert server.log_errors() == []
        finally:
            if front is not server:
                front.close()


# ------------------------------------------------------------------ privileges

def test_public_of_postgresql_15_needs_a_grant(plugin, pg, database, name):
    user = f"app_{name}"
    pg.create_user(user, "pw")
    pg.psql(f"GRANT ALL PRIVILEGES ON DATABASE {name} TO {user}")  # the guide's first step alone
    mark = pg.log_mark()
    with plugin.open({"postgresql_connection_uri": pg.uri(name, user, "pw")}, EMPTY) as db:
        with pytest.raises(StkError) as e:
            db.migrate(BOTH)
        assert e.value.status == "DENIED"
        assert f'GRANT ALL ON SCHEMA "public" TO "{user}";' in e.value.message
        assert pg.log_errors(mark) == []
        pg.psql(f"GRANT ALL ON SCHEMA public TO {user}", name)
        assert len(db.migrate(BOTH)) == 2


def test_a_schema_of_its_own_is_created(plugin, pg, database, name):
    for schema in ("tokens", 'we"ird Schema'):
        options = {"postgresql_connection_uri": database, "postgresql_table_schema": schema}
        with plugin.open(options, m.catalog) as db:
            db.migrate(BOTH)
            db.ensure()
            db.verify()
            db.exec([m.once("a", 1, ""), m.get_pair("a")])
        assert pg.psql("SELECT count(*) FROM pg_tables WHERE tablename = 'st_one' AND schemaname "
                       "= '" + schema + "'", name) == "1"
    assert pg.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == "0"


def test_a_schema_that_may_not_be_created(plugin, pg, database, name):
    user = f"weak_{name}"
    pg.create_user(user, "pw")
    mark = pg.log_mark()
    options = {"postgresql_connection_uri": pg.uri(name, user, "pw"),
               "postgresql_table_schema": "tokens"}
    with plugin.open(options, EMPTY) as db:
        with pytest.raises(StkError) as e:
            db.migrate(BOTH)
    assert e.value.status == "DENIED"
    assert f'CREATE SCHEMA "tokens" AUTHORIZATION "{user}";' in e.value.message
    assert pg.log_errors(mark) == []


# --------------------------------------------------------- verify, ensure, drop

def test_verify_names_what_is_missing(plugin, pg, database, name):
    with plugin.open({"postgresql_connection_uri": database}, m.catalog) as db:
        db.ensure()
        db.ensure()  # nothing to do
        db.verify()
        for sql, word in (("ALTER TABLE st_item DROP COLUMN n2", "n2"),
                          ("DROP INDEX st_item_by_n", "by_n"),
                          ("ALTER TABLE st_item DROP CONSTRAINT st_item_pkey", "key"),
                          ("DROP TABLE st_pair", "st_pair")):
            pg.psql(sql, name)
            with pytest.raises(StkError) as e:
                db.verify()
            assert e.value.status == "SCHEMA" and word in e.value.message
            if "pkey" not in sql:
                db.ensure()
                db.verify()
            else:
                pg.psql("ALTER TABLE st_item ADD PRIMARY KEY (app, id)", name)
        db.drop()
        assert pg.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == "0"


# ------------------------------------------------------------- the real scripts

def test_the_shipped_scripts_on_each_server(plugin, backend):
    auto, hand = (f"{kind}{next(numbers)}" for kind in ("auto", "hand"))
    backend.server.create_database(auto)
    backend.server.create_database(hand)
    mark = backend.server.log_mark()
    scripts = shipped(plugin)
    catalog = Catalog([], [], version=len(scripts))
    with plugin.open({"postgresql_connection_uri": backend.uri(auto)}, catalog) as db:
        assert len(db.migrate(scripts)) == len(scripts)
        assert db.migrate(scripts) == []
    for path in shipped_files(plugin) * 2:
        with open(path, encoding="utf-8") as f:
            backend.server.write("script.sql", f.read(), 0o644)
        code, out = backend.server.run_file(os.path.join(backend.server.home, "script.sql"),
                                            hand)
        assert code == 0, out
    with plugin.open({"postgresql_connection_uri": backend.uri(hand)}, catalog) as db:
        assert db.migrate(scripts) == []
    columns = ("SELECT table_name, column_name, data_type, is_nullable, collation_name FROM "
               "information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2")
    assert backend.server.rows(columns, auto) == backend.server.rows(columns, hand)
    assert backend.server.log_errors(mark) == []
