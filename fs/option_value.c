/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_value.c - a value by its type and range.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/option_table.h"
#include "fs/option_value.h"

#define MS 1000 /* in a second */

static const char suffixes[] = "KMGTPE";

/* Each group is one value, each of its words means it. */
static const char flag_words[] = "0,no,false,off 1,yes,true,on";

/* "10G": the largest suffix that leaves a whole number. */
static void
print_size(uint64_t n, char *ret, size_t len)
{
	int i = -1;

	while (n != 0 && n % 1024 == 0 && suffixes[i + 1] != '\0') {
		n /= 1024;
		i++;
	}
	if (i < 0)
		(void)snprintf(ret, len, "%" PRIu64, n);
	else
		(void)snprintf(ret, len, "%" PRIu64 "%c", n, suffixes[i]);
}

/* The first word of each group, with commas. */
static void
print_words(const char *words, char *ret, size_t len)
{
	size_t n = 0;

	for (const char *w = words; n + 1 < len && *w != '\0';) {
		size_t first = strcspn(w, ", ");

		n += (size_t)snprintf(ret + n, len - n, "%s%.*s",
		    n == 0 ? "" : ", ", (int)first, w);
		w += strcspn(w, " ");
		w += strspn(w, " ");
	}
}

/* What values ${row} takes, for a person: "4M to 8E". */
static void
print_range(const struct option_row *row, char *ret, size_t len)
{
	char min[32], max[32];

	switch (row->type) {
	case OPTION_TEXT:
		(void)snprintf(ret, len, "%s", row->unit);
		return;
	case OPTION_URL:
		(void)snprintf(ret, len, "http://HOST or https://HOST");
		return;
	case OPTION_FLAG:
		print_words(flag_words, ret, len);
		return;
	case OPTION_WORD:
		print_words(row->words, ret, len);
		return;
	case OPTION_SIZE:
	case OPTION_SIZE_0:
		print_size(row->min, min, sizeof(min));
		print_size(row->max, max, sizeof(max));
		(void)snprintf(ret, len, "%s%s to %s",
		    row->type == OPTION_SIZE_0 ? "0, or " : "", min, max);
		return;
	case OPTION_OCTAL:
		(void)snprintf(
		    ret, len, "octal, 0 to 0%" PRIo64, (uint64_t)row->max);
		return;
	case OPTION_NUMBER:
	case OPTION_MS:
		break;
	}
	(void)snprintf(ret, len, "%" PRIu64 " to %" PRIu64, row->min, row->max);
}

/* What numbers are counted in, after them. */
static const char *
unit_of(const struct option_row *row)
{
	if (row->unit == NULL)
		return "";
	if (strcmp(row->unit, "SECONDS") == 0)
		return " seconds";
	return strcmp(row->unit, "MILLISECONDS") == 0 ? " milliseconds" : "";
}

/* Option, value, and what it may be. */
static int
refuse(
    const struct option_row *row, const char *value, char *message, size_t len)
{
	char range[128];
	bool is_word = value != NULL && strpbrk(value, ":/.") == NULL;

	print_range(row, range, sizeof(range));
	if (value == NULL || value[0] == '\0')
		(void)snprintf(message, len, "option %s needs a value: %s%s",
		    row->name, range, unit_of(row));
	else if (row->type == OPTION_URL)
		(void)snprintf(message, len, "option %s=%s is no URL: %s%s%s",
		    row->name, value, range,
		    is_word ? "; a region is set by region=" : "",
		    is_word ? value : "");
	else
		(void)snprintf(message, len, "option %s=%s: must be %s%s",
		    row->name, value, range, unit_of(row));
	return -EINVAL;
}

static void *
field_of(struct options *o, const struct option_row *row)
{
	return (char *)o + row->offset;
}

static int
set_text(struct options *o, const struct option_row *row, const char *value)
{
	char **field = field_of(o, row);
	char *copy;

	if (value == NULL || value[0] == '\0')
		return -EINVAL;
	if (row->type == OPTION_URL &&
	    (strncmp(value, "http://", 7) != 0 || value[7] == '\0') &&
	    (strncmp(value, "https://", 8) != 0 || value[8] == '\0'))
		return -EINVAL;
	copy = strdup(value);
	if (copy == NULL)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* The digits of ${value} and what stands after them. */
static bool
read_digits(const char *value, int base, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (value == NULL || !isdigit((unsigned char)value[0]))
		return false;
	errno = 0;
	*ret = strtoull(value, &end, base);
	*ret_end = end;
	return errno == 0;
}

/* Multiply by the suffix, if there is one and it fits: "K", "KiB", "KB". */
static bool
apply_suffix(const char *end, uint64_t *n)
{
	const char *at;
	int shift;

	if (end[0] == '\0')
		return true;
	at = strchr(suffixes, toupper((unsigned char)end[0]));
	if (at == NULL)
		return false;
	if (strcmp(end + 1, "") != 0 && strcmp(end + 1, "B") != 0 &&
	    strcmp(end + 1, "iB") != 0)
		return false;
	shift = 10 * (int)(at - suffixes + 1);
	if (*n > UINT64_MAX >> shift)
		return false;
	*n <<= shift;
	return true;
}

/* ".25" after seconds, in milliseconds. */
static bool
add_fraction(const char *end, uint64_t *n)
{
	uint64_t unit = MS;

	if (*n > UINT64_MAX / MS - 1)
		return false;
	*n *= MS;
	if (end[0] == '\0')
		return true;
	if (end[0] != '.' || end[1] == '\0')
		return false;
	for (end++; isdigit((unsigned char)*end); end++) {
		unit /= 10;
		*n += unit * (uint64_t)(*end - '0');
	}
	return *end == '\0';
}

static int
set_number(struct options *o, const struct option_row *row, const char *value)
{
	uint64_t *field = field_of(o, row);
	uint64_t n, unit = row->type == OPTION_MS ? MS : 1;
	const char *end;
	bool good;

	if (!read_digits(value, row->type == OPTION_OCTAL ? 8 : 10, &n, &end))
		return -EINVAL;
	if (row->type == OPTION_SIZE || row->type == OPTION_SIZE_0)
		good = apply_suffix(end, &n);
	else if (row->type == OPTION_MS)
		good = add_fraction(end, &n);
	else
		good = end[0] == '\0';
	if (good && n == 0 && row->type == OPTION_SIZE_0) {
		*field = 0;
		return 0;
	}
	if (!good || n < row->min * unit || n > row->max * unit)
		return -EINVAL;
	*field = n;
	return 0;
}

/* The number of the group of ${words} that has ${value}; -1: none. */
static int
find_word(const char *words, const char *value)
{
	size_t want = strlen(value);
	int group = 0;

	while (*words != '\0' && want > 0) {
		size_t len = strcspn(words, ", ");

		if (len == want && strncmp(words, value, len) == 0)
			return group;
		words += len;
		if (*words == ' ')
			group++;
		if (*words != '\0')
			words++;
	}
	return -1;
}

static int
set_flag(struct options *o, const struct option_row *row, const char *value)
{
	bool *field = field_of(o, row);
	int group = value == NULL ? 1 : find_word(flag_words, value);

	if (group < 0)
		return -EINVAL;
	*field = group == 1;
	return 0;
}

/* Without a value the last group is meant, where the row allows that. */
static int
set_word(struct options *o, const struct option_row *row, const char *value)
{
	uint64_t *field = field_of(o, row);
	int group;

	if (value == NULL && row->bare != NULL)
		value = row->bare;
	group = value == NULL ? -1 : find_word(row->words, value);
	if (group < 0)
		return -EINVAL;
	*field = (uint64_t)group;
	return 0;
}

int
option_value_set(struct options *o, const struct option_row *row,
    const char *value, char *message, size_t len)
{
	int r = 0;

	switch (row->type) {
	case OPTION_FLAG:
		r = set_flag(o, row, value);
		break;
	case OPTION_TEXT:
	case OPTION_URL:
		r = set_text(o, row, value);
		break;
	case OPTION_WORD:
		r = set_word(o, row, value);
		break;
	case OPTION_SIZE:
	case OPTION_SIZE_0:
	case OPTION_MS:
	case OPTION_NUMBER:
	case OPTION_OCTAL:
		r = set_number(o, row, value);
		break;
	}
	if (r == -ENOMEM)
		(void)snprintf(message, len, "out of memory");
	return r == -EINVAL ? refuse(row, value, message, len) : r;
}
