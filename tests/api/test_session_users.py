# SPDX-License-Identifier: Apache-2.0
"""Sessions by handle and by user, of users with links and other ids, the handshake, old settings,
costs and races."""

import base64
import uuid

import pytest

from core import Core
from servers import wait_for
from sessions import at, create, number, parts, refresh, verify
from sql import run_sql
from together import at_once


# ---------------------------------------------------------------- by handle


@pytest.mark.parametrize("cdi", ["2.18", "3.0", "4.0", "5.4"])
def test_get(app, cdi):
    n, here = number(cdi), at(app, cdi)
    first = create(here, payload={"a": None}, data={"b": None}).ok()
    handle = first["session"]["handle"]
    out = here.get("/recipe/session", {"sessionHandle": handle}).ok()
    keys = {"status", "sessionHandle", "userId", "userDataInDatabase", "userDataInJWT", "expiry",
            "timeCreated"}
    keys |= {"tenantId"} if n >= 3000 else set()
    keys |= {"recipeUserId"} if n >= 4000 else set()
    assert set(out) == keys
    assert out["expiry"] == first["refreshToken"]["expiry"]
    assert out["timeCreated"] == first["refreshToken"]["createdTime"]
    assert out["userDataInJWT"] == {"a": None} and out["userDataInDatabase"] == {"b": None}
    assert here.get("/recipe/session/data", {"sessionHandle": handle}).ok() == {
        "status": "OK", "userDataInDatabase": {"b": None}}
    assert here.get("/recipe/jwt/data", {"sessionHandle": handle}).ok() == {
        "status": "OK", "userDataInJWT": {"a": None}}


def test_get_unknown(app):
    for path in ("/recipe/session", "/recipe/session/data", "/recipe/jwt/data"):
        got = app.get(path, {"sessionHandle": str(uuid.uuid4())}).is_status("UNAUTHORISED")
        assert got["message"] == "Session does not exist."
        app.get(path).is_error(400, "Field name 'sessionHandle' is missing in GET request")
        app.get(path, {"sessionHandle": "x_nowhere"}).is_error(400)


def test_put_data(app):
    handle = create(app, payload={"a": 1}, data={"b": 1}).ok()["session"]["handle"]
    app.put("/recipe/session/data", {"sessionHandle": handle, "userDataInDatabase": {"c": 2}}).ok()
    app.put("/recipe/jwt/data", {"sessionHandle": handle, "userDataInJWT": {"d": [1.5]}}).ok()
    out = app.get("/recipe/session", {"sessionHandle": handle}).ok()
    assert out["userDataInDatabase"] == {"c": 2} and out["userDataInJWT"] == {"d": [1.5]}
    app.put("/recipe/jwt/data", {"sessionHandle": handle, "userDataInJWT": {"rsub": 1}}).is_error(
        400, "The user payload contains protected field")
    at(app, "3.0").put("/recipe/jwt/data",
                       {"sessionHandle": handle, "userDataInJWT": {"rsub": 1}}).ok()
    for path, name in (("/recipe/session/data", "userDataInDatabase"),
                       ("/recipe/jwt/data", "userDataInJWT")):
        got = app.put(path, {"sessionHandle": "x", name: {}}).is_status("UNAUTHORISED")
        assert got["message"] == "Session does not exist."
        app.put(path, {"sessionHandle": handle, name: []}).is_error(
            400, f"Field name '{name}' is invalid in JSON input")


def test_expired_session(core):
    app = core.app({"refresh_token_validity": 0.05})
    first = create(app).ok()
    query = {"sessionHandle": first["session"]["handle"]}
    assert app.get("/recipe/session", query).ok()
    wait_for(lambda: app.get("/recipe/session", query).json["status"] == "UNAUTHORISED", 20,
             "the session expires")
    assert app.put("/recipe/session/data", {**query, "userDataInDatabase": {}}).json[
        "status"] == "UNAUTHORISED"
    assert refresh(app, first["refreshToken"]["token"]).is_status("UNAUTHORISED")
    assert app.get("/recipe/session/user", {"userId": "user"}).ok()["sessionHandles"] == []


# ------------------------------------------------------------------ by user


def handles(reply):
    return sorted(reply.ok()["sessionHandles"])


def test_list_and_revoke_of_user(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    mine = sorted(create(app, "u1").ok()["session"]["handle"] for _ in range(3))
    there = create(app.tenant("t1"), "u1").ok()["session"]["handle"]
    other = create(app, "u2").ok()["session"]["handle"]
    assert handles(app.get("/recipe/session/user", {"userId": "u1"})) == sorted([*mine, there])
    assert handles(app.get("/recipe/session/user", {
        "userId": "u1", "fetchAcrossAllTenants": "false"})) == mine
    assert handles(app.tenant("t1").get("/recipe/session/user", {
        "userId": "u1", "fetchAcrossAllTenants": "false"})) == [there]
    app.tenant("t1").get("/recipe/session/user", {"userId": "u1"}).is_error(
        403, "Only public tenantId can call this app specific API")
    app.tenant("t1").post("/recipe/session/remove", {"userId": "u1"}).is_error(403)
    out = app.tenant("t1").post("/recipe/session/remove",
                                {"userId": "u1", "revokeAcrossAllTenants": False}).ok()
    assert out["sessionHandlesRevoked"] == [there]
    out = app.post("/recipe/session/remove", {"userId": "u1"}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == mine
    assert app.post("/recipe/session/remove", {"userId": "u1"}).ok()["sessionHandlesRevoked"] == []
    assert handles(app.get("/recipe/session/user", {"userId": "u2"})) == [other]


def test_revoke_handles(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    a, b = (create(app).ok()["session"]["handle"] for _ in range(2))
    c = create(app.tenant("t1")).ok()["session"]["handle"]
    out = app.post("/recipe/session/remove", {"sessionHandles": [a, "unknown", c]}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted([a, c])
    assert app.post("/recipe/session/remove",
                    {"sessionHandles": [b]}).ok()["sessionHandlesRevoked"] == [b]
    for gone in ([b], [], ["unknown"], [a, b, c]):
        assert app.post("/recipe/session/remove",
                        {"sessionHandles": gone}).ok()["sessionHandlesRevoked"] == []
    app.post("/recipe/session/remove", {"sessionHandles": ["x_nowhere"]}).is_error(400)


def test_revoke_many(app):
    made = [create(app, "busy").ok()["session"]["handle"] for _ in range(130)]
    assert handles(app.get("/recipe/session/user", {"userId": "busy"})) == sorted(made)
    out = app.post("/recipe/session/remove", {"sessionHandles": made[:120]}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted(made[:120])
    out = app.post("/recipe/session/remove", {"userId": "busy"}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted(made[120:])


def test_revoke_invalid_input(app):
    for body in ({}, {"userId": "u", "sessionHandles": []}):
        app.post("/recipe/session/remove", body).is_error(
            400, "Invalid JSON input - use one of userId or sessionHandles array")
    for name in ("revokeAcrossAllTenants", "revokeSessionsForLinkedAccounts"):
        app.post("/recipe/session/remove", {"sessionHandles": [], name: True}).is_error(
            400, f"Invalid JSON input - {name} can only be set if userId is set")
    app.post("/recipe/session/remove", {"sessionHandles": [1]}).is_error(
        400, "Field name 'sessionHandles' is invalid in JSON input")


# ------------------------------------------- users with links and other ids


@pytest.fixture
def sql_value(core, storage):
    return lambda text, *params: run_sql(core, storage, text, params)[0][0]


def sign_up(app):
    body = {"email": f"{uuid.uuid4()}@example.com", "password": "password12"}
    return app.post("/recipe/signup", body).ok()["user"]["id"]


def link(app, recipe_user, primary):
    app.post("/recipe/accountlinking/user/primary", {"recipeUserId": primary}).ok()
    app.post("/recipe/accountlinking/user/link",
             {"recipeUserId": recipe_user, "primaryUserId": primary}).ok()


def give_id(app, user, external):
    app.post("/recipe/userid/map", {
        "superTokensUserId": user, "externalUserId": external, "force": True}).ok()


def both_ids(reply):
    session = reply.ok()["session"]
    claims = parts(reply.json["accessToken"]["token"])[1]
    assert (claims["sub"], claims["rsub"]) == (session["userId"], session["recipeUserId"])
    return session["userId"], session["recipeUserId"]


def follow(app, reply, ids, trips=2):
    """The ids stay what they are over refresh, theft and a look at the session; trips:
    what the first refresh may cost."""
    assert both_ids(reply) == ids
    first = reply.json
    query = {"sessionHandle": first["session"]["handle"]}
    info = app.get("/recipe/session", query).ok()
    assert (info["userId"], info["recipeUserId"]) == ids
    child = refresh(app, first["refreshToken"]["token"])
    assert both_ids(child) == ids and child.batches <= trips
    grown = refresh(app, child.json["refreshToken"]["token"])
    assert both_ids(grown) == ids and grown.batches <= 2
    theft = refresh(app, first["refreshToken"]["token"]).is_status("TOKEN_THEFT_DETECTED")
    assert (theft["session"]["userId"], theft["session"]["recipeUserId"]) == ids
    rotated = refresh(at(app, "5.6"), grown.json["refreshToken"]["token"])
    assert both_ids(rotated) == ids and rotated.batches <= 2


def test_linked_user(app):
    primary, other = sign_up(app), sign_up(app)
    own = create(app, primary).ok()["session"]["handle"]
    link(app, other, primary)
    reply = create(app, other)
    assert reply.batches == 2
    follow(app, reply, (primary, other))
    both = sorted([own, reply.json["session"]["handle"]])
    for user in (primary, other):
        assert handles(app.get("/recipe/session/user", {"userId": user})) == both
    assert handles(app.get("/recipe/session/user", {
        "userId": primary, "fetchSessionsForAllLinkedAccounts": "false"})) == [own]
    out = app.post("/recipe/session/remove", {
        "userId": primary, "revokeSessionsForLinkedAccounts": False}).ok()
    assert out["sessionHandlesRevoked"] == [own]
    out = app.post("/recipe/session/remove", {"userId": primary}).ok()
    assert out["sessionHandlesRevoked"] == [reply.json["session"]["handle"]]


def test_user_with_external_id(app):
    user, external = sign_up(app), "ext " + str(uuid.uuid4()) + " of more than 36 characters"
    give_id(app, user, external)
    made = []
    for name in (external, user):
        reply = create(app, name)
        follow(app, reply, (external, external))
        made.append(reply.json["session"]["handle"])
    for name in (external, user):
        assert handles(app.get("/recipe/session/user", {"userId": name})) == sorted(made)
    out = app.post("/recipe/session/remove", {"userId": user}).ok()
    assert sorted(out["sessionHandlesRevoked"]) == sorted(made)


def test_linked_user_with_external_ids(app):
    primary, other = sign_up(app), sign_up(app)
    link(app, other, primary)
    give_id(app, primary, "the primary")
    follow(app, create(app, other), ("the primary", other))
    give_id(app, other, "the other")
    # The first refresh has to learn the own id; later tokens carry it along.
    follow(app, create(app, "the other"), ("the primary", "the other"), 3)
    follow(app, create(app, other), ("the primary", "the other"))
    follow(app, create(app, "the primary"), ("the primary", "the primary"))
    assert len(handles(app.get("/recipe/session/user", {"userId": "the primary"}))) == 4


def test_id_given_to_a_user_with_sessions(app):
    """The session keeps the id it was made with, its user is known by the new one."""
    user = sign_up(app)
    reply = create(app, user)
    give_id(app, user, "new id")
    assert both_ids(refresh(app, reply.json["refreshToken"]["token"])) == ("new id", user)


# ---------------------------------------------------------------- handshake


@pytest.mark.parametrize("cdi", ["2.7", "2.9", "2.18"])
def test_handshake(app, cdi):
    out = at(app, cdi).post("/recipe/handshake", {}).ok()
    keys = {"status", "jwtSigningPublicKey", "jwtSigningPublicKeyExpiryTime",
            "accessTokenBlacklistingEnabled", "accessTokenValidity", "refreshTokenValidity"}
    keys |= {"jwtSigningPublicKeyList"} if number(cdi) >= 2009 else set()
    assert set(out) == keys
    assert out["accessTokenValidity"] == 3600000
    assert out["refreshTokenValidity"] == 144000 * 60000
    base64.b64decode(out["jwtSigningPublicKey"], validate=True)
    if number(cdi) >= 2009:
        assert set(out["jwtSigningPublicKeyList"][0]) == {"publicKey", "expiryTime", "createdAt"}


@pytest.mark.parametrize("cdi", ["2.21", "3.0", "5.4"])
def test_handshake_is_gone(app, cdi):
    at(app, cdi).post("/recipe/handshake", {}).is_error(404, "Not found")


# ------------------------------------------------------------- old settings


def test_settings_of_old_cdi(core):
    app = at(core.app({"access_token_blacklisting": True,
                       "access_token_signing_key_dynamic": False}), "2.18")
    first = create(app).ok()
    token, handle = first["accessToken"]["token"], first["session"]["handle"]
    assert len(first["jwtSigningPublicKeyList"]) == 1
    assert verify(app, token).ok()
    app.post("/recipe/session/remove", {"sessionHandles": [handle]}).ok()
    assert verify(app, token).is_status("UNAUTHORISED")
    assert verify(at(app, "5.4"), token).ok()


# -------------------------------------------------------------------- costs


def test_batches(app):
    create(app).ok()
    out = create(app)
    assert out.ok() and out.batches == 1
    token = out.json["accessToken"]["token"]
    assert verify(app, token).batches == 0
    seen = verify(app, token, database=True)
    assert seen.ok() and seen.batches == 1
    child = refresh(app, out.json["refreshToken"]["token"])
    assert child.ok() and child.batches == 1
    grown = refresh(app, child.json["refreshToken"]["token"])
    assert grown.ok() and grown.batches == 2
    promoted = verify(app, grown.json["accessToken"]["token"])
    assert promoted.ok()["accessToken"] and promoted.batches == 1
    rotated = refresh(at(app, "5.6"), grown.json["refreshToken"]["token"])
    assert rotated.ok() and rotated.batches == 2
    data = app.put("/recipe/session/data", {"sessionHandle": out.json["session"]["handle"],
                                            "userDataInDatabase": {"a": 1}})
    assert data.ok() and data.batches == 1


# -------------------------------------------------------------------- races


@pytest.mark.concurrent
@pytest.mark.parametrize("cdi", ["5.4", "5.6"])
def test_refreshes_at_once(app, cdi):
    here = at(app, cdi)
    for _ in range(5):
        first = create(here).ok()
        token = refresh(here, first["refreshToken"]["token"]).ok()["refreshToken"]["token"]
        replies = at_once(8, lambda i, t=token: refresh(here, t).ok())
        assert len({r["refreshToken"]["token"] for r in replies}) == 8
        if cdi == "5.6":
            # One is current; the others were displaced within the grace period.
            good = [r for r in replies
                    if verify(here, r["accessToken"]["token"], database=True).json["status"] == "OK"]
            assert len(good) == 1
        else:
            assert refresh(here, replies[0]["refreshToken"]["token"]).ok()
            assert refresh(here, replies[1]["refreshToken"]["token"]).is_status(
                "TOKEN_THEFT_DETECTED")


@pytest.mark.concurrent
def test_two_cores_refresh_at_once(storage):
    if storage[0] == "sqlite":
        pytest.skip("one core a SQLite file")
    with Core(uri=storage[1]) as one, Core(uri=storage[1]) as two:
        here = at(one.app(), "5.6")
        there = two.at(here.prefix, "5.6")
        wait_for(lambda: create(there).status == 200, 20, "the other core sees the app")
        for _ in range(10):
            first = create(here).ok()
            token = first["refreshToken"]["token"]
            replies = at_once(4, lambda i, t=token: refresh((here, there)[i % 2], t).ok())
            good = [r for r in replies
                    if verify(there, r["accessToken"]["token"], database=True).json[
                        "status"] == "OK"]
            assert len(good) == 1


@pytest.mark.concurrent
def test_revoked_while_refreshed(app):
    for _ in range(10):
        first = create(app).ok()
        child = refresh(app, first["refreshToken"]["token"]).ok()
        handle = first["session"]["handle"]
        replies = at_once(2, lambda i, h=handle, c=child: app.post(
            "/recipe/session/remove", {"sessionHandles": [h]}) if i else
            refresh(app, c["refreshToken"]["token"]))
        assert replies[1].ok()["sessionHandlesRevoked"] == [handle]
        assert replies[0].json["status"] in ("OK", "UNAUTHORISED")
        assert refresh(app, child["refreshToken"]["token"]).is_status("UNAUTHORISED")


@pytest.mark.concurrent
def test_no_session_outlives_its_tenant(app, sql_value):
    """Sessions made while their tenant is deleted are swept, or refused."""
    for i in range(3):
        tenant = f"t{i}"
        app.put("/recipe/multitenancy/tenant/v2", {"tenantId": tenant}).ok()
        replies = at_once(6, lambda n, t=tenant: app.post(
            "/recipe/multitenancy/tenant/remove", {"tenantId": t}) if n == 0 else
            [create(app.tenant(t)) for _ in range(15)])
        assert replies[0].ok()["didExist"]
        for reply in (r for some in replies[1:] for r in some):
            assert reply.status in (200, 400), reply.text
        create(app.tenant(tenant)).is_error(400)
        wait_for(lambda t=tenant: sql_value(
            "select count(*) from st_sessions where app_id = ? and tenant_id = ?",
            app.prefix[7:], t) == 0, 120, "the tenant's sessions are gone")
