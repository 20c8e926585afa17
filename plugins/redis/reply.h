/*
 * redis/reply - what a server's error reply means and what is to be done
 */
#ifndef HC_REDIS_REPLY_H
#define HC_REDIS_REPLY_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

enum reply_kind {
	REPLY_FINE,
	REPLY_NOAUTH,	   /* credentials are missing */
	REPLY_WRONGPASS,   /* user unknown or disabled, or another password */
	REPLY_NO_PASSWORD, /* AUTH to a server that asks for none: harmless */
	REPLY_NOPERM,
	REPLY_BUSY, /* a script runs */
	REPLY_LOADING,
	REPLY_MASTERDOWN,
	REPLY_DENIED,	 /* protected mode */
	REPLY_FULL,	 /* maxclients */
	REPLY_NO_CONFIG, /* the command is renamed or blocked */
	REPLY_NO_TLS,	 /* the server knows no such parameter */
	REPLY_REFUSED,	 /* the server could not load the files */
	REPLY_ERROR,	 /* any other -ERR */
	REPLY_OTHER,	 /* any other code */
};

/* Longest part of a server's words that is quoted. */
#define REPLY_QUOTE_MAX 160

/* The meaning of a reply: REPLY_FINE for all that is not an error. */
enum reply_kind reply_classify(const redisReply *reply);

/* As reply_classify(), for the text of an error reply; any bytes. */
enum reply_kind reply_classify_error(const char *text, size_t len);

/* HC_OK, HC_RETRY or HC_FAILED. */
int32_t reply_status(enum reply_kind kind);

/*
 * One line: the server's words and what to do. user is the ACL user of the connection, rules what
 * it needs: "+config|get +config|set".
 */
void reply_explain(const redisReply *reply, const char *user, const char *rules, char *buf,
		   size_t size);

/* Copies a server's words: printable ASCII alone, at most REPLY_QUOTE_MAX bytes. */
void reply_quote(const char *text, size_t len, char *buf, size_t size);

#endif
