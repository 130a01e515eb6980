# SPDX-License-Identifier: Apache-2.0
"""What follows from linking: other ids, sessions, active users, tenants, emails and deletion."""

import os

import pytest

from core import Core
from linking import (  # noqa: F401
    LINKED, OTHER, TABLES, TAKEN, abc, associate, check_link, check_primary, count,
    disassociate, get, give_id, handles, held, link, listed, mail, methods, new_tenant, primary,
    remove, rows, seen, session, sign_in, sign_up, sql, turn, unlink, unlinked)
from servers import wait_for


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
    left = {mail("public", "a"): a, mail("public", "b"): a}
    wait_for(lambda: held() == left, 30, "the rows of the tenant are gone")  # or left to the job
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
