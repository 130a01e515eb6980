/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the session API share. */
#ifndef CORE_API_SESSION_INTERNAL_H
#define CORE_API_SESSION_INTERNAL_H

#include "http/api.h"
#include "recipe/session.h"

/* RC_FAIL with a 403 on another tenant than the public one, from this CDI on. */
int session_require_public(struct api *a, int since);
/* {"status": "UNAUTHORISED", "message": ...} */
int session_reply_unauthorised(struct api *a, struct str message);
/* The handles in an array of this name. */
int session_reply_handles(struct api *a, const char *name, const struct str *handles, size_t n);
/* Adds what SDKs of CDI below 2.21 verify tokens with by themselves. */
int session_add_old_keys(struct api *a, json_t *reply);

int session_api_create(struct api *a);
int session_api_verify(struct api *a);
int session_api_refresh(struct api *a);
int session_api_regenerate(struct api *a);
int session_api_handshake(struct api *a);

int session_api_get(struct api *a);
int session_api_get_data(struct api *a);
int session_api_put_data(struct api *a);
int session_api_get_payload(struct api *a);
int session_api_put_payload(struct api *a);
int session_api_list(struct api *a);
int session_api_remove(struct api *a);

#endif
