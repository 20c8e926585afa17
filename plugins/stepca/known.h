/*
 * stepca/known - the roots that a CA has announced, and since when it does not any more
 *
 * Kept in the state with the certificates themselves, so that neither a lost `ca` file nor a CA
 * that has retired the pinned root takes the ground from under us. All of it stands on one anchor,
 * what the configuration says to trust: where that changes, none of it is trusted any more, and
 * what was put into the `ca` file goes as what the CA announces no more.
 */
#ifndef HC_STEPCA_KNOWN_H
#define HC_STEPCA_KNOWN_H

#include "common/pem.h"

#include <hotcert/plugin.h>
#include <stdbool.h>

#define KNOWN_MAX 16

/* Whose it is. We trust the CA by its own alone. Kept in the state: the numbers stay. */
enum known_kind {
	KNOWN_OWN = 0,
	KNOWN_FEDERATED = 1, /* extra trust for others */
	KNOWN_FORMER = 2,    /* of another anchor, before the configuration changed */
};

struct known_root {
	X509 *cert;
	enum known_kind kind;
	int64_t gone_at; /* wall clock when the CA first did not announce it; 0: it does */
};

struct known {
	const struct hc_host *host;
	hc_ctx *ctx;
	struct known_root root[KNOWN_MAX];
	size_t n;
	bool kept; /* the state has a list for the anchor of this one */
};

/* Reads what the state holds; what stands on another anchor than this is former, and gone from now
 * on. */
void known_load(struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN]);

/* Keeps it, under this anchor; negative errno. */
int known_save(struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN]);

void known_finish(struct known *known);

/*
 * The CA announces these as its own or the federation's: new ones are added, others of that kind
 * are gone from now on. What is no root is passed over. True where anything has changed.
 */
bool known_announced(struct known *known, const STACK_OF(X509) * certs, enum known_kind kind,
		     int64_t now);

/* Adds one that is trusted anyway, as announced; nothing where it is there or there is no room. */
int known_add(struct known *known, X509 *cert);

/* Takes out the i-th root. */
void known_remove(struct known *known, size_t i);

#endif
