# SPDX-License-Identifier: Apache-2.0
"""The fixtures of all tests over HTTP; see tests/lib/core_fixtures.py."""

from core_fixtures import (  # noqa: F401
    app, core, cores, database, faults, mariadb, mongo, mysql8, pair, postgres,
    storage)
