# SPDX-License-Identifier: Apache-2.0
"""Sessions, keys, metadata, roles and tenants, when many do the same at once through two cores
on one database."""

import uuid

import pytest

from calls import (
    CROWD, NEW, ROUNDS, count, everyone, owners, put_tenant, session, sign_up, statuses,
    user_id)
from together import at_once

pytestmark = pytest.mark.concurrent


def refresh(app, tokens, cdi):
    return app.post("/recipe/session/refresh", {
        "refreshToken": tokens["refreshToken"]["token"], "enableAntiCsrf": False,
        "useDynamicSigningKey": True}, cdi_version=cdi)


def verify(app, tokens, database=True, cdi="5.4"):
    return app.post("/recipe/session/verify", {
        "accessToken": tokens["accessToken"]["token"], "doAntiCsrfCheck": False,
        "enableAntiCsrf": False, "checkDatabase": database}, cdi_version=cdi)


# ---- sessions

@pytest.mark.parametrize("cdi", ["5.4", "5.6"])
def test_one_chain_survives_refreshes_at_once(pair, cdi):
    for _ in range(ROUNDS):
        first = session(pair[0]).ok()
        replies = [r.ok() for r in at_once(
            CROWD, lambda i, t=first: refresh(pair[i % 2], t, cdi))]
        assert len({r["refreshToken"]["token"] for r in replies}) == CROWD
        if cdi == "5.6":
            alive = [r for r in replies if verify(pair[0], r, cdi=cdi).json["status"] == "OK"]
            assert len(alive) == 1
            refresh(pair[1], alive[0], cdi).ok()
            continue
        # children race to become the current token; who comes second is a thief
        used = at_once(CROWD, lambda i, c=replies: refresh(pair[i % 2], c[i], cdi))
        assert statuses(used) == ["OK"] + ["TOKEN_THEFT_DETECTED"] * (CROWD - 1)
        winner = [r for r in used if r.json["status"] == "OK"][0].json
        refresh(pair[0], winner, cdi).ok()
        refresh(pair[1], first, cdi).is_status("TOKEN_THEFT_DETECTED")


def test_children_race_to_be_promoted_by_their_use(pair):
    for _ in range(ROUNDS):
        first = session(pair[0]).ok()
        children = [refresh(pair[i % 2], first, "5.4").ok() for i in range(CROWD)]
        replies = at_once(CROWD, lambda i, c=children: verify(pair[i % 2], c[i], False))
        assert set(statuses(replies)) <= {"OK", "UNAUTHORISED", "TRY_REFRESH_TOKEN"}
        again = [refresh(pair[0], c, "5.4").json["status"] for c in children]
        assert sorted(again) == ["OK"] + ["TOKEN_THEFT_DETECTED"] * (CROWD - 1)


def test_a_session_ends_once(pair):
    for _ in range(ROUNDS):
        first = session(pair[0]).ok()
        handle = first["session"]["handle"]

        def work(i, h=handle, f=first):
            if i < 4:
                return pair[i % 2].post("/recipe/session/remove", {"sessionHandles": [h]})
            return refresh(pair[i % 2], f, "5.6")
        replies = at_once(CROWD, work)
        assert set(statuses(replies)) <= {"OK", "UNAUTHORISED"}
        assert [r.json["sessionHandlesRevoked"] for r in replies[:4]].count([handle]) == 1
        alive = [r.json for r in replies[4:] if r.json["status"] == "OK"]
        for tokens in [first, *alive]:
            refresh(pair[1], tokens, "5.6").is_status("UNAUTHORISED")


def test_a_new_app_gets_one_key_of_each_kind(cores):
    """Apps are made faster than keys, so most get theirs with their first session."""
    apps = [cores[0].app() for _ in range(6)]
    for app in apps:
        pair = app, cores[1].at(app.prefix)
        static = {"userId": "u", **NEW, "useDynamicSigningKey": False}
        replies = at_once(CROWD, lambda i, p=pair: session(p[i % 2]) if i < 6 else
                          p[i % 2].post("/recipe/session", static))
        keys = [at.get("/.well-known/jwks.json").json["keys"] for at in pair]
        assert keys[0] == keys[1]
        assert [k["kid"][:2] for k in keys[0]] == ["d-", "s-"]
        for i, made in enumerate(replies):
            assert verify(pair[(i + 1) % 2], made.ok()).ok()
        # one key seals the refresh tokens of both
        for i, made in enumerate(replies):
            assert refresh(pair[(i + 1) % 2], made.json, "5.4").ok()


# ---- metadata and roles

def metadata(app, user):
    return app.get("/recipe/user/metadata", {"userId": user}).ok()["metadata"]


def test_merges_lose_nothing(pair):
    """From the first one of a user on, which has no row to lock."""
    for n in range(ROUNDS):
        for k in range(2):
            replies = at_once(CROWD, lambda i, n=n, k=k: pair[i % 2].put("/recipe/user/metadata", {
                "userId": f"u{n}", "metadataUpdate": {f"{k}-{i}": i, "last": i}}))
            assert statuses(replies) == ["OK"] * CROWD
            sizes = sorted(len(r.json["metadata"]) for r in replies)
            assert sizes == [k * CROWD + i + 2 for i in range(CROWD)], "each saw those before it"
        seen = metadata(pair[0], f"u{n}")
        assert seen == metadata(pair[1], f"u{n}")
        assert set(seen) == {"last", *(f"{k}-{i}" for k in range(2) for i in range(CROWD))}


def test_merges_and_removals(pair):
    """Whatever was merged after the last removal is there, and nothing of what was before."""
    def work(i):
        app, replies = pair[i % 2], []
        for k in range(6):
            if i == 0:
                app.post("/recipe/user/metadata/remove", {"userId": "u"}).ok()
            else:
                replies.append(app.put("/recipe/user/metadata", {
                    "userId": "u", "metadataUpdate": {f"{i}": k}}).ok()["metadata"])
        return replies
    done = at_once(CROWD, work)
    for i in range(1, CROWD):
        assert [seen[f"{i}"] for seen in done[i]] == list(range(6))
    left = metadata(pair[0], "u")
    assert left == metadata(pair[1], "u")
    assert all(v == 5 for v in left.values())


def put_role(app, role, *permissions):
    return app.put("/recipe/role", {"role": role, "permissions": list(permissions)})


def remove_role(app, role):
    return app.post("/recipe/role/remove", {"role": role})


def assign(app, user, role):
    return app.put("/recipe/user/role", {"userId": user, "role": role})


def roles_of(app, user):
    return app.get("/recipe/user/roles", {"userId": user}).ok()["roles"]


def test_a_role_is_made_and_removed_once(pair):
    for n in range(ROUNDS):
        replies = at_once(CROWD, lambda i, n=n: put_role(pair[i % 2], f"r{n}", f"p{i}", "all"))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["createdNewRole"] for r in replies].count(True) == 1
        got = pair[1].get("/recipe/role/permissions", {"role": f"r{n}"}).ok()["permissions"]
        assert got == ["all", *(f"p{i}" for i in range(CROWD))]
        replies = at_once(CROWD, lambda i, n=n: remove_role(pair[i % 2], f"r{n}"))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["didRoleExist"] for r in replies].count(True) == 1


def test_permissions_that_meet_a_deletion_are_gone_or_of_a_new_role(pair):
    for n in range(ROUNDS * 2):
        put_role(pair[0], "r", "old").ok()
        replies = at_once(CROWD, lambda i: put_role(pair[i % 2], "r", f"p{i}") if i else
                          remove_role(pair[1], "r"))
        assert statuses(replies) == ["OK"] * CROWD
        found = pair[0].get("/recipe/role/permissions", {"role": "r"})
        with_old = pair[1].get("/recipe/permission/roles", {"permission": "old"}).ok()["roles"]
        made = [r for r in replies[1:] if r.json["createdNewRole"]]
        assert (found.json["status"] == "OK") == (len(made) == 1) and with_old == []
        if made:
            assert "old" not in found.ok()["permissions"]
        remove_role(pair[0], "r").ok()
        for i in range(CROWD):
            assert pair[1].get("/recipe/permission/roles", {"permission": f"p{i}"}).ok()["roles"] == []


def test_an_assignment_that_meets_a_deletion_leaves_nothing(pair):
    for n in range(ROUNDS * 2):
        put_role(pair[0], "r").ok()
        replies = at_once(CROWD, lambda i: assign(pair[i % 2], f"u{i}", "r") if i else
                          remove_role(pair[1], "r"))
        assert set(statuses(replies)) <= {"OK", "UNKNOWN_ROLE_ERROR"}
        for i in range(CROWD):
            assert roles_of(pair[i % 2], f"u{i}") == []
        put_role(pair[1], "r").ok()
        assert pair[0].get("/recipe/role/users", {"role": "r"}).ok()["users"] == []


def test_a_role_is_assigned_and_taken_once(pair):
    put_role(pair[0], "r").ok()
    for n in range(ROUNDS):
        replies = at_once(CROWD, lambda i, n=n: assign(pair[i % 2], f"u{n}", "r"))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["didUserAlreadyHaveRole"] for r in replies].count(False) == 1
        replies = at_once(CROWD, lambda i, n=n: pair[i % 2].post(
            "/recipe/user/role/remove", {"userId": f"u{n}", "role": "r"}))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["didUserHaveRole"] for r in replies].count(True) == 1


# ---- tenants

def remove_tenant(app, tenant):
    return app.post("/recipe/multitenancy/tenant/remove", {"tenantId": tenant})


def test_many_make_one_tenant(pair):
    for n in range(ROUNDS):
        replies = at_once(CROWD, lambda i, n=n: put_tenant(pair[i % 2], f"t{n}"))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["createdNew"] for r in replies].count(True) == 1
        replies = at_once(CROWD, lambda i, n=n: remove_tenant(pair[i % 2], f"t{n}"))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["didExist"] for r in replies].count(True) == 1


def test_a_tenant_comes_and_goes_under_load(pair):
    """Whatever the order, a user of a tenant that was removed is not in the new one."""
    def work(i):
        app, made = pair[i % 2], []
        for k in range(6):
            if i == 0:
                assert put_tenant(app, "t").status == 200
            elif i == 1:
                assert remove_tenant(app, "t").status == 200
            else:
                r = sign_up(app.tenant("t"), f"u{i}-{k}@example.com")
                assert r.status in (200, 400), f"{r.status}: {r.text}"
                made.append(r.status == 200)
        return made
    at_once(CROWD, work)
    remove_tenant(pair[0], "t").ok()
    assert put_tenant(pair[1], "t").ok()["createdNew"]
    t = pair[1].tenant("t")
    assert everyone(t) == [] and count(t) == 0
    assert user_id(sign_up(t, "u2-0@example.com"))
    assert count(t) == 1


def test_two_users_of_one_email_join_a_tenant(pair):
    for n in range(ROUNDS):
        for name in ("a", "b", "both"):
            put_tenant(pair[0], f"{name}{n}").ok()
        users = [user_id(sign_up(pair[0].tenant(f"{name}{n}"), "x@example.com")) for name in "ab"]
        both = [app.tenant(f"both{n}") for app in pair]
        replies = at_once(CROWD, lambda i, b=both, u=users: b[i % 2].post(
            "/recipe/multitenancy/tenant/user", {"recipeUserId": u[i // 2 % 2]}))
        assert set(statuses(replies)) == {"EMAIL_ALREADY_EXISTS_ERROR", "OK"}
        new = [r for r in replies if r.json["status"] == "OK" and not r.json["wasAlreadyAssociated"]]
        assert len(new) == 1
        assert everyone(both[0]) == owners(both[1], "x@example.com")
        assert count(both[0]) == 1


def test_an_app_is_made_once(cores):
    for _ in range(ROUNDS):
        name = str(uuid.uuid4())
        replies = at_once(CROWD, lambda i, n=name: cores[i % 2].put(
            "/recipe/multitenancy/app/v2", {"appId": n}))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["createdNew"] for r in replies].count(True) == 1
        tokens = [session(c.at(f"/appid-{name}")).ok() for c in cores]
        for core, made in zip(reversed(cores), tokens):
            assert refresh(core.at(f"/appid-{name}"), made, "5.4").ok()
