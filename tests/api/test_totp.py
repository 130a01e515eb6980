# SPDX-License-Identifier: Apache-2.0
"""/recipe/totp: devices, codes, how often one may be wrong, and what many at once can do."""

import re
import uuid

import pytest

from core import Core
from otp import DAY, code_of, wrong
from servers import wait_for
from sql import run_sql
from together import at_once

DEVICE = "/recipe/totp/device"


def create(app, name=None, user="u", skew=0, period=DAY):
    body = {"userId": user, "skew": skew, "period": period}
    if name is not None:
        body["deviceName"] = name
    return app.post(DEVICE, body)


def verify_device(app, name, code, user="u", **kw):
    return app.post(DEVICE + "/verify", {"userId": user, "deviceName": name, "totp": code}, **kw)


def verify(app, code, user="u", **kw):
    return app.post("/recipe/totp/verify", {"userId": user, "totp": code}, **kw)


def devices(app, user="u"):
    return app.get(DEVICE + "/list", {"userId": user}).ok()["devices"]


def imported(app, name="d", user="u", secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", skew=0, period=DAY):
    """A verified device's secret."""
    app.post(DEVICE + "/import", {"userId": user, "deviceName": name, "skew": skew,
                                  "period": period, "secretKey": secret}).ok()
    return secret


# ---- devices

def test_create(app):
    made = create(app, "phone", skew=1, period=30).ok()
    assert made["deviceName"] == "phone" and set(made) == {"status", "deviceName", "secret"}
    assert re.fullmatch("[A-Z2-7]{32}", made["secret"])
    assert devices(app) == [{"name": "phone", "period": 30, "skew": 1, "verified": False}]
    assert devices(app, "nobody") == []


def test_an_unverified_device_is_replaced_and_a_verified_one_is_not(app):
    first = create(app, "d").ok()
    second = create(app, "d", skew=2).ok()
    assert second["secret"] != first["secret"]
    assert devices(app) == [{"name": "d", "period": DAY, "skew": 2, "verified": False}]
    verify_device(app, "d", code_of(second["secret"])).ok()
    assert create(app, "d").is_status("DEVICE_ALREADY_EXISTS_ERROR") == {
        "status": "DEVICE_ALREADY_EXISTS_ERROR"}


def test_names_count_verified_devices(app):
    assert create(app).ok()["deviceName"] == "TOTP Device 0"
    assert create(app).ok()["deviceName"] == "TOTP Device 0"
    imported(app, "TOTP Device 1")
    assert create(app).ok()["deviceName"] == "TOTP Device 2"
    imported(app, "other")
    assert create(app).ok()["deviceName"] == "TOTP Device 2"
    again = app.post(DEVICE + "/import", {"userId": "u", "skew": 0, "period": 30,
                                          "secretKey": "JBSWY3DPEHPK3PXP"}).ok()
    assert again == {"status": "OK", "deviceName": "TOTP Device 2"}
    assert create(app).ok()["deviceName"] == "TOTP Device 3"


def test_devices_are_listed_oldest_first(app):
    names = ["z", "a", "m"]
    for name in names:
        create(app, name).ok()
    assert [d["name"] for d in devices(app)] == names


@pytest.mark.parametrize("change, text", [
    ({"userId": None}, "Field name 'userId' is invalid in JSON input"),
    ({"userId": ""}, "userId cannot be empty"),
    ({"deviceName": ""}, "deviceName cannot be empty"),
    ({"deviceName": 1}, "Field name 'deviceName' is invalid in JSON input"),
    ({"skew": None}, "Field name 'skew' is invalid in JSON input"),
    ({"skew": "x"}, "Field name 'skew' is invalid in JSON input"),
    ({"skew": -1}, "skew must be >= 0"),
    ({"skew": 1001}, "skew must be <= 1000"),
    ({"skew": 2 ** 31}, "Field name 'skew' is invalid in JSON input"),
    ({"period": None}, "Field name 'period' is invalid in JSON input"),
    ({"period": 0}, "period must be > 0"),
    ({"period": -5}, "period must be > 0"),
])
@pytest.mark.parametrize("path", [DEVICE, DEVICE + "/import"])
def test_bad_devices(app, path, change, text):
    body = {"userId": "u", "deviceName": "d", "skew": 0, "period": 30, "secretKey": "MZXW6YTB",
            **change}
    app.post(path, {k: v for k, v in body.items() if v is not None}).is_error(400, text)
    assert devices(app) == []


def test_bad_imports(app):
    body = {"userId": "u", "deviceName": "d", "skew": 0, "period": 30}
    app.post(DEVICE + "/import", body).is_error(
        400, "Field name 'secretKey' is invalid in JSON input")
    app.post(DEVICE + "/import", {**body, "secretKey": ""}).is_error(
        400, "secretKey cannot be empty")
    app.post(DEVICE + "/import", {**body, "secretKey": "0189"}).is_error(
        400, "secretKey must be base32")
    app.post(DEVICE, {**body, "deviceName": "x" * 300}).is_error(400)
    assert devices(app) == []


def test_import(app):
    secret = imported(app, "d")
    assert devices(app)[0]["verified"] is True
    body = {"userId": "u", "deviceName": "d", "skew": 0, "period": 30, "secretKey": secret}
    app.post(DEVICE + "/import", body).is_status("DEVICE_ALREADY_EXISTS_ERROR")
    create(app, "e").ok()
    app.post(DEVICE + "/import", {**body, "deviceName": "e"}).ok()
    assert [d["verified"] for d in devices(app)] == [True, True]
    verify(app, code_of(secret)).ok()


def test_secrets_as_apps_write_them(app):
    imported(app, secret="jbsw y3dp ehpk 3pxp jbsw y3dp ehpk 3pxp")
    verify(app, code_of("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")).ok()


def test_rename(app):
    def rename(old, new, user="u"):
        return app.put(DEVICE, {"userId": user, "existingDeviceName": old, "newDeviceName": new})
    secret = imported(app, "a", skew=1)
    create(app, "b").ok()
    rename("a", "b").is_status("DEVICE_ALREADY_EXISTS_ERROR")
    rename("c", "b").is_status("UNKNOWN_DEVICE_ERROR")
    rename("a", "c", "nobody").is_status("UNKNOWN_DEVICE_ERROR")
    assert rename("a", "a").ok() == {"status": "OK"}
    assert rename("a", "c").ok() == {"status": "OK"}
    assert devices(app) == [{"name": "c", "period": DAY, "skew": 1, "verified": True},
                            {"name": "b", "period": DAY, "skew": 0, "verified": False}]
    verify(app, code_of(secret)).ok()
    for body, text in (
            ({"userId": "u", "existingDeviceName": "c"},
             "Field name 'newDeviceName' is invalid in JSON input"),
            ({"userId": "", "existingDeviceName": "c", "newDeviceName": ""},
             "userId cannot be empty"),
            ({"userId": "u", "existingDeviceName": "", "newDeviceName": ""},
             "existingDeviceName cannot be empty"),
            ({"userId": "u", "existingDeviceName": "c", "newDeviceName": ""},
             "newDeviceName cannot be empty")):
        app.put(DEVICE, body).is_error(400, text)


def test_remove(app):
    def remove(name, user="u"):
        return app.post(DEVICE + "/remove", {"userId": user, "deviceName": name})
    secret = imported(app, "a")
    create(app, "b").ok()
    assert remove("c").ok() == {"status": "OK", "didDeviceExist": False}
    assert remove("a", "nobody").ok()["didDeviceExist"] is False
    assert remove("b").ok()["didDeviceExist"] is True
    assert [d["name"] for d in devices(app)] == ["a"]
    verify(app, wrong(secret)).is_status("INVALID_TOTP_ERROR")
    assert remove("a").ok()["didDeviceExist"] is True
    assert devices(app) == []
    verify(app, code_of(secret)).is_status("UNKNOWN_USER_ID_ERROR")
    imported(app, "a")  # the user is a new one: what it tried is forgotten
    assert verify(app, wrong(secret)).json["currentNumberOfFailedAttempts"] == 1
    app.post(DEVICE + "/remove", {"userId": "u"}).is_error(
        400, "Field name 'deviceName' is invalid in JSON input")
    app.post(DEVICE + "/remove", {"userId": "u", "deviceName": ""}).is_error(
        400, "deviceName cannot be empty")


def test_list_needs_a_user(app):
    app.get(DEVICE + "/list").is_error(400, "Field name 'userId' is missing in GET request")
    app.get(DEVICE + "/list", {"userId": ""}).is_error(400, "userId cannot be empty")


def test_bulk_status(app):
    imported(app, user="has")
    create(app, "d", user="waits").ok()
    imported(app, "e", user="both")
    create(app, "f", user="both").ok()
    ids = ["none", "has", "waits", "both", "has"]
    path = DEVICE + "/status/bulk"
    users = app.post(path, {"userIds": ids}).ok()["users"]
    assert users == [{"userId": i, "hasVerifiedDevice": v}
                     for i, v in zip(ids, [None, True, False, True, True])]
    assert app.post(path, {"userIds": []}).ok()["users"] == []
    many = [f"u{i}" for i in range(500)]
    assert len(app.post(path, {"userIds": many}).ok()["users"]) == 500
    app.post(path, {"userIds": many + ["x"]}).is_error(
        400, "You can only query up to 500 users at a time.")
    app.post(path, {"userIds": ["u", 1]}).is_error(
        400, "userIds array must contain only strings")
    app.post(path, {}).is_error(400, "Field name 'userIds' is invalid in JSON input")


# ---- codes

def test_verify_device(app):
    secret = create(app, "d").ok()["secret"]
    assert verify_device(app, "d", wrong(secret)).is_status("INVALID_TOTP_ERROR") == {
        "status": "INVALID_TOTP_ERROR", "currentNumberOfFailedAttempts": 1,
        "maxNumberOfFailedAttempts": 5}
    assert verify_device(app, "d", code_of(secret)).ok() == {
        "status": "OK", "wasAlreadyVerified": False}
    assert verify_device(app, "d", "what ever").ok()["wasAlreadyVerified"] is True
    assert devices(app)[0]["verified"] is True
    verify_device(app, "e", "123456").is_status("UNKNOWN_DEVICE_ERROR")
    verify_device(app, "d", "123456", "nobody").is_status("UNKNOWN_DEVICE_ERROR")
    for body, text in (
            ({"userId": "u", "deviceName": "d"}, "Field name 'totp' is invalid in JSON input"),
            ({"userId": "", "deviceName": "", "totp": ""}, "userId cannot be empty"),
            ({"userId": "u", "deviceName": "", "totp": ""}, "deviceName cannot be empty")):
        app.post(DEVICE + "/verify", body).is_error(400, text)


def test_a_code_counts_once(app):
    secret = imported(app, skew=1)
    verify(app, code_of(secret)).ok()
    assert verify(app, code_of(secret)).is_status("INVALID_TOTP_ERROR")[
        "currentNumberOfFailedAttempts"] == 1
    verify(app, code_of(secret, shift=1)).ok()
    verify(app, code_of(secret, shift=2)).is_status("INVALID_TOTP_ERROR")


def test_the_code_that_verified_a_device_is_used(app):
    secret = create(app, "d").ok()["secret"]
    verify_device(app, "d", code_of(secret)).ok()
    verify(app, code_of(secret)).is_status("INVALID_TOTP_ERROR")


def test_only_verified_devices_count(app):
    first = create(app, "d").ok()["secret"]
    verify(app, code_of(first)).is_status("INVALID_TOTP_ERROR")
    second = imported(app, "e")
    verify(app, code_of(second)).ok()
    verify(app, code_of(first)).is_status("INVALID_TOTP_ERROR")
    verify(app, code_of(first), "nobody").is_status("UNKNOWN_USER_ID_ERROR")
    app.post("/recipe/totp/verify", {"userId": "", "totp": "1"}).is_error(
        400, "userId cannot be empty")


def test_odd_codes(app):
    secret = imported(app)
    right = code_of(secret)
    for code in ("", right[:5], right + "0", " " + right, "é" * 8):
        verify(app, code).is_status("INVALID_TOTP_ERROR")
        app.post(DEVICE + "/remove", {"userId": "u", "deviceName": "d"}).ok()
        imported(app)
    for code in (right + "000", "x" * 20, "x" * 500, "\U0001f600" * 5):  # not kept, so not counted
        assert verify(app, code).is_status("INVALID_TOTP_ERROR")["currentNumberOfFailedAttempts"] == 1
    verify(app, right).ok()


def test_limit(app):
    secret = imported(app)
    bad = wrong(secret)
    for n in range(1, 6):
        assert verify(app, bad).is_status("INVALID_TOTP_ERROR") == {
            "status": "INVALID_TOTP_ERROR", "currentNumberOfFailedAttempts": n,
            "maxNumberOfFailedAttempts": 5}
    for code in (bad, code_of(secret)):
        told = verify(app, code).is_status("LIMIT_REACHED_ERROR")
        assert 890000 < told.pop("retryAfterMs") <= 900000
        assert told == {"status": "LIMIT_REACHED_ERROR", "currentNumberOfFailedAttempts": 5,
                        "maxNumberOfFailedAttempts": 5}
    # it is the user's, not the device's
    create(app, "e").ok()
    verify_device(app, "e", bad).is_status("LIMIT_REACHED_ERROR")
    assert verify_device(app, "d", bad).ok()["wasAlreadyVerified"] is True
    verify(app, bad, "nobody").is_status("UNKNOWN_USER_ID_ERROR")


def test_a_right_code_starts_the_count_anew(app):
    secret = imported(app, skew=2)
    bad = wrong(secret)
    for _ in range(4):
        verify(app, bad).is_status("INVALID_TOTP_ERROR")
    verify(app, code_of(secret)).ok()
    for n in range(1, 6):
        assert verify(app, bad).json["currentNumberOfFailedAttempts"] == n
    verify(app, code_of(secret, shift=1)).is_status("LIMIT_REACHED_ERROR")


def test_the_limit_ends(core):
    app = core.app({"totp_max_attempts": 2, "totp_rate_limit_cooldown_sec": 1})
    secret = imported(app)
    bad = wrong(secret)

    def fill():
        return [verify(app, bad) for _ in range(3)][2]
    # the first two may lie more than a cooldown apart on a slow machine
    wait_for(lambda: fill().json["status"] == "LIMIT_REACHED_ERROR", 20, "the limit is reached")
    wait_for(lambda: verify(app, bad).json["status"] == "INVALID_TOTP_ERROR", 20, "the limit ends")
    verify(app, code_of(secret)).ok()


def test_old_versions(app):
    secret = imported(app)
    old = app.at(cdi="4.0")
    assert verify(old, wrong(secret)).is_status("INVALID_TOTP_ERROR") == {
        "status": "INVALID_TOTP_ERROR"}
    for _ in range(5):
        reply = verify(old, wrong(secret))
    assert set(reply.is_status("LIMIT_REACHED_ERROR")) == {"status", "retryAfterMs"}
    create(app, "e").ok()
    assert set(verify_device(old, "e", "1").json) == {"status", "retryAfterMs"}


# ---- tenants and users

def test_tenants(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t"}).ok()
    t, secret = app.tenant("t"), imported(app)
    for method, path, body in (
            ("POST", DEVICE, {"userId": "u", "skew": 0, "period": 30}),
            ("PUT", DEVICE, {"userId": "u", "existingDeviceName": "a", "newDeviceName": "b"}),
            ("POST", DEVICE + "/remove", {"userId": "u", "deviceName": "a"}),
            ("POST", DEVICE + "/status/bulk", {"userIds": ["u"]})):
        t.request(method, path, body).is_error(
            403, "Only public tenantId can call this app specific API")
    t.get(DEVICE + "/list", {"userId": "u"}).is_error(403)
    # devices are the app's; what was tried is each tenant's
    for _ in range(5):
        verify(app, wrong(secret)).is_status("INVALID_TOTP_ERROR")
    verify(app, code_of(secret)).is_status("LIMIT_REACHED_ERROR")
    verify(t, code_of(secret)).ok()
    verify(t, code_of(secret)).is_status("INVALID_TOTP_ERROR")
    other = create(app, "e").ok()["secret"]
    verify_device(t, "e", code_of(other)).ok()
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t"}).ok()
    verify(t, code_of(secret)).is_error(400)


def test_a_deleted_user_has_no_devices(app):
    user = app.post("/recipe/signup", {"email": "a@b.c", "password": "secret123"}).ok()["user"]["id"]
    secret = imported(app, user=user)
    imported(app, user="someone else")
    for _ in range(5):
        verify(app, wrong(secret), user).is_status("INVALID_TOTP_ERROR")
    app.post("/user/remove", {"userId": user}).ok()
    assert devices(app, user) == [] and len(devices(app, "someone else")) == 1
    imported(app, user=user)
    assert verify(app, wrong(secret), user).json["currentNumberOfFailedAttempts"] == 1


def test_leaving_a_tenant_forgets_what_was_tried_there(app):
    user = app.post("/recipe/signup", {"email": "a@b.c", "password": "secret123"}).ok()["user"]["id"]
    secret = imported(app, user=user)
    for _ in range(5):
        verify(app, wrong(secret), user).is_status("INVALID_TOTP_ERROR")
    verify(app, code_of(secret), user).is_status("LIMIT_REACHED_ERROR")
    app.post("/recipe/multitenancy/tenant/user/remove", {"recipeUserId": user}).ok()
    verify(app, code_of(secret), user).ok()


# ---- what is old

def test_codes_are_deleted_a_cooldown_after_they_expired(storage):
    """Over its own core, whose tenants all have the short cooldown."""
    if storage[0] != "sqlite":
        pytest.skip("one storage is enough: the call is one of those all plugins are tested for")
    with Core(totp_rate_limit_cooldown_sec=1) as core:
        def codes(user):
            return run_sql(core, storage, "SELECT count(*) FROM st_totp_used_codes"
                                          " WHERE user_id = ?", (user,))[0][0]
        verify(core, wrong(imported(core, user="old", period=1), period=1), "old")
        verify(core, wrong(imported(core, user="new")), "new")
        wait_for(lambda: codes("old") == 0, 20, "the job deletes what is expired")
        assert codes("new") == 1


# ---- many at once

def statuses_at_once(n, work):
    return [r.json["status"] for r in at_once(n, work)]


@pytest.mark.concurrent
def test_guesses_at_once_never_exceed_the_limit(pair):
    secret = imported(pair[0])
    bad = wrong(secret)
    seen = statuses_at_once(14, lambda i: verify(pair[i % 2], bad))
    assert seen.count("INVALID_TOTP_ERROR") == 5
    assert seen.count("LIMIT_REACHED_ERROR") == 9
    verify(pair[1], code_of(secret)).is_status("LIMIT_REACHED_ERROR")


@pytest.mark.concurrent
def test_one_code_at_once_is_accepted_once(pair):
    for i in range(4):
        user = f"u{i}"
        secret = imported(pair[0], user=user)
        code = code_of(secret)
        seen = statuses_at_once(5, lambda k, user=user, code=code: verify(pair[k % 2], code, user))
        assert sorted(seen) == ["INVALID_TOTP_ERROR"] * 4 + ["OK"]


@pytest.mark.concurrent
def test_a_device_is_verified_once(pair):
    secret = create(pair[0], "d").ok()["secret"]
    code = code_of(secret)
    seen = []

    def work(i):
        seen.append(verify_device(pair[i % 2], "d", code))
        return seen[-1]
    assert statuses_at_once(6, work) == ["OK"] * 6
    assert sum(not r.json["wasAlreadyVerified"] for r in seen) == 1


@pytest.mark.concurrent
def test_names_found_at_once_are_all_taken(pair):
    def work(i):
        return pair[i % 2].post(DEVICE + "/import", {
            "userId": "u", "skew": 0, "period": 30, "secretKey": "MZXW6YTB"})
    assert statuses_at_once(8, work) == ["OK"] * 8
    names = {d["name"] for d in devices(pair[0])}
    assert names == {f"TOTP Device {n}" for n in range(8)}


@pytest.mark.concurrent
def test_renames_statuses_at_once(pair):
    imported(pair[0], "a")

    def work(i):
        return pair[i % 2].put(DEVICE, {"userId": "u", "existingDeviceName": "a",
                                        "newDeviceName": f"b{i}"})
    assert sorted(statuses_at_once(6, work)) == ["OK"] + ["UNKNOWN_DEVICE_ERROR"] * 5
    assert len(devices(pair[0])) == 1


@pytest.mark.concurrent
def test_the_last_device_goes_while_another_comes(pair):
    for i in range(4):
        user = f"u{i}"
        imported(pair[0], "old", user)

        def work(k, user=user):
            if k == 0:
                return pair[0].post(DEVICE + "/remove", {"userId": user, "deviceName": "old"})
            return pair[1].post(DEVICE + "/import", {
                "userId": user, "deviceName": "new", "skew": 0, "period": DAY,
                "secretKey": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"})
        assert statuses_at_once(2, work) == ["OK", "OK"]
        assert [d["name"] for d in devices(pair[0], user)] == ["new"]
        verify(pair[1], code_of("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), user).ok()


def test_tenants_in_another_database(postgres, database):
    """The devices of a user are where the user is."""
    with Core(uri=postgres.create_database("db_" + uuid.uuid4().hex)) as core:
        app = core.app()
        app.put("/recipe/multitenancy/tenant/v2", {
            "tenantId": "far", "coreConfig": {"postgresql_connection_uri": database}}).ok()
        far = app.tenant("far")
        user = far.post("/recipe/signup", {"email": "a@b.c", "password": "secret123"}).ok()["user"]["id"]
        secret = create(app, "d", user).ok()["secret"]
        assert [d["name"] for d in devices(app, user)] == ["d"]
        verify_device(app, "d", code_of(secret), user).is_status("UNKNOWN_DEVICE_ERROR")
        verify_device(far, "d", code_of(secret), user).ok()
        near = imported(app, user="near")
        verify(app, code_of(near), "near").ok()
        verify(far, code_of(near), "near").is_status("UNKNOWN_USER_ID_ERROR")
        status = app.post(DEVICE + "/status/bulk", {"userIds": ["near", user, "x"]}).ok()["users"]
        assert [s["hasVerifiedDevice"] for s in status] == [True, True, None]
        app.put(DEVICE, {"userId": user, "existingDeviceName": "d", "newDeviceName": "e"}).ok()
        assert app.post(DEVICE + "/remove", {"userId": user, "deviceName": "e"}).ok()["didDeviceExist"]
