# Each back end of penstock trace says of connections what was done to them, and by the same delay.
# Programs: ip tc
# Modules: veth sch_netem sch_ingress cls_bpf
. /vm/case.sh

# trace NAME OPTION...: into /tmp/NAME.json; back once it watches. Packets are those of the gate; the
# others see every namespace, and `ip netns exec` would hide the cgroups from them.
trace() {
  name="$1"
  shift
  case "$*" in
    *--interface*) enter="ip netns exec gate" ;;
    *) enter="" ;;
  esac
  rm -f "/tmp/$name.stderr"  # what an earlier one said is not said again
  $enter penstock trace --json --interval 1h "$@" >"/tmp/$name.json" 2>"/tmp/$name.stderr" &
  echo $! >"/tmp/$name.pid"
  eventually grep -q '^tracing by' "/tmp/$name.stderr" || { cat "/tmp/$name.stderr"; return 1; }
}

end_trace() {
  kill -INT "$(cat "/tmp/$1.pid")"
  wait "$(cat "/tmp/$1.pid")"
}

# number NAME DIRECTION LATENCY FIELD: of the total; 0 where there is none.
number() {
  found=$(tail -n 1 "/tmp/$1.json" | tr '{' '\n' | sed -n "/\"direction\":\"$2\"/,/\"events\"/p" |
    sed -n "/\"$3\":\$/{n;s/.*\"$4\":\([0-9]*\).*/\1/p;}" | head -n 1)
  echo "${found:-0}"
}

# events NAME DIRECTION EVENT: how many.
events() {
  found=$(tail -n 1 "/tmp/$1.json" | sed 's/{"direction"/\n&/g' | grep "\"direction\":\"$2\"" |
    tr '{' '\n' | sed -n "s/^\"event\":\"$3\",.*\"count\":\([0-9]*\).*/\1/p" |
    { sum=0; while read -r one; do sum=$((sum + one)); done; echo $sum; })
  echo "${found:-0}"
}

# mean NAME DIRECTION LATENCY: in microseconds.
mean() {
  count=$(number "$1" "$2" "$3" count)
  [ "$count" -gt 0 ] || { echo 0; return; }
  echo $(($(number "$1" "$2" "$3" sum_us) / count))
}

dial() {
  at gate penstock load --direct --target "$2" --mode setup --connections "${3:-4}" --count "$1" \
    >/tmp/load.stdout 2>&1 || { cat /tmp/load.stdout; return 1; }
}

network
origin $world:9000
origin "[fd09::2]:9000"

# Whom the kernel permits: the first of them is the one that is chosen.
trace chosen --duration 1s
check "where everything is permitted, fentry is chosen" grep -q "tracing by fentry" /tmp/chosen.stderr
wait "$(cat /tmp/chosen.pid)"

# 10,000 connections, and all of them counted by each at the same time.
trace fentry --backend fentry
trace kprobe --backend kprobe
trace sock_ops --backend sock_ops --cgroup /sys/fs/cgroup
trace packets --interface out
dial 10000 $world:9000
for name in fentry kprobe sock_ops packets; do end_trace $name; done
for name in fentry kprobe sock_ops packets; do
  check "$name counts 10,000 connects" between 10000 "$(number $name outgoing connect count)" 10000
done
for name in fentry kprobe sock_ops; do
  check "$name counts as many that are accepted" \
    between 10000 "$(number $name incoming handshake count)" 10000
  check "$name has lost none" grep -q '"lost":0' "/tmp/$name.json"
done
for name in fentry kprobe; do
  check "$name knows how long each waited to be accepted" \
    between 10000 "$(number $name incoming accept_queue count)" 10000
done
check "sock_ops and kprobe agree on the time within a tenth of a millisecond" \
  between $(($(mean sock_ops outgoing connect) - 100)) "$(mean kprobe outgoing connect)" \
  $(($(mean sock_ops outgoing connect) + 100))

# A delay that is known.
delay gate 25ms
delay world 15ms
for name in fentry kprobe sock_ops; do trace $name --backend $name; done
trace packets --interface out
dial 20 $world:9000
dial 20 "[fd09::2]:9000"
for name in fentry kprobe sock_ops packets; do end_trace $name; done
for name in fentry kprobe sock_ops packets; do
  check "$name: 40 ms on the path are 40 ms of connect, IPv4 and IPv6" \
    late_by 40000 "$(mean $name outgoing connect)"
  check "$name: all 40 of them" between 40 "$(number $name outgoing connect count)" 40
done
for name in fentry kprobe sock_ops; do
  check "$name: the client's ACK makes a handshake 40 ms as well" \
    late_by 40000 "$(mean $name incoming handshake)"
done

# Nobody answers, and then somebody does: one SYN is lost.
delay world 0ms
tc -n gate qdisc replace dev out root netem loss 100%
for name in fentry kprobe sock_ops; do trace $name --backend $name; done
trace packets --interface out
dial 1 $world:9000 1 &
dialling=$!
sent() {
  [ "$(at gate grep -c ' 02 ' /proc/net/tcp)" -ge 1 ]
}
eventually sent
tc -n gate qdisc replace dev out root netem delay 0ms
wait $dialling
for name in fentry kprobe sock_ops packets; do end_trace $name; done
for name in fentry kprobe sock_ops packets; do
  check "$name: a lost SYN is one retransmission" \
    between 1 "$(events $name outgoing syn_retransmitted)" 1
  check "$name: and a second" between 990000 "$(mean $name outgoing connect)" 1100000
done

# Nobody listens, and there is no way.
for name in fentry kprobe sock_ops; do trace $name --backend $name; done
! at gate nc $world 1 </dev/null 2>/dev/null
ip -n gate route add unreachable 10.99.0.0/16
! at gate nc 10.99.0.1 9000 </dev/null 2>/dev/null
for name in fentry kprobe sock_ops; do end_trace $name; done
refused() {
  tail -n 1 "/tmp/$1.json" | grep -q '"errno":"ECONNREFUSED"'
}
unreachable() {
  tail -n 1 "/tmp/$1.json" | grep -q '"errno":"EHOSTUNREACH"'
}
for name in fentry kprobe sock_ops; do
  check "$name: a refusal is ECONNREFUSED" refused $name
done
for name in fentry kprobe; do
  check "$name: no route is a failure without a SYN, by its errno" unreachable $name
done

# By pid: a process, and nobody else.
trace other --backend kprobe --pid 1
trace self --backend fentry --pid $$
dial 5 $world:9000 1
end_trace other
end_trace self
check "kprobe: everything is a child of process 1" between 5 "$(events other outgoing established)" 5
check "fentry: a shell and its children" between 5 "$(events self outgoing established)" 5
