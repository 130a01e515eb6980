# SPDX-License-Identifier: Apache-2.0
"""Account linking: primary users, linking and unlinking, and what follows from them for lists,
counts, lookups, sign-in, sessions, tenants, emails and deletion."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import Core
from sql import run_sql

PATH = "/recipe/accountlinking/user/"
TAKEN = "ACCOUNT_INFO_ALREADY_ASSOCIATED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR"
LINKED = "RECIPE_USER_ID_ALREADY_LINKED_WITH_PRIMARY_USER_ID_ERROR"
OTHER = "RECIPE_USER_ID_ALREADY_LINKED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR"
NOT_PRIMARY = "INPUT_USER_IS_NOT_A_PRIMARY_USER"
UNKNOWN = "Unknown user ID provided"
TABLES = ("st_users", "st_login_methods", "st_user_tenants", "st_tenant_users",
          "st_account_reservations")


def sign_up(app, email):
    return app.post("/recipe/signup", {"email": email, "password": "secret12"}).ok()["user"]["id"]


def sign_in(app, email):
    return app.post("/recipe/signin", {"email": email, "password": "secret12"})


def check_primary(app, user):
    return app.get(PATH + "primary/check", {"recipeUserId": user})


def primary(app, user):
    return app.post(PATH + "primary", {"recipeUserId": user})


def check_link(app, user, to):
    return app.get(PATH + "link/check", {"recipeUserId": user, "primaryUserId": to})


def link(app, user, to):
    return app.post(PATH + "link", {"recipeUserId": user, "primaryUserId": to})


def unlink(app, user):
    return app.post(PATH + "unlink", {"recipeUserId": user})


def unlinked(app, user):
    out = unlink(app, user).ok()
    assert set(out) == {"status", "wasLinked", "wasRecipeUserDeleted"}
    return out["wasLinked"], out["wasRecipeUserDeleted"]


def get(app, user):
    return app.get("/user/id", {"userId": user})


def seen(app, user):
    return get(app, user).ok()["user"]


def methods(user):
    return [m["recipeUserId"] for m in user["loginMethods"]]


def count(app, **query):
    return app.get("/users/count", query).ok()["count"]


def listed(app, **query):
    return app.get("/users", query).ok()["users"]


def by_email(app, email):
    return app.get("/users/by-accountinfo", {
        "email": email, "doUnionOfAccountInfo": "true"}).ok()["users"]


def new_tenant(app, name):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": name}).ok()
    return app.tenant(name)


def associate(tenant, user):
    return tenant.post("/recipe/multitenancy/tenant/user", {"recipeUserId": user})


def disassociate(tenant, user):
    return tenant.post("/recipe/multitenancy/tenant/user/remove", {"recipeUserId": user})


def remove(app, user, **more):
    app.post("/user/remove", {"userId": user, **more}).ok()


def session(app, user):
    return app.post("/recipe/session", {
        "userId": user, "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
        "useDynamicSigningKey": True}).ok()["session"]


def handles(app, user, linked="true"):
    return sorted(app.get("/recipe/session/user", {
        "userId": user, "fetchSessionsForAllLinkedAccounts": linked}).ok()["sessionHandles"])


def rows(core, storage, app, table, where="1=1"):
    return int(run_sql(core, storage, f"SELECT count(*) FROM {table} WHERE app_id = "
                                      f"'{app.prefix[7:]}' AND {where}")[0][0])


@pytest.fixture
def sql(core, storage, app):
    """Statements about the app: `:app` is its id."""
    return lambda text: run_sql(core, storage, text.replace(":app", f"'{app.prefix[7:]}'"))


@pytest.fixture
def held(sql):
    """What primary users hold: {(tenant, kind, value): user}."""
    def read():
        return {tuple(key.split("\x1f")): user for key, user in sql(
            "SELECT rkey, user_id FROM st_account_reservations WHERE app_id = :app")}
    return read


@pytest.fixture
def give_id(sql):
    def give(user, external):
        sql(f"""INSERT INTO st_user_id_mapping(app_id, supertokens_user_id, external_user_id)
            VALUES (:app, '{user}', '{external}');
            UPDATE st_users SET external_user_id = '{external}' WHERE app_id = :app AND
              user_id = '{user}';
            UPDATE st_login_methods SET external_user_id = '{external}' WHERE app_id = :app AND
              recipe_user_id = '{user}';
            UPDATE st_user_tenants SET external_user_id = '{external}' WHERE app_id = :app AND
              recipe_user_id = '{user}'""")
    return give


@pytest.fixture
def turn(sql):
    """Makes an email/password user one of another recipe."""
    def change(user, recipe, **account):
        values = ", ".join(f"{k} = '{v}'" for k, v in account.items())
        for table in ("st_login_methods", "st_user_tenants"):
            sql(f"UPDATE {table} SET recipe_id = '{recipe}', {values} WHERE app_id = :app AND "
                f"recipe_user_id = '{user}'")
    return change


@pytest.fixture
def abc(app):
    return [sign_up(app, f"{c}@example.com") for c in "abc"]


def mail(tenant, letter):
    return tenant, "email", f"{letter}@example.com"


# ---- what was asked

def test_missing_and_wrong_fields(app):
    body, query = "Field name '{}' is invalid in JSON input", "Field name '{}' is missing in GET request"
    for path in ("primary", "unlink", "link"):
        for sent in ({}, {"recipeUserId": 1}, {"recipeUserId": None}):
            app.post(PATH + path, sent).is_error(400, body.format("recipeUserId"))
    app.post(PATH + "link", {"recipeUserId": "x"}).is_error(400, body.format("primaryUserId"))
    for path in ("primary/check", "link/check"):
        app.get(PATH + path).is_error(400, query.format("recipeUserId"))
    app.get(PATH + "link/check", {"recipeUserId": "x"}).is_error(400, query.format("primaryUserId"))


def test_unknown_ids(app, abc):
    a, b, _ = abc
    primary(app, a).ok()
    for reply in (primary(app, "x"), check_primary(app, "x"), unlink(app, "x"), link(app, "x", a),
                  link(app, b, "x"), check_link(app, "x", a), check_link(app, b, "x"),
                  link(app, "", a), primary(app, "y" * 3000)):
        reply.is_error(400, UNKNOWN)


def test_only_for_the_app(app):
    tenant = new_tenant(app, "t1")
    for reply in (primary(tenant, "x"), check_primary(tenant, "x"), unlink(tenant, "x"),
                  link(tenant, "x", "y"), check_link(tenant, "x", "y")):
        reply.is_error(403, "Only public tenantId can call this app specific API")


# ---- primary users

def test_primary(app, abc, held):
    a, b, _ = abc
    before = seen(app, a)
    assert check_primary(app, a).ok() == {"status": "OK", "wasAlreadyAPrimaryUser": False}
    assert seen(app, a) == before and held() == {}
    out = primary(app, a).ok()
    assert out == {"status": "OK", "wasAlreadyAPrimaryUser": False,
                   "user": {**before, "isPrimaryUser": True}}
    assert seen(app, a) == out["user"] == by_email(app, "a@example.com")[0]
    assert sign_in(app, "a@example.com").ok()["user"] == out["user"]
    assert held() == {mail("public", "a"): a}
    for _ in range(2):
        assert check_primary(app, a).ok()["wasAlreadyAPrimaryUser"] is True
        assert primary(app, a).ok() == {**out, "wasAlreadyAPrimaryUser": True}
    assert seen(app, b)["isPrimaryUser"] is False
    assert len(listed(app)) == count(app) == 3


@pytest.mark.parametrize("cdi", ["4.0", "5.2", "5.3", "5.6"])
def test_user_by_version(app, abc, cdi):
    a, b, _ = abc
    at = app.at(cdi=cdi)
    users = [primary(at, a).ok()["user"], link(at, b, a).ok()["user"], seen(at, b)]
    for user in users:
        assert ("webauthn" in user) == (cdi >= "5.3")
    assert users[1] == users[2]


def test_account_of_another_primary_user(app, turn, held):
    a = sign_up(app, "x@example.com")
    b = sign_up(app, "b@example.com")
    turn(b, "passwordless", email="x@example.com")
    primary(app, a).ok()
    refused = {"status": TAKEN, "primaryUserId": a,
               "description": "This user's email is already associated with another user ID"}
    assert check_primary(app, b).is_status(TAKEN) == refused
    assert primary(app, b).is_status(TAKEN) == refused
    c = sign_up(app, "c@example.com")
    primary(app, c).ok()
    for reply in (check_link(app, b, c), link(app, b, c)):
        assert reply.is_status(TAKEN) == refused
    assert held() == {("public", "email", "x@example.com"): a, mail("public", "c"): c}
    assert not seen(app, b)["isPrimaryUser"] and methods(seen(app, c)) == [c]
    # to whom the email belongs it can be linked
    link(app, b, a).ok()
    assert seen(app, a)["emails"] == ["x@example.com"]


@pytest.mark.parametrize("recipe, kind, account, text", [
    ("passwordless", "phone", {"phone": "+3612345678"}, "phone number"),
    ("thirdparty", "tparty", {"tp_id": "google", "tp_user_id": "g1"}, "third party login")])
def test_other_kinds_of_accounts(app, abc, turn, held, recipe, kind, account, text):
    a, b, c = abc
    new_tenant(app, "t1")
    primary(app, a).ok()
    turn(b, recipe, **account)
    link(app, b, a).ok()
    value = "::".join(account.values())
    assert held() == {mail("public", "a"): a, mail("public", "b"): a, ("public", kind, value): a}
    # the same account in another tenant belongs to somebody else; there it is free
    rival = sign_up(app.tenant("t1"), "rival@example.com")
    turn(rival, recipe, **account)
    primary(app, rival).ok()
    assert held()[("t1", kind, value)] == rival
    associate(app.tenant("t1"), c).ok()
    reply = link(app, c, a)
    assert reply.is_status(TAKEN) == {
        "status": TAKEN, "primaryUserId": rival,
        "description": f"This user's {text} is already associated with another user ID"}
    assert check_link(app, c, a).json == reply.json
    reason = {"phone": "phone number", "tparty": "third party info"}[kind]
    assert associate(app.tenant("t1"), a).is_status("ASSOCIATION_NOT_ALLOWED_ERROR")["reason"] == (
        f"Another primary user with {reason} already exists: {rival}")


def test_third_party_comes_before_email(app, abc, turn):
    a, b, c = abc
    turn(a, "thirdparty", tp_id="google", tp_user_id="g")
    primary(app, a).ok()
    primary(app, b).ok()
    turn(c, "thirdparty", email="b@example.com", tp_id="apple", tp_user_id="z")
    assert primary(app, c).is_status(TAKEN)["primaryUserId"] == b
    # an account cannot be twice in a tenant; what is reserved is what decides
    turn(a, "thirdparty", tp_id="google", tp_user_id="other")
    turn(c, "thirdparty", tp_id="google", tp_user_id="g")
    out = primary(app, c).is_status(TAKEN)
    assert out["primaryUserId"] == a and "third party login" in out["description"]


@pytest.mark.concurrent
def test_one_of_many_with_an_email_becomes_primary(app, turn):
    for n in range(4):
        users = [sign_up(app, f"u{n}-{i}@example.com") for i in range(6)]
        for i, user in enumerate(users):
            turn(user, "thirdparty", email=f"x{n}@example.com", tp_id="p", tp_user_id=f"{n}-{i}")
        with ThreadPoolExecutor(6) as pool:
            replies = [r.json for r in pool.map(lambda u: primary(app, u), users)]
        assert sorted(r["status"] for r in replies) == [TAKEN] * 5 + ["OK"]
        winner = users[[r["status"] for r in replies].index("OK")]
        assert {r["primaryUserId"] for r in replies if r["status"] == TAKEN} == {winner}
        with ThreadPoolExecutor(6) as pool:  # to whom the email belongs they can all be linked
            replies = list(pool.map(lambda u: link(app, u, winner), users))
        assert all(r.ok() for r in replies)
        assert sorted(methods(seen(app, winner))) == sorted(users)


# ---- linking

def test_link(app, abc, held, core, storage):
    a, b, c = abc
    assert check_link(app, b, a).json == link(app, b, a).json == {"status": NOT_PRIMARY}
    primary(app, a).ok()
    one, two = seen(app, a), seen(app, b)
    assert check_link(app, b, a).ok() == {"status": "OK", "accountsAlreadyLinked": False}
    assert [seen(app, u) for u in (a, b)] == [one, two]
    out = link(app, b, a).ok()
    user = out["user"]
    assert out == {"status": "OK", "accountsAlreadyLinked": False, "user": user}
    assert user == {**one, "emails": ["a@example.com", "b@example.com"],
                    "loginMethods": one["loginMethods"] + two["loginMethods"]}
    for other in (a, b):
        assert seen(app, other) == user
        assert sign_in(app, seen(app, other)["emails"][0]).ok()["user"] == user
    assert sign_in(app, "b@example.com").ok() == {"status": "OK", "user": user, "recipeUserId": b}
    assert by_email(app, "b@example.com") == listed(app, email="b@") == [user]
    assert listed(app) == [user, seen(app, c)]
    assert count(app) == count(app, includeAllTenants="true") == 2
    assert count(app, includeRecipeIds="emailpassword") == 2
    assert held() == {mail("public", "a"): a, mail("public", "b"): a}
    for to in (a, b):
        assert check_link(app, b, to).ok() == {"status": "OK", "accountsAlreadyLinked": True}
        assert link(app, b, to).ok() == {"status": "OK", "accountsAlreadyLinked": True, "user": user}
    assert link(app, a, a).ok()["accountsAlreadyLinked"] is True
    # through a login method of it
    assert methods(link(app, c, b).ok()["user"]) == [a, b, c]
    assert seen(app, c)["id"] == a and count(app) == 1
    expected = dict(zip(TABLES, (1, 3, 3, 1, 3)))
    assert {t: rows(core, storage, app, t) for t in TABLES} == expected


def test_linked_to_another(app, abc):
    a, b, c = abc
    primary(app, a).ok()
    primary(app, c).ok()
    link(app, b, a).ok()
    refused = {"status": OTHER, "primaryUserId": a,
               "description": "The input recipe user ID is already linked to another user ID"}
    for user in (b, a):
        assert check_link(app, user, c).is_status(OTHER) == refused
        assert link(app, user, c).is_status(OTHER) == {**refused, "user": seen(app, a)}
    refused = {"status": LINKED, "primaryUserId": a,
               "description": "This user ID is already linked to another user ID"}
    assert check_primary(app, b).is_status(LINKED) == refused
    assert primary(app, b).is_status(LINKED) == refused
    assert link(app, b, sign_up(app, "d@example.com")).json == {"status": NOT_PRIMARY}


def test_an_older_user_joins(app, abc):
    """The user is as old as its oldest login method, and moves in the lists."""
    a, b, c = abc
    old = {u: seen(app, u)["timeJoined"] for u in abc}
    primary(app, c).ok()
    user = link(app, a, c).ok()["user"]
    assert user["id"] == c and user["timeJoined"] == old[a] and methods(user) == [a, c]
    assert [u["id"] for u in listed(app)] == [c, b]
    assert [u["id"] for u in listed(app, timeJoinedOrder="DESC")] == [b, c]
    page = app.get("/users", {"limit": 1}).ok()
    assert [u["id"] for u in listed(app, limit=1, paginationToken=page["nextPaginationToken"])] == [b]
    unlink(app, a).ok()
    assert [u["id"] for u in listed(app)] == [a, b, c]
    assert seen(app, c)["timeJoined"] == old[c]


def test_recipes_of_a_linked_user(app, abc, turn, sql):
    """Counted once under any recipe it has, also in the tenant."""
    a, b, _ = abc
    turn(b, "thirdparty", tp_id="google", tp_user_id="g")
    for table in ("st_users", "st_tenant_users"):
        sql(f"UPDATE {table} SET recipe_mask = 2 WHERE app_id = :app AND user_id = '{b}'")
    for tenant in ("", "public"):
        for mask, n in ((1, -1), (2, 1)):
            sql("INSERT INTO st_user_counters(app_id, tenant_id, recipe_mask, shard, n) VALUES "
                f"(:app, '{tenant}', {mask}, 99, {n})")

    def counts(**query):
        return [count(app, includeRecipeIds=r, **query) for r in (
            "emailpassword", "thirdparty", "emailpassword,thirdparty", "passwordless")]
    assert counts() == counts(includeAllTenants="true") == [2, 1, 3, 0]
    primary(app, a).ok()
    user = link(app, b, a).ok()["user"]
    assert [m["recipeId"] for m in user["loginMethods"]] == ["emailpassword", "thirdparty"]
    assert user["thirdParty"] == [{"id": "google", "userId": "g"}]
    assert listed(app, includeRecipeIds="thirdparty") == [user]
    assert listed(app, includeRecipeIds="emailpassword") == listed(app)
    assert counts() == counts(includeAllTenants="true") == [2, 1, 2, 0]
    unlink(app, b).ok()
    assert counts() == counts(includeAllTenants="true") == [2, 1, 3, 0]


# ---- unlinking

def test_unlink(app, abc, held, core, storage):
    a, b, c = abc
    before = [seen(app, u) for u in abc]
    assert unlinked(app, a) == (False, False)
    primary(app, a).ok()
    for user in (b, c):
        link(app, user, a).ok()
    assert unlinked(app, b) == (True, False)
    assert seen(app, b) == before[1] and sign_in(app, "b@example.com").ok()["user"] == before[1]
    assert methods(seen(app, a)) == [a, c] and count(app) == 2
    assert held() == {mail("public", "a"): a, mail("public", "c"): a}
    assert unlinked(app, b) == (False, False)
    assert unlinked(app, c) == (True, False)
    assert seen(app, a) == {**before[0], "isPrimaryUser": True}
    assert unlinked(app, a) == (True, False)
    assert [seen(app, u) for u in abc] == listed(app) == before
    assert held() == {} and count(app) == count(app, includeAllTenants="true") == 3
    assert {t: rows(core, storage, app, t) for t in TABLES} == dict(zip(TABLES, (3, 3, 3, 3, 0)))
    assert rows(core, storage, app, "st_user_tenants", "is_primary = " + (
        "true" if storage[0] == "postgresql" else "1")) == 0
    primary(app, b).ok()
    link(app, a, b).ok()


def test_unlink_the_one_that_gave_the_id(app, abc, held, core, storage):
    a, b, c = abc
    primary(app, a).ok()
    link(app, b, a).ok()
    assert unlinked(app, a) == (True, True)
    user = seen(app, a)
    assert user["id"] == a and user["isPrimaryUser"] and methods(user) == [b]
    assert seen(app, b) == user == sign_in(app, "b@example.com").ok()["user"]
    sign_in(app, "a@example.com").is_status("WRONG_CREDENTIALS_ERROR")
    assert held() == {mail("public", "b"): a} and count(app) == 2
    # it stays a primary user to link to, by its id and by its login method
    assert check_primary(app, a).ok()["wasAlreadyAPrimaryUser"] is True
    assert primary(app, a).ok() == {"status": "OK", "wasAlreadyAPrimaryUser": True, "user": user}
    assert primary(app, b).is_status(LINKED)["primaryUserId"] == a
    assert check_link(app, c, a).ok()["accountsAlreadyLinked"] is False
    assert methods(link(app, c, b).ok()["user"]) == [b, c]
    assert unlinked(app, c) == (True, False)
    new = sign_up(app, "a@example.com")
    assert methods(link(app, new, a).ok()["user"]) == [b, new]
    unlink(app, new).ok()
    # again there is nothing to be done
    assert unlinked(app, a) == (True, True) and seen(app, a) == user
    # with the last login method the user is gone
    assert unlinked(app, b) == (True, False)
    get(app, a).is_status("UNKNOWN_USER_ID_ERROR")
    assert seen(app, b)["id"] == b and not seen(app, b)["isPrimaryUser"]
    assert {t: rows(core, storage, app, t) for t in TABLES} == dict(zip(TABLES, (3, 3, 3, 3, 0)))
    assert count(app) == 3


def test_reset_by_the_id_of_a_deleted_method(app, abc):
    """The flow by which an SDK gives a password to a user that has lost its own."""
    a, b, _ = abc
    primary(app, a).ok()
    link(app, b, a).ok()
    remove(app, a, removeAllLinkedAccounts=False)
    path = "/recipe/user/password/reset/token"
    token = app.post(path, {"userId": a, "email": "a@example.com"}).ok()["token"]
    assert app.post(path + "/consume", {"method": "token", "token": token}).ok() == {
        "status": "OK", "userId": a, "email": "a@example.com"}
    left = app.post(path, {"userId": a, "email": "a@example.com"}).ok()["token"]
    new = sign_up(app, "a@example.com")
    assert methods(link(app, new, a).ok()["user"]) == [b, new]
    token = app.post(path, {"userId": new, "email": "a@example.com"}).ok()["token"]
    assert app.post("/recipe/user/password/reset", {
        "method": "token", "token": token, "newPassword": "another12"}).ok()["userId"] == new
    assert app.post("/recipe/signin", {
        "email": "a@example.com", "password": "another12"}).ok()["user"]["id"] == a
    for user in (b, new):
        unlink(app, user).ok()
    app.post(path + "/consume", {"method": "token", "token": left}).is_status(
        "RESET_PASSWORD_INVALID_TOKEN_ERROR")


# ---- external ids

def test_external_ids(app, abc, give_id):
    a, b, c = abc
    for user, external in ((a, "ext-a"), (b, "ext-b")):
        give_id(user, external)
    assert primary(app, "ext-a").ok()["user"]["id"] == "ext-a"
    user = link(app, "ext-b", a).ok()["user"]
    assert user["id"] == "ext-a" and methods(user) == ["ext-a", "ext-b"]
    for name in (a, b, "ext-a", "ext-b"):
        assert seen(app, name) == user
        assert link(app, b, name).ok()["accountsAlreadyLinked"] is True
    assert primary(app, "ext-b").is_status(LINKED)["primaryUserId"] == "ext-a"
    primary(app, c).ok()
    for reply in (link(app, "ext-b", c), check_link(app, b, c)):
        assert reply.is_status(OTHER)["primaryUserId"] == "ext-a"
    assert sign_in(app, "b@example.com").ok()["recipeUserId"] == "ext-b"
    assert unlinked(app, "ext-b") == (True, False)
    alone = seen(app, "ext-b")
    assert alone == seen(app, b) and alone["id"] == "ext-b" and methods(alone) == ["ext-b"]
    assert sign_in(app, "b@example.com").ok()["user"] == alone
    # the id of a primary user outlives its login method
    link(app, b, "ext-a").ok()
    assert unlinked(app, "ext-a") == (True, True)
    assert seen(app, "ext-a")["id"] == "ext-a" and methods(seen(app, a)) == ["ext-b"]
    assert link(app, "ext-b", "ext-a").ok()["accountsAlreadyLinked"] is True


def test_owner_by_external_id(app, abc, give_id, turn):
    a, b, c = abc
    primary(app, a).ok()
    primary(app, c).ok()
    give_id(a, "ext-a")
    turn(b, "passwordless", email="a@example.com")
    for reply in (primary(app, b), check_primary(app, b), link(app, b, c), check_link(app, b, c)):
        assert reply.is_status(TAKEN)["primaryUserId"] == "ext-a"


# ---- sessions

def test_sessions_end_when_the_user_id_changes(app, abc, give_id):
    a, b, c = abc
    primary(app, a).ok()
    of_a, _ = session(app, a), session(app, b)
    early = session(app, c)
    give_id(c, "ext-c")
    session(app, c)
    assert len(handles(app, c)) == 2
    link(app, b, a).ok()
    assert handles(app, b, "false") == [] and handles(app, b) == [of_a["handle"]]
    link(app, c, a).ok()
    app.get("/recipe/session", {"sessionHandle": early["handle"]}).is_status("UNAUTHORISED")
    made = [session(app, u) for u in (b, c)]
    assert [(s["userId"], s["recipeUserId"]) for s in made] == [(a, b), (a, "ext-c")]
    everyone = sorted([of_a["handle"], *(s["handle"] for s in made)])
    for user in (a, b, c):
        assert handles(app, user) == everyone
    assert handles(app, a, "false") == [of_a["handle"]]
    unlink(app, b).ok()
    unlink(app, c).ok()
    assert handles(app, b) == handles(app, c) == [] and handles(app, a) == [of_a["handle"]]
    new = session(app, b)
    assert (new["userId"], new["recipeUserId"]) == (b, b)
    unlink(app, a).ok()
    assert handles(app, a) == []


def test_sessions_of_a_deleted_method(app, abc):
    a, b, _ = abc
    primary(app, a).ok()
    link(app, b, a).ok()
    one, two = session(app, a)["handle"], session(app, b)["handle"]
    # deleting the login method keeps what is filed under the user's id
    remove(app, a, removeAllLinkedAccounts=False)
    assert handles(app, a) == handles(app, b) == sorted([one, two])
    # unlinking it does not keep its sessions
    assert unlinked(app, a) == (True, True)
    assert handles(app, a) == [two]
    new = session(app, b)
    assert (new["userId"], new["recipeUserId"]) == (a, b)


def test_sessions_end_with_the_unlinked(app, abc):
    a, b, _ = abc
    primary(app, a).ok()
    link(app, b, a).ok()
    session(app, a)
    kept = session(app, b)["handle"]
    assert unlinked(app, a) == (True, True)
    assert handles(app, a) == handles(app, b) == [kept]
    out = app.post("/recipe/session/remove", {"userId": a}).ok()
    assert out["sessionHandlesRevoked"] == [kept]


def test_active_users(app, abc, core, storage):
    a, b, _ = abc
    primary(app, a).ok()
    assert app.get("/users/count/active", {"since": "0"}).ok()["count"] == 3
    link(app, b, a).ok()
    assert app.get("/users/count/active", {"since": "0"}).ok()["count"] == 2
    assert rows(core, storage, app, "st_user_last_active", f"user_id = '{b}'") == 0
    sign_in(app, "b@example.com").ok()
    assert app.get("/users/count/active", {"since": "0"}).ok()["count"] == 2
    unlink(app, b).ok()
    sign_in(app, "b@example.com").ok()
    assert app.get("/users/count/active", {"since": "0"}).ok()["count"] == 3


def test_the_feature_is_used(app, abc):
    def used():
        return app.get("/ee/featureflag").ok()["usageStats"]["account_linking"]
    assert used() == {"usesAccountLinking": False}
    primary(app, abc[0]).ok()
    assert used() == {"usesAccountLinking": True}


# ---- tenants

def test_tenants_of_both_are_of_one(app, abc, held):
    a, b, _ = abc
    t1, t2 = new_tenant(app, "t1"), new_tenant(app, "t2")
    associate(t1, b).ok()
    associate(t2, a).ok()
    primary(app, a).ok()
    user = link(app, b, a).ok()["user"]
    assert sorted(user["tenantIds"]) == ["public", "t1", "t2"]
    assert [sorted(m["tenantIds"]) for m in user["loginMethods"]] == [
        ["public", "t2"], ["public", "t1"]]
    everything = {mail(t, c): a for t in ("public", "t1", "t2") for c in "ab"}
    assert held() == everything
    for tenant in (t1, t2):
        assert listed(tenant) == [user] and count(tenant) == 1
    sign_in(t1, "a@example.com").is_status("WRONG_CREDENTIALS_ERROR")
    assert sign_in(t1, "b@example.com").ok()["user"] == user
    # a tenant is left when the last login method leaves it
    disassociate(t1, b).ok()
    assert held() == {k: v for k, v in everything.items() if k[0] != "t1"}
    assert count(t1) == 0 and sorted(seen(app, a)["tenantIds"]) == ["public", "t2"]
    associate(t2, b).ok()
    disassociate(t2, a).ok()
    assert held() == {k: v for k, v in everything.items() if k[0] != "t1"}
    # unlinking gives each its own tenants again
    unlink(app, b).ok()
    assert held() == {mail("public", "a"): a}
    assert sorted(seen(app, b)["tenantIds"]) == ["public", "t2"]
    assert [u["id"] for u in listed(t2)] == [b] and count(t2) == 1


def test_same_email_in_another_tenant(app, held):
    """Two primary users may have one email as long as they share no tenant."""
    t1 = new_tenant(app, "t1")
    one, two = sign_up(app, "x@example.com"), sign_up(t1, "x@example.com")
    for user in (one, two):
        primary(app, user).ok()
    assert held() == {("public", "email", "x@example.com"): one, ("t1", "email", "x@example.com"): two}
    assert link(app, two, one).is_status(OTHER)["primaryUserId"] == two
    other = sign_up(app, "y@example.com")
    associate(t1, other).ok()
    for reply in (check_link(app, other, one), link(app, other, one)):
        assert reply.is_status(TAKEN)["primaryUserId"] == two
    disassociate(t1, other).ok()
    link(app, other, one).ok()
    reply = associate(t1, other)
    assert reply.is_status("ASSOCIATION_NOT_ALLOWED_ERROR") == {
        "status": "ASSOCIATION_NOT_ALLOWED_ERROR",
        "reason": f"Another primary user with email already exists: {two}"}
    assert seen(app, other)["tenantIds"] == ["public"]
    # who steps down, or is deleted, holds nothing
    unlink(app, two).ok()
    associate(t1, other).ok()
    assert primary(app, two).is_status(TAKEN)["primaryUserId"] == one
    remove(app, one)
    primary(app, two).ok()
    assert held() == {("t1", "email", "x@example.com"): two}


def test_link_of_a_user_in_no_tenant(app, abc, held):
    a, b, _ = abc
    primary(app, a).ok()
    disassociate(app, b).ok()
    user = link(app, b, a).ok()["user"]
    assert methods(user) == [a, b] and user["tenantIds"] == ["public"]
    assert held() == {mail("public", "a"): a, mail("public", "b"): a}
    assert count(app) == 2 and count(app, includeAllTenants="true") == 2
    unlink(app, b).ok()
    assert seen(app, b)["tenantIds"] == [] and count(app, includeAllTenants="true") == 3
    disassociate(app, a).ok()
    assert held() == {} and primary(app, a).ok()["wasAlreadyAPrimaryUser"] is True


def test_deletion_of_the_tenant(app, abc, held):
    a, b, _ = abc
    t1 = new_tenant(app, "t1")
    associate(t1, b).ok()
    primary(app, a).ok()
    link(app, b, a).ok()
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t1"}).ok()
    assert held() == {mail("public", "a"): a, mail("public", "b"): a}
    assert seen(app, a)["tenantIds"] == ["public"]
    unlink(app, b).ok()
    assert seen(app, b)["tenantIds"] == ["public"]


def test_users_of_other_databases(storage, tmp_path):
    if storage[0] != "sqlite":
        pytest.skip("one kind of storage is enough to have two of them")
    with Core() as core:
        app = core.app()
        app.put("/recipe/multitenancy/tenant/v2", {
            "tenantId": "far", "coreConfig": {"sqlite_path": os.path.join(tmp_path, "far.db")}}).ok()
        far = app.tenant("far")
        a, b, c = sign_up(app, "a@example.com"), sign_up(far, "b@example.com"), sign_up(
            far, "c@example.com")
        assert primary(app, a).ok()["user"]["tenantIds"] == ["public"]
        for reply in (link(app, b, a), check_link(app, b, a)):
            assert reply.is_error(400).startswith(
                "Cannot link users that are parts of different databases. Different pool IDs: ")
        primary(app, b).ok()
        user = link(app, c, b).ok()["user"]
        assert methods(user) == [b, c] and listed(far) == [user]
        assert app.get("/users/count/active", {"since": "0"}).ok()["count"] == 2
        assert unlinked(app, b) == (True, True) and unlinked(app, c) == (True, False)
        assert [u["id"] for u in listed(far)] == [c]


# ---- changes of a linked user

def test_email_of_a_linked_user(app, abc, held):
    a, b, c = abc
    d = sign_up(app, "d@example.com")
    primary(app, a).ok()
    primary(app, c).ok()
    link(app, b, a).ok()

    def update(user, **change):
        return app.put("/recipe/user", {"recipeUserId": user, **change})
    assert update(b, email="c@example.com").is_status("EMAIL_CHANGE_NOT_ALLOWED_ERROR") == {
        "status": "EMAIL_CHANGE_NOT_ALLOWED_ERROR",
        "reason": "New email is associated with another primary user ID"}
    update(b, email="d@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR")
    update(d, email="b@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR")
    update(b, email="n@example.com", password="another12").ok()
    assert held() == {mail("public", "a"): a, mail("public", "n"): a, mail("public", "c"): c}
    assert seen(app, a)["emails"] == ["a@example.com", "n@example.com"]
    back = app.post("/recipe/signin", {"email": "n@example.com", "password": "another12"}).ok()
    assert back["recipeUserId"] == b and back["user"] == seen(app, a)
    update(d, email="b@example.com").ok()
    unlink(app, b).ok()
    assert seen(app, b)["emails"] == ["n@example.com"]


def test_removal(app, abc, held, core, storage):
    a, b, c = abc
    primary(app, a).ok()
    for user in (b, c):
        link(app, user, a).ok()
    remove(app, b, removeAllLinkedAccounts=False)
    assert methods(seen(app, a)) == [a, c] and held() == {mail("public", x): a for x in "ac"}
    b = sign_up(app, "b@example.com")
    link(app, b, c).ok()
    remove(app, a, removeAllLinkedAccounts=False)
    assert seen(app, a) == seen(app, b) and methods(seen(app, a)) == [c, b]
    remove(app, c)
    for user in (a, b, c):
        get(app, user).is_status("UNKNOWN_USER_ID_ERROR")
    assert held() == {} and count(app) == 0
    assert {t: rows(core, storage, app, t) for t in TABLES} == dict.fromkeys(TABLES, 0)
