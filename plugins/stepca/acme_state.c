#include "stepca/acme_state.h"

#include "common/json.h"
#include "common/mem.h"
#include "stepca/b64.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define ACCOUNT "acme-account"
#define ORDER "acme-order"

enum { STATE_MAX = 4096 };

static int load(const struct stepca *ca, const char *key, json_t **ret)
{
	char text[STATE_MAX];
	int64_t len = ca->host->state_get(ca->ctx, key, text, sizeof(text));
	json_t *json = NULL;

	if (len > 0 && len <= (int64_t)sizeof(text))
		json = json_parse_object(text, (size_t)len);
	OPENSSL_cleanse(text, sizeof(text));
	if (!json)
		return len < 0 ? (int)len : -EBADMSG;
	*ret = json;
	return 0;
}

static int save(const struct stepca *ca, const char *key, const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int r = -ENOMEM;

	if (text) {
		r = ca->host->state_set(ca->ctx, key, text, strlen(text));
		OPENSSL_cleanse(text, strlen(text));
	}
	free(text);
	return r;
}

static int copy_text(const json_t *json, const char *key, char **ret)
{
	const char *text = json_text(json, key);

	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

/* -- account --------------------------------------------------------------------------------- */

static EVP_PKEY *key_of(const char *pem)
{
	BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (char[]){""}) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (key && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 256)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

int acme_account_load(const struct stepca *ca, struct acme_account *ret)
{
	cleanup_json json_t *json = NULL;
	struct acme_account account = {0};
	int r = load(ca, ACCOUNT, &json);

	if (r < 0)
		return r;
	account.key = key_of(json_text(json, "key"));
	if (!account.key)
		return -EBADMSG;
	if (copy_text(json, "directory", &account.directory) < 0 ||
	    copy_text(json, "url", &account.url) < 0 ||
	    copy_text(json, "contact", &account.contact) < 0) {
		acme_account_finish(&account);
		return -ENOMEM;
	}
	*ret = account;
	return 0;
}

int acme_account_save(const struct stepca *ca, const struct acme_account *account)
{
	size_t len = 0;
	char *pem = key_to_pem(account->key, NULL, &len);
	cleanup_json json_t *json =
		pem ? json_pack("{ss ss* ss* ss*}", "key", pem, "directory", account->directory,
				"url", account->url, "contact", account->contact)
		    : NULL;

	key_free_pem(pem, len);
	return save(ca, ACCOUNT, json);
}

void acme_account_finish(struct acme_account *account)
{
	EVP_PKEY_free(account->key);
	free(account->directory);
	free(account->url);
	free(account->contact);
	*account = (struct acme_account){0};
}

/* -- order ----------------------------------------------------------------------------------- */

int acme_order_load(const struct stepca *ca, struct acme_saved *ret)
{
	cleanup_json json_t *json = NULL;
	int r = load(ca, ORDER, &json);

	if (r < 0)
		return r;
	if (copy_text(json, "url", &ret->url) < 0 || copy_text(json, "key", &ret->key) < 0) {
		acme_saved_finish(ret);
		return -ENOMEM;
	}
	return ret->url && ret->key ? 0 : -ENOENT;
}

int acme_order_save(const struct stepca *ca, const struct acme_saved *saved)
{
	cleanup_json json_t *json = json_pack("{ss ss}", "url", saved->url, "key", saved->key);

	return save(ca, ORDER, json);
}

void acme_order_forget(const struct stepca *ca)
{
	ca->host->state_set(ca->ctx, ORDER, NULL, 0);
}

void acme_saved_finish(struct acme_saved *saved)
{
	free(saved->url);
	free(saved->key);
	*saved = (struct acme_saved){0};
}

char *acme_key_digest(const EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	uint8_t sha256[32];
	char *text = NULL;

	if (len > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)len, sha256, NULL) == 1)
		text = b64url_encode(sha256, sizeof(sha256));
	OPENSSL_free(der);
	return text;
}
