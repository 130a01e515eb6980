# SPDX-License-Identifier: Apache-2.0
"""Passwordless: its users, what is left behind in the database, and answers of the database that
were lost."""

import base64
import hmac
import os
import sqlite3

import pytest

from core import Core
from passwordless import (
    CODES, EMAIL, FORBIDDEN, PHONE, check, consume, devices, get_user, link, missing, new, sha,
    sign_in, typed, update)


# ---- users

def test_get_user(app):
    text = "Please provide exactly one of userId, email or phoneNumber"
    get_user(app, {}).is_error(400, text)
    get_user(app, {"userId": "x", "email": "y"}).is_error(400, text)
    assert get_user(app, {"userId": "x"}).is_status("UNKNOWN_USER_ID_ERROR")
    assert get_user(app, {"email": "x@y"}).is_status("UNKNOWN_EMAIL_ERROR")
    assert get_user(app, {"phoneNumber": PHONE}).is_status("UNKNOWN_PHONE_NUMBER_ERROR")
    user = sign_in(app, phone=PHONE).ok()["user"]
    for query in ({"userId": user["id"]}, {"phoneNumber": "+1 650 253 0000"}):
        assert get_user(app, query).ok() == {"status": "OK", "user": user}
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    tenant = app.tenant("t1")
    get_user(tenant, {"phoneNumber": PHONE}).is_status("UNKNOWN_PHONE_NUMBER_ERROR")
    get_user(tenant, {"userId": user["id"]}).is_error(403, FORBIDDEN)
    get_user(tenant, {"userId": user["id"]}, cdi_version="4.0").ok()
    other = app.post("/recipe/signup", {"email": EMAIL, "password": "secret12"}).ok()["user"]
    get_user(app, {"userId": other["id"]}).is_status("UNKNOWN_USER_ID_ERROR")
    get_user(app, {"email": EMAIL}).is_status("UNKNOWN_EMAIL_ERROR")


@pytest.mark.parametrize("cdi", ["3.0", "4.0", "5.4"])
def test_update(app, cdi):
    user = sign_in(app).ok()["user"]
    assert update(app, user["id"], cdi, email=" New@Example.com").ok() == {"status": "OK"}
    now = get_user(app, {"email": "new@example.com"}).ok()["user"]
    assert now["id"] == user["id"] and now["loginMethods"][0]["verified"] is False
    get_user(app, {"email": EMAIL}).is_status("UNKNOWN_EMAIL_ERROR")
    update(app, user["id"], cdi, phoneNumber="+1 (650) 253-0000").ok()
    both = get_user(app, {"phoneNumber": PHONE}).ok()["user"]
    assert (both["emails"], both["phoneNumbers"]) == (["new@example.com"], [PHONE])
    update(app, user["id"], cdi, email=None).ok()
    phone = get_user(app, {"userId": user["id"]}).ok()["user"]
    assert (phone["emails"], phone["phoneNumbers"]) == ([], [PHONE])
    assert phone["loginMethods"][0]["verified"] is True
    update(app, user["id"], cdi, email=EMAIL, phoneNumber=None).ok()
    mail = get_user(app, {"userId": user["id"]}).ok()["user"]
    assert (mail["emails"], mail["phoneNumbers"]) == ([EMAIL], [])
    update(app, user["id"], cdi).ok()
    update(app, user["id"], cdi, email=EMAIL, phoneNumber=None).ok()
    # both are free again
    assert sign_in(app, "new@example.com").ok()["createdNewUser"]
    assert sign_in(app, phone=PHONE).ok()["createdNewUser"]
    back = sign_in(app).ok()
    assert back["user"]["id"] == user["id"] and back["createdNewUser"] is False


def test_update_refusals(app):
    text = "You cannot clear both email and phone number of a user"
    user = sign_in(app).ok()["user"]
    sign_in(app, "b@example.com").ok()
    sign_in(app, phone=PHONE).ok()
    other = app.post("/recipe/signup", {"email": EMAIL, "password": "secret12"}).ok()["user"]
    put = lambda body, **kw: app.put("/recipe/user", body, rid="passwordless", **kw)  # noqa: E731
    put({}).is_error(400, missing("recipeUserId"))
    put({}, cdi_version="3.1").is_error(400, missing("userId"))
    update(app, user["id"], email=1).is_error(400, missing("email"))
    update(app, user["id"], phoneNumber=[]).is_error(400, missing("phoneNumber"))
    update(app, user["id"], email=None).is_error(400, text)
    update(app, user["id"], email=None, phoneNumber=None).is_error(400, text)
    for unknown in ("unknown", other["id"]):
        assert update(app, unknown, email="x@y").is_status("UNKNOWN_USER_ID_ERROR") == \
            {"status": "UNKNOWN_USER_ID_ERROR"}
    assert update(app, user["id"], email="B@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR") == \
        {"status": "EMAIL_ALREADY_EXISTS_ERROR"}
    assert update(app, user["id"], phoneNumber="+1 6502530000").is_status(
        "PHONE_NUMBER_ALREADY_EXISTS_ERROR") == {"status": "PHONE_NUMBER_ALREADY_EXISTS_ERROR"}
    update(app, user["id"], email="b@example.com", phoneNumber=PHONE).is_status(
        "EMAIL_ALREADY_EXISTS_ERROR")
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    update(app.tenant("t1"), user["id"], email="x@y").is_error(403, FORBIDDEN)
    # nothing has changed
    assert get_user(app, {"email": EMAIL}).ok()["user"] == user


def test_update_takes_codes_back_everywhere(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t2"}).ok()
    user = sign_in(app).ok()["user"]
    app.tenant("t1").post("/recipe/multitenancy/tenant/user", {"recipeUserId": user["id"]}).ok()
    places = [app, app.tenant("t1"), app.tenant("t2")]

    def after(contacts, **change):
        codes = [[new(at, **c).ok() for c in contacts] for at in places]
        update(app, user["id"], **change).ok()
        return [[check(at, link(c)).json["status"] for c in some]
                for at, some in zip(places, codes)]
    gone, kept = "RESTART_FLOW_ERROR", "OK"
    mails = [{"email": EMAIL}, {"email": "new@example.com"}, {"email": "c@example.com"}]
    assert after(mails, email="new@example.com") == [[gone, gone, kept]] * 2 + [[kept] * 3]
    assert after(mails, email="new@example.com") == [[kept] * 3] * 3
    phones = [{"phone": PHONE}, {"phone": "+16502530001"}, {"email": "new@example.com"}]
    assert after(phones, phoneNumber=PHONE) == [[gone, kept, kept], [gone, kept, kept], [kept] * 3]
    assert after(phones, phoneNumber="+16502530001") == [[gone, gone, kept]] * 2 + [[kept] * 3]


def test_an_email_that_was_verified_stays_so(app):
    """What the user has shown to be theirs before needs no second proof."""
    user = sign_in(app).ok()["user"]

    def verified(email):
        return app.get("/recipe/user/email/verify", {"userId": user["id"], "email": email}
                       ).ok()["isVerified"], \
            app.get("/user/id", {"userId": user["id"]}).ok()["user"]["loginMethods"][0]["verified"]
    update(app, user["id"], email="new@example.com").ok()
    assert verified("new@example.com") == (False, False)
    update(app, user["id"], email=EMAIL).ok()
    assert verified(EMAIL) == (True, True)


def test_update_in_every_tenant(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    tenant = app.tenant("t1")
    user = sign_in(app).ok()["user"]
    tenant.post("/recipe/multitenancy/tenant/user", {"recipeUserId": user["id"]}).ok()
    sign_in(tenant, phone=PHONE).ok()
    update(app, user["id"], phoneNumber=PHONE).is_status("PHONE_NUMBER_ALREADY_EXISTS_ERROR")
    update(app, user["id"], phoneNumber="+16502530001").ok()
    for at in (app, tenant):
        got = sign_in(at, phone="+16502530001").ok()
        assert got["user"]["id"] == user["id"] and got["createdNewUser"] is False


def test_deleting_a_user_takes_its_codes(app):
    user = sign_in(app).ok()["user"]
    update(app, user["id"], phoneNumber=PHONE).ok()
    codes = [new(app).ok(), new(app, phone=PHONE).ok()]
    app.post("/user/remove", {"userId": user["id"]}).ok()
    for code in codes:
        consume(app, link(code)).is_status("RESTART_FLOW_ERROR")
    again = sign_in(app).ok()
    assert again["createdNewUser"] and again["user"]["id"] != user["id"]


def test_deleted_tenant(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    tenant = app.tenant("t1")
    code = new(tenant).ok()
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t1"}).ok()
    consume(tenant, link(code)).is_error(400)
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    consume(tenant, link(code)).is_status("RESTART_FLOW_ERROR")
    assert devices(tenant) == []


# ---- what only the database shows

@pytest.fixture
def lite():
    """A new app, and a connection to the SQLite database it is in."""
    with Core() as core:
        path = os.path.join(core.home, ".started", "supertokens.db")
        db = sqlite3.connect(path, isolation_level=None, timeout=30)
        yield core.app(), db
        db.close()


def test_link_codes_are_bound_to_device_and_salt(lite):
    app, db = lite
    for given in ("123456", "\u00e9\u4e16", "x" * 100):
        code = new(app, userInputCode=given).ok()
        salt, = db.execute("SELECT link_code_salt FROM st_passwordless_devices WHERE "
                           "device_id_hash = ?", (code["preAuthSessionId"],)).fetchone()
        key = base64.b64decode(code["deviceId"]) + base64.b64decode(salt, validate=True)
        mac = hmac.digest(key, given.encode(), "sha256")
        assert base64.urlsafe_b64encode(mac).rstrip(b"=").decode() == code["linkCode"]
        stored, = db.execute("SELECT link_code_hash FROM st_passwordless_codes WHERE code_id = ?",
                             (code["codeId"],)).fetchone()
        assert stored == sha(mac)
        consume(app, typed(code)).ok()


def test_nothing_is_left_of_used_codes(lite):
    app, db = lite
    codes = [new(app).ok() for _ in range(3)]
    new(app, deviceId=codes[0]["deviceId"]).ok()
    consume(app, typed(codes[1])).ok()
    for table in ("st_passwordless_devices", "st_passwordless_codes"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert db.execute("SELECT email FROM st_email_verified").fetchall() == [(EMAIL,)]


def make_primary(db, user):
    db.execute("UPDATE st_users SET is_primary = 1 WHERE user_id = ?", (user["id"],))
    db.execute("UPDATE st_user_tenants SET is_primary = 1 WHERE user_id = ?", (user["id"],))
    app_id, = db.execute("SELECT app_id FROM st_users WHERE user_id = ?", (user["id"],)).fetchone()
    for kind, values in (("email", user["emails"]), ("phone", user["phoneNumbers"])):
        for value in values:
            db.execute("INSERT INTO st_account_reservations (app_id, rkey, tenant_id, kind, user_id)"
                       " VALUES (?, ?, 'public', ?, ?)",
                       (app_id, f"public\x1f{kind}\x1f{value}", kind, user["id"]))


def reserved(db, user_id):
    rows = db.execute("SELECT rkey FROM st_account_reservations WHERE user_id = ?", (user_id,))
    return sorted(key.split("\x1f")[2] for key, in rows)


def test_accounts_of_primary_users(lite):
    app, db = lite
    user, other, third = (sign_in(app, f"{name}@example.com").ok()["user"] for name in "abc")
    update(app, other["id"], phoneNumber=PHONE).ok()
    other = get_user(app, {"userId": other["id"]}).ok()["user"]
    make_primary(db, user)
    make_primary(db, other)
    assert update(app, user["id"], email="b@example.com").is_status(
        "EMAIL_CHANGE_NOT_ALLOWED_ERROR") == {
            "status": "EMAIL_CHANGE_NOT_ALLOWED_ERROR",
            "reason": "New email is associated with another primary user ID"}
    assert update(app, user["id"], phoneNumber=PHONE).is_status(
        "PHONE_NUMBER_CHANGE_NOT_ALLOWED_ERROR") == {
            "status": "PHONE_NUMBER_CHANGE_NOT_ALLOWED_ERROR",
            "reason": "New phone number is associated with another primary user ID"}
    update(app, user["id"], email="b@example.com", phoneNumber=PHONE).is_status(
        "EMAIL_CHANGE_NOT_ALLOWED_ERROR")
    update(app, user["id"], email="c@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR")
    update(app, third["id"], phoneNumber=PHONE).is_status("PHONE_NUMBER_ALREADY_EXISTS_ERROR")
    assert (reserved(db, user["id"]), reserved(db, other["id"])) == \
        ([EMAIL], sorted(["b@example.com", PHONE]))
    update(app, other["id"], phoneNumber=None).ok()
    assert reserved(db, other["id"]) == ["b@example.com"]
    update(app, user["id"], email="d@example.com", phoneNumber=PHONE).ok()
    assert reserved(db, user["id"]) == sorted(["d@example.com", PHONE])
    update(app, user["id"], email=None).ok()
    assert reserved(db, user["id"]) == [PHONE]
    assert sign_in(app, phone=PHONE).ok()["user"]["isPrimaryUser"] is True


def test_external_ids(lite):
    app, db = lite
    user = sign_in(app).ok()["user"]
    app.post("/recipe/userid/map", {"superTokensUserId": user["id"], "externalUserId": "ext"}).ok()
    got = sign_in(app).ok()
    assert got["recipeUserId"] == got["user"]["id"] == "ext"
    for query in ({"userId": "ext"}, {"userId": user["id"]}, {"email": EMAIL}):
        assert get_user(app, query).ok()["user"]["id"] == "ext"
    update(app, "ext", email="new@example.com").ok()
    sign_in(app, "new@example.com").ok()
    assert db.execute("SELECT user_id, email FROM st_email_verified WHERE email <> ?",
                      (EMAIL,)).fetchall() == [("ext", "new@example.com")]


# ---- lost answers of the database

UNKNOWN = "The database was lost while the code was used. Ask for a new code"


def test_a_code_that_may_have_been_made(faults):
    for rule in ("UNCERTAIN 1 applied", "UNCERTAIN 1", "RETRY 3"):
        code = new(faults.next("exec:pl_code_insert " + rule)).ok()
        assert [d["preAuthSessionId"] for d in devices(faults.app)] == [code["preAuthSessionId"]]
        more = new(faults.next(f"exec:pl_code_insert {rule}"), deviceId=code["deviceId"]).ok()
        for each in (code, more):
            check(faults.app, typed(each)).ok()
        app = faults.next("exec:pl_codes_delete " + rule)
        app.post(CODES + "/remove", {"email": EMAIL}).ok()
        assert devices(app) == []


def test_a_sign_up_that_may_have_been_done(faults):
    for n, rule in enumerate(("UNCERTAIN 1 applied", "UNCERTAIN 2", "RETRY 3")):
        for proof in (typed, link):
            code = new(faults.app, f"{proof.__name__}{n}@example.com").ok()
            app = faults.next("exec:user_insert " + rule)
            got = consume(app, proof(code)).ok()
            assert got["createdNewUser"] is True
            assert app.get("/user/id", {"userId": got["user"]["id"]}).ok()["user"] == got["user"]
            consume(app, proof(code)).is_status("RESTART_FLOW_ERROR")
    assert faults.app.get("/users/count").ok()["count"] == 6


def test_a_sign_in_that_may_have_been_done(faults):
    user = sign_in(faults.app).ok()["user"]
    # done, but by whom?  Never a second success
    code = new(faults.app).ok()
    app = faults.next("exec:pl_devices_delete UNCERTAIN 1 applied")
    consume(app, link(code)).is_error(503, UNKNOWN)
    consume(app, link(code)).is_status("RESTART_FLOW_ERROR")
    # not done: again
    code = new(faults.app).ok()
    app = faults.next("exec:pl_devices_delete UNCERTAIN 1")
    assert consume(app, link(code)).ok()["user"] == user


def test_a_try_that_may_have_been_counted(faults):
    code = new(faults.app).ok()
    app = faults.next("exec:pl_device_fail UNCERTAIN 1 applied")
    consume(app, typed(code, "wrong")).is_error(503, UNKNOWN)
    assert devices(app)[0]["failedCodeInputAttemptCount"] == 1
    app = faults.next("exec:pl_device_fail UNCERTAIN 1")
    assert consume(app, typed(code, "wrong")).json["failedCodeInputAttemptCount"] == 2
    app = faults.next("exec:pl_device_fail UNCERTAIN 1 applied")
    check(app, typed(code)).ok()  # which changes nothing
    for _ in range(2):
        consume(app, typed(code, "wrong")).is_status("INCORRECT_USER_INPUT_CODE_ERROR")
    app = faults.next("exec:pl_devices_delete UNCERTAIN 1 applied")
    consume(app, typed(code, "wrong")).is_status("RESTART_FLOW_ERROR")
    assert devices(app) == []


def test_a_change_that_may_have_been_made(faults):
    user = sign_in(faults.app).ok()["user"]
    for n, rule in enumerate(("UNCERTAIN 1 applied", "UNCERTAIN 1", "RETRY 3")):
        app = faults.next("exec:login_phone " + rule)
        update(app, user["id"], phoneNumber=f"+1650253000{n}").ok()
        now = get_user(app, {"userId": user["id"]}).ok()["user"]
        assert now["phoneNumbers"] == [f"+1650253000{n}"]
