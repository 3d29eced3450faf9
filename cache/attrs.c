/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs.c - metadata headers of an object to attributes of a file, and back.
 *
 * Role:    pure; the one place that knows the header names.
 *
 * A parser takes one value into one field.  It returns 1: taken; 0: the value
 * is bad, and is as if it were not there; -ENOMEM.
 */
#include "cache/attrs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cache/attrs_meta.h"
#include "cache/attrs_value.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/s3.h"

#define NS_PER_S   UINT64_C(1000000000)
#define TARGET_MAX 4095      /* bytes of a symlink's target: PATH_MAX - 1 */
#define TEXT_MAX   (1 << 20) /* bytes of a value in the making */
#define PACK_FORM  1         /* the first byte of the packed form */

void
attrs_init(struct attrs *a)
{
	memset(a, 0, sizeof(*a));
}

void
attrs_fini(struct attrs *a)
{
	attrs_json_free(a->xattrs, a->xattr_count);
	free(a->symlink);
	free(a->token);
	attrs_meta_free(a->other, a->other_count);
	attrs_init(a);
}

/* ---- xattrs ---- */

static size_t
xattr_index(const struct attrs *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->xattr_count; i++)
		if (strcmp(a->xattrs[i].name, name) == 0)
			break;
	return i;
}

const struct attrs_xattr *
attrs_xattr_find(const struct attrs *a, const char *name)
{
	size_t i = xattr_index(a, name);

	return i < a->xattr_count ? &a->xattrs[i] : NULL;
}

bool
attrs_xattr_remove(struct attrs *a, const char *name)
{
	size_t i = xattr_index(a, name);

	if (i == a->xattr_count)
		return false;
	free(a->xattrs[i].name);
	free(a->xattrs[i].value);
	a->xattr_count--;
	memmove(&a->xattrs[i], &a->xattrs[i + 1],
	    (a->xattr_count - i) * sizeof(*a->xattrs));
	return true;
}

/* Whether ${a} fits, with all that may be set later at its longest. */
static int
check_room(const struct attrs *a)
{
	char token[ATTRS_TOKEN_MAX + 1];
	struct attrs longest = *a;
	struct s3_meta *meta;
	size_t count;
	int r;

	memset(token, 'x', ATTRS_TOKEN_MAX);
	token[ATTRS_TOKEN_MAX] = '\0';
	longest.has_mode = longest.has_uid = longest.has_gid = true;
	longest.has_atime = longest.has_mtime = longest.has_ctime = true;
	longest.mode = S_IFSOCK | 07777;
	longest.uid = longest.gid = UINT32_MAX;
	longest.atime_ns = longest.mtime_ns = longest.ctime_ns = INT64_MIN;
	longest.token = token;
	r = attrs_write(&longest, false, &meta, &count);
	if (r == 0)
		attrs_meta_free(meta, count);
	return r;
}

int
attrs_xattr_set(
    struct attrs *a, const char *name, const void *value, size_t len)
{
	size_t i = xattr_index(a, name), name_len = strlen(name);
	struct attrs changed = *a;
	struct attrs_xattr x = { .len = len };
	int r = -ENOMEM;

	if (name_len > ATTRS_XATTR_NAME_MAX)
		return -ERANGE;
	if (name_len == 0 || !attrs_json_is_text(name))
		return -EINVAL;
	changed.xattrs = calloc(a->xattr_count + 1, sizeof(x));
	x.name = strdup(name);
	x.value = len <= S3_META_MAX ? malloc(len + 1) : NULL;
	if (changed.xattrs != NULL && x.name != NULL && x.value != NULL) {
		if (a->xattr_count > 0)
			memcpy(changed.xattrs, a->xattrs,
			    a->xattr_count * sizeof(x));
		if (len > 0)
			memcpy(x.value, value, len);
		changed.xattrs[i] = x;
		if (i == a->xattr_count)
			changed.xattr_count++;
		r = check_room(&changed);
	}
	if (len > S3_META_MAX)
		r = -ENOSPC;
	if (r < 0) {
		free(changed.xattrs);
		free(x.name);
		free(x.value);
		return r;
	}
	if (i < a->xattr_count) {
		free(a->xattrs[i].name);
		free(a->xattrs[i].value);
	}
	free(a->xattrs);
	*a = changed;
	return 0;
}

/* ---- reading ---- */

enum form {
	MODE,
	OCTAL_MODE,
	NUMBER,
	TIME,
	TIME_UNIT,
	TARGET,
	XATTRS,
	TOKEN
};

/* Where a field lies in struct attrs. */
#define AT(field) offsetof(struct attrs, field)
#define FIELD(f)  AT(has_##f), AT(f)
#define STAMP(f)  AT(has_##f), AT(f##_ns)

/* Of those of one field the first that is there and good wins. */
static const struct header {
	const char *name;
	enum form form;
	size_t has;   /* offset of its flag; 0: none */
	size_t field; /* offset */
} headers[] = {
	{ "mode", MODE, FIELD(mode) },
	{ "permissions", MODE, FIELD(mode) },
	{ "goog-reserved-posix-mode", OCTAL_MODE, FIELD(mode) },
	{ "file-permissions", OCTAL_MODE, FIELD(mode) },
	{ "uid", NUMBER, FIELD(uid) },
	{ "owner", NUMBER, FIELD(uid) },
	{ "goog-reserved-posix-uid", NUMBER, FIELD(uid) },
	{ "file-owner", NUMBER, FIELD(uid) },
	{ "gid", NUMBER, FIELD(gid) },
	{ "group", NUMBER, FIELD(gid) },
	{ "goog-reserved-posix-gid", NUMBER, FIELD(gid) },
	{ "file-group", NUMBER, FIELD(gid) },
	{ "rdev", NUMBER, FIELD(rdev) },
	{ "mtime", TIME, STAMP(mtime) },
	{ "goog-reserved-file-mtime", TIME, STAMP(mtime) },
	{ "file-mtime", TIME_UNIT, STAMP(mtime) },
	{ "atime", TIME, STAMP(atime) },
	{ "file-atime", TIME_UNIT, STAMP(atime) },
	{ "ctime", TIME, STAMP(ctime) },
	{ "file-ctime", TIME_UNIT, STAMP(ctime) },
	{ "--symlink-target", TARGET, 0, 0 },
	{ "xattr", XATTRS, 0, 0 },
	{ "pailfs-token", TOKEN, 0, 0 },
};
#define HEADER_COUNT (sizeof(headers) / sizeof(headers[0]))

static int
read_target(struct attrs *a, const char *value)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r;

	r = attrs_value_unescape(value, &text, &len);
	if (r <= 0)
		return r;
	if (len == 0 || len > TARGET_MAX || strlen(text) != len)
		return 0;
	a->symlink = TAKE(text);
	return 1;
}

static int
read_token(struct attrs *a, const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len > ATTRS_TOKEN_MAX ||
	    strspn(value, "0123456789abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != len)
		return 0;
	a->token = strdup(value);
	return a->token != NULL ? 1 : -ENOMEM;
}

static int
read_value(struct attrs *a, const struct header *h, const char *value)
{
	char *base = (char *)a;
	void *field = base + h->field;
	bool good;

	switch (h->form) {
	case MODE:
		good = attrs_value_mode(value, field);
		break;
	case OCTAL_MODE:
		good = attrs_value_octal_mode(value, field);
		break;
	case NUMBER:
		good = attrs_value_number(value, 10, UINT32_MAX, field);
		break;
	case TIME:
	case TIME_UNIT:
		good = attrs_value_time(value, h->form == TIME_UNIT, field);
		break;
	case TARGET:
		return read_target(a, value);
	case XATTRS:
		return attrs_json_read(value, &a->xattrs, &a->xattr_count);
	case TOKEN:
	default:
		return read_token(a, value);
	}
	if (good)
		*(bool *)(void *)(base + h->has) = true;
	return good ? 1 : 0;
}

/* Whether the field of ${h} was already read. */
static bool
is_taken(const struct attrs *a, const struct header *h)
{
	const char *base = (const char *)a;

	switch (h->form) {
	case TARGET:
		return a->symlink != NULL;
	case XATTRS:
		return a->xattr_count > 0;
	case TOKEN:
		return a->token != NULL;
	default:
		return *(const bool *)(const void *)(base + h->has);
	}
}

/* Whether ${meta} is good, for this or an earlier header of its field: 1 or 0;
 * then it is none of ours. */
static int
try_value(const struct header *h, const struct s3_meta *meta)
{
	struct attrs scratch;
	int r;

	attrs_init(&scratch);
	r = read_value(&scratch, h, meta->value);
	attrs_fini(&scratch);
	return r;
}

static const char *const directory_types[] = { "application/x-directory",
	"httpd/unix-directory" };

static bool
is_directory_type(const char *type)
{
	size_t i, len;

	if (type == NULL)
		return false;
	len = strcspn(type, "; \t");
	for (i = 0; i < 2; i++)
		if (strlen(directory_types[i]) == len &&
		    strncasecmp(type, directory_types[i], len) == 0)
			return true;
	return false;
}

static const struct header *
find_header(const char *name)
{
	size_t i;

	for (i = 0; i < HEADER_COUNT; i++)
		if (strcmp(headers[i].name, name) == 0)
			return &headers[i];
	return NULL;
}

static int
read_all(const struct s3_meta *meta, size_t count, struct attrs *a)
{
	const struct header *h;
	size_t i;
	int r;

	/* In the order of the headers, so that the first one wins ... */
	for (h = headers; h < headers + HEADER_COUNT; h++) {
		for (i = 0; i < count; i++) {
			if (strcmp(meta[i].name, h->name) != 0 ||
			    is_taken(a, h))
				continue;
			r = read_value(a, h, meta[i].value);
			if (r < 0)
				return r;
		}
	}
	/* ... and in their own, what is none of ours. */
	for (i = 0; i < count; i++) {
		h = find_header(meta[i].name);
		r = h != NULL ? try_value(h, &meta[i]) : 0;
		if (r == 0)
			r = attrs_meta_add(&a->other, &a->other_count,
			    meta[i].name, meta[i].value);
		if (r < 0)
			return r;
	}
	return 0;
}

int
attrs_read(const struct s3_meta *meta, size_t count, const char *content_type,
    struct attrs *ret)
{
	struct attrs a;
	int r;

	attrs_init(&a);
	a.is_directory = is_directory_type(content_type);
	r = read_all(meta, count, &a);
	if (r < 0) {
		attrs_fini(&a);
		return r;
	}
	attrs_fini(ret);
	*ret = a;
	return 0;
}

/* ---- writing ---- */

/* Metadata in the making. */
struct metas {
	struct s3_meta *meta;
	size_t count;
	int err; /* the first one sticks */
};

static void
metas_add(struct metas *l, const char *name, const char *value)
{
	if (l->err == 0)
		l->err = attrs_meta_add(&l->meta, &l->count, name, value);
}

static void
metas_number(struct metas *l, const char *name, bool has, uint32_t value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%" PRIu32, value);
	if (has)
		metas_add(l, name, text);
}

static void
metas_time(struct metas *l, const char *name, bool has, int64_t ns)
{
	uint64_t value = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	char text[32];

	(void)snprintf(text, sizeof(text), "%s%" PRIu64 ".%09" PRIu64,
	    ns < 0 ? "-" : "", value / NS_PER_S, value % NS_PER_S);
	if (has)
		metas_add(l, name, text);
}

static void
metas_escaped(struct metas *l, const struct attrs *a)
{
	AUTO(buf_fini) struct buf b = BUF_INIT(TEXT_MAX);

	if (a->xattr_count > 0 && l->err == 0) {
		l->err = attrs_json_write(a->xattrs, a->xattr_count, &b);
		metas_add(l, "xattr", buf_str(&b));
		buf_clear(&b);
	}
	if (a->symlink != NULL && l->err == 0) {
		l->err = attrs_value_escape(&b, a->symlink, "/-_.~ ");
		metas_add(l, "--symlink-target", buf_str(&b));
	}
	if (l->err == -EOVERFLOW)
		l->err = -ENOSPC;
}

static bool
metas_has(const struct metas *l, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(l->meta[i].name, name) == 0)
			return true;
	return false;
}

/* Names of metadata that says something of the bytes. */
static bool
is_of_content(const char *name)
{
	return strcmp(name, "md5chksum") == 0; /* rclone */
}

static int
metas_all(const struct attrs *a, bool new_content, struct metas *l)
{
	size_t i, own;

	metas_number(l, "uid", a->has_uid, a->uid);
	metas_number(l, "gid", a->has_gid, a->gid);
	metas_number(l, "mode", a->has_mode, a->mode);
	metas_time(l, "mtime", a->has_mtime, a->mtime_ns);
	metas_time(l, "atime", a->has_atime, a->atime_ns);
	metas_time(l, "ctime", a->has_ctime, a->ctime_ns);
	metas_number(l, "rdev", a->has_rdev, a->rdev);
	metas_escaped(l, a);
	if (a->token != NULL)
		metas_add(l, "pailfs-token", a->token);
	own = l->count;
	for (i = 0; i < a->other_count; i++) {
		if (metas_has(l, own, a->other[i].name) ||
		    (new_content && is_of_content(a->other[i].name)))
			continue;
		metas_add(l, a->other[i].name, a->other[i].value);
	}
	return l->err;
}

int
attrs_write(const struct attrs *a, bool new_content, struct s3_meta **ret,
    size_t *ret_count)
{
	struct metas l = { 0 };
	int r;

	r = metas_all(a, new_content, &l);
	if (r == 0 && attrs_meta_size(l.meta, l.count) > S3_META_MAX)
		r = -ENOSPC;
	if (r < 0) {
		attrs_meta_free(l.meta, l.count);
		return r;
	}
	*ret = l.meta;
	*ret_count = l.count;
	return 0;
}

/*
 * The packed form: PACK_FORM, 1 if is_directory else 0, then each name and
 * value as attrs_write() has them, with a '\0' behind each.
 */
int
attrs_pack(const struct attrs *a, struct buf *ret)
{
	uint8_t head[2] = { PACK_FORM, a->is_directory ? 1 : 0 };
	struct metas l = { 0 };
	size_t i;
	int r;

	r = metas_all(a, false, &l);
	if (r == 0)
		r = buf_add(ret, head, sizeof(head));
	for (i = 0; i < l.count && r == 0; i++) {
		r = buf_add(ret, l.meta[i].name, strlen(l.meta[i].name) + 1);
		if (r == 0)
			r = buf_add(
			    ret, l.meta[i].value, strlen(l.meta[i].value) + 1);
	}
	attrs_meta_free(l.meta, l.count);
	return r;
}

/* The string at ${*p}, with its '\0' before ${end}; moves on; or NULL. */
static const char *
take_string(const char **p, const char *end)
{
	const char *s = *p, *nul;

	if (s == end)
		return NULL;
	nul = memchr(s, '\0', (size_t)(end - s));
	if (nul == NULL)
		return NULL;
	*p = nul + 1;
	return s;
}

int
attrs_unpack(const void *data, size_t len, struct attrs *ret)
{
	const char *p = data, *end = p + len, *name, *value;
	const char *type = NULL;
	struct metas l = { 0 };

	if (len < 2 || p[0] != PACK_FORM || (p[1] != 0 && p[1] != 1))
		return -EBADMSG;
	if (p[1] == 1)
		type = directory_types[0];
	p += 2;
	while (p < end && l.err == 0) {
		name = take_string(&p, end);
		value = name != NULL ? take_string(&p, end) : NULL;
		if (value != NULL)
			metas_add(&l, name, value);
		else
			l.err = -EBADMSG;
	}
	if (l.err == 0)
		l.err = attrs_read(l.meta, l.count, type, ret);
	attrs_meta_free(l.meta, l.count);
	return l.err;
}
