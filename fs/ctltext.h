/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctltext.h - numbers as pailctl prints them.  Pure; no locks.
 */
#ifndef FS_CTLTEXT_H
#define FS_CTLTEXT_H

#include <jansson.h>

/* How much of ${all} is ${done}, from 0 to 100; of nothing, nothing. */
int ctltext_percent(json_int_t done, json_int_t all);

#define CTLTEXT_BAR 48

/* "[########------------]  40%": ${done} of ${all}, in ${text}, which is
 * returned. */
const char *ctltext_bar(
    json_int_t done, json_int_t all, char text[CTLTEXT_BAR]);

/* "12.3 MiB", in ${text}, which is returned. */
const char *ctltext_size(json_int_t bytes, char text[32]);

#endif
