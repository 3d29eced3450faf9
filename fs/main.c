/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - options, wire the layers, mount, loop, tear down in reverse.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/cache.h"
#include "fs/control.h"
#include "fs/daemon.h"
#include "fs/drain.h"
#include "fs/mountinfo.h"
#include "fs/mountpoint.h"
#include "fs/notify.h"
#include "fs/options.h"
#include "fs/process.h"
#include "fs/remount.h"
#include "fs/session.h"
#include "fs/status.h"
#include "s3/base/buf.h"
#include "s3/base/killpoint.h"
#include "s3/base/log.h"
#include "s3/s3.h"

#define MESSAGE_LEN     1024
#define EXIT_USAGE      2
#define NEGATIVE_TTL_MS 10000U /* where none is given */

/* How often the log says what is still to be sent before the end, seconds. */
#define DRAIN_LOG_S 10

/* All that is running, in the order in which it was started. */
struct mount {
	struct options options;
	struct daemon daemon;
	struct s3 *s3;
	struct cache *cache;
	struct notify *notify;
	struct drain *drain;
	struct session *session;
	struct lock known_lock;
	struct inodes *known; /* [known_lock] the session's, or NULL */
	struct control *control;
	struct status status;
	int64_t extended_s; /* when the service manager was told last */
	unsigned drain_s;   /* so long it takes, at the end */
	bool is_served;
	char message[MESSAGE_LEN]; /* why it could not be */
};

static void
on_changed(void *arg, uint64_t parent, const char *name, uint64_t node)
{
	struct mount *m = arg;
	(void)node; /* its pages stay right: they are of that version */
	notify_entry(m->notify, parent, name);
}

static void
known_set(struct mount *m, struct inodes *known)
{
	lock_take(&m->known_lock);
	m->known = known;
	lock_drop(&m->known_lock);
}

static bool
is_known(void *arg, uint64_t node)
{
	struct mount *m = arg;
	bool known;

	lock_take(&m->known_lock);
	known = m->known != NULL && inodes_has(m->known, node);
	lock_drop(&m->known_lock);
	return known;
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
on_odd(void *arg, uint64_t from)
{
	struct mount *m = arg;

	return status_odd(m->cache, from);
}

static json_t *
on_conflicts(void *arg, uint64_t from)
{
	struct mount *m = arg;

	return status_conflicts(m->cache, from);
}

/* With files open the mount cannot be unmounted: they are left alone. */
static json_t *
on_drain(void *arg, bool start)
{
	struct mount *m = arg;
	struct drain_state state;

	drain_look(m->drain, &state);
	if (start && state.open_files == 0 &&
	    state.files + state.attrs + state.bytes > 0) {
		(void)drain_start(m->drain); /* no thread: the end drains */
		drain_look(m->drain, &state);
	}
	if (state.is_running && time(NULL) != m->extended_s) {
		m->extended_s = time(NULL);
		daemon_extend();
	}
	return status_drain(&state);
}

static int
on_remount(void *arg, const char *source, const char *options, char *message,
    size_t len)
{
	struct mount *m = arg;

	return remount_check(&m->options, source, options, message, len);
}

static int
on_keys(void *arg, enum delivery_kind kind, struct cache_key_call *call,
    struct waiter *w)
{
	static int (*const run[])(struct cache *, struct cache_key_call *,
	    struct waiter *) = { [DELIVERY_GET] = cache_key_get,
		[DELIVERY_KEYS] = cache_key_list,
		[DELIVERY_UPLOADS] = cache_uploads_list,
		[DELIVERY_FLUSH] = cache_send_all,
		[DELIVERY_DROP] = cache_drop,
		[DELIVERY_CHECK] = cache_check,
		[DELIVERY_REPAIR] = cache_check,
		[DELIVERY_WARM] = cache_warm,
		[DELIVERY_EVICT] = cache_evict };

	call->repair = kind == DELIVERY_REPAIR;
	return run[kind](((struct mount *)arg)->cache, call, w);
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
		.path_style = (int)o->path_style - 1,
		.profile = o->profile,
		.passwd_file = o->passwd_file,
		.no_sign = o->no_sign,
		.sign_payload = o->sign_payload,
		.checksum = o->checksum,
		.timeout_s = (unsigned)o->timeout,
		.connections = (unsigned)o->connections,
		.max_upload = o->max_upload,
		.max_download = o->max_download,
		.max_requests = (unsigned)o->max_requests,
	};
	struct s3_result result = { 0 };
	int r = s3_open(&config, &m->s3, &result);

	if (r < 0)
		(void)snprintf(m->message, sizeof(m->message), "%s",
		    result.message[0] != '\0' ? result.message : strerror(-r));
	else if (result.message[0] != '\0')
		log_warn("%s", result.message);
	return r;
}

/* A cache that cannot grow to its size is no error: it evicts sooner. */
static void
warn_of_size(struct mount *m)
{
	const struct options *o = &m->options;
	struct cache_stats st;
	struct statvfs vfs;
	uint64_t room;

	if (statvfs(o->cache, &vfs) < 0)
		return; /* the cache is open: it will say what is wrong */
	cache_get_stats(m->cache, &st);
	room = vfs.f_bavail * vfs.f_frsize + st.used;
	room = room > o->free_space ? room - o->free_space : 0;
	if (o->cache_size > room)
		log_warn("cache_size is %" PRIu64 " MiB, but %s has room for "
			 "%" PRIu64 " MiB (free_space stays free)",
		    o->cache_size >> 20, o->cache, room >> 20);
}

/* Who wants to see changes at once wants to see new names at once. */
static unsigned
negative_ttl_ms(const struct options *o)
{
	if (o->negative_ttl != UINT64_MAX)
		return (unsigned)o->negative_ttl;
	return o->ttl < NEGATIVE_TTL_MS ? (unsigned)o->ttl : NEGATIVE_TTL_MS;
}

static int
open_cache(struct mount *m)
{
	const struct options *o = &m->options;
	struct cache_hooks hooks = {
		.arg = m, .changed = on_changed, .is_known = is_known
	};
	struct cache_config config = {
		.dir = o->cache,
		.endpoint = o->endpoint != NULL ? o->endpoint : "aws",
		.bucket = o->bucket,
		.prefix = o->prefix,
		.size = o->cache_size,
		.free_space = o->free_space,
		.memory = o->memory,
		.ttl_ms = (unsigned)o->ttl,
		.negative_ttl_ms = negative_ttl_ms(o),
		.timeout_s = (unsigned)o->timeout,
		.write_delay_ms = (unsigned)o->write_delay,
		.max_dirty_age_s = (unsigned)o->max_dirty_age,
		.part_size = o->part_size,
		.attrs = o->attrs == 1 ? CACHE_ATTRS_LIST : CACHE_ATTRS_POSIX,
		.sync = (enum cache_sync)o->sync,
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
	if (r < 0)
		return r;
	warn_of_size(m);
	m->message[0] = '\0';
	return 0;
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
	struct control_hooks hooks = { .arg = m,
		.status = on_status,
		.odd = on_odd,
		.conflicts = on_conflicts,
		.drain = on_drain,
		.remount = on_remount,
		.keys = on_keys };
	struct control_log log;
	int r;

	process_block_signals();
	r = daemon_guard(&m->daemon);
	if (r == 0)
		r = open_s3(m);
	if (r == 0)
		r = notify_new(&m->notify);
	if (r == 0)
		r = open_cache(m);
	daemon_unguard(&m->daemon);
	if (r == 0)
		r = drain_new(m->cache, &m->drain);
	if (r == 0)
		r = session_new(
		    o, m->cache, &m->session, m->message, sizeof(m->message));
	if (r < 0)
		return r;
	known_set(m, &m->session->inodes);
	m->status = (struct status){ .options = o,
		.cache = m->cache,
		.session = m->session,
		.since_s = time(NULL),
		.region = s3_region(m->s3) };
	log = (struct control_log){ .file = o->log_file,
		.level = (enum log_level)o->log_level };
	r = control_start(o->mountpoint, &log, &hooks, &m->control);
	if (r < 0)
		(void)snprintf(m->message, sizeof(m->message),
		    "cannot make the control socket in /run, "
		    "$XDG_RUNTIME_DIR or /tmp: %s",
		    strerror(-r));
	if (r == 0)
		r = notify_start(m->notify, m->session->fuse);
	return r;
}

/* The loop is about to end, the kernel is still answered. */
static void
on_ending(void *arg)
{
	struct mount *m = arg;

	notify_stop(m->notify);
}

/* About once a second, at the end. */
static void
on_draining(void *arg, const struct drain_state *state)
{
	struct mount *m = arg;

	control_tell(m->control, status_drain(state));
	daemon_extend();
	if (m->drain_s++ % DRAIN_LOG_S == 0)
		log_warn("still to be sent before the end: %" PRIu64 " files, "
			 "%" PRIu64 " MiB, and attributes of %" PRIu64,
		    state->files, state->bytes >> 20, state->attrs);
}

/* No program can change anything any more: what it changed goes to S3. */
static int
drain(struct mount *m)
{
	struct drain_state state;
	int r;

	cache_ending(m->cache);
	r = drain_finish(m->drain, on_draining, m);
	if (r == 0)
		return 0;
	drain_look(m->drain, &state);
	if (state.left == 0) /* it did not come to counting them */
		state.left = state.files;
	if (state.back > 0)
		log_error("refused, and taken back: changes of %" PRIu64
			  " names",
		    state.back);
	if (state.left > 0 || state.back == 0)
		log_error("not in S3, and kept in '%s' for the next mount: "
			  "%" PRIu64 " files (%s)",
		    m->options.cache, state.left, strerror(-r));
	control_tell(
	    m->control, json_pack("{s:I, s:I}", "left", (json_int_t)state.left,
			    "back", (json_int_t)state.back));
	return r;
}

/* In reverse; ${status} is for those who wait for our end.  Returns what it
 * came to. */
static int
stop(struct mount *m, int status)
{
	notify_stop(m->notify);
	control_stop(m->control);
	known_set(m, NULL);
	session_free(m->session);
	if (m->is_served && drain(m) < 0)
		status = EXIT_FAILURE;
	drain_free(m->drain);
	cache_close(m->cache);
	notify_free(m->notify);
	s3_close(m->s3);
	control_free(m->control, status);
	return status;
}

/* By the name under which the kernel shows it, and pailctl finds it. */
static int
find_mountpoint(struct mount *m)
{
	struct options *o = &m->options;
	char *path = NULL;
	int r = mountinfo_canonical(o->mountpoint, &path);

	if (r < 0) {
		(void)snprintf(m->message, sizeof(m->message),
		    "mount point '%s': %s", o->mountpoint, strerror(-r));
		return r;
	}
	free(o->mountpoint);
	o->mountpoint = path;
	return 0;
}

/* What is wrong and can be said before forking. */
static int
prepare(struct mount *m)
{
	struct options *o = &m->options;
	int r;

	r = find_mountpoint(m);
	if (r == 0)
		r = mountpoint_prepare(
		    o->mountpoint, m->message, sizeof(m->message));
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
remount(struct mount *m)
{
	int r = find_mountpoint(m);

	if (r == 0)
		r = remount_run(&m->options, m->message, sizeof(m->message));
	return r < 0 ? fail(m, r) : EXIT_SUCCESS;
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
	process_set_up();
	r = daemon_start(&m->daemon, foreground, o->mountpoint);
	if (r == 0)
		r = start(m);
	if (r == 0)
		r = daemon_ready(&m->daemon);
	if (r < 0) {
		(void)stop(m, EXIT_FAILURE);
		return fail(m, r);
	}
	if (!foreground && o->log_file == NULL)
		log_to_syslog("pailfs");
	log_info("mounted %s on %s", o->bucket, o->mountpoint);
	m->is_served = true;
	r = session_loop(m->session, on_ending, m);
	if (r < 0)
		log_error("the FUSE session ended: %s", strerror(-r));
	r = stop(m, r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	log_info("unmounted %s", o->mountpoint);
	return r;
}

int
main(int argc, char **argv)
{
	struct mount m = { .daemon = { .fd = -1 } };
	int status;

	KILL_INIT();
	lock_init(&m.known_lock);
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
	} else if (m.options.fake) {
		status = EXIT_SUCCESS;
	} else if (m.options.remount != NULL) {
		status = remount(&m);
	} else {
		status = run(&m);
	}
	options_fini(&m.options);
	return status;
}
