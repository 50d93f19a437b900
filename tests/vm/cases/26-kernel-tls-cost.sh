# What a tunnel of an HTTPS listener costs by the kernel and by the proxy. Instructions, since that is
# what the guest's clock counts: nothing is asserted of them.
# Programs: ip openssl
# Python: fcntl hashlib random re socket ssl struct termios threading time encodings.idna
# Modules: veth tls gcm ctr ghash_generic aesni_intel chacha20poly1305 chacha_x86_64 poly1305_x86_64
# Files: tests/vm/peers/https.sh tests/vm/peers/tls_peers.py tests/e2e/secure.py
. /vm/case.sh
. /vm/files/https.sh

# Milliseconds that all threads of the proxy have run.
ran() {
  cat /proc/$proxy_pid/task/*/schedstat | awk '{ ns += $1 } END { printf "%d", ns / 1000000 }'
}

https_network
for way in auto off; do
  https_proxy $way
  for tls in TLSv1_3/TLS_AES_128_GCM_SHA256 TLSv1_3/TLS_CHACHA20_POLY1305_SHA256; do
    peers $tls up$MIB down$MIB echo1 >/tmp/warm
    for what in up down; do
      before=$(ran)
      check "kernel: $way, $what" peers $tls $what$((16 * MIB))
      echo "# $tls, kernel: $way, $what: $(((($(ran) - before)) * 64)) ms per GiB"
    done
    before=$(ran)
    peers $tls echo1000 >/tmp/echo
    echo "# $tls, kernel: $way: $(($(ran) - before)) us per round trip of 8 bytes"
    before=$(ran)
    peers $tls $(for _ in 1 2 3 4 5 6 7 8 9 10; do echo echo0; done) >/tmp/tunnels
    echo "# $tls, kernel: $way: $((($(ran) - before) * 100)) us per tunnel"
  done
  kill -TERM $proxy_pid
  wait $proxy_pid
done
