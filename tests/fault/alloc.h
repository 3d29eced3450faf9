/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc.h - allocations that fail when they are told to.
 *
 *	alloc_hooks();			once, before the libraries are used
 *	alloc_arm(ALLOC_OWN, 7, false);	the 7th of ours from now on fails
 *	... what is tested ...
 *	alloc_disarm(); alloc_has_failed()
 *
 * Role:    included once by each program of this folder, before the fakes: the
 *          linker's --wrap sends malloc and its kin of all objects here; those
 *          of SQLite, libcurl and libxml2 come by their own hooks.  What
 *          includes this file has the real ones: a test does not fail itself.
 * Threads: any.
 *
 * ALLOC_TRACE in the environment prints the stack of what fails.
 */
#ifndef TESTS_FAULT_ALLOC_H
#define TESTS_FAULT_ALLOC_H

#include <curl/curl.h>
#include <errno.h>
#include <execinfo.h>
#include <libxml/parser.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whose allocations. */
enum alloc_of {
	ALLOC_OWN = 1,
	ALLOC_SQLITE = 2,
	ALLOC_CURL = 4,
	ALLOC_XML = 8
};

static struct {
	atomic_uint of;      /* enum alloc_of; 0: none fails */
	atomic_long left;    /* until one fails */
	atomic_bool goes_on; /* those after it fail, too */
	atomic_bool has_failed;
	bool traces;
	sqlite3_mem_methods sqlite; /* the real ones */
} alloc_state;

/* As the linker names them. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t len);
char *__real_realpath(const char *path, char *to);
FILE *__real_fopen(const char *path, const char *mode);
int __real_vasprintf(char **ret, const char *fmt, va_list ap);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t len);
char *__wrap_realpath(const char *path, char *to);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_asprintf(char **ret, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap);

/* Whether this allocation is to fail. */
static bool
alloc_fails(enum alloc_of of)
{
	void *frames[32];
	long left;

	if ((atomic_load(&alloc_state.of) & of) == 0)
		return false;
	left = atomic_fetch_sub(&alloc_state.left, 1);
	if (left > 1 || (left < 1 && !atomic_load(&alloc_state.goes_on)))
		return false;
	atomic_store(&alloc_state.has_failed, true);
	if (alloc_state.traces && left == 1)
		backtrace_symbols_fd(frames, backtrace(frames, 32), 2);
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return alloc_fails(ALLOC_OWN) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return alloc_fails(ALLOC_OWN) ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return alloc_fails(ALLOC_OWN) ? NULL : __real_realloc(p, size);
}

void *
__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return alloc_fails(ALLOC_OWN) ? NULL
				      : __real_reallocarray(p, count, size);
}

char *
__wrap_strdup(const char *s)
{
	return alloc_fails(ALLOC_OWN) ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t len)
{
	return alloc_fails(ALLOC_OWN) ? NULL : __real_strndup(s, len);
}

char *
__wrap_realpath(const char *path, char *to)
{
	return alloc_fails(ALLOC_OWN) ? NULL : __real_realpath(path, to);
}

FILE *
__wrap_fopen(const char *path, const char *mode)
{
	return alloc_fails(ALLOC_OWN) ? NULL : __real_fopen(path, mode);
}

int
__wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	return alloc_fails(ALLOC_OWN) ? -1 : __real_vasprintf(ret, fmt, ap);
}

int
__wrap_asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = __wrap_vasprintf(ret, fmt, ap);
	va_end(ap);
	return n;
}

/* What follows in this file, and in what includes it, is not to fail. */
#define malloc(size)        __real_malloc(size)
#define calloc(count, size) __real_calloc(count, size)
#define realloc(p, size)    __real_realloc(p, size)
#define strdup(s)           __real_strdup(s)
#define fopen(path, mode)   __real_fopen(path, mode)

/* ---- the libraries ---- */

static void *
alloc_sqlite_malloc(int size)
{
	return alloc_fails(ALLOC_SQLITE) ? NULL
					 : alloc_state.sqlite.xMalloc(size);
}

static void *
alloc_sqlite_realloc(void *p, int size)
{
	return alloc_fails(ALLOC_SQLITE) ? NULL
					 : alloc_state.sqlite.xRealloc(p, size);
}

static void *
alloc_curl_malloc(size_t size)
{
	return alloc_fails(ALLOC_CURL) ? NULL : malloc(size);
}

static void *
alloc_curl_realloc(void *p, size_t size)
{
	return alloc_fails(ALLOC_CURL) ? NULL : realloc(p, size);
}

static char *
alloc_curl_strdup(const char *s)
{
	return alloc_fails(ALLOC_CURL) ? NULL : strdup(s);
}

static void *
alloc_curl_calloc(size_t count, size_t size)
{
	return alloc_fails(ALLOC_CURL) ? NULL : calloc(count, size);
}

static void *
alloc_xml_malloc(size_t size)
{
	return alloc_fails(ALLOC_XML) ? NULL : malloc(size);
}

static void *
alloc_xml_realloc(void *p, size_t size)
{
	return alloc_fails(ALLOC_XML) ? NULL : realloc(p, size);
}

static char *
alloc_xml_strdup(const char *s)
{
	return alloc_fails(ALLOC_XML) ? NULL : strdup(s);
}

static void
alloc_free(void *p)
{
	free(p);
}

/* Hang them in.  Our own code initialises the libraries again, which keeps
 * what was set first. */
static void
alloc_hooks(void)
{
	sqlite3_mem_methods methods;
	void *frame;

	(void)backtrace(&frame, 1); /* it loads a library, the first time */
	alloc_state.traces = getenv("ALLOC_TRACE") != NULL;
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &alloc_state.sqlite) !=
	    SQLITE_OK)
		abort();
	methods = alloc_state.sqlite;
	methods.xMalloc = alloc_sqlite_malloc;
	methods.xRealloc = alloc_sqlite_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
	    sqlite3_initialize() != SQLITE_OK)
		abort();
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, alloc_curl_malloc,
		alloc_free, alloc_curl_realloc, alloc_curl_strdup,
		alloc_curl_calloc) != CURLE_OK)
		abort();
	if (xmlMemSetup(alloc_free, alloc_xml_malloc, alloc_xml_realloc,
		alloc_xml_strdup) != 0)
		abort();
	xmlInitParser();
}

/* Have the ${at}th allocation from now on fail, and if ${goes_on} all after
 * it. */
static void
alloc_arm(unsigned of, long at, bool goes_on)
{
	atomic_store(&alloc_state.left, at);
	atomic_store(&alloc_state.goes_on, goes_on);
	atomic_store(&alloc_state.has_failed, false);
	atomic_store(&alloc_state.of, of);
}

static void
alloc_disarm(void)
{
	atomic_store(&alloc_state.of, 0);
}

static bool
alloc_has_failed(void)
{
	return atomic_load(&alloc_state.has_failed);
}

#endif
