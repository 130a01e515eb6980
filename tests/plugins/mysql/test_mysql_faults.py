# SPDX-License-Identifier: Apache-2.0
"""What the plugin says and keeps when locks, servers and the network misbehave."""

import threading

import model as m
import pytest
from driver_faults import *  # noqa: F403
from driver_faults import open_db, spread, value
from proxy import TcpProxy
from servers import wait_for
from stkabi import (EQ, IN, LOCK, RO, Catalog, Table, i64, index, insert, primary,
                    select, status_of, text)


# ------------------------------------------------------------------- locks

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
def commits():
    return lambda data: b"COMMIT" in data


@pytest.fixture
def proxied(plugin, server, database, name):
    # Without TLS, so that the proxy sees what is said.
    with TcpProxy(server.port) as proxy:
        with open_db(plugin, server.uri(name, port=proxy.port, query="useSSL=false")) as db:
            db.exec([m.once("a", 0, "")])
            db.exec([m.bump(0, "a"), m.get_pair("a")])
            db.exec([m.bump(0, "a")])
            yield proxy, db


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
