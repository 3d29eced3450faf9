/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - operations table, what init agrees with the kernel, the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/ending.h"
#include "fs/mountinfo.h"
#include "fs/ops.h"
#include "fs/session.h"
#include "fs/settings.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

/* Threads that stay when there is nothing to do. */
#define IDLE_THREADS 16

/*
 * Readers that wait for S3 must not keep others from reading: the kernel reads
 * into its cache by background requests only, about two for each reader.
 */
#define BACKGROUND_MAX UINT16_MAX

/*
 * The kernel's own read-ahead, and the largest request.  libfuse derives the
 * limit for reads from the one for writes, so that they are the same.
 */
#define READ_AHEAD_KIB 1024
#define REQUEST_MAX    (1U << 20)

/* libfuse before 3.17 has one word of flags; since, that word only adds. */
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)
static void
fuse_set_feature_flag(struct fuse_conn_info *conn, uint64_t flag)
{
	conn->want |= conn->capable & (unsigned)flag;
}

static void
fuse_unset_feature_flag(struct fuse_conn_info *conn, uint64_t flag)
{
	conn->want &= ~(unsigned)flag;
}
#endif

static void
op_init(void *arg, struct fuse_conn_info *conn)
{
	static const uint64_t wanted[] = { FUSE_CAP_ASYNC_READ,
		FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_ATOMIC_O_TRUNC,
		FUSE_CAP_READDIRPLUS, FUSE_CAP_CACHE_SYMLINKS,
		FUSE_CAP_EXPLICIT_INVAL_DATA,
		/* "." and ".." are looked up, of any node of before. */
		FUSE_CAP_EXPORT_SUPPORT };
	static const uint64_t unwanted[] = { FUSE_CAP_READDIRPLUS_AUTO,
		FUSE_CAP_WRITEBACK_CACHE, FUSE_CAP_SPLICE_READ,
		FUSE_CAP_SPLICE_WRITE, FUSE_CAP_SPLICE_MOVE,
		FUSE_CAP_AUTO_INVAL_DATA,
		/* The kernel takes suid and sgid away, by SETATTR: it knows
		 * who may keep them (CAP_FSETID), an operation does not. */
		FUSE_CAP_HANDLE_KILLPRIV,
		/* The kernel applies the umask. */
		FUSE_CAP_DONT_MASK };
	const struct session *s = arg;
	uint64_t background = 2 * s->options->threads;

	if (background > BACKGROUND_MAX)
		background = BACKGROUND_MAX;
	for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++)
		fuse_unset_feature_flag(conn, unwanted[i]);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		(void)fuse_set_feature_flag(conn, wanted[i]);
	conn->max_background = (unsigned)background;
	conn->congestion_threshold = (unsigned)background;
	conn->max_write = REQUEST_MAX;
	conn->max_readahead = READ_AHEAD_KIB << 10;
	conn->time_gran = 1;
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
};

/* What stands in /proc/mounts: commas in the name would end it. */
static int
kernel_options(const struct options *o, struct buf *ret)
{
	const char *user = o->fuse_options;
	int r;

	r = buf_add_str(ret, "default_permissions,subtype=pailfs,fsname=");
	for (const char *c = o->bucket; r == 0 && *c != '\0'; c++)
		r = buf_add_char(ret, *c == ',' ? '_' : *c);
	if (r == 0 && o->ro)
		r = buf_add_str(ret, ",ro");
	if (r == 0 && o->allow_other)
		r = buf_add_str(ret, ",allow_other");
	if (r == 0 && user != NULL)
		r = buf_printf(ret, ",%s", user);
	return r;
}

static void log_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* What libfuse has to say goes where our own messages go. */
static void
log_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[512];

	(void)vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_message(level <= FUSE_LOG_ERR       ? LOG_LEVEL_ERROR
		    : level <= FUSE_LOG_WARNING ? LOG_LEVEL_WARN
						: LOG_LEVEL_DEBUG,
	    "%s", line);
}

static struct fuse_session *
new_fuse(struct session *s)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct buf text = BUF_INIT(8192);
	struct fuse_session *fuse = NULL;

	if (kernel_options(s->options, &text) == 0 &&
	    fuse_opt_add_arg(&args, "pailfs") == 0 &&
	    fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, buf_str(&text)) == 0)
		fuse =
		    fuse_session_new(&args, &operations, sizeof(operations), s);
	fuse_opt_free_args(&args);
	buf_fini(&text);
	return fuse;
}

/* The kernel starts at 128 KiB and lets only root raise it, afterwards. */
static void
raise_read_ahead(const char *mountpoint)
{
	char path[128], text[16];
	struct mountinfo info;
	AUTO_CLOSE int fd = -1;
	int len;

	if (mountinfo_find(mountpoint, &info) < 0)
		return;
	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
	    info.major, info.minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* slower reads, nothing else */
	len = snprintf(text, sizeof(text), "%d", READ_AHEAD_KIB);
	if (write(fd, text, (size_t)len) < 0)
		log_debug("read_ahead_kb stays as it is");
}

int
session_new(const struct options *options, struct cache *cache,
    struct session **ret, char *message, size_t len)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->options = options;
	s->cache = cache;
	inodes_init(&s->inodes);
	running_init(&s->running);
	fuse_set_log_func(log_fuse);
	handles_init(&s->handles);
	s->fuse = new_fuse(s);
	if (s->fuse == NULL) {
		(void)snprintf(message, len,
		    "libfuse refuses the mount options '%s'",
		    options->fuse_options == NULL ? "" : options->fuse_options);
		session_free(s);
		return -EINVAL;
	}
	if (fuse_session_mount(s->fuse, options->mountpoint) != 0) {
		(void)snprintf(message, len,
		    "cannot mount on '%s': may you use /dev/fuse, and is "
		    "fusermount3 there?%s",
		    options->mountpoint,
		    options->allow_other && geteuid() != 0
			? " (allow_other needs user_allow_other in "
			  "/etc/fuse.conf)"
			: "");
		fuse_session_destroy(s->fuse);
		s->fuse = NULL;
		session_free(s);
		return -EPERM;
	}
	raise_read_ahead(options->mountpoint);
	*ret = s;
	return 0;
}

int
session_loop(struct session *s, void (*ending)(void *arg), void *arg)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct ending e = { .tell = ending, .arg = arg };
	int r;

	if (config == NULL)
		return -ENOMEM;
	r = ending_start(&e, s->fuse, &s->running);
	if (r < 0) {
		fuse_loop_cfg_destroy(config);
		return r;
	}
	fuse_loop_cfg_set_max_threads(config, (unsigned)s->options->threads);
	fuse_loop_cfg_set_idle_threads(config, IDLE_THREADS);
	fuse_loop_cfg_set_clone_fd(config, 0);
	r = fuse_session_loop_mt(s->fuse, config);
	ending_stop(&e);
	fuse_loop_cfg_destroy(config);
	return r < 0 ? r : 0;
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	if (s->fuse != NULL) {
		fuse_session_unmount(s->fuse);
		fuse_session_destroy(s->fuse);
	}
	running_fini(&s->running);
	handles_fini(&s->handles);
	inodes_fini(&s->inodes);
	free(s);
}
