# SPDX-License-Identifier: Apache-2.0
"""GET /metrics, the signs of life, the log of slow queries, and what the core is called in
the databases' own lists of connections."""

import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import SRC, Core
from metrics import read
from mysql_servers import MariaDBServer
from servers import MongoServer, PostgresServer, mongod_of_tests, wait_for

KEY = "a-key-of-twenty-characters"


def signup(client, email=None):
    email = email or f"{uuid.uuid4().hex}@example.com"
    return client.post("/recipe/signup", {"email": email, "password": "secret12"}).ok()["user"]


# ---- the format


def test_histograms_add_up(core, app):
    signup(app)
    m = read(core)
    name = "supertokens_http_request_duration_seconds"
    call = {"method": "POST", "route": "/recipe/signup"}
    bounds = [dict(k)["le"] for k in m.all(name + "_bucket", **call)]
    assert bounds[0] == "0.0001" and bounds[-2:] == ["10.0", "+Inf"]
    assert [float(b) for b in bounds[:-1]] == sorted(float(b) for b in bounds[:-1])
    counts = list(m.all(name + "_bucket", **call).values())
    assert counts == sorted(counts)
    assert counts[-1] == m.value(name + "_count", **call) >= 1
    assert counts[-1] == m.sum("supertokens_http_requests_total", **call)
    assert 0 < m.value(name + "_sum", **call) < 60 * counts[-1]


def test_docs_name_every_metric():
    """Also that each is printed from the start, when nothing was counted yet."""
    with open(os.path.join(SRC, "docs", "operating.md"), encoding="utf-8") as f:
        section = f.read().split("\n## Monitoring\n")[1].split("\n## ")[0]
    named = re.findall(r"^\| `((?:supertokens|process)_\w+)` \| ([a-z, ]*)\|", section, re.M)
    with Core() as c:
        signup(c)
        m = read(c)
    assert sorted(n for n, _ in named) == sorted(m.types)
    for (name, labels) in m.samples:
        family = re.sub("_(bucket|sum|count)$", "", name)
        family = family if family in m.types else name
        listed = [word.strip() for word in dict(named)[family].split(",") if word.strip()]
        assert sorted(listed) == [k for k, _ in labels if k != "le"], family


# ---- what is counted


def test_requests_are_counted_by_call_and_class(core):
    app = core.app()
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t-of-metrics"}).ok()
    before = read(core)
    where = f"{app.prefix}/t-of-metrics"
    user = signup(app.at(where))
    app.at(where).post("/recipe/signup", {"email": "a@b.co"}).is_error(400)
    core.at("/a/path/of/nobody").get("/x").is_error(404)
    core.request("PATCH", "/recipe/signup")
    after = read(core)

    def more(status, **call):
        call["status"] = status
        name = "supertokens_http_requests_total"
        return after.value(name, **call) - before.value(name, **call)

    signup_call = {"method": "POST", "route": "/recipe/signup"}
    assert more("2xx", **signup_call) == 1
    assert more("4xx", **signup_call) == 1
    assert more("4xx", method="other", route="none") == 2
    assert more("2xx", method="GET", route="/metrics") == 1
    for secret in (user["id"], user["emails"][0], "t-of-metrics", app.prefix[7:], "nobody"):
        assert secret not in after.text


def test_queries_are_counted_by_name(core, app):
    signup(app, "once@example.com")
    before = read(core)
    app.post("/recipe/signup", {"email": "once@example.com", "password": "secret12"}).is_status(
        "EMAIL_ALREADY_EXISTS_ERROR")
    signup(app)
    after = read(core)

    def more(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert more("supertokens_storage_queries_total", query="user_insert") >= 1
    assert more("supertokens_storage_query_duration_seconds_total", query="user_insert") > 0
    assert more("supertokens_storage_errors_total", error="duplicate") >= 1
    assert more("supertokens_storage_batch_duration_seconds_count") >= 2
    assert more("supertokens_hash_done_total", lane="bcrypt") == 2


def test_metrics_ask_no_database(core):
    reply = core.get("/metrics")
    assert reply.status == 200
    assert (reply.round_trips, reply.batches) == (0, 0)


def test_jobs_are_told(core):
    def ran():
        m = read(core)
        return m if m.value("supertokens_job_runs_total", job="expire_sessions") else None

    m = wait_for(ran, 30, "a first run of the job")
    assert m.value("supertokens_job_last_run_timestamp_seconds", job="expire_sessions") >= m.value(
        "process_start_time_seconds")
    assert m.value("supertokens_job_failures_total", job="expire_sessions") == 0
    jobs = {dict(k)["job"] for k in m.all("supertokens_job_runs_total")}
    assert {"expire_sessions", "expire_password_reset_tokens", "sweep_deleted_tenants"} <= jobs


def test_pools_are_told(core, storage):
    m = read(core)
    [(labels, size)] = m.all("supertokens_storage_pool_size").items()
    place = dict(labels)["storage"]
    assert place.startswith(storage[0] + ":") and size >= 1
    if storage[1]:
        assert "your_secure_password" not in m.text and "password" not in place
    now = m.value("supertokens_storage_pool_in_use", storage=place) + m.value(
        "supertokens_storage_pool_idle", storage=place)
    assert 1 <= now <= size


def test_process(core):
    m = read(core)
    with open(f"/proc/{core.proc.pid}/statm", encoding="ascii") as f:
        pages = int(f.read().split()[1])
    assert abs(m.value("process_resident_memory_bytes") - pages * 4096) < 16 << 20
    fds = len(os.listdir(f"/proc/{core.proc.pid}/fd"))
    assert abs(m.value("process_open_fds") - fds) <= 8
    assert 0 < m.value("supertokens_uptime_seconds") < 86400
    with open(os.path.join(SRC, "VERSION"), encoding="ascii") as f:
        assert m.value("supertokens_build_info", version=f.read().strip()) == 1


def test_hashes_wait_in_sight():
    """Many sign-ups at once: some are computed, the others stand in the queue."""
    with Core(bcrypt_log_rounds=12) as c:
        with ThreadPoolExecutor(8) as pool:
            done = [pool.submit(signup, c) for _ in range(8)]

            def busy():
                m = read(c)
                queued = m.value("supertokens_hash_queued", lane="bcrypt")
                return queued and m.value("supertokens_hash_running", lane="bcrypt")

            running = wait_for(busy, 30, "hashes running and waiting", interval=0.005)
            [d.result() for d in done]
        m = read(c)
        assert 1 <= running <= m.value("supertokens_hash_threads", lane="bcrypt")
        assert m.value("supertokens_hash_done_total", lane="bcrypt") == 8
        assert m.value("supertokens_hash_queued", lane="bcrypt") == 0
        assert m.value("supertokens_http_slots_free") >= 9


# ---- who may ask


def test_access():
    with Core(api_keys=KEY) as c:
        c.get("/metrics").is_error(401, "Invalid API key")
        c.get("/metrics", api_key="another-key-of-twenty-characters").is_error(401)
        assert read(c.at(cdi="none"), authorization=f"Bearer {KEY}").types
        assert read(c.at(cdi="1.0"), api_key=KEY).types
        for path in ("/health/live", "/health/ready", "/hello"):
            assert c.at(cdi="none").get(path).status == 200
        c.post("/metrics", api_key=KEY).is_error(405)


def test_only_the_base_app_is_asked(core):
    app = core.app()
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    assert app.get("/metrics").status == 403
    assert app.at(app.prefix + "/t1").get("/metrics").status == 403


# ---- a database in trouble


@pytest.fixture(scope="module")
def troubled():
    """A server of its own: its log may hold errors."""
    with PostgresServer() as server:
        yield server


class Locked:
    """Holds a table of PostgreSQL, so that whoever wants it waits."""

    def __init__(self, uri, table):
        import psycopg
        self.c = psycopg.connect(uri)
        self.c.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        self.other = psycopg.connect(uri, autocommit=True)

    def waiting_ms(self):
        """How long the core waits already; 0: not at all."""
        row = self.other.execute(
            "SELECT extract(epoch FROM max(clock_timestamp() - query_start)) * 1000 FROM "
            "pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'supertokens'"
        ).fetchone()
        return float(row[0] or 0)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.c.close()
        self.other.close()


def test_slow_queries_and_a_full_pool(troubled):
    """One connection, and it waits for a lock: told without asking for another."""
    database = troubled.create_database("full")
    with Core(uri=database, postgresql_connection_pool_size=1, slow_query_threshold_ms=100) as c:
        user = signup(c, "slow@example.com")
        with ThreadPoolExecutor(2) as pool, Locked(database, "st_user_tenants") as lock:
            first = pool.submit(c.post, "/recipe/signin",
                                {"email": "slow@example.com", "password": "secret12"})
            wait_for(lock.waiting_ms, 10, "the core waits for the lock")
            assert m_value(c, "supertokens_storage_pool_in_use") == 1
            probe = pool.submit(wait_for, lambda: c.get("/health/ready").status == 503, 20,
                                "a probe gives up")
            wait_for(lambda: m_value(c, "supertokens_storage_pool_waiters") >= 1, 10,
                     "a request waits for the connection")
            assert probe.result()
            assert m_value(c, "supertokens_storage_pool_timeouts_total") >= 1
            lock.c.rollback()
            first.result().ok()
        m = read(c)
        assert m.value("supertokens_storage_slow_batches_total") >= 1
        assert m.sum("supertokens_http_requests_total", status="5xx") == 1
        lines = [line for line in c.log_text().splitlines() if "slow: " in line]
        # What waited for the lock did so while a probe gave up after two seconds.
        assert any(re.search(r"slow: \d{4,} ms", line) for line in lines)
        for line in lines:
            assert re.search(r" WARN  postgresql: slow: \d{3,} ms, more than "
                             r"slow_query_threshold_ms=100, for [a-z0-9_]+(, [a-z0-9_]+)*$", line)
            assert "slow@" not in line and user["id"] not in line


def m_value(core, name):
    [value] = read(core).all(name).values()
    return value


def test_slow_log_can_be_off(database):
    with Core(uri=database, slow_query_threshold_ms=0) as c:
        signup(c, "slow@example.com")
        with ThreadPoolExecutor(1) as pool, Locked(database, "st_user_tenants") as lock:
            reply = pool.submit(c.post, "/recipe/signin",
                                {"email": "slow@example.com", "password": "secret12"})
            wait_for(lambda: lock.waiting_ms() > 1200, 10, "more than the default threshold")
            lock.c.rollback()
            reply.result().ok()
        assert "slow: " not in c.log_text()
        assert read(c).value("supertokens_storage_slow_batches_total") == 0


def test_lost_connections_are_counted(troubled):
    database = troubled.create_database("lost")
    with Core(uri=database) as c:
        signup(c)
        killed = troubled.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                               "datname = 'lost' AND application_name = 'supertokens'")
        assert killed
        signup(c)
        m = read(c)
        assert m.sum("supertokens_storage_pool_reconnects_total") >= 1


def test_alive_without_a_database():
    with PostgresServer() as pg, Core(uri=pg.create_database("health")) as c:
        assert c.get("/health/live").text == "Live\n"
        assert c.get("/health/ready").text == "Hello\n"
        pg.stop("immediate")
        gone = wait_for(lambda: (r := c.get("/health/ready")).status != 200 and r, 20,
                        "the core notices")
        assert gone.status == 503 and "postgresql" in gone.text
        assert c.get("/health/live").status == 200
        assert read(c).value("supertokens_http_requests_total", method="GET",
                             route="/health/ready", status="5xx") >= 1
        pg.start()
        wait_for(lambda: c.get("/health/ready").status == 200, 30, "the core comes back")


# ---- who is who in the database


def test_name_in_postgresql(database, postgres):
    name = database.rsplit("/", 1)[1]
    asked = f"SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = '{name}'"
    with Core(uri=database):
        assert postgres.rows(asked) == [("supertokens",)]
    with Core(uri=database + "?application_name=core%207"):
        assert postgres.rows(asked) == [("core 7",)]


def test_name_in_mysql():
    with MariaDBServer(conf={"performance_schema": "ON"}) as server:
        with Core(uri=server.create_database("named")):
            ids = server.connections("named")
            rows = server.rows("SELECT PROCESSLIST_ID, ATTR_VALUE FROM performance_schema."
                               "session_connect_attrs WHERE ATTR_NAME = 'program_name' AND "
                               f"PROCESSLIST_ID IN ({', '.join(map(str, ids))})")
            assert ids and sorted(rows) == sorted((str(i), "supertokens") for i in ids)


def test_name_in_mongodb():
    """The server is told to fail the pings of one name, and these are the core's."""
    def fail(name):
        server.client().admin.command(
            "configureFailPoint", "failCommand", mode="alwaysOn",
            data={"failCommands": ["ping"], "appName": name, "errorCode": 96})

    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    server = MongoServer()
    server.more = ["--enable-test-commands"]
    with server, Core(uri=server.create_database("named")) as c:
        fail("somebody else")
        wait_for(lambda: c.get("/health/ready").status == 200, 10, "pings get through")
        fail("supertokens")
        wait_for(lambda: c.get("/health/ready").status == 503, 10, "pings fail")
        server.client().admin.command("configureFailPoint", "failCommand", mode="off")
        wait_for(lambda: c.get("/health/ready").status == 200, 10, "pings get through again")
