/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outage.c - whether S3 answers at all, and when it does again.
 *
 * S3: API_HeadBucket.
 */
#include "cache/outage.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/core.h"
#include "s3/base/wait.h"

#define AWAY_MS  2000 /* a connection that broke is no outage */
#define PROBE_MS 5000 /* from the end of one to the next */
#define LOOK_MS  1000

/* All of the thread that looks. */
struct outage {
	struct cache *cache;
	struct s3_call probe; /* in flight, if is_probing */
	struct waiter look;   /* interrupted for ever: it does not wait */
	bool is_probing;
	bool is_away;     /* the last time it was looked at */
	int64_t probe_ms; /* the next one is due */
};

int
outage_new(struct cache *c, struct outage **ret)
{
	struct outage *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return -ENOMEM;
	o->cache = c;
	waiter_init(&o->look);
	waiter_interrupt(&o->look);
	*ret = o;
	return 0;
}

void
outage_free(struct outage *o)
{
	if (o == NULL)
		return;
	if (o->is_probing) {
		s3_cancel(o->cache->s3, &o->probe);
		(void)s3_wait(o->cache->s3, &o->probe, NULL); /* its end */
		s3_call_fini(&o->probe);
	}
	waiter_fini(&o->look);
	free(o);
}

int64_t
outage_ms(const struct cache *c)
{
	struct s3_stats st;
	int64_t ms;

	s3_get_stats(c->s3, &st);
	if (st.down_since_ms == 0)
		return 0;
	ms = clock_mono_ms(c->clock) - st.down_since_ms;
	return ms >= AWAY_MS ? ms : 0;
}

/* One at a time. */
static void
probe(struct outage *o, int64_t now_ms)
{
	struct s3 *s3 = o->cache->s3;

	if (o->is_probing && s3_wait(s3, &o->probe, &o->look) == 0) {
		s3_call_fini(&o->probe);
		o->is_probing = false;
		o->probe_ms = now_ms + PROBE_MS;
	}
	if (o->is_probing || now_ms < o->probe_ms)
		return;
	s3_call_init(&o->probe, S3_HEAD_BUCKET);
	s3_submit(s3, &o->probe);
	o->is_probing = true;
}

bool
outage_look(
    struct outage *o, int64_t now_ms, bool *ret_back, int64_t *ret_next_ms)
{
	bool away = outage_ms(o->cache) > 0;

	*ret_back = o->is_away && !away;
	if (away && !o->is_away)
		o->probe_ms = now_ms + LOOK_MS;
	o->is_away = away;
	if (!away)
		return false;
	probe(o, now_ms);
	if (now_ms + LOOK_MS < *ret_next_ms)
		*ret_next_ms = now_ms + LOOK_MS;
	return true;
}
