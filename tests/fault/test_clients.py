# SPDX-License-Identifier: Apache-2.0
"""Clients that are many, slow, rude or broken.  Whatever they do, others are served."""

import json
import socket
import threading
import time
from contextlib import ExitStack, closing

import pytest

from core import Core

SIGN_UP = json.dumps({"email": "a@example.com", "password": "secret123"}).encode()
BODY_MAX = 1024 * 1024


@pytest.fixture(scope="module")
def core():
    with Core() as c:
        yield c


def connect(core, timeout=20):
    return closing(socket.create_connection(("127.0.0.1", core.port), timeout))


def request(path="/hello", method="GET", body=b"", **fields):
    head = {"Host": "localhost", **{k.replace("_", "-"): v for k, v in fields.items()}}
    if body and "Transfer-Encoding" not in head:
        head.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_reply(s):
    """(status, body) of one reply; None where the connection was closed without any."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            assert data == b"", data
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"Content-Length"])
    while len(body) < length:
        more = s.recv(65536)
        assert more, "the reply is cut off"
        body += more
    assert len(body) == length
    return int(head.split()[1]), body


def send(core, data):
    """The status of the reply to these bytes, None if there was none."""
    with connect(core) as s:
        try:
            s.sendall(data)
            reply = read_reply(s)
        except ConnectionError:
            return None
        return reply and reply[0]


def alive(core):
    start = time.monotonic()
    assert core.get("/hello").status == 200
    assert time.monotonic() - start < 5


# ---- many

def busy(core, app, n, times):
    body = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
            "useDynamicSigningKey": True}
    token = app.post("/recipe/session", body).ok()["accessToken"]["token"]
    check = {"accessToken": token, "enableAntiCsrf": False, "doAntiCsrfCheck": False,
             "checkDatabase": True}
    took = []

    def work():
        for _ in range(times):
            start = time.monotonic()
            app.post("/recipe/session/verify", check).ok()
            took.append(time.monotonic() - start)
    threads = [threading.Thread(target=work) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(took) == n * times
    return sorted(took)


def test_idle_connections_are_in_nobodys_way(core):
    app = core.app()
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(core)) for _ in range(200)]
        for s in idle:
            s.sendall(request())
        for s in idle:
            assert read_reply(s)[0] == 200
        took = busy(core, app, 8, 50)
        assert took[len(took) * 95 // 100] < 0.25
        # they are still welcome
        idle[0].sendall(request())
        assert read_reply(idle[0])[0] == 200


def test_more_connections_than_threads(core):
    """Beyond what is kept open, each gets its answer and is closed."""
    app = core.app()
    with ExitStack() as stack:
        many = [stack.enter_context(connect(core)) for _ in range(600)]
        for s in many:
            s.sendall(request())
        for s in many:
            assert read_reply(s)[0] == 200
        took = busy(core, app, 4, 10)
        assert took[len(took) // 2] < 0.25


# ---- slow

def dribble(core, start, until, results):
    """Sends what is left a byte at a time, while it may; (how long, how it ended)."""
    with connect(core, 0.2) as s:
        s.sendall(start)
        began, got = time.monotonic(), b""
        while time.monotonic() - began < until:
            try:
                s.sendall(b"x")
                more = s.recv(4096)
                got += more
                if not more:
                    break
            except TimeoutError:
                pass
            except ConnectionError:
                break
        results.append((time.monotonic() - began, got))


def test_what_dribbles_is_ended(core):
    """A byte now and then does not keep a thread for ever: in a head, in a body, in a chunk,
    in the length of a chunk, after a refusal."""
    post = {"path": "/recipe/signup", "method": "POST", "Content_Type": "application/json"}
    chunked = request(**post, Transfer_Encoding="chunked")
    starts = [request()[:-2] + b"x: ", request(**post, Content_Length="100000"),
              chunked + b"fff0\r\n", chunked + b"1;", request(**post, Content_Length="99999999")]
    results = []
    threads = [threading.Thread(target=dribble, args=(core, s, 25, results)) for s in starts]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        alive(core)
        time.sleep(0.1)
    assert max(took for took, _ in results) < 17, results


def test_reply_nobody_reads(core):
    """Many requests and no look at what comes back end in a wait for this client alone."""
    one = request("/config-that-is-nowhere" * 20)
    with connect(core, 1) as s:
        try:
            for _ in range(2000):
                s.sendall(one * 50)
        except (TimeoutError, ConnectionError):
            pass
        alive(core)


# ---- rude and broken

@pytest.mark.parametrize("body", [
    b"", b"{", b"}", b"null", b"[]", b"1", b'"text"', b"\x00\x01\x02", b"\xff\xfe", b"{'a': 1}",
    b'{"email": "\xff"}', b'{"email": "\\ud800"}', b"[" * 100000, b'{"a":' * 50000,
    b'{"email": "a@example.com", "password": "x"} trailing', b'{"a": 1e999}',
    b'{"a": 123456789012345678901234567890}',
], ids=lambda v: repr(v[:30]))
def test_garbage_for_json(core, body):
    reply = core.app().request("POST", "/recipe/signup", raw=body,
                               content_type="application/json")
    assert reply.status == 400
    alive(core)


@pytest.mark.parametrize("data, statuses", [
    (b"\x00" * 100 + b"\r\n\r\n", [400, None]),
    (b"GET\r\n\r\n", [400, None]),
    (b"GET / HTTP/9.9\r\n\r\n", [400, 505, None]),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50, [400, None]),  # TLS
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400, 405, 505, None]),
    (request("/hello" + "x" * 20000), [414, 431, 400]),
    (request(x="y" * 20000), [400, 431]),
    (request(**{f"h{i}": "x" for i in range(100)}), [431]),
    (request("/recipe/signup", "POST", SIGN_UP, Content_Length="-1"), [400, 411]),
    (request("/recipe/signup", "POST", SIGN_UP, Content_Length="9" * 30), [400, 413]),
    (request("/recipe/signup", "POST", SIGN_UP, Content_Length="5, 6"), [400]),
    (request("/recipe/signup", "POST", b"zz\r\n" + SIGN_UP, Transfer_Encoding="chunked"), [400]),
    (request("/recipe/signup", "POST", b"5\r\nhello\r\n", Transfer_Encoding="gzip, chunked"), [400]),
    (request("/../../etc/passwd"), [404]),
    (request("/%2e%2e/%00"), [400, 404]),
    (request("/hello", "BREW"), [405, 501, 400]),
], ids=lambda v: repr(v[:30]) if isinstance(v, bytes) else "")
def test_garbage_for_http(core, data, statuses):
    assert send(core, data) in statuses
    alive(core)


@pytest.mark.parametrize("chunked", [False, True])
def test_oversize_body(core, chunked):
    body = b" " * (BODY_MAX * 3)
    if chunked:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        data = request("/recipe/signup", "POST", body, Transfer_Encoding="chunked")
    else:
        data = request("/recipe/signup", "POST", body)
    assert send(core, data) in (413, None)
    alive(core)


def test_clients_that_leave(core):
    """In the middle of a head, of a body, and before the reply."""
    whole = request("/recipe/signup", "POST", SIGN_UP, Content_Type="application/json")
    for data in (whole[:20], whole[:-10], whole) * 20:
        with connect(core) as s:
            s.sendall(data)
    alive(core)
    assert busy(core, core.app(), 4, 10)[-1] < 1


def test_requests_one_after_the_other_without_waiting(core):
    app = core.app()
    one = request(f"{app.prefix}/users/count", cdi_version="5.4")
    with connect(core) as s:
        s.sendall(one * 10)
        data = b""
        while data.count(b'"count":0') < 10:
            more = s.recv(65536)
            assert more, data
            data += more
        assert data.count(b"HTTP/1.1 200") == 10
