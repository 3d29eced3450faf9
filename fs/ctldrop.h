/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctldrop.h - pailctl drop: what is cached is forgotten.
 */
#ifndef FS_CTLDROP_H
#define FS_CTLDROP_H

/* Opaque types. */
struct ctlcall;

/* The whole command, of call->path; what goes wrong is said.  Returns: the exit
 * status. */
int ctldrop_run(struct ctlcall *call);

#endif
