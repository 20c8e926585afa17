/*
 * model/options - a plugin's keys, typed and checked against its option table
 */
#ifndef HC_MODEL_OPTIONS_H
#define HC_MODEL_OPTIONS_H

#include "base/errors.h"
#include "model/config.h"

#include <hotcert/plugin.h>

/* An option table as a plugin declares it; stride is its sizeof(struct hc_option). */
struct option_table {
	const struct hc_option *first;
	uint32_t n;
	uint32_t stride;
};

const struct hc_option *option_table_get(const struct option_table *table, uint32_t i);

struct options;

/*
 * Checks an instance's entries: unknown keys (with the nearest known), types, required keys, secret
 * files that cannot be read. Returns 0, 1 where errors were added, or a negative errno. The result
 * keeps pointers into table, not into instance. Free with options_destroy().
 */
int options_parse(const struct option_table *table, const struct config_instance *instance,
		  struct errors *errors, struct options **ret_options);
void options_destroy(struct options *options);

/* The answers of hc_host's opt_*: see <hotcert/plugin.h>. A key that the table lacks aborts. */
const char *options_string(const struct options *o, const char *key);
int64_t options_int(const struct options *o, const char *key);
uint32_t options_list(const struct options *o, const char *key, const char *const **ret);
int32_t options_is_set(const struct options *o, const char *key);
/* "file:line: [plugin name] key" of the key, or of the section where the key is not set. */
char *options_where(const struct options *o, const char *key);

/* One value of a type, as used by [hotcert] and [watch] too: 0, or -EINVAL with *ret_why set to a
 * constant text such as "is not a duration; write 500ms, 15s, 5m, 8h or 30d". */
int option_parse_int(int32_t type, const char *value, int64_t *ret, const char **ret_why);

/* `hotcertd --options NAME`: the reference as text, columns aligned; or as roff rows for the
 * manual. */
void options_print(const struct option_table *table);
void options_print_man(const struct option_table *table);

#endif
