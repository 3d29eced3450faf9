/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.c - one request and its answer on one curl handle.
 *
 * Role:    the options and callbacks of a handle; http.c moves it.
 * Threads: the net thread only.
 */
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/exchange.h"

#define BUFFER_LARGE 262144L /* as measured: more is no faster */
#define BUFFER_SMALL 16384L
#define UPLOAD_SMALL 65536L /* as libcurl has it */
#define LARGE_BODY   262144 /* from here on the large buffer pays */
#define CONNECT_MS   10000

static int64_t
now_ms(const struct exchange *x)
{
	return clock_mono_ms(x->own.clock);
}

void
exchange_init(struct exchange *x, const struct exchange_ops *ops)
{
	memset(x, 0, sizeof(*x));
	x->ops = ops;
	head_init(&x->head);
	list_init(&x->own.link);
	list_init(&x->own.canceled);
	pace_hold_init(&x->own.hold, false);
}

void
exchange_fini(struct exchange *x)
{
	assert(list_is_empty(&x->own.link));
	head_fini(&x->head);
}

int
exchange_errno(int code)
{
	static const struct {
		int code;
		int err;
	} table[] = {
		{ CURLE_OK, 0 }, { CURLE_OUT_OF_MEMORY, -ENOMEM },
		{ CURLE_URL_MALFORMAT, -EINVAL },
		{ CURLE_COULDNT_RESOLVE_HOST, -ENXIO },
		{ CURLE_COULDNT_CONNECT, -ECONNREFUSED },
		{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT },
		{ CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED },
		{ CURLE_SSL_CACERT_BADFILE, -EKEYREJECTED },
		{ CURLE_SSL_ISSUER_ERROR, -EKEYREJECTED },
		{ CURLE_SSL_INVALIDCERTSTATUS, -EKEYREJECTED },
		{ CURLE_SSL_CONNECT_ERROR, -ECONNRESET },
		{ CURLE_SEND_ERROR, -ECONNRESET },
		{ CURLE_SEND_FAIL_REWIND, -ECONNRESET },
		{ CURLE_RECV_ERROR, -ECONNRESET },
		{ CURLE_GOT_NOTHING, -ECONNRESET },
		{ CURLE_PARTIAL_FILE, -ECONNRESET },
		{ CURLE_WEIRD_SERVER_REPLY, -EBADMSG },
		{ CURLE_BAD_CONTENT_ENCODING, -EBADMSG },
		{ CURLE_UNSUPPORTED_PROTOCOL, -EBADMSG }, /* HTTP/0.9 */
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (table[i].code == code)
			return table[i].err;
	}
	return -EIO;
}

void
exchange_clear(struct exchange *x)
{
	head_fini(&x->head);
	x->err = 0;
	x->sent = false;
	x->is_local = false;
	x->sent_ms = 0;
	x->sent_len = 0;
	x->detail[0] = '\0';
	x->own.error[0] = '\0';
	x->own.has_head = false;
	x->own.gathered_len = 0;
	x->own.given = 0;
}

void
exchange_end(struct exchange *x)
{
	free(x->own.gathered);
	x->own.gathered = NULL;
	x->own.gathered_len = 0;
}

/* End ${x} with an error of one of its owner's operations. */
static void
fail_local(struct exchange *x, int err)
{
	x->err = err;
	x->is_local = true;
}

static size_t
on_header(char *line, size_t size, size_t len, void *arg)
{
	struct exchange *x = arg;
	int r;

	(void)size; /* always 1 */
	x->own.last_ms = now_ms(x);
	if (x->own.has_head)
		return len; /* a trailer */
	r = head_add(&x->head, line, len);
	if (r == 0 && (len == 1 || (len == 2 && line[0] == '\r')) &&
	    x->head.status >= 200) {
		x->own.has_head = true;
		r = x->ops->head(x);
	}
	if (r < 0) {
		fail_local(x, r);
		return 0;
	}
	return len;
}

static int
give(struct exchange *x, const char *data, size_t len)
{
	x->own.given += len;
	return x->ops->data(x, data, len);
}

int
exchange_give(struct exchange *x)
{
	size_t len = x->own.gathered_len;
	int r;

	if (len == 0)
		return 0;
	x->own.gathered_len = 0;
	r = give(x, x->own.gathered, len);
	if (r < 0)
		fail_local(x, r);
	return r;
}

/* Put ${data} to what was gathered; give it on at each border. */
static int
gather(struct exchange *x, const char *data, size_t len)
{
	int r = 0;

	while (r == 0 && len > 0) {
		uint64_t at = x->own.given + x->own.gathered_len;
		size_t n = EXCHANGE_GATHER - at % EXCHANGE_GATHER;

		if (n > len)
			n = len;
		memcpy(x->own.gathered + x->own.gathered_len, data, n);
		x->own.gathered_len += n;
		data += n;
		len -= n;
		if ((at + n) % EXCHANGE_GATHER == 0)
			r = exchange_give(x);
	}
	return r;
}

static size_t
on_data(char *data, size_t size, size_t len, void *arg)
{
	struct exchange *x = arg;
	int r;

	(void)size; /* always 1 */
	x->own.last_ms = now_ms(x);
	if (len > 0 && pace_ask(x->own.pace, &x->own.hold, PACE_DOWN, len,
			   x->own.last_ms) == 0)
		return CURL_WRITEFUNC_PAUSE; /* and given again later */
	if (x->expect_len >= LARGE_BODY && x->own.gathered == NULL)
		x->own.gathered = malloc(EXCHANGE_GATHER);
	if (x->own.gathered != NULL)
		r = gather(x, data, len);
	else
		r = give(x, data, len);
	if (r < 0) {
		fail_local(x, r);
		return len == 0 ? 1 : 0;
	}
	return len;
}

static size_t
on_source(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t len = size * count;
	int64_t n;

	x->own.last_ms = now_ms(x);
	if (len > x->body_len - x->sent_len)
		len = (size_t)(x->body_len - x->sent_len);
	if (len == 0)
		return 0;
	len = pace_ask(x->own.pace, &x->own.hold, PACE_UP, len, x->own.last_ms);
	if (len == 0)
		return CURL_READFUNC_PAUSE;
	if (x->body != NULL) {
		memcpy(data, (const char *)x->body + x->sent_len, len);
		n = (int64_t)len;
	} else {
		n = x->ops->source(x, x->sent_len, data, len);
	}
	if (n <= 0 || (uint64_t)n > len) {
		fail_local(x, n < 0 ? (int)n : -EIO);
		return CURL_READFUNC_ABORT;
	}
	pace_return(x->own.pace, PACE_UP, len - (size_t)n);
	x->sent_len += (uint64_t)n;
	return (size_t)n;
}

/*
 * curl (since 8.7) remembers that a body must be sent from its start when a
 * kept connection breaks, also for the next use of the handle, and asks for
 * it here.  It is there already, unless curl wants to go on by itself.
 */
static int
on_rewind(void *arg, curl_off_t off, int origin)
{
	const struct exchange *x = arg;

	return origin == SEEK_SET && off == 0 && x->sent_len == 0 && !x->sent
		   ? CURL_SEEKFUNC_OK
		   : CURL_SEEKFUNC_FAIL;
}

/*
 * The connection stands and the request is about to leave.  curl sends a
 * request again by itself if a kept connection turns out to be closed; the
 * server may have acted on the first, so only the owner may decide that.
 */
static int
on_send(
    void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct exchange *x = arg;

	(void)remote_ip;
	(void)local_ip;
	(void)remote_port;
	(void)local_port;
	if (x->sent && (!x->resend || x->sent_len > 0)) {
		x->err = -ECONNRESET;
		(void)snprintf(x->detail, sizeof(x->detail),
		    "the server closed the connection without an answer");
		return CURL_PREREQFUNC_ABORT;
	}
	if (x->sent)
		pace_request(x->own.pace, now_ms(x)); /* one more, of curl's */
	x->sent = true;
	x->sent_ms = now_ms(x);
	x->own.last_ms = x->sent_ms;
	return CURL_PREREQFUNC_OK;
}

static int
set_method(CURL *easy, struct exchange *x)
{
	if (x->has_body) {
		(void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(
		    easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->body_len);
		(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_source);
		(void)curl_easy_setopt(easy, CURLOPT_READDATA, x);
		(void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
		(void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
		/* Always: a curl_easy_reset() without memory leaves it 0. */
		(void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
		    x->body_len >= LARGE_BODY ? BUFFER_LARGE : UPLOAD_SMALL);
	} else if (strcmp(x->method, "HEAD") == 0) {
		(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return 0;
	}
	if (curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method) !=
	    CURLE_OK)
		return -ENOMEM;
	return 0;
}

/* Options that never fail but for lack of memory are not checked each. */
int
exchange_set_up(
    struct exchange *x, void *easy, const struct http_config *config)
{
	long timeout = (long)config->timeout_s * 1000;
	const char *host = strstr(x->url, "://");
	const char *target = host == NULL ? NULL : strchr(host + 3, '/');

#define SET(option, value) (void)curl_easy_setopt(easy, (option), (value))
	SET(CURLOPT_PRIVATE, x);
	SET(CURLOPT_ERRORBUFFER, x->own.error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS,
	    timeout < CONNECT_MS ? timeout : CONNECT_MS);
	SET(CURLOPT_BUFFERSIZE,
	    x->expect_len >= LARGE_BODY ? BUFFER_LARGE : BUFFER_SMALL);
	SET(CURLOPT_FRESH_CONNECT, x->fresh ? 1L : 0L);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEFUNCTION, on_data);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_PREREQFUNCTION, on_send);
	SET(CURLOPT_PREREQDATA, x);
	SET(CURLOPT_HTTPHEADER, x->headers);
#undef SET
	/* The target as it was signed: of its own, libcurl sends a request
	 * without the query if it has no memory for that. */
	if (curl_easy_setopt(easy, CURLOPT_URL, x->url) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, target) !=
		CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") !=
		CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_USERAGENT, config->user_agent) !=
		CURLE_OK)
		return -ENOMEM;
	if (config->ca_file != NULL &&
	    curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file) != CURLE_OK)
		return -EINVAL;
	return set_method(easy, x);
}
