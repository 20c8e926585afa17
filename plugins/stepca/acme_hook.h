/*
 * stepca/acme_hook - one run of the command that changes a DNS zone for dns-01
 */
#ifndef HC_STEPCA_ACME_HOOK_H
#define HC_STEPCA_ACME_HOOK_H

struct acme_hook;
struct stepca;

/* Called once; error is NULL where it ended well, else one line that names the command. */
typedef void (*acme_hook_fn)(void *data, const char *error);

/*
 * Runs `DNS_HOOK action record value`. fn may be called before this returns. -ENOMEM: not begun.
 * *ret is set before fn is called, and gone after it.
 */
int acme_hook_run(struct stepca *ca, const char *action, const char *record, const char *value,
		  acme_hook_fn fn, void *data, struct acme_hook **ret);

/* Kills it, without a call. Takes NULL. */
void acme_hook_cancel(struct acme_hook *hook);

#endif
