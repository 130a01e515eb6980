# SPDX-License-Identifier: Apache-2.0
"""The HTTP server below the calls: framing, limits, many connections, the end.

Nothing here depends on the storage, so it runs on SQLite only."""

import os
import random
import select
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import Core
from metrics import read
from servers import wait_for


@pytest.fixture(scope="module")
def server():
    with Core() as c:
        yield c


class Wire:
    """A connection on which bytes are sent and replies taken apart by hand."""

    def __init__(self, core, timeout=30):
        self.s = socket.create_connection(("127.0.0.1", core.port), timeout)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.close()

    def send(self, data):
        self.s.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def _more(self):
        data = self.s.recv(65536)
        self.rest += data
        return bool(data)

    def closed(self):
        """Nothing more comes, and the server ended the connection."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        return self.rest == b""

    def reply(self, head_only=False):
        """(status, headers, body) of the next reply."""
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                raise EOFError(self.rest)
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        length = 0 if head_only else int(headers.get("content-length", 0))
        while len(self.rest) < length:
            if not self._more():
                raise EOFError(self.rest)
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(lines[0].split(" ")[1]), headers, body.decode()


HELLO = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path, body, *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers]
    if not any("length" in h.lower() or "transfer" in h.lower() for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines) + "\r\n\r\n" + body


# ---- connections

def test_kept_alive(server):
    with Wire(server) as w:
        for _ in range(50):
            status, headers, body = w.send(HELLO).reply()
            assert (status, body, headers["connection"]) == (200, "Hello\n", "keep-alive")
        assert w.send(HELLO.replace("Host", "Connection: close\r\nHost")).reply()[0] == 200
        assert w.closed()


def test_old_protocol_closes(server):
    with Wire(server) as w:
        status, headers, _ = w.send("GET /hello HTTP/1.0\r\n\r\n").reply()
        assert (status, headers["connection"]) == (200, "close")
        assert w.closed()
    with Wire(server) as w:
        w.send("GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        assert w.reply()[1]["connection"] == "keep-alive"
        assert w.send(HELLO).reply()[0] == 200


def test_pipelined(server):
    bad = post("/recipe/signin", "{}", "cdi-version: 5.4")
    with Wire(server) as w:
        w.send((HELLO + bad + "GET /nothing/here HTTP/1.1\r\nHost: x\r\n\r\n") * 20)
        for _ in range(20):
            assert w.reply()[2] == "Hello\n"
            assert w.reply()[2] == "Field name 'email' is invalid in JSON input\n"
            assert w.reply()[2] == "Not found\n"


def test_head_has_no_body(server):
    with Wire(server) as w:
        w.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + HELLO)
        assert w.reply(head_only=True)[0] == 405
        assert w.reply()[2] == "Hello\n"


@pytest.mark.parametrize("method", ["OPTIONS", "PATCH", "PROPFIND"])
def test_other_methods(server, method):
    with Wire(server) as w:
        status, headers, body = w.send(f"{method} /hello HTTP/1.1\r\nHost: x\r\n\r\n").reply()
        assert (status, body) == (405, "Method not supported\n")
        assert headers["content-type"] == "text/html;charset=UTF-8"


def test_an_upgrade_is_not_made(server):
    with Wire(server) as w:
        w.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert w.reply()[2] == "Hello\n"
        assert w.closed()


def test_no_file_is_served(server):
    for path in ("/core.log", "/..//..//..//etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                 "/.started/supertokens.db", "/index.html", "/x.cgi", "/x.shtml"):
        assert server.request("GET", path).status in (400, 404)


# ---- bodies

def chunked(*parts):
    return "".join(f"{len(p):x}\r\n{p}\r\n" for p in parts) + "0\r\n\r\n"


def test_chunked_body(server):
    body = '{"email":"a@example.com","password":"secret123"}'
    with Wire(server) as w:
        for cut in (1, 7, len(body)):
            parts = [body[i:i + cut] for i in range(0, len(body), cut)]
            w.send(post("/recipe/signin", chunked(*parts), "Transfer-Encoding: chunked"))
            assert w.reply()[2] == '{"status":"WRONG_CREDENTIALS_ERROR"}\n'
        assert w.send(HELLO).reply()[0] == 200


def test_body_in_pieces(server):
    data = post("/recipe/signin", '{"email":"a@example.com","password":"secret123"}')
    with Wire(server) as w:
        for i in range(0, len(data), 11):
            w.send(data[i:i + 11])
            time.sleep(0.001)
        assert w.reply()[0] == 200


def test_expect_continue(server):
    body = '{"email":"a@example.com","password":"secret123"}'
    with Wire(server) as w:
        w.send(post("/recipe/signin", "", f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert w.reply(head_only=True)[0] == 100
        assert w.send(body).reply()[0] == 200
        w.send(post("/recipe/signin", "", "Content-Length: 99999999", "Expect: 100-continue"))
        assert w.reply()[0] == 413
        assert w.closed()


def test_body_too_big(server):
    text = "The body is larger than 1048576 bytes\n"
    big = '{"x":"' + "y" * (1024 * 1024 + 100) + '"}'
    with Wire(server) as w:
        assert w.send(post("/recipe/signin", big)).reply()[::2] == (413, text)
        assert w.closed()
    with Wire(server) as w:
        parts = [big[i:i + 50000] for i in range(0, len(big), 50000)]
        w.send(post("/recipe/signin", chunked(*parts), "Transfer-Encoding: chunked"))
        assert w.reply()[::2] == (413, text)
    fits = '{"x":"' + "y" * (1024 * 1024 - 8) + '"}'
    with Wire(server) as w:
        assert w.send(post("/recipe/signin", fits)).reply()[0] == 400
        assert w.send(HELLO).reply()[0] == 200


def test_unread_bodies_are_skipped(server):
    with Wire(server) as w:
        for path in ("/hello", "/nothing/here"):
            w.send(post(path, "x" * 1000) + HELLO)
            w.reply()
            assert w.reply()[2] == "Hello\n"
    with Wire(server) as w:
        status, headers, _ = w.send(post("/hello", "x" * 500000)).reply()
        assert (status, headers["connection"]) == (200, "close")
        assert w.closed()


@pytest.mark.parametrize("body", ["", "[]", "null", "{", '{"a":"\\u0000"}', "[" * 100000,
                                  '{"a":' + "[" * 5000 + "]" * 5000 + "}"])
def test_bodies_that_are_no_object(server, body):
    with Wire(server) as w:
        assert w.send(post("/recipe/signin", body)).reply()[::2] == (400, "Invalid Json Input\n")


def test_deepest_body(server):
    """As deep as is taken in, it also goes through storage and back."""
    deep = 1
    for _ in range(97):
        deep = {"a": deep}
    body = {"userId": "u", "userDataInJWT": deep, "userDataInDatabase": deep,
            "enableAntiCsrf": False, "useDynamicSigningKey": True}
    handle = server.post("/recipe/session", body).ok()["session"]["handle"]
    reply = server.get("/recipe/session", {"sessionHandle": handle}).ok()
    assert reply["userDataInDatabase"] == reply["userDataInJWT"] == deep
    body["userDataInJWT"] = {"a": {"a": {"a": deep}}}
    server.post("/recipe/session", body).is_error(400, "Invalid Json Input")


# ---- heads

@pytest.mark.parametrize("headers", [
    ("Content-Length: 2", "Transfer-Encoding: chunked"),
    ("Content-Length: 2", "Content-Length: 3"),
    ("Content-Length: 2", "Content-Length: 2"),
    ("Content-Length: 2x",),
    ("Content-Length: +2",),
    ("Content-Length: -1",),
    ("Content-Length: ",),
    ("Transfer-Encoding: gzip",),
    ("Transfer-Encoding: gzip, chunked",),
    ("Transfer-Encoding: identity",),
    ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
])
def test_ambiguous_length_is_refused(server, headers):
    with Wire(server) as w:
        status = w.send(post("/recipe/signin", "{}" + HELLO, *headers)).reply()[0]
        assert status in (400, 411)
        assert w.closed()


@pytest.mark.parametrize("chunks", ["zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}xx0\r\n\r\n", "-2\r\n{}\r\n",
                                    "ffffffffffffffff\r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n",
                                    "7fffffffffffffff\r\n{}"])
def test_broken_chunks(server, chunks):
    with Wire(server) as w:
        w.send(post("/recipe/signin", chunks, "Transfer-Encoding: chunked"))
        w.s.shutdown(socket.SHUT_WR)
        assert w.reply()[0] == 400
        assert w.closed()


def test_head_too_large(server):
    with Wire(server) as w:
        assert w.send(HELLO[:-2] + "x: " + "y" * 20000 + "\r\n\r\n").reply()[::2] == (
            400, "The request is malformed, or its head is larger than 16384 bytes\n")
        assert w.closed()
    with Wire(server) as w:
        many = "".join(f"x{i}: y\r\n" for i in range(100))
        assert w.send(HELLO[:-2] + many + "\r\n").reply()[0] == 431
        assert w.closed()
    with Wire(server) as w:
        many = "".join(f"x{i}: y\r\n" for i in range(60))
        assert w.send(HELLO[:-2] + many + "\r\n").reply()[0] == 200


@pytest.mark.parametrize("head", [
    "GET\r\n\r\n", "GET /hello\r\n\r\n", "FOO /hello HTTP/1.1\r\n\r\n", "\x00\x01\x02\r\n\r\n",
    "GET /hello HTTP/9.9\r\n\r\n", "GET hello HTTP/1.1\r\n\r\n", "GET /he\x01llo HTTP/1.1\r\n\r\n",
    "GET /hello HTTP/1.1\r\nno colon\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
])
def test_garbage_is_refused(server, head):
    with Wire(server) as w:
        status, headers, _ = w.send(head).reply()
        assert status in (400, 505)
        assert headers["connection"] == "close"
        assert w.closed()


def test_random_bytes(server):
    r = random.Random(7)
    for _ in range(300):
        with Wire(server) as w:
            try:
                w.send(r.randbytes(r.randrange(1, 400)) + b"\r\n\r\n")
                w.s.shutdown(socket.SHUT_WR)
                w.closed()
            except (ConnectionResetError, BrokenPipeError):
                pass
    assert server.get("/hello").status == 200


# ---- many at once

def test_two_hundred_clients(server):
    wires = [Wire(server) for _ in range(200)]
    try:
        for _ in range(3):
            for w in wires:
                w.send(HELLO)
            assert all(w.reply()[1]["connection"] == "keep-alive" for w in wires)
    finally:
        for w in wires:
            w.s.close()


@pytest.mark.heavy
def test_more_clients_than_threads(server):
    """Those above the limit are served as soon as others are answered and closed."""
    wires = [Wire(server) for _ in range(700)]
    try:
        with ThreadPoolExecutor(32) as pool:
            replies = list(pool.map(lambda w: w.send(HELLO).reply(), wires))
        assert all(r[0] == 200 for r in replies)
        assert any(r[1]["connection"] == "close" for r in replies)
    finally:
        for w in wires:
            w.s.close()
    assert server.get("/hello").status == 200


def test_slow_hashes_keep_nobody_out():
    """One permit, and slow hashes: who waits for it does not hold the permit."""
    with Core(max_server_pool_size=1, bcrypt_log_rounds=12, request_timeout=60) as core:
        body = {"password": "secret123"}
        with ThreadPoolExecutor(4) as pool:
            hashes = [pool.submit(core.post, "/recipe/signup", {"email": f"a{i}@example.com", **body})
                      for i in range(4)]
            slowest, begin = 0, time.monotonic()
            while not all(h.done() for h in hashes):
                start = time.monotonic()
                assert core.get("/users/count").status == 200
                slowest = max(slowest, time.monotonic() - start)
            assert all(h.result().status == 200 for h in hashes)
        assert slowest < (time.monotonic() - begin) / 2


def test_a_slow_database_keeps_nobody_out(postgres, database):
    name = database.rsplit("/", 1)[1].split("?")[0]
    with Core(max_server_pool_size=2) as core, ThreadPoolExecutor(9) as pool:
        slow = core.app({"postgresql_connection_uri": database})
        slow.get("/users/count").ok()
        lock = pool.submit(postgres.psql, "BEGIN; LOCK TABLE st_user_counters; "
                           "SELECT pg_sleep(2); COMMIT", name)
        wait_for(lambda: postgres.rows("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' "
                                       "AND granted AND relation = 'st_user_counters'::regclass",
                                       name), 10, "the lock")
        waiting = [pool.submit(slow.get, "/users/count") for _ in range(8)]
        wait_for(lambda: len(postgres.rows("SELECT 1 FROM pg_locks WHERE NOT granted", name)) >= 5,
                 10, "requests wait for the lock")
        for _ in range(20):
            core.get("/users/count").ok()
        assert not lock.done()
        assert all(w.result().status == 200 for w in waiting)


@pytest.mark.concurrent
def test_permits_and_locks_do_not_wait_for_each_other(core):
    """Many first sessions of an app at once: all need the key that one of them makes."""
    body = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
            "useDynamicSigningKey": True}
    with ThreadPoolExecutor(48) as pool:
        for _ in range(3):
            app = core.app()
            replies = list(pool.map(lambda _, app=app: app.post("/recipe/session", body), range(96)))
            assert all(r.status == 200 for r in replies)


# ---- the end

def hashing(core):
    return 1 in read(core).all("supertokens_hash_running").values()


def test_running_requests_end_before_the_server():
    with Core(bcrypt_log_rounds=14, request_timeout=60) as core, Wire(core) as idle:
        idle.send(HELLO).reply()
        body = '{"email":"a@example.com","password":"secret123"}'
        with Wire(core) as busy:
            busy.send(post("/recipe/signup", body))
            wait_for(lambda: hashing(core), 10, "the password is being hashed")
            core.signal(signal.SIGTERM)
            wait_for(lambda: refused(core), 5, "new connections are refused")
            assert select.select([busy.s], [], [], 0)[0] == []
            status, headers, text = busy.reply()
            assert (status, headers["connection"]) == (200, "close")
            assert '"status":"OK"' in text
        assert idle.closed()
        assert core.proc.wait(10) == 0


def test_a_body_that_comes_too_late():
    """The server is told to end between the head and the body: not the client's mistake."""
    head = post("/recipe/signup", '{"email":"a@example.com","password":"secret123"}')[:-20]
    with Core() as core, Wire(core) as late:
        late.send(head)
        wait_for(lambda: read(core).value("supertokens_http_requests_in_progress") == 2, 10,
                 "the head is read")
        core.signal(signal.SIGTERM)
        status, headers, text = late.reply()
        assert (status, headers["connection"]) == (503, "close")
        assert "the server stops and did not read the request. Try again" in text
        assert core.proc.wait(10) == 0


def test_a_pause_while_ending_cuts_nothing_short():
    """As a debugger or a paused container does: it interrupts whoever waits for signals."""
    with Core(bcrypt_log_rounds=13, request_timeout=60) as core, Wire(core) as busy:
        busy.send(post("/recipe/signup", '{"email":"a@example.com","password":"secret123"}'))
        wait_for(lambda: hashing(core), 10, "the password is being hashed")
        core.signal(signal.SIGTERM)
        wait_for(lambda: refused(core), 5, "new connections are refused")
        core.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, core.proc.pid, os.WSTOPPED | os.WNOWAIT)
        core.signal(signal.SIGCONT)
        status, _, text = busy.reply()
        assert status == 200 and '"status":"OK"' in text
        assert core.proc.wait(10) == 0
        assert "ending anyway" not in core.log_text()


def refused(core):
    try:
        socket.create_connection(("127.0.0.1", core.port), 1).close()
        return False
    except OSError:
        return True


def test_an_idle_server_ends_at_once():
    with Core() as core:
        wires = [Wire(core) for _ in range(50)]
        for w in wires:
            w.send(HELLO).reply()
        start = time.monotonic()
        assert core.stop() == 0
        assert time.monotonic() - start < 5
        for w in wires:
            assert w.closed()


@pytest.mark.concurrent
def test_ends_under_load():
    """No reply is cut short, whatever the moment."""
    for _ in range(3):
        core, broken, stop, served = Core().start(), [], threading.Event(), []

        def load():
            while not stop.is_set():
                try:
                    with Wire(core) as w:
                        while not stop.is_set():
                            w.send(HELLO)
                            if w.reply()[2] != "Hello\n":
                                broken.append("body")
                            served.append(1)
                except EOFError as e:
                    if e.args[0]:
                        broken.append(e.args[0])
                except OSError:
                    pass

        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        wait_for(lambda: len(served) > 500, 30, "requests are served")
        code = core.stop()
        stop.set()
        for t in threads:
            t.join()
        core.close()
        assert (code, broken) == (0, [])


# ---- where it listens

@pytest.mark.parametrize("host, text", [
    ("::1", "is an IPv6 address"),
    ("no-such-host.invalid", "has no IPv4 address"),
    ("203.0.113.7", "Cannot assign requested address"),
])
def test_hosts_it_cannot_listen_on(host, text):
    core = Core(host=host)
    try:
        result = core.run("start")
        assert result.returncode == 1
        assert text in result.stderr and "http: " in result.stderr
    finally:
        core.close()


def test_port_in_use(server):
    core = Core()
    try:
        core.port = server.port
        result = core.run("start")
        assert result.returncode == 1
        assert f"cannot listen on 127.0.0.1:{server.port}: Address already in use" in result.stderr
    finally:
        core.close()


def test_every_interface_and_base_path():
    core = Core(host="0.0.0.0", base_path="/auth/v1")
    core.prefix = "/auth/v1"
    with core:
        assert core.get("/hello/").text == "Hello\n"
        core.get("/recipe/nothing").is_error(404, "Not found")
        core.at("").get("/hello").is_error(404, "Not found")


def test_addresses_are_filtered(server):
    denied = server.app({"ip_deny_regex": r"127\.0\.0\.\d+"})
    denied.get("/hello").is_error(403, "Forbidden")
    denied.get("/ghost/users/count").is_error(403, "Forbidden")
    server.app({"ip_allow_regex": r"10\..*"}).get("/hello").is_error(403, "Forbidden")
    allowed = server.app({"ip_allow_regex": r"127\.\d+\.\d+\.\d+|::1"})
    assert allowed.get("/hello").status == 200
