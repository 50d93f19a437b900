# What the probes say is what the log says, and every command of docs/probes.md runs as it stands.
# Programs: ip bpftrace
# Modules: veth
# Files: docs/probes.md
. /vm/case.sh

# Attached: the process waits for events and does nothing else.
attached() {
  grep -q -e ep_poll -e epoll_wait "/proc/$1/wchan"
}

# A few of each kind: carried, by name, with TLS, nobody listening, refused by the policy.
traffic() {
  tunnels 2 $world:9000
  tunnels 1 origin.test:9000
  tunnels 1 origin.test:443 --tls
  no_tunnel $world:1
  no_tunnel elsewhere.example:443
}

network
origin $world:9000
origin $world:443 --tls
proxy

cat >/tmp/all.bt <<'EOF'
usdt:/usr/bin/penstock:penstock:accept { printf("accept %x %s\n", arg0, ntop(*(uint32*)arg5)); }
usdt:/usr/bin/penstock:penstock:head { printf("head %x %s %d %d %s\n", arg0, str(arg1), arg2, arg3, str(arg4)); }
usdt:/usr/bin/penstock:penstock:judge_name { printf("judge_name %x %s\n", arg0, str(arg5)); }
usdt:/usr/bin/penstock:penstock:admit { printf("admit %x %d\n", arg0, arg3); }
usdt:/usr/bin/penstock:penstock:resolve { printf("resolve %x %d %d\n", arg0, arg3, arg5); }
usdt:/usr/bin/penstock:penstock:judge_addresses { printf("judge_addresses %x %d\n", arg0, arg5); }
usdt:/usr/bin/penstock:penstock:dial { printf("dial %x %d %s\n", arg0, arg3, str(arg4)); }
usdt:/usr/bin/penstock:penstock:established { printf("established %x\n", arg0); }
usdt:/usr/bin/penstock:penstock:hello { printf("hello %x %d %s\n", arg0, arg3, str(arg5)); }
usdt:/usr/bin/penstock:penstock:carry { printf("carry %x %d %d\n", arg0, arg4, arg5); }
usdt:/usr/bin/penstock:penstock:settle { printf("settle %x %d %s %s\n", arg0, arg3, str(arg5), str(arg4)); }
EOF
# The programs of the page as well, each as a tracer of its own: they share the one traffic.
awk '/^```sh/ { inside = 1; next } /^```/ { inside = 0 }
  inside { if (/^bpftrace/) { n++; $0 = "exec " $0 } if (n) print > ("/tmp/question-" n) }' \
  /vm/files/probes.md
bpftrace /tmp/all.bt >/tmp/seen 2>&1 &
tracers=$!
for question in $(ls /tmp/question-* | sort -t- -k2 -n); do
  dash "$question" >"$question.answer" 2>&1 &
  tracers="$tracers $!"
done
for tracer in $tracers; do eventually attached "$tracer"; done
traffic
kill -INT $tracers
wait $tracers

# said PROBE: what it said of each connection; without a field for one it was not reached.
said() {
  sed -n "s/^$1 \(.*\)/\1/p" /tmp/seen
}
# written PATTERN GROUPS: the same from the log, the connection's number in front.
written() {
  sed -n "s/.*\"id\":\"[^-]*-0-\([^\"]*\)\".*$1.*/\1 $2/p" /tmp/access.log
}
same() {
  said "$1" >/tmp/said
  written "$2" "$3" >/tmp/written
  diff /tmp/said /tmp/written && [ -s /tmp/said ]
}
no_complaint() {
  ! grep -e WARNING -e ERROR -e Lost "$1"
}
text='\([^"]*\)'
number='\([0-9]*\)'
check "accept: the client" same accept "\"client\":\"$text:[0-9]*\"" '\2'
check "judge_name: the rule" same judge_name "\"rule\":\"$text\"" '\2'
check "admit: how long it waited" same admit "\"queue_us\":$number" '\2'
check "settle: time, outcome and error" same settle \
  "\"outcome\":\"$text\",\"error\":\"$text\".*\"total_us\":$number" '\4 \2 \3'
check "carry: the bytes" same carry \
  "\"status\":200,\"bytes_up\":$number,\"bytes_down\":$number" '\2 \3'
check "dial: how long, and why not" same dial \
  "\"error\":\"$text\".*\"dial_us\":$number" '\3 \2'
check "resolve: how long, and one address" same resolve "\"resolve_us\":$number" '\2 1'

for question in $(ls /tmp/question-*[0-9] | sort -t- -k2 -n); do
  sed 's/^exec //' "$question"
  grep -v '^$' "$question.answer"
  check "it has an answer" grep -q -e '^@' -e ' us$' "$question.answer"
  check "and no complaint" no_complaint "$question.answer"
done
