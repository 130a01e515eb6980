# SPDX-License-Identifier: Apache-2.0
"""Accounts, email verification and codes, when many do the same at once through two cores on
one database."""

import pytest

from calls import (
    CROWD, EMAIL_VERIFY, PASSWORD, ROUNDS, assert_flag_is_exact, count, everyone, owners,
    session, sign_in, sign_up, statuses, user_id, verification_token, verify_email)
from together import at_once

pytestmark = pytest.mark.concurrent


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
