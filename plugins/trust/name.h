/*
 * trust/name - names for a root: one that cannot collide, nor leave its directory, nor need quoting
 *
 * A file that hotcert installs is called hotcert-INSTANCE-FINGERPRINT-LABEL and a suffix: the
 * instance says whose it is, the first half of the SHA-256 which certificate, the label is for
 * people. LABEL has no
 * '-', so that a name can be taken apart again whatever the instance is called.
 */
#ifndef HC_TRUST_NAME_H
#define HC_TRUST_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_LABEL 41	  /* bytes of a label with its NUL byte */
#define NAME_INSTANCE 101 /* of an instance's name */
#define NAME_HEX 32	  /* digits of the fingerprint in a name */
#define NAME_FILE 256

/* The common name of a subject (RFC 2253), or else all of it, with letters, digits and '_' alone.
 */
void name_label(const char *subject, char ret[NAME_LABEL]);

/* "corp" of "trust:corp", with letters, digits and ._@- alone. */
void name_instance(const char *full, char ret[NAME_INSTANCE]);

void name_file(const char *instance, const uint8_t fingerprint[32], const char *label,
	       const char *suffix, char ret[NAME_FILE]);

/* The parts of a name made by name_file(); they point into the name. */
struct name_parts {
	const char *instance;
	size_t instance_len;
	uint8_t fingerprint[NAME_HEX / 2];
};

/* False where name_file() did not make it. */
bool name_parse(const char *file, const char *suffix, struct name_parts *ret);

/* True where the parts name this instance. */
bool name_is_of(const struct name_parts *parts, const char *instance);

/* n bytes as 2 * n lower-case hex digits and a NUL byte. */
void name_hex(const uint8_t *bytes, size_t n, char *ret);

#endif
