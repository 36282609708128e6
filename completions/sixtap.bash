# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for sixtap: commands, options, networks and guests that are known.
# What the options are, `sixtap --help` tells; this file knows only what their values are.

# The words of "  -c, --config PATH   …" and "      --json  …" in a help text.
_sixtap_help_options() {
	sixtap "$@" --help 2>/dev/null | grep -E '^ +-' | grep -oE -- '(^|[ ,])--?[a-z][a-z0-9-]*' | tr -d ' ,'
}

_sixtap_commands() {
	sixtap --help 2>/dev/null | sed -n '/^  [a-z]/s/^  \([a-z-]*\) .*/\1/p'
}

# Networks and guests of `status`, without a JSON parser: --json writes a member a line. In bash 5 and Debian's sed.
_sixtap_status() {
	timeout 2 sixtap "${_sixtap_globals[@]}" --json status 2>/dev/null
}

_sixtap_networks() {
	_sixtap_status | sed -n 's/^      "name": "\([^"]*\)",*$/\1/p'
	# Networks that are only declared: names at the second level of the files.
	local f
	for f in "${_sixtap_config:-/etc/sixtap}" "${_sixtap_config:-/etc/sixtap}"/*.yaml; do
		[[ -f $f && -r $f ]] && sed -nE '/^networks:/,/^[^ #]/s/^  "?([a-z0-9-]+)"?:.*/\1/p' "$f"
	done
}

_sixtap_guests() {
	_sixtap_status | sed -nE -e 's/^      "name": "([^"]*)",*$/N \1/p' -e 's/^          "name": "([^"]*)",*$/G \1/p' |
		while read -r kind name; do
			[[ $kind == N ]] && network=$name
			[[ $kind == G ]] && printf '%s/%s\n' "$network" "$name"
		done
}

_sixtap_interfaces() {
	ls /sys/class/net 2>/dev/null
}

_sixtap_macvtaps() {
	ip -o link show type macvtap 2>/dev/null | sed -nE 's/^[0-9]+: ([^@:]+).*/\1/p'
	local f
	for f in /run/libvirt/qemu/*.xml; do
		[[ -e $f ]] && f=${f##*/} && printf 'libvirt:%s\n' "${f%.xml}"
	done
}

_sixtap_adopted() {
	_sixtap_status | sed -n 's/^      "subject": "\([^"]*\)",*$/\1/p'
}

# Candidates, one a line; names with a colon (MACs as guests' names) stay whole.
_sixtap_reply() {
	local IFS=$'\n'
	COMPREPLY=($(compgen -W "$(sort -u <<<"$1")" -- "$cur"))
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		local prefix=${cur%"${cur##*:}"}
		COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
	fi
}

_sixtap_yaml() {
	local IFS=$'\n'
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -d -- "$cur") $(compgen -f -X '!*.yaml' -- "$cur"))
}

_sixtap_files() {
	local IFS=$'\n'
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -f -- "$cur"))
}

_sixtap_folders() {
	local IFS=$'\n'
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -d -- "$cur"))
}

# The value of an option, whichever command it belongs to. Return: 1 when $prev isn't an option with a value.
_sixtap_value() {
	case $prev in
	-c | --config) _sixtap_yaml ;;
	--color) _sixtap_reply $'auto\nalways\nnever' ;;
	--netns) _sixtap_reply "$(ls /run/netns 2>/dev/null)" ;;
	--run-dir | --state-dir) _sixtap_folders ;;
	--save)
		[[ $command == doctor ]] || return 1	# of forward it is a switch
		_sixtap_files
		;;
	--svg | --gai-conf | --from | --pcap | --monitor) _sixtap_files ;;
	--guest) _sixtap_reply "$(_sixtap_guests)" ;;
	--advise | --no-route) _sixtap_reply $'ipv4\nipv6' ;;
	--format) _sixtap_reply $'gai.conf\ncloud-init' ;;
	--explain) _sixtap_reply "$(sixtap doctor --explain list 2>/dev/null)" ;;
	--device) _sixtap_reply $'virtio-net-pci\ne1000e\ne1000\nrtl8139' ;;
	--name | --mac | --ipv4 | --ipv6 | --forward | --queues | --id | --source | --confirm | --from-address | --wait | --count | --unicast | --timeout) COMPREPLY=() ;;
	*) return 1 ;;
	esac
	return 0
}

# The option that takes the next word, in the words before the cursor.
_sixtap_takes_value() {
	case $1 in
	--save) [[ $command == doctor ]] && return 0 ;;
	-c | --config | --color | --netns | --run-dir | --state-dir | --svg | --gai-conf | --from | --pcap | --monitor | --guest | --explain | \
		--advise | --no-route | --format | --device | --name | --mac | --ipv4 | --ipv6 | --forward | --queues | --id | \
		--source | --confirm | --wait | --count | --unicast | --timeout) return 0 ;;
	esac
	return 1
}

_sixtap_argument() {
	local command=$1 n=$2 first=$3
	case $command in
	up | apply | plan | down | status | guests | leases) _sixtap_reply "$(_sixtap_networks)" ;;
	run) if ((n == 0)); then _sixtap_reply "$(_sixtap_networks)"; fi ;;
	init)
		if ((n == 0)); then
			_sixtap_reply $'nat\nmacvtap\nhosting'
		elif ((n == 1)) && [[ $first != nat ]]; then
			_sixtap_reply "$(_sixtap_interfaces)"
		fi
		;;
	forward)
		if ((n == 0)); then
			_sixtap_reply $'list\nadd\ndel'
		elif ((n == 1)); then
			_sixtap_reply "$(_sixtap_guests)"
		fi
		;;
	export) if ((n == 0)); then _sixtap_reply qemu; elif ((n == 1)); then _sixtap_reply "$(_sixtap_guests)"; fi ;;
	adopt) _sixtap_reply "$(_sixtap_macvtaps; echo all)" ;;
	release) _sixtap_reply "$(_sixtap_adopted)" ;;
	doctor) if [[ " ${words[*]} " == *" --compare "* ]]; then _sixtap_files; return; fi
		_sixtap_reply "$(_sixtap_interfaces; _sixtap_networks; _sixtap_guests)" ;;
	path) _sixtap_reply "$(_sixtap_guests; echo host; echo outside)" ;;
	slaac | rs) _sixtap_reply "$(_sixtap_interfaces)" ;;
	watch) _sixtap_reply "$(_sixtap_interfaces; printf '%s\n' arp rs ra ns na redirect nd mld dhcp4 dhcp6 dhcp)" ;;
	ns | nd) if ((n == 1)); then _sixtap_reply "$(_sixtap_interfaces)"; fi ;;
	help) _sixtap_reply "$(_sixtap_commands)" ;;
	addrsel) COMPREPLY=($(compgen -A hostname -- "$cur")) ;;
	esac
}

_sixtap() {
	local cur prev words=() cword=0 i command='' first='' n=0 skip=0 _sixtap_config='' _sixtap_globals=()
	COMPREPLY=()
	# Words between blanks: bash's own are taken apart at colons and equal signs.
	local line=${COMP_LINE:0:COMP_POINT}
	read -ra words <<<"$line"
	[[ -z $line || $line == *[[:blank:]] ]] && words+=("")
	cword=$((${#words[@]} - 1))
	cur=${words[cword]} prev=${words[cword > 0 ? cword - 1 : 0]}
	for ((i = 1; i < cword; i++)); do
		local word=${words[i]}
		if ((skip)); then
			skip=0
			continue
		fi
		case $word in
		--)
			# After it, QEMU's command line: as if it began here; or one more sixtap.
			if declare -F _command_offset >/dev/null; then
				for ((i = 1; i < COMP_CWORD; i++)); do
					[[ ${COMP_WORDS[i]} == -- ]] && break
				done
				_command_offset $((i + 1))
			elif ((cword == i + 1)); then
				COMPREPLY=($(compgen -c -- "$cur"))
			fi
			return
			;;
		-c | --config)
			_sixtap_config=${words[i + 1]/#\~/$HOME}
			skip=1
			;;
		--run-dir | --state-dir | --netns)
			_sixtap_globals+=("$word" "${words[i + 1]}")
			skip=1
			;;
		-*)
			if _sixtap_takes_value "$word"; then
				skip=1
			fi
			;;
		*)
			if [[ -z $command ]]; then
				command=$word
			else
				((n == 0)) && first=$word
				n=$((n + 1))
			fi
			;;
		esac
	done
	_sixtap_value && return
	if [[ $cur == -* ]]; then
		if [[ -n $command ]]; then
			_sixtap_reply "$(_sixtap_help_options "$command")"
		else
			_sixtap_reply "$(_sixtap_help_options)"
		fi
	elif [[ -z $command ]]; then
		_sixtap_reply "$(_sixtap_commands)"
	else
		_sixtap_argument "$command" "$n" "$first"
	fi
}

complete -F _sixtap sixtap
