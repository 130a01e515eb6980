# SPDX-License-Identifier: Apache-2.0
"""The flows of SDKs that speak CDI 3.1, such as Go's, as they go over the wire."""

import base64
import json

import pytest

PASSWORD = "secret123"


@pytest.fixture
def old(app):
    """The app as such an SDK calls it: its version, and the tenant always in the path."""
    return app.at(cdi="3.1"), app.at(f"{app.prefix}/public", cdi="3.1")


def sign(way, at, email="a@example.com", password=PASSWORD):
    return at.post("/recipe/sign" + way, {"email": email, "password": password}, rid="emailpassword")


def new_session(at, user, csrf=False):
    return at.post("/recipe/session", {
        "userId": user, "userDataInJWT": {"role": "admin"}, "userDataInDatabase": {"n": 1},
        "useDynamicSigningKey": True, "enableAntiCsrf": csrf}, rid="session").ok()


def refresh(app, tokens, csrf=None):
    body = {"refreshToken": tokens["refreshToken"]["token"], "enableAntiCsrf": csrf is not None}
    if csrf:
        body["antiCsrfToken"] = csrf
    return app.post("/recipe/session/refresh", body, rid="session")


def verify(app, tokens, database=False, csrf=None):
    body = {"accessToken": tokens["accessToken"]["token"], "doAntiCsrfCheck": csrf is not None,
            "enableAntiCsrf": csrf is not None, "checkDatabase": database}
    if csrf:
        body["antiCsrfToken"] = csrf
    return app.post("/recipe/session/verify", body, rid="session")


def part(token, i):
    text = token.split(".")[i]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_the_version_is_listed(app):
    assert "3.1" in app.at(cdi="none").get("/apiversion").json["versions"]


def test_accounts(old):
    app, public = old
    user = sign("up", public).ok()["user"]
    assert user == {"id": user["id"], "email": "a@example.com", "timeJoined": user["timeJoined"],
                    "tenantIds": ["public"]}
    assert sign("in", public).ok() == {"status": "OK", "user": user}
    assert sign("up", public).json == {"status": "EMAIL_ALREADY_EXISTS_ERROR"}
    sign("in", public, password="wrong1234").is_status("WRONG_CREDENTIALS_ERROR")
    rid = {"rid": "emailpassword"}
    assert app.get("/recipe/user", {"userId": user["id"]}, **rid).ok()["user"] == user
    assert public.get("/recipe/user", {"email": "a@example.com"}, **rid).ok()["user"] == user
    app.get("/recipe/user", {"userId": "nobody"}, **rid).is_status("UNKNOWN_USER_ID_ERROR")
    app.put("/recipe/user", {"userId": user["id"], "email": "b@example.com"}, **rid).ok()
    assert sign("in", public, "b@example.com").ok()["user"]["id"] == user["id"]


def test_password_reset(old):
    _, public = old
    user = sign("up", public).ok()["user"]["id"]
    path = "/recipe/user/password/reset"
    token = public.post(path + "/token", {"userId": user}, rid="emailpassword").ok()["token"]
    body = {"method": "token", "token": token, "newPassword": "brandnew1"}
    assert public.post(path, body, rid="emailpassword").ok() == {"status": "OK", "userId": user}
    public.post(path, body, rid="emailpassword").is_status("RESET_PASSWORD_INVALID_TOKEN_ERROR")
    sign("in", public, password="brandnew1").ok()
    sign("in", public).is_status("WRONG_CREDENTIALS_ERROR")


def test_sessions(old):
    app, public = old
    user = sign("up", public).ok()["user"]["id"]
    first = new_session(public, user)
    assert set(first) == {"status", "session", "accessToken", "refreshToken"}
    session = first["session"]
    assert session == {"handle": session["handle"], "userId": user, "tenantId": "public",
                       "userDataInJWT": {"role": "admin"}}
    token = first["accessToken"]["token"]
    assert part(token, 0)["version"] == "4" and part(token, 0)["kid"].startswith("d-")
    claims = part(token, 1)
    assert (claims["sub"], claims["tId"], claims["role"]) == (user, "public", "admin")
    assert "rsub" not in claims
    assert verify(app, first, database=True).ok()["session"]["userId"] == user
    child = refresh(app, first).ok()
    promoted = verify(app, child).ok()
    assert part(promoted["accessToken"]["token"], 1)["parentRefreshTokenHash1"] is None
    theft = refresh(app, first).is_status("TOKEN_THEFT_DETECTED")["session"]
    assert theft == {"handle": session["handle"], "userId": user, "recipeUserId": user}
    handle = {"sessionHandle": session["handle"]}
    info = app.get("/recipe/session", handle).ok()
    assert (info["userId"], info["userDataInDatabase"]) == (user, {"n": 1})
    app.put("/recipe/session/data", {**handle, "userDataInDatabase": {"n": 2}}).ok()
    app.put("/recipe/jwt/data", {**handle, "userDataInJWT": {"role": "user"}}).ok()
    assert app.get("/recipe/session", handle).ok()["userDataInJWT"] == {"role": "user"}
    again = app.post("/recipe/session/regenerate", {
        "accessToken": promoted["accessToken"]["token"], "userDataInJWT": {"x": None}}).ok()
    assert again["session"]["userDataInJWT"] == {"x": None}
    listed = app.get("/recipe/session/user", {"userId": user}).ok()
    assert listed["sessionHandles"] == [session["handle"]]
    gone = app.post("/recipe/session/remove", {"userId": user}).ok()
    assert gone["sessionHandlesRevoked"] == [session["handle"]]
    verify(app, child, database=True).is_status("UNAUTHORISED")
    refresh(app, child).is_status("UNAUTHORISED")


def test_anti_csrf(old):
    app, public = old
    first = new_session(public, "someone", csrf=True)
    csrf = first["antiCsrfToken"]
    assert verify(app, first, csrf=csrf).ok()
    verify(app, first, csrf="wrong").is_status("TRY_REFRESH_TOKEN")
    refresh(app, first, csrf="wrong").is_status("UNAUTHORISED")
    assert refresh(app, first, csrf=csrf).ok()["antiCsrfToken"] != csrf


def test_users(old):
    app, public = old
    users = [sign("up", public, f"u{i}@example.com").ok()["user"] for i in range(3)]
    page = public.get("/users", {"limit": 2, "timeJoinedOrder": "DESC"}).ok()
    assert page["users"] == [{"recipeId": "emailpassword", "user": u} for u in users[:0:-1]]
    rest = public.get("/users", {"limit": 2, "timeJoinedOrder": "DESC",
                                 "paginationToken": page["nextPaginationToken"]}).ok()
    assert [u["user"]["id"] for u in rest["users"]] == [users[0]["id"]]
    assert "nextPaginationToken" not in rest
    assert public.get("/users/count", {"includeRecipeIds": "emailpassword"}).ok()["count"] == 3
    app.post("/user/remove", {"userId": users[0]["id"]}).ok()
    assert public.get("/users/count").ok()["count"] == 2


def test_tenants(old):
    app, public = old
    path = "/recipe/multitenancy/tenant"
    put = {"tenantId": "t1", "emailPasswordEnabled": True, "coreConfig": {}}
    assert app.put(path, put, rid="multitenancy").ok()["createdNew"] is True
    t1 = app.at(f"{app.prefix}/t1")
    assert t1.get(path).ok()["emailPassword"] == {"enabled": True}
    assert [t["tenantId"] for t in app.get(path + "/list").ok()["tenants"]] == ["public", "t1"]
    user = sign("up", public).ok()["user"]["id"]
    assert t1.post(path + "/user", {"userId": user}).ok()["wasAlreadyAssociated"] is False
    found = sign("in", t1).ok()["user"]
    assert (found["id"], sorted(found["tenantIds"])) == (user, ["public", "t1"])
    assert new_session(t1, user)["session"]["tenantId"] == "t1"
    assert t1.post(path + "/user/remove", {"userId": user}).ok()["wasAssociated"] is True
    assert app.post(path + "/remove", {"tenantId": "t1"}).ok()["didExist"] is True


def test_keys(old):
    app, public = old
    kid = part(new_session(public, "u")["accessToken"]["token"], 0)["kid"]
    keys = app.at(cdi="none").get("/.well-known/jwks.json")
    assert kid in [k["kid"] for k in keys.json["keys"]]
    made = app.post("/recipe/jwt", {"payload": {}, "algorithm": "RS256", "validity": 10,
                                    "jwksDomain": "http://localhost", "useStaticSigningKey": True})
    assert part(made.ok()["jwt"], 0)["kid"].startswith("s-")
