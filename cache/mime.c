/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mime.c - the Content-Type of a file, by its name.
 *
 * Role:    asked when a file is uploaded.  Threads: any; nothing changes after
 *          mime_open().  Formats: "Shared MIME-info Database", 2.5 (globs2);
 *          mime.types(5).
 *
 * The text of a table is kept, its words cut apart in place, and a sorted
 * array of pairs points into it.  Of one name that has several types the one
 * that comes first in the text counts; globs2 is sorted by weight.
 */
#include "cache/mime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/cleanup.h"

#define GLOBS_FILE "/usr/share/mime/globs2"
#define TYPES_FILE "/etc/mime.types"

#define TABLE_MAX   (4 << 20) /* bytes of a table that is believed */
#define TYPE_MAX    127       /* bytes of a type that is sent (RFC 6838) */
#define PAIRS_FIRST 256       /* pairs in the first allocation */

/* What a name has to be like. */
enum kind {
	KIND_SUFFIX = 1, /* a dot and this at its end; else just this */
	KIND_EXACT = 2,  /* case matters; else it is in lower case here */
};

struct pair {
	uint32_t name; /* in text */
	uint32_t type; /* in text */
	uint8_t kind;  /* enum kind */
};

struct mime {
	char *text;         /* owned; NULL: no table */
	struct pair *pairs; /* owned; sorted by compare_pairs() */
	size_t count;
	size_t size; /* pairs allocated */
};

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Something like "text/x-c++src", fit for a header. */
static bool
is_type(const char *s)
{
	static const char chars[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "!#$&-^_.+/";
	const char *slash = strchr(s, '/');

	return slash != NULL && slash > s && slash[1] != '\0' &&
	       strchr(slash + 1, '/') == NULL && strlen(s) <= TYPE_MAX &&
	       s[strspn(s, chars)] == '\0';
}

static int
add(struct mime *m, char *name, const char *type, unsigned kind)
{
	size_t size = m->size > 0 ? 2 * m->size : PAIRS_FIRST;
	struct pair *pairs;
	char *c;

	if (m->count == m->size) {
		pairs = reallocarray(m->pairs, size, sizeof(*pairs));
		if (pairs == NULL)
			return -ENOMEM;
		m->pairs = pairs;
		m->size = size;
	}
	if ((kind & KIND_EXACT) == 0)
		for (c = name; *c != '\0'; c++)
			*c = lower(*c);
	m->pairs[m->count++] = (struct pair){
		.name = (uint32_t)(name - m->text),
		.type = (uint32_t)(type - m->text),
		.kind = (uint8_t)kind,
	};
	return 0;
}

/* Whether "cs" is among the words of ${flags}, or NULL. */
static bool
is_exact(char *flags)
{
	char *word;

	while ((word = strsep(&flags, ",")) != NULL)
		if (strcmp(word, "cs") == 0)
			return true;
	return false;
}

/* weight:type:glob[:flag,...] */
static int
add_glob(struct mime *m, char *line)
{
	const char *weight = strsep(&line, ":");
	const char *type = strsep(&line, ":");
	char *glob = strsep(&line, ":");
	unsigned kind = 0;

	if (weight[0] == '#' || glob == NULL || !is_type(type))
		return 0;
	if (is_exact(strsep(&line, ":")))
		kind |= KIND_EXACT;
	if (strncmp(glob, "*.", 2) == 0) {
		kind |= KIND_SUFFIX;
		glob += 2;
	}
	if (glob[0] == '\0' || strpbrk(glob, "*?[\\") != NULL)
		return 0;
	return add(m, glob, type, kind);
}

/* type suffix ... */
static int
add_type(struct mime *m, char *line)
{
	const char *type;
	char *word;
	int r = 0;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t");
	type = strsep(&line, " \t");
	if (!is_type(type))
		return 0;
	while (r == 0 && (word = strsep(&line, " \t")) != NULL) {
		if (word[0] != '\0')
			r = add(m, word, type, KIND_SUFFIX);
	}
	return r;
}

/* The text of ${path} in ${*ret} (owned): NULL if there is none, it is too
 * large or cannot be read. */
static int
read_text(const char *path, char **ret)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	AUTO_FREE char *text = NULL;
	size_t len = 0, size;
	struct stat st;
	ssize_t n;

	*ret = NULL;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size <= 0 || st.st_size > TABLE_MAX)
		return 0;
	size = (size_t)st.st_size;
	text = malloc(size + 1);
	if (text == NULL)
		return -ENOMEM;
	while (len < size) {
		n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return 0;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret = TAKE(text);
	return 0;
}

static int
compare_pairs(const void *a, const void *b, void *arg)
{
	const struct pair *x = a, *y = b;
	const struct mime *m = arg;
	int r = strcmp(m->text + x->name, m->text + y->name);

	if (r == 0)
		r = x->kind - y->kind;
	if (r == 0)
		r = x->type < y->type ? -1 : 1;
	return r;
}

/* Fill ${m}, which is empty, from ${path}, a line at a time. */
static int
load(struct mime *m, const char *path,
    int (*add_line)(struct mime *m, char *line))
{
	char *rest, *line;
	int r;

	r = read_text(path, &m->text);
	if (r < 0)
		return r;
	rest = m->text;
	while (r == 0 && (line = strsep(&rest, "\n")) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		r = add_line(m, line);
	}
	if (r == 0 && m->count > 0)
		qsort_r(
		    m->pairs, m->count, sizeof(*m->pairs), compare_pairs, m);
	return r;
}

static void
clear(struct mime *m)
{
	free(m->text);
	free(m->pairs);
	memset(m, 0, sizeof(*m));
}

int
mime_open_files(const char *globs, const char *types, struct mime **ret)
{
	struct mime *m = calloc(1, sizeof(*m));
	int r;

	if (m == NULL)
		return -ENOMEM;
	r = load(m, globs, add_glob);
	if (r == 0 && m->count == 0) {
		clear(m);
		r = load(m, types, add_type);
	}
	if (r < 0)
		mime_close(m);
	else
		*ret = m;
	return r;
}

int
mime_open(struct mime **ret)
{
	return mime_open_files(GLOBS_FILE, TYPES_FILE, ret);
}

void
mime_close(struct mime *m)
{
	if (m == NULL)
		return;
	clear(m);
	free(m);
}

/* As strcmp() of ${name}, in lower case unless ${kind} is exact. */
static int
compare_name(const char *name, const char *with, unsigned kind)
{
	unsigned char a, b;

	do {
		a = (unsigned char)((kind & KIND_EXACT) != 0 ? *name
							     : lower(*name));
		b = (unsigned char)*with++;
		name++;
	} while (a == b && a != '\0');
	return a - b;
}

/* The type of the first pair that is ${name} and ${kind}, or NULL. */
static const char *
find(const struct mime *m, const char *name, unsigned kind)
{
	size_t low = 0, high = m->count, mid;
	const struct pair *p;
	int r;

	while (low < high) {
		mid = low + (high - low) / 2;
		p = &m->pairs[mid];
		r = compare_name(name, m->text + p->name, kind);
		if (r == 0)
			r = (int)kind - p->kind;
		if (r > 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == m->count)
		return NULL;
	p = &m->pairs[low];
	if (p->kind != kind || compare_name(name, m->text + p->name, kind) != 0)
		return NULL;
	return m->text + p->type;
}

/* As it is written first, then in lower case. */
static const char *
find_either(const struct mime *m, const char *name, unsigned kind)
{
	const char *type = find(m, name, kind | KIND_EXACT);

	return type != NULL ? type : find(m, name, kind);
}

const char *
mime_of(const struct mime *m, const char *name)
{
	const char *type = find_either(m, name, 0);
	const char *dot = strchr(name, '.');

	/* The first dot begins the longest suffix. */
	while (type == NULL && dot != NULL) {
		type = find_either(m, dot + 1, KIND_SUFFIX);
		dot = strchr(dot + 1, '.');
	}
	return type != NULL ? type : MIME_DEFAULT;
}
