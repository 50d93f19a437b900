"""A name server that says what a test tells it to, and remembers what it was asked."""

import contextlib
import socket
import struct
import threading

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSHeader, DNSRecord


def _bind_both(host, port, ns):
    """TCP and UDP on the same port; if that is any port, on one that is free for both."""
    make = ns.socket if ns else socket.socket
    for attempts_left in reversed(range(20)):
        tcp, udp = (make(socket.AF_INET, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind((host, port))
            udp.bind(tcp.getsockname())
            tcp.listen(64)
            return tcp, udp
        except OSError:
            tcp.close()
            udp.close()
            if not attempts_left or port:
                raise


class Names:
    """`answer(name, type)` gives a list of RRs, an RCODE word, raw bytes behind the id, or None for
    silence. Listens on UDP and TCP on the same port."""

    def __init__(self, answer, host="127.0.0.1", port=0, ns=None):
        self.answer = answer
        self.queries = []  # (name, type, "udp" or "tcp")
        self.tcp, self.udp = _bind_both(host, port, ns)
        self.host, self.port = self.tcp.getsockname()
        self.truncate = False  # UDP answers carry TC and nothing else
        self.serve_tcp = True
        self._threads = [threading.Thread(target=run, daemon=True)
                         for run in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def asked(self, name, kind=None):
        return sum(1 for asked, asked_kind, _ in list(self.queries)
                   if asked == name and kind in (None, asked_kind))

    def _reply(self, raw, transport):
        try:
            query = DNSRecord.parse(raw)
        except Exception:  # noqa: BLE001 - whatever this is, it is no question
            return None
        name, kind = str(query.q.qname).rstrip(".").lower(), QTYPE[query.q.qtype]
        self.queries.append((name, kind, transport))
        answer = self.answer(name, kind)
        if answer is None or isinstance(answer, bytes):
            return None if answer is None else raw[:2] + answer
        header = DNSHeader(id=query.header.id, qr=1, aa=1, ra=1, rd=query.header.rd)
        reply = DNSRecord(header, q=query.q)
        if self.truncate and transport == "udp":
            reply.header.tc = 1
        elif isinstance(answer, str):
            reply.header.rcode = getattr(RCODE, answer)
        else:
            reply.add_answer(*answer)
        return reply.pack()

    def _serve_udp(self):
        while True:
            try:
                raw, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if raw == b"end":
                return
            # One thread per question: an answer may be made to wait.
            threading.Thread(target=self._answer_udp, args=(raw, peer), daemon=True).start()

    def _answer_udp(self, raw, peer):
        reply = self._reply(raw, "udp")
        if reply is not None:
            with contextlib.suppress(OSError):
                self.udp.sendto(reply, peer)

    def _serve_tcp(self):
        while True:
            try:
                conn, _ = self.tcp.accept()
            except OSError:
                return
            with conn, contextlib.suppress(OSError, struct.error):
                while self.serve_tcp:
                    (length,) = struct.unpack(">H", conn.recv(2, socket.MSG_WAITALL))
                    reply = self._reply(conn.recv(length, socket.MSG_WAITALL), "tcp")
                    if reply is None:
                        break
                    conn.sendall(struct.pack(">H", len(reply)) + reply)

    def close(self):
        for sock in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def table(rows, missing="NXDOMAIN", ttl=60):
    """An answer function: name to a list of addresses, to "CNAME target", or to an RCODE word."""
    def answer(name, kind):
        value = rows.get(name)
        if value is None or (isinstance(value, str) and not value.startswith("CNAME ")):
            return value or missing
        if isinstance(value, str):
            target = value.split()[1]
            rest = answer(target, kind) if target in rows and target != name else []
            return [RR(name, QTYPE.CNAME, ttl=ttl, rdata=CNAME(target)),
                    *(rest if isinstance(rest, list) else [])]
        return [record(name, address, ttl) for address in value
                if (":" in address) == (kind == "AAAA")]
    return answer


def record(name, address, ttl=60):
    if ":" in address:
        return RR(name, QTYPE.AAAA, ttl=ttl, rdata=AAAA(address))
    return RR(name, QTYPE.A, ttl=ttl, rdata=A(address))
