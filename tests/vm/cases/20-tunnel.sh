# penstock runs on this kernel too, and carries tunnels between namespaces.
# Programs: ip tc
# Modules: veth
. /vm/case.sh

network
origin $world:9000
proxy
check "it listens" grep -q 'listening on 127.0.0.1:3128' /tmp/penstock.stderr
check "20 tunnels carry a byte there and back" tunnels 20 $world:9000
check "the log has a line for each" between 20 "$(field outcome </tmp/access.log | grep -cx closed)" 20
check "and they went to the other namespace" grep -q "\"route\":\"$world:9000\"" /tmp/access.log
bulk() {
  at gate penstock load --proxy http://127.0.0.1:3128 --target $world:9000 --mode bulk \
    --connections 1 --count 2 --bytes 1MiB
}
check "bulk arrives byte for byte" bulk
kill -TERM $proxy_pid
check "it ends cleanly" wait $proxy_pid
check "and leaves nothing behind" grep -q '0 connections, 0 permits, 0 frames' /tmp/penstock.stderr
