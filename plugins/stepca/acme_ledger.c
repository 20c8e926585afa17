#include "stepca/acme_ledger.h"

#include "common/json.h"
#include "common/mem.h"
#include "stepca/acme_hook.h"
#include "stepca/stepca.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define STATE_KEY "acme-left"

enum { STATE_MAX = 4096 };

static int load(struct stepca *ca)
{
	struct acme_ledger *ledger = &ca->ledger;
	char text[STATE_MAX];
	int64_t len;

	if (ledger->entries)
		return 0;
	len = ca->host->state_get(ca->ctx, STATE_KEY, text, sizeof(text));
	if (len > 0 && len <= (int64_t)sizeof(text))
		ledger->entries = json_loadb(text, (size_t)len, 0, NULL);
	if (!json_is_array(ledger->entries)) {
		json_decref(ledger->entries);
		ledger->entries = json_array();
	}
	return ledger->entries ? 0 : -ENOMEM;
}

static int save(struct stepca *ca)
{
	cleanup_free char *text = NULL;

	if (json_array_size(ca->ledger.entries) == 0)
		return ca->host->state_set(ca->ctx, STATE_KEY, NULL, 0);
	text = json_dumps(ca->ledger.entries, JSON_COMPACT);
	return text ? ca->host->state_set(ca->ctx, STATE_KEY, text, strlen(text)) : -ENOMEM;
}

static int add(struct stepca *ca, json_t *entry)
{
	int r = load(ca);

	if (r < 0 || json_array_append_new(ca->ledger.entries, entry) < 0)
		return -ENOMEM;
	r = save(ca);
	if (r != -E2BIG)
		return r;
	if (ca->ledger.full)
		return 0;
	ca->ledger.full = true;
	ca->host->log(ca->ctx, HC_LOG_WARNING,
		      "too many names to keep in the state what is put up for their challenges; a "
		      "crash now would leave some of it");
	return 0;
}

int acme_ledger_add_record(struct stepca *ca, const char *record, const char *value)
{
	return add(ca, json_pack("[sss]", "dns", record, value));
}

int acme_ledger_add_file(struct stepca *ca, const char *path)
{
	return add(ca, json_pack("[ss]", "file", path));
}

static const char *word(const json_t *entry, size_t i)
{
	return json_string_value(json_array_get(entry, i));
}

/* -- taking down ----------------------------------------------------------------------------- */

static void settle(struct stepca *ca);

static void cross_out(struct stepca *ca)
{
	int r;

	json_array_remove(ca->ledger.entries, 0);
	r = save(ca);
	if (r < 0 && r != -E2BIG)
		ca->host->log(ca->ctx, HC_LOG_WARNING,
			      "cannot keep in the state what was cleaned up after a challenge; it "
			      "will be cleaned up again");
}

/* A record that the hook can't remove now it won't remove later: that is left to a person. */
static void on_record_gone(void *data, const char *error)
{
	struct stepca *ca = data;

	if (error)
		ca->host->log(ca->ctx, HC_LOG_WARNING,
			      "%s; remove the TXT record yourself, if it is still there", error);
	cross_out(ca);
	settle(ca);
}

static void remove_file(struct stepca *ca, const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		ca->host->log(ca->ctx, HC_LOG_WARNING, "cannot remove %s: %s", path,
			      strerror(errno));
	cross_out(ca);
}

/* True where the entry takes time: the hook runs. */
static bool take_down(struct stepca *ca, const json_t *entry)
{
	const char *kind = word(entry, 0), *name = word(entry, 1), *value = word(entry, 2);

	if (kind && name && strcmp(kind, "file") == 0) {
		remove_file(ca, name);
		return false;
	}
	if (!kind || !name || !value || !ca->options.acme.dns_hook ||
	    acme_hook_run(ca, "cleanup", name, value, on_record_gone, ca, &ca->ledger.hook) < 0) {
		ca->host->log(ca->ctx, HC_LOG_WARNING,
			      "cannot clean up after a challenge for lack of dns_hook; remove the "
			      "TXT record %s yourself",
			      name ? name : "?");
		cross_out(ca);
		return false;
	}
	return true;
}

static void settle(struct stepca *ca)
{
	struct acme_ledger *ledger = &ca->ledger;
	void (*settled)(void *data);

	while (json_array_size(ledger->entries) > 0)
		if (take_down(ca, json_array_get(ledger->entries, 0)))
			return;
	ledger->full = false;
	settled = ledger->settled;
	ledger->settled = NULL;
	if (settled)
		settled(ledger->data);
}

void acme_ledger_settle(struct stepca *ca, void (*settled)(void *data), void *data)
{
	ca->ledger.settled = settled;
	ca->ledger.data = data;
	load(ca);
	if (!ca->ledger.hook)
		settle(ca);
}

void acme_ledger_forget_waiter(struct stepca *ca)
{
	ca->ledger.settled = NULL;
}

void acme_ledger_finish(struct stepca *ca)
{
	acme_hook_cancel(ca->ledger.hook);
	json_decref(ca->ledger.entries);
	ca->ledger.entries = NULL;
}
