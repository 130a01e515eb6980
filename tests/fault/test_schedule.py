# SPDX-License-Identifier: Apache-2.0
"""A random schedule of kills, restarts, pauses and partitions under a mixed load, on each
database, with a checker of what was acknowledged.

STK_FAULT_SECONDS says for how long (by default a dozen events), STK_FAULT_SEED repeats a
schedule; the seed is printed when it fails.  `make test-fault` runs long ones."""

import os
import random
import signal
import time
import uuid

import pytest

from conftest import SECONDS
from core import Core
from core_fixtures import or_skip
from history import History
from mysql_servers import MariaDBServer
from proxy import TcpProxy
from servers import MongoServer, PostgresServer, mongod_of_tests, wait_for

EVENTS = 12


class Place:
    """One database behind a proxy, and the cores that serve it."""

    def __init__(self, server, cores, home=None):
        self.server, self.proxy = server, None
        if server:
            self.proxy = TcpProxy(server.port)
            self.proxy.__enter__()
            name = "db_" + uuid.uuid4().hex
            uri = server.create_database(name).replace(f":{server.port}/", f":{self.proxy.port}/")
            where = {"uri": uri}
        else:
            where = {"sqlite_path": os.path.join(home, "shared.db")}
        self.cores = [Core(request_timeout=5, **where) for _ in range(cores)]
        for core in self.cores:
            core.start()

    def close(self):
        for core in self.cores:
            core.close()
        if self.proxy:
            self.proxy.__exit__()

    def serving(self):
        return all(core.serves() for core in self.cores)

    # ---- what may happen; each leaves everything running again

    def kill_core(self, rng):
        core = rng.choice(self.cores)
        core.kill()
        self._start(core)

    def restart_core(self, rng):
        core = rng.choice(self.cores)
        if core.serves():  # one that has not got so far has no handler of signals yet
            assert core.stop() == 0
        else:
            core.kill()
        self._start(core)

    @staticmethod
    def _start(core):
        # not start(), which waits: a database may be about to die as well
        core.spawn()

    def kill_database(self, rng):
        self.server.kill()
        time.sleep(rng.uniform(0, 0.5))
        self.server.start()

    def restart_database(self, rng):
        self.server.stop()
        time.sleep(rng.uniform(0, 0.5))
        self.server.start()

    def pause_database(self, rng):
        self.server.proc.send_signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.1, 2))
        self.server.proc.send_signal(signal.SIGCONT)

    def cut(self, _rng):
        self.proxy.cut_all()

    def partition(self, rng):
        """Requests arrive, answers do not; then the connections are dead."""
        self.proxy.stall()
        time.sleep(rng.uniform(0.1, 3))
        if rng.random() < 0.5:
            self.proxy.cut_all()
        self.proxy.release()

    def nothing(self, rng):
        time.sleep(rng.uniform(0, 0.5))

    def events(self):
        of_cores = [self.kill_core, self.restart_core, self.nothing]
        if not self.server:
            return of_cores
        return of_cores + [self.kill_database, self.restart_database, self.pause_database,
                           self.cut, self.cut, self.partition, self.partition]


def postgresql(_home):
    return PostgresServer(), 2


def mysql(_home):
    # the process dies, not the machine: what the log's file has is not lost
    return MariaDBServer(conf={"innodb_flush_log_at_trx_commit": 2}), 2


def sqlite(_home):
    return None, 2


def mongodb(_home, standalone=False):
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    server = MongoServer(standalone=standalone)
    server.more = ["--sync-on-commit"]
    return server, 1 if standalone else 2


def mongodb_standalone(home):
    return mongodb(home, True)


@pytest.fixture(params=[sqlite, postgresql, mysql, mongodb, mongodb_standalone],
                ids=lambda make: make.__name__)
def world(request, tmp_path):
    server, cores = or_skip(lambda: request.param(str(tmp_path)))
    if server:
        server.start()
    place = Place(server, cores, str(tmp_path))
    yield place
    place.close()
    if server:
        server.close()


def test_schedule(world):
    seed = int(os.environ.get("STK_FAULT_SEED") or random.randrange(2**32))
    rng, done = random.Random(seed), []
    app = world.cores[0].app()
    apps = [core.at(app.prefix) for core in world.cores]
    try:
        with History(apps) as h:
            end = time.monotonic() + SECONDS
            while len(done) < EVENTS or time.monotonic() < end:
                event = rng.choice(world.events())
                done.append(event.__name__)
                start = time.monotonic()
                event(rng)
                if rng.random() < 0.7:  # else the next fault meets this one
                    wait_for(world.serving, 60, f"all serve after {done[-3:]}")
                    h.progress(20, 60)
                done[-1] += f" {time.monotonic() - start:.1f} s"
            wait_for(world.serving, 60, "all serve at the end")
            h.progress(40, 60)
        h.check()
        print(f"seed {seed}: {len(done)} events, {dict(h.seen)}: {done}")
    except BaseException:
        print(f"STK_FAULT_SEED={seed}: {done}")
        for core in world.cores:
            print(core.log_text()[-4000:])
        raise
    for core in world.cores:
        assert core.stop() == 0
