/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - the filesystem itself: the façade of the layer.
 *
 * A `struct cache` is one bucket (or a prefix of it) seen as a tree of files
 * and directories, backed by S3 through an s3 client and by a local folder
 * that holds what was learnt and fetched.  It knows neither FUSE nor HTTP.
 *
 * Numbers.  A *node* names one version of one entry: what a caller looked up
 * and goes on to use.  When the object of a file changes remotely, the entry
 * gets a new node; the old one then answers -ESTALE to whoever holds no open
 * file of it, and its open files go on with their version.  When a file is
 * unlinked or replaced here, its node stays good for all but names, as on a
 * disk, until cache_forget().  The *inode*
 * number (attr.ino) names the entry and stays.  Both are never reused, and
 * are kept with the cache folder.  The root's node is CACHE_ROOT.
 *
 * Threads: any; all calls may run at once.  Locks: callers hold none.  Calls
 * with a `struct waiter` may wait for S3; an interrupt of the waiter ends
 * them with -EINTR (NULL: cannot be interrupted).  Without progress for
 * config.timeout_s they end with -EIO.
 *
 * Errors are 0 or -errno; results go to ${ret} and are untouched on failure.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3/base/buf.h"
#include "s3/base/clock.h"

/* Opaque types. */
struct cache;
struct cache_dir;
struct cache_file;
struct s3;
struct waiter;

#define CACHE_ROOT     UINT64_C(1)
#define CACHE_NAME_MAX 255 /* bytes; Linux NAME_MAX */

enum cache_attrs {
	CACHE_ATTRS_POSIX, /* metadata headers, fetched when asked for */
	CACHE_ATTRS_LIST   /* size and LastModified of the listing alone */
};

/* Which calls wait until S3 has what was changed; the others return when it is
 * safe in the local store. */
enum cache_sync {
	CACHE_SYNC_CLOSE, /* close, fsync, changes of names */
	CACHE_SYNC_FSYNC, /* fsync */
	CACHE_SYNC_LOCAL  /* none */
};

/* Strings are borrowed until cache_open() returned. */
struct cache_config {
	const char *dir;      /* parent folder: one subfolder per bucket */
	const char *endpoint; /* these three name the subfolder */
	const char *bucket;
	const char *prefix;       /* "" or "a/b/": the root of the tree */
	uint64_t size;            /* bytes, all under the folder */
	uint64_t free_space;      /* bytes left free on its filesystem */
	uint64_t memory;          /* bytes for buffers */
	uint64_t part_size;       /* bytes, of uploads; 0: grows with files */
	unsigned ttl_ms;          /* entries, attributes, listings */
	unsigned negative_ttl_ms; /* names that do not exist */
	unsigned timeout_s;       /* without progress: -EIO */
	unsigned write_delay_ms;  /* from a chmod or a close to its request */
	unsigned max_dirty_age_s; /* then bytes are sent though a program
				     writes them; 0: never */
	enum cache_attrs attrs;
	enum cache_sync sync;
	bool read_only;
	bool has_uid; /* uid, gid, umask given: they win over metadata */
	bool has_gid;
	bool has_umask;
	uint32_t uid; /* else: of what has no metadata */
	uint32_t gid;
	uint32_t umask;
	uint32_t file_mode; /* permission bits where there is no metadata */
	uint32_t dir_mode;
	const struct clock *clock; /* NULL: clock_system */
};

/*
 * What the layer above is told.  Called from any thread, with no lock held;
 * a hook posts and returns: it calls nothing of this layer.
 */
struct cache_hooks {
	void *arg;
	/* ${name} in directory ${parent} changed remotely (or its listing:
	 * name NULL).  ${node}: the old version's node, 0 if none.
	 * Also: what was read of file ${parent}, name NULL, was wrong. */
	void (*changed)(
	    void *arg, uint64_t parent, const char *name, uint64_t node);
	/* Whether ${node} was looked up, and cache_forget() of it is still to
	 * come; NULL: always. */
	bool (*is_known)(void *arg, uint64_t node);
};

/* One entry.  Times are nanoseconds since 1970. */
struct cache_attr {
	uint64_t node;
	uint64_t ino;
	uint32_t generation; /* with node a name that no other version has, also
				of another cache folder; 0: the root */
	uint64_t size;       /* bytes */
	uint32_t mode;       /* type and permissions; type 0: not known yet */
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
	bool complete; /* false: node and type are right, the rest is not
			  known without cache_getattr() */
	int64_t atime_ns;
	int64_t mtime_ns;
	int64_t ctime_ns;
	unsigned valid_ms; /* how long this may be believed */
};

/* ---- the whole ---- */

/**
 * cache_open(config, s3, hooks, ret, message, message_len):
 * Open the cache folder (made if missing, 0700, locked against a second
 * process), or start cold where it is empty or its database is damaged (moved
 * aside), and start the threads.  Time does not depend on what is cached.
 * Memory:  borrows ${s3} and ${hooks} until cache_close(); ${*ret} is owned.
 * Returns: 0; -EBUSY in use, and whoever has it goes on; -EROFS, -EACCES,
 * -ENOSPC the folder; -EPROTO of a newer version of pailfs; -EEXIST of another
 * bucket.  ${message} gets a line for a person: cause and remedy (or, on
 * success, "" or a warning).
 */
int cache_open(const struct cache_config *config, struct s3 *s3,
    const struct cache_hooks *hooks, struct cache **ret, char *message,
    size_t message_len);

/* The mount is gone: whoever wants the cache folder next is to wait for the
 * end of this one. */
void cache_ending(struct cache *c);

/* End the threads, write what is kept, free.  No call is under way, and all
 * files and directories are closed. */
void cache_close(struct cache *c);

/* ---- names ---- */

/**
 * cache_lookup(c, parent, name, w, ret):
 * Find ${name} (1 to 255 bytes, no '/') in directory node ${parent}.  Asks S3
 * only if what is known is older than the ttl.  "." is ${parent} itself and may
 * be a file, ".." the directory it is in; both also of a node from before a
 * restart.
 * Returns: 0; -ENOENT: then, too, ${ret->valid_ms} tells how long that may be
 *     believed; -ENAMETOOLONG; -ENOTDIR; -ESTALE; -EIO ...
 */
int cache_lookup(struct cache *c, uint64_t parent, const char *name,
    struct waiter *w, struct cache_attr *ret);

/* Nobody will use ${node} any more, unless it is looked up again: what was
 * kept of it after its name was taken away goes. */
void cache_forget(struct cache *c, uint64_t node);

/**
 * cache_getattr(c, node, file, w, ret):
 * All attributes.  With attrs=posix this may cost a HEAD, once; siblings are
 * asked ahead in parallel.  ${file}: an open file of ${node}, or NULL.
 * Returns: 0; -ESTALE the node is of an older version and no file of it is
 *     open.
 */
int cache_getattr(struct cache *c, uint64_t node, struct cache_file *file,
    struct waiter *w, struct cache_attr *ret);

/* The target of a symlink, appended to ${ret}.  -EINVAL: not a symlink. */
int cache_readlink(
    struct cache *c, uint64_t node, struct waiter *w, struct buf *ret);

/**
 * cache_getxattr(c, node, name, w, ret):
 * Append the value of extended attribute ${name} ("user.*" as stored, and
 * the read-only user.s3.etag .version-id .storage-class .key .state).
 * Returns: 0; -ENODATA no such attribute.
 */
int cache_getxattr(struct cache *c, uint64_t node, const char *name,
    struct waiter *w, struct buf *ret);

/* Append the names of stored ones, each with its '\0', to ${ret}. */
int cache_listxattr(
    struct cache *c, uint64_t node, struct waiter *w, struct buf *ret);

/* How many nodes the table of the tree holds, and how much fits. */
int cache_statfs(struct cache *c, uint64_t *ret_entries);

/* ---- changes of names: each returns when S3 has it, or, where the mode says
 * so, when it is safe in the local store ---- */

/* A name in a directory. */
struct cache_place {
	uint64_t parent;  /* node of the directory */
	const char *name; /* 1 to 255 bytes, no '/' */
};

/* What is made. */
struct cache_new {
	int flags;     /* cache_create(): as open(2) */
	uint32_t mode; /* type and permissions, umask applied */
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;      /* of devices */
	const char *target; /* of a symlink, 1 to 4096 bytes; else NULL */
};

/**
 * cache_make(c, parent, name, what, w, ret):
 * Make a directory (its marker), symlink, FIFO, socket, device or empty file.
 * Returns: 0; -EEXIST; -ENOENT ${parent} is gone; -ENAMETOOLONG the name, or
 *     its key is over 1024 bytes; -EINVAL a name that has no key (".pailfs"
 *     in the root); -EILSEQ a name that is not UTF-8, as keys are; -EROFS;
 *     -EACCES ...
 */
int cache_make(struct cache *c, uint64_t parent, const char *name,
    const struct cache_new *what, struct waiter *w, struct cache_attr *ret);

/**
 * cache_create(c, at, what, w, ret_file, ret):
 * Make a regular file and open it: nothing is sent before it is flushed.  With
 * O_EXCL an existing one is -EEXIST, else it is opened.
 * Memory:  as cache_file_open().
 */
int cache_create(struct cache *c, const struct cache_place *at,
    const struct cache_new *what, struct waiter *w,
    struct cache_file **ret_file, struct cache_attr *ret);

/* Remove a file (not a directory: -EISDIR), an empty directory (-ENOTDIR,
 * -ENOTEMPTY).  Open files of it go on.  -ESTALE: it was changed remotely
 * again and again. */
int cache_unlink(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w);
int cache_rmdir(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w);

/**
 * cache_rename(c, from, to, flags, w):
 * As renameat2(2); ${flags}: 0 or RENAME_NOREPLACE, others are -EINVAL.  Nodes
 * stay.  A directory takes all below it along, or, on failure, nothing.
 */
int cache_rename(struct cache *c, const struct cache_place *from,
    const struct cache_place *to, unsigned flags, struct waiter *w);

/* ---- changes of attributes: sent with the next PUT, or soon ---- */

enum cache_set_what {
	CACHE_SET_MODE = 1,
	CACHE_SET_UID = 2,
	CACHE_SET_GID = 4,
	CACHE_SET_SIZE = 8,
	CACHE_SET_ATIME = 16,
	CACHE_SET_MTIME = 32,
	CACHE_SET_CTIME = 64
};

struct cache_set {
	unsigned what; /* of enum cache_set_what: which of these count */
	uint32_t mode; /* permissions */
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	int64_t atime_ns;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/* ${file}: as cache_getattr(). */
int cache_setattr(struct cache *c, uint64_t node, struct cache_file *file,
    const struct cache_set *set, struct waiter *w, struct cache_attr *ret);

/**
 * cache_setxattr(c, node, what, w):
 * As setxattr(2).  Returns: 0; -ENOSPC over the 2048 bytes S3 has for all
 *     metadata; -EPERM user.s3.*; -EOPNOTSUPP not "user."; -EEXIST, -ENODATA.
 */
struct cache_xattr {
	const char *name;
	const void *value;
	size_t len;
	int flags; /* XATTR_CREATE, XATTR_REPLACE */
};
int cache_setxattr(struct cache *c, uint64_t node,
    const struct cache_xattr *what, struct waiter *w);
int cache_removexattr(
    struct cache *c, uint64_t node, const char *name, struct waiter *w);

/* ---- directories ---- */

/**
 * cache_opendir(c, node, w, ret):
 * Open a directory, listing it first if what is known is older than the ttl.
 * Memory: ${*ret} is owned: cache_closedir().
 */
int cache_opendir(
    struct cache *c, uint64_t node, struct waiter *w, struct cache_dir **ret);

void cache_closedir(struct cache_dir *d);

/*
 * One entry of a directory; valid during the call.  ${attr} is as from
 * cache_lookup(); a mode of type 0 means that the type is not known yet.
 * ${next} is the cookie to go on after this entry.
 * Returns: true to go on; false: this one was not taken, stop.
 */
typedef bool cache_dir_fn(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next);

/* What fsync(2) of a directory waits for: names in it and its attributes, as
 * the mode says; of the root all that was changed anywhere, also by who goes on
 * writing.  The first error is told, and the others are sent all the same. */
int cache_dir_sync(struct cache_dir *d, struct waiter *w);

/**
 * cache_readdir(d, cookie, fn, arg):
 * Give the entries after ${cookie} (0: from the start) to ${fn}, without "."
 * and "..".  Stable while entries come and go: a cookie is never reused, an
 * entry that was there all the time is given exactly once.
 * Locks: ${fn} is called with none held and may not call this layer.
 */
int cache_readdir(
    struct cache_dir *d, uint64_t cookie, cache_dir_fn *fn, void *arg);

/* ---- files ---- */

/**
 * cache_file_open(c, node, flags, w, ret):
 * Open a regular file (${flags} as open(2)).  Revalidates the version if it
 * was last seen longer than the ttl ago (one HEAD).
 * Memory:  ${*ret} is owned: cache_file_close().
 * Returns: 0; -ESTALE the object changed: look up again; -EROFS; -EISDIR.
 */
int cache_file_open(struct cache *c, uint64_t node, int flags, struct waiter *w,
    struct cache_file **ret);

void cache_file_close(struct cache_file *f);

/* Whether nothing changed since the file's pages were last cached by the
 * kernel, so that they may be kept (FOPEN_KEEP_CACHE). */
bool cache_file_keeps_pages(struct cache_file *f);

/* Bytes that were read: ${len} at ${data}, borrowed until put back. */
struct cache_bytes {
	const void *data;
	size_t len;
	void *owner; /* the layer's own */
};

/**
 * cache_file_read(f, off, len, w, ret):
 * Up to ${len} bytes (at most CACHE_READ_MAX) from ${off}; fewer only at the
 * end of the file.  Never mixes versions.
 * Memory:  ${ret} is given back with cache_bytes_put(), soon: the buffers are
 *     few.
 * Returns: 0; -ESTALE this version can no longer be reached; -EIO; -EINTR.
 */
#define CACHE_READ_MAX ((size_t)1 << 20)
int cache_file_read(struct cache_file *f, uint64_t off, size_t len,
    struct waiter *w, struct cache_bytes *ret);

void cache_bytes_put(struct cache *c, struct cache_bytes *b);

/* ---- changes of files ---- */

/**
 * cache_file_write(f, off, data, len, append, w):
 * Write all ${len} bytes (at most CACHE_READ_MAX) at ${off}, or at the end if
 * ${append}; into the local store, and large files are on their way to S3
 * meanwhile.
 * Returns: 0; -ENOSPC no room in the cache; -EFBIG; -ESTALE it was changed
 *     remotely; -EBADF not open for writing; -EIO; -EINTR: nothing written.
 */
int cache_file_write(struct cache_file *f, uint64_t off, const void *data,
    size_t len, bool append, struct waiter *w);

/* As fallocate(2); ${mode}: 0, KEEP_SIZE, or PUNCH_HOLE | KEEP_SIZE, or
 * ZERO_RANGE; others are -EOPNOTSUPP. */
int cache_file_allocate(struct cache_file *f, int mode, uint64_t off,
    uint64_t len, struct waiter *w);

/* A place in a file. */
struct cache_span {
	struct cache_file *file;
	uint64_t off; /* bytes */
};

/* As copy_file_range(2): ${*ret_len} may be less, 0 at the end of ${from}. */
int cache_file_copy(const struct cache_span *from, const struct cache_span *to,
    uint64_t len, struct waiter *w, uint64_t *ret_len);

/**
 * cache_file_flush(f, w):
 * What close(2) waits for: all that was written before is in S3, or, as
 * config.sync says, safe in the local store.  Returns at once if it is.  The
 * errors of uploads since the file was opened that were not told to this handle
 * yet come here, once. Returns: 0; -ESTALE the object was changed remotely: the
 * bytes are kept beside it as NAME.conflict-HOST-TIME; -EACCES, -EDQUOT,
 * -EFBIG, -EIO
 *     ...: the bytes are kept and tried again; -EINTR.
 */
int cache_file_flush(struct cache_file *f, struct waiter *w);

/* What fsync(2) waits for, as config.sync says: attributes, too, unless only
 * ${data} counts; and whoever wrote it, also if this handle may only read.
 * Errors as above. */
int cache_file_sync(struct cache_file *f, bool data, struct waiter *w);

/**
 * cache_drain(c, w, ret_left):
 * Send all that is owed and wait; may be called again and again.
 * Returns: 0; -EIO: ${*ret_left} files are not in S3, or S3 refused changes of
 *     names, which were taken back: each was named in the log; -EINTR.
 */
int cache_drain(struct cache *c, struct waiter *w, uint64_t *ret_left);

#endif
