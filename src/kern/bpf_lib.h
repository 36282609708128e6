/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf_lib - libbpf, loaded by who guards ports
 *
 * With libelf and libz it is a fifth of what starting `sixtap forward add`
 * takes. The daemon is linked with it, as with libnftables.
 */
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "base/dl.h"

/* What is called of it, by its own names. */
#define BPF_CALLS(F)                                                                                          \
	F(bpf_map_delete_elem) F(bpf_map_lookup_batch) F(bpf_map_update_elem) F(bpf_obj_get_info_by_fd)       \
	F(bpf_object__close) F(bpf_object__find_map_fd_by_name) F(bpf_object__find_program_by_name)           \
	F(bpf_object__load) F(bpf_object__open_mem) F(bpf_program__fd) F(libbpf_set_print)

struct bpf_lib {
	BPF_CALLS(DL_MEMBER)
};

/* It stays loaded. Return: NULL when it isn't installed, or too old. */
const struct bpf_lib *bpf_load(void);
