/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_table.h - private to options*.c: the table of options.
 */
#ifndef FS_OPTION_TABLE_H
#define FS_OPTION_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "fs/settings.h"

enum option_type {
	OPTION_FLAG,   /* bool; without a value, or 0 1 yes no true false */
	OPTION_TEXT,   /* char * */
	OPTION_URL,    /* char *, http:// or https:// */
	OPTION_SIZE,   /* uint64_t, bytes; suffixes K M G T P E */
	OPTION_SIZE_0, /* the same, or 0 */
	OPTION_MS,     /* uint64_t, milliseconds; given in seconds, 0.5 */
	OPTION_NUMBER, /* uint64_t */
	OPTION_OCTAL,  /* uint64_t */
	OPTION_WORD    /* uint64_t, which group of `words' it is in */
};

struct option_row {
	const char *name;
	enum option_type type;
	size_t offset;      /* in struct options */
	const char *preset; /* the default, as text; NULL: none */
	uint64_t min;       /* of the value as given */
	uint64_t max;
	const char *unit; /* for --help: what stands after '=' */
	const char *help;
	const char *words; /* OPTION_WORD: "a,also_a b", a group a value */
	const char *bare;  /* OPTION_WORD: what it is without a value */
};

/* Another name; s3fs's where they mean the same. */
struct option_alias {
	const char *alias;
	const char *name;
	const char *suffix; /* appended to the value: "M", or "" */
	const char *value;  /* if not NULL, instead of what is given */
};

extern const struct option_row option_rows[];
extern const struct option_alias option_aliases[];

/* Patterns (fnmatch(3)) of what is accepted and means nothing here: words of
 * fstab and mount(8), and of s3fs for what is always so. */
extern const char *const option_ignored[];

/* What the kernel shows of a FUSE mount, which mount(8) gives to a remount. */
extern const char *const option_shown[];

/* Words that go to the kernel as they are. */
extern const char *const option_kernel[];

#endif
