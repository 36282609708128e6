/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ra - router advertisements for one network
 *
 * A pure machine: checked messages and a time in, whole frames out. It answers
 * a solicitation at once by unicast, greets a guest that shows up with an
 * advertisement in its unicast MAC (so that it has a default route before its
 * own solicitation leaves), advertises to everybody every few minutes, and
 * takes back what left the settings. Nothing is allocated after ra_new().
 */
#pragma once
#include "base/mem.h"
#include "base/time.h"
#include "model/service.h"
#include "net/ndp.h"
#include "resp/out.h"

struct ra;

struct ra_stats {
	uint64_t n_solicited;	/* answers to solicitations */
	uint64_t n_greetings;	/* to guests that showed up */
	uint64_t n_multicast;	/* to everybody */
	uint64_t n_held_back;	/* greetings that the rate limit swallowed */
};

/**
 * ra_new() - Make a responder
 * @ret:	set on success; free with ra_free()
 * @service:	settings, copied; ra false: nothing is sent
 * @seed:	for jitter and hashes; not a secret that must never be known
 *
 * The first advertisement is due at once.
 *
 * Return: 0
 */
int ra_new(struct ra **ret, const struct service *service, uint64_t seed, mono_t now);
struct ra *ra_free(struct ra *ra);
DEFINE_FREEP(struct ra, ra_free)

/**
 * ra_configure() - Take other settings live
 * @service:	settings, copied
 * @out:	gets the last words of the old ones when our address or MAC changed, or RAs end
 *
 * A prefix that left is advertised with preferred lifetime 0 and a valid
 * lifetime that counts down from min(its own, 2 h) (RFC 4862 5.5.3 e) until it
 * is over; servers and domains that left go out with lifetime 0 in the next
 * three multicast advertisements (RFC 8106 6.1). These begin at once.
 */
void ra_configure(struct ra *ra, const struct service *service, mono_t now, struct out *out);

/**
 * ra_input() - Answer a router solicitation
 * @rs:		checked by ndp_parse_rs()
 * @mac:	source of its frame: where the answer goes, whatever the message says
 *
 * From :: the answer goes to ff02::1 inside the guest's unicast MAC (RFC 6085).
 * RFC 4861 6.2.6 asks for a random delay only before multicast answers.
 */
void ra_input(struct ra *ra, const struct ndp_rs *rs, const struct mac *mac, mono_t now, struct out *out);

/**
 * ra_first_frame() - Some IPv6 frame of a guest arrived
 * @mac:	its source
 * @starting:	its IPv6 source was ::, as while a link comes up
 *
 * A guest that was never heard, or that starts (again), gets an advertisement
 * at once. At most one each 3 s for a guest, and 1024 at once and 256 a second
 * for all: beyond that, guests ask by themselves a second later.
 */
void ra_first_frame(struct ra *ra, const struct mac *mac, bool starting, mono_t now, struct out *out);

/* Last words: lifetime 0, prefixes deprecated (RFC 4861 6.2.5). The caller sends them three times. */
void ra_goodbye(struct ra *ra, mono_t now, struct out *out);

mono_t ra_deadline(const struct ra *ra);
void ra_tick(struct ra *ra, mono_t now, struct out *out);

/**
 * ra_join() - Advertise together with another network
 * @ra:		responder
 * @now:	another's advertisement is due
 * @out:	gets ours, if the least interval (RFC 4861 6.2.1: MinRtrAdvInterval) has gone by since the last
 *
 * So that many networks wake the machine no more often than one.
 */
void ra_join(struct ra *ra, mono_t now, struct out *out);

const struct ra_stats *ra_stats(const struct ra *ra);
