# SPDX-License-Identifier: Apache-2.0
"""What an operator does by the book: make a database and a user, set the URI in the file or
the environment, let the core migrate or run the scripts by hand, look at the history."""

import os
import shutil
import sqlite3
import subprocess
import uuid

import pytest

from core import BUILD, SRC, Core, scripts
from servers import PostgresServer

PASSWORD = "your_secure_password"
SIGN_UP = {"email": "a@example.com", "password": "secret123"}


@pytest.fixture(scope="module")
def postgres():
    """A server of its own, because some of these tests fail on purpose."""
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    with PostgresServer() as server:
        yield server


@pytest.fixture
def by_the_book(postgres):
    """A database and a user made with CREATE DATABASE, CREATE USER and the GRANTs."""
    name = "supertokens_" + uuid.uuid4().hex[:8]
    user = name + "_user"
    postgres.psql(f"CREATE DATABASE {name};")
    postgres.psql(f"CREATE USER {user} WITH PASSWORD '{PASSWORD}';")
    postgres.psql(f"GRANT ALL PRIVILEGES ON DATABASE {name} TO {user};")
    postgres.psql(f"GRANT ALL ON SCHEMA public TO {user};", database=name)
    return name, f"postgresql://{user}:{PASSWORD}@localhost:{postgres.port}/{name}"


def write_config(home, *lines):
    with open(os.path.join(home, "config.yaml"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def history(postgres, name):
    return postgres.rows("SELECT version, name, compat, sha256 IS NOT NULL "
                         "FROM st_schema_version ORDER BY version", name)


def all_applied(hashed):
    return [(str(int(name[:3])), name, "1", "t" if hashed else "f")
            for name in scripts("postgresql")]


def test_uri_in_the_file(postgres, by_the_book, tmp_path):
    name, uri = by_the_book
    write_config(tmp_path, f'postgresql_connection_uri: "{uri}"')
    with Core(home=str(tmp_path)) as core:
        core.post("/recipe/signup", SIGN_UP).ok()
        assert f"migrating postgresql 001_initial_schema 1/{len(scripts('postgresql'))}" in core.log_text()
        assert PASSWORD not in core.log_text()
    assert history(postgres, name) == all_applied(True)
    assert postgres.rows("SELECT count(*) FROM st_users", name) == [("1",)]


def test_uri_in_the_environment(postgres, by_the_book):
    name, uri = by_the_book
    with Core(uri=uri) as core:
        core.post("/recipe/signup", SIGN_UP).ok()
    assert postgres.rows("SELECT count(*) FROM st_users", name) == [("1",)]


def test_environment_goes_before_the_file(postgres, by_the_book, tmp_path):
    _, uri = by_the_book
    write_config(tmp_path, 'postgresql_connection_uri: "postgresql://no:one@127.0.0.1:1/nowhere"')
    with Core(home=str(tmp_path), uri=uri) as core:
        core.post("/recipe/signup", SIGN_UP).ok()


def test_nothing_set_is_sqlite_in_started(tmp_path):
    write_config(tmp_path, "max_server_pool_size: 50")
    with Core(home=str(tmp_path)) as core:
        core.post("/recipe/signup", SIGN_UP).ok()
    db = sqlite3.connect(tmp_path / ".started" / "supertokens.db")
    assert db.execute("SELECT name FROM st_schema_version ORDER BY 1").fetchall() == [
        (script,) for script in scripts("sqlite")]
    assert db.execute("SELECT count(*) FROM st_users").fetchone() == (1,)
    db.close()


def test_script_by_hand_with_psql(postgres, by_the_book):
    name, uri = by_the_book
    words = "".join(f"\\i migration_scripts/postgresql/{script}.sql\n"
                    for script in scripts("postgresql"))
    for _ in range(2):  # running them again does no harm
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", uri], input=words,
                       text=True, cwd=SRC, check=True, capture_output=True)
    with Core(uri=uri, auto_migrate="false") as core:
        core.post("/recipe/signup", SIGN_UP).ok()
        assert "migrating" not in core.log_text()
    assert history(postgres, name) == all_applied(False)
    with Core(uri=uri) as core:  # one that may write there adds the hash of the script
        assert "migrating" not in core.log_text()
    assert history(postgres, name) == all_applied(True)


def test_script_by_hand_with_sqlite3(tmp_path):
    started = tmp_path / ".started"
    started.mkdir()
    for name in scripts("sqlite"):
        with open(os.path.join(SRC, f"migration_scripts/sqlite/{name}.sql"),
                  encoding="utf-8") as script:
            subprocess.run(["sqlite3", str(started / "supertokens.db")], stdin=script, check=True)
    with Core(home=str(tmp_path), auto_migrate="false") as core:
        core.post("/recipe/signup", SIGN_UP).ok()


def test_pending_scripts_are_refused_where_they_must_not_be_run(by_the_book):
    _, uri = by_the_book
    core = Core(uri=uri, auto_migrate="false", startup_timeout=0)
    r = core.run("start")
    core.close()
    assert r.returncode == 1
    assert "001_initial_schema" in r.stdout + r.stderr
    assert "supertokens migrate" in r.stdout + r.stderr


def test_migrate_command(postgres, by_the_book):
    name, uri = by_the_book
    core = Core(uri=uri)
    assert core.run("migrate", "--status").returncode == 3
    dry = core.run("migrate", "--dry-run")
    assert dry.returncode == 0 and "CREATE TABLE IF NOT EXISTS st_users" in dry.stdout
    assert postgres.rows("SELECT to_regclass('st_users') IS NULL", name) == [("t",)]
    assert core.run("migrate", "--to=1").returncode == 0
    assert history(postgres, name) == all_applied(True)[:1]
    assert core.run("migrate", "--status").returncode == 3
    assert core.run("migrate").returncode == 0
    assert core.run("migrate", "--status").returncode == 0
    assert history(postgres, name) == all_applied(True)
    core.close()


def test_missing_privilege_is_told_with_its_grant(postgres):
    name = "locked_" + uuid.uuid4().hex[:8]
    postgres.psql(f"CREATE DATABASE {name};")
    postgres.psql(f"CREATE USER {name} WITH PASSWORD '{PASSWORD}';")
    uri = f"postgresql://{name}:{PASSWORD}@localhost:{postgres.port}/{name}"
    core = Core(uri=uri, startup_timeout=0)
    r = core.run("start")
    core.close()
    assert r.returncode == 1
    assert "GRANT" in r.stdout + r.stderr and "SCHEMA" in r.stdout + r.stderr
    assert PASSWORD not in r.stdout + r.stderr


@pytest.mark.parametrize("change, text", [
    ({"database": "nowhere_at_all"}, "CREATE DATABASE"),
    ({"password": "wrong"}, "password"),
    ({"port": 1}, "refused"),
])
def test_common_errors(postgres, by_the_book, change, text):
    name, _ = by_the_book
    uri = postgres.uri(change.get("database", name), user=name + "_user",
                       password=change.get("password", PASSWORD), port=change.get("port"))
    core = Core(uri=uri, startup_timeout=0)
    r = core.run("start")
    core.close()
    out = r.stdout + r.stderr
    assert r.returncode == 1
    assert text in out and "postgresql: " in out
    assert PASSWORD not in out


def test_installed_core_starts(tmp_path, database):
    """make install, then the program from where it was put."""
    if not os.path.exists(os.path.join(BUILD, "bin", "supertokens")):
        pytest.skip("nothing was built")
    root = tmp_path / "root"
    subprocess.run(["make", "-s", f"O={BUILD}", "install", "PREFIX=/usr", f"DESTDIR={root}"],
                   cwd=SRC, check=True, capture_output=True, stdin=subprocess.DEVNULL,
                   env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
    home = root / "usr" / "lib" / "supertokens"
    assert (home / "migration_scripts" / "postgresql" / "001_initial_schema.sql").exists()
    assert (home / "plugins" / "postgresql.so").exists()
    program = str(root / "usr" / "bin" / "supertokens")
    out = subprocess.run([program, "config", "show"], capture_output=True, text=True, check=True)
    assert f"# home          {home}" in out.stdout
    status = subprocess.run([program, "migrate"], capture_output=True, text=True, check=False,
                            env=dict(os.environ, POSTGRESQL_CONNECTION_URI=database))
    assert status.returncode == 0, status.stdout + status.stderr
