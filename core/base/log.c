/*
 * base/log - the daemon's log: one line to stderr per call
 */
#include "base/log.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static int max_level = LOG_NOTICE;

/* Indexed by the levels of syslog(3); what is more severe than an error is not used. */
static const char *const level_names[] = {
	[LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
	[LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

void log_set_level(int level)
{
	max_level = level;
}

int log_level(void)
{
	return max_level;
}

int log_level_parse(const char *name)
{
	for (int i = LOG_ERR; i <= LOG_DEBUG; i++)
		if (!strcmp(name, level_names[i]))
			return i;
	return -1;
}

/* True where stderr is the journal's: systemd.exec(5), $JOURNAL_STREAM. */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void add_time(struct str *line, int level)
{
	struct timespec now;
	struct tm tm;
	char date[32];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	str_addf(line, "%s.%03ld %s ", date, now.tv_nsec / 1000000, level_names[level]);
}

/* Adds text with its control characters, those of ISO 6429's C1 set included, as \xNN. */
static void add_escaped(struct str *line, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;

		if ((*p < ' ' && *p != '\t') || *p == 0x7f)
			str_addf(line, "\\x%02x", *p);
		else if (c1)
			str_addf(line, "\\x%02x", *++p);
		else
			str_add_n(line, (const char *)p, 1);
	}
}

static void write_all(const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(STDERR_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* nowhere left to complain to */
			return;
		data += n;
		len -= (size_t)n;
	}
}

void log_msgv(int level, const char *tag, const char *format, va_list args)
{
	struct str text = {0}, line = {0};
	int saved = errno;

	if (level > max_level)
		return;
	if (level < LOG_ERR)
		level = LOG_ERR;
	str_addv(&text, format, args);
	if (to_journal())
		str_addf(&line, "<%d>", level);
	else
		add_time(&line, level);
	if (tag) {
		add_escaped(&line, tag);
		str_add(&line, ": ");
	}
	add_escaped(&line, text.failed ? "out of memory" : str_get(&text));
	str_add(&line, "\n");
	write_all(str_get(&line), line.len);
	str_finish(&text);
	str_finish(&line);
	errno = saved;
}

void log_msg(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_msgv(level, NULL, format, args);
	va_end(args);
}
