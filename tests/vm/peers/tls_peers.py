"""Both ends of a tunnel through an HTTPS listener, for the cases of a machine that has no pytest.

    tls_peers.py origin HOST:PORT           does what the first line that it is sent asks for
    tls_peers.py PORT ORIGIN TLS ACTION...  asks for each action by a tunnel of its own
"""

import fcntl
import hashlib
import random
import re
import socket
import ssl
import struct
import sys
import termios
import threading
import time

from secure import SecureSocket, Truncated

CHUNK = 1 << 16


def content(size):
    return random.Random(size).randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest().encode()


def rest_of(sock):
    parts = []
    while part := sock.recv(CHUNK):
        parts.append(part)
    return b"".join(parts)


def exactly(sock, size):
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


def line_of(sock):
    line = b""
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionError(f"ended behind {line}")
        line += byte
    return line.decode().split()


# --- the origin

def serve(sock):
    try:
        play(sock)
    except ConnectionResetError:  # it may come before the first line was read
        print("reset", flush=True)


def play(sock):
    with sock:
        what, size, *version = line_of(sock)
        if version:  # of HTTP
            headers = {}
            while line := line_of(sock):
                headers[line[0].lower()] = line[-1]
            body = content(int(size[1:]))
            if what == "PUT":
                body = sha256(exactly(sock, int(headers["content-length:"])))
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif what == "down":
            sock.sendall(content(int(size)))
        elif what == "up":
            sock.sendall(sha256(rest_of(sock)))  # so its end arrives, and the answer after it
        elif what == "echo":
            while data := sock.recv(CHUNK):
                sock.sendall(data)
        elif what == "last":  # ends first, and is told something all the same
            sock.shutdown(socket.SHUT_WR)
            print("heard", len(rest_of(sock)), flush=True)
        elif what == "cut":
            print("end", len(rest_of(sock)), flush=True)


def originate(address):
    host, port = address.rsplit(":", 1)
    listener = socket.create_server((host, int(port)), backlog=64)
    print("listening on", address, flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


# --- the client

def context_of(version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    name, _, cipher = version.partition("/")
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, name)
    # Those of TLS 1.3 are OpenSSL's own configuration: Python has no way to choose.
    if cipher and name == "TLSv1_2":
        context.set_ciphers(cipher)
    return context


def tunnel(port, origin, context, request):
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
    plain.connect(("127.0.0.1", port))
    sock = SecureSocket(plain, context)
    sock.sendall(f"CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 200 "), head
    sock.sendall(request.encode() + b"\n")
    return sock


def down(sock, size):
    got = rest_of(sock)
    assert got == content(size), f"{len(got)} of {size} bytes, or others"


def up(sock, size):
    sock.sendall(content(size))
    sock.shutdown(socket.SHUT_WR)
    assert rest_of(sock) == sha256(content(size))


def waiting(sock):
    return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)))[0]


def slow(sock, size):
    """Reads nothing until nothing more comes: then the proxy is full, and has all its pieces."""
    there = -1
    while there != (there := waiting(sock)) or there == 0:
        time.sleep(0.2)
    assert there < size / 4
    down(sock, size)


def echo(sock, size):
    for i in range(size):
        sock.sendall(b"%08d" % i)
        got = b""
        while len(got) < 8:
            got += sock.recv(8)
        assert got == b"%08d" % i


def last(sock, size):
    assert sock.recv(1) == b""  # close_notify, or SecureSocket says Truncated
    sock.sendall(content(size))
    sock.shutdown(socket.SHUT_WR)


def cut(sock, size):
    sock.sendall(content(size))
    sock.sock.shutdown(socket.SHUT_WR)  # no close_notify
    try:
        rest_of(sock)
    except (Truncated, ConnectionError):
        pass


def forged(sock, size):
    """A record that nobody could have made."""
    sock.sendall(content(size))
    sock.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    try:
        rest_of(sock)
    except (Truncated, ConnectionError, ssl.SSLError):
        pass


ACTIONS = {"down": down, "up": up, "echo": echo, "last": last, "cut": cut,
           "slow": slow, "forged": forged}
ASKED = {"slow": "down", "forged": "cut"}


def main(arguments):
    if arguments[0] == "origin":
        return originate(arguments[1])
    port, origin, version, *actions = arguments
    context = context_of(version)
    for action in actions:
        what, size = re.fullmatch(r"(\w+?)(\d+)", action).groups()
        sock = tunnel(int(port), origin, context, f"{ASKED.get(what, what)} {size}")
        ACTIONS[what](sock, int(size))
        print(version, sock.tls.cipher()[0], action, "done", flush=True)
        sock.close()
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
