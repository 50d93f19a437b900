"""TLS ClientHellos built by hand (RFC 8446 section 4.1.2), to the byte."""

import struct


def _vector(length_bytes, data):
    return len(data).to_bytes(length_bytes, "big") + data


def _extension(number, data):
    return struct.pack(">H", number) + _vector(2, data)


def server_name(*names):
    entries = b"".join(b"\0" + _vector(2, name.encode("latin-1")) for name in names)
    return _extension(0, _vector(2, entries))


def alpn(*protocols):
    return _extension(16, _vector(2, b"".join(_vector(1, p.encode()) for p in protocols)))


def ech():
    """The shape of an outer encrypted_client_hello, as GREASE has it too (RFC 9849)."""
    body = b"\0" + struct.pack(">HH", 1, 1) + b"\x07"
    body += _vector(2, bytes(32)) + _vector(2, bytes(64))
    return _extension(0xFE0D, body)


def handshake(*extensions):
    """A ClientHello message without its record header."""
    body = b"\x03\x03" + bytes(range(32)) + _vector(1, bytes(32))
    body += _vector(2, b"\x13\x01\x13\x02") + _vector(1, b"\0")
    versions = _extension(43, _vector(1, b"\x03\x04"))
    body += _vector(2, b"".join((versions, *extensions)))
    return b"\x01" + _vector(3, body)


def records(message, size=16384):
    """`message` in TLS records of at most `size` bytes each."""
    pieces = [message[i:i + size] for i in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + _vector(2, piece) for piece in pieces)


def client_hello(name=None, *, protocols=(), with_ech=False, record_size=16384):
    extensions = []
    if name is not None:
        extensions.append(server_name(name))
    if protocols:
        extensions.append(alpn(*protocols))
    if with_ech:
        extensions.append(ech())
    return records(handshake(*extensions), record_size)


def is_fatal_alert(data):
    return len(data) == 7 and data[0] == 0x15 and data[3:5] == b"\0\x02" and data[5] == 2
