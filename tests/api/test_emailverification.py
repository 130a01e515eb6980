# SPDX-License-Identifier: Apache-2.0
"""Email verification: every call, its texts and statuses, and that what users show is
exactly what was verified, whatever happens to their emails and ids."""

import json
import uuid

import pytest

from core import Core
from linked import Database
from servers import wait_for

FORBIDDEN = "Only public tenantId can call this app specific API"
PATH = "/recipe/user/email/verify"
A, B = "a@example.com", "b@example.com"


def sign_up(app, email=A):
    return app.post("/recipe/signup", {"email": email, "password": "secret12"}).ok()["user"]


def make_token(app, user_id, email=A, **kw):
    return app.post(PATH + "/token", {"userId": user_id, "email": email}, **kw)


def token_of(app, user_id, email=A):
    return make_token(app, user_id, email).ok()["token"]


def verify(app, token, method="token", **kw):
    return app.post(PATH, {"method": method, "token": token}, **kw)


def verify_email(app, user_id, email=A):
    verify(app, token_of(app, user_id, email)).ok()


def unverify(app, user_id, email=A, **kw):
    return app.post(PATH + "/remove", {"userId": user_id, "email": email}, **kw)


def revoke(app, user_id, email=A, **kw):
    return app.post(PATH + "/token/remove", {"userId": user_id, "email": email}, **kw)


def is_verified(app, user_id, email=A):
    return app.get(PATH, {"userId": user_id, "email": email}).ok()["isVerified"]


def shown(app, user_id):
    """What the user's login methods say, by email; the same wherever the user is shown."""
    user = app.get("/user/id", {"userId": user_id}).ok()["user"]
    flags = {m["email"]: m["verified"] for m in user["loginMethods"]}
    for email in flags:
        found = app.get("/users/by-accountinfo",
                        {"doUnionOfAccountInfo": "true", "email": email}).ok()["users"]
        assert user in found
        reply = app.post("/recipe/signin", {"email": email, "password": "secret12"})
        if reply.json["status"] == "OK":
            assert reply.json["user"] == user
    return flags


def update_email(app, user_id, email):
    app.put("/recipe/user", {"recipeUserId": user_id, "email": email}).ok()


@pytest.fixture
def database(core, storage, app):
    return Database(core, storage, app)


@pytest.fixture
def database_uri(postgres):
    return postgres.create_database("db_" + uuid.uuid4().hex)


# ---- tokens

def test_flow(app, database):
    user = sign_up(app)
    assert not is_verified(app, user["id"]) and shown(app, user["id"]) == {A: False}
    made = make_token(app, user["id"], " A@Example.COM ").ok()
    assert list(made) == ["status", "token"] and len(made["token"]) == 43
    assert database.rows("st_email_verification_tokens", f"token = '{made['token']}'") == 0
    assert verify(app, made["token"]).ok() == {
        "status": "OK", "userId": user["id"], "email": A}
    assert is_verified(app, user["id"]) and shown(app, user["id"]) == {A: True}
    assert verify(app, made["token"]).is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR") == {
        "status": "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR"}
    assert make_token(app, user["id"]).is_status("EMAIL_ALREADY_VERIFIED_ERROR") == {
        "status": "EMAIL_ALREADY_VERIFIED_ERROR"}
    assert unverify(app, user["id"]).ok() == {"status": "OK"}
    assert not is_verified(app, user["id"]) and shown(app, user["id"]) == {A: False}
    verify_email(app, user["id"])
    assert shown(app, user["id"]) == {A: True}
    unverify(app, user["id"], " A@EXAMPLE.com").ok()
    unverify(app, user["id"]).ok()
    assert shown(app, user["id"]) == {A: False}


@pytest.mark.parametrize("cdi", ["3.0", "4.0", "5.0", "5.6"])
def test_versions(app, cdi):
    user = sign_up(app)
    at = app.at(cdi=cdi)
    token = make_token(at, user["id"]).ok()["token"]
    assert verify(at, token).ok() == {"status": "OK", "userId": user["id"], "email": A}
    assert is_verified(at, user["id"]) and not is_verified(at, user["id"], B)
    assert not is_verified(at, user["id"], A.upper())  # compared as it was sent
    assert revoke(at, user["id"]).ok() == {"status": "OK"}
    assert unverify(at, user["id"]).ok() == {"status": "OK"}


def test_ids_and_emails_of_nobody(app):
    for user_id in ("nobody", "a" * 128, "\u00e4 b;c"):
        for email in (A, "not an email", ""):
            verify_email(app, user_id, email)
            assert is_verified(app, user_id, email)
            unverify(app, user_id, email).ok()
            assert not is_verified(app, user_id, email)
    assert not is_verified(app, "x" * 600)
    assert make_token(app, "a" * 129).status == 400
    user = sign_up(app)
    verify_email(app, user["id"], B)  # an email it does not have
    assert shown(app, user["id"]) == {A: False} and is_verified(app, user["id"], B)


def test_all_tokens_of_an_email_go_with_one(app, database):
    user = sign_up(app)
    first, second, third = (token_of(app, user["id"]) for _ in range(3))
    other = token_of(app, user["id"], B)
    assert database.rows("st_email_verification_tokens") == 4
    verify(app, second).ok()
    for gone in (first, third):
        verify(app, gone).is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
    assert database.rows("st_email_verification_tokens") == 1
    verify(app, other).ok()
    assert is_verified(app, user["id"], B)


def test_revoke(app, database):
    user = sign_up(app)
    mine, other, stranger = (token_of(app, user["id"]), token_of(app, user["id"], B),
                             token_of(app, "nobody"))
    assert revoke(app, user["id"], " A@EXAMPLE.com").ok() == {"status": "OK"}
    verify(app, mine).is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
    assert database.rows("st_email_verification_tokens") == 2
    verify(app, other).ok()
    verify(app, stranger).ok()
    revoke(app, "never seen").ok()


def test_expired_tokens(core, storage):
    app = core.app({"email_verification_token_lifetime": 1})
    database = Database(core, storage, app)
    user = sign_up(app)
    tokens = [token_of(app, user["id"]) for _ in range(2)]
    database.run("UPDATE st_email_verification_tokens SET expires_at = 1 WHERE app_id = :app")
    for token in tokens:
        verify(app, token).is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
        assert database.rows("st_email_verification_tokens") == 0
    assert shown(app, user["id"]) == {A: False}


def test_expired_tokens_are_swept(storage, tmp_path):
    with Core(uri=storage[1], home=str(tmp_path)) as core:
        app = core.app({"email_verification_token_lifetime": 1})
        kept = core.app()
        lost, good = token_of(app, "nobody"), token_of(kept, "nobody")
        rows = Database(core, storage, app).rows
        wait_for(lambda: rows("st_email_verification_tokens") == 0, 60)
        verify(app, lost).is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
        verify(kept, good).ok()


# ---- texts

@pytest.mark.parametrize("path", ["/token", "/remove", "/token/remove"])
@pytest.mark.parametrize("body, field", [
    ({"email": A}, "userId"), ({"userId": "u"}, "email"), ({"userId": 1, "email": A}, "userId"),
    ({"userId": "u", "email": None}, "email"), ({}, "userId")])
def test_bad_bodies(app, path, body, field):
    app.post(PATH + path, body).is_error(400, f"Field name '{field}' is invalid in JSON input")


def test_bad_requests(app):
    for body, field in (({"token": "t"}, "method"), ({"method": "token"}, "token")):
        app.post(PATH, body).is_error(400, f"Field name '{field}' is invalid in JSON input")
    verify(app, "t", "link").is_error(400, "Unsupported method for email verification")
    verify(app, "no such").is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
    verify(app, "").is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
    for query, field in (({"email": A}, "userId"), ({"userId": "u"}, "email")):
        app.get(PATH, query).is_error(400, f"Field name '{field}' is missing in GET request")


# ---- what users show

def test_every_list_shows_it(app):
    a, b = sign_up(app, A), sign_up(app, B)
    verify_email(app, a["id"])
    verify_email(app, a["id"], B)  # not b's
    listed = app.get("/users").ok()["users"]
    assert {u["id"]: u["loginMethods"][0]["verified"] for u in listed} == {
        a["id"]: True, b["id"]: False}


def test_made_up_emails_are_verified_from_the_start(app):
    made_up = "x@stfakeemail.supertokens.com"
    user = sign_up(app, made_up)
    assert is_verified(app, user["id"], made_up) and shown(app, user["id"]) == {made_up: True}
    make_token(app, user["id"], made_up).is_status("EMAIL_ALREADY_VERIFIED_ERROR")
    unverify(app, user["id"], made_up).ok()
    assert shown(app, user["id"]) == {made_up: False}


def test_a_new_email_is_looked_up(app):
    user = sign_up(app)
    verify_email(app, user["id"])
    update_email(app, user["id"], B)
    assert shown(app, user["id"]) == {B: False}
    update_email(app, user["id"], A)
    assert shown(app, user["id"]) == {A: True}
    verify_email(app, user["id"], B)
    assert shown(app, user["id"]) == {A: True}
    update_email(app, user["id"], B)
    assert shown(app, user["id"]) == {B: True}
    unverify(app, user["id"], A).ok()
    assert shown(app, user["id"]) == {B: True}
    update_email(app, user["id"], A)
    assert shown(app, user["id"]) == {A: False}
    # an old link of the mail with the former email
    token = token_of(app, user["id"])
    update_email(app, user["id"], B)
    verify(app, token).ok()
    assert shown(app, user["id"]) == {B: True} and is_verified(app, user["id"], A)


def test_linked_users(app, database):
    a, b = sign_up(app, A), sign_up(app, B)
    database.link(a, b)
    verify_email(app, b["id"], B)
    assert shown(app, a["id"]) == {A: False, B: True}
    verify_email(app, a["id"], B)  # the id is that of the other login method
    assert shown(app, a["id"]) == {A: False, B: True}
    verify_email(app, a["id"], A)
    unverify(app, b["id"], B).ok()
    assert shown(app, b["id"]) == {A: True, B: False}
    verify_email(app, b["id"], "c@example.com")
    update_email(app, b["id"], "c@example.com")
    assert shown(app, b["id"]) == {A: True, "c@example.com": True}


def test_mapped_users(app, database):
    user = sign_up(app)
    database.map(user["id"], "external")
    verify_email(app, user["id"])  # not what the outside calls it
    assert is_verified(app, user["id"]) and not is_verified(app, "external")
    assert shown(app, "external") == {A: False}
    verify_email(app, "external")
    assert is_verified(app, "external") and shown(app, user["id"]) == {A: True}
    unverify(app, user["id"]).ok()
    assert shown(app, "external") == {A: True}
    unverify(app, "external").ok()
    assert shown(app, "external") == {A: False}
    verify_email(app, "external", B)
    update_email(app, "external", B)
    assert shown(app, "external") == {B: True}


def test_mapped_and_linked_users(app, database):
    a, b = sign_up(app, A), sign_up(app, B)
    database.link(a, b)
    database.map(b["id"], "outer")
    verify_email(app, "outer", B)
    assert shown(app, a["id"]) == {A: False, B: True}
    unverify(app, "outer", B).ok()
    assert shown(app, a["id"]) == {A: False, B: False}


def test_an_external_id_that_is_anothers_own(app, database):
    one, other = sign_up(app, A), sign_up(app, B)
    database.map(other["id"], one["id"])
    for email, users in ((A, (one, )), (B, (other, ))):
        verify_email(app, one["id"], email)
        listed = {u["emails"][0]: u["loginMethods"][0]["verified"]
                  for u in app.get("/users").ok()["users"]}
        assert len(users) == 1 and listed[email] is True
    unverify(app, one["id"], A).ok()
    listed = {u["emails"][0]: u["loginMethods"][0]["verified"]
              for u in app.get("/users").ok()["users"]}
    assert listed == {A: False, B: True}


# ---- tenants, and removing

def test_tenants(app, database):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    t1 = app.tenant("t1")
    user = sign_up(app)
    token = token_of(t1, user["id"])
    verify(app, token).is_status("EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
    revoke(app, user["id"]).ok()
    assert database.rows("st_email_verification_tokens") == 1
    verify(t1, token).ok()
    assert shown(app, user["id"]) == {A: True}  # for the app
    make_token(t1, user["id"]).is_status("EMAIL_ALREADY_VERIFIED_ERROR")
    for reply in (t1.get(PATH, {"userId": "u", "email": A}), unverify(t1, user["id"])):
        reply.is_error(403, FORBIDDEN)
    assert unverify(t1.at(cdi="4.0"), user["id"]).ok()
    assert not is_verified(t1.at(cdi="4.0"), user["id"])


def test_a_tenant_in_another_database(database_uri):
    with Core() as core:
        app = core.app()
        app.put("/recipe/multitenancy/tenant/v2", {
            "tenantId": "far", "coreConfig": {"postgresql_connection_uri": database_uri}}).ok()
        far = app.tenant("far")
        user, near = sign_up(far), sign_up(app)
        verify_email(far, user["id"])
        verify_email(app, near["id"])
        far_user = far.post("/recipe/signin", {"email": A, "password": "secret12"}).ok()["user"]
        assert far_user["loginMethods"][0]["verified"]
        # calls for the app find the database that knows the user
        assert is_verified(app, user["id"]) and is_verified(app, near["id"])
        unverify(app, user["id"]).ok()
        assert not is_verified(app, user["id"]) and is_verified(app, near["id"])
        assert app.get("/user/id", {"userId": user["id"]}).ok()["user"] == user
        # nobody's ids are kept with the app
        verify_email(app, "nobody")
        assert is_verified(app, "nobody")


def test_leaving_a_tenant_takes_its_tokens(app, database):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    t1 = app.tenant("t1")
    leave = lambda user_id: t1.post(  # noqa: E731
        "/recipe/multitenancy/tenant/user/remove", {"recipeUserId": user_id})
    user = sign_up(app)
    for where in (app, t1):
        token_of(where, user["id"])
    assert leave(user["id"]).ok()["wasAssociated"] is True
    assert leave(user["id"]).ok()["wasAssociated"] is False
    assert database.rows("st_email_verification_tokens") == 1
    token_of(t1, "nobody")
    assert leave("nobody").ok()["wasAssociated"] is True
    leave("nobody").is_status("UNKNOWN_USER_ID_ERROR")


def test_removing_a_user_takes_all(app, database):
    user, other = sign_up(app, A), sign_up(app, B)
    for one, email in ((user, A), (other, B)):
        verify_email(app, one["id"], email)
        token_of(app, one["id"], "c@example.com")
    app.post("/user/remove", {"userId": user["id"]}).ok()
    assert not is_verified(app, user["id"]) and is_verified(app, other["id"], B)
    assert database.rows("st_email_verified") == database.rows("st_email_verification_tokens") == 1


def test_a_deleted_tenant_takes_its_tokens(app, database):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    user = sign_up(app)
    token_of(app.tenant("t1"), user["id"])
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t1"}).ok()
    wait_for(lambda: database.rows("st_email_verification_tokens") == 0, 20)
    reply = make_token(app.tenant("t1"), user["id"])
    assert reply.status == 400 and "not found" in reply.text


def test_no_token_in_the_log(core, app):
    token = token_of(app, "nobody")
    verify(app, token).ok()
    assert token not in core.log_text() and json.dumps(token) not in core.log_text()
