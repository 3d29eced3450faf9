/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h - one HTTP request and its answer.
 *
 * An exchange is one request and its answer.  Its owner embeds a `struct
 * exchange`, sets ops, and calls http_start(); everything else happens in the
 * operations, all on the net thread:
 *
 *	prepare()	just before the request leaves: fill in method, url,
 *			headers and body (so that signatures are fresh)
 *	source()	bytes of the request's body, if it is not in memory
 *	head()		the answer's head is complete
 *	data()		bytes of the answer's body
 *	done()		all is over: x->err, x->head; the exchange is the
 *			owner's again, who may start it anew or free it
 *
 * Nothing is retried and no redirect is followed here; an exchange that curl
 * would send again by itself ends with -ECONNRESET instead.
 */
#ifndef S3_EXCHANGE_H
#define S3_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/clock.h"
#include "s3/base/list.h"
#include "s3/head.h"
#include "s3/pace.h"

/* Opaque types. */
struct curl_slist;
struct exchange;

/* curl gives 16 KiB at a time, whatever it received at once: of a large body
 * as many are put together, up to a border of so many bytes. */
#define EXCHANGE_GATHER ((size_t)128 << 10)

struct http_config {
	const struct clock *clock;
	const char *ca_file;    /* NULL: the system's; borrowed */
	const char *user_agent; /* borrowed until http_close() */
	unsigned connections;   /* at most at one time */
	unsigned timeout_s;     /* without a byte */
	struct pace_limits limits;
};

struct exchange_ops {
	/* Returns: 0; -EAGAIN: ask again soon; -errno: the exchange ends. */
	int (*prepare)(struct exchange *x);
	/* Returns: bytes given (1 to ${len}); -errno: the exchange ends. */
	int64_t (*source)(
	    struct exchange *x, uint64_t off, void *data, size_t len);
	/* Each returns: 0; -errno: the exchange ends with it. */
	int (*head)(struct exchange *x);
	int (*data)(struct exchange *x, const void *data, size_t len);
	void (*done)(struct exchange *x);
};

struct exchange {
	const struct exchange_ops *ops;
	bool background;
	int64_t start_ms; /* monotonic: not before; 0: now */
	int64_t end_ms;   /* monotonic: over, if no answer began; 0: none */

	/* The request: set by prepare(), valid until done(). */
	const char *method;
	const char *url;
	struct curl_slist *headers; /* borrowed */
	bool has_body;              /* also one of 0 bytes */
	const void *body;           /* NULL: source() */
	uint64_t body_len;
	uint64_t expect_len; /* of the answer; sizes the buffer */
	bool fresh;          /* on a new connection */
	bool resend;         /* curl may send it again by itself */

	/* The answer. */
	struct head head;
	int err;           /* 0: complete, whatever the status */
	bool sent;         /* the server may have seen the request */
	bool is_local;     /* err came from an operation of the owner */
	int64_t sent_ms;   /* monotonic; 0: not sent */
	uint64_t sent_len; /* bytes of the body given to curl */
	int64_t held_ms;   /* that our limits held it up, since http_start() */
	char detail[160];  /* what went wrong, for a person */

	/* http.c's own. */
	struct {
		const struct clock *clock;
		void *easy;
		struct list link;     /* [q] inbox, else net thread's */
		struct list canceled; /* [q] */
		bool is_started;      /* [q] not with its owner */
		bool is_canceled;     /* [q] stays until exchange_init() */
		bool is_active;
		bool has_head;
		int64_t ready_ms; /* monotonic: since then it may leave */
		struct pace *pace;
		struct pace_hold hold;
		int64_t last_ms; /* monotonic: when a byte moved */
		char *gathered;  /* owned, NULL; EXCHANGE_GATHER bytes */
		size_t gathered_len;
		uint64_t given;  /* bytes of the answer given to data() */
		char error[256]; /* curl's buffer */
	} own;
};

void exchange_init(struct exchange *x, const struct exchange_ops *ops);

/* Free what came back.  The exchange is not under way. */
void exchange_fini(struct exchange *x);

/* Below: for http.c. */

/* Forget the answer of the time before. */
void exchange_clear(struct exchange *x);

/**
 * exchange_set_up(x, easy, config):
 * Make the curl handle ${easy} ready to send ${x}, which is prepared.
 * Returns: 0, -ENOMEM, or -EINVAL.
 */
int exchange_set_up(
    struct exchange *x, void *easy, const struct http_config *config);

/* Give what was put together to its owner.  Returns: 0; -errno: ${x} is to end
 * with it. */
int exchange_give(struct exchange *x);

/* Free what only a running exchange needs. */
void exchange_end(struct exchange *x);

/* What the CURLcode ${code} means: 0 or -errno. */
int exchange_errno(int code);

#endif
