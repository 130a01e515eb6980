# SPDX-License-Identifier: Apache-2.0
"""Passwordless: every call, its texts and statuses, its shape at each CDI version, what is
left behind, and the races between callers."""

import base64
import hashlib
import hmac
import os
import sqlite3
import time

import pytest

from core import Core
from servers import wait_for
from together import at_once

EMAIL, PHONE = "a@example.com", "+16502530000"
FORBIDDEN = "Only public tenantId can call this app specific API"
ONE_PROOF = "Please provide exactly one of linkCode or deviceId+userInputCode"
CODE = "/recipe/signinup/code"
CODES = "/recipe/signinup/codes"
RESTART = {"status": "RESTART_FLOW_ERROR"}


def new(app, email=None, phone=None, **more):
    contact = {"phoneNumber": phone} if phone else {"email": email or EMAIL}
    return app.post(CODE, {**({} if "deviceId" in more else contact), **more})


def typed(code, text=None):
    return {"preAuthSessionId": code["preAuthSessionId"], "deviceId": code["deviceId"],
            "userInputCode": text or code["userInputCode"]}


def link(code):
    return {"preAuthSessionId": code["preAuthSessionId"], "linkCode": code["linkCode"]}


def consume(app, proof, **kw):
    return app.post(CODE + "/consume", proof, **kw)


def check(app, proof, **kw):
    return app.post(CODE + "/check", proof, **kw)


def sign_in(app, email=None, phone=None, **kw):
    return consume(app, link(new(app, email, phone).ok()), **kw)


def devices(app, **query):
    return app.get(CODES, query or {"email": EMAIL}).ok()["devices"]


def get_user(app, query, **kw):
    return app.get("/recipe/user", query, rid="passwordless", **kw)


def update(app, user_id, cdi="5.4", **fields):
    key = "recipeUserId" if cdi >= "4.0" else "userId"
    return app.put("/recipe/user", {key: user_id, **fields}, rid="passwordless", cdi_version=cdi)


def configure(app, **config):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "public", "coreConfig": config}).ok()


def missing(field):
    return f"Field name '{field}' is invalid in JSON input"


def sha(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


# ---- making codes

def test_code_shape(app):
    before = int(time.time() * 1000)
    for fields in ({"email": " A@Example.com "}, {"phoneNumber": "+1 (650) 253-0000"}):
        code = app.post(CODE, fields).ok()
        assert list(code) == ["status", "preAuthSessionId", "codeId", "deviceId", "userInputCode",
                              "linkCode", "timeCreated", "codeLifetime"]
        assert len(code["userInputCode"]) == 6 and code["userInputCode"].isdigit()
        assert before <= code["timeCreated"] <= int(time.time() * 1000)
        assert code["codeLifetime"] == 900000
        device = base64.b64decode(code["deviceId"], validate=True)
        assert len(device) == 32 and len(code["deviceId"]) == 44
        assert code["preAuthSessionId"] == sha(device)
        assert len(code["linkCode"]) == 43 and len(code["codeId"]) == 36
        assert not set(code["linkCode"]) & set("+/=")
    assert devices(app)[0]["email"] == EMAIL
    assert devices(app, phoneNumber=" +1 6502530000")[0]["phoneNumber"] == PHONE


def test_more_codes_of_a_device(app):
    first = new(app, userInputCode="abc").ok()
    assert first["userInputCode"] == "abc"
    second = new(app, deviceId=first["deviceId"]).ok()
    assert second["deviceId"] == first["deviceId"]
    assert second["preAuthSessionId"] == first["preAuthSessionId"]
    assert second["codeId"] != first["codeId"] and second["linkCode"] != first["linkCode"]
    used = new(app, deviceId=first["deviceId"], userInputCode="abc")
    assert used.is_status("USER_INPUT_CODE_ALREADY_USED_ERROR") == \
        {"status": "USER_INPUT_CODE_ALREADY_USED_ERROR"}
    third = new(app, deviceId=first["deviceId"], userInputCode="abd").ok()
    assert third["userInputCode"] == "abd"
    # the same code is another one for another device
    other = new(app, userInputCode="abc").ok()
    assert other["linkCode"] != first["linkCode"]
    for code in (first, second, third, other):
        check(app, typed(code)).ok()
        check(app, link(code)).ok()


def test_code_of_an_unknown_device(app):
    unknown = base64.b64encode(b"x" * 32).decode()
    assert new(app, deviceId=unknown).is_status("RESTART_FLOW_ERROR") == RESTART
    new(app, deviceId="").is_status("RESTART_FLOW_ERROR")
    for bad in ("x", "a_b-", "ab=c", "abc*"):
        new(app, deviceId=bad).is_error(400, "Input encoding error in deviceId")


@pytest.mark.parametrize("body, text", [
    ({}, "Please provide exactly one of email, phoneNumber or deviceId"),
    ({"email": EMAIL, "phoneNumber": PHONE},
     "Please provide exactly one of email, phoneNumber or deviceId"),
    ({"email": EMAIL, "deviceId": "x"},
     "Please provide exactly one of email, phoneNumber or deviceId"),
    ({"email": None}, missing("email")),
    ({"phoneNumber": 5}, missing("phoneNumber")),
    ({"deviceId": []}, missing("deviceId")),
    ({"email": EMAIL, "userInputCode": 123}, missing("userInputCode")),
    ({"email": EMAIL, "userInputCode": ""}, "userInputCode cannot be an empty string."),
])
def test_code_refusals(app, body, text):
    app.post(CODE, body).is_error(400, text)


def test_code_in_unknown_tenant(app):
    text = new(app.tenant("nowhere")).is_error(400)
    assert text.startswith("AppId or tenantId not found => Tenant with the following")


# ---- consuming

@pytest.mark.parametrize("proof", [typed, link])
@pytest.mark.parametrize("contact", [{"email": " A@Example.com"}, {"phone": " +1 650 253 0000"}])
def test_sign_up_and_in(app, proof, contact):
    code = new(app, **contact).ok()
    got = consume(app, proof(code)).ok()
    assert list(got) == ["status", "createdNewUser", "user", "recipeUserId", "consumedDevice"]
    user = got["user"]
    assert got["createdNewUser"] is True and got["recipeUserId"] == user["id"]
    mail = "email" in contact
    account = {"email": EMAIL} if mail else {"phoneNumber": PHONE}
    assert user == {
        "id": user["id"], "isPrimaryUser": False, "tenantIds": ["public"],
        "timeJoined": user["timeJoined"], "emails": [EMAIL] if mail else [],
        "phoneNumbers": [] if mail else [PHONE], "thirdParty": [], "webauthn": {"credentialIds": []},
        "loginMethods": [{"tenantIds": ["public"], "recipeUserId": user["id"], "verified": True,
                          "timeJoined": user["timeJoined"], "recipeId": "passwordless", **account}]}
    assert got["consumedDevice"] == {"preAuthSessionId": code["preAuthSessionId"],
                                     "failedCodeInputAttemptCount": 0, **account}
    assert consume(app, proof(code)).is_status("RESTART_FLOW_ERROR") == RESTART
    again = consume(app, proof(new(app, **contact).ok())).ok()
    assert again["createdNewUser"] is False
    assert (again["user"], again["recipeUserId"]) == (user, user["id"])
    assert app.get("/user/id", {"userId": user["id"]}).ok()["user"] == user
    assert app.get("/users/count", {"includeRecipeIds": "passwordless"}).ok()["count"] == 1
    assert app.get("/users/count/active", {"since": "0"}).ok()["count"] == 1


@pytest.mark.parametrize("cdi, verified, has_methods, has_device", [
    ("5.6", True, True, True), ("5.3", True, True, True), ("5.0", True, True, True),
    ("4.0", True, True, False), ("3.1", False, False, False), ("3.0", False, False, False)])
def test_shapes_by_version(app, cdi, verified, has_methods, has_device):
    up = sign_in(app, cdi_version=cdi).ok()
    assert ("recipeUserId" in up) == ("loginMethods" in up["user"]) == has_methods
    assert ("consumedDevice" in up) == has_device
    assert ("webauthn" in up["user"]) == (cdi >= "5.3")
    if not has_methods:
        assert list(up["user"]) == ["id", "timeJoined", "tenantIds", "email"]
    now = app.get("/user/id", {"userId": up["user"]["id"]}).ok()["user"]
    assert now["loginMethods"][0]["verified"] is verified
    for query in ({"userId": up["user"]["id"]}, {"email": " A@example.com"}):
        assert get_user(app, query, cdi_version=cdi).ok() == {"status": "OK", "user": up["user"]}
    # the first sign-in of a newer version verifies the email
    later = sign_in(app).ok()
    assert later["createdNewUser"] is False
    assert later["user"]["loginMethods"][0]["verified"] is True
    assert app.get("/user/id", {"userId": up["user"]["id"]}).ok()["user"] == later["user"]


def test_wrong_codes_count(app):
    code = new(app).ok()
    for n in range(1, 5):
        call = consume if n % 2 else check
        assert call(app, typed(code, "wrong")).is_status("INCORRECT_USER_INPUT_CODE_ERROR") == {
            "status": "INCORRECT_USER_INPUT_CODE_ERROR", "failedCodeInputAttemptCount": n,
            "maximumCodeInputAttempts": 5}
        assert devices(app)[0]["failedCodeInputAttemptCount"] == n
    assert check(app, typed(code)).ok() == {"status": "OK", "consumedDevice": {
        "preAuthSessionId": code["preAuthSessionId"], "failedCodeInputAttemptCount": 4,
        "email": EMAIL}}
    # a wrong link is no try
    consume(app, {**link(code), "linkCode": code["linkCode"][::-1]}).is_status("RESTART_FLOW_ERROR")
    assert devices(app)[0]["failedCodeInputAttemptCount"] == 4
    assert consume(app, typed(code, "wrong")).is_status("RESTART_FLOW_ERROR") == RESTART
    assert devices(app) == []
    for proof in (typed(code), link(code)):
        consume(app, proof).is_status("RESTART_FLOW_ERROR")
    assert app.get("/users/count").ok()["count"] == 0


def test_tries_before_success_are_told(app):
    code = new(app).ok()
    for _ in range(3):
        consume(app, typed(code, "wrong")).is_status("INCORRECT_USER_INPUT_CODE_ERROR")
    assert consume(app, typed(code)).ok()["consumedDevice"]["failedCodeInputAttemptCount"] == 3


def test_a_lowered_limit_holds_at_once(app):
    code = new(app).ok()
    for _ in range(3):
        consume(app, typed(code, "wrong")).is_status("INCORRECT_USER_INPUT_CODE_ERROR")
    configure(app, passwordless_max_code_input_attempts=3)
    consume(app, typed(code)).is_status("RESTART_FLOW_ERROR")
    assert devices(app) == []
    code = new(app).ok()
    assert consume(app, typed(code, "wrong")).json["maximumCodeInputAttempts"] == 3


def test_expired_codes(app):
    code, other = new(app).ok(), new(app).ok()
    configure(app, passwordless_code_lifetime=1)
    wait_for(lambda: check(app, link(code)).json["status"] == "RESTART_FLOW_ERROR", 5, "expiry")
    assert check(app, typed(code)).is_status("EXPIRED_USER_INPUT_CODE_ERROR") == {
        "status": "EXPIRED_USER_INPUT_CODE_ERROR", "failedCodeInputAttemptCount": 1,
        "maximumCodeInputAttempts": 5}
    consume(app, typed(code)).is_status("EXPIRED_USER_INPUT_CODE_ERROR")
    consume(app, typed(code, "wrong")).is_status("INCORRECT_USER_INPUT_CODE_ERROR")
    consume(app, link(code)).is_status("RESTART_FLOW_ERROR")
    # what counts is the lifetime now
    configure(app, passwordless_code_lifetime=900000)
    consume(app, typed(other)).ok()


def test_every_code_of_the_address_goes(app):
    first, second = new(app).ok(), new(app).ok()
    new(app, deviceId=second["deviceId"]).ok()
    other = new(app, "b@example.com").ok()
    assert len(devices(app)) == 2
    consume(app, typed(first)).ok()
    assert devices(app) == []
    for code in (first, second):
        for proof in (typed(code), link(code)):
            consume(app, proof).is_status("RESTART_FLOW_ERROR")
    consume(app, typed(other)).ok()


def test_the_users_other_address_goes_too(app):
    user = sign_in(app).ok()["user"]
    update(app, user["id"], phoneNumber=PHONE).ok()
    by_phone, by_mail = new(app, phone=PHONE).ok(), new(app).ok()
    got = consume(app, link(by_phone)).ok()
    assert got["user"]["id"] == user["id"] and got["createdNewUser"] is False
    assert got["consumedDevice"] == {"preAuthSessionId": by_phone["preAuthSessionId"],
                                     "failedCodeInputAttemptCount": 0, "phoneNumber": PHONE}
    consume(app, link(by_mail)).is_status("RESTART_FLOW_ERROR")


def test_other_recipes_keep_their_users(app):
    other = app.post("/recipe/signup", {"email": EMAIL, "password": "secret12"}).ok()["user"]
    mine = sign_in(app).ok()
    assert mine["createdNewUser"] and mine["user"]["id"] != other["id"]
    found = app.get("/recipe/user", {"email": EMAIL}, rid="emailpassword").ok()["user"]
    assert found["id"] == other["id"]
    assert get_user(app, {"email": EMAIL}).ok()["user"]["id"] == mine["user"]["id"]


def test_tenants_are_apart(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    tenant = app.tenant("t1")
    code = new(tenant).ok()
    assert devices(app) == [] and len(devices(tenant)) == 1
    for proof in (typed(code), link(code)):
        consume(app, proof).is_status("RESTART_FLOW_ERROR")
        check(app, proof).is_status("RESTART_FLOW_ERROR")
    new(app, deviceId=code["deviceId"]).is_status("RESTART_FLOW_ERROR")
    there = consume(tenant, link(code)).ok()["user"]
    assert there["tenantIds"] == ["t1"]
    here = sign_in(app).ok()["user"]
    assert here["id"] != there["id"]
    assert get_user(tenant, {"email": EMAIL}).ok()["user"]["id"] == there["id"]
    # a lifetime and a limit of its own
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1", "coreConfig": {
        "passwordless_code_lifetime": 12345, "passwordless_max_code_input_attempts": 2}}).ok()
    code = new(tenant).ok()
    assert code["codeLifetime"] == 12345 and new(app).ok()["codeLifetime"] == 900000
    assert consume(tenant, typed(code, "x")).json["maximumCodeInputAttempts"] == 2
    consume(tenant, typed(code, "x")).is_status("RESTART_FLOW_ERROR")


@pytest.mark.parametrize("path", ["/consume", "/check"])
@pytest.mark.parametrize("body, text", [
    ({}, missing("preAuthSessionId")),
    ({"preAuthSessionId": 1, "linkCode": "x"}, missing("preAuthSessionId")),
    ({"preAuthSessionId": "x"}, ONE_PROOF),
    ({"preAuthSessionId": "x", "deviceId": "x"}, ONE_PROOF),
    ({"preAuthSessionId": "x", "userInputCode": "x"}, ONE_PROOF),
    ({"preAuthSessionId": "x", "linkCode": "x", "userInputCode": "x"}, ONE_PROOF),
    ({"preAuthSessionId": "x", "linkCode": "x", "deviceId": "x"}, ONE_PROOF),
    ({"preAuthSessionId": "x", "linkCode": None}, missing("linkCode")),
    ({"preAuthSessionId": "x", "deviceId": 1, "userInputCode": "x"}, missing("deviceId")),
    ({"preAuthSessionId": "x", "deviceId": "x", "userInputCode": 1}, missing("userInputCode")),
    ({"preAuthSessionId": "x", "linkCode": "a+b/"}, "Input encoding error in linkCode"),
    ({"preAuthSessionId": "x", "linkCode": "!"}, "Input encoding error in linkCode"),
    ({"preAuthSessionId": "x", "deviceId": "a-b_", "userInputCode": "x"},
     "Input encoding error in deviceId"),
])
def test_proof_refusals(app, path, body, text):
    app.post(CODE + path, body).is_error(400, text)


def test_attempts_that_do_not_match(app):
    text = "preAuthSessionId and deviceId doesn't match"
    code, other = new(app).ok(), new(app, "b@example.com").ok()
    for proof in (typed(code), link(code)):
        for call in (consume, check):
            for wrong in (other["preAuthSessionId"], "", "x" * 500):
                call(app, {**proof, "preAuthSessionId": wrong}).is_error(400, text)
    assert [d["failedCodeInputAttemptCount"] for d in devices(app)] == [0]
    padded = {**typed(code), "preAuthSessionId": code["preAuthSessionId"] + "="}
    check(app, padded).ok()
    consume(app, {**link(code), "preAuthSessionId": code["preAuthSessionId"] + "=",
                  "linkCode": code["linkCode"] + "="}).ok()
    # of a device that is gone it is not even told
    consume(app, {**typed(code), "preAuthSessionId": "x"}).is_status("RESTART_FLOW_ERROR")


def test_switched_off_for_old_versions(app):
    for factors, old, new_ in (([], False, False), (["emailpassword"], False, True),
                               (["otp-phone"], True, True), (["link-email"], True, True),
                               (None, True, True)):
        app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1", "firstFactors": factors}).ok()
        tenant, text = app.tenant("t1"), "Passwordless login not enabled for tenant"
        code = new(tenant).ok()
        for cdi, allowed in (("4.0", old), ("5.0", new_), ("5.1", True)):
            at = tenant.at(cdi=cdi)
            if allowed:
                new(at).ok()
                check(at, typed(code)).ok()
                continue
            new(at).is_error(403, text)
            consume(at, typed(code)).is_error(403, text)
            check(at, link(code)).is_error(403, text)
            at.get(CODES, {"email": EMAIL}).ok()


# ---- removing and listing

def test_remove_a_code(app):
    first = new(app).ok()
    second = new(app, deviceId=first["deviceId"]).ok()
    for cdi, code in (("4.0", first), ("5.4", second)):
        for _ in range(2):
            reply = app.post(CODE + "/remove", {"codeId": code["codeId"]}, cdi_version=cdi)
            assert reply.ok() == {"status": "OK"}
        consume(app, link(code)).is_status("RESTART_FLOW_ERROR")
        if code is first:
            consume(app, typed(first)).is_status("INCORRECT_USER_INPUT_CODE_ERROR")
            assert [c["codeId"] for c in devices(app)[0]["codes"]] == [second["codeId"]]
    assert devices(app) == []
    app.post(CODE + "/remove", {"codeId": "x" * 500}).ok()


def test_remove_a_device(app):
    code, other = new(app).ok(), new(app).ok()
    new(app, deviceId=code["deviceId"]).ok()
    app.post(CODE + "/remove", {"preAuthSessionId": "nothing"}).ok()
    for _ in range(2):
        app.post(CODE + "/remove", {"preAuthSessionId": code["preAuthSessionId"]}).ok()
    for proof in (typed(code), link(code)):
        consume(app, proof).is_status("RESTART_FLOW_ERROR")
    assert [d["preAuthSessionId"] for d in devices(app)] == [other["preAuthSessionId"]]


def test_remove_refusals(app):
    path = CODE + "/remove"
    app.post(path, {}).is_error(400, "Please provide either 'codeId' or 'preAuthSessionId'")
    app.post(path, {"codeId": "x", "preAuthSessionId": "x"}).is_error(
        400, "Please provide only one of 'codeId' or 'preAuthSessionId'")
    app.post(path, {"codeId": 1}).is_error(400, missing("codeId"))
    app.post(path, {"preAuthSessionId": "x"}, cdi_version="4.0").is_error(400, missing("codeId"))
    for body in ({}, {"email": EMAIL, "phoneNumber": PHONE}):
        app.post(CODES + "/remove", body).is_error(
            400, "Please provide exactly one of email or phoneNumber")
    app.post(CODES + "/remove", {"email": 1}).is_error(400, missing("email"))


@pytest.mark.parametrize("contact, spelled", [
    ({"email": EMAIL}, {"email": " A@EXAMPLE.com"}),
    ({"phone": PHONE}, {"phoneNumber": "+1-650-253-0000"})])
def test_remove_codes_of_an_address(app, contact, spelled):
    codes = [new(app, **contact).ok() for _ in range(3)]
    other = new(app, "b@example.com").ok()
    assert len(devices(app, **spelled)) == 3
    for _ in range(2):
        assert app.post(CODES + "/remove", spelled).ok() == {"status": "OK"}
    assert devices(app, **spelled) == []
    for code in codes:
        consume(app, link(code)).is_status("RESTART_FLOW_ERROR")
    consume(app, link(other)).ok()


def test_list(app):
    assert devices(app) == []
    code = new(app, " A@EXAMPLE.com").ok()
    more = new(app, deviceId=code["deviceId"]).ok()
    other = new(app).ok()
    mine = {"preAuthSessionId": code["preAuthSessionId"], "failedCodeInputAttemptCount": 0,
            "email": EMAIL, "codes": [
                {"codeId": c["codeId"], "timeCreated": c["timeCreated"], "codeLifetime": 900000}
                for c in (code, more)]}
    same = {"preAuthSessionId": other["preAuthSessionId"], "failedCodeInputAttemptCount": 0,
            "email": EMAIL, "codes": [{"codeId": other["codeId"], "codeLifetime": 900000,
                                       "timeCreated": other["timeCreated"]}]}

    def ordered(found):
        for d in found:
            d["codes"].sort(key=lambda c: (c["timeCreated"], c["codeId"]))
        return sorted(found, key=lambda d: d["preAuthSessionId"])
    for query in ({"deviceId": code["deviceId"]}, {"preAuthSessionId": code["preAuthSessionId"]}):
        assert ordered(devices(app, **query)) == ordered([mine])
    assert ordered(devices(app, email="A@example.com ")) == ordered([mine, same])
    for query in ({"preAuthSessionId": "x"}, {"deviceId": ""}, {"email": "b@example.com"},
                  {"phoneNumber": PHONE}):
        assert app.get(CODES, query).ok() == {"status": "OK", "devices": []}
    for query in ({}, {"email": EMAIL, "deviceId": "x"}):
        app.get(CODES, query).is_error(400, "Please provide exactly one of email, phoneNumber, "
                                            "deviceId or preAuthSessionId")
    app.get(CODES, {"deviceId": "a_"}).is_error(400, "Input encoding error in deviceId")


def test_many_codes_of_a_device(app):
    """More than one read takes: the last is found all the same."""
    first = new(app).ok()
    codes = [new(app, deviceId=first["deviceId"], userInputCode=f"c{i}").ok() for i in range(130)]
    for code in (codes[0], codes[64], codes[-1]):
        check(app, typed(code)).ok()
        new(app, deviceId=first["deviceId"], userInputCode=code["userInputCode"]).is_status(
            "USER_INPUT_CODE_ALREADY_USED_ERROR")
    check(app, typed(first, "c130")).is_status("INCORRECT_USER_INPUT_CODE_ERROR")


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


# ---- expiry

def test_expired_devices_are_deleted(core):
    config = {"passwordless_code_lifetime": 1500}
    kept, gone = core.app(config), core.app(config)
    code = new(kept).ok()
    configure(kept, passwordless_code_lifetime=900000)
    new(gone).ok()
    wait_for(lambda: devices(gone) == [], 30, "the job deletes the device")
    # this one was as old, but its codes are good again
    assert len(devices(kept)) == 1
    consume(kept, typed(code)).ok()


# ---- races

@pytest.mark.concurrent
def test_a_device_gets_codes_and_tries_at_once(app):
    code = new(app).ok()
    replies = at_once(8, lambda i: new(app, deviceId=code["deviceId"]) if i % 2 else
                      check(app, typed(code)))
    assert [r.json["status"] for r in replies] == ["OK"] * 8
    assert len(devices(app)[0]["codes"]) == 5


@pytest.mark.concurrent
def test_one_of_equal_codes_is_made(app):
    code = new(app).ok()
    replies = at_once(8, lambda _: new(app, deviceId=code["deviceId"], userInputCode="same"))
    statuses = sorted(r.json["status"] for r in replies)
    assert statuses == ["OK"] + ["USER_INPUT_CODE_ALREADY_USED_ERROR"] * 7


@pytest.mark.concurrent
def test_two_take_one_phone_number(app):
    ids = [sign_in(app, f"u{i}@example.com").ok()["user"]["id"] for i in range(6)]
    for k in range(3):
        number = f"+1650253000{k}"
        replies = at_once(6, lambda i, n=number: update(app, ids[i], phoneNumber=n))
        statuses = sorted(r.json["status"] for r in replies)
        assert statuses == ["OK"] + ["PHONE_NUMBER_ALREADY_EXISTS_ERROR"] * 5
