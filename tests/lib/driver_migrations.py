# SPDX-License-Identifier: Apache-2.0
"""Migrations of drivers of database servers, as far as they are alike.

A folder of tests imports from here what its driver shall pass.  It has the fixtures
plugin, server, name and database (its URI), and scripts: a Scripts in its server's SQL."""

import glob
import os
import subprocess
import sys
import threading

import model as m
import pytest
from stkabi import Catalog, StkError

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PENDING, APPLIED, EDITED, UNKNOWN = 1, 2, 3, 4
EMPTY = Catalog([], [], version=2)


class Scripts:
    """Two scripts, 001_initial and 002_more, made by a function of version, name and body."""

    def __init__(self, script, both):
        self.script, self.both = script, both


def key_of(plugin):
    return f"{plugin.v.name.decode()}_connection_uri"


@pytest.fixture
def db(plugin, database):
    with plugin.open({key_of(plugin): database}, EMPTY) as handle:
        yield handle


@pytest.fixture
def quiet(server):
    """No statement may fail in the server's log."""
    mark = server.log_mark()
    yield
    assert server.log_errors(mark) == []


@pytest.mark.usefixtures("quiet")
def test_applies_what_is_pending_once(db, server, name, scripts):
    both = scripts.both
    assert db.migration_status(both) == [(1, PENDING), (2, PENDING)]
    assert db.migrate(both, dry_run=True) == [(1, 1, 2), (2, 2, 2)]
    assert db.migration_status(both) == [(1, PENDING), (2, PENDING)]
    assert db.migrate(both, to=1) == [(1, 1, 1)]
    assert db.migration_status(both) == [(1, APPLIED), (2, PENDING)]
    assert db.migrate(both) == [(2, 1, 1)]
    assert db.migrate(both) == []
    assert db.migration_status(both) == [(1, APPLIED), (2, APPLIED)]
    assert server.rows("SELECT version, name FROM st_schema_version WHERE sha256 IS NOT NULL "
                       "ORDER BY 1", name) == [("1", "001_initial"), ("2", "002_more")]


@pytest.mark.usefixtures("quiet")
def test_by_hand_gives_the_same(db, server, name, tmp_path, scripts):
    os.chmod(tmp_path, 0o755)
    for file, body in scripts.both:
        (tmp_path / file).write_text(body)
        for _ in range(2):  # twice is harmless
            code, out = server.run_file(str(tmp_path / file), name)
            assert code == 0, out
    assert db.migration_status(scripts.both) == [(1, APPLIED), (2, APPLIED)]
    assert db.migrate(scripts.both) == []
    assert server.sql("SELECT count(*) FROM st_schema_version WHERE sha256 IS NULL", name) == "0"


def test_edited_scripts_are_refused(plugin, db, server, name, scripts):
    db.migrate(scripts.both)
    changed = [scripts.script(1, "initial", "SELECT 1;"), scripts.both[1]]
    assert db.migration_status(changed)[0] == (1, EDITED)
    with pytest.raises(StkError) as e:
        db.migrate(changed)
    assert e.value.status == "SCHEMA" and "001_initial was edited" in e.value.message
    server.sql("DELETE FROM st_schema_version WHERE version = 1", name)
    with pytest.raises(StkError) as e:
        db.migrate(scripts.both)
    assert e.value.status == "SCHEMA" and "half-applied" in e.value.message
    assert f"migration_scripts/{plugin.v.name.decode()}/001_initial.sql" in e.value.message


def test_a_newer_schema_is_served_unless_it_says_no(db, server, name, scripts):
    db.migrate(scripts.both)
    server.sql("INSERT INTO st_schema_version VALUES (3, '003_later', 1, 2, NULL)", name)
    assert db.migrate(scripts.both) == []
    assert db.migration_status(scripts.both)[-1] == (3, UNKNOWN)
    server.sql("UPDATE st_schema_version SET compat = 3 WHERE version = 3", name)
    with pytest.raises(StkError) as e:
        db.migrate(scripts.both)
    assert e.value.status == "SCHEMA" and "newer" in e.value.message


@pytest.mark.usefixtures("quiet")
def test_threads_of_one_core_migrate_at_once(plugin, database, scripts):
    box = []

    def run():
        with plugin.open({key_of(plugin): database}, EMPTY) as db:
            box.append(db.migrate(scripts.both))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(box) == 6


def test_drop_needs_a_scratch_handle(plugin, database):
    with plugin.open({key_of(plugin): database}, m.catalog, scratch=False) as db:
        db.ensure()
        with pytest.raises(StkError) as e:
            db.drop()
        assert e.value.status == "INVALID"
        db.verify()


# ------------------------------------------------- cores, as processes of their own

CORE = """
import sys
from stkabi import Catalog, Plugin
print("ready", flush=True)
sys.stdin.readline()
with Plugin({so!r}).open({{{key!r}: {uri!r}}}, Catalog([], [], version=2)) as db:
    print(len(db.migrate({scripts!r})))
"""


def core(plugin, so, uri, scripts):
    """A process that migrates when told to go()."""
    env = dict(os.environ, LD_PRELOAD=os.environ["STK_PRELOAD"],
               PYTHONPATH=os.path.dirname(os.path.abspath(__file__)))
    c = subprocess.Popen(
        [sys.executable, "-c", CORE.format(so=so, key=key_of(plugin), uri=uri, scripts=scripts)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert c.stdout.readline() == "ready\n"
    return c


def go(c):
    c.stdin.write("\n")
    c.stdin.flush()


def cores_at_once(plugin, so, uri, scripts, n=5):
    """How many scripts each of them applied."""
    cores = [core(plugin, so, uri, scripts) for _ in range(n)]
    for c in cores:
        go(c)
    out = [c.communicate()[0].strip() for c in cores]
    assert [c.returncode for c in cores] == [0] * n
    assert set(out) <= {"0", "1", "2"} and sum(map(int, out)) >= 2
    return out


# ------------------------------------------------------------- the real scripts

def shipped(plugin):
    return [(plugin.v.migrations[i].name.decode(), plugin.v.migrations[i].text.decode())
            for i in range(plugin.v.nmigrations)]


def shipped_files(plugin):
    return sorted(glob.glob(os.path.join(ROOT, "migration_scripts", plugin.v.name.decode(),
                                         "*.sql")))


def test_the_shipped_scripts_are_embedded(plugin):
    files = shipped_files(plugin)
    assert [n for n, _ in shipped(plugin)] == [os.path.basename(p)[:-4] for p in files]
    for (_, body), path in zip(shipped(plugin), files):
        with open(path, encoding="utf-8") as f:
            assert f.read() == body
