/*
 * What the fuzz targets share whose input is a byte, which says how the rest is read, and a text
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The text; free(3). NULL where not even the byte is there. */
static inline char *input_text(const uint8_t *data, size_t size)
{
	return size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;
}

#endif
