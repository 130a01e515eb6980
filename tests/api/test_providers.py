# SPDX-License-Identifier: Apache-2.0
"""Third-party providers of a tenant: what is kept of them and how it is shown, what is
refused, and that other cores see a change."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core import Core
from servers import wait_for

PATH = "/recipe/multitenancy/config/thirdparty"
NO_MAP = {"fromIdTokenPayload": {}, "fromUserInfoAPI": {}}
FULL = {
    "thirdPartyId": "custom", "name": "Custom provider",
    "clients": [
        {"clientType": "web", "clientId": "id-1", "clientSecret": "s", "scope": ["a", "b"],
         "forcePKCE": True, "additionalConfig": {"x": {"y": [1, None, 2.5]}, "z": "\u00e4"}},
        {"clientType": "mobile", "clientId": "id-2"}],
    "authorizationEndpoint": "https://example.com/auth",
    "authorizationEndpointQueryParams": {"a": "b", "gone": None},
    "tokenEndpoint": "https://example.com/token", "tokenEndpointBodyParams": {"c": None},
    "userInfoEndpoint": "https://example.com/info",
    "userInfoEndpointQueryParams": {"e": {"f": None}}, "userInfoEndpointHeaders": {"g": "h"},
    "jwksURI": "https://example.com/jwks", "oidcDiscoveryEndpoint": "https://example.com",
    "requireEmail": False,
    "userInfoMap": {"fromIdTokenPayload": {"userId": "id", "email": "email",
                                           "emailVerified": "email_verified"},
                    "fromUserInfoAPI": {"userId": "id"}}}


def put(app, skip=None, **config):
    body = {"config": config}
    if skip is not None:
        body["skipValidation"] = skip
    return app.put(PATH, body)


def remove(app, provider):
    return app.post(PATH + "/remove", {"thirdPartyId": provider})


def providers(app, v2=True, **kw):
    path = "/recipe/multitenancy/tenant" + ("/v2" if v2 else "")
    return app.get(path, **kw).ok()["thirdParty"]["providers"]


def invalid(field):
    return f"Field name '{field}' is invalid in JSON input"


def client(**config):
    return [{"clientId": "c", **config}]


# ---- what is kept

def test_least(app):
    assert put(app, thirdPartyId=" google ", name="Google").ok() == {
        "status": "OK", "createdNew": True}
    got = providers(app)
    assert got == [{"thirdPartyId": "google", "name": "Google", "clients": [],
                    "userInfoMap": NO_MAP}]
    assert list(got[0]) == ["thirdPartyId", "name", "clients", "userInfoMap"]
    assert put(app, thirdPartyId="google", name="Other").ok() == {
        "status": "OK", "createdNew": False}
    assert providers(app)[0]["name"] == "Other"


def test_all_members(app):
    put(app, **FULL).ok()
    got = providers(app)[0]
    assert got == FULL
    assert list(got) == list(FULL) and list(got["clients"][0]) == list(FULL["clients"][0])
    put(app, thirdPartyId="custom", name="n").ok()  # replaces the whole of it
    assert list(providers(app)[0]) == ["thirdPartyId", "name", "clients", "userInfoMap"]


def test_null_and_unknown_members_are_left_out(app):
    nothing = {name: None for name in FULL if name not in ("thirdPartyId", "name")}
    put(app, **{"thirdPartyId": "x", "name": "X", **nothing, "unknown": 1}).ok()
    assert providers(app) == [{"thirdPartyId": "x", "name": "X", "clients": [],
                               "userInfoMap": NO_MAP}]
    put(app, thirdPartyId="x", clients=client(
        clientType="", scope=[], forcePKCE=None, clientSecret=None, other=1,
        additionalConfig={"a": None, "b": {"c": None, "d": 1}}),
        userInfoMap={"fromUserInfoAPI": {"email": None, "userId": "u", "else": 1}}).ok()
    assert providers(app) == [{
        "thirdPartyId": "x",
        "clients": [{"clientId": "c", "scope": [], "additionalConfig": {"b": {"d": 1}}}],
        "userInfoMap": {"fromIdTokenPayload": {}, "fromUserInfoAPI": {"userId": "u"}}}]


def test_other_types_that_count(app):
    put(app, thirdPartyId="x", name=7, tokenEndpoint=True, requireEmail="TRUE",
        clients=client(clientSecret=1.5, scope=["a", 1, True], forcePKCE="no")).ok()
    assert providers(app) == [{
        "thirdPartyId": "x", "name": "7", "tokenEndpoint": "true", "requireEmail": True,
        "clients": [{"clientId": "c", "clientSecret": "1.5", "scope": ["a", "1", "true"],
                     "forcePKCE": False}], "userInfoMap": NO_MAP}]


def test_several(app):
    for name in ("b", "a", "c"):
        assert put(app, thirdPartyId=name).ok()["createdNew"]
    assert put(app, thirdPartyId="a", name="new").ok()["createdNew"] is False
    assert [(p["thirdPartyId"], p.get("name")) for p in providers(app)] == [
        ("b", None), ("a", "new"), ("c", None)]
    assert remove(app, " a ").ok() == {"status": "OK", "didConfigExist": True}
    assert remove(app, "a").ok() == {"status": "OK", "didConfigExist": False}
    assert [p["thirdPartyId"] for p in providers(app)] == ["b", "c"]


@pytest.mark.parametrize("cdi", ["3.0", "4.0", "5.0", "5.1", "5.4"])
def test_shown_at_every_version(app, cdi):
    assert app.put(PATH, {"config": FULL}, cdi_version=cdi).ok()["createdNew"]
    assert providers(app, v2=False, cdi_version=cdi) == [FULL]
    assert providers(app, cdi_version=cdi) == [FULL]
    for path in ("", "/v2"):
        listed = app.get("/recipe/multitenancy/tenant/list" + path, cdi_version=cdi).ok()["tenants"]
        assert listed[0]["thirdParty"]["providers"] == [FULL]
    assert app.post(PATH + "/remove", {"thirdPartyId": "custom"}, cdi_version=cdi).ok()[
        "didConfigExist"]


def test_factors_and_providers_leave_each_other_alone(app):
    tenant = "/recipe/multitenancy/tenant/v2"
    app.put(tenant, {"tenantId": "t", "firstFactors": ["thirdparty"],
                     "coreConfig": {"email_verification_token_lifetime": 700}}).ok()
    t = app.tenant("t")
    put(t, **FULL).ok()
    assert t.get(tenant).ok() == {
        "status": "OK", "tenantId": "t", "thirdParty": {"providers": [FULL]},
        "firstFactors": ["thirdparty"], "coreConfig": {"email_verification_token_lifetime": 700}}
    app.put(tenant, {"tenantId": "t", "firstFactors": ["emailpassword"]}).ok()
    assert providers(t) == [FULL]
    old = t.get("/recipe/multitenancy/tenant", cdi_version="4.0").ok()["thirdParty"]
    assert old == {"enabled": False, "providers": [FULL]}
    app.put("/recipe/multitenancy/tenant", {"tenantId": "t", "thirdPartyEnabled": True},
            cdi_version="4.0").ok()
    old = t.get("/recipe/multitenancy/tenant", cdi_version="4.0").ok()["thirdParty"]
    assert old == {"enabled": True, "providers": [FULL]}
    assert providers(app) == []  # those of another tenant
    assert put(app.tenant("nowhere"), **FULL).status == 400
    remove(t, "custom").ok()
    assert t.get(tenant).ok()["firstFactors"] == ["emailpassword", "thirdparty"]


def test_base_tenant(core):
    assert put(core, thirdPartyId="base").ok()["createdNew"]
    assert [p["thirdPartyId"] for p in providers(core)] == ["base"]
    assert remove(core, "base").ok()["didConfigExist"]
    assert providers(core) == []


# ---- what is refused

APPLE = ("a non empty string value must be specified for keyId, teamId and privateKey in the "
         "additionalConfig for Apple provider")
GOOGLE = "hd in additionalConfig must be a non empty string value"
BOXY = ("a non empty string value must be specified for boxyURL in the additionalConfig for Boxy "
        "SAML provider")
KEYS = {"keyId": "k", "teamId": "t", "privateKey": "p"}


@pytest.mark.parametrize("provider, clients, why", [
    ("  ", [], "thirdPartyId cannot be null or empty"),
    ("x", [{"clientType": "a"}], "clientId cannot be null"),
    ("x", client(scope=["a", None]), "scope array cannot contain a null"),
    ("x", client() + client(), "Duplicate clientType was specified in the clients list."),
    ("x", client(clientType="a") + client(clientType="a"),
     "Duplicate clientType was specified in the clients list."),
    ("apple", client(), APPLE),
    ("apple-2", client(additionalConfig={**KEYS, "keyId": ""}), APPLE),
    ("apple", client(additionalConfig={**KEYS, "teamId": None}), APPLE),
    ("apple", client(additionalConfig={**KEYS, "privateKey": 1}), APPLE),
    ("google-workspaces", client(additionalConfig={"hd": ""}), GOOGLE),
    ("google-workspaces-2", client(additionalConfig={"hd": {}}), GOOGLE),
    ("boxy-saml", client(additionalConfig={"boxyURL": ""}), BOXY),
    ("boxy-saml-x", client(additionalConfig={"boxyURL": 1}), BOXY)])
def test_refused(app, provider, clients, why):
    put(app, thirdPartyId=provider, clients=clients).is_error(
        400, "Invalid third party config: " + why)
    assert providers(app) == []


@pytest.mark.parametrize("provider, clients", [
    ("apple", []), ("apple", client(additionalConfig=KEYS)),
    ("google-workspaces", client()), ("google-workspaces", client(additionalConfig={"hd": "*"})),
    ("boxy-saml", client()), ("boxy-saml", client(additionalConfig={"boxyURL": "u"})),
    ("x", client(clientType="a") + client(clientType="b") + client())])
def test_accepted(app, provider, clients):
    put(app, thirdPartyId=provider, name="n", clients=clients).ok()
    assert providers(app)[0]["clients"] == clients


def test_without_validation(app):
    assert put(app, skip=True, thirdPartyId="apple", clients=client()).ok()["createdNew"]
    assert [p["thirdPartyId"] for p in providers(app)] == ["apple"]
    # what was not checked is found by the next who checks
    why = "Invalid third party config: " + APPLE
    put(app, thirdPartyId="good").is_error(400, why)
    remove(app, "other").is_error(400, why)
    assert put(app, skip=True, thirdPartyId="good").ok()["createdNew"]
    assert remove(app, "apple").ok()["didConfigExist"]
    assert put(app, skip=False, thirdPartyId="good").ok()["createdNew"] is False


@pytest.mark.parametrize("member, value", [
    ("name", {}), ("clients", {}), ("clients", ["x"]), ("tokenEndpointBodyParams", []),
    ("userInfoMap", "x"), ("requireEmail", 1), ("jwksURI", ["x"])])
def test_wrong_types(app, member, value):
    put(app, thirdPartyId="x", **{member: value}).is_error(400, invalid(member))


def test_wrong_types_further_down(app):
    for member, value in (("clientId", {}), ("scope", "a"), ("scope", [{}]), ("forcePKCE", 1),
                          ("additionalConfig", "x"), ("clientType", [])):
        put(app, thirdPartyId="x", clients=client(**{member: value})).is_error(400, invalid(member))
    put(app, thirdPartyId="x", userInfoMap={"fromUserInfoAPI": "x"}).is_error(
        400, invalid("fromUserInfoAPI"))


def test_bad_bodies(app):
    app.put(PATH, {}).is_error(400, invalid("config"))
    app.put(PATH, {"config": "x"}).is_error(400, invalid("config"))
    app.put(PATH, {"config": {"name": "x"}}).is_error(400, invalid("thirdPartyId"))
    app.put(PATH, {"config": {"thirdPartyId": "x"}, "skipValidation": "x"}).is_error(
        400, invalid("skipValidation"))
    app.post(PATH + "/remove", {}).is_error(400, invalid("thirdPartyId"))


# ---- several cores

@pytest.mark.concurrent
def test_changes_at_once_are_all_kept(app):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: put(app, thirdPartyId=f"p{i % 8}", name="n"), range(16)))
    assert [r.ok()["createdNew"] for r in made].count(True) == 8
    assert sorted(p["thirdPartyId"] for p in providers(app)) == [f"p{i}" for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        gone = list(pool.map(lambda i: remove(app, f"p{i % 8}"), range(16)))
    assert [r.ok()["didConfigExist"] for r in gone].count(True) == 8
    assert providers(app) == []


def test_another_core_sees_it(storage, tmp_path):
    more = {} if storage[1] else {"sqlite_path": str(tmp_path / "shared.db")}
    with Core(uri=storage[1], **more) as one, Core(uri=storage[1], **more) as two:
        here = one.app()
        there = two.at(here.prefix)
        assert providers(there) == []
        put(here, **FULL).ok()
        wait_for(lambda: providers(there) == [FULL], 20)
        assert put(there, thirdPartyId="custom", name="changed").ok()["createdNew"] is False
        wait_for(lambda: providers(here)[0]["name"] == "changed", 20)
        remove(there, "custom").ok()
        wait_for(lambda: providers(here) == [], 20)
