/*
 * platform/notify - sd_notify(3) without libsystemd: one datagram to $NOTIFY_SOCKET
 */
#ifndef HC_PLATFORM_NOTIFY_H
#define HC_PLATFORM_NOTIFY_H

#include <stdint.h>

/* Sends "KEY=value" lines; nothing where there is no service manager. Errors are the manager's
 * loss. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Half of $WATCHDOG_USEC in milliseconds where it is meant for this process, else 0. */
int64_t notify_watchdog_ms(void);

#endif
