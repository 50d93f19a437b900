"""Names to addresses: what a name server may answer, and when it does not."""

import contextlib
import struct
import threading
import time

import pytest

from names import Names, record, table
from origins import Echo
from wire import connect_head, eventually, read_reply

ANYWHERE = {"rules": [{"name": "anywhere", "allow": ["*:1-65535"]}]}
DNSMASQ = """
no-daemon
no-resolv
no-hosts
bind-interfaces
listen-address=10.9.0.2
port=5353
host-record=v4.example,45.77.1.1
host-record=v6.example,2a0e:b107::1
host-record=both.example,45.77.1.1,2a0e:b107::1
host-record=inner.example,10.50.0.1
host-record=short.corp.example,45.77.1.1
cname=alias.example,inner.example
cname=good.example,v4.example
txt-record=text.example,nothing else
local=/example/
"""


@pytest.fixture(scope="module")
def world(shared_sandbox):
    box = shared_sandbox
    with contextlib.ExitStack() as stack:
        box.v4 = stack.enter_context(contextlib.closing(Echo("0.0.0.0", ns=box.world)))
        box.port = box.v4.port
        box.v6 = stack.enter_context(contextlib.closing(Echo("::", box.port, ns=box.world)))
        box.inside = stack.enter_context(contextlib.closing(Echo("0.0.0.0", box.port, ns=box.gate)))
        yield box


@pytest.fixture(autouse=True)
def etc(world):
    """Each test begins with the same hosts and resolv.conf."""
    world.gate.rewrite("hosts", "127.0.0.1 localhost\n::1 localhost\n")
    world.gate.rewrite("resolv.conf", f"nameserver {world.WORLD_V4}\n")


@pytest.fixture
def names(world):
    with contextlib.ExitStack() as stack:
        yield lambda answer: stack.enter_context(
            contextlib.closing(Names(answer, world.WORLD_V4, ns=world.world)))


@pytest.fixture
def start(penstock, world):
    def start(server=None, dns=None, **sections):
        settings = {**({"servers": [server.address]} if server else {}), **(dns or {})}
        return penstock({"policy": ANYWHERE, "workers": 1, "dns": settings, **sections},
                        ns=world.gate)
    return start


def test_dnsmasq_answers_are_understood(penstock, world, tmp_path):
    (tmp_path / "dnsmasq.conf").write_text(DNSMASQ)
    server = world.world.start("dnsmasq", "--no-daemon", f"--conf-file={tmp_path}/dnsmasq.conf",
                               "--user=root", f"--pid-file={tmp_path}/pid")
    proxy = penstock({"policy": ANYWHERE, "dns": {"servers": ["10.9.0.2:5353"],
                                                  "negative_ttl": "0s"}}, ns=world.gate)
    # The first answer says that it is up.
    eventually(lambda: proxy.ask(f"v4.example:{world.port}").__class__.__name__ == "Tunnel",
               "an answer of dnsmasq")
    for name in ("v4", "v6", "both", "good"):
        assert proxy.tunnel(f"{name}.example:{world.port}").echoes()
    for name in ("alias", "inner"):
        assert proxy.refusal(f"{name}.example:{world.port}").error == "destination_ip_prohibited"
    for name, word in (("missing", "no_such_name"), ("text", "no_address")):
        reply = proxy.refusal(f"{name}.example:{world.port}")
        assert (reply.status, reply.error, reply.word) == (502, "dns_error", word)
    server.kill()


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"])
def test_a_server_that_fails_is_502_dns_error(start, names, rcode):
    reply = start(names(table({}, missing=rcode))).refusal("a.example:443")
    assert (reply.status, reply.error) == (502, "dns_error")


def test_a_name_that_does_not_exist_is_502_dns_error_and_remembered(start, names):
    server = names(table({}))
    proxy = start(server)
    for _ in range(5):
        reply = proxy.refusal("a.example:443")
        assert (reply.status, reply.error, reply.word) == (502, "dns_error", "no_such_name")
    assert server.asked("a.example", "A") == 1
    entry = proxy.wait_log(5, error="no_such_name")[0]
    assert (entry["side"], entry["status"], entry["outcome"]) == ("dns", 502, "failed")


def test_a_name_without_an_address_is_502_dns_error(start, names):
    reply = start(names(table({"a.example": []}))).refusal("a.example:443")
    assert (reply.status, reply.error, reply.word) == (502, "dns_error", "no_address")


def test_one_family_that_fails_does_not_take_the_other_along(start, names, world):
    def answer(name, kind):
        return "SERVFAIL" if kind == "AAAA" else [record(name, "45.77.1.1")]
    assert start(names(answer)).tunnel(f"a.example:{world.port}").echoes()


def test_one_family_that_stays_silent_does_not_hold_up_the_other(start, names, world):
    def answer(name, kind):
        return None if kind == "AAAA" else [record(name, "45.77.1.1")]
    proxy = start(names(answer), timeouts={"resolve": "20s"})
    started = time.monotonic()
    assert proxy.tunnel(f"a.example:{world.port}").echoes()
    assert time.monotonic() - started < 10


def test_silence_is_504_dns_timeout_and_others_are_served_meanwhile(start, names, world):
    def answer(name, kind):
        return None if name == "silent.example" else table({"a.example": ["45.77.1.1"]})(name, kind)
    proxy = start(names(answer), timeouts={"resolve": "1500ms"})
    waiting = proxy.socket()
    waiting.sendall(connect_head("silent.example:443"))
    for _ in range(10):
        assert proxy.tunnel(f"a.example:{world.port}").echoes()
    reply = read_reply(waiting)
    assert (reply.status, reply.error) == (504, "dns_timeout")
    (entry,) = proxy.wait_log(error="dns_timeout")
    assert entry["side"] == "dns" and entry["resolve_us"] >= 1_400_000


def test_a_second_server_is_asked_when_the_first_is_silent(start, names, world):
    silent, good = names(lambda name, kind: None), names(table({"a.example": ["45.77.1.1"]}))
    proxy = start(dns={"servers": [silent.address, good.address]}, timeouts={"resolve": "20s"})
    assert proxy.tunnel(f"a.example:{world.port}").echoes()
    assert silent.asked("a.example") and good.asked("a.example")


def test_rebinding_answers_never_reach_an_address_that_was_not_judged(start, names, world):
    turn = iter(range(10**6))

    def answer(name, kind):
        if kind != "A":
            return []
        return [record(name, ["45.77.1.1", "127.0.0.1"][next(turn) % 2], ttl=0)]

    proxy = start(names(answer), dns={"min_ttl": "0s"})
    inside = world.inside.accepted
    verdicts = set()
    for _ in range(40):
        got = proxy.ask(f"rebind.example:{world.port}")
        verdicts.add(got.reply.status if hasattr(got, "reply") else got.status)
    assert verdicts == {200, 403}
    assert world.inside.accepted == inside
    proxy.close_clients()
    for entry in proxy.wait_log(20, status=200):
        assert entry["route"] == f"45.77.1.1:{world.port}"


def test_a_record_for_another_owner_is_ignored(start, names, world):
    def answer(name, kind):
        return [record("victim.example", "45.77.1.1")] if kind == "A" else []
    reply = start(names(answer), timeouts={"resolve": "1500ms"}).refusal(f"a.example:{world.port}")
    assert reply.status in (502, 504) and reply.error.startswith("dns_")


def test_a_cname_chain_is_judged_by_where_it_ends(start, names, world):
    rows = {"good.example": ["45.77.1.1"], "bad.example": ["127.0.0.1"]}
    rows |= {f"{kind}{i}.example": f"CNAME {kind}{i - 1 if i > 1 else ''}.example"
             for kind in ("good", "bad") for i in range(1, 6)}
    proxy = start(names(table(rows)))
    assert proxy.tunnel(f"good5.example:{world.port}").echoes()
    assert proxy.refusal(f"bad5.example:{world.port}").error == "destination_ip_prohibited"


def test_a_cname_loop_ends(start, names):
    rows = {"a.example": "CNAME a.example"}
    reply = start(names(table(rows)), timeouts={"resolve": "2s"}).refusal("a.example:443")
    assert reply.status in (502, 504) and reply.error.startswith("dns_")


def garbage(kind):
    """Answers that no parser may trip over; the question section is that of a.example."""
    question = b"\x01a\x07example\x00" + struct.pack(">HH", 1, 1)
    header = struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
    loop = b"\xc0\x1b" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\x2d\x4d\x01\x01"
    return {
        "a compression pointer to itself": header + question + loop,
        "a truncated record": header + question + b"\xc0\x0c\x00\x01\x00",
        "a record longer than the message": header + question + b"\xc0\x0c" +
                                            struct.pack(">HHIH", 1, 1, 60, 400) + b"\x2d",
        "an address of three bytes": header + question + b"\xc0\x0c" +
                                     struct.pack(">HHIH", 1, 1, 60, 3) + b"\x2d\x4d\x01",
        "counts without records": struct.pack(">HHHHH", 0x8180, 1, 65535, 65535, 65535) + question,
        "another question": header + b"\x01b\x07example\x00" + struct.pack(">HH", 1, 1) +
                            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\x2d\x4d\x01\x01",
        "no header": b"\x81",
    }[kind]


@pytest.mark.parametrize("kind", ["a compression pointer to itself", "a truncated record",
                                  "a record longer than the message", "an address of three bytes",
                                  "counts without records", "another question", "no header"])
def test_a_malformed_answer_is_an_error_in_time(start, names, world, kind):
    server = names(lambda name, qtype: garbage(kind) if name == "a.example" else
                   table({"b.example": ["45.77.1.1"]})(name, qtype))
    proxy = start(server, timeouts={"resolve": "1s"})
    reply = proxy.refusal(f"a.example:{world.port}")
    assert reply.status in (502, 504) and reply.error.startswith("dns_")
    assert proxy.tunnel(f"b.example:{world.port}").echoes()


def test_a_truncated_answer_is_asked_for_again_over_tcp(start, names, world):
    server = names(table({"a.example": ["45.77.1.1"]}))
    server.truncate = True
    assert start(server).tunnel(f"a.example:{world.port}").echoes()
    assert {how for _, _, how in server.queries} == {"udp", "tcp"}


def test_a_truncated_answer_without_tcp_is_an_error_in_time(start, names):
    server = names(table({"a.example": ["45.77.1.1"]}))
    server.truncate, server.serve_tcp = True, False
    reply = start(server, timeouts={"resolve": "2s"}).refusal("a.example:443")
    assert reply.status in (502, 504) and reply.error.startswith("dns_")


def test_askers_for_one_name_share_one_lookup(start, names, world):
    gate = threading.Event()
    inner = table({"a.example": ["45.77.1.1"], "b.example": ["45.77.1.1"]})

    def answer(name, kind):
        if name == "a.example":
            assert gate.wait(30)
        return inner(name, kind)

    server = names(answer)
    proxy = start(server, timeouts={"resolve": "25s"}, limits={"pending_per_destination": 64})
    clients = [proxy.socket() for _ in range(20)]
    for client in clients:
        client.sendall(connect_head(f"a.example:{world.port}"))
    proxy.wait_metric("penstock_pending", 20)
    gate.set()
    for client in clients:
        assert read_reply(client).status == 200
    assert server.asked("a.example", "A") == server.asked("a.example", "AAAA") == 1
    assert proxy.metrics().total("penstock_dns_answers_total", source="coalesced") >= 19


def test_an_answer_is_kept(start, names, world):
    server = names(table({"a.example": ["45.77.1.1"]}, ttl=300))
    proxy = start(server)
    for _ in range(5):
        assert proxy.tunnel(f"A.example.:{world.port}").echoes()
    assert server.asked("a.example", "A") == server.asked("a.example", "AAAA") == 1


def test_an_answer_is_asked_for_again_after_its_time(start, names, world):
    server = names(table({"a.example": ["45.77.1.1"]}, ttl=1))
    proxy = start(server)
    eventually(lambda: proxy.tunnel(f"a.example:{world.port}").echoes() and
               server.asked("a.example", "A") >= 2, "a second question")


def test_a_stale_answer_serves_while_the_servers_fail(start, names, world):
    rows = {"a.example": ["45.77.1.1"]}
    server = names(table(rows, missing="SERVFAIL", ttl=1))
    proxy = start(server, dns={"stale": "60s"}, timeouts={"resolve": "2s"})
    assert proxy.tunnel(f"a.example:{world.port}").echoes()
    rows.clear()
    asked = server.asked("a.example")
    eventually(lambda: proxy.tunnel(f"a.example:{world.port}").echoes() and
               server.asked("a.example") > asked, "an expired answer")
    assert proxy.tunnel(f"a.example:{world.port}").echoes()
    assert proxy.metrics().total("penstock_dns_answers_total", source="stale") >= 1


def test_search_domains_are_not_tried(start, names, world):
    server = names(table({"host.corp.test": ["45.77.1.1"]}))
    world.gate.rewrite("resolv.conf", "search corp.test\nnameserver 10.9.0.2\noptions ndots:5\n")
    assert start(server).refusal(f"host:{world.port}").error == "dns_error"
    assert server.asked("host.corp.test") == 0 < server.asked("host")


def test_search_domains_are_tried_where_they_are_wanted(start, names, world):
    server = names(table({"host.corp.test": ["45.77.1.1"]}))
    world.gate.rewrite("resolv.conf", "search corp.test\nnameserver 10.9.0.2\n")
    proxy = start(server, dns={"search": True})
    assert proxy.tunnel(f"host:{world.port}").echoes()


def test_the_hosts_file_is_followed_while_running(start, names, world):
    world.gate.rewrite("hosts", "127.0.0.1 localhost\n45.77.1.1 a.example A-Alias.example\n")
    server = names(table({}))
    proxy = start(server)
    for name in ("a.example", "a-alias.example"):
        assert proxy.tunnel(f"{name}:{world.port}").echoes()
    assert server.queries == []
    world.gate.rewrite("hosts", "127.0.0.1 localhost\n127.0.0.1 a.example\n45.77.1.1 b.example\n")
    eventually(lambda: proxy.ask(f"b.example:{world.port}").__class__.__name__ == "Tunnel",
               "the new hosts file")
    # A hosts file that gives a public name an internal address opens nothing.
    assert proxy.refusal(f"a.example:{world.port}").error == "destination_ip_prohibited"


def test_resolv_conf_is_followed_while_running(start, world):
    with contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(contextlib.closing(
                Names(table(rows), address, 53, ns=world.world)))
            for rows, address in (({"a.example": ["45.77.1.1"]}, "45.53.0.1"),
                                  ({"b.example": ["45.77.1.1"]}, "45.53.0.2")))
        world.gate.rewrite("resolv.conf", "nameserver 45.53.0.1\n")
        proxy = start(dns={"negative_ttl": "0s"})
        assert proxy.tunnel(f"a.example:{world.port}").echoes()
        assert proxy.refusal(f"b.example:{world.port}").status == 502
        world.gate.rewrite("resolv.conf", "nameserver 45.53.0.2\n")
        eventually(lambda: proxy.ask(f"b.example:{world.port}").__class__.__name__ == "Tunnel",
                   "the new name server")
        assert first.queries and second.queries


def test_a_client_that_leaves_during_a_lookup_gives_its_permit_back(start, names):
    proxy = start(names(lambda name, kind: None), timeouts={"resolve": "25s"})
    clients = [proxy.socket() for _ in range(10)]
    for number, client in enumerate(clients):
        client.sendall(connect_head(f"a{number}.example:443"))
    proxy.wait_metric("penstock_pending", 10)
    proxy.close_clients()
    proxy.wait_metric("penstock_pending", 0)
    assert {entry["error"] for entry in proxy.wait_log(10)} == {"client_gone"}


def test_the_cache_is_bounded(start, names, world):
    def answer(name, kind):
        return [record(name, "45.77.1.1", ttl=3600)] if kind == "A" else []
    proxy = start(names(answer), dns={"cache_entries": 64})
    for number in range(200):
        proxy.tunnel(f"n{number}.example:{world.port}").close()
    entries = proxy.metrics().total("penstock_dns_cache_entries")
    assert 1 <= entries <= 64
