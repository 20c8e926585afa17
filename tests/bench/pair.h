/*
 * pair - reads, parses and checks a certificate and its key, as anybody would with OpenSSL
 */
#ifndef TESTS_BENCH_PAIR_H
#define TESTS_BENCH_PAIR_H

#include "floor.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

/* The whole file; what does not fit is no file of this benchmark. */
static inline BIO *read_file(const char *directory, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX + NAME_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, buf, size);
	if (fd < 0 || n < 0)
		die(path);
	close(fd);
	return BIO_new_mem_buf(buf, (int)n);
}

/* True where the key in `directory` is that of the certificate there. */
static inline bool pair_is_whole(const char *directory)
{
	char cert_buf[16384], key_buf[16384];
	BIO *cert_bio = read_file(directory, CERT, cert_buf, sizeof(cert_buf));
	BIO *key_bio = read_file(directory, KEY, key_buf, sizeof(key_buf));
	X509 *cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	bool whole = cert && key && X509_check_private_key(cert, key) == 1;

	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(key_bio);
	BIO_free(cert_bio);
	return whole;
}

#endif
