// SPDX-License-Identifier: Apache-2.0
// The official Node SDK against the core at STK_CORE: accounts linked by hand, and by the SDK
// itself over several recipes.  test_node_sdk.py runs it.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { init, newApp } = require("./app");
const supertokens = require("supertokens-node");
const AccountLinking = require("supertokens-node/recipe/accountlinking");
const EmailPassword = require("supertokens-node/recipe/emailpassword");
const EmailVerification = require("supertokens-node/recipe/emailverification");
const Multitenancy = require("supertokens-node/recipe/multitenancy");
const Passwordless = require("supertokens-node/recipe/passwordless");
const Session = require("supertokens-node/recipe/session");
const ThirdParty = require("supertokens-node/recipe/thirdparty");

const PASSWORD = "secret123";

// linking: what shouldDoAutomaticAccountLinking answers
async function sdk(linking = { shouldAutomaticallyLink: false }) {
    init(await newApp(), [
        AccountLinking.init({ shouldDoAutomaticAccountLinking: async () => linking }),
        EmailPassword.init(), EmailVerification.init({ mode: "OPTIONAL" }), Multitenancy.init(),
        Passwordless.init({ contactMethod: "EMAIL_OR_PHONE", flowType: "USER_INPUT_CODE" }),
        Session.init({ antiCsrf: "NONE" }), ThirdParty.init()]);
}

async function signUp(email) {
    const made = await EmailPassword.signUp("public", email, PASSWORD);
    assert.equal(made.status, "OK");
    return made;
}

const newSession = (recipeUserId) => Session.createNewSessionWithoutRequestResponse(
    "public", recipeUserId, {}, {}, true);

async function verify(recipeUserId, email) {
    const { token } = await EmailVerification.createEmailVerificationToken(
        "public", recipeUserId, email);
    assert.equal((await EmailVerification.verifyEmailUsingToken("public", token)).status, "OK");
}

test("primary users, linking and unlinking", async () => {
    await sdk();
    const [a, b, c] = [await signUp("a@example.com"), await signUp("b@example.com"),
        await signUp("c@example.com")];
    const id = a.user.id;
    assert.deepEqual(await AccountLinking.canCreatePrimaryUser(a.recipeUserId),
        { status: "OK", wasAlreadyAPrimaryUser: false });
    assert.equal((await AccountLinking.linkAccounts(b.recipeUserId, id)).status,
        "INPUT_USER_IS_NOT_A_PRIMARY_USER");
    const made = await AccountLinking.createPrimaryUser(a.recipeUserId);
    assert.equal(made.status, "OK");
    assert.equal(made.user.isPrimaryUser, true);
    assert.deepEqual(await AccountLinking.canLinkAccounts(b.recipeUserId, id),
        { status: "OK", accountsAlreadyLinked: false });
    const session = await newSession(b.recipeUserId);
    const linked = await AccountLinking.linkAccounts(b.recipeUserId, id);
    assert.equal(linked.accountsAlreadyLinked, false);
    assert.deepEqual(linked.user.emails, ["a@example.com", "b@example.com"]);
    assert.equal(await Session.getSessionInformation(session.getHandle()), undefined);
    const back = await EmailPassword.signIn("public", "b@example.com", PASSWORD);
    assert.equal(back.user.id, id);
    assert.equal(back.recipeUserId.getAsString(), b.user.id);
    const again = await newSession(back.recipeUserId);
    assert.equal(again.getUserId(), id);
    assert.equal(again.getRecipeUserId().getAsString(), b.user.id);
    assert.deepEqual((await supertokens.getUser(b.user.id)).toJson(), back.user.toJson());
    await AccountLinking.createPrimaryUser(c.recipeUserId);
    const refused = await AccountLinking.linkAccounts(b.recipeUserId, c.user.id);
    assert.equal(refused.status, "RECIPE_USER_ID_ALREADY_LINKED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR");
    assert.equal(refused.primaryUserId, id);
    assert.equal(refused.user.id, id);
    assert.equal((await AccountLinking.createPrimaryUser(b.recipeUserId)).status,
        "RECIPE_USER_ID_ALREADY_LINKED_WITH_PRIMARY_USER_ID_ERROR");
    assert.deepEqual(await AccountLinking.unlinkAccount(b.recipeUserId),
        { status: "OK", wasRecipeUserDeleted: false, wasLinked: true });
    assert.equal((await supertokens.getUser(b.user.id)).isPrimaryUser, false);
    assert.equal(await Session.getSessionInformation(again.getHandle()), undefined);
    await AccountLinking.linkAccounts(b.recipeUserId, id);
    assert.deepEqual(await AccountLinking.unlinkAccount(a.recipeUserId),
        { status: "OK", wasRecipeUserDeleted: true, wasLinked: true });
    assert.deepEqual((await supertokens.getUser(id)).emails, ["b@example.com"]);
    await supertokens.deleteUser(id);
    assert.equal(await supertokens.getUser(b.user.id), undefined);
});

test("linking by itself, to the user of the session", async () => {
    await sdk({ shouldAutomaticallyLink: true, shouldRequireVerification: false });
    const first = await signUp("a@example.com");
    assert.equal(first.user.isPrimaryUser, true);
    const session = await newSession(first.recipeUserId);
    const second = await EmailPassword.signUp("public", "b@example.com", PASSWORD, session);
    assert.equal(second.status, "OK");
    assert.equal(second.user.id, first.user.id);
    assert.deepEqual(second.user.emails, ["a@example.com", "b@example.com"]);
    const user = (await EmailPassword.signIn("public", "b@example.com", PASSWORD)).user;
    assert.deepEqual(user.toJson(), second.user.toJson());
    const third = await signUp("c@example.com");
    const change = (email) => EmailPassword.updateEmailOrPassword({
        recipeUserId: second.recipeUserId, email });
    assert.equal((await change("c@example.com")).status, "EMAIL_CHANGE_NOT_ALLOWED_ERROR");
    await supertokens.deleteUser(third.user.id);
    assert.equal((await change("c@example.com")).status, "OK");
    assert.equal(await AccountLinking.isEmailChangeAllowed(
        first.recipeUserId, "d@example.com", false), true);
    assert.equal((await AccountLinking.createPrimaryUserIdOrLinkAccounts(
        "public", second.recipeUserId)).id, first.user.id);
});

test("one email by three recipes becomes one user", async () => {
    await sdk({ shouldAutomaticallyLink: true, shouldRequireVerification: true });
    const email = "a@example.com";
    const first = await signUp(email);
    assert.equal(first.user.isPrimaryUser, false); // not verified
    await verify(first.recipeUserId, email);
    assert.equal((await supertokens.getUser(first.user.id)).isPrimaryUser, true);
    const second = await ThirdParty.manuallyCreateOrUpdateUser("public", "google", "g-1", email, true);
    assert.equal(second.status, "OK");
    assert.equal(second.user.id, first.user.id);
    const third = await Passwordless.signInUp({ tenantId: "public", email });
    assert.equal(third.status, "OK");
    assert.equal(third.user.id, first.user.id);
    assert.deepEqual(third.user.loginMethods.map((m) => m.recipeId),
        ["emailpassword", "thirdparty", "passwordless"]);
    assert.deepEqual(third.user.emails, [email]);
    assert.deepEqual(third.user.thirdParty, [{ id: "google", userId: "g-1" }]);
    for (const page of [{}, { includeRecipeIds: ["passwordless"] }]) {
        const { users } = await supertokens.getUsersOldestFirst({ tenantId: "public", ...page });
        assert.deepEqual(users.map((u) => u.toJson()), [third.user.toJson()]);
    }
    assert.equal(await supertokens.getUserCount(), 1);
    const back = await ThirdParty.manuallyCreateOrUpdateUser("public", "google", "g-1", email, true);
    assert.equal(back.createdNewRecipeUser, false);
    assert.deepEqual(back.user.toJson(), third.user.toJson());
    // a phone number joins by the session of the user
    const session = await newSession(back.recipeUserId);
    const phone = await Passwordless.signInUp({
        tenantId: "public", phoneNumber: "+16502530000", session });
    assert.equal(phone.status, "OK");
    assert.equal(phone.user.id, first.user.id);
    assert.deepEqual(phone.user.phoneNumbers, ["+16502530000"]);
    assert.deepEqual(await AccountLinking.unlinkAccount(second.recipeUserId),
        { status: "OK", wasRecipeUserDeleted: false, wasLinked: true });
    assert.equal((await AccountLinking.createPrimaryUser(second.recipeUserId)).status,
        "ACCOUNT_INFO_ALREADY_ASSOCIATED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR");
    assert.equal((await AccountLinking.linkAccounts(second.recipeUserId, first.user.id)).status, "OK");
    await supertokens.deleteUser(first.user.id);
    assert.equal(await supertokens.getUserCount(), 0);
});

test("an account that is not verified stays apart", async () => {
    await sdk({ shouldAutomaticallyLink: true, shouldRequireVerification: true });
    const email = "a@example.com";
    const google = await ThirdParty.manuallyCreateOrUpdateUser("public", "google", "g-1", email, true);
    assert.equal(google.user.isPrimaryUser, true);
    const other = await ThirdParty.manuallyCreateOrUpdateUser("public", "apple", "a-1", email, false);
    assert.equal(other.status, "OK");
    assert.notEqual(other.user.id, google.user.id);
    const own = await EmailPassword.signUp("public", email, PASSWORD);
    assert.equal(own.status, "OK");
    assert.notEqual(own.user.id, google.user.id);
    assert.equal(own.user.isPrimaryUser, false);
    await verify(own.recipeUserId, email);
    assert.equal((await supertokens.getUser(own.user.id)).id, google.user.id);
});
