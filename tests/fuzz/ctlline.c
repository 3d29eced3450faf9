/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlline.c - what a client of the control socket sends.
 */
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "fs/ctlline.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ctlline in;
	json_t *value;
	int fds[2], r;

	if (len > CTLLINE_SIZE)
		return 0;
	want(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	want(ctlline_send(fds[1], data, len) == 0);
	(void)close(fds[1]);
	in.fd = fds[0];
	in.cancel_fd = -1;
	in.start = in.end = 0;
	while ((r = ctlline_read(&in, &value)) == 0) {
		want(value != NULL);
		json_decref(value);
	}
	want(r == -ENODATA || r == -EPROTO);
	(void)close(fds[0]);
	return 0;
}
