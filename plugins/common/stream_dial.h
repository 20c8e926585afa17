/*
 * common/stream_dial - from an address to a connected socket: name look-up, then each address in
 * turn
 */
#ifndef HC_COMMON_STREAM_DIAL_H
#define HC_COMMON_STREAM_DIAL_H

#include "common/stream_addr.h"

#include <hotcert/plugin.h>
#include <sys/socket.h>

struct dial;

/*
 * The result, once: fd is the callee's, or a negative errno with a one-line error: -ETIMEDOUT past
 * the deadline, -EHOSTUNREACH where the name has no address, else that of the last address. The
 * dial still has to be destroyed, and may be from here.
 */
typedef void (*dial_fn)(void *data, int fd, const char *error);

/*
 * Begins to connect, non-blocking; fn is called later, on the loop, within timeout_ms. With
 * sockaddr the host of addr is not looked up: its address is taken, with addr's port. Each address
 * gets an even share of the time that is left. Returns 0 or -ENOMEM.
 */
int dial_create(const struct hc_host *host, hc_ctx *ctx, const struct stream_addr *addr,
		const struct sockaddr *sockaddr, int64_t timeout_ms, dial_fn fn, void *data,
		struct dial **ret_dial);
void dial_destroy(struct dial *dial); /* takes NULL */

#endif
