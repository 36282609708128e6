/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab - plans as text, on a kernel in memory
 *
 * A test says what the host has in a few lines, what it wants in YAML, and gets
 * the plan as text: a line for each finding ("error networks.lan.uplink: no
 * interface named eth7; the host has eth0") and each op ("create link lan:
 * bridge, …"). lab_apply() carries the last plan out, so that a next one starts
 * from there.
 *
 * Lines of a host:
 *   link NAME [kind=K] [alias=A] [mtu=N] [master=NAME] [ra=N] [down] [dark] [hairpin] [mac=M] [wireless]
 *        [lower=NAME] [mode=N]
 *   addr NAME PREFIX [slaac] [ours]
 *   route DST NAME [metric=N] [ra]
 *   sysctl PATH VALUE
 *   listen tcp|udp ADDRESS PORT [PID COMM]
 *   lease NETWORK ADDRESS MAC
 *   seen NETWORK ADDRESS MAC
 *   run NETWORK GUEST DEVICE MAC: a guest that runs; a second time with another device: that one
 *   end GUEST: it has ended
 *   neigh DEVICE ADDRESS MAC
 *   drain NETWORK PREFIX: guests aren't done with it
 */
#pragma once
#include "kern/fake.h"
#include "model/guest.h"
#include "plan/plan.h"

struct lab {
	struct fake_kern *fake;
	struct arena *arena;
	struct lease leases[8];
	struct neighbour seen[8];
	struct w_listener listeners[8];
	struct guest *running[4];
	size_t n_running;
	struct plan_drain drains[4];
	char drain_of[4][NETWORK_NAME_MAX + 1];
	size_t n_leases, n_seen, n_listeners, n_drains;
	struct w_served served[8];	/* what the daemon's engine would have */
	size_t n_served;
	bool no_daemon;
	bool nft_unreadable, no_egress, no_ibrname;
	/* The last plan. */
	struct desired *desired;
	struct report *report;
	struct world *world;
	struct plan *plan;		/* NULL: refused */
	char *text;
};

struct lab *lab_new(const char *host);
struct lab *lab_free(struct lab *lab);
DEFINE_FREEP(struct lab, lab_free)
void lab_host(struct lab *lab, const char *host);	/* more lines */

/**
 * lab_plan() - Plan, and tell
 * @yaml:	the body of "networks:", indented by two
 * @wants:	"lan -two =three": up, down, leave; NULL: all up
 *
 * Return: the text; valid until the next call
 */
const char *lab_plan(struct lab *lab, const char *yaml, const char *wants);
void lab_apply(struct lab *lab);
void lab_apply_and_fail(struct lab *lab);	/* all of it, then an op that fails: everything is taken back */
const struct plan_result *lab_result(const struct lab *lab, const char *network);

/* The host as text: everything that a plan can change. Caller frees. */
char *lab_state(struct lab *lab);

/* Fails, showing the lines that only one of two states has. */
void lab_assert_same(const char *was, const char *is, const char *why, const char *more);

#define LAB_SAYS 8

/* One decision of plan_make(). */
struct lab_row {
	const char *why;
	const char *host;
	const char *before;		/* a configuration that is up already, or NULL */
	const char *between;		/* what happens to the host after that, or NULL */
	const char *config;
	const char *wants;		/* NULL: all up */
	const char *says[LAB_SAYS];	/* in the plan's text */
	const char *not[LAB_SAYS];
};

/* Each says what it should, and nothing that it shouldn't. */
void lab_test_rows(const struct lab_row *rows, size_t n);
/* Whatever a row leads to: taken back, all is as it was; done once, there is nothing left to do. */
void lab_test_again_and_back(const struct lab_row *rows, size_t n);

#define HOST                                                                                                      \
	"link eth0 ra=1\naddr eth0 198.51.100.2/24\naddr eth0 2001:db8:77:1::2/64 slaac\n"                        \
	"route 0.0.0.0/0 eth0\nroute ::/0 eth0 metric=1024 ra\n"                                                  \
	"sysctl net/ipv6/conf/default/accept_ra 1\nsysctl net/ipv6/conf/default/autoconf 1\n"

#define LAN                                                              \
	"  lan:\n    mode: nat\n"                                        \
	"    ipv4: {address: 192.168.150.1/24}\n"                        \
	"    ipv6: {address: \"fd12:8848:a2a2:1::1/64\"}\n"
