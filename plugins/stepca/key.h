/*
 * stepca/key - private keys of certificates: made, read, written as PEM
 */
#ifndef HC_STEPCA_KEY_H
#define HC_STEPCA_KEY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

enum key_type { KEY_EC_P256, KEY_EC_P384, KEY_RSA_2048, KEY_RSA_3072, KEY_RSA_4096, KEY_ED25519 };

/* The words for `key_type`, in the order of the enum, separated by a space. */
#define KEY_TYPES "ec-p256 ec-p384 rsa-2048 rsa-3072 rsa-4096 ed25519"

/* The type of a word of KEY_TYPES; the host has checked that it is one. */
enum key_type key_type_of(const char *word);

/* True where making such a key takes too long for a loop (RSA: up to seconds). */
bool key_type_slow(enum key_type type);

/* A new key, or NULL: out of memory or randomness. Free with EVP_PKEY_free(). */
EVP_PKEY *key_generate(enum key_type type);

/* True where the key is of this type. */
bool key_is(const EVP_PKEY *key, enum key_type type);

/*
 * Reads a PEM private key; password may be NULL. -ENOENT and others as open(2) says; -EBADMSG: no
 * key in it; -EKEYREJECTED: it is encrypted, and not with this password. Free with EVP_PKEY_free().
 */
int key_read(const char *path, const char *password, EVP_PKEY **ret_key);

/*
 * PKCS #8 PEM of len bytes, NUL-terminated; encrypted where a password is given. NULL: out of
 * memory. Give it to key_free_pem().
 */
char *key_to_pem(const EVP_PKEY *key, const char *password, size_t *ret_len);
void key_free_pem(char *pem, size_t len); /* wipes it; takes NULL */

/* The digest that goes with a key when it signs a request; NULL: its own (Ed25519). */
const EVP_MD *key_digest(const EVP_PKEY *key);

#endif
