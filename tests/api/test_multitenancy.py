# SPDX-License-Identifier: Apache-2.0
"""Apps, tenants and connection URI domains: shapes by CDI version, texts, inheritance,
deletion, and tenants that live in another database."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from core import Core
from servers import wait_for

ALL = ["emailpassword", "thirdparty", "otp-phone", "otp-email", "link-phone", "link-email"]
UNKNOWN = ("AppId or tenantId not found => Tenant with the following connectionURIDomain, appId "
           "and tenantId combination not found: ")


def app_id(app):
    return app.prefix[len("/appid-"):]


def put_tenant(app, tenant, v2=True, cdi=None, **body):
    path = "/recipe/multitenancy/tenant" + ("/v2" if v2 else "")
    return app.put(path, {"tenantId": tenant, **body}, **({"cdi_version": cdi} if cdi else {}))


def get_tenant(app, tenant, v2=True, cdi=None):
    path = "/recipe/multitenancy/tenant" + ("/v2" if v2 else "")
    return app.tenant(tenant).get(path, **({"cdi_version": cdi} if cdi else {})).ok()


def sign_up(app, email="a@example.com"):
    return app.post("/recipe/signup", {"email": email, "password": "secret123"})


# ---- apps

def test_app_is_created_once(core):
    name = str(uuid.uuid4())
    body = {"appId": name, "coreConfig": {}}
    path = "/recipe/multitenancy/app/v2"
    assert core.put(path, body, cdi_version="5.1").ok() == {"status": "OK", "createdNew": True}
    assert core.put(path, body).ok() == {"status": "OK", "createdNew": False}


def test_app_needs_no_cdi_version(core):
    body = {"appId": str(uuid.uuid4()), "coreConfig": {}}
    assert core.at(cdi="none").put("/recipe/multitenancy/app/v2", body).ok()["createdNew"]


@pytest.mark.parametrize("bad, text", [
    ("", "appId should not be an empty String"),
    ("  ", "appId should not be an empty String"),
    ("appid-x", "appId must not start with 'appid-'"),
    ("a_b", "appId can only contain letters, numbers and hyphens"),
])
def test_bad_app_ids(core, bad, text):
    core.put("/recipe/multitenancy/app/v2", {"appId": bad}).is_error(400, text)


def test_app_id_is_lower_cased(core):
    name = uuid.uuid4().hex
    core.put("/recipe/multitenancy/app/v2", {"appId": f" {name.upper()} "}).ok()
    assert core.at(f"/appid-{name}").get("/recipe/multitenancy/tenant/v2").ok()


def test_app_only_from_public_or_same(core, app):
    text = "You must use the public or same app to add/update an app"
    app.put("/recipe/multitenancy/app/v2", {"appId": "other"}).is_error(403, text)
    assert app.put("/recipe/multitenancy/app/v2", {"appId": app_id(app)}).ok()["createdNew"] is False


def test_apps_are_listed_with_their_tenants(core, app):
    put_tenant(app, "t1").ok()
    apps = {a["appId"]: a for a in core.get("/recipe/multitenancy/app/list/v2").ok()["apps"]}
    assert [t["tenantId"] for t in apps[app_id(app)]["tenants"]] == ["public", "t1"]
    assert "public" in apps
    app.get("/recipe/multitenancy/app/list/v2").is_error(
        403, "Only the public tenantId and public appId is allowed to list all apps associated "
             "with this connection uri domain")


def test_base_config_cannot_be_changed(core):
    core.put("/recipe/multitenancy/app/v2",
             {"appId": "public", "coreConfig": {"access_token_validity": 10}}).is_error(
                 400, "Cannot modify base config")


# ---- tenants

def test_new_tenants_by_version(app):
    put_tenant(app, "v2").ok()
    assert get_tenant(app, "v2") == {
        "status": "OK", "tenantId": "v2", "thirdParty": {"providers": []}, "firstFactors": [],
        "coreConfig": {}}
    put_tenant(app, "v1", v2=False, cdi="5.0").ok()
    assert get_tenant(app, "v1", v2=False, cdi="5.0") == {
        "status": "OK", "tenantId": "v1", "emailPassword": {"enabled": False},
        "thirdParty": {"enabled": False, "providers": []}, "passwordless": {"enabled": False},
        "coreConfig": {}}
    public = get_tenant(app, "public")
    assert "firstFactors" not in public and "requiredSecondaryFactors" not in public


def test_flags_of_4_0_become_first_factors(app):
    put_tenant(app, "t", v2=False, cdi="4.0", emailPasswordEnabled=True).ok()
    old = get_tenant(app, "t", v2=False, cdi="4.0")
    assert (old["emailPassword"], old["passwordless"]) == ({"enabled": True}, {"enabled": False})
    assert get_tenant(app, "t")["firstFactors"] == ["emailpassword"]


def test_factors_of_v2(app):
    put_tenant(app, "t", firstFactors=["otp-email", "custom"], requiredSecondaryFactors=["totp"]).ok()
    t = get_tenant(app, "t")
    assert t["firstFactors"] == ["otp-email", "custom"]
    assert t["requiredSecondaryFactors"] == ["totp"]
    put_tenant(app, "t", firstFactors=None, requiredSecondaryFactors=None).ok()
    t = get_tenant(app, "t")
    assert "firstFactors" not in t and "requiredSecondaryFactors" not in t


@pytest.mark.parametrize("body, text", [
    ({"firstFactors": ["a", "a"]}, "firstFactors input should not contain duplicate values"),
    ({"requiredSecondaryFactors": ["a", "a"]},
     "requiredSecondaryFactors input should not contain duplicate values"),
    ({"firstFactors": ["a b"]}, "firstFactors should contain only 0-9,a-z,A-Z,_,.,- characters"),
    ({"firstFactors": [1]}, "Field name 'firstFactors' is invalid in JSON input"),
    ({"firstFactors": "x"}, "Field name 'firstFactors' is invalid in JSON input"),
    ({"emailPasswordEnabled": True}, "emailPasswordEnabled is not a valid input for this API"),
    ({"thirdPartyEnabled": True}, "thirdParty is not a valid input for this API"),
    ({"passwordlessEnabled": True}, "passwordless is not a valid input for this API"),
    ({"coreConfig": {"no_such_key": 1}}, "Invalid core config: Invalid config key: no_such_key"),
])
def test_bad_changes(app, body, text):
    put_tenant(app, "t", **body).is_error(400, text)
    app.tenant("t").get("/recipe/multitenancy/tenant/v2").is_status("TENANT_NOT_FOUND_ERROR")


@pytest.mark.parametrize("bad, text", [
    ("", "tenantId should not be an empty String"),
    ("recipe", "Cannot use 'recipe' as a tenantId"),
    ("Users", "Cannot use 'users' as a tenantId"),
    ("appid-t", "tenantId must not start with 'appid-'"),
    ("t.t", "tenantId can only contain letters, numbers and hyphens"),
])
def test_bad_tenant_ids(app, bad, text):
    put_tenant(app, bad).is_error(400, text)


def test_tenant_only_from_public_or_same(app):
    put_tenant(app, "t1").ok()
    put_tenant(app, "t2").ok()
    put_tenant(app.tenant("t1"), "t1", firstFactors=["totp"]).ok()
    put_tenant(app.tenant("t1"), "t2").is_error(
        403, "You must use the public or same tenant to add/update a tenant")


def test_list_is_for_the_public_tenant(app):
    put_tenant(app, "t1").ok()
    tenants = app.get("/recipe/multitenancy/tenant/list/v2").ok()["tenants"]
    assert [t["tenantId"] for t in tenants] == ["public", "t1"]
    v1 = app.get("/recipe/multitenancy/tenant/list", cdi_version="4.0").ok()["tenants"]
    assert [set(t) for t in v1] == [{"tenantId", "emailPassword", "thirdParty", "passwordless",
                                     "coreConfig"}] * 2
    app.tenant("t1").get("/recipe/multitenancy/tenant/list/v2").is_error(
        403, "Only the public tenantId is allowed to list all tenants associated with this app")


def test_unknown_tenant_and_app(core, app):
    app.tenant("nope").get("/recipe/multitenancy/tenant/v2").is_status("TENANT_NOT_FOUND_ERROR")
    sign_up(app.tenant("nope")).is_error(400, UNKNOWN + f"(, {app_id(app)}, nope)")
    sign_up(core.at("/appid-nope")).is_error(400, UNKNOWN + "(, nope, public)")


# ---- core config

def test_core_config_is_merged_and_inherited(core):
    app = core.app({"password_reset_token_lifetime": 10000})
    assert get_tenant(app, "public")["coreConfig"] == {"password_reset_token_lifetime": 10000}
    put_tenant(app, "t", coreConfig={"password_reset_token_lifetime": 20000}).ok()
    put_tenant(app, "t", coreConfig={"email_verification_token_lifetime": 5000}).ok()
    assert get_tenant(app, "t")["coreConfig"] == {"password_reset_token_lifetime": 20000,
                                                  "email_verification_token_lifetime": 5000}
    put_tenant(app, "t", coreConfig={"password_reset_token_lifetime": None}).ok()
    assert get_tenant(app, "t")["coreConfig"] == {"email_verification_token_lifetime": 5000}


def test_api_keys_of_an_app(core):
    key = "abcdefghijklmnopqrstuvwxyz"
    app = core.app({"api_keys": key})
    app.get("/recipe/multitenancy/tenant/v2").is_error(401, "Invalid API key")
    assert app.get("/recipe/multitenancy/tenant/v2", api_key=key).ok()
    assert core.get("/recipe/multitenancy/tenant/v2").ok()


def test_server_keys_are_refused(app):
    put_tenant(app, "t", coreConfig={"port": 3000}).is_error(400)
    put_tenant(app, "t", coreConfig={"access_token_validity": "long"}).is_error(400)


def test_what_only_the_hoster_sees_and_sets(tmp_path):
    key, secret = "k" * 20, "hoster-secret-of-at-least-40-characters-in-all"
    with Core(api_keys=key, supertokens_saas_secret=secret) as core:
        hoster, user = core.at(api_key=secret), core.at(api_key=key)
        path = str(tmp_path / "t.db")
        secretly = {"sqlite_path": path, "ip_deny_regex": "10\\..*",
                    "password_reset_token_lifetime": 60}
        put_tenant(hoster, "t", coreConfig=secretly).ok()
        assert get_tenant(hoster, "t")["coreConfig"] == secretly
        assert get_tenant(user, "t")["coreConfig"] == {"password_reset_token_lifetime": 60}
        put_tenant(user, "t", coreConfig={"sqlite_path": path + "x"}).is_error(
            403, "Not allowed to modify DB related configs.")
        put_tenant(user, "t", coreConfig={"ip_deny_regex": None}).is_error(
            403, "Not allowed to modify protected configs.")
        put_tenant(user, "t", coreConfig={"password_reset_token_lifetime": 61}).ok()
        assert get_tenant(hoster, "t")["coreConfig"] == dict(secretly, password_reset_token_lifetime=61)


def test_values_may_be_strings(core):
    assert core.app({"access_token_validity": "12"}).get("/recipe/multitenancy/tenant/v2").ok()


# ---- removal

def test_tenant_is_removed_and_made_again(app):
    put_tenant(app, "t").ok()
    user = sign_up(app.tenant("t")).ok()["user"]["id"]
    remove = "/recipe/multitenancy/tenant/remove"
    assert app.post(remove, {"tenantId": "t"}).ok() == {"status": "OK", "didExist": True}
    assert app.post(remove, {"tenantId": "t"}).ok() == {"status": "OK", "didExist": False}
    sign_up(app.tenant("t")).is_error(400, UNKNOWN + f"(, {app_id(app)}, t)")
    assert put_tenant(app, "t").ok()["createdNew"] is True
    assert app.tenant("t").get("/users").ok()["users"] == []
    # the user outlives its tenant
    assert app.get("/user/id", {"userId": user}).ok()["user"]["tenantIds"] == []
    assert sign_up(app.tenant("t")).ok()["user"]["id"] != user


def test_public_tenant_and_app_stay(core, app):
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "public"}).is_error(
        403, "Cannot delete public tenant, use remove app API instead")
    core.post("/recipe/multitenancy/app/remove", {"appId": "public"}).is_error(
        403, "Cannot delete the public app, use remove connection uri domain API instead")


def test_app_is_removed_when_its_tenants_are(core, app):
    put_tenant(app, "t").ok()
    sign_up(app).ok()
    remove = "/recipe/multitenancy/app/remove"
    core.post(remove, {"appId": app_id(app)}).is_error(
        403, "Please delete all tenants except the public tenant for this app before calling the "
             "delete API")
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t"}).ok()
    app.post(remove, {"appId": app_id(app)}).is_error(
        403, "Only the public tenantId and public appId is allowed to delete an app")
    assert core.post(remove, {"appId": app_id(app)}).ok()["didExist"] is True
    assert core.post(remove, {"appId": app_id(app)}).ok()["didExist"] is False
    sign_up(app).is_error(400, UNKNOWN + f"(, {app_id(app)}, public)")
    again = core.app(app_id=app_id(app))
    assert again.get("/users/count").ok()["count"] == 0
    sign_up(again).ok()


# ---- users and tenants

def test_user_joins_and_leaves_a_tenant(app):
    put_tenant(app, "t").ok()
    user = sign_up(app).ok()["user"]["id"]
    join, leave = "/recipe/multitenancy/tenant/user", "/recipe/multitenancy/tenant/user/remove"
    body, t = {"recipeUserId": user}, app.tenant("t")
    assert t.post(join, body).ok()["wasAlreadyAssociated"] is False
    assert t.post(join, body).ok()["wasAlreadyAssociated"] is True
    found = app.get("/user/id", {"userId": user}).ok()["user"]
    assert sorted(found["tenantIds"]) == ["public", "t"]
    assert sorted(found["loginMethods"][0]["tenantIds"]) == ["public", "t"]
    t.post("/recipe/signin", {"email": "a@example.com", "password": "secret123"}).ok()
    assert t.get("/users/count").ok()["count"] == 1
    assert t.post(leave, body).ok()["wasAssociated"] is True
    assert t.post(leave, body).ok()["wasAssociated"] is False
    assert t.get("/users/count").ok()["count"] == 0


def test_joining_meets_an_email_that_is_taken(app):
    put_tenant(app, "t").ok()
    user = sign_up(app).ok()["user"]["id"]
    sign_up(app.tenant("t")).ok()
    join = "/recipe/multitenancy/tenant/user"
    app.tenant("t").post(join, {"recipeUserId": user}).is_status("EMAIL_ALREADY_EXISTS_ERROR")
    app.tenant("t").post(join, {"recipeUserId": "nobody"}).is_status("UNKNOWN_USER_ID_ERROR")
    app.tenant("t").post(join, {"recipeUserId": " "}).is_error(
        400, "Field name 'userId' cannot be an empty String")


# ---- races

@pytest.mark.concurrent
def test_many_make_one_app(core):
    name = str(uuid.uuid4())

    def make(_):
        return core.put("/recipe/multitenancy/app/v2", {"appId": name}).ok()["createdNew"]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(16)))
    assert made.count(True) == 1


@pytest.mark.concurrent
def test_no_write_survives_the_deletion_of_its_tenant(app):
    put_tenant(app, "t").ok()
    t = app.tenant("t")

    def write(i):
        if i == 20:
            return app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t"}).ok()
        return sign_up(t, f"u{i}@example.com").status
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(write, range(60)))
    assert {o for o in outcomes if isinstance(o, int)} <= {200, 400}
    assert sign_up(t, "late@example.com").status == 400
    put_tenant(app, "t").ok()
    assert t.get("/users").ok()["users"] == []
    assert t.get("/users/count").ok()["count"] == 0


# ---- other databases and other cores

def test_tenant_in_another_sqlite_file(tmp_path):
    path = str(tmp_path / "other" / "tenant.db")
    with Core() as core:
        app = core.app()
        put_tenant(app, "far", coreConfig={"sqlite_path": path}).ok()
        sign_up(app.tenant("far"), "far@example.com").ok()
        sign_up(app, "near@example.com").ok()
        assert os.path.exists(path)
        assert app.tenant("far").get("/users/count").ok()["count"] == 1
        assert app.get("/users/count", {"includeAllTenants": "true"}).ok()["count"] == 2
        user = app.tenant("far").get("/users").ok()["users"][0]["id"]
        assert app.get("/user/id", {"userId": user}).ok()
        assert app.post("/user/remove", {"userId": user}).ok()
        assert app.tenant("far").get("/users/count").ok()["count"] == 0


def test_tenant_in_another_postgresql_database(postgres):
    base, other = (postgres.create_database("db_" + uuid.uuid4().hex) for _ in range(2))
    with Core(uri=base) as core:
        app = core.app()
        put_tenant(app, "far", coreConfig={"postgresql_connection_uri": other}).ok()
        sign_up(app.tenant("far")).ok()
        count = "SELECT count(*) FROM st_login_methods"
        assert postgres.rows(count, other.rsplit("/", 1)[1]) == [("1",)]
        assert postgres.rows(count, base.rsplit("/", 1)[1]) == [("0",)]


def test_tenant_on_another_engine(database):
    with Core() as core:
        app = core.app()
        put_tenant(app, "far", coreConfig={"postgresql_connection_uri": database}).ok()
        assert get_tenant(app, "far")["coreConfig"]["postgresql_connection_uri"] == database
        sign_up(app.tenant("far")).ok()
        assert app.tenant("far").get("/users/count").ok()["count"] == 1
        session = app.tenant("far").post("/recipe/session", {
            "userId": "u", "userDataInJWT": {}, "userDataInDatabase": {},
            "enableAntiCsrf": False, "useDynamicSigningKey": True}).ok()
        assert session["session"]["handle"].endswith("_far")
        assert urlsplit(database).password not in core.log_text()


def test_a_dead_database_harms_only_its_tenant(app):
    uri = "postgresql://user:hidden@127.0.0.1:1/nowhere"
    reply = put_tenant(app, "dead", coreConfig={"postgresql_connection_uri": uri})
    assert reply.status in (400, 503)
    assert "hidden" not in reply.text
    sign_up(app).ok()


def test_other_cores_see_tenants_at_once(database):
    with Core(uri=database) as one, Core(uri=database) as two:
        app = one.app()
        put_tenant(app, "t", firstFactors=["totp"]).ok()
        elsewhere = two.at(app.prefix)
        assert get_tenant(elsewhere, "t")["firstFactors"] == ["totp"]
        put_tenant(app, "t", firstFactors=["otp-email"]).ok()
        wait_for(lambda: get_tenant(elsewhere, "t")["firstFactors"] == ["otp-email"], 15,
                 "the other core sees the change")
        app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t"}).ok()
        wait_for(lambda: sign_up(elsewhere.tenant("t")).status == 400, 15,
                 "the other core sees that the tenant is gone")


def test_tenants_outlive_a_restart(tmp_path):
    with Core(home=str(tmp_path)) as core:
        app = core.app({"password_reset_token_lifetime": 10000})
        put_tenant(app, "t", firstFactors=["totp"]).ok()
    with Core(home=str(tmp_path)) as core:
        app = core.at(app.prefix)
        assert get_tenant(app, "t")["firstFactors"] == ["totp"]
        assert get_tenant(app, "public")["coreConfig"] == {"password_reset_token_lifetime": 10000}


# ---- connection URI domains

def test_connection_uri_domains(tmp_path):
    with Core() as core:
        put = "/recipe/multitenancy/connectionuridomain/v2"
        core.put(put, {"connectionUriDomain": "bad host"}).is_error(
            400, "connectionUriDomain is invalid")
        path = str(tmp_path / "cud.db")
        assert core.put(put, {"connectionUriDomain": "Auth.Example.com",
                              "coreConfig": {"sqlite_path": path}}).ok()["createdNew"]
        there = core.at(Host="auth.example.com")
        sign_up(there).ok()
        assert core.get("/users/count").ok()["count"] == 0
        assert there.get("/users/count").ok()["count"] == 1
        domains = core.get("/recipe/multitenancy/connectionuridomain/list/v2").ok()
        assert [d["connectionUriDomain"] for d in domains["connectionUriDomains"]] == [
            "", "auth.example.com"]
        remove = "/recipe/multitenancy/connectionuridomain/remove"
        assert core.post(remove, {"connectionUriDomain": "auth.example.com"}).ok()["didExist"]
        assert there.get("/users/count").ok()["count"] == 0
