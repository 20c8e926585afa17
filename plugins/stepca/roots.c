/*
 * The first step of every task: whom do we trust, and is it in the `ca` file?
 *
 * The CA is trusted by the root with the configured fingerprint (or those in the `root` file), and
 * by those it announced later over a connection that these verified: known.h. Other roots in the
 * `ca` file give nobody a say here.
 */
#include "stepca/roots.h"

#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

int roots_add(STACK_OF(X509) * roots, X509 *cert)
{
	if (X509_up_ref(cert) != 1)
		return -ENOMEM;
	if (sk_X509_push(roots, cert) > 0)
		return 0;
	X509_free(cert);
	return -ENOMEM;
}

int roots_digest(const STACK_OF(X509) * roots, uint8_t ret[static PEM_FINGERPRINT_LEN])
{
	uint8_t sums[2 * PEM_FINGERPRINT_LEN] = {0};

	for (int i = 0; i < sk_X509_num(roots); i++) {
		pem_fingerprint(sk_X509_value(roots, i), sums + PEM_FINGERPRINT_LEN);
		if (EVP_Q_digest(NULL, "SHA256", NULL, sums, sizeof(sums), sums, NULL) != 1)
			return -ENOMEM;
	}
	memcpy(ret, sums, PEM_FINGERPRINT_LEN);
	return 0;
}

static int add_once(STACK_OF(X509) * roots, X509 *cert)
{
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];

	pem_fingerprint(cert, fingerprint);
	return pem_find_fingerprint(roots, fingerprint) ? 0 : roots_add(roots, cert);
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

/* What all trust goes back to: the fingerprint, or a digest of the `root` file's. */
static int find_anchor(struct stepca *ca, const STACK_OF(X509) * file)
{
	if (!ca->options.has_fingerprint)
		return roots_digest(file, ca->anchor);
	memcpy(ca->anchor, ca->options.fingerprint, sizeof(ca->anchor));
	return 0;
}

static int trust_known(const struct stepca *ca, STACK_OF(X509) * roots)
{
	int r = 0;

	for (size_t i = 0; i < ca->known.n && r == 0; i++)
		if (ca->known.root[i].kind == KNOWN_OWN)
			r = add_once(roots, ca->known.root[i].cert);
	return r;
}

/* Of the `ca` file only the root with our fingerprint counts. */
static int trust_pinned(const struct stepca *ca, STACK_OF(X509) * roots)
{
	cleanup_certs STACK_OF(X509) *there = read_certs(ca->store.ca);
	X509 *cert;

	if (!there)
		return -ENOMEM;
	cert = pem_find_fingerprint(there, ca->options.fingerprint);
	return cert ? add_once(roots, cert) : 0;
}

/* What others who trust the same have fetched already; with roots = pinned the first root alone. */
static int trust_told(const struct stepca *ca, STACK_OF(X509) * roots)
{
	const STACK_OF(X509) *told = authority_trust(&ca->member, ca->anchor);
	X509 *pinned = told ? pem_find_fingerprint(told, ca->options.fingerprint) : NULL;
	int r = 0;

	if (!ca->options.update_roots)
		return pinned ? add_once(roots, pinned) : 0;

	for (int i = 0; i < sk_X509_num(told) && r == 0; i++)
		r = add_once(roots, sk_X509_value(told, i));
	return r;
}

/* The `root` file, checked. -EINVAL: task->why says what is wrong with it. */
static int read_root_file(struct task *task, STACK_OF(X509) * *ret)
{
	const struct options *o = &task->ca->options;
	cleanup_certs STACK_OF(X509) *roots = read_certs(o->root);

	if (!roots)
		return -ENOMEM;
	if (o->root && sk_X509_num(roots) == 0) {
		task_say(task, "root %s holds no certificate; put the CA's root there", o->root);
		return -EINVAL;
	}
	if (o->has_fingerprint && o->root && !pem_find_fingerprint(roots, o->fingerprint)) {
		task_say(task, "root %s and fingerprint contradict each other", o->root);
		return -EINVAL;
	}
	*ret = steal(&roots);
	return 0;
}

/* Sets ca->roots to all that we trust. Left NULL where the first has to be fetched. */
static int roots_load(struct task *task)
{
	struct stepca *ca = task->ca;
	cleanup_certs STACK_OF(X509) *roots = NULL;
	/* A file that nothing is added to is read anew each time: a host's own roots change. */
	bool known = ca->roots && (ca->options.update_roots || !ca->options.root);
	int r = known ? 0 : read_root_file(task, &roots);

	if (r < 0 || known)
		return r;
	r = find_anchor(ca, roots);
	if (r == 0 && ca->options.update_roots)
		known_load(&ca->known, ca->anchor);
	if (r == 0 && !ca->options.root)
		r = trust_pinned(ca, roots);
	if (r == 0)
		r = trust_known(ca, roots);
	if (r == 0 && !ca->options.root && sk_X509_num(roots) == 0)
		r = trust_told(ca, roots);
	if (r == 0 && sk_X509_num(roots) > 0) {
		sk_X509_pop_free(ca->roots, X509_free);
		ca->roots = steal(&roots);
	}
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
	http_destroy(task->mutual); /* it trusts as before */
	task->mutual = NULL;
	http_destroy(task->verified);
	task->verified = task_client(task, false);
	return task->verified ? 0 : -ENOMEM;
}

/* -- the `ca` file --------------------------------------------------------------------------- */

/* All that is known, or the first root where nothing is. A former one stays, but never comes back:
 * somebody may have taken it out for good reason. */
static int wanted(const struct stepca *ca, STACK_OF(X509) * ret)
{
	int r = 0;

	for (size_t i = 0; i < ca->known.n && r == 0; i++)
		if (ca->known.root[i].kind != KNOWN_FORMER)
			r = roots_add(ret, ca->known.root[i].cert);
	if (sk_X509_num(ret) > 0)
		return r;
	for (int i = 0; i < sk_X509_num(ca->roots) && r == 0; i++)
		r = roots_add(ret, sk_X509_value(ca->roots, i));
	return r;
}

/* What is put into the file must be known for what it is, should the anchor change. */
static bool is_first(const struct stepca *ca)
{
	return ca->store.ca && ca->known.n > 0 && !ca->known.kept;
}

/* The file first: what a crash leaves in the state is found to be over once more. */
static int write_all(struct task *task, const STACK_OF(X509) * unwanted)
{
	struct stepca *ca = task->ca;
	cleanup_certs STACK_OF(X509) *all = sk_X509_new_null();
	int r = all ? wanted(ca, all) : -ENOMEM;

	if (r == 0)
		r = roots_file_update(&ca->store, all, unwanted);
	if (r < 0)
		return r;
	if (task->roots_changed || sk_X509_num(unwanted) > 0 || is_first(ca))
		return known_save(&ca->known, ca->anchor);
	return 0;
}

/* What is trusted from now on. */
static int trust_anew(struct task *task)
{
	cleanup_certs STACK_OF(X509) *roots = read_certs(task->ca->options.root);
	int r = roots ? trust_known(task->ca, roots) : -ENOMEM;

	if (r < 0 || sk_X509_num(roots) == 0)
		return r;
	sk_X509_pop_free(task->ca->roots, X509_free);
	task->ca->roots = steal(&roots);
	return trust_renew(task);
}

static void roots_end(struct task *task)
{
	cleanup_certs STACK_OF(X509) *unwanted = sk_X509_new_null();
	int r = unwanted ? roots_retire(task, unwanted) : -ENOMEM;

	if (r == 0)
		r = write_all(task, unwanted);
	if (r < 0)
		return task_fail_errno(task, r, "cannot write %s",
				       task->ca->store.ca ? task->ca->store.ca : "the state");
	if (task->roots_changed || sk_X509_num(unwanted) > 0)
		r = trust_anew(task);
	if (r < 0)
		return task_fail_errno(task, r, "cannot take in the CA's roots");
	if (!task->ca->options.root) /* others may not trust all that is in that file */
		authority_tell_trust(&task->ca->member, task->ca->anchor, task->ca->roots);
	task_continue(task);
}

/* -- what the CA announces ------------------------------------------------------------------- */

/* What we trust by the configuration is known from the start, so that its overlap is heeded too. */
static int know_trusted(struct task *task)
{
	struct stepca *ca = task->ca;
	int r = 0;

	for (int i = 0; i < sk_X509_num(ca->roots) && r == 0; i++)
		r = known_add(&ca->known, sk_X509_value(ca->roots, i));
	return r;
}

/* Takes in a reply of /roots or /federation; what cannot be used is a warning and no more. */
static int take_in(struct task *task, const struct http_reply *reply, enum known_kind kind)
{
	cleanup_certs STACK_OF(X509) *certs = NULL;
	enum ca_verdict verdict = task_judge(task, reply);
	int r = verdict == CA_DONE ? ca_parse_roots(reply, &certs) : -EBADMSG;

	if (r == -EBADMSG && verdict == CA_DONE)
		ca_explain_garbage(reply, task->what, task->why);
	if (r == -EBADMSG)
		task->ca->host->log(task->ca->ctx, HC_LOG_WARNING, "%s", task->why);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	if (kind == KNOWN_OWN)
		r = know_trusted(task);
	if (r == 0)
		task->roots_changed |=
			known_announced(&task->ca->known, certs, kind, task->ca->host->now_wall());
	return r;
}

static void on_federation(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	int r = take_in(task, reply, KNOWN_FEDERATED);

	if (r < 0)
		return task_fail_errno(task, r, "cannot take in the federation's roots");
	roots_end(task);
}

static void on_roots(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	int r;

	if (reply->result == HTTP_REFUSED_US) /* renewing will find its way */
		return task_send(task, task->verified, "/roots", NULL, NULL, on_roots);
	/* No connection, or none that we trust: what comes after would end the same way. */
	if (reply->result != HTTP_DONE)
		return task_fail(task, task_judge(task, reply), reply->retry_after);
	r = take_in(task, reply, KNOWN_OWN);
	if (r < 0)
		return task_fail_errno(task, r, "cannot take in the CA's roots");
	if (task->ca->options.federation)
		return task_send(task, task->verified, "/federation", NULL, NULL, on_federation);
	task->roots_changed |= known_announced(&task->ca->known, NULL, KNOWN_FEDERATED,
					       task->ca->host->now_wall());
	roots_end(task);
}

/* A renewal asks over the connection that it goes on with: one handshake does for both. */
static struct http *client_to_ask(struct task *task)
{
	if (task->kind == TASK_RENEW && renew_is_mutual(task))
		task->mutual = task_client(task, true);
	return task->mutual ? task->mutual : task->verified;
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
	task_send(task, client_to_ask(task), "/roots", NULL, NULL, on_roots);
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
