/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what the targets of libFuzzer share.
 *
 * Role:    the first include of each target here.  A target calls what
 *          takes bytes from outside, and want()s what must hold of the result;
 *          the sanitizers want the rest.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define want(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			(void)fprintf(stderr, "%s:%d: not %s\n", __FILE__,     \
			    __LINE__, #condition);                             \
			abort();                                               \
		}                                                              \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* ${len} bytes as text; owned by the caller. */
static inline char *
fuzz_text(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	want(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

/* Take the bytes up to the next ${end}, which is dropped, as text. */
static inline char *
fuzz_take(const uint8_t **data, size_t *len, uint8_t end)
{
	const uint8_t *p = *len > 0 ? memchr(*data, end, *len) : NULL;
	size_t n = p != NULL ? (size_t)(p - *data) : *len;
	char *text = fuzz_text(*data, n);

	n += p != NULL;
	*data += n;
	*len -= n;
	return text;
}

#endif
