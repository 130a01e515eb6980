# SPDX-License-Identifier: Apache-2.0
"""A database that holds the Java core's tables: they are named at start and left alone."""

from core import Core

SIGN_UP = {"email": "a@example.com", "password": "secret123"}


def check(uri, database):
    with Core(uri=uri) as core:
        core.post("/recipe/signup", SIGN_UP).ok()
        warnings = [line for line in core.log_text().splitlines() if " WARN " in line]
        assert len(warnings) == 1, warnings
        assert f'"{database}" holds tables of the Java core (session_info, thirdparty_users)' in \
            warnings[0]


def test_postgresql(pg, name):
    uri = pg.create_database(name)
    with Core(uri=uri) as core:
        assert " WARN " not in core.log_text()
    pg.psql("CREATE TABLE thirdparty_users (user_id text); CREATE TABLE session_info (a int); "
            "INSERT INTO session_info VALUES (7)", name)
    check(uri, name)
    assert pg.psql("SELECT a FROM session_info", name) == "7"


def test_mysql(mariadb, name):
    uri = mariadb.create_database(name)
    mariadb.sql("CREATE TABLE thirdparty_users (user_id text); CREATE TABLE session_info (a int); "
                "INSERT INTO session_info VALUES (7)", name)
    check(uri, name)
    assert mariadb.sql("SELECT a FROM session_info", name) == "7"
