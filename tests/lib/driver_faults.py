# SPDX-License-Identifier: Apache-2.0
"""What drivers of database servers do alike when locks, servers and the network misbehave.

A folder of tests imports from here what its driver shall pass.  It has the fixtures
plugin, server, name and database (its URI), own (a server that may be stopped), proxied (a
TcpProxy and a database opened through it, with the pair "a") and commits (whether what
goes to the server holds a COMMIT)."""

import socket
import threading
import time

import model as m
import pytest
from servers import free_port, wait_for
from stkabi import in_thread, status_of


def name_of(plugin):
    return plugin.v.name.decode()


def open_db(plugin, uri, ensure=True, **options):
    db = plugin.open({f"{name_of(plugin)}_connection_uri": uri, **options}, m.catalog)
    if ensure:
        db.ensure()
    return db


def value(plugin, database):
    with open_db(plugin, database, ensure=False) as db:
        return db.exec([m.get_pair("a")])[0].rows[0][0]


def spread(db, n=4):
    """Opens n pooled connections."""
    txns = [db.begin() for _ in range(n)]
    for t in txns:
        t.exec([m.get_pair("a")])
    for t in txns:
        t.rollback()


def test_deadlock_is_retry_and_retrying_works(plugin, server, database, name):
    with open_db(plugin, database) as db:
        db.exec([m.once.rows([("a", 0, ""), ("b", 0, "")])])
        one, two = db.begin(), db.begin()
        one.exec([m.bump(1, "a")])
        two.exec([m.bump(1, "b")])
        t, box = in_thread(one.exec, [m.bump(1, "b")], timeout=20)
        wait_for(lambda: server.lock_waits(name) == 1, what="one waits", interval=0.2)
        got = status_of(two.exec, [m.bump(1, "a")], timeout=20)
        t.join()
        assert sorted([got[0], box[0][0]]) == ["OK", "RETRY"]
        loser, winner = (two, one) if got[0] == "RETRY" else (one, two)
        loser.rollback()
        winner.commit()
        db.exec([m.bump(1, "a"), m.bump(1, "b")])
        assert db.exec([m.get_pair("a"), m.get_pair("b")])[0].rows == [(2, "")]


def test_lock_wait_ends_at_the_deadline(plugin, server, database, name):
    with open_db(plugin, database) as db:
        db.exec([m.once("a", 0, "")])
        holder = db.begin()
        holder.exec([m.lock_pair("a")])
        for commit in (False, True):
            t = db.begin()
            start = time.monotonic()
            st, e = status_of(t.exec, [m.bump(1, "a")], timeout=0.3, commit=commit)
            assert st == "TIMEOUT", e
            assert 0.25 < time.monotonic() - start < 5
            t.rollback()
        st, e = status_of(db.exec, [m.bump(1, "a")], timeout=0.3)
        assert st == "TIMEOUT", e
        wait_for(lambda: server.lock_waits(name) == 0, what="the waiters are gone", interval=0.2)
        holder.rollback()
        assert db.exec([m.bump(1, "a", affected=1), m.get_pair("a")])[1].rows == [(1, "")]


def test_two_writers_of_one_row_lose_nothing(plugin, database):
    with open_db(plugin, database) as db:
        db.exec([m.once("a", 0, "")])

        def add():
            for _ in range(50):
                db.exec([m.bump(1, "a", affected=1)], timeout=20)

        threads = [threading.Thread(target=add) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert db.exec([m.get_pair("a")])[0].rows == [(400, "")]


@pytest.mark.parametrize("action,kept", [("cut_after", 1), ("cut", 0)])
@pytest.mark.parametrize("how", ["autocommit", "batch", "commit flag", "commit"])
def test_a_lost_commit_answer_is_uncertain(plugin, server, database, name, proxied, commits,
                                           action, kept, how):
    proxy, db = proxied
    t = None
    calls = [m.bump(1, "a")] if how == "autocommit" else [m.bump(1, "a"), m.get_pair("a")]
    if how in ("commit flag", "commit"):
        t = db.begin()
        t.exec([m.lock_pair("a")])
    if how == "commit":
        t.exec(calls)
    proxy.on_client = lambda data: (
        action if how == "autocommit" or commits(data) else "pass")
    if how == "commit":
        st, e = status_of(t.commit)
    elif t:
        st, e = status_of(t.exec, calls, commit=True)
        t.rollback()
    else:
        st, e = status_of(db.exec, calls)
    proxy.on_client = None
    assert st == "UNCERTAIN", e
    wait_for(lambda: server.at_work(name) == 0, what="the server is done", interval=0.2)
    assert value(plugin, database) == kept
    assert db.exec([m.get_pair("a")])[0].rows == [(kept, "")]


def test_a_stalled_commit_is_uncertain_after_the_deadline(plugin, database, proxied, commits):
    proxy, db = proxied
    proxy.on_client = lambda data: "stall" if commits(data) else "pass"
    start = time.monotonic()
    st, e = status_of(db.exec, [m.bump(1, "a"), m.get_pair("a")], timeout=0.2)
    proxy.on_client = None
    assert st == "UNCERTAIN", e
    assert time.monotonic() - start < 5
    proxy.release()
    assert value(plugin, database) == 1
    assert db.exec([m.get_pair("a")])[0].rows == [(1, "")]


@pytest.mark.parametrize("how", ["restart", "kill", "terminate"])
def test_stale_connections_are_not_an_error(plugin, own, how):
    with open_db(plugin, own.create_database("d")) as db:
        db.exec([m.once("a", 0, "")])
        spread(db)
        if how == "restart":
            own.restart()
        elif how == "kill":
            own.kill()
            own.start()
        else:
            own.terminate("d")
        db.exec([m.bump(1, "a", affected=1)])
        t = db.begin()
        t.exec([m.lock_pair("a")])
        t.exec([m.bump(1, "a")], commit=True)
        assert db.exec([m.get_pair("a")])[0].rows == [(2, "")]


def test_down_is_unavailable_within_the_deadline_and_comes_back(plugin, own):
    with open_db(plugin, own.create_database("d")) as db:
        db.exec([m.once("a", 0, "")])
        own.stop()
        start = time.monotonic()
        st, e = status_of(db.exec, [m.bump(1, "a")], timeout=3)
        assert st == "UNAVAILABLE" and time.monotonic() - start < 3, e
        assert f"127.0.0.1:{own.port}" in e.message
        assert status_of(db.health, 1000)[0] == "UNAVAILABLE"
        own.start()
        assert db.exec([m.bump(1, "a"), m.get_pair("a")])[1].rows == [(1, "")]
        said = [line for _, line in plugin.logs]
        assert sum("cannot connect" in line for line in said) == 1, said
        assert sum("again" in line for line in said) == 1, said


def test_a_dead_and_a_mute_host_are_passed_over(plugin, server, database):
    mute = socket.create_server(("127.0.0.1", 0))
    try:
        here = f"127.0.0.1:{server.port}"
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{mute.getsockname()[1]},{here}"
        second = {"postgresql": 1, "mysql": 1000}[name_of(plugin)]
        start = time.monotonic()
        with open_db(plugin, f"{database.replace(here, hosts)}?connectTimeout={second}") as db:
            assert time.monotonic() - start < 5
            start = time.monotonic()
            spread(db, 5)  # the good one is remembered
            assert time.monotonic() - start < 4
            assert db.health().server.decode().endswith(str(server.port))
    finally:
        mute.close()


def test_no_host_at_all(plugin):
    a, b = free_port(), free_port()
    st, e = status_of(open_db, plugin,
                      f"{name_of(plugin)}://u:sEcReT@127.0.0.1:{a},127.0.0.1:{b}/d")
    assert st == "UNAVAILABLE"
    assert "none of 2 hosts" in e.message and str(a) in e.message and str(b) in e.message
    assert "sEcReT" not in e.message
