/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suspect - what looks wrong in the frames that go by
 *
 * Theory of operation. A pure machine: each frame that net/heard has read goes in
 * with its time and place, marks come out through a function. Time only moves by
 * the frames' own stamps and by suspect_tick(), so a reader that lags behind its
 * socket blames nobody for an answer that waits in the buffer.
 *
 * A solicitation is judged only where its answer has to pass as well: one that
 * comes in from a cable may be answered behind the same cable, unseen.
 *
 * A place is a link: interfaces of one bridge share one, because a frame that is
 * flooded to all ports is answered on one of them. Everything is bounded: of
 * solicitations under way SUSPECT_PENDING are remembered (more aren't judged, and
 * counted), of routers and servers the first few of each link.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"
#include "net/heard.h"

#define SUSPECT_PENDING 16384
#define SUSPECT_WAIT_NS UINT64_C(1000000000)	/* how long an answer may take */
#define SUSPECT_QUIET_NS UINT64_C(60000000000)	/* how long the same isn't told again */

enum suspect_kind {
	SUSPECT_UNANSWERED,	/* a neighbour solicitation that nobody answered within 1 s */
	SUSPECT_RA_FROM_GUEST,
	SUSPECT_DHCP_FROM_GUEST,	/* a server's message, of either DHCP */
	SUSPECT_TWO_ROUTERS,
	SUSPECT_TWO_SERVERS,
	SUSPECT_DUPLICATE,	/* an address that was checked for duplicates is taken */
	SUSPECT_BROKEN,		/* a message that breaks a rule */
	SUSPECT_KIND_N_,
};
extern const char *const suspect_name[SUSPECT_KIND_N_];	/* "nd.unanswered", … */

/* Where a frame was seen. */
struct suspect_place {
	uint32_t ifindex;
	uint32_t link;		/* the bridge's ifindex for its ports, else the interface's */
	uint16_t vlan;
	bool from_guest;	/* came in from an interface with a guest behind it */
	bool answer_passes;	/* whoever answers a question asked here must be seen: the asker is on our side */
};

struct suspect_mark {
	enum suspect_kind kind;
	enum heard_kind about;	/* what kind of frame it is about */
	struct suspect_place place;
	uint64_t at_ns;
	struct ip subject;	/* the address asked for, the router, the server; family 0: none */
	struct ip other;	/* who asked; the router or server that was there before; family 0: none */
	struct mac mac, other_mac;	/* zero: none */
	const char *why;	/* SUSPECT_BROKEN */
};

typedef void (*suspect_fn)(void *user, const struct suspect_mark *mark);

struct suspect;

struct suspect *suspect_new(suspect_fn fn, void *user);
struct suspect *suspect_free(struct suspect *s);
DEFINE_FREEP(struct suspect, suspect_free)

/* A frame; @outcome is what heard_read() returned (0 or HEARD_E_BROKEN), @at_ns when it was seen. */
void suspect_heard(struct suspect *s, const struct suspect_place *place, const struct heard *heard, int outcome,
		   uint64_t at_ns);

/* It is @now_ns, and nothing older is under way. */
void suspect_tick(struct suspect *s, uint64_t now_ns);

/* When the next solicitation is due; UINT64_MAX: none is under way. */
uint64_t suspect_due(const struct suspect *s);

/* Solicitations that were not judged for want of room. */
uint64_t suspect_unjudged(const struct suspect *s);
