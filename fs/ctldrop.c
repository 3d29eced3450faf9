/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctldrop.c - pailctl drop: what is cached is forgotten.
 */
#include "fs/ctldrop.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/ctlcall.h"
#include "fs/ctlnote.h"

int
ctldrop_run(struct ctlcall *call)
{
	struct ctlnote note = { .command = "drop" };
	int r = ctlnote_ask(call, &note);

	if (r == 0)
		ctlnote_print(call, &note);
	if (r == 0 && note.found > 0)
		(void)fprintf(stderr,
		    "pailctl: nothing is dropped: only the cache folder has "
		    "%" JSON_INTEGER_FORMAT " of it: pailctl flush first\n",
		    note.found);
	ctlnote_fini(&note);
	return r < 0 || note.found > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
