/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stub.h - an HTTP server on loopback that answers by a script.
 *
 *	stub_start(&s);
 *	stub_add(&s, STUB_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
 *	... the requests that come get the answers in order ...
 *	stub_request(&s, 0): the head of the first one
 *	stub_stop(&s);
 *
 * A request that has no answer in the script hangs.  For one test program.
 */
#ifndef TESTS_UNIT_STUB_H
#define TESTS_UNIT_STUB_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define STUB_COUNT   64
#define STUB_REQUEST 4096

/* What becomes of the connection after an answer. */
enum stub_then {
	STUB_KEEP,
	STUB_CLOSE,
	STUB_RESET
};

struct stub {
	int fd;
	unsigned port;
	char url[64];
	pthread_t thread;
	pthread_t workers[STUB_COUNT];
	int conns[STUB_COUNT];
	unsigned conns_count; /* of the accepting thread, read when stopped */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct {
		char *text;
		size_t len;
		enum stub_then then;
	} answers[STUB_COUNT];                   /* [mutex] */
	unsigned answers_count;                  /* [mutex] */
	char requests[STUB_COUNT][STUB_REQUEST]; /* [mutex] heads */
	unsigned requests_count;                 /* [mutex] */
	bool stop;                               /* [mutex] */
};

struct stub_conn {
	struct stub *stub;
	int fd;
};

/* Read up to the end of a head, and drop the body.  False: no request. */
static bool
stub_read(int fd, char *head)
{
	size_t len = 0, left = 0;
	char drop[4096];
	char *p;

	do {
		ssize_t n =
		    len + 1 < STUB_REQUEST ? read(fd, head + len, 1) : 0;

		if (n <= 0)
			return false;
		len++;
		head[len] = '\0';
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

static void
stub_end(int fd, enum stub_then then)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (then == STUB_RESET)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (then == STUB_RESET)
		(void)dup2(open("/dev/null", O_RDWR), fd);
	else
		(void)shutdown(fd, SHUT_RDWR);
}

/* Wait for the next answer of the script.  False: the stub is to stop. */
static bool
stub_take(struct stub *s, const char *head, unsigned *ret)
{
	bool ok;

	(void)pthread_mutex_lock(&s->mutex);
	*ret = s->requests_count++;
	(void)snprintf(s->requests[*ret], STUB_REQUEST, "%s", head);
	(void)pthread_cond_broadcast(&s->cond);
	while (!s->stop && *ret >= s->answers_count)
		(void)pthread_cond_wait(&s->cond, &s->mutex);
	ok = !s->stop;
	(void)pthread_mutex_unlock(&s->mutex);
	return ok;
}

static void *
stub_worker(void *arg)
{
	struct stub_conn *c = arg;
	char head[STUB_REQUEST];
	unsigned i;

	while (stub_read(c->fd, head) && stub_take(c->stub, head, &i)) {
		enum stub_then then = c->stub->answers[i].then;

		(void)send(c->fd, c->stub->answers[i].text,
		    c->stub->answers[i].len, MSG_NOSIGNAL);
		if (then != STUB_KEEP) {
			stub_end(c->fd, then);
			break;
		}
	}
	free(c);
	return NULL;
}

static void *
stub_main(void *arg)
{
	struct stub *s = arg;
	struct stub_conn *c;
	int fd;

	for (fd = accept(s->fd, NULL, NULL);
	     fd >= 0 && s->conns_count < STUB_COUNT;
	     fd = accept(s->fd, NULL, NULL)) {
		c = malloc(sizeof(*c));
		c->stub = s;
		c->fd = fd;
		s->conns[s->conns_count] = fd;
		(void)pthread_create(
		    &s->workers[s->conns_count++], NULL, stub_worker, c);
	}
	return NULL;
}

static void
stub_start(struct stub *s)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	memset(s, 0, sizeof(*s));
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_cond_init(&s->cond, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_return_code(
	    bind(s->fd, (struct sockaddr *)(void *)&addr, len), 0);
	assert_return_code(listen(s->fd, 64), 0);
	assert_return_code(
	    getsockname(s->fd, (struct sockaddr *)(void *)&addr, &len), 0);
	s->port = ntohs(addr.sin_port);
	(void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, stub_main, s), 0);
}

static void
stub_add_bytes(
    struct stub *s, enum stub_then then, const char *text, size_t len)
{
	(void)pthread_mutex_lock(&s->mutex);
	s->answers[s->answers_count].text = malloc(len + 1);
	memcpy(s->answers[s->answers_count].text, text, len);
	s->answers[s->answers_count].len = len;
	s->answers[s->answers_count++].then = then;
	(void)pthread_cond_broadcast(&s->cond);
	(void)pthread_mutex_unlock(&s->mutex);
}

static void
stub_add(struct stub *s, enum stub_then then, const char *text)
{
	stub_add_bytes(s, then, text, strlen(text));
}

/* The head of request ${i}, once it has come. */
static const char *
stub_request(struct stub *s, unsigned i)
{
	(void)pthread_mutex_lock(&s->mutex);
	while (s->requests_count <= i)
		(void)pthread_cond_wait(&s->cond, &s->mutex);
	(void)pthread_mutex_unlock(&s->mutex);
	return s->requests[i];
}

static unsigned
stub_count(struct stub *s)
{
	unsigned n;

	(void)pthread_mutex_lock(&s->mutex);
	n = s->requests_count;
	(void)pthread_mutex_unlock(&s->mutex);
	return n;
}

/* Returns: how many connections there were. */
static unsigned
stub_stop(struct stub *s)
{
	(void)pthread_mutex_lock(&s->mutex);
	s->stop = true;
	(void)pthread_cond_broadcast(&s->cond);
	(void)pthread_mutex_unlock(&s->mutex);
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < s->conns_count; i++) {
		(void)shutdown(s->conns[i], SHUT_RDWR);
		(void)pthread_join(s->workers[i], NULL);
		(void)close(s->conns[i]);
	}
	for (unsigned i = 0; i < s->answers_count; i++)
		free(s->answers[i].text);
	(void)close(s->fd);
	return s->conns_count;
}

#endif
