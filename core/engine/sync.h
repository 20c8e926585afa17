/*
 * engine/sync - who waits for all to be settled; engine.h has the public part
 */
#ifndef HC_ENGINE_SYNC_H
#define HC_ENGINE_SYNC_H

#include "engine/engine.h"

/* Ends the syncs that wait, if all is settled. */
void syncs_look(struct engine *e);
/* Ends them all without success. */
void syncs_drop(struct engine *e);

#endif
