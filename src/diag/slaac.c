/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slaac - what an interface will do with router advertisements, from its settings
 *
 * Theory of operation. Four steps, each of which needs the one before:
 *
 *	processed = IPv6 on, no port, accept_ra == 2 || (accept_ra == 1 && !forwarding)
 *	RS        = processed && a link-local address && router_solicitations != 0
 *	prefix    = processed && accept_ra_pinfo;  address = prefix && autoconf
 *	default   = processed && accept_ra_defrtr
 *
 * The values are independent of each other: autoconf=1 is not needed for the
 * default route, and conf/all/accept_ra is not looked at anywhere.
 */
#include "diag/slaac.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/mem.h"

#define MTU_MIN 1280		/* RFC 8200 5 */
#define PREFIX_LEN 64
#define ADDR_GEN_NONE 1

static void __attribute__((format(printf, 3, 4)))
reason(struct slaac_prediction *p, const char *setting, const char *fmt, ...)
{
	va_list ap;

	if (p->n_reasons == SLAAC_REASONS)
		return;

	struct slaac_reason *r = &p->reasons[p->n_reasons++];
	(void)str_copy(r->setting, sizeof(r->setting), setting);
	va_start(ap, fmt);
	(void)vsnprintf(r->what, sizeof(r->what), fmt, ap);
	va_end(ap);
}

/* Does the kernel look at RAs? Says why not. */
static bool processed(const struct slaac_settings *s, struct slaac_prediction *p)
{
	if (!s->present) {
		if (s->mtu > 0 && s->mtu < MTU_MIN)
			reason(p, "", "MTU %u is below 1280: no IPv6 on this interface, and its settings are gone",
			       s->mtu);
		else
			reason(p, "", "this interface has no IPv6 at all");
		return false;
	}
	if (s->disable_ipv6) {
		reason(p, "disable_ipv6", "disable_ipv6=1: IPv6 is off");
		return false;
	}
	if (s->loopback) {
		reason(p, "", "the loopback interface takes no RAs");
		return false;
	}
	if (s->port) {
		reason(p, "", "it is a port: what comes in belongs to its master");
		return false;
	}
	if (!s->up) {
		reason(p, "", "it is down");
		return false;
	}
	if (!s->carrier) {
		reason(p, "", "it has no carrier");
		return false;
	}
	if (s->accept_ra == 0) {
		reason(p, "accept_ra", "accept_ra=0: the kernel ignores RAs here");
		return false;
	}
	if (s->accept_ra == 1 && s->forwarding) {
		reason(p, "accept_ra", "accept_ra=1 with forwarding=1: a router ignores RAs unless accept_ra=2");
		reason(p, "forwarding", "forwarding=1");
		return false;
	}
	return true;
}

void slaac_predict(const struct slaac_settings *s, struct slaac_prediction *ret)
{
	struct slaac_prediction p = { 0 };

	p.processes = processed(s, &p);
	if (!p.processes) {
		*ret = p;
		return;
	}
	p.sends_rs = s->link_local && s->router_solicitations != 0;
	p.gets_prefix_route = s->accept_ra_pinfo;
	p.gets_address = s->accept_ra_pinfo && s->autoconf;
	p.gets_default_route = s->accept_ra_defrtr;
	p.temporary = p.gets_address && s->use_tempaddr > 0;
	if (!s->link_local)
		reason(&p, s->addr_gen_mode == ADDR_GEN_NONE ? "addr_gen_mode" : "",
		       s->addr_gen_mode == ADDR_GEN_NONE ?
			       "addr_gen_mode=1 and no link-local address: no RS, so the first RA may be minutes away" :
			       "no usable link-local address: no RS, so the first RA may be minutes away");
	else if (s->router_solicitations == 0)
		reason(&p, "router_solicitations",
		       "router_solicitations=0: no RS, so the first RA may be minutes away");
	if (!s->accept_ra_pinfo)
		reason(&p, "accept_ra_pinfo", "accept_ra_pinfo=0: prefixes of RAs are ignored, so there is no address");
	else if (!s->autoconf)
		reason(&p, "autoconf", "autoconf=0: prefixes make a route, but no address");
	else if (s->max_addresses > 0 && s->n_addresses >= (uint32_t)s->max_addresses)
		reason(&p, "max_addresses", "max_addresses=%d, and it has %u already", s->max_addresses,
		       s->n_addresses);
	if (!s->accept_ra_defrtr)
		reason(&p, "accept_ra_defrtr",
		       "accept_ra_defrtr=0: routers of RAs are ignored, so there is no default route");
	if (s->forwarding)
		reason(&p, "accept_ra", "accept_ra=2 with forwarding=1: RAs are taken although it forwards");
	else
		reason(&p, "accept_ra", "accept_ra=%d with forwarding=0: RAs are taken", s->accept_ra);
	if (s->max_addresses > 0 && s->n_addresses >= (uint32_t)s->max_addresses)
		p.gets_address = false;
	*ret = p;
}

static void why(char buf[static SLAAC_WHAT_MAX], const char *text)
{
	if (buf[0] == '\0')
		(void)str_copy(buf, SLAAC_WHAT_MAX, text);
}

static void judge_prefix(const struct slaac_settings *s, const struct slaac_prediction *p, const struct ndp_prefix *x,
			 struct slaac_prefix_verdict *ret)
{
	ret->on_link = p->gets_prefix_route && x->on_link && x->valid_s > 0;
	ret->address = p->gets_address && x->autonomous && x->valid_s > 0;
	if (!p->gets_prefix_route || (x->autonomous && !p->gets_address)) {
		why(ret->why, p->n_reasons > 0 ? p->reasons[0].what : "");
		for (size_t i = 0; i < p->n_reasons; i++)
			if (str_eq(p->reasons[i].setting, "autoconf") ||
			    str_eq(p->reasons[i].setting, "accept_ra_pinfo"))
				(void)str_copy(ret->why, sizeof(ret->why), p->reasons[i].what);
	}
	if (x->preferred_s > x->valid_s) {
		ret->on_link = ret->address = false;
		why(ret->why, "its preferred lifetime is longer than its valid one");
	}
	if (IN6_IS_ADDR_LINKLOCAL(&x->prefix) || IN6_IS_ADDR_MULTICAST(&x->prefix)) {
		ret->on_link = ret->address = false;
		why(ret->why, "link-local and multicast prefixes are ignored");
	}
	if (x->autonomous && x->len != PREFIX_LEN) {
		ret->address = false;
		why(ret->why, "SLAAC needs a /64");
	}
	if (s->accept_ra_min_lft > 0 && x->valid_s < (uint32_t)s->accept_ra_min_lft && x->valid_s > 0) {
		ret->address = ret->on_link = false;
		why(ret->why, "its lifetime is below accept_ra_min_lft");
	}
	if (x->valid_s == 0)
		why(ret->why, "its valid lifetime is 0");
	if (!x->autonomous)
		why(ret->why, "the router doesn't let hosts make addresses of it (A isn't set)");
}

void slaac_judge_ra(const struct slaac_settings *s, const struct ndp_ra *ra, struct slaac_verdict *ret)
{
	struct slaac_prediction p;
	struct slaac_verdict v = { .n_prefixes = ra->n_prefixes };

	slaac_predict(s, &p);
	v.default_route = p.gets_default_route && ra->lifetime_s > 0;
	if (!p.processes) {
		why(v.why_no_route, p.n_reasons > 0 ? p.reasons[0].what : "");
	} else if (!s->accept_ra_defrtr) {
		why(v.why_no_route, "accept_ra_defrtr=0");
	} else if (ra->lifetime_s == 0) {
		why(v.why_no_route, "the router says that it is no default router (lifetime 0)");
	} else if (s->accept_ra_min_lft > 0 && ra->lifetime_s < s->accept_ra_min_lft) {
		v.default_route = false;
		why(v.why_no_route, "its lifetime is below accept_ra_min_lft");
	}
	for (size_t i = 0; i < ra->n_prefixes; i++)
		judge_prefix(s, &p, &ra->prefixes[i], &v.prefixes[i]);
	v.mtu_taken = p.processes && s->accept_ra_mtu && ra->mtu >= MTU_MIN && ra->mtu <= s->mtu;
	*ret = v;
}
