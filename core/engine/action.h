/*
 * engine/action - what persons ask of an instance, one after another; runner.h has the public part
 */
#ifndef HC_ENGINE_ACTION_H
#define HC_ENGINE_ACTION_H

#include "engine/runner.h"

/* Starts the first action that waits; false: there is none. */
bool actions_start(struct runner *r);
/* Tells all that wait that the runner goes. */
void actions_drop(struct runner *r);

/* The runner's side: a place is taken, given back, wanted. */
void runner_action_begun(struct runner *r);
void runner_action_ended(struct runner *r);
void runner_action_wanted(struct runner *r);

#endif
