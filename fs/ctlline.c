/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlline.c - what goes over the control socket: lines of JSON, and bytes.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fs/ctlline.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define LINE_MAX_LEN ((size_t)64 << 20)

int
ctlline_send(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
ctlline_send_json(int fd, json_t *value)
{
	AUTO_FREE char *text =
	    value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
	int r;

	json_decref(value);
	if (text == NULL)
		return -ENOMEM;
	r = ctlline_send(fd, text, strlen(text));
	return r == 0 ? ctlline_send(fd, "\n", 1) : r;
}

/* More bytes, if there are none. */
static int
fill(struct ctlline *in)
{
	struct pollfd fds[2] = { { .fd = in->fd, .events = POLLIN },
		{ .fd = in->cancel_fd, .events = POLLIN } };
	ssize_t n;

	if (in->start < in->end)
		return 0;
	do {
		/* Without a cancel_fd the socket's own time limit holds. */
		if (in->cancel_fd >= 0 && poll(fds, 2, -1) > 0 &&
		    fds[1].revents != 0)
			return -EINTR;
		n = recv(in->fd, in->data, sizeof(in->data), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENODATA;
	in->start = 0;
	in->end = (size_t)n;
	return 0;
}

int
ctlline_read(struct ctlline *in, json_t **ret)
{
	struct buf text = BUF_INIT(LINE_MAX_LEN);
	json_t *value = NULL;
	char *end = NULL;
	int r = 0;

	while (end == NULL) {
		const char *p = in->data;
		size_t len;

		r = fill(in);
		if (r < 0)
			break;
		end = memchr(p + in->start, '\n', in->end - in->start);
		len = (end != NULL ? (size_t)(end - p) : in->end) - in->start;
		r = buf_add(&text, p + in->start, len);
		if (r < 0)
			break;
		in->start += len + (end != NULL ? 1 : 0);
	}
	if (r == 0) {
		value =
		    json_loadb(buf_str(&text), text.len, JSON_DECODE_ANY, NULL);
		r = value == NULL ? -EPROTO : 0;
	}
	buf_fini(&text);
	if (r == 0)
		*ret = value;
	return r == -EOVERFLOW ? -EPROTO : r;
}

ssize_t
ctlline_read_bytes(struct ctlline *in, void *data, size_t len)
{
	int r = fill(in);

	if (r < 0)
		return r;
	if (len > in->end - in->start)
		len = in->end - in->start;
	memcpy(data, in->data + in->start, len);
	in->start += len;
	return (ssize_t)len;
}
