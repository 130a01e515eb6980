# SPDX-License-Identifier: Apache-2.0
"""Users of all recipes: lists, search, counts, lookups, deletion, tenants. Accounts are
mapped by hand in the database, since the calls that do it come later."""

import base64
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from linked import Database
from servers import wait_for

FORBIDDEN = "Only public tenantId can call this app specific API"


def sign_up(app, email, **kw):
    return app.post("/recipe/signup", {"email": email, "password": "secret12"}, **kw).ok()["user"]


def sign_in(app, email):
    return app.post("/recipe/signin", {"email": email, "password": "secret12"})


def users(app, **query):
    return app.get("/users", query).ok()


def count(app, **query):
    return app.get("/users/count", query).ok()["count"]


def new_tenant(app, name="t1"):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": name}).ok()
    return app.tenant(name)


def associate(tenant, user_id):
    return tenant.post("/recipe/multitenancy/tenant/user", {"recipeUserId": user_id})


def disassociate(tenant, user_id):
    return tenant.post("/recipe/multitenancy/tenant/user/remove", {"recipeUserId": user_id})


def remove(app, user_id, **more):
    assert app.post("/user/remove", {"userId": user_id, **more}).ok() == {"status": "OK"}


def get(app, user_id):
    return app.get("/user/id", {"userId": user_id})


def missing(field):
    return f"Field name '{field}' is missing in GET request"


# ---- lists

@pytest.fixture
def seven(app):
    """Seven users, oldest first, each joined in a millisecond of its own."""
    made = []
    for i in range(7):
        made.append(sign_up(app, f"u{i}@example.com"))
        wait_for(lambda: int(time.time() * 1000) > made[-1]["timeJoined"], interval=0.0005)
    return made


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages(app, seven, order, limit):
    want = seven if order == "ASC" else seven[::-1]
    got, query, pages = [], {"limit": limit, "timeJoinedOrder": order}, 0
    while True:
        page = users(app, **query)
        assert len(page["users"]) <= limit
        got += page["users"]
        pages += 1
        if "nextPaginationToken" not in page:
            break
        query["paginationToken"] = page["nextPaginationToken"]
    assert got == want
    assert pages == -(-7 // limit)


def test_page_token_names_the_next_user(app, seven):
    token = users(app, limit=2)["nextPaginationToken"]
    text = base64.b64decode(token).decode()
    assert text == f"{seven[2]['id']};{seven[2]['timeJoined']}"
    # that user may be gone by the time the token is used
    remove(app, seven[2]["id"])
    assert users(app, limit=1, paginationToken=token)["users"] == [seven[3]]


def test_default_order_and_limit(app, seven):
    assert users(app)["users"] == seven
    assert users(app, limit=1000)["users"] == seven
    assert users(app, includeRecipeIds="")["users"] == seven


@pytest.mark.parametrize("cdi", ["3.0", "4.0", "5.2", "5.3"])
def test_list_shape_by_version(app, cdi):
    user = sign_up(app, "a@example.com", cdi_version=cdi)
    got = app.get("/users", cdi_version=cdi).ok()["users"]
    if cdi < "4.0":
        assert got == [{"recipeId": "emailpassword", "user": user}]
    else:
        assert got == [user]


@pytest.mark.parametrize("query, text", [
    ({"limit": 0}, "limit must a positive integer with min value 1"),
    ({"limit": -1}, "limit must a positive integer with min value 1"),
    ({"limit": "x"}, "Field name 'limit' must be an int in the GET request"),
    ({"limit": 2 ** 31}, "Field name 'limit' must be an int in the GET request"),
    ({"limit": 1001}, "max limit allowed is 1000"),
    ({"timeJoinedOrder": "asc"}, "timeJoinedOrder can be either ASC OR DESC"),
    ({"includeRecipeIds": "emailpassword,x"}, "Unknown recipe ID: x"),
    ({"paginationToken": "x"}, "invalid pagination token"),
    ({"paginationToken": base64.b64encode(b"id").decode()}, "invalid pagination token"),
    ({"paginationToken": base64.b64encode(b"id;").decode()}, "invalid pagination token"),
    ({"paginationToken": base64.b64encode(b"id;1;2").decode()}, "invalid pagination token"),
    ({"paginationToken": base64.b64encode(b"\xff;1").decode()}, "invalid pagination token"),
])
def test_list_refusals(app, query, text):
    app.get("/users", query).is_error(400, text)


def test_list_by_recipe(app, seven):
    for names in ("emailpassword", "thirdparty,EmailPassword", " emailpassword , ",
                  "emailpassword,thirdparty,passwordless,webauthn"):
        assert users(app, includeRecipeIds=names)["users"] == seven
        assert count(app, includeRecipeIds=names) == 7
    for names in ("thirdparty", "passwordless,webauthn", "session", "jwt,totp"):
        assert users(app, includeRecipeIds=names) == {"status": "OK", "users": []}
        assert count(app, includeRecipeIds=names) == 0
    page = users(app, includeRecipeIds="emailpassword", limit=3, timeJoinedOrder="DESC")
    assert page["users"] == seven[:3:-1]
    page = users(app, includeRecipeIds="emailpassword", limit=3, timeJoinedOrder="DESC",
                 paginationToken=page["nextPaginationToken"])
    assert page["users"] == seven[3:0:-1]


def test_lists_are_per_tenant(app):
    tenant = new_tenant(app)
    here, there = sign_up(app, "a@example.com"), sign_up(tenant, "a@example.com")
    assert users(app)["users"] == [here]
    assert users(tenant)["users"] == [there]
    assert (count(app), count(tenant), count(app, includeAllTenants="true")) == (1, 1, 2)


def test_page_costs_two_round_trips(app, seven, storage):
    reply = app.get("/users", {"includeRecipeIds": "emailpassword"})
    assert len(reply.ok()["users"]) == 7
    assert reply.batches == 2
    if storage[0] == "postgresql":
        assert reply.round_trips == 2


# ---- search

def test_search(app):
    made = {e: sign_up(app, e) for e in ("anna@example.com", "bob@example.org", "ann@other.net",
                                         "x_y%z@example.com")}

    def found(**query):
        page = users(app, **query)
        assert "nextPaginationToken" not in page
        return [u["emails"][0] for u in page["users"]]
    assert found(email="ann") == ["anna@example.com", "ann@other.net"]
    assert found(email="ANN; bob ;;") == ["anna@example.com", "bob@example.org", "ann@other.net"]
    assert found(email="example") == ["anna@example.com", "bob@example.org", "x_y%z@example.com"]
    assert found(email="example.com", timeJoinedOrder="DESC") == ["x_y%z@example.com",
                                                                  "anna@example.com"]
    assert found(email="x_y%") == ["x_y%z@example.com"]
    assert found(email="n") == [] and found(email="_") == []
    # one page, whatever the limit; but a limit must still be one
    assert len(found(email="example", limit=1)) == 3
    assert len(found(email="example", limit=5000)) == 3
    app.get("/users", {"email": "a", "limit": 0}).is_error(
        400, "limit must a positive integer with min value 1")
    assert found(phone="+1") == [] and found(provider="google") == []
    assert found(email="ann", phone="+1") == [] and found(phone="+1", provider="g") == []
    # terms that are empty are none
    assert len(users(app, email=" ; ", limit=2)["users"]) == 2
    assert made["ann@other.net"]["emails"] == ["ann@other.net"]


def test_search_of_accounts_at_providers(app):
    """By provider, or by provider and id there."""
    for email, tp, user in (("ann@a.com", "google", "User-XyZ"), ("bob@b.com", "google", "12345")):
        app.post("/recipe/signinup", {"thirdPartyId": tp, "thirdPartyUserId": user, "email": {
            "id": email, "isVerified": False}}).ok()
    sign_up(app, "cid@c.com")

    def found(**query):
        return sorted(u["emails"][0] for u in users(app, **query)["users"])
    assert found(provider="goo") == ["ann@a.com", "bob@b.com"]
    assert found(provider="GOOGLE") == ["ann@a.com", "bob@b.com"] and found(provider="oogle") == []
    assert found(provider="google::123") == ["bob@b.com"]
    assert found(provider="google::User-X; Google::12345") == ["ann@a.com", "bob@b.com"]
    assert found(provider="google::xyz") == [] and found(provider="goo::123") == []
    assert found(provider="google::") == ["ann@a.com", "bob@b.com"]
    assert found(email="b", provider="google::1") == ["bob@b.com"]
    assert found(email="ann", provider="google::1") == []
    assert found(email="a", provider="google") == ["ann@a.com"]


def test_search_tags(app):
    assert app.get("/user/search/tags").ok() == {"status": "OK",
                                                 "tags": ["email", "phone", "provider"]}


# ---- counts

def test_count(app):
    assert app.get("/users/count").ok() == {"status": "OK", "count": 0}
    made = [sign_up(app, f"u{i}@example.com") for i in range(5)]
    assert count(app) == 5
    remove(app, made[0]["id"])
    assert (count(app), count(app, includeAllTenants="TRUE")) == (4, 4)
    app.get("/users/count", {"includeRecipeIds": "x"}).is_error(400, "Unknown recipe ID: x")
    tenant = new_tenant(app)
    tenant.get("/users/count", {"includeAllTenants": "true"}).is_error(403, FORBIDDEN)
    got = tenant.get("/users/count", {"includeAllTenants": "true"}, cdi_version="4.0").ok()
    assert got["count"] == 4


def test_approximate_count(app):
    before = int(time.time() * 1000)
    got = app.get("/users/count", {"allowApproximate": "true"}, cdi_version="5.6").ok()
    assert got == {"status": "OK", "count": 0, "approximate": False, "asOf": got["asOf"]}
    assert before <= got["asOf"] <= int(time.time() * 1000)
    assert app.get("/users/count", {"allowApproximate": "true"}, cdi_version="5.5").ok() == \
        {"status": "OK", "count": 0}


def test_active(app):
    def active(since):
        return app.get("/users/count/active", {"since": since}).ok()["count"]
    start = int(time.time() * 1000) - 1000
    assert active(0) == 0
    user = sign_up(app, "a@example.com")
    sign_up(app, "b@example.com")
    sign_in(app, "a@example.com").ok()
    assert (active(0), active(start), active(start + 3600000)) == (2, 2, 0)
    remove(app, user["id"])
    assert active(0) == 1
    app.get("/users/count/active").is_error(400, missing("since"))
    app.get("/users/count/active", {"since": -1}).is_error(
        400, "'since' query parameter must be >= 0")
    app.get("/users/count/active", {"since": "x"}).is_error(
        400, "Field name 'since' must be a long in the GET request")
    new_tenant(app).get("/users/count/active", {"since": 0}).is_error(403, FORBIDDEN)


# ---- single users

def test_by_id(app):
    assert get(app, "x").is_status("UNKNOWN_USER_ID_ERROR") == {"status": "UNKNOWN_USER_ID_ERROR"}
    get(app, "").is_status("UNKNOWN_USER_ID_ERROR")
    get(app, "x" * 600).is_status("UNKNOWN_USER_ID_ERROR")
    app.get("/user/id").is_error(400, missing("userId"))
    user = sign_up(app, "a@example.com")
    reply = get(app, user["id"])
    assert reply.ok() == {"status": "OK", "user": user}
    assert reply.batches == 1
    assert "webauthn" not in app.get("/user/id", {"userId": user["id"]}, cdi_version="5.2").ok()["user"]
    new_tenant(app).get("/user/id", {"userId": user["id"]}).is_error(403, FORBIDDEN)


def by_account(app, union="false", **query):
    return app.get("/users/by-accountinfo", {"doUnionOfAccountInfo": union, **query}).ok()["users"]


def test_by_account_info(app):
    tenant = new_tenant(app)
    user, other = sign_up(app, "a@example.com"), sign_up(app, "b@example.com")
    assert by_account(app, email=" A@example.com") == [user]
    assert by_account(app, email="c@example.com") == []
    assert by_account(tenant, email="a@example.com") == []
    assert by_account(app) == [] and by_account(app, "true") == []
    assert by_account(app, email="a@example.com", phoneNumber="+1234567") == []
    assert by_account(app, "true", email="a@example.com", phoneNumber="+1234567") == [user]
    third = {"thirdPartyId": "google", "thirdPartyUserId": "1"}
    assert by_account(app, email="b@example.com", **third) == []
    assert by_account(app, "true", email="b@example.com", **third) == [other]
    assert by_account(app, email="b@example.com", webauthnCredentialId="x") == []
    assert by_account(app, "true", email="b@example.com", webauthnCredentialId="x") == [other]


@pytest.mark.parametrize("query, text", [
    ({}, missing("doUnionOfAccountInfo")),
    ({"doUnionOfAccountInfo": "yes"}, "'doUnionOfAccountInfo' should be either 'true' or 'false'"),
    ({"doUnionOfAccountInfo": "true", "thirdPartyId": "x"},
     "If 'thirdPartyId' is provided, 'thirdPartyUserId' must also be provided, and vice versa"),
    ({"doUnionOfAccountInfo": "true", "thirdPartyUserId": "x"},
     "If 'thirdPartyId' is provided, 'thirdPartyUserId' must also be provided, and vice versa"),
])
def test_by_account_info_refusals(app, query, text):
    app.get("/users/by-accountinfo", query).is_error(400, text)


# ---- deleting

def test_remove(app):
    user, kept = sign_up(app, "a@example.com"), sign_up(app, "b@example.com")
    session = {"userId": user["id"], "userDataInJWT": {}, "userDataInDatabase": {},
               "useDynamicSigningKey": True, "enableAntiCsrf": False}
    app.post("/recipe/session", session).ok()
    token = app.post("/recipe/user/password/reset/token",
                     {"userId": user["id"], "email": "a@example.com"}).ok()["token"]
    remove(app, user["id"])
    get(app, user["id"]).is_status("UNKNOWN_USER_ID_ERROR")
    sign_in(app, "a@example.com").is_status("WRONG_CREDENTIALS_ERROR")
    app.post("/recipe/user/password/reset/token/consume", {"token": token}).is_status(
        "RESET_PASSWORD_INVALID_TOKEN_ERROR")
    assert app.get("/recipe/session/user", {"userId": user["id"]}).ok()["sessionHandles"] == []
    assert users(app)["users"] == [kept] and count(app) == 1
    again = sign_up(app, "a@example.com")
    assert again["id"] != user["id"]
    remove(app, user["id"])
    remove(app, "unknown", removeAllLinkedAccounts=False)
    assert count(app) == 2


def test_remove_refusals(app):
    app.post("/user/remove", {}).is_error(400, "Field name 'userId' is invalid in JSON input")
    app.post("/user/remove", {"userId": "x", "removeAllLinkedAccounts": "true"}).is_error(
        400, "Field name 'removeAllLinkedAccounts' is invalid in JSON input")
    new_tenant(app).post("/user/remove", {"userId": "x"}).is_error(403, FORBIDDEN)


# ---- tenants

def test_associate(app):
    tenant = new_tenant(app)
    user = sign_up(app, "a@example.com")
    assert associate(tenant, user["id"]).ok() == {"status": "OK", "wasAlreadyAssociated": False}
    assert associate(tenant, user["id"]).ok() == {"status": "OK", "wasAlreadyAssociated": True}
    both = get(app, user["id"]).ok()["user"]
    assert both["tenantIds"] == ["public", "t1"]
    assert both["loginMethods"][0]["tenantIds"] == ["public", "t1"]
    assert users(tenant)["users"] == users(app)["users"] == [both]
    assert (count(app), count(tenant), count(app, includeAllTenants="true")) == (1, 1, 1)
    assert sign_in(tenant, "a@example.com").ok()["user"] == both
    assert disassociate(app, user["id"]).ok() == {"status": "OK", "wasAssociated": True}
    assert disassociate(app, user["id"]).ok() == {"status": "OK", "wasAssociated": False}
    assert (count(app), count(tenant), count(app, includeAllTenants="true")) == (0, 1, 1)
    assert get(app, user["id"]).ok()["user"]["tenantIds"] == ["t1"]
    disassociate(tenant, user["id"]).ok()
    # in no tenant at all, and still there
    assert get(app, user["id"]).ok()["user"]["tenantIds"] == []
    assert (count(tenant), count(app, includeAllTenants="true")) == (0, 1)
    sign_in(app, "a@example.com").is_status("WRONG_CREDENTIALS_ERROR")
    associate(app, user["id"]).ok()
    assert sign_in(app, "a@example.com").ok()["user"]["tenantIds"] == ["public"]
    assert get(app, user["id"]).ok()["user"] == user


def test_associate_conflicts(app):
    tenant = new_tenant(app)
    user = sign_up(app, "a@example.com")
    sign_up(tenant, "a@example.com")
    associate(tenant, user["id"]).is_status("EMAIL_ALREADY_EXISTS_ERROR")
    associate(tenant, "unknown").is_status("UNKNOWN_USER_ID_ERROR")
    disassociate(tenant, "unknown").is_status("UNKNOWN_USER_ID_ERROR")
    assert get(app, user["id"]).ok()["user"] == user and count(tenant) == 1


# ---- linked and mapped users

@pytest.fixture
def database(core, storage, app):
    return Database(core, storage, app)


@pytest.fixture
def group(app, database):
    """A primary user of three methods, and somebody else."""
    made = [sign_up(app, f"{c}@example.com") for c in "abc"]
    database.link(*made)
    return made, sign_up(app, "d@example.com")


def test_linked_user(app, group, storage):
    (a, b, c), other = group
    user = get(app, a["id"]).ok()["user"]
    assert user["isPrimaryUser"] and user["id"] == a["id"] and user["timeJoined"] == a["timeJoined"]
    assert user["emails"] == ["a@example.com", "b@example.com", "c@example.com"]
    assert [m["recipeUserId"] for m in user["loginMethods"]] == [a["id"], b["id"], c["id"]]
    for one in (b, c):
        assert get(app, one["id"]).ok()["user"] == user
    assert users(app)["users"] == [user, other] and count(app) == 2
    assert users(app, email="b@")["users"] == users(app, email="a@;c@")["users"] == [user]
    assert by_account(app, email="c@example.com") == [user]
    reply = sign_in(app, "b@example.com")
    assert reply.ok() == {"status": "OK", "user": user, "recipeUserId": b["id"]}
    assert reply.batches == 2
    if storage[0] == "postgresql":
        assert reply.round_trips == 2
    # before account linking there was one login method
    old = app.get("/recipe/user", {"userId": b["id"]}, cdi_version="3.0").ok()["user"]
    assert old == {"id": b["id"], "timeJoined": b["timeJoined"], "tenantIds": ["public"],
                   "email": "b@example.com"}
    app.post("/recipe/user/password/reset/token", {"userId": b["id"]}, cdi_version="3.0").is_error(
        400, "Please use CDI version >= 4.0")


def test_remove_all_linked(app, group, database):
    (a, b, c), other = group
    remove(app, b["id"])
    for gone in (a, b, c):
        get(app, gone["id"]).is_status("UNKNOWN_USER_ID_ERROR")
    assert users(app)["users"] == [other] and count(app) == count(app, includeAllTenants="true") == 1
    for table in ("st_users", "st_login_methods", "st_user_tenants", "st_tenant_users",
                  "st_user_last_active"):
        assert database.rows(table) == 1, table
    assert database.rows("st_account_reservations") == 0


def test_remove_one_linked(app, group, database):
    (a, b, c), other = group
    remove(app, b["id"], removeAllLinkedAccounts=False)
    get(app, b["id"]).is_status("UNKNOWN_USER_ID_ERROR")
    user = get(app, a["id"]).ok()["user"]
    assert user["emails"] == ["a@example.com", "c@example.com"]
    assert database.rows("st_account_reservations") == 2
    # the primary's own method goes, its id stays
    remove(app, a["id"], removeAllLinkedAccounts=False)
    user = get(app, a["id"]).ok()["user"]
    assert user["id"] == a["id"] and user["emails"] == ["c@example.com"]
    assert user["timeJoined"] == c["timeJoined"] and user["isPrimaryUser"]
    assert get(app, c["id"]).ok()["user"] == user
    assert sign_in(app, "c@example.com").ok()["user"] == user
    sign_in(app, "a@example.com").is_status("WRONG_CREDENTIALS_ERROR")
    assert users(app)["users"] == [user, other] and count(app) == 2
    # with the last method the user goes
    remove(app, c["id"], removeAllLinkedAccounts=False)
    get(app, a["id"]).is_status("UNKNOWN_USER_ID_ERROR")
    assert count(app) == 1 and database.rows("st_users") == 1
    assert database.rows("st_account_reservations") == 0


def test_email_of_linked(app, group, database):
    (a, b, c), other = group
    primary = sign_up(app, "p@example.com")
    database.link(primary)

    def update(user, email):
        return app.put("/recipe/user", {"recipeUserId": user["id"], "email": email})
    assert update(b, "p@example.com").is_status("EMAIL_CHANGE_NOT_ALLOWED_ERROR") == {
        "status": "EMAIL_CHANGE_NOT_ALLOWED_ERROR",
        "reason": "New email is associated with another primary user ID"}
    update(b, "d@example.com").is_status("EMAIL_ALREADY_EXISTS_ERROR")
    assert database.rows("st_account_reservations") == 4
    update(b, "new@example.com").ok()
    assert get(app, a["id"]).ok()["user"]["emails"] == ["a@example.com", "new@example.com",
                                                        "c@example.com"]
    held = {r[0].split("\x1f")[2] for r in database.run(
        f"SELECT rkey FROM st_account_reservations WHERE app_id = :app AND user_id = '{a['id']}'")}
    assert held == {"a@example.com", "new@example.com", "c@example.com"}
    update(other, "b@example.com").ok()


def test_tenants_of_linked(app, group, database):
    (a, b, c), _ = group
    tenant = new_tenant(app)
    rival = sign_up(tenant, "b@example.com")
    associate(tenant, a["id"]).ok()
    assert database.rows("st_account_reservations", "tenant_id = 't1'") == 3
    user = get(app, a["id"]).ok()["user"]
    assert user["tenantIds"] == ["public", "t1"]
    assert {u["id"] for u in users(tenant)["users"]} == {a["id"], rival["id"]}
    associate(tenant, b["id"]).is_status("EMAIL_ALREADY_EXISTS_ERROR")
    disassociate(tenant, a["id"]).ok()
    assert database.rows("st_account_reservations", "tenant_id = 't1'") == 0
    assert count(tenant) == 1
    # somebody else's primary user holds an address of the group there
    database.run(f"""INSERT INTO st_account_reservations(app_id, rkey, tenant_id, kind, user_id)
        VALUES (:app, 't1\x1femail\x1fc@example.com', 't1', 'email', '{rival['id']}')""")
    assert associate(tenant, a["id"]).is_status("ASSOCIATION_NOT_ALLOWED_ERROR") == {
        "status": "ASSOCIATION_NOT_ALLOWED_ERROR",
        "reason": f"Another primary user with email already exists: {rival['id']}"}
    assert database.rows("st_account_reservations", "tenant_id = 't1'") == 1


def test_external_ids(app, database):
    user = sign_up(app, "a@example.com")
    other = sign_up(app, "b@example.com")
    database.map(user["id"], "ext-1")
    seen = json.loads(json.dumps(user).replace(user["id"], "ext-1"))
    assert get(app, "ext-1").ok()["user"] == get(app, user["id"]).ok()["user"] == seen
    assert sign_in(app, "a@example.com").ok() == {"status": "OK", "user": seen,
                                                  "recipeUserId": "ext-1"}
    assert users(app)["users"] == [seen, other]
    assert by_account(app, email="a@example.com") == [seen]
    token = app.post("/recipe/user/password/reset/token",
                     {"userId": "ext-1", "email": "a@example.com"}).ok()["token"]
    assert app.post("/recipe/user/password/reset/token/consume", {"token": token}).ok() == {
        "status": "OK", "userId": "ext-1", "email": "a@example.com"}
    app.put("/recipe/user", {"recipeUserId": "ext-1", "email": "c@example.com"}).ok()
    app.get("/recipe/user", {"userId": "ext-1"}).ok()
    assert associate(new_tenant(app), "ext-1").ok()["wasAlreadyAssociated"] is False
    remove(app, "ext-1")
    get(app, "ext-1").is_status("UNKNOWN_USER_ID_ERROR")
    assert database.rows("st_user_id_mapping") == 0 and count(app) == 1


def test_external_id_that_is_another_users_own(app, database):
    first, second = sign_up(app, "a@example.com"), sign_up(app, "b@example.com")
    session = {"userId": second["id"], "userDataInJWT": {}, "userDataInDatabase": {},
               "useDynamicSigningKey": True, "enableAntiCsrf": False}
    app.post("/recipe/session", session).ok()
    database.map(first["id"], second["id"])
    # the id means the one who is mapped to it, as long as its owner is not mapped too
    assert get(app, second["id"]).ok()["user"]["emails"] == ["a@example.com"]
    remove(app, first["id"])
    assert get(app, second["id"]).ok()["user"] == second
    # what is filed under the id was not the first one's alone
    assert len(app.get("/recipe/session/user", {"userId": second["id"]}).ok()["sessionHandles"]) == 1


# ---- races

@pytest.mark.concurrent
def test_deleting_and_joining_at_once(app):
    tenant = new_tenant(app)
    for k in range(4):
        user = sign_up(app, f"u{k}@example.com")
        barrier = threading.Barrier(6)

        def go(i):
            barrier.wait()
            if i < 2:
                return app.post("/user/remove", {"userId": user["id"]})
            return associate(tenant, user["id"]) if i < 4 else disassociate(app, user["id"])
        with ThreadPoolExecutor(6) as pool:
            for reply in pool.map(go, range(6)):
                assert reply.status == 200, reply.text
                assert reply.json["status"] in ("OK", "UNKNOWN_USER_ID_ERROR")
        get(app, user["id"]).is_status("UNKNOWN_USER_ID_ERROR")
    assert users(app)["users"] == users(tenant)["users"] == []
    assert (count(app), count(tenant), count(app, includeAllTenants="true")) == (0, 0, 0)


@pytest.mark.concurrent
def test_many_sign_ups_are_all_counted(app):
    def go(i):
        return sign_up(app, f"{uuid.uuid4()}@example.com")["id"]
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(go, range(120)))
    assert count(app) == count(app, includeAllTenants="true") == len(ids) == 120
    assert {u["id"] for u in users(app, limit=1000)["users"]} == ids
