/*
 * probe_all - a probe that also hears of what is missing, broken or expired
 */
#define PROBE_NAME "probe_all"
#define PROBE_FLAGS HC_PLUGIN_WANTS_INCOMPLETE
#include "probe.c" /* NOLINT(bugprone-suspicious-include) */
