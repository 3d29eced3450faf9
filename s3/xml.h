/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.h - the documents that S3 sends and wants.
 *
 * Calling sequence:
 *	r = xml_open_list(&page, &x);		one of xml_open_*()
 *	r = xml_push(x, data, len);		as the bytes come in
 *	r = xml_end(x);				0: page is filled in
 *	... -EREMOTEIO: it was an <Error>: xml_error(x) ...
 *	xml_free(x);
 *
 * The documents are hostile: a DTD, an entity that is not XML's own, more
 * depth, elements or bytes than S3 sends, another root element, a document
 * that ends early or goes on after its end, are all -EBADMSG.  Space before
 * the document is skipped (a slow server keeps the connection alive so).  The
 * right document with a value that cannot be is -EDOM: it was meant so.
 * Nothing is given out before xml_end() returned 0.  No locks; one thread.
 */
#ifndef S3_XML_H
#define S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct buf;
struct s3_delete;
struct s3_page;
struct s3_part;
struct s3_upload;
struct xml;

/* What <Error> said; "" and 0 if it did not. */
struct xml_error {
	char code[64];
	char message[256];
	char request_id[64];
	char region[64];
	char bucket[64];
	char endpoint[256];
	char condition[64];     /* of PreconditionFailed */
	int64_t server_time_ns; /* of RequestTimeTooSkewed */
	int64_t max_skew_ms;
};

/* CopyObjectResult, CopyPartResult, CompleteMultipartUploadResult. */
struct xml_written {
	char *etag; /* owned, never NULL after success */
	int64_t modified_ns;
	char crc32c[32]; /* for checksum_parse(); "" if not given */
	char type[16];   /* "FULL_OBJECT", "COMPOSITE", "" */
};

/* ListPartsResult: each page adds to what there is. */
struct xml_parts {
	struct s3_part *parts; /* owned */
	size_t count;
	unsigned next; /* part-number-marker of the next page; 0: it was last */
};

/* ListMultipartUploadsResult: each page adds to what there is. */
struct xml_uploads {
	struct s3_upload *uploads; /* owned */
	size_t count;
	char *next_key; /* key-marker of the next page; NULL: it was last */
	char *next_id;  /* upload-id-marker of it */
};

/* AssumeRoleResponse, AssumeRoleWithWebIdentityResponse.  Owned strings. */
struct xml_sts {
	char *access;
	char *secret;
	char *token;
	int64_t expires_ns;
};

/*
 * Start a parser that fills in ${ret} when xml_end() succeeds.  Returns: 0 or
 * -ENOMEM.  ${ret} is borrowed until then; ${*ret_xml}: xml_free().
 */
int xml_open_error(struct xml **ret_xml); /* see xml_error() */
int xml_open_list(struct s3_page *ret, struct xml **ret_xml);
int xml_open_copy(struct xml_written *ret, struct xml **ret_xml);
int xml_open_copy_part(struct xml_written *ret, struct xml **ret_xml);
int xml_open_complete(struct xml_written *ret, struct xml **ret_xml);
int xml_open_create(char **ret_upload_id, struct xml **ret_xml);
int xml_open_parts(struct xml_parts *ret, struct xml **ret_xml);
int xml_open_uploads(struct xml_uploads *ret, struct xml **ret_xml);
int xml_open_location(char **ret_region, struct xml **ret_xml);
int xml_open_sts(struct xml_sts *ret, struct xml **ret_xml);

/* The errs of the ${count} keys of ${deletes}; -EIO for one left out. */
int xml_open_delete(
    struct s3_delete *deletes, size_t count, struct xml **ret_xml);

/* Returns: 0; -EBADMSG, -EDOM, -ENOMEM: so will xml_end(). */
int xml_push(struct xml *x, const void *data, size_t len);

/* Of xml_open_list(): how to ask for the page after this one, as soon as that
 * is known; else NULL.  Valid until the next xml_push(). */
const char *xml_list_more(const struct xml *x);

/**
 * xml_end(x):
 * No more bytes.
 * Returns: 0: the result is filled in (by xml_open_error(): it was an error
 *     document); -EREMOTEIO: it was an <Error> instead of the answer;
 *     -EBADMSG: not the document that was expected, or not all of it;
 *     -EDOM: it is, but has a value that cannot be: see xml_detail();
 *     -ENOMEM.
 */
int xml_end(struct xml *x);

/* What cannot be, after -EDOM; valid until xml_free(). */
const char *xml_detail(const struct xml *x);

/* What <Error> said; valid until xml_free(). */
const struct xml_error *xml_error(const struct xml *x);

/* NULL is fine. */
void xml_free(struct xml *x);

/* Free what a result holds and make it empty. */
void xml_page_fini(struct s3_page *page);
void xml_written_fini(struct xml_written *w);
void xml_parts_fini(struct xml_parts *p);
void xml_uploads_fini(struct xml_uploads *u);
void xml_sts_fini(struct xml_sts *s); /* wipes the secrets */

/**
 * xml_write_delete(b, deletes, count):
 * Add the body of DeleteObjects.
 * Returns: 0; -EILSEQ: XML cannot carry one of the keys, so delete it singly;
 *     or the error of ${b}.  On failure ${b} is of no use.
 */
int xml_write_delete(
    struct buf *b, const struct s3_delete *deletes, size_t count);

/* Can XML carry ${key}?  (Only then it may be in xml_write_delete().) */
bool xml_can_carry(const char *key);

/* Add the body of CompleteMultipartUpload.  Returns: as above. */
int xml_write_complete(
    struct buf *b, const struct s3_part *parts, size_t count);

#endif
