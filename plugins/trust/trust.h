/*
 * trust/trust - one instance of the plugin, and its job
 */
#ifndef HC_TRUST_TRUST_H
#define HC_TRUST_TRUST_H

#include <hotcert/plugin.h>
#include <stdbool.h>

#include "trust/roots.h"
#include "trust/store.h"

#define TRUST_MAGIC 0x74727573u

struct fingerprints {
	uint8_t (*list)[32];
	size_t n;
};

struct trust {
	unsigned magic;
	const struct hc_host *host;
	hc_ctx *ctx;
	struct store_env env;
	struct store **stores;
	size_t n_stores;
	struct fingerprints allowed; /* empty: any */
	struct fingerprints said;    /* refusals that the log has */
	int64_t overlap;
	hc_alarm *alarm; /* when the next root may go */

	struct roots roots; /* wanted, as of the newest snapshot */
	bool complete;	    /* see struct roots_view */

	/* The job under way. */
	bool busy;
	bool uninstall;
	hc_job job;
	size_t at;   /* the store at hand */
	int64_t now; /* wall clock, when that was looked at */
	struct inventory inventory;
	struct fingerprints gone; /* what was taken out */
	size_t n_installed;
	size_t n_removed;
	int32_t status;
	char text[2 * STORE_WHY]; /* the first failure */
};

int fingerprints_add(struct fingerprints *f, const uint8_t fingerprint[32]);
bool fingerprints_has(const struct fingerprints *f, const uint8_t fingerprint[32]);
void fingerprints_finish(struct fingerprints *f);

/* Brings all stores in line with t->roots, or takes all of ours out of them; ends the job. */
void work_start(struct trust *t, bool uninstall, hc_job job);
/* Drops the job under way, if any. */
void work_cancel(struct trust *t);
/* The refreshed() and the done() of struct store_env. */
void work_store_refreshed(void *data, int32_t status, const char *why);
void work_store_changed(void *data, int32_t status, const char *text);

#endif
