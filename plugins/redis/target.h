/*
 * redis/target - one server: brought to serve what is wanted, proven by a handshake
 *
 * The connection to it is kept between jobs, idle and without a timer.
 */
#ifndef HC_REDIS_TARGET_H
#define HC_REDIS_TARGET_H

#include "redis/config.h"
#include "redis/wanted.h"

#include <hotcert/plugin.h>

struct target;

/* status is HC_OK, HC_RETRY or HC_FAILED; text is one line without the address. */
typedef void (*target_fn)(void *data, int32_t status, const char *text);

/* config must outlive the target. name is the address as configured. NULL: out of memory. */
struct target *target_create(const struct redis_config *config, const char *name,
			     const struct stream_addr *addr);
void target_destroy(struct target *target); /* takes NULL */

/*
 * Brings the server in line; with dry, only says what would be done. wanted must live until fn is
 * called, which may be from inside. wanted is NULL where no snapshot was seen yet: then it has to
 * be dry.
 */
void target_run(struct target *target, const struct wanted *wanted, bool dry, target_fn fn,
		void *data);
/* fn is not called any more. */
void target_cancel(struct target *target);

/* Closes the connection that proved the last run, whose end did not wait for that. */
void target_tear_down(struct target *target);
/* Writes what is to survive a restart, where it has changed. */
void target_save(struct target *target);
bool target_unsaved(const struct target *target);

const char *target_name(const struct target *target);
/* What the server serves, as last seen; n is 0 where nothing was. */
const struct tls_chain *target_served(const struct target *target);
/* Lines of the last run, for a person. */
const char *target_report(const struct target *target);
/* Adds the target's line to `hotcertctl status`. */
void target_show(const struct target *target);

#endif
