/* What may lie in a watched directory instead of a proper file, `ca`, and `match`. */
#include "watch_fixture.h"

/* "DIR/name", in a buffer that lives until the next call. */
static const char *in_dir(const struct fixture *f, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return path;
}

static void says_what_is_missing(void **state)
{
	struct fixture *f = *state;
	char path[96];

	write_pair(f, 0);
	expect(f, HC_STATE_WHOLE, "");
	MUST(unlink(f->cert) == 0);
	MUST(symlink("nowhere", f->cert) == 0);
	expect(f, HC_STATE_MISSING, "tls.crt: No such file or directory");
	MUST(unlink(f->cert) == 0);
	MUST(symlink("tls.crt", f->cert) == 0);
	expect(f, HC_STATE_MISSING, "tls.crt: Too many levels of symbolic links");
	snprintf(path, sizeof(path), "%s/tls.key/tls.crt", f->dir);
	f->watch.cert = path;
	expect(f, HC_STATE_MISSING, "tls.key/tls.crt: Not a directory");
	f->watch.cert = f->cert;
	MUST(unlink(f->cert) == 0);
	write_pair(f, 0);
	expect(f, HC_STATE_WHOLE, "");
}

static void says_what_is_no_file(void **state)
{
	struct fixture *f = *state;

	write_pair(f, 0);
	MUST(unlink(f->cert) == 0);
	MUST(mkfifo(f->cert, 0600) == 0);
	expect(f, HC_STATE_BROKEN, "tls.crt: is not a regular file");
	MUST(unlink(f->cert) == 0);
	expect(f, HC_STATE_MISSING, "tls.crt");
	MUST(mkdir(f->cert, 0755) == 0);
	expect(f, HC_STATE_BROKEN, "tls.crt: is not a regular file");
	MUST(rmdir(f->cert) == 0);
	write_pair(f, 0);
	expect(f, HC_STATE_WHOLE, "");
}

static void bounds_the_size(void **state)
{
	struct fixture *f = *state;

	write_pair(f, 0);
	while (f->pem.len <= 1024 * 1024)
		str_add(&f->pem, "# a comment\n");
	pki_add_cert(&f->pem, f->leaf[0]);
	flush(f, f->cert);
	expect(f, HC_STATE_BROKEN, "tls.crt: is larger than 1 MiB");
	pki_add_cert(&f->pem, f->leaf[0]);
	while (f->pem.len < 1024 * 1024)
		str_add(&f->pem, "\n");
	flush(f, f->cert); /* that much is still read */
	expect(f, HC_STATE_WHOLE, "");
	assert_int_equal(snapshot_role(f->last, "cert")->data_len, 1024 * 1024);
}

static void says_who_may_not_read(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		skip();
	write_pair(f, 0);
	MUST(chmod(f->key, 0600) == 0);
	MUST(seteuid(65534) == 0);
	expect(f, HC_STATE_BROKEN,
	       "tls.key: cannot be read by user 65534: it belongs to 0:0 and has mode 0600; let "
	       "that "
	       "user read it, for instance with setfacl -m u:65534:r");
	MUST(seteuid(0) == 0);
	MUST(chmod(f->dir, 0700) == 0);
	MUST(seteuid(65534) == 0);
	expect(f, HC_STATE_BROKEN, "tls.crt: cannot be reached by user 65534: a directory on");
	MUST(seteuid(0) == 0);
	expect(f, HC_STATE_WHOLE, "");
}

/* `ca` holds any certificates, in any order, and their dates are for others to judge. */
static void takes_any_ca(void **state)
{
	struct fixture *f = *state;
	X509 *old = pki_cert(&(struct pki_spec){
		.subject = "Old", .key = f->keys[0], .to = PKI_FROM + 60, .ca = true});

	f->watch = (struct config_watch){.name = "tls", .directory = f->dir, .ca = f->cert};
	pki_add_cert(&f->pem, f->roots[1]);
	pki_add_cert(&f->pem, old);
	pki_add_cert(&f->pem, f->roots[0]);
	flush(f, f->cert);
	expect(f, HC_STATE_WHOLE, "");
	assert_int_equal(snapshot_role(f->last, "ca")->n_certs, 3);
	assert_int_equal(snapshot_next_change(f->last, NOW), INT64_MAX);
	assert_int_equal(snapshot_not_after(f->last), (int64_t)(PKI_TO + 1) * 1000);
	str_add(&f->pem, "no certificate");
	flush(f, f->cert);
	expect(f, HC_STATE_BROKEN, "tls.crt: holds no certificate");
	X509_free(old);
}

static void expect_file(const struct fixture *f, uint32_t i, const char *name, uint32_t n_certs)
{
	const struct hc_file *file = hc_snapshot_file(&f->last->pub, i);

	assert_string_equal(file->path, in_dir(f, name));
	assert_string_equal(file->role, "");
	assert_int_equal(file->n_certs, n_certs);
	assert_int_equal(file->data != NULL, n_certs != 0);
}

static void use_match(struct fixture *f)
{
	static char *match[] = {"*.pem", "*.crt"};

	f->watch = (struct config_watch){
		.name = "tls", .directory = f->dir, .match = match, .n_match = 2};
}

static void reads_what_matches(void **state)
{
	struct fixture *f = *state;

	use_match(f);
	expect(f, HC_STATE_MISSING, "no file in it matches");
	pki_add_cert(&f->pem, f->roots[1]);
	flush(f, in_dir(f, "b.crt"));
	pki_add_cert(&f->pem, f->roots[0]);
	pki_add_cert(&f->pem, f->roots[1]);
	flush(f, in_dir(f, "a.pem"));
	pki_add_key(&f->pem, f->keys[0], NULL);
	flush(f, in_dir(f, "key.pem"));
	pki_write(in_dir(f, "note.pem"), "hello", 5);
	pki_write(in_dir(f, ".c.crt"), "x", 1); /* hidden */
	pki_write(in_dir(f, "c.txt"), "x", 1);	/* no match */
	MUST(mkdir(in_dir(f, "d.crt"), 0755) == 0);
	MUST(symlink("d.crt", in_dir(f, "e.crt")) == 0); /* a directory too */
	MUST(symlink("b.crt", in_dir(f, "link.crt")) == 0);
	expect(f, HC_STATE_WHOLE, "");
	assert_int_equal(f->last->pub.n_files, 5);
	expect_file(f, 0, "a.pem", 2);
	expect_file(f, 1, "b.crt", 1);
	expect_file(f, 2, "key.pem", 0);
	expect_file(f, 3, "link.crt", 1);
	expect_file(f, 4, "note.pem", 0);
	assert_int_equal(snapshot_not_after(f->last), (int64_t)PKI_TO * 1000);
	pki_write(in_dir(f, "note.pem"), "hullo", 5);
	expect(f, HC_STATE_WHOLE, "");
	MUST(unlink(in_dir(f, "note.pem")) == 0);
	expect(f, HC_STATE_WHOLE, "");
	assert_int_equal(f->last->pub.n_files, 4);
}

static void holds_back_torn_matches(void **state)
{
	struct fixture *f = *state;

	use_match(f);
	pki_add_cert(&f->pem, f->roots[0]);
	flush(f, in_dir(f, "a.pem"));
	pki_write(in_dir(f, "b.pem"), "", 0);
	expect(f, HC_STATE_BROKEN, "b.pem: is empty");
	pki_add_cert(&f->pem, f->roots[1]);
	pki_write(in_dir(f, "b.pem"), f->pem.data, f->pem.len / 2);
	str_clear(&f->pem);
	expect(f, HC_STATE_BROKEN, "b.pem: is truncated");
	pki_add_cert_der(&f->pem, f->roots[1]);
	flush(f, in_dir(f, "b.pem"));
	expect(f, HC_STATE_BROKEN, "b.pem: is DER");
	pki_add_key_der(&f->pem, f->keys[1]); /* a key is none of our business here */
	flush(f, in_dir(f, "b.pem"));
	expect(f, HC_STATE_WHOLE, "");
	MUST(unlink(in_dir(f, "b.pem")) == 0);
	MUST(symlink("nowhere", in_dir(f, "b.pem")) == 0);
	expect(f, HC_STATE_MISSING, "b.pem: No such file");
	f->watch.directory = "/tmp/hotcert-snapshot-none";
	expect(f, HC_STATE_MISSING, "/tmp/hotcert-snapshot-none: No such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(says_what_is_missing),
		FIXTURE_TEST(says_what_is_no_file),
		FIXTURE_TEST(bounds_the_size),
		FIXTURE_TEST(says_who_may_not_read),
		FIXTURE_TEST(takes_any_ca),
		FIXTURE_TEST(reads_what_matches),
		FIXTURE_TEST(holds_back_torn_matches),
	};

	return cmocka_run_group_tests_name("snapshot_files", tests, NULL, NULL);
}
