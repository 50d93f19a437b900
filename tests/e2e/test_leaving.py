"""Either side may go at every step; everything it held comes back."""

import contextlib
import socket
import threading

import pytest

from wire import connect_head, eventually, read_reply, read_to_end, reset, send_quietly

MIB = 1 << 20


def say_a_few(sender, receiver):
    sender.sendall(b"few")
    assert receiver.recv(9) == b"few"


def fill(sender):
    """Sends until everything on the way to a peer that does not read is full."""
    sender.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while True:
            sender.send(b"f" * 100_000)


def expect_one_tunnel_gone(proxy):
    proxy.wait_log(1)
    proxy.wait_metric("penstock_tunnels_open", 0)


LEAVING = ["before a byte", "within the head", "behind the head", "behind the 200",
           "behind a few bytes", "in full flow", "behind a half-close"]


@pytest.mark.parametrize("how", [socket.socket.close, reset], ids=["closing", "resetting"])
@pytest.mark.parametrize("step", LEAVING)
def test_a_client_may_leave(penstock, listener, step, how):
    proxy, origin = penstock({"timeouts": {"half_closed": "1s"}}), listener()
    idle = proxy.descriptors()
    client = proxy.socket()
    if step == "within the head":
        client.sendall(b"CONNECT 127.0.0.1")
    elif step != "before a byte":
        client.sendall(connect_head(origin.authority))
    if step in LEAVING[3:]:
        assert read_reply(client).status == 200
        conn = origin.accept()
        if step == "behind a few bytes":
            say_a_few(client, conn)
        elif step == "in full flow":
            fill(client)
        elif step == "behind a half-close":
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(conn) == (b"", False)
    how(client)
    if step in LEAVING[3:]:
        read_to_end(conn)
        conn.close()
    expect_one_tunnel_gone(proxy)
    # Pipes of the pool and the admin connection may stay a little.
    eventually(lambda: proxy.descriptors() <= idle + 8, "descriptors given back")
    assert len(proxy.log()) == 1


@pytest.mark.parametrize("how", [socket.socket.close, reset], ids=["closing", "resetting"])
@pytest.mark.parametrize("step", ["at once", "behind a few bytes", "in full flow",
                                  "while the client sends", "behind a half-close"])
def test_an_origin_may_die(penstock, listener, step, how):
    proxy, origin = penstock({"timeouts": {"half_closed": "1s"}}), listener()
    tunnel = proxy.tunnel(origin.authority)
    conn = origin.accept()
    if step == "behind a few bytes":
        say_a_few(tunnel.sock, conn)
    elif step == "in full flow":
        fill(conn)
    elif step == "while the client sends":
        send = threading.Thread(target=send_quietly, args=(tunnel.sock, b"c" * 20 * MIB))
        send.start()
        assert conn.recv(1) == b"c"
    elif step == "behind a half-close":
        conn.shutdown(socket.SHUT_WR)
        assert tunnel.receive_to_end() == (b"", False)
    how(conn)
    data, _ = tunnel.receive_to_end()
    assert b"HTTP/1.1" not in data
    if step == "while the client sends":
        send.join()
    tunnel.close()
    expect_one_tunnel_gone(proxy)
