/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - strings that may be absent: NULL is a value like any other; and what
 * of them is UTF-8.
 *
 * A field that holds one is owned by its structure, and freed with it.  Pure;
 * no locks.
 */
#ifndef S3_BASE_TEXT_H
#define S3_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether both are absent, or equal. */
bool text_same(const char *a, const char *b);

/* A copy, owned by the caller; NULL of NULL, and without memory. */
char *text_copy(const char *text);

/* Put ${text}, which is taken, in place of what ${*field} owns. */
void text_set(char **field, char *text);

/* Likewise a copy of ${text}.  Returns: 0; -ENOMEM, and nothing has changed. */
int text_replace(char **field, const char *text);

/* How many bytes of UTF-8 the character ${*ret} at ${s} has; 0: there is none,
 * as of a surrogate, or one that is longer than it need be. */
size_t text_char(const char *s, uint32_t *ret);

/* Whether ${s} is nothing but such. */
bool text_is_utf8(const char *s);

#endif
