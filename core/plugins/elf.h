/*
 * plugins/elf - whether a shared object is all there
 */
#ifndef HC_PLUGINS_ELF_H
#define HC_PLUGINS_ELF_H

#include <stdbool.h>

/*
 * False where segments of the file lie beyond its end, as in one that is still being copied:
 * dlopen(3) maps them without looking, and the first access is SIGBUS. What is no ELF file at all,
 * or of another machine, is true: dlopen(3) says that better.
 */
bool elf_is_whole(const char *path);

#endif
