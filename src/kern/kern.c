/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kern - one handle on the kernel of one network namespace
 */
#include "kern/kern.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include "kern/nft_lib.h"
#include "kern/priv.h"

int kern_new(struct kern **ret, const struct kern_conf *conf, struct report *report)
{
	_cleanup_(kern_freep) struct kern *kern = NEW(struct kern);

	kern->run_dir = xstrdup(conf->run_dir);
	kern->proc_sys = -1;
	kern->proc_sys_given = conf->proc_sys_fd;
	kern->tun_dir = conf->tun_fd_dir;
	kern->guard = conf->guard ? *conf->guard : (struct kern_guard)KERN_GUARD_NONE;
	kern->xt_names[0] = conf->xt_names ? conf->xt_names[0] : -1;
	kern->xt_names[1] = conf->xt_names ? conf->xt_names[1] : -1;
	kern->rt = kern->nf = (struct nl)NL_CLOSED;
	kern->nft_lib = nft_load();
	kern->nft = kern->nft_lib ? kern->nft_lib->nft_ctx_new(NFT_CTX_DEFAULT) : NULL;
	if (!kern->nft) {
		report_error(report, NULL, "libnftables doesn't start");
		return -ENOMEM;
	}
	*ret = STEAL_PTR(kern);
	return 0;
}

struct kern *kern_free(struct kern *kern)
{
	if (!kern)
		return NULL;
	if (kern->nft)
		kern->nft_lib->nft_ctx_free(kern->nft);
	nl_close(&kern->rt);
	nl_close(&kern->nf);
	nlb_free(&kern->b);
	closep(&kern->proc_sys);
	free(kern->run_dir);
	free(kern);
	return NULL;
}

int kern_rt(struct kern *kern)
{
	return nl_open(&kern->rt, NETLINK_ROUTE);
}

int kern_nf(struct kern *kern)
{
	return nl_open(&kern->nf, NETLINK_NETFILTER);
}

int kern_proc_sys(struct kern *kern)
{
	if (kern->proc_sys_given >= 0)
		return kern->proc_sys_given;
	if (kern->proc_sys < 0)
		kern->proc_sys = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return kern->proc_sys < 0 ? -errno : kern->proc_sys;
}

uint32_t kern_ifindex(struct kern *kern, const char *name)
{
	struct ifreq ifr = { 0 };

	if (name[0] == '\0' || !str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name) || kern_rt(kern) < 0)
		return 0;
	return ioctl(mnl_socket_get_fd(kern->rt.sock), SIOCGIFINDEX, &ifr) < 0 ? 0 : (uint32_t)ifr.ifr_ifindex;
}
