/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - the command line of pailfs, by the table.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/option_table.h"
#include "fs/option_value.h"
#include "fs/options.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define TEXT_MAX      65536 /* one option, or all that go to the kernel */
#define S3_PREFIX_MAX 1024  /* bytes: a key is no longer */
#define NEAR_MAX      4     /* letters: farther away is another option */

/* One parse: where the values go, where the complaint goes. */
struct parse {
	struct options *o;
	char *message;
	size_t len;
	char *words[2]; /* what is no option: bucket and mount point */
	int word_count;
	bool is_helper; /* run by mount(8), as mount.pailfs */
	bool is_remount;
	const char *shown; /* an option that a remount only may have */
	struct buf lists;  /* of -o */
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

static void
look_nearer(
    const char *name, const char *known, const char **nearest, size_t *best)
{
	size_t d = distance(name, known);

	if (d < *best) {
		*best = d;
		*nearest = known;
	}
}

static int
unknown(struct parse *p, const char *name)
{
	const char *nearest = NULL;
	size_t best = strlen(name) / 2 + 1; /* farther away is no help */

	if (best > NEAR_MAX)
		best = NEAR_MAX;
	for (size_t i = 0; option_rows[i].name != NULL; i++)
		look_nearer(name, option_rows[i].name, &nearest, &best);
	for (size_t i = 0; option_aliases[i].alias != NULL; i++)
		look_nearer(name, option_aliases[i].alias, &nearest, &best);
	if (nearest != NULL)
		return complain(p, "unknown option '%s': did you mean '%s'?",
		    name, nearest);
	return complain(
	    p, "unknown option '%s': pailfs --help lists them", name);
}

static int
set_row(struct parse *p, const struct option_row *row, const char *value)
{
	p->o->given |= UINT64_C(1) << (row - option_rows);
	return option_value_set(p->o, row, value, p->message, p->len);
}

static int
set_alias(struct parse *p, const struct option_alias *alias, const char *value)
{
	const struct option_row *row = find_row(alias->name);
	struct buf text = BUF_INIT(TEXT_MAX);
	int r;

	if (alias->value != NULL)
		return set_row(p, row, alias->value);
	if (value == NULL || value[0] == '\0')
		return set_row(p, row, value);
	r = buf_printf(&text, "%s%s", value, alias->suffix);
	r = r == 0 ? set_row(p, row, buf_str(&text))
		   : complain(p, "option %s is too long", alias->alias);
	buf_fini(&text);
	return r;
}

/* Pass a word on to the kernel. */
static int
add_kernel(struct parse *p, const char *name)
{
	struct buf text = BUF_INIT(TEXT_MAX);
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

static bool
is_ignored(const char *name, const char *value)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	bool found = false;

	if (buf_printf(&text, "%s%s%s", name, value == NULL ? "" : "=",
		value == NULL ? "" : value) == 0) {
		for (size_t i = 0; option_ignored[i] != NULL && !found; i++)
			found =
			    fnmatch(option_ignored[i], buf_str(&text), 0) == 0;
	}
	buf_fini(&text);
	return found;
}

static const struct option_alias *
find_alias(const char *name)
{
	const struct option_alias *a = option_aliases;

	while (a->alias != NULL && strcmp(a->alias, name) != 0)
		a++;
	return a->alias == NULL ? NULL : a;
}

/* One option; ${value} NULL: none was given. */
static int
set_option(struct parse *p, const char *name, const char *value)
{
	const struct option_row *row = find_row(name);
	const struct option_alias *alias = find_alias(name);

	if (row != NULL)
		return set_row(p, row, value);
	if (alias != NULL)
		return set_alias(p, alias, value);
	if (strcmp(name, "remount") == 0) {
		p->is_remount = true;
		return 0;
	}
	for (size_t i = 0; option_shown[i] != NULL; i++) {
		if (strcmp(option_shown[i], name) == 0) {
			p->shown = option_shown[i];
			return 0;
		}
	}
	for (size_t i = 0; option_kernel[i] != NULL; i++) {
		if (value == NULL && strcmp(option_kernel[i], name) == 0)
			return add_kernel(p, name);
	}
	return is_ignored(name, value) ? 0 : unknown(p, name);
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
	int r;

	r = buf_printf(&p->lists, "%s%s", p->lists.len == 0 ? "" : ",", list);
	if (one == NULL || r < 0)
		return complain(p, "there are too many options");
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

/* Whether --name takes the next argument as its value: a flag does if its help
 * shows one. */
static bool
wants_value(const char *name)
{
	const struct option_alias *alias = find_alias(name);
	const struct option_row *row =
	    find_row(alias == NULL ? name : alias->name);

	return row != NULL && row->unit != NULL && row->bare == NULL &&
	       (alias == NULL || alias->value == NULL);
}

/* --name=value or --name value; ${*i} goes on over the value. */
static int
set_long(struct parse *p, int argc, char **argv, int *i)
{
	AUTO_FREE char *name = strdup(argv[*i] + 2);

	if (name == NULL)
		return complain(p, "out of memory");
	if (strcmp(name, "help") == 0) {
		p->o->help = true;
		return 0;
	}
	if (strcmp(name, "version") == 0) {
		p->o->version = true;
		return 0;
	}
	for (char *c = name; *c != '\0' && *c != '='; c++) {
		if (*c == '-')
			*c = '_';
	}
	if (wants_value(name) && *i + 1 < argc)
		return set_option(p, name, argv[++*i]);
	return set_pair(p, name);
}

/* A letter that takes no argument. */
static int
set_letter(struct parse *p, char letter)
{
	switch (letter) {
	case 'd':
		p->o->debug = true;
		return 0;
	case 'f':
		if (p->is_helper)
			p->o->fake = true;
		else
			p->o->foreground = true;
		return 0;
	case 'h':
		p->o->help = true;
		return 0;
	case 'V':
		p->o->version = true;
		return 0;
	case 'r':
	case 'w':
		return set_row(p, find_row("ro"), letter == 'r' ? "1" : "0");
	case 'n': /* mount(8): no mtab */
	case 's': /* mount(8): sloppy */
	case 'v':
		return 0;
	default:
		return complain(
		    p, "unknown option -%c: pailfs --help lists them", letter);
	}
}

static int
set_short(struct parse *p, int argc, char **argv, int *i)
{
	const char *arg = argv[*i];
	int r = 0;

	if (arg[1] == 'o') {
		if (arg[2] != '\0')
			return set_list(p, arg + 2);
		if (*i + 1 == argc)
			return complain(p, "-o needs a list of options");
		return set_list(p, argv[++*i]);
	}
	/* mount(8): namespace and type are known by where and as what we run */
	if (p->is_helper && (arg[1] == 'N' || arg[1] == 't')) {
		*i += arg[2] == '\0';
		return 0;
	}
	for (const char *c = arg + 1; r == 0 && *c != '\0'; c++)
		r = set_letter(p, *c);
	return r;
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

/* Letters that S3 and its kin allow in the name of a bucket. */
static bool
is_bucket(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (!isalnum(c) && strchr("-._", c) == NULL)
			return false;
	}
	return len > 0 && name[0] != '.' && name[0] != '-';
}

/* A path of folders: a component may not be empty, "." or "..". */
static bool
is_prefix(const char *prefix)
{
	while (*prefix != '\0') {
		size_t len = strcspn(prefix, "/");

		if (len == 0 || (len == 1 && prefix[0] == '.') ||
		    (len == 2 && prefix[0] == '.' && prefix[1] == '.'))
			return false;
		prefix += len + (prefix[len] == '/');
	}
	return true;
}

/* BUCKET, BUCKET:/PREFIX or s3://BUCKET/PREFIX. */
static int
set_bucket(struct parse *p, const char *word)
{
	bool url = strncmp(word, "s3://", 5) == 0;
	const char *bucket = url ? word + 5 : word;
	const char *prefix = bucket + strcspn(bucket, url ? "/" : ":");
	size_t len = (size_t)(prefix - bucket);
	struct buf text = BUF_INIT(S3_PREFIX_MAX);
	int r;

	if (!is_bucket(bucket, len))
		return complain(p,
		    "'%s' names no bucket: give BUCKET, BUCKET:/PREFIX or "
		    "s3://BUCKET/PREFIX/",
		    word);
	prefix += *prefix == ':';
	prefix += *prefix == '/';
	if (!is_prefix(prefix))
		return complain(p,
		    "prefix '%s' is no path: it has an empty component, "
		    "\".\" or \"..\"",
		    prefix);
	r = buf_add_str(&text, prefix);
	if (r == 0 && text.len > 0 && text.data[text.len - 1] != '/')
		r = buf_add_char(&text, '/');
	p->o->bucket = strndup(bucket, len);
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

	*p->o = (struct options){ .uid = UINT64_MAX,
		.gid = UINT64_MAX,
		.umask = UINT64_MAX,
		.negative_ttl = UINT64_MAX };
	for (const struct option_row *row = option_rows;
	     r == 0 && row->name != NULL; row++) {
		if (row->preset != NULL)
			r = set_row(p, row, row->preset);
	}
	p->o->given = 0;
	return r;
}

/* mount(8) runs mount.TYPE with letters that mean something else. */
static bool
is_helper(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strncmp(slash == NULL ? program : slash + 1, "mount.", 6) == 0;
}

/* One argument, and the next where it is the value of this one. */
static int
set_argument(struct parse *p, int argc, char **argv, int *i)
{
	if (strncmp(argv[*i], "--", 2) == 0)
		return set_long(p, argc, argv, i);
	if (argv[*i][0] == '-' && argv[*i][1] != '\0')
		return set_short(p, argc, argv, i);
	return add_word(p, argv[*i]);
}

/* What follows from the words, and from all options together. */
static int
set_words(struct parse *p)
{
	int r;

	if (p->word_count < 2)
		return complain(p,
		    "%s is missing: pailfs BUCKET MOUNTPOINT [-o OPTIONS]; "
		    "pailfs --help lists the options",
		    p->word_count == 0 ? "the bucket" : "the mount point");
	p->o->source = strdup(p->words[0]);
	if (p->o->source == NULL)
		return complain(p, "out of memory");
	r = set_bucket(p, p->words[0]);
	if (r == 0)
		r = set_mountpoint(p, p->words[1]);
	if (r == 0 && p->is_remount)
		r = buf_take(&p->lists, &p->o->remount);
	return r == 0 && !p->is_remount && p->shown != NULL
		   ? unknown(p, p->shown)
		   : r;
}

bool
options_is_given(const struct options *o, const char *name)
{
	return (o->given >> (find_row(name) - option_rows) & 1) != 0;
}

int
options_parse(
    int argc, char **argv, struct options *ret, char *message, size_t len)
{
	struct parse p = { .o = ret,
		.message = message,
		.len = len,
		.lists = BUF_INIT(TEXT_MAX) };
	bool words_only = false;
	int r;

	message[0] = '\0';
	p.is_helper = argc > 0 && is_helper(argv[0]);
	r = set_presets(&p);
	for (int i = 1; r == 0 && i < argc; i++) {
		if (!words_only && strcmp(argv[i], "--") == 0)
			words_only = true;
		else
			r = words_only ? add_word(&p, argv[i])
				       : set_argument(&p, argc, argv, &i);
	}
	if (r == 0 && !ret->help && !ret->version)
		r = set_words(&p);
	buf_fini(&p.lists);
	return r;
}

void
options_fini(struct options *o)
{
	for (const struct option_row *row = option_rows; row->name != NULL;
	     row++) {
		if (row->type == OPTION_TEXT || row->type == OPTION_URL)
			free(*(char **)(void *)((char *)o + row->offset));
	}
	free(o->source);
	free(o->remount);
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
		    "as\n-o name=value,name,... or as --name=value.  "
		    "pailfs(1) says more;\npailctl(1) shows what a mount "
		    "does, and unmounts.\n\n",
	    to);
	for (const struct option_row *row = option_rows; row->name != NULL;
	     row++) {
		char left[40];

		(void)snprintf(left, sizeof(left), "%s%s%s", row->name,
		    row->unit == NULL ? "" : "=",
		    row->unit == NULL ? "" : row->unit);
		(void)fprintf(to, "  %-24s %s", left, row->help);
		if (row->preset != NULL)
			(void)fprintf(to, " [%s]", row->preset);
		(void)fputc('\n', to);
	}
	(void)fputs(
	    "\n  -f         stay in the foreground, messages to stderr\n"
	    "  -d         the same, with all details\n"
	    "  --help     this\n  --version  which version this is\n"
	    "\nOther names for these:\n",
	    to);
	for (const struct option_alias *a = option_aliases; a->alias != NULL;
	     a++)
		(void)fprintf(to, "  %-24s %s%s%s%s\n", a->alias, a->name,
		    a->value == NULL ? "" : "=",
		    a->value == NULL ? "" : a->value,
		    a->suffix[0] == '\0' ? "" : ", in MiB");
}
