/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "diag/suspect.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define SPEAKERS_TRIED 1000

struct seen {
	size_t n;
	struct suspect_mark last;
};

static void on_mark(void *user, const struct suspect_mark *m)
{
	struct seen *seen = user;

	seen->n++;
	seen->last = *m;
}

static struct ip ip(const char *text)
{
	struct ip ip = { 0 };

	assert_true(!*text || ip_parse(text, &ip));
	return ip;
}

static struct mac mac(uint8_t n)
{
	return (struct mac){ { 2, 0, 0, 0, 0, n } };
}

enum step_kind { END, NS, NA, RA, GONE_RA, ARP_ASK, ARP_TELL, DISCOVER, OFFER, ADVERTISE, BROKEN, TICK };

/* A frame, or time that passes. Addresses: NS target, asker ("": a check for duplicates); RA and OFFER: who, "". */
struct step {
	enum step_kind kind;
	uint64_t at_ns;
	const char *a, *b;
	uint8_t mac;
	uint32_t ifindex, link;
	bool from_guest, unseen;	/* unseen: the answer needn't pass */
	uint16_t vlan;
};

static void feed(struct suspect *s, const struct step *step)
{
	static struct heard h;
	struct suspect_place place = { .ifindex = step->ifindex ? step->ifindex : 7,
				       .link = step->link ? step->link : 7,
				       .from_guest = step->from_guest,
				       .answer_passes = !step->unseen,
				       .vlan = step->vlan };
	struct ip a = ip(step->a ? step->a : ""), b = ip(step->b ? step->b : "");
	int outcome = 0;

	memset(&h, 0, sizeof(h));
	h.src_mac = mac(step->mac);
	h.src = b;
	switch (step->kind) {
	case NS:
		h.kind = HEARD_NS;
		h.ns.target = a.v6;
		h.ns.src = b.v6;
		break;
	case NA:
		h.kind = HEARD_NA;
		h.na.target = a.v6;
		break;
	case RA:
	case GONE_RA:
		h.kind = HEARD_RA;
		h.src = a;
		h.ra.lifetime_s = step->kind == RA ? 1800 : 0;
		break;
	case ARP_ASK:
	case ARP_TELL:
		h.kind = HEARD_ARP;
		h.src = (struct ip){ 0 };
		h.arp = (struct arp){ .op = step->kind == ARP_ASK ? ARP_OP_REQUEST : ARP_OP_REPLY,
				      .sender_mac = mac(step->mac),
				      .sender = step->kind == ARP_ASK ? b.v4 : a.v4,
				      .target = step->kind == ARP_ASK ? a.v4 : b.v4 };
		break;
	case DISCOVER:
		h.kind = HEARD_DHCP4;
		h.dhcp4.type = 1;
		break;
	case OFFER:
		h.kind = HEARD_DHCP4;
		h.dhcp4 = (struct heard_dhcp4){ .type = 2, .reply = true, .server = a.v4 };
		break;
	case ADVERTISE:
		h.kind = HEARD_DHCP6;
		h.src = a;
		h.dhcp6.type = 2;
		break;
	case BROKEN:
		h.kind = HEARD_RA;
		h.why = "its hop limit isn't 255";
		outcome = HEARD_E_BROKEN;
		break;
	case TICK:
		suspect_tick(s, step->at_ns);
		return;
	case END:
		fail();
	}
	suspect_heard(s, &place, &h, outcome, step->at_ns);
}

#define F(kind_, at, a_, b_, mac_, ...) { .kind = kind_, .at_ns = (at), .a = a_, .b = b_, .mac = mac_, ##__VA_ARGS__ }
#define T(at) { .kind = TICK, .at_ns = (at) }
#define ON(ifindex_, link_) .ifindex = ifindex_, .link = link_

#define X "2001:db8::9"
#define ME "fe80::1"

static void stories(void **state)
{
	static const struct {
		const char *why;
		struct step steps[8];
		size_t n;			/* marks */
		enum suspect_kind last;
		const char *subject;
	} t[] = {
		{ "answered in time", { F(NS, 0, X, ME, 1), F(NA, 900 * MS, X, X, 2), T(5 * S) }, 0, 0, "" },
		{ "answered too late",
		  { F(NS, 0, X, ME, 1), F(NA, 1001 * MS, X, X, 2), T(5 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  X },
		{ "not yet", { F(NS, 0, X, ME, 1), T(999 * MS) }, 0, 0, "" },
		{ "nobody", { F(NS, 0, X, ME, 1), T(1 * S) }, 1, SUSPECT_UNANSWERED, X },
		{ "another was answered",
		  { F(NS, 0, X, ME, 1), F(NA, 10 * MS, "2001:db8::8", ME, 2), T(1 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  X },
		{ "asking on is told of once",
		  { F(NS, 0, X, ME, 1), T(S), F(NS, 2 * S, X, ME, 1), T(3 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  X },
		{ "and again after a minute of quiet",
		  { F(NS, 0, X, ME, 1), T(S), F(NS, 62 * S, X, ME, 1), T(64 * S) },
		  2,
		  SUSPECT_UNANSWERED,
		  X },
		{ "flooded to two ports, answered on one",
		  { F(NS, 0, X, ME, 1, ON(3, 7)), F(NS, 0, X, ME, 1, ON(4, 7)), F(NA, MS, X, X, 2, ON(4, 7)),
		    T(2 * S) },
		  0,
		  0,
		  "" },
		{ "flooded to two ports, told once",
		  { F(NS, 0, X, ME, 1, ON(3, 7)), F(NS, 0, X, ME, 1, ON(4, 7)), T(2 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  X },
		{ "an answer on another link is none",
		  { F(NS, 0, X, ME, 1, ON(3, 3)), F(NA, MS, X, X, 2, ON(4, 4)), T(2 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  X },
		{ "nor in another VLAN",
		  { F(NS, 0, X, ME, 1), F(NA, MS, X, X, 2, .vlan = 5), T(2 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  X },
		{ "from the cable: the answer may pass elsewhere",
		  { F(NS, 0, X, ME, 1, .unseen = true), T(2 * S) },
		  0,
		  0,
		  "" },
		{ "ARP alike",
		  { F(ARP_ASK, 0, "192.0.2.9", "192.0.2.1", 1), T(2 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  "192.0.2.9" },
		{ "ARP answered",
		  { F(ARP_ASK, 0, "192.0.2.9", "192.0.2.1", 1), F(ARP_TELL, MS, "192.0.2.9", "192.0.2.1", 2),
		    T(2 * S) },
		  0,
		  0,
		  "" },
		{ "a DHCP server sees whether an address is free",
		  { F(DISCOVER, 0, "", "", 2), F(ARP_ASK, MS, "192.0.2.9", "192.0.2.1", 1), T(2 * S) },
		  0,
		  0,
		  "" },
		{ "on another link",
		  { F(DISCOVER, 0, "", "", 2, ON(3, 3)), F(ARP_ASK, MS, "192.0.2.9", "192.0.2.1", 1), T(2 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  "192.0.2.9" },
		{ "later",
		  { F(DISCOVER, 0, "", "", 2), F(ARP_ASK, 11 * S, "192.0.2.9", "192.0.2.1", 1), T(13 * S) },
		  1,
		  SUSPECT_UNANSWERED,
		  "192.0.2.9" },
		{ "a free address", { F(NS, 0, X, "::", 1), T(5 * S) }, 0, 0, "" },
		{ "a taken address",
		  { F(NS, 0, X, "::", 1, .unseen = true), F(NA, MS, X, X, 2) },
		  1,
		  SUSPECT_DUPLICATE,
		  X },
		{ "one's own announcement", { F(NS, 0, X, "::", 1), F(NA, MS, X, X, 1), T(5 * S) }, 0, 0, "" },
		{ "two that check at once", { F(NS, 0, X, "::", 1), F(NS, MS, X, "::", 2) }, 1, SUSPECT_DUPLICATE, X },
		{ "one check on two ports",
		  { F(NS, 0, X, "::", 1, ON(3, 7)), F(NS, 0, X, "::", 1, ON(4, 7)) },
		  0,
		  0,
		  "" },
		{ "IPv4: a probe that is answered",
		  { F(ARP_ASK, 0, "192.0.2.9", "0.0.0.0", 1), F(ARP_TELL, MS, "192.0.2.9", "0.0.0.0", 2) },
		  1,
		  SUSPECT_DUPLICATE,
		  "192.0.2.9" },
		{ "one router", { F(RA, 0, ME, "", 1), F(RA, S, ME, "", 1) }, 0, 0, "" },
		{ "a second one",
		  { F(RA, 0, ME, "", 1), F(RA, S, "fe80::2", "", 2), F(RA, 2 * S, ME, "", 1),
		    F(RA, 3 * S, "fe80::2", "", 2) },
		  1,
		  SUSPECT_TWO_ROUTERS,
		  "fe80::2" },
		{ "a second one with the same address",
		  { F(RA, 0, ME, "", 1), F(RA, S, ME, "", 2) },
		  1,
		  SUSPECT_TWO_ROUTERS,
		  ME },
		{ "one that is no default router", { F(RA, 0, ME, "", 1), F(GONE_RA, S, "fe80::2", "", 2) }, 0, 0, "" },
		{ "one for each link",
		  { F(RA, 0, ME, "", 1, ON(3, 3)), F(RA, S, "fe80::2", "", 2, ON(4, 4)) },
		  0,
		  0,
		  "" },
		{ "from a guest",
		  { F(RA, 0, ME, "", 1, .from_guest = true), F(RA, S, ME, "", 1, .from_guest = true) },
		  1,
		  SUSPECT_RA_FROM_GUEST,
		  ME },
		{ "two DHCP servers",
		  { F(OFFER, 0, "192.0.2.1", "", 1), F(OFFER, 0, "192.0.2.2", "", 2) },
		  1,
		  SUSPECT_TWO_SERVERS,
		  "192.0.2.2" },
		{ "two DHCPv6 servers",
		  { F(ADVERTISE, 0, ME, "", 1), F(ADVERTISE, 0, "fe80::2", "", 2) },
		  1,
		  SUSPECT_TWO_SERVERS,
		  "fe80::2" },
		{ "a DHCP server beside a DHCPv6 server",
		  { F(OFFER, 0, "192.0.2.1", "", 1), F(ADVERTISE, 0, "fe80::2", "", 2) },
		  0,
		  0,
		  "" },
		{ "a guest that answers DHCP",
		  { F(OFFER, 0, "192.0.2.1", "192.0.2.1", 1, .from_guest = true) },
		  1,
		  SUSPECT_DHCP_FROM_GUEST,
		  "192.0.2.1" },
		{ "against a rule, told once",
		  { F(BROKEN, 0, "", ME, 1), F(BROKEN, S, "", ME, 1) },
		  1,
		  SUSPECT_BROKEN,
		  ME },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct seen seen = { 0 };
		_cleanup_(suspect_freep) struct suspect *s = suspect_new(on_mark, &seen);

		for (size_t k = 0; k < ARRAY_LEN(t[i].steps) && t[i].steps[k].kind != END; k++) {
			struct step step = t[i].steps[k];

			step.at_ns += 100 * S;
			feed(s, &step);
		}
		struct ip want = ip(t[i].subject);
		if (seen.n != t[i].n || (seen.n && (seen.last.kind != t[i].last || !ip_eq(&seen.last.subject, &want))))
			fail_msg("%s: %zu marks, the last %s of %s", t[i].why, seen.n,
				 seen.n ? suspect_name[seen.last.kind] : "", IP_STR(&seen.last.subject));
	}
}

/* More questions than there is room for: counted, and those that fit are judged. */
static void storm(void **state)
{
	struct seen seen = { 0 };
	_cleanup_(suspect_freep) struct suspect *s = suspect_new(on_mark, &seen);
	char target[64];

	(void)state;
	for (unsigned int i = 0; i < SUSPECT_PENDING + 500; i++) {
		(void)snprintf(target, sizeof(target), "2001:db8::%x", i + 1);
		feed(s, &(struct step)F(NS, 100 * S + i, target, ME, 1));
	}
	assert_int_equal(suspect_unjudged(s), 500);
	assert_int_equal(suspect_due(s), 101 * S);
	assert_int_equal(seen.n, 0);
	suspect_tick(s, 102 * S);
	assert_int_equal(seen.n, SUSPECT_PENDING);
	assert_int_equal(suspect_due(s), UINT64_MAX);
	for (unsigned int i = 0; i < SPEAKERS_TRIED; i++) {
		(void)snprintf(target, sizeof(target), "fe80::%x", i + 1);
		feed(s, &(struct step)F(RA, 103 * S + i, target, "", (uint8_t)i));
	}
	assert_true(seen.n < SUSPECT_PENDING + SPEAKERS_TRIED); /* who makes routers up fills a table, no more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stories),
		cmocka_unit_test(storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
