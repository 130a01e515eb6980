# SPDX-License-Identifier: Apache-2.0
"""What MongoDB was told and did not answer: commits, and writes of a standalone server's
transactions, which have to be undone.  Each test breaks one connection at one command."""

import http.client
import threading
import time
import uuid
from contextlib import contextmanager

import pytest

from core import Core
from proxy import TcpProxy
from servers import MongoServer, mongod_of_tests, wait_for

pytestmark = pytest.mark.skipif(not mongod_of_tests(), reason="no secantusdb on this machine")
PASSWORD = "secret123"


@pytest.fixture(scope="module")
def standalone():
    with MongoServer(standalone=True) as server:
        yield server


@pytest.fixture(scope="module")
def replica():
    server = MongoServer()
    server.more = ["--sync-on-commit"]
    with server:
        yield server


@contextmanager
def behind_proxy(server, query=None):
    """A proxy, and a core on a database of its own behind it."""
    with TcpProxy(server.port) as proxy:
        uri = server.uri("db_" + uuid.uuid4().hex, port=proxy.port, query=query)
        with Core(uri=uri) as core:
            yield proxy, core


@pytest.fixture
def solo(standalone):
    with behind_proxy(standalone) as world:
        yield world


def sign_up(app, email):
    return app.post("/recipe/signup", {"email": email, "password": PASSWORD})


def signs_in(app, email):
    reply = app.post("/recipe/signin", {"email": email, "password": PASSWORD})
    return bool(reply.ok())


def writes(verb, table):
    """Whether data are that command, and not about it as an entry of the journal is."""
    return lambda data: verb in data and table in data and b"st_undo" not in data


def once(*steps):
    """on_client that meets the steps, (matches(data), action), in turn and once."""
    left = list(steps)

    def on_client(data):
        if left and left[0][0](data):
            action = left.pop(0)[1]
            return action() if callable(action) else action
        return "pass"
    on_client.left = left
    return on_client


@pytest.mark.parametrize("write", [
    (b"insert", b"st_login_methods"), (b"update", b"st_user_counters")], ids=["first", "last"])
def test_no_answer_to_a_write_of_a_transaction(solo, write):
    """It is undone at once: not taken for done, and not undone after it was acknowledged."""
    proxy, core = solo
    app = core.app()
    proxy.on_client = once((writes(*write), "cut_after"))
    sign_up(app, "cut@example.com").ok()
    assert proxy.on_client.left == []
    core.kill()
    core.start()
    assert signs_in(core.at(app.prefix), "cut@example.com")


def test_rows_put_back_late(solo):
    """The undoing of a transaction is cut off, and arrives after it was run again."""
    proxy, core = solo
    app = core.app()

    def let_go():
        proxy.released.set()
        return "pass"
    proxy.on_client = once((writes(b"insert", b"st_users"), "cut_after"),
                           (writes(b"delete", b"st_users"), "late"),
                           (lambda data: b"currentOp" in data, let_go))
    sign_up(app, "late@example.com").ok()
    proxy.release()
    sign_up(app, "later@example.com").ok()
    assert signs_in(app, "late@example.com")


def test_the_mark_of_a_transaction_is_lost_and_then_the_server(standalone):
    with behind_proxy(standalone, "serverSelectionTimeoutMS=300") as (proxy, core):
        app = core.app()

        def lose():
            proxy.accepting = False
            return "cut_after"
        proxy.on_client = once((writes(b"update", b"st_user_counters"), "pass"),
                               (lambda data: b"$max" in data, lose))
        replies = []
        client = threading.Thread(target=lambda: replies.append(sign_up(app, "m@example.com")))
        client.start()
        wait_for(lambda: proxy.refused > 1 or replies, 10, "connections are refused")
        proxy.accepting = True
        client.join()
        assert proxy.on_client.left == []
        reply = replies[0]
        assert reply.status == 503 or reply.ok()
        wait_for(core.serves, 10, "the core serves again")
        assert signs_in(app, "m@example.com")


def test_a_commit_that_the_server_forgot(replica):
    """The server commits, dies, and does not know the transaction when it is asked again."""
    with behind_proxy(replica) as (proxy, core):
        app = core.app()

        def lose():
            proxy.accepting = False
            return "cut_after"
        proxy.on_client = once((writes(b"update", b"st_user_counters"), "pass"),
                               (lambda data: b"commitTransaction" in data, lose))
        replies = []
        client = threading.Thread(target=lambda: replies.append(sign_up(app, "c@example.com")))
        client.start()
        wait_for(lambda: not proxy.accepting and proxy.refused, 10, "the connection is lost")
        replica.kill()
        replica.start()
        proxy.accepting = True
        client.join()
        reply = replies[0]
        assert reply.status == 503 or reply.ok()
        wait_for(core.serves, 10, "the core serves again")
        assert signs_in(app, "c@example.com")


def test_a_killed_core_leaves_no_rows_locked(replica):
    """Its transactions would live for a minute; the next core on the machine ends them."""
    with behind_proxy(replica) as (proxy, core):
        app = core.app()

        def die():
            core.proc.kill()
            return "cut_after"
        proxy.on_client = once((writes(b"update", b"st_user_counters"), die))
        with pytest.raises((OSError, http.client.HTTPException)):
            sign_up(app, "killed@example.com")
        core.kill()
        core.start()
        sign_up(core.at(app.prefix), "killed@example.com").ok()


@pytest.mark.parametrize("command", [b"buildInfo", b"listIndexes"])
def test_a_start_loses_its_connection(replica, command):
    with TcpProxy(replica.port) as proxy:
        proxy.on_client = once((lambda data: command in data, "cut"))
        with Core(uri=replica.uri("db_" + uuid.uuid4().hex, port=proxy.port)) as core:
            assert core.serves()
        assert proxy.on_client.left == []


def test_rows_of_a_transaction_that_nobody_ends(mongo):
    """MongoDB keeps the transaction of a core that was killed for a minute: who wants its
    rows is told so within the time of a request, and reads go on."""
    uri = mongo.create_database("left_open")
    with Core(uri=uri, request_timeout=2) as core, mongo.client() as client:
        app = core.app()
        user = app.post("/recipe/signup", {"email": "a@x.io", "password": "password1"}).ok()["user"]
        change = {"recipeUserId": user["id"], "password": "password2"}
        rows = client["left_open"]
        with client.start_session() as session, session.start_transaction():
            for name in rows.list_collection_names():
                if name not in ("st_schema_version", "st_leases"):
                    rows[name].update_many({}, {"$inc": {"_lk": 1}}, session=session)
            start = time.monotonic()
            assert app.put("/recipe/user", change).status == 503
            assert time.monotonic() - start < 5
            assert app.get("/user/id", {"userId": user["id"]}).ok()["user"] == user
            session.abort_transaction()
        assert app.put("/recipe/user", change).ok()
