# SPDX-License-Identifier: Apache-2.0
"""/recipe/dashboard: who may sign in, their sessions, and the settings that are shown."""

import re

import pytest

from core import Core
from sql import run_sql
from together import at_once

USER = "/recipe/dashboard/user"
PASSWORD = "secret123"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def sign_up(app, email="a@example.com", password=PASSWORD):
    return app.post(USER, {"email": email, "password": password})


def sign_in(app, email="a@example.com", password=PASSWORD):
    return app.post("/recipe/dashboard/signin", {"email": email, "password": password})


def verify(app, session, **kw):
    return app.post("/recipe/dashboard/session/verify", {"sessionId": session}, **kw)


def session(app, **kw):
    return sign_in(app, **kw).ok()["sessionId"]


def emails(app):
    return [u["email"] for u in app.get("/recipe/dashboard/users").ok()["users"]]


def sessions(app, user):
    return app.get(USER + "/sessions", {"userId": user}).ok()["sessions"]


# ---- users

def test_sign_up(app):
    made = sign_up(app, " A@Example.com ").ok()["user"]
    assert set(made) == {"email", "userId", "timeJoined"} and made["email"] == "a@example.com"
    assert re.fullmatch(UUID, made["userId"]) and made["timeJoined"] > 0
    assert app.get("/recipe/dashboard/users").ok()["users"] == [made]
    sign_up(app).is_status("EMAIL_ALREADY_EXISTS_ERROR")
    for i in range(5):  # nothing is paid, so there is no fourth that is one too many
        sign_up(app, f"b{i}@example.com").ok()
    listed = app.get("/recipe/dashboard/users").ok()["users"]
    assert sorted(u["email"] for u in listed) == ["a@example.com"] + [
        f"b{i}@example.com" for i in range(5)]
    assert [u["timeJoined"] for u in listed] == sorted(u["timeJoined"] for u in listed)
    for i in range(5):
        session(app, email=f"b{i}@example.com")
    assert app.get("/users").ok()["users"] == []


@pytest.mark.parametrize("email", ["a", "a@", "@example.com", "a@b", "a@example.c", "a@.com", "a@x.y1"])
def test_bad_emails(app, email):
    assert sign_up(app, email).is_status("INVALID_EMAIL_ERROR") == {"status": "INVALID_EMAIL_ERROR"}
    app.put(USER, {"email": "x", "newEmail": email}).is_status("INVALID_EMAIL_ERROR")


@pytest.mark.parametrize("email", ["a@example.com", "a.b+c@sub.example.co", "ä@example.org",
                                   "a@b@example.com", "a@1.2-3.io"])
def test_good_emails(app, email):
    assert sign_up(app, email).ok()["user"]["email"] == email


@pytest.mark.parametrize("password, text", [
    ("short1", "Password must contain at least 8 characters, including a number"),
    ("x1" * 50, "Password's length must be lesser than 100 characters"),
    ("12345678", "Password must contain at least one alphabet"),
    ("abcdefgh", "Password must contain at least one number"),
    ("\U0001f6001ab", "Password must contain at least 8 characters, including a number"),
])
def test_weak_passwords(app, password, text):
    weak = {"status": "PASSWORD_WEAK_ERROR", "message": text}
    assert sign_up(app, password=password).is_status("PASSWORD_WEAK_ERROR") == weak
    change = {"email": "a@example.com", "newPassword": password}
    assert app.put(USER, change).is_status("PASSWORD_WEAK_ERROR") == weak
    assert emails(app) == []


def test_bad_sign_ups(app):
    for body, text in (
            ({"password": PASSWORD}, "Field name 'email' is invalid in JSON input"),
            ({"email": "  ", "password": PASSWORD}, "Field name 'email' cannot be an empty String"),
            ({"email": "a@b.io"}, "Field name 'password' is invalid in JSON input"),
            ({"email": "a@b.io", "password": " "}, "Field name 'password' cannot be an empty String")):
        app.post(USER, body).is_error(400, text)
        app.post("/recipe/dashboard/signin", body).is_error(400, text)


def test_update(app):
    user, other = sign_up(app).ok()["user"], sign_up(app, "b@example.com").ok()["user"]
    live, stays = session(app), session(app, email="b@example.com")
    changed = app.put(USER, {"userId": user["userId"], "newEmail": " C@example.com"}).ok()["user"]
    assert changed == {**user, "email": "c@example.com"}
    verify(app, live).is_status("INVALID_SESSION_ERROR")  # any change ends the sessions
    assert verify(app, stays).ok()["email"] == other["email"]
    live = session(app, email="c@example.com")
    assert app.put(USER, {"email": "c@example.com", "newPassword": "different1"}).ok()["user"] == changed
    verify(app, live).is_status("INVALID_SESSION_ERROR")
    sign_in(app, "c@example.com").is_status("INVALID_CREDENTIALS_ERROR")
    session(app, email="c@example.com", password="different1")
    both = {"email": "c@example.com", "newEmail": "a@example.com", "newPassword": PASSWORD}
    assert app.put(USER, both).ok()["user"] == user
    session(app)
    app.put(USER, {"email": "a@example.com", "newEmail": "b@example.com"}).is_status(
        "EMAIL_ALREADY_EXISTS_ERROR")
    app.put(USER, {"email": "a@example.com", "newEmail": "a@example.com"}).ok()
    for who in ({"email": "no@example.com"}, {"userId": "nobody"}):
        for change in ({"newEmail": "x@example.com"}, {"newPassword": PASSWORD}, {}):
            app.put(USER, {**who, **change}).is_status("UNKNOWN_USER_ERROR")
    app.put(USER, {"newEmail": "x@example.com"}).is_error(
        400, "Either field 'email' or 'userId' must be present")
    app.put(USER, {"userId": " "}).is_error(400, "Field name 'userId' cannot be an empty String")


def test_delete(app):
    user = sign_up(app).ok()["user"]
    sign_up(app, "b@example.com").ok()
    live = session(app)
    assert app.delete(f"{USER}?userId={user['userId']}").ok() == {"status": "OK", "didUserExist": True}
    assert app.delete(f"{USER}?userId={user['userId']}").ok()["didUserExist"] is False
    verify(app, live).is_status("INVALID_SESSION_ERROR")
    sign_in(app).is_status("INVALID_CREDENTIALS_ERROR")
    assert app.delete(f"{USER}?email=B@example.com").ok()["didUserExist"] is True
    assert app.delete(f"{USER}?email=b@example.com").ok()["didUserExist"] is False
    assert emails(app) == []
    app.delete(USER).is_error(400, "Either field 'email' or 'userId' must be present")
    app.delete(USER + "?userId=").is_error(400, "Field name 'userId' cannot be an empty String")


# ---- sessions

def test_sign_in_and_out(app):
    sign_up(app)
    one, two = session(app), sign_in(app, " A@EXAMPLE.com", f" {PASSWORD} ").ok()["sessionId"]
    assert re.fullmatch(UUID, one) and one != two
    assert verify(app, one).ok() == {"status": "OK", "email": "a@example.com"}
    for email, password in (("a@example.com", "wrong1234"), ("x@example.com", PASSWORD)):
        assert sign_in(app, email, password).is_status("INVALID_CREDENTIALS_ERROR") == {
            "status": "INVALID_CREDENTIALS_ERROR"}
    for _ in range(2):
        assert app.delete(f"/recipe/dashboard/session?sessionId={one}").ok() == {"status": "OK"}
        verify(app, one).is_status("INVALID_SESSION_ERROR")
    verify(app, two).ok()
    verify(app, "x" * 3000).is_status("INVALID_SESSION_ERROR")
    app.post("/recipe/dashboard/session/verify", {}).is_error(
        400, "Field name 'sessionId' is invalid in JSON input")
    verify(app, " ").is_error(400, "Field name 'sessionId' cannot be an empty String")
    app.delete("/recipe/dashboard/session").is_error(
        400, "Field name 'sessionId' is missing in GET request")


def test_sessions_of_a_user(app):
    user = sign_up(app).ok()["user"]["userId"]
    mine = [session(app) for _ in range(2)]
    listed = sessions(app, user)
    assert len(listed) == 2 and sessions(app, "nobody") == []
    for s in listed:
        assert set(s) == {"userId", "sessionId", "timeCreated", "expiry"} and s["userId"] == user
        assert s["expiry"] - s["timeCreated"] == 30 * 24 * 3600 * 1000
        verify(app, s["sessionId"]).is_status("INVALID_SESSION_ERROR")  # that is no key to it
    app.delete(f"/recipe/dashboard/session?sessionId={listed[0]['sessionId']}").ok()
    assert sessions(app, user) == listed[1:]
    assert sorted(verify(app, s).json["status"] for s in mine) == ["INVALID_SESSION_ERROR", "OK"]
    app.get(USER + "/sessions").is_error(400, "Field name 'userId' is missing in GET request")


def test_sessions_expire_and_are_stored_hashed(core, app, storage):
    user = sign_up(app).ok()["user"]["userId"]
    live = session(app)
    rows = run_sql(core, storage, "SELECT session_id FROM st_dashboard_sessions WHERE user_id = ?",
                   (user,))
    assert len(rows) == 1 and re.fullmatch("[0-9a-f]{64}", rows[0][0])
    run_sql(core, storage, "UPDATE st_dashboard_sessions SET expires_at = ? WHERE user_id = ?",
            (1, user))
    verify(app, live).is_status("INVALID_SESSION_ERROR")


def test_apps_and_tenants(core, app):
    sign_up(app)
    live, other = session(app), core.app()
    verify(other, live).is_status("INVALID_SESSION_ERROR")
    sign_in(other).is_status("INVALID_CREDENTIALS_ERROR")
    assert emails(other) == []
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t"}).ok()
    for method, path in (("POST", USER), ("PUT", USER), ("DELETE", USER + "?userId=x"),
                         ("GET", "/recipe/dashboard/users"), ("GET", USER + "/sessions?userId=x"),
                         ("POST", "/recipe/dashboard/signin"),
                         ("POST", "/recipe/dashboard/session/verify"),
                         ("DELETE", "/recipe/dashboard/session?sessionId=x")):
        app.tenant("t").request(method, path, {} if method in ("POST", "PUT") else None).is_error(
            403, "Only public tenantId can call this app specific API")
    app.tenant("t").get("/recipe/dashboard/tenant/core-config").ok()


# ---- settings

FIELDS = {"key", "valueType", "value", "description", "isDifferentAcrossTenants", "possibleValues",
          "isNullable", "defaultValue", "isPluginProperty", "isPluginPropertyEditable"}


def config_of(app, **kw):
    listed = app.get("/recipe/dashboard/tenant/core-config", **kw).ok()["config"]
    assert all(set(f) == FIELDS for f in listed)
    return {f["key"]: f for f in listed}


def test_core_config(core, storage):
    app = core.app({"access_token_validity": 100})
    app.put("/recipe/multitenancy/tenant/v2", {
        "tenantId": "t", "coreConfig": {"totp_max_attempts": 7}}).ok()
    public, tenant = config_of(app), config_of(app.tenant("t"))
    assert set(public) == set(tenant) and "port" not in public and "api_keys" not in public
    assert public["access_token_validity"]["valueType"] == "number"
    assert (public["access_token_validity"]["value"],
            public["access_token_validity"]["defaultValue"]) == (100, 3600)
    assert tenant["access_token_validity"]["value"] == 100
    assert (public["totp_max_attempts"]["value"], tenant["totp_max_attempts"]["value"]) == (5, 7)
    assert public["password_hashing_alg"]["possibleValues"] == ["ARGON2", "BCRYPT"]
    plugin = {k: f for k, f in public.items() if f["isPluginProperty"]}
    assert plugin and all(k.startswith(storage[0]) for k in plugin)
    if storage[0] == "postgresql":
        assert plugin["postgresql_connection_pool_size"]["isPluginPropertyEditable"] is True
        assert plugin["postgresql_port"]["isPluginPropertyEditable"] is False
        uri = plugin["postgresql_connection_uri"]
        assert uri["valueType"] == "string" and "://postgres:***@" in uri["value"]


def test_core_config_without_what_only_the_hoster_sees(storage):
    secret = "hoster" * 8
    with Core(uri=storage[1], supertokens_saas_secret=secret, api_keys="k" * 20) as core:
        seen = config_of(core.at(api_key="k" * 20))
        assert not any(f["isPluginProperty"] for f in seen.values())
        assert "ip_allow_regex" not in seen and "access_token_validity" in seen
        whole = config_of(core.at(api_key=secret))
        assert any(f["isPluginProperty"] for f in whole.values()) and "ip_allow_regex" in whole


# ---- many at once

@pytest.mark.concurrent
def test_one_email_at_once(app):
    seen = sorted(r.json["status"] for r in at_once(6, lambda i: sign_up(app)))
    assert seen == ["EMAIL_ALREADY_EXISTS_ERROR"] * 5 + ["OK"]
    assert emails(app) == ["a@example.com"]


@pytest.mark.concurrent
def test_no_session_outlives_the_password_it_was_made_with(app):
    for i in range(4):
        email = f"u{i}@example.com"
        user = sign_up(app, email).ok()["user"]["userId"]

        def work(k, email=email, user=user):
            if k == 0:
                return app.put(USER, {"userId": user, "newPassword": "different1"})
            return sign_in(app, email)
        at_once(5, work)
        assert sessions(app, user) == []
        session(app, email=email, password="different1")
