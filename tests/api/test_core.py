# SPDX-License-Identifier: Apache-2.0
"""Calls about the core itself: signs of life, versions, usage, license keys."""

import os
import sqlite3
import time
import uuid

import pytest

from core import Core
from servers import PostgresServer, wait_for
from sql import run_sql

VERSIONS = ["3.0", "3.1", "4.0", "5.0", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6"]
APP_ONLY = "Only public tenantId can call this app specific API"
UNKNOWN = ("AppId or tenantId not found => Tenant with the following connectionURIDomain, appId "
           "and tenantId combination not found: ")


def add_tenant(app, tenant="t1"):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": tenant}).ok()
    return app.tenant(tenant)


# ---- signs of life

@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/hello", "/hello/", "/HeLLo", "", "/"])
def test_hello(core, app, method, path):
    for client in (core, app):
        reply = client.request(method, path or "/" if client is core else path)
        assert (reply.status, reply.text) == (200, "Hello\n")
        assert reply.headers["content-type"] == "text/html;charset=UTF-8"


def test_hello_of_tenants(core, app):
    add_tenant(app)
    assert app.get("/t1/hello").text == "Hello\n"
    assert app.get("/t1").text == "Hello\n"
    assert app.get("/public").text == "Hello\n"
    assert app.get("/ghost/hello").text == "Hello\n"
    app.get("/ghost").is_error(404, "Not found")
    core.get("/appid-ghost").is_error(400, UNKNOWN + "(, ghost, public)")
    core.get("/appid-ghost/hello").is_error(400, UNKNOWN + "(, ghost, public)")
    core.get("/appid-ghost/t1/hello").is_error(400, UNKNOWN + "(, ghost, public)")


def test_hello_needs_no_version_and_no_key(core):
    app = core.app({"api_keys": "hjkhgjhgjhgjhgjhgjhgjhg"})
    assert app.at(cdi="none").get("/hello").status == 200
    assert app.at(cdi="99.1").get("/hello").status == 200
    app.get("/users/count").is_error(401, "Invalid API key")
    app.get("/users/count", api_key="hjkhgjhgjhgjhgjhgjhgjhg").ok()
    app.get("/users/count", authorization="Bearer hjkhgjhgjhgjhgjhgjhgjhg").ok()


def test_hello_tells_that_the_database_is_gone(postgres):
    with PostgresServer() as pg, Core(uri=pg.create_database("st")) as core:
        pg.stop("immediate")
        reply = wait_for(lambda: (r := core.get("/hello")).status == 503 and r, 20, "a 503")
        assert reply.headers["content-type"] == "text/html;charset=UTF-8"
        assert core.get("/").status == 503
        pg.start()
        wait_for(lambda: core.get("/hello").status == 200, 30, "the core serves again")


# ---- versions

def test_apiversion(core, app):
    for client in (core, app, app.at(cdi="none"), app.at(cdi="99.9")):
        reply = client.get("/apiversion")
        assert (reply.status, reply.json) == (200, {"versions": VERSIONS})
        assert reply.headers["content-type"] == "application/json;charset=UTF-8"
        assert reply.text.endswith("}\n")
        assert reply.round_trips == 0
    core.get("/apiversion/incorrect/path").is_error(404, "Not found")
    add_tenant(app).get("/apiversion").is_error(403, APP_ONLY)


def test_version_bounds_of_an_app(core):
    app = core.app({"supertokens_max_cdi_version": "5.2", "supertokens_min_cdi_version": "4.0"})
    assert app.get("/apiversion").json == {"versions": ["4.0", "5.0", "5.1", "5.2"]}
    text = app.get("/users/count", cdi_version="5.3").is_error(400)
    assert text == "cdi-version 5.3 not supported. This core serves 4.0, 5.0, 5.1, 5.2\n"
    text = "cdi-version 3.1 is lower than the minimum allowed version 4.0"
    app.get("/users/count", cdi_version="3.1").is_error(400, text)


@pytest.mark.parametrize("bad", ["2.6", "2.21", "1.0", "3.2", "5.7", "6.0", "5", "5.4.1"])
def test_versions_that_are_not_served(app, bad):
    text = app.get("/users/count", cdi_version=bad).is_error(400)
    assert text == f"cdi-version {bad} not supported. This core serves {', '.join(VERSIONS)}\n"


@pytest.mark.parametrize("bad", ["abc", "5.", "v5.4", "5,4"])
def test_malformed_versions(app, bad):
    app.get("/users/count", cdi_version=bad).is_error(400, "cdi-version header is invalid")


def test_domains_are_kept(storage, core, app):
    if storage[0] != "sqlite":
        pytest.skip("looks into the file")
    app_id = app.prefix[len("/appid-"):]
    db = os.path.join(core.home, ".started", "supertokens.db")

    def stored():
        with sqlite3.connect(db) as c:
            rows = c.execute("SELECT name, value FROM st_key_value WHERE app_id = ? AND name LIKE "
                             "'%Domain'", (app_id,))
            return dict(rows.fetchall())

    app.get("/apiversion", {"websiteDomain": "http://web:3000"})
    wait_for(lambda: stored() == {"websiteDomain": "http://web:3000"}, 10, "the domain")
    query = {"websiteDomain": "http://other", "apiDomain": "http://api"}
    app.get("/apiversion", query)
    app.get("/apiversion", query)
    wait_for(lambda: stored() == query, 10, "both domains")


# ---- usage

def test_config_path(core, app):
    assert core.get("/config", {"pid": "1"}).json == {"status": "NOT_ALLOWED"}
    assert core.get("/config", {"pid": "x"}).json == {"status": "NOT_ALLOWED"}
    core.get("/config").is_error(400, "Field name 'pid' is missing in GET request")
    reply = core.get("/config", {"pid": str(core.proc.pid)}).ok()
    assert reply["path"] == os.path.join(core.home, "config.yaml")
    app.get("/config", {"pid": str(core.proc.pid)}).is_error(
        403, "you can call this only from the base connection uri domain, public app and tenant")


def test_request_stats(app):
    for _ in range(5):
        app.get("/hello")
    reply = app.get("/requests/stats").ok()
    assert abs(reply["atMinute"] - time.time() / 60) < 2
    average, peak = reply["averageRequestsPerSecond"], reply["peakRequestsPerSecond"]
    assert len(average) == len(peak) == 1440
    assert average[0] == peak[0] == -1
    assert all(a == -1 and p == -1 or 0 <= a <= p for a, p in zip(average, peak))
    add_tenant(app).get("/requests/stats").is_error(403, APP_ONLY)


def test_telemetry(core, app):
    first = app.get("/telemetry").json
    assert first == {"exists": True, "telemetryId": first["telemetryId"]}
    uuid.UUID(first["telemetryId"])
    assert app.get("/telemetry").json == first
    assert core.app().get("/telemetry").json["telemetryId"] != first["telemetryId"]
    assert core.app({"disable_telemetry": True}).get("/telemetry").json == {"exists": False}
    add_tenant(app).get("/telemetry").is_error(403, APP_ONLY)


def test_feature_flag(app):
    t1 = add_tenant(app)
    t1.post("/recipe/signup", {"email": "a@example.com", "password": "secret123"}).ok()
    reply = app.get("/ee/featureflag").ok()
    assert {"multi_tenancy", "account_linking"} <= set(reply["features"])
    usage = reply["usageStats"]["multi_tenancy"]
    assert usage["connectionUriDomain"] == ""
    assert usage["appId"] == app.prefix[len("/appid-"):]
    tenants = {t["tenantId"]: t for t in usage["tenants"]}
    assert set(tenants) == {"public", "t1"}
    assert tenants["t1"]["usersCount"] == 1 and tenants["t1"]["hasUsersOrSessions"]
    assert tenants["public"]["usersCount"] == 0 and not tenants["public"]["hasUsersOrSessions"]
    assert tenants["public"]["userPoolId"] == tenants["t1"]["userPoolId"]
    assert tenants["public"]["hasEnterpriseLogin"] is False
    assert set(reply["features"]) == set(reply["usageStats"]) - {"maus"}
    assert reply["usageStats"]["mfa"] == {} and reply["usageStats"]["security"] == {}
    t1.get("/ee/featureflag").is_error(403, APP_ONLY)


def test_usage_of_an_app(core, app, storage):
    def usage():
        return app.get("/ee/featureflag").ok()["usageStats"]
    assert usage()["maus"] == [0] * 31 and usage()["dashboard_login"] == {"user_count": 0}
    users = [app.post("/recipe/signup", {"email": f"u{i}@example.com", "password": "secret123"})
             .ok()["user"]["id"] for i in range(4)]
    app.post("/recipe/dashboard/user", {"email": "a@example.com", "password": "secret123"}).ok()
    day, now = 24 * 3600 * 1000, int(time.time() * 1000)
    for user, ago in zip(users, (0.5, 3.5, 30.5, 31.5)):
        run_sql(core, storage, "UPDATE st_user_last_active SET last_active = ? WHERE user_id = ?",
                (int(now - ago * day), user))
    assert usage()["maus"] == [1] * 3 + [2] * 27 + [3]
    assert usage()["dashboard_login"] == {"user_count": 1}
    # the same count, asked for by time
    for days, n in ((1, 1), (4, 2), (31, 3), (32, 4)):
        assert app.get("/users/count/active", {"since": now - days * day}).ok()["count"] == n


def test_license_key(app):
    assert app.get("/ee/license").json == {"status": "NO_LICENSE_KEY_FOUND_ERROR"}
    assert app.put("/ee/license", {"licenseKey": "any key"}).ok() == {"status": "OK"}
    assert app.get("/ee/license").ok()["licenseKey"] == "any key"
    app.put("/ee/license", {"licenseKey": "another"}).ok()
    app.put("/ee/license", {}).ok()
    assert app.get("/ee/license").ok()["licenseKey"] == "another"
    app.put("/ee/license", {"x": 1}).is_error(
        400, "Field name 'licenseKey' is missing in JSON input")
    app.put("/ee/license", {"licenseKey": 1}).is_error(
        400, "Field name 'licenseKey' is invalid in JSON input")
    app.delete("/ee/license").ok()
    app.delete("/ee/license").ok()
    assert app.get("/ee/license").json == {"status": "NO_LICENSE_KEY_FOUND_ERROR"}
    add_tenant(app).get("/ee/license").is_error(403, APP_ONLY)
