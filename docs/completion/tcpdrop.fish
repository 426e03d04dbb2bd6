# SPDX-License-Identifier: BSD-2-Clause
# fish completion for tcpdrop(8).  Made by tools/completions.py, not by hand.

# The ends of what is open here: of the first N operands LADDR:LPORT RADDR:RPORT
# or LADDR LPORT RADDR RPORT the next.
function __tcpdrop_ends # COMMAND N OPERAND...
    $argv[1] list -o local,remote 2>/dev/null | awk -v n=$argv[2] -v a="$argv[3]" -v b="$argv[4]" -v c="$argv[5]" '
function addr(end) { sub(/:[^:]*$/, "", end); gsub(/[][]/, "", end); return end }
function port(end) { sub(/.*:/, "", end); return end }
NR == 1 { next }
n == 0 || (n == 1 && $1 == a) { print $(n + 1); next }
n == 1 && addr($1) == a { print port($1) }
n == 2 && addr($1) == a && port($1) == b { print addr($2) }
n == 3 && addr($1) == a && port($1) == b && addr($2) == c { print port($2) }' | sort -u
end

# What may stand after OPTION or a word of the filter language.
function __tcpdrop_values
    switch $argv[1]
        case -s --state state exclude
            printf '%s\n' established syn-sent syn-recv fin-wait1 fin-wait2 time-wait closed close-wait last-ack listen closing all connected synchronized bucket big
        case --order
            printf '%s\n' oldest newest idlest largest
        case --summary-by
            printf '%s\n' remote_addr local_port state process user
        case --max-drops
            printf '%s\n' none
        case --method
            printf '%s\n' auto destroy descriptor
        case --color
            printf '%s\n' auto always never
        case -o --output
            printf '%s\n' family mapped local_addr local_port remote_addr remote_port state pids pids_kind process uid inode cookie ifindex netns zone recvq sendq idle_ms age_ms rtt_us retrans bytes_sent bytes_received cc local remote user
        case --completion
            printf '%s\n' bash zsh fish
        case family
            printf '%s\n' inet inet6
        case --netns
            echo all
            ip netns list 2>/dev/null | cut -d' ' -f1
        case --zone
            echo all
            zoneadm list 2>/dev/null
        case --user user
            __fish_complete_users
        case dev
            command ls /sys/class/net 2>/dev/null
        case --from
            __fish_complete_path (commandline -ct)
        case '*'
            return 1
    end
end

function __tcpdrop
    set -l prev ''
    set -l verb classic
    set -l operands
    set -l typed (commandline -opc)
    set -l cur (commandline -ct)
    for word in $typed[2..-1]
        if string match -q -- '-*' $prev
            set prev ''
            continue
        end
        set prev ''
        switch $word
            case --max-drops --limit --order --method --protect --for --interval --rate --netns --zone -o --output --color --summary-by --from --reason --local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age --completion
                set prev $word
            case '-*'
            case '*'
                set -a operands $word
                set prev $word
        end
    end
    contains -- "$operands[1]" list drop top check demo paths help
    and set verb $operands[1]
    set -l lead ''
    if string match -q -- '--*=*' $cur
        set prev (string replace -r '=.*' '' -- $cur)
        set lead "$prev="
    end
    set -l found (__tcpdrop_values $prev)
    if test $status -eq 0
        # A list with commas is completed at its end.
        set -l before (string match -r -- '^.*,' (string replace -- "$lead" '' $cur))
        printf '%s\n' "$lead$before"$found
        return
    end
    if not string match -q -- '-*' $cur
        switch $verb
            case list drop top
                printf '%s\n' state exclude local src remote dst host lport sport rport dport port family in out loopback dev kernel pid comm user mine unit cgroup idle age rtt recvq sendq bytes-sent bytes-received retrans cc and or not
                return
            case classic
                test (count $operands) -eq 0
                and printf '%s\n' list drop top check demo paths help
                __tcpdrop_ends $typed[1] (count $operands) $operands
                return
        end
    end
    switch $verb
        case list
            printf '%s\n' -h --help -V --version -a --all --limit --order --mine -4 -6 --netns --zone --json --jsonl -q --quiet -c --count -o --output -p --processes -H --no-header -r --resolve --color --summary-by --explain --allow-none --local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age
        case drop
            printf '%s\n' -h --help -V --version -n --dry-run -y --yes --ask -a --all -l --max-drops --limit --order --mine --method --include-self --protect --for --until-gone --interval --rate -4 -6 --netns --zone --json --jsonl -q --quiet -c --count --color --from --allow-none --reason --syslog --no-syslog --local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age
        case top
            printf '%s\n' -h --help -V --version -n --dry-run --mine --method --include-self --protect --interval -4 -6 --netns --zone --color --reason --syslog --no-syslog --local-addr --local-port --remote-addr --remote-port -s --state --pid --process --user --idle --age
        case check
            printf '%s\n' -h --help -V --version --json --jsonl
        case demo
            printf '%s\n' -h --help -V --version
        case paths
            printf '%s\n' -h --help -V --version --json --jsonl --ansible --salt --man --completion
        case help
            printf '%s\n' -h --help -V --version
        case classic
            printf '%s\n' -h --help -V --version -n --dry-run --method --include-self --protect -4 -6 --netns --zone --json --jsonl -q --quiet --allow-none --reason --syslog --no-syslog -l -a -s
    end
end

complete -c tcpdrop -f -a '(__tcpdrop)'
