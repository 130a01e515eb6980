# SPDX-License-Identifier: Apache-2.0
"""The core or its database is killed while clients are at work, and comes back."""

import pytest

from core import Core
from history import History
from proxy import TcpProxy
from servers import wait_for


def hello(core):
    return core.get("/hello").status


def test_killed_core(place, rounds):
    core = Core(**place)
    try:
        core.start()
        with History(core.app()) as h:
            for _ in rounds():
                h.progress(60)
                core.kill()
                core.start()
            h.progress(20)
        h.check()
        assert h.seen["lost"] > 0
        assert core.stop() == 0
    finally:
        core.close()


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_postgresql_dies_and_comes_back(pg, database, rounds, how):
    with Core(uri=database, request_timeout=5) as core:
        with History(core.app()) as h:
            for _ in rounds():
                h.progress(60)
                pg.kill() if how == "killed" else pg.stop("fast")
                wait_for(lambda: hello(core) == 503, 10, "/hello says so")
                pg.start()
                wait_for(lambda: hello(core) == 200, 15, "/hello is well again")
                h.progress(60)
        # a request is answered, whatever happens to the database
        assert h.seen["lost"] == h.seen["partial"] == 0
        assert h.seen["unavailable"] > 0
        h.check()


def test_connections_are_cut_while_they_commit(pg, database):
    with TcpProxy(pg.port) as proxy:
        count, cut = [0], [0]

        def on_client(data):
            if b"COMMIT" not in data and b"stk_" not in data:
                return "pass"
            count[0] += 1
            if count[0] % 40:
                return "pass"
            cut[0] += 1
            return ["cut", "cut_after"][cut[0] % 2]
        with Core(uri=database.replace(f":{pg.port}/", f":{proxy.port}/")) as core:
            with History(core.app()) as h:
                proxy.on_client = on_client
                wait_for(lambda: cut[0] >= 16, 20, "connections were cut")
                proxy.on_client = None
                h.progress(20)
            h.check()
            assert h.seen["lost"] == 0
            # a lost connection is made again at once, and a lost answer is looked up
            assert h.seen["unavailable"] == 0


def test_sigterm_finishes_what_runs(place):
    core = Core(**place)
    try:
        core.start()
        with History(core.app()) as h:
            h.progress(60)
            assert core.stop(15) == 0
        assert h.seen["partial"] == 0
        core.start()
        h.check()
        # what was done was answered: no request was given up half-way
        assert all(core.at(h.app.prefix).post("/recipe/signin", {
            "email": e, "password": "secret123"}).json["status"] != "OK" for e in h.unsure)
        assert core.stop() == 0
    finally:
        core.close()
