"""A service of ICAP (RFC 3507) that a test scripts: what it is asked is read strictly, and what it
says is whatever the script wants."""

import socket
import threading

from proxies import Front

OPTIONS = {"Methods": "REQMOD, RESPMOD", "ISTag": '"tests"', "Allow": "204", "Options-TTL": "3600",
           "Preview": "1024", "Encapsulated": "null-body=0"}


class Ended(Exception):
    """The proxy has closed the connection."""


class Message:
    """One REQMOD, RESPMOD or OPTIONS. The body is read as the script asks for it."""

    def __init__(self, line, head):
        self.line, self.head = line, head
        lines = head.split("\r\n")
        self.method, self.uri, version = lines[0].split(" ")
        assert version == "ICAP/1.0", head
        pairs = [text.split(": ", 1) for text in lines[1:]]
        assert len({name.lower() for name, _ in pairs}) == len(pairs), head
        self.fields = {name.lower(): value for name, value in pairs}
        self.preview = int(self.fields["preview"]) if "preview" in self.fields else None
        self.parts, self.has_body = {}, False
        offsets = [part.split("=") for part in self.fields["encapsulated"].split(", ")]
        assert offsets[0][1] == "0"
        for (name, start), (_, end) in zip(offsets, offsets[1:]):
            self.parts[name] = line.take(int(end) - int(start)).decode("latin-1")
            assert self.parts[name].endswith("\r\n\r\n")
        self.has_body = offsets[-1][0] != "null-body"
        assert self.has_body is False or self.method != "OPTIONS"
        self.ended = not self.has_body  # the body has been read to its end
        self.shown = b""

    @property
    def request(self):
        return self.parts.get("req-hdr", "")

    @property
    def answer(self):
        return self.parts.get("res-hdr", "")

    def chunk(self):
        """The next one; b"": it was the last, of the preview or of the body."""
        size, _, extension = self.line.until(b"\r\n")[:-2].partition(b"; ")
        count = int(size, 16)
        assert size == b"%x" % count
        data = self.line.take(count)
        assert self.line.take(2) == b"\r\n"
        if count == 0:
            self.ended = self.preview is None or extension == b"ieof"
            assert extension in (b"", b"ieof") and (extension == b"" or self.preview is not None)
        self.shown += data
        return data

    def read(self):
        """Up to the end of the preview, or of the body where there is none."""
        if self.has_body and not self.ended:
            while self.chunk():
                pass
        return self.shown

    def go_on(self):
        """Asks for what is behind the preview, and reads that."""
        assert not self.ended
        self.line.say("ICAP/1.0 100 Continue\r\n\r\n")
        self.preview = None
        return self.read()

    def whole(self):
        self.read()
        if not self.ended:
            self.go_on()
        return self.shown

    def say(self, status, fields=(), head="", body=None, close=False):
        """`head` is of HTTP; `body` follows in one chunk."""
        lines = [f"ICAP/1.0 {status} It-Is-So", 'ISTag: "tests"', *fields]
        if close:
            lines.append("Connection: close")
        text = head.replace("\r", "").replace("\n", "\r\n").encode("latin-1")
        if status == 200:
            name = "req" if text and not text.startswith(b"HTTP/") else "res"
            last = "null-body" if body is None else f"{name}-body"
            lines.append(f"Encapsulated: {name}-hdr=0, {last}={len(text)}")
        chunks = b"" if body is None else chunked(body)
        self.line.send("\r\n".join([*lines, "", ""]).encode() + text + chunks)
        if close:
            raise Ended

    def unmodified(self):
        self.say(204)


def chunked(body):
    return (b"%x\r\n" % len(body) + body + b"\r\n" if body else b"") + b"0\r\n\r\n"


class Line:
    def __init__(self, conn, number):
        self.conn, self.number, self.buffer = conn, number, b""

    def _more(self):
        piece = self.conn.recv(1 << 16)
        if not piece:
            raise Ended
        self.buffer += piece

    def until(self, mark):
        while mark not in self.buffer:
            self._more()
        at = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def take(self, count):
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, data):
        self.conn.sendall(data)

    def say(self, text):
        self.send(text.encode())


class Service(Front):
    """Each message but OPTIONS is `script(message)`'s. What it says of itself is in `options`."""

    def __init__(self, script, **options):
        self.script, self.messages, self.asked_options, self.connections = script, [], 0, 0
        self.options = {**OPTIONS, **{name.replace("_", "-"): value
                                      for name, value in options.items()}}
        self.faults, self._lock = [], threading.Lock()
        super().__init__()
        self.url = f"icap://127.0.0.1:{self.port}/check"

    def serve(self, conn):
        with self._lock:
            self.connections += 1
            line = Line(conn, self.connections)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                head = line.until(b"\r\n\r\n")[:-4].decode("latin-1")
                message = Message(line, head)
                if message.method == "OPTIONS":
                    self.asked_options += 1
                    said = "".join(f"{name}: {value}\r\n" for name, value in self.options.items()
                                   if value is not None)
                    line.say(f"ICAP/1.0 200 OK\r\n{said}\r\n")
                    continue
                with self._lock:
                    self.messages.append(message)
                self.script(message)
        except Ended:
            pass
        except AssertionError as fault:
            self.faults.append(fault)
            raise

    def close(self):
        super().close()
        assert not self.faults, self.faults[0]
