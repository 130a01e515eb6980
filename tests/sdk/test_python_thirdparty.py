# SPDX-License-Identifier: Apache-2.0
"""The official Python SDK against the core: email verification, signing in with a provider,
and the providers of tenants."""

import os

os.environ["SUPERTOKENS_ENV"] = "testing"  # lets a recipe be reset and made anew

import pytest
from supertokens_python import InputAppInfo, Supertokens, SupertokensConfig, init
from supertokens_python.querier import Querier
from supertokens_python.recipe import (
    emailpassword, emailverification, multitenancy, session, thirdparty)
from supertokens_python.recipe.accountlinking.recipe import AccountLinkingRecipe
from supertokens_python.recipe.emailpassword import syncio as ep
from supertokens_python.recipe.emailpassword.recipe import EmailPasswordRecipe
from supertokens_python.recipe.emailverification import syncio as ev
from supertokens_python.recipe.emailverification.interfaces import (
    CreateEmailVerificationTokenEmailAlreadyVerifiedError, VerifyEmailUsingTokenInvalidTokenError,
    VerifyEmailUsingTokenOkResult)
from supertokens_python.recipe.emailverification.recipe import EmailVerificationRecipe
from supertokens_python.recipe.jwt.recipe import JWTRecipe
from supertokens_python.recipe.multitenancy import syncio as mt
from supertokens_python.recipe.multitenancy.interfaces import TenantConfigCreateOrUpdate
from supertokens_python.recipe.multitenancy.recipe import MultitenancyRecipe
from supertokens_python.recipe.oauth2provider.recipe import OAuth2ProviderRecipe
from supertokens_python.recipe.openid.recipe import OpenIdRecipe
from supertokens_python.recipe.session.recipe import SessionRecipe
from supertokens_python.recipe.thirdparty import syncio as tp
from supertokens_python.recipe.thirdparty.interfaces import ManuallyCreateOrUpdateUserOkResult
from supertokens_python.recipe.thirdparty.provider import ProviderClientConfig, ProviderConfig
from supertokens_python.recipe.thirdparty.recipe import ThirdPartyRecipe
from supertokens_python.recipe.usermetadata.recipe import UserMetadataRecipe
from supertokens_python.syncio import get_user, list_users_by_account_info
from supertokens_python.types.base import AccountInfoInput

A, B = "a@example.com", "b@example.com"
CLASSES = [Supertokens, Querier, SessionRecipe, EmailPasswordRecipe, EmailVerificationRecipe,
           ThirdPartyRecipe, MultitenancyRecipe, AccountLinkingRecipe, OpenIdRecipe, JWTRecipe,
           OAuth2ProviderRecipe, UserMetadataRecipe]


@pytest.fixture
def sdk(app):
    for c in CLASSES:
        c.reset()
    init(supertokens_config=SupertokensConfig(
             connection_uri=f"http://localhost:{app.port}{app.prefix}"),
         app_info=InputAppInfo(app_name="demo", api_domain="http://localhost:3001",
                               website_domain="http://localhost:3000"),
         framework="flask",
         recipe_list=[emailpassword.init(), emailverification.init(mode="OPTIONAL"),
                      thirdparty.init(), multitenancy.init(), session.init(anti_csrf="NONE")])
    yield app
    for c in CLASSES:
        c.reset()


def sign_in_up(email=A, verified=False, tenant="public"):
    r = tp.manually_create_or_update_user(tenant, "google", "g-1", email, verified)
    assert isinstance(r, ManuallyCreateOrUpdateUserOkResult), r
    return r


def test_email_verification(sdk):
    user = ep.sign_up("public", A, "secret123").user
    rid = user.login_methods[0].recipe_user_id
    assert not ev.is_email_verified(rid)
    tokens = [ev.create_email_verification_token("public", rid).token for _ in range(2)]
    done = ev.verify_email_using_token("public", tokens[0])
    assert isinstance(done, VerifyEmailUsingTokenOkResult)
    assert (done.user.email, done.user.recipe_user_id.get_as_string()) == (A, user.id)
    for token in tokens:
        assert isinstance(ev.verify_email_using_token("public", token),
                          VerifyEmailUsingTokenInvalidTokenError)
    assert ev.is_email_verified(rid) and get_user(user.id).login_methods[0].verified
    assert isinstance(ev.create_email_verification_token("public", rid),
                      CreateEmailVerificationTokenEmailAlreadyVerifiedError)
    ev.unverify_email(rid)
    assert not ev.is_email_verified(rid) and not get_user(user.id).login_methods[0].verified
    token = ev.create_email_verification_token("public", rid).token
    ev.revoke_email_verification_tokens("public", rid)
    assert isinstance(ev.verify_email_using_token("public", token),
                      VerifyEmailUsingTokenInvalidTokenError)


def test_third_party(sdk):
    first = sign_in_up()
    assert first.created_new_recipe_user and first.user.emails == [A]
    method = first.user.login_methods[0]
    assert (method.third_party.id, method.third_party.user_id) == ("google", "g-1")
    assert not method.verified
    again = sign_in_up(verified=True)
    assert not again.created_new_recipe_user and again.user.id == first.user.id
    assert again.user.login_methods[0].verified
    moved = sign_in_up(B)
    assert moved.user.id == first.user.id and moved.user.emails == [B]
    assert not moved.user.login_methods[0].verified
    found = list_users_by_account_info("public", AccountInfoInput(email=B))
    assert [u.id for u in found] == [first.user.id]


def test_providers_of_a_tenant(sdk):
    mt.create_or_update_tenant("t1", TenantConfigCreateOrUpdate(first_factors=["thirdparty"]))
    config = ProviderConfig(
        third_party_id="github", name="GitHub",
        clients=[ProviderClientConfig(client_id="id", client_secret="secret", scope=["email"])],
        token_endpoint_body_params={"a": None})
    assert mt.create_or_update_third_party_config("t1", config).created_new
    assert not mt.create_or_update_third_party_config("t1", config).created_new
    kept, = mt.get_tenant("t1").third_party_providers
    assert (kept.third_party_id, kept.name) == ("github", "GitHub")
    assert (kept.clients[0].client_id, kept.clients[0].scope) == ("id", ["email"])
    provider = tp.get_provider("t1", "github")
    assert provider.config.client_id == "id"
    assert "github.com" in provider.config.authorization_endpoint
    assert tp.get_provider("public", "github") is None
    assert sign_in_up(tenant="t1").user.tenant_ids == ["t1"]
    assert mt.delete_third_party_config("t1", "github").did_config_exist
    assert not mt.delete_third_party_config("t1", "github").did_config_exist
    assert mt.get_tenant("t1").third_party_providers == []
