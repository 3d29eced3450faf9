/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keywatch.c - which keys below a prefix were busy since a moment.
 */
#include "cache/keywatch.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 16

void
keywatch_init(struct keywatch *w, const char *prefix, const char *filled)
{
	*w = (struct keywatch){ .prefix = prefix, .filled = filled };
	list_init(&w->link);
}

void
keywatch_fini(struct keywatch *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->keys[i]);
	free(w->keys);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each key once. */
static void
compact(struct keywatch *w)
{
	size_t n = 0;

	qsort(w->keys, w->count, sizeof(*w->keys), by_name);
	for (size_t i = 0; i < w->count; i++) {
		if (n > 0 && strcmp(w->keys[n - 1], w->keys[i]) == 0)
			free(w->keys[i]);
		else
			w->keys[n++] = w->keys[i];
	}
	w->count = n;
}

/* Room for one more: where the same keys are, or else more of it. */
static bool
make_room(struct keywatch *w)
{
	size_t size = w->size == 0 ? SIZE_MIN : w->size * 2;
	void *p;

	if (w->count < w->size)
		return true;
	if (w->count > 0)
		compact(w);
	if (w->count < w->size / 2)
		return true;
	p = reallocarray(w->keys, size, sizeof(*w->keys));
	if (p == NULL)
		return w->count < w->size;
	w->keys = p;
	w->size = size;
	return true;
}

void
keywatch_note(struct keywatch *w, const char *key)
{
	size_t len = strlen(w->prefix);
	char *copy;

	if (strncmp(key, w->prefix, len) != 0 || key[len] == '\0')
		return;
	copy = make_room(w) ? strdup(key) : NULL;
	if (copy == NULL)
		w->is_short = true;
	else
		w->keys[w->count++] = copy;
}
