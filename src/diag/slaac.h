/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slaac - what an interface will do with router advertisements, from its settings
 *
 * Pure: the settings of one interface in, a prediction and its reasons out. The
 * rules are the kernel's (net/ipv6/addrconf.c, ndisc.c), and each cell of their
 * table is measured against the running kernel by tests/netns/test_slaac.py.
 * A router's own choice (lifetime 0, a prefix without A or of another length
 * than 64) is judged by slaac_judge_ra().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/ndp.h"

#define SLAAC_REASONS 12
#define SLAAC_WHAT_MAX 160

/* Values of net.ipv6.conf.IFACE.*, and what of the interface matters beside them. */
struct slaac_settings {
	bool present;			/* has IPv6 at all: false below MTU 1280, and with ipv6.disable=1 */
	bool up, carrier;
	bool loopback;
	bool port;			/* of a bridge, bond or team: what comes in belongs to that */
	bool link_local;		/* has a usable link-local address */
	int32_t disable_ipv6;
	int32_t accept_ra, forwarding, autoconf, accept_ra_pinfo, accept_ra_defrtr;
	int32_t router_solicitations;
	int32_t addr_gen_mode;		/* 0 EUI-64, 1 none, 2 stable, 3 random; of link-local addresses, too */
	int32_t use_tempaddr;
	int32_t max_addresses;		/* 0: no limit */
	uint32_t n_addresses;		/* dynamic and static ones it has: 0 when not known */
	uint32_t mtu;
	int32_t accept_ra_min_lft, accept_ra_min_hop_limit, accept_ra_rt_info_max_plen, accept_ra_mtu;
};

/* A setting that decided. */
struct slaac_reason {
	char setting[48];		/* "accept_ra": below net.ipv6.conf.IFACE; "" where it isn't a sysctl */
	char what[SLAAC_WHAT_MAX];	/* "accept_ra=1 with forwarding=1: …" */
};

struct slaac_prediction {
	bool processes;			/* the kernel looks at RAs at all */
	bool sends_rs;
	bool gets_prefix_route, gets_address, gets_default_route;
	bool temporary;			/* and temporary addresses beside it */
	struct slaac_reason reasons[SLAAC_REASONS];	/* why not, then why RAs are taken, when they are */
	size_t n_reasons;
};

/**
 * slaac_predict() - What the kernel will do
 * @s:		settings
 * @ret:	what becomes of an ordinary RA: a /64 prefix with L and A, a router lifetime
 *
 * Pure. Says nothing about programs that handle RAs in user space.
 */
void slaac_predict(const struct slaac_settings *s, struct slaac_prediction *ret);

/* What the kernel makes of one RA with these settings. */
struct slaac_verdict {
	bool default_route;
	char why_no_route[SLAAC_WHAT_MAX];	/* "" with a route */
	size_t n_prefixes;
	struct slaac_prefix_verdict {
		bool on_link, address;
		char why[SLAAC_WHAT_MAX];	/* the first reason against either; "" */
	} prefixes[NDP_RA_PREFIXES];		/* in the RA's order */
	bool mtu_taken;
};

void slaac_judge_ra(const struct slaac_settings *s, const struct ndp_ra *ra, struct slaac_verdict *ret);
