/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers over jansson: ownership by the arena, and members from struct
 * str.  Member order is kept as written. */
#ifndef CORE_BASE_JSON_H
#define CORE_BASE_JSON_H

#include "base/arena.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Adds a string member; nothing if s is absent. */
void json_add_str(json_t *object, const char *key, struct str s);
void json_add_i64(json_t *object, const char *key, int64_t v);
void json_add_bool(json_t *object, const char *key, bool v);
/* A string member as struct str, STR_NULL if it is none. */
struct str json_get_str(const json_t *object, const char *key);
/* Text held in the arena for what a JSON value prints as, compact. */
struct str json_text(struct arena *a, const json_t *v);
/* Parses an object from text; NULL if it is not one.  The caller decrefs, or
 * gives it to json_own(). */
json_t *json_object_parse(struct str text);
/* Drops the reference when the arena is reset; returns v. */
json_t *json_own(struct arena *a, json_t *v);

#endif
