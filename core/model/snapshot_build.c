#include "model/snapshot_reading.h"

#include "base/str.h"
#include "model/certificate.h"
#include "model/pem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* All that goes into the block, counted or gathered before it is made. */
struct layout {
	size_t n_certs;
	size_t n_sans;
	size_t data_len;
	struct str texts; /* in the order in which take_text() hands them out */
};

/* Where the next of each kind goes. */
struct cursor {
	struct hc_cert *cert;
	const char **san;
	const char *text;
	char *data;
};

static void add_text(struct str *texts, const char *text)
{
	str_add_n(texts, text, strlen(text) + 1);
}

static const char *take_text(struct cursor *at)
{
	const char *text = at->text;

	at->text += strlen(text) + 1;
	return text;
}

/* Appends what is public of a file to out, if given, and returns its length. */
static size_t copy_data(char *out, const struct part *part)
{
	const char *pos = part->data;
	struct pem_block block;
	size_t len = 0;

	if (part->n_certs == 0)
		return 0;
	if (!pem_mentions_key(part->data, part->len)) {
		if (out)
			memcpy(out, part->data, part->len);
		return part->len;
	}
	while (pem_next(&pos, part->data + part->len, &block) == PEM_NEXT_BLOCK) {
		if (!pem_is_certificate(&block))
			continue;
		if (out)
			memcpy(out + len, block.start, block.len);
		len += block.len;
	}
	return len;
}

static void measure_part(struct layout *layout, const struct part *part)
{
	add_text(&layout->texts, part->path);
	add_text(&layout->texts, part->error ? part->error : "");
	for (size_t i = 0; i < part->n_certs; i++)
		layout->n_sans += certificate_add_texts(part->certs[i], &layout->texts);
	layout->n_certs += part->n_certs;
	layout->data_len += copy_data(NULL, part);
}

static void measure(struct layout *layout, const struct reading *r)
{
	add_text(&layout->texts, r->watch->name);
	add_text(&layout->texts, r->watch->directory);
	add_text(&layout->texts, r->error ? r->error : "");
	for (size_t i = 0; i < r->n; i++)
		measure_part(layout, &r->parts[i]);
}

static void fill_cert(struct hc_cert *cert, X509 *from, struct cursor *at)
{
	certificate_describe(from, cert);
	cert->subject = take_text(at);
	cert->issuer = take_text(at);
	cert->serial = take_text(at);
	cert->sans = at->san;
	while (*at->text) {
		*at->san++ = take_text(at);
		cert->n_sans++;
	}
	take_text(at); /* the empty one that ends the SANs */
}

static void fill_certs(struct hc_file *file, const struct part *part, struct cursor *at)
{
	file->cert_size = sizeof(struct hc_cert);
	file->n_certs = (uint32_t)part->n_certs;
	file->certs = at->cert;
	for (size_t i = 0; i < part->n_certs; i++)
		fill_cert(at->cert++, part->certs[i], at);
}

static void fill_file(struct hc_file *file, const struct part *part, struct cursor *at)
{
	file->role = part->role;
	file->path = take_text(at);
	file->error = take_text(at);
	file->state = part->state;
	file->mode = part->st.st_mode & 07777;
	file->uid = part->st.st_uid;
	file->gid = part->st.st_gid;
	memcpy(file->sha256, part->sha256, sizeof(file->sha256));
	fill_certs(file, part, at);
	file->data_len = copy_data(at->data, part);
	file->data = file->data_len ? (const uint8_t *)at->data : NULL;
	at->data += file->data_len;
}

/* The error of the first file in the snapshot's own state. */
static const char *worst_error(const struct hc_snapshot *pub)
{
	for (uint32_t i = 0; i < pub->n_files; i++)
		if (pub->files[i].state == pub->state)
			return pub->files[i].error;
	return "";
}

static void fill(struct snapshot *s, const struct reading *r, uint64_t generation,
		 struct hc_file *files, struct cursor *at)
{
	struct hc_snapshot *pub = &s->pub;

	s->refs = 1;
	s->judged_ms = r->now_ms;
	s->password_stamp = r->password_stamp;
	pub->size = sizeof(*pub);
	pub->state = r->state;
	pub->generation = generation;
	pub->watch = take_text(at);
	pub->directory = take_text(at);
	pub->error = take_text(at);
	pub->files = files;
	pub->n_files = (uint32_t)r->n;
	pub->file_size = sizeof(struct hc_file);
	for (size_t i = 0; i < r->n; i++)
		fill_file(&files[i], &r->parts[i], at);
	if (!r->error)
		pub->error = worst_error(pub);
}

/* Snapshot, files, certificates, SAN pointers, texts, bytes: in this order all are aligned. */
static struct snapshot *build(const struct reading *r, uint64_t generation,
			      const struct layout *layout)
{
	size_t fixed = sizeof(struct snapshot) + r->n * sizeof(struct hc_file) +
		       layout->n_certs * sizeof(struct hc_cert) +
		       layout->n_sans * sizeof(const char *);
	struct snapshot *s = malloc(fixed + layout->texts.len + layout->data_len);
	struct hc_file *files;
	struct cursor at;

	if (!s)
		return NULL;
	files = (struct hc_file *)(s + 1);
	memset(s, 0, fixed);
	at.cert = (struct hc_cert *)(files + r->n);
	at.san = (const char **)(at.cert + layout->n_certs);
	at.text = memcpy((char *)s + fixed, layout->texts.data, layout->texts.len);
	at.data = (char *)s + fixed + layout->texts.len;
	fill(s, r, generation, files, &at);
	return s;
}

int reading_build(const struct reading *r, uint64_t generation, struct snapshot **ret_snapshot)
{
	struct layout layout = {0};
	struct snapshot *s = NULL;

	measure(&layout, r);
	if (!layout.texts.failed)
		s = build(r, generation, &layout);
	str_finish(&layout.texts);
	if (!s)
		return -ENOMEM;
	*ret_snapshot = s;
	return 0;
}
