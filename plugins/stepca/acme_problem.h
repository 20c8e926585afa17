/*
 * stepca/acme_problem - what an ACME server says went wrong (RFC 7807, RFC 8555 section 6.7)
 */
#ifndef HC_STEPCA_ACME_PROBLEM_H
#define HC_STEPCA_ACME_PROBLEM_H

#include "stepca/ca_api.h"

#include <jansson.h>
#include <stdbool.h>

/* The errors that a client does something about; for a person all are told alike. */
enum acme_error {
	ACME_ERROR_NONE,
	ACME_ERROR_BAD_NONCE,
	ACME_ERROR_NO_ACCOUNT, /* accountDoesNotExist */
	ACME_ERROR_NOT_READY,  /* orderNotReady */
	ACME_ERROR_OTHER,
};

#define ACME_PROBLEM_SIZE 400

struct acme_problem {
	enum acme_error error;
	enum ca_verdict verdict;
	const char *advice;	      /* what a person can do; never NULL */
	char text[ACME_PROBLEM_SIZE]; /* "caa: DETAIL (NAME: DETAIL)", printable, one line */
};

/* Reads a problem document. False: the object is none. */
bool acme_problem_parse(const json_t *json, struct acme_problem *ret);

/*
 * Judges a reply to `what` as ca_judge() does, and tells a problem document whole: with its type,
 * its subproblems and what to do next.
 */
enum ca_verdict acme_judge(const struct http_reply *reply, const char *what, int64_t now_ms,
			   enum acme_error *ret_error, char why[static CA_WHY_SIZE]);

#endif
