/*
 * trust/links - the directory of hash links that OpenSSL looks roots up in
 *
 * HASH.0, HASH.1 and so on, HASH being of the subject's name, are links to the files of the roots
 * of that name (X509_LOOKUP_hash_dir(3)). OpenSSL goes on until a number is missing, so nothing may
 * be taken out of the middle of such a row, not for a moment. Nor may a root move: a client that
 * has read the first place before would find the second one gone. So where one goes that others are
 * behind, the last of them gets its place as well as its own, until a new root needs a place.
 */
#ifndef HC_TRUST_LINKS_H
#define HC_TRUST_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#define LINKS_HASH 9 /* eight digits and a NUL byte */

/* The row of a certificate's subject. False where the text holds no certificate. */
bool links_hash(const char *pem, char ret[LINKS_HASH]);

/* Lets a place of a row lead to target, unless one does already: one whose root has another behind
 * it, or else the first free one. 0 or a negative errno. */
int links_add(int dir, const char *hash, const char *target);

/* The rows that have been changed, for links_tidy(). Zeroed is empty. */
struct links {
	char (*hashes)[LINKS_HASH];
	size_t n;
};

/* Adds a row that links_tidy() is to look at. 0 or -ENOMEM. */
int links_note(struct links *links, const char *hash);

/*
 * In the directory dir (a descriptor), gives each place in a row that leads to `from` to the last
 * one behind it for which stays() is true; where there is none it leads to `instead` from now on. 0
 * or a negative errno.
 */
int links_release(int dir, const char *from, const char *instead,
		  bool (*stays)(void *data, const char *target), void *data, struct links *ret);

/* Takes what does not stay off the ends of the rows, and gives its places in the midst, and those
 * that are missing there, to the last one. A file in a row that is no link stays. 0 or a negative
 * errno. */
int links_tidy(int dir, const struct links *links, bool (*stays)(void *data, const char *target),
	       void *data);

/* Makes each link that leads to prefix/X one to instead/X. 0 or a negative errno. */
int links_rebase(int dir, const char *prefix, const char *instead);

void links_finish(struct links *links);

#endif
