#include "model/snapshot.h"

#include "base/mem.h"
#include "pki.h"

#include <malloc.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NOW ((int64_t)PKI_FROM * 1000 + 86400000)

/* A folder, a watch of it, and what is written there. */
struct fixture {
	char dir[64];
	char cert[96];
	char key[96];
	char ca[96];
	char password[96];
	struct config_watch watch; /* cert and key */
	EVP_PKEY *keys[2];
	X509 *root;
	X509 *leaf[2];
	struct str pem; /* scratch */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	MUST(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/hotcert-snapshot-XXXXXX");
	MUST(mkdtemp(f->dir));
	snprintf(f->cert, sizeof(f->cert), "%s/redis.crt", f->dir);
	snprintf(f->key, sizeof(f->key), "%s/redis.key", f->dir);
	snprintf(f->ca, sizeof(f->ca), "%s/ca.crt", f->dir);
	snprintf(f->password, sizeof(f->password), "%s/.password", f->dir);
	f->watch = (struct config_watch){
		.name = "redis", .directory = f->dir, .cert = f->cert, .key = f->key};
	f->keys[0] = pki_key("P-256");
	f->keys[1] = pki_key("P-256");
	f->root = pki_cert(&(struct pki_spec){.subject = "Root", .key = f->keys[1], .ca = true});
	for (int i = 0; i < 2; i++)
		f->leaf[i] = pki_cert(&(struct pki_spec){.subject = "redis.internal",
							 .key = f->keys[i],
							 .issuer = f->root,
							 .issuer_key = f->keys[1],
							 .serial = i + 1,
							 .sans = "DNS:redis.internal,IP:10.0.0.5"});
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char *command = str_format("rm -rf %s", f->dir);

	MUST(system(command) == 0);
	free(command);
	for (int i = 0; i < 2; i++) {
		EVP_PKEY_free(f->keys[i]);
		X509_free(f->leaf[i]);
	}
	X509_free(f->root);
	str_finish(&f->pem);
	free(f);
	return 0;
}

/* Writes what was gathered in f->pem, and empties it. */
static void flush(struct fixture *f, const char *path)
{
	pki_write(path, str_get(&f->pem), f->pem.len);
	str_clear(&f->pem);
}

static void write_cert(struct fixture *f, int i)
{
	pki_add_cert(&f->pem, f->leaf[i]);
	flush(f, f->cert);
}

static void write_key(struct fixture *f, int i, const char *password)
{
	pki_add_key(&f->pem, f->keys[i], password);
	flush(f, f->key);
}

static void write_pair(struct fixture *f, int i)
{
	write_cert(f, i);
	write_key(f, i, NULL);
}

/* Reads anew after *s, which is replaced unless it is the same. Returns what snapshot_read() did.
 */
static int reread(struct fixture *f, int64_t now, struct snapshot **s)
{
	struct snapshot *next = NULL;
	int r = snapshot_read(&f->watch, *s ? (*s)->pub.generation + 1 : 1, now, *s, &next);

	assert_int_equal(ERR_peek_error(), 0);
	if (r == 0) {
		snapshot_unref(*s);
		*s = next;
	} else {
		assert_int_equal(r, SNAPSHOT_SAME);
		assert_null(next);
	}
	return r;
}

/* Expects a change to a state, with this text in its error, which then stays. */
static void expect(struct fixture *f, struct snapshot **s, int32_t state, const char *error)
{
	if (reread(f, NOW, s) != 0)
		fail_msg("nothing has changed: %s", (*s)->pub.error);
	if ((*s)->pub.state != state || !strstr((*s)->pub.error, error))
		fail_msg("state %d, \"%s\"; not %d with \"%s\"", (*s)->pub.state, (*s)->pub.error,
			 state, error);
	if (state == HC_STATE_WHOLE)
		assert_string_equal((*s)->pub.error, "");
	assert_int_equal(reread(f, NOW, s), SNAPSHOT_SAME);
}

static void reads_a_pair(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s = NULL;
	const struct hc_file *file;
	const struct hc_cert *cert;
	uint8_t digest[32];

	write_pair(f, 0);
	MUST(chmod(f->key, 0640) == 0);
	MUST(chown(f->key, getuid(), getgid()) == 0);
	expect(f, &s, HC_STATE_WHOLE, "");
	assert_string_equal(s->pub.watch, "redis");
	assert_string_equal(s->pub.directory, f->dir);
	assert_int_equal(s->pub.size, sizeof(s->pub));
	assert_int_equal(s->pub.generation, 1);
	assert_int_equal(s->pub.n_files, 2);
	file = snapshot_role(s, "cert");
	pki_add_cert(&f->pem, f->leaf[0]);
	assert_int_equal(file->data_len, f->pem.len);
	assert_memory_equal(file->data, f->pem.data, f->pem.len);
	SHA256((unsigned char *)f->pem.data, f->pem.len, digest);
	assert_memory_equal(file->sha256, digest, 32);
	assert_string_equal(file->path, f->cert);
	assert_int_equal(file->n_certs, 1);
	cert = hc_file_cert(file, 0);
	assert_string_equal(cert->subject, "CN=redis.internal");
	assert_string_equal(cert->issuer, "CN=Root");
	assert_string_equal(cert->serial, "01");
	assert_int_equal(cert->n_sans, 2);
	assert_string_equal(cert->sans[0], "dns:redis.internal");
	assert_string_equal(cert->sans[1], "ip:10.0.0.5");
	file = snapshot_role(s, "key");
	assert_null(file->data);
	assert_int_equal(file->data_len, 0);
	assert_int_equal(file->mode, 0640);
	assert_int_equal(file->uid, getuid());
	assert_null(snapshot_role(s, "ca"));
	assert_in_range(malloc_usable_size(s), sizeof(*s), 2500);
	assert_null(snapshot_unref(snapshot_ref(s)));
	assert_null(snapshot_unref(s));
	assert_null(snapshot_ref(NULL));
	assert_null(snapshot_unref(NULL));
}

static void sees_each_kind_of_change(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s = NULL;

	write_pair(f, 0);
	MUST(chmod(f->key, 0600) == 0);
	expect(f, &s, HC_STATE_WHOLE, "");
	write_pair(f, 0); /* the same bytes in place */
	assert_int_equal(reread(f, NOW, &s), SNAPSHOT_SAME);
	MUST(chmod(f->key, 0640) == 0);
	expect(f, &s, HC_STATE_WHOLE, "");
	if (getuid() == 0) {
		MUST(chown(f->cert, 1, 0) == 0);
		expect(f, &s, HC_STATE_WHOLE, "");
		MUST(chown(f->cert, 1, 1) == 0);
		expect(f, &s, HC_STATE_WHOLE, "");
	}
	write_pair(f, 1);
	expect(f, &s, HC_STATE_WHOLE, "");
	assert_string_equal(hc_file_cert(snapshot_role(s, "cert"), 0)->serial, "02");
	pki_add_key_traditional(&f->pem, f->keys[1], NULL);
	flush(f, f->key); /* only the key's form */
	expect(f, &s, HC_STATE_WHOLE, "");
	f->watch.ca = f->ca;
	expect(f, &s, HC_STATE_MISSING, "ca.crt");
	snapshot_unref(s);
}

static void holds_back_half_a_pair(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s = NULL;

	expect(f, &s, HC_STATE_MISSING, "redis.crt: No such file");
	write_cert(f, 0);
	expect(f, &s, HC_STATE_MISSING, "redis.key: No such file");
	assert_int_equal(snapshot_role(s, "cert")->state, HC_STATE_WHOLE);
	write_key(f, 0, NULL);
	expect(f, &s, HC_STATE_WHOLE, "");
	write_key(f, 1, NULL);
	expect(f, &s, HC_STATE_BROKEN, "redis.key: is not the key of the certificate");
	write_cert(f, 1);
	expect(f, &s, HC_STATE_WHOLE, "");
	pki_write(f->cert, "", 0);
	expect(f, &s, HC_STATE_BROKEN, "redis.crt: is empty");
	MUST(unlink(f->key) == 0);
	expect(f, &s, HC_STATE_BROKEN, "redis.crt: is empty"); /* worse than missing */
	write_pair(f, 0);
	pki_add_cert(&f->pem, f->leaf[0]);
	pki_write(f->cert, f->pem.data, f->pem.len / 2);
	str_clear(&f->pem);
	expect(f, &s, HC_STATE_BROKEN, "redis.crt: is truncated");
	assert_null(snapshot_role(s, "cert")->data);
	write_cert(f, 0);
	expect(f, &s, HC_STATE_WHOLE, "");
	snapshot_unref(s);
}

static void checks_the_chain(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s = NULL;

	write_key(f, 0, NULL);
	pki_add_cert(&f->pem, f->root);
	pki_add_cert(&f->pem, f->leaf[0]);
	flush(f, f->cert);
	expect(f, &s, HC_STATE_BROKEN, "certificate 2 did not issue certificate 1");
	pki_add_cert(&f->pem, f->leaf[0]);
	pki_add_cert(&f->pem, f->root);
	flush(f, f->cert);
	expect(f, &s, HC_STATE_WHOLE, "");
	assert_int_equal(snapshot_role(s, "cert")->n_certs, 2);
	assert_int_equal(hc_file_cert(snapshot_role(s, "cert"), 1)->self_signed, 1);
	snapshot_unref(s);
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
	struct snapshot *s = NULL;
	size_t len;

	f->watch.key = f->cert; /* one file for both */
	pki_add_cert(&f->pem, f->leaf[0]);
	len = f->pem.len;
	pki_add_key(&f->pem, f->keys[0], NULL);
	pki_add_cert(&f->pem, f->root);
	flush(f, f->cert);
	expect(f, &s, HC_STATE_WHOLE, "");
	expect_no_key(s, f->keys[0]);
	assert_int_equal(snapshot_role(s, "cert")->n_certs, 2);
	pki_add_cert(&f->pem, f->leaf[0]);
	pki_add_cert(&f->pem, f->root);
	assert_true(f->pem.len > len);
	assert_int_equal(snapshot_role(s, "cert")->data_len, f->pem.len);
	assert_memory_equal(snapshot_role(s, "cert")->data, f->pem.data, f->pem.len);
	str_clear(&f->pem);

	f->watch.cert = f->key; /* swapped by mistake */
	write_key(f, 0, NULL);
	expect(f, &s, HC_STATE_BROKEN, "redis.key: holds a private key but no certificate");
	expect_no_key(s, f->keys[0]);
	pki_add_key_der(&f->pem, f->keys[0]);
	flush(f, f->key);
	expect(f, &s, HC_STATE_BROKEN, "redis.key: is binary");
	assert_null(snapshot_role(s, "cert")->data);
	snapshot_unref(s);
}

static void follows_the_clock(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s = NULL;
	int64_t from = (int64_t)PKI_FROM * 1000;
	int64_t to = (int64_t)PKI_TO * 1000;

	write_pair(f, 0);
	assert_int_equal(reread(f, from - 1, &s), 0);
	assert_int_equal(s->pub.state, HC_STATE_EXPIRED);
	assert_non_null(strstr(s->pub.error, "is not valid before 2025-01-01 00:00:00 UTC"));
	assert_int_equal(snapshot_next_change(s, from - 1), from);
	assert_int_equal(reread(f, from - 2, &s), SNAPSHOT_SAME);
	assert_int_equal(reread(f, from, &s), 0);
	assert_int_equal(s->pub.state, HC_STATE_WHOLE);
	assert_int_equal(snapshot_next_change(s, from), to);
	assert_int_equal(reread(f, to - 1, &s), SNAPSHOT_SAME);
	assert_int_equal(reread(f, to, &s), 0);
	assert_int_equal(s->pub.state, HC_STATE_EXPIRED);
	assert_non_null(strstr(s->pub.error, "has expired on 2035-01-01 00:00:00 UTC"));
	assert_int_equal(snapshot_next_change(s, to), INT64_MAX);
	assert_int_equal(snapshot_not_after(s), to);
	assert_int_equal(snapshot_role(s, "cert")->n_certs, 1);
	assert_int_equal(reread(f, to + 1, &s), SNAPSHOT_SAME);
	assert_int_equal(reread(f, from - 1, &s), 0); /* the clock jumped over its whole life */
	assert_non_null(strstr(s->pub.error, "is not valid before"));
	MUST(unlink(f->key) == 0);
	assert_int_equal(reread(f, to, &s), 0);
	assert_int_equal(s->pub.state, HC_STATE_MISSING); /* worse than expired */
	MUST(unlink(f->cert) == 0);
	assert_int_equal(reread(f, to, &s), 0);
	assert_int_equal(snapshot_next_change(s, to), INT64_MAX);
	assert_int_equal(snapshot_not_after(s), INT64_MAX);
	snapshot_unref(s);
}

static void opens_encrypted_keys(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s = NULL;

	write_cert(f, 0);
	write_key(f, 0, "pass word");
	expect(f, &s, HC_STATE_BROKEN, "redis.key: is encrypted; name the file");
	f->watch.key_password_file = f->password;
	expect(f, &s, HC_STATE_BROKEN, ".password cannot be read: No such file");
	pki_write(f->password, "wrong\n", 6);
	expect(f, &s, HC_STATE_BROKEN, "does not open it");
	pki_write(f->password, "pass word \r\n", 12); /* mended without a touch of the key */
	expect(f, &s, HC_STATE_WHOLE, "");
	pki_write(f->password, "", 0);
	expect(f, &s, HC_STATE_BROKEN, "does not open it");
	MUST(unlink(f->password) == 0);
	expect(f, &s, HC_STATE_BROKEN, "cannot be read");
	write_key(f, 0, NULL); /* no passphrase needed, none missed */
	expect(f, &s, HC_STATE_WHOLE, "");
	snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_a_pair, setup, teardown),
		cmocka_unit_test_setup_teardown(sees_each_kind_of_change, setup, teardown),
		cmocka_unit_test_setup_teardown(holds_back_half_a_pair, setup, teardown),
		cmocka_unit_test_setup_teardown(checks_the_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_no_key, setup, teardown),
		cmocka_unit_test_setup_teardown(follows_the_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(opens_encrypted_keys, setup, teardown),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
