/*
 * main/metrics - the daemon's state in the Prometheus text format 0.0.4
 */
#ifndef HC_MAIN_METRICS_H
#define HC_MAIN_METRICS_H

#include "base/str.h"
#include "engine/engine.h"

/* All of it; out->failed is set where memory ran out. Times are seconds since 1970. */
void metrics_write(struct str *out, const struct engine *e);

/* A file for the node exporter's textfile collector. Zeroed: nothing was written yet. */
struct metrics_file {
	uint64_t hash; /* of what was written last */
	int error;     /* errno of the last try: each is said once */
};

/* Replaces the file of [hotcert] metrics_file where there is one and the text is another. */
void metrics_file_update(struct metrics_file *f, const struct engine *e);

#endif
