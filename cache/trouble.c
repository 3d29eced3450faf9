/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trouble.c - a call to S3 that failed is said in the log.
 */
#include <errno.h>

#include "cache/trouble.h"
#include "s3/base/log.h"
#include "s3/s3.h"

/* Log it, if it is worth it. */
static void
say(const struct s3_call *call)
{
	const struct s3_result *res = &call->result;
	const char *name = call->key != NULL ? call->key : call->prefix;

	if (res->attempts == 0 && res->message[0] == '\0')
		return; /* never sent: who did not send it says why */
	switch (-res->err) {
	case 0:
	case ENOENT:
	case ESTALE:
	case EAGAIN:
	case EINTR:
	case ECANCELED:
		return;
	default:
		break;
	}
	log_warn("%s of '%s' failed after %u attempts: %s%s%s",
	    s3_kind_name(call->kind), name != NULL ? name : "", res->attempts,
	    res->message, res->request_id[0] != '\0' ? "; request id " : "",
	    res->request_id);
}

int
trouble_errno(const struct s3_call *call)
{
	say(call);
	/* No answer in time: a program expects EIO of a disk. */
	return call->result.err == -ETIMEDOUT ? -EIO : call->result.err;
}
