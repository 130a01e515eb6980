# SPDX-License-Identifier: Apache-2.0
"""Linked accounts and external ids, when many change them at once through two cores on one
database."""

import pytest

from calls import (
    CROWD, PASSWORD, ROUNDS, assert_flag_is_exact, count, everyone, put_tenant, sign_in,
    sign_up, statuses, user_id, verification_token, verify_email)
from together import at_once

pytestmark = pytest.mark.concurrent


# ---- linked accounts

PRIMARY = "/recipe/accountlinking/user/primary"
LINK = "/recipe/accountlinking/user/link"
TAKEN = "ACCOUNT_INFO_ALREADY_ASSOCIATED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR"
OTHER = "RECIPE_USER_ID_ALREADY_LINKED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR"
def primary(app, user):
    return app.post(PRIMARY, {"recipeUserId": user})


def link(app, user, to):
    return app.post(LINK, {"recipeUserId": user, "primaryUserId": to})


def unlink(app, user):
    return app.post("/recipe/accountlinking/user/unlink", {"recipeUserId": user})


def user_of(app, user):
    return app.get("/user/id", {"userId": user}).ok()["user"]


def methods(app, user):
    return [m["recipeUserId"] for m in user_of(app, user)["loginMethods"]]


def same_everywhere(app, users):
    """Lists and counts agree with what each id means now."""
    visible = {user_of(app, u)["id"] for u in users}
    assert set(everyone(app)) == visible and count(app) == len(visible)
    assert app.get("/users/count", {"includeAllTenants": "true"}).ok()["count"] == len(visible)


@pytest.fixture
def twins(pair):
    """Makes a user and others that share its email, each from a tenant of its own; joining the
    public tenant they would have to be of one primary user."""
    def make(n, k):
        email, ids = f"twin{n}@example.com", []
        for i in range(k):
            put_tenant(pair[0], f"h{i}").ok()
            there = pair[0].tenant(f"h{i}")
            ids.append(user_id(sign_up(there, email)))
        return email, ids
    return make


def test_one_of_many_becomes_the_primary_user(pair, twins):
    """All are primary users in their own tenants; each links somebody of a common one."""
    put_tenant(pair[0], "common").ok()
    common = pair[0].tenant("common")
    for n in range(ROUNDS):
        email, ids = twins(n, CROWD)
        joined = [user_id(sign_up(common, f"m{n}-{i}@example.com")) for i in range(CROWD)]
        for user in ids:
            primary(pair[0], user).ok()
        replies = at_once(CROWD, lambda i, u=joined, t=ids: link(pair[i % 2], u[i], t[i]))
        # whoever links first brings the email to the common tenant
        assert statuses(replies) == [TAKEN] * (CROWD - 1) + ["OK"]
        winner = [r.json["status"] for r in replies].index("OK")
        assert {r.json["primaryUserId"] for r in replies if r.json["status"] == TAKEN} == {
            ids[winner]}
        assert methods(pair[1], joined[winner]) == [ids[winner], joined[winner]]
        for i, user in enumerate(joined):
            if i != winner:
                assert methods(pair[0], user) == [user]
        same = [link(pair[0], joined[winner - 1], ids[i]) for i in range(CROWD) if i != winner]
        assert statuses(same) == [TAKEN] * (CROWD - 1)


def test_a_user_becomes_primary_once(pair):
    for n in range(ROUNDS):
        user = user_id(sign_up(pair[0], f"u{n}@example.com"))
        replies = at_once(CROWD, lambda i, u=user: primary(pair[i % 2], u))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["wasAlreadyAPrimaryUser"] for r in replies].count(False) == 1
        assert user_of(pair[1], user)["isPrimaryUser"]


def test_a_user_is_linked_to_one_of_many(pair):
    users = [user_id(sign_up(pair[0], f"p{i}@example.com")) for i in range(CROWD)]
    for user in users:
        primary(pair[0], user).ok()
    for n in range(ROUNDS):
        user = user_id(sign_up(pair[0], f"u{n}@example.com"))
        replies = at_once(CROWD, lambda i, u=user: link(pair[i % 2], u, users[i]))
        assert statuses(replies) == ["OK"] + [OTHER] * (CROWD - 1)
        winner = users[[r.json["status"] for r in replies].index("OK")]
        assert {r.json["user"]["id"] for r in replies} == {winner}
        assert user_of(pair[1], user)["id"] == winner and user in methods(pair[0], winner)
    same_everywhere(pair[0], users)


def test_many_are_linked_to_one(pair):
    to = user_id(sign_up(pair[0], "p@example.com"))
    primary(pair[0], to).ok()
    users = [user_id(sign_up(pair[0], f"u{i}@example.com")) for i in range(CROWD)]
    for _ in range(ROUNDS):
        replies = at_once(CROWD, lambda i: link(pair[i % 2], users[i], to))
        assert statuses(replies) == ["OK"] * CROWD
        assert sorted(methods(pair[1], to)) == sorted([to, *users])
        same_everywhere(pair[0], users)
        assert statuses(at_once(CROWD, lambda i: unlink(pair[i % 2], users[i]))) == ["OK"] * CROWD
        assert methods(pair[1], to) == [to]
        same_everywhere(pair[1], [to, *users])


def test_linked_and_made_primary_at_once(pair):
    """Two users that each want to be linked to the other, and to be primary."""
    for n in range(ROUNDS * 2):
        a, b = (user_id(sign_up(pair[0], f"{c}{n}@example.com")) for c in "ab")
        primary(pair[0], a).ok()
        replies = at_once(3, lambda i, a=a, b=b: (
            link(pair[0], b, a) if i == 0 else primary(pair[1], b) if i == 1 else
            unlink(pair[1], a)))
        assert replies[2].ok()["wasLinked"]
        left = user_of(pair[0], b)
        if left["id"] == a:
            assert b in methods(pair[1], a) and user_of(pair[1], a)["isPrimaryUser"]
        else:
            assert methods(pair[1], b) == [b]
            assert left["isPrimaryUser"] == (replies[1].json["status"] == "OK")
        pair[0].post("/user/remove", {"userId": a}).ok()
        pair[0].post("/user/remove", {"userId": b}).ok()
    assert everyone(pair[0]) == [] and count(pair[0]) == 0


def test_a_link_meets_a_deletion(pair):
    for n in range(ROUNDS * 2):
        a, b = (user_id(sign_up(pair[0], f"{c}{n}@example.com")) for c in "ab")
        primary(pair[0], a).ok()
        gone = (a, b)[n % 2]
        replies = at_once(4, lambda i, a=a, b=b, g=gone: (
            link(pair[i % 2], b, a) if i < 2 else pair[i % 2].post("/user/remove", {"userId": g})))
        assert statuses(replies[2:]) == ["OK", "OK"]
        linked = [r for r in replies[:2] if r.status == 200]
        for r in replies[:2]:
            assert r.status == 200 or r.is_error(400, "Unknown user ID provided")
        pair[1].get("/user/id", {"userId": gone}).is_status("UNKNOWN_USER_ID_ERROR")
        # with the link came the end of both, or the link came too late
        other = b if gone == a else a
        left = pair[0].get("/user/id", {"userId": other})
        assert (left.json["status"] == "OK") == (not linked), [r.text for r in replies]
        if not linked:
            assert methods(pair[1], other) == [other]
            pair[0].post("/user/remove", {"userId": other}).ok()
    assert everyone(pair[0]) == [] and count(pair[0]) == 0
    # nothing is held by the dead
    for n in range(ROUNDS * 2):
        primary(pair[1], user_id(sign_up(pair[0], f"a{n}@example.com"))).ok()
        primary(pair[1], user_id(sign_up(pair[0], f"b{n}@example.com"))).ok()


def test_a_link_meets_a_change_of_email(pair):
    """The email a user has when both are done is the one its primary user holds."""
    put_tenant(pair[0], "t").ok()
    t = pair[0].tenant("t")
    for n in range(ROUNDS * 2):
        a, b = (user_id(sign_up(pair[0], f"{c}{n}@example.com")) for c in "ab")
        new = f"new{n}@example.com"
        rival = user_id(sign_up(t, new))
        for user in (a, rival):
            primary(pair[0], user).ok()
        linked, changed = at_once(2, lambda i, a=a, b=b, e=new: (
            link(pair[0], b, a) if i == 0 else pair[1].put(
                "/recipe/user", {"recipeUserId": b, "email": e}, rid="emailpassword")))
        assert statuses([linked, changed]) == ["OK", "OK"]
        assert user_of(pair[1], a)["emails"] == [f"a{n}@example.com", new]
        # the new email is held, the old one is not
        there = pair[1].tenant("t").post("/recipe/multitenancy/tenant/user", {"recipeUserId": a})
        assert there.is_status("ASSOCIATION_NOT_ALLOWED_ERROR")["reason"].endswith(rival)
        other = user_id(sign_up(pair[0], f"b{n}@example.com"))
        primary(pair[0], other).ok()
        late = user_id(sign_up(pair[0], f"late{n}@example.com"))
        primary(pair[0], late).ok()
        pair[0].put("/recipe/user", {"recipeUserId": late, "email": new},
                    rid="emailpassword").is_status("EMAIL_CHANGE_NOT_ALLOWED_ERROR")


def test_a_link_meets_a_new_tenant(pair):
    """All accounts are held in all tenants, whoever came first."""
    for n in range(ROUNDS * 2):
        tenant = f"t{n}"
        put_tenant(pair[0], tenant).ok()
        a, b = (user_id(sign_up(pair[0], f"{c}{n}@example.com")) for c in "ab")
        primary(pair[0], a).ok()
        replies = at_once(3, lambda i, a=a, b=b, t=tenant: (
            link(pair[0], b, a) if i == 0 else pair[i % 2].tenant(t).post(
                "/recipe/multitenancy/tenant/user", {"recipeUserId": (a, b)[i - 1]})))
        assert statuses(replies) == ["OK"] * 3
        t = pair[1].tenant(tenant)
        assert everyone(t) == [a] and count(t) == 1
        rivals = [user_id(sign_up(pair[0], f"r{c}{n}@example.com")) for c in "ab"]
        for rival, letter in zip(rivals, "ab"):
            primary(pair[0], rival).ok()
            pair[0].put("/recipe/user", {"recipeUserId": rival, "email": f"{letter}{n}@example.com"},
                        rid="emailpassword").is_status("EMAIL_CHANGE_NOT_ALLOWED_ERROR")
        assert unlink(pair[0], b).ok()["wasLinked"]
        assert sorted(everyone(t)) == sorted([a, b]) and count(t) == 2


def test_a_user_is_found_while_being_linked_and_unlinked(pair):
    to, user = (user_id(sign_up(pair[0], f"{c}@example.com")) for c in "ab")
    primary(pair[0], to).ok()

    def write(call, *args, **kw):
        """Whoever meets others too often is told to try again, and does."""
        for _ in range(20):
            reply = call(*args, **kw)
            if reply.status != 503 or "is being changed by others" not in reply.text:
                break
        return reply

    def work(i):
        app, replies = pair[i % 2], []
        for k in range(12):
            if i == 0:
                replies += [write(link, app, user, to), write(unlink, app, user)]
            elif i < 4:
                replies.append(sign_in(app, "b@example.com"))
            elif i < 6:
                found = app.get("/user/id", {"userId": user})
                assert user in [m["recipeUserId"] for m in found.ok()["user"]["loginMethods"]]
                replies.append(found)
            else:
                replies.append(write(app.put, "/recipe/user", {
                    "recipeUserId": user, "password": PASSWORD}, rid="emailpassword"))
        return replies
    for replies in at_once(7, work):
        assert set(statuses(replies)) == {"OK"}, [r.text for r in replies]
    same_everywhere(pair[0], [to, user])


def test_unlinked_in_two_ways_at_once(pair):
    """The one that gave the id, and the one that would be left."""
    for n in range(ROUNDS * 2):
        a, b = (user_id(sign_up(pair[0], f"{c}{n}@example.com")) for c in "ab")
        primary(pair[0], a).ok()
        link(pair[0], b, a).ok()
        replies = [r.ok() for r in at_once(2, lambda i, u=(a, b): unlink(pair[i], u[i]))]
        assert all(r["wasLinked"] for r in replies)
        assert methods(pair[1], b) == [b] and not user_of(pair[0], b)["isPrimaryUser"]
        left = pair[0].get("/user/id", {"userId": a})
        if replies[0]["wasRecipeUserDeleted"]:
            left.is_status("UNKNOWN_USER_ID_ERROR")
        else:
            assert not left.ok()["user"]["isPrimaryUser"]
            pair[0].post("/user/remove", {"userId": a}).ok()
        pair[1].post("/user/remove", {"userId": b}).ok()
    assert everyone(pair[0]) == [] and count(pair[0]) == 0


# ---- external ids

MAP = "/recipe/userid/map"
MAPPED = "USER_ID_MAPPING_ALREADY_EXISTS_ERROR"
def map_id(app, user, external):
    return app.post(MAP, {"superTokensUserId": user, "externalUserId": external})


def unmap_id(app, user):
    return app.post(MAP + "/remove", {"userId": user})


def outer_id(app, user, email):
    """The id that every call shows, whatever table it reads."""
    got = app.get(MAP, {"userId": user}).json
    outer = got.get("externalUserId", user)
    assert user_of(app, user)["id"] == user_of(app, outer)["id"] == outer
    assert methods(app, user) == [outer]
    signed = sign_in(app, email).ok()
    assert signed["user"]["id"] == signed["recipeUserId"] == outer
    return outer


def test_an_external_id_is_given_once(pair):
    users = [user_id(sign_up(pair[0], f"u{i}@example.com")) for i in range(CROWD)]
    for n in range(ROUNDS):
        replies = at_once(CROWD, lambda i, n=n: map_id(pair[i % 2], users[i], f"x{n}"))
        assert statuses(replies) == ["OK"] + [MAPPED] * (CROWD - 1)
        winner = [r.json["status"] for r in replies].index("OK")
        for r in replies[:winner] + replies[winner + 1:]:
            assert (r.json["doesSuperTokensUserIdExist"], r.json["doesExternalUserIdExist"]) == (
                False, True)
        assert outer_id(pair[1], users[winner], f"u{winner}@example.com") == f"x{n}"
        unmap_id(pair[0], users[winner]).ok()


def test_a_user_gets_one_external_id(pair):
    for n in range(ROUNDS):
        user = user_id(sign_up(pair[0], f"u{n}@example.com"))
        replies = at_once(CROWD, lambda i, u=user, n=n: map_id(pair[i % 2], u, f"{n}-{i // 2}"))
        assert statuses(replies) == ["OK"] + [MAPPED] * (CROWD - 1)
        winner = [r.json["status"] for r in replies].index("OK")
        assert outer_id(pair[1], user, f"u{n}@example.com") == f"{n}-{winner // 2}"
        for i, r in enumerate(replies):
            if i != winner:
                assert r.json["doesSuperTokensUserIdExist"] is True
                assert r.json["doesExternalUserIdExist"] is (i // 2 == winner // 2)


def test_a_user_is_mapped_while_deleted(pair):
    for n in range(ROUNDS):
        user = user_id(sign_up(pair[0], f"u{n}@example.com"))

        def work(i, u=user):
            if i < 2:
                return pair[i].post("/user/remove", {"userId": u})
            return map_id(pair[i % 2], u, "ext")
        replies = at_once(CROWD, work)
        assert set(statuses(replies)) <= {"OK", MAPPED, "UNKNOWN_SUPERTOKENS_USER_ID_ERROR"}
        assert statuses(replies[:2]) == ["OK", "OK"]
        assert statuses(replies[2:]).count("OK") <= 1
        for name in ("ext", user):
            pair[1].get(MAP, {"userId": name}).is_status("UNKNOWN_MAPPING_ERROR")
            pair[1].get("/user/id", {"userId": name}).is_status("UNKNOWN_USER_ID_ERROR")
    assert count(pair[0]) == 0


def test_a_mapping_comes_and_goes(pair):
    """While the user joins and leaves tenants; at the end every row says the same."""
    user = user_id(sign_up(pair[0], "a@example.com"))
    path = "/recipe/multitenancy/tenant/user"
    for i in range(2):
        put_tenant(pair[0], f"t{i}").ok()
    for n in range(ROUNDS):
        def work(i, n=n):
            app = pair[i % 2]
            if i < 2:
                return unmap_id(app, user)
            if i < 5:
                return map_id(app, user, f"{n}-{i}")
            return app.tenant(f"t{i % 2}").post(path if n % 2 else path + "/remove",
                                                {"recipeUserId": user})
        assert set(statuses(at_once(CROWD, work))) <= {"OK", MAPPED}
        outer = outer_id(pair[0], user, "a@example.com")
        for i in range(2) if n % 2 else ():
            signed = sign_in(pair[1].tenant(f"t{i}"), "a@example.com").ok()
            assert signed["recipeUserId"] == signed["user"]["id"] == outer


def test_a_user_is_mapped_while_an_email_is_verified(pair):
    for n in range(ROUNDS * 2):
        email = f"u{n}@example.com"
        user = user_id(sign_up(pair[0], email))
        token = verification_token(pair[0], user, email)
        replies = at_once(3, lambda i, u=user, t=token, n=n: map_id(pair[0], u, f"x{n}") if i == 0
                          else verify_email(pair[i % 2], t))
        assert statuses(replies[1:]) == ["EMAIL_VERIFICATION_INVALID_TOKEN_ERROR", "OK"]
        replies[0].ok()
        assert outer_id(pair[1], user, email) == f"x{n}"
        assert assert_flag_is_exact(pair[1], f"x{n}") is True


def test_a_user_is_mapped_while_linked(pair):
    first = user_id(sign_up(pair[0], "p@example.com"))
    primary(pair[0], first).ok()
    for n in range(ROUNDS):
        user = user_id(sign_up(pair[0], f"u{n}@example.com"))
        replies = at_once(2, lambda i, u=user, n=n: map_id(pair[0], u, f"x{n}") if i == 0
                          else link(pair[1], u, first))
        assert statuses(replies) == ["OK", "OK"]
        assert f"x{n}" in methods(pair[0], first) and user_of(pair[1], f"x{n}")["id"] == first
        replies = at_once(2, lambda i, u=user: unmap_id(pair[0], u) if i == 0
                          else unlink(pair[1], u))
        assert statuses(replies) == ["OK", "OK"]
        assert outer_id(pair[0], user, f"u{n}@example.com") == user
    assert methods(pair[0], first) == [first]
