// SPDX-License-Identifier: Apache-2.0
// The official Node SDK's TOTP, multi-factor and dashboard recipes against the core whose
// address stands in STK_CORE; test_node_sdk.py runs it.
"use strict";

const assert = require("node:assert/strict");
const { createHmac } = require("node:crypto");
const { after, test } = require("node:test");
const express = require("express");
const { core, init, newApp } = require("./app");
const supertokens = require("supertokens-node");
const Dashboard = require("supertokens-node/recipe/dashboard");
const EmailPassword = require("supertokens-node/recipe/emailpassword");
const MultiFactorAuth = require("supertokens-node/recipe/multifactorauth");
const Session = require("supertokens-node/recipe/session");
const Totp = require("supertokens-node/recipe/totp");
const UserMetadata = require("supertokens-node/recipe/usermetadata");
const { errorHandler, middleware } = require("supertokens-node/framework/express");
const { verifySession } = require("supertokens-node/recipe/session/framework/express");

const PASSWORD = "secret123";
const path = require("supertokens-node/lib/build/recipe/dashboard/constants");

// ---- set-up: a new app of the core for each test, and the SDK made anew

async function sdk({ coreConfig = {}, recipes = [] } = {}) {
    const app = await newApp(coreConfig);
    init(app, [EmailPassword.init(), Session.init({
        getTokenTransferMethod: () => "header", antiCsrf: "NONE" }), UserMetadata.init(),
    ...recipes]);
    return app;
}

const servers = [];
after(() => servers.forEach((s) => s.close()));

async function web() {
    const app = express();
    app.use(middleware());
    app.get("/secret", verifySession(), (req, res) => res.json({ id: req.session.getUserId() }));
    app.use(errorHandler());
    const server = await new Promise((resolve) => {
        const s = app.listen(0, "127.0.0.1", () => resolve(s));
    });
    servers.push(server);
    return `http://127.0.0.1:${server.address().port}`;
}

async function send(origin, method, url, { token, body } = {}) {
    const headers = { "content-type": "application/json", rid: "anti-csrf", "st-auth-mode": "header" };
    if (token) {
        headers.authorization = `Bearer ${token}`;
    }
    const reply = await fetch(origin + url, { method, headers, body: body && JSON.stringify(body) });
    const text = await reply.text();
    return { status: reply.status, body: text && JSON.parse(text),
        token: reply.headers.get("st-access-token") ?? token };
}

const signUp = async (email) => (await EmailPassword.signUp("public", email, PASSWORD)).user;

function codeOf(secret, period, shift = 0) {
    const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const bits = [...secret].map((c) => digits.indexOf(c).toString(2).padStart(5, "0")).join("");
    const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / period) + shift));
    const mac = createHmac("sha1", key).update(counter).digest();
    const n = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
    return String(n % 1000000).padStart(6, "0");
}

// ---- TOTP

const DAY = 86400;

test("devices of a user", async () => {
    await sdk({ recipes: [Totp.init({ defaultPeriod: DAY, defaultSkew: 1 }), MultiFactorAuth.init()] });
    const { id } = await signUp("a@example.com");
    const made = await Totp.createDevice(id, undefined, "phone");
    assert.equal(made.status, "OK");
    assert.equal(made.deviceName, "phone");
    assert.ok(made.qrCodeString.includes(`secret=${made.secret}`));
    const unnamed = await Totp.createDevice(id);
    assert.equal(unnamed.deviceName, "TOTP Device 0");
    const wrong = await Totp.verifyDevice("public", id, "phone", "no");
    assert.deepEqual(wrong, { status: "INVALID_TOTP_ERROR", currentNumberOfFailedAttempts: 1,
        maxNumberOfFailedAttempts: 5 });
    assert.deepEqual(await Totp.verifyDevice("public", id, "phone", codeOf(made.secret, DAY)),
        { status: "OK", wasAlreadyVerified: false });
    assert.equal((await Totp.verifyDevice("public", id, "other", "1")).status, "UNKNOWN_DEVICE_ERROR");
    assert.equal((await Totp.createDevice(id, undefined, "phone")).status,
        "DEVICE_ALREADY_EXISTS_ERROR");
    assert.equal((await Totp.updateDevice(id, "phone", "TOTP Device 0")).status,
        "DEVICE_ALREADY_EXISTS_ERROR");
    assert.equal((await Totp.updateDevice(id, "phone", "new")).status, "OK");
    assert.equal((await Totp.updateDevice(id, "phone", "new")).status, "UNKNOWN_DEVICE_ERROR");
    assert.deepEqual((await Totp.listDevices(id)).devices, [
        { name: "new", period: DAY, skew: 1, verified: true },
        { name: "TOTP Device 0", period: DAY, skew: 1, verified: false }]);
    assert.deepEqual(await Totp.removeDevice(id, "new"), { status: "OK", didDeviceExist: true });
    assert.deepEqual(await Totp.removeDevice(id, "new"), { status: "OK", didDeviceExist: false });
    await supertokens.deleteUser(id);
    assert.deepEqual((await Totp.listDevices(id)).devices, []);
});

test("codes and their limit", async () => {
    await sdk({ coreConfig: { totp_max_attempts: 2 },
        recipes: [Totp.init({ defaultPeriod: DAY, defaultSkew: 1 }), MultiFactorAuth.init()] });
    const { id } = await signUp("a@example.com");
    const { secret } = await Totp.createDevice(id, undefined, "d");
    assert.equal((await Totp.verifyTOTP("public", "nobody", "1")).status, "UNKNOWN_USER_ID_ERROR");
    assert.equal((await Totp.verifyDevice("public", id, "d", codeOf(secret, DAY))).status, "OK");
    assert.equal((await Totp.verifyTOTP("public", id, codeOf(secret, DAY))).status,
        "INVALID_TOTP_ERROR", "a code counts once");
    assert.deepEqual(await Totp.verifyTOTP("public", id, codeOf(secret, DAY, 1)), { status: "OK" });
    for (let i = 0; i < 2; i++) {
        assert.equal((await Totp.verifyTOTP("public", id, "no")).status, "INVALID_TOTP_ERROR");
    }
    const limit = await Totp.verifyTOTP("public", id, codeOf(secret, DAY, -1));
    assert.equal(limit.status, "LIMIT_REACHED_ERROR");
    assert.ok(limit.retryAfterMs > 0 && limit.retryAfterMs <= 900000);
});

// Requirements are the application's here, so that no other recipe has to know them.
const required = () => MultiFactorAuth.init({ firstFactors: ["emailpassword"],
    override: { functions: (o) => ({ ...o,
        getMFARequirementsForAuth: async () => ["totp"],
        getRequiredSecondaryFactorsForUser: async () => [] }) } });

test("a second factor is set up and then asked for", async () => {
    await sdk({ recipes: [Totp.init({ defaultPeriod: DAY, defaultSkew: 1 }), required()] });
    const origin = await web();
    const form = { body: { formFields: [{ id: "email", value: "a@example.com" },
        { id: "password", value: PASSWORD }] } };
    const up = await send(origin, "POST", "/auth/signup", form);
    assert.equal(up.body.status, "OK");
    let token = up.token;
    assert.equal((await send(origin, "GET", "/secret", { token })).status, 403);
    const info = await send(origin, "PUT", "/auth/mfa/info", { token });
    assert.deepEqual(info.body.factors.next, ["totp"]);
    assert.deepEqual(info.body.factors.alreadySetup, ["emailpassword"]);
    token = info.token;
    const made = await send(origin, "POST", "/auth/totp/device", { token, body: { deviceName: "d" } });
    assert.equal(made.body.status, "OK");
    const done = await send(origin, "POST", "/auth/totp/device/verify", { token, body: {
        deviceName: "d", totp: codeOf(made.body.secret, DAY) } });
    assert.equal(done.body.status, "OK");
    assert.equal((await send(origin, "GET", "/secret", { token: done.token })).status, 200);

    const again = await send(origin, "POST", "/auth/signin", form);
    token = again.token;
    assert.equal((await send(origin, "GET", "/secret", { token })).status, 403);
    const extra = await send(origin, "POST", "/auth/totp/device", { token, body: { deviceName: "e" } });
    assert.equal(extra.status, 403, "a factor is added only after the one there is");
    const used = await send(origin, "POST", "/auth/totp/verify", { token, body: {
        totp: codeOf(made.body.secret, DAY) } });
    assert.equal(used.body.status, "INVALID_TOTP_ERROR");
    const right = await send(origin, "POST", "/auth/totp/verify", { token, body: {
        totp: codeOf(made.body.secret, DAY, 1) } });
    assert.equal(right.body.status, "OK");
    assert.equal((await send(origin, "GET", "/secret", { token: right.token })).status, 200);
});

// ---- the dashboard

const KEY = "the-key-of-the-dashboard";

/** Calls of the dashboard, as its page makes them. */
function dashboard(origin, token, tenant = "public") {
    const call = (method) => async (url, body) => {
        const reply = await send(origin, method, `/auth/${tenant}/dashboard${url}`, { token, body });
        assert.equal(reply.status, 200, `${url}: ${reply.status} ${JSON.stringify(reply.body)}`);
        return reply.body;
    };
    return { get: call("GET"), post: call("POST"), put: call("PUT"), del: call("DELETE") };
}

test("users as the dashboard lists, counts and finds them", async () => {
    await sdk({ recipes: [Dashboard.init({ apiKey: KEY })] });
    const d = dashboard(await web(), KEY);
    const ids = [];
    for (let i = 0; i < 5; i++) {
        ids.unshift((await signUp(`user${i}@mail${i % 2}.example.com`)).id);
    }
    const list = async (query) => (await d.get(`${path.USERS_LIST_GET_API}?${query}`));
    const first = await list("limit=3");
    assert.deepEqual(first.users.map((u) => u.id), ids.slice(0, 3));
    const rest = await list(`limit=3&paginationToken=${encodeURIComponent(first.nextPaginationToken)}`);
    assert.deepEqual(rest.users.map((u) => u.id), ids.slice(3));
    assert.equal(rest.nextPaginationToken, undefined);
    assert.deepEqual((await list("limit=9&timeJoinedOrder=ASC")).users.map((u) => u.id),
        [...ids].reverse());
    assert.equal((await d.get(path.USERS_COUNT_API)).count, 5);
    assert.deepEqual((await d.get(path.SEARCH_TAGS_API)).tags, ["email", "phone", "provider"]);
    const found = async (query) => (await list(`limit=10&${query}`)).users.map((u) => u.id).sort();
    assert.deepEqual(await found("email=user3"), [ids[1]]);
    assert.deepEqual(await found("email=MAIL1"), [ids[1], ids[3]].sort());
    assert.deepEqual(await found("email=user3;user4"), [ids[0], ids[1]].sort());
    assert.deepEqual(await found("email=nobody"), []);
    assert.deepEqual(await found("phone=%2B1"), []);
    assert.deepEqual(await found("provider=google"), []);
});

test("one user in the dashboard", async () => {
    await sdk({ recipes: [Dashboard.init({ apiKey: KEY })] });
    const d = dashboard(await web(), KEY);
    const made = await d.post(path.CREATE_EMAIL_PASSWORD_USER, {
        email: "a@example.com", password: PASSWORD });
    assert.equal(made.status, "OK");
    const { id } = made.user, query = `?userId=${id}`;
    const { user } = await d.get(path.USER_API + query);
    assert.deepEqual(user.emails, ["a@example.com"]);
    assert.equal(user.firstName, "");
    assert.equal((await d.get(`${path.USER_API}?userId=nobody`)).status, "NO_USER_FOUND_ERROR");
    await Session.createNewSessionWithoutRequestResponse("public", user.loginMethods[0].recipeUserId
        ? new supertokens.RecipeUserId(id) : undefined);
    const { sessions } = await d.get(path.USER_SESSIONS_API + query);
    assert.equal(sessions.length, 1);
    await d.post(path.USER_SESSIONS_API, { sessionHandles: [sessions[0].sessionHandle] });
    assert.deepEqual((await d.get(path.USER_SESSIONS_API + query)).sessions, []);
    assert.equal((await d.put(path.USER_PASSWORD_API, {
        recipeUserId: id, newPassword: "brandnew1" })).status, "OK");
    assert.equal((await EmailPassword.signIn("public", "a@example.com", "brandnew1")).status, "OK");
    assert.equal((await d.put(path.USER_API, { userId: id, recipeUserId: id,
        recipeId: "emailpassword", email: "b@example.com", phone: "", firstName: "Ann",
        lastName: "" })).status, "OK");
    const changed = (await d.get(path.USER_API + query)).user;
    assert.deepEqual([changed.emails, changed.firstName], [["b@example.com"], "Ann"]);
    assert.equal((await d.del(path.USER_API + query)).status, "OK");
    assert.equal((await d.get(path.USERS_COUNT_API)).count, 0);
});

test("tenants in the dashboard", async () => {
    await sdk({ recipes: [Dashboard.init({ apiKey: KEY })] });
    const origin = await web(), d = dashboard(origin, KEY), t1 = dashboard(origin, KEY, "t1");
    assert.equal((await d.post(path.TENANT_API, { tenantId: "t1" })).status, "OK");
    const listed = await d.get(`${path.LIST_TENANTS_WITH_LOGIN_METHODS}`);
    assert.deepEqual(listed.tenants.map((t) => t.tenantId).sort(), ["public", "t1"]);
    await EmailPassword.signUp("t1", "a@example.com", PASSWORD);
    const { tenant } = await t1.get(path.TENANT_API);
    assert.equal(tenant.tenantId, "t1");
    assert.equal(tenant.userCount, 1);
    const attempts = tenant.coreConfig.find((f) => f.key === "totp_max_attempts");
    assert.deepEqual([attempts.value, attempts.valueType, attempts.isPluginProperty], [5, "number", false]);
    assert.equal((await t1.put(path.UPDATE_TENANT_CORE_CONFIG_API, {
        name: "totp_max_attempts", value: 7 })).status, "OK");
    const after7 = (await t1.get(path.TENANT_API)).tenant.coreConfig;
    assert.equal(after7.find((f) => f.key === "totp_max_attempts").value, 7);
    assert.equal((await t1.del(path.TENANT_API)).status, "OK");
    assert.equal((await t1.get(path.TENANT_API)).status, "UNKNOWN_TENANT_ERROR");
});

test("signing in to the dashboard", async () => {
    const at = await sdk({ recipes: [Dashboard.init()] });
    const origin = await web();
    const user = { email: "admin@example.com", password: PASSWORD };
    assert.equal((await core("POST", `${at}/recipe/dashboard/user`, user)).status, "OK");
    assert.equal((await send(origin, "GET", "/auth/dashboard/api/users?limit=5",
        { token: "nonsense" })).status, 401);
    const anyone = dashboard(origin);
    assert.equal((await anyone.post(path.SIGN_IN_API, { ...user, password: "wrong1234" })).status,
        "INVALID_CREDENTIALS_ERROR");
    const { sessionId } = await anyone.post(path.SIGN_IN_API, user);
    const d = dashboard(origin, sessionId);
    assert.deepEqual((await d.get(`${path.USERS_LIST_GET_API}?limit=5`)).users, []);
    assert.equal((await d.post(path.SIGN_OUT_API)).status, "OK");
    assert.equal((await send(origin, "GET", "/auth/dashboard/api/users?limit=5",
        { token: sessionId })).status, 401);
});
