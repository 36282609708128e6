/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest - the guests of a network and their forwards
 */
#include "conf/read.h"

#include <inttypes.h>
#include "conf/forward.h"
#include "conf/text.h"
#include "model/service.h"

enum { KEY_MAC, KEY_IPV4, KEY_IPV6, KEY_USER, KEY_FORWARD, KEY_N_ };

static const struct key keys[KEY_N_] = {
	[KEY_MAC] = { "mac", IN_ALL },
	[KEY_IPV4] = { "ipv4", IN_ALL },
	[KEY_IPV6] = { "ipv6", IN_ALL },
	[KEY_USER] = { "user", IN_ALL },
	[KEY_FORWARD] = { "forward", IN(NAT) | IN(ROUTED) },
};

const char *conf_guest_name_fault(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > GUEST_NAME_MAX)
		return "a guest's name has 1 to 63 characters; it is its name in DNS too";
	if (text_is_label(name))
		return NULL;
	for (const char *c = name; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			return "a guest's name has no capital letters: it is its name in DNS too; write it in lower case";
	if (name[0] == '-' || name[n - 1] == '-')
		return "a guest's name neither begins nor ends with \"-\": it is its name in DNS too; rename it";
	return "a guest's name has only a-z, 0-9 and \"-\": it is its name in DNS too; rename it";
}

const char *conf_mac_fault(const struct mac *mac)
{
	static const struct {
		uint8_t b[5];
		const char *fault;
	} reserved[] = {
		{ { 0x00, 0x00, 0x5e, 0x00, 0x01 }, "this MAC address is reserved for VRRP; take another" },
		{ { 0x00, 0x00, 0x5e, 0x00, 0x02 }, "this MAC address is reserved for VRRP; take another" },
	};

	if (mac_is_zero(mac))
		return "00:00:00:00:00:00 isn't the address of a machine; leave the key out to get a stable one";
	if (mac_is_multicast(mac))
		return "this MAC address is a multicast one (its first byte is odd); take one with an even first byte, 52:… for example";
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (memcmp(mac->b, reserved[i].b, sizeof(reserved[i].b)) == 0)
			return reserved[i].fault;
	return NULL;
}

struct ips {
	struct ip *ips;
	struct where *where;
	size_t n, cap, cap_where;
};

static void read_ips(struct conf *c, struct draft *d, struct ips *ips, const struct yaml_node *node, const char *path, int family)
{
	const struct yaml_node *const *items;
	size_t n = conf_list(c, node, path, "ADDRESS", &items);

	for (size_t i = 0; i < n; i++) {
		struct prefix prefix;
		struct ip ip;

		if (family == AF_INET6 && d->net->mode == NET_MODE_ROUTED && items[i]->type == YAML_SCALAR &&
		    prefix_parse(items[i]->text, &prefix))
			continue;	/* a routed prefix: goes with the mode */
		if (!conf_ip(c, items[i], path, family, &ip))
			continue;
		if (ip_is_link_local(&ip)) {
			report_help(conf_error(c, &items[i]->where, path, "%s is link-local: guests make those themselves", IP_STR(&ip)),
				    "write one inside the network's prefix");
			continue;
		}
		if (ips->n == SERVICE_HOST_IPS) {
			report_help(conf_error(c, &items[i]->where, path, "more than %d addresses", SERVICE_HOST_IPS), "remove some");
			return;
		}
		ARENA_GROW(c->arena, ips->ips, ips->n, ips->cap);
		ARENA_GROW(c->arena, ips->where, ips->n, ips->cap_where);
		ips->where[ips->n] = items[i]->where;
		ips->ips[ips->n++] = ip;
	}
}

/* Who may use a forward: prefixes, or single addresses. */
static bool read_from(struct conf *c, const struct yaml_node *node, const char *path, struct d_forward *f)
{
	const struct yaml_node *const *items;
	size_t n = conf_list(c, node, path, "198.51.100.0/24", &items);
	struct prefix *from = arena_alloc(c->arena, n, sizeof(*from));
	bool good = n > 0;

	if (n == 0 && node->type == YAML_LIST)
		report_help(conf_error(c, &node->where, path, "an empty list: nobody could use this forward"),
			    "name who may, or leave the key out");
	for (size_t i = 0; i < n; i++) {
		const char *text = conf_text(c, items[i], path, "a prefix");
		struct prefix p = { 0 };
		struct ip network;

		if (!text) {
			good = false;
			continue;
		}
		if (ip_parse(text, &p.ip)) {
			p.len = (uint8_t)ip_bits(&p.ip);
		} else if (!prefix_parse(text, &p)) {
			report_help(conf_error(c, &items[i]->where, path, "%s isn't a prefix", conf_quote(c, text)),
				    "write one like 198.51.100.0/24, or an address");
			good = false;
			continue;
		}
		network = prefix_network(&p);
		if (!ip_eq(&network, &p.ip)) {
			report_help(conf_error(c, &items[i]->where, path, "%s has bits behind its prefix length", PREFIX_STR(&p)),
				    "write %s/%u for the network, %s for the one address", IP_STR(&network), p.len, IP_STR(&p.ip));
			good = false;
		} else if (ip_is_set(&f->host) && f->host.family != p.ip.family) {
			report_help(conf_error(c, &items[i]->where, path, "%s can never reach %s: the families differ",
					       PREFIX_STR(&p), IP_STR(&f->host)), "write one of the same family");
			good = false;
		}
		from[i] = p;
	}
	f->from = from;
	f->n_from = n;
	return good;
}

static bool read_spec(struct conf *c, const struct yaml_node *node, const char *path, struct d_forward *ret)
{
	const char *text = conf_text(c, node, path, "a forward");
	struct forward_fault fault;
	uint64_t n;

	if (!text)
		return false;
	if (forward_parse(text, c->arena, ret, &fault)) {
		ret->where = node->where;
		return true;
	}
	struct finding *f = conf_error(c, &node->where, path, "%s", fault.what);

	report_help(f, "%s", fault.help);
	if (node->verbatim)
		report_caret(f, (unsigned int)fault.skip, (unsigned int)fault.width);
	if (!node->quoted && text_number(text, &n) && (n > UINT16_MAX || strstr(fault.help, "without its quotes")))
		report_hint(f, "YAML 1.1 writers (Ansible, PyYAML) turn 8022:22 without quotes into a number: quote forwards");
	return false;
}

static bool read_forward(struct conf *c, const struct yaml_node *node, const char *path, struct d_forward *ret)
{
	static const struct key sub[] = { { "port", IN_ALL }, { "from", IN_ALL } };
	const struct yaml_node *v[ARRAY_LEN(sub)];

	if (node->type != YAML_MAP)
		return read_spec(c, node, path, ret);
	if (!conf_map(c, node, path, sub, ARRAY_LEN(sub), -1, v))
		return false;
	if (!v[0]) {
		report_help(conf_error(c, &node->where, path, "a forward without port"), "write { port: \"8080:80\", from: [PREFIX] }");
		return false;
	}
	bool good = read_spec(c, v[0], conf_path(c, path, "port"), ret);

	if (v[1]) {
		struct d_forward unknown = { 0 };

		good &= read_from(c, v[1], conf_path(c, path, "from"), good ? ret : &unknown);
	}
	return good;
}

static void read_forwards(struct conf *c, struct d_guest *guest, const struct yaml_node *node, const char *path)
{
	const struct yaml_node *const *items = (const struct yaml_node *const *)&node;
	size_t n = node->type == YAML_MAP ? 1 : conf_list(c, node, path, "\"8080:80\"", &items);
	struct d_forward *forwards = arena_alloc(c->arena, n, sizeof(*forwards));

	for (size_t i = 0; i < n; i++)
		if (read_forward(c, items[i], path, &forwards[guest->n_forwards]))
			guest->n_forwards++;
		else
			forwards[guest->n_forwards] = (struct d_forward){ 0 };
	guest->forwards = forwards;
}

static void read_guest(struct conf *c, struct draft *d, const struct yaml_pair *pair, const char *path, int mode,
		       struct d_guest *guest)
{
	const struct yaml_node *v[KEY_N_];
	const char *fault = conf_guest_name_fault(pair->key->text), *text;
	struct ips ips = { 0 };

	guest->where = pair->key->where;
	guest->name = arena_strdup(c->arena, pair->key->text);
	path = conf_path(c, path, pair->key->text);
	if (fault)
		conf_fault(c, &pair->key->where, path, fault);
	if (!conf_map(c, pair->value, path, keys, KEY_N_, mode, v))
		return;
	if (v[KEY_MAC] && conf_mac(c, v[KEY_MAC], conf_path(c, path, "mac"), &guest->mac)) {
		guest->mac_given = true;
		guest->mac_where = v[KEY_MAC]->where;
	}
	if (v[KEY_IPV4])
		read_ips(c, d, &ips, v[KEY_IPV4], conf_path(c, path, "ipv4"), AF_INET);
	if (v[KEY_IPV6])
		read_ips(c, d, &ips, v[KEY_IPV6], conf_path(c, path, "ipv6"), AF_INET6);
	guest->ips = ips.ips;
	guest->ip_where = ips.where;
	guest->n_ips = ips.n;
	if (v[KEY_USER]) {
		text = conf_text(c, v[KEY_USER], conf_path(c, path, "user"), "a user's name");
		if (text && (!text_is_user(text) || conf_is_bool(v[KEY_USER])))
			report_help(conf_error(c, &v[KEY_USER]->where, conf_path(c, path, "user"), "%s isn't a user's name",
					       conf_quote(c, text)), "write one name; groups go into the network's  allow");
		else if (text)
			guest->user = arena_strdup(c->arena, text);
	}
	if (v[KEY_FORWARD])
		read_forwards(c, guest, v[KEY_FORWARD], conf_path(c, path, "forward"));
}

static int cmp_guest(const void *a, const void *b)
{
	return strcmp(((const struct d_guest *)a)->name, ((const struct d_guest *)b)->name);
}

void conf_read_guests(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	if (node->type == YAML_NULL)
		return;
	if (node->type != YAML_MAP) {
		report_help(conf_error(c, &node->where, path, "%s where a mapping belongs", yaml_type_text(node->type)),
			    "write guests: { NAME: {} }");
		return;
	}
	d->net->guests = arena_alloc(c->arena, node->n, sizeof(*d->net->guests));
	d->net->n_guests = node->n;
	for (size_t i = 0; i < node->n; i++)
		read_guest(c, d, &node->pairs[i], path, d->usable ? (int)d->net->mode : -1, &d->net->guests[i]);
	if (node->n > 1)
		qsort(d->net->guests, node->n, sizeof(*d->net->guests), cmp_guest);
}
