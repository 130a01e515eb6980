# SPDX-License-Identifier: Apache-2.0
"""Many cores start at once on one empty database; and what may not start at all."""

import os
import shutil
import time
import uuid

import pytest

from conftest import SERVERS
from core import BUILD, Core, scripts
from servers import wait_for
from tables import Tables

CORES = 4
# Starting is quick, so unlike the long tests these run on all four by default.
STORAGES = os.environ.get("STK_FAULT_STORAGES", "sqlite,postgresql,mysql,mongodb").split(",")
KIND = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mysql", "mysql8": "mysql",
        "mongodb": "mongodb"}


@pytest.fixture(params=STORAGES)
def place(request, tmp_path):
    if request.param == "sqlite":
        where = {"sqlite_path": str(tmp_path / "shared.db")}
        request.node.tables = Tables("sqlite", where["sqlite_path"])
        return where
    server = request.getfixturevalue(SERVERS[request.param])
    where = {"uri": server.create_database("db_" + uuid.uuid4().hex)}
    request.node.tables = Tables(KIND[request.param], where["uri"])
    return where


def start_all(place, **more):
    """CORES cores on one database, started in the same moment."""
    cores = [Core(**place, **more) for _ in range(CORES)]
    for c in cores:
        c.spawn()
    return cores


def close_all(cores):
    for c in cores:
        c.close()


def test_cores_start_at_once(request, place):
    pg = request.getfixturevalue("pg") if "postgresql" in place.get("uri", "") else None
    mark = pg.log_mark() if pg else 0
    cores = start_all(place)
    try:
        for c in cores:
            wait_for(c.serves, 30, "the core serves")
        logs = [c.log_text() for c in cores]
        assert sum("001_initial_schema 1/" in text for text in logs) == 1
        assert [line for text in logs for line in text.splitlines()
                if " ERROR " in line or " WARN " in line] == []
        app = cores[0].app()
        for i, c in enumerate(cores):
            c.at(app.prefix).post("/recipe/signup", {
                "email": f"u{i}@example.com", "password": "secret123"}).ok()
        assert [c.at(app.prefix).get("/users/count").ok()["count"] for c in cores] == [CORES] * CORES
        tables = request.node.tables
        assert tables.history() == scripts(tables.kind)
        assert not pg or pg.log_errors(mark) == []
        assert [c.stop() for c in cores] == [0] * CORES
        # and once more on what is there by now: nobody migrates
        for c in cores:
            c.spawn()
        for c in cores:
            wait_for(c.serves, 30, "the core serves again")
        assert sum(c.log_text().count("001_initial_schema 1/") for c in cores) == 1
    finally:
        close_all(cores)


def test_core_is_killed_while_it_migrates(place):
    """However far it came, the next one finishes."""
    core = Core(**place)
    try:
        for n in range(6):
            core.spawn()
            wait_for(lambda: "SuperTokens Core" in core.log_text(), 10, "the core begins")
            time.sleep(0.004 * n)
            core.kill()
            os.truncate(core.log_path, 0)
        core.start()
        core.app().post("/recipe/signup", {"email": "a@example.com", "password": "secret123"}).ok()
        assert core.stop() == 0
    finally:
        core.close()


def refused(plugin, *text):
    core = Core(storage_plugin=plugin)
    try:
        r = core.run("start")
        assert r.returncode == 2
        last = r.stderr.rstrip().splitlines()[-1]
        for part in (plugin, *text):
            assert part in last
    finally:
        core.close()


@pytest.mark.parametrize("name, text", [
    ("bad_major", "it is built for plugin ABI 2, this core has ABI 1"),
    ("bad_symbol", "undefined symbol: stk_nobody_defines_this"),
])
def test_plugin_that_does_not_fit(name, text):
    path = os.path.join(BUILD, "tests", "plugins", name + ".so")
    if not os.path.exists(path):
        pytest.skip(f"{path} is not built. Run: make units")
    refused(path, text)


def test_file_that_is_no_plugin(tmp_path):
    path = tmp_path / "text.so"
    path.write_text("no plugin")
    path.chmod(0o644)
    refused(str(path), "it is no shared object")


def test_plugin_anybody_could_have_changed(tmp_path):
    path = tmp_path / "sqlite.so"
    shutil.copy(os.path.join(BUILD, "plugins", "sqlite.so"), path)
    path.chmod(0o666)
    refused(str(path), "is not loaded")
