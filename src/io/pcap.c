/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap - write frames to a file that tcpdump and Wireshark read
 *
 * Time stamps count from the wall clock at pcap_open(), so that they never jump.
 */
#include "io/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC_NS 0xa1b23c4du
#define LINKTYPE_ETHERNET 1

struct pcap {
	int fd;
	size_t size;
	mono_t mono;
	wall_t wall;
};

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_len, link_type;
};

struct frame_header {
	uint32_t s, ns, kept, len;
};

int pcap_open(struct pcap **ret, const char *path)
{
	struct file_header h = { MAGIC_NS, 2, 4, 0, 0, 65535, LINKTYPE_ETHERNET };
	_cleanup_(pcap_freep) struct pcap *pcap = NEW(struct pcap);

	pcap->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (pcap->fd < 0)
		return -errno;
	if (write(pcap->fd, &h, sizeof(h)) != sizeof(h))
		return -EIO;
	pcap->size = sizeof(h);
	pcap->mono = mono_now();
	pcap->wall = wall_now();
	*ret = STEAL_PTR(pcap);
	return 0;
}

struct pcap *pcap_free(struct pcap *pcap)
{
	if (!pcap)
		return NULL;
	if (pcap->fd >= 0)
		(void)close(pcap->fd);
	free(pcap);
	return NULL;
}

int pcap_write(struct pcap *pcap, const void *frame, size_t len, mono_t now)
{
	mono_t since = now > pcap->mono ? now - pcap->mono : 0;
	struct frame_header h = { (uint32_t)((uint64_t)pcap->wall + since / MONO_S), (uint32_t)(since % MONO_S),
				  (uint32_t)len, (uint32_t)len };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)frame, len } };

	if (pcap->size + sizeof(h) + len > PCAP_FILE_MAX)
		return -EFBIG;

	ssize_t n = writev(pcap->fd, iov, 2);
	if (n < 0)
		return -errno;
	pcap->size += (size_t)n;
	return (size_t)n == sizeof(h) + len ? 0 : -EIO;
}
