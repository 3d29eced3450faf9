/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlodd.h - pailctl odd: keys that have no path, and the bytes of one.
 */
#ifndef FS_CTLODD_H
#define FS_CTLODD_H

/* Opaque types. */
struct ctlcall;

/* The whole command; what goes wrong is said.  Returns: the exit status. */
int ctlodd_run(struct ctlcall *call);

#endif
