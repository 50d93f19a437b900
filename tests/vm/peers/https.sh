# What the cases share in which clients speak TLS to the proxy, by 127.0.0.1:3130.
MIB=1048576

# metric NAME{LABELS}: its value.
metric() {
  at gate wget -q -O - http://127.0.0.1:3129/metrics | grep -F "$1 " | sed 's/.* //'
}
spliced_up='penstock_bytes_total{direction="up",path="splice"}'
spliced_down='penstock_bytes_total{direction="down",path="splice"}'
by_kernel='penstock_tls_tunnels_total{path="kernel"}'
by_user='penstock_tls_tunnels_total{path="user"}'

# grew METRIC BEFORE LEAST [MOST]
grew() {
  between "$3" $(($(metric "$1") - $2)) "${4:-1000000000}"
}

https_proxy() {
  tls="{certificates: [{certificate: /tmp/proxy.pem, key: /tmp/proxy.key}], kernel: $1}"
  listeners="[{address: \"127.0.0.1:3128\"}, {address: \"127.0.0.1:3130\", tls: $tls}]"
  proxy
}

# peers TLS ACTION...: by tunnels through the HTTPS listener. Of TLS 1.3, OpenSSL's configuration
# chooses the cipher.
peers() {
  cat >/tmp/openssl.cnf <<CNF
openssl_conf = all
[all]
ssl_conf = modules
[modules]
system_default = tls
[tls]
Ciphersuites = $(case "$1" in TLSv1_3/*) echo "${1#*/}" ;; *) echo TLS_AES_128_GCM_SHA256 ;; esac)
CNF
  OPENSSL_CONF=/tmp/openssl.cnf at gate \
    python3 /vm/files/tls_peers.py 3130 $world:9000 "$@" 2>&1
}

https_network() {
  network
  printf '[req]\ndistinguished_name = none\n[none]\n' >/tmp/req.cnf
  openssl req -config /tmp/req.cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 2 -subj /CN=proxy -keyout /tmp/proxy.key -out /tmp/proxy.pem 2>/dev/null
  at world python3 /vm/files/tls_peers.py origin $world:9000 >>/tmp/origin.stdout 2>&1 &
  eventually grep -q 'listening on' /tmp/origin.stdout
}
