# SPDX-License-Identifier: Apache-2.0
"""What the plugin says and keeps when locks, servers and the network misbehave."""

import threading

import model as m
import pytest
from driver_faults import *  # noqa: F403
from driver_faults import open_db, spread, value
from proxy import TcpProxy
from servers import PgBouncer, PostgresServer, wait_for
from stkabi import RO, StkError, in_thread, status_of


# ------------------------------------------------------------------- locks

def test_a_transactions_own_deadline(plugin, database):
    with open_db(plugin, database) as db:
        db.exec([m.once("a", 0, "")])
        holder = db.begin()
        holder.exec([m.lock_pair("a")])
        t = db.begin(timeout=0.3)
        assert status_of(t.exec, [m.bump(1, "a")])[0] == "TIMEOUT"
        t.rollback()
        holder.rollback()


def test_exhausted_pool_times_out_and_recovers(plugin, database):
    with open_db(plugin, database, postgresql_connection_pool_size=1) as db:
        db.exec([m.once("a", 0, "")])
        holder = db.begin()
        holder.exec([m.lock_pair("a")])
        st, e = status_of(db.exec, [m.get_pair("a")], timeout=0.2)
        assert st == "TIMEOUT" and e.statuses == ["TIMEOUT"]
        t, box = in_thread(db.exec, [m.get_pair("a")], timeout=20)
        wait_for(lambda: db_waiters(db) == 1, what="one waits for a connection")
        holder.rollback()
        t.join()
        assert box[0][0] == "OK"


def db_waiters(db):
    """health() itself would wait for a connection, which is the point: a short one."""
    try:
        db.health(1)
        return 0
    except StkError as e:
        assert e.status == "TIMEOUT"
        return 1


def test_compare_and_set_has_one_winner(plugin, database):
    with open_db(plugin, database) as db:
        for i in range(20):
            db.exec([m.once(f"{i}", 0, "")])
            box, threads = [], []
            barrier = threading.Barrier(4)
            for _ in range(4):
                def run(n=i):
                    barrier.wait()
                    box.append(status_of(db.exec, [m.remove_pair(f"{n}", affected=1),
                                                   m.add("won", 1, "")], timeout=20)[0])
                threads.append(threading.Thread(target=run))
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert sorted(box) == ["EXPECT"] * 3 + ["OK"]
        assert db.exec([m.get_pair("won")])[0].rows == [(20, "")]


# ----------------------------------------------------------- uncertain commits

@pytest.fixture
def commits():
    return lambda data: True  # one flight holds the whole batch


@pytest.fixture
def proxied(plugin, pg, database, name):
    assert database
    with TcpProxy(pg.port) as proxy:
        with open_db(plugin, pg.uri(name, port=proxy.port),
                     postgresql_prepared_statements="auto") as db:
            db.exec([m.once("a", 0, "")])
            db.exec([m.bump(0, "a"), m.get_pair("a")])
            yield proxy, db


def test_a_read_survives_a_cut_connection(proxied):
    proxy, db = proxied
    cuts = []

    def once(data):
        cuts.append(1)
        return "cut" if len(cuts) == 1 else "pass"

    proxy.on_client = once
    assert db.exec([m.get_pair("a")])[0].rows == [(0, "")]
    assert db.round_trips == 2
    t = db.begin()
    cuts.clear()
    t.exec([m.lock_pair("a")])  # the first batch of a transaction, nothing to commit yet
    t.exec([m.bump(1, "a")], commit=True)


def test_a_cut_in_the_middle_of_a_transaction_is_unavailable(plugin, database, proxied):
    proxy, db = proxied
    t = db.begin()
    t.exec([m.bump(1, "a")])
    proxy.on_client = lambda data: "cut_after"
    st, e = status_of(t.exec, [m.bump(1, "a")])
    assert st == "UNAVAILABLE", e
    t.rollback()
    proxy.on_client = None
    assert value(plugin, database) == 0


def test_round_trips_are_what_the_network_sees(proxied):
    proxy, db = proxied
    for calls in ([m.get_pair("a")], [m.bump(1, "a")], [m.bump(1, "a"), m.get_pair("a")]):
        db.exec(calls)  # prepared from here on
        before = proxy.flights
        db.exec(calls)
        assert proxy.flights - before == db.round_trips == 1
    before = proxy.flights
    t = db.begin()
    t.exec([m.lock_pair("a")])
    t.exec([m.bump(1, "a", affected=1)], commit=True)
    assert proxy.flights - before == 2


# -------------------------------------------------------- servers going away

@pytest.fixture
def opened(plugin, own):
    """A server that a test may stop, and a database of it."""
    with open_db(plugin, own.create_database("d")) as db:
        db.exec([m.once("a", 0, "")])
        yield own, db


def test_shutdopened_while_a_transaction_runs(opened):
    server, db = opened
    t = db.begin()
    t.exec([m.bump(1, "a")])
    server.restart()
    st, e = status_of(t.exec, [m.bump(1, "a")], commit=True)
    # Nothing was committed; whether that can be proved depends on what arrived.
    assert st in ("UNAVAILABLE", "UNCERTAIN"), e
    t.rollback()
    assert db.exec([m.get_pair("a")])[0].rows == [(0, "")]


def test_terminated_during_a_statement(opened):
    server, db = opened
    holder = db.begin()
    holder.exec([m.lock_pair("a")])
    t, box = in_thread(db.exec, [m.bump(1, "a"), m.get_pair("a")], timeout=20)
    wait_for(lambda: server.lock_waits("d") == 1, what="it waits")
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock'")
    # The server's own word came ahead of COMMIT: nothing was applied, so the batch is
    # run again on another connection and waits again.
    wait_for(lambda: server.lock_waits("d") == 1 or box, what="it waits again")
    holder.rollback()
    t.join()
    assert box[0][0] in ("OK", "UNAVAILABLE"), box
    assert db.exec([m.get_pair("a")])[0].rows == [(1 if box[0][0] == "OK" else 0, "")]


def test_full_of_connections(plugin, opened):
    server, _db = opened
    server.psql("CREATE ROLE few LOGIN PASSWORD 'p' CONNECTION LIMIT 1; GRANT ALL ON DATABASE d "
                "TO few; GRANT ALL ON SCHEMA public TO few; GRANT ALL ON ALL TABLES IN SCHEMA "
                "public TO few", "d")
    uri = server.uri("d", "few", "p")
    with open_db(plugin, uri, ensure=False) as db:
        t = db.begin()
        t.exec([m.get_pair("a")])
        st, e = status_of(db.exec, [m.get_pair("a")], timeout=2)
        assert st == "UNAVAILABLE" and e.sqlstate == "53300", e
        assert "postgresql_connection_pool_size" in e.message
        t.rollback()
        db.exec([m.get_pair("a")])


# ------------------------------------------------------------------- host lists

def test_failover_to_the_promoted_standby(plugin):
    with PostgresServer() as primary:
        primary.create_database("d")
        standby = primary.replica()
        try:
            standby.start()
            hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
            uri = f"postgresql://postgres:{primary.password}@{hosts}/d"
            with open_db(plugin, uri) as db:  # the standby comes first and is passed over
                assert db.health().server.decode().endswith(str(primary.port))
                db.exec([m.once("a", 0, "")])
                spread(db)
                lsn = primary.psql("SELECT pg_current_wal_lsn()")
                wait_for(lambda: standby.psql(
                    f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == "t", what="caught up")
                primary.kill()
                standby.promote()
                db.exec([m.bump(1, "a", affected=1)])
                assert db.health().server.decode().endswith(str(standby.port))
        finally:
            standby.close()


def test_a_demoted_primary_is_left(plugin):
    """The old primary comes back as a standby while connections to it are pooled: a
    pooler hides the restart."""
    with PostgresServer() as primary:
        primary.create_database("d")
        standby = primary.replica()
        try:
            standby.start()
            with PgBouncer(primary) as front:
                uri = (f"postgresql://postgres:{primary.password}@127.0.0.1:{front.port},"
                       f"127.0.0.1:{standby.port}/d")
                with open_db(plugin, uri, ensure=True) as db:
                    db.exec([m.once("a", 0, "")])
                    spread(db)
                    lsn = primary.psql("SELECT pg_current_wal_lsn()")
                    wait_for(lambda: standby.psql(
                        f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == "t", what="caught up")
                    standby.promote()
                    primary.stop()
                    with open(primary.data + "/standby.signal", "w", encoding="utf-8"):
                        pass
                    primary.start()
                    wait_for(lambda: primary.psql("SELECT pg_is_in_recovery()") == "t",
                             what="demoted")
                    t = db.begin()
                    st, e = status_of(t.exec, [m.lock_pair("a"), m.bump(1, "a")], commit=True,
                                      timeout=20)
                    if st != "OK":
                        assert st == "UNAVAILABLE", e
                        t.rollback()
                        db.exec([m.bump(1, "a")], timeout=20)
                    assert standby.rows("SELECT n FROM st_pair WHERE k = 'a'", "d") == [("1",)]
        finally:
            standby.close()


def test_read_only_server_is_unavailable(plugin, pg, database, name):
    with open_db(plugin, database) as db:
        db.exec([m.once("a", 0, "")])
        pg.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        spread(db, 1)
        with pytest.raises(StkError) as refused:
            open_db(plugin, database, ensure=False)
        assert refused.value.status == "UNAVAILABLE" and "takes no writes" in refused.value.message
        with open_db(plugin, database + "?target_session_attrs=any", ensure=False) as other:
            st, e = status_of(other.exec, [m.bump(1, "a")])
            assert st == "UNAVAILABLE" and e.sqlstate == "25006", e
            t = other.begin(RO)
            assert t.exec([m.get_pair("a")], commit=True)[0].rows == [(0, "")]


# --------------------------------------------------------------- prepared statements

@pytest.mark.usefixtures("database")
def test_a_pooler_that_mixes_connections_is_noticed(plugin, pg, name):
    """With `on` behind a transaction pooler statements are missing or exist already; the
    plugin then does without them."""
    with PgBouncer(pg, pool_size=3) as front:
        uri = front.uri(name)
        with open_db(plugin, uri, postgresql_prepared_statements="on") as db:
            db.exec([m.once.rows([("a", 0, ""), ("b", 0, "")])])
            with open_db(plugin, uri, ensure=False,
                         postgresql_prepared_statements="on") as other:
                for _ in range(3):
                    # Takes the server that knows db's statement, which then meets one
                    # that does not, or that got it from somebody else.
                    db.exec([m.bump(1, "a", affected=1)])
                    t = other.begin()
                    t.exec([m.bump(1, "b", affected=1)])
                    db.exec([m.bump(1, "a", affected=1)])
                    u = db.begin()
                    u.exec([m.get_pair("a")])
                    u.exec([m.bump(1, "a", affected=1)], commit=True)
                    t.commit()
                assert db.exec([m.get_pair("a"), m.get_pair("b")])[0].rows == [(9, "")]
        assert any("does not keep prepared statements" in line for _, line in plugin.logs)


def test_off_prepares_nothing(plugin, pg, database):
    with open_db(plugin, database, postgresql_prepared_statements="off",
                 postgresql_connection_pool_size=1) as db:
        db.exec([m.once("a", 0, ""), m.get_pair("a")])
        assert db.dump()["prepared_statements"] == "off"


def test_tables_made_anew_under_prepared_statements(plugin, database):
    with open_db(plugin, database, postgresql_connection_pool_size=1) as db:
        for _ in range(3):
            db.exec([m.once("a", 0, ""), m.get_pair("a")])
            db.drop()
            db.ensure()
        assert db.exec([m.get_pair("a")])[0].rows == []


def test_plans_of_empty_tables_do_not_last(plugin):
    """Prepared while empty, a statement may be planned over the wrong index; nobody
    analyzes the table here, and yet the primary key is soon used."""
    with PostgresServer(conf={"autovacuum": "off"}) as server:
        uri = server.create_database("d")
        with open_db(plugin, uri, postgresql_connection_pool_size=1) as db:
            for _ in range(10):
                db.exec([m.get("a", "x"), m.inc(1, "a", "x")])
            for start in range(0, 20000, 5000):
                db.exec([m.small.rows([("a", f"{i}", 1, True)
                                       for i in range(start, start + 5000)])])
            scans = ("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = "
                     "'st_item_pkey'")

            def uses_primary_key():
                before = int(server.psql(scans, "d"))
                for i in range(20):
                    db.exec([m.get("a", f"{i}"), m.inc(1, "a", f"{i}")])
                db.exec([m.total("b")])
                return int(server.psql(scans, "d")) - before >= 20

            wait_for(uses_primary_key, 20, "the primary key serves the query")
            assert db.round_trips == 1
