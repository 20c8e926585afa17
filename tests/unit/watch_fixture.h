/*
 * tests/unit/watch_fixture - a folder, a watch of it, certificates to put there, and what was read
 * last
 */
#ifndef HC_TESTS_WATCH_FIXTURE_H
#define HC_TESTS_WATCH_FIXTURE_H

#include "model/snapshot.h"

#include "pki.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A day after the certificates begin. */
#define NOW ((int64_t)PKI_FROM * 1000 + 86400000)

struct fixture {
	char dir[64];
	char cert[96];		   /* DIR/tls.crt */
	char key[96];		   /* DIR/tls.key */
	char ca[96];		   /* DIR/ca.crt */
	char password[96];	   /* DIR/.password */
	struct config_watch watch; /* cert and key */
	EVP_PKEY *keys[2];
	X509 *roots[2]; /* self-signed with keys[i]; the second expires a second later */
	X509 *leaf[2];	/* for keys[i], issued by roots[1], serial i + 1 */
	struct str pem; /* scratch */
	struct snapshot *last;
};

static inline void fixture_make_pki(struct fixture *f)
{
	for (int i = 0; i < 2; i++) {
		f->keys[i] = pki_key("P-256");
		f->roots[i] = pki_cert(&(struct pki_spec){.subject = i ? "Root 2" : "Root 1",
							  .key = f->keys[i],
							  .to = PKI_TO + i,
							  .ca = true});
	}
	for (int i = 0; i < 2; i++)
		f->leaf[i] = pki_cert(&(struct pki_spec){.subject = "redis.internal",
							 .key = f->keys[i],
							 .issuer = f->roots[1],
							 .issuer_key = f->keys[1],
							 .serial = i + 1,
							 .sans = "DNS:redis.internal,IP:10.0.0.5"});
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	MUST(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/hotcert-snapshot-XXXXXX");
	MUST(mkdtemp(f->dir));
	MUST(chmod(f->dir, 0755) == 0);
	snprintf(f->cert, sizeof(f->cert), "%s/tls.crt", f->dir);
	snprintf(f->key, sizeof(f->key), "%s/tls.key", f->dir);
	snprintf(f->ca, sizeof(f->ca), "%s/ca.crt", f->dir);
	snprintf(f->password, sizeof(f->password), "%s/.password", f->dir);
	f->watch = (struct config_watch){
		.name = "tls", .directory = f->dir, .cert = f->cert, .key = f->key};
	fixture_make_pki(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	char *command = str_format("rm -rf %s", f->dir);

	MUST(system(command) == 0);
	free(command);
	for (int i = 0; i < 2; i++) {
		EVP_PKEY_free(f->keys[i]);
		X509_free(f->roots[i]);
		X509_free(f->leaf[i]);
	}
	str_finish(&f->pem);
	snapshot_unref(f->last);
	free(f);
	return 0;
}

#define FIXTURE_TEST(function)                                                                     \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* Writes what was gathered in f->pem, and empties it. */
static inline void flush(struct fixture *f, const char *path)
{
	pki_write(path, str_get(&f->pem), f->pem.len);
	str_clear(&f->pem);
}

static inline void write_cert(struct fixture *f, int i)
{
	pki_add_cert(&f->pem, f->leaf[i]);
	flush(f, f->cert);
}

static inline void write_key(struct fixture *f, int i, const char *password)
{
	pki_add_key(&f->pem, f->keys[i], password);
	flush(f, f->key);
}

static inline void write_pair(struct fixture *f, int i)
{
	write_cert(f, i);
	write_key(f, i, NULL);
}

/* Reads after f->last, which is replaced unless it is the same. Returns what snapshot_read() did.
 */
static inline int reread_at(struct fixture *f, int64_t now)
{
	struct snapshot *next = NULL;
	uint64_t generation = f->last ? f->last->pub.generation + 1 : 1;
	int r = snapshot_read(&f->watch, generation, now, f->last, &next);

	assert_int_equal(ERR_peek_error(), 0);
	if (r == SNAPSHOT_SAME) {
		assert_null(next);
		return r;
	}
	assert_int_equal(r, 0);
	snapshot_unref(f->last);
	f->last = next;
	return r;
}

static inline int reread(struct fixture *f)
{
	return reread_at(f, NOW);
}

/* Expects a change to a state with this text in its error, and that the next reading is the same.
 */
static inline void expect(struct fixture *f, int32_t state, const char *error)
{
	const struct hc_snapshot *s;

	if (reread(f) != 0)
		fail_msg("nothing has changed: %s", f->last->pub.error);
	s = &f->last->pub;
	if (s->state != state || !strstr(s->error, error))
		fail_msg("state %d, \"%s\"; not %d with \"%s\"", s->state, s->error, state, error);
	if (state == HC_STATE_WHOLE)
		assert_string_equal(s->error, "");
	assert_int_equal(reread(f), SNAPSHOT_SAME);
}

#endif
