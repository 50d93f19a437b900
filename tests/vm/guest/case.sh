# What the cases share; each begins with `. /vm/case.sh`. POSIX sh (dash). A command
# that fails outside of a check ends the case, and is its failure.
set -eu

# check SENTENCE COMMAND...: the sentence holds if the command succeeds. What it printed is shown.
check() {
  sentence="$1"
  shift
  if "$@"; then echo "ok - $sentence"; else echo "not ok - $sentence"; fi
}

# eventually COMMAND...: waits until it succeeds; 10 s of the guest's time at most.
eventually() {
  tries=100
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "# never: $*"; return 1; }
    usleep 100000
  done
}

# between LEAST NUMBER MOST: whole numbers; prints them where that is not so.
between() {
  [ -n "$2" ] && [ "$2" -ge "$1" ] && [ "$2" -le "$3" ] && return
  echo "# expected $1 to $3, found '$2'"
  return 1
}

# late_by MICROSECONDS NUMBER: a delay that is on the path, and at most 2 ms + 5 % more.
late_by() {
  between "$1" "$2" $(($1 + 2000 + $1 / 20))
}

# field NAME: of the JSON log lines on stdin, one value a line.
field() {
  sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# Two places with a wire between them: the proxy and its clients at the gate, origins in the world.
gate=10.9.0.1
world=10.9.0.2
network() {
  ip netns add gate
  ip netns add world
  ip -n gate link add out type veth peer name in netns world
  ip -n gate addr add $gate/24 dev out
  ip -n world addr add $world/24 dev in
  ip -n gate addr add fd09::1/64 dev out nodad
  ip -n world addr add fd09::2/64 dev in nodad
  for place in gate world; do ip -n $place link set lo up; done
  ip -n gate link set out address 02:00:00:00:00:01 up
  ip -n world link set in address 02:00:00:00:00:02 up
  # Known to each other, so that no first packet waits for an answer to a question.
  for their in $world fd09::2; do
    ip -n gate neigh replace $their lladdr 02:00:00:00:00:02 dev out nud permanent
  done
  for their in $gate fd09::1; do
    ip -n world neigh replace $their lladdr 02:00:00:00:00:01 dev in nud permanent
  done
}

at() {
  place="$1"
  shift
  ip netns exec "$place" "$@"
}

# delay PLACE TIME: what leaves the place arrives so much later. From the gate it is the SYN that
# is late, from the world the SYN-ACK.
delay() {
  case "$1" in
    gate) link=out ;;
    world) link=in ;;
  esac
  tc -n "$1" qdisc replace dev $link root netem delay "$2"
}

# What the proxy listens on; a case may say otherwise.
listeners='[{address: "127.0.0.1:3128"}]'

# proxy [LINES OF YAML]: penstock at the gate on 127.0.0.1:3128, log in /tmp/access.log; everything
# in the world is allowed, which has the name origin.test as well.
proxy() {
  cat >/tmp/penstock.yaml <<EOF
listeners: $listeners
admin: {address: "127.0.0.1:3129"}
workers: 1
policy:
  rules:
    - {name: hello, allow: ["origin.test:443"], addresses: [10.9.0.0/24], tls: checked}
    - name: world
      allow: ["10.9.0.0/24:1-65535", "[fd09::/64]:1-65535", "origin.test:1-65535"]
      addresses: [10.9.0.0/24, "fd09::/64"]
      tls: ignored
log: {access: /tmp/access.log}
${1-}
EOF
  ip netns exec gate penstock run --config /tmp/penstock.yaml 2>/tmp/penstock.stderr &
  proxy_pid=$!
  eventually grep -q 'listening on' /tmp/penstock.stderr || { cat /tmp/penstock.stderr; return 1; }
}

# origin ADDRESS:PORT [OPTION...]: sends back what it is sent.
origin() {
  where="$1"
  shift
  ip netns exec world penstock load origin --listen "$where=echo" "$@" >"/tmp/$where.stdout" 2>&1 &
  eventually grep -q 'listening on' "/tmp/$where.stdout" || { cat "/tmp/$where.stdout"; return 1; }
}

# tunnels COUNT TARGET [OPTION...]: one after the other, a byte there and back in each; waits until
# all of them are in the log. Fails if one of them does.
tunnels() {
  count="$1" target="$2"
  shift 2
  before=$(logged)
  status=0
  at gate penstock load --proxy http://127.0.0.1:3128 --target "$target" --mode setup \
    --connections 1 --count "$count" "$@" >/tmp/load.stdout 2>&1 || status=$?
  eventually logged_at_least $((before + count)) && [ $status -eq 0 ] ||
    { cat /tmp/load.stdout; return 1; }
}

# no_tunnel TARGET: asked for once, refused or failed.
no_tunnel() {
  ! tunnels 1 "$1" >/dev/null
}

logged() {
  cat /tmp/access.log 2>/dev/null | wc -l
}

logged_at_least() {
  [ "$(logged)" -ge "$1" ]
}
