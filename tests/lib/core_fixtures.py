# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests over HTTP: one core for each storage and run, one app for each test.

`core` and `app` are parametrised over the storages, so a test that takes one runs on all
of them.  STK_STORAGES (a comma list) narrows them down, or adds mysql8, a MySQL 8 from
Maven Central, to mysql, which is Debian's MariaDB.
"""

import os
import shutil
import uuid

import pytest

from core import BUILD, PLUGINS, Core
from mysql_servers import MariaDBServer, MySQLServer
from servers import MongoServer, PostgresServer, ServerError, mongod_of_tests

STORAGES = ["sqlite", "postgresql", "mysql", "mongodb"]
ASKED = [s for s in os.environ.get("STK_STORAGES", ",".join(STORAGES)).split(",") if s]


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of this run.  Its own log must stay free of errors but those by
    which it tells of a duplicate or of a count that a transaction was made to check."""
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    with PostgresServer() as server:
        yield server
        bad = [e for e in server.log_errors()
               if "duplicate key value" not in e and "division by zero" not in e]
        # with what the server adds to it: of a deadlock, who waited for whom
        lines = server.log_text().splitlines()
        assert not bad, "\n".join("\n".join(lines[lines.index(e):][:20]) for e in bad)


@pytest.fixture(scope="session")
def pg():
    """A PostgreSQL server that tests may kill, and start again."""
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def mongo():
    """A server of this run that speaks MongoDB's protocol."""
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    with MongoServer() as server:
        yield server


@pytest.fixture
def database(postgres):
    """The URI of a new, empty PostgreSQL database."""
    return postgres.create_database("db_" + uuid.uuid4().hex)


def or_skip(make):
    """What make() gives; a skipped test where this machine has no such server."""
    try:
        return make()
    except ServerError as e:
        return pytest.skip(str(e))


def _mysql(kind):
    with or_skip(kind) as server:
        yield server
        assert server.log_errors() == []


@pytest.fixture(scope="session")
def mariadb():
    yield from _mysql(MariaDBServer)


@pytest.fixture(scope="session")
def mysql8():
    yield from _mysql(MySQLServer)


SERVERS = {"postgresql": "postgres", "mysql": "mariadb", "mysql8": "mysql8", "mongodb": "mongo"}


@pytest.fixture(scope="session", params=[s for s in [*STORAGES, "mysql8"] if s in ASKED])
def storage(request):
    """The name of the storage and the URI of an empty database (None for SQLite)."""
    if request.param == "sqlite":
        return request.param, None
    server = request.getfixturevalue(SERVERS[request.param])
    return request.param, server.create_database("db_" + uuid.uuid4().hex)


@pytest.fixture(scope="session")
def core(storage):
    with Core(uri=storage[1]) as c:
        yield c


@pytest.fixture
def app(core):
    return core.app()


class Faults:
    """An app on SQLite whose plugin fails when it is told to; see tests/plugins/inject."""

    def __init__(self, core, rules):
        self.rules, self.app, self.count = rules, core.app(), 0

    def next(self, rule):
        self.count += 1  # a file that has changed is read anew
        with open(self.rules + ".new", "w", encoding="utf-8") as f:
            f.write(rule + "\n" * self.count)
        os.rename(self.rules + ".new", self.rules)
        return self.app


@pytest.fixture
def faults(tmp_path):
    rules = str(tmp_path / "rules")
    env = {"STK_INJECT_TARGET": os.path.join(PLUGINS, "sqlite.so"), "STK_INJECT_RULES": rules}
    with Core(env=env, storage_plugin=os.path.join(BUILD, "tests", "plugins", "inject.so"),
              inject_path=str(tmp_path / "faults.db")) as core:
        yield Faults(core, rules)


@pytest.fixture(scope="module")
def cores(storage, tmp_path_factory):
    """Two cores on one database."""
    more = {}
    if not storage[1]:
        more["sqlite_path"] = str(tmp_path_factory.mktemp("shared") / "shared.db")
    with Core(uri=storage[1], **more) as one, Core(uri=storage[1], **more) as two:
        yield one, two


@pytest.fixture
def pair(cores):
    """A new app, seen at both."""
    app = cores[0].app()
    return app, cores[1].at(app.prefix)
