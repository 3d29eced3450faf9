/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctltext.h - numbers as pailctl prints them.  Pure; no locks.
 */
#ifndef FS_CTLTEXT_H
#define FS_CTLTEXT_H

#include <jansson.h>

/* "12.3 MiB", in ${text}, which is returned. */
const char *ctltext_size(json_int_t bytes, char text[32]);

#endif
