/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - the only place where a sync state changes.
 *
 * Role:    pure; the tables of state.h, which says what they mean.
 */
#include "cache/state.h"

#include <assert.h>
#include <errno.h>

/* In the tables below: what is not a state. */
#define SAME   (-1)
#define X      (-EINVAL)
#define REFUSE (-ESTALE)

/* clang-format off */

#define S SAME
#define ABS NAME_ABSENT
#define CRE NAME_CREATING
#define PRE NAME_PRESENT
#define MOV NAME_MOVING
#define DEL NAME_DELETING
#define DSE NAME_DELETE_SENT
#define GON NAME_GONE

static const int name_table[NAME_EVENT_COUNT][NAME_STATE_COUNT] = {
	/*                        ABS  CRE  PRE  MOV  DEL  DSE  GON */
	[NAME_ON_CREATE]      = { CRE, X,   X,   X,   X,   X,   X },
	[NAME_ON_CREATE_OK]   = { X,   PRE, X,   S,   S,   X,   S },
	[NAME_ON_CREATE_LOST] = { X,   S,   X,   S,   S,   X,   S },
	[NAME_ON_CREATE_UNDO] = { X,   GON, X,   CRE, S,   X,   S },
	[NAME_ON_MARK]        = { X,   X,   CRE, X,   X,   X,   X },
	[NAME_ON_RENAME]      = { X,   MOV, MOV, S,   X,   X,   X },
	[NAME_ON_REKEY]       = { X,   S,   X,   S,   X,   X,   X },
	[NAME_ON_MOVE_OK]     = { X,   X,   X,   PRE, S,   X,   S },
	[NAME_ON_MOVE_LOST]   = { X,   X,   X,   S,   S,   X,   S },
	[NAME_ON_MOVE_UNDO]   = { X,   X,   X,   PRE, S,   X,   S },
	[NAME_ON_BASE_LOST]   = { X,   X,   CRE, CRE, X,   X,   S },
	[NAME_ON_UNLINK]      = { X,   DEL, DEL, DEL, X,   X,   X },
	[NAME_ON_DISCARD]     = { X,   GON, GON, GON, GON, X,   X },
	[NAME_ON_REPLACED]    = { X,   GON, GON, GON, GON, X,   X },
	[NAME_ON_DELETE_SEND] = { X,   X,   X,   X,   DSE, S,   X },
	[NAME_ON_DELETE_OK]   = { X,   X,   X,   X,   X,   GON, X },
	[NAME_ON_DELETE_LOST] = { X,   X,   X,   X,   X,   S,   X },
	[NAME_ON_DELETE_412]  = { X,   X,   X,   X,   X,   DEL, X },
	[NAME_ON_DELETE_UNDO] = { X,   X,   X,   X,   PRE, X,   X },
	[NAME_ON_SEEN]        = { PRE, S,   S,   S,   S,   S,   S },
	[NAME_ON_VANISHED]    = { S,   S,   GON, S,   S,   S,   S },
	[NAME_ON_LAST_CLOSE]  = { S,   S,   S,   S,   S,   S,   ABS },
};

#define CLN ATTRS_CLEAN
#define MET ATTRS_METADIRTY
#define SND ATTRS_SENDING
#define UNS ATTRS_UNSURE

static const int attrs_table[ATTRS_EVENT_COUNT][ATTRS_STATE_COUNT] = {
	/*                            CLN  MET  SND  UNS */
	[ATTRS_ON_SET]            = { MET, S,   S,   S },
	[ATTRS_ON_FOLD]           = { SND, SND, X,   X },
	[ATTRS_ON_SEND]           = { X,   SND, X,   X },
	[ATTRS_ON_SEND_OK]        = { X,   X,   CLN, X },
	[ATTRS_ON_SEND_STALE]     = { X,   X,   MET, X },
	[ATTRS_ON_SEND_LOST]      = { X,   X,   UNS, X },
	[ATTRS_ON_SEND_412]       = { X,   X,   MET, X },
	[ATTRS_ON_SEND_412_RETRY] = { X,   X,   UNS, X },
	[ATTRS_ON_SEND_FATAL]     = { X,   X,   MET, X },
	[ATTRS_ON_SETTLED_OURS]   = { X,   X,   X,   CLN },
	[ATTRS_ON_SETTLED_STALE]  = { X,   X,   X,   MET },
	[ATTRS_ON_SETTLED_OLD]    = { X,   X,   X,   MET },
	[ATTRS_ON_SETTLED_OTHER]  = { X,   X,   X,   MET },
	[ATTRS_ON_REMOTE_NEW]     = { S,   S,   S,   S },
	[ATTRS_ON_DROP]           = { S,   CLN, X,   X },
};

#undef CLN
#undef UNS
#define CLN BYTES_CLEAN
#define DIR BYTES_DIRTY
#define UPL BYTES_UPLOADING
#define UNS BYTES_UNSURE
#define CON BYTES_CONFLICT
#define FAI BYTES_FAILED

static const int bytes_table[BYTES_EVENT_COUNT][BYTES_STATE_COUNT] = {
	/*                           CLN  DIR  UPL  UNS  CON     FAI */
	[BYTES_ON_WRITE]         = { DIR, S,   S,   S,   REFUSE, S },
	[BYTES_ON_FLUSH]         = { S,   UPL, S,   S,   REFUSE, UPL },
	[BYTES_ON_PUT_OK]        = { X,   X,   CLN, X,   X,      X },
	[BYTES_ON_PUT_STALE]     = { X,   X,   DIR, X,   X,      X },
	[BYTES_ON_PUT_LOST]      = { X,   X,   UNS, X,   X,      X },
	[BYTES_ON_PUT_412]       = { X,   X,   CON, X,   X,      X },
	[BYTES_ON_PUT_412_RETRY] = { X,   X,   UNS, X,   X,      X },
	[BYTES_ON_PUT_FATAL]     = { X,   X,   FAI, X,   X,      X },
	[BYTES_ON_SETTLED_OURS]  = { X,   X,   X,   CLN, X,      X },
	[BYTES_ON_SETTLED_STALE] = { X,   X,   X,   DIR, X,      X },
	[BYTES_ON_SETTLED_OLD]   = { X,   X,   X,   DIR, X,      X },
	[BYTES_ON_SETTLED_OTHER] = { X,   X,   X,   CON, X,      X },
	[BYTES_ON_REMOTE_NEW]    = { S,   CON, S,   S,   S,      CON },
	[BYTES_ON_RESOLVE]       = { X,   X,   X,   X,   CLN,    X },
};

/* clang-format on */

static const char *const name_names[NAME_STATE_COUNT] = { "absent", "creating",
	"present", "moving", "deleting", "delete-sent", "gone" };
static const char *const attrs_names[ATTRS_STATE_COUNT] = { "clean",
	"metadirty", "sending", "unsure" };
static const char *const bytes_names[BYTES_STATE_COUNT] = { "clean", "dirty",
	"uploading", "unsure", "conflict", "failed" };

bool
state_name_is_valid(int64_t value)
{
	return value >= 0 && value < NAME_STATE_COUNT;
}

bool
state_attrs_is_valid(int64_t value)
{
	return value >= 0 && value < ATTRS_STATE_COUNT;
}

bool
state_bytes_is_valid(int64_t value)
{
	return value >= 0 && value < BYTES_STATE_COUNT;
}

int
state_name_next(enum state_name s, enum state_name_event e)
{
	int next;

	if (!state_name_is_valid((int64_t)s) || (uint64_t)e >= NAME_EVENT_COUNT)
		return -EINVAL;
	next = name_table[e][s];
	return next == SAME ? (int)s : next;
}

int
state_attrs_next(enum state_attrs s, enum state_attrs_event e)
{
	int next;

	if (!state_attrs_is_valid((int64_t)s) ||
	    (uint64_t)e >= ATTRS_EVENT_COUNT)
		return -EINVAL;
	next = attrs_table[e][s];
	return next == SAME ? (int)s : next;
}

int
state_bytes_next(enum state_bytes s, enum state_bytes_event e)
{
	int next;

	if (!state_bytes_is_valid((int64_t)s) ||
	    (uint64_t)e >= BYTES_EVENT_COUNT)
		return -EINVAL;
	next = bytes_table[e][s];
	return next == SAME ? (int)s : next;
}

void
state_name_apply(enum state_name *s, enum state_name_event e)
{
	int next = state_name_next(*s, e);

	assert(next >= 0);
	*s = (enum state_name)next;
}

void
state_attrs_apply(enum state_attrs *s, enum state_attrs_event e)
{
	int next = state_attrs_next(*s, e);

	assert(next >= 0);
	*s = (enum state_attrs)next;
}

int
state_bytes_apply(enum state_bytes *s, enum state_bytes_event e)
{
	int next = state_bytes_next(*s, e);

	if (next == -ESTALE)
		return next;
	assert(next >= 0);
	*s = (enum state_bytes)next;
	return 0;
}

bool
state_name_is_pending(enum state_name s)
{
	return s == NAME_CREATING || s == NAME_MOVING || s == NAME_DELETING ||
	       s == NAME_DELETE_SENT;
}

bool
state_attrs_is_pending(enum state_attrs s)
{
	return s != ATTRS_CLEAN;
}

bool
state_bytes_is_pending(enum state_bytes s)
{
	return s != BYTES_CLEAN;
}

bool
state_name_is_visible(enum state_name s)
{
	return s == NAME_CREATING || s == NAME_PRESENT || s == NAME_MOVING;
}

bool
state_name_may_follow(enum state_name s)
{
	return s == NAME_ABSENT || s == NAME_GONE;
}

bool
state_bytes_is_open(enum state_bytes s)
{
	return s == BYTES_UPLOADING || s == BYTES_UNSURE;
}

bool
state_bytes_may_evict(enum state_bytes s)
{
	return s == BYTES_CLEAN;
}

bool
state_bytes_may_unlink(enum state_bytes s)
{
	return !state_bytes_is_open(s);
}

const char *
state_name_name(enum state_name s)
{
	return state_name_is_valid((int64_t)s) ? name_names[s] : "?";
}

const char *
state_attrs_name(enum state_attrs s)
{
	return state_attrs_is_valid((int64_t)s) ? attrs_names[s] : "?";
}

const char *
state_bytes_name(enum state_bytes s)
{
	return state_bytes_is_valid((int64_t)s) ? bytes_names[s] : "?";
}
