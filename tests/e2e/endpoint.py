"""An HTTP endpoint that the proxy asks: over TLS or not, answering as the test wants."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Endpoint:
    """`answer(request)` gives (status, fields, body); `requests` are those that came, in order."""

    def __init__(self, answer, certificate=None):
        self.answer = answer
        self.requests = []
        self.released = threading.Event()  # what hang() waits for
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                endpoint.requests.append(self)
                status, fields, body = endpoint.answer(self)
                try:
                    self.send_response(status)
                    for name, value in fields:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # clients that went, or did not like the certificate

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            # The handshake belongs to the connection's thread: a client may be slow over it.
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
            self.url = f"https://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def hang(self, _):
        """As an answer: none before the end."""
        self.released.wait()
        return 500, [], b""

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def says(body, status=200, *fields):
    """As an answer: always the same."""
    data = body if isinstance(body, bytes) else body.encode()
    return lambda _: (status, fields, data)
