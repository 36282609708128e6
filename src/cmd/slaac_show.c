/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slaac_show - what is said of one interface, as text and as JSON
 */
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include "cmd/slaac.h"

#define LABEL_WIDTH 15
#define WHAT_WIDTH 48
#define LINE_WIDTH 100
#define COMPARE_WIDTH 24

/* ---------------------------------------------------------------- addresses and routers */

static const char *kind_of(const struct snap_link *link, const struct snap_addr *a)
{
	if (a->flags & IFA_F_TEMPORARY)
		return "temporary";
	if (a->flags & IFA_F_PERMANENT)
		return "static";
	if (a->prefix.len == 128)
		return "dhcp";
	return ip6_is_eui64(&a->prefix.ip.v6, &link->mac) ? "eui64" : "stable";
}

/* Addresses of IPv6 that aren't link-local, in order. Return: the next one, or NULL. */
static const struct snap_addr *next_address(const struct slaac_view *v, size_t *at)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(v->snap, v->link->ifindex, &n);

	while (*at < n) {
		const struct snap_addr *x = &a[(*at)++];

		if (x->prefix.ip.family == AF_INET6 && !ip_is_link_local(&x->prefix.ip))
			return x;
	}
	return NULL;
}

static bool is_default_by(const struct snap_route *r, uint32_t ifindex)
{
	return r->dst.len == 0 && r->oif == ifindex && ip_is_set(&r->gateway) && r->table == RT_TABLE_MAIN;
}

/* Routers of the link: gateways of default routes, and neighbours that say that they are routers. */
static size_t routers(const struct slaac_view *v, struct ip *ret, size_t max)
{
	size_t n_routes, n_neighs, n = 0;
	const struct snap_route *r = snap_routes(v->snap, AF_INET6, RT_TABLE_MAIN, &n_routes);
	const struct snap_neigh *x = snap_neighs(v->snap, v->link->ifindex, &n_neighs);

	for (size_t i = 0; i < n_routes + n_neighs && n < max; i++) {
		const struct ip *ip = NULL;
		bool known = false;

		if (i < n_routes && is_default_by(&r[i], v->link->ifindex))
			ip = &r[i].gateway;
		else if (i >= n_routes && (x[i - n_routes].flags & NTF_ROUTER) && x[i - n_routes].ip.family == AF_INET6)
			ip = &x[i - n_routes].ip;
		for (size_t k = 0; ip && k < n; k++)
			known |= ip_eq(&ret[k], ip);
		if (ip && !known)
			ret[n++] = *ip;
	}
	return n;
}

static const struct snap_route *default_route(const struct slaac_view *v)
{
	size_t n;
	const struct snap_route *r = snap_routes(v->snap, AF_INET6, RT_TABLE_MAIN, &n);

	for (size_t i = 0; i < n; i++)
		if (is_default_by(&r[i], v->link->ifindex))
			return &r[i];
	return NULL;
}

/* ------------------------------------------------------------------------------- text */

static void label(const struct cmd *cmd, enum cmd_glyph glyph, const char *text)
{
	(void)printf("  %s ", cmd_glyph(cmd, glyph));
	cmd_column(text, LABEL_WIDTH);
}

/* Does it have what RAs would bring, from somewhere else? */
static bool is_static(const struct slaac_view *v)
{
	const struct snap_route *r = default_route(v);
	const struct snap_addr *a;
	size_t at = 0;

	while ((a = next_address(v, &at)))
		if (r && (a->flags & IFA_F_PERMANENT) && r->protocol != RTPROT_RA)
			return true;
	return false;
}

static void show_because(const struct cmd *cmd, const struct slaac_view *v)
{
	for (size_t i = 0; i < v->n_because; i++) {
		const struct slaac_because *b = &v->because[i];

		(void)printf("    ");
		cmd_column(i == 0 ? "because" : "", LABEL_WIDTH);
		if (!b->origin.set_by[0]) {
			(void)printf("%s\n", b->what);
		} else if (strlen(b->what) + strlen(b->origin.set_by) + LABEL_WIDTH + 6 <= LINE_WIDTH) {
			cmd_column(b->what, WHAT_WIDTH);
			(void)printf("  %s%s%s\n", cmd_dim(cmd), b->origin.set_by, cmd_plain(cmd));
		} else {
			(void)printf("%s\n    %*s%sset by %s%s\n", b->what, LABEL_WIDTH, "", cmd_dim(cmd),
				     b->origin.set_by, cmd_plain(cmd));
		}
		if (b->origin.note[0])
			(void)printf("    %*s%s%s%s\n", LABEL_WIDTH, "", cmd_dim(cmd), b->origin.note, cmd_plain(cmd));
	}
}

/* What a person would type; only where a sysctl of the interface is what is wrong. */
static void show_mend(const struct cmd *cmd, const struct slaac_view *v)
{
	const struct slaac_settings *s = &v->settings;
	const char *knob = NULL, *value = "1", *file = NULL;

	if (!str_eq(v->handler, "kernel") && !str_eq(v->handler, "none"))
		return;
	if (!s->present || !s->up || !s->carrier || s->port || s->loopback || is_static(v))
		return;
	if (s->disable_ipv6)
		knob = "disable_ipv6", value = "0";
	else if (!v->kernel.processes)
		knob = "accept_ra", value = s->forwarding ? "2" : "1";
	else if (!s->accept_ra_pinfo)
		knob = "accept_ra_pinfo";
	else if (!s->autoconf)
		knob = "autoconf";
	else if (!s->accept_ra_defrtr)
		knob = "accept_ra_defrtr";
	if (!knob)
		return;
	(void)printf("    ");
	cmd_column("to change it", LABEL_WIDTH);
	(void)printf("sysctl net/ipv6/conf/%s/%s=%s", v->link->name, knob, value);
	(void)printf("%s, then sixtap rs %s: the answer is taken at once%s\n", cmd_dim(cmd), v->link->name,
		     cmd_plain(cmd));
	for (size_t i = 0; i < v->n_because; i++)
		if (str_eq(v->because[i].setting, knob) && v->because[i].origin.set_by[0] == '/')
			file = v->because[i].origin.set_by;
	if (file)
		(void)printf("    %*sand change %s%s, or the next boot undoes it%s\n", LABEL_WIDTH, "", file,
			     cmd_dim(cmd), cmd_plain(cmd));
	else
		(void)printf("    %*secho net/ipv6/conf/%s/%s = %s >/etc/sysctl.d/99-%s-ra.conf%s keeps it%s\n",
			     LABEL_WIDTH, "", v->link->name, knob, value, v->link->name, cmd_dim(cmd), cmd_plain(cmd));
}

static void show_address(const struct cmd *cmd, const struct slaac_view *v)
{
	const struct snap_addr *a;
	size_t at = 0, n = 0, n_static = 0;

	while ((a = next_address(v, &at))) {
		n_static += (a->flags & IFA_F_PERMANENT) != 0;
		if (n++ == 0)
			label(cmd, v->gets_address || (a->flags & IFA_F_PERMANENT) ? GLYPH_OK : GLYPH_WARNING,
			      "address");
		else
			(void)printf("    %*s", LABEL_WIDTH, "");
		(void)printf("%s   %s%s%s\n", PREFIX_STR(&a->prefix), cmd_dim(cmd), kind_of(v->link, a),
			     cmd_plain(cmd));
	}
	if (n > 0 && v->gets_address)
		return;
	if (n > 0 && n == n_static)
		return;
	if (n > 0) {
		(void)printf("    %*sno RA adds or renews one\n", LABEL_WIDTH, "");
		return;
	}
	label(cmd, v->gets_address ? GLYPH_INFO : GLYPH_ERROR, "address");
	(void)printf("%s\n", v->gets_address ? v->kernel.temporary ? "comes with the next RA, and a temporary one"
								   : "comes with the next RA"
					     : "none will come of an RA");
}

static void show_route(const struct cmd *cmd, const struct slaac_view *v)
{
	const struct snap_route *r = default_route(v);
	bool by_ra = r && (r->protocol == RTPROT_RA || r->expires_s > 0);

	label(cmd,
	      r && (v->gets_default_route || !by_ra) ? GLYPH_OK
	      : v->gets_default_route		     ? GLYPH_INFO
	      : r				     ? GLYPH_WARNING
						     : GLYPH_ERROR,
	      "default route");
	if (r)
		(void)printf("via %s   %s%s%s%s\n", IP_STR(&r->gateway), cmd_dim(cmd),
			     by_ra ? "from an RA" : "not from an RA",
			     by_ra && !v->gets_default_route ? ", and not renewed by the next" : "", cmd_plain(cmd));
	else
		(void)printf("%s\n", v->gets_default_route ? "comes with the next RA" : "none will come of an RA");
}

void slaac_show(const struct cmd *cmd, const struct slaac_view *v)
{
	struct ip r[8];
	size_t n = routers(v, r, ARRAY_LEN(r));
	bool kernel = str_eq(v->handler, "kernel"), none = str_eq(v->handler, "none");

	(void)printf("%s%s%s · ", cmd_bold(cmd), v->link->name, cmd_plain(cmd));
	if (none)
		(void)printf("nobody handles router advertisements");
	else
		(void)printf("%s handles router advertisements", kernel ? "the kernel" : v->handler);
	if (v->manager && (kernel || none))
		(void)printf("   %slooked after by %s%s", cmd_dim(cmd), v->manager->manager, cmd_plain(cmd));
	(void)putchar('\n');
	if (v->determined) {
		label(cmd, v->sends_rs ? GLYPH_OK : is_static(v) ? GLYPH_INFO : GLYPH_WARNING, "asks routers");
		(void)printf("%s\n", v->sends_rs ? "yes, when it comes up" : "no");
		show_address(cmd, v);
		show_route(cmd, v);
	}
	show_because(cmd, v);
	show_mend(cmd, v);
	if (v->heard || n > 0) {
		(void)printf("    ");
		cmd_column("seen", LABEL_WIDTH);
		if (v->heard)
			(void)printf("%llu RA%s%s", (unsigned long long)v->heard, v->heard == 1 ? "" : "s",
				     n > 0 ? ", router " : "");
		else
			(void)printf("router ");
		for (size_t i = 0; i < n; i++)
			(void)printf("%s%s", i > 0 ? ", " : "", IP_STR(&r[i]));
		(void)putchar('\n');
	}
}

/* ------------------------------------------------------------------------------- JSON */

json_t *slaac_json(const struct slaac_view *v)
{
	json_t *o = json_pack("{s:s, s:s}", "name", v->link->name, "handler", v->handler), *list = json_array();
	const struct snap_addr *a;
	struct ip r[16];
	size_t n = routers(v, r, ARRAY_LEN(r)), at = 0;

	if (v->manager)
		(void)json_object_set_new(o, "manager", json_string(v->manager->manager));
	if (v->determined) {
		(void)json_object_set_new(o, "sends_rs", json_boolean(v->sends_rs));
		(void)json_object_set_new(o, "gets_address", json_boolean(v->gets_address));
		(void)json_object_set_new(o, "gets_default_route", json_boolean(v->gets_default_route));
	}
	for (size_t i = 0; i < v->n_because; i++) {
		json_t *b = json_pack("{s:s}", "what", v->because[i].what);

		if (v->because[i].origin.set_by[0])
			(void)json_object_set_new(b, "set_by", json_string(v->because[i].origin.set_by));
		if (v->because[i].origin.note[0])
			(void)json_object_set_new(b, "note", json_string(v->because[i].origin.note));
		(void)json_array_append_new(list, b);
	}
	(void)json_object_set_new(o, "because", list);
	list = json_array();
	while ((a = next_address(v, &at)))
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s}", "address", IP_STR(&a->prefix.ip), "kind", kind_of(v->link, a)));
	(void)json_object_set_new(o, "addresses", list);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(IP_STR(&r[i])));
	(void)json_object_set_new(o, "routers", list);
	if (v->heard)
		(void)json_object_set_new(o, "advertisements_heard", json_integer((json_int_t)v->heard));
	return o;
}

/* ---------------------------------------------------------------------------- compare */

static const struct {
	const char *name;
	size_t at, size;
	bool sysctl;
} settings[] = {
#define MEMBER(x, sysctl) { #x, offsetof(struct slaac_settings, x), sizeof(((struct slaac_settings *)0)->x), sysctl }
	MEMBER(present, false),		MEMBER(up, false),
	MEMBER(carrier, false),		MEMBER(port, false),
	MEMBER(link_local, false),	MEMBER(disable_ipv6, true),
	MEMBER(accept_ra, true),	MEMBER(forwarding, true),
	MEMBER(autoconf, true),		MEMBER(accept_ra_pinfo, true),
	MEMBER(accept_ra_defrtr, true), MEMBER(router_solicitations, true),
	MEMBER(addr_gen_mode, true),	MEMBER(use_tempaddr, true),
	MEMBER(max_addresses, true),	MEMBER(accept_ra_min_lft, true),
#undef MEMBER
};

static int64_t setting(const struct slaac_settings *s, size_t i)
{
	int32_t v;

	if (settings[i].size == sizeof(bool))
		return *((const bool *)s + settings[i].at);
	memcpy(&v, (const char *)s + settings[i].at, sizeof(v));
	return v;
}

static void origin_of(const struct slaac_view *v, size_t i, struct origin *ret)
{
	*ret = (struct origin){ .set_by = "" };
	if (settings[i].sysctl)
		origin_sysctl(v->snap, v->link, settings[i].name, setting(&v->settings, i), ret);
}

static void outcome(const struct cmd *cmd, const char *what, bool known, bool a, bool b)
{
	(void)printf("  ");
	cmd_column(what, COMPARE_WIDTH);
	if (!known)
		(void)printf("not known\n");
	else
		(void)printf("%s %-16s %s %s\n", cmd_glyph(cmd, a ? GLYPH_OK : GLYPH_ERROR), a ? "yes" : "no",
			     cmd_glyph(cmd, b ? GLYPH_OK : GLYPH_ERROR), b ? "yes" : "no");
}

void slaac_show_compare(const struct cmd *cmd, const struct slaac_view *a, const struct slaac_view *b)
{
	bool known = a->determined && b->determined;
	size_t n = 0;

	(void)printf("  %*s%s%-18s %s%s\n", COMPARE_WIDTH, "", cmd_bold(cmd), a->link->name, b->link->name,
		     cmd_plain(cmd));
	(void)printf("  %-*s%-18s %s\n", COMPARE_WIDTH, "handled by", a->handler, b->handler);
	outcome(cmd, "asks routers", known, a->sends_rs, b->sends_rs);
	outcome(cmd, "address from an RA", known, a->gets_address, b->gets_address);
	outcome(cmd, "default route from one", known, a->gets_default_route, b->gets_default_route);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		int64_t va = setting(&a->settings, i), vb = setting(&b->settings, i);
		struct origin oa, ob;

		if (va == vb)
			continue;
		origin_of(a, i, &oa);
		origin_of(b, i, &ob);
		n++;
		(void)printf("  %-*s%-18lld %lld", COMPARE_WIDTH, settings[i].name, (long long)va, (long long)vb);
		if (oa.set_by[0] || ob.set_by[0])
			(void)printf("   %s%s%s%s%s", cmd_dim(cmd), oa.set_by,
				     oa.set_by[0] && ob.set_by[0] ? " | " : "", ob.set_by, cmd_plain(cmd));
		(void)putchar('\n');
	}
	if (n == 0)
		(void)printf("  no setting differs\n");
}

json_t *slaac_json_compare(const struct slaac_view *a, const struct slaac_view *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		int64_t va = setting(&a->settings, i), vb = setting(&b->settings, i);

		if (va != vb)
			(void)json_array_append_new(list, json_pack("{s:s, s:[I, I]}", "setting", settings[i].name,
								    "values", (json_int_t)va, (json_int_t)vb));
	}
	return json_pack("{s:[o, o], s:o}", "interfaces", slaac_json(a), slaac_json(b), "differences", list);
}
