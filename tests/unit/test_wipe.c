/* After a key was checked, the memory of the process must not show it. */
#include "model/wipe.h"

#include "base/fs.h"
#include "watch_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* ASan keeps what is freed in places of its own, and guards some that are not to be looked at. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED true
#else
#define SANITIZED false
#endif

enum {
	PIECE = 16,
	MASK = 0x5a,
};

/* Pieces of secrets, masked so that they are not found here; shared with a child process. */
static struct {
	uint8_t masked[32][PIECE];
	int n;
} * pieces;

static void remember(const char *secret)
{
	for (int i = 0; i < PIECE; i++)
		pieces->masked[pieces->n][i] = (uint8_t)secret[i] ^ MASK;
	pieces->n++;
}

static bool is_piece(const uint8_t *at, const uint8_t *masked)
{
	for (int i = 0; i < PIECE; i++)
		if ((at[i] ^ MASK) != masked[i])
			return false;
	return true;
}

static bool is_secret(const uint8_t *at)
{
	for (int i = 0; i < pieces->n; i++)
		if (is_piece(at, pieces->masked[i]))
			return true;
	return false;
}

/* How often a piece lies in [from, to). Looks in place: a copy would be found itself. */
static int count_in(const uint8_t *from, const uint8_t *to)
{
	int n = 0;

	for (const uint8_t *at = from; at + PIECE <= to; at++)
		n += is_secret(at);
	return n;
}

/* How often a piece lies anywhere in the writable memory of the process. */
static int count_secrets(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	MUST(maps);
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t from;
		uintptr_t to;
		char mode[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[0] != 'r' ||
		    mode[1] != 'w')
			continue;
		n += count_in((const uint8_t *)from, (const uint8_t *)to);
	}
	fclose(maps);
	return n;
}

/* The private part in DER and its lines in PEM, in pieces that any whole copy must hold. */
static void remember_key(EVP_PKEY *key)
{
	struct str der = {0};
	struct str pem = {0};
	const char *line;

	pki_add_key_der(&der, key);
	pki_add_key(&pem, key, NULL);
	line = strchr(pem.data, '\n') + 1;
	if (EVP_PKEY_is_a(key, "EC")) {
		remember(der.data + 7 + 8); /* ECPrivateKey: 32 bytes from the 7th on */
		remember(line + 56);	    /* PKCS #8: from the 36th on, which is character 48 */
	} else {
		remember(der.data + der.len / 2);
		remember(line + 65L * 14);
	}
}

/* In a process of its own, so that this one never sees the key but by reading the file. */
static void write_fresh_pair(struct fixture *f, const char *type, const char *password)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		EVP_PKEY *key = pki_key(type);

		pki_add_cert(&f->pem, pki_cert(&(struct pki_spec){.subject = "x", .key = key}));
		flush(f, f->cert);
		pki_add_key(&f->pem, key, password);
		flush(f, f->key);
		remember_key(key);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

static void leaves_no_key_behind(void **state)
{
	struct fixture *f = *state;

	if (SANITIZED)
		skip();
	pki_write(f->password, "correct horse\n", 14);
	f->watch.key_password_file = f->password;
	for (int i = 0; i < 4; i++) {
		write_fresh_pair(f, i % 2 ? "RSA" : "P-256", i < 2 ? NULL : "correct horse");
		assert_int_equal(reread(f), 0);
		assert_string_equal(f->last->pub.error, "");
		assert_int_equal(count_secrets(), 0);
	}
}

/* That the search finds what is there. */
static void finds_a_key(void **state)
{
	struct fixture *f = *state;
	char *text;
	size_t len;
	struct stat st;

	if (SANITIZED)
		skip();
	write_fresh_pair(f, "P-256", NULL);
	assert_int_equal(count_secrets(), 0);
	assert_int_equal(fs_read(f->key, 4096, &text, &len, &st), 0);
	assert_int_equal(count_secrets(), 1);
	fs_wipe_free(text, len);
	assert_int_equal(count_secrets(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(finds_a_key),
		FIXTURE_TEST(leaves_no_key_behind),
	};

	pieces = mmap(NULL, sizeof(*pieces), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	MUST(pieces != MAP_FAILED);
	MUST(wipe_openssl_frees() == 0);
	return cmocka_run_group_tests_name("wipe", tests, NULL, NULL);
}
