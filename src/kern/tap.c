/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap - a guest's end of a network
 */
#include "kern/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include "kern/priv.h"
#include "kern/rtnl.h"

_Static_assert(KERN_WHY_MAX == NL_WHY_MAX, "one size of reasons");

#define GEN_MODE_NONE 1
#define TAP_NUMBERS 100000

static int open_tun(const struct kern *kern)
{
	int fd = kern->tun_dir >= 0 ? openat(kern->tun_dir, "tun", O_RDWR | O_CLOEXEC) :
				      open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void close_all(int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		(void)close(fds[i]);
}

/* Queue @n of a device. The first queue makes it, and only if it isn't there; the others join it. */
static int set_iff(int fd, const char *name, bool first, bool multi, const struct mac *mac)
{
	struct ifreq ifr = { 0 };
	int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

	if (first)
		flags |= IFF_TUN_EXCL;
	if (multi)
		flags |= IFF_MULTI_QUEUE;
	(void)str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
	ifr.ifr_flags = (short)flags;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	if (!mac)
		return 0;
	/* Before anything else: udev has been told, and gives an address of its own to what has a random one. */
	ifr.ifr_hwaddr = (struct sockaddr){ .sa_family = ARPHRD_ETHER };
	memcpy(ifr.ifr_hwaddr.sa_data, mac->b, sizeof(mac->b));
	return ioctl(fd, SIOCSIFHWADDR, &ifr) < 0 ? -errno : 0;
}

/*
 * The first queue, under a name of the pattern. Numbers go up and don't come
 * back soon: whatever still knows a guest that is gone by its device's name
 * doesn't take the next guest for it. (The kernel's own choice would also look
 * at each interface there is, every time.)
 */
static int make_first(struct kern *kern, int fd, const char *pattern, bool multi, const struct mac *mac,
		      char ret_name[static IFNAMSIZ])
{
	const char *percent = strstr(pattern, "%d");

	if (!percent) {
		(void)str_copy(ret_name, IFNAMSIZ, pattern);
		return set_iff(fd, ret_name, true, multi, mac);
	}
	for (unsigned int i = 0; i < TAP_NUMBERS; i++) {
		unsigned int number = kern->next_tap++ % TAP_NUMBERS;
		_cleanup_(freep) char *name = xasprintf("%.*s%u%s", (int)(percent - pattern), pattern, number, percent + 2);

		if (!str_copy(ret_name, IFNAMSIZ, name))
			return -EINVAL;
		int r = set_iff(fd, ret_name, true, multi, mac);
		if (r != -EBUSY)
			return r;
	}
	return -EBUSY;
}

int kern_tap_new(struct kern *kern, const char *name, const struct mac *guest, unsigned int n_queues, int *ret_fds,
		 char ret_name[static 16], uint32_t *ret_ifindex)
{
	const struct mac mac = guest ? kern_tap_mac(guest) : (struct mac){ 0 };
	char made[IFNAMSIZ];
	int fds[KERN_TAP_QUEUES];
	unsigned int n = 0;
	int r = 0;

	if (n_queues < 1 || n_queues > KERN_TAP_QUEUES || name[0] == '\0' || strlen(name) >= IFNAMSIZ)
		return -EINVAL;
	while (r == 0 && n < n_queues) {
		int fd = open_tun(kern);

		if (fd < 0) {
			r = fd;
			break;
		}
		fds[n++] = fd;
		r = n == 1 ? make_first(kern, fd, name, n_queues > 1, guest ? &mac : NULL, made) :
			     set_iff(fd, made, false, true, NULL);
	}
	uint32_t ifindex = r == 0 ? kern_ifindex(kern, made) : 0;
	if (r == 0 && ifindex == 0)
		r = -ENODEV;
	if (r < 0) {
		close_all(fds, n);
		return r;
	}
	memcpy(ret_fds, fds, n_queues * sizeof(fds[0]));
	(void)str_copy(ret_name, IFNAMSIZ, made);
	*ret_ifindex = ifindex;
	return 0;
}

struct mac kern_tap_mac(const struct mac *guest)
{
	struct mac mac = *guest;

	mac.b[0] = guest->b[0] == 0xfe ? 0xfa : 0xfe;
	return mac;
}

int kern_port_attach(struct kern *kern, uint32_t ifindex, const struct op_link *set, char why[static KERN_WHY_MAX])
{
	struct op_link link = *set;
	uint32_t master = 0;
	struct nl_result results[4];
	int r = kern_rt(kern);

	why[0] = '\0';
	if (r == 0 && (set->mask & OP_LINK_MASTER) && set->master[0] != '\0') {
		master = kern_ifindex(kern, set->master);
		if (master == 0) {
			(void)str_copy(why, KERN_WHY_MAX, "the bridge isn't there");
			return -ENODEV;
		}
	}
	link.mask |= OP_LINK_GENMODE;
	link.addr_gen_mode = GEN_MODE_NONE;
	if (set->mask & OP_LINK_MAC)
		link.mac = kern_tap_mac(&set->mac);
	nlb_reset(&kern->b);
	rtnl_put_link_set(&kern->b, ifindex, &link, master);
	if (r == 0 && kern->b.n_msgs > ARRAY_LEN(results))
		r = -EINVAL;	/* bits that don't belong to a port */
	if (r == 0)
		r = nl_batch(&kern->rt, &kern->b, results);
	for (size_t i = 0; r == 0 && i < kern->b.n_msgs; i++) {
		r = results[i].err;
		if (r < 0)
			(void)str_copy(why, KERN_WHY_MAX, results[i].why);
	}
	if (r < 0)
		nl_explain(r, why);
	return r;
}

static int on_link(void *user, const struct nlmsghdr *nlh)
{
	return rtnl_parse_link(nlh, user) ? 0 : -EBADMSG;
}

int kern_link_get(struct kern *kern, uint32_t ifindex, const char *name, struct w_link *ret)
{
	char why[NL_WHY_MAX];
	int r = kern_rt(kern);

	if (r < 0)
		return r;
	nlb_reset(&kern->b);
	rtnl_put_link_get(&kern->b, ifindex, name);
	return nl_dump(&kern->rt, &kern->b, on_link, ret, why);
}

int kern_link_del(struct kern *kern, uint32_t ifindex, const char *name, const char *alias)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	struct nl_result result;
	struct w_link link;
	int r = kern_link_get(kern, ifindex, name, &link);

	if (r == -ENODEV)
		return 1;
	if (r < 0)
		return r;
	if (strcmp(link.name, name) != 0 || strcmp(link.alias, alias) != 0 || !alias_parse(link.alias, network, guest))
		return -EPERM;
	nlb_reset(&kern->b);
	rtnl_put_link_del(&kern->b, link.ifindex);
	r = nl_batch(&kern->rt, &kern->b, &result);
	if (r == 0)
		r = result.err;
	return r == -ENODEV ? 1 : r;
}
