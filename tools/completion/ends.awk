function addr(end) { sub(/:[^:]*$/, "", end); gsub(/[][]/, "", end); return end }
function port(end) { sub(/.*:/, "", end); return end }
NR == 1 { next }
n == 0 || (n == 1 && $1 == a) { print $(n + 1); next }
n == 1 && addr($1) == a { print port($1) }
n == 2 && addr($1) == a && port($1) == b { print addr($2) }
n == 3 && addr($1) == a && port($1) == b && addr($2) == c { print port($2) }
