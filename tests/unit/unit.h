/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.h - cmocka with the headers that it wants before itself.
 *
 * Role:    the first include of every tests/unit/<layer>_<module>.c.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
