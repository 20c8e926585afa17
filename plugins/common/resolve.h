/*
 * common/resolve - host names to addresses, without ever blocking the loop
 */
#ifndef HC_COMMON_RESOLVE_H
#define HC_COMMON_RESOLVE_H

#include <hotcert/plugin.h>
#include <netdb.h>

struct resolve;

/*
 * error is 0, or an EAI_* code of getaddrinfo(3) with list NULL. The list is the callee's, to be
 * freed with freeaddrinfo(). The look-up is over then: resolve_cancel() must not be called any
 * more.
 */
typedef void (*resolve_fn)(void *data, int error, struct addrinfo *list);

/*
 * The addresses of an IP literal, at once: 0 and a list for freeaddrinfo(), or an EAI_* code:
 * EAI_NONAME where host is a name.
 */
int resolve_literal(const char *host, uint16_t port, struct addrinfo **ret_list);

/*
 * Looks a name up for stream sockets, in a thread of its own; fn is called on the loop, later.
 * Returns 0, -ENOMEM, or -EAGAIN where too many look-ups hang already.
 */
int resolve_start(const struct hc_host *host, hc_ctx *ctx, const char *name, uint16_t port,
		  resolve_fn fn, void *data, struct resolve **ret_resolve);

/* No callback comes after it; getaddrinfo() itself cannot be stopped and ends unheard. Takes NULL.
 */
void resolve_cancel(struct resolve *resolve);

#endif
