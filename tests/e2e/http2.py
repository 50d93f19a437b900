"""A client of HTTP/2 by hand: python3-h2 for the frames, one socket, many tunnels."""

import collections
import select
import socket
import time

import h2.config
import h2.connection
import h2.events

from wire import DEADLINE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CONNECT_ERROR = 10


def frame(kind, flags=0, stream=0, payload=b""):
    """One frame of RFC 9113 section 4.1."""
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


class Stream:
    """What has come by one stream."""

    def __init__(self, connection, number):
        self.connection = connection
        self.number = number
        self.fields = None
        self.trailers = None
        self.data = bytearray()
        self.ended = False
        self.reset = None  # an error code
        self.held = 0      # bytes that were read and not acknowledged
        self.taken = 0     # bytes that have come in all

    @property
    def status(self):
        return self.fields and int(self.fields[":status"])

    def send(self, data, end=False):
        self.connection.send(self, data, end)

    def end(self):
        self.connection.h2.end_stream(self.number)
        self.connection.flush()

    def cancel(self, code=8):
        self.connection.h2.reset_stream(self.number, code)
        self.connection.flush()

    def receive(self, count):
        self.connection.until(lambda: len(self.data) >= count or self.ended or self.reset)
        assert len(self.data) >= count, (len(self.data), count, self.ended, self.reset)
        taken, self.data = bytes(self.data[:count]), self.data[count:]
        return taken

    def receive_to_end(self):
        self.connection.until(lambda: self.ended or self.reset is not None)
        taken, self.data = bytes(self.data), bytearray()
        return taken, self.reset is not None

    def echoes(self, data=b"is anybody there?"):
        self.send(data)
        return self.receive(len(data)) == data


class Connection:
    """One connection to the proxy. `slow` streams are read and never acknowledged, so that their
    windows run out."""

    def __init__(self, sock):
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False))
        # An acknowledgement must not hold up the request behind it (Nagle, and delayed ACKs).
        getattr(sock, "sock", sock).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.streams = {}
        self.slow = set()
        self.gone = None  # what GOAWAY said
        self.closed = False
        self.events = collections.Counter()
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def raw(self, data):
        self.flush()
        self.sock.sendall(data)

    def request(self, fields, end=False):
        number = self.h2.get_next_available_stream_id()
        stream = self.streams[number] = Stream(self, number)
        self.h2.send_headers(number, fields, end_stream=end)
        self.flush()
        return stream

    def connect(self, authority, *more, end=False):
        return self.request([(":method", "CONNECT"), (":authority", authority), *more], end)

    def ask(self, authority, *more):
        """The same, once the head of the answer is there."""
        stream = self.connect(authority, *more)
        self.until(lambda: stream.fields or stream.reset is not None)
        return stream

    def tunnel(self, authority, *more):
        stream = self.ask(authority, *more)
        assert stream.status == 200, (stream.fields, stream.reset)
        return stream

    def send(self, stream, data, end=False):
        view = memoryview(data)
        while view:
            room = min(self.h2.local_flow_control_window(stream.number),
                       self.h2.max_outbound_frame_size, len(view))
            if room == 0:
                self.pump()
                assert stream.reset is None, "reset while there was more to send"
                continue
            self.h2.send_data(stream.number, bytes(view[:room]))
            view = view[room:]
            self.flush()
        if end:
            self.h2.end_stream(stream.number)
            self.flush()

    def until(self, done):
        end = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < end, "waited in vain"
            assert not self.closed, f"the proxy has closed; GOAWAY: {self.gone}"
            self.pump()

    def until_closed(self):
        end = time.monotonic() + DEADLINE
        while not self.closed:
            assert time.monotonic() < end, "waited in vain"
            self.pump()

    def pump(self, timeout=DEADLINE):
        """Reads once."""
        self.flush()
        pending = getattr(self.sock, "pending", lambda: 0)()
        if not pending:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            if not poll.poll(timeout * 1000):
                return
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self.take(event)
        self.flush()

    def take(self, event):
        self.events[type(event).__name__] += 1
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.gone = int(event.error_code)
            # RFC 9113 section 6.8 lets open streams go on, python3-h2 does not.
            self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        elif stream is None:
            return
        elif isinstance(event, h2.events.ResponseReceived):
            stream.fields = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h2.events.DataReceived):
            stream.data += event.data
            stream.taken += len(event.data)
            self.acknowledge(stream, event.flow_controlled_length)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            # A complete answer may be followed by a reset that means nothing (RFC 9113 section 8.1).
            if not stream.ended or int(event.error_code):
                stream.reset = int(event.error_code)

    def acknowledge(self, stream, count):
        if count == 0:
            return
        self.h2.increment_flow_control_window(count)  # of the connection
        if stream.number in self.slow:
            stream.held += count
            return
        try:
            self.h2.increment_flow_control_window(count, stream.number)
        except Exception:  # it is over
            pass

    def close(self):
        self.sock.close()
