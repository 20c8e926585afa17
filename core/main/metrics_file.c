/*
 * main/metrics_file - the metrics as a file that is always whole
 */
#include "base/fs.h"
#include "base/log.h"
#include "base/table.h"
#include "main/metrics.h"

#include <errno.h>
#include <string.h>

/* 0 or a negative errno. */
static int write_file(struct metrics_file *f, const char *path, const struct str *text)
{
	uint64_t hash = table_hash(table_hash(0, path, strlen(path)), text->data, text->len);
	int r;

	if (text->failed)
		return -ENOMEM;
	if (hash == f->hash)
		return 0;
	r = fs_replace(path, text->data, text->len, 0644, (uid_t)-1, (gid_t)-1);
	f->hash = r < 0 ? 0 : hash;
	return r;
}

void metrics_file_update(struct metrics_file *f, const struct engine *e)
{
	const char *path = e->generation->config->daemon.metrics_file;
	struct str text = {0};
	int r;

	if (!path)
		return;
	metrics_write(&text, e);
	r = write_file(f, path, &text);
	str_finish(&text);
	if (r < 0 && r != f->error)
		log_warning("metrics_file %s: %s; is its directory there, and may hotcertd write "
			    "there?",
			    path, strerror(-r));
	f->error = r;
}
