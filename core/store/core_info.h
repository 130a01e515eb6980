/* SPDX-License-Identifier: Apache-2.0 */
/* Small named values of an app, in the app's storage.  They are read with
 * batch_value_get() and made once with batch_value_if_absent() of store/keys.h. */
#ifndef CORE_STORE_CORE_INFO_H
#define CORE_STORE_CORE_INFO_H

#include "storage/storage.h"

#define VALUE_TELEMETRY_ID STR("TELEMETRY_ID")
#define VALUE_LICENSE_KEY STR("LICENSE_KEY")
#define VALUE_WEBSITE_DOMAIN STR("websiteDomain")
#define VALUE_API_DOMAIN STR("apiDomain")

/* STR_NULL where there is none. */
int value_get(struct ctx *c, struct storage *s, struct str app_id, struct str name,
              struct str *value);
/* The same for two, in one round trip. */
int value_get2(struct ctx *c, struct storage *s, struct str app_id, const struct str names[2],
               struct str values[2]);
void batch_value_put(struct batch *b, struct str app_id, struct str name, struct str value,
                     int64_t now);
int value_delete(struct ctx *c, struct storage *s, struct str app_id, struct str name);

/* Users of the app last seen in each of the days before `now`, the latest first,
 * and how many may sign in to its dashboard. */
enum { USAGE_DAYS = 31 };
int app_usage_read(struct ctx *c, struct storage *s, struct str app_id, int64_t now,
                   int64_t seen[USAGE_DAYS], int64_t *dashboard_users);
/* Whether it has a primary user, in this storage. */
int app_has_primary(struct ctx *c, struct storage *s, struct str app_id, bool *has);

/* Whether the tenant has a session. */
int tenant_has_session(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                       bool *has);

#endif
