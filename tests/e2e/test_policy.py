"""Who may go where. Everything here runs in a sandbox whose `world` answers on every address, so
a refusal that is none shows up as a connection."""

import contextlib
import json

import pytest

from names import Names, table
from origins import Echo, Listener
from proxy import run_command
from wire import Tunnel, eventually

ANYWHERE = [{"name": "anywhere", "allow": ["*:1-65535"]}]

NAMES = {
    "open.example": ["45.77.1.1"],
    "other.example": ["45.77.1.2"],
    "denied.example": ["45.77.1.1"],
    "six.example": ["2a0e:b107::1"],
    "inner.example": ["10.50.0.1"],
    "loop.example": ["127.0.0.1"],
    "mapped.example": ["::ffff:a32:1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "metadata.example": ["169.254.169.254"],
    "mixed.example": ["10.50.0.1", "45.77.1.1", "127.0.0.1"],
    "alias.example": "CNAME inner.example",
    "far.alias.example": "CNAME alias.example",
    "own.example": ["45.88.0.1"],
}

# Everything that is not a public address, and everything that hides one that is not.
INTERNAL = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
127.255.255.254 168.63.129.16 169.254.0.1 169.254.0.23 169.254.169.254 169.254.170.2
169.254.170.23 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 [::] [::1] [::10.0.0.5] [::ffff:127.0.0.2] [::ffff:7f00:2] [::ffff:10.0.0.5]
[::ffff:0:10.0.0.5] [64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::a00:1] [100::1]
[2001::1] [2001:0:a9fe:a9fe::1] [2001:db8::1] [2002:a9fe:a9fe::] [2002:7f00:1::1]
[2a0e:b107::5efe:10.0.0.5] [2a0e:b107::200:5efe:10.0.0.5] [3fff::1] [5f00::1] [fc00::1]
[fd00:ec2::254] [fd00:ec2::23] [fd20:ce::254] [fe80::1] [febf::1] [fec0::1] [ff02::1]
""".split()


@pytest.fixture(scope="module")
def world(shared_sandbox):
    """Origins on the same port of every address of the world and of the gate, and a name server."""
    box = shared_sandbox
    box.gate.run("ip", "addr", "add", "45.88.0.1/32", "dev", "lo")
    with contextlib.ExitStack() as stack:
        box.v4 = stack.enter_context(contextlib.closing(Echo("0.0.0.0", ns=box.world)))
        box.port = box.v4.port
        box.v6 = stack.enter_context(contextlib.closing(Echo("::", box.port, ns=box.world)))
        box.gate_v4 = stack.enter_context(
            contextlib.closing(Listener("0.0.0.0", box.port, ns=box.gate)))
        box.gate_v6 = stack.enter_context(contextlib.closing(Listener("::", box.port, ns=box.gate)))
        box.names = stack.enter_context(
            contextlib.closing(Names(table(NAMES), box.WORLD_V4, 53, ns=box.world)))
        box.reached = lambda: (box.v4.accepted + box.v6.accepted + box.gate_v4.accepts() +
                               box.gate_v6.accepts())
        yield box


@pytest.fixture
def start(penstock, world):
    def start(rules, mode="enforce", **sections):
        return penstock({"policy": {"mode": mode, "rules": rules}, **sections}, ns=world.gate)
    return start


@pytest.fixture(scope="module")
def anywhere(shared_penstock, world):
    return shared_penstock({"policy": {"rules": ANYWHERE}}, ns=world.gate)


def test_what_no_rule_allows_is_refused_and_never_looked_up(start, world):
    proxy = start([{"name": "one", "allow": ["open.example:443"]}])
    for target in ("unlisted.example:443", "open.example:444", "45.77.1.1:443"):
        reply = proxy.refusal(target)
        assert (reply.status, reply.error) == (403, "http_request_denied")
    assert world.names.asked("unlisted.example") == 0
    (entry,) = proxy.wait_log(authority="unlisted.example:443")
    assert (entry["status"], entry["error"], entry["side"]) == (403, "name_denied", "policy")


def test_an_empty_policy_refuses_everything(start):
    proxy = start([])
    assert proxy.refusal("open.example:443").status == 403
    assert proxy.refusal("127.0.0.1:443").status == 403


def test_a_public_name_is_reached_over_both_families(anywhere, world):
    for name in ("open.example", "six.example"):
        assert anywhere.tunnel(f"{name}:{world.port}").echoes()
    anywhere.close_clients()
    entry = anywhere.wait_log(authority=f"open.example:{world.port}")[0]
    assert entry["route"] == f"45.77.1.1:{world.port}" and entry["rule"] == "anywhere"


def test_public_literals_are_reached(anywhere, world):
    for host in ("45.77.1.1", "[2a0e:b107::1]", "[2A0E:B107:0::0:1]"):
        assert anywhere.tunnel(f"{host}:{world.port}").echoes()


@pytest.mark.parametrize("host", INTERNAL)
def test_an_internal_address_is_closed_to_a_rule_for_anywhere(anywhere, world, host):
    before = world.reached()
    reply = anywhere.refusal(f"{host}:{world.port}")
    assert (reply.status, reply.error) == (403, "destination_ip_prohibited")
    assert world.reached() == before


@pytest.mark.parametrize("name", ["inner", "loop", "mapped", "nat64", "metadata", "alias",
                                  "far.alias", "own"])
def test_a_name_that_leads_to_an_internal_address_is_refused(anywhere, world, name):
    before = world.reached()
    reply = anywhere.refusal(f"{name}.example:{world.port}")
    assert (reply.status, reply.error) == (403, "destination_ip_prohibited")
    assert not [value for value in reply.fields.values() if "10.50" in value or "127.0" in value]
    assert world.reached() == before


def test_of_a_mixed_answer_only_the_public_address_is_dialled(anywhere, world):
    inside = world.gate_v4.accepts()
    for _ in range(20):
        assert anywhere.tunnel(f"mixed.example:{world.port}").echoes()
    anywhere.close_clients()
    entries = anywhere.wait_log(20, authority=f"mixed.example:{world.port}")
    assert {entry["route"] for entry in entries} == {f"45.77.1.1:{world.port}"}
    assert world.gate_v4.accepts() == inside


def test_an_address_of_the_proxys_own_machine_is_no_public_address(anywhere, world):
    before = world.reached()
    assert anywhere.refusal(f"45.88.0.1:{world.port}").status == 403
    assert world.reached() == before


@pytest.mark.parametrize("spelling", ["denied.example", "DENIED.example", "Denied.Example.",
                                      "denied.example."])
def test_every_spelling_of_a_name_has_the_same_verdict(start, world, spelling):
    proxy = start([{"name": "no", "deny": ["denied.example:1-65535"]}, *ANYWHERE])
    reply = proxy.refusal(f"{spelling}:{world.port}")
    assert (reply.status, reply.word) == (403, "name_denied")
    proxy.wait_log(authority=f"denied.example:{world.port}", rule="no")
    assert proxy.tunnel(f"open.example:{world.port}").echoes()


def test_the_first_match_decides(start, world):
    proxy = start([
        {"name": "yes", "allow": [f"open.example:{world.port}"]},
        {"name": "no", "deny": ["*.example:1-65535", "open.example:1-65535"]},
        *ANYWHERE,
    ])
    assert proxy.tunnel(f"open.example:{world.port}").echoes()
    assert proxy.refusal("open.example:1").status == 403
    assert proxy.refusal(f"other.example:{world.port}").status == 403


def test_a_suffix_pattern_covers_what_is_below_it_and_not_itself(start, world):
    proxy = start([{"name": "below", "allow": [f"*.example:{world.port}"]},
                   {"name": "exact", "deny": ["*:1-65535"]}])
    assert proxy.tunnel(f"open.example:{world.port}").echoes()
    assert proxy.refusal(f"example:{world.port}").word == "name_denied"
    assert proxy.refusal(f"notexample:{world.port}").word == "name_denied"


def test_a_denied_prefix_holds_for_names_that_lead_there(start, world):
    proxy = start([{"name": "no", "deny": ["45.77.1.1/32:1-65535"]}, *ANYWHERE])
    assert proxy.refusal(f"open.example:{world.port}").error == "destination_ip_prohibited"
    assert proxy.tunnel(f"other.example:{world.port}").echoes()


def test_ports_may_be_numbers_ranges_and_lists(start, world):
    port = world.port
    proxy = start([{"name": "ports", "allow": [f"open.example:1,2,{port}",
                                               f"other.example:{port}-{port + 1}"]}])
    for target in (f"open.example:{port}", f"other.example:{port}"):
        assert proxy.tunnel(target).echoes()
    for target in ("open.example:3", f"other.example:{port - 1}", f"other.example:{port + 2}"):
        assert proxy.refusal(target).status == 403


def test_addresses_opens_internal_addresses_and_closes_all_others(start, world):
    proxy = start([{"name": "lab", "allow": ["*.example:1-65535"], "addresses": ["10.50.0.0/16"]}])
    assert proxy.tunnel(f"inner.example:{world.port}").echoes()
    before = world.reached()
    for name in ("open", "loop", "metadata", "nat64"):
        reply = proxy.refusal(f"{name}.example:{world.port}")
        assert (reply.status, reply.error) == (403, "destination_ip_prohibited")
    assert world.reached() == before


def test_a_literal_or_prefix_opens_exactly_itself(start, world):
    proxy = start([{"name": "lab", "allow": ["10.50.0.0/24:1-65535", "[fd77::1]:1-65535"]}])
    for host in ("10.50.0.1", "10.50.0.255", "[fd77::1]", "[fd77:0:0::1]"):
        assert proxy.tunnel(f"{host}:{world.port}").echoes()
    for host in ("10.50.1.1", "[fd77::2]", "inner.example"):
        assert proxy.refusal(f"{host}:{world.port}").status == 403


def test_rules_can_be_for_some_clients_only(start, world):
    proxy = start([{"name": "some", "allow": ["open.example:1-65535"],
                    "clients": ["127.0.0.8/29"]}])
    assert proxy.tunnel(f"open.example:{world.port}", source="127.0.0.9").echoes()
    assert proxy.refusal(f"open.example:{world.port}", source="127.0.0.16").status == 403
    assert proxy.refusal(f"open.example:{world.port}").status == 403
    lines = proxy.wait_log(2, error="name_denied")
    # In whichever order: two workers write the log.
    assert {line["client"].rpartition(":")[0] for line in lines} == {"127.0.0.16", "127.0.0.1"}


def test_the_proxy_is_never_its_own_destination(start, world):
    lab = {"name": "lab", "allow": ["0.0.0.0/0:1-65535", "[::/0]:1-65535", "*:1-65535"],
           "addresses": ["0.0.0.0/0", "::/0"]}
    proxy = start([lab])
    for port in (proxy.address[1], proxy.admin[1]):
        for host in ("127.0.0.1", "loop.example", "0.0.0.0", "[::ffff:127.0.0.1]"):
            reply = proxy.refusal(f"{host}:{port}")
            assert (reply.status, reply.error) == (502, "proxy_loop_detected"), host
        # The other address of localhost is not the proxy, and nobody listens there.
        assert proxy.refusal(f"localhost:{port}").error == "connection_refused"
    entry = proxy.wait_log(8, error="loop")[0]
    assert entry["side"] == "policy"


def test_report_mode_lets_public_addresses_pass_and_says_so(start, world):
    proxy = start([{"name": "one", "allow": [f"open.example:{world.port}"]}], mode="report")
    for name, would_deny in (("open", False), ("other", True)):
        tunnel = proxy.tunnel(f"{name}.example:{world.port}")
        assert tunnel.echoes()
        tunnel.close()
        (entry,) = proxy.wait_log(authority=f"{name}.example:{world.port}")
        assert bool(entry.get("would_deny")) is would_deny
    before = world.reached()
    for host in ("inner.example", "loop.example", "10.50.0.1", "169.254.169.254"):
        assert proxy.refusal(f"{host}:{world.port}").status == 403
    assert world.reached() == before


EXPLAINED = ["open.example", "denied.example", "inner.example", "mixed.example", "loop.example",
             "45.77.1.1", "10.50.0.1", "169.254.169.254", "[::1]"]


def test_explain_says_what_the_proxy_does(start, world):
    proxy = start([{"name": "no", "deny": ["denied.example:1-65535"]},
                   {"name": "lab", "allow": ["10.50.0.1:1-65535"], "clients": ["127.0.0.9/32"]},
                   *ANYWHERE])
    for client in ("127.0.0.1", "127.0.0.9"):
        for host in EXPLAINED:
            authority = f"{host}:{world.port}"
            got = proxy.ask(authority, source=client)
            explained = run_command("explain", "--config", str(proxy.config_file), "--client",
                                    client, authority, "--json", ns=world.gate)
            assert explained.returncode in (0, 1), explained
            said = json.loads(explained.stdout)
            reply = got.reply if isinstance(got, Tunnel) else got
            assert (said["status"], said["error"]) == (reply.status, reply.word or ""), host
            assert (said["verdict"] == "allowed") == (explained.returncode == 0) == (
                reply.status == 200)
            proxy.close_clients()
            (entry,) = eventually(
                lambda: [line for line in proxy.log() if line["authority"] == authority and
                         line["client"].startswith(f"{client}:")], "the log line")
            assert (said["rule"] or {"name": ""})["name"] == entry["rule"]
            passed = [a["address"] for a in said["addresses"] if a["verdict"] == "allowed"]
            assert (entry["route"].rpartition(":")[0] in passed) if passed else not entry["route"]


def test_an_address_that_the_machine_gets_later_is_its_own_too(start, world):
    proxy = start(ANYWHERE)
    target = f"45.88.0.2:{world.port}"
    tunnel = proxy.tunnel(target)
    assert tunnel.echoes()
    world.gate.run("ip", "addr", "add", "45.88.0.2/32", "dev", "lo")
    try:
        tunnel.receive_to_end()  # when the proxy next looks at its interfaces
        proxy.wait_log(error="policy_changed", authority=target)
        before = world.reached()
        reply = proxy.refusal(target)
        assert (reply.status, reply.error) == (403, "destination_ip_prohibited")
        assert world.reached() == before
    finally:
        world.gate.run("ip", "addr", "del", "45.88.0.2/32", "dev", "lo")
