#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# udhcpc.sh - what the guest does with its DHCPv4 lease
case $1 in
deconfig)
	ip -4 addr flush dev "$interface"
	;;
bound | renew)
	ip addr replace "$ip/${mask:-24}" dev "$interface" 2>/dev/null || ip addr add "$ip/${mask:-24}" dev "$interface"
	for r in $router; do
		ip route replace default via "$r" dev "$interface"
		break
	done
	: >/run/dns4
	for d in $dns; do echo "nameserver $d" >>/run/dns4; done
	[ -n "$domain" ] && echo "search $domain" >>/run/dns4
	cat /run/dns4 /run/dns6 >/etc/resolv.conf 2>/dev/null
	set >/run/lease4
	;;
esac
