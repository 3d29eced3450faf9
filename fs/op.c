/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.c - an operation that may wait, and its interrupt.
 */
#include "fs/op.h"
#include "fs/session.h"

struct session *
op_session(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* On the thread that read the INTERRUPT request. */
static void
on_interrupt(fuse_req_t req, void *arg)
{
	struct op *op = arg;

	(void)req;
	running_signal(&op->session->running, &op->runner);
}

void
op_begin(struct op *op, fuse_req_t req)
{
	struct session *s = op_session(req);

	op->runner.tid = fuse_req_ctx(req)->pid;
	op->req = req;
	op->session = s;
	waiter_init(&op->waiter);
	running_add(&s->running, &op->runner, &op->waiter);
	fuse_req_interrupt_func(req, on_interrupt, op);
}

void
op_end(struct op *op)
{
	/* After this on_interrupt() neither runs nor comes. */
	fuse_req_interrupt_func(op->req, NULL, NULL);
	running_remove(&op->session->running, &op->runner);
	waiter_fini(&op->waiter);
}
