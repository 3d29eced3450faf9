/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.h - where a request goes: endpoints, hosts, paths, queries.
 *
 * Calling sequence:
 *	r = url_parse_endpoint("https://s3.example.org", &endpoint);
 *	r = url_target_init(&target, &endpoint, bucket, key, style);
 *	r = url_query(&query, params, count);
 *	... target.host, target.path: what is signed;
 *	    target.base + target.path + "?" + query: what curl gets ...
 *	url_target_fini(&target);
 *
 * Paths and queries are encoded exactly once, and as SigV4 wants them, so
 * that what is signed is what is sent.  Nothing is normalised: "//" and
 * "/../" are part of a key (set CURLOPT_PATH_AS_IS).  Pure.
 */
#ifndef S3_URL_H
#define S3_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct buf;

#define URL_HOST_SIZE 256
#define URL_PATH_SIZE 512

/* Where a service listens. */
struct endpoint {
	bool https;
	bool is_aws;              /* under amazonaws.com or its kin */
	uint16_t port;            /* 0: the one of the scheme */
	char host[URL_HOST_SIZE]; /* lower case; IPv6 with its brackets */
	char path[URL_PATH_SIZE]; /* "" or "/a/b", encoded, no '/' at end */
};

/* Where one request goes.  Strings are owned. */
struct url_target {
	char *host; /* the Host header: with the port unless it is usual */
	char *base; /* "https://" and host */
	char *path; /* encoded; begins with '/' */
};

/* A name and value of a query, not encoded.  A value of NULL is "". */
struct url_param {
	const char *name;
	const char *value;
};

#define URL_PARAMS_MAX 16

/**
 * url_encode(b, s, len, keep_slash):
 * Add ${s} to ${b} with each byte but A-Z a-z 0-9 - . _ ~ (and '/', if
 * ${keep_slash}) as %XX, in upper case.
 * Returns: 0 or the error of ${b}.
 */
int url_encode(struct buf *b, const char *s, size_t len, bool keep_slash);

/**
 * url_decode(s, len, ret, ret_len):
 * Undo the encoding of list answers: '+' is a space, %XX a byte.
 * Returns: 0; -EINVAL: '%' without two hex digits; -ENOMEM.
 * Memory:  ${*ret} is owned by the caller; ${*ret_len} bytes and a '\0'.
 */
int url_decode(const char *s, size_t len, char **ret, size_t *ret_len);

/**
 * url_query(b, params, count):
 * Add the canonical query string of up to URL_PARAMS_MAX ${params}, in any
 * order: "delimiter=%2F&list-type=2"; "uploads=" for a bare name.
 * Returns: 0; -E2BIG; or the error of ${b}.
 */
int url_query(struct buf *b, const struct url_param *params, size_t count);

/**
 * url_parse_endpoint(s, ret):
 * Parse "http[s]://host[:port][/path]"; without a scheme it is https.
 * Returns: 0; -EINVAL: also with user, query or fragment in it.
 */
int url_parse_endpoint(const char *s, struct endpoint *ret);

/* The endpoint of AWS in ${region}.  Returns: 0; -EINVAL: no region name. */
int url_aws_endpoint(const char *region, struct endpoint *ret);

/* Write the endpoint as a URL.  Returns: 0 or the error of ${b}. */
int url_endpoint_print(struct buf *b, const struct endpoint *endpoint);

/* May ${bucket} be in a request at all?  (Rules of AWS or wider ones.) */
bool url_is_bucket_name(const char *bucket);

/**
 * url_is_path_style(endpoint, bucket, style):
 * Does ${bucket} go in the path, not in the host name?  ${style}: 1 yes, 0
 * no, -1 by itself: yes outside AWS.  Always where a host name is impossible
 * (an IP address, a name DNS cannot have) or has no certificate (a dot in it,
 * with https).
 */
bool url_is_path_style(
    const struct endpoint *endpoint, const char *bucket, int style);

/**
 * url_target_init(t, endpoint, bucket, key, style):
 * Fill in ${t} for ${key} (NULL: the bucket itself), ${style} as above.
 * Returns: 0; -EINVAL: no bucket name, or a key of 0 or over 1024 bytes;
 *     -ENOMEM.
 */
int url_target_init(struct url_target *t, const struct endpoint *endpoint,
    const char *bucket, const char *key, int style);

void url_target_fini(struct url_target *t);

/**
 * url_copy_source(b, bucket, key, version_id):
 * Add the value of x-amz-copy-source; ${version_id} may be NULL.
 * Returns: 0 or the error of ${b}.
 */
int url_copy_source(
    struct buf *b, const char *bucket, const char *key, const char *version_id);

#endif
