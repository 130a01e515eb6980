# SPDX-License-Identifier: Apache-2.0
"""What the plugin says and keeps when locks, servers and the network misbehave."""

import socket
import threading
import time

import model as m
import pytest
from proxy import TcpProxy
from servers import free_port, wait_for
from stkabi import (EQ, IN, LOCK, RO, Catalog, Table, i64, in_thread, index, insert,
                    primary, select, status_of, text)


def open_db(plugin, uri, ensure=True, **options):
    db = plugin.open({"mysql_connection_uri": uri, **options}, m.catalog)
    if ensure:
        db.ensure()
    return db


# ------------------------------------------------------------------- locks

def test_deadlock_is_retry_and_retrying_works(plugin, server, database):
    with open_db(plugin, database) as db:
        db.exec([m.once.rows([("a", 0, ""), ("b", 0, "")])])
        one, two = db.begin(), db.begin()
        one.exec([m.bump(1, "a")])
        two.exec([m.bump(1, "b")])
        t, box = in_thread(one.exec, [m.bump(1, "b")], timeout=20)
        wait_for(lambda: server.lock_waits() == 1, what="one waits", interval=0.2)
        got = status_of(two.exec, [m.bump(1, "a")], timeout=20)
        t.join()
        assert sorted([got[0], box[0][0]]) == ["OK", "RETRY"]
        loser, winner = (two, one) if got[0] == "RETRY" else (one, two)
        loser.rollback()
        winner.commit()
        db.exec([m.bump(1, "a"), m.bump(1, "b")])
        assert db.exec([m.get_pair("a"), m.get_pair("b")])[0].rows == [(2, "")]


def test_lock_wait_ends_at_the_deadline(plugin, server, database):
    with open_db(plugin, database) as db:
        db.exec([m.once("a", 0, "")])
        holder = db.begin()
        holder.exec([m.lock_pair("a")])
        for commit in (False, True):
            t = db.begin()
            start = time.monotonic()
            st, e = status_of(t.exec, [m.bump(1, "a")], timeout=0.3, commit=commit)
            assert st == "TIMEOUT", e
            assert 0.25 < time.monotonic() - start < 1.5
            t.rollback()
        st, e = status_of(db.exec, [m.bump(1, "a")], timeout=0.3)
        assert st == "TIMEOUT", e
        wait_for(lambda: server.lock_waits() == 0, what="the waiters are gone", interval=0.2)
        holder.rollback()
        assert db.exec([m.bump(1, "a", affected=1), m.get_pair("a")])[1].rows == [(1, "")]


def test_a_shorter_lock_wait_of_the_server_is_retry(plugin, server, database):
    server.sql("SET GLOBAL innodb_lock_wait_timeout = 1")
    try:
        with open_db(plugin, database) as db:
            db.exec([m.once("a", 0, "")])
            holder, t = db.begin(), db.begin()
            holder.exec([m.lock_pair("a")])
            st, e = status_of(t.exec, [m.bump(1, "a")], timeout=10)
            assert st == "RETRY", e
            t.rollback()
            holder.rollback()
    finally:
        server.sql("SET GLOBAL innodb_lock_wait_timeout = 50")


def test_a_locked_row_is_found_though_an_index_moves(plugin, server, database):
    """A covering index must not be what the rows to lock are found by."""
    table = Table("st_moving", [text("app", 64), text("k", 64), i64("n")],
                  [primary("app", "k"), index("n", "app", "n")])
    put = insert("put", table, ["app", "k", "n"])
    lock = select("lock", table, ["k", "n"], where=[("app", EQ), ("k", IN)], order=[("k", 0)],
                  flags=LOCK)
    bump = m.update("bump_n", table, [("n", m.INC)], [("app", EQ), ("k", EQ)])
    catalog = Catalog([table], [put, lock, bump])
    with plugin.open({"mysql_connection_uri": database}, catalog) as db:
        db.ensure()
        db.exec([put("a", "x", 100), put("a", "y", 100)])
        for _ in range(5):
            holder = db.begin()
            holder.exec([lock("a", ["x", "y"])])
            seen = []

            def wait(seen=seen):
                t = db.begin()
                seen.append(t.exec([lock("a", ["x", "y"])], timeout=20)[0].rows)
                t.rollback()

            thread = threading.Thread(target=wait)
            thread.start()
            wait_for(lambda: server.lock_waits() == 1, what="one waits", interval=0.2)
            holder.exec([bump(-1, "a", "x")], commit=True)
            thread.join()
            assert [r[0] for r in seen[0]] == ["x", "y"]


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


def test_an_expectation_of_several_rows_is_not_kept_when_missed(plugin, database):
    with open_db(plugin, database) as db:
        db.exec([m.small.rows([("app", f"{i}", i, True) for i in range(3)])])
        st, _ = status_of(db.exec, [m.setn(7, "app", affected=1)])
        assert st == "EXPECT"
        assert db.exec([m.not_null("app")])[0].rows == []
        db.exec([m.setn(7, "app", affected=3)])
        assert len(db.exec([m.not_null("app")])[0].rows) == 3


# ----------------------------------------------------------- uncertain commits

@pytest.fixture
def proxied(plugin, server, database, name):
    # Without TLS, so that the proxy sees what is said.
    with TcpProxy(server.port) as proxy:
        with open_db(plugin, server.uri(name, port=proxy.port, query="useSSL=false")) as db:
            db.exec([m.once("a", 0, "")])
            db.exec([m.bump(0, "a"), m.get_pair("a")])
            db.exec([m.bump(0, "a")])
            yield proxy, db


def value(plugin, database):
    with open_db(plugin, database, ensure=False) as db:
        return db.exec([m.get_pair("a")])[0].rows[0][0]


@pytest.mark.parametrize("action,kept", [("cut_after", 1), ("cut", 0)])
@pytest.mark.parametrize("how", ["autocommit", "batch", "commit flag", "commit"])
def test_a_lost_commit_answer_is_uncertain(plugin, server, database, name, proxied, action, kept, how):
    proxy, db = proxied
    t = None
    calls = [m.bump(1, "a")] if how == "autocommit" else [m.bump(1, "a"), m.get_pair("a")]
    if how in ("commit flag", "commit"):
        t = db.begin()
        t.exec([m.lock_pair("a")])
    if how == "commit":
        t.exec(calls)
    proxy.on_client = lambda data: (
        action if how == "autocommit" or b"COMMIT" in data else "pass")
    if how == "commit":
        st, e = status_of(t.commit)
    elif t:
        st, e = status_of(t.exec, calls, commit=True)
        t.rollback()
    else:
        st, e = status_of(db.exec, calls)
    proxy.on_client = None
    assert st == "UNCERTAIN", e
    wait_for(lambda: server.sql("SELECT count(*) FROM information_schema.innodb_trx") == "0",
             what="the server is done", interval=0.2)
    assert value(plugin, database) == kept
    assert db.exec([m.get_pair("a")])[0].rows == [(kept, "")]


def test_a_stalled_commit_is_uncertain_after_the_deadline(plugin, database, proxied):
    proxy, db = proxied
    proxy.on_client = lambda data: "stall" if b"COMMIT" in data else "pass"
    start = time.monotonic()
    st, e = status_of(db.exec, [m.bump(1, "a"), m.get_pair("a")], timeout=0.2)
    proxy.on_client = None
    assert st == "UNCERTAIN", e
    assert time.monotonic() - start < 2
    proxy.release()
    assert value(plugin, database) == 1


def test_a_cut_before_the_commit_is_unavailable(plugin, database, proxied):
    proxy, db = proxied
    for action in ("cut", "cut_after"):
        t = db.begin()
        t.exec([m.bump(1, "a")])
        proxy.on_client = lambda data, action=action: action
        st, e = status_of(t.exec, [m.bump(1, "a")])
        assert st == "UNAVAILABLE", e
        t.rollback()
        proxy.on_client = None
        assert value(plugin, database) == 0


def test_a_read_survives_a_cut_connection(proxied):
    proxy, db = proxied
    cuts = []

    def once(data):
        cuts.append(1)
        return "cut" if len(cuts) == 1 else "pass"

    proxy.on_client = once
    assert db.exec([m.get_pair("a")])[0].rows == [(0, "")]
    t = db.begin()
    assert t.exec([m.get_pair("a")])[0].rows == [(0, "")]
    cuts.clear()
    # Reads alone have no transaction yet, so that the next batch may go elsewhere.
    t.exec([m.bump(1, "a", affected=1), m.get_pair("a")], commit=True)
    assert db.exec([m.get_pair("a")])[0].rows == [(1, "")]


def test_round_trips_are_what_the_network_sees(proxied):
    proxy, db = proxied
    for calls, trips in (([m.get_pair("a")], 1), ([m.bump(1, "a")], 1),
                         ([m.bump(1, "a", affected=1)], 1), ([m.get_pair("a"), m.get_pair("b")], 2),
                         ([m.bump(1, "a"), m.get_pair("a")], 4)):
        db.exec(calls)  # prepared from here on
        before = proxy.flights
        db.exec(calls)
        assert proxy.flights - before == db.round_trips == trips
        assert db.statements == len(calls)
    before = proxy.flights
    t = db.begin(RO)
    t.exec([m.get_pair("a")])
    t.commit()
    assert proxy.flights - before == 1


# -------------------------------------------------------- servers going away

def spread(db, n=4):
    """Opens n pooled connections."""
    txns = [db.begin() for _ in range(n)]
    for t in txns:
        t.exec([m.get_pair("a")])
    for t in txns:
        t.rollback()


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
            for number in own.connections("d"):
                own.sql(f"KILL {number}")
            wait_for(lambda: not own.connections("d"), what="gone")
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


def test_read_only_is_unavailable_and_passes(plugin, own):
    with open_db(plugin, own.create_database("d")) as db:
        db.exec([m.once("a", 0, "")])
        own.sql("SET GLOBAL read_only = 1")
        st, e = status_of(db.exec, [m.bump(1, "a")])
        assert st == "UNAVAILABLE" and "read-only" in e.message
        assert db.exec([m.get_pair("a")])[0].rows == [(0, "")]
        own.sql("SET GLOBAL read_only = 0")
        db.exec([m.bump(1, "a", affected=1)])


def test_failover_to_the_host_that_takes_writes(plugin, server, own):
    """Two servers that are no replicas, which the plugin cannot know."""
    a, b = server.create_database("both"), own.create_database("both")
    assert a and b
    hosts = f"127.0.0.1:{own.port},127.0.0.1:{server.port}"
    uri = f"mysql://{server.user_name}:{server.user_password}@{hosts}/both"
    with open_db(plugin, server.uri("both")):
        pass
    with open_db(plugin, uri) as db:
        assert db.health().server.decode().endswith(str(own.port))
        spread(db)
        own.sql("SET GLOBAL read_only = 1")
        db.exec([m.once("a", 0, "")])
        assert db.health().server.decode().endswith(str(server.port))
        own.sql("SET GLOBAL read_only = 0")
    server.sql("DROP DATABASE `both`")


def test_a_dead_and_a_mute_host_are_passed_over(plugin, server, database, name):
    mute = socket.create_server(("127.0.0.1", 0))
    try:
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{mute.getsockname()[1]},127.0.0.1:{server.port}"
        uri = (f"mysql://{server.user_name}:{server.user_password}@{hosts}/{name}"
               "?connectTimeout=1000")
        start = time.monotonic()
        with open_db(plugin, uri) as db:
            assert time.monotonic() - start < 5
            start = time.monotonic()
            spread(db, 5)  # the good one is remembered
            assert time.monotonic() - start < 2
    finally:
        mute.close()


def test_no_host_at_all(plugin):
    a, b = free_port(), free_port()
    st, e = status_of(open_db, plugin, f"mysql://u:sEcReT@127.0.0.1:{a},127.0.0.1:{b}/d")
    assert st == "UNAVAILABLE"
    assert "none of 2 hosts" in e.message and str(a) in e.message and str(b) in e.message
    assert "sEcReT" not in e.message


# --------------------------------------------------------------------- limits

def test_what_the_server_would_not_take(plugin, server, database):
    limit = int(server.sql("SELECT @@GLOBAL.max_allowed_packet"))
    with open_db(plugin, database) as db:
        row = ["app", "big", 1, True, None, "x" * (limit + 1), None, None, None]
        st, e = status_of(db.exec, [m.put(*row)])
        assert st == "TOO_BIG" and "max_allowed_packet" in e.message
        row[5] = "\U0001F600" * ((min(limit, 20 << 20) - 4096) // 4)
        db.exec([m.put(*row)])
        assert db.exec([m.get("app", "big")])[0].rows[0][4] == row[5]


def test_many_prepared_statements(plugin, own):
    """The server's own limit is told with its name, and reads go on when it is raised."""
    with open_db(plugin, own.create_database("d")) as db:
        db.exec([m.once("a", 0, "")])
        own.sql("SET GLOBAL max_prepared_stmt_count = 1")
        st, e = status_of(db.exec, [m.total("app"), m.ids("app"), m.newest("app")])
        assert st == "UNAVAILABLE" and "max_prepared_stmt_count" in e.message
        own.sql("SET GLOBAL max_prepared_stmt_count = 1000")
        db.exec([m.total("app"), m.ids("app"), m.newest("app")])
