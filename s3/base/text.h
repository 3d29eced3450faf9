/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - strings that may be absent: NULL is a value like any other.
 *
 * A field that holds one is owned by its structure, and freed with it.  Pure;
 * no locks.
 */
#ifndef S3_BASE_TEXT_H
#define S3_BASE_TEXT_H

#include <stdbool.h>

/* Whether both are absent, or equal. */
bool text_same(const char *a, const char *b);

/* A copy, owned by the caller; NULL of NULL, and without memory. */
char *text_copy(const char *text);

/* Put ${text}, which is taken, in place of what ${*field} owns. */
void text_set(char **field, char *text);

/* Likewise a copy of ${text}.  Returns: 0; -ENOMEM, and nothing has changed. */
int text_replace(char **field, const char *text);

#endif
