/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds_imds.c - credentials of the EC2 instance role, by IMDSv2.
 *
 *	PUT /latest/api/token				a token, which all
 *	GET /latest/meta-data/iam/security-credentials/	others must carry:
 *	GET .../ROLE					the keys, as JSON
 *
 * There is no fall-back to version 1, which needs no token.  Elsewhere than
 * on EC2 nothing answers: that is found out in a second.
 */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/creds.h"
#include "s3/date.h"

#define IMDS_IPV4  "http://169.254.169.254"
#define IMDS_IPV6  "http://[fd00:ec2::254]"
#define ROLES_PATH "/latest/meta-data/iam/security-credentials/"
#define TTL_HEADER "X-aws-ec2-metadata-token-ttl-seconds: 21600"
#define ANSWER_MAX 16384
#define CONNECT_MS 1000L
#define TOTAL_MS   2000L

struct imds {
	CURL *easy;
	const char *base;
	char token_header[1024]; /* "X-aws-ec2-metadata-token: ..." */
	struct buf answer;
};

static size_t
on_data(char *data, size_t size, size_t len, void *arg)
{
	struct buf *b = arg;

	(void)size; /* always 1 */
	return buf_add(b, data, len) < 0 ? 0 : len;
}

static const char *
base_url(void)
{
	const char *s = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (s != NULL && s[0] != '\0')
		return s;
	return mode != NULL && strcasecmp(mode, "ipv6") == 0 ? IMDS_IPV6
							     : IMDS_IPV4;
}

/* One request.  Returns: 0, the answer in m->answer; -ENOENT: 404; -EIO. */
static int
ask(struct imds *m, const char *method, const char *path, const char *header,
    struct buf *note)
{
	AUTO_FREE char *url = NULL;
	struct curl_slist *headers = NULL;
	CURLcode code;
	long status = 0;
	size_t len = strlen(m->base);

	while (len > 0 && m->base[len - 1] == '/')
		len--;
	headers = curl_slist_append(NULL, header);
	if (headers == NULL)
		return -ENOMEM;
	if (asprintf(&url, "%.*s%s", (int)len, m->base, path) < 0) {
		url = NULL;
		curl_slist_free_all(headers);
		return -ENOMEM;
	}
	buf_clear(&m->answer);
	curl_easy_reset(m->easy);
	(void)curl_easy_setopt(m->easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(m->easy, CURLOPT_CUSTOMREQUEST, method);
	(void)curl_easy_setopt(m->easy, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(m->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(m->easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(m->easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(m->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	(void)curl_easy_setopt(m->easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
	(void)curl_easy_setopt(m->easy, CURLOPT_WRITEFUNCTION, on_data);
	(void)curl_easy_setopt(m->easy, CURLOPT_WRITEDATA, &m->answer);
	code = curl_easy_perform(m->easy);
	(void)curl_easy_getinfo(m->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (code == CURLE_OK && status == 200)
		return 0;
	if (code != CURLE_OK)
		(void)buf_printf(note, "the instance metadata service: %s",
		    curl_easy_strerror(code));
	else
		(void)buf_printf(note,
		    "the instance metadata service answered %s with %ld", path,
		    status);
	return code == CURLE_OK && status == 404 ? -ENOENT : -EIO;
}

/* A token and a role are one line of visible characters. */
static bool
is_plain(const char *s, const char *more)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-_";

	for (; *s != '\0'; s++) {
		if (strchr(plain, *s) == NULL && strchr(more, *s) == NULL)
			return false;
	}
	return true;
}

static char *
first_line(const struct buf *b)
{
	return strndup(buf_str(b), strcspn(buf_str(b), "\r\n"));
}

static int
get_token(struct imds *m, struct buf *note)
{
	int r = ask(m, "PUT", "/latest/api/token", TTL_HEADER, note);
	AUTO(creds_wipep) char *token = NULL;

	if (r < 0)
		return r;
	token = first_line(&m->answer);
	if (token == NULL)
		return -ENOMEM;
	if (token[0] == '\0' || !is_plain(token, "+/=.") ||
	    strlen(token) > sizeof(m->token_header) - 32) {
		(void)buf_add_str(
		    note, "the instance metadata service gave no token");
		return -EIO;
	}
	(void)snprintf(m->token_header, sizeof(m->token_header),
	    "X-aws-ec2-metadata-token: %s", token);
	return 0;
}

static const char *
string_of(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s != NULL ? s : "";
}

static int
parse_keys(struct imds *m, struct creds_keys *ret, struct buf *note)
{
	json_t *j = json_loadb(buf_str(&m->answer), m->answer.len, 0, NULL);
	const char *access = string_of(j, "AccessKeyId");
	const char *secret = string_of(j, "SecretAccessKey");
	const char *code = string_of(j, "Code");
	int64_t expires_ns = 0;
	int r = -EIO;

	if (j == NULL || access[0] == '\0' || secret[0] == '\0' ||
	    (code[0] != '\0' && strcmp(code, "Success") != 0) ||
	    date_parse_iso(string_of(j, "Expiration"), &expires_ns) < 0)
		(void)buf_printf(note,
		    "the instance metadata service gave no keys (%.32s)",
		    is_plain(code, "") ? code : "");
	else
		r = creds_set(ret, access, secret, string_of(j, "Token"));
	if (r == 0)
		ret->expires_ns = expires_ns;
	json_decref(j);
	return r;
}

static int
get_keys(struct imds *m, struct creds_keys *ret, struct buf *note)
{
	AUTO_FREE char *role = NULL, *path = NULL;
	int r = get_token(m, note);

	if (r == 0)
		r = ask(m, "GET", ROLES_PATH, m->token_header, note);
	if (r < 0)
		return r;
	role = first_line(&m->answer);
	if (role == NULL)
		return -ENOMEM;
	if (role[0] == '\0' || !is_plain(role, "+=,.@")) {
		(void)buf_add_str(note, "the instance has no role");
		return -EIO;
	}
	if (asprintf(&path, "%s%s", ROLES_PATH, role) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = ask(m, "GET", path, m->token_header, note);
	return r < 0 ? r : parse_keys(m, ret, note);
}

static int
imds_get(const struct creds_query *q, struct creds_keys *ret, struct buf *note)
{
	const char *off = getenv("AWS_EC2_METADATA_DISABLED");
	struct imds m = { .base = base_url(), .answer = BUF_INIT(ANSWER_MAX) };
	int r;

	(void)q;
	if (off != NULL && strcasecmp(off, "true") == 0)
		return -ENOENT;
	m.easy = curl_easy_init();
	r = m.easy == NULL ? -ENOMEM : buf_reserve(&m.answer, ANSWER_MAX);
	if (r == 0)
		r = get_keys(&m, ret, note);
	curl_easy_cleanup(m.easy);
	explicit_bzero(m.token_header, sizeof(m.token_header));
	if (m.answer.data != NULL)
		explicit_bzero(m.answer.data, m.answer.size);
	buf_fini(&m.answer);
	return r < 0 && r != -ENOMEM ? -ENOENT : r;
}

const struct creds_provider creds_imds = { "the EC2 role", imds_get };
