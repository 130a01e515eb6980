// SPDX-License-Identifier: Apache-2.0
// The official Node SDK against the core at STK_CORE: email verification, signing in with a
// provider, and the providers of tenants.  test_node_sdk.py runs it.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { init, newApp } = require("./app");
const supertokens = require("supertokens-node");
const EmailPassword = require("supertokens-node/recipe/emailpassword");
const EmailVerification = require("supertokens-node/recipe/emailverification");
const Multitenancy = require("supertokens-node/recipe/multitenancy");
const Session = require("supertokens-node/recipe/session");
const ThirdParty = require("supertokens-node/recipe/thirdparty");


async function sdk(mode = "OPTIONAL") {
    init(await newApp(), [EmailPassword.init(), EmailVerification.init({ mode }), Multitenancy.init(),
        Session.init({ antiCsrf: "NONE" }), ThirdParty.init()]);
}

const signInUp = (email, isVerified = false, tenant = "public") =>
    ThirdParty.manuallyCreateOrUpdateUser(tenant, "google", "g-1", email, isVerified);
const shown = async (id) => (await supertokens.getUser(id)).loginMethods[0].verified;

test("email verification", async () => {
    await sdk();
    const { user, recipeUserId } = await EmailPassword.signUp("public", "a@example.com", "secret123");
    const make = async () => (await EmailVerification.createEmailVerificationToken(
        "public", recipeUserId)).token;
    assert.equal(await EmailVerification.isEmailVerified(recipeUserId), false);
    const tokens = [await make(), await make()];
    const done = await EmailVerification.verifyEmailUsingToken("public", tokens[0]);
    assert.equal(done.status, "OK");
    assert.equal(done.user.email, "a@example.com");
    assert.equal(done.user.recipeUserId.getAsString(), user.id);
    for (const token of tokens) {
        assert.equal((await EmailVerification.verifyEmailUsingToken("public", token)).status,
            "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
    }
    assert.equal(await EmailVerification.isEmailVerified(recipeUserId), true);
    assert.equal(await shown(user.id), true);
    assert.equal((await EmailVerification.createEmailVerificationToken(
        "public", recipeUserId)).status, "EMAIL_ALREADY_VERIFIED_ERROR");
    await EmailVerification.unverifyEmail(recipeUserId);
    assert.equal(await shown(user.id), false);
    const revoked = await make();
    await EmailVerification.revokeEmailVerificationTokens("public", recipeUserId);
    assert.equal((await EmailVerification.verifyEmailUsingToken("public", revoked)).status,
        "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
});

test("the claim of a session follows", async () => {
    await sdk("REQUIRED");
    const { recipeUserId } = await EmailPassword.signUp("public", "a@example.com", "secret123");
    const s = await Session.createNewSessionWithoutRequestResponse("public", recipeUserId, {}, {}, true);
    const value = () => s.getClaimValue(EmailVerification.EmailVerificationClaim);
    assert.equal(await value(), false);
    const { token } = await EmailVerification.createEmailVerificationToken("public", recipeUserId);
    await EmailVerification.verifyEmailUsingToken("public", token);
    await s.fetchAndSetClaim(EmailVerification.EmailVerificationClaim);
    assert.equal(await value(), true);
});

test("signing in with a provider", async () => {
    await sdk();
    const first = await signInUp("a@example.com");
    assert.equal(first.status, "OK");
    assert.equal(first.createdNewRecipeUser, true);
    assert.equal(first.recipeUserId.getAsString(), first.user.id);
    assert.deepEqual(first.user.thirdParty, [{ id: "google", userId: "g-1" }]);
    assert.equal(await shown(first.user.id), false);
    const again = await signInUp("a@example.com", true);
    assert.equal(again.createdNewRecipeUser, false);
    assert.equal(again.user.id, first.user.id);
    assert.equal(await shown(first.user.id), true);
    const moved = await signInUp("b@example.com");
    assert.equal(moved.user.id, first.user.id);
    assert.deepEqual(moved.user.emails, ["b@example.com"]);
    assert.equal(await shown(first.user.id), false);
    const found = await supertokens.listUsersByAccountInfo("public",
        { thirdParty: { id: "google", userId: "g-1" } });
    assert.deepEqual(found.map((u) => u.id), [first.user.id]);
});

test("providers of a tenant", async () => {
    await sdk();
    await Multitenancy.createOrUpdateTenant("t1", { firstFactors: ["thirdparty"] });
    const config = { thirdPartyId: "github", name: "GitHub",
        clients: [{ clientId: "id", clientSecret: "secret", scope: ["email"] }],
        tokenEndpointBodyParams: { a: null }, requireEmail: false };
    const put = () => Multitenancy.createOrUpdateThirdPartyConfig("t1", config);
    assert.equal((await put()).createdNew, true);
    assert.equal((await put()).createdNew, false);
    const [kept] = (await Multitenancy.getTenant("t1")).thirdParty.providers;
    assert.deepEqual(kept, { ...config, userInfoMap: { fromIdTokenPayload: {}, fromUserInfoAPI: {} } });
    const provider = await ThirdParty.getProvider("t1", "github");
    assert.equal(provider.config.clientId, "id");
    assert.match(provider.config.authorizationEndpoint, /github\.com/);
    assert.equal(await ThirdParty.getProvider("public", "github"), undefined);
    assert.deepEqual((await signInUp("a@example.com", true, "t1")).user.tenantIds, ["t1"]);
    assert.equal((await Multitenancy.deleteThirdPartyConfig("t1", "github")).didConfigExist, true);
    assert.equal((await Multitenancy.deleteThirdPartyConfig("t1", "github")).didConfigExist, false);
    assert.deepEqual((await Multitenancy.getTenant("t1")).thirdParty.providers, []);
    await assert.rejects(Multitenancy.createOrUpdateThirdPartyConfig("t1",
        { thirdPartyId: "apple", name: "Apple", clients: [{ clientId: "id" }] }), /400/);
});
