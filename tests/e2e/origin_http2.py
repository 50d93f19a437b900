"""An origin of HTTP/2 in TLS that a test scripts: python3-h2 for the frames, a thread for each
request, so that one may stand still while another runs."""

import contextlib
import ssl
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from proxies import Front, server_context
from wire import DEADLINE

NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 7, 8
ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED = 11, 13
MAX_CONCURRENT_STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
INITIAL_WINDOW_SIZE = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE


class Cut(OSError):
    """The stream or its connection ended under the script."""


class Request:
    """One stream, as its script sees it."""

    def __init__(self, session, number, fields, ended):
        self.session, self.number, self.ended = session, number, ended
        self.fields = {name.decode(): value.decode() for name, value in fields}
        self.path = self.fields[":path"]
        self.data, self.trailers, self.reset = bytearray(), None, None
        self.acknowledges = True

    def inform(self, status, *fields):
        self._do(lambda h2c: h2c.send_headers(self.number, [(":status", str(status)), *fields]))

    def answer(self, status=200, *fields, end=False):
        self._do(lambda h2c: h2c.send_headers(
            self.number, [(":status", str(status)), *fields], end_stream=end))

    def trail(self, *fields):
        self._do(lambda h2c: h2c.send_headers(self.number, list(fields), end_stream=True))

    def send(self, data, end=False):
        view = memoryview(data)
        while view:
            with self.session.changed:
                room = self._wait_for(lambda: self._room())
                piece = bytes(view[:min(room, len(view))])
                self.session.h2.send_data(self.number, piece)
                self.session.flush()
            view = view[len(piece):]
        if end:
            self._do(lambda h2c: h2c.end_stream(self.number))

    def say(self, body=b"", status=200, *fields):
        """A whole answer."""
        self.answer(status, ("content-length", str(len(body))), *fields, end=not body)
        if body:
            self.send(body, end=True)

    def cancel(self, code=CANCEL):
        self._do(lambda h2c: h2c.reset_stream(self.number, code))

    def receive(self, count):
        with self.session.changed:
            self._wait_for(lambda: len(self.data) >= count or self.ended)
            taken = bytes(self.data[:count])
            del self.data[:count]
            return taken

    def read(self):
        """The whole body."""
        with self.session.changed:
            self._wait_for(lambda: self.ended)
            return bytes(self.data)

    def until_cut(self):
        with contextlib.suppress(Cut), self.session.changed:
            self._wait_for(lambda: self.reset is not None)

    def _room(self):
        h2c = self.session.h2
        return min(h2c.local_flow_control_window(self.number), h2c.max_outbound_frame_size)

    def _do(self, action):
        with self.session.changed:
            self._check()
            action(self.session.h2)
            self.session.flush()

    def _check(self):
        if self.reset is not None or self.session.gone:
            raise Cut

    def _wait_for(self, condition):
        def settled():
            return self.reset is not None or self.session.gone or condition()
        assert self.session.changed.wait_for(settled, DEADLINE), "waited in vain"
        if condition_now := condition():
            return condition_now
        self._check()
        return condition()


class Session:
    """One connection."""

    def __init__(self, origin, sock):
        self.origin, self.sock = origin, sock
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False))
        self.requests, self.gone, self.pings = {}, False, 0
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = origin.context.wrap_bio(self._in, self._out, server_side=True)

    def run(self):
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._send_tls()
                data = self.sock.recv(65536)
                if not data:
                    return
                self._in.write(data)
        self._send_tls()
        if self.tls.selected_alpn_protocol() != "h2":
            return  # it speaks nothing else
        self.origin.enter(self)
        try:
            with self.lock:
                self.h2.local_settings = h2.settings.Settings(
                    client=False, initial_values={MAX_CONCURRENT_STREAMS: 100,
                                                  **self.origin.settings})
                self.h2.initiate_connection()
                self.flush()
                self._read()
            while data := self.sock.recv(65536):
                with self.changed:
                    self._in.write(data)
                    self._read()
        except (OSError, ssl.SSLError, h2.exceptions.ProtocolError):
            pass
        finally:
            with self.changed:
                self.gone = True
                self.changed.notify_all()

    def _read(self):
        while True:
            try:
                data = self.tls.read(65536)
            except ssl.SSLWantReadError:
                break
            if not data:
                raise Cut
            for event in self.h2.receive_data(data):
                self._take(event)
        self.flush()
        self.changed.notify_all()

    def _take(self, event):
        request = self.requests.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            ended = event.stream_ended is not None
            request = Request(self, event.stream_id, event.headers, ended)
            self.requests[event.stream_id] = request
            self.origin.requests.append(request)
            threading.Thread(target=self._serve, args=(request,), daemon=True).start()
        elif isinstance(event, h2.events.DataReceived):
            request.data += event.data
            if event.flow_controlled_length:
                self.h2.increment_flow_control_window(event.flow_controlled_length)
                if request.acknowledges and not event.stream_ended:
                    self.h2.increment_flow_control_window(event.flow_controlled_length,
                                                          event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            request.trailers = [(n.decode(), v.decode()) for n, v in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            request.ended = True
        elif isinstance(event, h2.events.StreamReset):
            request.reset = int(event.error_code)

    def _serve(self, request):
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            self.origin.script(request)

    def flush(self):
        """With the lock."""
        if data := self.h2.data_to_send():
            self.tls.write(data)
        self._send_tls()

    def _send_tls(self):
        if data := self._out.read():
            self.sock.sendall(data)

    def raw(self, data):
        with self.lock:
            self.flush()
            self.tls.write(data)
            self._send_tls()

    def go_away(self, last, code=NO_ERROR):
        """By hand: python3-h2 would say nothing more behind it."""
        payload = last.to_bytes(4, "big") + code.to_bytes(4, "big")
        self.raw(len(payload).to_bytes(3, "big") + bytes([7, 0]) + bytes(4) + payload)

    def close(self):
        with self.lock:
            self.gone = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(2)


class Http2Origin(Front):
    """Each request is `script(request)`'s, on a thread of its own. `settings`: of each connection,
    by code."""

    def __init__(self, certificate, key, script, alpn=("h2",), settings=None):
        self.context = server_context(certificate, key)
        self.context.set_alpn_protocols(alpn)
        self.script, self.settings = script, settings or {}
        self.sessions, self.requests = [], []
        super().__init__()

    @property
    def connections(self):
        return len(self.sessions)

    def enter(self, session):
        self.sessions.append(session)

    def serve(self, conn):
        conn.settimeout(None)
        Session(self, conn).run()

    def close(self):
        super().close()
        for session in self.sessions:
            session.close()
