# SPDX-License-Identifier: Apache-2.0
"""The fixtures of all tests over HTTP; see tests/lib/core_fixtures.py."""

from core_fixtures import app, core, database, mariadb, mysql8, postgres, storage  # noqa: F401
