/*
 * main/request - one line of the control protocol, parsed: {"cmd":"status","args":["redis"]}
 */
#ifndef HC_MAIN_REQUEST_H
#define HC_MAIN_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#define REQUEST_MAX 65536 /* bytes, its newline included */
#define REQUEST_ARGS_MAX 64

struct request {
	const char *cmd;
	const char *args[REQUEST_ARGS_MAX + 1]; /* NULL-terminated */
	uint32_t n_args;
	int64_t timeout_ms; /* "timeout_ms": how long it may wait; 0: for ever */
	int64_t within_ms;  /* "within_ms": for wait-expiry */
	void *json;	    /* owns the strings */
};

/*
 * Parses n bytes. Members that it does not know are skipped, for the newer hotcertctl. 0, or
 * -EINVAL with the reason in why. Free with request_finish().
 */
int request_parse(struct request *r, const char *line, size_t n, char *why, size_t why_size);
void request_finish(struct request *r);

#endif
