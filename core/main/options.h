/*
 * main/options - the command line of hotcertd
 */
#ifndef HC_MAIN_OPTIONS_H
#define HC_MAIN_OPTIONS_H

#include "model/config.h"

#define MAIN_DIRS_MAX 16

enum main_mode {
	MAIN_RUN,
	MAIN_CHECK,   /* -t */
	MAIN_OPTIONS, /* --options NAME */
	MAIN_DONE,    /* -h, -V: what was asked for has been printed */
	MAIN_USAGE,   /* wrong, and said so on stderr */
};

/* The strings are argv's. */
struct main_options {
	const char *dirs[MAIN_DIRS_MAX + 1]; /* -C, NULL-terminated */
	size_t n_dirs;
	struct config_source source;
	const char *reference; /* --options */
	int man;	       /* --man: as roff(7) */
};

enum main_mode main_options_parse(int argc, char **argv, struct main_options *o);

/* Prints the keys of a plugin, of "hotcert", of "watch", or of every "instance". Exit code. */
int main_options_print(const struct main_options *o);

#endif
