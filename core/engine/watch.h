/*
 * engine/watch - one watched directory: its chain, its snapshot, and who wants to know
 */
#ifndef HC_ENGINE_WATCH_H
#define HC_ENGINE_WATCH_H

#include "base/list.h"
#include "base/table.h"
#include "model/config.h"
#include "model/snapshot.h"
#include "platform/chain.h"
#include "platform/loop.h"

struct engine;
struct runner;

struct watch {
	unsigned magic;
	struct table_entry entry; /* generation.watch_table, by name */
	struct engine *engine;
	const struct config_watch *config; /* of the generation at hand */
	struct chain chain;
	struct snapshot *snapshot; /* NULL: not read yet */
	uint64_t generation;
	struct list runners;
	struct list dirty_link; /* engine.dirty */
	bool kept;		/* while a generation is built: the new one has it too */
	bool rescan;		/* wake the runners even where nothing changed */
	bool was_whole;		/* since the start */
	bool settled;		/* whole, or not whole for settle_warn */
	bool failed;		/* the last try to read it */
	int polled;		/* enum chain_poll */
	char *denied;		/* which directory may not be listed, for a person; NULL: none */
	struct loop_timer *settle;
	struct loop_alarm *turn; /* when validity changes the state by itself */
	int64_t event_us;	 /* monotonic time of the first event not yet read; 0: none */
	int64_t changed_at;	 /* wall clock of the last new snapshot; 0: never */
};

/* NULL: no memory. */
struct watch *watch_create(struct engine *engine, const struct config_watch *config);
void watch_destroy(struct watch *w); /* takes NULL; its runners are gone already */

/* Something may have changed; read it soon. */
void watch_mark(struct watch *w, bool rescan);
/* Reads it now, if it is marked, and wakes its runners. */
void watch_read(struct watch *w);

/* Whether this runner may see the snapshot that is there. */
bool watch_offers(const struct watch *w, const struct runner *r);

/* Whether it must be read from time to time, for no event will say when. */
bool watch_is_polled(const struct watch *w);

/* Why it is polled, for status: "" where it is not. */
const char *watch_poll_reason(const struct watch *w);

#endif
