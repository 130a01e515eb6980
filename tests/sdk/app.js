// SPDX-License-Identifier: Apache-2.0
// What the tests of the Node SDK share: an app of the core at STK_CORE, and the SDK made anew
// for it.
"use strict";

process.env.TEST_MODE = "testing"; // lets recipes be reset, and keeps the SDK from calling home

const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const supertokens = require("supertokens-node");

const CORE = process.env.STK_CORE;
const LIB = "supertokens-node/lib/build/";
const RESET = ["supertokens", ...["accountlinking", "dashboard", "emailpassword",
    "emailverification", "jwt", "multifactorauth", "multitenancy", "oauth2provider", "openid",
    "passwordless", "session", "thirdparty", "totp", "usermetadata", "userroles"].map(
    (recipe) => `recipe/${recipe}/recipe`)];

// A call of the core itself.
async function core(method, path, body, headers = {}) {
    const reply = await fetch(CORE + path, {
        method, body: body && JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers } });
    assert.equal(reply.status, 200, `${path}: ${reply.status}`);
    return reply.json();
}

// The path of a new app.
async function newApp(coreConfig = {}) {
    const appId = randomUUID();
    await core("PUT", "/recipe/multitenancy/app/v2", { appId, coreConfig });
    return `/appid-${appId}`;
}

function init(app, recipes, apiKey) {
    for (const path of RESET) {
        require(LIB + path).default.reset();
    }
    supertokens.init({
        framework: "express",
        telemetry: false,
        supertokens: { connectionURI: CORE + app, apiKey },
        appInfo: { appName: "demo", apiDomain: "http://localhost:3001",
            websiteDomain: "http://localhost:3000" },
        recipeList: recipes,
    });
}

module.exports = { core, init, newApp };
