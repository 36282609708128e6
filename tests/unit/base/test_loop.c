/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <cmocka.h>
#include "base/loop.h"

#define N_FDS 5

struct bench {
	struct loop *loop;
	struct loop_fd fds[N_FDS];
	struct loop_timer timer;
	unsigned int handled, turns, turn_saw, fired, signals;
	bool level;		/* handlers leave their event pending */
	int fail;
	mono_t fired_at;
};

static struct bench *bench;

static int on_fd(struct loop_fd *src, uint32_t events, mono_t now)
{
	uint64_t v;

	assert_true(events & EPOLLIN);
	assert_true(now > 0);
	bench->handled++;
	if (!bench->level)
		assert_int_equal(read(src->fd, &v, sizeof(v)), sizeof(v));
	return bench->fail;
}

static int on_turn(void *user, mono_t now)
{
	struct bench *b = user;

	assert_true(now > 0);
	b->turns++;
	b->turn_saw = b->handled;
	return 0;
}

static int setup(void **state)
{
	struct bench *b = NEW(struct bench);

	*state = bench = b;
	assert_int_equal(loop_new(&b->loop), 0);
	for (int i = 0; i < N_FDS; i++) {
		b->fds[i] = (struct loop_fd){ .name = "test", .fn = on_fd, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
		assert_true(b->fds[i].fd >= 0);
		assert_int_equal(loop_add(b->loop, &b->fds[i], EPOLLIN), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < N_FDS; i++) {
		loop_del(&b->fds[i]);
		loop_del(&b->fds[i]);	/* twice is allowed */
		(void)close(b->fds[i].fd);
	}
	loop_timer_del(&b->timer);
	loop_free(b->loop);
	free(b);
	return 0;
}

static void poke(struct bench *b, int i)
{
	uint64_t one = 1;

	assert_int_equal(write(b->fds[i].fd, &one, sizeof(one)), sizeof(one));
}

static void test_turn_once(void **state)
{
	struct bench *b = *state;

	loop_on_turn(b->loop, on_turn, b);
	assert_int_equal(loop_turn(b->loop, 0), 0);
	assert_int_equal(b->turns, 0);		/* nothing ran */
	for (int i = 0; i < N_FDS; i++)
		poke(b, i);
	assert_int_equal(loop_turn(b->loop, MONO_S), 1);
	assert_int_equal(b->handled, N_FDS);
	assert_int_equal(b->turns, 1);		/* once for all of them … */
	assert_int_equal(b->turn_saw, N_FDS);	/* … and after them */
	poke(b, 2);
	assert_int_equal(loop_turn(b->loop, MONO_S), 1);
	assert_int_equal(b->turns, 2);
	assert_int_equal(loop_turn(b->loop, MONO_MS), 0);
	assert_int_equal(b->turns, 2);
}

/* A flood must not keep the turn function from running. */
static void test_turn_under_load(void **state)
{
	struct bench *b = *state;

	loop_on_turn(b->loop, on_turn, b);
	b->level = true;
	poke(b, 0);
	assert_int_equal(loop_turn(b->loop, MONO_S), 1);
	assert_int_equal(b->turns, 1);
	assert_in_range(b->handled, 2, 64);
}

static int stop_after(struct loop_timer *timer, mono_t now)
{
	bench->fired++;
	bench->fired_at = now;
	assert_true(timer->deadline == MONO_NEVER);
	loop_stop(timer->loop, 7);
	return 0;
}

static void test_timer(void **state)
{
	struct bench *b = *state;
	mono_t start = mono_now();

	loop_on_turn(b->loop, on_turn, b);
	b->timer = (struct loop_timer){ .name = "test", .fn = stop_after };
	assert_int_equal(loop_timer_set(b->loop, &b->timer, MONO_NEVER), 0);	/* disarmed before it exists */
	assert_int_equal(loop_timer_set(b->loop, &b->timer, start + 10 * MONO_S), 0);
	assert_int_equal(loop_timer_set(b->loop, &b->timer, start + 20 * MONO_MS), 0);	/* moved */
	assert_int_equal(loop_run(b->loop), 7);
	assert_int_equal(b->fired, 1);
	assert_true(b->fired_at >= start + 20 * MONO_MS);			/* never early */
	assert_true(b->fired_at < start + 20 * MONO_MS + 5 * MONO_S);
	assert_int_equal(b->turns, 1);		/* also for the turn that stopped */
}

static int count(struct loop_timer *timer, mono_t now)
{
	(void)now;
	bench->fired++;
	return timer->loop ? 0 : -EINVAL;
}

static void test_timer_off_and_past(void **state)
{
	struct bench *b = *state;

	b->timer = (struct loop_timer){ .name = "test", .fn = count };
	assert_int_equal(loop_timer_set(b->loop, &b->timer, 1), 0);	/* long past */
	assert_int_equal(loop_turn(b->loop, MONO_S), 1);
	assert_int_equal(b->fired, 1);
	assert_int_equal(loop_turn(b->loop, 0), 0);			/* once only */
	assert_int_equal(loop_timer_set(b->loop, &b->timer, 1), 0);
	assert_int_equal(loop_timer_set(b->loop, &b->timer, MONO_NEVER), 0);
	assert_int_equal(loop_turn(b->loop, 0), 0);
	assert_int_equal(loop_timer_set(b->loop, &b->timer, MONO_NEVER - 1), 0);	/* far, not wrapped to now */
	assert_int_equal(loop_turn(b->loop, 0), 0);
	assert_int_equal(b->fired, 1);
}

static int again(struct loop_timer *timer, mono_t now)
{
	return ++bench->fired < 20 ? loop_timer_set(timer->loop, timer, now + MONO_MS) : 0;
}

static mono_t cpu_time(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (mono_t)t.tv_sec * MONO_S + (mono_t)t.tv_nsec;
}

/* Return: how often the loop slept from the third of twenty timers on, each a millisecond after the other. */
static long sleeps(struct bench *b, mono_t linger)
{
	struct rusage before = { 0 }, after;

	loop_linger(b->loop, linger);
	b->fired = 0;
	b->timer = (struct loop_timer){ .name = "test", .fn = again };
	assert_int_equal(loop_timer_set(b->loop, &b->timer, mono_now() + MONO_MS), 0);
	while (b->fired < 20) {
		if (b->fired <= 2)
			assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
		assert_int_equal(loop_turn(b->loop, MONO_S), 1);
	}
	assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
	loop_timer_del(&b->timer);
	return after.ru_nvcsw - before.ru_nvcsw;
}

static void test_linger(void **state)
{
	struct bench *b = *state;

	long slept = 0;

	/* A machine that is busy with others lets a timer fall due before we come to sleep. */
	for (int i = 0; i < 10 && slept < 10; i++)
		slept = sleeps(b, 0);
	assert_true(slept >= 10);
	for (int i = 0; i < 10 && slept >= 10; i++)
		slept = get_nprocs() == 1 ? 0 : sleeps(b, 50 * MONO_MS);
	assert_true(slept < 10);
	mono_t used = cpu_time();
	assert_int_equal(loop_turn(b->loop, 300 * MONO_MS), 0);	/* nothing comes any more: 50 ms, then it sleeps */
	assert_int_equal(loop_turn(b->loop, 300 * MONO_MS), 0);
	assert_true(cpu_time() - used < 150 * MONO_MS);
}

struct owner {
	struct loop_timer timer;
	struct loop_fd fd;
};

static int die_by_timer(struct loop_timer *timer, mono_t now)
{
	struct owner *o = CONTAINER_OF(timer, struct owner, timer);

	(void)now;
	loop_timer_del(&o->timer);
	loop_del(&o->fd);
	(void)close(o->fd.fd);
	free(o);
	return -ECANCELED;
}

static int die_by_fd(struct loop_fd *fd, uint32_t events, mono_t now)
{
	(void)events;
	return die_by_timer(&CONTAINER_OF(fd, struct owner, fd)->timer, now);
}

/* A handler may free its owner (AddressSanitizer sees what follows). */
static void test_free_in_handler(void **state)
{
	struct bench *b = *state;

	for (int by_fd = 0; by_fd < 2; by_fd++) {
		struct owner *o = NEW(struct owner);
		_cleanup_(loop_freep) struct loop *loop = NULL;

		assert_int_equal(loop_new(&loop), 0);
		o->timer.fn = die_by_timer;
		o->fd = (struct loop_fd){ .name = "owner", .fn = die_by_fd, .fd = eventfd(by_fd ? 1 : 0, EFD_CLOEXEC) };
		assert_int_equal(loop_add(loop, &o->fd, EPOLLIN), 0);
		assert_int_equal(loop_timer_set(loop, &o->timer, by_fd ? MONO_NEVER : 1), 0);
		assert_int_equal(loop_run(loop), -ECANCELED);
	}
	assert_int_equal(b->handled, 0);
}

static void test_handler_error_ends(void **state)
{
	struct bench *b = *state;

	loop_on_turn(b->loop, on_turn, b);
	b->fail = -EIO;
	poke(b, 0);
	assert_int_equal(loop_run(b->loop), -EIO);
	assert_int_equal(b->turns, 1);
}

static int failing_turn(void *user, mono_t now)
{
	(void)user;
	(void)now;
	return -ENOSPC;
}

static void test_turn_error_ends(void **state)
{
	struct bench *b = *state;

	loop_on_turn(b->loop, failing_turn, b);
	poke(b, 0);
	assert_int_equal(loop_run(b->loop), -ENOSPC);
}

static int on_signal(void *user, int signo, mono_t now)
{
	struct bench *b = user;

	assert_int_equal(signo, SIGUSR1);
	assert_true(now >= b->fired_at);
	b->signals++;
	loop_stop(b->loop, 0);
	return 0;
}

static void test_signal(void **state)
{
	struct bench *b = *state;

	loop_on_turn(b->loop, on_turn, b);
	assert_int_equal(loop_on_signal(b->loop, SIGUSR1, on_signal, b), 0);
	b->fired_at = mono_now();
	assert_int_equal(raise(SIGUSR1), 0);	/* blocked, or this would end the test */
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->signals, 1);
	assert_int_equal(b->turns, 1);
}

static void test_set_events(void **state)
{
	struct bench *b = *state;

	assert_int_equal(loop_set_events(&b->fds[0], 0), 0);
	poke(b, 0);
	assert_int_equal(loop_turn(b->loop, 0), 0);
	assert_int_equal(loop_set_events(&b->fds[0], EPOLLIN), 0);
	assert_int_equal(loop_turn(b->loop, MONO_S), 1);
	assert_int_equal(b->handled, 1);
	loop_del(&b->fds[0]);
	assert_int_equal(loop_set_events(&b->fds[0], EPOLLIN), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_turn_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turn_under_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_off_and_past, setup, teardown),
		cmocka_unit_test_setup_teardown(test_linger, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_in_handler, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handler_error_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turn_error_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_events, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
