/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.c - keys to names in directories, and back.
 *
 * Role:    pure; the one place that knows which keys have a path.
 */
#include "cache/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "s3/s3.h"

#define FOLDER_SUFFIX "_$folder$"

static bool
is_text(const char *name, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(name, text, len) == 0;
}

/* Why a component of ${len} bytes at ${name} cannot be a name; else NULL. */
static const char *
odd_component(const char *name, size_t len)
{
	if (len == 0)
		return "a component is empty";
	if (is_text(name, len, "."))
		return "a component is \".\"";
	if (is_text(name, len, ".."))
		return "a component is \"..\"";
	if (len > CACHE_NAME_MAX)
		return "a component is longer than 255 bytes";
	if (memchr(name, '\0', len) != NULL)
		return "a component holds a NUL byte";
	return NULL;
}

static void
set_odd(struct path *ret, const char *reason)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = PATH_ODD;
	ret->reason = reason;
}

/* The length of the name that ${name} marks in Hadoop's way; else 0. */
static size_t
folder_len(const char *name, size_t len)
{
	size_t suffix = strlen(FOLDER_SUFFIX);

	if (len <= suffix)
		return 0;
	if (memcmp(name + len - suffix, FOLDER_SUFFIX, suffix) != 0)
		return 0;
	return len - suffix;
}

/* A key whose first component below the prefix is its last: ${len} bytes. */
static void
classify_leaf(const char *name, size_t len, bool at_root,
    const struct s3_listed *listed, struct path *ret)
{
	size_t folder = listed->size == 0 ? folder_len(name, len) : 0;
	const char *reason;

	ret->kind = PATH_FILE;
	if (folder > 0) {
		ret->kind = PATH_FOLDER_MARKER;
		len = folder;
	}
	reason = odd_component(name, len);
	if (reason != NULL) {
		set_odd(ret, reason);
		return;
	}
	if (at_root && is_text(name, len, PATH_RESERVED)) {
		if (folder > 0)
			ret->kind = PATH_HIDDEN;
		else
			set_odd(ret, "the name \"" PATH_RESERVED
				     "\" is reserved in the root");
		return;
	}
	ret->name = name;
	ret->name_len = len;
}

/* A key that goes on after the '/' behind its first component. */
static void
classify_inner(const char *name, size_t len, bool at_root,
    const struct s3_listed *listed, struct path *ret)
{
	const char *reason = odd_component(name, len);
	const char *rest = name + len + 1;

	if (len == 0 && name == listed->key)
		reason = "the key starts with a slash";
	if (reason != NULL) {
		set_odd(ret, reason);
		return;
	}
	if (at_root && is_text(name, len, PATH_RESERVED)) {
		ret->kind = PATH_HIDDEN;
		return;
	}
	ret->kind = PATH_DIRECTORY;
	ret->name = name;
	ret->name_len = len;
	ret->rest = rest;
	if (rest == listed->key + listed->key_len && !listed->is_prefix &&
	    listed->size > 0)
		ret->reason = "the marker of a directory holds data";
}

void
path_classify(const char *prefix, bool at_root, const struct s3_listed *listed,
    struct path *ret)
{
	size_t prefix_len = strlen(prefix), len;
	const char *name, *slash;

	memset(ret, 0, sizeof(*ret));
	if (listed->key_len == 0) {
		set_odd(ret, "the key is empty");
		return;
	}
	if (listed->key_len > S3_KEY_MAX) {
		set_odd(ret, "the key is longer than 1024 bytes");
		return;
	}
	if (listed->key_len < prefix_len ||
	    memcmp(listed->key, prefix, prefix_len) != 0) {
		set_odd(ret, "the server listed it under a wrong prefix");
		return;
	}
	name = listed->key + prefix_len;
	len = listed->key_len - prefix_len;
	if (len == 0) {
		ret->kind = PATH_SELF;
		if (!listed->is_prefix && listed->size > 0)
			ret->reason = "the marker of a directory holds data";
		return;
	}
	slash = memchr(name, '/', len);
	if (slash != NULL)
		classify_inner(
		    name, (size_t)(slash - name), at_root, listed, ret);
	else if (listed->is_prefix)
		set_odd(ret, "the server listed a prefix without a slash");
	else
		classify_leaf(name, len, at_root, listed, ret);
}

int
path_check_name(const char *name, bool at_root)
{
	size_t len = strlen(name);

	if (len > CACHE_NAME_MAX)
		return -ENAMETOOLONG;
	if (odd_component(name, len) != NULL || strchr(name, '/') != NULL)
		return -EINVAL;
	if (at_root && is_text(name, len, PATH_RESERVED))
		return -EPERM;
	return 0;
}

int
path_join(const char *prefix, const char *name, bool is_dir, char **ret)
{
	size_t prefix_len = strlen(prefix), name_len = strlen(name);
	size_t len = prefix_len + name_len + (is_dir ? 1 : 0);
	char *key;

	if (len > S3_KEY_MAX)
		return -ENAMETOOLONG;
	key = malloc(len + 1);
	if (key == NULL)
		return -ENOMEM;
	memcpy(key, prefix, prefix_len);
	memcpy(key + prefix_len, name, name_len);
	if (is_dir)
		key[len - 1] = '/';
	key[len] = '\0';
	*ret = key;
	return 0;
}
