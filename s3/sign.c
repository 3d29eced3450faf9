/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.c - AWS Signature Version 4 in the header of a request.
 *
 * Role:    pure, over OpenSSL.  S3: "Signature Calculations for the
 *          Authorization Header: Transferring Payload in a Single Chunk".
 * Secrets: the signing keys live on the stack and in struct sign_cache; the
 *          canonical request may hold the session token.  All are wiped.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/sign.h"

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define SHA_LEN       32
#define DAY_LEN       8         /* "20130524" */
#define CANONICAL_MAX (1 << 20) /* keys and headers are far smaller */
#define OWN_COUNT     3         /* headers that the signer adds */

struct sign_hash {
	EVP_MD_CTX *ctx;
};

static void
to_hex(const uint8_t *data, char ret[SIGN_HEX_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA_LEN; i++) {
		ret[2 * i] = hex[data[i] >> 4];
		ret[2 * i + 1] = hex[data[i] & 15];
	}
	ret[SIGN_HEX_SIZE - 1] = '\0';
}

static int
sha256(const void *data, size_t len, uint8_t ret[SHA_LEN])
{
	if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	return 0;
}

int
sign_sha256(const void *data, size_t len, char ret[SIGN_HEX_SIZE])
{
	uint8_t sum[SHA_LEN];
	int r = sha256(data, len, sum);

	if (r == 0)
		to_hex(sum, ret);
	return r;
}

int
sign_hash_new(struct sign_hash **ret)
{
	struct sign_hash *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->ctx = EVP_MD_CTX_new();
	if (h->ctx == NULL ||
	    EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
		sign_hash_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

int
sign_hash_add(struct sign_hash *h, const void *data, size_t len)
{
	return EVP_DigestUpdate(h->ctx, data, len) == 1 ? 0 : -EIO;
}

int
sign_hash_final(struct sign_hash *h, char ret[SIGN_HEX_SIZE])
{
	uint8_t sum[SHA_LEN];

	if (EVP_DigestFinal_ex(h->ctx, sum, NULL) != 1)
		return -EIO;
	to_hex(sum, ret);
	return 0;
}

void
sign_hash_free(struct sign_hash *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

static int
hmac(const void *key, size_t key_len, const char *data, uint8_t ret[SHA_LEN])
{
	if (HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)data,
		strlen(data), ret, NULL) == NULL)
		return -EIO;
	return 0;
}

/* Wipe and free what ${b} holds. */
static void
cleanse_buf(struct buf *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->size);
	buf_fini(b);
}

/* Make the signing key of ${day}: four HMACs, each with the last one's. */
static int
derive_key(const char *secret, const char *day, const char *region,
    const char *service, uint8_t ret[SHA_LEN])
{
	struct buf first = BUF_INIT(4096);
	uint8_t sums[3][SHA_LEN];
	int r;

	/* The usual size at once: growing would leave copies behind. */
	(void)buf_reserve(&first, strlen(secret) + 4);
	(void)buf_printf(&first, "AWS4%s", secret);
	r = buf_error(&first);
	if (r == 0)
		r = hmac(first.data, first.len, day, sums[0]);
	if (r == 0)
		r = hmac(sums[0], SHA_LEN, region, sums[1]);
	if (r == 0)
		r = hmac(sums[1], SHA_LEN, service, sums[2]);
	if (r == 0)
		r = hmac(sums[2], SHA_LEN, "aws4_request", ret);
	cleanse_buf(&first);
	OPENSSL_cleanse(sums, sizeof(sums));
	return r;
}

/* The signing key, from ${cache} if it is there for the same. */
static int
signing_key(const struct sign_keys *keys, const char *day, const char *region,
    const char *service, struct sign_cache *cache)
{
	struct buf b = BUF_INIT(8192);
	uint8_t scope[SHA_LEN];
	int r;

	(void)buf_reserve(&b, strlen(keys->secret) + strlen(region) +
				  strlen(service) + DAY_LEN + 3);
	(void)buf_printf(
	    &b, "%s\n%s\n%s\n%s", day, region, service, keys->secret);
	r = buf_error(&b);
	if (r == 0)
		r = sha256(b.data, b.len, scope);
	cleanse_buf(&b);
	if (r < 0)
		return r;
	if (cache->is_set && CRYPTO_memcmp(scope, cache->scope, SHA_LEN) == 0)
		return 0;
	sign_cache_fini(cache);
	r = derive_key(keys->secret, day, region, service, cache->key);
	if (r < 0)
		return r;
	memcpy(cache->scope, scope, SHA_LEN);
	cache->is_set = true;
	return 0;
}

static bool
is_own_header(const char *name)
{
	return strcasecmp(name, "x-amz-date") == 0 ||
	       strcasecmp(name, "x-amz-content-sha256") == 0 ||
	       strcasecmp(name, "x-amz-security-token") == 0 ||
	       strcasecmp(name, "authorization") == 0;
}

/* Are the caller's headers such as may be sent and signed? */
static bool
are_headers_good(const struct sign_request *rq)
{
	const struct sign_header *h;
	bool has_host = false;

	if (rq->headers_count > SIGN_HEADERS_MAX)
		return false;
	for (size_t i = 0; i < rq->headers_count; i++) {
		h = &rq->headers[i];
		if (h->name[0] == '\0' ||
		    strpbrk(h->name, ":;\r\n \t") != NULL ||
		    strpbrk(h->value, "\r\n") != NULL || is_own_header(h->name))
			return false;
		if (strcasecmp(h->name, "host") == 0)
			has_host = true;
	}
	return has_host;
}

static int
compare_headers(const void *a, const void *b)
{
	const struct sign_header *x = a, *y = b;

	return strcasecmp(x->name, y->name);
}

static void
add_lower(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		(void)buf_add_char(/* the error sticks */
		    b, (char)(*s >= 'A' && *s <= 'Z' ? *s | 32 : *s));
}

/* Add ${s} without space at its ends, and runs of it inside as one. */
static void
add_trimmed(struct buf *b, const char *s)
{
	static const char space[] = " \t";
	size_t len;

	s += strspn(s, space);
	while (*s != '\0') {
		len = strcspn(s, space);
		(void)buf_add(b, s, len); /* the error sticks */
		s += len;
		s += strspn(s, space);
		if (*s != '\0')
			(void)buf_add_char(b, ' ');
	}
}

/* Add the canonical headers to ${b} and their names to ${names}. */
static void
add_headers(const struct sign_header *headers, size_t count, struct buf *b,
    struct buf *names)
{
	bool is_same = false, is_next_same;

	for (size_t i = 0; i < count; i++) {
		/* Values of the same name become one, in their order. */
		is_next_same = i + 1 < count && compare_headers(&headers[i],
						    &headers[i + 1]) == 0;
		if (!is_same) {
			add_lower(b, headers[i].name);
			(void)buf_add_char(b, ':'); /* the error sticks */
			if (names->len > 0)
				(void)buf_add_char(names, ';');
			add_lower(names, headers[i].name);
		}
		add_trimmed(b, headers[i].value);
		(void)buf_add_char(b, is_next_same ? ',' : '\n');
		is_same = is_next_same;
	}
}

/* Sort by name; headers of one name stay in their order. */
static void
sort_headers(struct sign_header *headers, size_t count)
{
	struct sign_header h;
	size_t j;

	for (size_t i = 1; i < count; i++) {
		h = headers[i];
		for (j = i; j > 0 && compare_headers(&headers[j - 1], &h) > 0;
		     j--)
			headers[j] = headers[j - 1];
		headers[j] = h;
	}
}

/* Write the canonical request to ${b} and the signed names to ${names}. */
static int
add_canonical(const struct sign_request *rq, const struct sign_keys *keys,
    struct buf *b, struct buf *names)
{
	const char *payload = rq->payload != NULL ? rq->payload : SIGN_EMPTY;
	AUTO_FREE struct sign_header *headers = NULL;
	size_t count = rq->headers_count;
	char date[DATE_AMZ_SIZE];

	if (!are_headers_good(rq) || strlen(payload) >= SIGN_HEX_SIZE)
		return -EINVAL;
	headers = calloc(count + OWN_COUNT, sizeof(*headers));
	if (headers == NULL)
		return -ENOMEM;
	memcpy(headers, rq->headers, count * sizeof(*headers));
	date_format_amz(rq->time_s, date);
	headers[count++] = (struct sign_header){ "x-amz-date", date };
	headers[count++] =
	    (struct sign_header){ "x-amz-content-sha256", payload };
	if (keys->token != NULL)
		headers[count++] =
		    (struct sign_header){ "x-amz-security-token", keys->token };
	sort_headers(headers, count);

	(void)buf_printf(b, "%s\n%s\n%s\n", rq->method, rq->path,
	    rq->query != NULL ? rq->query : "");
	add_headers(headers, count, b, names);
	(void)buf_printf(b, "\n%s\n%s", buf_str(names), payload);
	return buf_error(names) < 0 ? buf_error(names) : buf_error(b);
}

int
sign_canonical(const struct sign_request *rq, const struct sign_keys *keys,
    char **ret, char **ret_signed)
{
	struct buf b = BUF_INIT(CANONICAL_MAX), names = BUF_INIT(CANONICAL_MAX);
	AUTO_FREE char *text = NULL;
	int r;

	r = add_canonical(rq, keys, &b, &names);
	if (r == 0)
		r = buf_take(&b, &text);
	if (r == 0)
		r = buf_take(&names, ret_signed);
	if (r == 0)
		*ret = TAKE(text);
	cleanse_buf(&b);
	buf_fini(&names);
	return r;
}

/* The signature in hex over the canonical request ${b}. */
static int
sign_string(const char *date, const char *scope, const struct buf *b,
    const uint8_t *key, char ret[SIGN_HEX_SIZE])
{
	struct buf text = BUF_INIT(4096);
	char sum[SIGN_HEX_SIZE];
	uint8_t signature[SHA_LEN];
	int r;

	r = sign_sha256(b->data, b->len, sum);
	if (r == 0)
		r = buf_printf(
		    &text, ALGORITHM "\n%s\n%s\n%s", date, scope, sum);
	if (r == 0)
		r = hmac(key, SHA_LEN, buf_str(&text), signature);
	if (r == 0)
		to_hex(signature, ret);
	buf_fini(&text);
	return r;
}

int
sign_request(const struct sign_request *rq, const struct sign_keys *keys,
    struct sign_cache *cache, struct signature *ret)
{
	struct buf b = BUF_INIT(CANONICAL_MAX), names = BUF_INIT(CANONICAL_MAX);
	const char *service = rq->service != NULL ? rq->service : "s3";
	struct signature sig = { .authorization = NULL };
	AUTO_FREE char *scope = NULL;
	char day[DAY_LEN + 1] = "", hex[SIGN_HEX_SIZE];
	int r;

	date_format_amz(rq->time_s, sig.date);
	memcpy(day, sig.date, DAY_LEN);
	if (asprintf(&scope, "%s/%s/%s/aws4_request", day, rq->region,
		service) < 0) {
		scope = NULL;
		return -ENOMEM;
	}
	r = add_canonical(rq, keys, &b, &names);
	if (r == 0)
		r = signing_key(keys, day, rq->region, service, cache);
	if (r == 0)
		r = sign_string(sig.date, scope, &b, cache->key, hex);
	if (r == 0 &&
	    asprintf(&sig.authorization,
		ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		keys->access, scope, buf_str(&names), hex) < 0)
		r = -ENOMEM;
	cleanse_buf(&b);
	buf_fini(&names);
	if (r < 0)
		return r;
	(void)snprintf(sig.payload, sizeof(sig.payload), "%s",
	    rq->payload != NULL ? rq->payload : SIGN_EMPTY);
	*ret = sig;
	return 0;
}

void
sign_fini(struct signature *sig)
{
	free(sig->authorization);
	memset(sig, 0, sizeof(*sig));
}

void
sign_cache_fini(struct sign_cache *cache)
{
	OPENSSL_cleanse(cache, sizeof(*cache));
	cache->is_set = false;
}
