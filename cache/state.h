/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - the only place where a sync state changes.
 *
 * An entry has three states, each a small table below: of its *name*, of its
 * *attributes*, of its *bytes*.  They are kept with the entry's row; every
 * change goes through state_*_apply(), under the entry's lock.  The numbers
 * are stored and never change their meaning.  Pure; no locks.
 *
 * In the tables: a state is the next one; "." stays as it is; "x" cannot be,
 * if it is asked for, we have a bug; ESTALE: refused, the caller is told so.
 * After OK, LOST, 412, FATAL, UNDO stands what became of a request:
 *
 *	OK	S3 acknowledged it.
 *	STALE	likewise, but what it carried is not the newest any more: there
 *		was a local change since it was put together.
 *	LOST	it is not known: it left, and no answer came.  A HEAD (token,
 *		size, ETag) or the same conditional request again settles it.
 *	412	its condition did not hold.  On a RETRY, after an earlier try
 *		was lost, the reason may be our own success: settle it.
 *	UNDO	it was refused for good (tried again where P3 says so), its
 *		caller was told, and what was wanted is taken back.
 *
 * A crash: what may have left before it has no answer.  Recovery therefore
 * applies DELETE_SEND to a name that is DELETING, LAST_CLOSE to all names,
 * SEND_LOST to attributes that are SENDING, PUT_LOST to bytes that are
 * UPLOADING; all other states are as true as before.
 *
 * One mutating request a key is in flight, ordered by key: the tables rely on
 * it.  So two entries may stand at one key, one after the other: an entry
 * that was unlinked and the new one of the same name; the old name of a
 * rename is kept by a *stub*, an entry in DELETING without bytes, whose DELETE
 * follows the COPY or PUT that took its object along (and no sooner is it
 * REPLACED).
 *
 * ---- names ----
 *
 * ABSENT	There is no such name, here or, as far as was seen, in S3: a
 *		negative entry.  Nothing is owed.  Trust: nothing is kept that
 *		could be lost; the row may go at any time.
 * CREATING	The name is here and no version of ours under its key was
 *		acknowledged: a PUT is owed (of the bytes, or of a directory's
 *		marker) and may be in flight.  Trust: the row, not S3.  If
 *		it took the name over from another entry, S3 still holds that
 *		one's object: the PUT's condition is its ETag, and else that
 *		there is none.
 * PRESENT	S3 has it under this key, as of the last observation or
 *		acknowledgement; nothing is owed for the name.  Trust: both,
 *		within the ttl.
 * MOVING	The name is here, its base lies under another key (base_key):
 *		a COPY from there, or a PUT under the new key, is owed and may
 *		be in flight.  Trust: the row for the name, base_key for bytes.
 *		Or the COPY was made, base_key is not set, and the DELETE of
 *		the old object is not over: if it is refused, MOVE_UNDO.
 * DELETING	The name is not here, S3 may hold an object under its key, a
 *		DELETE is owed and was not sent (or was refused).  Trust: the
 *		intent.  This is the time to take it back: a new entry of the
 *		same name makes it needless (REPLACED).  Also what a file in
 *		MOVING is to replace, until that is sure.
 * DELETE_SENT	Likewise, but the DELETE has left, and how it ended is not
 *		known yet, or never will be.  Trust: nothing about S3.  Nothing
 *		else may be sent under this key until it is settled, or it may
 *		take away what came after it.
 * GONE		The name is not here and nothing is owed for it; open files
 *		still hold the entry.  It stands under no name: observations
 *		do not mean it.  Trust: what is local.
 *
 *		ABSENT	 CREATING PRESENT  MOVING   DELETING    DELETE_SENT GONE
 * CREATE	CREATING x	  x	   x	    x		x	    x
 * CREATE_OK	x	 PRESENT  x	   .	    .		x	    .
 * CREATE_LOST	x	 .	  x	   .	    .		x	    .
 * CREATE_UNDO	x	 GONE	  x	   CREATING .		x	    .
 * MARK		x	 x	  CREATING x	    x		x	    x
 * RENAME	x	 MOVING	  MOVING   .	    x		x	    x
 * REKEY	x	 .	  x	   .	    x		x	    x
 * MOVE_OK	x	 x	  x	   PRESENT  .		x	    .
 * MOVE_LOST	x	 x	  x	   .	    .		x	    .
 * MOVE_UNDO	x	 x	  x	   PRESENT  .		x	    .
 * BASE_LOST	x	 x	  CREATING CREATING x		x	    .
 * UNLINK	x	 DELETING DELETING DELETING x		x	    x
 * DISCARD	x	 GONE	  GONE	   GONE	    GONE	x	    x
 * REPLACED	x	 GONE	  GONE	   GONE	    GONE	x	    x
 * DELETE_SEND	x	 x	  x	   x	    DELETE_SENT .	    x
 * DELETE_OK	x	 x	  x	   x	    x		GONE	    x
 * DELETE_LOST	x	 x	  x	   x	    x		.	    x
 * DELETE_412	x	 x	  x	   x	    x		DELETING    x
 * DELETE_UNDO	x	 x	  x	   x	    PRESENT	x	    x
 * SEEN		PRESENT	 .	  .	   .	    .		.	    .
 * VANISHED	.	 .	  GONE	   .	    .		.	    .
 * LAST_CLOSE	.	 .	  .	   .	    .		. ABSENT
 *
 * CREATE	A local create, mkdir, symlink, mknod.  Over a DELETING entry:
 *		the new entry gets CREATE, the old one REPLACED, and no DELETE
 *		is sent.  Over a DELETE_SENT one: the new entry's PUT waits
 *		until that is settled (state_name_may_follow()).
 * CREATE_OK	The first PUT was acknowledged.  An entry that was renamed or
 *		unlinked meanwhile keeps what it owes, and knows its base now.
 * CREATE_UNDO	The PUT was refused: the key is another's.  A file that was
 *		renamed meanwhile owes its PUT under the new key.
 * MARK		A directory that was implicit is to get its marker.
 * RENAME	To another name; something of it may be in S3 under the key it
 *		leaves.  REKEY: nothing of it was ever sent under that key.
 *		(Either leaves a stub if S3 may hold anything there.)
 * MOVE_OK	The COPY, or a PUT under the new key, was acknowledged.
 * MOVE_UNDO	Refused: the entry is back under its old name.
 * BASE_LOST	A request of ours learnt that the base is gone, and the bytes
 *		are here: a remote deletion of what is dirty is no conflict,
 *		the PUT makes it anew.
 * UNLINK	unlink or rmdir; S3 may hold something under the key.
 * DISCARD	Likewise, but S3 holds nothing under it: nothing was sent and
 *		nobody was replaced, or a HEAD said so, or it was a directory
 *		that has no marker.  No DELETE is needed.
 * REPLACED	Another entry took the name (created or renamed over it): its
 *		request replaces the object, on condition of its ETag.
 * DELETE_SEND	The DELETE leaves, for the first time or again.
 * DELETE_412	A definite refusal (412, 403): look again, then DELETE_SEND
 *		once more or DELETE_UNDO: the name comes back as S3 has it (or,
 *		if a new entry took it meanwhile, REPLACED).
 * SEEN		An observation has the object; VANISHED: has it no more.  They
 *		change nothing where something is owed.
 * LAST_CLOSE	Nothing refers to the entry any more.
 *
 * ---- attributes ----
 *
 * CLEAN	As S3 has them, as of the last observation.  Trust: both.
 * METADIRTY	Changed here; the intent is committed; no request that carries
 *		them is in flight.  Trust: the row.
 * SENDING	A request that carries them is in flight: the next PUT, the
 *		start of a multipart upload, the COPY of a rename (FOLD), or a
 *		COPY onto itself (SEND).  Trust: the row.
 * UNSURE	It left and no answer came.  Trust: the row; nothing about S3.
 *		No other request may carry them until it is settled.
 *
 *			CLEAN	METADIRTY SENDING   UNSURE
 * SET			METADIRTY .	  .	    .
 * FOLD			SENDING	SENDING	  x	    x
 * SEND			x	SENDING	  x	    x
 * SEND_OK		x	x	  CLEAN	    x
 * SEND_STALE		x	x	  METADIRTY x
 * SEND_LOST		x	x	  UNSURE    x
 * SEND_412		x	x	  METADIRTY x
 * SEND_412_RETRY	x	x	  UNSURE    x
 * SEND_FATAL		x	x	  METADIRTY x
 * SETTLED_OURS		x	x	  x	    CLEAN
 * SETTLED_STALE	x	x	  x	    METADIRTY
 * SETTLED_OLD		x	x	  x	    METADIRTY
 * SETTLED_OTHER	x	x	  x	    METADIRTY
 * REMOTE_NEW		.	.	  .	    .
 * DROP			.	CLEAN	  x	    x
 *
 * SET		chmod, chown, utimens, setxattr, or a write (its mtime).
 * FOLD		Every request that stores the object carries the attributes, so
 *		it may be applied to CLEAN ones; its end is then told by SEND_*.
 * SEND_STALE	Set again since the request was put together (a multipart
 *		upload freezes them at its start): they follow by a COPY.
 * SEND_412	The object is another version.  What was set is laid over that
 *		one's attributes and sent again, or given up (DROP); if bytes
 *		went along, they are in CONFLICT, and the attributes go with
 *		the loser.
 * SEND_FATAL	Refused; kept, told, tried again by timer.
 * SETTLED_*	What the HEAD said: it has them; has an older set of ours; the
 *		object is as before; it is another's.
 * REMOTE_NEW	An observation of a new version: only CLEAN ones take its
 *		attributes.
 * DROP		Not wanted any more: unlinked, or given up and told.
 *
 * ---- bytes ----
 *
 * CLEAN	All that is local is what S3 has of the version; what is absent
 *		can be fetched.  Trust: S3 and, checked by CRC, the chunk file.
 * DIRTY	Something is here that S3 has not; no PUT is in flight.  Trust:
 *		the chunk file for dirty ranges, the base for all others.
 * UPLOADING	A PUT or multipart upload of a generation is in flight.  Trust:
 *		as DIRTY; parts that were acknowledged are no base yet.
 * UNSURE	The PUT or Complete left and no answer came.  Trust: as DIRTY;
 *		what S3 has is the base, or that generation, or another's.
 * CONFLICT	S3 has a version that is not ours and not our base.  Trust: the
 *		dirty ranges; the base only as far as it is reachable.
 * FAILED	The upload was refused for good; the bytes are kept, the error
 *		was reported, and it is tried again.  Trust: as DIRTY.
 *
 *		CLEAN	 DIRTY	   UPLOADING UNSURE   CONFLICT FAILED
 * WRITE	DIRTY	 .	   .	     .	      ESTALE   .
 * FLUSH	.	 UPLOADING .	     .	      ESTALE   UPLOADING
 * PUT_OK	x	 x	   CLEAN     x	      x	       x
 * PUT_STALE	x	 x	   DIRTY     x	      x	       x
 * PUT_LOST	x	 x	   UNSURE    x	      x	       x
 * PUT_412	x	 x	   CONFLICT  x	      x	       x
 * PUT_412_RETRY x	 x	   UNSURE    x	      x	       x
 * PUT_FATAL	x	 x	   FAILED    x	      x	       x
 * SETTLED_OURS	x	 x	   x	     CLEAN    x	       x
 * SETTLED_STALE x	 x	   x	     DIRTY    x	       x
 * SETTLED_OLD	x	 x	   x	     DIRTY    x	       x
 * SETTLED_OTHER x	 x	   x	     CONFLICT x	       x
 * REMOTE_NEW	.	 CONFLICT  .	     .	      .	       CONFLICT
 * RESOLVE	x	 x	   x	     x	      CLEAN    x
 *
 * may evict?	yes	 no	   no	     no	      no       no
 * may unlink?	yes	 yes	   no	     no	      yes      yes
 *
 * WRITE	A write, truncation or clone.  In UPLOADING the part it hits is
 *		stale and sent again.
 * FLUSH	Their generation is to be in S3: starts an upload, or waits for
 *		the one in flight or its settlement.  FAILED: also by timer.
 * REMOTE_NEW	An observation of another version.  CLEAN: the entry goes on
 *		with a new version.  In flight, the 412 tells.
 * RESOLVE	The local bytes are kept aside under a name of their own.
 * unlink	The name's UNLINK may come at any time; where "no", its DELETE
 *		leaves only after the PUT ended, or after it is settled.
 *
 * A base that was deleted remotely is none of these: the PUT is sent anew
 * without it (BASE_LOST of the name), still UPLOADING.
 */
#ifndef CACHE_STATE_H
#define CACHE_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum state_name {
	NAME_ABSENT = 0,
	NAME_CREATING = 1,
	NAME_PRESENT = 2,
	NAME_MOVING = 3,
	NAME_DELETING = 4,
	NAME_DELETE_SENT = 5,
	NAME_GONE = 6,
	NAME_STATE_COUNT
};

enum state_name_event {
	NAME_ON_CREATE,
	NAME_ON_CREATE_OK,
	NAME_ON_CREATE_LOST,
	NAME_ON_CREATE_UNDO,
	NAME_ON_MARK,
	NAME_ON_RENAME,
	NAME_ON_REKEY,
	NAME_ON_MOVE_OK,
	NAME_ON_MOVE_LOST,
	NAME_ON_MOVE_UNDO,
	NAME_ON_BASE_LOST,
	NAME_ON_UNLINK,
	NAME_ON_DISCARD,
	NAME_ON_REPLACED,
	NAME_ON_DELETE_SEND,
	NAME_ON_DELETE_OK,
	NAME_ON_DELETE_LOST,
	NAME_ON_DELETE_412,
	NAME_ON_DELETE_UNDO,
	NAME_ON_SEEN,
	NAME_ON_VANISHED,
	NAME_ON_LAST_CLOSE,
	NAME_EVENT_COUNT
};

enum state_attrs {
	ATTRS_CLEAN = 0,
	ATTRS_METADIRTY = 1,
	ATTRS_SENDING = 2,
	ATTRS_UNSURE = 3,
	ATTRS_STATE_COUNT
};

enum state_attrs_event {
	ATTRS_ON_SET,
	ATTRS_ON_FOLD,
	ATTRS_ON_SEND,
	ATTRS_ON_SEND_OK,
	ATTRS_ON_SEND_STALE,
	ATTRS_ON_SEND_LOST,
	ATTRS_ON_SEND_412,
	ATTRS_ON_SEND_412_RETRY,
	ATTRS_ON_SEND_FATAL,
	ATTRS_ON_SETTLED_OURS,
	ATTRS_ON_SETTLED_STALE,
	ATTRS_ON_SETTLED_OLD,
	ATTRS_ON_SETTLED_OTHER,
	ATTRS_ON_REMOTE_NEW,
	ATTRS_ON_DROP,
	ATTRS_EVENT_COUNT
};

enum state_bytes {
	BYTES_CLEAN = 0,
	BYTES_DIRTY = 1,
	BYTES_UPLOADING = 2,
	BYTES_UNSURE = 3,
	BYTES_CONFLICT = 4,
	BYTES_FAILED = 5,
	BYTES_STATE_COUNT
};

enum state_bytes_event {
	BYTES_ON_WRITE,
	BYTES_ON_FLUSH,
	BYTES_ON_PUT_OK,
	BYTES_ON_PUT_STALE,
	BYTES_ON_PUT_LOST,
	BYTES_ON_PUT_412,
	BYTES_ON_PUT_412_RETRY,
	BYTES_ON_PUT_FATAL,
	BYTES_ON_SETTLED_OURS,
	BYTES_ON_SETTLED_STALE,
	BYTES_ON_SETTLED_OLD,
	BYTES_ON_SETTLED_OTHER,
	BYTES_ON_REMOTE_NEW,
	BYTES_ON_RESOLVE,
	BYTES_EVENT_COUNT
};

/**
 * state_name_next(s, e), state_attrs_next(s, e), state_bytes_next(s, e):
 * Returns: the state (0 or more) that follows ${s} on ${e}; -EINVAL it cannot
 *     be ("x"), or one of them is no such value; -ESTALE (bytes) refused.
 */
int state_name_next(enum state_name s, enum state_name_event e);
int state_attrs_next(enum state_attrs s, enum state_attrs_event e);
int state_bytes_next(enum state_bytes s, enum state_bytes_event e);

/* Go from ${*s} to the state that follows on ${e}; "x" is an assertion. */
void state_name_apply(enum state_name *s, enum state_name_event e);
void state_attrs_apply(enum state_attrs *s, enum state_attrs_event e);

/* Likewise.  Returns: 0, or -ESTALE and ${*s} is unchanged. */
int state_bytes_apply(enum state_bytes *s, enum state_bytes_event e);

/* Whether ${value}, read from a database, is a state. */
bool state_name_is_valid(int64_t value);
bool state_attrs_is_valid(int64_t value);
bool state_bytes_is_valid(int64_t value);

/* Whether something is owed or unsettled: an observation may change no more
 * than the tables say, and nothing in the row. */
bool state_name_is_pending(enum state_name s);
bool state_attrs_is_pending(enum state_attrs s);
bool state_bytes_is_pending(enum state_bytes s);

/* Whether lookup and readdir show the name. */
bool state_name_is_visible(enum state_name s);

/* Whether nothing of an entry in state ${s} stands in the way of a request of
 * another one under its key: ABSENT and GONE. */
bool state_name_may_follow(enum state_name s);

/* Whether a PUT left whose end is not known (yet): UPLOADING and UNSURE. */
bool state_bytes_is_open(enum state_bytes s);

/* Whether bytes may leave the disk without being lost. */
bool state_bytes_may_evict(enum state_bytes s);

/* Whether a DELETE of the key may leave: no PUT is in flight or unsettled. */
bool state_bytes_may_unlink(enum state_bytes s);

/* "present", "metadirty", "uploading"; for people and logs; static. */
const char *state_name_name(enum state_name s);
const char *state_attrs_name(enum state_attrs s);
const char *state_bytes_name(enum state_bytes s);

#endif
