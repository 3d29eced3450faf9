/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_build.c - an attempt's URL, headers, body and signature.
 *
 * Role:    turns what op->build() wants into what http.c sends.
 * Threads: the net thread.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/checksum.h"
#include "s3/creds.h"
#include "s3/request.h"

#define URL_MAX   65536
#define VALUE_MAX 65536
#define TEXT_MAX  (16 << 20) /* 10 000 parts */
#define HASH_STEP 65536

static void
fail(struct request *r, int err, const char *detail)
{
	if (r->out.err == 0) {
		r->out.err = err;
		r->detail = detail;
	}
}

void
request_param(struct request *r, const char *name, const char *value)
{
	struct request_out *out = &r->out;

	if (out->params_count == URL_PARAMS_MAX) {
		fail(r, -E2BIG, "too many parameters");
		return;
	}
	out->params[out->params_count].name = name;
	out->params[out->params_count].value = value;
	out->params_count++;
}

void
request_param_number(struct request *r, const char *name, uint64_t value)
{
	struct request_out *out = &r->out;
	char *s = out->numbers[out->numbers[0][0] == '\0' ? 0 : 1];

	(void)snprintf(
	    s, sizeof(out->numbers[0]), "%llu", (unsigned long long)value);
	request_param(r, name, s);
}

void
request_header(struct request *r, const char *name, const char *value)
{
	struct request_out *out = &r->out;
	struct sign_header *headers;
	size_t name_size = strlen(name) + 1;
	size_t value_size;
	char *copy;

	if (value == NULL)
		return;
	value_size = strlen(value) + 1;
	if (strpbrk(name, "\r\n: ") != NULL || strpbrk(value, "\r\n") != NULL ||
	    name_size + value_size > VALUE_MAX) {
		fail(r, -EINVAL, "a header would be broken or too long");
		return;
	}
	headers = reallocarray(
	    out->headers, out->headers_count + 1, sizeof(*headers));
	copy = headers == NULL ? NULL : malloc(name_size + value_size);
	if (headers != NULL)
		out->headers = headers;
	if (copy == NULL) {
		fail(r, -ENOMEM, NULL);
		return;
	}
	memcpy(copy, name, name_size);
	memcpy(copy + name_size, value, value_size);
	headers[out->headers_count].name = copy;
	headers[out->headers_count].value = copy + name_size;
	out->headers_count++;
}

void
request_headerf(struct request *r, const char *name, const char *fmt, ...)
{
	AUTO_FREE char *value = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0) {
		value = NULL;
		fail(r, -ENOMEM, NULL);
		return;
	}
	request_header(r, name, value);
}

void
request_header_meta(struct request *r)
{
	const struct s3_call *call = r->call;

	request_header(r, "Content-Type", call->content_type);
	for (size_t i = 0; i < call->meta_count; i++) {
		AUTO_FREE char *name = NULL;

		if (asprintf(&name, "x-amz-meta-%s", call->meta[i].name) < 0) {
			name = NULL;
			fail(r, -ENOMEM, NULL);
			return;
		}
		request_header(r, name, call->meta[i].value);
	}
}

void
request_header_source(struct request *r)
{
	struct buf b = BUF_INIT(VALUE_MAX);
	const struct s3_call *call = r->call;

	if (call->source_key == NULL)
		fail(r, -EINVAL, "a copy needs a source");
	else if (url_copy_source(&b, r->s3->bucket, call->source_key,
		     call->source_version_id) < 0)
		fail(r, buf_error(&b), NULL);
	else
		request_header(r, "x-amz-copy-source", buf_str(&b));
	buf_fini(&b);
	request_header(r, "x-amz-copy-source-if-match", call->source_if_match);
}

void
request_body(struct request *r)
{
	const struct s3_call *call = r->call;
	char value[CHECKSUM_CRC32C_SIZE];

	r->out.has_body = true;
	r->out.body = call->source == NULL ? call->body : NULL;
	r->out.body_len = call->body_len;
	if (call->source == NULL && call->body == NULL && call->body_len > 0)
		fail(r, -EINVAL, "a body of no bytes was given");
	if (r->s3->checksum && call->has_crc32c) {
		checksum_format(call->crc32c, value);
		request_header(r, "x-amz-checksum-crc32c", value);
	}
}

void
request_body_text(struct request *r)
{
	if (buf_error(&r->out.text) < 0)
		fail(r, buf_error(&r->out.text), NULL);
	r->out.has_body = true;
	r->out.body = buf_str(&r->out.text);
	r->out.body_len = r->out.text.len;
	request_header(r, "Content-Type", "application/xml");
}

void
request_out_fini(struct request_out *out)
{
	for (size_t i = 0; i < out->headers_count; i++)
		free((void *)(uintptr_t)out->headers[i].name);
	free(out->headers);
	buf_fini(&out->text);
	memset(out, 0, sizeof(*out));
	buf_init(&out->text, TEXT_MAX);
}

/* The SHA-256 of a body that comes from the caller's source. */
static int
hash_source(struct request *r)
{
	AUTO_FREE char *data = malloc(HASH_STEP);
	struct sign_hash *h = NULL;
	uint64_t off = 0;
	int rc = data == NULL ? -ENOMEM : sign_hash_new(&h);

	while (rc == 0 && off < r->out.body_len) {
		uint64_t left = r->out.body_len - off;
		int64_t n = r->call->source(r->call->arg, off, data,
		    left < HASH_STEP ? (size_t)left : HASH_STEP);

		if (n <= 0 || n > HASH_STEP) {
			rc = n < 0 ? (int)n : -EIO;
			break;
		}
		rc = sign_hash_add(h, data, (size_t)n);
		off += (uint64_t)n;
	}
	if (rc == 0)
		rc = sign_hash_final(h, r->payload);
	sign_hash_free(h);
	return rc;
}

/* What is signed for the body, in ${*ret}: a hash, or that there is none. */
static int
payload(struct request *r, const char **ret)
{
	const struct request_out *out = &r->out;
	bool is_text = out->text.len > 0;
	int rc = 0;

	*ret = SIGN_UNSIGNED;
	if (!out->has_body || out->body_len == 0) {
		*ret = SIGN_EMPTY;
		return 0;
	}
	if (!is_text && !r->s3->sign_payload)
		return 0;
	if (is_text || r->payload[0] == '\0') {
		if (out->body != NULL)
			rc = sign_sha256(
			    out->body, (size_t)out->body_len, r->payload);
		else
			rc = hash_source(r);
	}
	*ret = r->payload;
	return rc;
}

static int
add_line(struct request *r, const char *name, const char *value)
{
	AUTO_FREE char *line = NULL;
	struct curl_slist *lines;

	/* curl drops "Name:", and sends "Name;" as a header of no value. */
	if (asprintf(&line, value[0] == '\0' ? "%s;%s" : "%s: %s", name,
		value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	lines = curl_slist_append(r->lines, line);
	if (lines == NULL)
		return -ENOMEM;
	r->lines = lines;
	return 0;
}

/* Sign ${r} and add the headers of the signature. */
static int
sign(struct request *r, const struct url_target *t, const char *query)
{
	const struct sign_keys keys = { r->keys->access, r->keys->secret,
		r->keys->token };
	struct sign_request rq = {
		.method = r->out.method,
		.path = t->path,
		.query = query,
		.region = r->region,
		.time_s = client_time_s(r->s3),
	};
	struct signature sig = { .authorization = NULL };
	int rc = payload(r, &rq.payload);

	if (rc < 0)
		return rc;
	r->signed_s = rq.time_s;
	request_header(r, "Host", t->host);
	rq.headers = r->out.headers;
	rq.headers_count = r->out.headers_count;
	rc = r->out.err;
	if (rc == 0)
		rc = sign_request(&rq, &keys, &r->s3->net.sign, &sig);
	if (rc < 0)
		return rc;
	rc = add_line(r, "x-amz-date", sig.date);
	if (rc == 0)
		rc = add_line(r, "x-amz-content-sha256", sig.payload);
	if (rc == 0 && keys.token != NULL)
		rc = add_line(r, "x-amz-security-token", keys.token);
	if (rc == 0)
		rc = add_line(r, "Authorization", sig.authorization);
	sign_fini(&sig);
	return rc;
}

/* What curl adds by itself and S3 does not want, and our own. */
static int
add_lines(struct request *r)
{
	int rc = 0;

	for (size_t i = 0; i < r->out.headers_count && rc == 0; i++) {
		if (strcmp(r->out.headers[i].name, "Host") != 0)
			rc = add_line(
			    r, r->out.headers[i].name, r->out.headers[i].value);
	}
	if (rc == 0) {
		struct curl_slist *lines =
		    curl_slist_append(r->lines, "Expect:");

		if (lines != NULL)
			lines = curl_slist_append(r->lines = lines, "Accept:");
		if (lines == NULL)
			return -ENOMEM;
		r->lines = lines;
	}
	return rc;
}

static int
address(struct request *r, struct url_target *t, struct buf *query)
{
	struct endpoint endpoint;
	struct buf url = BUF_INIT(URL_MAX);
	int rc;

	(void)snprintf(r->region, sizeof(r->region), "%s", s3_region(r->s3));
	rc = client_endpoint(r->s3, r->region, &endpoint);
	if (rc < 0)
		return rc;
	rc = url_target_init(t, r->has_redirect ? &r->redirect : &endpoint,
	    r->s3->bucket, r->out.key, r->s3->path_style);
	if (rc < 0) {
		r->detail = "the key must have 1 to 1024 bytes";
		return rc;
	}
	rc = url_query(query, r->out.params, r->out.params_count);
	(void)buf_add_str(&url, t->base);
	(void)buf_add_str(&url, t->path);
	if (query->len > 0)
		(void)buf_printf(&url, "?%s", buf_str(query));
	free(r->url);
	r->url = NULL;
	if (rc == 0)
		rc = buf_take(&url, &r->url);
	buf_fini(&url);
	return rc;
}

/* Take the keys to sign with, and give back those of the attempt before. */
static int
take_keys(struct request *r)
{
	int64_t now = clock_mono_ms(r->s3->clock);
	struct creds_keys *keys;
	int rc = creds_get(r->s3->creds, &keys);

	if (rc == -EAGAIN) {
		if (r->keys_since_ms == 0)
			r->keys_since_ms = now;
		if (now - r->keys_since_ms < (int64_t)r->s3->timeout_s * 1000)
			return -EAGAIN;
		r->detail = "the credentials expired and no new ones came";
		return -EACCES;
	}
	r->keys_since_ms = 0;
	creds_keys_put(r->keys);
	r->keys = keys;
	return 0;
}

static void
set_up(struct request *r)
{
	struct exchange *x = &r->x;

	x->method = r->out.method;
	x->url = r->url;
	x->headers = r->lines;
	x->has_body = r->out.has_body;
	x->body = r->out.body;
	x->body_len = r->out.body_len;
	x->expect_len = r->out.expect_len;
	x->resend = !r->op->mutates;
}

int
request_build(struct request *r)
{
	struct url_target t = { .host = NULL };
	struct buf query = BUF_INIT(URL_MAX);
	int rc = take_keys(r);

	if (rc < 0)
		return rc;
	request_out_fini(&r->out);
	curl_slist_free_all(r->lines);
	r->lines = NULL;
	r->detail = NULL;
	r->out.method = r->op->method;
	r->out.kind = r->call->kind;
	rc = r->op->build(r);
	if (rc == 0)
		rc = r->out.err;
	if (rc == 0)
		rc = address(r, &t, &query);
	if (rc == 0 && r->keys != NULL)
		rc = sign(r, &t, buf_str(&query));
	if (rc == 0)
		rc = add_lines(r);
	if (rc == 0)
		set_up(r);
	url_target_fini(&t);
	buf_fini(&query);
	return rc;
}
