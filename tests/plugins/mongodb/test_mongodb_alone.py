# SPDX-License-Identifier: Apache-2.0
"""A standalone server: the journal undoes what was cut off anywhere, and one process serves."""

import socket
import threading

import pymongo
import pytest

import mongo_model as m
from stkabi import StkError


class Cutter:
    """Passes MongoDB's messages on, one and its answer at a time; at the nth one that names a
    collection of the test it calls `cut`: before passing it on, or when it was answered."""

    def __init__(self, port, n, after, cut):
        self.n, self.after, self.cut, self.armed = n, after, cut, False
        self.server = port
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _is_it(self, message):
        if not any(name in message for name in (b"st_undo", b"st_item", b"st_pair")):
            return False
        with self.lock:
            self.n -= self.armed
            return self.armed and self.n == 0

    def _serve(self, client):
        with client, socket.create_connection(("127.0.0.1", self.server)) as server:
            while request := m.message_of(client):
                cut = self._is_it(request)
                if cut and not self.after:
                    self.cut()
                    return
                server.sendall(request)
                answer = m.message_of(server)
                if cut:
                    self.cut()
                    return
                try:
                    client.sendall(answer)
                except OSError:
                    return

    def close(self):
        self.listener.close()


@pytest.fixture
def there(mongo_alone):
    with mongo_alone.client() as c:
        yield c


def prepared(plugin, uri):
    """A database with the rows before WRITES."""
    with plugin.open(m.settings(uri), m.catalog) as db:
        db.ensure()
        db.exec(m.rows_before())
        return m.state(db)


def seen(plugin, uri):
    with plugin.open(m.settings(uri), m.catalog) as db:
        found = m.state(db)
        # and it goes on serving
        db.exec([m.put("b", "next", 1, None), m.put("b", "after", 1, None)])
        db.exec([m.remove("b", "next"), m.remove("b", "after")])
        return found


def test_says_what_it_is(plugin, mongo_alone):
    plugin.logs.clear()
    with plugin.open(m.settings(mongo_alone.uri("kind")), m.catalog) as db:
        assert db.dump()["transactions"].startswith("journal")
    assert any("--replSet" in str(line) for line in plugin.logs)


def test_rollback_restores(plugin, mongo_alone):
    uri = mongo_alone.uri("rollback")
    before = prepared(plugin, uri)
    with plugin.open(m.settings(uri), m.catalog) as db:
        txn = db.begin()
        txn.exec(m.WRITES)
        txn.rollback()
        assert m.state(db) == before
        with pytest.raises(StkError):
            db.exec([*m.WRITES, m.remove("a", "nobody", affected=1)])
        assert m.state(db) == before
        db.exec(m.WRITES)
        assert m.state(db) != before


@pytest.mark.heavy
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_message(plugin, mongo_alone, there, after):
    """A process is killed at each message of a transaction in turn: the next one finds all
    of it or nothing."""
    kept = n = 0
    done = None
    while done is None:
        n += 1
        name = f"kill{n}{after}"
        before = prepared(plugin, mongo_alone.uri(name))
        child = None
        cutter = Cutter(mongo_alone.port, n, after, lambda: child.proc.kill())
        child = m.Child(mongo_alone.uri(name, port=cutter.port))
        cutter.armed = True
        child.say("write")
        if child.line() == "done":
            child.end()
            done = True
        else:
            child.kill()
        cutter.close()
        found = seen(plugin, mongo_alone.uri(name))
        if done:
            complete = found
        elif found != before:
            kept += 1
            committed = found
        there.drop_database(name)
    assert n > 12, "too few messages were cut"
    assert complete != before
    # only after the commit mark may the rows have stayed
    assert kept <= 1 and (kept == 0 or committed == complete)
    assert kept == after


def test_a_second_process_waits_and_follows(plugin, mongo_alone):
    uri = mongo_alone.uri("second")
    before = prepared(plugin, uri)
    child = m.Child(uri)
    child.say("hold")
    assert child.line() == "held"
    with plugin.open(m.settings(uri), m.catalog) as db:
        with pytest.raises(StkError, match="replica set") as e:
            db.exec([m.every("a")], timeout=0.5)
        assert e.value.status == "UNAVAILABLE" and str(child.proc.pid) in e.value.message
        child.kill()
        # a dead process of this machine is followed at once, and what it began is undone
        assert m.state(db) == before


def test_a_process_that_ends_leaves_nothing(plugin, mongo_alone, there):
    uri = mongo_alone.uri("leaves")
    prepared(plugin, uri)
    assert there["leaves"].st_leases.count_documents({}) == 0


def test_another_machine_is_waited_for(plugin, mongo_alone, there):
    uri = mongo_alone.uri("machine")
    prepared(plugin, uri)
    there["machine"].st_leases.insert_one({"_id": "serve", "owner": "x", "place": "elsewhere",
                                           "pid": 1, "start": 1, "beat": 1})
    with plugin.open(m.settings(uri), m.catalog) as db:
        with pytest.raises(StkError, match="another machine"):
            db.exec([m.every("a")], timeout=0.5)
        assert len(db.exec([m.every("a")], timeout=40)[0].rows) == 3
        assert there["machine"].st_leases.find_one()["owner"] != "x"


def test_server_goes_and_comes_back(plugin, mongo_alone):
    uri = mongo_alone.uri("restart")
    before = prepared(plugin, uri)
    with plugin.open(m.settings(uri + "?serverSelectionTimeoutMS=500"), m.catalog) as db:
        txn = db.begin()
        txn.exec(m.WRITES[:3])
        mongo_alone.kill()
        with pytest.raises(StkError):
            txn.exec(m.WRITES[3:], timeout=3)
        txn.rollback()
        mongo_alone.start()
        with pymongo.MongoClient(uri, directConnection=True) as c:
            c.admin.command("ping")
        for _ in range(20):
            try:
                found = m.state(db)
                break
            except StkError as e:
                assert e.status in ("UNAVAILABLE", "TIMEOUT", "RETRY")
        assert found == before
