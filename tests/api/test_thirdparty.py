# SPDX-License-Identifier: Apache-2.0
"""Signing in with a provider: every call, its texts and statuses, its shape at each CDI
version, and what a new email from the provider may change."""

import time

import pytest

from linked import Database

FORBIDDEN = "Only public tenantId can call this app specific API"
A, B, C = "a@example.com", "b@example.com", "c@example.com"
ACCOUNT = {"thirdPartyId": "google", "thirdPartyUserId": "g-1"}


def sign_in_up(app, email=A, user_id="g-1", provider="google", verified=False, **kw):
    return app.post("/recipe/signinup", {
        "thirdPartyId": provider, "thirdPartyUserId": user_id,
        "email": {"id": email, "isVerified": verified}}, **kw)


def sign_up(app, email):
    return app.post("/recipe/signup", {"email": email, "password": "secret12"})


def get(app, user_id):
    return app.get("/user/id", {"userId": user_id}).ok()["user"]


def by_account(app, **query):
    return app.get("/recipe/user", query or ACCOUNT, rid="thirdparty")


def is_verified(app, user_id, email=A):
    return app.get("/recipe/user/email/verify", {"userId": user_id, "email": email}).ok()["isVerified"]


def flags(user):
    return {m["email"]: m["verified"] for m in user["loginMethods"]}


@pytest.fixture
def database(core, storage, app):
    return Database(core, storage, app)


# ---- signing up and in

def test_shape(app):
    before = int(time.time() * 1000)
    got = sign_in_up(app, " A@Example.COM ").ok()
    user = got["user"]
    assert list(got) == ["status", "createdNewUser", "user", "recipeUserId"]
    assert got["createdNewUser"] is True and got["recipeUserId"] == user["id"]
    assert before <= user["timeJoined"] <= int(time.time() * 1000)
    assert user == {
        "id": user["id"], "isPrimaryUser": False, "tenantIds": ["public"],
        "timeJoined": user["timeJoined"], "emails": [A], "phoneNumbers": [],
        "thirdParty": [{"id": "google", "userId": "g-1"}], "webauthn": {"credentialIds": []},
        "loginMethods": [{"tenantIds": ["public"], "recipeUserId": user["id"], "verified": False,
                          "timeJoined": user["timeJoined"], "recipeId": "thirdparty", "email": A,
                          "thirdParty": {"id": "google", "userId": "g-1"}}]}
    again = sign_in_up(app).ok()
    assert again == dict(got, createdNewUser=False)
    assert get(app, user["id"]) == user == by_account(app).ok()["user"]
    assert app.get("/users").ok()["users"] == [user]
    assert app.get("/users/count", {"includeRecipeIds": "thirdparty"}).ok()["count"] == 1


@pytest.mark.parametrize("cdi, has_webauthn, has_methods", [
    ("5.6", True, True), ("5.3", True, True), ("5.2", False, True), ("4.0", False, True),
    ("3.1", False, False), ("3.0", False, False)])
def test_shapes_by_version(app, cdi, has_webauthn, has_methods):
    at = app.at(cdi=cdi)
    up = sign_in_up(at).ok()
    assert sign_in_up(at).ok() == dict(up, createdNewUser=False)
    user = up["user"]
    for query in (ACCOUNT, {"userId": user["id"]}):
        assert by_account(at, **query).ok() == {"status": "OK", "user": user}
    assert at.get("/recipe/users/by-email", {"email": " A@EXAMPLE.com"}).ok() == {
        "status": "OK", "users": [user]}
    assert ("webauthn" in user) == has_webauthn
    assert ("loginMethods" in user) == ("recipeUserId" in up) == has_methods
    if not has_methods:
        assert list(user) == ["id", "timeJoined", "tenantIds", "email", "thirdParty"]
        assert user["thirdParty"] == {"id": "google", "userId": "g-1"}


def test_accounts_are_told_apart(app):
    made = [sign_in_up(app, A, user, provider).ok()["user"]["id"]
            for provider in ("google", "Google", "apple") for user in ("g-1", "G-1", "")]
    assert len(set(made)) == 9
    for provider in ("google", "Google", "apple"):
        for user in ("g-1", "G-1", ""):
            got = sign_in_up(app, A, user, provider).ok()
            assert got["user"]["id"] == made.pop(0) and not got["createdNewUser"]
    sign_up(app, A).ok()
    assert len(app.get("/recipe/users/by-email", {"email": A}).ok()["users"]) == 9


def test_many_users_of_one_email(app):
    made = {f"g-{i}": sign_in_up(app, A, f"g-{i}").ok()["user"] for i in range(70)}
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    for user_id in ("g-0", "g-69"):
        app.tenant("t1").post("/recipe/multitenancy/tenant/user",
                              {"recipeUserId": made[user_id]["id"]}).ok()
        got = sign_in_up(app, A, user_id).ok()["user"]
        assert got["id"] == made[user_id]["id"] and got["tenantIds"] == ["public", "t1"]


# ---- what the provider says of the email

def test_verified_at_sign_up(app):
    user = sign_in_up(app, verified=True).ok()["user"]
    assert flags(user) == flags(get(app, user["id"])) == {A: True} and is_verified(app, user["id"])
    assert flags(sign_in_up(app).ok()["user"]) == {A: True}  # stays so


def test_verified_later(app):
    user = sign_in_up(app).ok()["user"]
    assert flags(user) == {A: False} and not is_verified(app, user["id"])
    assert flags(sign_in_up(app, verified=True).ok()["user"]) == {A: True}
    assert flags(get(app, user["id"])) == {A: True} and is_verified(app, user["id"])
    assert flags(sign_in_up(app, verified=True).ok()["user"]) == {A: True}


def test_old_versions_say_nothing_of_it(app):
    old = app.at(cdi="3.1")
    user = sign_in_up(old, verified=True).ok()["user"]
    assert flags(get(app, user["id"])) == {A: False}
    body = dict(ACCOUNT, email={"id": A})
    assert old.post("/recipe/signinup", body).ok()["createdNewUser"] is False


def test_a_new_email(app):
    user = sign_in_up(app, verified=True).ok()["user"]
    got = sign_in_up(app, B).ok()
    assert not got["createdNewUser"] and got["user"]["id"] == user["id"]
    assert flags(got["user"]) == {B: False} and got["user"]["emails"] == [B]
    assert get(app, user["id"]) == got["user"] == by_account(app).ok()["user"]
    assert flags(sign_in_up(app, C, verified=True).ok()["user"]) == {C: True}
    assert not is_verified(app, user["id"], B) and is_verified(app, user["id"], C)
    assert flags(sign_in_up(app, A).ok()["user"]) == {A: True}  # as it was shown before
    assert flags(get(app, user["id"])) == {A: True}
    assert app.get("/recipe/users/by-email", {"email": B}).ok()["users"] == []


def test_a_new_email_that_others_have(app):
    user = sign_in_up(app).ok()["user"]
    sign_up(app, B).ok()
    sign_in_up(app, B, "g-2").ok()
    got = sign_in_up(app, B).ok()["user"]
    assert got["id"] == user["id"] and got["emails"] == [B]


def test_a_new_email_of_a_primary_user(app, database):
    user, other = sign_in_up(app).ok()["user"], sign_up(app, B).ok()["user"]
    database.link(user)
    database.link(other)
    assert sign_in_up(app, B, verified=True).is_status("EMAIL_CHANGE_NOT_ALLOWED_ERROR") == {
        "status": "EMAIL_CHANGE_NOT_ALLOWED_ERROR",
        "reason": "Email already associated with another primary user."}
    assert flags(get(app, user["id"])) == {A: False} and not is_verified(app, user["id"], B)
    got = sign_in_up(app, C).ok()["user"]
    assert got["emails"] == [C] and got["isPrimaryUser"]
    held = {k.split("\x1f")[2] for (k,) in database.run(
        f"SELECT rkey FROM st_account_reservations WHERE app_id = :app AND user_id = '{user['id']}'")}
    assert held == {C, "google::g-1"}


# ---- linked and mapped users

def test_linked_user(app, database):
    a, b = sign_up(app, A).ok()["user"], sign_in_up(app, B).ok()["user"]
    database.link(a, b)
    got = sign_in_up(app, B).ok()
    whole = get(app, a["id"])
    assert got == {"status": "OK", "createdNewUser": False, "user": whole, "recipeUserId": b["id"]}
    assert by_account(app).ok()["user"] == whole
    assert app.get("/recipe/users/by-email", {"email": B}).ok()["users"] == [whole]
    assert app.get("/recipe/users/by-email", {"email": A}).ok()["users"] == []
    # by its id it is the one login method
    assert by_account(app, userId=b["id"]).ok()["user"]["id"] == b["id"]
    by_account(app, userId=a["id"]).is_status("UNKNOWN_USER_ID_ERROR")
    got = sign_in_up(app, C, verified=True).ok()
    assert flags(got["user"]) == {A: False, C: True} and got["user"] == get(app, a["id"])


def test_mapped_user(app, database):
    user = sign_in_up(app).ok()["user"]
    database.map(user["id"], "external")
    got = sign_in_up(app).ok()
    assert got["recipeUserId"] == got["user"]["id"] == "external"
    got = sign_in_up(app, B, verified=True).ok()
    assert got["recipeUserId"] == got["user"]["id"] == "external" and flags(got["user"]) == {B: True}
    assert is_verified(app, "external", B) and not is_verified(app, user["id"], B)
    for query in ({"userId": "external"}, {"userId": user["id"]}, ACCOUNT):
        assert by_account(app, **query).ok()["user"]["id"] == "external"


# ---- tenants

def test_tenants(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    t1 = app.tenant("t1")
    one, two = sign_in_up(app).ok()["user"], sign_in_up(t1).ok()["user"]
    assert one["id"] != two["id"] and two["tenantIds"] == ["t1"]
    assert by_account(t1).ok()["user"] == two
    assert t1.get("/recipe/users/by-email", {"email": A}).ok()["users"] == [two]
    by_account(t1, userId=two["id"]).is_error(403, FORBIDDEN)
    assert by_account(t1.at(cdi="4.0"), userId=two["id"]).ok()["user"]["id"] == two["id"]
    assert sign_in_up(app.tenant("nowhere")).status == 400
    t1.post("/recipe/multitenancy/tenant/user", {"recipeUserId": one["id"]}).is_status(
        "THIRD_PARTY_USER_ALREADY_EXISTS_ERROR")
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t2"}).ok()
    app.tenant("t2").post("/recipe/multitenancy/tenant/user", {"recipeUserId": one["id"]}).ok()
    assert sign_in_up(app.tenant("t2")).ok()["user"]["tenantIds"] == ["public", "t2"]


@pytest.mark.parametrize("cdi, factors, refused", [
    ("5.1", [], False), ("5.0", [], True), ("5.0", ["totp"], False), ("4.0", ["totp"], True),
    ("4.0", ["thirdparty"], False), ("3.0", ["emailpassword"], True)])
def test_disabled_for_the_tenant(app, cdi, factors, refused):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t", "firstFactors": factors}).ok()
    reply = sign_in_up(app.tenant("t").at(cdi=cdi))
    if refused:
        reply.is_error(403, "ThirdParty login not enabled for tenant")
    else:
        reply.ok()


# ---- texts

@pytest.mark.parametrize("change, field", [
    ({"thirdPartyId": None}, "thirdPartyId"), ({"thirdPartyUserId": 1}, "thirdPartyUserId"),
    ({"email": A}, "email"), ({"email": {}}, "id"), ({"email": {"id": 1}}, "id"),
    ({"email": {"id": A}}, "isVerified"), ({"email": {"id": A, "isVerified": "true"}}, "isVerified")])
def test_bad_bodies(app, change, field):
    body = {**ACCOUNT, "email": {"id": A, "isVerified": False}, **change}
    app.post("/recipe/signinup", body).is_error(
        400, f"Field name '{field}' is invalid in JSON input")


def test_too_long(app):
    assert sign_in_up(app, A, "x" * 257).status == 400
    assert sign_in_up(app, A, "x" * 256).ok()["createdNewUser"]


def test_bad_queries(app):
    text = "Please provide {} of userId or (thirdPartyId & thirdPartyUserId)"
    for query in ({"thirdPartyId": "google"}, {"thirdPartyUserId": "g-1"}, {"x": "y"}):
        by_account(app, **query).is_error(400, text.format("one"))
    for query in ({"thirdPartyId": "google"}, {"thirdPartyUserId": "g-1"}, ACCOUNT):
        by_account(app, userId="u", **query).is_error(400, text.format("only one"))
    by_account(app, userId="u").is_status("UNKNOWN_USER_ID_ERROR")
    by_account(app).is_status("UNKNOWN_THIRD_PARTY_USER_ERROR")
    app.get("/recipe/users/by-email").is_error(
        400, "Field name 'email' is missing in GET request")
    assert app.get("/recipe/users/by-email", {"email": A}).ok()["users"] == []
    user = sign_up(app, A).ok()["user"]
    by_account(app, userId=user["id"]).is_status("UNKNOWN_USER_ID_ERROR")
    tp = sign_in_up(app).ok()["user"]
    app.get("/recipe/user", {"userId": tp["id"]}, rid="emailpassword").is_status(
        "UNKNOWN_USER_ID_ERROR")
