/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mcast - the list of multicast groups that an interface lets in
 *
 * The kernel counts these joins once (net/core/dev_addr_lists.c,
 * dev_mc_add_global()), apart from those of its own protocols: a second join is
 * EEXIST, and leaving takes nothing from others.
 */
#include "kern/mcast.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include "kern/priv.h"
#include "kern/tc.h"
#include "model/guard.h"

_Static_assert(KERN_MCAST_MARK == GUARD_MARK_INWARD, "one mark");

static int name_of(struct kern *kern, uint32_t ifindex, struct ifreq *ifr)
{
	int r = kern_rt(kern);

	*ifr = (struct ifreq){ .ifr_ifindex = (int)ifindex };
	if (r < 0)
		return r;
	return ioctl(mnl_socket_get_fd(kern->rt.sock), SIOCGIFNAME, ifr) < 0 ? -errno : 0;
}

static int change(struct kern *kern, uint32_t ifindex, const struct mac *group, unsigned long request)
{
	struct ifreq ifr;
	int r = name_of(kern, ifindex, &ifr);

	if (r < 0)
		return r;
	if (!mac_is_multicast(group))
		return -EINVAL;
	memset(&ifr.ifr_hwaddr, 0, sizeof(ifr.ifr_hwaddr));
	ifr.ifr_hwaddr.sa_family = AF_UNSPEC;
	memcpy(ifr.ifr_hwaddr.sa_data, group->b, sizeof(group->b));
	return ioctl(mnl_socket_get_fd(kern->rt.sock), request, &ifr) < 0 ? -errno : 0;
}

int kern_mcast_join(struct kern *kern, uint32_t ifindex, const struct mac *group)
{
	int r = change(kern, ifindex, group, SIOCADDMULTI);

	return r == -EEXIST ? 0 : r;
}

int kern_mcast_leave(struct kern *kern, uint32_t ifindex, const struct mac *group)
{
	int r = change(kern, ifindex, group, SIOCDELMULTI);

	return r == -ENOENT || r == -ENODEV || r == -ENXIO ? 0 : r;
}

int kern_mcast_all(struct kern *kern, uint32_t ifindex, bool on)
{
	struct ifreq ifr;
	int r = name_of(kern, ifindex, &ifr), fd;

	if (r < 0)
		return r;
	fd = mnl_socket_get_fd(kern->rt.sock);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	if (!!(ifr.ifr_flags & IFF_ALLMULTI) == on)
		return 1;
	ifr.ifr_flags = (short)(on ? ifr.ifr_flags | IFF_ALLMULTI : ifr.ifr_flags & ~IFF_ALLMULTI);
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

/* net/core/net-procfs.c, dev_mc_seq_show(): index, name, users, whether one of them is SIOCADDMULTI's, address */
int kern_mcast_each(void (*fn)(void *user, uint32_t ifindex, const struct mac *group, bool joined), void *user)
{
	FILE *f = fopen("/proc/thread-self/net/dev_mcast", "re");
	unsigned int ifindex, global, b[6];
	char line[128];
	int r = 0;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%u %*s %*u %u %2x%2x%2x%2x%2x%2x", &ifindex, &global, &b[0], &b[1], &b[2], &b[3], &b[4],
			   &b[5]) != 8)
			continue;
		fn(user, ifindex, &(struct mac){ { (uint8_t)b[0], (uint8_t)b[1], (uint8_t)b[2], (uint8_t)b[3], (uint8_t)b[4],
						   (uint8_t)b[5] } }, global != 0);
	}
	if (ferror(f))
		r = -EIO;
	(void)fclose(f);
	return r;
}

int kern_mcast_reopen(struct kern *kern, uint32_t ifindex)
{
	struct ifreq ifr;
	int r = name_of(kern, ifindex, &ifr), fd;

	if (r < 0)
		return r;
	fd = mnl_socket_get_fd(kern->rt.sock);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags &= (short)~IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

int kern_mcast_inward(struct kern *kern, uint32_t ifindex, bool on)
{
	char why[NL_WHY_MAX];

	if (!on)
		return tc_detach(kern, ifindex, TC_EGRESS, why);
	return kern->guard.inward < 0 ? -EOPNOTSUPP : tc_attach(kern, ifindex, TC_EGRESS, kern->guard.inward, why);
}

bool kern_mcast_hears(const struct kern *kern)
{
	return kern->guard.heard >= 0;
}

int kern_mcast_inward_lost(struct kern *kern, uint32_t *ifindexes, size_t n, size_t *ret_n)
{
	uint32_t ids[32];
	size_t lost = 0;

	for (size_t i = 0; i < n; i += ARRAY_LEN(ids)) {
		size_t some = n - i < ARRAY_LEN(ids) ? n - i : ARRAY_LEN(ids);
		int r = tc_attached(kern, ifindexes + i, some, TC_EGRESS, ids);

		if (r < 0)
			return r;
		for (size_t k = 0; k < some; k++)
			if (ids[k] == 0)
				ifindexes[lost++] = ifindexes[i + k];
	}
	*ret_n = lost;
	return 0;
}
