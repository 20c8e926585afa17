/* A watch of a certificate and its key. */
#include "watch_fixture.h"

#include <malloc.h>
#include <openssl/sha.h>

static void reads_a_pair(void **state)
{
	struct fixture *f = *state;
	const struct hc_file *file;
	const struct hc_cert *cert;
	uint8_t digest[32];

	write_pair(f, 0);
	MUST(chmod(f->key, 0640) == 0);
	MUST(chown(f->key, getuid(), getgid()) == 0);
	expect(f, HC_STATE_WHOLE, "");
	assert_string_equal(f->last->pub.watch, "tls");
	assert_string_equal(f->last->pub.directory, f->dir);
	assert_int_equal(f->last->pub.size, sizeof(f->last->pub));
	assert_int_equal(f->last->pub.generation, 1);
	assert_int_equal(f->last->pub.n_files, 2);
	file = snapshot_role(f->last, "cert");
	pki_add_cert(&f->pem, f->leaf[0]);
	assert_int_equal(file->data_len, f->pem.len);
	assert_memory_equal(file->data, f->pem.data, f->pem.len);
	SHA256((unsigned char *)f->pem.data, f->pem.len, digest);
	assert_memory_equal(file->sha256, digest, 32);
	assert_string_equal(file->path, f->cert);
	assert_int_equal(file->n_certs, 1);
	cert = hc_file_cert(file, 0);
	assert_string_equal(cert->subject, "CN=redis.internal");
	assert_string_equal(cert->issuer, "CN=Root 2");
	assert_string_equal(cert->serial, "01");
	assert_int_equal(cert->n_sans, 2);
	assert_string_equal(cert->sans[0], "dns:redis.internal");
	assert_string_equal(cert->sans[1], "ip:10.0.0.5");
	file = snapshot_role(f->last, "key");
	assert_null(file->data);
	assert_int_equal(file->data_len, 0);
	assert_int_equal(file->mode, 0640);
	assert_int_equal(file->uid, getuid());
	assert_null(snapshot_role(f->last, "ca"));
	assert_in_range(malloc_usable_size(f->last), sizeof(struct snapshot), 2500);
	assert_null(snapshot_unref(snapshot_ref(f->last)));
	assert_null(snapshot_ref(NULL));
	assert_null(snapshot_unref(NULL));
}

static void sees_each_kind_of_change(void **state)
{
	struct fixture *f = *state;

	write_pair(f, 0);
	MUST(chmod(f->key, 0600) == 0);
	expect(f, HC_STATE_WHOLE, "");
	write_pair(f, 0); /* the same bytes in place */
	assert_int_equal(reread_at(f, NOW), SNAPSHOT_SAME);
	MUST(chmod(f->key, 0640) == 0);
	expect(f, HC_STATE_WHOLE, "");
	if (getuid() == 0) {
		MUST(chown(f->cert, 1, 0) == 0);
		expect(f, HC_STATE_WHOLE, "");
		MUST(chown(f->cert, 1, 1) == 0);
		expect(f, HC_STATE_WHOLE, "");
	}
	write_pair(f, 1);
	expect(f, HC_STATE_WHOLE, "");
	assert_string_equal(hc_file_cert(snapshot_role(f->last, "cert"), 0)->serial, "02");
	pki_add_key_traditional(&f->pem, f->keys[1], NULL);
	flush(f, f->key); /* only the key's form */
	expect(f, HC_STATE_WHOLE, "");
	f->watch.ca = f->ca;
	expect(f, HC_STATE_MISSING, "ca.crt");
}

static void holds_back_half_a_pair(void **state)
{
	struct fixture *f = *state;

	expect(f, HC_STATE_MISSING, "tls.crt: No such file");
	write_cert(f, 0);
	expect(f, HC_STATE_MISSING, "tls.key: No such file");
	assert_int_equal(snapshot_role(f->last, "cert")->state, HC_STATE_WHOLE);
	write_key(f, 0, NULL);
	expect(f, HC_STATE_WHOLE, "");
	write_key(f, 1, NULL);
	expect(f, HC_STATE_BROKEN, "tls.key: is not the key of the certificate");
	write_cert(f, 1);
	expect(f, HC_STATE_WHOLE, "");
	pki_write(f->cert, "", 0);
	expect(f, HC_STATE_BROKEN, "tls.crt: is empty");
	MUST(unlink(f->key) == 0);
	expect(f, HC_STATE_BROKEN, "tls.crt: is empty"); /* worse than missing */
	write_pair(f, 0);
	pki_add_cert(&f->pem, f->leaf[0]);
	pki_write(f->cert, f->pem.data, f->pem.len / 2);
	str_clear(&f->pem);
	expect(f, HC_STATE_BROKEN, "tls.crt: is truncated");
	assert_null(snapshot_role(f->last, "cert")->data);
	write_cert(f, 0);
	expect(f, HC_STATE_WHOLE, "");
}

static void checks_the_chain(void **state)
{
	struct fixture *f = *state;

	write_key(f, 0, NULL);
	pki_add_cert(&f->pem, f->roots[1]);
	pki_add_cert(&f->pem, f->leaf[0]);
	flush(f, f->cert);
	expect(f, HC_STATE_BROKEN, "certificate 2 did not issue certificate 1");
	pki_add_cert(&f->pem, f->leaf[0]);
	pki_add_cert(&f->pem, f->roots[1]);
	flush(f, f->cert);
	expect(f, HC_STATE_WHOLE, "");
	assert_int_equal(snapshot_role(f->last, "cert")->n_certs, 2);
	assert_int_equal(hc_file_cert(snapshot_role(f->last, "cert"), 1)->self_signed, 1);
}

/* Not in the data, not between, not behind: nowhere in the block. */
static void expect_no_key(const struct snapshot *s, EVP_PKEY *key)
{
	struct str pem = {0};
	size_t size = malloc_usable_size((void *)(uintptr_t)s);
	const char *line;

	pki_add_key(&pem, key, NULL);
	line = strchr(pem.data, '\n') + 1;
	assert_null(memmem(s, size, line, 32));
	assert_null(memmem(s, size, "PRIVATE KEY", strlen("PRIVATE KEY")));
	str_finish(&pem);
}

static void keeps_no_key(void **state)
{
	struct fixture *f = *state;
	size_t len;

	f->watch.key = f->cert; /* one file for both */
	pki_add_cert(&f->pem, f->leaf[0]);
	len = f->pem.len;
	pki_add_key(&f->pem, f->keys[0], NULL);
	pki_add_cert(&f->pem, f->roots[1]);
	flush(f, f->cert);
	expect(f, HC_STATE_WHOLE, "");
	expect_no_key(f->last, f->keys[0]);
	assert_int_equal(snapshot_role(f->last, "cert")->n_certs, 2);
	pki_add_cert(&f->pem, f->leaf[0]);
	pki_add_cert(&f->pem, f->roots[1]);
	assert_true(f->pem.len > len);
	assert_int_equal(snapshot_role(f->last, "cert")->data_len, f->pem.len);
	assert_memory_equal(snapshot_role(f->last, "cert")->data, f->pem.data, f->pem.len);
	str_clear(&f->pem);

	f->watch.cert = f->key; /* swapped by mistake */
	write_key(f, 0, NULL);
	expect(f, HC_STATE_BROKEN, "tls.key: holds a private key but no certificate");
	expect_no_key(f->last, f->keys[0]);
	pki_add_key_der(&f->pem, f->keys[0]);
	flush(f, f->key);
	expect(f, HC_STATE_BROKEN, "tls.key: is binary");
	assert_null(snapshot_role(f->last, "cert")->data);
}

static void follows_the_clock(void **state)
{
	struct fixture *f = *state;
	int64_t from = (int64_t)PKI_FROM * 1000;
	int64_t to = (int64_t)PKI_TO * 1000;

	write_pair(f, 0);
	assert_int_equal(reread_at(f, from - 1), 0);
	assert_int_equal(f->last->pub.state, HC_STATE_EXPIRED);
	assert_non_null(strstr(f->last->pub.error, "is not valid before 2025-01-01 00:00:00 UTC"));
	assert_int_equal(snapshot_next_change(f->last, from - 1), from);
	assert_int_equal(reread_at(f, from - 2), SNAPSHOT_SAME);
	assert_int_equal(reread_at(f, from), 0);
	assert_int_equal(f->last->pub.state, HC_STATE_WHOLE);
	assert_int_equal(snapshot_next_change(f->last, from), to);
	assert_int_equal(reread_at(f, to - 1), SNAPSHOT_SAME);
	assert_int_equal(reread_at(f, to), 0);
	assert_int_equal(f->last->pub.state, HC_STATE_EXPIRED);
	assert_non_null(strstr(f->last->pub.error, "has expired on 2035-01-01 00:00:00 UTC"));
	assert_int_equal(snapshot_next_change(f->last, to), INT64_MAX);
	assert_int_equal(snapshot_not_after(f->last), to);
	assert_int_equal(snapshot_role(f->last, "cert")->n_certs, 1);
	assert_int_equal(reread_at(f, to + 1), SNAPSHOT_SAME);
	assert_int_equal(reread_at(f, from - 1), 0); /* the clock jumped over its whole life */
	assert_non_null(strstr(f->last->pub.error, "is not valid before"));
	MUST(unlink(f->key) == 0);
	assert_int_equal(reread_at(f, to), 0);
	assert_int_equal(f->last->pub.state, HC_STATE_MISSING); /* worse than expired */
	MUST(unlink(f->cert) == 0);
	assert_int_equal(reread_at(f, to), 0);
	assert_int_equal(snapshot_next_change(f->last, to), INT64_MAX);
	assert_int_equal(snapshot_not_after(f->last), INT64_MAX);
}

static void opens_encrypted_keys(void **state)
{
	struct fixture *f = *state;

	write_cert(f, 0);
	write_key(f, 0, "pass word");
	expect(f, HC_STATE_BROKEN, "tls.key: is encrypted; name the file");
	f->watch.key_password_file = f->password;
	expect(f, HC_STATE_BROKEN, ".password cannot be read: No such file");
	pki_write(f->password, "wrong\n", 6);
	expect(f, HC_STATE_BROKEN, "does not open it");
	pki_write(f->password, "pass word \r\n", 12); /* mended without a touch of the key */
	expect(f, HC_STATE_WHOLE, "");
	pki_write(f->password, "", 0);
	expect(f, HC_STATE_BROKEN, "does not open it");
	MUST(unlink(f->password) == 0);
	expect(f, HC_STATE_BROKEN, "cannot be read");
	write_key(f, 0, NULL); /* no passphrase needed, none missed */
	expect(f, HC_STATE_WHOLE, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(reads_a_pair),	      FIXTURE_TEST(sees_each_kind_of_change),
		FIXTURE_TEST(holds_back_half_a_pair), FIXTURE_TEST(checks_the_chain),
		FIXTURE_TEST(keeps_no_key),	      FIXTURE_TEST(follows_the_clock),
		FIXTURE_TEST(opens_encrypted_keys),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
