# SPDX-License-Identifier: Apache-2.0
"""The official Python SDK against the core: user metadata, roles, and the claims that
sessions carry of them."""

import os

os.environ["SUPERTOKENS_ENV"] = "testing"  # lets a recipe be reset and made anew

import pytest
from flask import Flask, g, jsonify
from supertokens_python import InputAppInfo, Supertokens, SupertokensConfig, init
from supertokens_python.framework.flask import Middleware
from supertokens_python.querier import Querier
from supertokens_python.recipe import (
    emailpassword, multitenancy, session, usermetadata, userroles)
from supertokens_python.recipe.accountlinking.recipe import AccountLinkingRecipe
from supertokens_python.recipe.emailpassword import syncio as ep
from supertokens_python.recipe.emailpassword.recipe import EmailPasswordRecipe
from supertokens_python.recipe.jwt.recipe import JWTRecipe
from supertokens_python.recipe.multitenancy import syncio as mt
from supertokens_python.recipe.multitenancy.interfaces import TenantConfigCreateOrUpdate
from supertokens_python.recipe.multitenancy.recipe import MultitenancyRecipe
from supertokens_python.recipe.oauth2provider.recipe import OAuth2ProviderRecipe
from supertokens_python.recipe.openid.recipe import OpenIdRecipe
from supertokens_python.recipe.session import syncio as sess
from supertokens_python.recipe.session.framework.flask import verify_session
from supertokens_python.recipe.session.recipe import SessionRecipe
from supertokens_python.recipe.usermetadata import syncio as md
from supertokens_python.recipe.usermetadata.recipe import UserMetadataRecipe
from supertokens_python.recipe.userroles import PermissionClaim, UserRoleClaim
from supertokens_python.recipe.userroles import syncio as ur
from supertokens_python.recipe.userroles.interfaces import UnknownRoleError
from supertokens_python.recipe.userroles.recipe import UserRolesRecipe
from supertokens_python.syncio import delete_user

CLASSES = [Supertokens, Querier, SessionRecipe, EmailPasswordRecipe, MultitenancyRecipe,
           AccountLinkingRecipe, OpenIdRecipe, JWTRecipe, OAuth2ProviderRecipe, UserMetadataRecipe,
           UserRolesRecipe]


@pytest.fixture
def sdk(app):
    for c in CLASSES:
        c.reset()
    init(supertokens_config=SupertokensConfig(
             connection_uri=f"http://localhost:{app.port}{app.prefix}"),
         app_info=InputAppInfo(app_name="demo", api_domain="http://localhost:3001",
                               website_domain="http://localhost:3000"),
         framework="flask",
         recipe_list=[emailpassword.init(), multitenancy.init(), usermetadata.init(),
                      userroles.init(),
                      session.init(get_token_transfer_method=lambda *_: "header",
                                   anti_csrf="NONE")])
    yield app
    for c in CLASSES:
        c.reset()


def new_user(email="a@example.com"):
    return ep.sign_up("public", email, "secret123").user


def new_session(user, tenant="public"):
    return sess.create_new_session_without_request_response(
        tenant, user.login_methods[0].recipe_user_id, {}, {}, disable_anti_csrf=True)


def test_metadata(sdk):
    user = new_user().id
    assert md.get_user_metadata(user).metadata == {}
    first = {"role": "admin", "name": {"first": "A", "last": "B"}, "cleared": True, "n": 1.5}
    assert md.update_user_metadata(user, first).metadata == first
    whole = md.update_user_metadata(
        user, {"name": {"first": "é\U0001f600"}, "cleared": None, "new": [None, 2**53]}).metadata
    assert whole == md.get_user_metadata(user).metadata == {
        "role": "admin", "name": {"first": "é\U0001f600"}, "n": 1.5, "new": [None, 2**53]}
    md.clear_user_metadata(user)
    assert md.get_user_metadata(user).metadata == {}
    md.update_user_metadata(user, {"a": 1})
    delete_user(user)
    assert md.get_user_metadata(user).metadata == {}


def test_roles_and_permissions(sdk):
    assert ur.create_new_role_or_add_permissions("admin", ["read", "write"]).created_new_role
    assert not ur.create_new_role_or_add_permissions("admin", ["delete"]).created_new_role
    assert ur.create_new_role_or_add_permissions("user", ["read"]).created_new_role
    assert ur.get_all_roles().roles == ["admin", "user"]
    assert ur.get_permissions_for_role("admin").permissions == ["delete", "read", "write"]
    assert ur.get_roles_that_have_permission("read").roles == ["admin", "user"]
    ur.remove_permissions_from_role("admin", ["read"])
    assert ur.get_roles_that_have_permission("read").roles == ["user"]
    assert ur.delete_role("admin").did_role_exist and not ur.delete_role("admin").did_role_exist
    for result in (ur.get_permissions_for_role("admin"), ur.get_users_that_have_role("public", "admin"),
                   ur.remove_permissions_from_role("admin", []),
                   ur.add_role_to_user("public", "u", "admin"),
                   ur.remove_user_role("public", "u", "admin")):
        assert isinstance(result, UnknownRoleError)


def test_roles_of_users(sdk):
    user = new_user().id
    mt.create_or_update_tenant("t1", TenantConfigCreateOrUpdate())
    for role in ("a", "b"):
        ur.create_new_role_or_add_permissions(role, [])
        assert not ur.add_role_to_user("public", user, role).did_user_already_have_role
        assert ur.add_role_to_user("public", user, role).did_user_already_have_role
    assert ur.get_roles_for_user("public", user).roles == ["a", "b"]
    assert ur.get_roles_for_user("t1", user).roles == []
    assert ur.get_users_that_have_role("public", "a").users == [user]
    assert ur.remove_user_role("public", user, "a").did_user_have_role
    assert not ur.remove_user_role("public", user, "a").did_user_have_role
    ur.delete_role("b")
    assert ur.get_roles_for_user("public", user).roles == []


def test_claims_of_sessions(sdk):
    user = new_user()
    for role, permissions in (("admin", ["read", "write"]), ("user", ["read"])):
        ur.create_new_role_or_add_permissions(role, permissions)
        ur.add_role_to_user("public", user.id, role)
    s = new_session(user)
    assert s.sync_get_claim_value(UserRoleClaim) == ["admin", "user"]
    assert sorted(s.sync_get_claim_value(PermissionClaim)) == ["read", "write"]
    payload = sess.get_session_without_request_response(s.get_access_token()).get_access_token_payload()
    assert payload["st-role"]["v"] == ["admin", "user"]
    assert sorted(payload["st-perm"]["v"]) == ["read", "write"]
    ur.delete_role("admin")
    s.sync_fetch_and_set_claim(UserRoleClaim)
    s.sync_fetch_and_set_claim(PermissionClaim)
    assert s.sync_get_claim_value(UserRoleClaim) == ["user"]
    assert s.sync_get_claim_value(PermissionClaim) == ["read"]
    assert new_session(user).sync_get_claim_value(UserRoleClaim) == ["user"]


def test_a_route_for_a_role(sdk):
    flask = Flask(__name__)
    Middleware(flask)

    @flask.get("/admin")
    @verify_session(override_global_claim_validators=lambda given, *_: [
        *given, UserRoleClaim.validators.includes("admin"),
        PermissionClaim.validators.includes("write")])
    def admin():
        return jsonify({"id": g.supertokens.get_user_id()})
    web, user = flask.test_client(), new_user()

    def ask():
        made = web.post("/auth/signin", json={"formFields": [
            {"id": "email", "value": "a@example.com"}, {"id": "password", "value": "secret123"}]})
        return web.get("/admin", headers={
            "Authorization": "Bearer " + made.headers["st-access-token"]})
    assert ask().status_code == 403
    ur.create_new_role_or_add_permissions("admin", [])
    ur.add_role_to_user("public", user.id, "admin")
    assert ask().get_json()["claimValidationErrors"][0]["id"] == "st-perm"
    ur.create_new_role_or_add_permissions("admin", ["write"])
    assert ask().get_json() == {"id": user.id}
    ur.remove_user_role("public", user.id, "admin")
    assert ask().get_json()["claimValidationErrors"][0]["id"] == "st-role"
