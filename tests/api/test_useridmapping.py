# SPDX-License-Identifier: Apache-2.0
"""External user ids: making, reading, changing and removing a mapping; and that every call
that takes or shows an id takes and shows the external one."""

import uuid

import pytest

from core import Core
from linked import Database

EMAIL = "a@example.com"
PASSWORD = "secret123"


def sign_up(app, email=EMAIL):
    return app.post("/recipe/signup", {"email": email, "password": PASSWORD}).ok()["user"]["id"]


def make(app, user_id, external, **more):
    return app.post("/recipe/userid/map", {"superTokensUserId": user_id,
                                           "externalUserId": external, **more})


def get(app, user_id, kind=None):
    return app.get("/recipe/userid/map", {"userId": user_id,
                                          **({"userIdType": kind} if kind else {})})


def remove(app, user_id, kind=None, **more):
    return app.post("/recipe/userid/map/remove", {
        "userId": user_id, **({"userIdType": kind} if kind else {}), **more})


@pytest.fixture
def database(core, storage, app):
    return Database(core, storage, app)


def exists(reply):
    told = reply.is_status("USER_ID_MAPPING_ALREADY_EXISTS_ERROR")
    return told["doesSuperTokensUserIdExist"], told["doesExternalUserIdExist"]


def test_make_and_read(app):
    user = sign_up(app)
    get(app, user).is_status("UNKNOWN_MAPPING_ERROR")
    get(app, "nobody").is_status("UNKNOWN_MAPPING_ERROR")
    make(app, f"  {user} ", " ext\n", externalUserIdInfo=" info ").ok()
    whole = {"status": "OK", "superTokensUserId": user, "externalUserId": "ext",
             "externalUserIdInfo": "info"}
    for asked in ((user,), ("ext",), (user, "SUPERTOKENS"), ("ext", "EXTERNAL"), (" ext ", " ANY ")):
        assert get(app, *asked).ok() == whole
    for asked in ((user, "EXTERNAL"), ("ext", "SUPERTOKENS")):
        get(app, *asked).is_status("UNKNOWN_MAPPING_ERROR")


def test_refusals(app):
    user, other = sign_up(app), sign_up(app, "b@example.com")
    make(app, "nobody", "ext").is_status("UNKNOWN_SUPERTOKENS_USER_ID_ERROR")
    make(app, user, other).is_error(
        400, "Cannot create a userId mapping where the externalId is also a SuperTokens userID")
    make(app, user, "ext").ok()
    assert exists(make(app, user, "ext")) == (True, True)
    assert exists(make(app, user, "else")) == (True, False)
    assert exists(make(app, other, "ext")) == (False, True)
    assert exists(make(app, "nobody", "ext")) == (False, True)
    make(app, "ext", "third").is_status("UNKNOWN_SUPERTOKENS_USER_ID_ERROR")
    app.tenant("t").post("/recipe/userid/map", {}).is_error(
        403, "Only public tenantId can call this app specific API")


@pytest.mark.parametrize("call, body, text", [
    ("/recipe/userid/map", {"externalUserId": "x"},
     "Field name 'superTokensUserId' is invalid in JSON input"),
    ("/recipe/userid/map", {"superTokensUserId": 1, "externalUserId": "x"},
     "Field name 'superTokensUserId' is invalid in JSON input"),
    ("/recipe/userid/map", {"superTokensUserId": "x"},
     "Field name 'externalUserId' is invalid in JSON input"),
    ("/recipe/userid/map", {"superTokensUserId": "x", "externalUserId": "y",
                            "externalUserIdInfo": 1},
     "Field name 'externalUserIdInfo' is invalid in JSON input"),
    ("/recipe/userid/map", {"superTokensUserId": " ", "externalUserId": "x"},
     "Field name 'superTokensUserId' cannot be an empty String"),
    ("/recipe/userid/map", {"superTokensUserId": "x", "externalUserId": " "},
     "Field name 'externalUserId' cannot be an empty String"),
    ("/recipe/userid/map", {"superTokensUserId": "x", "externalUserId": "y",
                            "externalUserIdInfo": "  "},
     "Field name 'externalUserIdInfo' cannot be an empty String"),
    ("/recipe/userid/map", {"superTokensUserId": "x", "externalUserId": "y", "force": "yes"},
     "Field name 'force' is invalid in JSON input"),
    ("/recipe/userid/map/remove", {"userId": "x", "userIdType": "OTHER"},
     "Field name 'userIdType' should be one of 'SUPERTOKENS', 'EXTERNAL' or 'ANY'"),
    ("/recipe/userid/map/remove", {"userId": ""}, "Field name 'userId' cannot be an empty String"),
    ("/recipe/userid/map/remove", {}, "Field name 'userId' is invalid in JSON input"),
    ("/recipe/userid/map/remove", {"userId": "x", "userIdType": None},
     "Field name 'userIdType' is invalid in JSON input"),
])
def test_bad_input(app, call, body, text):
    app.post(call, body).is_error(400, text)


def test_bad_input_of_info_and_read(app):
    path = "/recipe/userid/external-user-id-info"
    app.put(path, {"userId": "x"}).is_error(
        400, "Field name 'externalUserIdInfo' is invalid in JSON input")
    app.put(path, {"userId": "x", "externalUserIdInfo": ""}).is_error(
        400, "Field name 'externalUserIdInfo' cannot be an empty String")
    get(app, "x", "y").is_error(
        400, "Field name 'userIdType' should be one of 'SUPERTOKENS', 'EXTERNAL' or 'ANY'")
    get(app, " ").is_error(400, "Field name 'userId' cannot be an empty String")
    app.get("/recipe/userid/map").is_error(
        400, "Field name 'userId' is missing in GET request")


def test_ids_of_any_kind(app):
    user = sign_up(app)
    make(app, user, "e" * 129).is_error(
        400, "Field 'external_user_id' is too long: it may have 128 characters")
    for external in ("é" * 128, "a b/c?d=%25&\"'\\", "0", "EXT", "ext"):
        make(app, user, external).ok()
        assert get(app, external).ok()["externalUserId"] == external
        assert app.get("/user/id", {"userId": external}).ok()["user"]["id"] == external
        get(app, external + "x").is_status("UNKNOWN_MAPPING_ERROR")
        assert remove(app, external).ok()["didMappingExist"] is True
    get(app, "x" * 3000).is_status("UNKNOWN_MAPPING_ERROR")
    for odd in (b"\xff", b"a\0b"):
        get(app, odd).is_error(400, "Field name 'userId' is invalid in GET request")
    make(app, "x" * 3000, "ext").is_status("UNKNOWN_SUPERTOKENS_USER_ID_ERROR")
    assert remove(app, "x" * 3000).ok()["didMappingExist"] is False


def test_info(app):
    user = sign_up(app)
    path = "/recipe/userid/external-user-id-info"
    app.put(path, {"userId": user, "externalUserIdInfo": "a"}).is_status("UNKNOWN_MAPPING_ERROR")
    make(app, user, "ext", externalUserIdInfo=None).ok()
    assert "externalUserIdInfo" not in get(app, user).ok()
    for asked, info in (({"userId": user}, "one"), ({"userId": "ext"}, "two"),
                        ({"userId": "ext", "userIdType": "EXTERNAL"}, "three")):
        app.put(path, {**asked, "externalUserIdInfo": info}).ok()
        assert get(app, user).ok()["externalUserIdInfo"] == info
    app.put(path, {"userId": user, "userIdType": "EXTERNAL", "externalUserIdInfo": "x"}
            ).is_status("UNKNOWN_MAPPING_ERROR")
    app.put(path, {"userId": user, "externalUserIdInfo": None}).ok()
    assert "externalUserIdInfo" not in get(app, user).ok()


def test_remove(app):
    user = sign_up(app)
    assert remove(app, user).ok()["didMappingExist"] is False
    for asked in ((user,), ("ext",), (user, "SUPERTOKENS"), ("ext", "EXTERNAL")):
        make(app, user, "ext").ok()
        assert remove(app, *asked).ok()["didMappingExist"] is True
        get(app, user).is_status("UNKNOWN_MAPPING_ERROR")
        assert app.get("/user/id", {"userId": user}).ok()["user"]["id"] == user
        app.get("/user/id", {"userId": "ext"}).is_status("UNKNOWN_USER_ID_ERROR")
    make(app, user, "ext").ok()
    assert remove(app, user, "EXTERNAL").ok()["didMappingExist"] is False


# ---- ids in use

def new_session(app, user_id):
    return app.post("/recipe/session", {
        "userId": user_id, "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
        "useDynamicSigningKey": True}).ok()


def totp(app, user_id):
    app.post("/recipe/totp/device", {"userId": user_id, "skew": 0, "period": 30}).ok()


def verify(app, user_id, email=EMAIL):
    token = app.post("/recipe/user/email/verify/token", {"userId": user_id, "email": email}).ok()
    app.post("/recipe/user/email/verify", {"method": "token", "token": token["token"]}).ok()


def metadata(app, user_id):
    app.put("/recipe/user/metadata", {"userId": user_id, "metadataUpdate": {"a": 1}}).ok()


def role(app, user_id):
    app.put("/recipe/role", {"role": "r", "permissions": []}).ok()
    app.put("/recipe/user/role", {"userId": user_id, "role": "r"}).ok()


USES = {"Session": new_session, "UserMetadata": metadata, "UserRoles": role, "TOTP": totp}


@pytest.mark.parametrize("recipe", USES)
def test_an_id_in_use(app, recipe):
    user = sign_up(app)
    USES[recipe](app, user)
    text = f"UserId is already in use in {recipe} recipe"
    make(app, user, "ext").is_error(400, text)
    make(app, user, "ext", force=True).ok()
    remove(app, user).ok()  # what is under the SuperTokens id is no matter
    make(app, user, "ext", force=True).ok()
    USES[recipe](app, "ext")
    remove(app, user).is_error(400, text)
    assert get(app, user).ok()["externalUserId"] == "ext"
    assert remove(app, user, force=True).ok()["didMappingExist"] is True


def test_the_first_use_is_named(app):
    """In the order of the Java core, and before a mapping that the user has."""
    user = sign_up(app)
    uses = [totp, verify, role, metadata, new_session]
    names = ["TOTP", "EmailVerification", "UserRoles", "UserMetadata", "Session"]
    for use, name in zip(uses, names):
        use(app, user)
        make(app, user, "ext").is_error(400, f"UserId is already in use in {name} recipe")
    make(app, user, "ext", force=True).ok()
    make(app, user, "else").is_error(400, "UserId is already in use in Session recipe")
    assert exists(make(app, user, "else", force=True)) == (True, False)
    assert exists(make(app, user, "ext")) == (True, True)
    for use, name in zip(uses, names):
        use(app, "ext")
        remove(app, user).is_error(400, f"UserId is already in use in {name} recipe")


def test_a_session_that_ended_is_no_use(app, database):
    user = sign_up(app)
    new_session(app, user)
    database.run("UPDATE st_sessions SET expires_at = 1 WHERE app_id = :app")
    make(app, user, "ext").ok()
    new_session(app, "ext")
    database.run("UPDATE st_sessions SET expires_at = 1 WHERE app_id = :app")
    remove(app, user).ok()


def test_a_use_in_another_app_or_of_the_other_id(core, app):
    user = sign_up(app)
    new_session(core.app(), user)
    new_session(app, "ext")  # known by it to be before it is
    make(app, user, "ext").ok()
    assert len(app.get("/recipe/session/user", {"userId": user}).ok()["sessionHandles"]) == 1


def verified(app, user_id, email=EMAIL):
    said = app.get("/recipe/user/email/verify", {"userId": user_id, "email": email}).ok()
    return said["isVerified"], app.get("/user/id", {"userId": user_id}).ok()["user"][
        "loginMethods"][0]["verified"]


def test_what_is_verified_follows(app):
    user = sign_up(app)
    verify(app, user)
    other = app.post("/recipe/user/email/verify/token", {"userId": user, "email": "b@x.cc"}).ok()
    make(app, user, "ext").ok()
    assert verified(app, "ext") == (True, True)
    done = app.post("/recipe/user/email/verify", {"method": "token", "token": other["token"]}).ok()
    assert done["userId"] == "ext"
    remove(app, user).is_error(400, "UserId is already in use in EmailVerification recipe")
    remove(app, user, force=True).ok()
    assert verified(app, user) == (False, False)
    make(app, user, "ext", force=True).ok()
    assert verified(app, "ext") == (True, True)


def test_what_is_verified_is_in_the_way_of_old_versions(app):
    user = sign_up(app)
    verify(app, user)
    make(app.at(cdi="3.1"), user, "ext").is_error(
        400, "UserId is already in use in EmailVerification recipe")


# ---- both ids everywhere

def test_every_call_takes_and_shows_the_external_id(app):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    user = sign_up(app)
    make(app, user, "ext").ok()
    signed = app.post("/recipe/signin", {"email": EMAIL, "password": PASSWORD}).ok()
    assert signed["user"]["id"] == "ext" and signed["recipeUserId"] == "ext"
    assert [m["recipeUserId"] for m in signed["user"]["loginMethods"]] == ["ext"]
    assert [u["user"]["id"] if "user" in u else u["id"]
            for u in app.get("/users").ok()["users"]] == ["ext"]
    for asked in (user, "ext"):
        assert app.get("/user/id", {"userId": asked}).ok()["user"]["id"] == "ext"
    found = app.get("/users/by-accountinfo", {
        "email": EMAIL, "doUnionOfAccountInfo": "false"}).ok()["users"]
    assert [u["id"] for u in found] == ["ext"]
    app.put("/recipe/user", {"recipeUserId": "ext", "email": "b@example.com"}).ok()
    app.tenant("t1").post("/recipe/multitenancy/tenant/user", {"recipeUserId": "ext"}).ok()
    session = new_session(app, "ext")
    assert session["session"]["userId"] == "ext"
    token = app.post("/recipe/user/password/reset/token", {
        "userId": "ext", "email": "b@example.com"}).ok()["token"]
    done = app.post("/recipe/user/password/reset/token/consume", {
        "method": "token", "token": token}).ok()
    assert done["userId"] == "ext"
    app.post("/user/remove", {"userId": "ext"}).ok()
    get(app, "ext").is_status("UNKNOWN_MAPPING_ERROR")
    assert app.get("/users/count").ok()["count"] == 0
    again = sign_up(app)
    make(app, again, "ext").ok()


def test_an_id_that_is_both(app):
    """With force the external id of one may be the own id of another."""
    info = "/recipe/userid/external-user-id-info"
    user, other = sign_up(app), sign_up(app, "b@example.com")
    make(app, user, other, force=True).ok()
    # it means the one who is mapped to it, as long as the other is not mapped
    for kind in (None, "EXTERNAL"):
        assert get(app, other, kind).ok()["superTokensUserId"] == user
    get(app, other, "SUPERTOKENS").is_status("UNKNOWN_MAPPING_ERROR")
    app.put(info, {"userId": other, "externalUserIdInfo": "x"}).is_status("UNKNOWN_MAPPING_ERROR")
    app.put(info, {"userId": other, "userIdType": "EXTERNAL", "externalUserIdInfo": "x"}).ok()
    assert get(app, user).ok()["externalUserIdInfo"] == "x"
    make(app, other, "ext").ok()
    assert get(app, other).ok()["externalUserId"] == "ext"
    assert get(app, other, "EXTERNAL").ok()["superTokensUserId"] == user
    # what is filed under it may be the other's, so it is in nobody's way
    metadata(app, other)
    assert remove(app, other, "EXTERNAL").ok()["didMappingExist"] is True
    get(app, user).is_status("UNKNOWN_MAPPING_ERROR")
    assert remove(app, other).ok()["didMappingExist"] is True
    make(app, user, other, force=True).ok()
    assert remove(app, other, "SUPERTOKENS").ok()["didMappingExist"] is False
    assert remove(app, other).ok()["didMappingExist"] is True


def test_a_tenant_in_another_database(postgres):
    name = "db_" + uuid.uuid4().hex
    far_uri = postgres.create_database(name)
    with Core() as core:
        app = core.app()
        app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "far", "coreConfig": {
            "postgresql_connection_uri": far_uri}}).ok()
        user, far = sign_up(app), sign_up(app.tenant("far"))
        make(app, far, "ext").ok()
        assert exists(make(app, user, "ext")) == (False, True)
        assert get(app, "ext").ok()["superTokensUserId"] == far
        assert remove(app, "ext").ok()["didMappingExist"] is True
        make(app, user, "ext").ok()


# ---- linked users, and the copies of the id

def copies(database, user, external):
    """How many rows of the user have the external id, of how many."""
    out = []
    for table, column in (("st_users", "user_id"), ("st_login_methods", "recipe_user_id"),
                          ("st_user_tenants", "recipe_user_id")):
        mine = f"{column} = '{user}'"
        out.append((database.rows(table, f"{mine} AND external_user_id = '{external}'"),
                    database.rows(table, mine)))
    return out


def test_every_copy_follows(app, database):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"}).ok()
    user, other = sign_up(app), sign_up(app, "b@example.com")
    app.tenant("t1").post("/recipe/multitenancy/tenant/user", {"recipeUserId": user}).ok()
    make(app, user, "ext").ok()
    assert copies(database, user, "ext") == [(1, 1), (1, 1), (2, 2)]
    assert copies(database, other, "ext") == [(0, 1), (0, 1), (0, 1)]
    assert database.rows("st_user_id_mapping") == 1
    remove(app, "ext").ok()
    assert copies(database, user, "ext") == [(0, 1), (0, 1), (0, 2)]
    assert database.rows("st_user_id_mapping") == 0


def shown(app, user_id):
    user = app.get("/user/id", {"userId": user_id}).ok()["user"]
    return user["id"], [m["recipeUserId"] for m in user["loginMethods"]]


def test_linked_users(app, database):
    first, second = sign_up(app), sign_up(app, "b@example.com")
    database.link({"id": first}, {"id": second})
    make(app, second, first).is_error(
        400, "Cannot create a userId mapping where the externalId is also a SuperTokens userID")
    make(app, second, "two").ok()
    assert shown(app, "two") == shown(app, first) == (first, [first, "two"])
    session = new_session(app, "two")["session"]
    assert (session["userId"], session["recipeUserId"]) == (first, "two")
    make(app, first, "one").ok()
    assert shown(app, "two") == shown(app, "one") == ("one", ["one", "two"])
    assert [u["id"] for u in app.get("/users").ok()["users"]] == ["one"]
    assert get(app, "two").ok()["superTokensUserId"] == second
    remove(app, "one").ok()
    assert shown(app, "two") == (first, [first, "two"])
    # the id of the primary user outlives its login method, and so does its mapping
    make(app, first, "one").ok()
    app.post("/user/remove", {"userId": "one", "removeAllLinkedAccounts": False}).ok()
    assert get(app, "one").ok()["superTokensUserId"] == first
    assert shown(app, "two") == shown(app, "one") == ("one", ["two"])
    assert remove(app, "one").ok()["didMappingExist"] is True
    assert shown(app, "two") == (first, ["two"])
    make(app, first, "one").ok()
    app.post("/recipe/accountlinking/user/unlink", {"recipeUserId": "two"}).ok()
    assert shown(app, "two") == shown(app, second) == ("two", ["two"])


# ---- lost answers of the database

def test_an_uncertain_change_is_made_once(faults):
    for n, rule in enumerate(("UNCERTAIN 1 applied", "UNCERTAIN 1", "RETRY 3")):
        user = sign_up(faults.app, f"{n}@example.com")
        make(faults.next("exec:mapping_insert " + rule), user, "ext").ok()
        assert get(faults.app, "ext").ok()["superTokensUserId"] == user
        app = faults.next("exec:mapping_delete " + rule)
        assert remove(app, user).ok()["didMappingExist"] is True
        get(app, "ext").is_status("UNKNOWN_MAPPING_ERROR")
