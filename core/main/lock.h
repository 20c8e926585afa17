/*
 * main/lock - the daemon's directories, and that only one daemon has them
 */
#ifndef HC_MAIN_LOCK_H
#define HC_MAIN_LOCK_H

#include "model/config.h"

/*
 * Makes runtime_dir (0755) and state_dir (0700) where they are missing, and locks runtime_dir with
 * flock(2): the kernel lets go of it however the daemon ends. 0, or -1: it has been logged.
 */
int lock_directories(const struct config_daemon *daemon, int *ret_fd);
void lock_release(int fd); /* takes -1 */

#endif
