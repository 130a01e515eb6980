// SPDX-License-Identifier: Apache-2.0
// The official Node SDK against the core at STK_CORE: user metadata, roles, and the claims
// that sessions carry of them.  test_node_sdk.py runs it.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const express = require("express");
const { init, newApp } = require("./app");
const supertokens = require("supertokens-node");
const EmailPassword = require("supertokens-node/recipe/emailpassword");
const Multitenancy = require("supertokens-node/recipe/multitenancy");
const Session = require("supertokens-node/recipe/session");
const UserMetadata = require("supertokens-node/recipe/usermetadata");
const UserRoles = require("supertokens-node/recipe/userroles");
const { verifySession } = require("supertokens-node/recipe/session/framework/express");
const { errorHandler, middleware } = require("supertokens-node/framework/express");


async function sdk() {
    init(await newApp(), [EmailPassword.init(), Multitenancy.init(), UserMetadata.init(),
        UserRoles.init(),
        Session.init({ getTokenTransferMethod: () => "header", antiCsrf: "NONE" })]);
}

const signUp = () => EmailPassword.signUp("public", "a@example.com", "secret123");
const rolesOf = async (user, tenant = "public") =>
    (await UserRoles.getRolesForUser(tenant, user)).roles;

test("user metadata", async () => {
    await sdk();
    const user = (await signUp()).user.id;
    const read = async () => (await UserMetadata.getUserMetadata(user)).metadata;
    assert.deepEqual(await read(), {});
    const first = { role: "admin", name: { first: "A", last: "B" }, cleared: true,
        numbers: [0, -1.5, 0.1, 1e21, 2 ** 53 - 1] };
    assert.deepEqual((await UserMetadata.updateUserMetadata(user, first)).metadata, first);
    const { metadata } = await UserMetadata.updateUserMetadata(user, {
        name: { first: "é\u{1f600}" }, cleared: null, inner: { kept: null } });
    assert.deepEqual(metadata, { role: "admin", numbers: first.numbers,
        name: { first: "é\u{1f600}" }, inner: { kept: null } });
    assert.deepEqual(await read(), metadata);
    await Promise.all([...Array(10).keys()].map((i) =>
        UserMetadata.updateUserMetadata(user, { [`k${i}`]: i })));
    assert.equal(Object.keys(await read()).length, 14);
    await UserMetadata.clearUserMetadata(user);
    assert.deepEqual(await read(), {});
});

test("metadata goes with its user", async () => {
    await sdk();
    const user = (await signUp()).user.id;
    await UserMetadata.updateUserMetadata(user, { a: 1 });
    await supertokens.deleteUser(user);
    assert.deepEqual((await UserMetadata.getUserMetadata(user)).metadata, {});
});

test("roles and permissions", async () => {
    await sdk();
    const put = async (role, permissions) =>
        (await UserRoles.createNewRoleOrAddPermissions(role, permissions)).createdNewRole;
    assert.equal(await put("admin", ["read", "write"]), true);
    assert.equal(await put("admin", ["delete"]), false);
    assert.equal(await put("user", ["read"]), true);
    assert.deepEqual((await UserRoles.getAllRoles()).roles, ["admin", "user"]);
    assert.deepEqual((await UserRoles.getPermissionsForRole("admin")).permissions,
        ["delete", "read", "write"]);
    assert.deepEqual((await UserRoles.getRolesThatHavePermission("read")).roles, ["admin", "user"]);
    assert.equal((await UserRoles.removePermissionsFromRole("admin", ["read"])).status, "OK");
    assert.deepEqual((await UserRoles.getRolesThatHavePermission("read")).roles, ["user"]);
    assert.equal((await UserRoles.deleteRole("admin")).didRoleExist, true);
    assert.equal((await UserRoles.deleteRole("admin")).didRoleExist, false);
    for (const result of [await UserRoles.getPermissionsForRole("admin"),
        await UserRoles.removePermissionsFromRole("admin", ["read"]),
        await UserRoles.getUsersThatHaveRole("public", "admin"),
        await UserRoles.addRoleToUser("public", "u", "admin"),
        await UserRoles.removeUserRole("public", "u", "admin")]) {
        assert.equal(result.status, "UNKNOWN_ROLE_ERROR");
    }
});

test("roles of users and tenants", async () => {
    await sdk();
    const user = (await signUp()).user.id;
    await Multitenancy.createOrUpdateTenant("t1");
    await UserRoles.createNewRoleOrAddPermissions("a", []);
    await UserRoles.createNewRoleOrAddPermissions("b", []);
    const add = async (tenant, role) =>
        (await UserRoles.addRoleToUser(tenant, user, role)).didUserAlreadyHaveRole;
    assert.deepEqual([await add("public", "a"), await add("public", "a"), await add("t1", "b")],
        [false, true, false]);
    assert.deepEqual([await rolesOf(user), await rolesOf(user, "t1")], [["a"], ["b"]]);
    assert.deepEqual((await UserRoles.getUsersThatHaveRole("t1", "b")).users, [user]);
    assert.deepEqual((await UserRoles.getUsersThatHaveRole("public", "b")).users, []);
    assert.equal((await UserRoles.removeUserRole("t1", user, "b")).didUserHaveRole, true);
    assert.equal((await UserRoles.removeUserRole("t1", user, "b")).didUserHaveRole, false);
    await supertokens.deleteUser(user);
    assert.deepEqual(await rolesOf(user), []);
});

test("claims of sessions", async () => {
    await sdk();
    const { user, recipeUserId } = await signUp();
    for (const [role, permissions] of [["admin", ["read", "write"]], ["user", ["read"]]]) {
        await UserRoles.createNewRoleOrAddPermissions(role, permissions);
        await UserRoles.addRoleToUser("public", user.id, role);
    }
    const s = await Session.createNewSessionWithoutRequestResponse("public", recipeUserId, {}, {}, true);
    const { UserRoleClaim, PermissionClaim } = UserRoles;
    const seen = await Session.getSessionWithoutRequestResponse(s.getAccessToken());
    const payload = seen.getAccessTokenPayload();
    assert.deepEqual(payload["st-role"].v, ["admin", "user"]);
    assert.deepEqual(payload["st-perm"].v.sort(), ["read", "write"]);
    await UserRoles.deleteRole("admin");
    await s.fetchAndSetClaim(UserRoleClaim);
    await s.fetchAndSetClaim(PermissionClaim);
    assert.deepEqual(await s.getClaimValue(UserRoleClaim), ["user"]);
    assert.deepEqual(await s.getClaimValue(PermissionClaim), ["read"]);
    const { accessToken } = s.getAllSessionTokensDangerously();
    const again = await Session.getSessionWithoutRequestResponse(accessToken, undefined, {
        checkDatabase: true });
    assert.deepEqual(again.getAccessTokenPayload()["st-role"].v, ["user"]);
});

test("a route for a role", async () => {
    await sdk();
    const { user } = await signUp();
    const app = express();
    app.use(middleware());
    app.get("/admin", verifySession({ overrideGlobalClaimValidators: (given) => [...given,
        UserRoles.UserRoleClaim.validators.includes("admin"),
        UserRoles.PermissionClaim.validators.includes("write")] }),
    (req, res) => res.json({ id: req.session.getUserId() }));
    app.use(errorHandler());
    const server = app.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const at = `http://127.0.0.1:${server.address().port}`;
    const ask = async () => {
        const made = await fetch(`${at}/auth/signin`, {
            method: "POST", headers: { "content-type": "application/json" },
            body: JSON.stringify({ formFields: [{ id: "email", value: "a@example.com" },
                { id: "password", value: "secret123" }] }) });
        const reply = await fetch(`${at}/admin`, {
            headers: { authorization: `Bearer ${made.headers.get("st-access-token")}` } });
        return [reply.status, await reply.json()];
    };
    try {
        assert.equal((await ask())[0], 403);
        await UserRoles.createNewRoleOrAddPermissions("admin", ["write"]);
        await UserRoles.addRoleToUser("public", user.id, "admin");
        assert.deepEqual(await ask(), [200, { id: user.id }]);
        await UserRoles.removePermissionsFromRole("admin", ["write"]);
        const [status, reply] = await ask();
        assert.deepEqual([status, reply.claimValidationErrors[0].id], [403, "st-perm"]);
    } finally {
        server.closeAllConnections();
        server.close();
    }
});
