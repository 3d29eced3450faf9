/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.c - where a request goes: endpoints, hosts, paths, queries.
 *
 * Role:    pure.  S3: "Signing and authenticating REST requests" (encoding),
 *          "Virtual hosting of general purpose buckets".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/limits.h"
#include "s3/url.h"

#define BUCKET_MAX   255 /* "Bucket naming rules", before 2018 */
#define DNS_MIN      3   /* the same, since */
#define DNS_MAX      63
#define REGION_MAX   63
#define PATH_MAX_LEN 4096 /* of endpoint, bucket and key, encoded */

#define ALPHA_LOWER "abcdefghijklmnopqrstuvwxyz"
#define ALPHA       ALPHA_LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS      "0123456789"
#define UNRESERVED  ALPHA DIGITS "-._~"

int
url_encode(struct buf *b, const char *s, size_t len, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";
	char coded[3] = "%";
	unsigned char c;

	for (size_t i = 0; i < len; i++) {
		c = (unsigned char)s[i];
		if ((c != '\0' && strchr(UNRESERVED, c) != NULL) ||
		    (c == '/' && keep_slash)) {
			(void)buf_add_char(b, (char)c); /* the error sticks */
			continue;
		}
		coded[1] = hex[c >> 4];
		coded[2] = hex[c & 15];
		(void)buf_add(b, coded, sizeof(coded)); /* likewise */
	}
	return buf_error(b);
}

/* The value of a hex digit, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
url_decode(const char *s, size_t len, char **ret, size_t *ret_len)
{
	AUTO_FREE char *out = malloc(len + 1);
	size_t n = 0;
	int high, low;

	if (out == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '%') {
			out[n++] = s[i] == '+' ? ' ' : s[i];
			continue;
		}
		high = i + 2 < len ? hex_value(s[i + 1]) : -1;
		low = i + 2 < len ? hex_value(s[i + 2]) : -1;
		if (high < 0 || low < 0)
			return -EINVAL;
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	out[n] = '\0';
	*ret_len = n;
	*ret = TAKE(out);
	return 0;
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Encode one parameter; what sorts like name and value: '=' is "\1". */
static int
encode_param(const struct url_param *param, char **ret)
{
	struct buf b = BUF_INIT(1 << 16);
	int r;

	(void)url_encode(&b, param->name, strlen(param->name), false);
	(void)buf_add_char(&b, '\1');
	if (param->value != NULL)
		(void)url_encode(&b, param->value, strlen(param->value), false);
	r = buf_take(&b, ret); /* any error stuck until here */
	buf_fini(&b);
	return r;
}

/* Add what encode_param() made, its separator as it should be. */
static void
add_pair(struct buf *b, const char *pair)
{
	size_t len = strcspn(pair, "\1");

	(void)buf_add(b, pair, len); /* the error sticks */
	(void)buf_printf(b, "=%s", pair + len + 1);
}

int
url_query(struct buf *b, const struct url_param *params, size_t count)
{
	char *pairs[URL_PARAMS_MAX];
	size_t n;
	int r = 0;

	if (count > URL_PARAMS_MAX)
		return -E2BIG;
	for (n = 0; n < count; n++) {
		r = encode_param(&params[n], &pairs[n]);
		if (r < 0)
			break;
	}
	if (r == 0) {
		qsort(pairs, n, sizeof(pairs[0]), compare_strings);
		for (size_t i = 0; i < n; i++) {
			(void)buf_add(b, "&", i > 0); /* the error sticks */
			add_pair(b, pairs[i]);
		}
		r = buf_error(b);
	}
	for (size_t i = 0; i < n; i++)
		free(pairs[i]);
	return r;
}

static bool
has_suffix(const char *s, const char *suffix)
{
	size_t len = strlen(s), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(s + len - suffix_len, suffix) == 0;
}

static bool
is_aws_host(const char *host)
{
	return has_suffix(host, ".amazonaws.com") ||
	       has_suffix(host, ".amazonaws.com.cn") ||
	       has_suffix(host, ".amazonaws.eu");
}

/* Take the host at ${s}, lower case and checked; what follows it, or NULL. */
static const char *
parse_host(const char *s, char ret[URL_HOST_SIZE])
{
	struct in6_addr addr;
	size_t len;

	if (*s == '[')
		len = strcspn(s, "]") + 1;
	else
		len = strspn(s, ALPHA DIGITS "-._");
	if (len == 0 || len >= URL_HOST_SIZE)
		return NULL;
	for (size_t i = 0; i < len; i++)
		ret[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] | 32 : s[i]);
	ret[len] = '\0';
	if (*s == '[') {
		ret[len - 1] = '\0';
		if (s[len - 1] != ']' ||
		    inet_pton(AF_INET6, ret + 1, &addr) != 1)
			return NULL;
		ret[len - 1] = ']';
	}
	return s + len;
}

/* Take ":port"; what follows it, or NULL. */
static const char *
parse_port(const char *s, uint16_t *ret)
{
	unsigned long port;
	char *end;

	if (*s != ':')
		return s;
	if (s[1] < '1' || s[1] > '9')
		return NULL;
	port = strtoul(s + 1, &end, 10);
	if (port > UINT16_MAX)
		return NULL;
	*ret = (uint16_t)port;
	return end;
}

int
url_parse_endpoint(const char *s, struct endpoint *ret)
{
	struct endpoint e = { .https = true };
	size_t len;

	if (strncasecmp(s, "https://", 8) == 0) {
		s += 8;
	} else if (strncasecmp(s, "http://", 7) == 0) {
		s += 7;
		e.https = false;
	}
	s = parse_host(s, e.host);
	if (s != NULL)
		s = parse_port(s, &e.port);
	if (s == NULL || (*s != '\0' && *s != '/'))
		return -EINVAL;
	if (e.port == (e.https ? 443 : 80))
		e.port = 0;
	len = strlen(s);
	while (len > 0 && s[len - 1] == '/')
		len--;
	if (len >= sizeof(e.path) || strspn(s, UNRESERVED "/%") < len)
		return -EINVAL;
	memcpy(e.path, s, len);
	e.is_aws = is_aws_host(e.host);
	*ret = e;
	return 0;
}

/* The domain of the partition of ${region}. */
static const char *
aws_domain(const char *region)
{
	if (strncmp(region, "cn-", 3) == 0)
		return "amazonaws.com.cn";
	if (strncmp(region, "eusc-", 5) == 0)
		return "amazonaws.eu";
	return "amazonaws.com";
}

int
url_aws_endpoint(const char *region, struct endpoint *ret)
{
	size_t len = strlen(region);

	if (len == 0 || len > REGION_MAX ||
	    strspn(region, ALPHA_LOWER DIGITS "-") != len)
		return -EINVAL;
	*ret = (struct endpoint){ .https = true, .is_aws = true };
	(void)snprintf(ret->host, sizeof(ret->host), "s3.%s.%s", region,
	    aws_domain(region));
	return 0;
}

int
url_endpoint_print(struct buf *b, const struct endpoint *endpoint)
{
	(void)buf_printf(
	    b, "http%s://%s", endpoint->https ? "s" : "", endpoint->host);
	if (endpoint->port != 0)
		(void)buf_printf(b, ":%u", (unsigned)endpoint->port);
	return buf_add_str(b, endpoint->path);
}

bool
url_is_bucket_name(const char *bucket)
{
	size_t len = strlen(bucket);

	return len > 0 && len <= BUCKET_MAX && bucket[0] != '.' &&
	       strspn(bucket, ALPHA DIGITS "-._") == len;
}

/* Is ${bucket} one or more labels of a host name? */
static bool
is_dns_name(const char *bucket)
{
	size_t len = strlen(bucket);

	return len >= DNS_MIN && len <= DNS_MAX &&
	       strspn(bucket, ALPHA_LOWER DIGITS "-.") == len &&
	       bucket[0] != '-' && bucket[0] != '.' && bucket[len - 1] != '-' &&
	       bucket[len - 1] != '.' && strstr(bucket, "..") == NULL;
}

bool
url_is_path_style(
    const struct endpoint *endpoint, const char *bucket, int style)
{
	struct in_addr addr;

	if (endpoint->host[0] == '[' ||
	    inet_pton(AF_INET, endpoint->host, &addr) == 1 ||
	    !is_dns_name(bucket))
		return true;
	if (endpoint->https && strchr(bucket, '.') != NULL)
		return true;
	return style < 0 ? !endpoint->is_aws : style != 0;
}

/* The host, with the bucket in front of it if it goes there. */
static int
target_host(const struct endpoint *e, const char *label, char **ret)
{
	struct buf b = BUF_INIT(URL_HOST_SIZE + BUCKET_MAX + 16);
	int r;

	if (label != NULL)
		(void)buf_printf(&b, "%s.", label);
	(void)buf_add_str(&b, e->host);
	if (e->port != 0)
		(void)buf_printf(&b, ":%u", (unsigned)e->port);
	r = buf_take(&b, ret); /* any error stuck until here */
	buf_fini(&b);
	return r;
}

/* The path, with the bucket in front of the key if it goes there. */
static int
target_path(
    const struct endpoint *e, const char *bucket, const char *key, char **ret)
{
	struct buf b = BUF_INIT(PATH_MAX_LEN);
	int r;

	(void)buf_add_str(&b, e->path);
	if (bucket != NULL)
		(void)buf_printf(&b, "/%s", bucket);
	if (key != NULL || bucket == NULL)
		(void)buf_add_char(&b, '/');
	if (key != NULL)
		(void)url_encode(&b, key, strlen(key), true);
	r = buf_take(&b, ret); /* any error stuck until here */
	buf_fini(&b);
	return r;
}

int
url_target_init(struct url_target *t, const struct endpoint *endpoint,
    const char *bucket, const char *key, int style)
{
	struct url_target made = { .host = NULL };
	bool in_path = url_is_path_style(endpoint, bucket, style);
	size_t len = key != NULL ? strlen(key) : 1;
	int r;

	if (!url_is_bucket_name(bucket) || len == 0 || len > S3_KEY_MAX)
		return -EINVAL;
	r = target_host(endpoint, in_path ? NULL : bucket, &made.host);
	if (r == 0)
		r = target_path(
		    endpoint, in_path ? bucket : NULL, key, &made.path);
	if (r == 0 && asprintf(&made.base, "http%s://%s",
			  endpoint->https ? "s" : "", made.host) < 0) {
		made.base = NULL;
		r = -ENOMEM;
	}
	if (r < 0) {
		url_target_fini(&made);
		return r;
	}
	*t = made;
	return 0;
}

void
url_target_fini(struct url_target *t)
{
	free(t->host);
	free(t->base);
	free(t->path);
	*t = (struct url_target){ .host = NULL };
}

int
url_copy_source(
    struct buf *b, const char *bucket, const char *key, const char *version_id)
{
	(void)buf_printf(b, "%s/", bucket);
	(void)url_encode(b, key, strlen(key), true);
	if (version_id != NULL) {
		(void)buf_add_str(b, "?versionId=");
		(void)url_encode(b, version_id, strlen(version_id), false);
	}
	return buf_error(b);
}
