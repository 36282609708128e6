/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules - the sections of the catalogue, one line for each rule_*.c
 */
#pragma once
#include "diag/rule.h"

extern const struct rule_section rules_host;		/* rule_host.c: router advertisements, IPv6 of interfaces */
extern const struct rule_section rules_address;		/* rule_address.c: addresses */
extern const struct rule_section rules_forward;		/* rule_forward.c: forwarding, proxies */
extern const struct rule_section rules_route;		/* rule_route.c: routes to guests */
extern const struct rule_section rules_macvtap;		/* rule_macvtap.c: macvtaps, and taps that nobody holds */
extern const struct rule_section rules_bridge;		/* rule_bridge.c: bridges with guests in them */
extern const struct rule_section rules_firewall;	/* rule_firewall.c: what firewalls drop of what guests need */
extern const struct rule_section rules_nat;		/* rule_nat.c: NAT and port forwards */
extern const struct rule_section rules_path;		/* rule_path.c: ways that end, whatever the reason */
extern const struct rule_section rules_service;		/* rule_service.c: managers, hooks, limits, DHCP servers, what a boot would undo */
