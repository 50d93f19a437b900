"""SOCKS5 by hand: what a client says and what it reads (RFC 1928)."""

import ipaddress
import struct

from wire import read_exactly

GREETING = b"\x05\x01\x00"


def request(host, port, command=1):
    """A request for `host`: an address if it is one, else a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("latin-1")
        where = b"\x03" + bytes([len(name)]) + name
    else:
        where = (b"\x01" if address.version == 4 else b"\x04") + address.packed
    return bytes([5, command, 0]) + where + struct.pack(">H", port)


def ask(proxy, host, port, early=b"", command=1, greeting=GREETING, **options):
    """(socket, reply code): a tunnel where the code is 0."""
    sock = proxy.socket(**options)
    sock.sendall(greeting)
    assert read_exactly(sock, 2) == b"\x05\x00"
    sock.sendall(request(host, port, command) + early)
    reply = read_exactly(sock, 10)
    assert reply[:1] + reply[2:] == b"\x05\x00\x01" + bytes(6), reply
    return sock, reply[1]
