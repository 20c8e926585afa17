/*
 * base/log - the daemon's log: one line to stderr per call
 *
 * Under the journal ($JOURNAL_STREAM) each line has the <N> prefix of sd-daemon(3); elsewhere a
 * time stamp. Control characters of the text are shown as \xNN, so a line stays a line.
 */
#ifndef HC_BASE_LOG_H
#define HC_BASE_LOG_H

#include <stdarg.h>

/* Levels are those of syslog(3): LOG_ERR (3) to LOG_DEBUG (7). */
void log_set_level(int level);
int log_level(void);
/* The level of a name in log_level = ..., or -1. */
int log_level_parse(const char *name);

void log_msg(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for somebody: "tag: text". tag may be NULL. */
void log_msgv(int level, const char *tag, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

#define log_error(...) log_msg(3, __VA_ARGS__)
#define log_warning(...) log_msg(4, __VA_ARGS__)
#define log_notice(...) log_msg(5, __VA_ARGS__)
#define log_info(...) log_msg(6, __VA_ARGS__)
#define log_debug(...) log_msg(7, __VA_ARGS__)

#endif
