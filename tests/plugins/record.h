/*
 * record - a call of apply() as a line of JSON
 */
#ifndef TESTS_RECORD_H
#define TESTS_RECORD_H

#include <errno.h>
#include <fcntl.h>
#include <hotcert/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void add_string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++)
		fprintf(f, (unsigned char)*text < ' ' || strchr("\"\\", *text) ? "\\u%04x" : "%c",
			(unsigned char)*text);
	fputc('"', f);
}

static void add_file(FILE *f, const struct hc_file *file)
{
	fputs("{\"role\": ", f);
	add_string(f, file->role);
	fputs(", \"path\": ", f);
	add_string(f, file->path);
	fputs(", \"error\": ", f);
	add_string(f, file->error);
	fprintf(f, ", \"state\": %d, \"mode\": %u, \"uid\": %u, \"gid\": %u, \"bytes\": %llu, ",
		(int)file->state, (unsigned)file->mode, (unsigned)file->uid, (unsigned)file->gid,
		(unsigned long long)file->data_len);
	fputs("\"sha256\": \"", f);
	for (size_t i = 0; i < sizeof(file->sha256); i++)
		fprintf(f, "%02x", file->sha256[i]);
	fputs("\", \"certs\": [", f);
	for (uint32_t i = 0; i < file->n_certs; i++) {
		fputs(i ? ", " : "", f);
		add_string(f, hc_file_cert(file, i)->serial);
	}
	fputs("]}", f);
}

static void add_snapshot(FILE *f, const struct hc_host *host, hc_ctx *ctx,
			 const struct hc_snapshot *s, int64_t now_ns)
{
	fprintf(f, "{\"t\": %lld, \"instance\": ", (long long)now_ns);
	add_string(f, host->name(ctx));
	fputs(", \"watch\": ", f);
	add_string(f, s->watch);
	fputs(", \"directory\": ", f);
	add_string(f, s->directory);
	fprintf(f, ", \"generation\": %llu, \"state\": %d, \"error\": ",
		(unsigned long long)s->generation, (int)s->state);
	add_string(f, s->error);
	fputs(", \"files\": [", f);
	for (uint32_t i = 0; i < s->n_files; i++) {
		fputs(i ? ", " : "", f);
		add_file(f, hc_snapshot_file(s, i));
	}
	fprintf(f, "], \"host_size\": %u, \"abi_minor\": [%u, %u]}\n", (unsigned)host->size,
		(unsigned)host->abi_minor, (unsigned)HC_ABI_MINOR);
}

static int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* One write(2) a line, so that many may append to one file. */
static void record(const struct hc_host *host, hc_ctx *ctx, const char *path,
		   const struct hc_snapshot *snapshot)
{
	int64_t now_ns = clock_ns();
	char *line = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&line, &len);
	int fd;

	if (!f)
		return;
	add_snapshot(f, host, ctx, snapshot, now_ns);
	fclose(f);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, len) != (ssize_t)len)
		host->log(ctx, HC_LOG_ERROR, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(line);
}

#endif
