/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - the command line of pailfs: one table says it all.
 */
#ifndef FS_OPTIONS_H
#define FS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "fs/settings.h"

/**
 * options_parse(argc, argv, ret, message, len):
 * Understand the command line (also of mount(8), where argv[0] ends in
 * mount.pailfs).  Options are given as -o name=value,... (a comma in a value
 * is written \,) or as --name=value or --name value.
 * Memory:  ${ret} is always initialised: options_fini().
 * Returns: 0; -EINVAL, with what was wrong and the remedy in ${message}.
 */
int options_parse(
    int argc, char **argv, struct options *ret, char *message, size_t len);

/* Whether the command line says something of the option ${name}, under
 * whatever name. */
bool options_is_given(const struct options *o, const char *name);

void options_fini(struct options *o);

/* Print what --help says, from the table. */
void options_help(FILE *to);

#endif
