/*
 * ctl/show - answers of hotcertd as a person wants to read them
 */
#ifndef HC_CTL_SHOW_H
#define HC_CTL_SHOW_H

#include "ctl/text.h"

#include <jansson.h>

/* Each adds to out what an answer with "ok": true says. */
typedef void (*show_fn)(struct str *out, const json_t *answer, const struct style *style);

void show_status(struct str *out, const json_t *answer, const struct style *style);
void show_status_of(struct str *out, const json_t *answer, const struct style *style); /* NAME */
void show_reload(struct str *out, const json_t *answer, const struct style *style);
void show_sync(struct str *out, const json_t *answer, const struct style *style);
void show_results(struct str *out, const json_t *answer, const struct style *style);
void show_retry(struct str *out, const json_t *answer, const struct style *style);
void show_metrics(struct str *out, const json_t *answer, const struct style *style);
void show_expiry(struct str *out, const json_t *answer, const struct style *style);
void show_version(struct str *out, const json_t *answer, const struct style *style);

/* What an answer with "ok": false says, for stderr. */
void show_error(struct str *out, const json_t *answer);

/* ---- for the parts of it ---- */

const char *show_text(const json_t *object, const char *key); /* "" where null or not there */
int64_t show_int(const json_t *object, const char *key);      /* 0 where null or not there */
bool show_has(const json_t *object, const char *key);	      /* neither null nor missing */
enum tone show_tone(const char *state);			      /* of a watch or an instance */
/* The certificate's common name, else its first name, else its subject; "" without one. */
void show_subject(struct str *out, const json_t *watch);

#endif
