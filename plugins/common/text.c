#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void text_clean(const char *text, size_t len, char *ret, size_t size)
{
	size_t n = 0, i = 0;

	for (; i < len && n + 1 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c > ' ' && c != 0x7f)
			ret[n++] = (char)c;
		else if (n > 0 && ret[n - 1] != ' ')
			ret[n++] = ' ';
	}
	while (n > 0 && ret[n - 1] == ' ')
		n--;
	ret[n] = '\0';
	if (i < len && n >= 3 && n + 2 >= size)
		memcpy(ret + n - 3, "...", 4);
}

const char *text_time(int64_t at_ms, char ret[static TEXT_TIME_SIZE])
{
	time_t at = (time_t)(at_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&at, &tm) || !strftime(ret, TEXT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(ret, TEXT_TIME_SIZE, "?");
	return ret;
}

const char *text_duration(int64_t ms, char ret[static TEXT_TIME_SIZE])
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t s = ms < 0 ? 0 : ms / 1000;

	for (size_t i = 0; i < 3; i++) {
		if (s < units[i].seconds)
			continue;
		snprintf(ret, TEXT_TIME_SIZE, "%lld%c %lld%c", (long long)(s / units[i].seconds),
			 units[i].unit, (long long)(s % units[i].seconds / units[i + 1].seconds),
			 units[i + 1].unit);
		return ret;
	}
	snprintf(ret, TEXT_TIME_SIZE, "%llds", (long long)s);
	return ret;
}
