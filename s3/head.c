/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.c - the head of an HTTP answer: status line and header lines.
 *
 * Role:    turns lines into struct head; http.c feeds it.  Pure.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/base/cleanup.h"
#include "s3/date.h"
#include "s3/head.h"

#define HEAD_MAX   65536 /* bytes kept; S3 allows 2 KiB of metadata */
#define META_COUNT 256

void
head_init(struct head *h)
{
	memset(h, 0, sizeof(*h));
	h->range_total = HEAD_TOTAL_UNKNOWN;
	h->retry_ms = -1;
}

void
object_fini(struct s3_object *object)
{
	for (size_t i = 0; i < object->meta_count; i++) {
		free(object->meta[i].name);
		free(object->meta[i].value);
	}
	free(object->meta);
	free(object->etag);
	free(object->version_id);
	free(object->storage_class);
	free(object->content_type);
	memset(object, 0, sizeof(*object));
}

void
head_fini(struct head *h)
{
	object_fini(&h->object);
	head_init(h);
}

/* Parse decimal digits up to ${end}, a character that must follow. */
static const char *
parse_number(const char *s, char end, uint64_t *ret)
{
	char *rest;
	uint64_t n;

	if (!isdigit((unsigned char)*s))
		return NULL;
	errno = 0;
	n = strtoull(s, &rest, 10);
	if (errno != 0 || *rest != end || n > INT64_MAX)
		return NULL; /* of bytes, no file has as many */
	*ret = n;
	return end == '\0' ? rest : rest + 1;
}

static void
parse_range(struct head *h, const char *s)
{
	uint64_t first, last, total = HEAD_TOTAL_UNKNOWN;

	h->has_range = false;
	if (strncasecmp(s, "bytes ", 6) != 0)
		return;
	s = parse_number(s + 6, '-', &first);
	if (s != NULL)
		s = parse_number(s, '/', &last);
	if (s == NULL || last < first)
		return;
	if (strcmp(s, "*") != 0 && parse_number(s, '\0', &total) == NULL)
		return;
	if (total <= last)
		return;
	h->range_first = first;
	h->range_last = last;
	h->range_total = total;
	h->has_range = true;
}

static void
parse_length(struct head *h, const char *s)
{
	h->has_length = parse_number(s, '\0', &h->length) != NULL;
}

static void
parse_retry(struct head *h, const char *s)
{
	uint64_t n;

	if (parse_number(s, '\0', &n) != NULL && n < INT32_MAX)
		h->retry_ms = (int64_t)n * 1000;
}

static void
parse_retry_ms(struct head *h, const char *s)
{
	uint64_t n;

	if (parse_number(s, '\0', &n) != NULL && n < INT32_MAX)
		h->retry_ms = (int64_t)n;
}

static void
parse_when(struct head *h, const char *s)
{
	(void)date_parse_http(s, &h->date_ns); /* 0: not given */
}

static void
parse_modified(struct head *h, const char *s)
{
	(void)date_parse_http(s, &h->object.modified_ns);
}

static const struct {
	const char *name;
	void (*parse)(struct head *h, const char *value);
} numbers[] = {
	{ "content-length", parse_length },
	{ "content-range", parse_range },
	{ "date", parse_when },
	{ "last-modified", parse_modified },
	{ "retry-after", parse_retry },
	{ "x-amz-retry-after", parse_retry_ms },
};

#define CHECKSUM(kind) offsetof(struct head, checksums[kind]), DIGEST_VALUE_SIZE

/* Kept in struct head itself; what is too long is cut, and so no match. */
static const struct {
	const char *name;
	size_t field;
	size_t size;
} words[] = {
	{ "x-amz-request-id", offsetof(struct head, request_id), 64 },
	{ "x-amz-bucket-region", offsetof(struct head, region), 64 },
	{ "x-amz-checksum-crc32c", CHECKSUM(DIGEST_CRC32C) },
	{ "x-amz-checksum-crc64nvme", CHECKSUM(DIGEST_CRC64NVME) },
	{ "x-amz-checksum-crc32", CHECKSUM(DIGEST_CRC32) },
	{ "x-amz-checksum-sha1", CHECKSUM(DIGEST_SHA1) },
	{ "x-amz-checksum-sha256", CHECKSUM(DIGEST_SHA256) },
	{ "x-amz-checksum-type", offsetof(struct head, checksum_type), 16 },
};

static const struct {
	const char *name;
	size_t field;
} strings[] = {
	{ "etag", offsetof(struct s3_object, etag) },
	{ "content-type", offsetof(struct s3_object, content_type) },
	{ "x-amz-version-id", offsetof(struct s3_object, version_id) },
	{ "x-amz-storage-class", offsetof(struct s3_object, storage_class) },
};

static int
keep_string(struct head *h, size_t field, const char *value)
{
	char **p = (char **)(void *)((char *)&h->object + field);
	char *s = strdup(value);

	if (s == NULL)
		return -ENOMEM;
	free(*p);
	*p = s;
	return 0;
}

/* A name that comes twice keeps its first value. */
static int
keep_meta(struct head *h, const char *name, const char *value)
{
	struct s3_object *o = &h->object;
	AUTO_FREE char *n = strdup(name);
	AUTO_FREE char *v = strdup(value);
	struct s3_meta *meta;

	if (n == NULL || v == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < o->meta_count; i++) {
		if (strcasecmp(o->meta[i].name, name) == 0)
			return 0;
	}
	if (o->meta_count == META_COUNT)
		return -EOVERFLOW;
	meta = reallocarray(o->meta, o->meta_count + 1, sizeof(*meta));
	if (meta == NULL)
		return -ENOMEM;
	o->meta = meta;
	for (char *p = n; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	meta[o->meta_count].name = TAKE(n);
	meta[o->meta_count].value = TAKE(v);
	o->meta_count++;
	return 0;
}

static int
keep(struct head *h, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (strcasecmp(name, numbers[i].name) == 0) {
			numbers[i].parse(h, value);
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcasecmp(name, words[i].name) == 0) {
			(void)snprintf((char *)h + words[i].field,
			    words[i].size, "%s", value);
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		if (strcasecmp(name, strings[i].name) == 0)
			return keep_string(h, strings[i].field, value);
	}
	if (strncasecmp(name, "x-amz-meta-", 11) == 0 && name[11] != '\0')
		return keep_meta(h, name + 11, value);
	return 0;
}

/* "HTTP/1.1 206 Partial Content" */
static void
parse_status(struct head *h, const char *line)
{
	const char *s = strchr(line, ' ');
	long n = s == NULL ? 0 : strtol(s, NULL, 10);

	h->status = n >= 100 && n <= 999 ? (unsigned)n : 0;
}

static void
trim(char *s)
{
	size_t len = strlen(s);

	while (len > 0 && isspace((unsigned char)s[len - 1]))
		s[--len] = '\0';
}

int
head_add(struct head *h, const char *line, size_t len)
{
	AUTO_FREE char *copy = NULL;
	char *colon, *value;

	if (len > HEAD_MAX - h->bytes)
		return -EOVERFLOW;
	copy = strndup(line, len);
	if (copy == NULL)
		return -ENOMEM;
	trim(copy);
	if (strncmp(copy, "HTTP/", 5) == 0) {
		head_fini(h);
		parse_status(h, copy);
		return 0;
	}
	h->bytes += len;
	colon = strchr(copy, ':');
	if (colon == NULL)
		return 0;
	*colon = '\0';
	value = colon + 1;
	while (*value == ' ' || *value == '\t')
		value++;
	return keep(h, copy, value);
}
