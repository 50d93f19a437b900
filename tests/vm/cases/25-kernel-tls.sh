# Tunnels of an HTTPS listener are made and read by the kernel, and spliced.
# Programs: ip openssl curl
# Python: fcntl hashlib random re socket ssl struct termios threading time encodings.idna
# Modules: veth tls gcm ctr ghash_generic aesni_intel chacha20poly1305 chacha_x86_64 poly1305_x86_64
# Files: tests/vm/peers/https.sh tests/vm/peers/tls_peers.py tests/e2e/secure.py
. /vm/case.sh
. /vm/files/https.sh

# The last connection that was logged ended with this errno.
ended_by() {
  [ "$(tail -n 1 /tmp/access.log | field errno)" = "$1" ]
}

https_network
https_proxy auto

for tls in TLSv1_3/TLS_AES_128_GCM_SHA256 TLSv1_3/TLS_AES_256_GCM_SHA384 \
  TLSv1_3/TLS_CHACHA20_POLY1305_SHA256 TLSv1_2/ECDHE-ECDSA-AES128-GCM-SHA256 \
  TLSv1_2/ECDHE-ECDSA-AES256-GCM-SHA384 TLSv1_2/ECDHE-ECDSA-CHACHA20-POLY1305; do
  up=$(metric "$spliced_up") down=$(metric "$spliced_down")
  check "$tls: 4 MiB each way arrive byte for byte, with the client's end in between" \
    peers $tls down$((4 * MIB)) up$((4 * MIB))
  check "they were spliced up" grew "$spliced_up" "$up" $((3 * MIB))
  check "and down" grew "$spliced_down" "$down" $((3 * MIB))
  check "a conversation works, and the origin may end first" peers $tls echo20 last$MIB
  check "what the client says after that arrives" eventually grep -qx "heard $MIB" /tmp/origin.stdout
  check "what a slow client has not read yet arrives, and the end behind it" peers $tls slow$((8 * MIB))
  : >/tmp/origin.stdout
done
check "each of them was the kernel's" between 30 "$(metric "$by_kernel")" 30
check "and the log says so" between 30 "$(grep -c '"kernel":true' /tmp/access.log)" 30

check "a FIN without close_notify is a cut" peers TLSv1_3 cut100
check "the origin hears a reset" eventually grep -qx reset /tmp/origin.stdout
check "and the log has ENODATA" eventually ended_by 61
check "a record that was tampered with ends the tunnel" peers TLSv1_3 forged100
check "and the log has EBADMSG" eventually ended_by 74

# A KeyUpdate, which this kernel does not follow.
renewed() {
  { printf 'CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n' $world:9000 $world:9000; usleep 500000; echo 'echo 0'; usleep 500000
    echo K; usleep 500000; echo more; usleep 500000; } |
    at gate openssl s_client -connect 127.0.0.1:3130 -tls1_3 >/tmp/s_client.stdout 2>&1 || true
  eventually ended_by 127 || { cat /tmp/s_client.stdout; tail -n 1 /tmp/access.log; false; }
}
check "new keys of the client's end it with EKEYEXPIRED, since Linux 6.1 takes none" renewed

curl_through() {
  at gate curl --silent --show-error --fail --proxytunnel --proxy https://127.0.0.1:3130 \
    --proxy-insecure "$@" "http://$world:9000/$((4 * MIB))"
}
down=$(metric "$spliced_down") up=$(metric "$spliced_up")
curl_through >/tmp/got
check "curl gets 4 MiB" between $((4 * MIB)) "$(wc -c </tmp/got)" $((4 * MIB))
check "that were spliced" grew "$spliced_down" "$down" $((3 * MIB))
uploaded() {
  [ "$(curl_through --upload-file /tmp/got)" = "$(sha256sum /tmp/got | sed 's/ .*//')" ]
}
check "and puts them back" uploaded
check "spliced as well" grew "$spliced_up" "$up" $((3 * MIB))

kill -TERM $proxy_pid
wait $proxy_pid
rm /tmp/access.log
https_proxy off
check "kernel: off leaves it to the proxy" peers TLSv1_3 down$((4 * MIB)) up$((4 * MIB))
check "which copies" between 0 "$(metric "$spliced_down")" 0
check "and counts it as its own" between 2 "$(metric "$by_user")" 2
