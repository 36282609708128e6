/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ip - the ipv4 and ipv6 sections of a network
 */
#include "conf/read.h"

#include <stdio.h>
#include "conf/text.h"

#define LEN4_MIN 8u
#define LEN4_MAX 30u
#define LEN6_MIN 64u	/* one link is one /64: SLAAC needs it (RFC 4862 5.5.3), routers announce it */
#define LEN6_MAX 126u

/* The bits of a netmask, or -1: 255.255.255.0 is 24. */
static int netmask_len(const char *text)
{
	struct ip mask;
	unsigned int len = 0;

	if (!ip_parse(text, &mask) || mask.family != AF_INET)
		return -1;
	while (len < 32 && mask.b[len / 8] & 0x80 >> len % 8)
		len++;
	for (unsigned int bit = len; bit < 32; bit++)
		if (mask.b[bit / 8] & 0x80 >> bit % 8)
			return -1;
	return (int)len;
}

/* Why @text isn't an address with its prefix length. */
static void prefix_fault(struct conf *c, const struct yaml_node *node, const char *path, int family)
{
	const char *text = node->text, *slash = strchr(text, '/');
	const char *example = family == AF_INET ? "192.168.150.1/24" : "fd12:8848:a2a2:1::1/64";
	unsigned int bits = family == AF_INET ? 32 : 128, usual = family == AF_INET ? 24 : 64;
	char address[IP_STRLEN] = "";
	struct finding *f;
	struct ip ip;
	uint64_t len;

	if (!slash && ip_parse(text, &ip) && ip.family == family) {
		report_help(conf_error(c, &node->where, path, "%s has no prefix length", text), "write %s/%u", IP_STR(&ip), usual);
		return;
	}
	if (slash && (size_t)(slash - text) < sizeof(address)) {
		memcpy(address, text, (size_t)(slash - text));
		address[slash - text] = '\0';
	}
	if (!slash || !ip_parse(address, &ip) || ip.family != family) {
		report_help(conf_error(c, &node->where, path, "%s isn't an %s address with its prefix length", conf_quote(c, text),
				       family == AF_INET ? "IPv4" : "IPv6"), "write one like %s", example);
		return;
	}
	if (text_number(slash + 1, &len) && len > bits) {
		f = conf_error(c, &node->where, path, "prefix length %s is more than %u", slash + 1, bits);
		report_help(f, "for this range write %s/%u", IP_STR(&ip), usual);
	} else {
		int mask = netmask_len(slash + 1);

		f = conf_error(c, &node->where, path, "%s isn't a prefix length", conf_quote(c, slash + 1));
		report_help(f, "write %s/%u", IP_STR(&ip), mask > 0 ? (unsigned int)mask : usual);
	}
	if (node->verbatim)
		report_caret(f, (unsigned int)(slash + 1 - text), (unsigned int)strlen(slash + 1));
}

static bool length_ok(struct conf *c, const struct yaml_node *node, const char *path, const struct prefix *p,
		      unsigned int least, unsigned int most, const char *help)
{
	const char *slash = strchr(node->text, '/');

	if (p->len >= least && p->len <= most)
		return true;
	struct finding *f = conf_error(c, &node->where, path, "prefix length %u is %s", p->len,
				       p->len < least ? "too short for one network" : "too long: it leaves no room for guests");

	report_help(f, "%s", help);
	if (node->verbatim && slash)
		report_caret(f, (unsigned int)(slash + 1 - node->text), (unsigned int)strlen(slash + 1));
	return false;
}

/* The gateway's own address: a unicast one inside its prefix, neither first nor last. */
static bool gateway_ok(struct conf *c, const struct yaml_node *node, const char *path, const struct prefix *p)
{
	struct ip network = prefix_network(p), last = prefix_last(p), one = ip_add(&network, 1);
	const struct ip *ip = &p->ip;
	bool v4 = ip->family == AF_INET;

	if (ip_is_loopback(ip) || ip_is_multicast(ip) || ip_is_link_local(ip) || (v4 && (ip->b[0] == 0 || ip->b[0] >= 240)) ||
	    (!v4 && (ip->b[0] == 0 || IN6_IS_ADDR_SITELOCAL(&ip->v6)))) {
		report_help(conf_error(c, &node->where, path, "%s cannot be a network for guests", PREFIX_STR(p)),
			    v4 ? "take a private one, 192.168.150.1/24 for example" :
				 "take a ULA (write  address: ula) or one of your own prefixes");
		return false;
	}
	if (ip_eq(ip, &network) || (v4 && ip_eq(ip, &last))) {
		report_help(conf_error(c, &node->where, path, "%s is the %s address of %s/%u", IP_STR(ip),
				       !v4 ? "routers' anycast" : ip_eq(ip, &network) ? "network's own" : "broadcast",
				       IP_STR(&network), p->len), "write the gateway's, %s/%u for example", IP_STR(&one), p->len);
		return false;
	}
	return true;
}

struct ip_range conf_upper_half(const struct prefix *prefix)
{
	struct prefix half = { prefix_last(prefix), (uint8_t)(prefix->len + 1) };
	struct ip_range range = { prefix_network(&half), prefix_last(&half) };
	bool v4 = prefix->ip.family == AF_INET;

	if (v4) {
		range.last.v4.s_addr = htonl(ntohl(range.last.v4.s_addr) - 1);
		if (ip_eq(&range.first, &range.last) && ip_eq(&range.first, &prefix->ip)) {	/* a /30 */
			struct ip network = prefix_network(prefix);

			range.first = range.last = ip_add(&network, 1);
		}
	}
	return range;
}

bool conf_range_ok(struct conf *c, const struct where *where, const char *path, const struct prefix *p,
		   const struct ip_range *range)
{
	struct ip network = prefix_network(p), last = prefix_last(p);
	struct ip_range half = conf_upper_half(p);
	struct finding *f;

	if (!prefix_contains(p, &range->first) || !prefix_contains(p, &range->last))
		f = conf_error(c, where, path, "%s-%s isn't inside %s/%u", IP_STR(&range->first), IP_STR(&range->last),
			       IP_STR(&network), p->len);
	else if (range_contains(range, &network) || (p->ip.family == AF_INET && range_contains(range, &last)))
		f = conf_error(c, where, path, "the range includes %s, the %s address",
			       IP_STR(range_contains(range, &network) ? &network : &last),
			       p->ip.family == AF_INET6 ? "routers' anycast" : range_contains(range, &network) ? "network's own" :
														 "broadcast");
	else if (range_size(range) == 1 && range_contains(range, &p->ip))
		f = conf_error(c, where, path, "the only address of the range is the gateway's own");
	else
		return true;
	report_help(f, "write %s-%s for example", IP_STR(&half.first), IP_STR(&half.last));
	return false;
}

static const char *const on_off[] = { "off", "auto" };

void conf_read_ipv4(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	static const struct key keys[] = { { "address", IN_ALL }, { "dhcp", IN_ALL } };
	const char *address_path = conf_path(c, path, "address"), *dhcp_path = conf_path(c, path, "dhcp");
	const struct yaml_node *v[ARRAY_LEN(keys)];
	struct d_network *net = d->net;
	int word;

	net->ipv4 = net->ipv4_auto = net->dhcp4 = true;
	if (!node)
		return;
	net->ipv4_where = d->address4_where = node->where;
	if (node->type == YAML_SCALAR) {
		struct prefix p;

		word = conf_word_try(node, on_off, ARRAY_LEN(on_off));
		if (word == 0)
			net->ipv4 = net->ipv4_auto = net->dhcp4 = false;
		if (word < 0 && prefix_parse(node->text, &p))
			report_help(conf_error(c, &node->where, path, "an address where a mapping belongs"),
				    "write ipv4: { address: %s }", PREFIX_STR(&p));
		else if (word < 0)
			(void)conf_word(c, node, path, on_off, ARRAY_LEN(on_off));
		return;
	}
	if (!conf_map(c, node, path, keys, ARRAY_LEN(keys), -1, v))
		return;
	if (v[0] && conf_word_try(v[0], on_off + 1, 1) < 0) {
		const char *text = conf_text(c, v[0], address_path, "an IPv4 address with its prefix length");
		struct prefix p = { 0 };

		net->ipv4_auto = false;
		d->address4_where = v[0]->where;
		if (text && (!prefix_parse(text, &p) || p.ip.family != AF_INET))
			prefix_fault(c, v[0], address_path, AF_INET);
		else if (text && length_ok(c, v[0], address_path, &p, LEN4_MIN, LEN4_MAX, "write /24, or one from /8 to /30") &&
			 gateway_ok(c, v[0], address_path, &p))
			net->address4 = p;
	}
	if (v[1]) {
		d->range4_where = v[1]->where;
		word = conf_word_try(v[1], on_off, ARRAY_LEN(on_off));
		net->dhcp4 = word != 0;
		if (word < 0)
			d->range4_given = conf_range(c, v[1], dhcp_path, AF_INET, &net->range4);
		if (d->range4_given && net->ipv4_auto) {
			report_help(conf_error(c, &v[1]->where, dhcp_path, "a range needs the network's address"),
				    "write ipv4: { address: … } too, or dhcp: auto");
			d->range4_given = false;
		}
	}
	if (!ip_is_set(&net->address4.ip) || !net->dhcp4)
		return;
	if (!d->range4_given)
		net->range4 = conf_upper_half(&net->address4);
	else if (!conf_range_ok(c, &d->range4_where, dhcp_path, &net->address4, &net->range4))
		d->range4_given = false;
}

/* IP6_SOURCE_… of a word; STATIC when it is an address. */
static void read_address6(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path, bool section)
{
	static const char *const in_section[] = { [IP6_SOURCE_ULA] = "ula", [IP6_SOURCE_DELEGATED] = "delegated",
						  [IP6_SOURCE_ON_LINK] = "on-link", [IP6_SOURCE_AUTO] = "auto" };
	static const char *const bare[] = { [IP6_SOURCE_OFF] = "off", [IP6_SOURCE_ULA] = "ula", [IP6_SOURCE_AUTO] = "auto" };
	const char *const *words = section ? in_section : bare;
	size_t n = section ? ARRAY_LEN(in_section) : ARRAY_LEN(bare);
	int word = conf_word_try(node, words, n);
	struct prefix p = { 0 };
	const char *close;

	d->address6_where = node->where;
	if (word == IP6_SOURCE_DELEGATED || word == IP6_SOURCE_ON_LINK) {
		report_help(conf_error(c, &node->where, path, "%s is not built yet", words[word]), "write ula, auto or an address");
		return;
	}
	if (word >= 0) {
		d->net->ipv6 = (enum ip6_source)word;
		return;
	}
	const char *text = conf_text(c, node, path, section ? "an IPv6 address with its prefix length" : "ula, auto, off or a mapping");
	if (!text)
		return;
	if (!section) {
		if (prefix_parse(text, &p))
			report_help(conf_error(c, &node->where, path, "an address where a mapping belongs"),
				    "write ipv6: { address: \"%s\" }", PREFIX_STR(&p));
		else
			(void)conf_word(c, node, path, words, n);
		return;
	}
	d->net->ipv6 = IP6_SOURCE_STATIC;
	close = text_closest(text, words, n);
	if (close)
		report_help(conf_error(c, &node->where, path, "%s isn't one of its values", conf_quote(c, text)),
			    "did you mean \"%s\"?", close);
	else if (!prefix_parse(text, &p) || p.ip.family != AF_INET6)
		prefix_fault(c, node, path, AF_INET6);
	else if (length_ok(c, node, path, &p, LEN6_MIN, LEN6_MAX, "write /64") && gateway_ok(c, node, path, &p))
		d->net->address6 = p;
}

static void read_ladder(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	static const char *const rungs[] = { [IP6_SOURCE_ULA] = "ula", [IP6_SOURCE_DELEGATED] = "delegated",
					     [IP6_SOURCE_ON_LINK] = "on-link" };
	const struct yaml_node *const *items;
	size_t n = conf_list(c, node, path, "delegated, on-link, ula", &items);
	enum ip6_source *ladder = arena_alloc(c->arena, n, sizeof(*ladder));
	size_t n_ladder = 0;
	unsigned int seen = 0;

	if (n == 0 && node->type == YAML_LIST)
		report_help(conf_error(c, &node->where, path, "an empty ladder"), "write [delegated, on-link, ula], or ipv6: off");
	for (size_t i = 0; i < n; i++) {
		int word = conf_word(c, items[i], path, rungs, ARRAY_LEN(rungs));

		if (word < 0)
			continue;
		if (seen & 1u << word)
			report_help(conf_error(c, &items[i]->where, path, "\"%s\" is here twice", rungs[word]), "remove one");
		else
			ladder[n_ladder++] = (enum ip6_source)word;
		seen |= 1u << word;
	}
	if (n_ladder == 0)
		return;
	d->net->ladder = ladder;
	d->net->n_ladder = n_ladder;
}

static void read_assign(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	static const char *const words[] = { [ASSIGN_SLAAC] = "slaac", [ASSIGN_DHCP] = "dhcp",
					     [ASSIGN_SLAAC | ASSIGN_DHCP] = "both" };
	int word = conf_word(c, node, path, words, ARRAY_LEN(words));

	if (word > 0) {
		d->net->assign = (unsigned int)word;
		d->assign_given = true;
	}
}

static void read_dhcp6(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	struct d_network *net = d->net;
	int word = conf_word_try(node, on_off, ARRAY_LEN(on_off));

	d->range6_where = node->where;
	if (word == 0 && d->assign_given && net->assign == ASSIGN_DHCP) {
		report_help(conf_error(c, &node->where, path, "off, but assign is dhcp: guests would get no address"),
			    "write assign: slaac, or leave it out");
	} else if (word == 0) {
		net->assign &= ~(unsigned int)ASSIGN_DHCP;
	} else if (word < 0) {
		d->range6_given = conf_range(c, node, path, AF_INET6, &net->range6);
		if (d->range6_given && net->assign == ASSIGN_SLAAC)
			report_help(conf_error(c, &node->where, path, "a range, but assign is slaac"),
				    "write assign: both, or leave the range out");
		if (d->range6_given && net->ipv6 == IP6_SOURCE_AUTO) {
			report_help(conf_error(c, &node->where, path, "a range needs the network's address, and auto picks one later"),
				    "write ipv6: { address: … } too, or dhcp: auto");
			d->range6_given = false;
		}
	}
}

void conf_read_ipv6(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	enum { ADDRESS, ASSIGN, DHCP, NAT, LADDER, NDP_PROXY, N_ };
	static const struct key keys[N_] = {
		[ADDRESS] = { "address", IN_SERVED }, [ASSIGN] = { "assign", IN_SERVED },
		[DHCP] = { "dhcp", IN_SERVED },	      [NAT] = { "nat", IN(NAT) | IN(ROUTED) },
		[LADDER] = { "ladder", IN_SERVED },   [NDP_PROXY] = { "ndp-proxy", IN(ROUTED) },
	};
	static const char *const nat[] = { [TRISTATE_AUTO] = "auto", [TRISTATE_YES] = "yes", [TRISTATE_NO] = "no" };
	static const char *const proxy[] = { "auto", "kernel", "engine", "off" };
	struct d_network *net = d->net;
	const struct yaml_node *v[N_];

	net->ipv6 = net->mode == NET_MODE_ROUTED ? IP6_SOURCE_AUTO : IP6_SOURCE_ULA;
	if (!node)
		return;
	net->ipv6_where = d->address6_where = node->where;
	if (node->type == YAML_SCALAR) {
		read_address6(c, d, node, path, false);
		return;
	}
	if (!conf_map(c, node, path, keys, N_, d->usable ? (int)net->mode : -1, v))
		return;
	if (v[ADDRESS])
		read_address6(c, d, v[ADDRESS], conf_path(c, path, "address"), true);
	if (v[ASSIGN])
		read_assign(c, d, v[ASSIGN], conf_path(c, path, "assign"));
	if (v[DHCP])
		read_dhcp6(c, d, v[DHCP], conf_path(c, path, "dhcp"));
	if (v[NAT]) {
		int word = conf_word(c, v[NAT], conf_path(c, path, "nat"), nat, ARRAY_LEN(nat));

		if (word >= 0)
			net->nat6 = (enum tristate)word;
	}
	if (v[LADDER])
		read_ladder(c, d, v[LADDER], conf_path(c, path, "ladder"));
	if (v[NDP_PROXY])
		(void)conf_word(c, v[NDP_PROXY], conf_path(c, path, "ndp-proxy"), proxy, ARRAY_LEN(proxy));
	if (ip_is_set(&net->address6.ip) && net->assign & ASSIGN_SLAAC && net->address6.len != 64) {
		report_help(conf_error(c, &d->address6_where, conf_path(c, path, "address"), "SLAAC needs a /64, not a /%u",
				       net->address6.len), "write /64, or assign: dhcp");
		net->address6 = (struct prefix){ 0 };
	}
}
