# SPDX-License-Identifier: Apache-2.0
"""What must not happen when many do the same at once, through two cores on one database."""

import uuid

import pytest

from together import at_once

pytestmark = pytest.mark.concurrent

PASSWORD = "secret123"
NEW = {"userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
       "useDynamicSigningKey": True}
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


def refresh(app, tokens, cdi):
    return app.post("/recipe/session/refresh", {
        "refreshToken": tokens["refreshToken"]["token"], "enableAntiCsrf": False,
        "useDynamicSigningKey": True}, cdi_version=cdi)


def verify(app, tokens, database=True, cdi="5.4"):
    return app.post("/recipe/session/verify", {
        "accessToken": tokens["accessToken"]["token"], "doAntiCsrfCheck": False,
        "enableAntiCsrf": False, "checkDatabase": database}, cdi_version=cdi)


# ---- accounts

def test_one_of_many_sign_ups_gets_the_email(pair):
    for n in range(ROUNDS):
        email = f"a{n}@example.com"
        replies = at_once(CROWD, lambda i, e=email: sign_up(pair[i % 2], e))
        assert statuses(replies) == ["EMAIL_ALREADY_EXISTS_ERROR"] * (CROWD - 1) + ["OK"]
        winner = [r.json["user"]["id"] for r in replies if r.json["status"] == "OK"]
        assert owners(pair[0], email) == owners(pair[1], email) == winner
        assert user_id(sign_in(pair[1], email)) == winner[0]
    assert count(pair[0]) == len(everyone(pair[0])) == ROUNDS


def test_one_of_two_users_gets_the_email(pair):
    users = [user_id(sign_up(pair[0], f"u{i}@example.com")) for i in range(CROWD)]
    for n in range(ROUNDS):
        email = f"new{n}@example.com"
        replies = at_once(CROWD, lambda i, e=email: pair[i % 2].put(
            "/recipe/user", {"recipeUserId": users[i], "email": e}, rid="emailpassword"))
        assert statuses(replies) == ["EMAIL_ALREADY_EXISTS_ERROR"] * (CROWD - 1) + ["OK"]
        winner = users[[r.json["status"] for r in replies].index("OK")]
        assert owners(pair[0], email) == [winner]
        assert user_id(sign_in(pair[1], email)) == winner
    assert sorted(everyone(pair[1])) == sorted(users)


def test_a_sign_up_meets_a_change_of_email(pair):
    user = user_id(sign_up(pair[0], "first@example.com"))
    for n in range(ROUNDS * 2):
        email = f"e{n}@example.com"
        made, changed = at_once(2, lambda i, e=email: sign_up(pair[0], e) if i == 0 else pair[1].put(
            "/recipe/user", {"recipeUserId": user, "email": e}, rid="emailpassword"))
        assert statuses([made, changed]) == ["EMAIL_ALREADY_EXISTS_ERROR", "OK"]
        winner = made.json["user"]["id"] if made.json["status"] == "OK" else user
        assert owners(pair[1], email) == [winner]


def test_a_reset_token_is_consumed_once(pair):
    user = user_id(sign_up(pair[0], "a@example.com"))
    path = "/recipe/user/password/reset/token"
    for _ in range(ROUNDS):
        token = pair[0].post(path, {"userId": user, "email": "a@example.com"}).ok()["token"]
        replies = at_once(CROWD, lambda i, t=token: pair[i % 2].post(
            path + "/consume", {"method": "token", "token": t}))
        assert statuses(replies) == ["OK"] + ["RESET_PASSWORD_INVALID_TOKEN_ERROR"] * (CROWD - 1)


EMAIL_VERIFY = "/recipe/user/email/verify"


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


def test_a_verification_token_is_used_once(pair):
    user = user_id(sign_up(pair[0], "a@example.com"))
    for who in (user, "nobody"):
        for n in range(ROUNDS):
            tokens = [verification_token(pair[0], who, f"{n}@example.com") for _ in range(2)]
            replies = at_once(CROWD, lambda i, t=tokens: verify_email(pair[i % 2], t[i // 2 % 2]))
            assert statuses(replies) == ["EMAIL_VERIFICATION_INVALID_TOKEN_ERROR"] * (CROWD - 1) + [
                "OK"]


def test_an_email_is_verified_while_it_becomes_the_users(pair):
    user = user_id(sign_up(pair[0], "first@example.com"))
    for n in range(ROUNDS * 2):
        email = f"e{n}@example.com"
        token = verification_token(pair[0], user, email)
        replies = at_once(2, lambda i, e=email, t=token: verify_email(pair[0], t) if i == 0 else
                          pair[1].put("/recipe/user", {"recipeUserId": user, "email": e}))
        assert statuses(replies) == ["OK", "OK"]
        assert assert_flag_is_exact(pair[0], user) is True


def test_verified_and_unverified_at_once(pair):
    user, email = user_id(sign_up(pair[0], "a@example.com")), "a@example.com"
    for _ in range(ROUNDS):
        tokens = [verification_token(pair[0], user, email) for _ in range(2)]

        def work(i, t=tokens):
            if i % 2:
                return pair[1].post(EMAIL_VERIFY + "/remove", {"userId": user, "email": email})
            return verify_email(pair[0], t[i // 2 % 2])
        assert set(statuses(at_once(CROWD, work))) <= {
            "OK", "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR"}
        assert_flag_is_exact(pair[1], user)
        pair[0].post(EMAIL_VERIFY + "/remove", {"userId": user, "email": email}).ok()
        assert assert_flag_is_exact(pair[1], user) is False


def sign_in_up(app, email, verified=False, user="g-1"):
    return app.post("/recipe/signinup", {
        "thirdPartyId": "google", "thirdPartyUserId": user,
        "email": {"id": email, "isVerified": verified}})


def test_one_account_of_a_provider_signs_up_once(pair):
    for n in range(ROUNDS):
        replies = at_once(CROWD, lambda i, n=n: sign_in_up(
            pair[i % 2], f"{n}@example.com", i % 2 == 0, f"g-{n}"))
        assert statuses(replies) == ["OK"] * CROWD
        assert [r.json["createdNewUser"] for r in replies].count(True) == 1
        assert len({r.json["user"]["id"] for r in replies}) == 1
        assert assert_flag_is_exact(pair[1], replies[0].json["user"]["id"]) is True
    assert count(pair[0]) == len(everyone(pair[0])) == ROUNDS


def test_new_emails_of_a_provider_at_once(pair):
    user = user_id(sign_in_up(pair[0], "first@example.com"))
    for n in range(ROUNDS):
        replies = at_once(CROWD, lambda i, n=n: sign_in_up(
            pair[i % 2], f"{n}-{i % 3}@example.com", i % 2 == 0))
        assert statuses(replies) == ["OK"] * CROWD
        assert {r.json["user"]["id"] for r in replies} == {user}
        shown = pair[0].get("/user/id", {"userId": user}).ok()["user"]["emails"]
        assert shown[0] in [f"{n}-{k}@example.com" for k in range(3)]
        assert owners(pair[1], shown[0]) == [user]
        assert_flag_is_exact(pair[1], user)
    assert everyone(pair[1]) == [user]


def test_old_and_new_password_at_once(pair):
    user = user_id(sign_up(pair[0], "a@example.com"))
    passwords = [f"newpass{i}" for i in range(CROWD)]
    replies = at_once(CROWD, lambda i: pair[i % 2].put(
        "/recipe/user", {"recipeUserId": user, "password": passwords[i]}, rid="emailpassword"))
    assert statuses(replies) == ["OK"] * CROWD
    good = [p for p in [PASSWORD, *passwords]
            if sign_in(pair[0], "a@example.com", p).json["status"] == "OK"]
    assert len(good) == 1 and good[0] != PASSWORD


def test_counts_stay_exact(pair):
    users = [user_id(sign_up(pair[0], f"u{i}@example.com")) for i in range(CROWD)]

    def work(i):
        gone = pair[i % 2].post("/user/remove", {"userId": users[i // 2]})
        return [gone] + [sign_up(pair[i % 2], f"n{i}-{k}@example.com") for k in range(3)]
    for replies in at_once(CROWD, work):
        assert statuses(replies) == ["OK"] * 4
    left = CROWD - CROWD // 2 + 3 * CROWD
    assert count(pair[0]) == count(pair[1]) == len(everyone(pair[0])) == left
    assert pair[0].get("/users/count", {"includeAllTenants": "true"}).ok()["count"] == left


def test_a_user_is_deleted_while_signing_in(pair):
    for n in range(ROUNDS):
        email = f"a{n}@example.com"
        user = user_id(sign_up(pair[0], email))

        def work(i, u=user, e=email):
            app = pair[i % 2]
            if i < 2:
                return app.post("/user/remove", {"userId": u})
            return sign_in(app, e) if i < 5 else session(app, u)
        replies = at_once(CROWD, work)
        assert set(statuses(replies)) <= {"OK", "WRONG_CREDENTIALS_ERROR"}
        assert statuses(replies[:2]) == ["OK", "OK"]
        sign_in(pair[1], email).is_status("WRONG_CREDENTIALS_ERROR")
        pair[0].get("/user/id", {"userId": user}).is_status("UNKNOWN_USER_ID_ERROR")
        assert user_id(sign_up(pair[1], email)) != user
        assert count(pair[0]) == len(everyone(pair[0])) == n + 1


# ---- passwordless

def new_code(app, **contact):
    return app.post("/recipe/signinup/code", contact).ok()


def use_code(app, code, typed=None, call="consume"):
    proof = {"preAuthSessionId": code["preAuthSessionId"]}
    if typed:
        proof.update(deviceId=code["deviceId"], userInputCode=typed)
    else:
        proof["linkCode"] = code["linkCode"]
    return app.post("/recipe/signinup/code/" + call, proof)


@pytest.mark.parametrize("contact", [{"email": "a@example.com"}, {"phoneNumber": "+16502530000"}])
def test_a_code_is_consumed_once(pair, contact):
    users = set()
    for n in range(ROUNDS):
        code = new_code(pair[n % 2], **contact)
        replies = at_once(CROWD, lambda i, c=code: use_code(
            pair[i % 2], c, None if i % 3 else c["userInputCode"]))
        assert statuses(replies) == ["OK"] + ["RESTART_FLOW_ERROR"] * (CROWD - 1)
        winner = [r.json for r in replies if r.json["status"] == "OK"][0]
        assert winner["createdNewUser"] is (n == 0)
        users.add(winner["user"]["id"])
    assert everyone(pair[0]) == list(users) and count(pair[1]) == 1


def test_guesses_at_once_never_exceed_the_limit(pair):
    for n in range(ROUNDS):
        code = new_code(pair[0], email=f"a{n}@example.com")
        replies = at_once(CROWD * 2, lambda i, c=code: use_code(
            pair[i % 2], c, f"wrong{i}", "check" if i % 3 else "consume"))
        assert statuses(replies) == ["INCORRECT_USER_INPUT_CODE_ERROR"] * 4 + \
            ["RESTART_FLOW_ERROR"] * (CROWD * 2 - 4)
        counts = [r.json.get("failedCodeInputAttemptCount") for r in replies]
        assert sorted(c for c in counts if c) == [1, 2, 3, 4]
        use_code(pair[1], code).is_status("RESTART_FLOW_ERROR")
    assert count(pair[0]) == 0


def test_a_right_code_among_guesses(pair):
    """It signs in once, or comes too late; nothing is counted after the limit."""
    for n in range(ROUNDS):
        code = new_code(pair[0], email=f"a{n}@example.com")
        replies = at_once(CROWD * 2, lambda i, c=code: use_code(
            pair[i % 2], c, c["userInputCode"] if i in (3, 8) else f"wrong{i}"))
        got = statuses(replies)
        assert got.count("OK") <= 1 and got.count("INCORRECT_USER_INPUT_CODE_ERROR") <= 4
        right = {replies[i].json["status"] for i in (3, 8)}
        assert right <= {"OK", "RESTART_FLOW_ERROR"}
        if "OK" not in got:
            assert got.count("INCORRECT_USER_INPUT_CODE_ERROR") == 4
        use_code(pair[1], code).is_status("RESTART_FLOW_ERROR")
        assert len(owners(pair[0], f"a{n}@example.com")) == got.count("OK")


def test_two_devices_of_one_address(pair):
    """Whoever comes first takes the codes of the other."""
    for n in range(2):
        codes = [new_code(pair[i], email=f"a{n}@example.com") for i in range(2)]
        replies = at_once(4, lambda i, c=codes: use_code(pair[i % 2], c[i // 2]))
        assert statuses(replies) == ["OK"] + ["RESTART_FLOW_ERROR"] * 3
        assert len(owners(pair[1], f"a{n}@example.com")) == 1


def test_a_code_meets_a_change_of_the_address(pair):
    made = use_code(pair[0], new_code(pair[0], email="first@example.com")).ok()["user"]["id"]
    for n in range(ROUNDS):
        email = f"e{n}@example.com"
        code = new_code(pair[0], email=email)
        used, changed = at_once(2, lambda i, c=code, e=email: use_code(pair[0], c) if i == 0 else
                                pair[1].put("/recipe/user", {"recipeUserId": made, "email": e},
                                            rid="passwordless"))
        assert used.status == changed.status == 200
        if changed.json["status"] == "OK":
            # the code went with the change, or signed in the user that has the email now
            assert used.json["status"] == "RESTART_FLOW_ERROR" or used.json["user"]["id"] == made
            assert owners(pair[1], email) == [made]
        else:
            changed.is_status("EMAIL_ALREADY_EXISTS_ERROR")
            assert owners(pair[1], email) == [used.ok()["user"]["id"]]


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

def put_tenant(app, tenant):
    return app.put("/recipe/multitenancy/tenant/v2", {"tenantId": tenant})


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
