"""The client's end of the wire: raw bytes out, strictly read replies back."""

import re
import select
import socket
import struct
import time
from dataclasses import dataclass, field

DEADLINE = 30.0  # seconds; for things that happen at once on a machine that is not overloaded


def eventually(check, what="the condition", timeout=DEADLINE):
    """The first true value of check(); an assertion error when there is none in time."""
    end = time.monotonic() + timeout
    pause = 0.002
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {timeout} s: {value!r}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def connect_head(target, *fields, version="1.1", host=None):
    """A CONNECT head as bytes. `host`: the Host field, the target if None, none at all if ''."""
    lines = [f"CONNECT {target} HTTP/{version}"]
    host = target if host is None else host
    if host:
        lines.append(f"Host: {host}")
    return "\r\n".join([*lines, *fields, "", ""]).encode("latin-1")


@dataclass
class Reply:
    """A reply head, and what had arrived behind it."""

    status: int
    reason: str
    fields: dict = field(default_factory=dict)  # names in lower case
    rest: bytes = b""

    @property
    def error(self):
        """The error type of Proxy-Status (RFC 9209), or None: ours, which is the last one's."""
        return self._parameter("error")

    @property
    def word(self):
        """The `details` of Proxy-Status, which is the word of the log, or None."""
        return (self._parameter("details") or "").strip('"') or None

    def _parameter(self, name):
        last = None
        for part in re.split("[;,]", self.fields.get("proxy-status", "")):
            key, _, value = part.strip().partition("=")
            if key == name:
                last = value
        return last


def parse_reply(raw):
    """A Reply out of bytes that hold a whole head; every line end must be CR LF."""
    head, separator, rest = raw.partition(b"\r\n\r\n")
    assert separator, f"no complete reply head in {raw[:300]!r}"
    lines = head.decode("ascii").split("\r\n")
    assert all("\n" not in line and "\r" not in line for line in lines), head
    version, status, reason = lines[0].split(" ", 2)
    assert version == "HTTP/1.1", lines[0]
    fields = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip()
        if name == "proxy-authenticate" and name in fields:  # one for each scheme
            value = f"{fields[name]}, {value}"
        else:
            assert colon and name not in fields, line
        fields[name] = value
    return Reply(int(status), reason, fields, rest)


def read_reply(sock):
    """Reads one reply head. ConnectionError when the peer ends before it is complete."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError(f"closed within the reply head: {raw!r}")
        raw += piece
        assert len(raw) < 1 << 20
    return parse_reply(raw)


def read_to_end(sock):
    """All bytes until the peer ends; the second value says whether by a reset."""
    raw = bytearray()
    while True:
        try:
            piece = sock.recv(1 << 18)
        except ConnectionResetError:
            return bytes(raw), True
        if not piece:
            return bytes(raw), False
        raw += piece


def read_exactly(sock, count):
    raw = bytearray()
    while len(raw) < count:
        piece = sock.recv(min(1 << 18, count - len(raw)))
        if not piece:
            raise ConnectionError(f"ended after {len(raw)} of {count} bytes")
        raw += piece
    return bytes(raw)


def reset(sock):
    """Closes with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def send_quietly(sock, data):
    """Sends as much as the peer takes; it may have refused and closed meanwhile."""
    try:
        sock.sendall(data)
    except OSError:
        pass


def is_open(sock):
    """Whether the peer has neither ended nor reset; nothing may be waiting to be read."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(0):
        return True
    try:
        waiting = sock.recv(1, socket.MSG_PEEK)
    except ConnectionResetError:
        return False
    assert not waiting, f"unexpected bytes: {waiting!r}"
    return False


def exchange(sock, data):
    """Sends a request and reads everything until the proxy closes: for refusals."""
    send_quietly(sock, data)
    raw, _ = read_to_end(sock)
    return parse_reply(raw)


class Tunnel:
    """An established tunnel as its client sees it."""

    def __init__(self, sock, reply):
        self.sock = sock
        self.reply = reply
        self._early = reply.rest

    def send(self, data):
        self.sock.sendall(data)

    def receive(self, count):
        early, self._early = self._early[:count], self._early[count:]
        return early + read_exactly(self.sock, count - len(early))

    def receive_to_end(self):
        """(bytes, whether it ended with a reset)"""
        early, self._early = self._early, b""
        rest, was_reset = read_to_end(self.sock)
        return early + rest, was_reset

    def end(self):
        """Half-close: no more bytes from here."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        reset(self.sock)

    def echoes(self, data=b"is anybody there?"):
        """Whether an echoing origin is at the other end."""
        self.send(data)
        return self.receive(len(data)) == data
