# SPDX-License-Identifier: Apache-2.0
"""The official Python SDK's passwordless recipe: magic links and one-time codes by mail and
by message, by its functions and through its Flask middleware."""

import os
from urllib.parse import parse_qs, urlsplit

os.environ["SUPERTOKENS_ENV"] = "testing"  # lets a recipe be reset and made anew

import pytest
from flask import Flask, g, jsonify
from supertokens_python import InputAppInfo, Supertokens, SupertokensConfig, init
from supertokens_python.framework.flask import Middleware
from supertokens_python.ingredients.emaildelivery.types import EmailDeliveryConfig
from supertokens_python.ingredients.smsdelivery.types import SMSDeliveryConfig
from supertokens_python.querier import Querier
from supertokens_python.recipe import passwordless, session
from supertokens_python.recipe.accountlinking.recipe import AccountLinkingRecipe
from supertokens_python.recipe.jwt.recipe import JWTRecipe
from supertokens_python.recipe.multitenancy.recipe import MultitenancyRecipe
from supertokens_python.recipe.oauth2provider.recipe import OAuth2ProviderRecipe
from supertokens_python.recipe.openid.recipe import OpenIdRecipe
from supertokens_python.recipe.passwordless import ContactEmailOrPhoneConfig
from supertokens_python.recipe.passwordless import syncio as pl
from supertokens_python.recipe.passwordless.interfaces import (
    CheckCodeOkResult, ConsumeCodeIncorrectUserInputCodeError, ConsumeCodeOkResult,
    ConsumeCodeRestartFlowError, CreateNewCodeForDeviceOkResult,
    CreateNewCodeForDeviceUserInputCodeAlreadyUsedError, UpdateUserOkResult,
    UpdateUserPhoneNumberAlreadyExistsError, UpdateUserUnknownUserIdError)
from supertokens_python.recipe.passwordless.recipe import PasswordlessRecipe
from supertokens_python.recipe.session.framework.flask import verify_session
from supertokens_python.recipe.session.recipe import SessionRecipe
from supertokens_python.recipe.usermetadata.recipe import UserMetadataRecipe
from supertokens_python.syncio import get_user
from supertokens_python.types import RecipeUserId

EMAIL, PHONE = "a@example.com", "+16502530000"
CLASSES = [Supertokens, Querier, SessionRecipe, PasswordlessRecipe, MultitenancyRecipe,
           AccountLinkingRecipe, OpenIdRecipe, JWTRecipe, OAuth2ProviderRecipe, UserMetadataRecipe]


class Outbox:
    """Takes mails and messages instead of sending them."""

    def __init__(self):
        self.sent = []

    async def send_email(self, template_vars, user_context):
        self.sent.append(template_vars)

    async def send_sms(self, template_vars, user_context):
        self.sent.append(template_vars)

    def take(self):
        """What was sent last."""
        return self.sent.pop()


@pytest.fixture
def outbox(app):
    """The SDK, pointed at a new app."""
    box = Outbox()
    for c in CLASSES:
        c.reset()
    init(supertokens_config=SupertokensConfig(
             connection_uri=f"http://localhost:{app.port}{app.prefix}"),
         app_info=InputAppInfo(app_name="demo", api_domain="http://localhost:3001",
                               website_domain="http://localhost:3000"),
         framework="flask",
         recipe_list=[passwordless.init(contact_config=ContactEmailOrPhoneConfig(),
                                        flow_type="USER_INPUT_CODE_AND_MAGIC_LINK",
                                        email_delivery=EmailDeliveryConfig(service=box),
                                        sms_delivery=SMSDeliveryConfig(service=box)),
                      session.init(get_token_transfer_method=lambda *_: "header",
                                   anti_csrf="NONE")])
    yield box
    for c in CLASSES:
        c.reset()


def test_codes(outbox):
    code = pl.create_code("public", email=EMAIL)
    more = pl.create_new_code_for_device("public", code.device_id)
    assert isinstance(more, CreateNewCodeForDeviceOkResult)
    assert isinstance(pl.create_new_code_for_device("public", code.device_id, code.user_input_code),
                      CreateNewCodeForDeviceUserInputCodeAlreadyUsedError)
    wrong = pl.consume_code("public", code.pre_auth_session_id, "wrong", code.device_id)
    assert isinstance(wrong, ConsumeCodeIncorrectUserInputCodeError)
    assert (wrong.failed_code_input_attempt_count, wrong.maximum_code_input_attempts) == (1, 5)
    checked = pl.check_code("public", code.pre_auth_session_id, code.user_input_code, code.device_id)
    assert isinstance(checked, CheckCodeOkResult) and checked.consumed_device.email == EMAIL
    pl.revoke_code("public", more.code_id)
    # this SDK does not read the codes of the devices that it lists
    for device in (pl.list_codes_by_email("public", EMAIL)[0],
                   pl.list_codes_by_device_id("public", code.device_id),
                   pl.list_codes_by_pre_auth_session_id("public", code.pre_auth_session_id)):
        assert device.pre_auth_session_id == code.pre_auth_session_id
        assert (device.email, device.failed_code_input_attempt_count) == (EMAIL, 1)
    made = pl.consume_code("public", code.pre_auth_session_id, link_code=code.link_code)
    assert isinstance(made, ConsumeCodeOkResult) and made.created_new_recipe_user
    assert made.user.login_methods[0].verified
    assert isinstance(pl.consume_code("public", code.pre_auth_session_id, link_code=code.link_code),
                      ConsumeCodeRestartFlowError)
    pl.create_code("public", phone_number=PHONE)
    pl.revoke_all_codes("public", phone_number=PHONE)
    assert pl.list_codes_by_phone_number("public", PHONE) == []
    assert outbox.sent == []


def test_users(outbox):
    made = pl.signinup("public", EMAIL, None)
    other = pl.signinup("public", None, PHONE)
    assert made.created_new_recipe_user and other.user.phone_numbers == [PHONE]
    again = pl.signinup("public", EMAIL, None)
    assert not again.created_new_recipe_user and again.user.id == made.user.id
    mine = made.recipe_user_id
    assert isinstance(pl.update_user(mine, phone_number=PHONE),
                      UpdateUserPhoneNumberAlreadyExistsError)
    assert isinstance(pl.update_user(mine, "b@example.com", "+16502530001"), UpdateUserOkResult)
    assert isinstance(pl.delete_email_for_user(mine), UpdateUserOkResult)
    user = get_user(made.user.id)
    assert (user.emails, user.phone_numbers) == ([], ["+16502530001"])
    with pytest.raises(Exception, match="You cannot clear both email and phone number"):
        pl.delete_phone_number_for_user(mine)
    assert isinstance(pl.update_user(RecipeUserId("nobody"), email=EMAIL),
                      UpdateUserUnknownUserIdError)
    assert outbox.sent == []


@pytest.mark.parametrize("contact", [{"email": EMAIL}, {"phoneNumber": PHONE}])
def test_front_end_flow(outbox, contact):
    flask = Flask(__name__)
    Middleware(flask)

    @flask.get("/me")
    @verify_session()
    def me():
        return jsonify({"id": g.supertokens.get_user_id()})

    web = flask.test_client()

    def consume(session_id, **proof):
        return web.post("/auth/signinup/code/consume", json={"preAuthSessionId": session_id, **proof})
    asked = web.post("/auth/signinup/code", json=contact).get_json()
    assert asked["status"] == "OK"
    device, attempt = asked["deviceId"], asked["preAuthSessionId"]
    assert web.post("/auth/signinup/code/resend", json={
        "deviceId": device, "preAuthSessionId": attempt}).get_json()["status"] == "OK"
    assert len(outbox.sent) == 2
    wrong = consume(attempt, deviceId=device, userInputCode="wrong").get_json()
    assert wrong["status"] == "INCORRECT_USER_INPUT_CODE_ERROR"
    up = consume(attempt, deviceId=device, userInputCode=outbox.take().user_input_code)
    assert up.get_json()["status"] == "OK" and up.get_json()["createdNewRecipeUser"]
    access = {"Authorization": "Bearer " + up.headers["st-access-token"]}
    assert web.get("/me", headers=access).get_json()["id"] == up.get_json()["user"]["id"]

    web.post("/auth/signinup/code", json=contact)
    link = urlsplit(outbox.take().url_with_link_code)
    attempt, = parse_qs(link.query)["preAuthSessionId"]
    again = consume(attempt, linkCode=link.fragment).get_json()
    assert again["status"] == "OK" and not again["createdNewRecipeUser"]
    assert again["user"]["id"] == up.get_json()["user"]["id"]
    assert consume(attempt, linkCode=link.fragment).get_json()["status"] == "RESTART_FLOW_ERROR"
