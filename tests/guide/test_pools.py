# SPDX-License-Identifier: Apache-2.0
"""Pools, deadlines and queues under many clients: 500 of them share a few connections, a slow
database of one tenant is that tenant's trouble alone, and whoever needs no hash does not wait
for those who do.  How long things take is for `make bench`; here is that they happen."""

import json
import socket
import threading
import time
import uuid
from contextlib import ExitStack

import pytest

from core import Core
from proxy import TcpProxy

PASSWORD = "secret123"
SESSION = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
           "useDynamicSigningKey": True}
SERVERS = {"postgresql": "pg", "mysql": "mariadb", "mongodb": "mongo"}
POOL = 4


@pytest.fixture(params=SERVERS)
def server(request):
    found = request.getfixturevalue(SERVERS[request.param])
    found.plugin = request.param
    return found


def new_database(server):
    return server.create_database("db_" + uuid.uuid4().hex)


def verify_body(app):
    token = app.post("/recipe/session", SESSION).ok()["accessToken"]["token"]
    return {"accessToken": token, "enableAntiCsrf": False, "doAntiCsrfCheck": False,
            "checkDatabase": True}


def raw(path, body):
    data = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\ncdi-version: 5.4\r\nContent-Type: "
            f"application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data


def answer(s):
    """The JSON of the reply on a socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += s.recv(65536) or pytest.fail(f"closed after {data!r}")
    head, _, body = data.partition(b"\r\n\r\n")
    length = int([line for line in head.lower().split(b"\r\n")
                  if line.startswith(b"content-length:")][0].split(b":")[1])
    while len(body) < length:
        body += s.recv(65536)
    assert head.split()[1] == b"200", body
    return json.loads(body)


def connections_of(server, uri):
    name = uri.split("?")[0].rsplit("/", 1)[1]
    if server.plugin == "postgresql":
        return int(server.psql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"))
    return len(server.connections(name)) if server.plugin == "mysql" else None


def test_five_hundred_clients(server):
    """200 that stay connected and say nothing, 300 that all ask at once, over four connections
    to the database: everybody is answered."""
    uri = new_database(server)
    with Core(uri=uri, max_server_pool_size=50, request_timeout=30,
              **{f"{server.plugin}_connection_pool_size": POOL}) as core, ExitStack() as stack:
        app = core.app()
        request = raw(f"{app.prefix}/recipe/session/verify", verify_body(app))
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", core.port), 60))
                   for _ in range(500)]
        idle, busy = clients[:200], clients[200:]
        for s in idle:
            s.sendall(request)
        for s in idle:
            assert answer(s)["status"] == "OK"
        for s in busy:
            s.sendall(request)
        for s in busy:
            assert answer(s)["status"] == "OK"
        assert (connections_of(server, uri) or 1) <= POOL
        # in such a crowd idle connections may be closed: who comes back is served
        with socket.create_connection(("127.0.0.1", core.port), 60) as s:
            s.sendall(request)
            assert answer(s)["status"] == "OK"
        assert " WARN " not in core.log_text()


def test_slow_database_of_one_tenant(server):
    """It answers nothing: all its requests get 503 by their deadline, as many as there may be,
    while those of the others are served."""
    uri, far = new_database(server), new_database(server)
    if server.plugin == "mongodb":  # where a server that says nothing is left after this long
        far += ("&" if "?" in far else "?") + "socketTimeoutMS=2000&serverSelectionTimeoutMS=2000"
    with TcpProxy(server.port) as proxy, Core(
            uri=uri, request_timeout=5, max_server_pool_size=3) as core:
        app = core.app()
        app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "far", "coreConfig": {
            f"{server.plugin}_connection_uri": far.replace(f":{server.port}/", f":{proxy.port}/")
        }}).ok()
        user = {"email": "a@example.com", "password": PASSWORD}
        app.post("/recipe/signup", user).ok()
        app.tenant("far").post("/recipe/signup", user).ok()
        check = verify_body(app)
        proxy.stall()
        slow, lock = [], threading.Lock()

        def ask():
            start = time.monotonic()
            reply = app.tenant("far").post("/recipe/signin", user)
            with lock:
                slow.append((reply.status, time.monotonic() - start, reply.text))
        crowd = [threading.Thread(target=ask) for _ in range(40)]
        for t in crowd:
            t.start()
        served = 0
        while not slow:
            app.post("/recipe/session/verify", check).ok()
            app.post("/recipe/signin", user).ok()
            served += not slow
        for t in crowd:
            t.join()
        assert served > 0
        assert {status for status, _, _ in slow} == {503}
        assert max(took for _, took, _ in slow) < 15
        assert all("\n" not in text.strip() and server.plugin in text for _, _, text in slow)
        assert " ERROR " not in core.log_text()
        proxy.release()
        proxy.cut_all()


def test_hashes_are_in_nobodys_way(server):
    """A storm of logins, each with a hash that takes long, on a core that works on two requests
    at once and has two connections: verifies are answered while the hashes are waited for."""
    with Core(uri=new_database(server), bcrypt_log_rounds=12, max_server_pool_size=2,
              request_timeout=60, **{f"{server.plugin}_connection_pool_size": 2}) as core:
        app = core.app()
        user = {"email": "a@example.com", "password": PASSWORD}
        app.post("/recipe/signup", user).ok()
        check = verify_body(app)
        storm, done, lock = 24, [], threading.Lock()

        def login():
            reply = app.post("/recipe/signin", user)
            with lock:
                done.append(reply.json["status"])
        crowd = [threading.Thread(target=login) for _ in range(storm)]
        for t in crowd:
            t.start()
        verified = 0
        while len(done) < storm // 2:
            app.post("/recipe/session/verify", check).ok()
            app.post("/recipe/session/verify", dict(check, checkDatabase=False)).ok()
            if len(done) < storm // 2:  # so half of the hashes are still ahead
                verified += 1
        for t in crowd:
            t.join()
        assert done == ["OK"] * storm
        assert verified >= storm // 2
