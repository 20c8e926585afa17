#include "redis/preflight.h"

#include <errno.h>
#include <stdio.h>

static int check_dates(const struct wanted_dates *dates, const char *path, int64_t now, char *why,
		       size_t why_size)
{
	char when[32];

	if (now < dates->not_before) {
		tls_time_format(dates->not_before, when, sizeof(when));
		snprintf(why, why_size, "%s is not valid before %s", path, when);
		return -EINVAL;
	}
	if (now > dates->not_after) {
		tls_time_format(dates->not_after, when, sizeof(when));
		snprintf(why, why_size, "%s: %s ended %s", path, dates->subject, when);
		return -EINVAL;
	}
	return 0;
}

/* Valkey 9.1 refuses all files where one certificate of the CA file is out of date (valkey#2999).
 */
static int check_ca(const struct wanted *wanted, const struct server *server,
		    const struct files_use *use, int64_t now, char *why, size_t why_size)
{
	char reason[400];

	if (!use->ca || !server_checks_dates(server) ||
	    check_dates(&wanted->ca_dates, wanted->ca.ours, now, reason, sizeof(reason)) == 0)
		return 0;
	snprintf(why, why_size, "%s: %s %s would refuse to load anything; take that one out",
		 reason, server->product, server->version_text);
	return -EINVAL;
}

static int check_readable(const struct server *server, const struct wanted *wanted,
			  const struct files_use *use, const struct view *view, char *why,
			  size_t why_size)
{
	const char *moved[] = {wanted->cert.theirs, wanted->key.theirs};
	const enum server_file files[] = {SERVER_CERT, SERVER_KEY};
	struct stat st;
	char path[4096], reason[400];

	for (int i = 0; i < 2; i++) {
		if (use->moves)
			snprintf(path, sizeof(path), "%s", moved[i]);
		else if (files_path(server, files[i], path, sizeof(path)) < 0)
			continue;
		if (view_readable(view, path, reason, sizeof(reason)))
			continue;
		snprintf(why, why_size, "its user cannot read %s: %s", server_file_name(files[i]),
			 reason);
		return view_stat(view, path, &st) == 0 ? -EINVAL : -ENOENT;
	}
	return 0;
}

int preflight_check(const struct wanted *wanted, const struct server *server,
		    const struct files_use *use, const struct view *view, int64_t now, char *why,
		    size_t why_size)
{
	int r = check_dates(&wanted->chain_dates, wanted->cert.ours, now, why, why_size);

	if (r == 0)
		r = check_ca(wanted, server, use, now, why, why_size);
	if (r == 0)
		r = check_readable(server, wanted, use, view, why, why_size);
	return r;
}
