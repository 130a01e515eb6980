/* SPDX-License-Identifier: Apache-2.0 */
/* Users as JSON; see user_json.h.  Members come in the order the incumbent
 * writes them. */
#include "api/user_json.h"

#include "base/ctx.h"
#include "base/json.h"

static json_t *text(struct str s)
{
    return json_stringn(s.p, s.len);
}

static json_t *texts(const struct str *list, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, text(list[i]));
    return array;
}

static bool array_has(const json_t *array, struct str s)
{
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        if (str_eq(str_make(json_string_value(item), json_string_length(item)), s))
            return true;
    }
    return false;
}

static void add_once(json_t *array, struct str s)
{
    if (s.p && !array_has(array, s))
        json_array_append_new(array, text(s));
}

static json_t *third_party(const struct login_method *m)
{
    json_t *o = json_object();
    json_add_str(o, "id", m->tp_id);
    json_add_str(o, "userId", m->tp_user_id);
    return o;
}

/* Whether an earlier login method is of the same third-party account. */
static bool seen_third_party(const struct user *u, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(u->methods[i].tp_id, u->methods[at].tp_id) &&
            str_eq(u->methods[i].tp_user_id, u->methods[at].tp_user_id))
            return true;
    return false;
}

static json_t *credentials(void)
{
    json_t *o = json_object();
    json_object_set_new(o, "credentialIds", json_array());
    return o;
}

static json_t *method_json(const struct login_method *m, bool webauthn)
{
    json_t *o = json_object();
    json_object_set_new(o, "tenantIds", texts(m->tenants, m->ntenants));
    json_add_str(o, "recipeUserId", login_outer_id(m));
    json_add_bool(o, "verified", m->verified);
    json_add_i64(o, "timeJoined", m->time_joined);
    json_add_str(o, "recipeId", recipe_name(m->recipe));
    json_add_str(o, "email", m->email);
    json_add_str(o, "phoneNumber", m->phone);
    if (m->tp_id.p)
        json_object_set_new(o, "thirdParty", third_party(m));
    if (webauthn && m->recipe == MASK_WEBAUTHN)
        json_object_set_new(o, "webauthn", credentials());
    return o;
}

json_t *user_json(const struct user *u, int cdi)
{
    bool webauthn = cdi >= CDI(5, 3);
    json_t *o = json_object(), *tenants = json_array(), *emails = json_array();
    json_t *phones = json_array(), *third_parties = json_array(), *methods = json_array();
    for (size_t i = 0; i < u->nmethods; i++) {
        const struct login_method *m = &u->methods[i];
        for (size_t t = 0; t < m->ntenants; t++)
            add_once(tenants, m->tenants[t]);
        json_array_append_new(methods, method_json(m, webauthn));
        if (m->recipe == MASK_WEBAUTHN && !webauthn)
            continue;
        add_once(emails, m->email);
        add_once(phones, m->phone);
        if (m->tp_id.p && !seen_third_party(u, i))
            json_array_append_new(third_parties, third_party(m));
    }
    json_add_str(o, "id", user_outer_id(u));
    json_add_bool(o, "isPrimaryUser", u->is_primary);
    json_object_set_new(o, "tenantIds", tenants);
    json_add_i64(o, "timeJoined", u->time_joined);
    json_object_set_new(o, "emails", emails);
    json_object_set_new(o, "phoneNumbers", phones);
    json_object_set_new(o, "thirdParty", third_parties);
    if (webauthn)
        json_object_set_new(o, "webauthn", credentials());
    json_object_set_new(o, "loginMethods", methods);
    return o;
}

json_t *user_json_old(const struct user *u, int cdi)
{
    json_t *o = json_object();
    if (u->nmethods == 0)
        return o;
    const struct login_method *m = &u->methods[0];
    json_add_str(o, "id", login_outer_id(m));
    json_add_i64(o, "timeJoined", m->time_joined);
    if (cdi >= CDI(3, 0))
        json_object_set_new(o, "tenantIds", texts(m->tenants, m->ntenants));
    json_add_str(o, "email", m->email);
    json_add_str(o, "phoneNumber", m->phone);
    if (m->tp_id.p)
        json_object_set_new(o, "thirdParty", third_party(m));
    return o;
}

json_t *user_json_of(const struct user *u, int cdi)
{
    return cdi >= CDI(4, 0) ? user_json(u, cdi) : user_json_old(u, cdi);
}
