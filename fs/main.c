/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - options, wire the layers, mount, loop, tear down in reverse.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/cache.h"
#include "fs/control.h"
#include "fs/daemon.h"
#include "fs/mountinfo.h"
#include "fs/notify.h"
#include "fs/options.h"
#include "fs/session.h"
#include "fs/status.h"
#include "s3/base/buf.h"
#include "s3/base/log.h"
#include "s3/s3.h"

#define MESSAGE_LEN 1024
#define EXIT_USAGE  2

/* A thread that waits for S3 needs little. */
#define THREAD_STACK "262144"

/* All that is running, in the order in which it was started. */
struct mount {
	struct options options;
	struct daemon daemon;
	struct s3 *s3;
	struct cache *cache;
	struct notify *notify;
	struct session *session;
	struct control *control;
	struct status status;
	char message[MESSAGE_LEN]; /* why it could not be */
};

static void
on_changed(void *arg, uint64_t parent, const char *name, uint64_t node)
{
	struct mount *m = arg;

	(void)node; /* its pages stay right: they are of that version */
	notify_entry(m->notify, parent, name);
}

/* Requests and bytes, by the names of the S3 API. */
static int
add_s3(struct s3 *s3, json_t *to)
{
	json_t *requests = json_object();
	struct s3_stats st;
	int r = requests == NULL ? -1 : 0;

	s3_get_stats(s3, &st);
	for (int k = 0; r == 0 && k < S3_KIND_COUNT; k++) {
		if (st.requests[k] > 0)
			r = json_object_set_new(requests,
			    s3_kind_name((enum s3_kind)k),
			    json_integer((json_int_t)st.requests[k]));
	}
	if (r < 0) {
		json_decref(requests);
		return r;
	}
	return json_object_set_new(to, "s3",
	    json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "requests", requests,
		"retries", (json_int_t)st.retries, "errors",
		(json_int_t)st.errors, "bytes_up", (json_int_t)st.bytes_up,
		"bytes_down", (json_int_t)st.bytes_down, "in_flight",
		(json_int_t)st.in_flight));
}

static json_t *
on_status(void *arg)
{
	struct mount *m = arg;
	json_t *status = status_json(&m->status);

	if (status != NULL && add_s3(m->s3, status) < 0) {
		json_decref(status);
		return NULL;
	}
	return status;
}

static json_t *
on_odd(void *arg)
{
	struct mount *m = arg;

	return status_odd(m->cache);
}

/* The folder for caches, if cache= does not name one. */
static int
default_cache(struct options *o)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct buf path = BUF_INIT(PATH_MAX);
	int r;

	if (o->cache != NULL)
		return 0;
	if (geteuid() == 0)
		r = buf_add_str(&path, "/var/lib/pailfs");
	else if (state != NULL && state[0] == '/')
		r = buf_printf(&path, "%s/pailfs", state);
	else
		r = home == NULL
			? -ENOENT
			: buf_printf(&path, "%s/.local/state/pailfs", home);
	if (r == 0)
		r = buf_take(&path, &o->cache);
	buf_fini(&path);
	return r;
}

/* A path from the user's folder: the daemon leaves it. */
static int
make_absolute(char **path)
{
	struct buf text = BUF_INIT(PATH_MAX);
	char here[PATH_MAX];
	int r;

	if (*path == NULL || (*path)[0] == '/')
		return 0;
	if (getcwd(here, sizeof(here)) == NULL)
		return -errno;
	r = buf_printf(&text, "%s/%s", here, *path);
	if (r == 0) {
		free(*path);
		r = buf_take(&text, path);
	}
	buf_fini(&text);
	return r;
}

static int
open_s3(struct mount *m)
{
	const struct options *o = &m->options;
	struct s3_config config = {
		.bucket = o->bucket,
		.endpoint = o->endpoint,
		.region = o->region,
		.path_style = o->path_style ? 1 : -1,
		.profile = o->profile,
		.passwd_file = o->passwd_file,
		.no_sign = o->no_sign,
		.sign_payload = o->sign_payload,
		.checksum = o->checksum,
		.timeout_s = (unsigned)o->timeout,
		.connections = (unsigned)o->connections,
	};
	struct s3_result result = { 0 };
	int r = s3_open(&config, &m->s3, &result);

	if (r < 0)
		(void)snprintf(m->message, sizeof(m->message), "%s",
		    result.message[0] != '\0' ? result.message : strerror(-r));
	return r;
}

static int
open_cache(struct mount *m)
{
	const struct options *o = &m->options;
	struct cache_hooks hooks = { .arg = m, .changed = on_changed };
	struct cache_config config = {
		.dir = o->cache,
		.endpoint = o->endpoint != NULL ? o->endpoint : "aws",
		.bucket = o->bucket,
		.prefix = o->prefix,
		.size = o->cache_size,
		.free_space = o->free_space,
		.memory = o->memory,
		.ttl_ms = (unsigned)o->ttl,
		.negative_ttl_ms = (unsigned)o->negative_ttl,
		.timeout_s = (unsigned)o->timeout,
		.attrs = o->attrs == 1 ? CACHE_ATTRS_LIST : CACHE_ATTRS_POSIX,
		.read_only = o->ro,
		.has_uid = o->uid != UINT64_MAX,
		.has_gid = o->gid != UINT64_MAX,
		.has_umask = o->umask != UINT64_MAX,
		.uid = o->uid != UINT64_MAX ? (uint32_t)o->uid : geteuid(),
		.gid = o->gid != UINT64_MAX ? (uint32_t)o->gid : getegid(),
		.umask = (uint32_t)o->umask,
		.file_mode = (uint32_t)o->file_mode,
		.dir_mode = (uint32_t)o->dir_mode,
	};
	int r = cache_open(
	    &config, m->s3, &hooks, &m->cache, m->message, sizeof(m->message));

	if (r == 0 && m->message[0] != '\0')
		(void)fprintf(stderr, "pailfs: warning: %s\n", m->message);
	return r;
}

/* Signals are for the main thread and the control thread. */
static void
block_signals(bool block_all)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigaddset(&set, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGQUIT);
	(void)pthread_sigmask(block_all ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* Limits of the process, before there are threads. */
static void
set_up_process(void)
{
	struct rlimit files, no_core = { 0, 0 };

	(void)umask(077);
	/* Secrets are in memory: neither core files nor other processes. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* Hundreds of threads come and go: few arenas, trimmed. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
	(void)setenv("FUSE_THREAD_STACK", THREAD_STACK, 0);
}

static int
open_log(struct mount *m)
{
	const struct options *o = &m->options;

	log_set_level(
	    o->debug ? LOG_LEVEL_DEBUG : (enum log_level)o->log_level);
	if (o->log_file == NULL)
		return 0;
	return log_open(o->log_file);
}

/* In the daemon: each step needs the one before. */
static int
start(struct mount *m)
{
	struct options *o = &m->options;
	struct control_hooks hooks = {
		.arg = m, .status = on_status, .odd = on_odd
	};
	int r;

	block_signals(true);
	r = open_s3(m);
	if (r == 0)
		r = notify_new(&m->notify);
	if (r == 0)
		r = open_cache(m);
	if (r == 0)
		r = session_new(
		    o, m->cache, &m->session, m->message, sizeof(m->message));
	if (r < 0)
		return r;
	m->status = (struct status){ .options = o,
		.cache = m->cache,
		.session = m->session,
		.since_s = time(NULL),
		.region = s3_region(m->s3) };
	r = control_start(o->mountpoint, o->log_file, &hooks, &m->control);
	if (r == 0)
		r = notify_start(m->notify, m->session->fuse);
	return r;
}

/* In reverse. */
static void
stop(struct mount *m)
{
	notify_stop(m->notify);
	session_free(m->session);
	cache_close(m->cache);
	notify_free(m->notify);
	s3_close(m->s3);
	control_stop(m->control, 0);
}

/* What is wrong and can be said before forking. */
static int
prepare(struct mount *m)
{
	struct options *o = &m->options;
	int r;

	r = mountinfo_prepare(o->mountpoint, m->message, sizeof(m->message));
	if (r == 0)
		r = default_cache(o);
	if (r == 0)
		r = make_absolute(&o->cache);
	if (r == 0)
		r = make_absolute(&o->passwd_file);
	if (r == 0)
		r = make_absolute(&o->log_file);
	if (r < 0)
		return r;
	r = open_log(m);
	if (r < 0)
		(void)snprintf(m->message, sizeof(m->message),
		    "cannot open log_file=%s: %s", o->log_file, strerror(-r));
	return r;
}

static int
fail(struct mount *m, int r)
{
	(void)fprintf(stderr, "pailfs: %s\n",
	    m->message[0] != '\0' ? m->message : strerror(-r));
	return EXIT_FAILURE;
}

static int
run(struct mount *m)
{
	const struct options *o = &m->options;
	bool foreground = o->foreground || o->debug;
	int r;

	r = prepare(m);
	if (r < 0)
		return fail(m, r);
	set_up_process();
	r = daemon_start(&m->daemon, foreground, o->mountpoint);
	if (r == 0)
		r = start(m);
	if (r < 0) {
		stop(m);
		return fail(m, r);
	}
	if (!foreground && o->log_file == NULL)
		log_to_syslog("pailfs");
	daemon_ready(&m->daemon);
	block_signals(false);
	r = session_loop(m->session);
	if (r < 0)
		log_error("the FUSE session ended: %s", strerror(-r));
	stop(m);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct mount m = { .daemon = { .fd = -1 } };
	int status;

	if (options_parse(
		argc, argv, &m.options, m.message, sizeof(m.message)) < 0) {
		(void)fprintf(stderr, "pailfs: %s\n", m.message);
		status = EXIT_USAGE;
	} else if (m.options.help) {
		options_help(stdout);
		status = EXIT_SUCCESS;
	} else if (m.options.version) {
		(void)printf("pailfs %s\n", PAILFS_VERSION);
		status = EXIT_SUCCESS;
	} else {
		status = run(&m);
	}
	options_fini(&m.options);
	return status;
}
