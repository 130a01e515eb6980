# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that follow a guide of database setup through: replication,
failover, TLS, privileges, backup and restore, tuning."""

import shutil
import uuid

import pytest

from core_fixtures import mariadb  # noqa: F401
from servers import PostgresServer


@pytest.fixture(scope="session")
def pg():
    """A PostgreSQL server that these tests share."""
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    with PostgresServer() as server:
        yield server


@pytest.fixture
def name():
    """Of a database that no other test uses."""
    return "db_" + uuid.uuid4().hex
