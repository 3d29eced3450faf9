/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_tool.c - the S3 client as a program, for the system tests.
 *
 * Role:    with "-", reads JSON objects, one a line, and writes JSON objects,
 *          one a line.  Without arguments, checks itself.
 *
 * The first line in is the configuration (fields of struct s3_config), the
 * first line out says whether s3_open() liked it.  Each later line is a call,
 * with "op" (the API name) and fields of struct s3_call:
 *
 *	{"id": 1, "op": "GetObject", "key": "a", "out": "/tmp/x"}
 *	{"id": 1, "err": "", "status": 200, "received": 12, ...}
 *
 * Calls run at the same time; answers come as they end.  Bytes of a GET go to
 * the file "out" at their offset in the object, or nowhere.  A body is "body"
 * (text), or "body_file"; "source": true hands it over in pieces; "crc": true
 * sends its CRC32C.  "run": true uses s3_run(), "interrupt_ms" interrupts it.
 * Other ops: "cancel" (of the call "target"), "stats".
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/crc.h"
#include "s3/base/list.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"
#include "s3/s3.h"

#define PIECE 10007 /* of a source: odd on purpose */

struct tool {
	struct s3 *s3;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct list jobs; /* [mutex] calls under way */
};

struct job {
	struct tool *tool;
	struct list link;
	struct s3_call call;
	json_t *in; /* owned; lends the strings of call */
	long long id;
	int fd;     /* of "out", -1: none */
	char *body; /* owned */
	struct s3_meta *meta;
	struct s3_part *parts;
	struct s3_delete *deletes;
	long long fail_at; /* the sink fails from here on; -1: never */
};

static void
say(struct tool *tool, json_t *out)
{
	(void)pthread_mutex_lock(&tool->mutex);
	(void)json_dumpf(out, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	(void)pthread_mutex_unlock(&tool->mutex);
	json_decref(out);
}

static const char *
name_of(int err)
{
	const char *s = err == 0 ? "" : strerrorname_np(-err);

	return s != NULL ? s : "?";
}

static json_t *
text(const char *s)
{
	return s == NULL ? json_null() : json_string(s);
}

/* Set ${name}; bytes that are no UTF-8 are null. */
static void
set_bytes(json_t *out, const char *name, const char *s, size_t len)
{
	json_t *j = json_stringn(s, len);

	(void)json_object_set_new(out, name, j != NULL ? j : json_null());
}

static const char *
get_text(const json_t *in, const char *name)
{
	return json_string_value(json_object_get(in, name));
}

static uint64_t
get_number(const json_t *in, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(in, name));
}

static bool
get_bool(const json_t *in, const char *name)
{
	return json_is_true(json_object_get(in, name));
}

static int
job_sink(void *arg, uint64_t off, const void *data, size_t len)
{
	struct job *job = arg;

	if (job->fail_at >= 0 && off + len > (uint64_t)job->fail_at)
		return -ENOSPC;
	if (job->fd >= 0 &&
	    pwrite(job->fd, data, len, (off_t)off) != (ssize_t)len)
		return -EIO;
	return 0;
}

static int64_t
job_source(void *arg, uint64_t off, void *data, size_t len)
{
	struct job *job = arg;

	if (job->fail_at >= 0 && off >= (uint64_t)job->fail_at)
		return -EIO;
	if (len > PIECE)
		len = PIECE;
	if (len > job->call.body_len - off)
		len = (size_t)(job->call.body_len - off);
	memcpy(data, job->body + off, len);
	return (int64_t)len;
}

static char *
read_file(const char *path, uint64_t *ret_len)
{
	int fd = open(path, O_RDONLY);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	char *data = malloc((size_t)size + 1);
	ssize_t len = pread(fd, data, (size_t)size, 0);

	*ret_len = len < 0 ? 0 : (uint64_t)len;
	(void)close(fd);
	return data;
}

static void
set_body(struct job *job)
{
	const char *path = get_text(job->in, "body_file");
	const char *s = get_text(job->in, "body");
	struct s3_call *call = &job->call;

	if (path != NULL) {
		job->body = read_file(path, &call->body_len);
	} else if (s != NULL) {
		job->body = strdup(s);
		call->body_len = strlen(s);
	}
	if (get_bool(job->in, "source"))
		call->source = job_source;
	else
		call->body = job->body;
	if (get_bool(job->in, "crc")) {
		call->crc32c = crc32c(0, job->body, call->body_len);
		call->has_crc32c = true;
	} else if (json_object_get(job->in, "crc32c") != NULL) {
		call->crc32c = (uint32_t)get_number(job->in, "crc32c");
		call->has_crc32c = true;
	}
}

static void
set_meta(struct job *job)
{
	json_t *object = json_object_get(job->in, "meta");
	const char *name;
	json_t *value;
	size_t n = 0;

	job->meta = calloc(json_object_size(object) + 1, sizeof(*job->meta));
	json_object_foreach(object, name, value)
	{
		job->meta[n].name = strdup(name);
		job->meta[n++].value = strdup(json_string_value(value));
	}
	job->call.meta = job->meta;
	job->call.meta_count = n;
}

static void
set_lists(struct job *job)
{
	json_t *parts = json_object_get(job->in, "parts");
	json_t *deletes = json_object_get(job->in, "deletes");
	size_t n = json_array_size(parts);
	size_t m = json_array_size(deletes);

	job->parts = calloc(n + 1, sizeof(*job->parts));
	job->deletes = calloc(m + 1, sizeof(*job->deletes));
	for (size_t i = 0; i < n; i++) {
		json_t *j = json_array_get(parts, i);
		struct s3_part *p = &job->parts[i];

		p->number = (unsigned)get_number(j, "number");
		p->size = get_number(j, "size");
		p->etag = strdup(get_text(j, "etag"));
		p->has_crc32c = json_is_integer(json_object_get(j, "crc32c"));
		p->crc32c = (uint32_t)get_number(j, "crc32c");
	}
	for (size_t i = 0; i < m; i++) {
		json_t *j = json_array_get(deletes, i);

		job->deletes[i].key = get_text(j, "key");
		job->deletes[i].if_match = get_text(j, "if_match");
		job->deletes[i].err = 1;
	}
	job->call.parts = job->parts;
	job->call.parts_count = n;
	job->call.deletes = job->deletes;
	job->call.deletes_count = m;
}

static void
set_call(struct job *job)
{
	struct s3_call *call = &job->call;
	const json_t *in = job->in;
	const char *out = get_text(in, "out");
	json_t *fail_at = json_object_get(in, "fail_at");

	call->key = get_text(in, "key");
	call->version_id = get_text(in, "version_id");
	call->if_match = get_text(in, "if_match");
	call->if_none_match = get_text(in, "if_none_match");
	call->source_key = get_text(in, "source_key");
	call->source_version_id = get_text(in, "source_version_id");
	call->source_if_match = get_text(in, "source_if_match");
	call->off = get_number(in, "off");
	call->len = get_number(in, "len");
	call->content_type = get_text(in, "content_type");
	call->replace_meta = get_bool(in, "replace_meta");
	call->upload_id = get_text(in, "upload_id");
	call->part_number = (unsigned)get_number(in, "part_number");
	call->complete_size = get_number(in, "complete_size");
	call->prefix = get_text(in, "prefix");
	call->delimiter = get_bool(in, "delimiter");
	call->start_after = get_text(in, "start_after");
	call->token = get_text(in, "token");
	call->max_keys = (unsigned)get_number(in, "max_keys");
	call->background = get_bool(in, "background");
	call->sink = job_sink;
	call->arg = job;
	job->fd = out == NULL ? -1 : open(out, O_WRONLY | O_CREAT, 0600);
	job->fail_at = fail_at == NULL ? -1 : json_integer_value(fail_at);
	set_body(job);
	set_meta(job);
	set_lists(job);
}

static void
job_free(struct job *job)
{
	s3_call_fini(&job->call);
	for (size_t i = 0; i < job->call.meta_count; i++) {
		free(job->meta[i].name);
		free(job->meta[i].value);
	}
	for (size_t i = 0; i < job->call.parts_count; i++)
		free(job->parts[i].etag);
	free(job->meta);
	free(job->parts);
	free(job->deletes);
	free(job->body);
	if (job->fd >= 0)
		(void)close(job->fd);
	json_decref(job->in);
	free(job);
}

static json_t *
tell_object(const struct s3_object *o)
{
	json_t *meta = json_object();

	for (size_t i = 0; i < o->meta_count; i++)
		set_bytes(meta, o->meta[i].name, o->meta[i].value,
		    strlen(o->meta[i].value));
	return json_pack("{s:I,s:o,s:o,s:o,s:o,s:I,s:o}", "size",
	    (json_int_t)o->size, "etag", text(o->etag), "version_id",
	    text(o->version_id), "storage_class", text(o->storage_class),
	    "content_type", text(o->content_type), "modified_ns",
	    (json_int_t)o->modified_ns, "meta", meta);
}

static json_t *
tell_page(const struct s3_page *page)
{
	json_t *list = json_array();

	for (size_t i = 0; i < page->count; i++) {
		const struct s3_listed *e = &page->entries[i];
		json_t *j = json_pack("{s:b,s:I,s:I,s:o}", "is_prefix",
		    (int)e->is_prefix, "size", (json_int_t)e->size,
		    "modified_ns", (json_int_t)e->modified_ns, "etag",
		    text(e->etag));

		set_bytes(j, "key", e->key, e->key_len);
		(void)json_array_append_new(list, j);
	}
	return list;
}

static json_t *
tell_lists(const struct job *job, json_t *out)
{
	const struct s3_call *call = &job->call;
	json_t *parts = json_array();
	json_t *uploads = json_array();
	json_t *deletes = json_array();

	for (size_t i = 0; i < call->ret_parts_count; i++) {
		const struct s3_part *p = &call->ret_parts[i];
		json_t *j = json_pack("{s:i,s:I,s:o}", "number", (int)p->number,
		    "size", (json_int_t)p->size, "etag", text(p->etag));

		if (p->has_crc32c)
			(void)json_object_set_new(
			    j, "crc32c", json_integer(p->crc32c));
		(void)json_array_append_new(parts, j);
	}
	for (size_t i = 0; i < call->uploads_count; i++)
		(void)json_array_append_new(uploads,
		    json_pack("{s:o,s:o,s:I}", "key",
			text(call->uploads[i].key), "upload_id",
			text(call->uploads[i].upload_id), "initiated_ns",
			(json_int_t)call->uploads[i].initiated_ns));
	for (size_t i = 0; i < call->deletes_count; i++)
		(void)json_array_append_new(
		    deletes, text(name_of(call->deletes[i].err)));
	(void)json_object_set_new(out, "parts", parts);
	(void)json_object_set_new(out, "uploads", uploads);
	(void)json_object_set_new(out, "deletes", deletes);
	return out;
}

static json_t *
tell_result(const struct s3_result *r)
{
	return json_pack("{s:s,s:i,s:s,s:s,s:s,s:i,s:b,s:I}", "err",
	    name_of(r->err), "status", (int)r->status, "code", r->code,
	    "request_id", r->request_id, "message", r->message, "attempts",
	    (int)r->attempts, "unsure", (int)r->unsure, "sent_ms",
	    (json_int_t)r->sent_ms);
}

static void
job_done(struct job *job)
{
	struct tool *tool = job->tool;
	struct s3_call *call = &job->call;
	json_t *out = tell_result(&call->result);

	(void)json_object_set_new(out, "id", json_integer(job->id));
	(void)json_object_set_new(out, "object", tell_object(&call->object));
	(void)json_object_set_new(out, "entries", tell_page(&call->page));
	(void)json_object_set_new(
	    out, "next_token", text(call->page.next_token));
	(void)json_object_set_new(out, "upload_id", text(call->ret_upload_id));
	(void)json_object_set_new(
	    out, "received", json_integer((json_int_t)call->received));
	say(tool, tell_lists(job, out));
	(void)pthread_mutex_lock(&tool->mutex);
	list_remove(&job->link);
	(void)pthread_cond_signal(&tool->cond);
	(void)pthread_mutex_unlock(&tool->mutex);
	job_free(job);
}

static void
call_done(struct s3_call *call)
{
	job_done(call->arg);
}

struct interrupt {
	struct waiter waiter;
	unsigned ms;
};

static void *
interrupt_main(void *arg)
{
	struct interrupt *i = arg;

	(void)usleep(i->ms * 1000);
	waiter_interrupt(&i->waiter);
	return NULL;
}

/* s3_run(), perhaps interrupted. */
static void
run(struct job *job)
{
	struct interrupt i = { .ms = (unsigned)get_number(
				   job->in, "interrupt_ms") };
	pthread_t thread;

	waiter_init(&i.waiter);
	if (i.ms > 0)
		(void)pthread_create(&thread, NULL, interrupt_main, &i);
	(void)s3_run(job->tool->s3, &job->call, &i.waiter);
	if (i.ms > 0)
		(void)pthread_join(thread, NULL);
	waiter_fini(&i.waiter);
	job_done(job);
}

/* Takes ${in}: it goes with the job, perhaps on another thread. */
static void
start(struct tool *tool, json_t *in, enum s3_kind kind)
{
	struct job *job = calloc(1, sizeof(*job));
	bool is_run = get_bool(in, "run");

	job->tool = tool;
	job->in = in;
	job->id = (long long)get_number(in, "id");
	s3_call_init(&job->call, kind);
	set_call(job);
	(void)pthread_mutex_lock(&tool->mutex);
	list_append(&tool->jobs, &job->link);
	(void)pthread_mutex_unlock(&tool->mutex);
	if (is_run) {
		run(job);
	} else {
		job->call.done = call_done;
		s3_submit(tool->s3, &job->call);
	}
}

/* Under the mutex, so that the job cannot end and be freed meanwhile. */
static void
cancel(struct tool *tool, long long id)
{
	(void)pthread_mutex_lock(&tool->mutex);
	for (struct list *l = tool->jobs.next; l != &tool->jobs; l = l->next) {
		struct job *job = LIST_ENTRY(l, struct job, link);

		if (job->id == id)
			s3_cancel(tool->s3, &job->call);
	}
	(void)pthread_mutex_unlock(&tool->mutex);
}

static void
tell_stats(struct tool *tool, long long id)
{
	struct s3_stats stats;
	json_t *requests = json_object();

	s3_get_stats(tool->s3, &stats);
	for (int i = 0; i < S3_KIND_COUNT; i++)
		(void)json_object_set_new(requests,
		    s3_kind_name((enum s3_kind)i),
		    json_integer((json_int_t)stats.requests[i]));
	say(tool,
	    json_pack("{s:I,s:s,s:o,s:I,s:I,s:I,s:I,s:I,s:I}", "id", id, "err",
		"", "requests", requests, "retries", (json_int_t)stats.retries,
		"errors", (json_int_t)stats.errors, "bytes_up",
		(json_int_t)stats.bytes_up, "bytes_down",
		(json_int_t)stats.bytes_down, "in_flight",
		(json_int_t)stats.in_flight, "down_since_ms",
		(json_int_t)stats.down_since_ms));
}

/* Takes ${in}. */
static void
command(struct tool *tool, json_t *in)
{
	const char *op = get_text(in, "op");
	long long id = (long long)get_number(in, "id");

	for (int i = 0; op != NULL && i < S3_KIND_COUNT; i++) {
		if (strcmp(op, s3_kind_name((enum s3_kind)i)) == 0) {
			start(tool, in, (enum s3_kind)i);
			return;
		}
	}
	if (op != NULL && strcmp(op, "cancel") == 0)
		cancel(tool, (long long)get_number(in, "target"));
	else if (op != NULL && strcmp(op, "stats") == 0)
		tell_stats(tool, id);
	else
		say(tool,
		    json_pack("{s:I,s:s}", "id", id, "err", "no such op"));
	json_decref(in);
}

static json_t *
read_line(void)
{
	static char line[1 << 22];

	if (fgets(line, sizeof(line), stdin) == NULL)
		return NULL;
	return json_loads(line, JSON_ALLOW_NUL, NULL);
}

static int
open_client(struct tool *tool)
{
	json_t *in = read_line();
	json_t *style = json_object_get(in, "path_style");
	struct s3_config config = {
		.bucket = get_text(in, "bucket"),
		.endpoint = get_text(in, "endpoint"),
		.region = get_text(in, "region"),
		.path_style =
		    style == NULL ? -1 : (int)json_integer_value(style),
		.profile = get_text(in, "profile"),
		.passwd_file = get_text(in, "passwd_file"),
		.no_sign = get_bool(in, "no_sign"),
		.sign_payload = get_bool(in, "sign_payload"),
		.checksum = get_bool(in, "checksum"),
		.timeout_s = (unsigned)get_number(in, "timeout_s"),
		.connections = (unsigned)get_number(in, "connections"),
	};
	struct s3_result result;
	json_t *out;
	int r;

	if (getenv("S3_TOOL_DEBUG") != NULL)
		log_set_level(LOG_LEVEL_DEBUG);
	r = s3_open(&config, &tool->s3, &result);
	out = tell_result(&result);
	(void)json_object_set_new(
	    out, "region", text(r < 0 ? NULL : s3_region(tool->s3)));
	say(tool, out);
	json_decref(in);
	return r;
}

static int
serve(void)
{
	struct tool tool = { .s3 = NULL };
	json_t *in;

	(void)pthread_mutex_init(&tool.mutex, NULL);
	(void)pthread_cond_init(&tool.cond, NULL);
	list_init(&tool.jobs);
	if (open_client(&tool) == 0) {
		for (in = read_line(); in != NULL; in = read_line()) {
			command(&tool, in);
		}
		(void)pthread_mutex_lock(&tool.mutex);
		while (!list_is_empty(&tool.jobs))
			(void)pthread_cond_wait(&tool.cond, &tool.mutex);
		(void)pthread_mutex_unlock(&tool.mutex);
	}
	s3_close(tool.s3);
	(void)pthread_cond_destroy(&tool.cond);
	(void)pthread_mutex_destroy(&tool.mutex);
	return 0;
}

static void
test_names_are_those_of_the_api(void **state)
{
	(void)state;
	assert_string_equal(s3_kind_name(S3_HEAD_BUCKET), "HeadBucket");
	assert_string_equal(s3_kind_name(S3_LIST_OBJECTS), "ListObjectsV2");
	for (int i = 0; i < S3_KIND_COUNT; i++)
		assert_non_null(s3_kind_name((enum s3_kind)i));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_those_of_the_api),
	};

	if (argc > 1 && strcmp(argv[1], "-") == 0)
		return serve();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
