/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3.h - the S3 client: the façade of the layer.
 *
 * A `struct s3` is one bucket at one endpoint.  A `struct s3_call` is one
 * call of the S3 API: the caller fills in what to ask, submits it, and finds
 * in the same structure what came back.
 *
 *	struct s3_call call;
 *
 *	s3_call_init(&call, S3_HEAD_OBJECT);
 *	call.key = "a/b.mp4";
 *	r = s3_run(s3, &call, NULL);		blocks; or s3_submit(): returns
 *	... call.object.size, call.object.etag, or call.result.message ...
 *	s3_call_fini(&call);
 *
 * Everything between is the client's: signing, region and clock corrections,
 * credentials and their refresh, retries, connections, the 200 that is none.
 *
 * Threads: one net thread owns all sockets.  s3_run() and s3_submit() may be
 * called from any thread but the net thread (s3_submit() also from there).
 * Callbacks (done, sink, source, more) run on the net thread, must not block
 * on the network, and may call s3_submit(), s3_cancel(), nothing else of this.
 * Locks: none of the caller's is needed; callers hold no lock in s3_run().
 */
#ifndef S3_S3_H
#define S3_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/clock.h"
#include "s3/base/list.h"
#include "s3/limits.h"

/* Opaque types. */
struct s3;
struct request;
struct waiter;

/* What to connect to.  Strings are borrowed until s3_open() returned. */
struct s3_config {
	const char *bucket;
	const char *endpoint;      /* URL; NULL: AWS, by region */
	const char *region;        /* NULL: found out */
	int path_style;            /* 1 yes, 0 no, -1 by endpoint and bucket */
	const char *profile;       /* of the AWS files; NULL: AWS_PROFILE */
	const char *passwd_file;   /* s3fs style; NULL: the usual places */
	bool no_sign;              /* anonymous */
	bool sign_payload;         /* SHA-256 of bodies instead of UNSIGNED */
	bool checksum;             /* send CRC32C, ask for checksums */
	unsigned timeout_s;        /* without a byte or an answer: give up */
	unsigned connections;      /* at most, 1 to 256 */
	uint64_t max_upload;       /* bytes of bodies a second; 0: no limit, */
	uint64_t max_download;     /* as in the others; at most 2^50 */
	unsigned max_requests;     /* a second, retries included */
	const struct clock *clock; /* NULL: clock_system */
};

/* The operations.  The names are those of the S3 API. */
enum s3_kind {
	S3_HEAD_BUCKET,
	S3_LIST_OBJECTS, /* ListObjectsV2 */
	S3_HEAD_OBJECT,
	S3_GET_OBJECT,
	S3_PUT_OBJECT,
	S3_COPY_OBJECT,
	S3_DELETE_OBJECT,
	S3_DELETE_OBJECTS,
	S3_CREATE_MULTIPART_UPLOAD,
	S3_UPLOAD_PART,
	S3_UPLOAD_PART_COPY,
	S3_COMPLETE_MULTIPART_UPLOAD,
	S3_ABORT_MULTIPART_UPLOAD,
	S3_LIST_PARTS,
	S3_LIST_MULTIPART_UPLOADS,
	S3_KIND_COUNT
};

/* The API name of ${kind}: "GetObject". */
const char *s3_kind_name(enum s3_kind kind);

/* How a call ended.  The errno comes from the one table in error.c. */
struct s3_result {
	int err;             /* 0 or -errno */
	unsigned status;     /* HTTP status of the last answer, 0: none */
	char code[64];       /* S3 error code, "" if none was given */
	char request_id[64]; /* of the last answer */
	char message[256];   /* one line for a person: cause and remedy */
	unsigned attempts;   /* requests sent, 1 or more; 0: never sent */
	bool unsure;         /* it failed, but may have taken effect */
	bool is_corrupt;     /* GET: the sink was given bytes that are not those
				of the object's checksum; err is -EIO */
	int64_t sent_ms;     /* monotonic: when the last request left */
};

/* A header of user metadata: name without "x-amz-meta-", lower case. */
struct s3_meta {
	char *name;
	char *value;
};

/* What is known of an object.  Strings are owned, NULL if not given. */
struct s3_object {
	uint64_t size;
	char *etag; /* with its quotes, as S3 sends it */
	char *version_id;
	char *storage_class;
	char *content_type;
	int64_t modified_ns; /* Last-Modified, wall; 0: not given */
	struct s3_meta *meta;
	size_t meta_count;
};

/* One line of a listing: an object, or a common prefix (is_prefix). */
struct s3_listed {
	char *key; /* owned, decoded; key_len bytes and a '\0' */
	size_t key_len;
	bool is_prefix;
	uint64_t size;
	int64_t modified_ns;
	char *etag;          /* owned */
	char *storage_class; /* owned, NULL: STANDARD */
};

/* One page of ListObjectsV2, in the order in which S3 sent it. */
struct s3_page {
	struct s3_listed *entries;
	size_t count;
	char *next_token; /* NULL: this was the last page */
};

/* A part of a multipart upload, or a key of DeleteObjects. */
struct s3_part {
	unsigned number; /* 1 to 10 000 */
	uint64_t size;
	char *etag;
	uint32_t crc32c;
	bool has_crc32c;
};

struct s3_delete {
	const char *key;
	const char *if_match; /* ETag, or NULL */
	int err;              /* result, as in s3_result */
};

/* A multipart upload that ListMultipartUploads found. */
struct s3_upload {
	char *key;
	char *upload_id;
	int64_t initiated_ns;
};

/*
 * The bytes of a GET.  Called in order, only after status, Content-Range and
 * Content-Length of the answer were found to be what was asked for; ${off} is
 * the offset in the object.  A retry goes on where the last body ended.  Those
 * of a whole object are proved right by the call's end only, and only if the
 * server has a checksum of it; if that fails, nothing is sent again: the sink's
 * owner has the bytes.
 * Returns: 0, or -errno: the call ends with it.
 */
typedef int s3_sink_fn(void *arg, uint64_t off, const void *data, size_t len);

/*
 * The bytes of a PUT or part: fill ${data} with up to ${len} bytes from
 * offset ${off} of the body.  A retry starts again at 0.
 * Returns: bytes given (more than 0), or -errno: the call ends with it.
 */
typedef int64_t s3_source_fn(void *arg, uint64_t off, void *data, size_t len);

struct s3_call {
	enum s3_kind kind;

	/* What to ask.  All borrowed until the call is done. */
	const char *key; /* 1 to 1024 bytes, not encoded */
	const char *version_id;
	const char *if_match;      /* ETag; of a destination for COPY */
	const char *if_none_match; /* ETag or "*" */
	const char *source_key;    /* COPY, PART_COPY */
	const char *source_version_id;
	const char *source_if_match;
	uint64_t off;               /* GET, PART_COPY: first byte */
	uint64_t len;               /* 0: the whole object, checked */
	const char *content_type;   /* PUT, COPY (replace), CREATE */
	const struct s3_meta *meta; /* likewise */
	size_t meta_count;
	bool replace_meta;    /* COPY: the above, else the source's */
	const void *body;     /* PUT, PART: bytes in memory, or */
	s3_source_fn *source; /* where they come from */
	uint64_t body_len;
	uint32_t crc32c; /* of the body */
	bool has_crc32c;
	const char *upload_id;       /* multipart */
	unsigned part_number;        /* PART, PART_COPY */
	const struct s3_part *parts; /* COMPLETE */
	size_t parts_count;
	uint64_t complete_size;    /* COMPLETE: of the whole; 0: not said */
	struct s3_delete *deletes; /* DELETE_OBJECTS; results go here, too */
	size_t deletes_count;      /* 1 to 1000 */
	const char *prefix;        /* LIST */
	bool delimiter;            /* LIST: fold at "/" */
	const char *start_after;   /* LIST */
	const char *token;         /* LIST: next_token of the page before */
	unsigned max_keys;         /* LIST; 0: 1000 */
	s3_sink_fn *sink;          /* GET */
	/* LIST: the page goes on with ${token}; called once, long before the
	 * page's end where the server says so early.  A retry of the page may
	 * find another token. */
	void (*more)(void *arg, const char *token);
	bool background; /* gives way to calls that are not */

	/* Called once when all is over; NULL: s3_wait() is, or s3_run(). */
	void (*done)(struct s3_call *call);
	void *arg; /* the caller's, also handed to sink, source and more */

	/* What came back.  Owned by the call; s3_call_fini() frees. */
	struct s3_result result;
	struct s3_object object;   /* HEAD, GET; etag of PUT, COPY, COMPLETE */
	struct s3_page page;       /* LIST */
	char *ret_upload_id;       /* CREATE */
	struct s3_part *ret_parts; /* LIST_PARTS, all pages; one of PART */
	size_t ret_parts_count;
	struct s3_upload *uploads; /* LIST_MULTIPART_UPLOADS, all pages */
	size_t uploads_count;
	uint64_t received; /* GET: bytes given to the sink */

	/* The client's own. */
	struct request *request;
	struct waiter *waiter; /* [s3 lock] of s3_wait() */
	bool is_over;          /* [s3 lock] */
};

/* Counters since s3_open(). */
struct s3_stats {
	uint64_t requests[S3_KIND_COUNT]; /* sent, retries included */
	uint64_t retries;
	uint64_t errors;       /* calls that ended in an error not of the key */
	uint64_t bytes_up;     /* of bodies */
	uint64_t bytes_down;   /* of bodies */
	uint64_t in_flight;    /* calls now */
	int64_t down_since_ms; /* monotonic: no answer since; 0: reachable */
};

/**
 * s3_open(config, ret, result):
 * Make a client and start its net thread.  Ask the bucket once (HeadBucket,
 * or a listing of one key where that is denied) to find the region and to
 * learn whether endpoint, credentials, clock and bucket are good.
 * Returns: 0; else -errno, with cause and remedy in ${result->message}
 *     (-ENOENT no such bucket, -EACCES denied or no credentials, -EINVAL a
 *     bad setting, -EHOSTUNREACH the endpoint does not answer).  A message
 *     beside 0 is a warning.
 * Memory:  ${*ret} is owned by the caller: s3_close().
 */
int s3_open(
    const struct s3_config *config, struct s3 **ret, struct s3_result *result);

/* End the net thread and free all.  No call may be in flight.  NULL is fine. */
void s3_close(struct s3 *s3);

void s3_call_init(struct s3_call *call, enum s3_kind kind);

/* Free what came back.  The call is not in flight. */
void s3_call_fini(struct s3_call *call);

/**
 * s3_submit(s3, call):
 * Start ${call}; it must stay valid and unchanged until call->done() was
 * called, on the net thread, which happens exactly once and never from
 * within s3_submit().  Every failure is reported there, too.
 */
void s3_submit(struct s3 *s3, struct s3_call *call);

/**
 * s3_wait(s3, call, w):
 * Wait for the end of a submitted ${call} whose done is NULL.  One thread at
 * a time; again after the end is fine.
 * Returns: 0: it is over, ${call->result} says how; -EINTR: ${w} was
 *     interrupted and the call goes on (never, if ${w} is NULL).
 */
int s3_wait(struct s3 *s3, struct s3_call *call, struct waiter *w);

/**
 * s3_cancel(s3, call):
 * Let a submitted call end soon, with -ECANCELED.  Its done() is still
 * called, perhaps with the success that came first.  The caller makes sure
 * that done() has not returned yet; without one, that s3_call_fini() was not
 * called.
 */
void s3_cancel(struct s3 *s3, struct s3_call *call);

/**
 * s3_run(s3, call, w):
 * Do ${call} and wait for its end, at most config.timeout_s without progress.
 * An interrupt of ${w} (NULL: none) cancels it.
 * Returns: call->result.err: 0; -ENOENT; -EACCES; -ESTALE if a condition did
 *     not hold (412); -EAGAIN not modified (304); -ERANGE (416); -EIO; -EINTR;
 *     -ETIMEDOUT; more in error.c.
 */
int s3_run(struct s3 *s3, struct s3_call *call, struct waiter *w);

/**
 * s3_part_is(part, source, arg, ret_crc32c):
 * Whether ${part}, of which ListParts told, is the ${part->size} bytes of
 * ${source}: by its CRC32C, else by its ETag where that is their MD5 (it is
 * not, where the server encrypts).
 * Returns: 1, and their CRC32C; 0: no, or nobody can tell; -errno.
 */
int s3_part_is(const struct s3_part *part, s3_source_fn *source, void *arg,
    uint32_t *ret_crc32c);

void s3_get_stats(struct s3 *s3, struct s3_stats *ret);

/* The region that is signed for; valid until s3_close(). */
const char *s3_region(struct s3 *s3);

#endif
