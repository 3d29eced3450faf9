/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlconflict.h - pailctl conflicts: losers of conflicts, and who wins in the
 * end.
 */
#ifndef FS_CTLCONFLICT_H
#define FS_CTLCONFLICT_H

/* Opaque types. */
struct ctlcall;

/* The whole command; what goes wrong is said.  Returns: the exit status. */
int ctlconflict_run(struct ctlcall *call);

#endif
