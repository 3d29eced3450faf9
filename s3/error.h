/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - the one table: what failed, as what, whether to try again, and
 * what a person can do about it.
 *
 * What failed is an HTTP status with an S3 code; or, with status 0, one of
 * the ERROR_* codes below, for what never became an answer.
 *
 *	e = s3_error_find(status, code);
 *	... e->err, e->retry ...
 *	s3_error_message(e, &info, result->message, sizeof(result->message));
 *
 * Pure.
 */
#ifndef S3_ERROR_H
#define S3_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Codes of our own, with status 0. */
#define ERROR_RESOLVE    "CannotResolve"
#define ERROR_REFUSED    "ConnectionRefused"
#define ERROR_UNREACH    "Unreachable"
#define ERROR_LOST       "ConnectionLost"
#define ERROR_TIMEOUT    "NoAnswer"
#define ERROR_TLS        "TLSFailed"
#define ERROR_TRUNCATED  "TruncatedAnswer"
#define ERROR_BAD_ANSWER "BadAnswer"        /* not S3's XML or headers */
#define ERROR_NONSENSE   "ImpossibleAnswer" /* S3's, but for a value */
#define ERROR_CHECKSUM   "ChecksumMismatch" /* of what came */
#define ERROR_NO_KEYS    "NoCredentials"
#define ERROR_UNSAID     "RefusedUnsaid" /* a HEAD; it may be the keys */
#define ERROR_CANCELED   "Canceled"
#define ERROR_NO_MEMORY  "OutOfMemory"

enum error_retry {
	ERROR_NEVER,       /* the same again would fail again */
	ERROR_RETRY,       /* again, after a while */
	ERROR_RETRY_FEW,   /* likewise, but 3 times in all */
	ERROR_THROTTLE,    /* again, after a longer while, with fewer */
	ERROR_SKEW,        /* set the clock offset, sign anew */
	ERROR_REGION,      /* find the region, sign anew */
	ERROR_CREDENTIALS, /* refresh credentials, sign anew */
	ERROR_REDIRECT     /* to where the answer says, this once */
};

struct s3_error {
	unsigned status;  /* 0: any (or none, of our own codes) */
	const char *code; /* NULL: any */
	int err;          /* -errno; never 0 */
	enum error_retry retry;
	const char *text; /* for s3_error_message() */
};

/* What a message may speak of.  Each may be NULL or 0 if unknown. */
struct s3_error_info {
	unsigned status;
	const char *code;
	const char *server_message; /* <Message>, untrusted */
	const char *bucket;
	const char *key;
	const char *endpoint;
	const char *region;        /* that was signed for */
	const char *server_region; /* that the server named */
	const char *detail;        /* of curl, or what is wrong */
	int64_t skew_s;            /* our clock minus the server's */
};

/**
 * s3_error_find(status, code):
 * The entry for an answer of ${status} (0: none came) with ${code} (NULL or
 * "": none given).  What is in no row is judged by its class: 5xx is tried
 * again, 4xx is not.  Not for 200 to 299 without a code.
 * Returns: never NULL; static.
 */
const struct s3_error *s3_error_find(unsigned status, const char *code);

/* The code of our own for the -errno of an exchange: -ETIMEDOUT and so on. */
const char *s3_error_code(int err);

/**
 * s3_error_message(e, info, ret, size):
 * Write one line for a person to ${ret}: the cause and the remedy.  What came
 * from the server is cut and cleaned of control characters.
 */
void s3_error_message(const struct s3_error *e,
    const struct s3_error_info *info, char *ret, size_t size);

#endif
