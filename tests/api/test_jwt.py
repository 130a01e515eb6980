# SPDX-License-Identifier: Apache-2.0
"""JWTs, the keys that verify them, and their rotation."""

import re
import time

import jwt
import pytest

from core import Core
from servers import wait_for


def make(app, **more):
    return app.post("/recipe/jwt", {"payload": {"sub": "x"}, "algorithm": "RS256", "validity": 100,
                                    "jwksDomain": "https://api.example.com", **more})


def jwks(app):
    return app.at(cdi="none").get("/.well-known/jwks.json")


def session(app, dynamic=True):
    return app.post("/recipe/session", {
        "userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
        "useDynamicSigningKey": dynamic}).ok()["accessToken"]["token"]


def check(app, token):
    """The claims, verified by another implementation with the published keys."""
    kid = jwt.get_unverified_header(token)["kid"]
    keys = {k["kid"]: k for k in jwks(app).json["keys"]}
    return jwt.decode(token, jwt.PyJWK(keys[kid]).key, algorithms=["RS256"],
                      options={"verify_aud": False})


def test_jwt(app):
    before = int(time.time())
    token = make(app, payload={"sub": "x", "n": {"a": None}}).ok()["jwt"]
    head = jwt.get_unverified_header(token)
    assert head["typ"] == "JWT" and head["alg"] == "RS256" and head["kid"].startswith("s-")
    assert set(head) == {"typ", "alg", "kid"}
    claims = check(app, token)
    assert claims["iss"] == "https://api.example.com" and claims["n"] == {"a": None}
    assert before <= claims["iat"] <= time.time() and claims["exp"] - claims["iat"] == 100
    token = make(app, useStaticSigningKey=False).ok()["jwt"]
    assert jwt.get_unverified_header(token)["kid"].startswith("d-")
    assert check(app, token)["sub"] == "x"
    assert check(app, make(app, payload={"iss": "me"}).ok()["jwt"])["iss"] == "me"
    assert make(app, algorithm="rs256").ok()


def test_jwt_errors(app):
    assert make(app, algorithm="HS256").is_status("UNSUPPORTED_ALGORITHM_ERROR") == {
        "status": "UNSUPPORTED_ALGORITHM_ERROR"}
    for bad in (0, -1):
        make(app, validity=bad).is_error(400, "validity must be greater than or equal to 0")
    for name, bad in (("payload", "x"), ("payload", None), ("algorithm", 1), ("validity", "x"),
                      ("jwksDomain", None)):
        make(app, **{name: bad}).is_error(400, f"Field name '{name}' is invalid in JSON input")
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    make(app.tenant("t1")).is_error(403, "Only public tenantId can call this app specific API")


def test_jwks(app):
    token, fixed = session(app), session(app, False)
    reply = jwks(app)
    assert reply.status == 200
    assert re.fullmatch(r"max-age=\d+, must-revalidate", reply.headers["cache-control"])
    age = int(re.search(r"\d+", reply.headers["cache-control"])[0])
    assert 168 * 3600 - 120 < age <= 168 * 3600 - 60
    assert set(reply.json) == {"keys"}
    kids = [k["kid"] for k in reply.json["keys"]]
    assert kids == [jwt.get_unverified_header(token)["kid"], jwt.get_unverified_header(fixed)["kid"]]
    for key in reply.json["keys"]:
        assert set(key) == {"kty", "kid", "n", "e", "alg", "use"}
        assert (key["kty"], key["alg"], key["use"], key["e"]) == ("RSA", "RS256", "sig", "AQAB")
        assert "=" not in key["n"] and len(key["n"]) == 342
    for t in (token, fixed):
        assert check(app, t)["sub"] == "u"
    old = app.get("/recipe/jwt/jwks").ok()
    assert old["keys"] == reply.json["keys"]


def test_jwks_of_an_unused_app(app):
    """A verifier may come before the first token: it sees both keys already."""
    kids = [k["kid"][:2] for k in jwks(app).json["keys"]]
    assert kids == ["d-", "s-"]
    keys = {k["kid"] for k in jwks(app).json["keys"]}
    assert {jwt.get_unverified_header(session(app, d))["kid"] for d in (True, False)} == keys


def test_jwks_needs_no_api_key(storage):
    with Core(uri=storage[1], api_keys="asdfasdfasdf123412341234") as core:
        assert core.at(cdi="none").get("/.well-known/jwks.json").status == 200
        core.get("/recipe/jwt/jwks").is_error(401)


def test_keys_of_apps_differ(core):
    kids = [k["n"] for _ in range(3) for k in jwks(core.app()).json["keys"]]
    assert len(set(kids)) == 6


def test_rotation(core):
    """An interval of 3.6 s, so an overlap of 0.72 s (a fifth, as in test mode)."""
    app = core.app({"access_token_dynamic_signing_key_update_interval": 0.001})
    first = session(app)
    kid = jwt.get_unverified_header(first)["kid"]
    seen = {}

    def rotated():
        listed = [k["kid"] for k in jwks(app).json["keys"]]
        signs = jwt.get_unverified_header(session(app))["kid"]
        for k in listed:
            seen.setdefault(k, time.time())
        if signs != kid:
            seen["signs"] = (signs, time.time())
        return signs != kid
    wait_for(rotated, 30, "the next key signs", interval=0.02)
    signs, when = seen["signs"]
    # Listed well before it signs, so that verifiers know it.
    assert when - seen[signs] > 0.3
    assert int(signs[2:]) - int(kid[2:]) > 2000
    listed = [k["kid"] for k in jwks(app).json["keys"]]
    assert kid in listed
    assert check(app, first)["sub"] == "u"
    age = int(re.search(r"\d+", jwks(app).headers["cache-control"])[0])
    assert 1 <= age <= 3


def test_rotation_by_many_cores(storage):
    if storage[0] == "sqlite":
        pytest.skip("one core a SQLite file")
    with Core(uri=storage[1]) as one, Core(uri=storage[1]) as two:
        app = one.app({"access_token_dynamic_signing_key_update_interval": 0.001})
        other = two.at(app.prefix)
        end = time.time() + 12
        while time.time() < end:
            for a, b in ((app, other), (other, app)):
                token = session(a)
                got = b.post("/recipe/session/verify", {
                    "accessToken": token, "doAntiCsrfCheck": False, "enableAntiCsrf": False,
                    "checkDatabase": False}).json
                assert got["status"] == "OK", got
        mine = [k["kid"] for k in jwks(app).json["keys"]]
        assert mine == [k["kid"] for k in jwks(other).json["keys"]]
        times = sorted(int(k[2:]) for k in mine if k.startswith("d-"))
        assert len(times) >= 4
        assert all(b - a > 2000 for a, b in zip(times, times[1:]))


def test_new_app_and_session_take_no_time(core):
    """Keys are made ahead: making one takes 100 ms and more."""
    core.app()
    costs = []
    for _ in range(30):
        start = time.time()
        session(core.app())
        costs.append(time.time() - start)
    assert sorted(costs)[0] < 0.08
