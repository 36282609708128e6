/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suspect - what looks wrong in the frames that go by
 *
 * All solicitations wait equally long, so a ring in order of arrival is also in
 * order of what is due; a hash over link and target finds those that an
 * advertisement answers.
 */
#include "diag/suspect.h"

#include <assert.h>
#include "base/fnv.h"
#include "net/dhcp4.h"
#include "net/dhcp6.h"

#define BUCKETS 8192
#define NONE UINT32_MAX
#define TOLD 1024		/* what was told lately; a collision tells again */
#define LINKS 256		/* on which a DHCP client was heard lately; a collision forgets one */
#define DISCOVER_NS UINT64_C(10000000000)
#define SPEAKERS 256		/* routers and servers, of all links */

const char *const suspect_name[] = {
	"nd.unanswered",    "ra.from-guest",	 "dhcp.from-guest", "ra.two-routers",
	"dhcp.two-servers", "address.duplicate", "frame.broken",
};
static_assert(sizeof(suspect_name) / sizeof(suspect_name[0]) == SUSPECT_KIND_N_, "a kind without a name");

struct pending {
	struct suspect_place place;
	uint64_t at_ns, due_ns;
	struct ip target, asker;	/* asker family 0: a check for duplicates */
	struct mac asker_mac;
	enum heard_kind about;
	uint32_t next;			/* in its bucket */
	bool done;
};

struct speaker {
	enum heard_kind kind;	/* HEARD_RA, HEARD_DHCP4 or HEARD_DHCP6 */
	uint32_t link;
	uint16_t vlan;
	struct ip ip;		/* family 0: only its MAC is known */
	struct mac mac;
	uint64_t at_ns;
};

struct suspect {
	suspect_fn fn;
	void *user;
	uint64_t now_ns, unjudged;
	uint32_t first, n;		/* of the ring */
	struct pending ring[SUSPECT_PENDING];
	uint32_t buckets[BUCKETS];
	struct { uint64_t hash, at_ns; } told[TOLD];
	struct { uint32_t link; uint64_t at_ns; } discovers[LINKS];
	struct speaker speakers[SPEAKERS];
	size_t n_speakers;
};

struct suspect *suspect_new(suspect_fn fn, void *user)
{
	struct suspect *s = NEW(struct suspect);

	s->fn = fn;
	s->user = user;
	for (size_t i = 0; i < BUCKETS; i++)
		s->buckets[i] = NONE;
	return s;
}

struct suspect *suspect_free(struct suspect *s)
{
	free(s);
	return NULL;
}

/* Whoever makes collisions gets long chains of at most SUSPECT_PENDING, and slows down a looker-on. */
static uint64_t hash_of(uint32_t link, const struct ip *ip)
{
	uint64_t h = fnv64(FNV64_BASIS, &link, sizeof(link));

	h = fnv64(h, ip->b, ip_size(ip));
	return h ^ h >> 29;
}

/* Was the same told within SUSPECT_QUIET_NS? If not, it is now. */
static bool told(struct suspect *s, enum suspect_kind kind, uint32_t link, const struct ip *a, const struct ip *b,
		 const struct mac *mac)
{
	uint64_t h = hash_of(link, a);

	h = fnv64(h, b->b, ip_size(b));
	h = fnv64(h, mac->b, sizeof(mac->b)) + (uint64_t)kind + 1;
	size_t i = (size_t)(h % TOLD);
	bool lately = s->told[i].hash == h && s->now_ns - s->told[i].at_ns < SUSPECT_QUIET_NS;

	if (!lately || kind == SUSPECT_UNANSWERED) {	/* who goes on asking in vain is told of once */
		s->told[i].hash = h;
		s->told[i].at_ns = s->now_ns;
	}
	return lately;
}

static void mark(struct suspect *s, const struct suspect_mark *m)
{
	s->fn(s->user, m);
}

/* ------------------------------------------------------- solicitations and answers */

static void unlink_first(struct suspect *s)
{
	struct pending *p = &s->ring[s->first];
	uint32_t *at = &s->buckets[hash_of(p->place.link, &p->target) % BUCKETS];

	while (*at != s->first)
		at = &s->ring[*at].next;
	*at = p->next;
	s->first = (s->first + 1) % SUSPECT_PENDING;
	s->n--;
}

static void expire(struct suspect *s)
{
	static const struct ip none;

	while (s->n > 0 && s->ring[s->first].due_ns <= s->now_ns) {
		const struct pending p = s->ring[s->first];

		unlink_first(s);
		if (p.done || p.asker.family == 0)
			continue;
		if (!told(s, SUSPECT_UNANSWERED, p.place.link, &p.target, &none, &p.asker_mac))
			mark(s, &(struct suspect_mark){ .kind = SUSPECT_UNANSWERED, .about = p.about, .place = p.place,
							.at_ns = p.due_ns, .subject = p.target, .other = p.asker,
							.other_mac = p.asker_mac });
	}
}

static void ask(struct suspect *s, const struct suspect_place *place, enum heard_kind about, const struct ip *target,
		const struct ip *asker, const struct mac *mac)
{
	uint32_t *bucket = &s->buckets[hash_of(place->link, target) % BUCKETS];

	if (asker->family != 0 && !place->answer_passes)
		return;
	for (uint32_t i = *bucket; i != NONE; i = s->ring[i].next) {
		const struct pending *p = &s->ring[i];

		if (!p->done && p->place.link == place->link && p->place.vlan == place->vlan &&
		    ip_eq(&p->target, target) && mac_eq(&p->asker_mac, mac) && ip_eq(&p->asker, asker))
			return;		/* the same frame on another port, or asked again meanwhile */
	}
	if (s->n == SUSPECT_PENDING) {
		s->unjudged++;
		return;
	}
	uint32_t i = (s->first + s->n++) % SUSPECT_PENDING;

	s->ring[i] = (struct pending){ .place = *place,
				       .at_ns = s->now_ns,
				       .due_ns = s->now_ns + SUSPECT_WAIT_NS,
				       .target = *target,
				       .asker = *asker,
				       .asker_mac = *mac,
				       .about = about,
				       .next = *bucket };
	*bucket = i;
}

static void duplicate(struct suspect *s, const struct suspect_place *place, enum heard_kind about,
		      const struct ip *target, const struct mac *owner, const struct mac *checker)
{
	static const struct ip none;

	if (!told(s, SUSPECT_DUPLICATE, place->link, target, &none, checker))
		mark(s, &(struct suspect_mark){ .kind = SUSPECT_DUPLICATE,
						.about = about,
						.place = *place,
						.at_ns = s->now_ns,
						.subject = *target,
						.mac = *owner,
						.other_mac = *checker });
}

/* Somebody says that @target is at @owner. */
static void answer(struct suspect *s, const struct suspect_place *place, enum heard_kind about, const struct ip *target,
		   const struct mac *owner)
{
	for (uint32_t i = s->buckets[hash_of(place->link, target) % BUCKETS]; i != NONE; i = s->ring[i].next) {
		struct pending *p = &s->ring[i];

		if (p->done || p->place.link != place->link || p->place.vlan != place->vlan ||
		    !ip_eq(&p->target, target))
			continue;
		if (p->asker.family != 0) {
			p->done = true;
		} else if (!mac_eq(&p->asker_mac, owner)) {
			p->done = true;
			duplicate(s, place, about, target, owner, &p->asker_mac);
		}
	}
}

/* Another that checks the same address for duplicates at the same time. */
static void rivals(struct suspect *s, const struct suspect_place *place, enum heard_kind about, const struct ip *target,
		   const struct mac *mac)
{
	for (uint32_t i = s->buckets[hash_of(place->link, target) % BUCKETS]; i != NONE; i = s->ring[i].next) {
		const struct pending *p = &s->ring[i];

		if (!p->done && p->asker.family == 0 && p->place.link == place->link && p->place.vlan == place->vlan &&
		    ip_eq(&p->target, target) && !mac_eq(&p->asker_mac, mac))
			duplicate(s, place, about, target, mac, &p->asker_mac);
	}
}

static void check(struct suspect *s, const struct suspect_place *place, enum heard_kind about, const struct ip *target,
		  const struct mac *mac)
{
	static const struct ip none;

	rivals(s, place, about, target, mac);
	ask(s, place, about, target, &none, mac);
}

/* --------------------------------------------------------------- routers and servers */

static void speak(struct suspect *s, const struct suspect_place *place, enum heard_kind kind, const struct ip *ip,
		  const struct mac *mac)
{
	const struct speaker *before = NULL;
	struct speaker *mine = NULL;

	for (size_t i = 0; i < s->n_speakers; i++) {
		struct speaker *x = &s->speakers[i];

		if (x->kind != kind || x->link != place->link || x->vlan != place->vlan)
			continue;
		if (ip_eq(&x->ip, ip) && mac_eq(&x->mac, mac))
			mine = x;
		else if (!before || x->at_ns > before->at_ns)
			before = x;
	}
	if (!mine && s->n_speakers < SPEAKERS) {
		mine = &s->speakers[s->n_speakers++];
		*mine = (struct speaker){
			.kind = kind, .link = place->link, .vlan = place->vlan, .ip = *ip, .mac = *mac
		};
		if (before)
			mark(s, &(struct suspect_mark){ .kind = kind == HEARD_RA ? SUSPECT_TWO_ROUTERS
										 : SUSPECT_TWO_SERVERS,
							.about = kind,
							.place = *place,
							.at_ns = s->now_ns,
							.subject = *ip,
							.mac = *mac,
							.other = before->ip,
							.other_mac = before->mac });
	}
	if (mine)
		mine->at_ns = s->now_ns;
}

static void from_guest(struct suspect *s, const struct suspect_place *place, const struct heard *h,
		       enum suspect_kind kind)
{
	static const struct ip none;

	if (place->from_guest && !told(s, kind, place->ifindex, &h->src, &none, &h->src_mac))
		mark(s, &(struct suspect_mark){ .kind = kind, .about = h->kind, .place = *place, .at_ns = s->now_ns,
						.subject = h->src, .mac = h->src_mac });
}

static bool is_server6(uint8_t type)
{
	return type == DHCP6_ADVERTISE || type == DHCP6_REPLY || type == DHCP6_RECONFIGURE;
}

/* ------------------------------------------------------------------------- input */

static void heard_ns(struct suspect *s, const struct suspect_place *place, const struct heard *h)
{
	struct ip target = ip6(h->ns.target);

	if (IN6_IS_ADDR_UNSPECIFIED(&h->ns.src))
		check(s, place, h->kind, &target, &h->src_mac);
	else
		ask(s, place, h->kind, &target, &h->src, &h->src_mac);
}

/* A DHCP server asks for the address that it is about to give away, and hopes for no answer (RFC 2131 4.4.1). */
static bool serves(const struct suspect *s, const struct suspect_place *place)
{
	const uint32_t i = place->link % LINKS;

	return s->discovers[i].link == place->link && s->now_ns - s->discovers[i].at_ns < DISCOVER_NS;
}

static void heard_arp(struct suspect *s, const struct suspect_place *place, const struct heard *h)
{
	const struct arp *a = &h->arp;
	struct ip target = ip4(a->target), sender = ip4(a->sender);

	if (a->op == ARP_OP_REPLY || a->sender.s_addr == a->target.s_addr)
		answer(s, place, h->kind, &sender, &a->sender_mac);
	else if (a->sender.s_addr == 0)
		check(s, place, h->kind, &target, &a->sender_mac);	/* RFC 5227 1.1 */
	else if (!serves(s, place))
		ask(s, place, h->kind, &target, &sender, &a->sender_mac);
}

void suspect_heard(struct suspect *s, const struct suspect_place *place, const struct heard *h, int outcome,
		   uint64_t at_ns)
{
	static const struct ip none;
	struct ip ip;

	if (at_ns > s->now_ns)
		s->now_ns = at_ns;
	expire(s);
	if (outcome != 0) {
		if (!told(s, SUSPECT_BROKEN, place->link, &h->src, &none, &h->src_mac))
			mark(s, &(struct suspect_mark){ .kind = SUSPECT_BROKEN,
							.about = h->kind,
							.place = *place,
							.at_ns = s->now_ns,
							.subject = h->src,
							.mac = h->src_mac,
							.why = h->why });
		return;
	}
	switch (h->kind) {
	case HEARD_NS:
		heard_ns(s, place, h);
		break;
	case HEARD_NA:
		ip = ip6(h->na.target);
		answer(s, place, h->kind, &ip, h->na.has_tlla ? &h->na.tlla : &h->src_mac);
		break;
	case HEARD_ARP:
		heard_arp(s, place, h);
		break;
	case HEARD_RA:
		from_guest(s, place, h, SUSPECT_RA_FROM_GUEST);
		if (h->ra.lifetime_s > 0)
			speak(s, place, h->kind, &h->src, &h->src_mac);
		break;
	case HEARD_DHCP4:
		if (!h->dhcp4.reply) {
			s->discovers[place->link % LINKS].link = place->link;
			s->discovers[place->link % LINKS].at_ns = s->now_ns;
			break;
		}
		from_guest(s, place, h, SUSPECT_DHCP_FROM_GUEST);
		ip = ip4(h->dhcp4.server);
		if (h->dhcp4.server.s_addr && h->dhcp4.relay.s_addr == 0)
			speak(s, place, h->kind, &ip, &h->src_mac);
		break;
	case HEARD_DHCP6:
		if (!is_server6(h->dhcp6.type))
			break;
		from_guest(s, place, h, SUSPECT_DHCP_FROM_GUEST);
		speak(s, place, h->kind, &h->src, &h->src_mac);
		break;
	case HEARD_RS:
	case HEARD_REDIRECT:
	case HEARD_MLD_QUERY:
	case HEARD_MLD_REPORT:
	case HEARD_KIND_N_:
		break;
	}
}

void suspect_tick(struct suspect *s, uint64_t now_ns)
{
	if (now_ns > s->now_ns)
		s->now_ns = now_ns;
	expire(s);
}

uint64_t suspect_due(const struct suspect *s)
{
	return s->n > 0 ? s->ring[s->first].due_ns : UINT64_MAX;
}

uint64_t suspect_unjudged(const struct suspect *s)
{
	return s->unjudged;
}
