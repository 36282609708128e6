/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firewalls of others: where a packet is dropped, where our rules go, and when they leave again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include "lab.h"

#define ALL .n_conds = 0

static const char *const eth9[] = { "eth9" }, *const lan[] = { "la*" }, *const up[] = { "eth0" };
static const struct fw_range established = { FW_CT_ESTABLISHED | FW_CT_RELATED, FW_CT_ESTABLISHED | FW_CT_RELATED };
static const struct fw_cond from_eth9 = { .kind = FW_COND_IIF, .names = eth9, .n = 1 };
static const struct fw_cond not_from_eth9 = { .kind = FW_COND_IIF, .negated = true, .names = eth9, .n = 1 };
static const struct fw_cond from_la = { .kind = FW_COND_IIF, .names = lan, .n = 1 };
static const struct fw_cond from_up = { .kind = FW_COND_IIF, .names = up, .n = 1 };
static const struct fw_cond answer = { .kind = FW_COND_CT, .ranges = &established, .n = 1 };
static const struct fw_cond other = { .kind = FW_COND_OTHER };

#define IF(c) .conds = &(c), .n_conds = 1

#define CHAIN_RULES 5

static const struct {
	const char *why;
	bool policy_drops;
	struct fw_rule rules[CHAIN_RULES];	/* of FORWARD */
	const char *point;			/* a second chain, or NULL */
	struct fw_rule point_rules[CHAIN_RULES];
	const char *chain;			/* where ours goes; NULL: none is needed */
	uint64_t before;
} rows[] = {
	{ .why = "accepts: nothing to do" },
	{ .why = "policy drop: at the end", .policy_drops = true, .chain = "FORWARD" },
	{ .why = "a drop at the end: before it", .rules = { { 3, NULL, IF(answer), FW_VERDICT_ACCEPT }, { 4, NULL, ALL, FW_VERDICT_DROP } },
	  .chain = "FORWARD", .before = 4 },
	{ .why = "a drop of somebody else's packets is none of ours", .rules = { { 3, NULL, IF(from_eth9), FW_VERDICT_DROP } } },
	{ .why = "everybody but somebody else is", .rules = { { 3, NULL, IF(not_from_eth9), FW_VERDICT_DROP } },
	  .chain = "FORWARD", .before = 3 },
	{ .why = "what can't be judged doesn't hold", .rules = { { 3, NULL, IF(other), FW_VERDICT_DROP } } },
	{ .why = "and doesn't let through", .policy_drops = true, .rules = { { 3, NULL, IF(other), FW_VERDICT_ACCEPT } },
	  .chain = "FORWARD" },
	{ .why = "an administrator who lets guests and what comes for them through needs no help", .policy_drops = true,
	  .rules = { { 3, NULL, IF(from_la), FW_VERDICT_ACCEPT }, { 4, NULL, IF(from_up), FW_VERDICT_ACCEPT } } },
	{ .why = "half of it isn't enough", .policy_drops = true, .rules = { { 3, NULL, IF(from_la), FW_VERDICT_ACCEPT } },
	  .chain = "FORWARD" },
	{ .why = "docker's point, before it returns", .policy_drops = true,
	  .rules = { { 3, NULL, ALL, FW_VERDICT_JUMP, "DOCKER-USER" } }, .point = "DOCKER-USER",
	  .point_rules = { { 8, NULL, IF(from_eth9), FW_VERDICT_DROP }, { 9, NULL, ALL, FW_VERDICT_RETURN } },
	  .chain = "DOCKER-USER", .before = 9 },
	{ .why = "a point behind the drop is no use", .rules = { { 3, NULL, ALL, FW_VERDICT_DROP }, { 4, NULL, ALL, FW_VERDICT_JUMP, "DOCKER-USER" } },
	  .point = "DOCKER-USER", .chain = "FORWARD", .before = 3 },
	{ .why = "a chain that others jump to as well: not there, but before the jump", .rules = { { 3, NULL, ALL, FW_VERDICT_JUMP, "common" } },
	  .point = "common", .point_rules = { { 8, NULL, ALL, FW_VERDICT_DROP } }, .chain = "FORWARD", .before = 3 },
	{ .why = "return ends a jump", .rules = { { 3, NULL, ALL, FW_VERDICT_JUMP, "common" }, { 4, NULL, ALL, FW_VERDICT_ACCEPT } },
	  .point = "common", .point_rules = { { 8, NULL, ALL, FW_VERDICT_RETURN }, { 9, NULL, ALL, FW_VERDICT_DROP } } },
	{ .why = "after a goto the chain isn't gone on with: its policy is", .policy_drops = true,
	  .rules = { { 3, NULL, ALL, FW_VERDICT_GOTO, "common" }, { 4, NULL, ALL, FW_VERDICT_ACCEPT } }, .point = "common",
	  .chain = "FORWARD", .before = 3 },
	{ .why = "a return in the chain itself: likewise", .policy_drops = true, .rules = { { 3, NULL, ALL, FW_VERDICT_RETURN } },
	  .chain = "FORWARD", .before = 3 },
	{ .why = "round and round: not judged, and not for ever", .policy_drops = true,
	  .rules = { { 3, NULL, ALL, FW_VERDICT_JUMP, "common" } }, .point = "common",
	  .point_rules = { { 8, NULL, ALL, FW_VERDICT_JUMP, "common" }, { 9, NULL, ALL, FW_VERDICT_JUMP, "common" } } },
};

static size_t count(const struct fw_rule *rules)
{
	size_t n = 0;

	while (n < CHAIN_RULES && rules[n].handle)
		n++;
	return n;
}

static struct fw_table table_of(size_t row, struct fw_chain chains[static 2])
{
	chains[0] = (struct fw_chain){ "FORWARD", FW_HOOK_FORWARD, rows[row].policy_drops, false, (struct fw_rule *)rows[row].rules,
				       count(rows[row].rules) };
	chains[1] = (struct fw_chain){ rows[row].point, FW_HOOK_NONE, false, false, (struct fw_rule *)rows[row].point_rules,
				       count(rows[row].point_rules) };
	return (struct fw_table){ .family = NFPROTO_IPV4, .name = "filter", .xt = true, .chains = chains,
				  .n_chains = rows[row].point ? 2 : 1 };
}

static const struct op *rule_op(const struct lab *l)
{
	for (size_t i = 0; i < l->plan->ops->n; i++)
		if (l->plan->ops->ops[i].kind == OP_RULE)
			return &l->plan->ops->ops[i];
	return NULL;
}

static void test_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_(lab_freep) struct lab *l = lab_new(HOST);
		struct fw_chain chains[2];
		const struct fw_table table = table_of(i, chains);

		fake_kern_firewall(l->fake, &table);
		(void)lab_plan(l, LAN, NULL);
		const struct op *op = rule_op(l);
		if (!str_eq(op ? op->rule.chain : NULL, rows[i].chain) || (op && op->rule.before != rows[i].before))
			fail_msg("%s: in %s before %d", rows[i].why, op ? op->rule.chain : "none", op ? (int)op->rule.before : -1);
		assert_null(lab_result(l, "lan")->blocked);
		/* Once is enough, and nothing is left. */
		lab_apply(l);
		(void)lab_plan(l, LAN, NULL);
		if (rule_op(l))
			fail_msg("%s: again", rows[i].why);
		(void)lab_plan(l, LAN, "-lan");
		assert_true(!!rule_op(l) == !!rows[i].chain);
		lab_apply(l);
		for (size_t c = 0; c < table.n_chains; c++)
			assert_int_equal(l->world->firewalls[0].chains[c].n_rules >= table.chains[c].n_rules, true);
		(void)lab_plan(l, LAN, "-lan");
		for (size_t c = 0; c < table.n_chains; c++)
			assert_int_equal(l->world->firewalls[0].chains[c].n_rules, table.chains[c].n_rules);
	}
}

static void test_not_ours_to_change(void **state)
{
	static const char off[] = LAN "    firewall: off\n";

	(void)state;
	for (int i = 0; i < 3; i++) {
		_cleanup_(lab_freep) struct lab *l = lab_new(HOST);
		struct fw_chain chains[2];
		struct fw_table table = table_of(1, chains);

		table.legacy = i == 1;
		table.locked = i == 2;
		fake_kern_firewall(l->fake, &table);
		(void)lab_plan(l, i == 0 ? off : LAN, NULL);
		assert_null(rule_op(l));
		const char *blocked = lab_result(l, "lan")->blocked;
		assert_non_null(blocked);
		assert_string_equal(blocked, i == 1 ? "ip filter FORWARD drops guests' packets; run: "
						      "iptables-legacy -I FORWARD -i lan -o eth0 -j ACCEPT; "
						      "iptables-legacy -I FORWARD -o lan -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT" :
						      "ip filter FORWARD drops guests' packets; run: "
						      "iptables-nft -I FORWARD -i lan -o eth0 -j ACCEPT; "
						      "iptables-nft -I FORWARD -o lan -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT");
	}
}

static void test_failure_takes_it_back(void **state)
{
	_cleanup_(lab_freep) struct lab *l = lab_new(HOST);
	struct fw_chain chains[2];
	const struct fw_table table = table_of(9, chains);

	(void)state;
	fake_kern_firewall(l->fake, &table);
	(void)lab_plan(l, LAN, NULL);
	assert_non_null(rule_op(l));
	lab_apply_and_fail(l);
	(void)lab_plan(l, LAN, NULL);
	for (size_t c = 0; c < table.n_chains; c++)
		assert_int_equal(l->world->firewalls[0].chains[c].n_rules, table.chains[c].n_rules);
}

/* Names that others chose, in a command that people are told to run as root. */
static void test_hostile_names(void **state)
{
	_cleanup_(lab_freep) struct lab *l = lab_new(HOST);
	struct fw_chain chain = { "x'; reboot; '", FW_HOOK_FORWARD, true, false, NULL, 0 };
	const struct fw_table table = { .family = NFPROTO_INET, .name = "\x1b[2J$(id)", .chains = &chain, .n_chains = 1 };

	(void)state;
	fake_kern_firewall(l->fake, &table);
	(void)lab_plan(l, LAN "    firewall: off\n", NULL);
	const char *blocked = lab_result(l, "lan")->blocked;
	assert_non_null(blocked);
	assert_null(strstr(blocked, "reboot;"));
	assert_null(strpbrk(blocked, "$\x1b`"));
}

/* ---- the other hooks ---- */

#define NUMBER(k, first, last) { .kind = (k), .ranges = (const struct fw_range[]){ { first, last } }, .n = 1 }
#define DEVICE(k, not, name) { .kind = (k), .negated = (not), .names = (const char *const[]){ name }, .n = 1 }
#define FROM_PRIVATE { .kind = FW_COND_SADDR, .prefix = { .ip = { .family = AF_INET, .b = { 192, 168 } }, .len = 16 } }
#define CONDS(n, ...) .conds = (const struct fw_cond[]){ __VA_ARGS__ }, .n_conds = (n)

#define WEB_FORWARD "    guests: {web: {ipv4: 192.168.150.10, forward: [\"8080:80\"]}}\n"
#define PORT "link p-web kind=veth master=lan\n"
#define DROPS " drops guests' packets; run: "
#define ANSWERS(chain) "nft 'insert rule inet filter " chain " oifname \"lan\" ct state established,related accept; " \
		       "insert rule inet filter " chain " oifname \"lan\" meta l4proto ipv6-icmp accept"

static const struct {
	const char *why;
	uint8_t family;
	const char *table;
	bool xt;
	const char *chain;
	enum fw_hook hook;
	bool policy_drops, after_nat;
	struct fw_rule rules[CHAIN_RULES];
	const char *config;		/* more of it, or NULL */
	const char *host;		/* more of it once the network is up, or NULL */
	bool no_ibrname;
	size_t n_ours;			/* rules of ours that are added */
	uint64_t before;
	const char *blocked;		/* what status says; NULL: nothing */
} hooks[] = {
	{ .why = "output accepts: nothing to do", .family = NFPROTO_INET, .table = "filter", .chain = "out", .hook = FW_HOOK_OUTPUT },
	{ .why = "output drops: answers and neighbour discovery", .family = NFPROTO_INET, .table = "filter", .chain = "out",
	  .hook = FW_HOOK_OUTPUT, .policy_drops = true, .n_ours = 2 },
	{ .why = "and the host's own way to a forward", .family = NFPROTO_INET, .table = "filter", .chain = "out",
	  .hook = FW_HOOK_OUTPUT, .policy_drops = true, .config = WEB_FORWARD, .n_ours = 3 },
	{ .why = "an IPv4 table has no neighbour discovery", .family = NFPROTO_IPV4, .table = "filter", .xt = true, .chain = "OUTPUT",
	  .hook = FW_HOOK_OUTPUT, .policy_drops = true, .n_ours = 1 },
	{ .why = "a drop at the end: before it", .family = NFPROTO_INET, .table = "filter", .chain = "out", .hook = FW_HOOK_OUTPUT,
	  .rules = { { 3, NULL, IF(from_eth9), FW_VERDICT_DROP }, { 4, NULL, ALL, FW_VERDICT_DROP } }, .n_ours = 2, .before = 4 },
	{ .why = "answers and ICMPv6 let out are enough", .family = NFPROTO_INET, .table = "filter", .chain = "out",
	  .hook = FW_HOOK_OUTPUT, .policy_drops = true,
	  .rules = { { 3, NULL, IF(answer), FW_VERDICT_ACCEPT },
		     { 4, NULL, CONDS(1, NUMBER(FW_COND_L4PROTO, 58, 58)), FW_VERDICT_ACCEPT } } },
	{ .why = "established alone isn't: a router's errors are related", .family = NFPROTO_IPV4, .table = "filter", .chain = "out",
	  .hook = FW_HOOK_OUTPUT, .policy_drops = true,
	  .rules = { { 3, NULL, CONDS(1, NUMBER(FW_COND_CT, FW_CT_ESTABLISHED, FW_CT_ESTABLISHED)), FW_VERDICT_ACCEPT } }, .n_ours = 1 },
	{ .why = "a forward needs no help where all of lo is let out", .family = NFPROTO_IPV4, .table = "filter", .chain = "out",
	  .hook = FW_HOOK_OUTPUT, .policy_drops = true, .config = WEB_FORWARD,
	  .rules = { { 3, NULL, IF(answer), FW_VERDICT_ACCEPT },
		     { 4, NULL, CONDS(1, DEVICE(FW_COND_OIF, false, "lo")), FW_VERDICT_ACCEPT } } },
	{ .why = "output, firewall: off", .family = NFPROTO_INET, .table = "filter", .chain = "out", .hook = FW_HOOK_OUTPUT,
	  .policy_drops = true, .config = "    firewall: off\n", .blocked = "inet filter out" DROPS ANSWERS("out") "'" },
	{ .why = "firewalld has no zone for what leaves", .family = NFPROTO_INET, .table = "firewalld", .chain = "filter_OUTPUT",
	  .hook = FW_HOOK_OUTPUT, .rules = { { 3, NULL, ALL, FW_VERDICT_DROP } }, .config = "    firewall: off\n",
	  .blocked = "firewalld's inet firewalld filter_OUTPUT" DROPS "nft 'insert rule inet firewalld filter_OUTPUT oifname \"lan\" ct state "
		     "established,related accept; insert rule inet firewalld filter_OUTPUT oifname \"lan\" meta l4proto "
		     "ipv6-icmp accept'" },

	{ .why = "prerouting accepts", .family = NFPROTO_INET, .table = "early", .chain = "pre", .hook = FW_HOOK_PREROUTING },
	{ .why = "prerouting drops: named", .family = NFPROTO_INET, .table = "early", .chain = "pre", .hook = FW_HOOK_PREROUTING,
	  .policy_drops = true, .blocked = "inet early pre" DROPS "nft 'insert rule inet early pre iifname \"lan\" accept'" },
	{ .why = "all but the uplink", .family = NFPROTO_INET, .table = "early", .chain = "pre", .hook = FW_HOOK_PREROUTING,
	  .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_IIF, true, "eth0")), FW_VERDICT_DROP } },
	  .blocked = "inet early pre" DROPS "nft 'insert rule inet early pre iifname \"lan\" accept'" },
	{ .why = "iptables' raw table, in its words", .family = NFPROTO_IPV4, .table = "raw", .xt = true, .chain = "PREROUTING",
	  .hook = FW_HOOK_PREROUTING, .rules = { { 3, NULL, IF(from_la), FW_VERDICT_DROP } },
	  .blocked = "ip raw PREROUTING" DROPS "iptables-nft -t raw -I PREROUTING -i lan -j ACCEPT" },
	{ .why = "what comes for others", .family = NFPROTO_INET, .table = "early", .chain = "pre", .hook = FW_HOOK_PREROUTING,
	  .rules = { { 3, NULL, IF(from_eth9), FW_VERDICT_DROP } } },
	{ .why = "a check of sources can't be judged", .family = NFPROTO_INET, .table = "early", .chain = "pre",
	  .hook = FW_HOOK_PREROUTING, .rules = { { 3, NULL, IF(other), FW_VERDICT_DROP } } },
	{ .why = "IPv6 alone is half of it", .family = NFPROTO_INET, .table = "early", .chain = "pre", .hook = FW_HOOK_PREROUTING,
	  .rules = { { 3, NULL, CONDS(1, NUMBER(FW_COND_FAMILY, AF_INET6, AF_INET6)), FW_VERDICT_DROP } },
	  .blocked = "inet early pre" DROPS "nft 'insert rule inet early pre iifname \"lan\" accept'" },

	{ .why = "postrouting drops: named", .family = NFPROTO_INET, .table = "late", .chain = "post", .hook = FW_HOOK_POSTROUTING,
	  .policy_drops = true,
	  .blocked = "inet late post" DROPS "nft 'insert rule inet late post iifname \"lan\" oifname \"eth0\" accept; "
		     "insert rule inet late post oifname \"lan\" accept'" },
	{ .why = "iptables can't say there where a packet came in", .family = NFPROTO_IPV4, .table = "mangle", .xt = true,
	  .chain = "POSTROUTING", .hook = FW_HOOK_POSTROUTING, .policy_drops = true,
	  .blocked = "ip mangle POSTROUTING" DROPS "iptables-nft -t mangle -I POSTROUTING -s 192.168.150.0/24 -o eth0 -j ACCEPT; "
		     "iptables-nft -t mangle -I POSTROUTING -o lan -j ACCEPT" },
	{ .why = "private sources may not leave: guests neither", .family = NFPROTO_INET, .table = "late", .chain = "post",
	  .hook = FW_HOOK_POSTROUTING, .rules = { { 3, NULL, CONDS(1, FROM_PRIVATE), FW_VERDICT_DROP } },
	  .blocked = "inet late post" DROPS "nft 'insert rule inet late post iifname \"lan\" oifname \"eth0\" accept; "
		     "insert rule inet late post oifname \"lan\" accept'" },
	{ .why = "once translated, they aren't private", .family = NFPROTO_INET, .table = "late", .chain = "post", .after_nat = true,
	  .hook = FW_HOOK_POSTROUTING, .rules = { { 3, NULL, CONDS(1, FROM_PRIVATE), FW_VERDICT_DROP } } },
	{ .why = "what leaves by others", .family = NFPROTO_INET, .table = "late", .chain = "post", .hook = FW_HOOK_POSTROUTING,
	  .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_OIF, false, "eth9")), FW_VERDICT_DROP } } },
	{ .why = "lo is nothing to a forward there", .family = NFPROTO_INET, .table = "late", .chain = "post",
	  .hook = FW_HOOK_POSTROUTING, .config = WEB_FORWARD,
	  .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_OIF, false, "lo")), FW_VERDICT_DROP } } },

	{ .why = "a bridge's forward drops: named", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "across", .hook = FW_HOOK_FORWARD,
	  .policy_drops = true, .blocked = "bridge l2 across" DROPS "nft 'insert rule bridge l2 across meta ibrname \"lan\" accept'" },
	{ .why = "its input", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "in", .hook = FW_HOOK_INPUT, .policy_drops = true,
	  .blocked = "bridge l2 in" DROPS "nft 'insert rule bridge l2 in meta ibrname \"lan\" accept'" },
	{ .why = "its prerouting", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "pre", .hook = FW_HOOK_PREROUTING,
	  .policy_drops = true, .blocked = "bridge l2 pre" DROPS "nft 'insert rule bridge l2 pre meta ibrname \"lan\" accept'" },
	{ .why = "its output has the other bridge", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "out", .hook = FW_HOOK_OUTPUT,
	  .policy_drops = true, .blocked = "bridge l2 out" DROPS "nft 'insert rule bridge l2 out meta obrname \"lan\" accept'" },
	{ .why = "its postrouting likewise", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "post", .hook = FW_HOOK_POSTROUTING,
	  .policy_drops = true, .blocked = "bridge l2 post" DROPS "nft 'insert rule bridge l2 post meta obrname \"lan\" accept'" },
	{ .why = "the command helps", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "out", .hook = FW_HOOK_OUTPUT,
	  .policy_drops = true, .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_OBR, false, "lan")), FW_VERDICT_ACCEPT } } },
	{ .why = "another bridge's", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "in", .hook = FW_HOOK_INPUT,
	  .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_IBR, false, "br9")), FW_VERDICT_DROP } } },
	{ .why = "ARP alone is enough to cut them off", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "in", .hook = FW_HOOK_INPUT,
	  .rules = { { 3, NULL, CONDS(1, NUMBER(FW_COND_FAMILY, FW_FAMILY_ARP, FW_FAMILY_ARP)), FW_VERDICT_DROP } },
	  .blocked = "bridge l2 in" DROPS "nft 'insert rule bridge l2 in meta ibrname \"lan\" accept'" },
	{ .why = "frames of no protocol of ours", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "in", .hook = FW_HOOK_INPUT,
	  .rules = { { 3, NULL, CONDS(1, NUMBER(FW_COND_FAMILY, AF_UNSPEC, AF_UNSPEC)), FW_VERDICT_DROP } } },
	{ .why = "ebtables, in its words", .family = NFPROTO_BRIDGE, .table = "filter", .xt = true, .chain = "INPUT",
	  .hook = FW_HOOK_INPUT, .policy_drops = true,
	  .blocked = "bridge filter INPUT" DROPS "ebtables-nft -I INPUT --logical-in lan -j ACCEPT" },
	{ .why = "guests' ports are let through by name", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "in", .hook = FW_HOOK_INPUT,
	  .policy_drops = true, .host = PORT,
	  .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_IIF, false, "p-*")), FW_VERDICT_ACCEPT } } },
	{ .why = "one guest's port is its filter's business", .family = NFPROTO_BRIDGE, .table = "nat", .xt = true, .chain = "PREROUTING",
	  .hook = FW_HOOK_PREROUTING, .host = PORT,
	  .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_IIF, false, "p-web")), FW_VERDICT_DROP } } },
	{ .why = "a kernel that doesn't know a frame's bridge: by port", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "in",
	  .hook = FW_HOOK_INPUT, .policy_drops = true, .host = PORT, .no_ibrname = true,
	  .blocked = "bridge l2 in" DROPS "nft 'insert rule bridge l2 in iifname \"p-web\" accept'" },
	{ .why = "there, between guests, both ways", .family = NFPROTO_BRIDGE, .table = "filter", .xt = true, .chain = "FORWARD",
	  .hook = FW_HOOK_FORWARD, .policy_drops = true, .host = PORT, .no_ibrname = true,
	  .blocked = "bridge filter FORWARD" DROPS "ebtables-nft -I FORWARD -i p-web -j ACCEPT; "
		     "ebtables-nft -I FORWARD -o p-web -j ACCEPT" },
	{ .why = "there, the one that is still cut off", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "out",
	  .hook = FW_HOOK_OUTPUT, .policy_drops = true, .host = PORT "link p-two kind=tun master=lan\n", .no_ibrname = true,
	  .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_OIF, false, "p-two")), FW_VERDICT_ACCEPT } },
	  .blocked = "bridge l2 out" DROPS "nft 'insert rule bridge l2 out oifname \"p-web\" accept'" },
	{ .why = "there, without guests nobody is", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "in", .hook = FW_HOOK_INPUT,
	  .policy_drops = true, .no_ibrname = true },
	{ .why = "all but the host's port", .family = NFPROTO_BRIDGE, .table = "l2", .chain = "pre", .hook = FW_HOOK_PREROUTING,
	  .host = PORT, .rules = { { 3, NULL, CONDS(1, DEVICE(FW_COND_IIF, true, "eth0")), FW_VERDICT_DROP } },
	  .blocked = "bridge l2 pre" DROPS "nft 'insert rule bridge l2 pre meta ibrname \"lan\" accept'" },
};

static void test_hooks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
		_cleanup_(lab_freep) struct lab *l = lab_new(HOST);
		struct fw_chain chain = { hooks[i].chain, hooks[i].hook, hooks[i].policy_drops, hooks[i].after_nat,
					  (struct fw_rule *)hooks[i].rules, count(hooks[i].rules) };
		const struct fw_table table = { .family = hooks[i].family, .name = hooks[i].table, .xt = hooks[i].xt, .chains = &chain,
						.n_chains = 1 };
		char config[1024];

		(void)snprintf(config, sizeof(config), "%s%s", LAN, hooks[i].config ? hooks[i].config : "");
		l->no_ibrname = hooks[i].no_ibrname;
		(void)lab_plan(l, config, NULL);
		lab_apply(l);
		if (hooks[i].host)
			lab_host(l, hooks[i].host);
		fake_kern_firewall(l->fake, &table);
		(void)lab_plan(l, config, NULL);
		const struct op *op = rule_op(l);
		const char *blocked = lab_result(l, "lan")->blocked;
		if ((op ? op->rule.n_add : 0) != hooks[i].n_ours || (op && op->rule.before != hooks[i].before))
			fail_msg("%s: %d rules", hooks[i].why, op ? (int)op->rule.n_add : 0);
		if (!str_eq(blocked, hooks[i].blocked))
			fail_msg("%s: %s", hooks[i].why, blocked ? blocked : "nothing is blocked");
		lab_apply(l);
		(void)lab_plan(l, config, NULL);
		if (rule_op(l))
			fail_msg("%s: again", hooks[i].why);
		(void)lab_plan(l, config, "-lan");
		lab_apply(l);
		assert_int_equal(l->world->firewalls[0].chains[0].n_rules, chain.n_rules + hooks[i].n_ours);
		(void)lab_plan(l, config, "-lan");
		assert_int_equal(l->world->firewalls[0].chains[0].n_rules, chain.n_rules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_not_ours_to_change),
		cmocka_unit_test(test_failure_takes_it_back),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_hooks),
	};

	return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
