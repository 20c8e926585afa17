/*
 * common/words - a command line as a list of words
 */
#ifndef HC_COMMON_WORDS_H
#define HC_COMMON_WORDS_H

/*
 * Splits a line at blanks. 'single quotes' keep everything, "double quotes" know \"
 * and
 * \\, a backslash elsewhere takes the next character as it is, as in sh(1); nothing is expanded. An
 * unquoted word that only a shell understands (| && > and the like) is refused, lest it be passed
 * on as an argument without anybody noticing.
 *
 * Returns the number of words, 1 or more, and *ret_words, NULL-terminated, one block of memory to
 * be freed with free(3); or -ENOMEM; or -EINVAL with *ret_why saying what is wrong, a constant
 * text.
 */
int words_split(const char *line, char ***ret_words, const char **ret_why);

#endif
