/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel - a fake and a real kernel behind one face
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "kern/observe.h"

static const char *const sysctls[] = {
	"net/ipv4/ip_forward",
	"net/ipv6/conf/all/forwarding",
	"net/ipv6/conf/up0/accept_ra",
	"net/ipv6/conf/up0/forwarding",
	"net/ipv6/conf/nothere/forwarding",
};

static bool write_file(const char *path, const char *text)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static void skip_all(const char *why)
{
	(void)printf("1..0 # SKIP %s\n", why);
	exit(0);
}

void kernel_privileges(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[64];

	(void)unsetenv("SIXTAP_FAIL_AT");
	if (uid != 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			skip_all("no user namespaces here");
		(void)snprintf(map, sizeof(map), "0 %u 1", uid);
		if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", map))
			skip_all("no user namespaces here");
		(void)snprintf(map, sizeof(map), "0 %u 1", gid);
		(void)write_file("/proc/self/gid_map", map);
	}
	if (unshare(CLONE_NEWNET) < 0)
		skip_all("no network namespaces here");
}

void sh(const char *fmt, ...)
{
	char *command = NULL;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) > 0);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
	free(command);
}

char *sh_read(const char *fmt, ...)
{
	char *command = NULL, *text = NULL, buf[4096];
	size_t len = 0;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) > 0);
	va_end(ap);
	FILE *p = popen(command, "re"), *f = open_memstream(&text, &len);
	assert_non_null(p);
	for (size_t n; (n = fread(buf, 1, sizeof(buf), p)) > 0;)
		(void)fwrite(buf, 1, n, f);
	(void)fclose(f);
	assert_int_equal(pclose(p), 0);
	free(command);
	return text;
}

static void fake_uplink(struct fake_kern *fake)
{
	struct w_link link = { .name = "up0", .kind = "veth", .mtu = 1500, .flags = IFF_UP, .have_inet = true,
			       .have_inet6 = true, .accept_ra = 1, .addr_gen_mode = 1 };
	struct w_addr addr = { .flags = IFA_F_PERMANENT, .valid_s = UINT32_MAX, .preferred_s = UINT32_MAX };

	assert_true(mac_parse("02:00:00:00:00:01", &link.mac));
	addr.ifindex = fake_kern_link(fake, &link);
	assert_true(prefix_parse("198.51.100.2/24", &addr.prefix));
	fake_kern_addr(fake, &addr);
	assert_true(prefix_parse("2001:db8:77:1::2/64", &addr.prefix));
	addr.flags |= IFA_F_NODAD;
	fake_kern_addr(fake, &addr);
}

void kernel_open(struct kernel *k)
{
	_cleanup_(report_freep) struct report *report = report_new();

	(void)unsetenv("SIXTAP_FAIL_AT");
	if (!k->real) {
		k->fake = fake_kern_new();
		fake_uplink(k->fake);
		return;
	}
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	(void)strcpy(k->run_dir, "/tmp/st-kern-test-XXXXXX");
	assert_non_null(mkdtemp(k->run_dir));
	sh("ip link set lo up");
	sh("ip link add up0 address 02:00:00:00:00:01 type veth peer name up1");
	sh("for i in up0 up1; do ip link set $i addrgenmode none; ip link set $i up; done");
	sh("ip addr add 198.51.100.2/24 dev up0");
	sh("ip addr add 2001:db8:77:1::2/64 dev up0 nodad");
	const struct kern_conf conf = { .run_dir = k->run_dir, .proc_sys_fd = -1, .tun_fd_dir = -1 };
	assert_int_equal(kern_new(&k->kern, &conf, report), 0);
}

void kernel_close(struct kernel *k)
{
	k->fake = fake_kern_free(k->fake);
	k->kern = kern_free(k->kern);
	if (k->run_dir[0])
		sh("rm -r %s", k->run_dir);
	k->run_dir[0] = '\0';
}

int kernel_apply(struct kernel *k, const struct ops *ops, const struct apply_hooks *hooks, struct report *report)
{
	return k->real ? kern_apply(k->kern, ops, hooks, report) : fake_kern_apply(k->fake, ops, hooks, report);
}

struct world *kernel_observe(struct kernel *k)
{
	_cleanup_(report_freep) struct report *report = report_new();
	struct world *w = world_new();
	int r = k->real ? kern_observe(k->kern, sysctls, ARRAY_LEN(sysctls), w, report) :
			  fake_kern_observe(k->fake, sysctls, ARRAY_LEN(sysctls), w, report);

	if (r != 0)
		report_print(report, stderr, false);
	assert_int_equal(r, 0);
	assert_false(w->nft_unreadable);
	return w;
}

/* ----------------------------------------------------------------------- text */

struct lines {
	char **lines;
	size_t n, cap;
};

static void line(struct lines *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(struct lines *l, const char *fmt, ...)
{
	va_list ap;

	GROW(l->lines, l->n, l->cap);
	va_start(ap, fmt);
	assert_true(vasprintf(&l->lines[l->n], fmt, ap) > 0);
	va_end(ap);
	l->n++;
}

static const char *name_of(const struct world *w, uint32_t ifindex)
{
	const struct w_link *l = world_link(w, ifindex);

	return l ? l->name : "-";
}

static void hex(char *out, const uint8_t *p, size_t n)
{
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		(void)sprintf(out + 2 * i, "%02x", p[i]);
}

static void table_lines(struct lines *l, const struct w_table *t)
{
	char key[2 * NFT_KEY_MAX + 1], end[2 * NFT_KEY_MAX + 1], data[2 * NFT_DATA_MAX + 1];

	if (!t->present)
		return;
	line(l, "table %u %s", t->family, t->comment ? t->comment : "-");
	for (size_t i = 0; i < t->n_chains; i++)
		line(l, "chain %u %s %u rules", t->family, t->chains[i].name, t->chains[i].n_rules);
	for (size_t i = 0; i < t->n_elems; i++) {
		const struct nft_elem *e = &t->elems[i];

		hex(key, e->key, e->key_len);
		hex(end, e->key_end, e->key_end_len);
		hex(data, e->data, e->data_len);
		line(l, "elem %u %s %s-%s: %s %d %s", t->family, e->set, key, end, data, e->verdict, e->chain);
	}
}

static int cmp_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *world_text(const struct world *w)
{
	const uint32_t flags = IFA_F_NODAD | IFA_F_DEPRECATED | IFA_F_NOPREFIXROUTE;
	struct lines l = { 0 };
	char *text = NULL;
	size_t len = 0;

	for (size_t i = 0; i < w->n_links; i++) {
		const struct w_link *k = &w->links[i];

		if (strcmp(k->name, "lo") == 0 || strcmp(k->name, "up1") == 0)
			continue;
		line(&l, "link %s kind %s alias '%s' %s mtu %u %s master %s group %u stp %d snoop %d fd %u hairpin %d fwd %d %d ra %d gen %u",
		     k->name, k->kind, k->alias, MAC_STR(&k->mac), k->mtu, k->flags & IFF_UP ? "up" : "down",
		     name_of(w, k->master), k->group, k->bridge.stp, k->bridge.mcast_snooping, k->bridge.forward_delay,
		     k->port.hairpin, k->forwarding4, k->forwarding6, k->accept_ra, k->addr_gen_mode);
		if (k->macvlan_mode)
			line(&l, "macvlan %s on %s mode %u queue %u sources %u %llx allmulti %d", k->name, name_of(w, k->lower),
			     k->macvlan_mode, k->macvlan_queue, k->n_sources, (unsigned long long)k->sources_sum,
			     (k->flags & IFF_ALLMULTI) != 0);
	}
	for (size_t i = 0; i < w->n_addrs; i++) {
		const struct w_addr *a = &w->addrs[i];

		if (!ip_is_loopback(&a->prefix.ip))
			line(&l, "addr %s %s flags %x proto %u scope %u preferred %u", name_of(w, a->ifindex),
			     PREFIX_STR(&a->prefix), a->flags & flags, a->proto, a->scope, a->preferred_s);
	}
	for (size_t i = 0; i < w->n_routes; i++) {
		const struct w_route *r = &w->routes[i];

		if (r->table == RT_TABLE_MAIN && !ip_is_loopback(&r->dst.ip))
			line(&l, "route %s dev %s metric %u proto %u scope %u type %u%s%s", PREFIX_STR(&r->dst),
			     name_of(w, r->oif), r->metric, r->protocol, r->scope, r->type,
			     r->protocol == SIXTAP_PROTO && ip_is_set(&r->src) ? " from " : "",
			     r->protocol == SIXTAP_PROTO && ip_is_set(&r->src) ? IP_STR(&r->src) : "");
	}
	for (size_t i = 0; i < w->n_neighs; i++)
		line(&l, "neigh %s %s %s", name_of(w, w->neighs[i].ifindex), IP_STR(&w->neighs[i].ip), MAC_STR(&w->neighs[i].mac));
	for (size_t i = 0; i < w->n_sysctls; i++)
		line(&l, "sysctl %s %s", w->sysctls[i].path, w->sysctls[i].value ? w->sysctls[i].value : "(none)");
	for (size_t i = 0; i < w->n_found; i++)
		line(&l, "found %s %s ours %s", w->found[i].path, w->found[i].found, w->found[i].ours);
	table_lines(&l, &w->inet);
	table_lines(&l, &w->bridge);

	qsort(l.lines, l.n, sizeof(*l.lines), cmp_line);
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	for (size_t i = 0; i < l.n; i++) {
		(void)fprintf(f, "%s\n", l.lines[i]);
		free(l.lines[i]);
	}
	free(l.lines);
	(void)fclose(f);
	return text;
}

void assert_same_text(const char *have, const char *want, const char *why)
{
	if (strcmp(have, want) != 0)
		fail_msg("%s\n--- have\n%s--- want\n%s", why, have, want);
}
