/*
 * trust/roots - the roots of a snapshot, and why a certificate in it is none
 */
#ifndef HC_TRUST_ROOTS_H
#define HC_TRUST_ROOTS_H

#include <hotcert/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trust/name.h"

struct root {
	uint8_t fingerprint[32]; /* SHA-256 of the DER encoding */
	char label[NAME_LABEL];
	char *subject; /* RFC 2253 */
	char *pem;     /* one block, whatever stood around it in the file */
};

struct roots {
	struct root *list;
	size_t n;
};

/* What is let in. */
struct roots_rules {
	const uint8_t (*fingerprints)[32]; /* NULL: any */
	size_t n_fingerprints;
	int64_t now; /* wall clock, ms */
	/* Told of each certificate that is refused; why continues a sentence. */
	void (*refused)(void *data, const struct hc_cert *cert, const char *why);
	void *data;
};

/* What was found. */
struct roots_view {
	struct roots roots;
	size_t n_files; /* files that can hold roots: `ca`, or all of a watch with `match` */
	size_t n_refused;
	bool complete;	     /* each of them was there and whole, so what is not in roots is gone */
	const char *missing; /* where one was not there: its path, in the snapshot; else NULL */
	const char *broken;  /* where one was broken: its path and why; else NULL */
	const char *broken_why;
};

/* Reads the roots of a snapshot, each once. Returns 0 or -ENOMEM. Free with roots_finish(). */
int roots_read(const struct hc_snapshot *snapshot, const struct roots_rules *rules,
	       struct roots_view *ret);
void roots_finish(struct roots *roots);

/* The root with this fingerprint, or NULL. */
const struct root *roots_find(const struct roots *roots, const uint8_t fingerprint[32]);

#endif
