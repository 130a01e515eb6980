# SPDX-License-Identifier: Apache-2.0
"""Passwordless calls that tests share."""

import base64
import hashlib

EMAIL, PHONE = "a@example.com", "+16502530000"
FORBIDDEN = "Only public tenantId can call this app specific API"
ONE_PROOF = "Please provide exactly one of linkCode or deviceId+userInputCode"
CODE = "/recipe/signinup/code"
CODES = "/recipe/signinup/codes"
RESTART = {"status": "RESTART_FLOW_ERROR"}


def new(app, email=None, phone=None, **more):
    contact = {"phoneNumber": phone} if phone else {"email": email or EMAIL}
    return app.post(CODE, {**({} if "deviceId" in more else contact), **more})


def typed(code, text=None):
    return {"preAuthSessionId": code["preAuthSessionId"], "deviceId": code["deviceId"],
            "userInputCode": text or code["userInputCode"]}


def link(code):
    return {"preAuthSessionId": code["preAuthSessionId"], "linkCode": code["linkCode"]}


def consume(app, proof, **kw):
    return app.post(CODE + "/consume", proof, **kw)


def check(app, proof, **kw):
    return app.post(CODE + "/check", proof, **kw)


def sign_in(app, email=None, phone=None, **kw):
    return consume(app, link(new(app, email, phone).ok()), **kw)


def devices(app, **query):
    return app.get(CODES, query or {"email": EMAIL}).ok()["devices"]


def get_user(app, query, **kw):
    return app.get("/recipe/user", query, rid="passwordless", **kw)


def update(app, user_id, cdi="5.4", **fields):
    key = "recipeUserId" if cdi >= "4.0" else "userId"
    return app.put("/recipe/user", {key: user_id, **fields}, rid="passwordless", cdi_version=cdi)


def configure(app, **config):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "public", "coreConfig": config}).ok()


def missing(field):
    return f"Field name '{field}' is invalid in JSON input"


def sha(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
