# SPDX-License-Identifier: Apache-2.0
"""Email/password: every call, its texts and statuses, its shape at each CDI version, what
it costs the database, and the races between callers."""

import time

import pytest

from servers import wait_for
from together import at_once

PASSWORD = "secret12"
BCRYPT = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"  # of "a"
ARGON2 = "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$nPIQPfZDCsnBCKFcxxPGbg0YUlZkm3Zo3kC9yCCmQqE"
SIGNER = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
FIREBASE = ("$f_scrypt$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo7819"
            "8JAdRuid5lQ==$42xEC+ixf3L2lw==$m=14$r=8$s=Bw==")
FORBIDDEN = "Only public tenantId can call this app specific API"
USER_KEYS = ["id", "isPrimaryUser", "tenantIds", "timeJoined", "emails", "phoneNumbers",
             "thirdParty", "webauthn", "loginMethods"]


def sign_up(app, email="a@example.com", password=PASSWORD, **kw):
    return app.post("/recipe/signup", {"email": email, "password": password}, **kw)


def sign_in(app, email="a@example.com", password=PASSWORD, **kw):
    return app.post("/recipe/signin", {"email": email, "password": password}, **kw)


def make_token(app, user_id, email="a@example.com", **kw):
    return app.post("/recipe/user/password/reset/token", {"userId": user_id, "email": email}, **kw)


def consume(app, token, **kw):
    return app.post("/recipe/user/password/reset/token/consume", {"token": token}, **kw)


def update(app, user_id, cdi="5.4", **fields):
    key = "recipeUserId" if cdi >= "4.0" else "userId"
    return app.put("/recipe/user", {key: user_id, **fields}, cdi_version=cdi)


def missing(field):
    return f"Field name '{field}' is invalid in JSON input"


# ---- signing up

def test_sign_up_shape(app):
    before = int(time.time() * 1000)
    got = sign_up(app, " John@Example.COM ").ok()
    user = got["user"]
    assert list(got) == ["status", "user", "recipeUserId"]
    assert list(user) == USER_KEYS
    assert before <= user["timeJoined"] <= int(time.time() * 1000)
    assert got["recipeUserId"] == user["id"] and len(user["id"]) == 36
    assert user == {
        "id": user["id"], "isPrimaryUser": False, "tenantIds": ["public"],
        "timeJoined": user["timeJoined"], "emails": ["john@example.com"], "phoneNumbers": [],
        "thirdParty": [], "webauthn": {"credentialIds": []},
        "loginMethods": [{"tenantIds": ["public"], "recipeUserId": user["id"], "verified": False,
                          "timeJoined": user["timeJoined"], "recipeId": "emailpassword",
                          "email": "john@example.com"}]}


@pytest.mark.parametrize("cdi, has_webauthn, has_methods, has_tenants", [
    ("5.6", True, True, True), ("5.3", True, True, True), ("5.2", False, True, True),
    ("4.0", False, True, True), ("3.1", False, False, True), ("3.0", False, False, True)])
def test_shapes_by_version(app, cdi, has_webauthn, has_methods, has_tenants):
    up = sign_up(app, cdi_version=cdi).ok()
    assert sign_in(app, cdi_version=cdi).ok() == up
    for query in ({"userId": up["user"]["id"]}, {"email": "A@example.com "}):
        got = app.get("/recipe/user", query, cdi_version=cdi).ok()
        assert got == {"status": "OK", "user": up["user"]}
    user = up["user"]
    assert ("webauthn" in user) == has_webauthn
    assert ("loginMethods" in user) == has_methods
    assert ("tenantIds" in user) == has_tenants
    assert ("recipeUserId" in up) == has_methods
    if not has_methods:
        assert list(user) == ["id", "timeJoined", "tenantIds", "email"]


@pytest.mark.parametrize("email, verified", [
    ("x@stfakeemail.supertokens.com", True), ("x@google.fakeemail.com", True),
    ("x@fakeemail.com", False)])
def test_made_up_emails_are_verified(app, email, verified):
    user = sign_up(app, email).ok()["user"]
    assert user["loginMethods"][0]["verified"] is verified
    assert sign_in(app, email).ok()["user"] == user


def test_email_exists(app):
    sign_up(app).ok()
    assert sign_up(app, "A@EXAMPLE.com").is_status("EMAIL_ALREADY_EXISTS_ERROR") == \
        {"status": "EMAIL_ALREADY_EXISTS_ERROR"}
    sign_up(app, "\u00c9l\u00e8ve@example.com").ok()
    sign_up(app, "\u00e9l\u00e8ve@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR")


@pytest.mark.parametrize("body, text", [
    ({}, missing("email")),
    ({"email": "a@b.c"}, missing("password")),
    ({"email": 5, "password": "x"}, missing("email")),
    ({"email": None, "password": "x"}, missing("email")),
    ({"email": "a@b.c", "password": ""}, "Password cannot be an empty string"),
])
def test_sign_up_refusals(app, body, text):
    app.post("/recipe/signup", body).is_error(400, text)


def test_sign_up_in_unknown_tenant(app):
    text = sign_up(app.tenant("nowhere")).is_error(400)
    assert text.startswith("AppId or tenantId not found => Tenant with the following")


def test_too_long_email(app):
    sign_up(app, "a" * 250 + "@b.c").ok()
    sign_up(app, "a" * 260 + "@b.c").is_error(400)


def test_sign_up_costs_one_round_trip(app, storage):
    reply = sign_up(app)
    reply.ok()
    assert reply.batches == 1
    if storage[0] == "postgresql":
        assert reply.round_trips == 1


# ---- signing in

def test_sign_in(app):
    user = sign_up(app).ok()
    assert sign_in(app, " A@Example.com").ok() == user
    for email, password in (("a@example.com", "wrong"), ("b@example.com", PASSWORD),
                            ("a@example.com", ""), ("", "")):
        assert sign_in(app, email, password).is_status("WRONG_CREDENTIALS_ERROR") == \
            {"status": "WRONG_CREDENTIALS_ERROR"}
    app.post("/recipe/signin", {"email": "a@b.c"}).is_error(400, missing("password"))
    app.post("/recipe/signin", {"password": "x"}).is_error(400, missing("email"))


def test_sign_in_is_per_tenant(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    there = sign_up(app.tenant("t1")).ok()["user"]
    assert there["tenantIds"] == ["t1"]
    sign_in(app).is_status("WRONG_CREDENTIALS_ERROR")
    here = sign_up(app, password="other123").ok()["user"]
    assert here["id"] != there["id"]
    assert sign_in(app, password="other123").ok()["user"] == here
    assert sign_in(app.tenant("t1")).ok()["user"] == there


def test_sign_in_costs(app, storage):
    sign_up(app).ok()
    reply = sign_in(app)
    reply.ok()
    assert reply.batches == 1
    wrong = sign_in(app, password="wrong")
    wrong.is_status("WRONG_CREDENTIALS_ERROR")
    assert wrong.batches == 1
    if storage[0] == "postgresql":
        assert reply.round_trips == 1 and wrong.round_trips == 1


def test_switched_off_for_old_versions(app):
    for factors, old, new in (([], False, False), (["thirdparty"], False, True),
                              (["emailpassword"], True, True), (None, True, True)):
        app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1", "firstFactors": factors}).ok()
        tenant, text = app.tenant("t1"), "Email password login not enabled for tenant"
        for cdi, allowed in (("4.0", old), ("5.0", new), ("5.1", True)):
            reply = sign_in(tenant, cdi_version=cdi)
            if allowed:
                reply.is_status("WRONG_CREDENTIALS_ERROR")
                continue
            reply.is_error(403, text)
            sign_up(tenant, cdi_version=cdi).is_error(403, text)
            make_token(tenant, "x", cdi_version=cdi).is_error(403, text)
            tenant.post("/recipe/user/passwordhash/import", {"email": "a@b.c", "passwordHash": BCRYPT},
                        cdi_version=cdi).is_error(403, text)


# ---- looking up

def test_get_user(app):
    app.get("/recipe/user").is_error(400, "Please provide one of userId or email")
    app.get("/recipe/user", {"userId": "x", "email": "y"}).is_error(
        400, "Please provide only one of userId or email")
    assert app.get("/recipe/user", {"userId": "x"}).is_status("UNKNOWN_USER_ID_ERROR")
    assert app.get("/recipe/user", {"email": "x@y"}).is_status("UNKNOWN_EMAIL_ERROR")
    user = sign_up(app).ok()["user"]
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    tenant = app.tenant("t1")
    tenant.get("/recipe/user", {"email": "a@example.com"}).is_status("UNKNOWN_EMAIL_ERROR")
    tenant.get("/recipe/user", {"userId": user["id"]}).is_error(403, FORBIDDEN)
    assert tenant.get("/recipe/user", {"userId": user["id"]}, cdi_version="4.0").ok()["user"]["id"] \
        == user["id"]


# ---- changing

@pytest.mark.parametrize("cdi", ["3.0", "4.0", "5.4"])
def test_update(app, cdi):
    user = sign_up(app).ok()["user"]
    assert update(app, user["id"], cdi, email=" New@Example.com").ok() == {"status": "OK"}
    sign_in(app).is_status("WRONG_CREDENTIALS_ERROR")
    changed = sign_in(app, "new@example.com").ok()["user"]
    assert changed["emails"] == ["new@example.com"] and changed["id"] == user["id"]
    update(app, user["id"], cdi, password="another12").ok()
    sign_in(app, "new@example.com").is_status("WRONG_CREDENTIALS_ERROR")
    sign_in(app, "new@example.com", "another12").ok()
    update(app, user["id"], cdi, email="both@example.com", password="third123").ok()
    sign_in(app, "both@example.com", "third123").ok()
    # the old address is free again, its own is no obstacle
    sign_up(app, "new@example.com").ok()
    update(app, user["id"], cdi, email="both@example.com").ok()


def test_update_refusals(app):
    user = sign_up(app).ok()["user"]
    sign_up(app, "b@example.com").ok()
    app.put("/recipe/user", {}).is_error(400, missing("recipeUserId"))
    app.put("/recipe/user", {}, cdi_version="3.0").is_error(400, missing("userId"))
    app.put("/recipe/user", {"recipeUserId": user["id"], "email": 1}).is_error(400, missing("email"))
    update(app, user["id"]).is_error(400, "You have to provide either email or password.")
    update(app, "unknown", email="x@y").is_status("UNKNOWN_USER_ID_ERROR")
    assert update(app, user["id"], email="B@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR") == \
        {"status": "EMAIL_ALREADY_EXISTS_ERROR"}
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    update(app.tenant("t1"), user["id"], email="x@y").is_error(403, FORBIDDEN)
    # nothing has changed
    assert sign_in(app).ok()["user"] == user


def test_update_in_every_tenant(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    tenant = app.tenant("t1")
    user = sign_up(app).ok()["user"]
    assert tenant.post("/recipe/multitenancy/tenant/user", {"recipeUserId": user["id"]}).ok() == \
        {"status": "OK", "wasAlreadyAssociated": False}
    sign_up(tenant, "b@example.com").ok()
    # taken in one of its tenants
    update(app, user["id"], email="b@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR")
    update(app, user["id"], email="c@example.com", password="newpass12").ok()
    assert sign_in(tenant, "c@example.com", "newpass12").ok() == \
        sign_in(app, "c@example.com", "newpass12").ok()
    assert sign_in(app, "c@example.com", "newpass12").ok()["user"]["tenantIds"] == ["public", "t1"]


# ---- imported hashes

def imported(app, email="a@example.com", hash_=BCRYPT, **more):
    return app.post("/recipe/user/passwordhash/import",
                    {"email": email, "passwordHash": hash_, **more})


def test_import(app):
    got = imported(app, " A@example.com", f" {BCRYPT} ").ok()
    assert list(got) == ["status", "user", "didUserAlreadyExist"]
    assert got["didUserAlreadyExist"] is False and list(got["user"]) == USER_KEYS
    assert sign_in(app, password="a").ok()["user"] == got["user"]
    again = imported(app, hash_=BCRYPT.replace("$2a", "$2y"), hashingAlgorithm="bcrypt").ok()
    assert again == {"status": "OK", "user": got["user"], "didUserAlreadyExist": True}
    sign_in(app, password="a").ok()


def test_import_replaces_a_password(app):
    user = sign_up(app).ok()["user"]
    got = imported(app).ok()
    assert got["didUserAlreadyExist"] is True and got["user"] == user
    sign_in(app).is_status("WRONG_CREDENTIALS_ERROR")
    sign_in(app, password="a").ok()


def test_import_of_old_version(app):
    got = app.post("/recipe/user/passwordhash/import",
                   {"email": "a@example.com", "passwordHash": BCRYPT}, cdi_version="3.0").ok()
    assert list(got["user"]) == ["id", "timeJoined", "tenantIds", "email"]


def test_import_firebase(core):
    app = core.app({"firebase_password_hashing_signer_key": SIGNER})
    imported(app, hash_=FIREBASE).ok()
    imported(app, "b@example.com", FIREBASE, hashingAlgorithm="firebase_scrypt").ok()
    sign_in(app, password="user1password").ok()
    sign_in(app, password="user2password").is_status("WRONG_CREDENTIALS_ERROR")


@pytest.mark.parametrize("fields, text", [
    ({"hash_": " "}, "Password hash cannot be an empty string"),
    ({"hash_": "plain"}, "Password hash is in invalid format"),
    ({"hashingAlgorithm": " "}, "Hashing Algorithm cannot be an empty string"),
    ({"hashingAlgorithm": "md5"}, "Unsupported password hashing algorithm"),
    ({"hashingAlgorithm": "argon2"}, "Password hash is in invalid Argon2 format"),
    ({"hash_": ARGON2, "hashingAlgorithm": "bcrypt"}, "Password hash is in invalid BCrypt format"),
    ({"hash_": "x" * 600}, "Password hash is in invalid format"),
])
def test_import_refusals(app, fields, text):
    imported(app, **fields).is_error(400, text)


def test_import_needs_fields(app):
    app.post("/recipe/user/passwordhash/import", {"passwordHash": "x"}).is_error(400, missing("email"))
    app.post("/recipe/user/passwordhash/import", {"email": "x"}).is_error(400, missing("passwordHash"))
    imported(app, hash_=FIREBASE).is_error(
        500, "'firebase_password_hashing_signer_key' cannot be null")


def test_argon2(core):
    app = core.app({"password_hashing_alg": "ARGON2"})
    imported(app, hash_=BCRYPT).ok()
    sign_in(app, password="a").ok()
    sign_up(app, "b@example.com").ok()
    sign_in(app, "b@example.com").ok()
    sign_in(app, "b@example.com", "wrong").is_status("WRONG_CREDENTIALS_ERROR")


# ---- reset tokens

def test_reset_token(app):
    user = sign_up(app).ok()["user"]
    token = make_token(app, user["id"]).ok()["token"]
    other = make_token(app, user["id"], "other@example.com").ok()["token"]
    assert token != other and len(token) >= 40
    assert all(c.isalnum() or c in "-_" for c in token)
    assert consume(app, other).ok() == {"status": "OK", "userId": user["id"],
                                        "email": "other@example.com"}
    # it took the user's other tokens with it
    for used in (token, other, "", "rubbish"):
        assert consume(app, used).is_status("RESET_PASSWORD_INVALID_TOKEN_ERROR") == \
            {"status": "RESET_PASSWORD_INVALID_TOKEN_ERROR"}
    sign_in(app).ok()


def test_reset_token_refusals(app):
    user = sign_up(app).ok()["user"]
    app.post("/recipe/user/password/reset/token", {}).is_error(400, missing("userId"))
    app.post("/recipe/user/password/reset/token", {"userId": user["id"]}).is_error(
        400, missing("email"))
    app.post("/recipe/user/password/reset/token", {"userId": "x"}).is_status("UNKNOWN_USER_ID_ERROR")
    make_token(app, "x").is_status("UNKNOWN_USER_ID_ERROR")
    app.post("/recipe/user/password/reset/token/consume", {}).is_error(400, missing("token"))
    text = make_token(app.tenant("nowhere"), user["id"]).is_error(400)
    assert text.startswith("AppId or tenantId not found => Tenant with the following")


def test_reset_token_before_4_0(app):
    user = sign_up(app).ok()["user"]
    old = app.at(cdi="3.0")
    token = old.post("/recipe/user/password/reset/token", {"userId": user["id"]}).ok()["token"]
    body = {"method": "token", "token": token, "newPassword": "newpass12"}
    path = "/recipe/user/password/reset"
    old.post(path, dict(body, method="x")).is_error(400, "Unsupported method for password reset")
    old.post(path, dict(body, newPassword="")).is_error(400, "Password cannot be an empty string")
    for field in body:
        old.post(path, {k: v for k, v in body.items() if k != field}).is_error(400, missing(field))
    assert old.post(path, body).ok() == {"status": "OK", "userId": user["id"]}
    old.post(path, body).is_status("RESET_PASSWORD_INVALID_TOKEN_ERROR")
    sign_in(app).is_status("WRONG_CREDENTIALS_ERROR")
    sign_in(app, password="newpass12").ok()


def test_expired_token(core):
    app = core.app({"password_reset_token_lifetime": 1})
    user = sign_up(app).ok()["user"]
    token = make_token(app, user["id"]).ok()["token"]
    expires = int(time.time() * 1000) + 1
    wait_for(lambda: int(time.time() * 1000) > expires, interval=0.001)
    consume(app, token).is_status("RESET_PASSWORD_INVALID_TOKEN_ERROR")
    consume(app, token).is_status("RESET_PASSWORD_INVALID_TOKEN_ERROR")


def test_token_costs(app, storage):
    user = sign_up(app).ok()["user"]
    made = make_token(app, user["id"])
    used = consume(app, made.ok()["token"])
    used.ok()
    assert made.batches <= 2 and used.batches <= 2
    if storage[0] == "postgresql":
        assert made.round_trips <= 2 and used.round_trips <= 2


# ---- races

@pytest.mark.concurrent
def test_one_sign_up_wins(app):
    for k in range(5):
        replies = at_once(8, lambda i: sign_up(app, f"race{k}@example.com"))
        statuses = sorted(r.json["status"] for r in replies)
        assert statuses == ["EMAIL_ALREADY_EXISTS_ERROR"] * 7 + ["OK"]
    assert app.get("/users/count").ok()["count"] == 5


@pytest.mark.concurrent
def test_one_consumer_wins(app):
    user = sign_up(app).ok()["user"]
    for _ in range(5):
        tokens = [make_token(app, user["id"]).ok()["token"] for _ in range(2)]
        replies = at_once(8, lambda i: consume(app, tokens[i % 2]))
        statuses = [r.json["status"] for r in replies]
        assert statuses.count("OK") == 1
        assert set(statuses) == {"OK", "RESET_PASSWORD_INVALID_TOKEN_ERROR"}


@pytest.mark.concurrent
def test_two_take_one_email(app):
    ids = [sign_up(app, f"u{i}@example.com").ok()["user"]["id"] for i in range(6)]
    for k in range(4):
        replies = at_once(6, lambda i: update(app, ids[i], email=f"target{k}@example.com"))
        assert [r.json["status"] for r in replies].count("OK") == 1
