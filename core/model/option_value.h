/*
 * model/option_value - one value of one option: is it what its type says?
 */
#ifndef HC_MODEL_OPTION_VALUE_H
#define HC_MODEL_OPTION_VALUE_H

#include "base/str.h"

#include <hotcert/plugin.h>
#include <stdbool.h>
#include <stddef.h>

/* True for the types that option_parse_int() reads. */
bool option_is_numeric(int32_t type);

/*
 * Checks a value, the lines of a list joined by '\n'. Returns 0, or -EINVAL with what is wrong and
 * what to do in why. The value of a secret is never repeated there: it may be the secret itself.
 */
int option_check(const struct hc_option *option, const char *value, struct str *why);

/* The name of a type for a person: "duration". */
const char *option_type_name(int32_t type);

/*
 * Walks over a list: words separated by a comma or '\n', white space around them removed, empty
 * ones passed over, "\," a comma in a word. Puts the next word into buf and returns true; at the
 * end returns false and leaves buf alone, so that all words with their NULs fit into the size of
 * the list. *cursor begins at the list.
 */
bool option_next_word(const char **cursor, char *buf);

#endif
