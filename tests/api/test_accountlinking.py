# SPDX-License-Identifier: Apache-2.0
"""Account linking: primary users, linking and unlinking, and what they refuse."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from linking import (  # noqa: F401
    LINKED, NOT_PRIMARY, OTHER, PATH, TABLES, TAKEN, UNKNOWN, abc, associate, by_email,
    check_link, check_primary, count, get, held, link, listed, mail, methods, new_tenant,
    primary, remove, rows, seen, sign_in, sign_up, sql, turn, unlink, unlinked)


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
