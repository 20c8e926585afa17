#include "redis/reply.h"

#include <ctype.h>
#include <hotcert/plugin.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The codes of redis 6.0 to 8.0 and valkey (src/server.c createSharedObjects, src/acl.c). */
static const struct {
	const char *code;
	enum reply_kind kind;
} codes[] = {
	{"NOAUTH", REPLY_NOAUTH},	  {"WRONGPASS", REPLY_WRONGPASS},
	{"NOPERM", REPLY_NOPERM},	  {"BUSY", REPLY_BUSY},
	{"LOADING", REPLY_LOADING},	  {"DENIED", REPLY_DENIED},
	{"MASTERDOWN", REPLY_MASTERDOWN},
};

/* -ERR says everything else; there is nothing to go by but the words. */
static const struct {
	const char *words;
	enum reply_kind kind;
} errors[] = {
	{"max number of clients", REPLY_FULL},
	{"without any password configured", REPLY_NO_PASSWORD},
	{"Unable to update TLS", REPLY_REFUSED},
	{"unknown command", REPLY_NO_CONFIG},
	{"Unknown option", REPLY_NO_TLS},
	{"Unsupported CONFIG parameter", REPLY_NO_TLS},
};

static bool contains(const char *text, size_t len, const char *words)
{
	return memmem(text, len, words, strlen(words)) != NULL;
}

enum reply_kind reply_classify_error(const char *text, size_t len)
{
	const char *space = memchr(text, ' ', len);
	size_t code_len = space ? (size_t)(space - text) : len;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strlen(codes[i].code) == code_len && memcmp(text, codes[i].code, code_len) == 0)
			return codes[i].kind;
	if (code_len != 3 || memcmp(text, "ERR", 3) != 0)
		return REPLY_OTHER;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (contains(text, len, errors[i].words))
			return errors[i].kind;
	return REPLY_ERROR;
}

enum reply_kind reply_classify(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ERROR)
		return REPLY_FINE;
	return reply_classify_error(reply->str, (size_t)reply->len);
}

int32_t reply_status(enum reply_kind kind)
{
	switch (kind) {
	case REPLY_FINE:
	case REPLY_NO_PASSWORD:
		return HC_OK;
	case REPLY_BUSY:
	case REPLY_LOADING:
	case REPLY_MASTERDOWN:
	case REPLY_FULL:
	case REPLY_OTHER:
	case REPLY_WRONGPASS: /* the file is read again, after a long while */
		return HC_RETRY;
	default:
		return HC_FAILED;
	}
}

void reply_quote(const char *text, size_t len, char *buf, size_t size)
{
	size_t n = 0;

	for (; n < len && n < REPLY_QUOTE_MAX && n + 1 < size; n++)
		buf[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
	if (size > 0)
		buf[n] = '\0';
}

static const char *advice(enum reply_kind kind)
{
	switch (kind) {
	case REPLY_NOAUTH:
		return "the server asks for a password: set password_file, and username where it "
		       "is not the default user's";
	case REPLY_WRONGPASS:
		return "the user is unknown or disabled or has another password: correct username "
		       "or password_file";
	case REPLY_BUSY:
		return "a script runs on the server; CONFIG has to wait for its end";
	case REPLY_DENIED:
		return "the server is in protected mode: set a password for it, or use its unix "
		       "socket";
	case REPLY_FULL:
		return "raise the server's maxclients";
	case REPLY_NO_CONFIG:
		return "CONFIG is renamed or blocked, as managed services do: set config_command "
		       "to its new name, or fallback_command to what restarts the server";
	case REPLY_NO_TLS:
		return "the server is older than Redis 6.0 or built without TLS";
	case REPLY_REFUSED:
		return "the server could not load the files and keeps the old certificate; its log "
		       "says why, most often its user cannot read the key";
	default:
		return NULL;
	}
}

void reply_explain(const redisReply *reply, const char *user, const char *rules, char *buf,
		   size_t size)
{
	enum reply_kind kind = reply_classify(reply);
	const char *text = advice(kind);
	char quote[REPLY_QUOTE_MAX + 1];

	reply_quote(reply->str, (size_t)reply->len, quote, sizeof(quote));
	if (kind == REPLY_NOPERM)
		snprintf(buf, size, "%s; on the server: ACL SETUSER %s %s", quote, user, rules);
	else
		snprintf(buf, size, "%s%s%s", quote, text ? "; " : "", text ? text : "");
}
