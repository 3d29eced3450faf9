/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlline.h - what goes over the control socket: lines of JSON, and bytes.
 *
 *	struct ctlline in = CTLLINE_INIT(fd);
 *	r = ctlline_send_json(fd, json_pack(...));
 *	r = ctlline_read(&in, &value);
 *	r = ctlline_read_bytes(&in, data, len);		if bytes follow a line
 *
 * Each side reads in pieces as they come and keeps what is of the next line.
 * One thread; no locks.
 */
#ifndef FS_CTLLINE_H
#define FS_CTLLINE_H

#include <jansson.h>
#include <stddef.h>

#define CTLLINE_SIZE ((size_t)64 << 10)

struct ctlline {
	int fd;
	int cancel_fd; /* readable: stop; -1: none */
	size_t start;  /* of data[], what is not read yet */
	size_t end;
	char data[CTLLINE_SIZE];
};

/* clang-format off */
#define CTLLINE_INIT(d) { .fd = (d), .cancel_fd = -1, .start = 0, .end = 0 }
/* clang-format on */

/* All of it: 0, or -errno; no SIGPIPE. */
int ctlline_send(int fd, const void *data, size_t len);

/* ${value} and a newline; takes the reference.  NULL is -ENOMEM. */
int ctlline_send_json(int fd, json_t *value);

/**
 * ctlline_read(in, ret):
 * Wait for a line.
 * Memory:  ${*ret} is a new reference.
 * Returns: 0; -ENODATA the other side ended; -EAGAIN the socket's SO_RCVTIMEO
 *     is over; -EINTR canceled; -EPROTO no JSON, or too long.
 */
int ctlline_read(struct ctlline *in, json_t **ret);

/* From 1 to ${len} bytes.  Returns: how many, or -errno as above. */
ssize_t ctlline_read_bytes(struct ctlline *in, void *data, size_t len);

#endif
