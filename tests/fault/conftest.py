# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that break things.  STK_FAULT_SECONDS lets each of those that break
things again and again go on for that long; by default two rounds must do."""

import os
import shutil
import time
import uuid

import pytest

from servers import PostgresServer

SECONDS = float(os.environ.get("STK_FAULT_SECONDS", "0"))


@pytest.fixture(scope="session")
def pg():
    """A server that tests may kill, and start again."""
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database(pg):
    """The URI of a new, empty database."""
    return pg.create_database("db_" + uuid.uuid4().hex)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """What makes a Core use a new, empty database, and another one the same."""
    if request.param == "sqlite":
        return {"sqlite_path": str(tmp_path / "shared.db")}
    return {"uri": request.getfixturevalue("database")}


@pytest.fixture
def rounds():
    """Counts the rounds of a test: at least two."""
    def count():
        end, n = time.monotonic() + SECONDS, 0
        while n < 2 or time.monotonic() < end:
            yield n
            n += 1
    return count
