/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - the command line of pailfs, by the table.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/option_table.h"
#include "fs/options.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

/* One parse: where the values go, where the complaint goes. */
struct parse {
	struct options *o;
	char *message;
	size_t len;
	char *words[2]; /* what is no option: bucket and mount point */
	int word_count;
};

static int complain(struct parse *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int
complain(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p->message, p->len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool
is_one_of(const char *const *list, const char *word, size_t len)
{
	for (; *list != NULL; list++) {
		if (strlen(*list) == len && strncmp(*list, word, len) == 0)
			return true;
	}
	return false;
}

static const struct option_row *
find_row(const char *name)
{
	for (const struct option_row *row = option_rows; row->name != NULL;
	     row++) {
		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

/* How many letters must change to make ${a} of ${b} (Levenshtein). */
static size_t
distance(const char *a, const char *b)
{
	size_t row[64], la = strlen(a), lb = strlen(b);

	if (lb >= 64)
		return lb;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

static int
unknown(struct parse *p, const char *name)
{
	const char *nearest = NULL;
	size_t best = 4; /* farther away is no help */

	for (const struct option_row *row = option_rows; row->name != NULL;
	     row++) {
		size_t d = distance(name, row->name);

		if (d < best) {
			best = d;
			nearest = row->name;
		}
	}
	if (nearest != NULL)
		return complain(p, "unknown option '%s': did you mean '%s'?",
		    name, nearest);
	return complain(
	    p, "unknown option '%s': pailfs --help lists them", name);
}

static int
set_text(struct parse *p, const struct option_row *row, const char *value)
{
	char **field = (char **)(void *)((char *)p->o + row->offset);
	char *copy;

	if (value == NULL || value[0] == '\0')
		return complain(p, "option %s needs a value: %s=%s", row->name,
		    row->name, row->unit);
	if (row->type == OPTION_URL && strncmp(value, "http://", 7) != 0 &&
	    strncmp(value, "https://", 8) != 0)
		return complain(p,
		    "option %s=%s is no URL: give http://HOST or "
		    "https://HOST; a region is set by region=%s",
		    row->name, value, value);
	copy = strdup(value);
	if (copy == NULL)
		return complain(p, "out of memory");
	free(*field);
	*field = copy;
	return 0;
}

/* The digits of ${value} and what stands after them. */
static bool
read_number(const char *value, int base, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (!isdigit((unsigned char)value[0]))
		return false;
	errno = 0;
	*ret = strtoull(value, &end, base);
	*ret_end = end;
	return errno == 0 && end != value;
}

/* Multiply by the suffix, if there is one and it fits. */
static bool
apply_suffix(const char *end, uint64_t *n)
{
	static const char letters[] = "KMGTP";
	const char *at;
	int shift;

	if (end[0] == '\0')
		return true;
	at = strchr(letters, toupper((unsigned char)end[0]));
	if (at == NULL)
		return false;
	if (strcmp(end + 1, "") != 0 && strcmp(end + 1, "B") != 0 &&
	    strcmp(end + 1, "iB") != 0)
		return false;
	shift = 10 * (int)(at - letters + 1);
	if (*n > UINT64_MAX >> shift)
		return false;
	*n <<= shift;
	return true;
}

static int
set_number(struct parse *p, const struct option_row *row, const char *value)
{
	uint64_t n = 0;
	const char *end = "";
	int base = row->type == OPTION_OCTAL ? 8 : 10;
	bool good;

	good = value != NULL && read_number(value, base, &n, &end);
	if (good)
		good = row->type == OPTION_SIZE ? apply_suffix(end, &n)
						: end[0] == '\0';
	if (!good)
		return complain(p, "option %s=%s is no %s number%s", row->name,
		    value == NULL ? "" : value, base == 8 ? "octal" : "whole",
		    row->type == OPTION_SIZE ? " (500M, 10G)" : "");
	if (n < row->min || n > row->max) {
		if (base == 8)
			return complain(p,
			    "option %s=%s is out of range: %llo to %llo",
			    row->name, value, (unsigned long long)row->min,
			    (unsigned long long)row->max);
		return complain(p, "option %s=%s is out of range: %llu to %llu",
		    row->name, value, (unsigned long long)row->min,
		    (unsigned long long)row->max);
	}
	if (row->type == OPTION_MS)
		n *= 1000;
	*(uint64_t *)(void *)((char *)p->o + row->offset) = n;
	return 0;
}

static int
set_flag(struct parse *p, const struct option_row *row, const char *value)
{
	static const char *const yes[] = { "1", "yes", "true", "on", NULL };
	static const char *const no[] = { "0", "no", "false", "off", NULL };
	bool *field = (bool *)((char *)p->o + row->offset);

	if (value == NULL || is_one_of(yes, value, strlen(value)))
		*field = true;
	else if (is_one_of(no, value, strlen(value)))
		*field = false;
	else
		return complain(
		    p, "option %s=%s: give 1 or 0", row->name, value);
	return 0;
}

static int
set_word(struct parse *p, const struct option_row *row, const char *value)
{
	uint64_t *field = (uint64_t *)(void *)((char *)p->o + row->offset);
	const char *word = row->words;
	size_t want = value == NULL ? 0 : strlen(value);

	for (uint64_t i = 0; want > 0 && word != NULL; i++) {
		const char *space = strchr(word, ' ');
		size_t len =
		    space == NULL ? strlen(word) : (size_t)(space - word);

		/* "warn" for warning, "dbg" stays an error. */
		if (want <= len && want >= 3 &&
		    strncmp(word, value, want) == 0) {
			*field = i;
			return 0;
		}
		word = space == NULL ? NULL : space + 1;
	}
	return complain(p, "option %s=%s: give one of %s", row->name,
	    value == NULL ? "" : value, row->words);
}

static int
set_row(struct parse *p, const struct option_row *row, const char *value)
{
	switch (row->type) {
	case OPTION_FLAG:
		return set_flag(p, row, value);
	case OPTION_TEXT:
	case OPTION_URL:
		return set_text(p, row, value);
	case OPTION_WORD:
		return set_word(p, row, value);
	case OPTION_SIZE:
	case OPTION_MS:
	case OPTION_NUMBER:
	case OPTION_OCTAL:
		break;
	}
	return set_number(p, row, value);
}

static int
set_alias(struct parse *p, const struct option_alias *alias, const char *value)
{
	struct buf text = BUF_INIT(PATH_MAX);
	int r;

	if (value == NULL)
		return set_row(p, find_row(alias->name), NULL);
	r = buf_printf(&text, "%s%s", value, alias->suffix);
	if (r == 0)
		r = set_row(p, find_row(alias->name), buf_str(&text));
	buf_fini(&text);
	return r == -EINVAL ? r
	       : r < 0      ? complain(p, "option %s is too long", alias->alias)
			    : 0;
}

/* Pass a word on to the kernel. */
static int
add_kernel(struct parse *p, const char *name)
{
	struct buf text = BUF_INIT(PATH_MAX);
	int r;

	r = buf_printf(&text, "%s%s%s",
	    p->o->fuse_options == NULL ? "" : p->o->fuse_options,
	    p->o->fuse_options == NULL ? "" : ",", name);
	if (r == 0) {
		free(p->o->fuse_options);
		r = buf_take(&text, &p->o->fuse_options);
	}
	buf_fini(&text);
	return r < 0 ? complain(p, "too many options") : 0;
}

/* One option; ${value} NULL: none was given. */
static int
set_option(struct parse *p, const char *name, const char *value)
{
	const struct option_row *row = find_row(name);

	if (row != NULL)
		return set_row(p, row, value);
	for (const struct option_alias *a = option_aliases; a->alias != NULL;
	     a++) {
		if (strcmp(a->alias, name) == 0)
			return set_alias(p, a, value);
	}
	if (is_one_of(option_kernel, name, strlen(name)))
		return add_kernel(p, name);
	if (is_one_of(option_ignored, name, strlen(name)) ||
	    strncmp(name, "x-", 2) == 0 || strncmp(name, "comment", 7) == 0)
		return 0;
	return unknown(p, name);
}

/* "name=value": split in place. */
static int
set_pair(struct parse *p, char *text)
{
	char *equals = strchr(text, '=');

	if (equals != NULL)
		*equals = '\0';
	return set_option(p, text, equals == NULL ? NULL : equals + 1);
}

/* "a=1,b=2,c": a comma in a value is written "\,". */
static int
set_list(struct parse *p, const char *list)
{
	AUTO_FREE char *one = malloc(strlen(list) + 1);
	size_t n = 0;
	int r = 0;

	if (one == NULL)
		return complain(p, "out of memory");
	for (const char *s = list; r == 0; s++) {
		if (s[0] == '\\' && (s[1] == ',' || s[1] == '\\')) {
			one[n++] = *++s;
			continue;
		}
		if (*s != ',' && *s != '\0') {
			one[n++] = *s;
			continue;
		}
		one[n] = '\0';
		if (n > 0)
			r = set_pair(p, one);
		n = 0;
		if (*s == '\0')
			break;
	}
	return r;
}

/* --name=value or --name value; ${*i} goes on over the value. */
static int
set_long(struct parse *p, int argc, char **argv, int *i)
{
	const char *text = argv[*i] + 2;
	const struct option_row *row;
	AUTO_FREE char *copy = strdup(text);

	if (copy == NULL)
		return complain(p, "out of memory");
	if (strcmp(text, "help") == 0) {
		p->o->help = true;
		return 0;
	}
	if (strcmp(text, "version") == 0) {
		p->o->version = true;
		return 0;
	}
	for (char *c = copy; *c != '\0' && *c != '='; c++) {
		if (*c == '-')
			*c = '_';
	}
	row = find_row(copy);
	if (row != NULL && row->type != OPTION_FLAG && *i + 1 < argc)
		return set_row(p, row, argv[++*i]);
	return set_pair(p, copy);
}

static int
set_short(struct parse *p, int argc, char **argv, int *i)
{
	const char *arg = argv[*i];

	if (arg[1] == 'o') {
		if (arg[2] != '\0')
			return set_list(p, arg + 2);
		if (*i + 1 == argc)
			return complain(p, "-o needs a list of options");
		return set_list(p, argv[++*i]);
	}
	for (const char *c = arg + 1; *c != '\0'; c++) {
		switch (*c) {
		case 'd':
			p->o->debug = true;
			break;
		case 'f':
			p->o->foreground = true;
			break;
		case 'h':
			p->o->help = true;
			break;
		case 'V':
			p->o->version = true;
			break;
		case 'r':
			p->o->ro = true;
			break;
		case 'n': /* mount(8): no mtab */
		case 's': /* mount(8): sloppy */
		case 'v':
		case 'w':
			break;
		default:
			return complain(p,
			    "unknown option -%c: pailfs --help lists them", *c);
		}
	}
	return 0;
}

static int
add_word(struct parse *p, char *word)
{
	if (p->word_count == 2)
		return complain(p,
		    "'%s' is one argument too many: pailfs BUCKET MOUNTPOINT",
		    word);
	p->words[p->word_count++] = word;
	return 0;
}

/* BUCKET, BUCKET:/PREFIX or s3://BUCKET/PREFIX. */
static int
set_bucket(struct parse *p, const char *word)
{
	const char *bucket = word, *prefix, *end;
	struct buf text = BUF_INIT(2048);
	int r;

	if (strncmp(word, "s3://", 5) == 0) {
		bucket = word + 5;
		end = strchrnul(bucket, '/');
		prefix = end;
	} else {
		end = strchrnul(bucket, ':');
		prefix = end[0] == ':' ? end + 1 : end;
	}
	if (end == bucket || memchr(bucket, '/', (size_t)(end - bucket)))
		return complain(p,
		    "'%s' names no bucket: give BUCKET, BUCKET:/PREFIX or "
		    "s3://BUCKET/PREFIX/",
		    word);
	while (*prefix == '/')
		prefix++;
	r = buf_add_str(&text, prefix);
	if (r == 0 && text.len > 0 && text.data[text.len - 1] != '/')
		r = buf_add_char(&text, '/');
	p->o->bucket = strndup(bucket, (size_t)(end - bucket));
	if (r == 0)
		r = buf_take(&text, &p->o->prefix);
	buf_fini(&text);
	return r < 0 || p->o->bucket == NULL
		   ? complain(p, "prefix '%s' is too long", prefix)
		   : 0;
}

static int
set_mountpoint(struct parse *p, const char *word)
{
	struct buf text = BUF_INIT(PATH_MAX);
	char here[PATH_MAX];
	int r = 0;

	/* Not realpath(): a dead mount point answers nothing. */
	if (word[0] != '/') {
		if (getcwd(here, sizeof(here)) == NULL)
			return complain(p, "cannot tell where we are");
		r = buf_printf(&text, "%s/", here);
	}
	if (r == 0)
		r = buf_add_str(&text, word);
	while (r == 0 && text.len > 1 && text.data[text.len - 1] == '/')
		text.data[--text.len] = '\0';
	if (r == 0)
		r = buf_take(&text, &p->o->mountpoint);
	buf_fini(&text);
	return r < 0 ? complain(p, "mount point is too long") : 0;
}

static int
set_presets(struct parse *p)
{
	int r = 0;

	*p->o = (struct options){
		.uid = UINT64_MAX, .gid = UINT64_MAX, .umask = UINT64_MAX
	};
	for (const struct option_row *row = option_rows;
	     r == 0 && row->name != NULL; row++) {
		if (row->preset != NULL)
			r = set_row(p, row, row->preset);
	}
	return r;
}

int
options_parse(
    int argc, char **argv, struct options *ret, char *message, size_t len)
{
	struct parse p = { .o = ret, .message = message, .len = len };
	int r = set_presets(&p);

	message[0] = '\0';
	for (int i = 1; r == 0 && i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0')
			r = set_long(&p, argc, argv, &i);
		else if (argv[i][0] == '-' && argv[i][1] != '\0')
			r = set_short(&p, argc, argv, &i);
		else
			r = add_word(&p, argv[i]);
	}
	if (r < 0 || ret->help || ret->version)
		return r;
	if (p.word_count < 2)
		return complain(&p,
		    "%s is missing: pailfs BUCKET MOUNTPOINT [-o OPTIONS]; "
		    "pailfs --help lists the options",
		    p.word_count == 0 ? "the bucket" : "the mount point");
	r = set_bucket(&p, p.words[0]);
	return r == 0 ? set_mountpoint(&p, p.words[1]) : r;
}

void
options_fini(struct options *o)
{
	for (const struct option_row *row = option_rows; row->name != NULL;
	     row++) {
		if (row->type == OPTION_TEXT || row->type == OPTION_URL)
			free(*(char **)(void *)((char *)o + row->offset));
	}
	free(o->bucket);
	free(o->prefix);
	free(o->mountpoint);
	free(o->fuse_options);
}

void
options_help(FILE *to)
{
	(void)fputs("usage: pailfs BUCKET[:/PREFIX] MOUNTPOINT [-o OPTIONS]\n"
		    "       pailfs s3://BUCKET/PREFIX/ MOUNTPOINT ...\n\n"
		    "Mounts an S3 bucket as a directory.  Options are given "
		    "as -o name=value,name,...\nor as --name=value.  "
		    "pailfs(1) says more; pailctl(1) unmounts and shows what "
		    "goes on.\n\n",
	    to);
	for (const struct option_row *row = option_rows; row->name != NULL;
	     row++) {
		char left[40];

		(void)snprintf(left, sizeof(left), "%s%s%s", row->name,
		    row->unit == NULL ? "" : "=",
		    row->unit == NULL ? "" : row->unit);
		(void)fprintf(to, "  %-23s %s", left, row->help);
		if (row->preset != NULL)
			(void)fprintf(to, " [%s]", row->preset);
		(void)fputc('\n', to);
	}
	(void)fputs(
	    "\n  -f         stay in the foreground, messages to stderr\n"
	    "  -d         the same, with all details\n"
	    "  --help     this\n  --version  which version this is\n",
	    to);
}
