/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read - from YAML nodes to values, with a finding for what isn't one
 *
 * Private to conf/. A getter returns false (or NULL, or -1) after it has added
 * a finding; the caller goes on with the next key, so that all errors come at
 * once. What is left out keeps its default.
 */
#pragma once
#include "base/arena.h"
#include "conf/conf.h"
#include "conf/yaml.h"
#include "model/desired.h"

/* What is known of a network beyond struct d_network until everything is checked. */
struct draft {
	struct d_network *net;
	const char *path;		/* "networks.lan" */
	struct where mac_where;		/* line 0: the file has none */
	struct where address4_where, address6_where, range4_where, range6_where, nat_address_where;
	bool range4_given, range6_given, assign_given;
	bool usable;			/* a mode that is built, no adoption: the checks across networks count */
};

struct conf {
	struct arena *arena;		/* of the result */
	struct arena *scratch;		/* trees, key paths: gone after the read */
	struct report *report;
	const struct conf_seed *seed;
	struct draft *drafts;		/* in the order they were read */
	size_t n_drafts, cap_drafts;
	bool adopt_all;
	struct d_adopt *adopts;
	size_t n_adopts, cap_adopts;
};

/* Bits of enum net_mode. */
#define IN(mode) (1u << NET_MODE_##mode)
#define IN_SERVED (IN(NAT) | IN(ROUTED) | IN(ISOLATED))
#define IN_ALL ((1u << NET_MODE_N_) - 1)

struct key {
	const char *name;
	unsigned int modes;		/* that know it */
};

struct finding *conf_error(struct conf *c, const struct where *where, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same of a fault like conf_mac_fault()'s: "what is wrong; what would be right". */
void conf_fault(struct conf *c, const struct where *where, const char *path, const char *fault);

/* The key's path below @path, in scratch memory. */
const char *conf_path(struct conf *c, const char *path, const char *key);

/* A user's text for a message: in quotes, shortened. In scratch memory. */
const char *conf_quote(struct conf *c, const char *text);

/* "a, b or c" of the names that aren't NULL. In scratch memory. */
const char *conf_names(struct conf *c, const char *const *names, size_t n);

/**
 * conf_map() - The values of a mapping by known keys
 * @node:	mapping, or nothing (then every value is NULL)
 * @keys:	table of @n keys
 * @mode:	of the network; -1 where modes don't matter
 * @ret:	@n values, NULL where the key is absent, unknown here or without a value
 *
 * Unknown keys and those of other modes are findings.
 */
bool conf_map(struct conf *c, const struct yaml_node *node, const char *path, const struct key *keys, size_t n, int mode,
	      const struct yaml_node **ret);

/* @expected completes "… where X belongs". */
const char *conf_text(struct conf *c, const struct yaml_node *node, const char *path, const char *expected);

/* Index of the word; yes, no and off also in the other spellings of YAML 1.1. -1 after a finding. */
int conf_word(struct conf *c, const struct yaml_node *node, const char *path, const char *const *words, size_t n);

/* As conf_word(), but -1 without a finding when it is none. */
int conf_word_try(const struct yaml_node *node, const char *const *words, size_t n);

bool conf_bool(struct conf *c, const struct yaml_node *node, const char *path, bool *ret);
/* What YAML makes a yes or no of, because it isn't quoted: no name is meant by it. */
bool conf_is_bool(const struct yaml_node *node);
bool conf_mac(struct conf *c, const struct yaml_node *node, const char *path, struct mac *ret);
bool conf_ip(struct conf *c, const struct yaml_node *node, const char *path, int family, struct ip *ret);
bool conf_range(struct conf *c, const struct yaml_node *node, const char *path, int family, struct ip_range *ret);

/* One or a list: the items, and their number. A wrong type is a finding, and 0 items. */
size_t conf_list(struct conf *c, const struct yaml_node *node, const char *path, const char *expected,
		 const struct yaml_node *const **ret);

/* network.c, ip.c, guest.c: one part each of `networks`. */
void conf_read_network(struct conf *c, const struct yaml_pair *pair, const struct conf_source *source);
void conf_read_ipv4(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path);
void conf_read_ipv6(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path);
void conf_read_guests(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path);

/* adopt.c: the value of `adopt`. */
void conf_read_adopt(struct conf *c, const struct yaml_node *node);
/* macvtap.c: what only mode macvtap has. */
void conf_read_macvtap(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path);
void conf_read_macvtap_host(struct conf *c, struct draft *d, const struct yaml_node *node, const char *path);
void conf_check_macvtap(struct conf *c, struct draft *d);	/* when all of the network is read */
const char *conf_macvtap_host_name(struct conf *c, const char *network);	/* of the host's own macvlan */

/* The upper half of @prefix, without IPv4's broadcast address; all of it when the half is only the gateway. */
struct ip_range conf_upper_half(const struct prefix *prefix);

/* Is the DHCP range inside the prefix, and does it leave out the special addresses? */
bool conf_range_ok(struct conf *c, const struct where *where, const char *path, const struct prefix *p,
		   const struct ip_range *range);

/* check.c: what needs every network; fills in what is derived. */
void conf_check(struct conf *c);
