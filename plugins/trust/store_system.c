/*
 * system - the trust store of the distribution
 *
 * Every family has a directory for the administrator's own roots, a program that builds from it
 * what other programs read, and among that one file with all of them: there we look whether it has
 * worked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/pem.h"
#include "trust/system.h"

/* The first that is there is taken. */
static const struct family families[] = {
	{
		/* alpinelinux/ca-certificates, update-ca.c; its hook certhash builds the links anew
		 */
		.name = "alpine",
		.sign = "/etc/alpine-release",
		.anchors = "/usr/local/share/ca-certificates",
		.update = "/usr/sbin/update-ca-certificates",
		.bundle = "/etc/ssl/certs/ca-certificates.crt",
	},
	{
		/* update-ca-certificates(8) */
		.name = "debian",
		.anchors = "/usr/local/share/ca-certificates",
		.update = "/usr/sbin/update-ca-certificates",
		.bundle = "/etc/ssl/certs/ca-certificates.crt",
		.links = "/etc/ssl/certs",
		.up = "../../..",
		/* Its option --sysroot means these five, but 20230311 (Debian 12) has no such
		 * option: it prints its usage and exits with 0. */
		.options = {{"--certsconf", "/etc/ca-certificates.conf"},
			    {"--certsdir", "/usr/share/ca-certificates"},
			    {"--localcertsdir", "/usr/local/share/ca-certificates"},
			    {"--etccertsdir", "/etc/ssl/certs"},
			    {"--hooksdir", "/etc/ca-certificates/update.d"}},
	},
	{
		/* RHEL, Fedora and what comes of them: update-ca-trust(8) */
		.name = "redhat",
		.anchors = "/etc/pki/ca-trust/source/anchors",
		.update = "/usr/bin/update-ca-trust",
		.argument = "extract",
		.bundle = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	},
	{
		/* openSUSE/ca-certificates: the hook certbundle.run builds the bundle */
		.name = "suse",
		.anchors = "/etc/pki/trust/anchors",
		.update = "/usr/sbin/update-ca-certificates",
		.bundle = "/var/lib/ca-certificates/ca-bundle.pem",
	},
	{
		/* ca-certificates-utils */
		.name = "arch",
		.anchors = "/etc/ca-certificates/trust-source/anchors",
		.update = "/usr/bin/update-ca-trust",
		.argument = "extract",
		.bundle = "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
	},
};

const char *system_path(const struct store *store, const char *dir, const char *name,
			char buf[PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s%s%s%s", store->env->sysroot, dir, *name ? "/" : "", name);
	return buf;
}

bool system_is_chroot(const struct store *store, const struct family *family)
{
	return *store->env->sysroot && !family->options[0].name;
}

static bool is_there(const struct store *store, const struct family *family)
{
	char path[PATH_MAX];
	const char *update = family->update;

	if (system_is_chroot(store, family))
		update = system_path(store, update, "", path);
	if (access(update, X_OK) < 0)
		return false;
	if (family->sign && access(system_path(store, family->sign, "", path), F_OK) < 0)
		return false;
	return access(system_path(store, family->anchors, "", path), F_OK) == 0;
}

const struct family *system_detect(const struct store *store)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (is_there(store, &families[i]))
			return &families[i];
	return NULL;
}

/* Where there is no such file yet, nothing is live: that is no error. */
int system_look_at_bundle(const struct store *store, const struct family *family,
			  struct inventory *inventory)
{
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	size_t len = 0;
	int r = store_read(system_path(store, family->bundle, "", path), &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = pem_each(text, len, inventory_note_live, inventory);
	return r < 0 ? r : 0;
}

/* Links that a change has left as the program made them, because it was cut short. */
static void note_outward(const struct store *store, const struct family *family,
			 struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n; i++) {
		struct entry *entry = &inventory->list[i];

		if (entry->name && system_link_is_outward(store, family, entry->name))
			entry->flags |= STORE_DAMAGED;
	}
}

static int system_look(struct store *store, struct inventory *inventory, char why[STORE_WHY])
{
	const struct family *family = system_detect(store);
	char path[PATH_MAX];
	int r;

	if (!family) {
		snprintf(why, STORE_WHY,
			 "no trust store of a kind that is known (Alpine, Arch, Debian, RHEL, "
			 "SUSE): "
			 "install the package ca-certificates, or use bundle:/path");
		return -EOPNOTSUPP;
	}
	r = files_look(store, system_path(store, family->anchors, "", path), SYSTEM_SUFFIX,
		       inventory);
	if (r < 0)
		snprintf(why, STORE_WHY, "cannot read %s%s: %s", store->env->sysroot,
			 family->anchors, strerror(-r));
	if (r == 0) {
		r = system_look_at_bundle(store, family, inventory);
		if (r < 0)
			snprintf(why, STORE_WHY, "cannot read %s%s: %s", store->env->sysroot,
				 family->bundle, strerror(-r));
	}
	if (r == 0)
		note_outward(store, family, inventory);
	return r;
}

static void system_cancel(struct store *store)
{
	system_change_finish((struct system *)store);
}

static void system_destroy(struct store *store)
{
	struct system *sys = (struct system *)store;

	system_change_finish(sys);
	sys->magic = 0;
	free(sys);
}

static int system_create(const struct store_env *env, const char *arg, struct store **ret,
			 const char **ret_why)
{
	struct system *sys;

	if (*arg) {
		*ret_why = "is written as system alone; another root directory is the key sysroot";
		return -EINVAL;
	}
	sys = calloc(1, sizeof(*sys));
	if (!sys)
		return -ENOMEM;
	sys->magic = SYSTEM_MAGIC;
	sys->store.env = env;
	system_change_init(sys, env);
	*ret = &sys->store;
	return 0;
}

const struct store_type store_system = {
	.scheme = "system",
	.create = system_create,
	.destroy = system_destroy,
	.look = system_look,
	.change = system_change,
	.cancel = system_cancel,
};
