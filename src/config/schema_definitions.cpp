#include "config/schema_definitions.h"

namespace penstock::config {

std::string_view schema_definitions() {
  return R"json(  "$defs": {
    "rule": {
      "description": "Either allow or deny, and for whom.",
      "type": "object",
      "additionalProperties": false,
      "oneOf": [{"required": ["allow"]}, {"required": ["deny"]}],
      "not": {"required": ["deny"], "anyOf": [{"required": ["addresses"]}, {"required": ["tls"]}, {"required": ["ech"]}, {"required": ["via"]}, {"required": ["proxy_protocol"]}, {"required": ["inspect"]}]},
      "properties": {
        "name": {"$ref": "#/$defs/name", "description": "For logs and metrics; \"rule N\" if absent."},
        "allow": {"description": "Destinations that are open.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/destination"}},
        "deny": {"description": "Destinations that are refused.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/destination"}},
        "clients": {"description": "Prefixes of client addresses; absent: any.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/prefix"}},
        "identities": {"description": "Names of clients, with * as a wildcard; absent: anybody.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/identity"}},
        "groups": {"description": "Groups of clients, with * as a wildcard; one of them is enough. Absent: anybody.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/identity"}},
        "methods": {"description": "CONNECT for tunnels, methods such as GET for requests that are forwarded, or plain for all but CONNECT; absent: any.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/method"}},
        "addresses": {"description": "The only addresses that these names may lead to; opens internal ones. Absent: public addresses.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/prefix"}},
        "tls": {"description": "checked: what begins like TLS must name the destination; required: everything must; ignored: nobody looks.", "enum": ["checked", "required", "ignored"], "default": "checked"},
        "ech": {"description": "Whether a ClientHello may hide its server name.", "enum": ["deny", "allow"], "default": "deny"},
        "via": {"description": "Parents to go through, the first that can be had: http://user:password@host:port, or with https:// or socks5h://. Absent: straight to the destination.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/parent"}},
        "proxy_protocol": {"description": "The destination is told who the client is: the version of the PROXY protocol that it reads. Absent: it is not.", "enum": ["v1", "v2"]},
        "inspect": {
          "description": "Its tunnels are decrypted and read, but for the exceptions; true: as an empty mapping. Implies tls: required. Absent: nothing is read.",
          "oneOf": [
            {"const": true},
            {
              "type": "object",
              "additionalProperties": false,
              "dependentRequired": {"certificate": ["key"], "key": ["certificate"]},
              "properties": {
                "except": {"description": "Hosts whose tunnels stay closed.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/host"}},
                "except_file": {"$ref": "#/$defs/file", "description": "More of them, one a line."},
                "origin_faults": {"description": "When the origin's certificate is not good: the client is told so, or is shown a certificate with the same fault.", "enum": ["refuse", "mimic"], "default": "refuse"},
                "other": {"description": "What is not HTTP inside: it is carried, or refused.", "enum": ["tunnel", "refuse"], "default": "tunnel"},
                "on_pinned": {
                  "description": "When a client wants another certificate: it fails and is reported, or after so many failures in a row its tunnels to that host are carried unread.",
                  "default": "report",
                  "oneOf": [
                    {"const": "report"},
                    {
                      "type": "object",
                      "additionalProperties": false,
                      "required": ["tunnel_after"],
                      "properties": {
                        "tunnel_after": {"description": "Failures in a row of one client and host.", "type": "integer", "minimum": 1, "maximum": 1000}
                      }
                    }
                  ]
                },
                "origin_keys": {"description": "One of the certificates of an origin's chain has to have one of these keys.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/public_key"}},
                "certificate": {"$ref": "#/$defs/file", "description": "PEM: what is shown to origins that ask for a certificate, its issuers behind it."},
                "key": {"$ref": "#/$defs/file", "description": "PEM: of that certificate, without a passphrase."},
                "http": {
                  "description": "Which requests may pass: none that an item of deny matches, and where there is allow, those that an item of it matches.",
                  "type": "object",
                  "additionalProperties": false,
                  "minProperties": 1,
                  "properties": {
                    "allow": {"description": "Requests that may pass; absent: all.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/request"}},
                    "deny": {"description": "Requests that may not, whatever allow says.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/request"}}
                  }
                },
                "icap": {
                  "description": "Services that requests, and answers, are shown to.",
                  "type": "object",
                  "additionalProperties": false,
                  "minProperties": 1,
                  "properties": {
                    "request": {"$ref": "#/$defs/name", "description": "The service of icap.services that is shown each request before the origin is asked."},
                    "response": {"$ref": "#/$defs/name", "description": "The one that is shown each answer before the client gets it."}
                  }
                },
                "set_headers": {"$ref": "#/$defs/set_headers", "description": "Fields that every request is sent on with, in place of the client's own."},
                "remove_headers": {"description": "Fields that no request is sent on with.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/field_name"}}
              }
            }
          ]
        }
      }
    },
    "request": {
      "description": "A request inside an inspected tunnel; all that is named must hold.",
      "type": "object",
      "additionalProperties": false,
      "minProperties": 1,
      "properties": {
        "methods": {"description": "One of these.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/request_method"}},
        "hosts": {"description": "To one of these.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/host"}},
        "paths": {"description": "Its path, without the query, is one of these.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/path"}},
        "headers": {"$ref": "#/$defs/header_globs", "description": "It has these fields, with such values."},
        "content_types": {"description": "Its Content-Type, without parameters, is one of these.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/media_type"}},
        "body_max": {"$ref": "#/$defs/size", "description": "In allow: its body is known to have so many bytes at most."},
        "body_over": {"$ref": "#/$defs/size", "description": "In deny: its body has more bytes than that, or nobody knows."}
      }
    },
    "host": {"description": "A destination without ports: name, *.suffix, *, address or CIDR.", "type": "string", "pattern": "^[^ @]+$", "examples": ["*.bank.example", "pinned.example.com", "10.0.0.0/8"]},
    "request_method": {"description": "A method in capitals.", "type": "string", "pattern": "^[^a-z ]+$", "examples": ["GET"]},
    "path": {"description": "A path without a query; * stands for any run of characters.", "type": "string", "pattern": "^[/*][^?#]*$", "maxLength": 512, "examples": ["/v1/*"]},
    "media_type": {"description": "Type and subtype; * stands for any run of characters.", "type": "string", "pattern": "^[^/; ]+/[^/; ]+$", "examples": ["application/json", "image/*"]},
    "public_key": {"description": "SHA-256 of a SubjectPublicKeyInfo, as curl's --pinnedpubkey has it.", "type": "string", "pattern": "^sha256//[A-Za-z0-9+/]{43}=$", "examples": ["sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]},
    "icap_url": {"description": "icap://host:port/service; without a port 1344 is meant.", "type": "string", "pattern": "^[Ii][Cc][Aa][Pp]://[^/ ]+/[^ #]+$", "examples": ["icap://127.0.0.1:1344/avscan"]},
    "icap_preview": {"anyOf": [{"enum": ["auto", "off"]}, {"$ref": "#/$defs/size"}], "examples": ["auto", "4KiB"]},
    "header_globs": {"description": "Names and values, in which * stands for any run of characters.", "type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}, "examples": [{"X-Api-Version": "2024-*"}]},
    "set_headers": {
      "description": "Names and values; a value is text, or what is in a file.",
      "type": "object",
      "minProperties": 1,
      "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": false, "required": ["file"], "properties": {"file": {"$ref": "#/$defs/file"}}}]},
      "examples": [{"Authorization": {"file": "/run/secrets/token"}}]
    },
    "provider": {
      "description": "One of clients, certificate, basic, jwt, negotiate and authorizer, and what belongs to it.",
      "type": "object",
      "additionalProperties": false,
      "oneOf": [{"required": ["clients", "identity"]}, {"required": ["certificate"]}, {"required": ["basic"]}, {"required": ["jwt", "issuer", "audience"]}, {"required": ["negotiate"]}, {"required": ["authorizer"]}],
      "properties": {
        "clients": {"description": "Prefixes of client addresses, all of which are one identity.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/prefix"}},
        "identity": {"$ref": "#/$defs/name", "description": "Of those clients."},
        "certificate": {"description": "The part of a client's certificate that is its identity.", "enum": ["subject", "dns", "email", "uri", "spiffe"]},
        "basic": {"$ref": "#/$defs/file", "description": "A file of users, user:hash a line; yescrypt, bcrypt or SHA-512."},
        "groups_file": {"$ref": "#/$defs/file", "description": "A file of groups, group: user user a line."},
        "jwt": {"$ref": "#/$defs/file_or_url", "description": "A JSON Web Key Set of public keys: a file, or the URL that the issuer publishes it at."},
        "negotiate": {"$ref": "#/$defs/file", "description": "A keytab: Kerberos tickets are checked by the keys in it."},
        "service": {"$ref": "#/$defs/service", "description": "Whose keys in that file count; absent: HTTP on any host."},
        "strip_realm": {"$ref": "#/$defs/name", "description": "Principals of this realm are identities without it; absent: with it, as all others."},
        "authorizer": {"$ref": "#/$defs/url", "description": "An endpoint that is asked who a client is."},
        "credentials": {"description": "Which clients it is asked about: those that send such credentials, or none.", "type": "array", "minItems": 1, "items": {"enum": ["basic", "bearer", "none"]}, "default": ["basic"]},
        "tells": {"description": "What it is told beside credentials; its answer is for just that.", "type": "array", "minItems": 1, "items": {"enum": ["client", "listener", "method", "authority"]}, "default": ["client", "listener", "method", "authority"]},
        "identity_field": {"$ref": "#/$defs/field_name", "description": "The field of its answer that is the identity; absent: the answer is JSON."},
        "groups_field": {"$ref": "#/$defs/field_name", "description": "The field of its answer with the groups, with commas."},
        "ca": {"$ref": "#/$defs/file", "description": "PEM: those who sign for the server at a URL; absent: the system's."},
        "timeout": {"$ref": "#/$defs/duration", "description": "For an answer from a URL: 100ms to 30s.", "default": "5s"},
        "refresh": {"$ref": "#/$defs/duration", "description": "Keys at a URL are fetched again after so long at most: 1m to 24h.", "default": "15m"},
        "issuer": {"$ref": "#/$defs/name", "description": "What a token's iss must be."},
        "audience": {"description": "One of these must be in a token's aud.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/name"}},
        "identity_claim": {"$ref": "#/$defs/name", "description": "The claim that is the identity; /a/b: b in a.", "default": "sub"},
        "groups_claim": {"$ref": "#/$defs/name", "description": "The claim with the groups; /a/b: b in a.", "default": "groups"},
        "leeway": {"$ref": "#/$defs/duration", "description": "By how much clocks may differ: at most 5m.", "default": "30s"},
        "realm": {"$ref": "#/$defs/realm", "description": "What clients show when they ask for a password.", "default": "penstock"},
        "cache": {"$ref": "#/$defs/duration", "description": "How long credentials that were right are believed: 0s for not at all, or 1s to 24h.", "default": "5m"},
        "groups": {"description": "Groups of whoever is identified here.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/name"}}
      }
    },
    "quota": {
      "description": "At least one limit, and for whom.",
      "type": "object",
      "additionalProperties": false,
      "anyOf": [{"required": ["tunnels"]}, {"required": ["setups"]}, {"required": ["bytes"]}, {"required": ["bandwidth"]}],
      "dependentRequired": {"burst": ["setups"], "bytes_end_tunnels": ["bytes"]},
      "properties": {
        "name": {"$ref": "#/$defs/name", "description": "For logs and metrics; \"quota N\" if absent."},
        "clients": {"description": "Prefixes of client addresses; absent: any.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/prefix"}},
        "identities": {"description": "Names of clients, with * as a wildcard; absent: anybody.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/identity"}},
        "groups": {"description": "Groups of clients, with * as a wildcard; one of them is enough. Absent: anybody.", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/identity"}},
        "each": {"description": "Who has the limits for himself; quota: all share them.", "enum": ["client", "identity", "quota"], "default": "client"},
        "tunnels": {"description": "Open at once.", "type": "integer", "minimum": 1, "maximum": 1000000000},
        "setups": {"$ref": "#/$defs/count_rate", "description": "Tunnels asked for."},
        "burst": {"description": "Set-ups at once after a silence; absent: what one interval allows.", "type": "integer", "minimum": 1, "maximum": 1000000000},
        "bytes": {"$ref": "#/$defs/size_rate", "description": "Moved, both directions together; past it no tunnel is set up."},
        "bytes_end_tunnels": {"description": "Whether open tunnels end too when the bytes are used up.", "type": "boolean", "default": false},
        "bandwidth": {"$ref": "#/$defs/shared_bandwidth", "description": "Of each direction, shared by all tunnels."}
      }
    },
    "count_rate": {"description": "A count in an interval: s, m, h or d.", "type": "string", "pattern": "^[1-9][0-9]*/[smhd]$", "examples": ["50/s", "300/m"]},
    "size_rate": {"description": "A size in an interval: s, m, h or d.", "type": "string", "pattern": "^[1-9][0-9]*(B|KiB|MiB|GiB)/[smhd]$", "examples": ["10GiB/h", "1GiB/d"]},
    "shared_bandwidth": {"description": "A size per second.", "type": "string", "pattern": "^[1-9][0-9]*(B|KiB|MiB|GiB)/s$", "examples": ["100MiB/s"]},
    "duration": {"description": "A whole number with a unit: ms, s, m or h; at most 8760h.", "type": "string", "pattern": "^(0|[1-9][0-9]*)(ms|s|m|h)$", "examples": ["250ms", "10s", "15m", "1h", "0s"]},
    "size": {"description": "A whole number with a unit: B, KiB, MiB or GiB.", "type": "string", "pattern": "^(0|[1-9][0-9]*)(B|KiB|MiB|GiB)$", "examples": ["16KiB", "1MiB"]},
    "bandwidth": {
      "description": "A size per second; 0: no limit.",
      "oneOf": [{"const": 0}, {"type": "string", "pattern": "^(0|(0|[1-9][0-9]*)(B|KiB|MiB|GiB)/s)$"}],
      "examples": ["10MiB/s", 0]
    },
    "auto_count": {
      "description": "A number, or auto.",
      "oneOf": [{"const": "auto"}, {"type": "integer", "minimum": 0, "maximum": 1000000000}]
    },
    "auto_size": {
      "description": "A size, 0B for no limit, or auto.",
      "oneOf": [{"const": "auto"}, {"type": "string", "pattern": "^(0|[1-9][0-9]*)(B|KiB|MiB|GiB)$"}],
      "examples": ["auto", "512MiB"]
    },
    "endpoint": {"description": "An IP address and a port.", "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$", "examples": ["127.0.0.1:3128", "[::1]:3128"]},
    "dns_server": {"description": "The IP address of a name server; with a port unless it is 53.", "type": "string", "pattern": "^([0-9.]+(:[0-9]{1,5})?|[0-9A-Fa-f:.]+|\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5})$", "examples": ["10.0.0.53", "[fd00::53]:5353"]},
    "ip_address": {"description": "An IPv4 or IPv6 address.", "type": "string", "pattern": "^[0-9A-Fa-f:.]+$", "examples": ["192.0.2.1", "2001:db8::1"]},
    "prefix": {"description": "A range of addresses.", "type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", "examples": ["10.20.0.0/16", "fd00::/8"]},
    "destination": {
      "description": "host:ports, *.suffix:ports, *:ports, CIDR:ports or [v6]:ports; ports are a number, a range or a comma list.",
      "type": "string",
      "pattern": "^.+:[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$",
      "examples": ["api.example.com:443", "*.cdn.example.net:443", "*:443", "10.0.0.0/8:9000-9100", "[fd00::1]:22,443"]
    },
    "authority": {"description": "One destination.", "type": "string", "pattern": "^([0-9A-Za-z._-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$", "examples": ["api.example.com:443", "10.1.2.3:8080", "[fd00::1]:443"]},
    "parent": {"description": "Another proxy: http://user:password@host:port, or with https:// (TLS) or socks5h:// (SOCKS5, which looks names up by itself). Without a scheme http:// is meant, without a port 80, 443 or 1080.", "type": "string", "minLength": 1, "not": {"pattern": "^[sS][oO][cC][kK][sS]5://"}},
    "identity": {"description": "The name of a client; * stands for any run of characters.", "type": "string", "minLength": 1},
    "method": {"description": "A method in capitals, or plain for all but CONNECT.", "type": "string", "pattern": "^([A-Z]+|plain)$"},
    "name": {"description": "1 to 128 bytes on one line.", "type": "string", "minLength": 1, "maxLength": 128},
    "realm": {"description": "1 to 128 printable ASCII characters without quotes and backslashes.", "type": "string", "pattern": "^[ !#-\\[\\]-~]{1,128}$"},
    "service": {"description": "A Kerberos service and its host.", "type": "string", "pattern": "^[^@/ \\\\]+@[^@/ \\\\]+$", "examples": ["HTTP@proxy.example.com"]},
    "field_name": {"description": "The name of a header field.", "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$", "examples": ["Remote-User"]},
    "url": {"description": "https://, or http:// to this machine.", "type": "string", "pattern": "^(https://.+|http://(localhost|127\\.|\\[::1\\]).*)$", "examples": ["https://auth.example.com/check"]},
    "file_or_url": {"description": "The path of a file, from the root on, or a URL: https://, or http:// to this machine.", "type": "string", "pattern": "^(/(.*/)?[^/]+|https://.+|http://(localhost|127\\.|\\[::1\\]).*)$", "examples": ["/etc/penstock/jwks.json", "https://login.example.com/keys"]},
    "file": {"description": "The path of a file, from the root on.", "type": "string", "pattern": "^/(.*/)?[^/]+$", "examples": ["/etc/penstock/users"]},
    "log_target": {"description": "stdout, stderr, off or the path of a file.", "type": "string", "pattern": "^(stdout|stderr|off|.*/.*[^/])$"}
  }
)json";
}

}  // namespace penstock::config
