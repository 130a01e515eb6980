/* SPDX-License-Identifier: Apache-2.0 */
/* How a change of a tenant's enabled recipes and factors is applied, which
 * differs between CDI below 5.0, 5.0 and above, and the v2 calls. */
#include "base/json.h"
#include "recipe/multitenancy.h"

#include <string.h>

enum { RECIPES = 3 };

/* A recipe, the name of its flag in texts, and the factors that stand for it. */
static const struct {
    const char *text;
    const char *factors[5];
} recipes[RECIPES] = {
    [TENANT_EMAILPASSWORD] = {"emailPassword", {"emailpassword"}},
    [TENANT_THIRDPARTY] = {"thirdParty", {"thirdparty"}},
    [TENANT_PASSWORDLESS] = {"passwordless",
                             {"otp-phone", "otp-email", "link-phone", "link-email"}},
};

static bool *flag(struct tenant_recipes *r, int recipe)
{
    return recipe == 0 ? &r->emailpassword : recipe == 1 ? &r->thirdparty : &r->passwordless;
}

static enum tri asked(const struct tenant_change *c, int recipe)
{
    return recipe == 0 ? c->emailpassword : recipe == 1 ? c->thirdparty : c->passwordless;
}

bool tenant_has_factor(const json_t *factors, const char *name)
{
    size_t i;
    json_t *f;
    json_array_foreach(factors, i, f)
    {
        const char *text = json_string_value(f);
        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

static bool has_any_factor(const json_t *factors, int recipe)
{
    for (int i = 0; recipes[recipe].factors[i]; i++)
        if (tenant_has_factor(factors, recipes[recipe].factors[i]))
            return true;
    return false;
}

bool tenant_allows(struct ctx *c, enum tenant_recipe recipe)
{
    if (c->cdi >= CDI(5, 1))
        return true;
    struct tenant_recipes r;
    tenant_recipes_parse(c->arena, c->tenant->recipe_config, &r);
    if (!*flag(&r, recipe))
        return false;
    if (!r.first_factors)
        return true;
    return c->cdi >= CDI(5, 0) ? json_array_size(r.first_factors) > 0
                               : has_any_factor(r.first_factors, recipe);
}

static void add_factors(json_t *factors, int recipe)
{
    for (int i = 0; recipes[recipe].factors[i]; i++)
        if (!tenant_has_factor(factors, recipes[recipe].factors[i]))
            json_array_append_new(factors, json_string(recipes[recipe].factors[i]));
}

static void remove_factors(json_t *factors, int recipe)
{
    for (size_t k = json_array_size(factors); k-- > 0;) {
        const char *text = json_string_value(json_array_get(factors, k));
        for (int i = 0; text && recipes[recipe].factors[i]; i++)
            if (strcmp(text, recipes[recipe].factors[i]) == 0) {
                json_array_remove(factors, k);
                break;
            }
    }
}

/* The arena owns every array made here, so that failures need no clean-up. */
static json_t *copy_of(struct ctx *c, json_t *factors)
{
    return factors ? json_own(c->arena, json_copy(factors)) : NULL;
}

static json_t *empty_array(struct ctx *c)
{
    return json_own(c->arena, json_array());
}

void tenant_recipes_initial(struct ctx *c, const struct tenant_change *change,
                            struct tenant_recipes *r)
{
    bool on = change->v2 || str_eq(change->tenant_id, PUBLIC_ID);
    *r = (struct tenant_recipes){on, on, on, NULL, NULL, empty_array(c)};
    if (!str_eq(change->tenant_id, PUBLIC_ID) && (change->v2 || c->cdi < CDI(5, 0)))
        r->first_factors = empty_array(c);
}

/* Below 5.0 the flags are all there is: they are kept as first factors. */
static void apply_3_0(struct ctx *c, const struct tenant_change *change, struct tenant_recipes *r)
{
    json_t *factors = copy_of(c, r->first_factors);
    bool was_on[RECIPES];
    for (int i = 0; i < RECIPES; i++) {
        was_on[i] = *flag(r, i);
        bool enabled = *flag(r, i) && (!r->first_factors || has_any_factor(r->first_factors, i));
        if (asked(change, i) == TRI_TRUE && !enabled) {
            *flag(r, i) = true;
            was_on[i] = true;
            if (factors)
                add_factors(factors, i);
        }
    }
    bool any_off = false;
    for (int i = 0; i < RECIPES; i++)
        any_off = any_off || !was_on[i] || asked(change, i) == TRI_FALSE;
    if (!factors && any_off) {
        factors = empty_array(c);
        for (int i = 0; i < RECIPES; i++)
            add_factors(factors, i);
    }
    for (int i = 0; i < RECIPES; i++)
        if (factors && (!was_on[i] || asked(change, i) == TRI_FALSE))
            remove_factors(factors, i);
    r->first_factors = factors;
}

static int refuse_disabled(struct ctx *c, const struct tenant_change *change, const char *field,
                           const json_t *factors)
{
    for (int i = 0; i < RECIPES; i++)
        for (int k = 0; asked(change, i) == TRI_FALSE && recipes[i].factors[k]; k++)
            if (tenant_has_factor(factors, recipes[i].factors[k]))
                return ctx_fail(c, FAIL_BAD_REQUEST,
                                "Invalid core config: %s should not contain '%s' because %s is "
                                "disabled for the tenant.",
                                field, recipes[i].factors[k], recipes[i].text);
    return RC_OK;
}

static bool enabled_5_0(struct tenant_recipes *r, int recipe)
{
    return *flag(r, recipe) && (!r->first_factors || json_array_size(r->first_factors) > 0);
}

/* Turning a recipe on in a tenant that had none at all starts from flags. */
static void leave_none(const struct tenant_change *change, struct tenant_recipes *r)
{
    bool turning_on = false;
    for (int i = 0; i < RECIPES; i++)
        turning_on = turning_on || (asked(change, i) == TRI_TRUE && !enabled_5_0(r, i));
    if (turning_on && r->first_factors && json_array_size(r->first_factors) == 0) {
        r->emailpassword = r->thirdparty = r->passwordless = false;
        r->first_factors = NULL;
    }
}

/* A secondary factor that turns its recipe on must not make it a first factor
 * as well: name the first factors there were. */
static void keep_first_factors(struct ctx *c, const struct tenant_change *change,
                               struct tenant_recipes *before, struct tenant_recipes *r)
{
    json_t *first = empty_array(c);
    for (int i = 0; i < RECIPES; i++)
        if ((*flag(before, i) || asked(change, i) == TRI_TRUE) && asked(change, i) != TRI_FALSE)
            add_factors(first, i);
    if (json_array_size(first) < 6)
        r->first_factors = first;
}

static void enable_named(struct tenant_recipes *r)
{
    for (int i = 0; i < RECIPES; i++)
        if (has_any_factor(r->first_factors, i) || has_any_factor(r->required_secondary_factors, i))
            *flag(r, i) = true;
}

static int apply_5_0(struct ctx *c, const struct tenant_change *change, struct tenant_recipes *r)
{
    if (change->first_factors && json_array_size(change->first_factors) == 0)
        return ctx_fail(c, FAIL_BAD_REQUEST,
                        "firstFactors cannot be empty. Set null instead to remove all first "
                        "factors.");
    if (change->required_secondary_factors &&
        json_array_size(change->required_secondary_factors) == 0)
        return ctx_fail(c, FAIL_BAD_REQUEST,
                        "requiredSecondaryFactors cannot be empty. Set null instead to remove all "
                        "required secondary factors.");
    if (refuse_disabled(c, change, "firstFactors", change->first_factors) != RC_OK ||
        refuse_disabled(c, change, "requiredSecondaryFactors",
                        change->required_secondary_factors) != RC_OK)
        return RC_FAIL;

    leave_none(change, r);
    struct tenant_recipes before = *r;
    r->first_factors = copy_of(c, r->first_factors);
    r->required_secondary_factors = copy_of(c, r->required_secondary_factors);
    for (int i = 0; i < RECIPES; i++) {
        if (asked(change, i) == TRI_UNSET)
            continue;
        *flag(r, i) = asked(change, i) == TRI_TRUE;
        if (asked(change, i) == TRI_FALSE) {
            remove_factors(r->first_factors, i);
            remove_factors(r->required_secondary_factors, i);
        }
    }
    bool turns_on = false;
    for (int i = 0; i < RECIPES; i++)
        turns_on = turns_on || (has_any_factor(change->required_secondary_factors, i) &&
                                !enabled_5_0(&before, i) && asked(change, i) != TRI_TRUE);
    if (!change->has_first_factors && turns_on && !before.first_factors)
        keep_first_factors(c, change, &before, r);
    if (change->has_first_factors)
        r->first_factors = change->first_factors;
    if (change->has_required_secondary_factors)
        r->required_secondary_factors = change->required_secondary_factors;
    enable_named(r);
    return RC_OK;
}

/* v2 knows factors only: flags that were off become the list of first factors. */
static void apply_v2(struct ctx *c, const struct tenant_change *change, struct tenant_recipes *r)
{
    if (!change->has_first_factors && !change->has_required_secondary_factors)
        return;
    if (!r->first_factors) {
        json_t *first = empty_array(c);
        for (int i = 0; i < RECIPES; i++)
            if (*flag(r, i))
                add_factors(first, i);
        r->first_factors = json_array_size(first) == 6 ? NULL : first;
    }
    r->emailpassword = r->thirdparty = r->passwordless = true;
    if (change->has_first_factors)
        r->first_factors = change->first_factors;
    if (change->has_required_secondary_factors)
        r->required_secondary_factors = change->required_secondary_factors;
}

static bool valid_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_(.)-", *name))
            return false;
    return true;
}

static int check_names(struct ctx *c, const char *field, const json_t *factors)
{
    size_t i;
    json_t *f;
    json_array_foreach(factors, i, f)
    {
        if (!valid_name(json_string_value(f)))
            return ctx_fail(c, FAIL_BAD_REQUEST,
                            "%s should contain only 0-9,a-z,A-Z,_,.,- characters", field);
    }
    return RC_OK;
}

int tenant_recipes_apply(struct ctx *c, const struct tenant_change *change,
                         struct tenant_recipes *r)
{
    if (change->v2)
        apply_v2(c, change, r);
    else if (c->cdi < CDI(5, 0))
        apply_3_0(c, change, r);
    else if (apply_5_0(c, change, r) != RC_OK)
        return RC_FAIL;
    if (check_names(c, "firstFactors", r->first_factors) != RC_OK)
        return RC_FAIL;
    return check_names(c, "requiredSecondaryFactors", r->required_secondary_factors);
}
