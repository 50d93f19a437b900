#include <string>

#include "config/config.h"
#include "config/schema_definitions.h"

namespace penstock::config {

// Kept by hand, so that it reads well in an editor, in two files; schema_test.cpp compares it with
// the tables of keys.cpp, key by key. What a schema cannot say (sums, duplicates, patterns in full)
// only `penstock check` knows.
std::string schema() {
  std::string out = R"json({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "penstock configuration",
  "description": "What penstock listens on, where clients may go, and how long and how much of everything it allows.",
  "type": "object",
  "additionalProperties": false,
  "required": ["listeners"],
  "properties": {
    "listeners": {
      "description": "Where clients connect.",
      "type": "array",
      "minItems": 1,
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["address"],
        "properties": {
          "address": {"$ref": "#/$defs/endpoint", "description": "Address and port to listen on; port 0 takes any free one."},
          "protocols": {"description": "What clients may speak here; their first bytes say which. http: HTTP/1.1 and HTTP/2.", "type": "array", "minItems": 1, "items": {"enum": ["http", "http/1.1", "h2", "socks5"]}, "default": ["http"]},
          "tls": {
            "description": "Makes it an HTTPS proxy: clients speak TLS to it; absent: plain.",
            "type": "object",
            "additionalProperties": false,
            "required": ["certificates"],
            "properties": {
              "certificates": {
                "description": "Chosen by the name that a client asks for; the first is for names that none has.",
                "type": "array",
                "minItems": 1,
                "items": {
                  "type": "object",
                  "additionalProperties": false,
                  "required": ["certificate", "key"],
                  "properties": {
                    "certificate": {"$ref": "#/$defs/file", "description": "PEM: the proxy's own, its issuers behind it."},
                    "key": {"$ref": "#/$defs/file", "description": "PEM, without a passphrase."},
                    "staple": {"$ref": "#/$defs/file", "description": "An OCSP response (DER) that is sent along."}
                  }
                }
              },
              "client_certificates": {"description": "Whether a client shows a certificate: off: it is not asked; optional: it may; required: it must.", "enum": ["off", "optional", "required"], "default": "off"},
              "client_ca": {"$ref": "#/$defs/file", "description": "PEM: those who sign for clients."},
              "tickets": {"description": "Clients may take up a session again, for 2 h at most, instead of a whole handshake.", "type": "boolean", "default": true},
              "kernel": {"description": "Whether the kernel encrypts and decrypts tunnels once they are established: auto: where it can; off: never.", "enum": ["auto", "off"], "default": "auto"}
            }
          },
          "proxy_protocol": {
            "description": "Every connection begins with a PROXY protocol header that says who the client is.",
            "type": "object",
            "additionalProperties": false,
            "required": ["from"],
            "properties": {
              "from": {"description": "Who may say so; connections from anybody else are closed.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/prefix"}}
            }
          },
          "transparent": {"description": "Clients do not know of the proxy: netfilter brings their connections, by redirect or tproxy.", "enum": ["redirect", "tproxy"]}
        }
      }
    },
    "admin": {
      "description": "Metrics, health and dashboard; off or absent: none.",
      "oneOf": [
        {"const": "off"},
        {
          "type": "object",
          "additionalProperties": false,
          "required": ["address"],
          "properties": {
            "address": {"$ref": "#/$defs/endpoint", "description": "Address and port of the admin listener; keep it away from clients."}
          }
        }
      ]
    },
    "workers": {"description": "Threads; 0: one per CPU that this process may use.", "type": "integer", "minimum": 0, "maximum": 1024, "default": 0},
    "policy": {
      "description": "Where clients may go. Without a matching rule a tunnel is refused.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "mode": {"description": "report: log what would be refused and refuse nothing that is public.", "enum": ["enforce", "report"], "default": "enforce"},
        "reload": {"description": "What a new policy does to open tunnels: recheck ends those it would refuse, keep leaves them.", "enum": ["recheck", "keep"], "default": "recheck"},
        "rules": {
          "description": "The first rule that matches decides; none: refused.",
          "type": "array",
          "items": {"$ref": "#/$defs/rule"}
        }
      }
    },
    "parents": {
      "description": "How parents (via) are spoken to in TLS.",
      "type": "object",
      "additionalProperties": false,
      "dependentRequired": {"certificate": ["key"], "key": ["certificate"]},
      "properties": {
        "ca": {"$ref": "#/$defs/file", "description": "PEM: those who sign for parents. Absent: the system's roots."},
        "certificate": {"$ref": "#/$defs/file", "description": "PEM: what is shown to parents that ask for a certificate, its issuers behind it."},
        "key": {"$ref": "#/$defs/file", "description": "PEM: of that certificate, without a passphrase."}
      }
    },
    "inspection": {
      "description": "With whose CA tunnels are inspected; needed as soon as a rule says inspect.",
      "type": "object",
      "additionalProperties": false,
      "required": ["ca", "key"],
      "properties": {
        "ca": {"$ref": "#/$defs/file", "description": "PEM: the certificate of your CA, cross-signed ones behind it."},
        "key": {"$ref": "#/$defs/file", "description": "PEM: its key, which the key keeper reads and nobody else."},
        "passphrase_file": {"$ref": "#/$defs/file", "description": "The passphrase of that key; absent: it has none."},
        "origin_ca": {"$ref": "#/$defs/file", "description": "PEM: those who sign for origins, besides the system's roots."},
        "origin_crl": {"$ref": "#/$defs/file", "description": "PEM: lists of revoked certificates (CRLs), of those who sign for origins."},
        "leaves": {"description": "Certificates that are kept for the next tunnel.", "type": "integer", "minimum": 1, "maximum": 1000000, "default": 4096},
        "key_log": {"$ref": "#/$defs/file", "description": "For debugging alone: the secrets of TLS are written there, and whoever reads them reads the traffic."}
      }
    },
    "icap": {
      "description": "Services that are shown what is inspected, and may change it or refuse it (RFC 3507).",
      "type": "object",
      "additionalProperties": false,
      "required": ["services"],
      "properties": {
        "services": {
          "description": "Rules name them in inspect.icap.",
          "type": "array",
          "minItems": 1,
          "maxItems": 16,
          "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["name", "url"],
            "properties": {
              "name": {"$ref": "#/$defs/name", "description": "By which rules name it; also in metrics."},
              "url": {"$ref": "#/$defs/icap_url", "description": "Where it is."},
              "on_failure": {"description": "What becomes of a message where the service fails. refuse: the client is told so; bypass: it goes on unread, as long as all of it is still held.", "enum": ["refuse", "bypass"], "default": "refuse"},
              "preview": {"$ref": "#/$defs/icap_preview", "description": "How much of a body it is shown first. auto: as much as it wants, up to 32KiB; off: no previews; or a size that it is bounded by.", "default": "auto"},
              "connections": {"description": "At one time, of each worker.", "type": "integer", "minimum": 1, "maximum": 1024, "default": 16},
              "timeout": {"$ref": "#/$defs/duration", "description": "How long it may be silent where it is its turn, and how long one waits for a connection: 100ms to 1h.", "default": "10s"},
              "tells": {"description": "What it is told besides the message: client: X-Client-IP; identity: X-Authenticated-User; origin: X-Server-IP.", "type": "array", "minItems": 1, "items": {"enum": ["client", "identity", "origin"]}}
            }
          }
        }
      }
    },
    "quotas": {
      "description": "What clients may have; the first that matches decides, none: limits.tunnels_per_client.",
      "type": "array",
      "items": {"$ref": "#/$defs/quota"}
    },
    "identity": {
      "description": "How clients are identified; tried in this order.",
      "type": "array",
      "items": {"$ref": "#/$defs/provider"}
    },
    "timeouts": {
      "description": "How long each step may take; 0s: no limit.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "head": {"$ref": "#/$defs/duration", "description": "From accept to the end of the request head.", "default": "10s"},
        "identify": {"$ref": "#/$defs/duration", "description": "Checking the client's credentials.", "default": "3s"},
        "queue": {"$ref": "#/$defs/duration", "description": "Waiting for a permit to set up a tunnel.", "default": "500ms"},
        "resolve": {"$ref": "#/$defs/duration", "description": "Looking up the name.", "default": "3s"},
        "dial": {"$ref": "#/$defs/duration", "description": "Connecting, over all addresses.", "default": "5s"},
        "attempt": {"$ref": "#/$defs/duration", "description": "Until the next address is tried beside the last (RFC 8305): 10ms to 10s, not above dial.", "default": "250ms"},
        "hello": {"$ref": "#/$defs/duration", "description": "Waiting for the client's first bytes.", "default": "5s"},
        "response": {"$ref": "#/$defs/duration", "description": "Silence of an origin that owes the answer to a forwarded request.", "default": "2m"},
        "keep_alive": {"$ref": "#/$defs/duration", "description": "Silence of a client between two forwarded requests.", "default": "1m"},
        "idle": {"$ref": "#/$defs/duration", "description": "Without a byte in either direction.", "default": "15m"},
        "half_closed": {"$ref": "#/$defs/duration", "description": "Without a byte once one side has closed.", "default": "1m"},
        "lifetime": {"$ref": "#/$defs/duration", "description": "Of a tunnel, whatever it does.", "default": "0s"},
        "drain": {"$ref": "#/$defs/duration", "description": "For open tunnels after the signal to stop.", "default": "30s"}
      }
    },
    "limits": {
      "description": "How much of everything; 0: no limit.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "tunnels": {"$ref": "#/$defs/auto_count", "description": "Open at once; auto: what the descriptors allow.", "default": "auto"},
        "tunnels_per_client": {"description": "Open at once for one client address.", "type": "integer", "minimum": 0, "maximum": 1000000000, "default": 0},
        "head_bytes": {"$ref": "#/$defs/size", "description": "Of a request head: 1KiB to 1MiB.", "default": "16KiB"},
        "head_fields": {"description": "Of a request head.", "type": "integer", "minimum": 1, "maximum": 10000, "default": 100},
        "pending": {"$ref": "#/$defs/auto_count", "description": "Tunnels being set up at once.", "default": "auto"},
        "pending_per_destination": {"$ref": "#/$defs/auto_count", "description": "Tunnels being set up at once to one destination, at most.", "default": "auto"},
        "adapt": {"description": "How that limit follows a destination's set-up time: off leaves it as it is.", "enum": ["gradient", "aimd", "off"], "default": "gradient"},
        "queue": {"$ref": "#/$defs/auto_count", "description": "Set-ups that wait for a permit at once; 0: none waits.", "default": "auto"},
        "memory": {"$ref": "#/$defs/auto_size", "description": "Of this process, from 32MiB on; auto: what its control group allows.", "default": "auto"},
        "tunnel_bandwidth": {"$ref": "#/$defs/bandwidth", "description": "Of each direction of each tunnel.", "default": 0},
        "failed_logins": {"$ref": "#/$defs/count_rate", "description": "Wrong credentials of one client address; past that it must wait.", "default": "30/m"}
      }
    },
    "overload": {
      "description": "What may go when there is no room left.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "close_idle": {"$ref": "#/$defs/duration", "description": "Tunnels in which nothing has moved for so long are closed while newcomers are refused: 0s for none, or 1s to 24h.", "default": "0s"}
      }
    },
    "breaker": {
      "description": "When a destination or an address that fails is left alone for a while.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "failure_percent": {"description": "Of the set-ups in the window; 0: no breaker.", "type": "integer", "minimum": 0, "maximum": 100, "default": 50},
        "minimum": {"description": "Fewer set-ups in the window say nothing.", "type": "integer", "minimum": 1, "maximum": 1000000000, "default": 20},
        "window": {"$ref": "#/$defs/duration", "description": "That failures are counted over: 1s to 24h.", "default": "10s"},
        "pause": {"$ref": "#/$defs/duration", "description": "Before the first probe, half of it by chance: 100ms to 24h; each failed probe doubles it.", "default": "1s"},
        "pause_max": {"$ref": "#/$defs/duration", "description": "The longest pause.", "default": "30s"}
      }
    },
    "dns": {
      "description": "How names are looked up.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "servers": {"description": "Name servers; empty: those of /etc/resolv.conf.", "type": "array", "items": {"$ref": "#/$defs/dns_server"}, "default": []},
        "search": {"description": "Whether the search list of /etc/resolv.conf applies.", "type": "boolean", "default": false},
        "cache_entries": {"description": "Names kept in the cache.", "type": "integer", "minimum": 1, "maximum": 1000000000, "default": 65536},
        "min_ttl": {"$ref": "#/$defs/duration", "description": "An answer is kept at least so long; not above max_ttl.", "default": "1s"},
        "max_ttl": {"$ref": "#/$defs/duration", "description": "An answer is kept at most so long.", "default": "1h"},
        "negative_ttl": {"$ref": "#/$defs/duration", "description": "How long a name without an address is remembered.", "default": "5s"},
        "stale": {"$ref": "#/$defs/duration", "description": "How long an outdated answer may be used while no new one comes.", "default": "30s"}
      }
    },
    "dial": {
      "description": "How origins are reached.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "source_addresses": {"description": "Addresses to connect from; empty: the kernel chooses.", "type": "array", "items": {"$ref": "#/$defs/ip_address"}, "default": []},
        "family": {"description": "Which addresses of an origin are used.", "enum": ["any", "v4", "v6"], "default": "any"},
        "keepalive": {"$ref": "#/$defs/duration", "description": "TCP keepalive on both ends: 0s for off, or 1s to 9h.", "default": "1m"},
        "unacknowledged": {"$ref": "#/$defs/duration", "description": "Until sent data that nobody acknowledges ends a tunnel: 0s for off, or 1s to 24h.", "default": "1m"},
        "spares": {
          "description": "Connections kept ready behind tunnels, unused and for a short time, so that the next tunnel need not wait for one. None unless destinations or popular say so.",
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "destinations": {"description": "For which destinations.", "type": "array", "items": {"$ref": "#/$defs/authority"}, "default": []},
            "popular": {"description": "Also for so many of the destinations that a worker is asked for most.", "type": "integer", "minimum": 0, "maximum": 1000, "default": 0},
            "each": {"description": "To each address of such a destination, per worker.", "type": "integer", "minimum": 1, "maximum": 16, "default": 2},
            "age": {"$ref": "#/$defs/duration", "description": "An unused one is closed after so long: 100ms to 1m. Shorter than the origin waits for its first byte.", "default": "5s"}
          }
        }
      }
    },
    "log": {
      "description": "What is written about it.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "access": {"$ref": "#/$defs/log_target", "description": "Where the line of each connection goes.", "default": "stdout"},
        "level": {"description": "Of the proxy's own messages.", "enum": ["debug", "info", "warning", "error"], "default": "info"},
        "progress": {"$ref": "#/$defs/duration", "description": "A further line per so long for long tunnels: 0s for none, or 1s to 24h.", "default": "0s"},
        "path": {"description": "Whether the line of a forwarded request says its path (never its query).", "type": "boolean", "default": false},
        "ja4": {"description": "Whether the line of a tunnel says the fingerprint (JA4) of its TLS client.", "type": "boolean", "default": false}
      }
    },
    "observe": {
      "description": "What the kernel is asked about connections.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "kernel": {"description": "auto: a BPF program on the proxy's cgroup times each connect, where the kernel permits it.", "enum": ["off", "auto"], "default": "off"}
      }
    },
    "server_timing": {"description": "Whether the 200 says how long resolve and dial took (Server-Timing).", "type": "boolean", "default": false}
  },
)json";
  out += schema_definitions();
  out += "}\n";
  return out;
}

}  // namespace penstock::config
