"""Room: what happens when there is no more of it, and that nothing leaks on the way."""

import contextlib
import os
import random
import resource
import subprocess
import threading
import time

import pytest

from origins import Listener, closed_port
from proxy import LAB
from wire import Tunnel, connect_head, eventually, read_reply, read_to_end, reset


def test_tunnels_beyond_the_limit_are_503_and_there_is_room_again_afterwards(penstock, echo):
    proxy = penstock({"limits": {"tunnels": 5}})
    tunnels = [proxy.tunnel(echo.authority) for _ in range(5)]
    reply = proxy.refusal(echo.authority)
    assert (reply.status, reply.error, reply.word) == (503, "connection_limit_reached", "no_seat")
    assert int(reply.fields["retry-after"]) >= 1
    assert all(tunnel.echoes() for tunnel in tunnels)
    tunnels.pop().close()
    eventually(lambda: isinstance(proxy.ask(echo.authority), Tunnel), "room for one more")


def test_a_client_with_too_many_tunnels_is_429_and_others_are_not(penstock, echo):
    proxy = penstock({"limits": {"tunnels_per_client": 3}})
    tunnels = [proxy.tunnel(echo.authority, source="127.0.0.5") for _ in range(3)]
    reply = proxy.refusal(echo.authority, source="127.0.0.5")
    assert (reply.status, reply.error, reply.word) == (429, "connection_limit_reached",
                                                       "client_busy")
    assert "retry-after" in reply.fields
    assert proxy.tunnel(echo.authority, source="127.0.0.6").echoes()
    tunnels.pop().close()
    eventually(lambda: isinstance(proxy.ask(echo.authority, source="127.0.0.5"), Tunnel),
               "room for one more of this client")


@pytest.fixture
def slow_names(listener):
    """A name server that never answers: whoever asks stays pending."""
    from names import Names
    with contextlib.closing(Names(lambda name, kind: None)) as server:
        yield server


def pending(penstock, slow_names, **limits):
    rule = {"name": "slow", "allow": ["*.slow.example:1-65535"]}
    return penstock({"policy": {"rules": [LAB, rule]}, "limits": limits,
                     "dns": {"servers": [slow_names.address]}, "timeouts": {"resolve": "25s",
                                                                           "queue": "100ms"}})


def hold(proxy, name, count):
    clients = []
    for _ in range(count):
        clients.append(proxy.socket())
        clients[-1].sendall(connect_head(f"{name}.slow.example:443"))
    return clients


def test_pending_set_ups_beyond_the_limit_are_503(penstock, slow_names, echo):
    proxy = pending(penstock, slow_names, pending=4)
    opened = proxy.tunnel(echo.authority)
    clients = hold(proxy, "a", 4)
    proxy.wait_metric("penstock_pending", 4)
    reply = proxy.refusal(echo.authority)
    assert (reply.status, reply.error, reply.word) == (503, "connection_limit_reached", "no_permit")
    # What is established already is none of the pending.
    assert opened.echoes()
    clients[0].close()
    eventually(lambda: isinstance(proxy.ask(echo.authority), Tunnel), "a permit given back")


def test_pending_set_ups_to_one_destination_leave_room_for_others(penstock, slow_names, echo):
    proxy = pending(penstock, slow_names, pending=50, pending_per_destination=4)
    hold(proxy, "a", 4)
    proxy.wait_metric("penstock_pending", 4)
    reply = proxy.refusal("a.slow.example:443")
    assert (reply.status, reply.word) == (503, "destination_busy")
    assert proxy.tunnel(echo.authority).echoes()


def test_few_descriptors_are_503_and_never_a_spin(penstock, echo):
    proxy = penstock(nofile=512)
    tunnels = []
    refused = 0
    for _ in range(400):
        got = proxy.ask(echo.authority)
        if isinstance(got, Tunnel):
            tunnels.append(got)
            continue
        assert (got.status, got.error) == (503, "connection_limit_reached")
        refused += 1
    assert len(tunnels) >= 20 and refused >= 100
    before, began = proxy.cpu_seconds(), time.monotonic()
    held = [proxy.socket() for _ in range(300)]
    eventually(lambda: time.monotonic() - began > 2)
    assert proxy.cpu_seconds() - before < 0.5
    assert all(tunnel.echoes() for tunnel in tunnels)
    for sock in [*held, *(tunnel.sock for tunnel in tunnels)]:
        sock.close()
    eventually(lambda: isinstance(proxy.ask(echo.authority), Tunnel), "room again")


def test_a_crowd_that_is_refused_and_stays_is_still_told_503(penstock, echo):
    proxy = penstock(nofile=512)
    crowd = [proxy.socket() for _ in range(700)]
    for sock in crowd:
        sock.sendall(connect_head(echo.authority))
    assert {read_reply(sock).status for sock in crowd} <= {200, 503}
    proxy.close_clients()
    # Whoever was accepted is counted, and logged unless shed at the door.
    metrics = proxy.metrics()
    assert (metrics.total("penstock_accepted_total") + metrics.total("penstock_shed_total")) >= 700
    eventually(lambda: isinstance(proxy.ask(echo.authority), Tunnel), "room again")


# Not under UBSan: it looks at objects through a pipe of its own, and blames them when it gets none.
@pytest.mark.release_only
def test_a_descriptor_limit_that_shrinks_under_it_is_survived(penstock, echo):
    proxy = penstock()
    tunnels = [proxy.tunnel(echo.authority) for _ in range(10)]
    # As if something else in the process had eaten all descriptors.
    limit = proxy.descriptors() + 1
    subprocess.run(["prlimit", f"--pid={proxy.process.pid}", f"--nofile={limit}:"], check=True)
    statuses = []
    for _ in range(20):
        sock = proxy.socket()
        sock.sendall(connect_head(echo.authority))
        statuses.append(read_reply(sock).status)
        sock.close()
    assert set(statuses) <= {200, 503} and 503 in statuses
    before, began = proxy.cpu_seconds(), time.monotonic()
    waiting = [proxy.socket() for _ in range(50)]
    eventually(lambda: time.monotonic() - began > 2)
    assert proxy.cpu_seconds() - before < 0.5
    assert all(tunnel.echoes() for tunnel in tunnels)
    subprocess.run(["prlimit", f"--pid={proxy.process.pid}", "--nofile=1024:"], check=True)
    for sock in waiting:
        sock.close()
    eventually(lambda: isinstance(proxy.ask(echo.authority), Tunnel), "room again")


def open_many(proxy, authority, count):
    """Tunnels opened in batches, so that neither side waits for the other one by one."""
    head = connect_head(authority)
    tunnels = []
    while len(tunnels) < count:
        batch = [proxy.socket() for _ in range(min(200, count - len(tunnels)))]
        for sock in batch:
            sock.sendall(head)
        for sock in batch:
            reply = read_reply(sock)
            assert reply.status == 200, reply
            tunnels.append(Tunnel(sock, reply))
    return tunnels


def need_descriptors(count):
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft >= count, f"this test needs {count} descriptors, the limit is {soft}"


def test_5000_idle_tunnels_all_still_work(penstock, echo):
    need_descriptors(11_000)
    proxy = penstock()
    tunnels = open_many(proxy, echo.authority, 5000)
    assert proxy.metrics().total("penstock_tunnels_open") == 5000
    before, began = proxy.cpu_seconds(), time.monotonic()
    eventually(lambda: time.monotonic() - began > 1)
    assert proxy.cpu_seconds() - before < 0.3, "idle tunnels cost CPU"
    for number, tunnel in enumerate(tunnels):
        assert tunnel.echoes(b"%d" % number)
    proxy.close_clients()
    proxy.wait_metric("penstock_tunnels_open", 0)
    proxy.wait_log(5000, outcome="closed")


@pytest.mark.release_only
def test_an_idle_tunnel_takes_at_most_1_kib_of_user_memory(penstock, echo):
    need_descriptors(9_000)
    proxy = penstock()
    # Warm-up: what is taken once. Few, since the memory they leave is used again.
    for _ in range(3):
        open_many(proxy, echo.authority, 50)
        proxy.close_clients()
        proxy.wait_metric("penstock_tunnels_open", 0)
    before = proxy.rss_anon_kib()
    tunnels = open_many(proxy, echo.authority, 4000)
    assert all(tunnel.echoes(b"x" * 100) for tunnel in tunnels)
    after = proxy.rss_anon_kib()
    per_tunnel = (after - before) * 1024 / 4000
    print(f"{per_tunnel:.0f} bytes per idle tunnel")
    assert per_tunnel <= 1024


@pytest.mark.release_only
def test_memory_stays_flat_over_many_short_tunnels(penstock, echo):
    # A log's rings are touched little by little, once.
    proxy = penstock({"log": {"access": "off"}})

    def run(count):
        for _ in range(count):
            for tunnel in open_many(proxy, echo.authority, 100):
                tunnel.reset()
        proxy.close_clients()

    run(20)
    before = proxy.rss_anon_kib()
    run(60)
    assert proxy.rss_anon_kib() - before < 256


@pytest.mark.threads
def test_10000_short_tunnels_while_the_policy_is_reloaded_50_times(penstock, echo):
    tunnels = 10_000
    proxy = penstock()
    failures = []
    done = threading.Event()

    def client(number):
        try:
            for i in range(tunnels // 8):
                tunnel = proxy.tunnel(echo.authority)
                assert tunnel.echoes(b"%d" % i)
                tunnel.reset()
        except BaseException as failure:  # noqa: BLE001 - reported by the main thread
            failures.append((number, failure))

    def reload():
        for number in range(50):
            extra = {"name": f"extra{number}", "deny": [f"n{i}.example:443" for i in range(number)]
                     or ["n.example:443"]}
            proxy.reload({"policy": {"rules": [extra, LAB]}})
            proxy.get("/readyz")
        done.set()

    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    threads.append(threading.Thread(target=reload))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and done.is_set(), failures[:3]
    metrics = proxy.metrics()
    assert metrics.total("penstock_reloads_total", result="done") == 50
    proxy.wait_metric("penstock_tunnels_open", 0)
    lines = proxy.wait_log(tunnels, status=200)
    assert len({line["id"] for line in lines}) == len(lines) == tunnels


def test_random_aborts_leave_nothing_behind(penstock, echo):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    proxy = penstock()
    idle = proxy.descriptors()
    holder, refused = closed_port()
    with holder, contextlib.closing(Listener()) as silent:
        targets = [echo.authority, f"127.0.0.1:{refused}", silent.authority, "192.0.2.1:1", "bad"]
        for _ in range(600):
            sock = proxy.socket()
            head = connect_head(dice.choice(targets)) + os.urandom(dice.choice([0, 1, 5000]))
            with contextlib.suppress(OSError):
                sock.sendall(head[:dice.randrange(len(head) + 1)])
                if dice.random() < 0.3:
                    sock.settimeout(0.02)
                    sock.recv(100)
            dice.choice([sock.close, lambda end=sock: reset(end)])()
        silent.accepts()
    proxy.close_clients()
    proxy.wait_metric("penstock_tunnels_open", 0)
    proxy.wait_metric("penstock_seats_taken", 0)
    proxy.wait_metric("penstock_pending", 0)
    eventually(lambda: proxy.descriptors() <= idle + 70, "descriptors given back")
    assert proxy.metrics().total("penstock_pipes", state="in_use") == 0
    accepted = proxy.metrics().total("penstock_accepted_total")
    eventually(lambda: len(proxy.log()) == accepted, "one line per connection")


def test_a_flood_of_silent_clients_does_not_keep_others_out_for_longer_than_the_deadline(
        penstock, echo):
    proxy = penstock({"limits": {"tunnels": 20}, "timeouts": {"head": "1s"}})
    silent = [proxy.socket() for _ in range(20)]
    eventually(lambda: isinstance(proxy.ask(echo.authority), Tunnel), "a seat")
    for sock in silent:
        read_to_end(sock)
