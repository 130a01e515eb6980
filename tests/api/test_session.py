# SPDX-License-Identifier: Apache-2.0
"""Making, verifying, refreshing and regenerating sessions at every CDI version, and their errors."""

import time
import uuid

import pytest

from servers import wait_for
from sessions import ALL, at, bend, create, number, parts, refresh, verify


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
    app = core.app({"refresh_token_rotation_grace_period": 3})
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
