/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs_json.c - extended attributes as the value of the header "xattr".
 *
 * Role:    pure; the part of attrs.c that knows JSON and base64.
 */
#include "cache/attrs_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "cache/attrs_value.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define XATTR_LEN_MAX ((size_t)1 << 20) /* bytes of one value */

void
attrs_json_free(struct attrs_xattr *xattrs, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(xattrs[i].name);
		free(xattrs[i].value);
	}
	free(xattrs);
}

bool
attrs_json_is_text(const char *name)
{
	json_t *json = json_string(name); /* NULL if it is not UTF-8 */

	json_decref(json);
	return json != NULL;
}

/* The xattr of this name and base64.  Returns: 1; 0 it is bad; -ENOMEM. */
static int
read_one(const char *name, const json_t *value, struct attrs_xattr *ret)
{
	size_t name_len = strlen(name), len = json_string_length(value);
	AUTO_FREE uint8_t *bytes = NULL;
	AUTO_FREE char *copy = NULL;

	if (!json_is_string(value) || name_len == 0 ||
	    name_len > ATTRS_XATTR_NAME_MAX)
		return 0;
	bytes = malloc(len + 1);
	copy = strdup(name);
	if (bytes == NULL || copy == NULL)
		return -ENOMEM;
	if (!attrs_value_base64(json_string_value(value), len, bytes, &len))
		return 0;
	ret->name = TAKE(copy);
	ret->value = TAKE(bytes);
	ret->len = len;
	return 1;
}

static int
read_object(json_t *json, struct attrs_xattr **ret, size_t *ret_count)
{
	struct attrs_xattr *xattrs;
	const char *name;
	json_t *value;
	size_t count = 0;
	int r = 0;

	xattrs = calloc(json_object_size(json) + 1, sizeof(*xattrs));
	if (xattrs == NULL)
		return -ENOMEM;
	json_object_foreach(json, name, value)
	{
		r = read_one(name, value, &xattrs[count]);
		if (r < 0)
			break;
		count += (size_t)r;
	}
	if (r < 0 || count == 0) {
		attrs_json_free(xattrs, count);
		xattrs = NULL;
	}
	if (r < 0)
		return r;
	*ret = xattrs;
	*ret_count = count;
	return 1;
}

int
attrs_json_read(const char *value, struct attrs_xattr **ret, size_t *ret_count)
{
	AUTO_FREE char *text = NULL;
	json_error_t error;
	json_t *json;
	size_t len;
	int r;

	r = attrs_value_unescape(value, &text, &len);
	if (r <= 0)
		return r;
	json = json_loadb(text, len, 0, &error);
	if (json == NULL)
		return json_error_code(&error) == json_error_out_of_memory
			   ? -ENOMEM
			   : 0;
	r = json_is_object(json) ? read_object(json, ret, ret_count) : 0;
	json_decref(json);
	return r;
}

static int
write_one(json_t *json, const struct attrs_xattr *x)
{
	AUTO_FREE char *text = NULL;

	if (x->len > XATTR_LEN_MAX)
		return -EOVERFLOW;
	text = malloc((x->len + 2) / 3 * 4 + 1);
	if (text == NULL)
		return -ENOMEM;
	/* What it returns is the length that is known. */
	(void)EVP_EncodeBlock((unsigned char *)text, x->value, (int)x->len);
	if (json_object_set_new_nocheck(json, x->name, json_string(text)) < 0)
		return -ENOMEM;
	return 0;
}

int
attrs_json_write(
    const struct attrs_xattr *xattrs, size_t count, struct buf *ret)
{
	json_t *json = json_object();
	char *text = NULL;
	int r = json != NULL ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; i < count && r == 0; i++)
		r = write_one(json, &xattrs[i]);
	if (r == 0) {
		text = json_dumps(json, JSON_COMPACT);
		r = text != NULL ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = attrs_value_escape(ret, text, "-_.~");
	free(text);
	json_decref(json);
	return r;
}
