/*
 * base/mem - cleanup attributes, the one idiom for scopes that own something
 */
#ifndef HC_BASE_MEM_H
#define HC_BASE_MEM_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup_with(fn) __attribute__((cleanup(fn)))

/* Takes the pointer out of a cleanup variable: `*ret = steal(&p);` */
#define steal(pp)                                                                                  \
	__extension__({                                                                            \
		__typeof__(*(pp)) steal_ = *(pp);                                                  \
		*(pp) = NULL;                                                                      \
		steal_;                                                                            \
	})

static inline void mem_freep(void *p)
{
	free(*(void **)p);
}

static inline void mem_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void mem_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define cleanup_free cleanup_with(mem_freep)
#define cleanup_close cleanup_with(mem_closep)
#define cleanup_fclose cleanup_with(mem_fclosep)

#endif
