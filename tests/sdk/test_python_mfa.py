# SPDX-License-Identifier: Apache-2.0
"""The TOTP, multi-factor and dashboard recipes of the official Python SDK against the core."""

import os

os.environ["SUPERTOKENS_ENV"] = "testing"  # lets a recipe be reset and made anew

import time

import pyotp
import pytest
from flask import Flask, g, jsonify
from supertokens_python import InputAppInfo, Supertokens, SupertokensConfig, init
from supertokens_python.framework.flask import Middleware
from supertokens_python.querier import Querier
from supertokens_python.recipe import (
    dashboard, emailpassword, multifactorauth, session, totp, usermetadata)
from supertokens_python.recipe.accountlinking.recipe import AccountLinkingRecipe
from supertokens_python.recipe.dashboard.recipe import DashboardRecipe
from supertokens_python.recipe.emailpassword import syncio as ep
from supertokens_python.recipe.emailpassword.recipe import EmailPasswordRecipe
from supertokens_python.recipe.jwt.recipe import JWTRecipe
from supertokens_python.recipe.multifactorauth.recipe import MultiFactorAuthRecipe
from supertokens_python.recipe.multifactorauth.types import OverrideConfig
from supertokens_python.recipe.multitenancy.recipe import MultitenancyRecipe
from supertokens_python.recipe.oauth2provider.recipe import OAuth2ProviderRecipe
from supertokens_python.recipe.openid.recipe import OpenIdRecipe
from supertokens_python.recipe.session.framework.flask import verify_session
from supertokens_python.recipe.session.recipe import SessionRecipe
from supertokens_python.recipe.totp import syncio as otp
from supertokens_python.recipe.totp.recipe import TOTPRecipe
from supertokens_python.recipe.totp.types import TOTPConfig
from supertokens_python.recipe.usermetadata.recipe import UserMetadataRecipe
from supertokens_python.syncio import delete_user

PASSWORD = "secret123"
KEY = "the-key-of-the-dashboard"
DAY = 86400
CLASSES = [Supertokens, Querier, SessionRecipe, EmailPasswordRecipe, MultitenancyRecipe,
           AccountLinkingRecipe, OpenIdRecipe, JWTRecipe, OAuth2ProviderRecipe, UserMetadataRecipe,
           TOTPRecipe, MultiFactorAuthRecipe, DashboardRecipe]


def totp_is_required(original):
    """Requirements are the application's, so that no other recipe has to know them."""
    async def requirements(*_, **__):
        return ["totp"]

    async def none(*_, **__):
        return []
    original.get_mfa_requirements_for_auth = requirements
    original.get_required_secondary_factors_for_user = none
    return original


@pytest.fixture
def start(core):
    """A function that points the SDK at a new app of the core; gives a client of the app."""
    def reset():
        for c in CLASSES:
            c.reset()

    def at(*recipes, core_config=None):
        app = core.app(core_config)
        reset()
        init(supertokens_config=SupertokensConfig(
                 connection_uri=f"http://localhost:{app.port}{app.prefix}"),
             app_info=InputAppInfo(app_name="demo", api_domain="http://localhost:3001",
                                   website_domain="http://localhost:3000"),
             framework="flask", telemetry=False,
             recipe_list=[emailpassword.init(),
                          session.init(get_token_transfer_method=lambda *_: "header",
                                       anti_csrf="NONE"),
                          usermetadata.init(),
                          *recipes])
        return app
    yield at
    reset()


def web():
    flask = Flask(__name__)
    Middleware(flask)

    @flask.get("/secret")
    @verify_session()
    def secret():
        return jsonify({"id": g.supertokens.get_user_id()})
    return flask.test_client()


def sign_up(email="a@example.com"):
    return ep.sign_up("public", email, PASSWORD).user


def code(secret, shift=0):
    return pyotp.HOTP(secret).at(int(time.time()) // DAY + shift)


def factors():
    return (totp.init(TOTPConfig(default_period=DAY, default_skew=1)),
            multifactorauth.init(["emailpassword"], OverrideConfig(functions=totp_is_required)))


# ---- TOTP

def test_devices(start):
    start(*factors())
    user = sign_up().id
    made = otp.create_device(user, device_name="phone")
    assert (made.status, made.device_name) == ("OK", "phone")
    assert f"secret={made.secret}" in made.qr_code_string
    assert otp.create_device(user).device_name == "TOTP Device 0"
    wrong = otp.verify_device("public", user, "phone", "no")
    assert (wrong.status, wrong.current_number_of_failed_attempts,
            wrong.max_number_of_failed_attempts) == ("INVALID_TOTP_ERROR", 1, 5)
    assert otp.verify_device("public", user, "phone", code(made.secret)).was_already_verified is False
    assert otp.verify_device("public", user, "phone", "any").was_already_verified is True
    assert otp.verify_device("public", user, "x", "1").status == "UNKNOWN_DEVICE_ERROR"
    assert otp.update_device(user, "phone", "new").status == "OK"
    assert otp.update_device(user, "phone", "new").status == "UNKNOWN_DEVICE_ERROR"
    assert [(d.name, d.verified) for d in otp.list_devices(user).devices] == [
        ("new", True), ("TOTP Device 0", False)]
    assert otp.remove_device(user, "new").did_device_exist is True
    assert otp.remove_device(user, "new").did_device_exist is False
    delete_user(user)
    assert otp.list_devices(user).devices == []


def test_codes_and_their_limit(start):
    start(*factors(), core_config={"totp_max_attempts": 2})
    user = sign_up().id
    secret = otp.create_device(user, device_name="d").secret
    assert otp.verify_totp("public", "nobody", "1").status == "UNKNOWN_USER_ID_ERROR"
    assert otp.verify_device("public", user, "d", code(secret)).status == "OK"
    assert otp.verify_totp("public", user, code(secret)).status == "INVALID_TOTP_ERROR"
    assert otp.verify_totp("public", user, code(secret, 1)).status == "OK"
    for _ in range(2):
        assert otp.verify_totp("public", user, "no").status == "INVALID_TOTP_ERROR"
    limit = otp.verify_totp("public", user, code(secret, -1))
    assert limit.status == "LIMIT_REACHED_ERROR" and 0 < limit.retry_after_ms <= 900000


def test_a_second_factor_is_set_up_and_then_asked_for(start):
    start(*factors())
    client = web()
    form = {"formFields": [{"id": "email", "value": "a@example.com"},
                           {"id": "password", "value": PASSWORD}]}

    def send(method, path, token=None, body=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        reply = client.open(path, method=method, json=body, headers=headers)
        return reply, reply.headers.get("st-access-token") or token
    _, token = send("POST", "/auth/signup", body=form)
    assert send("GET", "/secret", token)[0].status_code == 403
    info, token = send("PUT", "/auth/mfa/info", token)
    assert info.get_json()["factors"]["next"] == ["totp"]
    made = send("POST", "/auth/totp/device", token, {"deviceName": "d"})[0].get_json()
    done, token = send("POST", "/auth/totp/device/verify", token,
                       {"deviceName": "d", "totp": code(made["secret"])})
    assert done.get_json()["status"] == "OK"
    assert send("GET", "/secret", token)[0].status_code == 200
    _, token = send("POST", "/auth/signin", body=form)
    assert send("GET", "/secret", token)[0].status_code == 403
    used = send("POST", "/auth/totp/verify", token, {"totp": code(made["secret"])})[0].get_json()
    assert used["status"] == "INVALID_TOTP_ERROR"
    right, token = send("POST", "/auth/totp/verify", token, {"totp": code(made["secret"], 1)})
    assert right.get_json() == {"status": "OK"}
    assert send("GET", "/secret", token)[0].status_code == 200


# ---- the dashboard

class Page:
    """Calls of the dashboard, as its page makes them."""

    def __init__(self, token, tenant="public"):
        self.client, self.token, self.tenant = web(), token, tenant

    def send(self, method, path, body=None):
        return self.client.open(f"/auth/{self.tenant}/dashboard/api/{path}", method=method, json=body,
                                headers={"Authorization": f"Bearer {self.token}"})

    def get(self, path):
        reply = self.send("GET", path)
        assert reply.status_code == 200, reply.text
        return reply.get_json()


def test_users_in_the_dashboard(start):
    start(dashboard.init(KEY))
    page = Page(KEY)
    ids = [sign_up(f"user{i}@mail{i % 2}.example.com").id for i in range(5)][::-1]
    first = page.get("users?limit=3")
    assert [u["id"] for u in first["users"]] == ids[:3]
    rest = page.get("users?limit=3&paginationToken=" + first["nextPaginationToken"])
    assert [u["id"] for u in rest["users"]] == ids[3:]
    assert [u["id"] for u in page.get("users?limit=9&timeJoinedOrder=ASC")["users"]] == ids[::-1]
    assert page.get("users/count")["count"] == 5
    assert page.get("search/tags")["tags"] == ["email", "phone", "provider"]

    def found(query):
        return {u["id"] for u in page.get("users?limit=10&" + query)["users"]}
    assert found("email=user3") == {ids[1]}
    assert found("email=mail1") == {ids[1], ids[3]}
    assert found("provider=google") == set()
    user = page.get(f"user?recipeId=emailpassword&userId={ids[0]}")["user"]
    assert user["emails"] == ["user4@mail0.example.com"]
    assert page.get(f"user/sessions?userId={ids[0]}")["sessions"] == []
    assert page.send("DELETE", f"user?userId={ids[0]}").get_json()["status"] == "OK"
    assert page.get("users/count")["count"] == 4


def test_tenants_in_the_dashboard(start):
    start(dashboard.init(KEY))
    page, t1 = Page(KEY), Page(KEY, "t1")
    assert page.send("POST", "tenant", {"tenantId": "t1"}).get_json()["status"] == "OK"
    assert sorted(t["tenantId"] for t in page.get("tenants")["tenants"]) == ["public", "t1"]
    ep.sign_up("t1", "a@example.com", PASSWORD)

    def attempts():
        tenant = t1.get("tenant")["tenant"]
        assert tenant["userCount"] == 1
        return next(f for f in tenant["coreConfig"] if f["key"] == "totp_max_attempts")["value"]
    assert attempts() == 5
    change = {"name": "totp_max_attempts", "value": 7}
    assert t1.send("PUT", "tenant/core-config", change).get_json()["status"] == "OK"
    assert attempts() == 7
    assert t1.send("DELETE", "tenant").get_json()["status"] == "OK"


def test_signing_in_to_the_dashboard(start):
    app = start(dashboard.init())
    user = {"email": "admin@example.com", "password": PASSWORD}
    app.post("/recipe/dashboard/user", user).ok()
    nobody = Page("nonsense")
    assert nobody.send("GET", "users?limit=5").status_code == 401
    wrong = nobody.send("POST", "signin", {**user, "password": "wrong1234"}).get_json()
    assert wrong == {"status": "INVALID_CREDENTIALS_ERROR"}
    page = Page(nobody.send("POST", "signin", user).get_json()["sessionId"])
    assert page.get("users?limit=5")["users"] == []
    assert page.send("POST", "signout").get_json()["status"] == "OK"
    assert page.send("GET", "users?limit=5").status_code == 401
