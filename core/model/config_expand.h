/*
 * model/config_expand - %H, %d and %% in values
 */
#ifndef HC_MODEL_CONFIG_EXPAND_H
#define HC_MODEL_CONFIG_EXPAND_H

#include "base/str.h"

/*
 * Appends text to out: %H as the host name (gethostname(2)), %d as $CREDENTIALS_DIRECTORY
 * (systemd.exec(5)), %% as '%'. A '%' before anything but a letter stands for itself, as in "66%".
 * Returns 0, or -EINVAL with what is wrong and what to do in why; the rest is appended then too.
 */
int config_expand(struct str *out, const char *text, struct str *why);

#endif
