# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that break things.  STK_FAULT_SECONDS lets each of those that break
things again and again go on for that long; by default two rounds must do.
STK_FAULT_STORAGES names the storages of those that run on more than one; by default the two
that every installation can have."""

import os
import time
import uuid

import pytest

from core_fixtures import mariadb, mongo, pg  # noqa: F401

STORAGES = os.environ.get("STK_FAULT_STORAGES", "sqlite,postgresql").split(",")
SERVERS = {"postgresql": "pg", "mysql": "mariadb", "mongodb": "mongo"}
SECONDS = float(os.environ.get("STK_FAULT_SECONDS", "0"))


def pytest_collection_modifyitems(items):
    """Each test may last as long as it is asked to, and then what a test may last."""
    for item in items:
        item.add_marker(pytest.mark.timeout(SECONDS + float(item.config.getini("timeout"))))


@pytest.fixture
def database(pg):
    """The URI of a new, empty database."""
    return pg.create_database("db_" + uuid.uuid4().hex)


@pytest.fixture(params=STORAGES)
def place(request, tmp_path):
    """What makes a Core use a new, empty database, and another one the same."""
    if request.param == "sqlite":
        return {"sqlite_path": str(tmp_path / "shared.db")}
    server = request.getfixturevalue(SERVERS[request.param])
    return {"uri": server.create_database("db_" + uuid.uuid4().hex)}


@pytest.fixture
def rounds():
    """Counts the rounds of a test: at least two."""
    def count():
        end, n = time.monotonic() + SECONDS, 0
        while n < 2 or time.monotonic() < end:
            yield n
            n += 1
    return count
