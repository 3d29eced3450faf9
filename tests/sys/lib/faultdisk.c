/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faultdisk.c - a disk that fails at a chosen call, for LD_PRELOAD.
 *
 * Role:    built and steered by faultdisk.py, through a file of which
 *          $FAULTDISK is the path: a struct plan, mapped by both sides.
 * Does:    counts the calls that are of the kinds chosen, on files of the
 *          kinds chosen, and fails the n-th (is_sticky: all from it on).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	ON_CHUNK = 1,
	ON_DB = 2
};

enum {
	DO_WRITE = 1,
	DO_SYNC = 2,
	DO_TRUNCATE = 4,
	DO_ALLOCATE = 8,
	DO_READ = 16
};

struct plan {
	_Atomic uint32_t files; /* ON_*; 0: nothing fails */
	_Atomic uint32_t calls; /* DO_* */
	_Atomic uint32_t nth;   /* from 1; 0: only count */
	_Atomic uint32_t err;   /* an errno */
	_Atomic uint32_t is_sticky;
	_Atomic uint32_t count; /* calls so far */
	_Atomic uint32_t fired; /* of them, failed */
};

static struct plan *plan;

__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("FAULTDISK");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return;
	p = mmap(
	    NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		plan = p;
	(void)close(fd);
}

static uint32_t
kind_of(int fd)
{
	char link[40], path[4096];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return 0;
	path[len] = '\0';
	if (strstr(path, "/chunks/") != NULL)
		return ON_CHUNK;
	return strstr(path, "/meta.db") != NULL ? ON_DB : 0;
}

/* Whether this call is to fail; sets errno. */
static int
fails(int fd, uint32_t call)
{
	uint32_t n, nth;

	if (plan == NULL || (plan->calls & call) == 0 ||
	    (plan->files & kind_of(fd)) == 0)
		return 0;
	n = atomic_fetch_add(&plan->count, 1) + 1;
	nth = plan->nth;
	if (nth == 0 || n < nth || (n > nth && !plan->is_sticky))
		return 0;
	atomic_fetch_add(&plan->fired, 1);
	errno = (int)plan->err;
	return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRAP(call, type, name, params, ...)                                    \
	type name params                                                       \
	{                                                                      \
		static __typeof__(&name) real;                                 \
                                                                               \
		if (real == NULL)                                              \
			real = REAL(name);                                     \
		return fails(fd, call) ? (type)-1 : real(__VA_ARGS__);         \
	}

WRAP(DO_WRITE, ssize_t, write, (int fd, const void *p, size_t n), fd, p, n)
WRAP(DO_WRITE, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), fd,
    p, n, at)
WRAP(DO_WRITE, ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at),
    fd, p, n, at)
WRAP(DO_SYNC, int, fsync, (int fd), fd)
WRAP(DO_SYNC, int, fdatasync, (int fd), fd)
WRAP(DO_TRUNCATE, int, ftruncate, (int fd, off_t n), fd, n)
WRAP(DO_TRUNCATE, int, ftruncate64, (int fd, off64_t n), fd, n)
WRAP(DO_ALLOCATE, int, fallocate, (int fd, int mode, off_t at, off_t n), fd,
    mode, at, n)
WRAP(DO_ALLOCATE, int, fallocate64, (int fd, int mode, off64_t at, off64_t n),
    fd, mode, at, n)
WRAP(DO_READ, ssize_t, pread, (int fd, void *p, size_t n, off_t at), fd, p, n,
    at)
WRAP(DO_READ, ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), fd, p,
    n, at)
