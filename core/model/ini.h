/*
 * model/ini - one INI file, line by line, with what is wrong in it
 *
 * The syntax is inih's (libinih); see hotcert.conf(5). This layer adds what the library as packaged
 * lacks: line numbers, and errors where it would cut a line or a name, or skip a line, in silence.
 */
#ifndef HC_MODEL_INI_H
#define HC_MODEL_INI_H

#include "base/errors.h"

/* The longest line that inih's buffer of 200 bytes can take; comments do not count. */
#define INI_LINE_MAX 197
/* inih keeps 49 bytes of a key's name. */
#define INI_KEY_MAX 49
/* A file with more errors than this is no drop-in, and the rest of them is not shown. */
#define INI_ERRORS_MAX 50
/* More than enough for 30,000 sections. */
#define INI_FILE_MAX (8u << 20)

/* Where the content goes. Texts live until the function returns, white space around them removed.
 */
struct ini_sink {
	/* [text] */
	void (*section)(void *data, const char *text, unsigned line);
	/* key = value; the value may be "" */
	void (*key)(void *data, const char *key, const char *value, unsigned line);
	/* an indented line that continues the key before it */
	void (*more)(void *data, const char *value, unsigned line);
};

/*
 * Reads a file. Returns 0, 1 where errors were added ("file:line: what is wrong; what to do"), or
 * -ENOMEM. What is right reaches the sink in any case. Never blocks on a FIFO or device.
 */
int ini_read(const char *path, const struct ini_sink *sink, void *data, struct errors *errors);

#endif
