/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ra - router advertisements for one network
 *
 * Theory of operation. States: off (settings say so), initial (the first
 * three multicast advertisements, at most 16 s apart, after every change of
 * settings), steady (a random 200 to 600 s apart; less when a lifetime is so
 * short that it would run out). Every advertisement is built from the settings
 * and from what has left them; a build takes about a microsecond, so there is
 * no cached one to keep true.
 *
 * Standards: RFC 4861 6.2 (without reachable time and retransmission timer,
 * which stay unspecified), RFC 4862 5.5.3 e, RFC 6085, RFC 8106.
 */
#include "resp/ra.h"

#include <assert.h>
#include "net/eth.h"
#include "resp/seen.h"

#define RA_HOP_LIMIT 64
#define RA_INTERVAL_MAX_S 600u		/* RFC 4861 6.2.1: MaxRtrAdvInterval, and the least for Min as a third of it */
#define RA_INTERVAL_LEAST_S 4u
#define RA_INTERVALS 3u			/* that any lifetime lasts at least */
#define RA_LIFETIME_S 1800u		/* of the router (AdvDefaultLifetime) and of DNS entries (RFC 8106 5.1) */
#define RA_INITIAL_N 3u			/* RFC 4861 10 */
#define RA_INITIAL_INTERVAL (16 * MONO_S)
#define RA_INITIAL_FIRST (500 * MONO_MS)	/* MAX_RA_DELAY_TIME: the jitter before the second and later ones */
#define RA_MULTICAST_GAP (3 * MONO_S)	/* MIN_DELAY_BETWEEN_RAS */
#define RA_WITHDRAWN_VALID_S 7200u	/* RFC 4862 5.5.3 e */
#define RA_MTU_MIN 1280u		/* RFC 8200 5 */
#define RA_GUESTS 4096
#define RA_GREETING_GAP (3 * MONO_S)
#define RA_GREETINGS_BURST 1024u
#define RA_GREETINGS_PER_S 256u
#define RA_GONE_PREFIXES (2 * SERVICE_PREFIXES)

enum ra_state {
	RA_STATE_OFF,
	RA_STATE_INITIAL,
	RA_STATE_STEADY,
	RA_STATE_N_,
};

/* A prefix that left the settings. */
struct gone_prefix {
	struct in6_addr prefix;
	uint8_t len;
	bool on_link, autonomous;
	mono_t until;
};

struct ra {
	struct service service;
	enum ra_state state;
	unsigned int n_initial;		/* multicast advertisements left in RA_STATE_INITIAL */
	mono_t next;			/* multicast advertisement */
	mono_t last;			/* multicast advertisement; 0: none yet */
	uint64_t random;
	struct seen *guests;		/* by MAC; at: last advertisement for this one alone */
	unsigned int n_tokens;		/* of greetings */
	mono_t tokens_at;

	size_t n_gone_prefixes, n_gone_dns;
	struct gone_prefix gone_prefixes[RA_GONE_PREFIXES];
	struct in6_addr gone_dns[SERVICE_DNS];
	char gone_domain[DOMAIN_MAX + 1];
	struct ra_stats stats;
};

static const struct in6_addr all_nodes = { .s6_addr = { 0xff, 0x02, [15] = 1 } };

/* splitmix64: uniform in [0, n). */
static uint64_t pick(struct ra *ra, uint64_t n)
{
	uint64_t x = ra->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % n;
}

/* MaxRtrAdvInterval in seconds: such that every lifetime outlives three of them. */
static uint32_t interval_max(const struct service *s)
{
	uint32_t least = RA_INTERVAL_MAX_S * RA_INTERVALS;

	for (uint32_t i = 0; i < s->n_prefixes; i++) {
		const struct service_prefix *p = &s->prefixes[i];
		uint32_t life = p->preferred_s > 0 && p->preferred_s < p->valid_s ? p->preferred_s : p->valid_s;

		if (life > 0 && life < least)
			least = life;
	}
	least /= RA_INTERVALS;
	return least < RA_INTERVAL_LEAST_S ? RA_INTERVAL_LEAST_S : least;
}

static void set_state(struct ra *ra, enum ra_state to, mono_t now)
{
	mono_t earliest = ra->last ? mono_add(ra->last, RA_MULTICAST_GAP) : now;

	switch (to) {
	case RA_STATE_OFF:
		ra->next = MONO_NEVER;
		break;
	case RA_STATE_INITIAL:
		ra->n_initial = RA_INITIAL_N;
		ra->next = earliest > now ? earliest : now;
		break;
	case RA_STATE_STEADY:
		assert(ra->state == RA_STATE_INITIAL);
		ra->n_gone_dns = 0;
		ra->gone_domain[0] = '\0';
		break;
	case RA_STATE_N_:
		assert(0);
	}
	ra->state = to;
}

int ra_new(struct ra **ret, const struct service *service, uint64_t seed, mono_t now)
{
	_cleanup_(ra_freep) struct ra *ra = NEW(struct ra);
	int r = seen_new(&ra->guests, RA_GUESTS, seed);

	if (r < 0)
		return r;
	ra->random = seed;
	ra->service = *service;
	ra->n_tokens = RA_GREETINGS_BURST;
	ra->tokens_at = now;
	set_state(ra, service->ra ? RA_STATE_INITIAL : RA_STATE_OFF, now);
	*ret = STEAL_PTR(ra);
	return 0;
}

struct ra *ra_free(struct ra *ra)
{
	if (!ra)
		return NULL;
	seen_free(ra->guests);
	free(ra);
	return NULL;
}

static bool same_prefix(const struct in6_addr *a, uint8_t a_len, const struct in6_addr *b, uint8_t b_len)
{
	return a_len == b_len && IN6_ARE_ADDR_EQUAL(a, b);
}

/* Its time is told by those who know all leases; what is left of it is on the link as long as we are told of it. */
static void add_drain(const struct service_drain *drain, mono_t now, struct ndp_ra *msg)
{
	bool autonomous = drain->until >= now + MONO_S;
	uint32_t left_s = autonomous ? (uint32_t)((drain->until - now) / MONO_S) : 0;

	if (drain->gateway.ip.family != AF_INET6)
		return;
	msg->prefixes[msg->n_prefixes++] = (struct ndp_prefix){
		prefix_network(&drain->gateway).v6, drain->gateway.len, true, autonomous, autonomous ? left_s : RA_LIFETIME_S, 0,
	};
}

static void add_prefixes(const struct ra *ra, bool goodbye, mono_t now, struct ndp_ra *msg)
{
	const struct service *s = &ra->service;

	static_assert(SERVICE_PREFIXES + SERVICE_DRAINS + RA_GONE_PREFIXES <= NDP_RA_PREFIXES, "an advertisement has too few prefixes");
	for (uint32_t i = 0; i < s->n_prefixes; i++) {
		const struct service_prefix *p = &s->prefixes[i];
		struct ndp_prefix *to = &msg->prefixes[msg->n_prefixes++];

		*to = (struct ndp_prefix){ p->prefix, p->len, p->on_link, p->autonomous, p->valid_s, p->preferred_s };
		if (to->preferred_s > to->valid_s)
			to->preferred_s = to->valid_s;
		if (goodbye) {
			to->preferred_s = 0;
			if (to->valid_s > RA_WITHDRAWN_VALID_S)
				to->valid_s = RA_WITHDRAWN_VALID_S;
		}
	}
	for (uint32_t i = 0; i < s->n_drains; i++)
		add_drain(&s->drains[i], now, msg);
	for (size_t i = 0; i < ra->n_gone_prefixes; i++) {
		const struct gone_prefix *p = &ra->gone_prefixes[i];

		if (p->until > now)
			msg->prefixes[msg->n_prefixes++] = (struct ndp_prefix){
				p->prefix, p->len, p->on_link, p->autonomous, (uint32_t)((p->until - now) / MONO_S), 0,
			};
	}
}

static void add_dns(const struct ra *ra, uint32_t lifetime_s, struct ndp_ra *msg)
{
	const struct service *s = &ra->service;

	static_assert(2 * SERVICE_DNS <= NDP_RA_RDNSS, "an advertisement has too few servers");
	for (uint32_t i = 0; i < s->n_dns6; i++)
		msg->rdnss[msg->n_rdnss++] = (struct ndp_rdnss){ s->dns6[i], lifetime_s };
	for (size_t i = 0; i < ra->n_gone_dns; i++)
		msg->rdnss[msg->n_rdnss++] = (struct ndp_rdnss){ ra->gone_dns[i], 0 };
	if (s->domain[0]) {
		struct ndp_dnssl *d = &msg->dnssl[msg->n_dnssl++];

		(void)str_copy(d->domain, sizeof(d->domain), s->domain);
		d->lifetime_s = lifetime_s;
	}
	if (ra->gone_domain[0]) {
		struct ndp_dnssl *d = &msg->dnssl[msg->n_dnssl++];

		(void)str_copy(d->domain, sizeof(d->domain), ra->gone_domain);
		d->lifetime_s = 0;
	}
}

/* Only the members that are counted or always read are set: the whole struct is some kilobytes. */
static void ndp_ra_clear(struct ndp_ra *msg)
{
	memset(msg, 0, offsetof(struct ndp_ra, prefixes));
}

static bool send_ra(const struct ra *ra, const struct mac *to_mac, const struct in6_addr *to, bool goodbye, mono_t now,
		    struct out *out)
{
	const struct service *s = &ra->service;
	uint32_t lifetime_s = goodbye ? 0 : RA_LIFETIME_S;
	struct wr w = out_begin(out);
	struct ndp_ra msg;

	ndp_ra_clear(&msg);
	msg.hop_limit = RA_HOP_LIMIT;
	msg.managed = s->managed;
	msg.other = s->other;
	msg.preference = NDP_PREFERENCE_MEDIUM;
	msg.lifetime_s = (uint16_t)(s->routes ? lifetime_s : 0);
	msg.has_slla = true;
	msg.slla = s->mac;
	msg.mtu = s->mtu >= RA_MTU_MIN ? s->mtu : 0;
	add_prefixes(ra, goodbye, now, &msg);
	add_dns(ra, lifetime_s, &msg);

	eth_begin(&w, to_mac, &s->mac, ETH_TYPE_IP6);
	ndp_put_ra(&w, &s->link_local, to, &msg);
	return out_send(out, &w, OUT_SOCKET_IP6);
}

static void send_multicast(struct ra *ra, bool goodbye, mono_t now, struct out *out)
{
	struct mac mac = mac_of_multicast6(&all_nodes);

	if (send_ra(ra, &mac, &all_nodes, goodbye, now, out))
		ra->stats.n_multicast++;
}

/* Forget prefixes whose time is over. */
static void sweep_prefixes(struct ra *ra, mono_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < ra->n_gone_prefixes; i++)
		if (ra->gone_prefixes[i].until > now)
			ra->gone_prefixes[n++] = ra->gone_prefixes[i];
	ra->n_gone_prefixes = n;
}

static bool service_has_prefix(const struct service *s, const struct in6_addr *prefix, uint8_t len)
{
	for (uint32_t i = 0; i < s->n_prefixes; i++)
		if (same_prefix(&s->prefixes[i].prefix, s->prefixes[i].len, prefix, len))
			return true;
	for (uint32_t i = 0; i < s->n_drains; i++) {
		const struct ip network = prefix_network(&s->drains[i].gateway);

		if (network.family == AF_INET6 && same_prefix(&network.v6, s->drains[i].gateway.len, prefix, len))
			return true;
	}
	return false;
}

static void drop_gone_prefix(struct ra *ra, size_t i)
{
	memmove(&ra->gone_prefixes[i], &ra->gone_prefixes[i + 1],
		(--ra->n_gone_prefixes - i) * sizeof(ra->gone_prefixes[0]));
}

static void note_gone_prefixes(struct ra *ra, const struct service *to, mono_t now)
{
	const struct service *from = &ra->service;

	sweep_prefixes(ra, now);
	for (size_t i = 0; i < ra->n_gone_prefixes;)
		if (service_has_prefix(to, &ra->gone_prefixes[i].prefix, ra->gone_prefixes[i].len))
			drop_gone_prefix(ra, i);
		else
			i++;
	for (uint32_t i = 0; i < from->n_prefixes; i++) {
		const struct service_prefix *p = &from->prefixes[i];
		uint32_t valid_s = p->valid_s < RA_WITHDRAWN_VALID_S ? p->valid_s : RA_WITHDRAWN_VALID_S;

		if (service_has_prefix(to, &p->prefix, p->len))
			continue;
		if (ra->n_gone_prefixes == RA_GONE_PREFIXES)
			drop_gone_prefix(ra, 0);	/* the oldest: its guests have heard of it */
		ra->gone_prefixes[ra->n_gone_prefixes++] = (struct gone_prefix){
			p->prefix, p->len, p->on_link, p->autonomous, mono_add(now, valid_s * MONO_S),
		};
	}
}

static bool service_has_dns(const struct service *s, const struct in6_addr *server)
{
	for (uint32_t i = 0; i < s->n_dns6; i++)
		if (IN6_ARE_ADDR_EQUAL(&s->dns6[i], server))
			return true;
	return false;
}

static void note_gone_dns(struct ra *ra, const struct service *to)
{
	struct in6_addr gone[SERVICE_DNS];
	size_t n = 0;

	/* Those of this change first: when there is no room, older ones have been told already. */
	for (uint32_t i = 0; i < ra->service.n_dns6 && n < ARRAY_LEN(gone); i++)
		if (!service_has_dns(to, &ra->service.dns6[i]))
			gone[n++] = ra->service.dns6[i];
	for (size_t i = 0; i < ra->n_gone_dns && n < ARRAY_LEN(gone); i++)
		if (!service_has_dns(to, &ra->gone_dns[i]))
			gone[n++] = ra->gone_dns[i];
	memcpy(ra->gone_dns, gone, n * sizeof(gone[0]));
	ra->n_gone_dns = n;

	if (ra->service.domain[0] && !str_eq(ra->service.domain, to->domain))
		(void)str_copy(ra->gone_domain, sizeof(ra->gone_domain), ra->service.domain);
	if (str_eq(ra->gone_domain, to->domain))
		ra->gone_domain[0] = '\0';
}

void ra_configure(struct ra *ra, const struct service *service, mono_t now, struct out *out)
{
	bool was_on = ra->state != RA_STATE_OFF;
	bool moved = !IN6_ARE_ADDR_EQUAL(&service->link_local, &ra->service.link_local) ||
		     !mac_eq(&service->mac, &ra->service.mac);

	if (was_on && (!service->ra || moved))
		ra_goodbye(ra, now, out);
	if (was_on) {
		note_gone_prefixes(ra, service, now);
		note_gone_dns(ra, service);
	}
	ra->service = *service;
	set_state(ra, service->ra ? RA_STATE_INITIAL : RA_STATE_OFF, now);
}

/* Remember that a guest just got an advertisement of its own. */
static void note_guest(struct ra *ra, const struct mac *mac, mono_t now)
{
	struct seen_key key = seen_key_mac(mac);
	bool is_new;

	seen_put(ra->guests, &key, &is_new)->at = now;
}

void ra_input(struct ra *ra, const struct ndp_rs *rs, const struct mac *mac, mono_t now, struct out *out)
{
	const struct in6_addr *to = IN6_IS_ADDR_UNSPECIFIED(&rs->src) ? &all_nodes : &rs->src;

	if (ra->state == RA_STATE_OFF)
		return;
	if (!send_ra(ra, mac, to, false, now, out))
		return;
	ra->stats.n_solicited++;
	note_guest(ra, mac, now);
}

static bool take_token(struct ra *ra, mono_t now)
{
	uint64_t back = (now - ra->tokens_at) / (MONO_S / RA_GREETINGS_PER_S);

	if (back > 0) {
		ra->n_tokens = back < RA_GREETINGS_BURST - ra->n_tokens ? ra->n_tokens + (unsigned int)back :
									   RA_GREETINGS_BURST;
		ra->tokens_at += back * (MONO_S / RA_GREETINGS_PER_S);
	}
	if (ra->n_tokens == 0)
		return false;
	ra->n_tokens--;
	return true;
}

void ra_first_frame(struct ra *ra, const struct mac *mac, bool starting, mono_t now, struct out *out)
{
	struct seen_key key = seen_key_mac(mac);
	struct seen_entry *guest = seen_get(ra->guests, &key);

	if (ra->state == RA_STATE_OFF)
		return;
	if (guest && (!starting || now < mono_add(guest->at, RA_GREETING_GAP)))
		return;
	if (!take_token(ra, now)) {
		ra->stats.n_held_back++;
		return;
	}
	if (!send_ra(ra, mac, &all_nodes, false, now, out))
		return;
	ra->stats.n_greetings++;
	note_guest(ra, mac, now);
}

void ra_goodbye(struct ra *ra, mono_t now, struct out *out)
{
	if (ra->state == RA_STATE_OFF)
		return;
	sweep_prefixes(ra, now);
	send_multicast(ra, true, now, out);
}

mono_t ra_deadline(const struct ra *ra)
{
	return ra->next;
}

static void advertise(struct ra *ra, mono_t now, struct out *out)
{
	sweep_prefixes(ra, now);
	send_multicast(ra, false, now, out);
	ra->last = now;

	mono_t max = interval_max(&ra->service) * MONO_S, min = max / 3;
	mono_t wait = min + pick(ra, max - min);

	if (ra->state == RA_STATE_INITIAL) {
		if (--ra->n_initial == 0)
			set_state(ra, RA_STATE_STEADY, now);
		else if (wait > RA_INITIAL_INTERVAL)
			wait = RA_INITIAL_INTERVAL - pick(ra, RA_INITIAL_FIRST);
	}
	ra->next = mono_add(now, wait);
}

void ra_tick(struct ra *ra, mono_t now, struct out *out)
{
	if (now >= ra->next)
		advertise(ra, now, out);
}

void ra_join(struct ra *ra, mono_t now, struct out *out)
{
	mono_t min = interval_max(&ra->service) * MONO_S / 3;

	if (min < RA_MULTICAST_GAP)
		min = RA_MULTICAST_GAP;
	if (ra->state == RA_STATE_STEADY && now >= mono_add(ra->last, min))
		advertise(ra, now, out);
}

const struct ra_stats *ra_stats(const struct ra *ra)
{
	return &ra->stats;
}
