# SPDX-License-Identifier: Apache-2.0
"""The common errors of connecting, on each database that has a network: the start ends with
the reason as the page of the errors has it, says it once and again when it gives up, and leaves
it in error.log."""

import os
import re
import socket

import pytest

from conftest import USER, USER_PASSWORD, by_the_book, documented
from core import Core
from core_fixtures import or_skip
from proxy import TcpProxy
from mysql_servers import MariaDBServer
from servers import MongoServer, PostgresServer, free_port, mongod_of_tests, wait_for

SIGN_UP = {"email": "a@example.com", "password": "secret123"}
SECRET = "sEcReT-word"
ROWS = {
    ("postgresql", "refused"): "Connection refused",
    ("postgresql", "silent"): "did not answer within",
    ("postgresql", "host"): "host name of ... cannot be resolved",
    ("postgresql", "password"): "refuses the password of user",
    ("postgresql", "database"): 'database "..." does not exist',
    ("postgresql", "tls"): "no TLS connection",
    ("mysql", "refused"): "Connection refused",
    ("mysql", "socket"): "cannot connect to",
    ("mysql", "silent"): "did not answer within",
    ("mysql", "host"): "host name of ... cannot be resolved",
    ("mysql", "password"): "refuses user",
    ("mysql", "database"): 'database "..." does not exist',
    ("mysql", "foreign"): "may not use database",
    ("mysql", "tls"): "no TLS connection",
    ("mongodb", "refused"): "no server to be used",
    ("mongodb", "host"): "no server to be used",
    ("mongodb", "password"): "looked for in the database",
    ("mongodb", "tls"): "no server to be used",
}
TLS = {"postgresql": "sslmode=require", "mysql": "useSSL=true", "mongodb": "tls=true"}
PATIENCE = {"postgresql": "connect_timeout=1", "mysql": "connectTimeout=1000",
            "mongodb": "serverSelectionTimeoutMS=500"}


@pytest.fixture(scope="module")
def mongo_users():
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    with MongoServer(auth=True) as server:
        yield server


def place(request, kind, name):
    """The server, and a database that the guide's user may use."""
    server = request.getfixturevalue({"postgresql": "pg", "mysql": "mariadb",
                                      "mongodb": "mongo_users"}[kind])
    if kind == "postgresql":
        by_the_book(server, name)
    elif kind == "mysql":
        server.create_database(name)
        server.sql(f"GRANT ALL PRIVILEGES ON `{name}_none`.* TO '{USER}'@'%'")
    return server


@pytest.mark.parametrize("kind, what", ROWS, ids=["-".join(k) for k in ROWS])
def test_common_errors(request, kind, what, name):
    server = place(request, kind, name)
    host, database, password = f"localhost:{server.port}", name, USER_PASSWORD
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, says nothing
        if what == "refused":
            host = f"localhost:{free_port()}"
        elif what == "silent":
            host = f"127.0.0.1:{mute.getsockname()[1]}"
        elif what == "socket":
            host = "%2Ftmp%2Fno.sock"
        elif what == "host":
            host = f"no-such-host.invalid:{server.port}"
        elif what == "password":
            password = SECRET
        elif what == "database":
            database = name + "_none"
        elif what == "foreign":
            database = name + "_other"
        query = PATIENCE[kind] + ("&" + TLS[kind] if what == "tls" else "")
        core = Core(uri=f"{kind}://{USER}:{password}@{host}/{database}?{query}", startup_timeout=1)
        try:
            r = core.run("start")
            lines = (r.stdout + r.stderr).splitlines()
            with open(os.path.join(core.home, "logs", "error.log"), encoding="utf-8") as f:
                logged = f.read().splitlines()
        finally:
            core.close()
    assert r.returncode == 1
    last = r.stderr.rstrip().splitlines()[-1]
    documented(last, ROWS[kind, what])
    assert last.startswith(f"supertokens: {kind}: ")
    reason = last.removeprefix("supertokens: ")
    again = [line for line in lines if reason in line and line != last]
    assert len(again) <= 1 and all("; trying again for " in line for line in again), lines
    assert sum(reason in line for line in logged) == len(again) + 1
    for line in lines + logged:
        assert not re.search(r"\b(\w+): \1: ", line) and SECRET not in line
        assert USER_PASSWORD not in line


def test_the_statements_of_the_message_mend(mariadb, name):
    """A user who may use nothing is not told whether there is a database: the statements make
    it and give it."""
    uri = mariadb.create_database(name).replace(f"/{name}", f"/{name}_other")
    core = Core(uri=uri, startup_timeout=0)
    said = core.run("start").stderr.rstrip().splitlines()[-1]
    core.close()
    mariadb.sql(said.partition("Run: ")[2])
    with Core(uri=uri) as core:
        core.post("/recipe/signup", SIGN_UP).ok()


def test_database_of_a_tenant(pg, name):
    """It is away when it is first needed: said once, served when it is there."""
    by_the_book(pg, name)
    far = by_the_book(pg, name + "_far")
    with TcpProxy(pg.port) as proxy:
        with Core(uri=pg.uri(name, USER, USER_PASSWORD)) as core:
            app = core.app()
            app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "far", "coreConfig": {
                "postgresql_connection_uri": far.replace(f":{pg.port}/", f":{proxy.port}/")}}).ok()
        proxy.accepting = False
        proxy.cut_all()
        with Core(uri=pg.uri(name, USER, USER_PASSWORD), request_timeout=2) as core:
            far = core.at(app.prefix).tenant("far")
            for _ in range(3):
                assert far.post("/recipe/signup", SIGN_UP).status == 503
            core.at(app.prefix).post("/recipe/signup", SIGN_UP).ok()
            warnings = [line for line in core.log_text().splitlines() if " WARN " in line]
            assert len(warnings) == 1 and "a tenant's database cannot be used: postgresql: " in \
                warnings[0], warnings
            proxy.accepting = True
            far.post("/recipe/signup", SIGN_UP).ok()


@pytest.mark.parametrize("server", [PostgresServer, MariaDBServer, MongoServer])
def test_outage_while_serving(server):
    """What a database does that goes and comes back is a few lines of the log, whoever met it."""
    with or_skip(server) as db:
        uri = db.create_database("supertokens")
        kind = uri.split(":")[0]
        with Core(uri=f"{uri}?{PATIENCE[kind]}", request_timeout=3) as core:
            app = core.app()

            def sign_up(n):
                return app.post("/recipe/signup", dict(SIGN_UP, email=f"{n}@example.com"))
            sign_up(0).ok()
            db.kill()
            replies = [sign_up(n) for n in range(1, 7)]
            assert {r.status for r in replies} == {503}
            documented(replies[-1].text, ROWS[kind, "refused"])
            db.start()
            wait_for(lambda: sign_up(9).status == 200, 30, "served again")
            lines = [line for line in core.log_text().splitlines() if " WARN " in line]
            assert 1 <= len([line for line in lines if f" WARN  {kind}: " in line]) <= 3, lines
            assert len(lines) <= 4, lines
            assert not any("slow: " in line or f"{kind}: {kind}: " in line for line in lines)
            assert " ERROR " not in core.log_text()
            if kind != "mongodb":
                assert f"INFO  {kind}: connected to 127.0.0.1:{db.port} again" in core.log_text()
