#include "common/tail.h"

#include <string.h>

/* The longest beginning of line that fits into a slot and ends with a whole UTF-8 character. */
static size_t fitting(const char *line)
{
	size_t n = strnlen(line, TAIL_WIDTH);

	if (n < TAIL_WIDTH)
		return n;
	n = TAIL_WIDTH - 1;
	while (n > TAIL_WIDTH - 4 && ((unsigned char)line[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void tail_add(struct tail *tail, const char *line)
{
	char *slot = tail->lines[tail->n % TAIL_LINES];
	size_t n = fitting(line);

	if (line[strspn(line, " \t\r")] == '\0')
		return;
	memcpy(slot, line, n);
	slot[n] = '\0';
	tail->n++;
}

size_t tail_count(const struct tail *tail)
{
	return tail->n < TAIL_LINES ? tail->n : TAIL_LINES;
}

const char *tail_get(const struct tail *tail, size_t i)
{
	return tail->lines[(tail->n - tail_count(tail) + i) % TAIL_LINES];
}

const char *tail_last(const struct tail *tail)
{
	return tail->n ? tail_get(tail, tail_count(tail) - 1) : "";
}
