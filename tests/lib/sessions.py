# SPDX-License-Identifier: Apache-2.0
"""Session calls that tests share."""

import base64
import json

OLD = ["2.8", "2.18"]
ALL = ["2.7", "2.8", "2.9", "2.18", "2.21", "3.0", "3.1", "4.0", "5.0", "5.1", "5.2", "5.3", "5.4",
       "5.5", "5.6"]
NEW = ["3.0", "4.0", "5.0", "5.4", "5.6"]


def at(app, cdi):
    return app.at(cdi=cdi)


def number(cdi):
    major, minor = cdi.split(".")
    return int(major) * 1000 + int(minor)


def create(app, user="user", payload=None, data=None, csrf=False, **more):
    return app.post("/recipe/session", dict({
        "userId": user, "userDataInJWT": payload or {}, "userDataInDatabase": data or {},
        "enableAntiCsrf": csrf}, **more))


def refresh(app, token, csrf=None, enable=False, **more):
    body = {"refreshToken": token, "enableAntiCsrf": enable, "useDynamicSigningKey": True, **more}
    if csrf is not None:
        body["antiCsrfToken"] = csrf
    return app.post("/recipe/session/refresh", body)


def verify(app, token, csrf=None, check=False, enable=False, database=False):
    body = {"accessToken": token, "doAntiCsrfCheck": check, "enableAntiCsrf": enable,
            "checkDatabase": database}
    if csrf is not None:
        body["antiCsrfToken"] = csrf
    return app.post("/recipe/session/verify", body)


def decode(text):
    text = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    head, body, _ = token.split(".")
    return json.loads(decode(head)), json.loads(decode(body))


def bend(token):
    """The same token with another signature."""
    at_ = len(token) - 40
    return token[:at_] + ("A" if token[at_] != "A" else "B") + token[at_ + 1:]
