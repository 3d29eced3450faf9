/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - one S3 call on its way: build, sign, send, judge, retry.
 *
 * What differs between the kinds of calls is in a `struct op` each (object.c,
 * multipart.c); all else is here.  A request lives from s3_submit() to
 * s3_call_fini().  After the first s3_submit() all but s3_cancel() happens on
 * the net thread; no locks.
 *
 * A call may take several steps (the pages of ListParts), a step several
 * attempts:
 *
 *	op->build()	what to send; anew for each attempt
 *	op->head()	2xx: is the answer what was asked for?
 *	op->data()	its bytes; or op->open(): a parser for them, and
 *	op->parsed()	that far it has come
 *	op->finish()	the answer is complete and good
 *	op->failed()	the step failed for good
 */
#ifndef S3_REQUEST_H
#define S3_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/client.h"
#include "s3/digest.h"
#include "s3/exchange.h"
#include "s3/s3.h"
#include "s3/sign.h"
#include "s3/url.h"
#include "s3/xml.h"

/* Opaque types. */
struct creds_keys;
struct request;

struct op {
	const char *name;   /* of the API */
	const char *method; /* build() may choose another */
	bool mutates;
	int (*build)(struct request *r);
	int (*head)(struct request *r);
	int (*data)(struct request *r, const void *data, size_t len);
	/* May leave ${*ret} NULL: the answer has no body. */
	int (*open)(struct request *r, struct xml **ret);
	/* The parser has taken in some of the answer; may be NULL. */
	void (*parsed)(struct request *r);
	/* Returns: 0; 1: there is another step; -errno, see request_refuse. */
	int (*finish)(struct request *r);
	/* Returns: what to make of ${err}: itself, 0 or 1, as above. */
	int (*failed)(struct request *r, int err);
};

/* What build() wants sent. */
struct request_out {
	const char *method;
	enum s3_kind kind; /* that it counts as */
	const char *key;   /* NULL: the bucket itself */
	struct url_param params[URL_PARAMS_MAX];
	size_t params_count;
	char numbers[2][24];         /* of params */
	struct sign_header *headers; /* owned; each name and value in one */
	size_t headers_count;
	bool has_body;
	const void *body;
	uint64_t body_len;
	struct buf text; /* a body of our own */
	uint64_t expect_len;
	int err; /* the first error of the helpers below */
};

struct request {
	struct exchange x;
	struct s3 *s3;
	struct s3_call *call;
	const struct op *op;

	/* This attempt. */
	struct request_out out;
	char *url;                   /* owned */
	struct curl_slist *lines;    /* owned */
	struct creds_keys *keys;     /* a reference; NULL: not signed */
	char region[64];             /* that was signed for */
	int64_t signed_s;            /* the server's time, as we thought */
	char payload[SIGN_HEX_SIZE]; /* of the body, once it was hashed */
	int64_t start_ms;
	bool is_ok;          /* 2xx */
	bool has_moved;      /* bytes of an object came */
	struct xml *xml;     /* parser of the answer */
	bool is_xml_error;   /* it was opened for an <Error> only */
	size_t skipped;      /* bytes of an error that is no XML */
	const char *refusal; /* ERROR_*: what came was refused; static */
	const char *detail;  /* why; static, or of xml */

	/* All attempts of this step. */
	unsigned tries; /* that failed since bytes last came */
	bool is_retry;
	unsigned nonsense; /* answers that cannot be */
	int64_t since_ms;  /* monotonic: nothing good since; 0: no failure */
	int64_t keys_since_ms; /* waiting for credentials since */
	bool has_new_region;
	bool has_new_skew;
	bool has_new_keys;
	bool has_redirect;
	struct endpoint redirect;

	/* All steps. */
	bool is_unsure;    /* an attempt may have taken effect */
	unsigned failures; /* attempts that failed */

	/* GET. */
	struct {
		uint64_t pos;   /* of the next byte for the sink */
		uint64_t end;   /* after the last byte; known by the head */
		uint64_t total; /* of the object */
		bool is_pinned; /* total and etag are known */
		char *etag;     /* of the first answer; owned */
		struct digest digest; /* of the bytes so far, if of all */
		char checksum[DIGEST_VALUE_SIZE]; /* of the server */
	} get;

	bool is_more_told; /* LIST */

	/* COPY, COMPLETE and their kin. */
	struct xml_written written;

	/* LIST_PARTS, LIST_MULTIPART_UPLOADS. */
	struct xml_parts parts;
	struct xml_uploads uploads;
	char *marker; /* owned, as the next */
	char *marker_id;

	/* DELETE_OBJECTS: those that XML can carry, then each other. */
	struct s3_delete *batch; /* owned */
	size_t batch_count;
	bool is_batch_done;
	size_t single; /* index in call->deletes */
};

/* The kinds of calls: object.c, multipart.c. */
extern const struct op op_head_bucket, op_list_objects, op_head_object,
    op_get_object, op_put_object, op_copy_object, op_delete_object,
    op_delete_objects, op_create_multipart_upload, op_upload_part,
    op_upload_part_copy, op_complete_multipart_upload,
    op_abort_multipart_upload, op_list_parts, op_list_multipart_uploads;

/* The operations of ${kind}. */
const struct op *request_op(enum s3_kind kind);

/* Start ${call}.  Returns: 0; -ENOMEM: nothing was done. */
int request_start(struct s3 *s3, struct s3_call *call);

/* Free ${r}, which is over.  NULL is fine. */
void request_free(struct request *r);

/* End ${call}, for which there is no memory. */
void request_end_starved(struct s3 *s3, struct s3_call *call);

/* What the answer holds is not what was asked for: ${code} is an ERROR_*. */
int request_refuse(struct request *r, const char *code, const char *detail);

/* What the server's <Error> says; empty if there is none. */
const struct xml_error *request_error(const struct request *r);

/**
 * request_retry_ms(r, e, code):
 * The attempt failed with ${code}, which is ${e}: mend what can be mended.
 * Returns: in how many ms to try again; -1: do not.
 */
int64_t request_retry_ms(
    struct request *r, const struct s3_error *e, const char *code);

/* Below: request_build.c; for build().  Errors stick in out.err. */

/* Add a parameter of the query; borrows both. */
void request_param(struct request *r, const char *name, const char *value);

/* Add a parameter that is a number; at most two. */
void request_param_number(struct request *r, const char *name, uint64_t value);

/* Add a header; ${value} NULL: do not. */
void request_header(struct request *r, const char *name, const char *value);

/* Add a header, printed. */
void request_headerf(struct request *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Add Content-Type and metadata of the call. */
void request_header_meta(struct request *r);

/* Add x-amz-copy-source and its condition. */
void request_header_source(struct request *r);

/* Send the body of the call, and its checksum if there is one. */
void request_body(struct request *r);

/* Send out.text as XML. */
void request_body_text(struct request *r);

/* Forget what build() made. */
void request_out_fini(struct request_out *out);

/**
 * request_build(r):
 * Build the next attempt, sign it, and set up r->x.
 * Returns: 0; -EAGAIN: credentials are being fetched; -errno.
 */
int request_build(struct request *r);

#endif
