/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mcast - which multicast groups one guest listens to
 */
#include "resp/mcast.h"

#include <arpa/inet.h>

#define ROUND (2 * MONO_S)		/* from a query until its answer must be there: half a second is asked for */
#define ASK_AGAIN MONO_S		/* before something is dropped; after no answer at all, doubling up to ASK_EVERY */
#define ASK_SOON (20 * MONO_S)		/* after use of an address whose report hasn't come */
#define ASK_DOUBT MONO_S		/* after a report that doesn't say whether the guest still listens */
#define ASK_EVERY (600 * MONO_S)
#define ASK_MANY (60 * MONO_S)		/* while there are too many; doubles up to ASK_EVERY */
#define MISSES 2
#define QMP_SLACK MONO_S		/* a driver sets its filter a little after the guest's report */

#define DYNAMIC (MCAST_BY_MLD | MCAST_BY_DAD)

struct entry {
	struct in6_addr ip;	/* IPv4 as ::ffff:a.b.c.d; :: when only the Ethernet group is known */
	struct mac mac;
	uint8_t reasons;	/* 0: free */
	uint8_t missed;		/* answers that didn't mention it */
	bool fixed;		/* every node listens to it */
	mono_t at;		/* of the last evidence by MLD or DAD */
};

struct group {
	struct mac mac;
	uint16_t n[MCAST_REASONS];	/* entries with that reason */
	uint8_t told;
};

struct mcast {
	struct entry entries[MCAST_ENTRIES];
	struct group groups[MCAST_GROUPS];
	size_t n_groups;
	uint8_t all, told_all;		/* enum mcast_all */
	bool may_ask, has_answered;
	mono_t ask_at;
	mono_t round, round_end;	/* since when we wait for an answer; NEVER: we don't */
	bool answered[2], unsure[2], many;	/* in this round: of MLD and IGMP; more than there is room for */
	mono_t many_wait, silent_wait;
};

enum family { MLD, IGMP };

static const struct in6_addr all_nodes = { { { 0xff, 2, [15] = 1 } } };
static const struct in6_addr all_hosts = { { { [10] = 0xff, 0xff, 224, 0, 0, 1 } } };

int mcast_new(struct mcast **ret, mono_t now)
{
	struct mcast *m = NEW(struct mcast);

	m->ask_at = now;
	m->round = m->round_end = MONO_NEVER;
	m->many_wait = ASK_MANY;
	m->silent_wait = ASK_AGAIN;
	*ret = m;
	return 0;
}

struct mcast *mcast_free(struct mcast *m)
{
	free(m);
	return NULL;
}

void mcast_may_ask(struct mcast *m, bool may)
{
	m->may_ask = may;
}

static struct mac mac_of(const struct in6_addr *ip)
{
	if (!IN6_IS_ADDR_V4MAPPED(ip))
		return mac_of_multicast6(ip);
	return (struct mac){ { 0x01, 0x00, 0x5e, ip->s6_addr[13] & 0x7f, ip->s6_addr[14], ip->s6_addr[15] } };
}

static enum family family_of(const struct entry *e)
{
	return e->mac.b[0] == 0x33 ? MLD : IGMP;
}

static void ask_by(struct mcast *m, mono_t at)
{
	m->ask_at = mono_min(m->ask_at, at);
}

/* ---- Ethernet groups ---- */

static uint8_t group_reasons(const struct group *g)
{
	uint8_t reasons = 0;

	for (unsigned int i = 0; i < MCAST_REASONS; i++)
		if (g->n[i] > 0)
			reasons |= (uint8_t)(1u << i);
	return reasons;
}

static struct group *find_group(struct mcast *m, const struct mac *mac)
{
	for (size_t i = 0; i < m->n_groups; i++)
		if (mac_eq(&m->groups[i].mac, mac))
			return &m->groups[i];
	return NULL;
}

/* Groups that main needn't hear of any more make room. Return: a group, or NULL. */
static struct group *make_group(struct mcast *m, const struct mac *mac)
{
	struct group *g = find_group(m, mac);

	if (g)
		return g;
	if (m->n_groups == MCAST_GROUPS) {
		for (size_t i = 0; i < m->n_groups && !g; i++)
			if (group_reasons(&m->groups[i]) == 0 && m->groups[i].told == 0)
				g = &m->groups[i];
		if (!g)
			return NULL;
	} else {
		g = &m->groups[m->n_groups++];
	}
	*g = (struct group){ .mac = *mac };
	return g;
}

static void count(struct mcast *m, const struct mac *mac, uint8_t before, uint8_t after)
{
	struct group *g = find_group(m, mac);

	for (unsigned int i = 0; i < MCAST_REASONS; i++) {
		g->n[i] += after >> i & 1;
		g->n[i] -= before >> i & 1;
	}
}

size_t mcast_n_groups(const struct mcast *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_groups; i++)
		n += group_reasons(&m->groups[i]) != 0;
	return n;
}

/* ---- evidence ---- */

static void set_reasons(struct mcast *m, struct entry *e, uint8_t reasons)
{
	count(m, &e->mac, e->reasons, reasons);
	e->reasons = reasons;
}

static struct entry *find(struct mcast *m, const struct in6_addr *ip, const struct mac *mac)
{
	for (size_t i = 0; i < MCAST_ENTRIES; i++) {
		struct entry *e = &m->entries[i];

		if (e->reasons && mac_eq(&e->mac, mac) && IN6_ARE_ADDR_EQUAL(&e->ip, ip))
			return e;
	}
	return NULL;
}

/* Of what is known from use alone, only so much is kept. */
static void bound_used(struct mcast *m)
{
	struct entry *oldest = NULL;
	size_t n = 0;

	for (size_t i = 0; i < MCAST_ENTRIES; i++) {
		struct entry *e = &m->entries[i];

		if (e->reasons != MCAST_BY_DAD)
			continue;
		n++;
		if (!oldest || e->at < oldest->at)
			oldest = e;
	}
	if (n >= MCAST_USED)
		set_reasons(m, oldest, 0);
}

static void too_many(struct mcast *m, mono_t now)
{
	m->many = true;
	if (m->all & MCAST_ALL_MANY)
		return;
	m->all |= MCAST_ALL_MANY;
	m->many_wait = ASK_MANY;
	ask_by(m, mono_add(now, m->many_wait));
}

/* Return: the entry with @reason added, or NULL: there is no room. */
static struct entry *add(struct mcast *m, const struct in6_addr *ip, const struct mac *mac, uint8_t reason, mono_t now)
{
	struct entry *e = find(m, ip, mac);

	if (!e) {
		if (reason == MCAST_BY_DAD)
			bound_used(m);
		for (size_t i = 0; i < MCAST_ENTRIES && !e; i++)
			if (!m->entries[i].reasons)
				e = &m->entries[i];
		if (!e || !make_group(m, mac)) {
			too_many(m, now);
			return NULL;
		}
		*e = (struct entry){ .ip = *ip, .mac = *mac };
	}
	set_reasons(m, e, e->reasons | reason);
	return e;
}

/* What was known of the Ethernet group alone is told better now. */
static void supersede(struct mcast *m, const struct mac *mac)
{
	struct entry *e = find(m, &in6addr_any, mac);

	if (e)
		set_reasons(m, e, e->reasons & (uint8_t)~DYNAMIC);
}

static void listens(struct mcast *m, const struct in6_addr *ip, uint8_t reason, mono_t now)
{
	const struct mac mac = mac_of(ip);
	struct entry *e = add(m, ip, &mac, reason, now);

	if (!e)
		return;
	e->at = now;
	e->missed = 0;
	if (reason == MCAST_BY_MLD)
		supersede(m, &mac);
	else if (!(e->reasons & MCAST_BY_MLD))
		ask_by(m, mono_add(now, ASK_SOON));
}

static void left(struct mcast *m, const struct in6_addr *ip, mono_t now)
{
	const struct mac mac = mac_of(ip);
	struct entry *e = find(m, ip, &mac);

	if (e && !e->fixed)
		set_reasons(m, e, e->reasons & (uint8_t)~DYNAMIC);
	supersede(m, &mac);
	if (m->all & MCAST_ALL_MANY && mcast_n_groups(m) < MCAST_GROUPS / 2)
		ask_by(m, mono_add(now, ASK_AGAIN));
}

/* Every node listens to this one and never says so (RFC 3810 6, RFC 3376 6). */
static void is_node(struct mcast *m, const struct in6_addr *ip, mono_t now)
{
	const struct mac mac = mac_of(ip);
	struct entry *e = find(m, ip, &mac);

	if (e && e->fixed)
		return;
	e = add(m, ip, &mac, MCAST_BY_MLD, now);
	if (e)
		e->fixed = true;
	supersede(m, &mac);
}

static void on_record(struct mcast *m, const struct mld_record *record, mono_t now)
{
	if (record->type == MLD_BLOCK)	/* of some sources: perhaps the last ones */
		ask_by(m, mono_add(now, ASK_DOUBT));
	else if (mld_record_joins(record))
		listens(m, &record->group, MCAST_BY_MLD, now);
	else
		left(m, &record->group, now);
}

static bool is_current(enum mld_record_type type)
{
	return type == MLD_IS_INCLUDE || type == MLD_IS_EXCLUDE;
}

void mcast_mld(struct mcast *m, const struct mld_report *report, mono_t now)
{
	is_node(m, &all_nodes, now);
	for (size_t i = 0; i < report->n_records; i++) {
		on_record(m, &report->records[i], now);
		m->answered[MLD] = m->answered[MLD] || is_current(report->records[i].type);
	}
	m->unsure[MLD] = m->unsure[MLD] || report->v1 || report->n_left_out > 0;
}

void mcast_igmp(struct mcast *m, const struct igmp_report *report, mono_t now)
{
	is_node(m, &all_hosts, now);
	for (size_t i = 0; i < report->n_records; i++) {
		struct mld_record record = { .type = report->records[i].type, .n_sources = report->records[i].n_sources,
					     .group = { { { [10] = 0xff, 0xff } } } };

		memcpy(&record.group.s6_addr[12], &report->records[i].group, 4);
		on_record(m, &record, now);
		m->answered[IGMP] = m->answered[IGMP] || is_current(record.type);
	}
	m->unsure[IGMP] = m->unsure[IGMP] || !report->current || report->n_left_out > 0;
}

static void uses(struct mcast *m, const struct in6_addr *ip, mono_t now)
{
	if (IN6_IS_ADDR_UNSPECIFIED(ip) || IN6_IS_ADDR_MULTICAST(ip) || IN6_IS_ADDR_LOOPBACK(ip))
		return;
	const struct in6_addr group = ip6_solicited_node(ip);

	listens(m, &group, MCAST_BY_DAD, now);
}

void mcast_heard(struct mcast *m, mono_t now)
{
	if (!m->has_answered)
		ask_by(m, mono_add(now, ASK_AGAIN));
}

void mcast_missed(struct mcast *m, mono_t now)
{
	m->unsure[MLD] = m->unsure[IGMP] = true;	/* the answer that comes just now, if one does */
	ask_by(m, mono_add(now, ASK_AGAIN));
}

void mcast_ns(struct mcast *m, const struct ndp_ns *ns, mono_t now)
{
	is_node(m, &all_nodes, now);
	if (IN6_IS_ADDR_UNSPECIFIED(&ns->src))
		uses(m, &ns->target, now);
	else
		uses(m, &ns->src, now);
}

void mcast_na(struct mcast *m, const struct ndp_na *na, mono_t now)
{
	is_node(m, &all_nodes, now);
	uses(m, &na->target, now);
}

void mcast_declare(struct mcast *m, const struct ip *ips, size_t n)
{
	for (size_t i = 0; i < MCAST_ENTRIES; i++)
		if (m->entries[i].reasons & MCAST_BY_DECLARED)
			set_reasons(m, &m->entries[i], m->entries[i].reasons & (uint8_t)~MCAST_BY_DECLARED);
	for (size_t i = 0; i < n && i < MCAST_DECLARED_IPS; i++) {
		if (ips[i].family != AF_INET6)
			continue;
		const struct in6_addr group = ip6_solicited_node(&ips[i].v6);
		const struct mac mac = mac_of(&group);

		(void)add(m, &group, &mac, MCAST_BY_DECLARED, 0);
	}
}

void mcast_had(struct mcast *m, const struct mac *group, uint8_t reasons)
{
	uint8_t dynamic = reasons & DYNAMIC;
	struct entry *e = add(m, &in6addr_any, group, dynamic ? dynamic : MCAST_BY_MLD, 0);

	if (e)
		find_group(m, group)->told = reasons;
}

/* ---- QMP ---- */

_Static_assert(QMP_TABLE <= MCAST_GROUPS, "a table that fits QMP's is followed");

static bool in_table(const struct qmp_filter *f, const struct mac *mac)
{
	for (size_t i = 0; i < f->n && i < QMP_TABLE; i++)
		if (mac_eq(&f->table[i], mac))
			return true;
	return false;
}

static void set_all(struct mcast *m, uint8_t bit, bool on)
{
	m->all = on ? m->all | bit : m->all & (uint8_t)~bit;
}

void mcast_rx_filter(struct mcast *m, const struct qmp_filter *f, mono_t asked, mono_t now)
{
	const bool complete = f->multicast != QMP_MULTICAST_ALL && !f->overflow && f->n <= QMP_TABLE;

	set_all(m, MCAST_ALL_GUEST, f->multicast == QMP_MULTICAST_ALL);
	set_all(m, MCAST_ALL_QEMU, f->overflow);
	for (size_t i = 0; i < MCAST_ENTRIES; i++) {
		struct entry *e = &m->entries[i];

		if (!e->reasons || in_table(f, &e->mac))
			continue;
		set_reasons(m, e, e->reasons & (uint8_t)~MCAST_BY_QMP);
		if (complete && !f->promiscuous && !e->fixed && mono_add(e->at, QMP_SLACK) <= asked)
			set_reasons(m, e, e->reasons & (uint8_t)~DYNAMIC);
	}
	m->many = false;
	for (size_t i = 0; i < f->n && i < QMP_TABLE; i++)
		if (mac_is_multicast(&f->table[i]) && f->table[i].b[0] != 0xff)
			(void)add(m, &in6addr_any, &f->table[i], MCAST_BY_QMP, now);
	if (f->n > QMP_TABLE)
		too_many(m, now);
	else if (complete && !f->promiscuous && !m->many)
		set_all(m, MCAST_ALL_MANY, false);
}

void mcast_qmp_gone(struct mcast *m)
{
	set_all(m, MCAST_ALL_GUEST | MCAST_ALL_QEMU, false);
	for (size_t i = 0; i < MCAST_ENTRIES; i++) {
		struct entry *e = &m->entries[i];

		if (e->reasons & MCAST_BY_QMP)
			set_reasons(m, e, (e->reasons & (uint8_t)~MCAST_BY_QMP) | MCAST_BY_MLD);
	}
}

/* ---- asking ---- */

/* An answer says what the guest listens to; one is no proof, as one may have got lost. */
static void end_round(struct mcast *m, mono_t now)
{
	const bool many = m->all & MCAST_ALL_MANY;
	bool missing = false;

	for (size_t i = 0; i < MCAST_ENTRIES; i++) {
		struct entry *e = &m->entries[i];
		enum family family = family_of(e);

		if (!(e->reasons & DYNAMIC) || e->fixed || e->at >= m->round || !m->answered[family] || m->unsure[family])
			continue;
		if (++e->missed < MISSES && !many)
			missing = true;
		else
			set_reasons(m, e, e->reasons & (uint8_t)~DYNAMIC);
	}
	if (m->answered[MLD] || m->answered[IGMP]) {
		m->has_answered = true;
		m->silent_wait = ASK_AGAIN;
	} else {	/* it boots, is paused, or the question got lost */
		ask_by(m, mono_add(now, m->silent_wait));
		m->silent_wait = m->silent_wait * 2 < ASK_EVERY ? m->silent_wait * 2 : ASK_EVERY;
	}
	m->round = m->round_end = MONO_NEVER;
	if (missing)
		ask_by(m, mono_add(now, ASK_AGAIN));
	if (!many)
		return;
	if (m->answered[MLD] && !m->unsure[MLD] && !m->many) {
		set_all(m, MCAST_ALL_MANY, false);
		return;
	}
	m->many_wait = m->many_wait * 2 < ASK_EVERY ? m->many_wait * 2 : ASK_EVERY;
	/* Perhaps there was no room only for what has been dropped just now. */
	ask_by(m, mono_add(now, mcast_n_groups(m) < MCAST_GROUPS / 2 ? ASK_AGAIN : m->many_wait));
}

mono_t mcast_deadline(const struct mcast *m)
{
	if (m->round_end != MONO_NEVER)
		return m->round_end;
	return m->may_ask ? m->ask_at : MONO_NEVER;
}

bool mcast_tick(struct mcast *m, mono_t now)
{
	if (m->round_end <= now)
		end_round(m, now);
	if (!m->may_ask || m->round != MONO_NEVER || m->ask_at > now)
		return false;
	m->round = now;
	m->round_end = mono_add(now, ROUND);
	m->ask_at = mono_add(now, ASK_EVERY);
	m->many = false;
	for (unsigned int i = 0; i < ARRAY_LEN(m->answered); i++)
		m->answered[i] = m->unsure[i] = false;
	return true;
}

/* ---- what main hears ---- */

bool mcast_change(struct mcast *m, struct mcast_change *ret)
{
	for (size_t i = 0; i < m->n_groups; i++) {
		struct group *g = &m->groups[i];
		uint8_t reasons = group_reasons(g);

		if (reasons == g->told) {
			if (reasons == 0)	/* came and went, or is told: no longer of interest */
				m->groups[i--] = m->groups[--m->n_groups];
			continue;
		}
		g->told = reasons;
		*ret = (struct mcast_change){ g->mac, reasons };
		if (reasons == 0)
			m->groups[i] = m->groups[--m->n_groups];
		return true;
	}
	if (m->all == m->told_all)
		return false;
	m->told_all = m->all;
	*ret = (struct mcast_change){ .reasons = m->all };
	return true;
}
