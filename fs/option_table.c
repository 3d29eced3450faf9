/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_table.c - the table of options: name, type, range, default, help.
 */
#include "fs/option_table.h"

#define AT(field) offsetof(struct options, field)
#define KIB       UINT64_C(1024)
#define MIB       (KIB * 1024)
#define GIB       (MIB * KIB)
#define TIB       (MIB * MIB)
#define ANY       (TIB * MIB * 8) /* as much as anybody has */
#define TTL_MAX   2592000         /* 30 days; milliseconds fit 32 bits */
#define ID_MAX    (UINT32_MAX - UINT64_C(1))

/* clang-format off */
const struct option_row option_rows[] = {
	{ "endpoint", OPTION_URL, AT(endpoint), NULL, 0, 0, "URL",
	  "where the S3 server is; without it, AWS", NULL, NULL },
	{ "region", OPTION_TEXT, AT(region), NULL, 0, 0, "NAME",
	  "signed for; without it, found out", NULL, NULL },
	{ "path_style", OPTION_WORD, AT(path_style), "auto", 0, 0,
	  "auto|no|yes", "https://host/bucket, not https://bucket.host",
	  "auto no,0,false,off yes,1,true,on", "yes" },
	{ "profile", OPTION_TEXT, AT(profile), NULL, 0, 0, "NAME",
	  "section of the AWS credentials and config files", NULL, NULL },
	{ "passwd_file", OPTION_TEXT, AT(passwd_file), NULL, 0, 0, "FILE",
	  "keys as ACCESS:SECRET, in a file only you can read", NULL, NULL },
	{ "no_sign", OPTION_FLAG, AT(no_sign), NULL, 0, 0, NULL,
	  "without credentials: a public bucket", NULL, NULL },
	{ "sign_payload", OPTION_FLAG, AT(sign_payload), NULL, 0, 0, NULL,
	  "SHA-256 of each body in its signature", NULL, NULL },
	{ "checksum", OPTION_FLAG, AT(checksum), "1", 0, 0, "0|1",
	  "checksums of bodies; 0 for servers that choke", NULL, NULL },
	{ "cache", OPTION_TEXT, AT(cache), NULL, 0, 0, "DIR",
	  "local folder, on a fast disk", NULL, NULL },
	{ "cache_size", OPTION_SIZE, AT(cache_size), "10G", 4 * MIB, ANY,
	  "BYTES", "at most this much in the folder, all included", NULL, NULL },
	{ "free_space", OPTION_SIZE, AT(free_space), "1G", 0, ANY, "BYTES",
	  "left free on the folder's filesystem", NULL, NULL },
	{ "memory", OPTION_SIZE, AT(memory), "32M", 4 * MIB, TIB, "BYTES",
	  "for buffers", NULL, NULL },
	{ "ttl", OPTION_MS, AT(ttl), "10", 0, TTL_MAX, "SECONDS",
	  "how long is believed what S3 told", NULL, NULL },
	{ "negative_ttl", OPTION_MS, AT(negative_ttl), NULL, 0, TTL_MAX,
	  "SECONDS", "the same of names that do not exist [10, at most ttl]", NULL, NULL },
	{ "attrs", OPTION_WORD, AT(attrs), "posix", 0, 0, "posix|list",
	  "owner, mode, times by a HEAD a file, or not",
	  "posix list", NULL },
	{ "sync", OPTION_WORD, AT(sync), "close", 0, 0, "close|fsync|local",
	  "which calls wait until S3 has the file",
	  "close fsync local", "close" },
	{ "write_delay", OPTION_NUMBER, AT(write_delay), "100", 0, 60000,
	  "MILLISECONDS", "until a changed mode, owner or time is sent", NULL,
	  NULL },
	{ "max_dirty_age", OPTION_NUMBER, AT(max_dirty_age), "0", 0, 2592000,
	  "SECONDS", "then sent though it is written; 0: never",
	  NULL, NULL },
	{ "part_size", OPTION_SIZE_0, AT(part_size), "0", 5 * MIB, 5 * GIB,
	  "BYTES", "of uploads in parts; 0: from 8M up, as files grow", NULL,
	  NULL },
	{ "timeout", OPTION_NUMBER, AT(timeout), "120", 1, 86400, "SECONDS",
	  "without a byte or an answer from S3: EIO", NULL, NULL },
	{ "connections", OPTION_NUMBER, AT(connections), "64", 1, 256, "N",
	  "to S3 at once, at most", NULL, NULL },
	{ "max_upload", OPTION_SIZE_0, AT(max_upload), "0", KIB, TIB, "BYTES",
	  "sent a second, at most; 0: no limit", NULL, NULL },
	{ "max_download", OPTION_SIZE_0, AT(max_download), "0", KIB, TIB,
	  "BYTES", "received a second, at most; 0: no limit", NULL, NULL },
	{ "max_requests", OPTION_NUMBER, AT(max_requests), "0", 0, 1000000,
	  "N", "to S3 a second, at most; 0: no limit", NULL, NULL },
	{ "threads", OPTION_NUMBER, AT(threads), "4096", 8, 65536, "N",
	  "requests at once, those that wait included", NULL, NULL },
	{ "uid", OPTION_NUMBER, AT(uid), NULL, 0, ID_MAX, "ID",
	  "owner of all files", NULL, NULL },
	{ "gid", OPTION_NUMBER, AT(gid), NULL, 0, ID_MAX, "ID",
	  "group of all files", NULL, NULL },
	{ "umask", OPTION_OCTAL, AT(umask), NULL, 0, 0777, "OCTAL",
	  "permissions taken from all files and folders", NULL, NULL },
	{ "file_mode", OPTION_OCTAL, AT(file_mode), "0644", 0, 07777,
	  "OCTAL", "permissions of files without metadata", NULL, NULL },
	{ "dir_mode", OPTION_OCTAL, AT(dir_mode), "0755", 0, 07777, "OCTAL",
	  "permissions of folders without metadata", NULL, NULL },
	{ "ro", OPTION_FLAG, AT(ro), NULL, 0, 0, NULL, "read-only", NULL, NULL },
	{ "allow_other", OPTION_FLAG, AT(allow_other), NULL, 0, 0, NULL,
	  "other users may use the mount, as permissions say", NULL, NULL },
	{ "bucket_size", OPTION_SIZE, AT(bucket_size), "1P", MIB, ANY,
	  "BYTES", "what df shows as the size", NULL, NULL },
	{ "log_level", OPTION_WORD, AT(log_level), "warning", 0, 0,
	  "WORD", "error, warning, info or debug",
	  "error,err,crit,critical warning,warn,wan info,inf,information "
	  "debug,dbg", NULL },
	{ "log_file", OPTION_TEXT, AT(log_file), NULL, 0, 0, "FILE",
	  "messages go there; without it, to syslog", NULL, NULL },
	{ .name = NULL },
};

const struct option_alias option_aliases[] = {
	{ "rw", "ro", "", "0" },
	{ "url", "endpoint", "", NULL },
	{ "use_path_request_style", "path_style", "", "yes" },
	{ "use_cache", "cache", "", NULL },
	{ "ensure_diskfree", "free_space", "M", NULL },
	{ "stat_cache_expire", "ttl", "", NULL },
	{ "readwrite_timeout", "timeout", "", NULL },
	{ "parallel_count", "connections", "", NULL },
	{ "multireq_max", "connections", "", NULL },
	{ "max_thread_count", "connections", "", NULL },
	{ "multipart_size", "part_size", "M", NULL },
	{ "public_bucket", "no_sign", "", NULL },
	{ "logfile", "log_file", "", NULL },
	{ "dbglevel", "log_level", "", NULL },
	{ NULL, NULL, NULL, NULL },
};

const char *const option_ignored[] = { "_netdev", "nofail", "auto", "noauto",
	"user", "user=*", "nouser", "users", "owner", "group", "defaults",
	"suid", "dev", "exec", "atime", "diratime", "nodiratime", "relatime",
	"norelatime", "strictatime", "lazytime", "async", "dirsync",
	"nonempty", "comment=*", "x-*", "X-*", "default_permissions", "sigv4",
	"use_xattr", "iam_role", "iam_role=auto", NULL };

const char *const option_shown[] = { "user_id", "group_id", "rootmode",
	"max_read", "blksize", "seclabel", NULL };

const char *const option_kernel[] = { "nosuid", "nodev", "noexec", "noatime",
	NULL };
/* clang-format on */
