/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - limits of the process, and which signals it takes.
 */
#ifndef FS_PROCESS_H
#define FS_PROCESS_H

/* Limits of the process, before there are threads. */
void process_set_up(void);

/* In all threads: two of them wait for these. */
void process_block_signals(void);

#endif
