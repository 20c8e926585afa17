#include "model/wipe.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static void *take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(size);
}

static void wipe(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* realloc(3) would leave the old place as it is. */
static void *move(void *p, size_t size, const char *file, int line)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *fresh = malloc(size);

	if (!fresh || !p)
		return fresh;
	memcpy(fresh, p, old < size ? old : size);
	wipe(p, file, line);
	return fresh;
}

int wipe_openssl_frees(void)
{
	return CRYPTO_set_mem_functions(take, move, wipe) ? 0 : -EBUSY;
}
