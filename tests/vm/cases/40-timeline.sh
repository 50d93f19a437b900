# `penstock probe` and its model agree with a delay that is known.
# Programs: ip tc openssl
# Modules: veth sch_netem
. /vm/case.sh

if ! penstock --help | grep -q '^ *probe '; then
  check "this penstock has no probe command, which is not yet an error" true
  exit 0
fi

# took WHERE RUN PHASE: microseconds, in a file of `--csv`.
took() {
  awk -F, -v run="$2" -v phase="$3" '$1 == run && $2 == phase { printf "%d\n", $5 * 1000 }' "$1"
}

network
delay world 40ms
printf '[req]\ndistinguished_name = name\n[name]\n' >/tmp/openssl.cnf
openssl req -config /tmp/openssl.cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
  -subj /CN=origin.test -addext subjectAltName=DNS:origin.test -keyout /tmp/key.pem \
  -out /tmp/origin.pem
ip netns exec world openssl s_server -quiet -www -accept $world:443 -cert /tmp/origin.pem \
  -key /tmp/key.pem >/tmp/s_server 2>&1 &
listens() {
  at world netstat -ltn | grep -q "$world:443 "
}
eventually listens
proxy 'server_timing: true'

penstock probe --model --rtt-client-proxy 0ms --rtt-proxy-origin 40ms --csv /tmp/model.csv \
  >/tmp/model.txt
at gate penstock probe --proxy http://127.0.0.1:3128 --ca /tmp/origin.pem --compare direct \
  --csv /tmp/measured.csv https://origin.test/ || cat /tmp/s_server

# Each is a wait for the origin, a round trip. What lies between them is processor time.
for phase in connect proxy_dial server_hello first_byte; do
  predicted=$(took /tmp/model.csv "model CONNECT" $phase)
  check "the model says that $phase takes 40 ms" test "$predicted" -eq 40000
  check "and $phase does" late_by "$predicted" "$(took /tmp/measured.csv 1 $phase)"
done
for phase in origin_tcp server_hello first_byte; do
  predicted=$(took /tmp/model.csv "model direct" $phase)
  check "without a proxy the model says the same of $phase" test "$predicted" -eq 40000
  check "and so it is with $phase" late_by "$predicted" "$(took /tmp/measured.csv "direct 1" $phase)"
done
