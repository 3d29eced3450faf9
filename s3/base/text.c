/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - strings that may be absent.
 */
#include "s3/base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
text_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

char *
text_copy(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

void
text_set(char **field, char *text)
{
	free(*field);
	*field = text;
}

int
text_replace(char **field, const char *text)
{
	char *copy;

	if (text_same(*field, text))
		return 0;
	copy = text_copy(text);
	if (text != NULL && copy == NULL)
		return -ENOMEM;
	text_set(field, copy);
	return 0;
}
