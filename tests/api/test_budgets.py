# SPDX-License-Identifier: Apache-2.0
"""What each call costs the database: round trips on PostgreSQL, batches on SQLite, and the
statements in them.  A number here that grows is a regression; one that falls is lowered.

The marks of active users and the keys of an app come first, as they do in a running service:
a user is marked once in five minutes, keys are read once in five minutes.

docs/costs.md lists what is checked here; STK_WRITE_COSTS=1 writes it anew."""

import os
from collections import defaultdict
from contextlib import ExitStack

import pytest

import otp
from core import SRC, Core

HASH = "$2b$04$" + "a" * 53
NEW = {"userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
       "useDynamicSigningKey": True}
ROTATE = {"enableAntiCsrf": False, "useDynamicSigningKey": True}


COSTS = defaultdict(set)  # call: what it may cost on PostgreSQL, as (round trips, statements)


class Meter:
    """Calls of one app, checked for their cost."""

    def __init__(self, app, storage):
        self.app = app
        self.count = "round_trips" if storage == "postgresql" else "batches"

    def costs(self, reply, trips, statements, status="OK"):
        assert reply.status == 200, reply.text
        assert reply.json.get("status", status) == status, reply.text
        assert (getattr(reply, self.count), reply.statements) == (trips, statements)
        if self.count == "round_trips":
            COSTS[reply.call].add((trips, statements))
        return reply.json

    def sign_up(self, email, password="secret123", app=None):
        return (app or self.app).post("/recipe/signup", {"email": email, "password": password})

    def sign_in(self, email, password="secret123", app=None):
        return (app or self.app).post("/recipe/signin", {"email": email, "password": password})

    def session(self, user, app=None):
        return (app or self.app).post("/recipe/session", {"userId": user, **NEW})

    def verify(self, token, database):
        return self.app.post("/recipe/session/verify", {
            "accessToken": token, "doAntiCsrfCheck": False, "enableAntiCsrf": False,
            "checkDatabase": database})

    def refresh(self, tokens, cdi="5.4", app=None):
        return (app or self.app).post("/recipe/session/refresh", {
            "refreshToken": tokens["refreshToken"]["token"], **ROTATE}, cdi_version=cdi)

    def update(self, user, **change):
        return self.app.put("/recipe/user", {"recipeUserId": user, **change}, rid="emailpassword")


@pytest.fixture
def meter(app, storage):
    m = Meter(app, storage[0])
    app.get("/.well-known/jwks.json")  # the app has its keys, and this core knows them
    return m


@pytest.fixture
def user(meter):
    """The id of a user of a@example.com who was seen just now."""
    return meter.sign_up("a@example.com").ok()["user"]["id"]


@pytest.fixture
def cold(core, storage, app):
    """A function that gives the app at a new core, which has the app's keys and has seen
    no user yet."""
    with ExitStack() as cores:
        def another():
            more = {} if storage[1] else {
                "sqlite_path": os.path.join(core.home, ".started", "supertokens.db")}
            there = cores.enter_context(Core(uri=storage[1], **more)).at(app.prefix)
            there.get("/.well-known/jwks.json")
            return there
        yield another


# ---- accounts

def test_sign_up(meter):
    meter.costs(meter.sign_up("a@example.com"), 1, 7)


def test_sign_up_with_a_taken_email(meter, user, storage):
    taken = meter.sign_up("a@example.com")
    assert taken.is_status("EMAIL_ALREADY_EXISTS_ERROR") and user
    # the transaction that met the duplicate is rolled back, which is a round trip
    if storage[0] in ("sqlite", "postgresql"):
        assert taken.round_trips == (1 if storage[0] == "sqlite" else 2)


def test_sign_in(meter, user):
    assert user
    meter.costs(meter.sign_in("a@example.com"), 1, 2)
    meter.costs(meter.sign_in("a@example.com", "wrong1234"), 1, 2, "WRONG_CREDENTIALS_ERROR")
    meter.costs(meter.sign_in("b@example.com"), 1, 2, "WRONG_CREDENTIALS_ERROR")


def test_sign_in_of_a_user_not_seen_lately(meter, cold):
    meter.sign_up("a@example.com").ok()
    there = cold()
    meter.costs(meter.sign_in("a@example.com", app=there), 2, 3)
    meter.costs(meter.sign_in("a@example.com", app=there), 1, 2)


def test_update(meter, user):
    meter.costs(meter.update(user, email="b@example.com"), 3, 12)
    meter.costs(meter.update(user, password="newpass12"), 3, 11)
    meter.costs(meter.update("nobody", email="c@example.com"), 1, 5, "UNKNOWN_USER_ID_ERROR")


def test_password_reset(meter, user):
    path = "/recipe/user/password/reset/token"
    made = meter.costs(meter.app.post(path, {"userId": user, "email": "a@example.com"}), 2, 7)
    body = {"method": "token", "token": made["token"]}
    meter.costs(meter.app.post(path + "/consume", body), 2, 5)
    meter.costs(meter.app.post(path + "/consume", body), 1, 1, "RESET_PASSWORD_INVALID_TOKEN_ERROR")


def test_email_verification(meter, user):
    path = "/recipe/user/email/verify"
    body = {"userId": user, "email": "a@example.com"}
    made = meter.costs(meter.app.post(path + "/token", body), 2, 3)
    token = {"method": "token", "token": made["token"]}
    meter.costs(meter.app.post(path, token), 3, 13)
    meter.costs(meter.app.post(path, token), 1, 1, "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR")
    meter.costs(meter.app.post(path + "/token", body), 1, 1, "EMAIL_ALREADY_VERIFIED_ERROR")
    meter.costs(meter.app.get(path, body), 1, 1)
    meter.costs(meter.app.post(path + "/remove", body), 2, 9)
    meter.costs(meter.app.post(path + "/token/remove", body), 1, 1)


def sign_in_up(app, user_id="g-1", email="a@example.com", verified=False):
    return app.post("/recipe/signinup", {
        "thirdPartyId": "google", "thirdPartyUserId": user_id,
        "email": {"id": email, "isVerified": verified}})


def test_third_party(meter, cold):
    app = meter.app
    meter.costs(sign_in_up(app), 2, 9)
    meter.costs(sign_in_up(app), 1, 2)
    meter.costs(sign_in_up(app, email="b@example.com"), 3, 9)
    meter.costs(sign_in_up(app, email="b@example.com", verified=True), 3, 10)
    meter.costs(sign_in_up(app, email="b@example.com", verified=True), 1, 2)
    meter.costs(sign_in_up(app, "g-2", verified=True), 2, 10)
    meter.costs(sign_in_up(cold(), email="b@example.com"), 2, 3)
    account = {"thirdPartyId": "google", "thirdPartyUserId": "g-1"}
    meter.costs(app.get("/recipe/user", account, rid="thirdparty"), 2, 4)
    meter.costs(app.get("/recipe/users/by-email", {"email": "b@example.com"}), 2, 4)


def test_import(meter):
    body = {"email": "i@example.com", "passwordHash": HASH, "hashingAlgorithm": "bcrypt"}
    meter.costs(meter.app.post("/recipe/user/passwordhash/import", body), 1, 6)


# ---- passwordless

def code_of(meter, **contact):
    return meter.app.post("/recipe/signinup/code", contact).ok()


def use(code, typed=None):
    proof = {"preAuthSessionId": code["preAuthSessionId"]}
    if typed:
        return {**proof, "deviceId": code["deviceId"], "userInputCode": typed}
    return {**proof, "linkCode": code["linkCode"]}


def test_passwordless_codes(meter):
    app, path = meter.app, "/recipe/signinup/code"
    code = meter.costs(app.post(path, {"email": "a@example.com"}), 1, 3)
    more = meter.costs(app.post(path, {"deviceId": code["deviceId"]}), 2, 5)
    meter.costs(app.get(path + "s", {"deviceId": code["deviceId"]}), 1, 2)
    meter.costs(app.get(path + "s", {"email": "a@example.com"}), 2, 2)
    meter.costs(app.post(path + "/check", use(more)), 2, 3)
    meter.costs(app.post(path + "/check", use(code, "wrong")), 2, 3,
                "INCORRECT_USER_INPUT_CODE_ERROR")
    meter.costs(app.post(path + "/remove", {"codeId": more["codeId"]}), 3, 5)
    meter.costs(app.post(path + "/remove", {"preAuthSessionId": code["preAuthSessionId"]}), 1, 2)
    code_of(meter, email="a@example.com")
    meter.costs(app.post(path + "s/remove", {"email": "a@example.com"}), 2, 3)


def test_passwordless_sign_in(meter, cold):
    path = "/recipe/signinup/code/consume"
    for contact, more in (({"email": "a@example.com"}, 1), ({"phoneNumber": "+16502530000"}, 0)):
        code = code_of(meter, **contact)
        meter.costs(meter.app.post(path, use(code, code["userInputCode"])), 2, 15 + more)
        meter.costs(meter.app.post(path, use(code_of(meter, **contact))), 2, 12)
    meter.costs(meter.app.post(path, use(code)), 1, 2, "RESTART_FLOW_ERROR")
    there = cold()  # which did not make the code, and marks the user as active
    meter.costs(there.post(path, use(code_of(meter, email="a@example.com"))), 3, 15)


def test_passwordless_users(meter):
    code = code_of(meter, email="a@example.com")
    user = meter.app.post("/recipe/signinup/code/consume", use(code)).ok()["user"]["id"]
    rid = {"rid": "passwordless"}
    meter.costs(meter.app.get("/recipe/user", {"userId": user}, **rid), 1, 5)
    meter.costs(meter.app.get("/recipe/user", {"email": "a@example.com"}, **rid), 2, 4)
    change = {"recipeUserId": user, "email": "b@example.com", "phoneNumber": "+16502530000"}
    meter.costs(meter.app.put("/recipe/user", change, **rid), 3, 17)


# ---- sessions

def test_session_create(meter, user):
    meter.costs(meter.session(user), 1, 4)
    meter.costs(meter.session("nobody we know"), 2, 5)  # with the mark of one more user
    meter.costs(meter.session("nobody we know"), 1, 4)


def test_verify(meter, user):
    token = meter.session(user).ok()["accessToken"]["token"]
    for _ in range(2):
        meter.costs(meter.verify(token, False), 0, 0)
        meter.costs(meter.verify(token, True), 1, 1)


def test_refresh(meter, user):
    first = meter.session(user).ok()
    meter.costs(meter.refresh(first), 1, 3)
    child = meter.costs(meter.refresh(first), 1, 3)
    meter.costs(meter.verify(child["accessToken"]["token"], False), 1, 2)
    second = meter.costs(meter.refresh(child), 1, 3)
    meter.costs(meter.refresh(second), 2, 4)
    meter.costs(meter.refresh(first), 1, 3, "TOKEN_THEFT_DETECTED")


def test_refresh_that_rotates(meter, user):
    tokens = meter.session(user).ok()
    for _ in range(3):
        tokens = meter.costs(meter.refresh(tokens, "5.6"), 2, 4)


def test_refresh_of_a_user_not_seen_lately(meter, user, cold):
    tokens = meter.session(user).ok()
    child = meter.costs(meter.refresh(tokens, app=cold()), 2, 4)
    meter.costs(meter.refresh(child, app=cold()), 2, 5)
    meter.costs(meter.refresh(child, "5.6", app=cold()), 2, 5)


def test_session_by_handle(meter, user):
    made = meter.session(user).ok()
    handle, app = {"sessionHandle": made["session"]["handle"]}, meter.app
    meter.costs(app.get("/recipe/session", handle), 2, 3)
    meter.costs(app.get("/recipe/session/data", handle, cdi_version="2.18"), 1, 1)
    meter.costs(app.put("/recipe/session/data", {**handle, "userDataInDatabase": {}}), 1, 1)
    meter.costs(app.put("/recipe/jwt/data", {**handle, "userDataInJWT": {}}), 1, 1)
    meter.costs(app.post("/recipe/session/regenerate", {
        "accessToken": made["accessToken"]["token"], "userDataInJWT": {}}), 1, 2)
    meter.costs(app.post("/recipe/session/remove", {"sessionHandles": [handle["sessionHandle"]]}),
                1, 1)


@pytest.mark.parametrize("sessions, statements", [(1, 5), (30, 6)])
def test_sessions_of_a_user(meter, user, sessions, statements):
    for _ in range(sessions):
        meter.session(user).ok()
    meter.costs(meter.app.get("/recipe/session/user", {"userId": user}), 3, 4)
    meter.costs(meter.app.post("/recipe/session/remove", {"userId": user}), 4, statements)


def test_jwt(meter):
    body = {"payload": {}, "algorithm": "RS256", "jwksDomain": "http://x", "validity": 100,
            "useStaticSigningKey": False}
    meter.costs(meter.app.post("/recipe/jwt", body), 0, 0)
    meter.costs(meter.app.get("/.well-known/jwks.json"), 0, 0)


# ---- lists and lookups

@pytest.mark.parametrize("page", [2, 30])
def test_pages_cost_the_same_at_every_size_and_depth(meter, page):
    for i in range(40):
        meter.sign_up(f"u{i:02}@example.com").ok()
    for order in ("ASC", "DESC"):
        query, token = {"limit": page, "timeJoinedOrder": order}, {}
        for _ in range(3):
            seen = meter.costs(meter.app.get("/users", {**query, **token}), 2, 4)
            if "nextPaginationToken" not in seen:
                break
            token = {"paginationToken": seen["nextPaginationToken"]}
    meter.costs(meter.app.get("/users", {"limit": page, "includeRecipeIds": "emailpassword"}), 2, 11)
    meter.costs(meter.app.get("/users", {"limit": page, "email": "u"}), 2, 5)


def test_counts(meter, user):
    assert user
    for query in ({}, {"includeRecipeIds": "emailpassword"}, {"includeAllTenants": "true"}):
        assert meter.costs(meter.app.get("/users/count", query), 1, 1)["count"] == 1
    meter.costs(meter.app.get("/users/count/active", {"since": "0"}), 1, 1)


def test_lookups(meter, user):
    app = meter.app
    meter.costs(app.get("/user/id", {"userId": user}), 1, 5)
    meter.costs(app.get("/user/id", {"userId": "nobody"}), 1, 5, "UNKNOWN_USER_ID_ERROR")
    by_info = {"doUnionOfAccountInfo": "true"}
    meter.costs(app.get("/users/by-accountinfo", {**by_info, "email": "a@example.com"}), 2, 4)
    meter.costs(app.get("/users/by-accountinfo", {**by_info, "email": "b@example.com"}), 1, 1)
    old = {"rid": "emailpassword", "cdi_version": "3.0"}
    meter.costs(app.get("/recipe/user", {"email": "a@example.com"}, **old), 1, 2)
    meter.costs(app.get("/recipe/user", {"userId": user}, **old), 1, 5)
    meter.costs(app.get("/user/search/tags"), 0, 0)


def test_user_remove(meter, user):
    meter.session(user).ok()
    meter.costs(meter.app.post("/user/remove", {"userId": user}), 3, 27)
    meter.costs(meter.app.post("/user/remove", {"userId": user}), 1, 5)


# ---- second factors

def test_totp(meter):
    app, path, u = meter.app, "/recipe/totp/device", {"userId": "u"}
    body = {**u, "skew": 0, "period": 86400}
    secret = meter.costs(app.post(path, {**body, "deviceName": "a"}), 2, 4)["secret"]
    meter.costs(app.post(path, body), 2, 4)
    meter.costs(app.post(path + "/import", {**body, "secretKey": secret}), 2, 4)
    meter.costs(app.get(path + "/list", u), 1, 1)
    meter.costs(app.post(path + "/status/bulk", {"userIds": ["u", "v"]}), 1, 1)
    named = {**u, "deviceName": "a"}
    code = otp.code_of(secret)
    meter.costs(app.post(path + "/verify", {**named, "totp": code}), 2, 7)
    meter.costs(app.post("/recipe/totp/verify", {**u, "totp": code}), 2, 6, "INVALID_TOTP_ERROR")
    meter.costs(app.put(path, {**u, "existingDeviceName": "a", "newDeviceName": "b"}), 2, 4)
    meter.costs(app.post(path + "/remove", {**u, "deviceName": "b"}), 2, 3)


# ---- external ids

def test_user_id_mapping(meter, user):
    app, path = meter.app, "/recipe/userid/map"
    meter.costs(app.post(path, {"superTokensUserId": user, "externalUserId": "ext"}), 2, 28)
    meter.costs(app.post(path, {"superTokensUserId": user, "externalUserId": "other"}), 1, 23,
                "USER_ID_MAPPING_ALREADY_EXISTS_ERROR")
    meter.costs(app.get(path, {"userId": "ext"}), 1, 4)
    meter.costs(app.put("/recipe/userid/external-user-id-info", {
        "userId": "ext", "externalUserIdInfo": "x"}), 2, 5)
    meter.costs(app.post(path + "/remove", {"userId": "ext"}), 3, 32)


# ---- the dashboard

def test_dashboard(meter):
    app, path, session = meter.app, "/recipe/dashboard/user", "/recipe/dashboard/session"
    body = {"email": "a@example.com", "password": "secret123"}
    user = meter.costs(app.post(path, body), 2, 3)["user"]["userId"]
    meter.costs(app.post(path, body), 1, 1, "EMAIL_ALREADY_EXISTS_ERROR")
    made = meter.costs(app.post("/recipe/dashboard/signin", body), 2, 4)["sessionId"]
    meter.costs(app.post(session + "/verify", {"sessionId": made}), 2, 2)
    meter.costs(app.get("/recipe/dashboard/users"), 1, 1)
    meter.costs(app.get(path + "/sessions", {"userId": user}), 1, 1)
    meter.costs(app.delete(f"{session}?sessionId={made}"), 1, 1)
    meter.costs(app.put(path, {"userId": user, "newPassword": "different1"}), 2, 4)
    meter.costs(app.delete(f"{path}?userId={user}"), 1, 4)
    meter.costs(app.get("/recipe/dashboard/tenant/core-config"), 0, 0)


def test_usage(meter):
    meter.costs(meter.app.get("/ee/featureflag"), 4, 35)


# ---- linked accounts

LINKING = "/recipe/accountlinking/user/"


def test_linking(meter, user):
    app, other = meter.app, meter.sign_up("b@example.com").ok()["user"]["id"]
    both = {"recipeUserId": other, "primaryUserId": user}
    meter.costs(app.get(LINKING + "primary/check", {"recipeUserId": user}), 2, 6)
    meter.costs(app.post(LINKING + "primary", {"recipeUserId": user}), 3, 13)
    meter.costs(app.get(LINKING + "link/check", both), 3, 11)
    meter.costs(app.post(LINKING + "link", both), 4, 27)
    meter.costs(app.post(LINKING + "link", both), 3, 13)
    meter.costs(app.post(LINKING + "unlink", {"recipeUserId": other}), 4, 20)
    meter.costs(app.post(LINKING + "unlink", {"recipeUserId": user}), 3, 12)
    meter.costs(app.post(LINKING + "unlink", {"recipeUserId": user}), 1, 5)


@pytest.fixture
def linked(meter, user):
    """Makes another user and links it to the one."""
    other = meter.sign_up("b@example.com").ok()["user"]["id"]
    meter.app.post(LINKING + "primary", {"recipeUserId": user}).ok()
    meter.app.post(LINKING + "link", {"recipeUserId": other, "primaryUserId": user}).ok()
    return other


def give_id(meter, user, external):
    return meter.app.post("/recipe/userid/map", {
        "superTokensUserId": user, "externalUserId": external})


def test_user_id_mapping_of_a_linked_user(meter, linked):
    meter.costs(give_id(meter, linked, "ext"), 4, 59)
    meter.costs(meter.app.post("/recipe/userid/map/remove", {"userId": "ext"}), 6, 63)


@pytest.mark.parametrize("ids", ["own", "external", "linked", "linked and external"])
def test_sessions_of_linked_and_mapped_users(meter, user, request, ids):
    """What creating one and its first two refreshes cost; verify knows all ids from the token."""
    name = request.getfixturevalue("linked") if "linked" in ids else user
    if "external" in ids:
        give_id(meter, name, "ext").ok()
        name = "ext"
    got = []

    def cost(reply):
        got.append((getattr(reply, meter.count), reply.statements))
        return reply.ok()
    made = cost(meter.session(name))
    for _ in range(2):
        meter.costs(meter.verify(made["accessToken"]["token"], False), 0, 0)
        meter.costs(meter.verify(made["accessToken"]["token"], True), 1, 1)
    child = cost(meter.refresh(made))
    meter.costs(meter.verify(child["accessToken"]["token"], False), 1, 2)
    cost(meter.refresh(child))
    assert got == {
        "own": [(1, 4), (1, 3), (1, 3)], "external": [(2, 5), (2, 4), (1, 3)],
        "linked": [(2, 5), (2, 4), (2, 4)], "linked and external": [(3, 6), (3, 5), (2, 4)],
    }[ids]


def test_sign_in_of_a_linked_user(meter, linked):
    assert linked
    meter.costs(meter.sign_in("b@example.com"), 2, 5)


# ---- tenants

def test_tenants(meter, user):
    app, path = meter.app, "/recipe/multitenancy/tenant"
    meter.costs(app.put(path + "/v2", {"tenantId": "t"}), 4, 8)
    meter.costs(app.tenant("t").get(path + "/v2"), 0, 0)
    meter.costs(app.tenant("t").post(path + "/user", {"recipeUserId": user}), 3, 13)
    meter.costs(app.tenant("t").post(path + "/user/remove", {"recipeUserId": user}), 3, 17)
    provider = {"config": {"thirdPartyId": "google", "name": "Google"}}
    meter.costs(app.put("/recipe/multitenancy/config/thirdparty", provider), 4, 8)
    meter.costs(app.put("/recipe/multitenancy/config/thirdparty", provider), 1, 1)
    meter.costs(app.post("/recipe/multitenancy/config/thirdparty/remove", provider["config"]), 4, 8)
    # the tenant of a request is found in memory
    meter.costs(meter.sign_up("b@example.com", app=app.tenant("t")), 1, 7)


# ---- metadata and roles

def test_metadata(meter):
    app, path = meter.app, "/recipe/user/metadata"
    for _ in range(2):
        meter.costs(app.put(path, {"userId": "u", "metadataUpdate": {"a": 1}}), 2, 3)
    meter.costs(app.get(path, {"userId": "u"}), 1, 1)
    meter.costs(app.post(path + "/bulk", {"userIds": ["u", "v"]}), 1, 1)
    meter.costs(app.post(path + "/remove", {"userId": "u"}), 1, 1)


def test_roles(meter):
    app, role = meter.app, {"role": "r"}
    meter.costs(app.put("/recipe/role", {**role, "permissions": ["a", "b"]}), 2, 5)
    meter.costs(app.put("/recipe/role", {**role, "permissions": ["a", "d"]}), 2, 3)
    meter.costs(app.put("/recipe/role", role), 1, 1)
    meter.costs(app.get("/recipe/role/permissions", role), 1, 2)
    meter.costs(app.get("/recipe/permission/roles", {"permission": "a"}), 1, 1)
    meter.costs(app.get("/recipe/roles"), 1, 1)
    meter.costs(app.post("/recipe/role/permissions/remove", {**role, "permissions": ["a", "b"]}), 1, 2)
    meter.costs(app.post("/recipe/role/permissions/remove", role), 1, 2)
    meter.costs(app.post("/recipe/role/remove", role), 3, 4)


def test_roles_of_users(meter):
    app, body = meter.app, {"userId": "u", "role": "r"}
    app.put("/recipe/role", {"role": "r"}).ok()
    meter.costs(app.get("/recipe/user/roles", {"userId": "u"}), 1, 1)
    meter.costs(app.put("/recipe/user/role", body), 1, 3)
    meter.costs(app.get("/recipe/user/roles", {"userId": "u"}), 2, 2)
    meter.costs(app.get("/recipe/role/users", {"role": "r"}), 1, 2)
    meter.costs(app.post("/recipe/user/role/remove", body), 1, 2)


# ---- and what is written of it

def test_the_page_lists_what_was_measured(storage):
    """After all others, and only if all of them ran."""
    if storage[0] != "postgresql" or len(COSTS) < 60:
        pytest.skip("the page is about PostgreSQL, and about all calls")
    rows = [f"| {call.split('#')[0].replace(' ', ' `')}`{' with rid ' + call.split('#')[1] if '#' in call else ''} | "
            + ", ".join(f"{trips} / {n}" for trips, n in sorted(costs)) + " |"
            for call, costs in sorted(COSTS.items(), key=lambda c: c[0].split(" ")[1])]
    path = os.path.join(SRC, "docs", "costs.md")
    with open(path, encoding="utf-8") as f:
        head, _, listed = f.read().partition("|---|---|\n")
    if os.environ.get("STK_WRITE_COSTS"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(head + "|---|---|\n" + "\n".join(rows) + "\n")
        return
    assert listed.splitlines() == rows
