# SPDX-License-Identifier: Apache-2.0
"""The guide's lines in the installation directory, as `make install` makes it: config.yaml,
SQLite in .started, migration_scripts run by the guide's own user with the database's own
program."""

import os
import subprocess

import pytest

from conftest import USER, USER_PASSWORD, by_the_book
from core import BUILD, SRC, Core, scripts
from sdk import make
from servers import MongoServer, child_env, mongod_of_tests

SIGN_UP = {"email": "a@example.com", "password": "secret123"}


class Installed(Core):
    """The core as it was installed, which finds everything by its own path."""

    def __init__(self, root, **kw):
        super().__init__(home=str(root / "lib" / "supertokens"), **kw)
        self.log_path = str(root / f"core-{self.port}.log")
        self.program = str(root / "bin" / "supertokens")
        del self.settings["plugin_dir"]

    def command(self, *words):
        return [self.program, *words, f"--port={self.port}",
                *(f"--{k.replace('_', '-')}={v}" for k, v in self.settings.items())]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    make(SRC, "-o", "all", f"O={BUILD}", "install", f"PREFIX={prefix}")
    return prefix


@pytest.fixture
def home(root):
    """The installation directory; its configuration is restored."""
    path = root / "lib" / "supertokens"
    before = (path / "config.yaml").read_text(encoding="utf-8")
    yield path
    (path / "config.yaml").write_text(before, encoding="utf-8")


def postgresql(request, name):
    pg = request.getfixturevalue("pg")
    by_the_book(pg, name)
    return f"postgresql://{USER}:{USER_PASSWORD}@localhost:{pg.port}/{name}"


def mysql(request, name):
    mariadb = request.getfixturevalue("mariadb")
    mariadb.create_database(name)
    return f"mysql://{USER}:{USER_PASSWORD}@localhost:{mariadb.port}/{name}"


def mongodb(request, name):
    """The user is one of the database that the URI names."""
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    server = MongoServer(auth=True)
    request.addfinalizer(server.close)
    server.start()
    server.client()[name].command("createUser", "username", pwd="password",
                                  roles=[{"role": "dbOwner", "db": name}])
    return f"mongodb://username:password@localhost:{server.port}/{name}"


@pytest.mark.parametrize("make_database", [postgresql, mysql, mongodb])
def test_line_of_the_file(request, root, home, name, make_database):
    """The guide's own URI, in the file that is installed; the core tells of each script."""
    uri = make_database(request, name)
    kind = uri.split(":")[0]
    with open(home / "config.yaml", "a", encoding="utf-8") as f:
        f.write(f'{kind}_connection_uri: "{uri}"\nmax_server_pool_size: 50\n')
    with Installed(root) as core:
        core.post("/recipe/signup", SIGN_UP).ok()
        told, all_scripts = core.log_text(), scripts(kind)
    for n, script in enumerate(all_scripts, 1):
        assert f"migrating {kind} {script} {n}/{len(all_scripts)}" in told
    assert f"schema is at version {len(all_scripts)}" in told
    assert " WARN " not in told and " ERROR " not in told
    assert USER_PASSWORD not in told and ":password@" not in told


def test_nothing_set_is_sqlite(root, home):
    with Installed(root) as core:
        core.post("/recipe/signup", SIGN_UP).ok()
        assert (home / ".started" / "supertokens.db").exists()
    with Installed(root) as core:
        core.post("/recipe/signin", SIGN_UP).ok()


def client(kind, server, name):
    """The program as the guide starts it, over TCP because of the port, and its environment."""
    if kind == "postgresql":
        return (["psql", "-X", "-U", USER, "-h", "localhost", "-p", str(server.port), "-d", name],
                child_env(PGPASSWORD=USER_PASSWORD))
    return (["mysql", "--no-defaults", "--protocol=TCP", "-u", USER, "-h", "localhost", "-P",
             str(server.port), f"-p{USER_PASSWORD}", name], child_env())


READ = {"postgresql": "\\i", "mysql": "source"}


@pytest.mark.parametrize("kind, fixture", [("postgresql", "pg"), ("mysql", "mariadb")])
def test_scripts_by_hand(request, root, home, name, kind, fixture):
    """ls migration_scripts/, \\i or source of each, SELECT * FROM st_schema_version; the first
    script alone is gone on from as well."""
    server = request.getfixturevalue(fixture)
    uri = by_the_book(server, name) if kind == "postgresql" else server.create_database(name)
    argv, env = client(kind, server, name)

    def say(text):
        r = subprocess.run(argv, input=text, capture_output=True, text=True, env=env, cwd=home,
                           check=False, timeout=60)
        assert r.returncode == 0 and "ERROR" not in r.stderr, r.stdout + r.stderr
        return r.stdout

    assert sorted(os.listdir(home / "migration_scripts")) == ["mongodb", "mysql", "postgresql",
                                                              "sqlite"]
    first, *rest = scripts(kind)
    told = say(f"{READ[kind]} migration_scripts/{kind}/001_initial_schema.sql\n"
               "SELECT * FROM st_schema_version;\n")
    assert first == "001_initial_schema" and first in told and rest[0] not in told
    core = Installed(root, uri=uri, auto_migrate="false", startup_timeout=0)
    r = core.run("start")
    assert r.returncode == 1 and all(script in r.stderr for script in rest), r.stderr
    assert f"migration_scripts/{kind}" in r.stderr
    for script in rest:
        say(f"{READ[kind]} migration_scripts/{kind}/{script}.sql\n")
    told = say("SELECT * FROM st_schema_version;")
    assert all(script in told for script in scripts(kind))
    with Installed(root, uri=uri, auto_migrate="false") as core:
        core.post("/recipe/signup", SIGN_UP).ok()
        assert "migrating" not in core.log_text()


@pytest.mark.parametrize("fixture, options", [
    ("mariadb", ""), ("mariadb", "CHARACTER SET latin1 COLLATE latin1_swedish_ci"),
    ("mysql8", "")])
def test_database_without_the_words_of_the_guide(request, name, fixture, options):
    """As MYSQL_DATABASE of a container makes it, in whatever character set is the server's."""
    server = request.getfixturevalue(fixture)
    server.create_user()
    server.sql(f"CREATE DATABASE {name} {options}; "
               f"GRANT ALL PRIVILEGES ON {name}.* TO '{server.user_name}'@'%'")
    with Core(uri=server.uri(name)) as core:
        app = core.app()
        user = app.post("/recipe/signup", SIGN_UP).ok()["user"]["id"]
        data = {"name": "Zoë \U0001f600", "Ж": "ж"}
        app.put("/recipe/user/metadata", {"userId": user, "metadataUpdate": data}).ok()
        assert app.get("/recipe/user/metadata", {"userId": user}).ok()["metadata"] == data
        assert " WARN " not in core.log_text()
