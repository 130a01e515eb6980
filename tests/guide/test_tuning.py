# SPDX-License-Identifier: Apache-2.0
"""The guide's tuning blocks run, and the core on top of them; its ways of looking at slow
queries and connections show the core's."""

import shutil

import pytest

from core import Core
from core_fixtures import or_skip
from mysql_servers import MariaDBServer
from servers import PostgresServer, ServerError

SIGN_UP = {"email": "a@example.com", "password": "secret123"}
POSTGRESQL = {
    "shared_buffers": "256MB", "effective_cache_size": "1GB", "maintenance_work_mem": "64MB",
    "checkpoint_completion_target": "0.9", "wal_buffers": "16MB",
    "default_statistics_target": "100", "random_page_cost": "1.1",
    "effective_io_concurrency": "200", "work_mem": "4MB", "min_wal_size": "1GB",
    "max_wal_size": "4GB"}
MYSQL = {"innodb_buffer_pool_size": 268435456, "max_connections": 200,
         "innodb_flush_log_at_trx_commit": 2, "innodb_log_file_size": 67108864}


def serve(uri):
    with Core(uri=uri) as core:
        app = core.app()
        app.post("/recipe/signup", SIGN_UP).ok()
        app.post("/recipe/signin", SIGN_UP).ok()


def test_postgresql():
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    with PostgresServer(conf={"shared_preload_libraries": "pg_stat_statements"}) as pg:
        for key, value in POSTGRESQL.items():
            pg.psql(f"ALTER SYSTEM SET {key} = '{value}'")
        pg.stop()
        pg.start()
        assert pg.psql("SHOW shared_buffers") == "256MB"
        uri = pg.create_database("supertokens")
        pg.psql("CREATE EXTENSION pg_stat_statements", "supertokens")
        serve(uri)
        # servers from 13 on call it total_exec_time
        slow = pg.psql("SELECT query FROM pg_stat_statements ORDER BY total_exec_time DESC",
                       "supertokens")
        assert "st_users" in slow and "secret123" not in slow
        with Core(uri=uri):
            assert int(pg.psql("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                               "'supertokens' AND application_name = 'supertokens'")) >= 1


def test_mysql_8(mysql8, name):
    """Which knows one of them as read-only: it is for the server's file there."""
    for key, value in MYSQL.items():
        if key == "innodb_log_file_size":
            with pytest.raises(ServerError, match="read only variable"):
                mysql8.sql(f"SET GLOBAL {key} = {value}")
        else:
            mysql8.sql(f"SET GLOBAL {key} = {value}")
    serve(mysql8.create_database(name))


def test_mysql():
    conf = {"log_output": "TABLE", "slow_query_log": 1, "long_query_time": 0}
    with or_skip(lambda: MariaDBServer(conf=conf)) as db:
        for key, value in MYSQL.items():
            db.sql(f"SET GLOBAL {key} = {value}")
        assert db.sql("SELECT @@innodb_log_file_size") == str(MYSQL["innodb_log_file_size"])
        uri = db.create_database("supertokens")
        serve(uri)
        slow = db.sql("SELECT CONVERT(sql_text USING utf8mb4) FROM mysql.slow_log "
                      "WHERE db = 'supertokens' ORDER BY query_time DESC")
        assert "st_users" in slow and "secret123" not in slow
        with Core(uri=uri):
            shown = [row for row in db.rows("SHOW PROCESSLIST") if row[3] == "supertokens"]
            assert shown and shown[0][1] == db.user_name
