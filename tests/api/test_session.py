# SPDX-License-Identifier: Apache-2.0
"""The session calls at every CDI version, their errors, races and cost."""

import base64
import json
import time
import uuid

import pytest

from core import Core
from servers import wait_for
from sql import run_sql
from together import at_once

OLD = ["2.8", "2.18"]
ALL = ["2.7", "2.8", "2.9", "2.18", "2.21", "3.0", "3.1", "4.0", "5.0", "5.1", "5.2", "5.3", "5.4",
       "5.5", "5.6"]
NEW = ["3.0", "4.0", "5.0", "5.4", "5.6"]


def at(app, cdi):
    return app.at(cdi=cdi)


def number(cdi):
    major, minor = cdi.split(".")
    return int(major) * 1000 + int(minor)


def create(app, user="user", payload=None, data=None, csrf=False, **more):
    return app.post("/recipe/session", dict({
        "userId": user, "userDataInJWT": payload or {}, "userDataInDatabase": data or {},
        "enableAntiCsrf": csrf}, **more))


def refresh(app, token, csrf=None, enable=False, **more):
    body = {"refreshToken": token, "enableAntiCsrf": enable, "useDynamicSigningKey": True, **more}
    if csrf is not None:
        body["antiCsrfToken"] = csrf
    return app.post("/recipe/session/refresh", body)


def verify(app, token, csrf=None, check=False, enable=False, database=False):
    body = {"accessToken": token, "doAntiCsrfCheck": check, "enableAntiCsrf": enable,
            "checkDatabase": database}
    if csrf is not None:
        body["antiCsrfToken"] = csrf
    return app.post("/recipe/session/verify", body)


def decode(text):
    text = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    head, body, _ = token.split(".")
    return json.loads(decode(head)), json.loads(decode(body))


def bend(token):
    """The same token with another signature."""
    at_ = len(token) - 40
    return token[:at_] + ("A" if token[at_] != "A" else "B") + token[at_ + 1:]


# ---------------------------------------------------------------- creating


@pytest.mark.parametrize("cdi", ALL)
def test_create_shape(app, cdi):
    n = number(cdi)
    before = int(time.time() * 1000)
    out = create(at(app, cdi), "some user", {"a": {"n": None}, "ü": "€"}, {"d": 1}).ok()
    session = out["session"]
    keys = {"handle", "userId", "userDataInJWT"}
    keys |= {"tenantId"} if n >= 3000 else set()
    keys |= {"recipeUserId"} if n >= 4000 else set()
    assert set(session) == keys
    assert session["userId"] == "some user"
    assert session["userDataInJWT"] == {"a": {"n": None}, "ü": "€"}
    uuid.UUID(session["handle"])
    top = {"status", "session", "accessToken", "refreshToken"}
    if n < 2021:
        top |= {"idRefreshToken", "jwtSigningPublicKey", "jwtSigningPublicKeyExpiryTime"}
        top |= {"jwtSigningPublicKeyList"} if n >= 2009 else set()
    assert set(out) == top
    for name in ("accessToken", "refreshToken"):
        assert set(out[name]) == {"token", "expiry", "createdTime"}
    assert before - 1000 <= out["accessToken"]["createdTime"] <= int(time.time() * 1000)
    assert out["refreshToken"]["expiry"] - out["refreshToken"]["createdTime"] == 144000 * 60000
    head, claims = parts(out["accessToken"]["token"])
    version = 2 if n < 2021 else 3 if n < 3000 else 4 if n < 4000 else 5
    assert head["version"] == str(version) and head["alg"] == "RS256" and head["typ"] == "JWT"
    if version == 2:
        assert set(head) == {"alg", "typ", "version"}
        assert set(claims) == {"userId", "expiryTime", "timeCreated", "sessionHandle",
                               "refreshTokenHash1", "userData"}
        assert claims["userData"] == session["userDataInJWT"]
    else:
        assert head["kid"].startswith("d-")
        want = {"sub", "exp", "iat", "sessionHandle", "refreshTokenHash1",
                "parentRefreshTokenHash1", "antiCsrfToken", "a", "ü"}
        want |= {"tId"} if version >= 4 else set()
        want |= {"rsub"} if version >= 5 else set()
        assert set(claims) == want
        assert claims["sub"] == "some user" and claims["antiCsrfToken"] is None
        assert claims["exp"] * 1000 == out["accessToken"]["expiry"]
        assert claims["iat"] * 1000 == out["accessToken"]["createdTime"]
    lifetime = out["accessToken"]["expiry"] - out["accessToken"]["createdTime"]
    assert 3600000 * 0.95 - 1000 <= lifetime <= 3600000


def test_create_static_key(app):
    out = create(app, useDynamicSigningKey=False).ok()
    assert parts(out["accessToken"]["token"])[0]["kid"].startswith("s-")
    assert verify(app, out["accessToken"]["token"]).ok()
    assert parts(create(app, useDynamicSigningKey=True).ok()["accessToken"]["token"])[0][
        "kid"].startswith("d-")


def test_create_anti_csrf(app):
    out = create(app, csrf=True).ok()
    uuid.UUID(out["antiCsrfToken"])
    assert parts(out["accessToken"]["token"])[1]["antiCsrfToken"] == out["antiCsrfToken"]


@pytest.mark.parametrize("cdi, names", [
    ("2.21", ["sub", "exp", "iat", "sessionHandle", "refreshTokenHash1",
              "parentRefreshTokenHash1", "antiCsrfToken"]),
    ("3.0", ["sub", "tId"]), ("5.4", ["sub", "tId", "rsub"])])
def test_create_protected(app, cdi, names):
    for name in names:
        create(at(app, cdi), payload={name: "x"}).is_error(
            400, "The user payload contains protected field")
        assert create(at(app, "2.18"), payload={name: "x"}).ok()


def test_create_invalid_input(app):
    good = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
    for name, bad in [("userId", 5), ("userDataInJWT", "x"), ("userDataInDatabase", []),
                      ("enableAntiCsrf", "true")]:
        for body in ({**good, name: bad}, {k: v for k, v in good.items() if k != name}):
            app.post("/recipe/session", body).is_error(
                400, f"Field name '{name}' is invalid in JSON input")


def test_create_on_tenant(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    out = create(app.tenant("t1")).ok()
    assert out["session"]["tenantId"] == "t1"
    assert out["session"]["handle"].endswith("_t1")
    info = app.get("/recipe/session", {"sessionHandle": out["session"]["handle"]}).ok()
    assert info["tenantId"] == "t1"
    assert verify(app, out["accessToken"]["token"], database=True).ok()["session"]["tenantId"] == "t1"
    assert refresh(app, out["refreshToken"]["token"]).ok()["session"]["tenantId"] == "t1"
    create(app.tenant("unknown")).is_error(
        400, "AppId or tenantId not found => Tenant with the following connectionURIDomain, appId "
        f"and tenantId combination not found: (, {app.prefix[7:]}, unknown)")


def test_access_token_validity_override(app):
    new = at(app, "5.6")
    out = create(new, accessTokenValidity=5000).ok()
    assert 4000 <= out["accessToken"]["expiry"] - out["accessToken"]["createdTime"] <= 5000
    out = refresh(new, out["refreshToken"]["token"], accessTokenValidity=7000).ok()
    assert 6000 <= out["accessToken"]["expiry"] - out["accessToken"]["createdTime"] <= 7000
    text = ("accessTokenValidity must be greater than 0 and at most the configured "
            "access_token_validity (3600000 ms)")
    for bad in (0, -1, -5, 3600001):
        create(new, accessTokenValidity=bad).is_error(400, text)
        refresh(new, out["refreshToken"]["token"], accessTokenValidity=bad).is_error(400, text)
    assert create(at(app, "5.5"), accessTokenValidity=-1).ok()


# --------------------------------------------------------------- verifying


@pytest.mark.parametrize("cdi", ALL)
def test_verify(app, cdi):
    n, old = number(cdi), at(app, cdi)
    out = create(old, payload={"k": 1}).ok()
    seen = verify(old, out["accessToken"]["token"]).ok()
    assert seen["session"] == out["session"]
    assert ("jwtSigningPublicKey" in seen) == (n < 2021)
    assert "accessToken" not in seen
    bad = verify(old, bend(out["accessToken"]["token"]))
    assert bad.is_status("TRY_REFRESH_TOKEN")["message"] == "JWT verification failed"
    assert ("jwtSigningPublicKey" in bad.json) == (n < 2021)


def test_verify_anti_csrf(app):
    out = create(app, csrf=True).ok()
    token, csrf = out["accessToken"]["token"], out["antiCsrfToken"]
    assert verify(app, token, csrf, check=True, enable=True).ok()
    for wrong in ("x", None):
        got = verify(app, token, wrong, check=True, enable=True).is_status("TRY_REFRESH_TOKEN")
        assert got["message"] == "anti-csrf check failed"
    assert verify(app, token, "x", check=False, enable=True).ok()
    assert verify(app, token, "x", check=True, enable=False).ok()
    without = create(app).ok()["accessToken"]["token"]
    got = verify(app, without, "x", check=True, enable=True).is_status("TRY_REFRESH_TOKEN")
    assert got["message"].startswith("Access token does not contain all the information.")


def test_verify_with_database(app):
    out = create(app, payload={"k": 1}).ok()
    token, handle = out["accessToken"]["token"], out["session"]["handle"]
    got = verify(app, token, database=True).ok()
    assert "accessToken" not in got
    app.put("/recipe/jwt/data", {"sessionHandle": handle, "userDataInJWT": {"k": 2}}).ok()
    got = verify(app, token, database=True).ok()
    assert got["session"]["userDataInJWT"] == {"k": 2}
    assert parts(got["accessToken"]["token"])[1]["k"] == 2
    assert verify(app, token).ok()["session"]["userDataInJWT"] == {"k": 1}
    got = verify(at(app, "5.6"), token, database=True).ok()
    assert got["payloadUpdateAvailable"] is True and "accessToken" not in got
    assert "payloadUpdateAvailable" not in verify(at(app, "5.6"), token).ok()
    app.post("/recipe/session/remove", {"sessionHandles": [handle]}).ok()
    for cdi in ("5.4", "5.6"):
        got = verify(at(app, cdi), token, database=True).is_status("UNAUTHORISED")
        assert got["message"] == "Either the session has ended or has been blacklisted"
    assert verify(app, token).ok()


def test_verify_token_of_another_app(core, app):
    token = create(core.app()).ok()["accessToken"]["token"]
    assert verify(app, token).is_status("TRY_REFRESH_TOKEN")["message"] == "Key not found"


def test_verify_on_a_tenant(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    token = create(app).ok()["accessToken"]["token"]
    assert verify(at(app, "5.5").tenant("t1"), token).ok()
    verify(at(app, "5.6").tenant("t1"), token).is_error(
        403, "Only public tenantId can call this app specific API")


# -------------------------------------------------------------- refreshing


@pytest.mark.parametrize("cdi", ALL)
def test_refresh_shape(app, cdi):
    n, old = number(cdi), at(app, cdi)
    first = create(old, payload={"k": None}).ok()
    out = refresh(old, first["refreshToken"]["token"]).ok()
    assert out["session"] == first["session"]
    top = {"status", "session", "accessToken", "refreshToken"}
    top |= {"idRefreshToken"} if n < 2021 else set()
    assert set(out) == top
    assert out["refreshToken"]["token"] != first["refreshToken"]["token"]
    claims = parts(out["accessToken"]["token"])[1]
    assert bool(claims.get("parentRefreshTokenHash1")) == (n < 5006)


def test_refresh_theft_and_promotion(app):
    first = create(app).ok()
    child = refresh(app, first["refreshToken"]["token"]).ok()
    assert refresh(app, first["refreshToken"]["token"]).ok()
    got = verify(app, child["accessToken"]["token"]).ok()
    claims = parts(got["accessToken"]["token"])[1]
    assert claims["parentRefreshTokenHash1"] is None
    theft = refresh(app, first["refreshToken"]["token"]).is_status("TOKEN_THEFT_DETECTED")
    assert theft["session"] == {"handle": first["session"]["handle"], "userId": "user",
                                "recipeUserId": "user"}
    assert set(theft) == {"status", "session"}
    assert refresh(app, child["refreshToken"]["token"]).ok()


def test_refresh_grace_and_reuse(core):
    app = core.app({"refresh_token_rotation_grace_period": 1})
    new = at(app, "5.6")
    first = create(new).ok()
    second = refresh(new, first["refreshToken"]["token"]).ok()
    again = refresh(new, first["refreshToken"]["token"]).ok()
    got = refresh(new, second["refreshToken"]["token"]).is_status("TOKEN_THEFT_DETECTED")
    assert got["recentTokenReuseSubtype"] == "ORPHANED_BRANCH"
    got = refresh(new, again["refreshToken"]["token"]).is_status("UNAUTHORISED")
    assert got["message"] == "Session missing in db or has expired"
    assert "recentTokenReuseSubtype" not in got

    first = create(new).ok()
    refresh(new, first["refreshToken"]["token"]).ok()
    last = {}

    def too_late():
        # Within the grace period each of these is served.
        last["reply"] = refresh(new, first["refreshToken"]["token"]).json
        return last["reply"]["status"] != "OK"
    wait_for(too_late, 20, "the grace period is over")
    assert last["reply"]["status"] == "TOKEN_THEFT_DETECTED"
    assert last["reply"]["recentTokenReuseSubtype"] == "RECENT_PREV"


def test_refresh_anti_csrf(app):
    first = create(app, csrf=True).ok()
    token = first["refreshToken"]["token"]
    for wrong in ("x", None):
        got = refresh(app, token, wrong, enable=True).is_status("UNAUTHORISED")
        assert got["message"] == "Anti CSRF token missing, or not matching"
    out = refresh(app, token, first["antiCsrfToken"], enable=True).ok()
    assert out["antiCsrfToken"] != first["antiCsrfToken"]
    assert parts(out["accessToken"]["token"])[1]["antiCsrfToken"] == out["antiCsrfToken"]
    assert "antiCsrfToken" not in refresh(app, token).ok()


def test_refresh_switches_key(app):
    first = create(app).ok()
    out = refresh(app, first["refreshToken"]["token"], useDynamicSigningKey=False).ok()
    assert parts(out["accessToken"]["token"])[0]["kid"].startswith("s-")
    got = verify(app, out["accessToken"]["token"]).ok()
    assert parts(got["accessToken"]["token"])[0]["kid"].startswith("s-")
    old = at(app, "4.0")
    body = {"refreshToken": out["refreshToken"]["token"], "enableAntiCsrf": False}
    out = old.post("/recipe/session/refresh", body).ok()
    assert parts(out["accessToken"]["token"])[0]["kid"].startswith("s-")
    app.post("/recipe/session/refresh", body).is_error(
        400, "Field name 'useDynamicSigningKey' is invalid in JSON input")


@pytest.mark.parametrize("cdi", ["2.18", "5.4", "5.6"])
def test_refresh_of_nonsense(core, app, cdi):
    old = at(app, cdi)
    token = create(old).ok()["refreshToken"]["token"]
    other = create(core.app()).ok()["refreshToken"]["token"]
    for bad in ("", "x", "a.b.V2", token[:-1], "A" + token, other, token.replace(".V2", ".V3")):
        assert refresh(old, bad).is_status("UNAUTHORISED")["message"] == "Invalid refresh token"


def test_refresh_of_protected_payload(app):
    first = create(at(app, "2.18"), payload={"sub": "x"}).ok()
    got = refresh(app, first["refreshToken"]["token"]).is_status("UNAUTHORISED")
    assert got["message"] == "The user payload contains protected field"
    assert refresh(at(app, "2.18"), first["refreshToken"]["token"]).ok()


def test_session_of_old_sdk_goes_on_with_a_new_one(app):
    out = create(at(app, "2.18"), payload={"k": 1}).ok()
    for cdi in ["2.18", "2.21", "3.1", "4.0", "5.4", "5.6", "5.4", "2.21"]:
        here = at(app, cdi)
        out = refresh(here, out["refreshToken"]["token"]).ok()
        got = verify(here, out["accessToken"]["token"]).ok()
        assert got["session"]["userDataInJWT"] == {"k": 1}


# ------------------------------------------------------------- regenerating


@pytest.mark.parametrize("cdi", ["2.18", "2.21", "3.0", "4.0", "5.4", "5.6"])
def test_regenerate(app, cdi):
    n, here = number(cdi), at(app, cdi)
    first = create(here, payload={"a": 1}).ok()
    token = first["accessToken"]["token"]
    out = here.post("/recipe/session/regenerate",
                    {"accessToken": token, "userDataInJWT": {"b": 2}}).ok()
    assert set(out) == {"status", "session", "accessToken"}
    assert ("tenantId" in out["session"]) == (n >= 3000)
    assert ("recipeUserId" in out["session"]) == (n >= 4000)
    assert out["session"]["userDataInJWT"] == {"b": 2}
    assert out["accessToken"]["expiry"] == first["accessToken"]["expiry"]
    assert verify(here, out["accessToken"]["token"], database=True).ok()["session"][
        "userDataInJWT"] == {"b": 2}
    out = here.post("/recipe/session/regenerate", {"accessToken": token}).ok()
    assert out["session"]["userDataInJWT"] == {"b": 2}
    if n >= 2021:
        here.post("/recipe/session/regenerate",
                  {"accessToken": token, "userDataInJWT": {"sub": 2}}).is_error(
                      400, "The user payload contains protected field")
    app.post("/recipe/session/remove", {"sessionHandles": [first["session"]["handle"]]}).ok()
    got = here.post("/recipe/session/regenerate", {"accessToken": token}).is_status("UNAUTHORISED")
    assert got["message"] == "Session does not exist."


def test_regenerate_bent_token(app):
    token = bend(create(app).ok()["accessToken"]["token"])
    app.post("/recipe/session/regenerate", {"accessToken": token}).is_status("UNAUTHORISED")
    app.post("/recipe/session/regenerate", {"accessToken": "x"}).is_status("UNAUTHORISED")


def test_regenerate_expired_token(core):
    app = core.app({"access_token_validity": 1})
    first = create(app, payload={"a": 1}).ok()
    token = first["accessToken"]["token"]
    wait_for(lambda: verify(app, token).json["status"] == "TRY_REFRESH_TOKEN", 10, "it expires")
    assert verify(app, token).json["message"] == "Access token expired"
    out = app.post("/recipe/session/regenerate",
                   {"accessToken": token, "userDataInJWT": {"b": 1}}).ok()
    assert "accessToken" not in out
    info = app.get("/recipe/session", {"sessionHandle": first["session"]["handle"]}).ok()
    assert info["userDataInJWT"] == {"b": 1}


# ---------------------------------------------------------------- by handle


@pytest.mark.parametrize("cdi", ["2.18", "3.0", "4.0", "5.4"])
def test_get(app, cdi):
    n, here = number(cdi), at(app, cdi)
    first = create(here, payload={"a": None}, data={"b": None}).ok()
    handle = first["session"]["handle"]
    out = here.get("/recipe/session", {"sessionHandle": handle}).ok()
    keys = {"status", "sessionHandle", "userId", "userDataInDatabase", "userDataInJWT", "expiry",
            "timeCreated"}
    keys |= {"tenantId"} if n >= 3000 else set()
    keys |= {"recipeUserId"} if n >= 4000 else set()
    assert set(out) == keys
    assert out["expiry"] == first["refreshToken"]["expiry"]
    assert out["timeCreated"] == first["refreshToken"]["createdTime"]
    assert out["userDataInJWT"] == {"a": None} and out["userDataInDatabase"] == {"b": None}
    assert here.get("/recipe/session/data", {"sessionHandle": handle}).ok() == {
        "status": "OK", "userDataInDatabase": {"b": None}}
    assert here.get("/recipe/jwt/data", {"sessionHandle": handle}).ok() == {
        "status": "OK", "userDataInJWT": {"a": None}}


def test_get_unknown(app):
    for path in ("/recipe/session", "/recipe/session/data", "/recipe/jwt/data"):
        got = app.get(path, {"sessionHandle": str(uuid.uuid4())}).is_status("UNAUTHORISED")
        assert got["message"] == "Session does not exist."
        app.get(path).is_error(400, "Field name 'sessionHandle' is missing in GET request")
        app.get(path, {"sessionHandle": "x_nowhere"}).is_error(400)


def test_put_data(app):
    handle = create(app, payload={"a": 1}, data={"b": 1}).ok()["session"]["handle"]
    app.put("/recipe/session/data", {"sessionHandle": handle, "userDataInDatabase": {"c": 2}}).ok()
    app.put("/recipe/jwt/data", {"sessionHandle": handle, "userDataInJWT": {"d": [1.5]}}).ok()
    out = app.get("/recipe/session", {"sessionHandle": handle}).ok()
    assert out["userDataInDatabase"] == {"c": 2} and out["userDataInJWT"] == {"d": [1.5]}
    app.put("/recipe/jwt/data", {"sessionHandle": handle, "userDataInJWT": {"rsub": 1}}).is_error(
        400, "The user payload contains protected field")
    at(app, "3.0").put("/recipe/jwt/data",
                       {"sessionHandle": handle, "userDataInJWT": {"rsub": 1}}).ok()
    for path, name in (("/recipe/session/data", "userDataInDatabase"),
                       ("/recipe/jwt/data", "userDataInJWT")):
        got = app.put(path, {"sessionHandle": "x", name: {}}).is_status("UNAUTHORISED")
        assert got["message"] == "Session does not exist."
        app.put(path, {"sessionHandle": handle, name: []}).is_error(
            400, f"Field name '{name}' is invalid in JSON input")


def test_expired_session(core):
    app = core.app({"refresh_token_validity": 0.03})
    first = create(app).ok()
    query = {"sessionHandle": first["session"]["handle"]}
    assert app.get("/recipe/session", query).ok()
    wait_for(lambda: app.get("/recipe/session", query).json["status"] == "UNAUTHORISED", 20,
             "the session expires")
    assert app.put("/recipe/session/data", {**query, "userDataInDatabase": {}}).json[
        "status"] == "UNAUTHORISED"
    assert refresh(app, first["refreshToken"]["token"]).is_status("UNAUTHORISED")
    assert app.get("/recipe/session/user", {"userId": "user"}).ok()["sessionHandles"] == []


# ------------------------------------------------------------------ by user


def handles(reply):
    return sorted(reply.ok()["sessionHandles"])


def test_list_and_revoke_of_user(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    mine = sorted(create(app, "u1").ok()["session"]["handle"] for _ in range(3))
    there = create(app.tenant("t1"), "u1").ok()["session"]["handle"]
    other = create(app, "u2").ok()["session"]["handle"]
    assert handles(app.get("/recipe/session/user", {"userId": "u1"})) == sorted([*mine, there])
    assert handles(app.get("/recipe/session/user", {
        "userId": "u1", "fetchAcrossAllTenants": "false"})) == mine
    assert handles(app.tenant("t1").get("/recipe/session/user", {
        "userId": "u1", "fetchAcrossAllTenants": "false"})) == [there]
    app.tenant("t1").get("/recipe/session/user", {"userId": "u1"}).is_error(
        403, "Only public tenantId can call this app specific API")
    app.tenant("t1").post("/recipe/session/remove", {"userId": "u1"}).is_error(403)
    out = app.tenant("t1").post("/recipe/session/remove",
                                {"userId": "u1", "revokeAcrossAllTenants": False}).ok()
    assert out["sessionHandlesRevoked"] == [there]
    out = app.post("/recipe/session/remove", {"userId": "u1"}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == mine
    assert app.post("/recipe/session/remove", {"userId": "u1"}).ok()["sessionHandlesRevoked"] == []
    assert handles(app.get("/recipe/session/user", {"userId": "u2"})) == [other]


def test_revoke_handles(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    a, b = (create(app).ok()["session"]["handle"] for _ in range(2))
    c = create(app.tenant("t1")).ok()["session"]["handle"]
    out = app.post("/recipe/session/remove", {"sessionHandles": [a, "unknown", c]}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted([a, c])
    assert app.post("/recipe/session/remove",
                    {"sessionHandles": [b]}).ok()["sessionHandlesRevoked"] == [b]
    for gone in ([b], [], ["unknown"], [a, b, c]):
        assert app.post("/recipe/session/remove",
                        {"sessionHandles": gone}).ok()["sessionHandlesRevoked"] == []
    app.post("/recipe/session/remove", {"sessionHandles": ["x_nowhere"]}).is_error(400)


def test_revoke_many(app):
    made = [create(app, "busy").ok()["session"]["handle"] for _ in range(130)]
    assert handles(app.get("/recipe/session/user", {"userId": "busy"})) == sorted(made)
    out = app.post("/recipe/session/remove", {"sessionHandles": made[:120]}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted(made[:120])
    out = app.post("/recipe/session/remove", {"userId": "busy"}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted(made[120:])


def test_revoke_invalid_input(app):
    for body in ({}, {"userId": "u", "sessionHandles": []}):
        app.post("/recipe/session/remove", body).is_error(
            400, "Invalid JSON input - use one of userId or sessionHandles array")
    for name in ("revokeAcrossAllTenants", "revokeSessionsForLinkedAccounts"):
        app.post("/recipe/session/remove", {"sessionHandles": [], name: True}).is_error(
            400, f"Invalid JSON input - {name} can only be set if userId is set")
    app.post("/recipe/session/remove", {"sessionHandles": [1]}).is_error(
        400, "Field name 'sessionHandles' is invalid in JSON input")


# ------------------------------------------- users with links and other ids


@pytest.fixture
def sql_value(core, storage):
    return lambda text, *params: run_sql(core, storage, text, params)[0][0]


def sign_up(app):
    body = {"email": f"{uuid.uuid4()}@example.com", "password": "password12"}
    return app.post("/recipe/signup", body).ok()["user"]["id"]


def link(app, recipe_user, primary):
    app.post("/recipe/accountlinking/user/primary", {"recipeUserId": primary}).ok()
    app.post("/recipe/accountlinking/user/link",
             {"recipeUserId": recipe_user, "primaryUserId": primary}).ok()


def give_id(app, user, external):
    app.post("/recipe/userid/map", {
        "superTokensUserId": user, "externalUserId": external, "force": True}).ok()


def both_ids(reply):
    session = reply.ok()["session"]
    claims = parts(reply.json["accessToken"]["token"])[1]
    assert (claims["sub"], claims["rsub"]) == (session["userId"], session["recipeUserId"])
    return session["userId"], session["recipeUserId"]


def follow(app, reply, ids, trips=2):
    """The ids stay what they are over refresh, theft and a look at the session; trips:
    what the first refresh may cost."""
    assert both_ids(reply) == ids
    first = reply.json
    query = {"sessionHandle": first["session"]["handle"]}
    info = app.get("/recipe/session", query).ok()
    assert (info["userId"], info["recipeUserId"]) == ids
    child = refresh(app, first["refreshToken"]["token"])
    assert both_ids(child) == ids and child.batches <= trips
    grown = refresh(app, child.json["refreshToken"]["token"])
    assert both_ids(grown) == ids and grown.batches <= 2
    theft = refresh(app, first["refreshToken"]["token"]).is_status("TOKEN_THEFT_DETECTED")
    assert (theft["session"]["userId"], theft["session"]["recipeUserId"]) == ids
    rotated = refresh(at(app, "5.6"), grown.json["refreshToken"]["token"])
    assert both_ids(rotated) == ids and rotated.batches <= 2


def test_linked_user(app):
    primary, other = sign_up(app), sign_up(app)
    own = create(app, primary).ok()["session"]["handle"]
    link(app, other, primary)
    reply = create(app, other)
    assert reply.batches == 2
    follow(app, reply, (primary, other))
    both = sorted([own, reply.json["session"]["handle"]])
    for user in (primary, other):
        assert handles(app.get("/recipe/session/user", {"userId": user})) == both
    assert handles(app.get("/recipe/session/user", {
        "userId": primary, "fetchSessionsForAllLinkedAccounts": "false"})) == [own]
    out = app.post("/recipe/session/remove", {
        "userId": primary, "revokeSessionsForLinkedAccounts": False}).ok()
    assert out["sessionHandlesRevoked"] == [own]
    out = app.post("/recipe/session/remove", {"userId": primary}).ok()
    assert out["sessionHandlesRevoked"] == [reply.json["session"]["handle"]]


def test_user_with_external_id(app):
    user, external = sign_up(app), "ext " + str(uuid.uuid4()) + " of more than 36 characters"
    give_id(app, user, external)
    made = []
    for name in (external, user):
        reply = create(app, name)
        follow(app, reply, (external, external))
        made.append(reply.json["session"]["handle"])
    for name in (external, user):
        assert handles(app.get("/recipe/session/user", {"userId": name})) == sorted(made)
    out = app.post("/recipe/session/remove", {"userId": user}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted(made)


def test_linked_user_with_external_ids(app):
    primary, other = sign_up(app), sign_up(app)
    link(app, other, primary)
    give_id(app, primary, "the primary")
    follow(app, create(app, other), ("the primary", other))
    give_id(app, other, "the other")
    # The first refresh has to learn the own id; later tokens carry it along.
    follow(app, create(app, "the other"), ("the primary", "the other"), 3)
    follow(app, create(app, other), ("the primary", "the other"))
    follow(app, create(app, "the primary"), ("the primary", "the primary"))
    assert len(handles(app.get("/recipe/session/user", {"userId": "the primary"}))) == 4


def test_id_given_to_a_user_with_sessions(app):
    """The session keeps the id it was made with, its user is known by the new one."""
    user = sign_up(app)
    reply = create(app, user)
    give_id(app, user, "new id")
    assert both_ids(refresh(app, reply.json["refreshToken"]["token"])) == ("new id", user)


# ---------------------------------------------------------------- handshake


@pytest.mark.parametrize("cdi", ["2.7", "2.9", "2.18"])
def test_handshake(app, cdi):
    out = at(app, cdi).post("/recipe/handshake", {}).ok()
    keys = {"status", "jwtSigningPublicKey", "jwtSigningPublicKeyExpiryTime",
            "accessTokenBlacklistingEnabled", "accessTokenValidity", "refreshTokenValidity"}
    keys |= {"jwtSigningPublicKeyList"} if number(cdi) >= 2009 else set()
    assert set(out) == keys
    assert out["accessTokenValidity"] == 3600000
    assert out["refreshTokenValidity"] == 144000 * 60000
    base64.b64decode(out["jwtSigningPublicKey"], validate=True)
    if number(cdi) >= 2009:
        assert set(out["jwtSigningPublicKeyList"][0]) == {"publicKey", "expiryTime", "createdAt"}


@pytest.mark.parametrize("cdi", ["2.21", "3.0", "5.4"])
def test_handshake_is_gone(app, cdi):
    at(app, cdi).post("/recipe/handshake", {}).is_error(404, "Not found")


# ------------------------------------------------------------- old settings


def test_settings_of_old_cdi(core):
    app = at(core.app({"access_token_blacklisting": True,
                       "access_token_signing_key_dynamic": False}), "2.18")
    first = create(app).ok()
    token, handle = first["accessToken"]["token"], first["session"]["handle"]
    assert len(first["jwtSigningPublicKeyList"]) == 1
    assert verify(app, token).ok()
    app.post("/recipe/session/remove", {"sessionHandles": [handle]}).ok()
    assert verify(app, token).is_status("UNAUTHORISED")
    assert verify(at(app, "5.4"), token).ok()


# -------------------------------------------------------------------- costs


def test_batches(app):
    create(app).ok()
    out = create(app)
    assert out.ok() and out.batches == 1
    token = out.json["accessToken"]["token"]
    assert verify(app, token).batches == 0
    seen = verify(app, token, database=True)
    assert seen.ok() and seen.batches == 1
    child = refresh(app, out.json["refreshToken"]["token"])
    assert child.ok() and child.batches == 1
    grown = refresh(app, child.json["refreshToken"]["token"])
    assert grown.ok() and grown.batches == 2
    promoted = verify(app, grown.json["accessToken"]["token"])
    assert promoted.ok()["accessToken"] and promoted.batches == 1
    rotated = refresh(at(app, "5.6"), grown.json["refreshToken"]["token"])
    assert rotated.ok() and rotated.batches == 2
    data = app.put("/recipe/session/data", {"sessionHandle": out.json["session"]["handle"],
                                            "userDataInDatabase": {"a": 1}})
    assert data.ok() and data.batches == 1


# -------------------------------------------------------------------- races


@pytest.mark.concurrent
@pytest.mark.parametrize("cdi", ["5.4", "5.6"])
def test_refreshes_at_once(app, cdi):
    here = at(app, cdi)
    for _ in range(5):
        first = create(here).ok()
        token = refresh(here, first["refreshToken"]["token"]).ok()["refreshToken"]["token"]
        replies = at_once(8, lambda i, t=token: refresh(here, t).ok())
        assert len({r["refreshToken"]["token"] for r in replies}) == 8
        if cdi == "5.6":
            # One is current; the others were displaced within the grace period.
            good = [r for r in replies
                    if verify(here, r["accessToken"]["token"], database=True).json["status"] == "OK"]
            assert len(good) == 1
        else:
            assert refresh(here, replies[0]["refreshToken"]["token"]).ok()
            assert refresh(here, replies[1]["refreshToken"]["token"]).is_status(
                "TOKEN_THEFT_DETECTED")


@pytest.mark.concurrent
def test_two_cores_refresh_at_once(storage):
    if storage[0] == "sqlite":
        pytest.skip("one core a SQLite file")
    with Core(uri=storage[1]) as one, Core(uri=storage[1]) as two:
        here = at(one.app(), "5.6")
        there = two.at(here.prefix, "5.6")
        wait_for(lambda: create(there).status == 200, 20, "the other core sees the app")
        for _ in range(10):
            first = create(here).ok()
            token = first["refreshToken"]["token"]
            replies = at_once(4, lambda i, t=token: refresh((here, there)[i % 2], t).ok())
            good = [r for r in replies
                    if verify(there, r["accessToken"]["token"], database=True).json[
                        "status"] == "OK"]
            assert len(good) == 1


@pytest.mark.concurrent
def test_revoked_while_refreshed(app):
    for _ in range(10):
        first = create(app).ok()
        child = refresh(app, first["refreshToken"]["token"]).ok()
        handle = first["session"]["handle"]
        replies = at_once(2, lambda i, h=handle, c=child: app.post(
            "/recipe/session/remove", {"sessionHandles": [h]}) if i else
            refresh(app, c["refreshToken"]["token"]))
        assert replies[1].ok()["sessionHandlesRevoked"] == [handle]
        assert replies[0].json["status"] in ("OK", "UNAUTHORISED")
        assert refresh(app, child["refreshToken"]["token"]).is_status("UNAUTHORISED")


@pytest.mark.concurrent
def test_no_session_outlives_its_tenant(app, sql_value):
    """Sessions made while their tenant is deleted are swept, or refused."""
    for i in range(3):
        tenant = f"t{i}"
        app.put("/recipe/multitenancy/tenant/v2", {"tenantId": tenant}).ok()
        replies = at_once(6, lambda n, t=tenant: app.post(
            "/recipe/multitenancy/tenant/remove", {"tenantId": t}) if n == 0 else
            [create(app.tenant(t)) for _ in range(15)])
        assert replies[0].ok()["didExist"]
        for reply in (r for some in replies[1:] for r in some):
            assert reply.status in (200, 400), reply.text
        create(app.tenant(tenant)).is_error(400)
        wait_for(lambda t=tenant: sql_value(
            "select count(*) from st_sessions where app_id = ? and tenant_id = ?",
            app.prefix[7:], t) == 0, 120, "the tenant's sessions are gone")
