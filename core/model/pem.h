/*
 * model/pem - the blocks of a PEM file (RFC 7468), found but not decoded
 */
#ifndef HC_MODEL_PEM_H
#define HC_MODEL_PEM_H

#include <stdbool.h>
#include <stddef.h>

/* One block, inside the bytes it was found in. */
struct pem_block {
	const char *label; /* "CERTIFICATE"; label_len bytes, no NUL */
	size_t label_len;
	const char *start; /* of the line BEGIN */
	size_t len;	   /* to the end of the line END, its newline included */
};

enum pem_next {
	PEM_NEXT_END,	/* no further block; text around blocks is skipped, as OpenSSL does */
	PEM_NEXT_BLOCK, /* *ret_block is set */
	PEM_NEXT_TORN,	/* a BEGIN or END line that is cut or lacks its counterpart */
};

/* The next block at or after *pos, which moves on behind it. */
enum pem_next pem_next(const char **pos, const char *end, struct pem_block *ret_block);

/* CERTIFICATE, and OpenSSL's X509 CERTIFICATE and TRUSTED CERTIFICATE. */
bool pem_is_certificate(const struct pem_block *block);
/* Any kind of private key, encrypted or not: what ends in "PRIVATE KEY". */
bool pem_is_private_key(const struct pem_block *block);
/* A private key that needs a passphrase: PKCS #8 (RFC 5958), or Proc-Type (RFC 1421 4.6.1.1). */
bool pem_is_encrypted(const struct pem_block *block);

/* True where an editor put a UTF-8 byte order mark before the first line, which OpenSSL then skips.
 */
bool pem_has_bom(const char *pem, size_t len);

/* True where the bytes mention a private key at all, in a whole block or a torn one. */
bool pem_mentions_key(const char *pem, size_t len);

/* The first private key: PEM_NEXT_END where there is none. */
enum pem_next pem_find_key(const char *pem, size_t len, struct pem_block *ret_block);

#endif
