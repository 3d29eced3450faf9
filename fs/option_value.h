/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_value.h - private to options.c: a value by its type and range.
 */
#ifndef FS_OPTION_VALUE_H
#define FS_OPTION_VALUE_H

#include <stddef.h>

struct option_row;
struct options;

/**
 * option_value_set(o, row, value, message, len):
 * Give the option ${row} the value written as ${value}; NULL: none is.
 * Returns: 0; -EINVAL, and ${message} names option, value and range; -ENOMEM.
 */
int option_value_set(struct options *o, const struct option_row *row,
    const char *value, char *message, size_t len);

#endif
