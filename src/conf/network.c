/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network - one entry of `networks`
 *
 * Reads every key of a network but those of its addresses (ip.c) and guests
 * (guest.c). Modes that aren't built yet are read and checked all the same, so
 * that their one error isn't hidden by or hiding others.
 */
#include "conf/read.h"

#include <strings.h>
#include "conf/text.h"

enum {
	KEY_MODE, KEY_UPLINK, KEY_BRIDGE, KEY_MAC, KEY_MTU, KEY_DOMAIN, KEY_IPV4, KEY_IPV6, KEY_LEASE, KEY_NAT_PORTS,
	KEY_NAT_ADDRESS, KEY_DNS, KEY_HOST_ACCESS, KEY_SPOOF_CHECK, KEY_FIREWALL, KEY_AUTOSTART, KEY_ALLOW, KEY_GUESTS,
	KEY_MACVTAP, KEY_PORTS, KEY_ADOPT, KEY_N_,
};

static const struct key keys[KEY_N_] = {
	[KEY_MODE] = { "mode", IN_ALL },
	[KEY_UPLINK] = { "uplink", IN(NAT) | IN(ROUTED) | IN(MACVTAP) | IN(HOSTDEV) },
	[KEY_BRIDGE] = { "bridge", IN_SERVED | IN(BRIDGE) },
	[KEY_MAC] = { "mac", IN_SERVED },
	[KEY_MTU] = { "mtu", IN_SERVED | IN(MACVTAP) },
	[KEY_DOMAIN] = { "domain", IN_SERVED },
	[KEY_IPV4] = { "ipv4", IN_SERVED },
	[KEY_IPV6] = { "ipv6", IN_SERVED },
	[KEY_LEASE] = { "lease", IN_SERVED },
	[KEY_NAT_PORTS] = { "nat-ports", IN(NAT) },
	[KEY_NAT_ADDRESS] = { "nat-address", IN(NAT) },
	[KEY_DNS] = { "dns", IN_SERVED },
	[KEY_HOST_ACCESS] = { "host-access", IN_SERVED | IN(MACVTAP) },
	[KEY_SPOOF_CHECK] = { "spoof-check", IN_ALL },
	[KEY_FIREWALL] = { "firewall", IN_SERVED | IN(BRIDGE) },
	[KEY_AUTOSTART] = { "autostart", IN_ALL },
	[KEY_ALLOW] = { "allow", IN_ALL },
	[KEY_GUESTS] = { "guests", IN_ALL },
	[KEY_MACVTAP] = { "macvtap", IN(MACVTAP) },
	[KEY_PORTS] = { "ports", IN(ROUTED) },
	[KEY_ADOPT] = { "adopt", IN_ALL },
};

#define MTU_MIN 576u		/* RFC 791: what every host must be able to take */
#define MTU_MIN6 1280u		/* RFC 8200 5 */
#define MTU_MAX 65521u		/* the kernel's limit for a tap: 65535 less the Ethernet header */
#define LEASE_MIN 120u
#define LEASE_MAX (365u * 86400)
#define MACVTAP_QUEUE 1000u	/* frames: the kernel's own default */
#define DNS_MAX 4		/* servers of one family in our DHCP and RA options */

const char *conf_network_name_fault(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NETWORK_NAME_MAX)
		return "a network's name has 1 to 15 characters; it is a device's name too";
	if (name[0] == '-')
		return "a network's name cannot begin with \"-\"; begin with a letter or a digit";
	for (const char *c = name; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != '-')
			return "a network's name has only a-z, 0-9 and \"-\"; rename it";
	return NULL;
}

/* What modes are called elsewhere. */
static const char *mode_synonym(const char *text)
{
	static const char *const t[][2] = {
		{ "passthrough", "hostdev" }, { "passthru", "hostdev" },   { "vfio", "hostdev" },
		{ "sriov", "hostdev" },	      { "direct", "macvtap" },	   { "vepa", "macvtap" },
		{ "private", "isolated" },    { "host-only", "isolated" }, { "hostonly", "isolated" },
		{ "internal", "isolated" },   { "masquerade", "nat" },	   { "bridged", "bridge" },
		{ "route", "routed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (strcasecmp(text, t[i][0]) == 0)
			return t[i][1];
	return NULL;
}

/* -1: not known, and said so. */
static int read_mode(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	const char *names = conf_names(c, net_mode_name, NET_MODE_N_);
	const char *text = conf_text(c, node, path, "a mode"), *close;
	int mode = conf_word_try(node, net_mode_name, NET_MODE_N_);

	d->net->mode_where = node->where;
	if (!text)
		return -1;
	if (mode < 0) {
		struct finding *f = conf_error(c, &node->where, path, "%s isn't a mode", conf_quote(c, text));

		close = mode_synonym(text);
		if (!close)
			close = text_closest(text, net_mode_name, NET_MODE_N_);
		if (close)
			report_help(f, "did you mean \"%s\"?", close);
		else
			report_help(f, "write %s", names);
		if (close)
			report_hint(f, "%s", names);
		return -1;
	}
	d->net->mode = (enum net_mode)mode;
	switch (d->net->mode) {
	case NET_MODE_NAT:
	case NET_MODE_ISOLATED:
	case NET_MODE_BRIDGE:
	case NET_MODE_MACVTAP:
		return mode;
	case NET_MODE_ROUTED:
	case NET_MODE_HOSTDEV:
	case NET_MODE_N_:
		break;
	}
	report_help(conf_error(c, &node->where, path, "mode %s is not built yet", net_mode_name[mode]),
		    "use nat, isolated, bridge or macvtap");
	d->usable = false;
	return mode;
}

static const char *read_ifname(struct conf *c, const struct yaml_node *node, const char *path, const char *expected)
{
	const char *text = conf_text(c, node, path, expected);

	if (!text)
		return NULL;
	if (!text_is_ifname(text)) {
		report_help(conf_error(c, &node->where, path, "%s cannot be the name of a device", conf_quote(c, text)),
			    "write 1 to 15 characters without space, \"/\", \":\", \"%%\" and \"*\"");
		return NULL;
	}
	return arena_strdup(c->arena, text);
}

static void read_uplink(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	d->net->uplink_where = node->where;
	if (conf_word_try(node, (const char *const[]){ "auto" }, 1) < 0)
		d->net->uplink = read_ifname(c, node, path, "auto or a device's name");
}

static void read_mtu(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	unsigned int least = d->net->ipv6 == IP6_SOURCE_OFF ? MTU_MIN : MTU_MIN6;
	const char *text;
	uint64_t mtu;

	if (conf_word_try(node, (const char *const[]){ "auto" }, 1) == 0)
		return;
	text = conf_text(c, node, path, "auto or a number");
	if (!text)
		return;
	if (!text_number(text, &mtu))
		report_help(conf_error(c, &node->where, path, "%s isn't a number", conf_quote(c, text)),
			    "write auto, or bytes from %u to %u", least, MTU_MAX);
	else if (mtu < MTU_MIN || mtu > MTU_MAX)
		report_help(conf_error(c, &node->where, path, "%s is out of range", text), "write auto, or bytes from %u to %u",
			    least, MTU_MAX);
	else if (mtu < least)
		report_help(conf_error(c, &node->where, path, "IPv6 needs an MTU of at least %u", MTU_MIN6),
			    "raise it, or write ipv6: off");
	else
		d->net->mtu = (uint32_t)mtu;
}

static void read_domain(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	const char *text = conf_text(c, node, path, "a domain name");

	if (!text)
		return;
	if (!text_is_domain(text))
		report_help(conf_error(c, &node->where, path, "%s isn't a domain name", conf_quote(c, text)),
			    "write labels of a-z, 0-9 and \"-\" with dots between them, lan or vm.example.org for example");
	else
		d->net->domain = arena_strdup(c->arena, text);
}

static void read_lease(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	const char *text = conf_text(c, node, path, "a duration");
	uint64_t s;

	if (!text)
		return;
	if (!text_duration(text, &s))
		report_help(conf_error(c, &node->where, path, "%s isn't a duration", conf_quote(c, text)),
			    "write 1h, 90m, 1d, or seconds");
	else if (s < LEASE_MIN || s > LEASE_MAX)
		report_help(conf_error(c, &node->where, path, "%s is %s", text, s < LEASE_MIN ? "too short" : "too long"),
			    "a lease lasts from 2m to 365d");
	else
		d->net->lease_s = (uint32_t)s;
}

static void read_nat_ports(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	const char *text = conf_text(c, node, path, "a range of ports");
	uint64_t first, last;

	if (!text)
		return;
	if (!strchr(text, '-') || !text_range(text, UINT16_MAX, &first, &last)) {
		report_help(conf_error(c, &node->where, path, "%s isn't a range of ports", conf_quote(c, text)),
			    "write FIRST-LAST within 1-65535, 50000-65535 for example");
		return;
	}
	d->net->nat_port_first = (uint16_t)first;
	d->net->nat_port_last = (uint16_t)last;
}

/* Addresses, at most @max of a family. */
static size_t read_ips(struct conf *c, const struct yaml_node *node, const char *path, size_t max, const struct ip **ret)
{
	const struct yaml_node *const *items;
	size_t n = conf_list(c, node, path, "ADDRESS", &items), n_ips = 0, n4 = 0, n6 = 0;
	struct ip *ips = arena_alloc(c->arena, n, sizeof(*ips));

	for (size_t i = 0; i < n; i++) {
		struct ip ip;
		bool twice = false;

		if (!conf_ip(c, items[i], path, 0, &ip))
			continue;
		for (size_t k = 0; k < n_ips && !twice; k++)
			twice = ip_eq(&ips[k], &ip);
		if (twice) {
			report_help(conf_error(c, &items[i]->where, path, "%s is here twice", IP_STR(&ip)), "remove one");
			continue;
		}
		n4 += ip.family == AF_INET;
		n6 += ip.family == AF_INET6;
		if ((ip.family == AF_INET ? n4 : n6) == max + 1)
			report_help(conf_error(c, &items[i]->where, path, "more than %zu %s address%s", max,
					       ip.family == AF_INET ? "IPv4" : "IPv6", max == 1 ? "" : "es"),
				    "keep the best");
		ips[n_ips++] = ip;
	}
	*ret = ips;
	return n_ips;
}

static void read_dns(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	static const char *const words[] = { "off", "auto" };
	int word = conf_word_try(node, words, ARRAY_LEN(words));
	const char *close = node->type == YAML_SCALAR ? text_closest(node->text, words, ARRAY_LEN(words)) : NULL;

	if (word >= 0) {
		d->net->dns = word == 1;
		return;
	}
	if (close) {
		report_help(conf_error(c, &node->where, path, "%s isn't one of its values", conf_quote(c, node->text)),
			    "did you mean \"%s\"?", close);
		return;
	}
	if (node->type == YAML_LIST && node->n == 0)
		report_help(conf_error(c, &node->where, path, "an empty list"), "write off, or addresses");
	d->net->dns = false;
	d->net->n_dns_servers = read_ips(c, node, path, DNS_MAX, &d->net->dns_servers);
}

static void read_host_access(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	int word;

	d->net->host_access_where = node->where;
	if (d->net->mode == NET_MODE_MACVTAP) {
		conf_read_macvtap_host(c, d, node, path);
		return;
	}
	word = conf_word(c, node, path, host_access_name, HOST_ACCESS_N_);
	if (word >= 0)
		d->net->host_access = (enum host_access)word;
}

static void read_allow(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	const struct yaml_node *const *items;
	size_t n = conf_list(c, node, path, "USER, \"@GROUP\"", &items);
	const char **allow = arena_alloc(c->arena, n, sizeof(*allow));

	for (size_t i = 0; i < n; i++) {
		const char *text = conf_text(c, items[i], path, "a user's name");

		if (!text)
			continue;
		if (!text_is_user(text + (text[0] == '@')) || conf_is_bool(items[i])) {
			report_help(conf_error(c, &items[i]->where, path, "%s isn't a user's name", conf_quote(c, text)),
				    "write a name (not a number, yes or no), a group as \"@kvm\"");
			continue;
		}
		allow[d->net->n_allow++] = arena_strdup(c->arena, text);
	}
	d->net->allow = allow;
}

/* /proc/sys/net/ipv4/conf/all isn't an interface, and lo is taken. */
static void check_bridge_name(struct conf *c, struct draft *d, const struct where *where, const char *path)
{
	static const char *const taken[] = { "all", "default", "lo" };

	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (d->usable && str_eq(d->net->bridge, taken[i]))
			report_help(conf_error(c, where, path, "a device cannot be called \"%s\"", taken[i]),
				    "name it with  bridge: NAME");
}

static void set_defaults(struct conf *c, struct d_network *net)
{
	static const enum ip6_source ladder[] = { IP6_SOURCE_DELEGATED, IP6_SOURCE_ON_LINK, IP6_SOURCE_ULA };
	bool served = IN_SERVED & 1u << net->mode;

	net->bridge = net->mode == NET_MODE_MACVTAP ? conf_macvtap_host_name(c, net->name) : net->name;
	net->domain = "lan";
	net->assign = ASSIGN_SLAAC | ASSIGN_DHCP;
	net->ladder = ladder;
	net->n_ladder = ARRAY_LEN(ladder);
	net->lease_s = 3600;
	net->nat_port_first = net->mode == NET_MODE_NAT ? 50000 : 0;
	net->nat_port_last = net->mode == NET_MODE_NAT ? 65535 : 0;
	net->dns = served;
	net->host_access = net->mode == NET_MODE_ISOLATED ? HOST_ACCESS_SERVICES :
			   net->mode == NET_MODE_MACVTAP ? HOST_ACCESS_NO : HOST_ACCESS_YES;
	net->macvtap.broadcast_queue = MACVTAP_QUEUE;
	net->spoof_check = true;
	net->firewall_auto = true;
	net->autostart = true;
}

static void read_rest(struct conf *c, struct draft *d, const struct yaml_node *const v[static KEY_N_])
{
	static const char *const firewall[] = { "off", "auto" }, *const ports[] = { "bridge", "routed" };
	const char *p[KEY_N_], *name;
	int word;

	for (size_t i = 0; i < KEY_N_; i++)
		p[i] = conf_path(c, d->path, keys[i].name);
	if (v[KEY_UPLINK])
		read_uplink(c, d, v[KEY_UPLINK], p[KEY_UPLINK]);
	if (v[KEY_BRIDGE]) {
		d->net->bridge_where = v[KEY_BRIDGE]->where;
		name = read_ifname(c, v[KEY_BRIDGE], p[KEY_BRIDGE], "a device's name");
		if (name)
			d->net->bridge = name;
	}
	check_bridge_name(c, d, &d->net->bridge_where, p[KEY_BRIDGE]);
	if (v[KEY_MAC] && conf_mac(c, v[KEY_MAC], p[KEY_MAC], &d->net->mac))
		d->mac_where = v[KEY_MAC]->where;
	if (1u << d->net->mode & IN_SERVED) {
		conf_read_ipv4(c, d, v[KEY_IPV4], p[KEY_IPV4]);
		conf_read_ipv6(c, d, v[KEY_IPV6], p[KEY_IPV6]);
	}
	if (v[KEY_MTU])
		read_mtu(c, d, v[KEY_MTU], p[KEY_MTU]);
	if (v[KEY_DOMAIN])
		read_domain(c, d, v[KEY_DOMAIN], p[KEY_DOMAIN]);
	if (v[KEY_LEASE])
		read_lease(c, d, v[KEY_LEASE], p[KEY_LEASE]);
	if (v[KEY_NAT_PORTS])
		read_nat_ports(c, d, v[KEY_NAT_PORTS], p[KEY_NAT_PORTS]);
	if (v[KEY_NAT_ADDRESS])
		d->net->n_nat_addresses = read_ips(c, v[KEY_NAT_ADDRESS], p[KEY_NAT_ADDRESS], 1, &d->net->nat_addresses);
	if (v[KEY_DNS])
		read_dns(c, d, v[KEY_DNS], p[KEY_DNS]);
	if (v[KEY_HOST_ACCESS])
		read_host_access(c, d, v[KEY_HOST_ACCESS], p[KEY_HOST_ACCESS]);
	if (v[KEY_SPOOF_CHECK])
		(void)conf_bool(c, v[KEY_SPOOF_CHECK], p[KEY_SPOOF_CHECK], &d->net->spoof_check);
	if (v[KEY_FIREWALL]) {
		word = conf_word(c, v[KEY_FIREWALL], p[KEY_FIREWALL], firewall, ARRAY_LEN(firewall));
		d->net->firewall_auto = word != 0;
	}
	if (v[KEY_AUTOSTART])
		(void)conf_bool(c, v[KEY_AUTOSTART], p[KEY_AUTOSTART], &d->net->autostart);
	if (v[KEY_ALLOW])
		read_allow(c, d, v[KEY_ALLOW], p[KEY_ALLOW]);
	if (v[KEY_MACVTAP])
		conf_read_macvtap(c, d, v[KEY_MACVTAP], p[KEY_MACVTAP]);
	if (v[KEY_PORTS])
		(void)conf_word(c, v[KEY_PORTS], p[KEY_PORTS], ports, ARRAY_LEN(ports));
	if (v[KEY_GUESTS])
		conf_read_guests(c, d, v[KEY_GUESTS], p[KEY_GUESTS]);
	if (d->net->mode == NET_MODE_MACVTAP)
		conf_check_macvtap(c, d);
}

static const struct yaml_pair *find(const struct yaml_node *map, const char *key)
{
	for (size_t i = 0; map->type == YAML_MAP && i < map->n; i++)
		if (str_eq(map->pairs[i].key->text, key))
			return &map->pairs[i];
	return NULL;
}

void conf_read_network(struct conf *c, const struct yaml_pair *pair, const struct conf_source *source)
{
	const struct yaml_node *name = pair->key, *node = pair->value, *v[KEY_N_];
	const struct yaml_pair *mode_pair = find(node, "mode"), *adopt = find(node, "adopt");
	const char *path = conf_path(c, "networks", name->text), *fault = conf_network_name_fault(name->text);
	int mode = adopt ? -1 : NET_MODE_NAT;
	struct draft draft = { .net = ARENA_NEW(c->arena, struct d_network), .path = path, .usable = true };
	struct d_network *net = draft.net;

	if (fault) {
		conf_fault(c, &name->where, path, fault);
		draft.usable = false;
	}
	net->name = arena_strdup(c->arena, name->text);
	net->where = net->mode_where = net->uplink_where = net->bridge_where = name->where;
	net->host_access_where = net->macvtap.mode_where = name->where;
	net->ipv4_where = net->ipv6_where = draft.address4_where = draft.address6_where = name->where;
	net->file = name->where.file;
	net->source = arena_strdup(c->arena, source->path ? source->path : source->file);
	net->mode = NET_MODE_NAT;
	if (mode_pair)
		mode = read_mode(c, &draft, mode_pair->value, conf_path(c, path, "mode"));
	if (mode < 0)
		draft.usable = false;
	if (adopt) {
		report_help(conf_error(c, &adopt->key->where, conf_path(c, path, "adopt"), "adopt is not built yet"),
			    "leave this network out");
		draft.usable = false;
	}
	set_defaults(c, net);
	if (conf_map(c, node, path, keys, KEY_N_, mode, v))
		read_rest(c, &draft, v);
	GROW(c->drafts, c->n_drafts, c->cap_drafts);
	c->drafts[c->n_drafts++] = draft;
}
