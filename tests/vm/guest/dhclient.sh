#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# dhclient.sh - what the guest does with its DHCPv6 lease
case $reason in
BOUND6 | RENEW6 | REBIND6)
	if [ -n "$new_ip6_address" ]; then
		ip -6 addr replace "$new_ip6_address/${new_ip6_prefixlen:-128}" dev "$interface"
		echo "$new_ip6_address" >/run/address6
	fi
	: >/run/dns6
	for d in $new_dhcp6_name_servers; do echo "nameserver $d" >>/run/dns6; done
	cat /run/dns4 /run/dns6 >/etc/resolv.conf 2>/dev/null
	set >/run/lease6
	;;
EXPIRE6 | RELEASE6 | STOP6)
	[ -n "$old_ip6_address" ] && ip -6 addr del "$old_ip6_address/${old_ip6_prefixlen:-128}" dev "$interface"
	;;
esac
exit 0
