# SPDX-License-Identifier: BSD-2-Clause
# bash completion for tcpdrop(8).  Made by tools/completions.py, not by hand.

# The ends of what is open here: of the first N operands LADDR:LPORT RADDR:RPORT
# or LADDR LPORT RADDR RPORT the next.
_tcpdrop_ends() { # COMMAND N OPERAND...
	"$1" list -o local,remote 2>/dev/null | awk -v n="$2" -v a="${3-}" -v b="${4-}" -v c="${5-}" '
function addr(end) { sub(/:[^:]*$/, "", end); gsub(/[][]/, "", end); return end }
function port(end) { sub(/.*:/, "", end); return end }
NR == 1 { next }
n == 0 || (n == 1 && $1 == a) { print $(n + 1); next }
n == 1 && addr($1) == a { print port($1) }
n == 2 && addr($1) == a && port($1) == b { print addr($2) }
n == 3 && addr($1) == a && port($1) == b && addr($2) == c { print port($2) }' | sort -u
}

# What may stand after OPTION or a word of the filter language.
_tcpdrop_values() {
	case $1 in
	-s | --state | state | exclude) echo 'established syn-sent syn-recv fin-wait1 fin-wait2 time-wait closed close-wait last-ack listen closing all connected synchronized bucket big' ;;
	--order) echo 'oldest newest idlest largest' ;;
	--summary-by) echo 'remote_addr local_port state process user' ;;
	--max-drops) echo 'none' ;;
	--method) echo 'auto destroy descriptor' ;;
	--color) echo 'auto always never' ;;
	-o | --output) echo 'family mapped local_addr local_port remote_addr remote_port state pids pids_kind process uid inode cookie ifindex netns zone recvq sendq idle_ms age_ms rtt_us retrans bytes_sent bytes_received cc local remote user' ;;
	--completion) echo 'bash zsh fish' ;;
	family) echo 'inet inet6' ;;
	--netns) echo "all $(ip netns list 2>/dev/null | cut -d' ' -f1)" ;;
	--zone) echo "all $(zoneadm list 2>/dev/null)" ;;
	--user | user) compgen -u ;;
	dev) ls /sys/class/net 2>/dev/null ;;
	*) return 1 ;;
	esac
}

_tcpdrop() {
	local line=${COMP_LINE:0:COMP_POINT} cur word prev= verb=classic words lead
	local -a typed operands=()
	# COMP_WORDS is cut at ":" and "=", which belong to words here.
	read -ra typed <<<"$line"
	cur=${typed[${#typed[@]} - 1]}
	[[ $line == *[[:space:]] ]] && cur= || unset "typed[${#typed[@]} - 1]"
	for word in "${typed[@]:1}"; do
		if [[ -n $prev && $prev == -* ]]; then
			prev=
			continue
		fi
		prev=
		case $word in
		--max-drops | --limit | --order | --method | --protect | --for | --interval | --rate | --netns | --zone | -o | --output | --color | --summary-by | --from | --reason | --local-addr | --local-port | --remote-addr | --remote-port | -s | --state | --pid | --process | --user | --idle | --age | --completion) prev=$word ;;
		-*) ;;
		*) word=${word//[\\\'\"]/} operands+=("$word") prev=$word ;;
		esac
	done
	case ${operands[0]-} in list | drop | top | check | demo | paths | help) verb=${operands[0]} ;; esac
	[[ $cur != --*=* ]] || prev=${cur%%=*} cur=${cur#*=}
	if [[ $prev == --from ]]; then
		compopt -o default
		return
	elif ! words=$(_tcpdrop_values "$prev"); then
		case $verb,$cur in
		list, | list,[!-]* | drop, | drop,[!-]* | top, | top,[!-]*) words='state exclude local src remote dst host lport sport rport dport port family in out loopback dev kernel pid comm user mine unit cgroup idle age rtt recvq sendq bytes-sent bytes-received retrans cc and or not' ;;
		classic,[!-]* | classic,)
			((${#operands[@]})) || words='list drop top check demo paths help '
			words+=$(_tcpdrop_ends "${COMP_WORDS[0]}" ${#operands[@]} "${operands[@]}")
			;;
		list,*) words='-h --help -V --version -a --all --limit --order --mine -4 -6 --netns --zone --json --jsonl -q --quiet -c --count -o --output -p --processes -H --no-header -r --resolve --color --summary-by --explain --allow-none --local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age' ;;
		drop,*) words='-h --help -V --version -n --dry-run -y --yes --ask -a --all -l --max-drops --limit --order --mine --method --include-self --protect --for --until-gone --interval --rate -4 -6 --netns --zone --json --jsonl -q --quiet -c --count --color --from --allow-none --reason --syslog --no-syslog --local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age' ;;
		top,*) words='-h --help -V --version -n --dry-run --mine --method --include-self --protect --interval -4 -6 --netns --zone --color --reason --syslog --no-syslog --local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age' ;;
		check,*) words='-h --help -V --version --json --jsonl' ;;
		demo,*) words='-h --help -V --version' ;;
		paths,*) words='-h --help -V --version --json --jsonl --ansible --salt --man --completion' ;;
		help,*) words='-h --help -V --version' ;;
		classic,*) words='-h --help -V --version -n --dry-run --method --include-self --protect -4 -6 --netns --zone --json --jsonl -q --quiet --allow-none --reason --syslog --no-syslog -l -a -s' ;;
		esac
	fi
	# A list with commas is completed at its end; bash replaces what stands after the last ":".
	lead=${cur%"${cur##*,}"}
	# Not compgen -W, which would run what the name of a namespace says, like $(...).
	COMPREPLY=()
	read -rd '' -a typed <<<"$words"
	for word in "${typed[@]}"; do
		[[ $word == "${cur#"$lead"}"* ]] || continue
		[[ $word != *[\$\`\;\&\|\<\>\(\)\'\"\\]* ]] || printf -v word %q "$word"
		COMPREPLY+=("$lead$word")
	done
	[[ $cur != *:* || $COMP_WORDBREAKS != *:* ]] || COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
}
complete -F _tcpdrop tcpdrop
