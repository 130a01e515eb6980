# SPDX-License-Identifier: Apache-2.0
"""Servers and the catalogue that the tests of the PostgreSQL plugin share.

PG_TEST_SERVERS limits the servers of the tests that run on each, e.g. "15,pgbouncer";
STK_BUILD is the build folder (default build).
"""

import itertools
import os
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.dirname(__file__))
pytest.register_assert_rewrite("driver_faults", "driver_migrations")

import stkabi  # noqa: E402
from servers import PgBouncer, PostgresServer  # noqa: E402

SERVERS = os.environ.get("PG_TEST_SERVERS", "system,11,18,pgbouncer").split(",")


def plugin_path():
    build = os.environ.get("STK_BUILD") or os.environ.get("O") or "build"
    return os.path.join(ROOT, build, "plugins", "postgresql.so")


@pytest.fixture(scope="session")
def plugin():
    return stkabi.Plugin(plugin_path())


@pytest.fixture(autouse=True)
def fresh_log(request):
    if "plugin" in request.fixturenames:
        request.getfixturevalue("plugin").logs.clear()


@pytest.fixture(scope="session")
def pg():
    """The server of the tests that need only one."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def server(pg):
    return pg


@pytest.fixture
def own():
    """A server that a test may stop."""
    with PostgresServer() as server:
        yield server


class Backend:
    """A server, or a pooler before one."""

    def __init__(self, server, front=None):
        self.server, self.front = server, front or server

    def uri(self, database):
        return self.front.uri(database)


@pytest.fixture(scope="session", params=SERVERS)
def backend(request, pg):
    if request.param == "pgbouncer":
        with PgBouncer(pg, pool_size=3) as bouncer:
            yield Backend(pg, bouncer)
    elif request.param in ("system", "15"):
        yield Backend(pg)
    else:
        with PostgresServer(request.param) as server:
            yield Backend(server)


numbers = itertools.count(1)


@pytest.fixture
def name():
    return f"t{next(numbers)}"


@pytest.fixture
def database(pg, name):
    """URI of a database of its own on the single server."""
    return pg.create_database(name)
