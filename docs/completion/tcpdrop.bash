# SPDX-License-Identifier: BSD-2-Clause
# bash completion for tcpdrop(8): verbs, the options of each, states, namespaces.
_tcpdrop() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word verb=classic words
	local common='-h --help -V --version' machine='--json --jsonl' where='-4 -6 --netns --zone'
	local output='-q --quiet -c --count --allow-none --limit --order'
	local select='--local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age --mine -a --all'
	local careful='-n --dry-run --method --include-self --protect --reason --syslog --no-syslog'
	local many='-y --yes --max-drops --for --until-gone --interval --rate --from -l'
	local states='established syn-sent syn-recv fin-wait1 fin-wait2 time-wait closed close-wait last-ack listen closing
		all connected synchronized bucket big'
	local filter='and or not state exclude local src remote dst host lport sport rport dport port family in out loopback dev
		kernel pid comm user mine unit cgroup idle age rtt recvq sendq bytes-sent bytes-received retrans cc'
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in list | drop | check | demo | paths) verb=$word; break ;; esac
	done
	[[ $cur == = ]] && cur= || [[ $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD-2]}
	case $prev in
	-s | --state | state | exclude) words=$states ;;
	--netns) words="all $(ip netns list 2>/dev/null | cut -d' ' -f1)" ;;
	--zone) words="all $(zoneadm list 2>/dev/null)" ;;
	--order) words='oldest newest idlest largest' ;;
	--summary-by) words='remote_addr local_port state process user' ;;
	--max-drops) words=none ;;
	--method) words='auto destroy descriptor' ;;
	--from) compopt -o default; return ;;
	--user | user) COMPREPLY=($(compgen -u -- "$cur")); return ;;
	family) words='inet inet6' ;;
	*)
		words="$common $machine"
		case $verb in
		list) words+=" $where $output $select -o --summary-by --explain" && [[ $cur == -* ]] || words=$filter ;;
		drop) words+=" $where $output $select $careful $many" && [[ $cur == -* ]] || words=$filter ;;
		classic) words+=" $where $careful -q --quiet --allow-none -l -a -s list drop check demo paths" ;;
		demo) words=$common ;;
		paths) words+=" --ansible --salt" ;;
		esac ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _tcpdrop tcpdrop
