/*
 * common/json - what plugins need of Jansson, and no more
 */
#ifndef HC_COMMON_JSON_H
#define HC_COMMON_JSON_H

#include "common/mem.h"

#include <jansson.h>
#include <stddef.h>

#define cleanup_json cleanup_with(json_decrefp)

/* A JSON object out of len bytes, or NULL where they are none. Free with json_decref(). */
static inline json_t *json_parse_object(const char *text, size_t len)
{
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* The string under a key, or NULL where there is none. Lives as long as the object. */
static inline const char *json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

#endif
