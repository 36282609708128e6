/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu: where the NIC's options go, and what names and ids are read from a command line. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "attach/qemu.h"

static const struct mac mac = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };

static const char *joined(char **argv, struct arena *arena)
{
	const char *s = "";

	for (size_t i = 0; argv[i]; i++)
		s = arena_printf(arena, "%s%s%s", s, i ? " " : "", argv[i]);
	return s;
}

static void test_args(void **state)
{
	static const struct {
		const char *why;
		const char *argv[6];
		struct qemu_nic nic;
		const char *want;
	} t[] = {
		{ "appended", { "qemu", "-m", "512" }, { .id = "sixtap0", .device = "virtio-net-pci", .queues = 1, .fds = { 3 } },
		  "qemu -m 512 -netdev tap,id=sixtap0,fd=3 -device virtio-net-pci,netdev=sixtap0,id=nic-sixtap0,mac=52:54:00:12:34:56" },
		{ "at the braces", { "qemu", "{}", "-m", "512" }, { .id = "x", .device = "e1000", .queues = 1, .fds = { 9 } },
		  "qemu -netdev tap,id=x,fd=9 -device e1000,netdev=x,id=nic-x,mac=52:54:00:12:34:56 -m 512" },
		{ "queues with vhost", { "qemu" }, { .id = "x", .device = "virtio-net-pci", .queues = 2, .fds = { 3, 4 },
		  .vhost_fds = { 5, 6 }, .has_vhost = true },
		  "qemu -netdev tap,id=x,fds=3:4,vhost=on,vhostfds=5:6 -device virtio-net-pci,netdev=x,id=nic-x,mac=52:54:00:12:34:56,mq=on,vectors=6" },
		{ "another MTU", { "qemu" }, { .id = "x", .device = "virtio-net-pci,rombar=0", .queues = 1, .fds = { 3 }, .mtu = 1400 },
		  "qemu -netdev tap,id=x,fd=3 -device virtio-net-pci,rombar=0,netdev=x,id=nic-x,mac=52:54:00:12:34:56,host_mtu=1400" },
		{ "a monitor of ours", { "qemu", "-qmp", "none" }, { .id = "x", .device = "virtio-net-pci", .queues = 1, .fds = { 3 }, .qmp_fd = 5 },
		  "qemu -qmp none -netdev tap,id=x,fd=3 -device virtio-net-pci,netdev=x,id=nic-x,mac=52:54:00:12:34:56 "
		  "-chardev socket,id=x-qmp,fd=5,server=on,wait=off -mon chardev=x-qmp,mode=control" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(arena_freep) struct arena *arena = arena_new();
		struct qemu_nic nic = t[i].nic;

		nic.mac = mac;
		assert_string_equal(joined(qemu_args((char *const *)(uintptr_t)t[i].argv, &nic, arena), arena), t[i].want);
	}
}

static void test_name(void **state)
{
	static const struct {
		const char *argv[6];
		const char *want;
	} t[] = {
		{ { "qemu", "-name", "web" }, "web" },
		{ { "qemu", "-name", "web,process=x" }, "web" },
		{ { "qemu", "-name", "debug-threads=on,guest=db" }, "db" },
		{ { "qemu", "-m", "512" }, NULL },
		{ { "qemu", "-name" }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		_cleanup_(arena_freep) struct arena *arena = arena_new();
		const char *name = qemu_name((char *const *)(uintptr_t)t[i].argv, arena);

		if (t[i].want)
			assert_string_equal(name, t[i].want);
		else
			assert_null(name);
	}
}

static void test_id(void **state)
{
	const char *none[] = { "qemu", NULL }, *one[] = { "qemu", "-netdev", "tap,id=sixtap0,fd=3", NULL },
		   *ten[] = { "qemu", "-netdev", "tap,id=sixtap01,fd=3", NULL };
	_cleanup_(arena_freep) struct arena *arena = arena_new();

	(void)state;
	assert_string_equal(qemu_next_id((char *const *)(uintptr_t)none, arena), "sixtap0");
	assert_string_equal(qemu_next_id((char *const *)(uintptr_t)one, arena), "sixtap1");
	assert_string_equal(qemu_next_id((char *const *)(uintptr_t)ten, arena), "sixtap0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
