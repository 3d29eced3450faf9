/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_list.c - the answers that come in pages.
 *
 * Role:    parsers for xml_parser.c.  S3: API_ListObjectsV2, API_ListParts,
 *          API_ListMultipartUploads.
 *
 * encoding-type=url is asked for, as XML cannot carry all keys.  Whether it
 * was heard, <EncodingType> tells, which may come after the keys: these are
 * decoded at the end.  A key that then is no URL encoding is taken as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/checksum.h"
#include "s3/limits.h"
#include "s3/url.h"
#include "s3/xml_parser.h"

#define NO_MARKER   "there is another page, but not where"
#define SAME_MARKER "the next page is the same again"

static bool
is(const char *path, const char *name)
{
	return strcmp(path, name) == 0;
}

/* Undo the URL encoding of ${*s} in place. */
static int
decode(char **s, size_t *ret_len)
{
	char *decoded;
	int r;

	r = url_decode(*s, strlen(*s), &decoded, ret_len);
	if (r == -EINVAL) {
		*ret_len = strlen(*s);
		return 0;
	}
	if (r < 0)
		return r;
	free(*s);
	*s = decoded;
	return 0;
}

static void
listed_fini(struct s3_listed *e)
{
	free(e->key);
	free(e->etag);
	free(e->storage_class);
}

void
xml_page_fini(struct s3_page *page)
{
	for (size_t i = 0; i < page->count; i++)
		listed_fini(&page->entries[i]);
	free(page->entries);
	free(page->next_token);
	memset(page, 0, sizeof(*page));
}

static int
list_start(struct xml *x, const char *path)
{
	struct xml_own_list *own = &x->own.list;
	struct s3_listed *grown;

	if (!is(path, "Contents") && !is(path, "CommonPrefixes/Prefix"))
		return 0;
	if (own->page.count >= XML_ITEMS_MAX)
		return -EBADMSG;
	grown = xml_grow(
	    own->page.entries, &own->size, own->page.count, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	own->page.entries = grown;
	own->page.entries[own->page.count++].is_prefix = path[2] == 'm';
	return 0;
}

/* An element of the last entry. */
static int
list_entry_end(
    struct s3_listed *e, const char *name, const char *text, size_t len)
{
	if (is(name, "Key"))
		return xml_set_string(&e->key, text, len);
	if (is(name, "Size"))
		return xml_set_number(&e->size, text);
	if (is(name, "ETag"))
		return xml_set_string(&e->etag, text, len);
	if (is(name, "StorageClass"))
		return xml_set_string(&e->storage_class, text, len);
	if (is(name, "LastModified"))
		xml_set_time(&e->modified_ns, text);
	return 0;
}

static int
list_end(struct xml *x, const char *path, const char *text, size_t len)
{
	struct xml_own_list *own = &x->own.list;
	struct s3_listed *last = own->page.entries;

	if (own->page.count > 0)
		last += own->page.count - 1;
	if (strncmp(path, "Contents/", 9) == 0)
		return list_entry_end(last, path + 9, text, len);
	if (is(path, "CommonPrefixes/Prefix"))
		return xml_set_string(&last->key, text, len);
	if (is(path, "Contents"))
		return last->key != NULL ? 0
					 : xml_refuse(x, "a line has no Key");
	if (is(path, "IsTruncated"))
		return xml_set_truncated(&own->truncated, text);
	if (is(path, "NextContinuationToken"))
		return xml_set_string(&own->page.next_token, text, len);
	if (is(path, "EncodingType"))
		own->is_encoded = is(text, "url");
	return 0;
}

static int
list_finish(struct xml *x)
{
	struct xml_own_list *own = &x->own.list;
	struct s3_page *page = &own->page;
	struct s3_listed *e;
	int r;

	for (size_t i = 0; i < page->count; i++) {
		e = &page->entries[i];
		e->key_len = strlen(e->key);
		r = own->is_encoded ? decode(&e->key, &e->key_len) : 0;
		if (r < 0)
			return r;
		if (e->key_len == 0)
			return xml_refuse(x, "a Key is empty");
	}
	if (own->truncated == XML_TRUNCATED_NO)
		free(TAKE(page->next_token));
	if (page->next_token != NULL && page->next_token[0] == '\0')
		free(TAKE(page->next_token));
	/* To take this for the last page would hide objects. */
	if (own->truncated == XML_TRUNCATED_YES && page->next_token == NULL)
		return xml_refuse(x, NO_MARKER);
	*(struct s3_page *)x->ret = *page;
	memset(page, 0, sizeof(*page));
	return 0;
}

static void
list_fini(struct xml *x)
{
	xml_page_fini(&x->own.list.page);
}

int
xml_open_list(struct s3_page *ret, struct xml **ret_xml)
{
	static const struct xml_ops ops = {
		.roots = { "ListBucketResult" },
		.start = list_start,
		.end = list_end,
		.finish = list_finish,
		.fini = list_fini,
	};

	return xml_new(&ops, ret, 1, ret_xml);
}

const char *
xml_list_more(const struct xml *x)
{
	const struct xml_own_list *own = &x->own.list;
	const char *token = own->page.next_token;

	return own->truncated == XML_TRUNCATED_YES && token != NULL &&
		       token[0] != '\0'
		   ? token
		   : NULL;
}

/* Make ${old} longer by ${more}.  Returns: NULL: no memory, all as it was. */
static void *
append(void *old, size_t old_count, const void *more, size_t count, size_t len)
{
	size_t total = old_count + count;
	char *grown = reallocarray(old, total > 0 ? total : 1, len);

	if (grown != NULL && count > 0)
		memcpy(grown + old_count * len, more, count * len);
	return grown;
}

void
xml_parts_fini(struct xml_parts *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->parts[i].etag);
	free(p->parts);
	memset(p, 0, sizeof(*p));
}

static int
parts_start(struct xml *x, const char *path)
{
	struct xml_own_parts *own = &x->own.parts;
	struct s3_part *grown;

	if (!is(path, "Part"))
		return 0;
	if (own->parts.count >= XML_ITEMS_MAX)
		return -EBADMSG;
	grown = xml_grow(
	    own->parts.parts, &own->size, own->parts.count, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	own->parts.parts = grown;
	own->parts.count++;
	return 0;
}

/* Read the number of a part: ${least} to 10 000. */
static int
set_part_number(unsigned *ret, const char *text, unsigned least)
{
	uint64_t n;
	int r = xml_set_number(&n, text);

	if (r < 0)
		return r;
	if (n < least || n > S3_PARTS_MAX)
		return -EDOM;
	*ret = (unsigned)n;
	return 0;
}

/* An element of the last part. */
static int
part_end(struct s3_part *part, const char *name, const char *text, size_t len)
{
	struct checksum c;

	if (is(name, "PartNumber"))
		return set_part_number(&part->number, text, 1);
	if (is(name, "Size"))
		return xml_set_number(&part->size, text);
	if (is(name, "ETag"))
		return xml_set_string(&part->etag, text, len);
	if (is(name, "ChecksumCRC32C") && checksum_parse(text, &c) == 0 &&
	    c.parts == 0) {
		part->crc32c = c.crc32c;
		part->has_crc32c = true;
	}
	return 0;
}

static int
parts_end(struct xml *x, const char *path, const char *text, size_t len)
{
	struct xml_own_parts *own = &x->own.parts;
	struct s3_part *last = own->parts.parts;

	if (own->parts.count > 0)
		last += own->parts.count - 1;
	if (strncmp(path, "Part/", 5) == 0)
		return part_end(last, path + 5, text, len);
	if (is(path, "Part"))
		return last->number > 0 && last->etag != NULL
			   ? 0
			   : xml_refuse(x, "a Part has no number or ETag");
	if (is(path, "IsTruncated"))
		return xml_set_truncated(&own->truncated, text);
	if (is(path, "NextPartNumberMarker") && text[0] != '\0')
		return set_part_number(&own->parts.next, text, 0);
	return 0;
}

static int
parts_finish(struct xml *x)
{
	struct xml_own_parts *own = &x->own.parts;
	struct xml_parts *ret = x->ret;
	unsigned next = own->parts.next;
	struct s3_part *grown;

	if (own->truncated != XML_TRUNCATED_YES)
		next = 0;
	else if (next == 0 && own->parts.count > 0)
		next = own->parts.parts[own->parts.count - 1].number;
	/* A marker that stays would be asked for without end. */
	if (own->truncated == XML_TRUNCATED_YES && next <= ret->next)
		return xml_refuse(x, SAME_MARKER);
	grown = append(ret->parts, ret->count, own->parts.parts,
	    own->parts.count, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	ret->parts = grown;
	ret->count += own->parts.count;
	own->parts.count = 0; /* their strings are the caller's now */
	ret->next = next;
	return 0;
}

static void
parts_fini(struct xml *x)
{
	xml_parts_fini(&x->own.parts.parts);
}

int
xml_open_parts(struct xml_parts *ret, struct xml **ret_xml)
{
	static const struct xml_ops ops = {
		/* moto calls it a response. */
		.roots = { "ListPartsResult", "ListPartsResponse" },
		.start = parts_start,
		.end = parts_end,
		.finish = parts_finish,
		.fini = parts_fini,
	};

	return xml_new(&ops, ret, 1, ret_xml);
}

void
xml_uploads_fini(struct xml_uploads *u)
{
	for (size_t i = 0; i < u->count; i++) {
		free(u->uploads[i].key);
		free(u->uploads[i].upload_id);
	}
	free(u->uploads);
	free(u->next_key);
	free(u->next_id);
	memset(u, 0, sizeof(*u));
}

static int
uploads_start(struct xml *x, const char *path)
{
	struct xml_own_uploads *own = &x->own.uploads;
	struct s3_upload *grown;

	if (!is(path, "Upload"))
		return 0;
	if (own->uploads.count >= XML_ITEMS_MAX)
		return -EBADMSG;
	grown = xml_grow(own->uploads.uploads, &own->size, own->uploads.count,
	    sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	own->uploads.uploads = grown;
	own->uploads.count++;
	return 0;
}

/* An element of the last upload. */
static int
upload_end(struct s3_upload *u, const char *name, const char *text, size_t len)
{
	if (is(name, "Key"))
		return xml_set_string(&u->key, text, len);
	if (is(name, "UploadId"))
		return xml_set_string(&u->upload_id, text, len);
	if (is(name, "Initiated"))
		xml_set_time(&u->initiated_ns, text);
	return 0;
}

static int
uploads_end(struct xml *x, const char *path, const char *text, size_t len)
{
	struct xml_own_uploads *own = &x->own.uploads;
	struct s3_upload *last = own->uploads.uploads;

	if (own->uploads.count > 0)
		last += own->uploads.count - 1;
	if (strncmp(path, "Upload/", 7) == 0)
		return upload_end(last, path + 7, text, len);
	if (is(path, "Upload"))
		return last->key != NULL && last->upload_id != NULL
			   ? 0
			   : xml_refuse(x, "an Upload has no Key or UploadId");
	if (is(path, "IsTruncated"))
		return xml_set_truncated(&own->truncated, text);
	if (is(path, "NextKeyMarker"))
		return xml_set_string(&own->uploads.next_key, text, len);
	if (is(path, "NextUploadIdMarker"))
		return xml_set_string(&own->uploads.next_id, text, len);
	if (is(path, "EncodingType"))
		own->is_encoded = is(text, "url");
	return 0;
}

static int
uploads_decode(struct xml_own_uploads *own)
{
	struct xml_uploads *u = &own->uploads;
	size_t len;
	int r = 0;

	for (size_t i = 0; i < u->count && r == 0; i++) {
		r = decode(&u->uploads[i].key, &len);
		if (r == 0 && strlen(u->uploads[i].key) != len)
			r = -EDOM; /* a '\0' in it */
	}
	if (r == 0 && u->next_key != NULL)
		r = decode(&u->next_key, &len);
	return r;
}

/* Are the markers those of the page before, so that there is no end? */
static bool
is_same_page(const struct xml_uploads *a, const struct xml_uploads *b)
{
	return a->next_key != NULL && is(a->next_key, b->next_key) &&
	       is(a->next_id != NULL ? a->next_id : "",
		   b->next_id != NULL ? b->next_id : "");
}

static int
uploads_finish(struct xml *x)
{
	struct xml_own_uploads *own = &x->own.uploads;
	struct xml_uploads *ret = x->ret, *u = &own->uploads;
	struct s3_upload *grown;
	int r;

	r = own->is_encoded ? uploads_decode(own) : 0;
	if (r == -EDOM)
		return xml_refuse(x, "the Key of an Upload holds a NUL");
	if (r < 0)
		return r;
	if (own->truncated != XML_TRUNCATED_YES) {
		free(TAKE(u->next_key));
		free(TAKE(u->next_id));
	} else if (u->next_key == NULL || is_same_page(ret, u)) {
		return xml_refuse(
		    x, u->next_key == NULL ? NO_MARKER : SAME_MARKER);
	}
	grown = append(
	    ret->uploads, ret->count, u->uploads, u->count, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	ret->uploads = grown;
	ret->count += u->count;
	u->count = 0; /* their strings are the caller's now */
	free(ret->next_key);
	free(ret->next_id);
	ret->next_key = TAKE(u->next_key);
	ret->next_id = TAKE(u->next_id);
	return 0;
}

static void
uploads_fini(struct xml *x)
{
	xml_uploads_fini(&x->own.uploads.uploads);
}

int
xml_open_uploads(struct xml_uploads *ret, struct xml **ret_xml)
{
	static const struct xml_ops ops = {
		.roots = { "ListMultipartUploadsResult" },
		.start = uploads_start,
		.end = uploads_end,
		.finish = uploads_finish,
		.fini = uploads_fini,
	};

	return xml_new(&ops, ret, 1, ret_xml);
}
