# SPDX-License-Identifier: Apache-2.0
"""What the recipes besides passwords and sessions cost: rows of tests/bench/run."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

CODES = 12000  # more than are used up in the seconds of one row
USERS_OF_A_ROLE = 1000


def post(path, body):
    return "POST", path, json.dumps(body)


def third_party(b):
    def account(user):
        return {"thirdPartyId": "google", "thirdPartyUserId": user,
                "email": {"id": f"{user}@example.com", "isVerified": True}}
    stem, path = os.urandom(4).hex(), "/recipe/signinup"
    b.app.post(path, account("known")).ok()
    b.analyze()
    b.row("thirdparty signinup, new user",
          [post(path, account(f"{stem}-{i}")) for i in range(200000)],
          lambda: b.app.post(path, account(stem)))
    b.row("thirdparty signinup, known user", [post(path, account("known"))],
          lambda: b.app.post(path, account("known")))


def passwordless(b):
    """Each code is sent to an address of its own, so each use signs up."""
    stem, path = os.urandom(4).hex(), "/recipe/signinup/code"

    def code(i):
        told = b.app.post(path, {"email": f"{stem}-{i}@example.com"}).ok()
        return {"preAuthSessionId": told["preAuthSessionId"], "linkCode": told["linkCode"]}
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(code, range(CODES)))
    b.analyze()
    b.row("passwordless code", [post(path, {"email": f"{stem}-x{i}@example.com"})
                                for i in range(200000)], lambda: b.app.post(path, {"email": stem}))
    b.row("passwordless consume, new user", [post(path + "/consume", c) for c in codes[1:]],
          lambda: b.app.post(path + "/consume", codes[0]))


def roles(b):
    role = {"role": "reader", "permissions": ["read", "list"]}
    b.app.put("/recipe/role", role).ok()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: b.app.put("/recipe/user/role", {
            "userId": f"user-{i}", "role": "reader"}).ok(), range(USERS_OF_A_ROLE)))
    for title, path in (("roles of a user", "/recipe/user/roles?userId=user-7"),
                        ("permissions of a role", "/recipe/role/permissions?role=reader"),
                        (f"users of a role, {USERS_OF_A_ROLE:,}", "/recipe/role/users?role=reader"),
                        ("roles of an app", "/recipe/roles")):
        b.row(title, [("GET", path, "")], lambda p=path: b.app.get(p))


def metadata(b):
    def body(i):
        return {"userId": "user-1", "metadataUpdate": {"n": i}}
    path = "/recipe/user/metadata"
    b.row("metadata, merged", [("PUT", path, json.dumps(body(i))) for i in range(1000)],
          lambda: b.app.put(path, body(0)))
    b.row("metadata, read", [("GET", path + "?userId=user-1", "")],
          lambda: b.app.get(path, {"userId": "user-1"}))


ALL = (third_party, passwordless, roles, metadata)
