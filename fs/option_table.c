/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_table.c - the table of options: name, type, range, default, help.
 */
#include "fs/option_table.h"

#define AT(field) offsetof(struct options, field)
#define KIB       UINT64_C(1024)
#define MIB       (KIB * 1024)
#define TIB       (MIB * MIB)
#define ANY       UINT64_MAX
#define ID_MAX    (UINT32_MAX - UINT64_C(1))

/* clang-format off */
const struct option_row option_rows[] = {
	{ "endpoint", OPTION_URL, AT(endpoint), NULL, 0, 0, "URL",
	  "where the S3 server is; without it, AWS", NULL },
	{ "region", OPTION_TEXT, AT(region), NULL, 0, 0, "NAME",
	  "signed for; without it, found out", NULL },
	{ "path_style", OPTION_FLAG, AT(path_style), NULL, 0, 0, NULL,
	  "https://host/bucket instead of https://bucket.host", NULL },
	{ "profile", OPTION_TEXT, AT(profile), NULL, 0, 0, "NAME",
	  "section of the AWS credentials and config files", NULL },
	{ "passwd_file", OPTION_TEXT, AT(passwd_file), NULL, 0, 0, "FILE",
	  "keys as ACCESS:SECRET, in a file that only you can read", NULL },
	{ "no_sign", OPTION_FLAG, AT(no_sign), NULL, 0, 0, NULL,
	  "without credentials: a public bucket", NULL },
	{ "sign_payload", OPTION_FLAG, AT(sign_payload), NULL, 0, 0, NULL,
	  "SHA-256 of each body in its signature", NULL },
	{ "checksum", OPTION_FLAG, AT(checksum), "1", 0, 0, "0|1",
	  "CRC32C checksums with S3; 0 for servers that choke", NULL },
	{ "cache", OPTION_TEXT, AT(cache), NULL, 0, 0, "DIR",
	  "local folder, on a fast disk", NULL },
	{ "cache_size", OPTION_SIZE, AT(cache_size), "10G", 4 * MIB, ANY,
	  "BYTES", "at most this much in the folder, all included", NULL },
	{ "free_space", OPTION_SIZE, AT(free_space), "1G", 0, ANY, "BYTES",
	  "left free on the folder's filesystem", NULL },
	{ "memory", OPTION_SIZE, AT(memory), "32M", 4 * MIB, TIB, "BYTES",
	  "for buffers", NULL },
	{ "ttl", OPTION_MS, AT(ttl), "10", 0, 31536000, "SECONDS",
	  "how long names, attributes and listings are believed", NULL },
	{ "negative_ttl", OPTION_MS, AT(negative_ttl), "10", 0, 31536000,
	  "SECONDS", "the same of names that do not exist", NULL },
	{ "attrs", OPTION_WORD, AT(attrs), "posix", 0, 0, "posix|list",
	  "mode, owner and times by a HEAD a file, or none of it", "posix list" },
	{ "timeout", OPTION_NUMBER, AT(timeout), "120", 1, 86400, "SECONDS",
	  "without a byte or an answer from S3: EIO", NULL },
	{ "connections", OPTION_NUMBER, AT(connections), "64", 1, 256, "N",
	  "to S3 at once, at most", NULL },
	{ "threads", OPTION_NUMBER, AT(threads), "4096", 8, 65536, "N",
	  "requests served at once; one that waits for S3 counts", NULL },
	{ "uid", OPTION_NUMBER, AT(uid), NULL, 0, ID_MAX, "ID",
	  "owner of all files", NULL },
	{ "gid", OPTION_NUMBER, AT(gid), NULL, 0, ID_MAX, "ID",
	  "group of all files", NULL },
	{ "umask", OPTION_OCTAL, AT(umask), NULL, 0, 0777, "OCTAL",
	  "permissions taken from all files and folders", NULL },
	{ "file_mode", OPTION_OCTAL, AT(file_mode), "0644", 0, 07777,
	  "OCTAL", "permissions of files without metadata", NULL },
	{ "dir_mode", OPTION_OCTAL, AT(dir_mode), "0755", 0, 07777, "OCTAL",
	  "permissions of folders without metadata", NULL },
	{ "ro", OPTION_FLAG, AT(ro), NULL, 0, 0, NULL, "read-only", NULL },
	{ "allow_other", OPTION_FLAG, AT(allow_other), NULL, 0, 0, NULL,
	  "other users may use the mount, as permissions say", NULL },
	{ "bucket_size", OPTION_SIZE, AT(bucket_size), "1P", MIB, ANY,
	  "BYTES", "what df shows as the size", NULL },
	{ "log_level", OPTION_WORD, AT(log_level), "warning", 0, 0,
	  "WORD", "error, warning, info or debug",
	  "error warning info debug" },
	{ "log_file", OPTION_TEXT, AT(log_file), NULL, 0, 0, "FILE",
	  "messages go there; without it, to syslog", NULL },
	{ .name = NULL },
};

const struct option_alias option_aliases[] = {
	{ "url", "endpoint", "" },
	{ "use_path_request_style", "path_style", "" },
	{ "use_cache", "cache", "" },
	{ "ensure_diskfree", "free_space", "M" },
	{ "stat_cache_expire", "ttl", "" },
	{ "readwrite_timeout", "timeout", "" },
	{ "parallel_count", "connections", "" },
	{ "multireq_max", "connections", "" },
	{ "public_bucket", "no_sign", "" },
	{ "logfile", "log_file", "" },
	{ "dbglevel", "log_level", "" },
	{ NULL, NULL, NULL },
};

const char *const option_ignored[] = { "_netdev", "nofail", "auto", "noauto",
	"user", "nouser", "users", "owner", "group", "defaults", "rw", "suid",
	"dev", "exec", "atime", "sync", "async", "nonempty", "iam_role",
	"default_permissions", "sigv4", NULL };

const char *const option_kernel[] = { "nosuid", "nodev", "noexec", "noatime",
	"relatime", "nodiratime", "dirsync", NULL };
/* clang-format on */
