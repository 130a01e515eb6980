# SPDX-License-Identifier: Apache-2.0
"""The official Python SDK against the core: email and password, sessions, users, tenants,
by its functions and through its Flask middleware."""

import os
import uuid

os.environ["SUPERTOKENS_ENV"] = "testing"  # lets a recipe be reset and made anew

import pytest
from flask import Flask, g, jsonify
from supertokens_python import InputAppInfo, Supertokens, SupertokensConfig, init
from supertokens_python.framework.flask import Middleware
from supertokens_python.interfaces import (
    CreateUserIdMappingOkResult, UnknownMappingError, UnknownSupertokensUserIDError)
from supertokens_python.querier import Querier
from supertokens_python.recipe import emailpassword, session
from supertokens_python.recipe.accountlinking import syncio as al
from supertokens_python.recipe.accountlinking.interfaces import (
    CreatePrimaryUserOkResult, CreatePrimaryUserRecipeUserIdAlreadyLinkedError,
    LinkAccountsInputUserNotPrimaryError, LinkAccountsOkResult,
    LinkAccountsRecipeUserIdAlreadyLinkedError)
from supertokens_python.recipe.accountlinking.recipe import AccountLinkingRecipe
from supertokens_python.recipe.emailpassword import syncio as ep
from supertokens_python.recipe.emailpassword.interfaces import (
    ConsumePasswordResetTokenOkResult, CreateResetPasswordOkResult, EmailAlreadyExistsError,
    PasswordResetTokenInvalidError, SignInOkResult, SignUpOkResult, UnknownUserIdError,
    UpdateEmailOrPasswordOkResult, WrongCredentialsError)
from supertokens_python.recipe.emailpassword.recipe import EmailPasswordRecipe
from supertokens_python.recipe.jwt.recipe import JWTRecipe
from supertokens_python.recipe.multitenancy import syncio as mt
from supertokens_python.recipe.multitenancy.interfaces import TenantConfigCreateOrUpdate
from supertokens_python.recipe.multitenancy.recipe import MultitenancyRecipe
from supertokens_python.recipe.oauth2provider.recipe import OAuth2ProviderRecipe
from supertokens_python.recipe.openid.recipe import OpenIdRecipe
from supertokens_python.recipe.session import syncio as sess
from supertokens_python.recipe.session.exceptions import (
    TokenTheftError, UnauthorisedError)
from supertokens_python.recipe.session.framework.flask import verify_session
from supertokens_python.recipe.session.recipe import SessionRecipe
from supertokens_python.recipe.usermetadata.recipe import UserMetadataRecipe
from supertokens_python.syncio import (
    create_user_id_mapping, delete_user, delete_user_id_mapping, get_user, get_user_id_mapping, get_user_count, get_users_newest_first, get_users_oldest_first,
    list_users_by_account_info)
from supertokens_python.types import RecipeUserId
from supertokens_python.types.base import AccountInfoInput

PASSWORD = "secret123"
CLASSES = [Supertokens, Querier, SessionRecipe, EmailPasswordRecipe, MultitenancyRecipe,
           AccountLinkingRecipe, OpenIdRecipe, JWTRecipe, OAuth2ProviderRecipe, UserMetadataRecipe]


@pytest.fixture
def sdk(app):
    """The SDK, pointed at a new app; gives a client of it too."""
    for c in CLASSES:
        c.reset()
    init(supertokens_config=SupertokensConfig(
             connection_uri=f"http://localhost:{app.port}{app.prefix}"),
         app_info=InputAppInfo(app_name="demo", api_domain="http://localhost:3001",
                               website_domain="http://localhost:3000"),
         framework="flask",
         recipe_list=[emailpassword.init(),
                      session.init(get_token_transfer_method=lambda *_: "header",
                                   anti_csrf="NONE")])
    yield app
    for c in CLASSES:
        c.reset()


def user_of(result):
    assert isinstance(result, (SignUpOkResult, SignInOkResult)), result
    return result.user


def new_user(email="a@example.com"):
    return user_of(ep.sign_up("public", email, PASSWORD))


def new_session(user_id, payload=None, data=None):
    return sess.create_new_session_without_request_response(
        "public", RecipeUserId(user_id), payload or {}, data or {}, disable_anti_csrf=True)


# ---- email and password

def test_sign_up_and_in(sdk):
    user = new_user("Some.One@Example.com")
    assert user.emails == ["some.one@example.com"]
    assert user.tenant_ids == ["public"] and not user.is_primary_user
    assert isinstance(ep.sign_up("public", "some.one@example.com", PASSWORD),
                      EmailAlreadyExistsError)
    assert user_of(ep.sign_in("public", "some.one@example.com", PASSWORD)).id == user.id
    for email, password in (("some.one@example.com", "wrong1234"), ("x@y.z", PASSWORD)):
        assert isinstance(ep.sign_in("public", email, password), WrongCredentialsError)


def test_update_email_and_password(sdk):
    user, _ = new_user("a@example.com"), new_user("b@example.com")
    rid = user.login_methods[0].recipe_user_id
    assert isinstance(ep.update_email_or_password(rid, email="b@example.com"),
                      EmailAlreadyExistsError)
    assert isinstance(ep.update_email_or_password(rid, email="c@example.com", password="newpass12"),
                      UpdateEmailOrPasswordOkResult)
    assert user_of(ep.sign_in("public", "c@example.com", "newpass12")).id == user.id
    assert isinstance(ep.update_email_or_password(RecipeUserId("nobody"), password="newpass12"),
                      UnknownUserIdError)


def test_password_reset(sdk):
    user = new_user()
    made = ep.create_reset_password_token("public", user.id, "a@example.com")
    assert isinstance(made, CreateResetPasswordOkResult)
    ok = ep.consume_password_reset_token("public", made.token)
    assert isinstance(ok, ConsumePasswordResetTokenOkResult)
    assert (ok.email, ok.user_id) == ("a@example.com", user.id)
    assert isinstance(ep.consume_password_reset_token("public", made.token),
                      PasswordResetTokenInvalidError)
    again = ep.create_reset_password_token("public", user.id, "a@example.com")
    assert isinstance(ep.reset_password_using_token("public", again.token, "brandnew1"),
                      UpdateEmailOrPasswordOkResult)
    assert user_of(ep.sign_in("public", "a@example.com", "brandnew1")).id == user.id
    assert isinstance(ep.create_reset_password_token("public", "nobody", "a@example.com"),
                      UnknownUserIdError)


# ---- account linking

def test_linking(sdk):
    a, b, c = (new_user(f"{x}@example.com") for x in "abc")
    ids = [u.login_methods[0].recipe_user_id for u in (a, b, c)]
    assert isinstance(al.link_accounts(ids[1], a.id), LinkAccountsInputUserNotPrimaryError)
    assert al.can_create_primary_user(ids[0]).was_already_a_primary_user is False
    made = al.create_primary_user(ids[0])
    assert isinstance(made, CreatePrimaryUserOkResult) and made.user.is_primary_user
    assert al.can_link_accounts(ids[1], a.id).accounts_already_linked is False
    linked = al.link_accounts(ids[1], a.id)
    assert isinstance(linked, LinkAccountsOkResult) and not linked.accounts_already_linked
    assert linked.user.emails == ["a@example.com", "b@example.com"]
    back = ep.sign_in("public", "b@example.com", PASSWORD)
    assert (back.user.id, back.recipe_user_id.get_as_string()) == (a.id, b.id)
    s = new_session(b.id)
    assert (s.get_user_id(), s.get_recipe_user_id().get_as_string()) == (a.id, b.id)
    al.create_primary_user(ids[2])
    refused = al.link_accounts(ids[1], c.id)
    assert isinstance(refused, LinkAccountsRecipeUserIdAlreadyLinkedError)
    assert refused.primary_user_id == a.id
    assert isinstance(al.create_primary_user(ids[1]),
                      CreatePrimaryUserRecipeUserIdAlreadyLinkedError)
    gone = al.unlink_account(ids[1])
    assert gone.was_linked and not gone.was_recipe_user_deleted
    assert not get_user(b.id).is_primary_user
    assert sess.get_session_information(s.get_handle()) is None
    al.link_accounts(ids[1], a.id)
    assert al.unlink_account(ids[0]).was_recipe_user_deleted
    assert get_user(a.id).emails == ["b@example.com"]
    delete_user(a.id)
    assert get_user(b.id) is None


# ---- sessions

def test_session_life(sdk):
    user = new_user()
    s = new_session(user.id, {"role": "admin", "nested": {"null": None}}, {"visits": 1})
    tokens = s.get_all_session_tokens_dangerously()
    seen = sess.get_session_without_request_response(tokens["accessToken"], check_database=True)
    assert seen.get_user_id() == user.id
    assert seen.get_access_token_payload()["role"] == "admin"
    assert sess.update_session_data_in_database(s.get_handle(), {"visits": 2})
    assert sess.merge_into_access_token_payload(s.get_handle(), {"role": "user", "x": 1})
    info = sess.get_session_information(s.get_handle())
    assert info.session_data_in_database == {"visits": 2}
    assert info.custom_claims_in_access_token_payload["role"] == "user"
    assert sess.get_all_session_handles_for_user(user.id) == [s.get_handle()]
    assert sess.revoke_session(s.get_handle()) is True
    assert sess.revoke_session(s.get_handle()) is False
    assert sess.get_session_information(s.get_handle()) is None
    with pytest.raises(UnauthorisedError):
        sess.get_session_without_request_response(tokens["accessToken"], check_database=True)


def test_refresh_and_theft(sdk):
    user = new_user()
    first = new_session(user.id).get_all_session_tokens_dangerously()
    second = sess.refresh_session_without_request_response(
        first["refreshToken"], disable_anti_csrf=True).get_all_session_tokens_dangerously()
    assert second["refreshToken"] != first["refreshToken"]
    # the child becomes the current token when it is used; its parent is then a stolen one
    promoted = sess.get_session_without_request_response(second["accessToken"])
    assert promoted.get_user_id() == user.id
    with pytest.raises(TokenTheftError) as theft:
        sess.refresh_session_without_request_response(first["refreshToken"], disable_anti_csrf=True)
    assert theft.value.user_id == user.id
    with pytest.raises(UnauthorisedError):
        sess.refresh_session_without_request_response("no token", disable_anti_csrf=True)


def test_claims_are_written_into_new_tokens(sdk):
    s = new_session(new_user().id)
    s.sync_merge_into_access_token_payload({"claim": [1, 2, {"a": None}]})
    token = s.get_access_token()
    assert sess.get_session_without_request_response(
        token).get_access_token_payload()["claim"] == [1, 2, {"a": None}]


def test_expired_access_token_asks_for_a_refresh(core, sdk):
    short = core.app({"access_token_validity": 1})
    for c in (Supertokens, Querier):
        c.reset()
    body = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {},
            "enableAntiCsrf": False, "useDynamicSigningKey": True}
    made = short.post("/recipe/session", body).ok()["accessToken"]
    assert made["expiry"] - made["createdTime"] <= 1000
    check = {"accessToken": made["token"], "enableAntiCsrf": False, "doAntiCsrfCheck": False,
             "checkDatabase": False}
    from servers import wait_for
    wait_for(lambda: short.post("/recipe/session/verify", check).json["status"]
             == "TRY_REFRESH_TOKEN", 5, "the access token expires")


def test_jwt_and_jwks(sdk):
    made = sess.create_jwt({"a": 1}, 100)
    kids = {k.kid for k in sess.get_jwks().keys}
    assert made.jwt.count(".") == 2 and kids


# ---- users

def test_paging_and_search(sdk):
    ids = [new_user(f"user{i}@example.com").id for i in range(7)]

    def pages(fn):
        token, seen = None, []
        while True:
            page = fn("public", limit=3, pagination_token=token)
            seen += [u.id for u in page.users]
            token = page.next_pagination_token
            if not token:
                return seen
    assert pages(get_users_oldest_first) == ids
    assert pages(get_users_newest_first) == ids[::-1]
    assert get_user_count() == 7
    assert get_user_count(include_recipe_ids=["passwordless"]) == 0
    found = get_users_oldest_first("public", query={"email": "user3"}).users
    assert [u.id for u in found] == [ids[3]]
    by_email = list_users_by_account_info("public", AccountInfoInput(email="user5@example.com"))
    assert [u.id for u in by_email] == [ids[5]]


def test_deleted_user_is_gone(sdk):
    user = new_user()
    s = new_session(user.id)
    delete_user(user.id)
    assert get_user(user.id) is None
    assert sess.get_session_information(s.get_handle()) is None
    assert get_user_count() == 0
    assert new_user().id != user.id


def test_external_ids(sdk):
    user = new_user()
    assert isinstance(create_user_id_mapping("nobody", "ext"), UnknownSupertokensUserIDError)
    made = create_user_id_mapping(user.id, "ext", "from the old system")
    assert isinstance(made, CreateUserIdMappingOkResult)
    for name, kind in (("ext", "EXTERNAL"), (user.id, "SUPERTOKENS"), ("ext", None)):
        got = get_user_id_mapping(name, kind)
        assert (got.supertokens_user_id, got.external_user_id, got.external_user_info) == (
            user.id, "ext", "from the old system")
    assert get_user(user.id).id == get_user("ext").id == "ext"
    signed = ep.sign_in("public", "a@example.com", PASSWORD)
    assert signed.user.id == signed.recipe_user_id.get_as_string() == "ext"
    s = new_session("ext")
    assert s.get_user_id() == s.get_recipe_user_id().get_as_string() == "ext"
    assert sess.get_all_session_handles_for_user(user.id) == [s.get_handle()]
    with pytest.raises(Exception, match="UserId is already in use in Session recipe"):
        delete_user_id_mapping("ext", "ANY")
    assert delete_user_id_mapping("ext", "ANY", force=True).did_mapping_exist
    assert isinstance(get_user_id_mapping("ext"), UnknownMappingError)
    assert get_user("ext") is None and get_user(user.id).id == user.id


def test_tenants(sdk):
    assert mt.create_or_update_tenant(
        "t1", TenantConfigCreateOrUpdate(first_factors=["emailpassword"])).created_new
    assert mt.get_tenant("t1").first_factors == ["emailpassword"]
    assert mt.get_tenant("nope") is None
    assert [t.tenant_id for t in mt.list_all_tenants().tenants] == ["public", "t1"]
    user = new_user()
    rid = user.login_methods[0].recipe_user_id
    assert not mt.associate_user_to_tenant("t1", rid).was_already_associated
    assert sorted(get_user(user.id).tenant_ids) == ["public", "t1"]
    assert mt.disassociate_user_from_tenant("t1", rid).was_associated
    assert mt.delete_tenant("t1").did_exist


# ---- through the middleware, as a front end sees it

@pytest.fixture
def web(sdk):
    flask = Flask(__name__)
    Middleware(flask)

    @flask.get("/me")
    @verify_session()
    def me():
        return jsonify({"id": g.supertokens.get_user_id()})

    return flask.test_client()


def form(**fields):
    return {"formFields": [{"id": k, "value": v} for k, v in fields.items()]}


def test_front_end_flow(web):
    email = f"{uuid.uuid4().hex}@example.com"
    up = web.post("/auth/signup", json=form(email=email, password=PASSWORD))
    assert up.get_json()["status"] == "OK"
    taken = web.post("/auth/signup", json=form(email=email, password=PASSWORD))
    assert taken.get_json()["status"] == "FIELD_ERROR"
    signed_in = web.post("/auth/signin", json=form(email=email, password=PASSWORD))
    access = {"Authorization": "Bearer " + signed_in.headers["st-access-token"]}
    assert web.get("/me", headers=access).get_json()["id"] == up.get_json()["user"]["id"]
    assert web.get("/me").status_code == 401
    fresh = web.post("/auth/session/refresh", headers={
        "Authorization": "Bearer " + signed_in.headers["st-refresh-token"]})
    assert fresh.status_code == 200
    again = {"Authorization": "Bearer " + fresh.headers["st-access-token"]}
    assert web.get("/me", headers=again).status_code == 200
    stolen = web.post("/auth/session/refresh", headers={
        "Authorization": "Bearer " + signed_in.headers["st-refresh-token"]})
    assert stolen.status_code == 401
    assert web.post("/auth/signout", headers=again).status_code in (200, 401)
