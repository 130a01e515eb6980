# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server for the bugs that need a connection to lose."""

import pytest

from servers import PostgresServer


@pytest.fixture(scope="module")
def pg():
    with PostgresServer() as server:
        yield server
