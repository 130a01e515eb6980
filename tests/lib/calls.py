# SPDX-License-Identifier: Apache-2.0
"""Calls that tests of concurrency share, and what must hold after them."""

PASSWORD = "secret123"
NEW = {"userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
       "useDynamicSigningKey": True}
EMAIL_VERIFY = "/recipe/user/email/verify"
ROUNDS = 4
CROWD = 8


def statuses(replies, code=200):
    """The statuses of replies that all have this code, sorted."""
    for r in replies:
        assert r.status == code, f"{r.status}: {r.text}"
    return sorted(r.json["status"] for r in replies)


def sign_up(app, email):
    return app.post("/recipe/signup", {"email": email, "password": PASSWORD})


def sign_in(app, email, password=PASSWORD):
    return app.post("/recipe/signin", {"email": email, "password": password})


def user_id(reply):
    return reply.ok()["user"]["id"]


def owners(app, email):
    found = app.get("/users/by-accountinfo", {"doUnionOfAccountInfo": "true", "email": email})
    return [u["id"] for u in found.ok()["users"]]


def everyone(app):
    """The ids of all users of the tenant, from its list."""
    ids, token = [], {}
    while True:
        page = app.get("/users", {"limit": 100, **token}).ok()
        ids += [u["id"] for u in page["users"]]
        if "nextPaginationToken" not in page:
            return ids
        token = {"paginationToken": page["nextPaginationToken"]}


def count(app):
    return app.get("/users/count").ok()["count"]


def session(app, user="someone"):
    return app.post("/recipe/session", {"userId": user, **NEW})


def verification_token(app, user, email):
    return app.post(EMAIL_VERIFY + "/token", {"userId": user, "email": email}).ok()["token"]


def verify_email(app, token):
    return app.post(EMAIL_VERIFY, {"method": "token", "token": token})


def assert_flag_is_exact(app, user):
    """What the user shows is what is verified."""
    method, = app.get("/user/id", {"userId": user}).ok()["user"]["loginMethods"]
    query = {"userId": user, "email": method["email"]}
    assert method["verified"] == app.get(EMAIL_VERIFY, query).ok()["isVerified"]
    return method["verified"]


def put_tenant(app, tenant):
    return app.put("/recipe/multitenancy/tenant/v2", {"tenantId": tenant})
