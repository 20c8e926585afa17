/*
 * The first step of every task: whom do we trust, and is it in the `ca` file?
 *
 * The CA is trusted by the root with the configured fingerprint (or those in the `root` file), and
 * by those it announced later over a connection that these verified. The fingerprints of all of
 * them are kept in the state, so that other roots in the `ca` file give nobody a say here.
 */
#include "common/mem.h"
#include "stepca/task.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { ROOTS_MAX = 64 };

static int roots_add(STACK_OF(X509) * roots, X509 *cert)
{
	if (X509_up_ref(cert) != 1)
		return -ENOMEM;
	if (sk_X509_push(roots, cert) > 0)
		return 0;
	X509_free(cert);
	return -ENOMEM;
}

static bool roots_have(const STACK_OF(X509) * roots, const X509 *cert)
{
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];

	pem_fingerprint(cert, fingerprint);
	return pem_find_fingerprint(roots, fingerprint);
}

/* -- what is known already ------------------------------------------------------------------- */

/* Certificates of a file; an empty stack where there is none or it can't be read. NULL: memory. */
static STACK_OF(X509) * read_certs(const char *path)
{
	STACK_OF(X509) *certs = NULL;
	size_t len = 0;
	cleanup_free char *text = path ? file_read(path, &len) : NULL;

	if (!text || pem_parse_certs(text, len, &certs) < 0)
		return sk_X509_new_null();
	return certs;
}

/* Of the `ca` file: the root with our fingerprint, and those that the CA announced before. */
static int recall(struct stepca *ca, STACK_OF(X509) * roots)
{
	cleanup_certs STACK_OF(X509) *there = read_certs(ca->store.ca);
	uint8_t known[1 + ROOTS_MAX][PEM_FINGERPRINT_LEN];
	int64_t len =
		ca->host->state_get(ca->ctx, "roots", known[1], sizeof(known) - sizeof(*known));
	size_t n = len > 0 && (size_t)len <= sizeof(known) - sizeof(*known)
			   ? (size_t)len / sizeof(*known)
			   : 0;
	int r = 0;

	if (!there)
		return -ENOMEM;
	memcpy(known[0], ca->options.fingerprint, sizeof(known[0]));
	for (size_t i = 0; i <= n && r == 0; i++) {
		X509 *cert = pem_find_fingerprint(there, known[i]);

		if (!cert && i == 0)
			return 0; /* without the first, the rest has no ground to stand on */
		if (cert && !roots_have(roots, cert))
			r = roots_add(roots, cert);
	}
	return r;
}

/* Sets ca->roots where that needs no network. Negative errno and task->why where it can't be. */
static int roots_load(struct task *task)
{
	struct stepca *ca = task->ca;
	cleanup_certs STACK_OF(X509) *roots = NULL;
	int r = 0;

	if (ca->roots)
		return 0;
	roots = read_certs(ca->options.root);
	if (!roots)
		return -ENOMEM;
	if (ca->options.root && sk_X509_num(roots) == 0) {
		task_say(task, "root %s holds no certificate; put the CA's root there",
			 ca->options.root);
		return -EINVAL;
	}
	if (ca->options.has_fingerprint && ca->options.root &&
	    !pem_find_fingerprint(roots, ca->options.fingerprint)) {
		task_say(task, "root %s and fingerprint contradict each other", ca->options.root);
		return -EINVAL;
	}
	if (!ca->options.root)
		r = recall(ca, roots);
	if (r == 0 && sk_X509_num(roots) > 0)
		ca->roots = steal(&roots);
	return r;
}

/* -- the `ca` file --------------------------------------------------------------------------- */

/* Appends PEM of the roots that are missing in `there`. NULL: out of memory. Free with free(3). */
static char *join(const char *old, size_t old_len, const STACK_OF(X509) * missing, size_t *ret_len)
{
	cleanup_free char *pem = pem_from_certs(missing);
	const char *gap = old_len > 0 && old[old_len - 1] != '\n' ? "\n" : "";
	char *all;
	int len;

	if (!pem)
		return NULL;
	len = asprintf(&all, "%.*s%s%s", (int)old_len, old, gap, pem);
	if (len < 0)
		return NULL;
	*ret_len = (size_t)len;
	return all;
}

/* Adds our roots to the `ca` file where they are missing. What else is in it stays as it is. */
static int roots_write(struct stepca *ca)
{
	size_t len = 0;
	cleanup_free char *old = NULL, *all = NULL;
	cleanup_certs STACK_OF(X509) *there = NULL, *missing = sk_X509_new_null();
	int r = 0;

	if (!ca->store.ca)
		return 0;
	old = file_read(ca->store.ca, &len);
	if (!old && errno != ENOENT)
		return -errno;
	if (!old || pem_parse_certs(old, len, &there) < 0)
		len = 0; /* torn: nothing in it is worth keeping */
	for (int i = 0; missing && i < sk_X509_num(ca->roots) && r == 0; i++)
		if (!there || !roots_have(there, sk_X509_value(ca->roots, i)))
			r = roots_add(missing, sk_X509_value(ca->roots, i));
	if (r < 0 || !missing)
		return -ENOMEM;
	if (sk_X509_num(missing) == 0)
		return 0;
	all = join(old ? old : "", len, missing, &len);
	return all ? store_write_ca(&ca->store, all, len) : -ENOMEM;
}

/* -- what the CA announces ------------------------------------------------------------------- */

static bool fit_to_be_root(X509 *cert)
{
	bool fit = X509_check_ca(cert) > 0 && X509_self_signed(cert, 1) == 1;

	ERR_clear_error();
	return fit;
}

static int remember(struct stepca *ca)
{
	uint8_t known[ROOTS_MAX][PEM_FINGERPRINT_LEN];
	int n = sk_X509_num(ca->roots);

	n = n > ROOTS_MAX ? ROOTS_MAX : n;
	for (int i = 0; i < n; i++)
		pem_fingerprint(sk_X509_value(ca->roots, i), known[i]);
	return ca->host->state_set(ca->ctx, "roots", known, (size_t)n * sizeof(*known));
}

/* Takes in the roots that are new. */
static int learn(struct stepca *ca, const STACK_OF(X509) * announced)
{
	int before = sk_X509_num(ca->roots);
	int r = 0;

	for (int i = 0; i < sk_X509_num(announced) && r == 0; i++) {
		X509 *cert = sk_X509_value(announced, i);
		uint8_t fingerprint[PEM_FINGERPRINT_LEN];
		char hex[65];

		pem_fingerprint(cert, fingerprint);
		if (pem_find_fingerprint(ca->roots, fingerprint) || !fit_to_be_root(cert) ||
		    sk_X509_num(ca->roots) >= ROOTS_MAX)
			continue;
		pem_format_fingerprint(fingerprint, hex);
		ca->host->log(ca->ctx, HC_LOG_NOTICE, "the CA announces a new root: %s", hex);
		r = roots_add(ca->roots, cert);
	}
	if (r == 0 && sk_X509_num(ca->roots) > before)
		r = remember(ca);
	return r;
}

/* The verified connection and the trust of this task, by all roots known so far. */
static int trust_renew(struct task *task)
{
	X509_STORE *trust = X509_STORE_new();

	for (int i = 0; trust && i < sk_X509_num(task->ca->roots); i++)
		X509_STORE_add_cert(trust, sk_X509_value(task->ca->roots, i));
	if (!trust)
		return -ENOMEM;
	X509_STORE_free(task->trust);
	task->trust = trust;
	http_destroy(task->verified);
	task->verified = task_client(task, false);
	return task->verified ? 0 : -ENOMEM;
}

static void roots_end(struct task *task)
{
	int r = roots_write(task->ca);

	if (r < 0)
		return task_fail_errno(task, r, "cannot write %s", task->ca->store.ca);
	task_continue(task);
}

static void on_roots(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	cleanup_certs STACK_OF(X509) *announced = NULL;
	enum ca_verdict verdict = task_judge(task, reply);
	int before = sk_X509_num(task->ca->roots);
	int r = 0;

	/* No connection, or none that we trust: what comes after would end the same way. */
	if (reply->result != HTTP_DONE)
		return task_fail(task, verdict, reply->retry_after);
	if (verdict == CA_DONE)
		r = ca_parse_roots(reply, &announced);
	if (r == -EBADMSG)
		ca_explain_garbage(reply, task->what, task->why);
	if (verdict != CA_DONE || r == -EBADMSG)
		task->ca->host->log(task->ca->ctx, HC_LOG_WARNING, "%s", task->why);
	else if (r == 0)
		r = learn(task->ca, announced);
	if (r == 0 && sk_X509_num(task->ca->roots) > before)
		r = trust_renew(task);
	if (r < 0 && r != -EBADMSG)
		return task_fail_errno(task, r, "cannot take in the CA's roots");
	roots_end(task);
}

static void roots_update(struct task *task)
{
	int r = trust_renew(task);

	if (r < 0)
		return task_fail_errno(task, r, "cannot ask the CA");
	if (task->kind == TASK_CHECK) /* changes nothing */
		return task_continue(task);
	task->ca->roots_asked = true;
	if (!task->ca->options.update_roots)
		return roots_end(task);
	task_send(task, task->verified, "/roots", NULL, NULL, on_roots);
}

/* -- bootstrap ------------------------------------------------------------------------------- */

static void on_bootstrap(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	struct stepca *ca = task->ca;
	cleanup_certs STACK_OF(X509) *sent = NULL, *roots = NULL;
	enum ca_verdict verdict = task_judge(task, reply);
	X509 *root;
	int r;

	if (verdict != CA_DONE)
		return task_fail(task, verdict, reply->retry_after);
	r = ca_parse_root(reply, &sent);
	if (r == -EBADMSG) {
		ca_explain_garbage(reply, task->what, task->why);
		return task_fail(task, CA_RETRY, 0);
	}
	root = r == 0 ? pem_find_fingerprint(sent, ca->options.fingerprint) : NULL;
	if (r == 0 && !root) {
		task_say(task,
			 "%s: the root that came is not the one of our fingerprint; someone "
			 "may be in between, check url and fingerprint",
			 task->what);
		return task_fail(task, CA_REFUSED, 0);
	}
	roots = sk_X509_new_null();
	if (r < 0 || !roots || roots_add(roots, root) < 0)
		return task_fail_errno(task, -ENOMEM, "cannot take in the CA's root");
	ca->roots = steal(&roots);
	http_destroy(task->bootstrap);
	task->bootstrap = NULL;
	roots_update(task);
}

/* As `step ca bootstrap`: the answer is verified by its fingerprint, nothing else is trusted. */
static void bootstrap(struct task *task)
{
	struct http_tls nobody = {0};
	char hex[65], path[80];
	int r = http_create(task->ca->host, task->ca->ctx, &nobody, &task->bootstrap);

	if (r < 0)
		return task_fail_errno(task, r, "cannot ask the CA");
	pem_format_fingerprint(task->ca->options.fingerprint, hex);
	snprintf(path, sizeof(path), "/root/%s", hex);
	task_send(task, task->bootstrap, path, NULL, NULL, on_bootstrap);
}

void roots_begin(struct task *task)
{
	int r = roots_load(task);

	if (r == -EINVAL)
		return task_fail(task, CA_REFUSED, 0);
	if (r < 0)
		return task_fail_errno(task, r, "cannot read the CA's roots");
	if (task->ca->roots)
		return roots_update(task);
	bootstrap(task);
}
