/*
 * layout.c - where each member of ABI 1.0 lies, on LP64 and on i386 (which aligns 64-bit integers
 * to 4)
 *
 * These numbers never change within major 1. A later minor version appends: its structs are larger
 * than SIZE says, and nothing else differs. Compiles, or does not.
 */
#include <hotcert/plugin.h>

#if defined(__LP64__)
#define WORD(lp64, i386) (lp64)
#elif defined(__i386__)
#define WORD(lp64, i386) (i386)
#endif

#ifdef __cplusplus
#define CHECK(what, text) static_assert(what, text)
#else
#define CHECK(what, text) _Static_assert(what, text)
#endif
#define AT(type, member, lp64, i386)                                                               \
	CHECK(offsetof(struct type, member) == WORD(lp64, i386), #type "." #member " has moved")
#define SIZE(type, lp64, i386) CHECK(sizeof(struct type) >= WORD(lp64, i386), #type " has shrunk")

#ifdef WORD
AT(hc_option, name, 0, 0);
AT(hc_option, type, 8, 4);
AT(hc_option, flags, 12, 8);
AT(hc_option, def, 16, 12);
AT(hc_option, choices, 24, 16);
AT(hc_option, help, 32, 20);
SIZE(hc_option, 40, 24);

AT(hc_action, name, 0, 0);
AT(hc_action, args, 8, 4);
AT(hc_action, help, 16, 8);
SIZE(hc_action, 24, 12);

AT(hc_cert, subject, 0, 0);
AT(hc_cert, issuer, 8, 4);
AT(hc_cert, serial, 16, 8);
AT(hc_cert, sans, 24, 12);
AT(hc_cert, n_sans, 32, 16);
AT(hc_cert, is_ca, 36, 20);
AT(hc_cert, self_signed, 40, 24);
AT(hc_cert, key_bits, 44, 28);
AT(hc_cert, not_before, 48, 32);
AT(hc_cert, not_after, 56, 40);
AT(hc_cert, sha256, 64, 48);
AT(hc_cert, spki_sha256, 96, 80);
SIZE(hc_cert, 128, 112);

AT(hc_file, role, 0, 0);
AT(hc_file, path, 8, 4);
AT(hc_file, error, 16, 8);
AT(hc_file, state, 24, 12);
AT(hc_file, mode, 28, 16);
AT(hc_file, uid, 32, 20);
AT(hc_file, gid, 36, 24);
AT(hc_file, data, 40, 28);
AT(hc_file, data_len, 48, 32);
AT(hc_file, sha256, 56, 40);
AT(hc_file, certs, 88, 72);
AT(hc_file, n_certs, 96, 76);
AT(hc_file, cert_size, 100, 80);
SIZE(hc_file, 104, 84);

AT(hc_snapshot, size, 0, 0);
AT(hc_snapshot, state, 4, 4);
AT(hc_snapshot, generation, 8, 8);
AT(hc_snapshot, watch, 16, 16);
AT(hc_snapshot, directory, 24, 20);
AT(hc_snapshot, error, 32, 24);
AT(hc_snapshot, files, 40, 28);
AT(hc_snapshot, n_files, 48, 32);
AT(hc_snapshot, file_size, 52, 36);
SIZE(hc_snapshot, 56, 40);

AT(hc_replace, size, 0, 0);
AT(hc_replace, flags, 4, 4);
AT(hc_replace, path, 8, 8);
AT(hc_replace, data, 16, 12);
AT(hc_replace, len, 24, 16);
AT(hc_replace, mode, 32, 24);
AT(hc_replace, uid, 36, 28);
AT(hc_replace, gid, 40, 32);
AT(hc_replace, like, 48, 36);
SIZE(hc_replace, 56, 40);

AT(hc_spawn, size, 0, 0);
AT(hc_spawn, flags, 4, 4);
AT(hc_spawn, argv, 8, 8);
AT(hc_spawn, env, 16, 12);
AT(hc_spawn, user, 24, 16);
AT(hc_spawn, group, 32, 20);
AT(hc_spawn, on_line, 40, 24);
AT(hc_spawn, on_exit, 48, 28);
AT(hc_spawn, data, 56, 32);
SIZE(hc_spawn, 64, 36);

AT(hc_host, size, 0, 0);
AT(hc_host, abi_minor, 4, 4);
AT(hc_host, version, 8, 8);
AT(hc_host, log, 16, 12);
AT(hc_host, name, 24, 16);
AT(hc_host, opt_string, 32, 20);
AT(hc_host, opt_int, 40, 24);
AT(hc_host, opt_list, 48, 28);
AT(hc_host, opt_is_set, 56, 32);
AT(hc_host, opt_error, 64, 36);
AT(hc_host, secret_read, 72, 40);
AT(hc_host, now_wall, 80, 44);
AT(hc_host, now_mono, 88, 48);
AT(hc_host, io_add, 96, 52);
AT(hc_host, io_set, 104, 56);
AT(hc_host, io_remove, 112, 60);
AT(hc_host, timer_add, 120, 64);
AT(hc_host, timer_set, 128, 68);
AT(hc_host, timer_remove, 136, 72);
AT(hc_host, alarm_add, 144, 76);
AT(hc_host, alarm_set, 152, 80);
AT(hc_host, alarm_remove, 160, 84);
AT(hc_host, spawn, 168, 88);
AT(hc_host, child_kill, 176, 92);
AT(hc_host, post_open, 184, 96);
AT(hc_host, post_send, 192, 100);
AT(hc_host, replace, 200, 104);
AT(hc_host, state_get, 208, 108);
AT(hc_host, state_set, 216, 112);
AT(hc_host, job_done, 224, 116);
AT(hc_host, job_delay, 232, 120);
AT(hc_host, request, 240, 124);
AT(hc_host, status_add, 248, 128);
SIZE(hc_host, 256, 132);

AT(hc_plugin, abi_major, 0, 0);
AT(hc_plugin, size, 4, 4);
AT(hc_plugin, name, 8, 8);
AT(hc_plugin, version, 16, 12);
AT(hc_plugin, summary, 24, 16);
AT(hc_plugin, flags, 32, 20);
AT(hc_plugin, timeout_ms, 36, 24);
AT(hc_plugin, options, 40, 28);
AT(hc_plugin, actions, 48, 32);
AT(hc_plugin, n_options, 56, 36);
AT(hc_plugin, option_size, 60, 40);
AT(hc_plugin, n_actions, 64, 44);
AT(hc_plugin, action_size, 68, 48);
AT(hc_plugin, create, 72, 52);
AT(hc_plugin, destroy, 80, 56);
AT(hc_plugin, apply, 88, 60);
AT(hc_plugin, cancel, 96, 64);
AT(hc_plugin, action, 104, 68);
AT(hc_plugin, status, 112, 72);
SIZE(hc_plugin, 120, 76);
#endif

CHECK(HC_ABI_MAJOR == 1, "another major is another symbol and another table");
CHECK(HC_OK == 0 && HC_RETRY == 10 && HC_FAILED == 20, "job status");
CHECK(HC_LOG_ERROR == 3 && HC_LOG_DEBUG == 7, "log levels");
CHECK(HC_IO_READ == 1 && HC_IO_WRITE == 2, "io events");
CHECK(HC_OPT_STRING == 10 && HC_OPT_BOOL == 20 && HC_OPT_INTEGER == 30, "option types");
CHECK(HC_OPT_DURATION == 40 && HC_OPT_PERCENT == 50 && HC_OPT_SHARE == 60, "option types");
CHECK(HC_OPT_PATH == 70 && HC_OPT_SECRET == 80 && HC_OPT_LIST == 90, "option types");
CHECK(HC_OPT_CHOICE == 100 && HC_OPT_REQUIRED == 1, "option types");
CHECK(HC_STATE_WHOLE == 0 && HC_STATE_MISSING == 10, "states");
CHECK(HC_STATE_BROKEN == 20 && HC_STATE_EXPIRED == 30, "states");
CHECK(HC_REPLACE_KEEP == 1 && HC_PLUGIN_WANTS_INCOMPLETE == 1, "flags");
