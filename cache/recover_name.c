/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover_name.c - names that are owed to S3 from before.
 */
#include "cache/recover_name.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/owed.h"
#include "s3/base/cleanup.h"

int
recover_name_is_owed(struct cache *c, const struct row *row)
{
	struct intent it = { 0 };
	int r = db_owed_get(c->db, row->id, &it);

	/* The bytes of a file that was renamed are another matter. */
	if (r == 0)
		r = it.kind != INTENT_MOVE;
	intent_fini(&it);
	return r == -ENOENT ? 0 : r;
}

struct debts {
	struct debt {
		uint64_t id;
		enum intent_kind kind;
	} * all; /* owned */
	size_t count;
	size_t size;
	int r;
};

static bool
note(void *arg, const struct intent *it)
{
	struct debts *d = arg;

	if (d->count == d->size) {
		size_t size = d->size == 0 ? 64 : d->size * 2;
		void *p = reallocarray(d->all, size, sizeof(*d->all));

		if (p == NULL) {
			d->r = -ENOMEM;
			return false;
		}
		d->all = p;
		d->size = size;
	}
	d->all[d->count++] = (struct debt){ it->id, it->kind };
	return true;
}

int
recover_names(struct cache *c)
{
	struct debts d = { 0 };
	int r = db_owed_each(c->db, note, &d);

	if (r == 0)
		r = d.r;
	for (size_t i = 0; r == 0 && i < d.count; i++) {
		AUTO(row_fini) struct row row = { 0 };

		r = db_row_by_id(c->db, d.all[i].id, &row);
		if (r == 0)
			owed_add(c, &row, d.all[i].kind);
		else if (r == -ENOENT)
			r = db_owed_remove(c->db, d.all[i].id);
	}
	free(d.all);
	return r;
}
