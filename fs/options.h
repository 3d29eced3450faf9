/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - the command line of pailfs: one table says it all.
 */
#ifndef FS_OPTIONS_H
#define FS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The values, as set by the command line or by their defaults. */
struct options {
	char *bucket;     /* owned, as are all strings */
	char *prefix;     /* "" or "a/b/" */
	char *mountpoint; /* absolute */
	char *endpoint;
	char *region;
	char *profile;
	char *passwd_file;
	char *cache;
	char *log_file;
	char *fuse_options;   /* for the kernel: "nosuid,nodev" */
	uint64_t cache_size;  /* bytes */
	uint64_t free_space;  /* bytes */
	uint64_t memory;      /* bytes */
	uint64_t bucket_size; /* bytes, what statfs says */
	uint64_t timeout;     /* seconds */
	uint64_t ttl;         /* milliseconds, as is the next */
	uint64_t negative_ttl;
	uint64_t threads;
	uint64_t connections;
	uint64_t uid; /* UINT64_MAX: not given, as in the next two */
	uint64_t gid;
	uint64_t umask;
	uint64_t file_mode;
	uint64_t dir_mode;
	uint64_t attrs;     /* 0 posix, 1 list */
	uint64_t log_level; /* enum log_level */
	bool path_style;
	bool no_sign;
	bool ro;
	bool allow_other;
	bool checksum;
	bool sign_payload;
	bool foreground; /* -f */
	bool debug;      /* -d */
	bool help;       /* --help: nothing else is set */
	bool version;    /* --version: likewise */
};

/**
 * options_parse(argc, argv, ret, message, len):
 * Understand the command line (also of mount(8), where argv[0] ends in
 * mount.pailfs).  Options are given as -o name=value,... (a comma in a value
 * is written \,) or as --name=value or --name value.
 * Memory:  ${ret} is always initialised: options_fini().
 * Returns: 0; -EINVAL, with what was wrong and the remedy in ${message}.
 */
int options_parse(
    int argc, char **argv, struct options *ret, char *message, size_t len);

void options_fini(struct options *o);

/* Print what --help says, from the table. */
void options_help(FILE *to);

#endif
