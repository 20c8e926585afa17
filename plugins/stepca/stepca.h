/*
 * stepca/stepca - one instance: what it is configured to do, and what it knows
 */
#ifndef HC_STEPCA_STEPCA_H
#define HC_STEPCA_STEPCA_H

#include "common/work.h"
#include "stepca/acme_ledger.h"
#include "stepca/authority.h"
#include "stepca/known.h"
#include "stepca/options.h"
#include "stepca/store.h"

#include <openssl/x509.h>

#define STEPCA_MAGIC 0x73746361U

struct task;

struct stepca {
	uint32_t magic;
	const struct hc_host *host;
	hc_ctx *ctx;
	struct options options;
	struct store store;
	struct member member; /* of those who ask the same CA */
	hc_alarm *alarm;      /* at the next renewal */
	struct task *task;    /* at most one */
	struct acme_ledger ledger;
	struct acme_pause pause;
	uint64_t generation;	/* of the snapshot last applied */
	struct work *works;	/* threads that have not ended */
	STACK_OF(X509) * roots; /* that we trust the CA by; NULL before the first task */
	struct known known;	/* that the CA announced */
	uint8_t anchor[PEM_FINGERPRINT_LEN];
	bool roots_asked;  /* the CA was asked for its roots since the start */
	int64_t issued_at; /* wall clock of our last issue since the start; 0: none */
	int64_t not_after; /* of the certificate in place; 0: none */
	int64_t due_at;	   /* when it is to be renewed; 0: not known */
	char serial[65];   /* of the certificate in place */
	char error[1600];  /* of the last task; "" where it went well */
};

/*
 * For the end of a job while the CA is away: sets its delay and waits for the CA to come back. to:
 * end of the certificate in place, 0 where there is none; why: see authority_await(). Returns
 * HC_RETRY.
 */
int32_t stepca_await(struct stepca *ca, int64_t to, const char *why, hc_job job);

/* True where a person had the certificate with this serial number (hex) revoked: revoke.c. */
bool stepca_revoked(const struct stepca *ca, const char *serial);

#endif
