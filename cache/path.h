/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - keys to names in directories, and back.
 *
 * A directory is a key prefix: "" (or the mount's prefix) for the root, else
 * it ends in '/'.  The keys below it are its entries:
 *
 *	prefix + "b"           a file b
 *	prefix + "b/..."       a directory b (a common prefix, or any key below)
 *	prefix + "b/"          likewise; if it is an object, b's marker
 *	prefix                 the marker of the directory itself
 *	prefix + "b_$folder$"  Hadoop's marker of a directory b, if empty
 *
 * Keys are bytes, not necessarily UTF-8, and come from outside.  Some have no
 * path: a component is empty, "." or "..", over 255 bytes long, holds a NUL,
 * or the key starts with '/' or has more than 1024 bytes.  They are odd: never
 * dropped silently, but counted and listed with the reason that is given here.
 * What lies under ".pailfs/" in the root is ours and hidden, not odd.
 *
 * A flat listing (without delimiter) is walked down a component a time:
 * path_classify() with the prefix of each directory in turn gives for the
 * key "a/b/c" the directory a, then b, then the file c; so a key is odd in
 * the same directory as a delimited listing would have it.  Pure; no locks.
 */
#ifndef CACHE_PATH_H
#define CACHE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Opaque types. */
struct s3_listed;

#define PATH_RESERVED ".pailfs" /* a directory in the root: our own */

enum path_kind {
	PATH_FILE,          /* name: a file (or symlink, ...) */
	PATH_DIRECTORY,     /* name: a directory; see rest */
	PATH_SELF,          /* the marker of the directory itself */
	PATH_FOLDER_MARKER, /* name: a directory, by Hadoop's marker */
	PATH_HIDDEN,        /* not to be shown, not odd */
	PATH_ODD            /* has no path; see reason */
};

struct path {
	enum path_kind kind;
	const char *name;   /* borrows the key; not '\0'-terminated */
	size_t name_len;    /* bytes, 1 to 255; 0 for SELF, HIDDEN, ODD */
	const char *rest;   /* DIRECTORY: the key after "name/"; "" if
			       nothing: a common prefix or the marker */
	const char *reason; /* static, for a person: "a component is empty".
			       ODD, and SELF or DIRECTORY whose marker holds
			       data: its bytes have no path; else NULL */
};

/**
 * path_classify(prefix, at_root, listed, ret):
 * Say what ${listed}, a line of a listing of ${prefix}, is in the directory
 * of that prefix.  ${at_root}: the directory is the root of the tree.  A key
 * that does not start with ${prefix} (a server's fault) is odd.
 * Memory: ${ret} borrows the key of ${listed}.
 */
void path_classify(const char *prefix, bool at_root,
    const struct s3_listed *listed, struct path *ret);

/**
 * path_check_name(name, at_root):
 * Whether an entry may be called ${name}.
 * Returns: 0; -ENAMETOOLONG over 255 bytes; -EINVAL empty, ".", "..", or with
 *     a '/'; -EPERM reserved (".pailfs" where ${at_root}).
 */
int path_check_name(const char *name, bool at_root);

/**
 * path_join(prefix, name, is_dir, ret):
 * The key of entry ${name} in the directory of ${prefix}; with a final '/' if
 * ${is_dir}.
 * Memory:  ${*ret} is owned by the caller: free().
 * Returns: 0; -ENAMETOOLONG over S3_KEY_MAX bytes; -ENOMEM.
 */
int path_join(const char *prefix, const char *name, bool is_dir, char **ret);

#endif
