/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs_one.h - what one metadata header says.
 *
 * Role:    shared by the tests of attributes.
 */
#ifndef TESTS_UNIT_ATTRS_ONE_H
#define TESTS_UNIT_ATTRS_ONE_H

#include "tests/unit/unit.h"

#include "cache/attrs.h"
#include "s3/s3.h"

static void
read_one(char *name, char *value, struct attrs *a)
{
	struct s3_meta meta = { .name = name, .value = value };

	attrs_init(a);
	assert_int_equal(attrs_read(&meta, 1, NULL, a), 0);
}

#endif
