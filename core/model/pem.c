#include "model/pem.h"

#include <string.h>

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

struct line {
	const char *text;
	size_t len; /* white space at its end left out, as OpenSSL does */
	bool whole; /* it ends in a newline */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct line next_line(const char **pos, const char *end)
{
	const char *newline = memchr(*pos, '\n', (size_t)(end - *pos));
	const char *stop = newline ? newline : end;
	struct line line = {.text = *pos, .whole = newline != NULL};

	*pos = newline ? newline + 1 : end;
	while (stop > line.text && is_space(stop[-1]))
		stop--;
	line.len = (size_t)(stop - line.text);
	return line;
}

static bool starts_with(const struct line *line, const char *prefix)
{
	size_t n = strlen(prefix);

	return line->len >= n && memcmp(line->text, prefix, n) == 0;
}

/* The last line, cut off inside of "-----BEGIN ". */
static bool is_cut_begin(const struct line *line)
{
	return !line->whole && line->len > 0 && line->len < strlen(BEGIN) &&
	       memcmp(line->text, BEGIN, line->len) == 0;
}

/* The label between prefix and the dashes at the end of a line; false: there are no such dashes. */
static bool parse_label(const struct line *line, const char *prefix, struct pem_block *block)
{
	size_t head = strlen(prefix);
	size_t tail = strlen(DASHES);

	if (line->len < head + tail || memcmp(line->text + line->len - tail, DASHES, tail) != 0)
		return false;
	block->label = line->text + head;
	block->label_len = line->len - head - tail;
	return true;
}

static bool labels_equal(const struct pem_block *a, const struct pem_block *b)
{
	return a->label_len == b->label_len && memcmp(a->label, b->label, a->label_len) == 0;
}

/* Reads on to the END line of a block whose BEGIN line was found. */
static enum pem_next finish_block(const char **pos, const char *end, struct pem_block *block)
{
	while (*pos < end) {
		struct line line = next_line(pos, end);
		struct pem_block last;

		if (starts_with(&line, BEGIN))
			return PEM_NEXT_TORN;
		if (!starts_with(&line, END))
			continue;
		if (!parse_label(&line, END, &last) || !labels_equal(block, &last))
			return PEM_NEXT_TORN;
		block->len = (size_t)(*pos - block->start);
		return PEM_NEXT_BLOCK;
	}
	return PEM_NEXT_TORN;
}

enum pem_next pem_next(const char **pos, const char *end, struct pem_block *ret_block)
{
	while (*pos < end) {
		struct line line = next_line(pos, end);
		struct pem_block block = {.start = line.text};
		enum pem_next r;

		if (starts_with(&line, END) || is_cut_begin(&line))
			return PEM_NEXT_TORN;
		if (!starts_with(&line, BEGIN))
			continue;
		if (!parse_label(&line, BEGIN, &block))
			return PEM_NEXT_TORN;
		r = finish_block(pos, end, &block);
		if (r == PEM_NEXT_BLOCK)
			*ret_block = block;
		return r;
	}
	return PEM_NEXT_END;
}

static bool label_is(const struct pem_block *block, const char *label)
{
	return block->label_len == strlen(label) &&
	       memcmp(block->label, label, block->label_len) == 0;
}

bool pem_is_certificate(const struct pem_block *block)
{
	return label_is(block, "CERTIFICATE") || label_is(block, "X509 CERTIFICATE") ||
	       label_is(block, "TRUSTED CERTIFICATE");
}

bool pem_is_private_key(const struct pem_block *block)
{
	size_t n = strlen("PRIVATE KEY");

	return block->label_len >= n &&
	       memcmp(block->label + block->label_len - n, "PRIVATE KEY", n) == 0;
}

bool pem_is_encrypted(const struct pem_block *block)
{
	return label_is(block, "ENCRYPTED PRIVATE KEY") ||
	       memmem(block->start, block->len, "4,ENCRYPTED", strlen("4,ENCRYPTED"));
}

bool pem_has_bom(const char *pem, size_t len)
{
	return len >= 3 && memcmp(pem, "\xef\xbb\xbf", 3) == 0;
}

bool pem_mentions_key(const char *pem, size_t len)
{
	return memmem(pem, len, "PRIVATE KEY", strlen("PRIVATE KEY"));
}

enum pem_next pem_find_key(const char *pem, size_t len, struct pem_block *ret_block)
{
	const char *pos = pem;
	struct pem_block block;
	enum pem_next r;

	do
		r = pem_next(&pos, pem + len, &block);
	while (r == PEM_NEXT_BLOCK && !pem_is_private_key(&block));
	if (r == PEM_NEXT_BLOCK)
		*ret_block = block;
	return r;
}
