/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs_json.h - extended attributes as the value of the header "xattr".
 *
 * s3fs's form: a JSON object of names and base64, as %XX where it is more than
 * letters, digits and "-_.~".  Pure; no locks.
 */
#ifndef CACHE_ATTRS_JSON_H
#define CACHE_ATTRS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct buf;

#define ATTRS_XATTR_NAME_MAX 255 /* bytes: Linux */

struct attrs_xattr {
	char *name;     /* owned: "user.comment" */
	uint8_t *value; /* owned; len bytes; never NULL */
	size_t len;
};

/**
 * attrs_json_read(value, ret, ret_count):
 * The xattrs of a header's ${value}; single ones that are bad are left out.
 * Memory:  ${*ret} (NULL: none) is owned by the caller: attrs_json_free().
 * Returns: 1; 0 all of it is bad; -ENOMEM.
 */
int attrs_json_read(
    const char *value, struct attrs_xattr **ret, size_t *ret_count);

/**
 * attrs_json_write(xattrs, count, ret):
 * Append the header's value for ${xattrs} to ${ret}.
 * Returns: 0; -ENOMEM; -EOVERFLOW too long for ${ret}, or for base64.
 */
int attrs_json_write(
    const struct attrs_xattr *xattrs, size_t count, struct buf *ret);

/* Free an array of xattrs and what it holds. */
void attrs_json_free(struct attrs_xattr *xattrs, size_t count);

/* Whether ${name} can be the name of one: it is UTF-8. */
bool attrs_json_is_text(const char *name);

#endif
