/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read - from YAML nodes to values, with a finding for what isn't one
 */
#include "conf/read.h"

#include <inttypes.h>
#include <stdarg.h>
#include <strings.h>
#include "conf/text.h"

struct finding *conf_error(struct conf *c, const struct where *where, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	_cleanup_(freep) char *what = xvasprintf(fmt, ap);
	va_end(ap);
	return report_add(c->report, SEVERITY_ERROR, where, path, "%s", what);
}

void conf_fault(struct conf *c, const struct where *where, const char *path, const char *fault)
{
	const char *semicolon = strstr(fault, "; ");
	int n = semicolon ? (int)(semicolon - fault) : (int)strlen(fault);
	struct finding *f = conf_error(c, where, path, "%.*s", n, fault);

	if (semicolon)
		report_help(f, "%s", semicolon + 2);
}

const char *conf_path(struct conf *c, const char *path, const char *key)
{
	return path && *path ? arena_printf(c->scratch, "%s.%s", path, key) : key;
}

const char *conf_quote(struct conf *c, const char *text)
{
	size_t n = strlen(text), cut = 60;

	if (n <= cut)
		return arena_printf(c->scratch, "\"%s\"", text);
	while (cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--;
	return arena_printf(c->scratch, "\"%.*s…\"", (int)cut, text);
}

const char *conf_names(struct conf *c, const char *const *names, size_t n)
{
	const char *all = "", *before = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!names[i])
			continue;
		if (before)
			all = *all ? arena_printf(c->scratch, "%s, %s", all, before) : before;
		before = names[i];
	}
	if (!before)
		return "";
	return *all ? arena_printf(c->scratch, "%s or %s", all, before) : before;
}

/* Keys that people try; closest words wouldn't find them. */
static const char *known_elsewhere(const char *key)
{
	static const struct {
		const char *key, *help;
	} t[] = {
		{ "address", "it belongs below ipv4 or ipv6" },
		{ "dhcp", "it belongs below ipv4 or ipv6" },
		{ "assign", "it belongs below ipv6" },
		{ "ladder", "it belongs below ipv6" },
		{ "nat", "it belongs below ipv6; IPv4 NAT comes with mode: nat" },
		{ "ndp-proxy", "it belongs below ipv6" },
		{ "forward", "it belongs to a guest: guests: { NAME: { forward: [\"8080:80\"] } }" },
		{ "forwards", "it belongs to a guest: guests: { NAME: { forward: [\"8080:80\"] } }" },
		{ "ports", "forwards belong to a guest: guests: { NAME: { forward: [\"8080:80\"] } }" },
		{ "gateway", "the gateway is ipv4.address and ipv6.address" },
		{ "subnet", "write ipv4: { address: 192.168.150.1/24 }" },
		{ "cidr", "write ipv4: { address: 192.168.150.1/24 }" },
		{ "dns-servers", "write dns: [ADDRESS]" },
		{ "interface", "the host's interface is uplink" },
		{ "mode", "networks go below networks:" },
		{ "uplink", "networks go below networks:" },
		{ "ipv4", "networks go below networks:" },
		{ "ipv6", "networks go below networks:" },
		{ "guests", "guests go below a network: networks: { NAME: { guests: … } }" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (str_eq(t[i].key, key))
			return t[i].help;
	return NULL;
}

static void unknown_key(struct conf *c, const struct yaml_pair *pair, const char *path, const struct key *keys, size_t n,
			int mode)
{
	const struct yaml_node *key = pair->key;
	const char **names = arena_alloc(c->scratch, n, sizeof(*names));
	struct finding *f = conf_error(c, &key->where, conf_path(c, path, key->text), "unknown key");
	const char *close, *elsewhere = known_elsewhere(key->text);

	for (size_t i = 0; i < n; i++)
		if (mode < 0 || keys[i].modes & 1u << mode)
			names[i] = keys[i].name;
	close = text_closest(key->text, names, n);
	if (close)
		report_help(f, "did you mean \"%s\"?", close);
	else if (elsewhere)
		report_help(f, "%s", elsewhere);
	else if (!path && pair->value->type == YAML_MAP)
		report_help(f, "a network goes below networks:");
	else
		report_help(f, "known here: %s", conf_names(c, names, n));
}

static void wrong_mode(struct conf *c, const struct yaml_node *key, const char *path, const struct key *k, int mode)
{
	const char *names[NET_MODE_N_] = { NULL };

	for (unsigned int m = 0; m < NET_MODE_N_; m++)
		if (k->modes & 1u << m)
			names[m] = net_mode_name[m];
	report_help(conf_error(c, &key->where, conf_path(c, path, key->text), "mode %s doesn't know this key",
			       net_mode_name[mode]),
		    "it belongs to mode %s", conf_names(c, names, ARRAY_LEN(names)));
}

bool conf_map(struct conf *c, const struct yaml_node *node, const char *path, const struct key *keys, size_t n, int mode,
	      const struct yaml_node **ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = NULL;
	if (node->type == YAML_NULL)
		return true;
	if (node->type != YAML_MAP) {
		const char *names[2] = { keys[0].name, n > 1 ? keys[1].name : NULL };

		report_help(conf_error(c, &node->where, path, "%s where a mapping belongs", yaml_type_text(node->type)),
			    "write  KEY: VALUE  lines below it, %s for example", conf_names(c, names, 2));
		return false;
	}
	for (size_t i = 0; i < node->n; i++) {
		const struct yaml_node *key = node->pairs[i].key;
		size_t k = 0;

		while (k < n && !str_eq(keys[k].name, key->text))
			k++;
		if (k == n)
			unknown_key(c, &node->pairs[i], path, keys, n, mode);
		else if (mode >= 0 && !(keys[k].modes & 1u << mode))
			wrong_mode(c, key, path, &keys[k], mode);
		else
			ret[k] = node->pairs[i].value;
	}
	return true;
}

const char *conf_text(struct conf *c, const struct yaml_node *node, const char *path, const char *expected)
{
	if (node->type == YAML_SCALAR)
		return node->text;
	report_help(conf_error(c, &node->where, path, "%s where %s belongs", yaml_type_text(node->type), expected),
		    node->type == YAML_NULL ? "write one, or leave the key out" : "write one value");
	return NULL;
}

int conf_word_try(const struct yaml_node *node, const char *const *words, size_t n)
{
	if (node->type != YAML_SCALAR)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!words[i])
			continue;
		if (str_eq(words[i], node->text) || (text_is_true(words[i]) && text_is_true(node->text)) ||
		    (text_is_false(words[i]) && text_is_false(node->text)))
			return (int)i;
	}
	return -1;
}

int conf_word(struct conf *c, const struct yaml_node *node, const char *path, const char *const *words, size_t n)
{
	const char *names = conf_names(c, words, n), *text = conf_text(c, node, path, names), *close;
	int i = conf_word_try(node, words, n);

	if (!text || i >= 0)
		return i;
	struct finding *f = conf_error(c, &node->where, path, "%s isn't one of its values", conf_quote(c, text));
	close = text_closest(text, words, n);
	if (close) {
		report_help(f, "did you mean \"%s\"?", close);
		report_hint(f, "%s", names);
	} else {
		report_help(f, "write %s", names);
	}
	return -1;
}

bool conf_is_bool(const struct yaml_node *node)
{
	return node->type == YAML_SCALAR && !node->quoted && (text_is_true(node->text) || text_is_false(node->text));
}

bool conf_bool(struct conf *c, const struct yaml_node *node, const char *path, bool *ret)
{
	int i = conf_word(c, node, path, (const char *const[]){ "no", "yes" }, 2);

	if (i < 0)
		return false;
	*ret = i == 1;
	return true;
}

bool conf_mac(struct conf *c, const struct yaml_node *node, const char *path, struct mac *ret)
{
	const char *text = conf_text(c, node, path, "a MAC address"), *fault;
	struct finding *f;
	struct mac guess;
	uint64_t n;

	if (!text)
		return false;
	if (mac_parse(text, ret)) {
		fault = conf_mac_fault(ret);
		if (fault)
			conf_fault(c, &node->where, path, fault);
		return !fault;
	}
	bool number = text_number(text, &n), guessed = text_mac_guess(text, &guess);
	if (number)
		f = conf_error(c, &node->where, path, "a number (%" PRIu64 ") where a MAC address belongs", n);
	else
		f = conf_error(c, &node->where, path, "%s isn't a MAC address", conf_quote(c, text));
	if (guessed)
		report_help(f, "did you mean \"%s\"?", MAC_STR(&guess));
	else
		report_help(f, "write six bytes in quotes, \"52:54:00:12:34:56\" for example");
	if (number && guessed && strlen(text) != 12)
		report_hint(f, "YAML 1.1 writers (Ansible, PyYAML) turn %s without quotes into this number: quote it",
			    MAC_STR(&guess));
	return false;
}

static const char *family_name(int family)
{
	return family == AF_INET ? "IPv4" : family == AF_INET6 ? "IPv6" : "IP";
}

bool conf_ip(struct conf *c, const struct yaml_node *node, const char *path, int family, struct ip *ret)
{
	const char *expected = family == AF_INET ? "an IPv4 address" : family == AF_INET6 ? "an IPv6 address" : "an address";
	const char *text = conf_text(c, node, path, expected);
	struct prefix prefix;
	struct ip ip;

	if (!text)
		return false;
	if (!ip_parse(text, &ip)) {
		struct finding *f = conf_error(c, &node->where, path, "%s isn't %s", conf_quote(c, text), expected);

		if (prefix_parse(text, &prefix)) {
			const char *slash = strchr(text, '/');

			report_help(f, "write it without the prefix length: %s", IP_STR(&prefix.ip));
			if (node->verbatim)
				report_caret(f, (unsigned int)(slash - text), (unsigned int)strlen(slash));
		} else {
			report_help(f, "write %s", family == AF_INET6 ? "one like \"fd12:8848:a2a2:1::10\"" : "one like 192.168.150.10");
		}
		return false;
	}
	if (family && ip.family != family) {
		report_help(conf_error(c, &node->where, path, "%s is %s", text, family_name(ip.family)), "it belongs below %s",
			    ip.family == AF_INET ? "ipv4" : "ipv6");
		return false;
	}
	if (ip_is_unspecified(&ip) || ip_is_multicast(&ip) || ip_is_loopback(&ip)) {
		report_help(conf_error(c, &node->where, path, "%s cannot be the address of a machine", IP_STR(&ip)),
			    "write a unicast address");
		return false;
	}
	*ret = ip;
	return true;
}

bool conf_range(struct conf *c, const struct yaml_node *node, const char *path, int family, struct ip_range *ret)
{
	static const char *const words[] = { "auto", "off" };
	const char *text = conf_text(c, node, path, "a range of addresses"), *close;
	const char *example = family == AF_INET ? "192.168.150.100-192.168.150.199" :
						  "fd12:8848:a2a2:1::100-fd12:8848:a2a2:1::1ff";
	struct ip_range range;
	char first[IP_STRLEN];
	struct ip a, b;

	if (!text)
		return false;
	if (range_parse(text, &range) && range.first.family == family) {
		*ret = range;
		return true;
	}
	const char *dash = strchr(text, '-');
	struct finding *f = conf_error(c, &node->where, path, "%s isn't a range of %s addresses", conf_quote(c, text),
				       family_name(family));

	close = text_closest(text, words, ARRAY_LEN(words));
	if (close) {
		report_help(f, "did you mean \"%s\"?", close);
		return false;
	}
	report_help(f, "write FIRST-LAST, %s for example, auto or off", example);
	if (!dash || (size_t)(dash - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(dash - text));
	first[dash - text] = '\0';
	if (ip_parse(first, &a) && ip_parse(dash + 1, &b) && a.family == family && ip_cmp(&a, &b) > 0 && a.family == b.family)
		report_help(f, "the first address comes first: %s-%s", IP_STR(&b), IP_STR(&a));
	else if (ip_parse(first, &a) && a.family == AF_INET && family == AF_INET && strlen(dash + 1) <= 3 && !strchr(dash, '.'))
		report_help(f, "write both addresses whole: %s-%u.%u.%u%s%s", first, a.b[0], a.b[1], a.b[2],
			    dash[1] ? "." : "", dash + 1);
	return false;
}

size_t conf_list(struct conf *c, const struct yaml_node *node, const char *path, const char *expected,
		 const struct yaml_node *const **ret)
{
	switch (node->type) {
	case YAML_LIST:
		*ret = (const struct yaml_node *const *)node->items;
		return node->n;
	case YAML_SCALAR: {
		const struct yaml_node **one = arena_alloc(c->scratch, 1, sizeof(*one));

		one[0] = node;
		*ret = one;
		return 1;
	}
	case YAML_NULL:
	case YAML_MAP:
		break;
	}
	report_help(conf_error(c, &node->where, path, "%s where a list belongs", yaml_type_text(node->type)), "write [%s]",
		    expected);
	return 0;
}
