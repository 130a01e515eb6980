// SPDX-License-Identifier: Apache-2.0
// The official Node SDK against the core whose address stands in STK_CORE: its functions, and
// an express application driven by fetch the way a front end does.  test_node_sdk.py runs this
// file once for each storage and reports every test of it as one of its own.
"use strict";

const assert = require("node:assert/strict");
const { after, test } = require("node:test");
const express = require("express");
const jose = require("jose");
const { core, init, newApp } = require("./app");
const supertokens = require("supertokens-node");
const EmailPassword = require("supertokens-node/recipe/emailpassword");
const JWT = require("supertokens-node/recipe/jwt");
const Multitenancy = require("supertokens-node/recipe/multitenancy");
const Passwordless = require("supertokens-node/recipe/passwordless");
const Session = require("supertokens-node/recipe/session");
const { verifySession } = require("supertokens-node/recipe/session/framework/express");
const { errorHandler, middleware } = require("supertokens-node/framework/express");

const CORE = process.env.STK_CORE;
const PASSWORD = "secret123";
const { RecipeUserId } = supertokens;

// ---- set-up: one app of the core, and the SDK made anew, for each test


async function sdk({ coreConfig = {}, ...more } = {}) {
    const app = await newApp(coreConfig);
    start(app, more);
    return app;
}

function start(app, { session = {}, emailPassword = {}, passwordless, apiKey } = {}) {
    init(app, [EmailPassword.init(emailPassword), JWT.init(), Multitenancy.init(),
        ...(passwordless ? [Passwordless.init(passwordless)] : []),
        Session.init({ getTokenTransferMethod: () => "header", antiCsrf: "NONE", ...session })],
    apiKey);
}

async function signUp(email = "a@example.com", tenant = "public") {
    const made = await EmailPassword.signUp(tenant, email, PASSWORD);
    assert.equal(made.status, "OK");
    return made;
}

function newSession(recipeUserId = new RecipeUserId("someone"), payload = {}, data = {},
    { tenant = "public", disableAntiCsrf = true } = {}) {
    return Session.createNewSessionWithoutRequestResponse(
        tenant, recipeUserId, payload, data, disableAntiCsrf);
}

const verify = (token, options, antiCsrf) =>
    Session.getSessionWithoutRequestResponse(token, antiCsrf, options);
const refresh = (token, disableAntiCsrf = true, antiCsrf) =>
    Session.refreshSessionWithoutRequestResponse(token, disableAntiCsrf, antiCsrf);
const fails = (promise, type) => assert.rejects(promise, (e) => {
    assert.equal(e.type, type, e.stack);
    return true;
});

// ---- email and password

test("sign up and sign in", async () => {
    await sdk();
    const { user, recipeUserId } = await signUp("Some.One@Example.com");
    assert.deepEqual(user.emails, ["some.one@example.com"]);
    assert.deepEqual(user.tenantIds, ["public"]);
    assert.equal(user.isPrimaryUser, false);
    assert.equal(user.loginMethods[0].recipeId, "emailpassword");
    assert.equal(recipeUserId.getAsString(), user.id);
    assert.equal((await EmailPassword.signUp("public", "some.one@example.com", PASSWORD)).status,
        "EMAIL_ALREADY_EXISTS_ERROR");
    const back = await EmailPassword.signIn("public", "some.one@example.com", PASSWORD);
    assert.equal(back.user.id, user.id);
    for (const [email, password] of [["some.one@example.com", "wrong1234"], ["x@y.z", PASSWORD]]) {
        assert.equal((await EmailPassword.signIn("public", email, password)).status,
            "WRONG_CREDENTIALS_ERROR");
        assert.equal((await EmailPassword.verifyCredentials("public", email, password)).status,
            "WRONG_CREDENTIALS_ERROR");
    }
    assert.equal((await EmailPassword.verifyCredentials(
        "public", "some.one@example.com", PASSWORD)).status, "OK");
});

test("update of email and password", async () => {
    await sdk();
    const { recipeUserId, user } = await signUp("a@example.com");
    await signUp("b@example.com");
    const update = (change) => EmailPassword.updateEmailOrPassword({ recipeUserId, ...change });
    assert.equal((await update({ email: "b@example.com" })).status, "EMAIL_ALREADY_EXISTS_ERROR");
    assert.equal((await update({ password: "short" })).status, "PASSWORD_POLICY_VIOLATED_ERROR");
    assert.equal((await update({ email: "c@example.com", password: "newpass12" })).status, "OK");
    assert.equal((await EmailPassword.signIn("public", "c@example.com", "newpass12")).user.id, user.id);
    assert.equal((await EmailPassword.signIn("public", "a@example.com", PASSWORD)).status,
        "WRONG_CREDENTIALS_ERROR");
    assert.equal((await EmailPassword.updateEmailOrPassword({
        recipeUserId: new RecipeUserId("nobody"), password: "newpass12" })).status,
    "UNKNOWN_USER_ID_ERROR");
    await signUp("a@example.com"); // the address is free again
});

test("password reset", async () => {
    await sdk();
    const { user } = await signUp();
    const make = async () => (await EmailPassword.createResetPasswordToken(
        "public", user.id, "a@example.com")).token;
    const token = await make();
    assert.deepEqual(await EmailPassword.consumePasswordResetToken("public", token),
        { status: "OK", email: "a@example.com", userId: user.id });
    assert.equal((await EmailPassword.consumePasswordResetToken("public", token)).status,
        "RESET_PASSWORD_INVALID_TOKEN_ERROR");
    const [one, two] = [await make(), await make()];
    assert.equal((await EmailPassword.resetPasswordUsingToken("public", one, "brandnew1")).status, "OK");
    assert.equal((await EmailPassword.resetPasswordUsingToken("public", two, "brandnew2")).status,
        "RESET_PASSWORD_INVALID_TOKEN_ERROR", "one use ends all tokens of the user");
    assert.equal((await EmailPassword.signIn("public", "a@example.com", "brandnew1")).status, "OK");
    assert.equal((await EmailPassword.createResetPasswordToken("public", "nobody", "a@example.com"))
        .status, "UNKNOWN_USER_ID_ERROR");
});

// ---- sessions

test("session life", async () => {
    await sdk();
    const { recipeUserId, user } = await signUp();
    const payload = { role: "admin", nested: { null: null, list: [1, 2.5, "x"] } };
    const s = await newSession(recipeUserId, payload, { visits: 1 });
    const { accessToken } = s.getAllSessionTokensDangerously();
    for (const checkDatabase of [false, true]) {
        const seen = await verify(accessToken, { checkDatabase });
        assert.equal(seen.getUserId(), user.id);
        assert.equal(seen.getRecipeUserId().getAsString(), user.id);
        assert.equal(seen.getTenantId(), "public");
        assert.equal(seen.getHandle(), s.getHandle());
        assert.deepEqual(seen.getAccessTokenPayload().nested, payload.nested);
    }
    const info = await Session.getSessionInformation(s.getHandle());
    assert.equal(info.userId, user.id);
    assert.equal(info.tenantId, "public");
    assert.deepEqual(info.customClaimsInAccessTokenPayload.nested, payload.nested);
    assert.deepEqual(info.sessionDataInDatabase, { visits: 1 });
    assert.ok(info.expiry > info.timeCreated && info.timeCreated <= Date.now());
    assert.equal(await s.getExpiry(), info.expiry);
    assert.equal(await Session.getSessionInformation("nothing"), undefined);
});

test("session data in the database", async () => {
    await sdk();
    const s = await newSession(undefined, {}, { a: { b: [null, true] } });
    assert.deepEqual(await s.getSessionDataFromDatabase(), { a: { b: [null, true] } });
    await s.updateSessionDataInDatabase({ c: 1.5 });
    assert.deepEqual(await s.getSessionDataFromDatabase(), { c: 1.5 });
    assert.equal(await Session.updateSessionDataInDatabase(s.getHandle(), {}), true);
    assert.deepEqual(await s.getSessionDataFromDatabase(), {});
    assert.equal(await Session.updateSessionDataInDatabase("nothing", {}), false);
});

test("a refreshed token is promoted by its use, its parent is then stolen", async () => {
    await sdk();
    const first = (await newSession()).getAllSessionTokensDangerously();
    const second = (await refresh(first.refreshToken)).getAllSessionTokensDangerously();
    assert.notEqual(second.refreshToken, first.refreshToken);
    // as long as the child was not used, its parent may be: the reply may have been lost
    const third = (await refresh(first.refreshToken)).getAllSessionTokensDangerously();
    const promoted = await verify(third.accessToken);
    assert.notEqual(promoted.getAccessToken(), third.accessToken, "a token without parent");
    await assert.rejects(refresh(first.refreshToken), (e) => {
        assert.equal(e.type, Session.Error.TOKEN_THEFT_DETECTED);
        assert.equal(e.payload.sessionHandle, promoted.getHandle());
        assert.equal(e.payload.userId, "someone");
        return true;
    });
    await fails(refresh("no token"), Session.Error.UNAUTHORISED);
    const fourth = await refresh(third.refreshToken);
    assert.equal(await Session.revokeSession(fourth.getHandle()), true);
    await fails(refresh(third.refreshToken), Session.Error.UNAUTHORISED);
});

test("refresh keeps the payload and promotes by itself", async () => {
    await sdk();
    const s = await newSession(undefined, { role: "admin" }, { kept: true });
    const one = (await refresh(s.getAllSessionTokensDangerously().refreshToken));
    const two = (await refresh(one.getAllSessionTokensDangerously().refreshToken));
    assert.equal(two.getHandle(), s.getHandle());
    assert.equal(two.getAccessTokenPayload().role, "admin");
    assert.deepEqual(await two.getSessionDataFromDatabase(), { kept: true });
    await fails(refresh(s.getAllSessionTokensDangerously().refreshToken),
        Session.Error.TOKEN_THEFT_DETECTED);
});

test("anti-csrf tokens", async () => {
    await sdk({ session: { antiCsrf: "VIA_TOKEN" } });
    const s = await newSession(undefined, {}, {}, { disableAntiCsrf: false });
    const { accessToken, refreshToken, antiCsrfToken } = s.getAllSessionTokensDangerously();
    assert.ok(antiCsrfToken);
    await fails(verify(accessToken), Session.Error.TRY_REFRESH_TOKEN);
    await fails(verify(accessToken, {}, "wrong"), Session.Error.TRY_REFRESH_TOKEN);
    await fails(verify(accessToken, { checkDatabase: true }, "wrong"),
        Session.Error.TRY_REFRESH_TOKEN);
    assert.ok(await verify(accessToken, { checkDatabase: true }, antiCsrfToken));
    assert.ok(await verify(accessToken, { antiCsrfCheck: false }));
    await fails(refresh(refreshToken, false), Session.Error.UNAUTHORISED);
    await fails(refresh(refreshToken, false, "wrong"), Session.Error.UNAUTHORISED);
    const fresh = (await refresh(refreshToken, false, antiCsrfToken)).getAllSessionTokensDangerously();
    assert.ok(fresh.antiCsrfToken && fresh.antiCsrfToken !== antiCsrfToken);
    assert.ok(await verify(fresh.accessToken, {}, fresh.antiCsrfToken));
});

test("access token payload", async () => {
    await sdk();
    const s = await newSession(undefined, { role: "admin", gone: 1 });
    await s.mergeIntoAccessTokenPayload({ role: "user", gone: null, more: { a: null } });
    const { accessToken } = s.getAllSessionTokensDangerously();
    const payload = (await verify(accessToken, { checkDatabase: true })).getAccessTokenPayload();
    assert.equal(payload.role, "user");
    assert.deepEqual(payload.more, { a: null });
    assert.equal("gone" in payload, false);
    assert.equal(await Session.mergeIntoAccessTokenPayload(s.getHandle(), { x: 1, role: null }), true);
    const info = await Session.getSessionInformation(s.getHandle());
    assert.deepEqual(info.customClaimsInAccessTokenPayload.x, 1);
    assert.equal("role" in info.customClaimsInAccessTokenPayload, false);
    assert.equal(await Session.mergeIntoAccessTokenPayload("nothing", { x: 1 }), false);
    // the next refresh carries what the database says
    const fresh = await refresh(s.getAllSessionTokensDangerously().refreshToken);
    assert.equal(fresh.getAccessTokenPayload().x, 1);
    const app = await sdk();
    const protectedClaim = await fetch(`${CORE}${app}/recipe/session`, {
        method: "POST", headers: { "content-type": "application/json", "cdi-version": "5.4" },
        body: JSON.stringify({ userId: "u", userDataInJWT: { sub: "x" }, userDataInDatabase: {},
            enableAntiCsrf: false, useDynamicSigningKey: true }) });
    assert.equal(protectedClaim.status, 400);
    assert.equal(await protectedClaim.text(), "The user payload contains protected field\n");
});

test("regenerated token of a refreshed session", async () => {
    await sdk();
    const s = await newSession();
    const child = await refresh(s.getAllSessionTokensDangerously().refreshToken);
    await child.mergeIntoAccessTokenPayload({ n: 1 });
    const seen = await verify(child.getAllSessionTokensDangerously().accessToken);
    assert.equal(seen.getAccessTokenPayload().n, 1);
    await fails(refresh(s.getAllSessionTokensDangerously().refreshToken),
        Session.Error.TOKEN_THEFT_DETECTED);
    await Session.revokeSession(s.getHandle());
    await fails(child.mergeIntoAccessTokenPayload({ n: 2 }), Session.Error.UNAUTHORISED);
});

test("revoking sessions in every form", async () => {
    await sdk();
    await Multitenancy.createOrUpdateTenant("t1", { firstFactors: ["emailpassword"] });
    const [u, v] = [(await signUp("u@example.com")).recipeUserId,
        (await signUp("v@example.com")).recipeUserId];
    const make = async (user, tenant = "public") =>
        (await newSession(user, {}, {}, { tenant })).getHandle();
    const id = u.getAsString();
    const [a, b, c] = [await make(u), await make(u), await make(u)];
    const far = await make(u, "t1"), others = await make(v);
    assert.ok(far.endsWith("_t1"));
    const handles = async (...rest) => (await Session.getAllSessionHandlesForUser(id, ...rest)).sort();
    assert.deepEqual(await handles(), [a, b, c, far].sort());
    assert.deepEqual(await handles(true, "public"), [a, b, c].sort());
    assert.deepEqual(await handles(true, "t1"), [far]);
    assert.equal(await Session.revokeSession(a), true);
    assert.equal(await Session.revokeSession(a), false);
    assert.deepEqual((await Session.revokeMultipleSessions([a, b, "nothing"])), [b]);
    assert.deepEqual(await Session.revokeAllSessionsForUser(id, true, "t1"), [far]);
    assert.deepEqual(await handles(), [c]);
    const again = await make(u, "t1");
    assert.deepEqual((await Session.revokeAllSessionsForUser(id)).sort(), [c, again].sort());
    assert.deepEqual(await Session.revokeAllSessionsForUser(id), []);
    assert.ok(await Session.getSessionInformation(others));
    const last = await newSession(u);
    await last.revokeSession();
    await fails(verify(last.getAllSessionTokensDangerously().accessToken, { checkDatabase: true }),
        Session.Error.UNAUTHORISED);
});

test("static and dynamic signing keys", async () => {
    const app = await sdk({ session: { useDynamicAccessTokenSigningKey: false } });
    const kid = (token) => jose.decodeProtectedHeader(token).kid;
    const tokens = (await newSession()).getAllSessionTokensDangerously();
    assert.match(kid(tokens.accessToken), /^s-/);
    assert.ok(await verify(tokens.accessToken));
    start(app);
    await fails(verify(tokens.accessToken), Session.Error.TRY_REFRESH_TOKEN);
    const fresh = (await refresh(tokens.refreshToken)).getAllSessionTokensDangerously();
    assert.match(kid(fresh.accessToken), /^d-/);
    assert.ok(await verify(fresh.accessToken));
});

test("tokens made by old versions", async () => {
    const app = await sdk();
    const asked = { userId: "someone", userDataInJWT: { old: true }, userDataInDatabase: {},
        enableAntiCsrf: false, useDynamicSigningKey: true };
    const versions = { "2.8": "2", "2.18": "2", "2.21": "3", "3.0": "4", "3.1": "4", "4.0": "5" };
    for (const [cdi, version] of Object.entries(versions)) {
        const made = await core("POST", `${app}/recipe/session`, asked, { "cdi-version": cdi });
        const token = made.accessToken.token;
        const header = JSON.parse(Buffer.from(token.split(".")[0], "base64").toString());
        assert.equal(header.version, version, cdi);
        for (const checkDatabase of [false, true]) {
            const seen = await verify(token, { checkDatabase });
            assert.equal(seen.getUserId(), "someone", cdi);
            assert.equal(seen.getTenantId(), "public");
            assert.equal(seen.getAccessTokenPayload().old, true);
        }
        const fresh = await refresh(made.refreshToken.token);
        assert.equal(jose.decodeProtectedHeader(fresh.getAccessToken()).version, "5");
        assert.equal(fresh.getHandle(), made.session.handle);
        assert.equal(fresh.getAccessTokenPayload().old, true);
    }
});

test("jwt and jwks", async () => {
    const app = await sdk();
    const keys = jose.createRemoteJWKSet(new URL(`${CORE}${app}/.well-known/jwks.json`));
    for (const [isStatic, prefix] of [[true, "s-"], [false, "d-"]]) {
        const { jwt } = await JWT.createJWT({ a: { b: null } }, 100, isStatic);
        const { payload, protectedHeader } = await jose.jwtVerify(jwt, keys);
        assert.deepEqual(payload.a, { b: null });
        assert.equal(payload.exp - payload.iat, 100);
        assert.equal(payload.iss, "http://localhost:3001");
        assert.ok(protectedHeader.kid.startsWith(prefix));
    }
    const { keys: listed } = await JWT.getJWKS();
    assert.deepEqual(listed.map((k) => k.kid.slice(0, 2)), ["d-", "s-"]);
    assert.ok(listed.every((k) => k.kty === "RSA" && k.alg === "RS256" && k.use === "sig"));
    const other = await sdk();
    assert.notEqual(other, app);
    const { jwt } = await JWT.createJWT({});
    await assert.rejects(jose.jwtVerify(jwt, keys), { code: "ERR_JWKS_NO_MATCHING_KEY" });
});

// ---- users

test("paging, counts and search", async () => {
    await sdk();
    const ids = [];
    for (let i = 0; i < 7; i++) {
        ids.push((await signUp(`user${i}@example.com`)).user.id);
    }
    const walk = async (page) => {
        const seen = [];
        let paginationToken;
        do {
            const { users, nextPaginationToken } = await page(
                { tenantId: "public", limit: 3, paginationToken });
            assert.ok(users.length <= 3);
            seen.push(...users.map((u) => u.id));
            paginationToken = nextPaginationToken;
        } while (paginationToken);
        return seen;
    };
    assert.deepEqual(await walk(supertokens.getUsersOldestFirst), ids);
    assert.deepEqual(await walk(supertokens.getUsersNewestFirst), ids.toReversed());
    assert.equal(await supertokens.getUserCount(), 7);
    assert.equal(await supertokens.getUserCount(["emailpassword"]), 7);
    assert.equal(await supertokens.getUserCount(["thirdparty", "passwordless"]), 0);
    assert.equal(await supertokens.getUserCount(undefined, "public"), 7);
    const found = async (query) => (await supertokens.getUsersOldestFirst(
        { tenantId: "public", query })).users.map((u) => u.id);
    assert.deepEqual(await found({ email: "user3" }), [ids[3]]);
    assert.deepEqual(await found({ email: "user1;user5" }), [ids[1], ids[5]]);
    assert.deepEqual(await found({ email: "nobody" }), []);
    assert.deepEqual((await supertokens.getUsersOldestFirst(
        { tenantId: "public", includeRecipeIds: ["passwordless"] })).users, []);
    const page = (input) => supertokens.getUsersOldestFirst({ tenantId: "public", ...input });
    await assert.rejects(page({ paginationToken: "bad" }), /invalid pagination token/);
    await assert.rejects(page({ limit: 0 }), /limit must a positive integer with min value 1/);
});

test("lookups and deletion of a user", async () => {
    await sdk();
    const { user, recipeUserId } = await signUp();
    const s = await newSession(recipeUserId);
    assert.deepEqual((await supertokens.getUser(user.id)).toJson(), user.toJson());
    const byEmail = (email) => supertokens.listUsersByAccountInfo("public", { email });
    assert.deepEqual((await byEmail("a@example.com")).map((u) => u.id), [user.id]);
    assert.deepEqual(await byEmail("b@example.com"), []);
    const { token } = await EmailPassword.createResetPasswordToken("public", user.id, "a@example.com");
    assert.deepEqual(await supertokens.deleteUser(user.id), { status: "OK" });
    assert.equal(await supertokens.getUser(user.id), undefined);
    assert.equal(await supertokens.getUserCount(), 0);
    assert.equal(await Session.getSessionInformation(s.getHandle()), undefined);
    assert.equal((await EmailPassword.consumePasswordResetToken("public", token)).status,
        "RESET_PASSWORD_INVALID_TOKEN_ERROR");
    assert.deepEqual(await supertokens.deleteUser(user.id), { status: "OK" });
    assert.notEqual((await signUp()).user.id, user.id);
});

test("external ids of users", async () => {
    await sdk();
    const { user } = await signUp();
    const make = (superTokensUserId, externalUserId, more) =>
        supertokens.createUserIdMapping({ superTokensUserId, externalUserId, ...more });
    const get = (userId, userIdType) => supertokens.getUserIdMapping({ userId, userIdType });
    assert.equal((await make("nobody", "ext")).status, "UNKNOWN_SUPERTOKENS_USER_ID_ERROR");
    assert.deepEqual(await make(user.id, "ext", { externalUserIdInfo: "info" }), { status: "OK" });
    assert.deepEqual(await make(user.id, "other"), { status: "USER_ID_MAPPING_ALREADY_EXISTS_ERROR",
        doesSuperTokensUserIdExist: true, doesExternalUserIdExist: false });
    const whole = { status: "OK", superTokensUserId: user.id, externalUserId: "ext" };
    assert.deepEqual(await get("ext"), { ...whole, externalUserIdInfo: "info" });
    const setInfo = (externalUserIdInfo) => supertokens.updateOrDeleteUserIdMappingInfo(
        { userId: "ext", userIdType: "EXTERNAL", externalUserIdInfo });
    assert.deepEqual(await setInfo("new"), { status: "OK" });
    assert.equal((await get(user.id, "SUPERTOKENS")).externalUserIdInfo, "new");
    assert.equal((await get(user.id, "EXTERNAL")).status, "UNKNOWN_MAPPING_ERROR");
    for (const id of ["ext", user.id]) {
        assert.equal((await supertokens.getUser(id)).id, "ext");
    }
    const signed = await EmailPassword.signIn("public", "a@example.com", PASSWORD);
    assert.equal(signed.user.id, "ext");
    assert.equal(signed.recipeUserId.getAsString(), "ext");
    const s = await newSession(signed.recipeUserId);
    assert.equal(s.getUserId(), "ext");
    assert.equal(jose.decodeJwt(s.getAccessToken()).rsub, "ext");
    assert.deepEqual(await Session.getAllSessionHandlesForUser(user.id), [s.getHandle()]);
    const remove = (force) => supertokens.deleteUserIdMapping({ userId: "ext", force });
    await assert.rejects(remove(), /UserId is already in use in Session recipe/);
    assert.deepEqual(await remove(true), { status: "OK", didMappingExist: true });
    assert.deepEqual(await remove(), { status: "OK", didMappingExist: false });
    assert.equal((await supertokens.getUser(user.id)).id, user.id);
});

// ---- tenants

test("tenants", async () => {
    await sdk();
    const put = Multitenancy.createOrUpdateTenant;
    assert.deepEqual(await put("t1", { firstFactors: ["emailpassword"],
        coreConfig: { password_reset_token_lifetime: 10000 } }), { status: "OK", createdNew: true });
    assert.deepEqual(await put("t1", { requiredSecondaryFactors: ["totp"] }),
        { status: "OK", createdNew: false });
    const t = await Multitenancy.getTenant("t1");
    assert.deepEqual(t.firstFactors, ["emailpassword"]);
    assert.deepEqual(t.requiredSecondaryFactors, ["totp"]);
    assert.deepEqual(t.coreConfig, { password_reset_token_lifetime: 10000 });
    assert.equal(await Multitenancy.getTenant("nope"), undefined);
    assert.deepEqual((await Multitenancy.listAllTenants()).tenants.map((x) => x.tenantId),
        ["public", "t1"]);
    await assert.rejects(put("t1", { coreConfig: { no_such_key: 1 } }), /Invalid config key: no_such_key/);
    assert.deepEqual(await Multitenancy.deleteTenant("t1"), { status: "OK", didExist: true });
    assert.deepEqual(await Multitenancy.deleteTenant("t1"), { status: "OK", didExist: false });
    await assert.rejects(EmailPassword.signUp("t1", "a@example.com", PASSWORD),
        /status code: 400.*AppId or tenantId not found/s);
});

test("users and sessions of tenants", async () => {
    await sdk();
    await Multitenancy.createOrUpdateTenant("t1", { firstFactors: ["emailpassword"] });
    await Multitenancy.createOrUpdateTenant("t2", { firstFactors: ["emailpassword"] });
    const here = await signUp("a@example.com", "public");
    const there = await signUp("a@example.com", "t1");
    assert.notEqual(here.user.id, there.user.id);
    assert.deepEqual(there.user.tenantIds, ["t1"]);
    const join = Multitenancy.associateUserToTenant, leave = Multitenancy.disassociateUserFromTenant;
    assert.deepEqual(await join("t2", here.recipeUserId), { status: "OK", wasAlreadyAssociated: false });
    assert.deepEqual(await join("t2", here.recipeUserId), { status: "OK", wasAlreadyAssociated: true });
    assert.equal((await join("t2", there.recipeUserId)).status, "EMAIL_ALREADY_EXISTS_ERROR");
    assert.equal((await join("t2", new RecipeUserId("nobody"))).status, "UNKNOWN_USER_ID_ERROR");
    assert.deepEqual((await supertokens.getUser(here.user.id)).tenantIds.toSorted(), ["public", "t2"]);
    assert.equal((await EmailPassword.signIn("t2", "a@example.com", PASSWORD)).user.id, here.user.id);
    assert.equal(await supertokens.getUserCount(undefined, "t2"), 1);
    assert.equal(await supertokens.getUserCount(), 2);
    const s = await newSession(there.recipeUserId, {}, {}, { tenant: "t1" });
    const seen = await verify(s.getAllSessionTokensDangerously().accessToken, { checkDatabase: true });
    assert.equal(seen.getTenantId(), "t1");
    const fresh = await refresh(s.getAllSessionTokensDangerously().refreshToken);
    assert.equal(fresh.getTenantId(), "t1");
    assert.deepEqual(await leave("t2", here.recipeUserId), { status: "OK", wasAssociated: true });
    assert.deepEqual(await leave("t2", here.recipeUserId), { status: "OK", wasAssociated: false });
    assert.equal((await join("t2", there.recipeUserId)).status, "OK");
});

test("api keys", async () => {
    const apiKey = "abcdefghijklmnopqrstuvwxyz";
    const app = await sdk({ coreConfig: { api_keys: apiKey } });
    await assert.rejects(supertokens.getUserCount(),
        (e) => e.message.endsWith("with status code: 401 and message: Invalid API key\n"));
    start(app, { apiKey });
    assert.equal(await supertokens.getUserCount(), 0);
});

// ---- passwordless

// What was sent, and a configuration that keeps it.
function outbox(flowType = "USER_INPUT_CODE_AND_MAGIC_LINK") {
    const sent = [];
    const keep = { override: (o) => ({ ...o,
        sendEmail: async (mail) => void sent.push(mail), sendSms: async (sms) => void sent.push(sms) }) };
    return { sent, passwordless: { contactMethod: "EMAIL_OR_PHONE", flowType,
        emailDelivery: keep, smsDelivery: keep } };
}

test("passwordless codes", async () => {
    await sdk(outbox());
    const tenantId = "public", email = "a@example.com";
    const code = await Passwordless.createCode({ tenantId, email });
    assert.equal(code.status, "OK");
    const { deviceId, preAuthSessionId } = code;
    const more = await Passwordless.createNewCodeForDevice({ tenantId, deviceId });
    assert.equal(more.preAuthSessionId, preAuthSessionId);
    assert.equal((await Passwordless.createNewCodeForDevice(
        { tenantId, deviceId, userInputCode: code.userInputCode })).status,
    "USER_INPUT_CODE_ALREADY_USED_ERROR");
    const typed = (userInputCode) => ({ tenantId, preAuthSessionId, deviceId, userInputCode });
    assert.deepEqual(await Passwordless.consumeCode(typed("wrong")), {
        status: "INCORRECT_USER_INPUT_CODE_ERROR", failedCodeInputAttemptCount: 1,
        maximumCodeInputAttempts: 5 });
    const checked = await Passwordless.checkCode(typed(code.userInputCode));
    assert.deepEqual(checked.consumedDevice, { preAuthSessionId, failedCodeInputAttemptCount: 1, email });
    const [device] = await Passwordless.listCodesByEmail({ tenantId, email });
    assert.equal(device.codes.length, 2);
    assert.deepEqual(await Passwordless.listCodesByDeviceId({ tenantId, deviceId }), device);
    assert.deepEqual(await Passwordless.listCodesByPreAuthSessionId({ tenantId, preAuthSessionId }), device);
    await Passwordless.revokeCode({ tenantId, codeId: more.codeId });
    assert.equal((await Passwordless.listCodesByEmail({ tenantId, email }))[0].codes.length, 1);
    const made = await Passwordless.consumeCode({ tenantId, preAuthSessionId, linkCode: code.linkCode });
    assert.deepEqual([made.status, made.createdNewRecipeUser], ["OK", true]);
    assert.equal(made.recipeUserId.getAsString(), made.user.id);
    assert.equal(made.user.loginMethods[0].verified, true);
    assert.equal((await Passwordless.consumeCode(typed(code.userInputCode))).status, "RESTART_FLOW_ERROR");
    await Passwordless.createCode({ tenantId, email });
    await Passwordless.revokeAllCodes({ tenantId, email });
    assert.deepEqual(await Passwordless.listCodesByEmail({ tenantId, email }), []);
    const again = await Passwordless.signInUp({ tenantId, email });
    assert.deepEqual([again.createdNewRecipeUser, again.user.id], [false, made.user.id]);
});

test("passwordless users", async () => {
    await sdk(outbox());
    const tenantId = "public", phoneNumber = "+16502530000";
    const { user, recipeUserId } = await Passwordless.signInUp({ tenantId, email: "a@example.com" });
    const other = await Passwordless.signInUp({ tenantId, phoneNumber });
    assert.deepEqual(other.user.phoneNumbers, [phoneNumber]);
    assert.equal(other.user.loginMethods[0].verified, true);
    const update = (change) => Passwordless.updateUser({ recipeUserId, ...change });
    assert.equal((await update({ phoneNumber })).status, "PHONE_NUMBER_ALREADY_EXISTS_ERROR");
    assert.equal((await update({ email: "b@example.com", phoneNumber: "+16502530001" })).status, "OK");
    assert.equal((await update({ email: null })).status, "OK");
    await assert.rejects(update({ phoneNumber: null }), /You cannot clear both email and phone number/);
    const now = await supertokens.getUser(user.id);
    assert.deepEqual([now.emails, now.phoneNumbers], [[], ["+16502530001"]]);
    assert.equal((await Passwordless.updateUser({ recipeUserId: new RecipeUserId("nobody"),
        email: "x@example.com" })).status, "UNKNOWN_USER_ID_ERROR");
    assert.equal(await supertokens.getUserCount(["passwordless"]), 2);
});

// ---- an express application, driven the way a front end does

const servers = [];
after(() => servers.forEach((s) => s.close()));

async function web(config) {
    const prefix = await sdk(config);
    const app = express();
    app.use(middleware());
    app.get("/me", verifySession(), (req, res) => res.json({ id: req.session.getUserId() }));
    app.get("/strict", verifySession({ checkDatabase: true }), (req, res) => res.json({}));
    app.post("/claims", verifySession(), async (req, res) => {
        await req.session.mergeIntoAccessTokenPayload({ role: "admin" });
        res.json({});
    });
    app.get("/claims", verifySession(), (req, res) => res.json(req.session.getAccessTokenPayload()));
    app.use(errorHandler());
    const server = await new Promise((done) => {
        const s = app.listen(0, "127.0.0.1", () => done(s));
    });
    servers.push(server);
    return { prefix, browser: (mode) => new Browser(server.address().port, mode) };
}

// What a front end keeps of a session: tokens in headers, or cookies and the anti-csrf token.
class Browser {
    constructor(port, mode) {
        Object.assign(this, { origin: `http://127.0.0.1:${port}`, mode, jar: {}, tokens: {} });
    }

    async send(method, path, body) {
        const headers = { "st-auth-mode": this.mode };
        if (body) {
            headers["content-type"] = "application/json";
        }
        if (this.mode === "cookie") {
            headers.cookie = Object.entries(this.jar).map(([k, v]) => `${k}=${v}`).join("; ");
            if (this.tokens["anti-csrf"]) {
                headers["anti-csrf"] = this.tokens["anti-csrf"];
            }
        } else {
            const kind = path === "/auth/session/refresh" ? "st-refresh-token" : "st-access-token";
            if (this.tokens[kind]) {
                headers.authorization = `Bearer ${this.tokens[kind]}`;
            }
        }
        const reply = await fetch(this.origin + path,
            { method, headers, body: body && JSON.stringify(body) });
        for (const cookie of reply.headers.getSetCookie()) {
            const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
            this.jar[name] = value;
        }
        for (const name of ["st-access-token", "st-refresh-token", "anti-csrf"]) {
            if (reply.headers.has(name)) {
                this.tokens[name] = reply.headers.get(name);
            }
        }
        const text = await reply.text();
        return { status: reply.status, body: text && JSON.parse(text) };
    }

    get(path) {
        return this.send("GET", path);
    }

    post(path, body) {
        return this.send("POST", path, body);
    }

    sign(way, email, password = PASSWORD) {
        return this.post(`/auth/sign${way}`, { formFields: [
            { id: "email", value: email }, { id: "password", value: password }] });
    }
}

async function frontEndFlow(browser) {
    assert.equal((await browser.get("/me")).status, 401);
    const up = (await browser.sign("up", "a@example.com")).body;
    assert.equal(up.status, "OK");
    const taken = (await browser.sign("up", "a@example.com")).body;
    assert.equal(taken.status, "FIELD_ERROR");
    assert.equal((await browser.sign("up", "b@example.com", "weak")).body.status, "FIELD_ERROR");
    assert.equal((await browser.sign("in", "a@example.com", "wrong1234")).body.status,
        "WRONG_CREDENTIALS_ERROR");
    assert.equal((await browser.get("/auth/emailpassword/email/exists?email=a@example.com"))
        .body.exists, true);
    assert.equal((await browser.sign("in", "a@example.com")).body.status, "OK");
    assert.deepEqual((await browser.get("/me")), { status: 200, body: { id: up.user.id } });
    assert.equal((await browser.post("/claims")).status, 200);
    assert.equal((await browser.get("/claims")).body.role, "admin");
    for (let i = 0; i < 3; i++) {
        assert.equal((await browser.post("/auth/session/refresh")).status, 200);
        assert.equal((await browser.get("/claims")).body.role, "admin");
        assert.equal((await browser.get("/strict")).status, 200);
    }
    const old = Object.assign(new Browser(0, browser.mode), structuredClone(browser));
    assert.equal((await browser.post("/auth/signout")).body.status, "OK");
    assert.equal((await old.get("/strict")).status, 401);
    assert.equal((await old.post("/auth/session/refresh")).status, 401);
}

test("front end with tokens in headers", async () => {
    await frontEndFlow((await web()).browser("header"));
});

test("front end with cookies and anti-csrf tokens", async () => {
    const { browser } = await web({ session: {
        antiCsrf: "VIA_TOKEN", getTokenTransferMethod: () => "cookie" } });
    const b = browser("cookie");
    await frontEndFlow(b);
    await b.sign("in", "a@example.com");
    b.tokens["anti-csrf"] = "forged";
    assert.equal((await b.post("/claims")).status, 401);
});

test("a stolen refresh token ends the session", async () => {
    const { browser } = await web();
    const b = browser("header");
    await b.sign("up", "a@example.com");
    const thief = Object.assign(browser("header"), { tokens: { ...b.tokens } });
    assert.equal((await b.post("/auth/session/refresh")).status, 200);
    assert.equal((await b.get("/me")).status, 200);
    assert.equal((await thief.post("/auth/session/refresh")).status, 401);
    assert.equal((await b.get("/strict")).status, 401);
    assert.equal((await b.post("/auth/session/refresh")).status, 401);
});

test("a password reset by the link of a mail", async () => {
    const mails = [];
    const { browser } = await web({ emailPassword: { emailDelivery: { override: (o) => ({
        ...o, sendEmail: async (mail) => void mails.push(mail) }) } } });
    const b = browser("header");
    await b.sign("up", "a@example.com");
    const ask = (email) => b.post("/auth/user/password/reset/token",
        { formFields: [{ id: "email", value: email }] });
    assert.equal((await ask("nobody@example.com")).body.status, "OK");
    assert.equal((await ask("a@example.com")).body.status, "OK");
    assert.equal(mails.length, 1);
    const token = new URL(mails[0].passwordResetLink).searchParams.get("token");
    const change = () => b.post("/auth/user/password/reset", { method: "token", token,
        formFields: [{ id: "password", value: "brandnew1" }] });
    assert.equal((await change()).body.status, "OK");
    assert.equal((await change()).body.status, "RESET_PASSWORD_INVALID_TOKEN_ERROR");
    assert.equal((await b.sign("in", "a@example.com")).body.status, "WRONG_CREDENTIALS_ERROR");
    assert.equal((await b.sign("in", "a@example.com", "brandnew1")).body.status, "OK");
});

test("a front end with magic links and one-time codes", async () => {
    const { sent, passwordless } = outbox();
    const { browser } = await web({ passwordless });
    for (const contact of [{ email: "a@example.com" }, { phoneNumber: "+16502530000" }]) {
        const b = browser("header"), path = "/auth/signinup/code";
        const { body: { status, deviceId, preAuthSessionId } } = await b.post(path, contact);
        assert.equal(status, "OK");
        assert.equal((await b.post(path + "/resend", { deviceId, preAuthSessionId })).body.status, "OK");
        const [first, second] = sent.splice(0);
        assert.deepEqual([first.preAuthSessionId, first.codeLifetime], [preAuthSessionId, 900000]);
        const use = (proof) => b.post(path + "/consume", { preAuthSessionId, ...proof });
        const wrong = (await use({ deviceId, userInputCode: "wrong" })).body;
        assert.deepEqual([wrong.status, wrong.failedCodeInputAttemptCount],
            ["INCORRECT_USER_INPUT_CODE_ERROR", 1]);
        const up = (await use({ deviceId, userInputCode: second.userInputCode })).body;
        assert.deepEqual([up.status, up.createdNewRecipeUser], ["OK", true]);
        assert.deepEqual(await b.get("/me"), { status: 200, body: { id: up.user.id } });
        assert.equal((await use({ linkCode: first.urlWithLinkCode.split("#")[1] })).body.status,
            "RESTART_FLOW_ERROR");
        const back = browser("header");
        await back.post(path, contact);
        const link = new URL(sent.splice(0)[0].urlWithLinkCode);
        const again = (await back.post(path + "/consume", { linkCode: link.hash.slice(1),
            preAuthSessionId: link.searchParams.get("preAuthSessionId") })).body;
        assert.deepEqual([again.status, again.createdNewRecipeUser, again.user.id],
            ["OK", false, up.user.id]);
        assert.equal((await back.get("/strict")).status, 200);
        const [[name, value]] = Object.entries(contact);
        assert.equal((await b.get(`/auth/passwordless/${name.toLowerCase()}/exists?${name}=` +
            encodeURIComponent(value))).body.exists, true);
    }
});
