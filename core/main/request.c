/*
 * main/request - one line of the control protocol, parsed
 */
#include "main/request.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

static int parse_args(struct request *r, const json_t *args)
{
	size_t n = json_array_size(args);

	if (args && (!json_is_array(args) || n > REQUEST_ARGS_MAX))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		r->args[i] = json_string_value(json_array_get(args, i));
		if (!r->args[i])
			return -EINVAL;
	}
	r->n_args = (uint32_t)n;
	return 0;
}

/* More than that is nobody's wish, and would overflow when added to a date. */
#define MS_MAX INT64_C(100000000000000)

static int parse_ms(const json_t *root, const char *key, int64_t *ret)
{
	const json_t *value = json_object_get(root, key);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > MS_MAX)
		return -EINVAL;
	*ret = json_integer_value(value);
	return 0;
}

static const char *parse_members(struct request *r, const json_t *root)
{
	if (!json_is_object(root))
		return "the request is not a JSON object";
	r->cmd = json_string_value(json_object_get(root, "cmd"));
	if (!r->cmd)
		return "the request has no \"cmd\"";
	if (parse_args(r, json_object_get(root, "args")) < 0)
		return "\"args\" is not an array of at most 64 strings";
	if (parse_ms(root, "timeout_ms", &r->timeout_ms) < 0 ||
	    parse_ms(root, "within_ms", &r->within_ms) < 0)
		return "\"timeout_ms\" or \"within_ms\" is not a number of milliseconds";
	return NULL;
}

int request_parse(struct request *r, const char *line, size_t n, char *why, size_t why_size)
{
	const char *wrong;
	json_error_t error;

	*r = (struct request){0};
	r->json = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	if (!r->json) {
		snprintf(why, why_size, "the request is not JSON: %s", error.text);
		return -EINVAL;
	}
	wrong = parse_members(r, r->json);
	if (!wrong)
		return 0;
	snprintf(why, why_size, "%s", wrong);
	request_finish(r);
	return -EINVAL;
}

void request_finish(struct request *r)
{
	json_decref(r->json);
	*r = (struct request){0};
}
