# SPDX-License-Identifier: Apache-2.0
"""Passwordless codes: every call, its texts and statuses, its shape at each CDI version, expiry,
and the races between callers."""

import base64
import time

import pytest

from core import Core
from metrics import read
from passwordless import (
    CODE, CODES, EMAIL, ONE_PROOF, PHONE, RESTART, check, configure, consume, devices, get_user,
    link, missing, new, sha, sign_in, typed, update)
from servers import wait_for
from together import at_once


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


def test_codes_made_by_another_core(pair):
    """Which remembers the device, while the one that is asked does not, and then does."""
    here, there = pair
    code, other = new(here).ok(), new(here, "b@example.com").ok()
    text = "preAuthSessionId and deviceId doesn't match"
    for _ in range(2):
        for app in (there, here):
            stolen = {**link(code), "preAuthSessionId": other["preAuthSessionId"]}
            consume(app, stolen).is_error(400, text)
            check(app, link(code)).ok()
    tries = [consume(app, typed(code, "wrong")) for app in (there, here, there)]
    assert [t.is_status("INCORRECT_USER_INPUT_CODE_ERROR")["failedCodeInputAttemptCount"]
            for t in tries] == [1, 2, 3]
    user = consume(there, typed(code)).ok()["user"]
    assert user["emails"] == ["a@example.com"]
    for app in (here, there):
        for proof in (typed(code), link(code)):
            consume(app, proof).is_status("RESTART_FLOW_ERROR")
    assert consume(there, link(other)).ok()["user"]["emails"] == ["b@example.com"]
    again = new(there, phone="+16502530000").ok()
    assert consume(here, link(again)).ok()["user"]["phoneNumbers"] == ["+16502530000"]


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


# ---- expiry

def test_expired_devices_are_deleted(core):
    config = {"passwordless_code_lifetime": 5000}  # time to change it before it is over
    kept, gone = core.app(config), core.app(config)
    code = new(kept).ok()
    configure(kept, passwordless_code_lifetime=900000)
    new(gone).ok()
    wait_for(lambda: devices(gone) == [], 30, "the job deletes the device")
    # this one was as old, but its codes are good again
    assert len(devices(kept)) == 1
    consume(kept, typed(code)).ok()


def test_expired_codes_are_told_in_test_mode():
    """Suites of SDKs let a code expire, and ask for the answer some seconds later."""
    def runs(core):
        return read(core).value("supertokens_job_runs_total", job="expire_passwordless_devices")
    with Core(fast_jobs=False) as core:
        app = core.app({"passwordless_code_lifetime": 1000})
        wait_for(lambda: runs(core) == 1, 30, "the first run")
        code = new(app).ok()
        late = code["timeCreated"] + 3500  # more than a round of fast jobs later
        wait_for(lambda: time.time() * 1000 > late, 30, "expiry")
        consume(app, typed(code)).is_status("EXPIRED_USER_INPUT_CODE_ERROR")
        assert runs(core) == 1


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
