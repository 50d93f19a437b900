# A connection that stands ready saves a set-up the round trip to its origin.
# Programs: ip tc
# Modules: veth sch_netem
. /vm/case.sh

if ! penstock check --schema | grep -q '"spares"'; then
  check "this penstock keeps no spare connections, which is not yet an error" true
  exit 0
fi

dial_us() {
  tail -n 1 /tmp/access.log | field dial_us
}

network
delay world 50ms
origin $world:9000
proxy 'dial: {spares: {destinations: ["10.9.0.2:9000"], each: 1}}'
tunnels 1 $world:9000
check "the first tunnel dials: a round trip of 50 ms" late_by 50000 "$(dial_us)"

# The spare was begun behind it, and is there when the kernel says so.
ready() {
  at gate netstat -tn | grep -q "$world:9000 *ESTABLISHED"
}
check "a connection to the origin stands ready" eventually ready
tunnels 1 $world:9000
check "the next tunnel does not wait for one" between 0 "$(dial_us)" 2000
