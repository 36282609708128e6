/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvtap - what only networks of mode macvtap have
 */
#include "conf/read.h"

#include "base/hash.h"
#include "conf/text.h"

#define QUEUE_MAX 1000000u /* frames; the kernel would take more, and hold them all */
#define SOURCES_MAX 1024

/* "passthrough" is what people write; the kernel calls it passthru. */
static const char *const modes[] = { "bridge", "vepa", "private", "passthru", "source", "passthrough" };

static void read_sources(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	const struct yaml_node *const *items;
	size_t n = conf_list(c, node, path, "MAC", &items);
	struct mac *macs = arena_alloc(c->arena, n, sizeof(*macs));

	if (n > SOURCES_MAX) {
		report_help(conf_error(c, &node->where, path, "more than %d MAC addresses", SOURCES_MAX),
			    "whoever needs as many needs another mode");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		bool twice = false;
		struct mac mac;

		if (!conf_mac(c, items[i], path, &mac))
			continue;
		for (size_t k = 0; k < d->net->macvtap.n_sources && !twice; k++)
			twice = mac_eq(&macs[k], &mac);
		if (twice)
			report_help(conf_error(c, &items[i]->where, path, "%s is here twice", MAC_STR(&mac)),
				    "remove one");
		else
			macs[d->net->macvtap.n_sources++] = mac;
	}
	d->net->macvtap.sources = macs;
}

static void read_queue(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	const char *text = conf_text(c, node, path, "a number");
	uint64_t n;

	if (!text)
		return;
	if (!text_number(text, &n))
		report_help(conf_error(c, &node->where, path, "%s isn't a number", conf_quote(c, text)),
			    "write frames, 1000 for example");
	else if (n < 1 || n > QUEUE_MAX)
		report_help(conf_error(c, &node->where, path, "%s is out of range", text), "write frames, from 1 to %u",
			    QUEUE_MAX);
	else
		d->net->macvtap.broadcast_queue = (uint32_t)n;
}

void conf_read_macvtap(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	enum { MODE, MULTICAST, QUEUE, SOURCES, N_ };
	static const struct key sub[N_] = {
		[MODE] = { "mode", IN_ALL },
		[MULTICAST] = { "multicast", IN_ALL },
		[QUEUE] = { "broadcast-queue", IN_ALL },
		[SOURCES] = { "sources", IN_ALL },
	};
	const struct yaml_node *v[N_];
	int word;

	if (!conf_map(c, node, path, sub, N_, -1, v))
		return;
	if (v[MODE]) {
		d->net->macvtap.mode_where = v[MODE]->where;
		word = conf_word(c, v[MODE], conf_path(c, path, "mode"), modes, ARRAY_LEN(modes));
		if (word == MACVTAP_MODE_N_)
			word = MACVTAP_MODE_PASSTHRU;
		if (word >= 0)
			d->net->macvtap.mode = (enum macvtap_mode)word;
	}
	if (v[MULTICAST]) {
		word = conf_word(c, v[MULTICAST], conf_path(c, path, "multicast"), macvtap_multicast_name,
				 MACVTAP_MULTICAST_N_);
		if (word >= 0)
			d->net->macvtap.multicast = (enum macvtap_multicast)word;
	}
	if (v[QUEUE])
		read_queue(c, d, v[QUEUE], conf_path(c, path, "broadcast-queue"));
	if (v[SOURCES]) {
		const char *at = conf_path(c, path, "sources");

		read_sources(c, d, v[SOURCES], at);
		if (d->net->macvtap.n_sources > 0 && d->net->macvtap.mode != MACVTAP_MODE_SOURCE)
			report_help(conf_error(c, &v[SOURCES]->where, at,
					       "only mode source looks at them, and this is %s",
					       macvtap_mode_name[d->net->macvtap.mode]),
				    "remove them, or write macvtap: { mode: source, … }");
	}
}

/* yes, no, or the host's extra address: one, or one of each family. */
void conf_read_macvtap_host(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path)
{
	static const char *const words[] = { "no", "yes" };
	int word = conf_word_try(node, words, ARRAY_LEN(words));
	const struct yaml_node *const *items;
	size_t n;

	if (word >= 0) {
		d->net->host_access = word == 1 ? HOST_ACCESS_YES : HOST_ACCESS_NO;
		return;
	}
	n = conf_list(c, node, path, "yes, no, ADDRESS/LENGTH", &items);
	for (size_t i = 0; i < n; i++) {
		const char *text = conf_text(c, items[i], path, "yes, no or an address with its length");
		struct prefix p, *to;

		if (!text)
			continue;
		if (!prefix_parse(text, &p)) {
			report_help(conf_error(c, &items[i]->where, path,
					       "%s is neither yes, no nor an address with its length",
					       conf_quote(c, text)),
				    "write yes, or 192.168.0.5/24 for example: an address of the LAN that nobody has");
			continue;
		}
		to = p.ip.family == AF_INET ? &d->net->host_address4 : &d->net->host_address6;
		if (ip_is_set(&to->ip))
			report_help(conf_error(c, &items[i]->where, path, "a second IPv%d address",
					       p.ip.family == AF_INET ? 4 : 6),
				    "keep one");
		else
			*to = p;
		d->net->host_access = HOST_ACCESS_YES;
	}
}

void conf_check_macvtap(struct conf *c, struct draft *d)
{
	struct d_network *net = d->net;
	const char *path = conf_path(c, conf_path(c, d->path, "macvtap"), "mode");

	if (net->host_access == HOST_ACCESS_YES && net->macvtap.mode != MACVTAP_MODE_BRIDGE)
		report_help(conf_error(c, &net->host_access_where, conf_path(c, d->path, "host-access"),
				       "in mode %s guests and the host's own macvlan don't reach each other",
				       macvtap_mode_name[net->macvtap.mode]),
			    "write host-access: no, or macvtap: { mode: bridge }");
	if (net->macvtap.mode == MACVTAP_MODE_SOURCE && net->macvtap.n_sources == 0)
		report_help(
			conf_error(c, &net->macvtap.mode_where, path, "mode source without sources lets nothing in"),
			"write sources: [\"52:54:00:12:34:56\", …], the MACs that guests hear");
}

const char *conf_macvtap_host_name(struct conf *c, const char *network)
{
	uint8_t secret[16] = { 0 }, bytes[16];

	if (strlen(network) + 2 <= NETWORK_NAME_MAX)
		return arena_printf(c->arena, "%s-h", network);
	seed_derive(bytes, secret, "macvtap-host", network, NULL);
	return arena_printf(c->arena, "%.9s%02x%02x-h", network, bytes[0], bytes[1]);
}
