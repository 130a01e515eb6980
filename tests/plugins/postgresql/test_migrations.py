# SPDX-License-Identifier: Apache-2.0
"""Scripts: applied once whoever comes, by cores at the same time or by hand, and
what is said when they cannot be."""

import glob
import os
import subprocess
import sys
import threading

import pytest
import model as m
from conftest import ROOT, numbers, plugin_path
from servers import PgBouncer, PostgresServer, child_env, wait_for
from stkabi import Catalog, StkError

PENDING, APPLIED, EDITED, UNKNOWN = 1, 2, 3, 4
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
EMPTY = Catalog([], [], version=2)


@pytest.fixture
def db(plugin, database):
    with plugin.open({"postgresql_connection_uri": database}, EMPTY) as handle:
        yield handle


@pytest.fixture
def name(database):
    return database.rsplit("/", 1)[1]


def test_applies_what_is_pending_once(db, pg, name):
    mark = pg.log_mark()
    assert db.migration_status(BOTH) == [(1, PENDING), (2, PENDING)]
    assert db.migrate(BOTH, dry_run=True) == [(1, 1, 2), (2, 2, 2)]
    assert db.migration_status(BOTH) == [(1, PENDING), (2, PENDING)]
    assert db.migrate(BOTH, to=1) == [(1, 1, 1)]
    assert db.migration_status(BOTH) == [(1, APPLIED), (2, PENDING)]
    assert db.migrate(BOTH) == [(2, 1, 1)]
    assert db.migrate(BOTH) == []
    assert db.migration_status(BOTH) == [(1, APPLIED), (2, APPLIED)]
    assert pg.rows("SELECT version, name, sha256 IS NOT NULL FROM st_schema_version ORDER BY 1",
                   name) == [("1", "001_initial", "t"), ("2", "002_more", "t")]
    assert pg.log_errors(mark) == []


def test_by_hand_gives_the_same(db, pg, name, tmp_path):
    mark = pg.log_mark()
    os.chmod(tmp_path, 0o755)
    for file, body in BOTH:
        (tmp_path / file).write_text(body)
        for _ in range(2):  # twice is harmless
            code, out = pg.run_file(str(tmp_path / file), name)
            assert code == 0, out
    assert db.migration_status(BOTH) == [(1, APPLIED), (2, APPLIED)]
    assert db.migrate(BOTH) == []
    assert pg.psql("SELECT count(*) FROM st_schema_version WHERE sha256 IS NULL", name) == "0"
    assert pg.log_errors(mark) == []


def test_edited_scripts_are_refused(db, name, pg):
    db.migrate(BOTH)
    changed = [script(1, "initial", "SELECT 1;"), TWO]
    assert db.migration_status(changed)[0] == (1, EDITED)
    with pytest.raises(StkError) as e:
        db.migrate(changed)
    assert e.value.status == "SCHEMA" and "001_initial was edited" in e.value.message
    pg.psql("DELETE FROM st_schema_version WHERE version = 1", name)
    with pytest.raises(StkError) as e:
        db.migrate(BOTH)
    assert e.value.status == "SCHEMA" and "half-applied" in e.value.message
    assert "psql" in e.value.message


def test_a_newer_schema_is_served_unless_it_says_no(db, name, pg):
    db.migrate(BOTH)
    pg.psql("INSERT INTO st_schema_version VALUES (3, '003_later', 1, 2, NULL)", name)
    assert db.migrate(BOTH) == []
    assert db.migration_status(BOTH)[-1] == (3, UNKNOWN)
    pg.psql("UPDATE st_schema_version SET compat = 3 WHERE version = 3", name)
    with pytest.raises(StkError) as e:
        db.migrate(BOTH)
    assert e.value.status == "SCHEMA" and "newer" in e.value.message


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


CORE = """
import sys
sys.path.insert(0, {lib!r})
from stkabi import Catalog, Plugin
sys.path.insert(0, {here!r})
from test_migrations import BOTH, EMPTY
print("ready", flush=True)
sys.stdin.readline()
with Plugin({so!r}).open({{"postgresql_connection_uri": {uri!r}}}, EMPTY) as db:
    print(len(db.migrate(BOTH)))
"""


@pytest.mark.parametrize("through", ["server", "pgbouncer"])
def test_cores_that_start_at_once(plugin, through):
    with PostgresServer() as server:
        server.create_database("d")
        front = PgBouncer(server).start() if through == "pgbouncer" else server
        try:
            here = os.path.dirname(__file__)
            code = CORE.format(lib=os.path.join(ROOT, "tests", "lib"), here=here,
                               so=plugin_path(), uri=front.uri("d"))
            env = dict(os.environ, LD_PRELOAD=os.environ["STK_PRELOAD"])
            cores = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, env=env)
                     for _ in range(5)]
            for c in cores:
                assert c.stdout.readline() == "ready\n"
            for c in cores:
                c.stdin.write("\n")
                c.stdin.flush()
            out = [c.communicate()[0] for c in cores]
            assert [c.returncode for c in cores] == [0] * 5
            assert all(o.strip() in ("0", "1", "2") for o in out)
            assert server.rows("SELECT version FROM st_schema_version ORDER BY 1", "d") == [
                ("1",), ("2",)]
            assert server.log_errors() == []
        finally:
            if front is not server:
                front.close()


def test_threads_of_one_core_migrate_at_once(plugin, pg, database):
    mark = pg.log_mark()
    box = []

    def run():
        with plugin.open({"postgresql_connection_uri": database}, EMPTY) as db:
            box.append(db.migrate(BOTH))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(box) == 6
    assert pg.log_errors(mark) == []


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


def test_drop_needs_a_scratch_handle(plugin, database):
    with plugin.open({"postgresql_connection_uri": database}, m.catalog, scratch=False) as db:
        db.ensure()
        with pytest.raises(StkError) as e:
            db.drop()
        assert e.value.status == "INVALID"
        db.verify()


# ------------------------------------------------------------- the real scripts

SHIPPED = sorted(glob.glob(os.path.join(ROOT, "migration_scripts", "postgresql", "*.sql")))


def shipped(plugin):
    return [(plugin.v.migrations[i].name.decode(), plugin.v.migrations[i].text.decode())
            for i in range(plugin.v.nmigrations)]


def test_the_shipped_scripts_are_embedded(plugin):
    assert [n for n, _ in shipped(plugin)] == [os.path.basename(p)[:-4] for p in SHIPPED]
    for (_, body), path in zip(shipped(plugin), SHIPPED):
        with open(path, encoding="utf-8") as f:
            assert f.read() == body


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
    for path in SHIPPED * 2:
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
