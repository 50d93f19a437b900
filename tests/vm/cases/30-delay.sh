# A delay on the path is what the log says of it, whichever packet of the handshake is late.
# Programs: ip tc
# Modules: veth sch_netem
. /vm/case.sh

dial_us() {
  tail -n 1 /tmp/access.log | field dial_us
  echo "# $(tail -n 1 /tmp/access.log | field dial_us) us" >&2
}

network
origin $world:9000
proxy

tunnels 1 $world:9000
check "without a delay the dial takes less than 2 ms" between 0 "$(dial_us)" 2000

delay gate 40ms
tunnels 1 $world:9000
check "the SYN 40 ms late: dial_us is 40 ms" late_by 40000 "$(dial_us)"

delay gate 0ms
delay world 40ms
tunnels 1 $world:9000
check "the SYN-ACK 40 ms late: dial_us is 40 ms" late_by 40000 "$(dial_us)"

delay gate 25ms
delay world 15ms
tunnels 1 $world:9000
check "25 ms there and 15 ms back: dial_us is 40 ms" late_by 40000 "$(dial_us)"
