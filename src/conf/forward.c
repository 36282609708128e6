/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forward - [HOSTADDR:]HOSTPORT[-END]:GUESTPORT[-END][/tcp|/udp]
 */
#include "conf/forward.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include "conf/text.h"

#define PORT_MAX 65535u
#define SPEC_MAX 120	/* longer than any right one: two ports with ends and an IPv6 address */

struct parser {
	const char *spec;
	struct forward_fault *fault;
};

static bool fail(struct parser *p, const char *at, size_t width, const char *help, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
static bool fail(struct parser *p, const char *at, size_t width, const char *help, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p->fault->what, sizeof(p->fault->what), fmt, ap);
	va_end(ap);
	(void)snprintf(p->fault->help, sizeof(p->fault->help), "%s", help);
	p->fault->skip = (size_t)(at - p->spec);
	p->fault->width = width ? width : 1;
	return false;
}

#define SHAPE "write [HOSTADDR:]HOSTPORT:GUESTPORT[/udp], \"8080:80\" for example"

/* A whole number in place of a forward. */
static bool fail_number(struct parser *p, uint64_t n)
{
	uint64_t first, second;
	char help[FORWARD_FAULT_MAX];
	bool sexagesimal = text_sexagesimal(n, &first, &second);

	if (n >= 1 && n <= PORT_MAX && sexagesimal && first == second)	/* 53:53 became 3233; 8080 was no 134:40 */
		(void)snprintf(help, sizeof(help), "did you mean \"%" PRIu64 ":%" PRIu64 "\", or \"%" PRIu64 ":%" PRIu64
			       "\" without its quotes?", n, n, first, second);
	else if (n >= 1 && n <= PORT_MAX)
		(void)snprintf(help, sizeof(help), "did you mean \"%" PRIu64 ":%" PRIu64 "\"?", n, n);
	else if (sexagesimal)
		(void)snprintf(help, sizeof(help), "did you mean \"%" PRIu64 ":%" PRIu64 "\"?", first, second);
	else
		(void)snprintf(help, sizeof(help), "%s", SHAPE);
	return fail(p, p->spec, strlen(p->spec), help, "a number (%" PRIu64 ") where a forward belongs", n);
}

static bool parse_ports(struct parser *p, const char *at, size_t n, const char *whose, uint16_t *ret_first, uint16_t *ret_last)
{
	char text[SPEC_MAX + 1];
	uint64_t first, last;
	const char *dash;

	if (n >= sizeof(text))
		return fail(p, at, n, SHAPE, "%s port is far too long", whose);
	memcpy(text, at, n);
	text[n] = '\0';
	if (n == 0)
		return fail(p, at, 1, SHAPE, "%s port is missing", whose);
	if (text_range(text, PORT_MAX, &first, &last)) {
		*ret_first = (uint16_t)first;
		*ret_last = (uint16_t)last;
		return true;
	}
	dash = strchr(text, '-');
	if (dash && text_number(dash + 1, &last)) {
		char low[16] = { 0 };

		if ((size_t)(dash - text) < sizeof(low))
			memcpy(low, text, (size_t)(dash - text));
		if (text_number(low, &first) && first > last && last > 0 && first <= PORT_MAX) {
			char help[FORWARD_FAULT_MAX];

			(void)snprintf(help, sizeof(help), "write %" PRIu64 "-%" PRIu64, last, first);
			return fail(p, at, n, help, "range %s ends before it begins", text);
		}
	}
	return fail(p, at, n, "ports are numbers from 1 to 65535, ranges FIRST-LAST", "%s port \"%.40s\" isn't a port", whose, text);
}

static bool parse_host(struct parser *p, const char *at, size_t n, struct ip *ret)
{
	char text[SPEC_MAX + 1];
	bool bracket = n >= 2 && at[0] == '[' && at[n - 1] == ']';
	size_t skip = bracket ? 1 : 0, len = n - 2 * skip;

	if (len >= sizeof(text))
		return fail(p, at, n, SHAPE, "host address is far too long");
	memcpy(text, at + skip, len);
	text[len] = '\0';
	if (!ip_parse(text, ret) || (ret->family == AF_INET6) != bracket)
		return fail(p, at, n, "write an IPv4 address, or an IPv6 address in brackets: [2001:db8::5]:8443:443",
			    "\"%.60s\" isn't an address of the host", text);
	if (ip_is_unspecified(ret))
		return fail(p, at, n, "leave it out for every address of the host", "%.60s names no address", text);
	if (ip_is_loopback(ret))
		return fail(p, at, n, "leave it out, or name an address that others can reach",
			    "%.60s is the loopback: no packet from a guest or from outside goes there", text);
	if (ip_is_multicast(ret) || ip_is_link_local(ret) || (ret->family == AF_INET && ret->b[0] >= 240))
		return fail(p, at, n, "name a unicast address of the host", "%.60s cannot be forwarded from", text);
	return true;
}

static bool parse_proto(struct parser *p, const char *at, uint8_t *ret)
{
	if (strcasecmp(at, "tcp") == 0)
		*ret = L4PROTO_TCP;
	else if (strcasecmp(at, "udp") == 0)
		*ret = L4PROTO_UDP;
	else
		return fail(p, at, strlen(at), "write /tcp or /udp; for both, two forwards", "\"%.20s\" isn't a protocol", at);
	return true;
}

/* The last colon outside brackets before @end, or NULL. */
static const char *last_colon(const char *from, const char *end)
{
	while (end > from) {
		end--;
		if (*end == ']')
			return NULL;
		if (*end == ':')
			return end;
	}
	return NULL;
}

/* The longer range is the one that was meant. */
static bool fail_lengths(struct parser *p, const struct d_forward *f, const char *at, size_t n)
{
	unsigned int host = (unsigned int)(f->host_last - f->host_first), guest = (unsigned int)(f->guest_last - f->guest_first);
	unsigned int more = host > guest ? host : guest;
	char help[FORWARD_FAULT_MAX] = "both sides need as many";

	if (f->host_first + more <= PORT_MAX && f->guest_first + more <= PORT_MAX)
		(void)snprintf(help, sizeof(help), "both sides need as many: %u-%u:%u-%u", f->host_first, f->host_first + more,
			       f->guest_first, f->guest_first + more);
	return fail(p, at, n, help, "%u port%s of the host, but %u of the guest", host + 1, host ? "s" : "", guest + 1);
}

bool forward_parse(const char *spec, struct arena *arena, struct d_forward *ret, struct forward_fault *fault)
{
	struct parser p = { spec, fault };
	struct d_forward f = { .proto = L4PROTO_TCP };
	const char *slash = strrchr(spec, '/'), *end = slash ? slash : spec + strlen(spec);
	uint64_t n;

	*fault = (struct forward_fault){ 0 };
	if (text_number(spec, &n))
		return fail_number(&p, n);
	if (strlen(spec) > SPEC_MAX)
		return fail(&p, spec, 1, SHAPE, "this is far too long for a forward");
	if (slash && !parse_proto(&p, slash + 1, &f.proto))
		return false;
	const char *guest = last_colon(spec, end), *host_port = guest ? last_colon(spec, guest) : NULL;
	if (!guest && memchr(spec, ']', (size_t)(end - spec)))
		return fail(&p, spec, (size_t)(end - spec), SHAPE, "both ports are missing");
	if (!guest && memchr(spec, '.', (size_t)(end - spec)))
		return fail(&p, spec, (size_t)(end - spec), SHAPE, "the host's port is missing");
	if (!guest)
		return fail(&p, spec, (size_t)(end - spec), SHAPE, "only one port");
	if (host_port) {
		size_t len = (size_t)(host_port - spec);

		if (spec[0] != '[' && memchr(spec, ':', len))
			return fail(&p, spec, (size_t)(end - spec), "an IPv6 address goes into brackets: [2001:db8::5]:8443:443",
				    "\"%.60s\" has too many colons", spec);
		if (!parse_host(&p, spec, len, &f.host))
			return false;
	} else if (spec[0] == '[') {
		return fail(&p, spec, (size_t)(end - spec), SHAPE, "a port is missing: after the address come two");
	}
	const char *host = host_port ? host_port + 1 : spec;
	size_t host_len = (size_t)(guest - host), guest_len = (size_t)(end - guest - 1);
	bool open_end = !memchr(guest + 1, '-', guest_len);

	if (!host_port && memchr(host, '.', host_len))
		return fail(&p, spec, host_len, SHAPE, "a port is missing: after the address come two");
	if (!parse_ports(&p, host, host_len, "host", &f.host_first, &f.host_last) ||
	    !parse_ports(&p, guest + 1, guest_len, "guest", &f.guest_first, &f.guest_last))
		return false;
	unsigned int more = (unsigned int)(f.host_last - f.host_first);
	if (open_end && f.guest_first + more <= PORT_MAX)
		f.guest_last = (uint16_t)(f.guest_first + more);
	if (open_end && f.guest_first + more > PORT_MAX)
		return fail(&p, guest + 1, guest_len, "begin lower", "%u ports from %u on go beyond 65535", more + 1, f.guest_first);
	if ((unsigned int)(f.guest_last - f.guest_first) != more)
		return fail_lengths(&p, &f, host, (size_t)(end - host));
	f.spec = forward_format(arena, &f);
	*ret = f;
	return true;
}

char *forward_format(struct arena *arena, const struct d_forward *f)
{
	const char *proto = f->proto == L4PROTO_UDP ? "udp" : "tcp";
	char host[IP_STRLEN + 4] = "";

	if (ip_is_set(&f->host))
		(void)snprintf(host, sizeof(host), f->host.family == AF_INET6 ? "[%s]:" : "%s:", IP_STR(&f->host));
	if (f->host_first == f->host_last)
		return arena_printf(arena, "%s%u:%u/%s", host, f->host_first, f->guest_first, proto);
	return arena_printf(arena, "%s%u-%u:%u-%u/%s", host, f->host_first, f->host_last, f->guest_first, f->guest_last, proto);
}

bool forward_conflicts(const struct d_forward *a, const struct d_forward *b)
{
	if (a->proto != b->proto || a->host_first > b->host_last || b->host_first > a->host_last)
		return false;
	return !ip_is_set(&a->host) || !ip_is_set(&b->host) || ip_eq(&a->host, &b->host);
}
