/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - strings that may be absent, and UTF-8.
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

size_t
text_char(const char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s[0];
	size_t len;
	uint32_t c;

	if (first < 0x80) {
		*ret = first;
		return 1;
	}
	len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc0 || first > 0xf7)
		return 0;
	c = first & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return len;
}

bool
text_is_utf8(const char *s)
{
	uint32_t c;
	size_t len = 1;

	for (; *s != '\0' && len > 0; s += len)
		len = text_char(s, &c);
	return len > 0;
}
