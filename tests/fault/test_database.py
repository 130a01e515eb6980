# SPDX-License-Identifier: Apache-2.0
"""Databases that are away, stand still, or are held by somebody else."""

import sqlite3
import threading
import time
import uuid

import pytest

from core import Core
from proxy import TcpProxy
from servers import free_port, wait_for

PASSWORD = "secret123"


def sign_up(app, email="a@example.com"):
    return app.post("/recipe/signup", {"email": email, "password": PASSWORD})


def sign_in(app, email="a@example.com"):
    return app.post("/recipe/signin", {"email": email, "password": PASSWORD})


def timed(call, *args):
    start = time.monotonic()
    reply = call(*args)
    return reply, time.monotonic() - start


def through(uri, pg, proxy):
    return uri.replace(f":{pg.port}/", f":{proxy.port}/")


# ---- at the start

def test_database_down_at_start(pg):
    port = free_port()
    core = Core(uri=pg.uri("nowhere", port=port), startup_timeout=2)
    try:
        r, took = timed(core.run, "start")
        assert r.returncode == 1
        assert 1.9 < took < 6
        text = r.stdout + r.stderr
        assert f"127.0.0.1:{port}" in text and "Connection refused" in text
        assert "trying again" in text
        assert pg.password not in text
        assert r.stderr.rstrip().splitlines()[-1].startswith("supertokens: postgresql: cannot connect")
    finally:
        core.close()


def test_core_waits_for_its_database(pg):
    uri = pg.create_database("db_" + uuid.uuid4().hex)
    pg.stop()
    core = Core(uri=uri)
    try:
        core.spawn()
        wait_for(lambda: "trying again" in core.log_text(), 10, "the core waits")
        pg.start()
        wait_for(core.serves, 15, "the core serves")
        sign_up(core.app()).ok()
        assert core.stop() == 0
    finally:
        core.close()
        if not pg.running():
            pg.start()


@pytest.mark.parametrize("wrong, text", [
    ({"database": "missing"}, 'database "missing" does not exist'),
    ({"database": "postgres", "user": "nobody"}, 'user "nobody"'),
    ({"database": "postgres", "password": "hidden-thing"}, 'user "postgres"'),
])
def test_reasons_at_the_start(pg, wrong, text):
    core = Core(uri=pg.uri(**wrong), startup_timeout=1)
    try:
        r, took = timed(core.run, "start")
        assert r.returncode == 1
        assert took < 4
        last = r.stderr.rstrip().splitlines()[-1]
        assert text in last and str(pg.port) in last
        assert "hidden-thing" not in r.stdout + r.stderr
    finally:
        core.close()


# ---- while serving

def test_stalled_database(pg, database):
    """Its tenant gets a 503 within the deadline, all others are served as ever."""
    far = pg.create_database("db_" + uuid.uuid4().hex)
    with TcpProxy(pg.port) as proxy, Core(uri=database, request_timeout=1) as core:
        app = core.app()
        app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "far", "coreConfig": {
            "postgresql_connection_uri": through(far, pg, proxy)}}).ok()
        far_app = app.tenant("far")
        sign_up(app).ok()
        sign_up(far_app).ok()
        proxy.on_client = lambda data: "stall"
        slow = []
        crowd = [threading.Thread(target=lambda: slow.append(timed(sign_in, far_app)))
                 for _ in range(24)]
        for t in crowd:
            t.start()
        until, quick = time.monotonic() + 0.7, []
        while time.monotonic() < until:
            reply, took = timed(sign_in, app)
            reply.ok()
            quick.append(took)
        for t in crowd:
            t.join()
        assert [r.status for r, _ in slow] == [503] * len(crowd)
        assert max(took for _, took in slow) < 2.5
        assert sorted(quick)[len(quick) * 9 // 10] < 0.25
        proxy.on_client = None
        proxy.release()
        proxy.cut_all()
        wait_for(lambda: sign_in(far_app).status == 200, 10, "the tenant is served again")


def test_stalled_while_starting_a_connection(pg, database):
    """A server that accepts and says nothing is no reason to hang."""
    with TcpProxy(pg.port) as proxy:
        with Core(uri=through(database, pg, proxy), request_timeout=1) as core:
            app = core.app()
            sign_up(app).ok()
            proxy.on_client = lambda data: "stall"
            proxy.cut_all()
            reply, took = timed(sign_in, app)
            assert reply.status == 503 and took < 2.5
            assert core.get("/hello").status == 503
            proxy.on_client = None
            proxy.release()
            wait_for(lambda: core.get("/hello").status == 200, 10, "/hello is well again")
            sign_in(app).ok()


def test_sqlite_file_locked_by_another_process(tmp_path):
    path = str(tmp_path / "held.db")
    with Core(sqlite_path=path, request_timeout=1) as core:
        app = core.app()
        sign_up(app).ok()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        reply, took = timed(sign_up, app, "b@example.com")
        assert reply.status == 503 and 0.9 < took < 2.5
        sign_in(app).ok()  # readers are not in the way of the writer
        held = threading.Timer(0.4, lambda: None)
        held.start()
        waited = []
        t = threading.Thread(target=lambda: waited.append(sign_up(app, "c@example.com")))
        t.start()
        held.join()
        other.execute("ROLLBACK")
        t.join()
        waited[0].ok()  # whoever waits gets the lock when it is free
        other.close()
        sign_up(app, "b@example.com").ok()
        assert app.get("/users/count").ok()["count"] == 3


def test_sqlite_file_that_is_none(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("This is no database, but a text of some length. " * 40)
    core = Core(sqlite_path=str(path), startup_timeout=20)
    try:
        r, took = timed(core.run, "start")
        assert r.returncode in (1, 2) and took < 10
        assert str(path) in r.stderr and "not a database" in r.stderr
        assert path.read_text().startswith("This is no database")
    finally:
        core.close()
