# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that follow a guide of database setup through: replication,
failover, TLS, privileges, backup and restore, tuning."""

import os
import re
import subprocess
import tempfile
import uuid

import pytest

from core import SRC
from core_fixtures import mariadb, mongo, mysql8, pg  # noqa: F401

with open(os.path.join(SRC, "docs", "database-setup.md"), encoding="utf-8") as page:
    TABLE = re.findall(r"^\| `([^|]*?)`[^|]*\|", page.read().split("## Errors")[1], re.M)


def documented(text, row):
    """One line, which the page of the errors has as this row."""
    assert row in TABLE, row
    words = [re.escape(part) for part in row.split("...")]
    assert re.search(".{1,60}".join(words), text), text
    assert "\n" not in text.strip()


USER, USER_PASSWORD = "supertokens_user", "your_secure_password"


def by_the_book(pg, name):
    """The guide's database, user and grants; the user is made once a server."""
    pg.psql(f"CREATE DATABASE {name}")
    if pg.psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{USER}'") != "1":
        pg.psql(f"CREATE USER {USER} WITH PASSWORD '{USER_PASSWORD}'")
    pg.psql(f"GRANT ALL PRIVILEGES ON DATABASE {name} TO {USER}")
    pg.psql(f"GRANT ALL ON SCHEMA public TO {USER}", name)
    return pg.uri(name, USER, USER_PASSWORD)


@pytest.fixture
def name():
    """Of a database that no other test uses."""
    return "db_" + uuid.uuid4().hex


@pytest.fixture
def small_disk():
    """A folder on a disk of its own, of 160 MB, where temporary folders are made."""
    path = tempfile.mkdtemp(prefix="stk-disk-")
    os.chmod(path, 0o777)
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=1777", "tmpfs", path],
                       capture_output=True, check=False)
    if r.returncode:
        os.rmdir(path)
        pytest.skip("mounting a small disk takes root")
    before, tempfile.tempdir = tempfile.tempdir, path
    try:
        yield path
    finally:
        tempfile.tempdir = before
        subprocess.run(["umount", "-l", path], check=False)
        os.rmdir(path)


class Balloon:
    """Fills a disk up to the last bytes, until it is pricked."""

    def __init__(self, folder, leave=0):
        self.path = os.path.join(folder, "balloon")
        self.file = open(self.path, "wb", buffering=0)
        st = os.statvfs(folder)
        os.posix_fallocate(self.file.fileno(), 0, max(1, st.f_bavail * st.f_bsize - leave))

    def prick(self):
        self.file.close()
        os.remove(self.path)
