/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guests - stands for guests behind macvtap devices: takes what is let in for them
 *
 * guests N: descriptors 3 to N+2 are macvtaps' queues. For each line on standard
 * input it prints what came since the last one, and the processor time that
 * taking it cost: that of waking a guest, without what the guest does with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned long long cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (unsigned long long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (unsigned long long)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int watch(int ep, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0, ep = epoll_create1(EPOLL_CLOEXEC);
	unsigned long long frames = 0, began = 0;
	struct epoll_event events[64];
	static char buf[65536];

	if (ep < 0 || n < 1 || watch(ep, 0) < 0)
		return 2;
	for (int fd = 3; fd < n + 3; fd++)
		if (watch(ep, fd) < 0) {
			(void)fprintf(stderr, "guests: descriptor %d: errno %d\n", fd, errno);
			return 1;
		}
	for (;;) {
		int got = epoll_wait(ep, events, 64, -1);

		for (int i = 0; i < got; i++) {
			ssize_t len = read(events[i].data.fd, buf, sizeof(buf));

			if (events[i].data.fd != 0) {
				frames += len > 0;
				continue;
			}
			if (len <= 0)
				return 0;
			(void)printf("{\"frames\": %llu, \"cpu_us\": %llu}\n", frames, cpu_us() - began);
			(void)fflush(stdout);
			frames = 0;
			began = cpu_us();
		}
	}
}
