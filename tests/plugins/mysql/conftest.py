# SPDX-License-Identifier: Apache-2.0
"""Servers that the tests of the MySQL plugin share.  MYSQL_TEST_SERVERS limits them, e.g.
"mariadb"; without it they are Debian's MariaDB and, if STK_HEAVY is not 0, a MySQL 8."""

import itertools
import os
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
pytest.register_assert_rewrite("driver_faults", "driver_migrations")

import stkabi  # noqa: E402
from mysql_servers import MariaDBServer, MySQLServer  # noqa: E402
from servers import ServerError  # noqa: E402

HEAVY = os.environ.get("STK_HEAVY", "1") != "0"
KINDS = {"mariadb": MariaDBServer, "mysql8": MySQLServer}
SERVERS = os.environ.get("MYSQL_TEST_SERVERS", "mariadb,mysql8" if HEAVY else "mariadb").split(",")
numbers = itertools.count(1)
if not HEAVY:  # the client library is not built with sanitizers
    collect_ignore_glob = ["test_*.py"]


def started(kind, **kw):
    try:
        return KINDS[kind](**kw)
    except (ServerError, OSError) as e:
        pytest.skip(str(e))


@pytest.fixture(scope="session")
def so():
    build = os.environ.get("STK_BUILD") or os.environ.get("O") or "build"
    return os.path.join(ROOT, build, "plugins", "mysql.so")


@pytest.fixture(scope="session")
def plugin(so):
    return stkabi.Plugin(so)


@pytest.fixture(autouse=True)
def fresh_log(request):
    if "plugin" in request.fixturenames:
        request.getfixturevalue("plugin").logs.clear()


@pytest.fixture(scope="session", params=SERVERS)
def server(request):
    with started(request.param) as s:
        yield s


@pytest.fixture
def own(server):
    """A server of the same kind that a test may stop."""
    with type(server)() as s:
        yield s


@pytest.fixture
def name():
    return f"t{next(numbers)}"


@pytest.fixture
def database(server, name):
    """URI of a database of its own."""
    return server.create_database(name)
