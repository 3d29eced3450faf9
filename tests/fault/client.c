/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - no memory in the S3 client: while it is opened, requests are
 * built, signed and sent, and answers are parsed.
 *
 * Role:    scenarios of loop.h over s3/, curl and libxml2; a thread on loopback
 *          answers each kind of request always in the same way.
 */
#include "tests/fault/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>

#include "s3/s3.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STEP(f)                                                                \
	{                                                                      \
#f, f                                                          \
	}
#define CONNS 64

#define want(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			loop_die(                                              \
			    "%s:%d: not %s", __FILE__, __LINE__, #condition);  \
	} while (0)

/* ---- the server ---- */

static const char page[] =
    "<ListBucketResult><IsTruncated>true</IsTruncated>"
    "<Contents><Key>a%2Fb</Key><LastModified>2013-05-24T00:00:00.000Z"
    "</LastModified><ETag>&quot;abc&quot;</ETag><Size>5</Size>"
    "<StorageClass>GLACIER</StorageClass></Contents>"
    "<CommonPrefixes><Prefix>a%2Fx%2F</Prefix></CommonPrefixes>"
    "<NextContinuationToken>1+%2F=</NextContinuationToken>"
    "<EncodingType>url</EncodingType></ListBucketResult>";
static const char created[] =
    "<InitiateMultipartUploadResult><UploadId>U1</UploadId>"
    "</InitiateMultipartUploadResult>";
static const char completed[] =
    "<CompleteMultipartUploadResult><ETag>\"3858-2\"</ETag>"
    "</CompleteMultipartUploadResult>";
static const char deleted[] =
    "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key>"
    "<Code>AccessDenied</Code></Error></DeleteResult>";
static const char parts[] =
    "<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1"
    "</PartNumber><ETag>\"p1\"</ETag><Size>5242880</Size></Part>"
    "</ListPartsResult>";
static const char refused[] =
    "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";

#define OK    "200 OK\r\n"
#define ETAG  "ETag: \"abc\"\r\n"
#define XATTR "x-amz-meta-mode: 33188\r\nx-amz-meta-other: x\r\n"
#define KINDS "Content-Type: text/plain\r\nx-amz-version-id: v\r\n"

/* By the beginning of a request; the first one that fits. */
static const struct {
	const char *request;
	const char *head;
	const char *body;
} answers[] = {
	{ "GET /bucket?", OK, page },
	{ "GET /bucket/k?uploadId", OK, parts },
	{ "GET /bucket/k ", OK ETAG "x-amz-checksum-crc32c: 4waSgw==\r\n",
	    "123456789" },
	{ "GET /bucket/refused", "403 Forbidden\r\n", refused },
	{ "HEAD /bucket/k", OK ETAG KINDS XATTR, "" },
	{ "HEAD ", OK, "" },
	{ "PUT ", OK ETAG, "" },
	{ "POST /bucket/k?uploads", OK, created },
	{ "POST /bucket/k?uploadId", OK, completed },
	{ "POST /bucket?delete", OK, deleted },
};

static int listener;
static char url[64];

static bool
read_request(int fd, char *head, size_t size)
{
	size_t len = 0, left = 0;
	char drop[4096];
	const char *p;

	do {
		if (len + 1 >= size || read(fd, head + len, 1) != 1)
			return false;
		head[++len] = '\0';
	} while (len < 4 || strcmp(head + len - 4, "\r\n\r\n") != 0);
	p = strcasestr(head, "\r\nContent-Length:");
	if (p != NULL)
		left = strtoul(p + 17, NULL, 10);
	while (left > 0) {
		ssize_t n =
		    read(fd, drop, left < sizeof(drop) ? left : sizeof(drop));

		if (n <= 0)
			return false;
		left -= (size_t)n;
	}
	return true;
}

static void *
serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char head[4096], text[4096];

	while (read_request(fd, head, sizeof(head))) {
		size_t i = 0;
		int n;

		while (
		    i < COUNT(answers) && strncmp(head, answers[i].request,
					      strlen(answers[i].request)) != 0)
			i++;
		if (i == COUNT(answers))
			loop_die("no answer to %s", head);
		n = snprintf(text, sizeof(text),
		    "HTTP/1.1 %sContent-Length: %zu\r\n\r\n%s", answers[i].head,
		    strlen(answers[i].body), answers[i].body);
		(void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
	}
	(void)close(fd);
	return NULL;
}

static void *
accept_all(void *arg)
{
	pthread_t thread;
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
		if (pthread_create(
			&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			(void)pthread_detach(thread);
	return arg;
}

static void
start_server(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	want(bind(listener, (struct sockaddr *)(void *)&addr, len) == 0);
	want(listen(listener, CONNS) == 0);
	want(
	    getsockname(listener, (struct sockaddr *)(void *)&addr, &len) == 0);
	(void)snprintf(
	    url, sizeof(url), "http://127.0.0.1:%u", ntohs(addr.sin_port));
	want(pthread_create(&thread, NULL, accept_all, NULL) == 0);
	(void)pthread_detach(thread);
}

/* ---- steps ---- */

static struct s3 *s3;
static struct s3_call call;

static int
open_client(void)
{
	const struct s3_config config = { .bucket = "bucket",
		.endpoint = url,
		.region = "us-east-1",
		.path_style = 1,
		.timeout_s = 5,
		.connections = 4,
		.checksum = true };
	struct s3_result result;

	return s3_open(&config, &s3, &result);
}

static void
begin(enum s3_kind kind)
{
	s3_call_fini(&call);
	s3_call_init(&call, kind);
	call.key = "k";
}

static int
list(void)
{
	int r;

	begin(S3_LIST_OBJECTS);
	call.key = NULL;
	call.prefix = "a/";
	call.delimiter = true;
	r = s3_run(s3, &call, NULL);
	if (r < 0)
		return r;
	want(call.page.count == 2 && call.page.next_token != NULL);
	want(strcmp(call.page.entries[0].key, "a/b") == 0);
	want(strcmp(call.page.entries[0].etag, "\"abc\"") == 0);
	want(strcmp(call.page.entries[0].storage_class, "GLACIER") == 0);
	want(call.page.entries[1].is_prefix);
	return 0;
}

static int
head_object(void)
{
	int r;

	begin(S3_HEAD_OBJECT);
	r = s3_run(s3, &call, NULL);
	if (r < 0)
		return r;
	want(call.object.meta_count == 2);
	want(strcmp(call.object.etag, "\"abc\"") == 0);
	want(strcmp(call.object.version_id, "v") == 0);
	want(strcmp(call.object.content_type, "text/plain") == 0);
	want(strcmp(call.object.meta[0].value, "33188") == 0);
	return 0;
}

static char got[16];

static int
sink(void *arg, uint64_t off, const void *data, size_t len)
{
	(void)arg;
	want(off + len < sizeof(got));
	memcpy(got + off, data, len);
	return 0;
}

static int
get_object(void)
{
	int r;

	begin(S3_GET_OBJECT);
	call.sink = sink;
	memset(got, 0, sizeof(got));
	r = s3_run(s3, &call, NULL);
	want(r < 0 || strcmp(got, "123456789") == 0);
	return r;
}

static int
get_refused(void)
{
	int r;

	begin(S3_GET_OBJECT);
	call.key = "refused";
	call.sink = sink;
	r = s3_run(s3, &call, NULL);
	want(r < 0);
	return r == -EACCES ? 0 : r;
}

static int
put_object(void)
{
	static char name[] = "mode", value[] = "33188";
	const struct s3_meta meta = { name, value };
	int r;

	begin(S3_PUT_OBJECT);
	call.body = "123456789";
	call.body_len = 9;
	call.crc32c = 0xe3069283;
	call.has_crc32c = true;
	call.if_match = "\"old\"";
	call.content_type = "text/plain";
	call.meta = &meta;
	call.meta_count = 1;
	r = s3_run(s3, &call, NULL);
	want(r < 0 || strcmp(call.object.etag, "\"abc\"") == 0);
	return r;
}

static int
create_upload(void)
{
	int r;

	begin(S3_CREATE_MULTIPART_UPLOAD);
	r = s3_run(s3, &call, NULL);
	want(r < 0 || strcmp(call.ret_upload_id, "U1") == 0);
	return r;
}

static int
complete_upload(void)
{
	char etag[] = "\"p1\"";
	struct s3_part part = { .number = 1, .size = 5, .etag = etag };
	int r;

	begin(S3_COMPLETE_MULTIPART_UPLOAD);
	call.upload_id = "U1";
	call.parts = &part;
	call.parts_count = 1;
	r = s3_run(s3, &call, NULL);
	want(r < 0 || strcmp(call.object.etag, "\"3858-2\"") == 0);
	return r;
}

static int
list_parts(void)
{
	int r;

	begin(S3_LIST_PARTS);
	call.upload_id = "U1";
	r = s3_run(s3, &call, NULL);
	want(r < 0 || call.ret_parts_count == 1);
	return r;
}

static int
delete_objects(void)
{
	struct s3_delete deletes[] = { { .key = "a" }, { .key = "b" } };
	int r;

	begin(S3_DELETE_OBJECTS);
	call.key = NULL;
	call.deletes = deletes;
	call.deletes_count = 2;
	r = s3_run(s3, &call, NULL);
	want(r < 0 || (deletes[0].err == 0 && deletes[1].err == -EACCES));
	return r;
}

/* ---- the loop ---- */

static void
set_up(void)
{
	(void)setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	(void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	(void)unsetenv("AWS_SESSION_TOKEN");
	(void)unsetenv("AWS_CA_BUNDLE");
	start_server();
	s3_call_init(&call, S3_HEAD_OBJECT);
}

static void
check(void)
{
	want(list() == 0);
}

static void
tear_down(void)
{
	s3_call_fini(&call);
	s3_close(s3);
}

static const struct loop_step steps[] = {
	STEP(open_client),
	STEP(list),
	STEP(head_object),
	STEP(get_object),
	STEP(get_refused),
	STEP(put_object),
	STEP(create_upload),
	STEP(complete_upload),
	STEP(list_parts),
	STEP(delete_objects),
};

int
main(void)
{
	loop_run(&(struct loop){ .name = "client",
	    .set_up = set_up,
	    .steps = steps,
	    .count = COUNT(steps),
	    .check = check,
	    .tear_down = tear_down,
	    .of = ALLOC_OWN | ALLOC_CURL | ALLOC_XML,
	    .own_stride = 1,
	    .lib_stride = 1 });
	return loop_end();
}
