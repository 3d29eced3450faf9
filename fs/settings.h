/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - the values of the options of one mount.
 */
#ifndef FS_SETTINGS_H
#define FS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* As set by the command line (options.h), or by the defaults of the table. */
struct options {
	char *source;   /* bucket and prefix as given; owned, as are all */
	char *remount;  /* mount -o remount: all lists of -o; else NULL */
	uint64_t given; /* options_is_given() */
	char *bucket;
	char *prefix;     /* "" or "a/b/" */
	char *mountpoint; /* absolute */
	char *endpoint;
	char *region;
	char *profile;
	char *passwd_file;
	char *cache;
	char *log_file;
	char *fuse_options;     /* for the kernel: "nosuid,nodev" */
	uint64_t cache_size;    /* bytes */
	uint64_t free_space;    /* bytes */
	uint64_t memory;        /* bytes */
	uint64_t part_size;     /* bytes; 0: the parts' sizes grow */
	uint64_t bucket_size;   /* bytes, what statfs says */
	uint64_t write_delay;   /* milliseconds */
	uint64_t max_dirty_age; /* seconds, 0: off */
	uint64_t timeout;       /* seconds */
	uint64_t ttl;           /* milliseconds, as is the next */
	uint64_t negative_ttl;  /* UINT64_MAX: not given */
	uint64_t threads;
	uint64_t connections;
	uint64_t max_upload;   /* bytes a second; 0: no limit, as in the next */
	uint64_t max_download; /* likewise */
	uint64_t max_requests; /* a second */
	uint64_t uid;          /* UINT64_MAX: not given, as in the next two */
	uint64_t gid;
	uint64_t umask;
	uint64_t file_mode;
	uint64_t dir_mode;
	uint64_t path_style; /* 0 as the endpoint wants it, 1 no, 2 yes */
	uint64_t attrs;      /* 0 posix, 1 list */
	uint64_t sync;       /* 0 close, 1 fsync, 2 local */
	uint64_t log_level;  /* enum log_level */
	bool no_sign;
	bool ro;
	bool allow_other;
	bool checksum;
	bool sign_payload;
	bool foreground; /* -f */
	bool debug;      /* -d */
	bool fake;       /* -f of mount(8): all but the mount */
	bool help;       /* --help: nothing else is set */
	bool version;    /* --version: likewise */
};

#endif
