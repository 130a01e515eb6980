# SPDX-License-Identifier: Apache-2.0
"""One role applies the migrations, another serves with no more than rows; and each privilege
that is missing is told with the statement that gives it, which then mends it."""

import re

import pytest

from core import Core
from servers import MongoServer, mongod_of_tests

SIGN_UP = {"email": "a@example.com", "password": "secret123"}
PASSWORD = "app-secret"


def serve(uri):
    with Core(uri=uri) as core:
        app = core.app()
        app.post("/recipe/signup", SIGN_UP).ok()
        app.post("/recipe/signin", SIGN_UP).ok()
        app.post("/recipe/session", {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {},
                                     "enableAntiCsrf": False, "useDynamicSigningKey": True}).ok()
        assert " WARN " not in core.log_text() and " ERROR " not in core.log_text()


def migrate(uri):
    core = Core(uri=uri)
    r = core.run("migrate")
    core.close()
    assert r.returncode == 0, r.stdout + r.stderr


def refusal(uri):
    core = Core(uri=uri, startup_timeout=0)
    r = core.run("start")
    core.close()
    text = r.stdout + r.stderr
    assert r.returncode == 1 and PASSWORD not in text
    return r.stderr.rstrip().splitlines()[-1]


def grants(text):
    """The statements a message tells to run."""
    found = re.findall(r"GRANT [^;]*;", text)
    assert found, text
    return found


# ------------------------------------------------------------------ PostgreSQL

@pytest.fixture
def app_role(pg, name):
    """A role of no privileges, in a database whose public schema is locked as on 15."""
    pg.create_database(name)
    pg.psql("REVOKE ALL ON SCHEMA public FROM public", name)
    pg.psql(f"REVOKE ALL ON DATABASE {name} FROM public")
    role = "app_" + name[3:15]
    pg.create_user(role, PASSWORD)
    return role


def test_postgresql_rows_only(pg, name, app_role):
    migrate(pg.uri(name))
    pg.psql(f"GRANT CONNECT ON DATABASE {name} TO {app_role}")
    pg.psql(f"GRANT USAGE ON SCHEMA public TO {app_role}; GRANT SELECT, INSERT, UPDATE, DELETE "
            f"ON ALL TABLES IN SCHEMA public TO {app_role}", name)
    serve(pg.uri(name, app_role, PASSWORD))


def test_postgresql_told_grants_mend(pg, name, app_role):
    """Whoever does what is said, one refusal after the other, gets there."""
    migrate(pg.uri(name))
    uri, said = pg.uri(name, app_role, PASSWORD), []
    for _ in range(5):
        core = Core(uri=uri, startup_timeout=0)
        if core.run("migrate", "--status").returncode == 0:
            core.close()
            break
        core.close()
        said.append(refusal(uri))
        for statement in grants(said[-1]):
            pg.psql(statement, name)
    else:
        raise AssertionError(said)
    assert len(said) >= 2 and "GRANT CONNECT ON DATABASE" in said[0]
    serve(uri)


def test_postgresql_migrations_need_the_schema(pg, name, app_role):
    pg.psql(f"GRANT CONNECT ON DATABASE {name} TO {app_role}")
    uri = pg.uri(name, app_role, PASSWORD)
    told = grants(refusal(uri))
    assert told == [f'GRANT ALL ON SCHEMA "public" TO "{app_role}";']
    pg.psql(told[0], name)
    serve(uri)


# ------------------------------------------------------------------------ MySQL

def test_mysql_rows_only(mariadb, name):
    migrate(mariadb.create_database(name))
    role = name[:12]
    mariadb.sql(f"CREATE USER '{role}'@'%' IDENTIFIED BY '{PASSWORD}'; "
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{name}`.* TO '{role}'@'%'")
    serve(mariadb.uri(name, role, PASSWORD))


@pytest.mark.parametrize("some", [None, "SELECT", "SELECT, INSERT, UPDATE, DELETE"])
def test_mysql_told_grants_mend(mariadb, name, some):
    """Without anything, without writing, without the right to make tables."""
    mariadb.create_database(name)
    role = name[:12]
    mariadb.sql(f"CREATE USER '{role}'@'%' IDENTIFIED BY '{PASSWORD}'")
    if some:
        mariadb.sql(f"GRANT {some} ON `{name}`.* TO '{role}'@'%'")
    uri = mariadb.uri(name, role, PASSWORD)
    for statement in grants(refusal(uri)):
        mariadb.sql(statement)
    serve(uri)


# ---------------------------------------------------------------------- MongoDB

def test_mongodb_told_grants_mend():
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    with MongoServer(auth=True) as mongo:
        admin = mongo.client().admin
        admin.command("createUser", "app", pwd=PASSWORD, roles=[])
        uri = mongo.uri("supertokens", "app", PASSWORD)
        said = refusal(uri)
        told = re.search(r'grantRolesToUser\("app", \[\{role: "(\w+)", db: "(\w+)"\}\]\)', said)
        assert told and told.groups() == ("dbOwner", "supertokens"), said
        admin.command("grantRolesToUser", "app", roles=[{"role": told[1], "db": told[2]}])
        serve(uri)
        # one who may read and write rows is enough once the collections are there
        admin.command("revokeRolesFromUser", "app", roles=[{"role": told[1], "db": told[2]}])
        admin.command("grantRolesToUser", "app",
                      roles=[{"role": "readWrite", "db": "supertokens"}])
        with Core(uri=uri) as core:
            core.app().post("/recipe/signup", SIGN_UP).ok()
