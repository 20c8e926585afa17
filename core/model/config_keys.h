/*
 * model/config_keys - the keys that the core itself knows, as option tables
 */
#ifndef HC_MODEL_CONFIG_KEYS_H
#define HC_MODEL_CONFIG_KEYS_H

#include "model/options.h"

const struct option_table *config_keys_daemon(void);   /* [hotcert] */
const struct option_table *config_keys_watch(void);    /* [watch NAME] */
const struct option_table *config_keys_instance(void); /* in every [PLUGIN NAME] */

/* By what follows `hotcertd --options`: "hotcert", "watch", "instance". NULL: none of them. */
const struct option_table *config_keys_find(const char *name);

#endif
