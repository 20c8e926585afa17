/*
 * ctl/ask - one question to hotcertd
 */
#ifndef HC_CTL_ASK_H
#define HC_CTL_ASK_H

#include "base/str.h"

#include <jansson.h>
#include <stdint.h>

/*
 * Sends one line to the socket and waits for the answer, an object with "ok", for timeout_ms at the
 * most (0: for ever). 0, or -1 where hotcertd can't be reached: why says what to do.
 */
int ask(const char *socket_path, const char *line, int64_t timeout_ms, json_t **ret_answer,
	struct str *why);

#endif
