"""`penstock probe` and its model at a known distance: client, proxy and origin in namespaces of
their own, with wires between them on which every packet takes its time. What the model predicts
is what physics leaves, so a measurement may be longer, and never shorter."""

import contextlib

import pytest

from distance import Wire
from names import Names, table
from netns import NetNs
from test_probe import found, phase, report
from tls import Nginx

CLIENT_PROXY, PROXY_ORIGIN = 0.040, 0.060
ORIGIN = "10.82.0.2"


class World:
    """client --40 ms-- gate --60 ms-- origin. The client reaches the origin through the gate as a
    router as well: that is the direct way."""

    def __init__(self, stack, directory):
        hosts = f"127.0.0.1 localhost\n{ORIGIN} app.test\n"
        self.client = self._ns(stack, hosts)
        self.gate = self._ns(stack, hosts)
        self.origin = self._ns(stack, hosts)
        self.near = stack.enter_context(contextlib.closing(
            Wire(self.client, self.gate, 81, CLIENT_PROXY, directory)))
        self.far = stack.enter_context(contextlib.closing(
            Wire(self.gate, self.origin, 82, PROXY_ORIGIN, directory)))
        self.gate.sysctl("net.ipv4.ip_forward", "1")
        self.client.run("ip", "route", "add", "default", "via", self.near.far_address)
        self.origin.run("ip", "route", "add", "default", "via", self.far.near_address)

    @staticmethod
    def _ns(stack, hosts):
        ns = NetNs(hosts=hosts)
        stack.callback(ns.delete)
        return ns


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield World(stack, tmp_path_factory.mktemp("wires"))


@pytest.fixture(scope="module")
def origins(world, authority, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        started = {version: stack.enter_context(contextlib.closing(
            Nginx(tmp_path_factory.mktemp("nginx"), authority, ["app.test", "far.test"], version, ORIGIN,
                  world.origin))) for version in ("TLSv1.2", "TLSv1.3")}
        for nginx in started.values():
            (nginx.root / "index.html").write_text("hello")
        yield started


@pytest.fixture(scope="module")
def proxy(world, shared_penstock):
    running = shared_penstock(
        {"listeners": [{"address": f"{world.near.far_address}:0"}],
         "policy": {"rules": [{"name": "far", "allow": ["app.test:1-65535"],
                               "addresses": [f"{ORIGIN}/32"]}]},
         "server_timing": True}, ns=world.gate)
    running.url = "http://%s:%d" % running.address
    return running


def ask(world, origin, *arguments):
    return found("--ca", origin.ca, "--timeout", "30s", "-n", 5, *arguments,
                 f"https://app.test:{origin.port}/", ns=world.client)


def shortest(result, word):
    return result["summary"][word]["min_ms"]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_phases_hold_the_round_trips_of_their_way(world, origins, proxy, version):
    near, far = 1000 * CLIENT_PROXY, 1000 * PROXY_ORIGIN
    whole, two = near + far, version == "TLSv1.2"
    result = ask(world, origins[version], "--proxy", proxy.url, "--compare", "direct")
    assert result["good"], result
    for run in result["runs"]:
        assert phase(run, "proxy_tcp")["duration_ms"] >= near
        assert phase(run, "connect")["duration_ms"] >= near + far
        assert phase(run, "proxy_dial")["duration_ms"] >= far
        for word in ("server_hello", "first_byte"):
            assert phase(run, word)["duration_ms"] >= whole, word
        assert phase(run, "proxy_tcp")["rtt_ms"] >= near
    for run in result["direct_runs"]:
        for word in ("origin_tcp", "server_hello", "first_byte"):
            assert phase(run, word)["duration_ms"] >= whole, word
    # TLS 1.2 has a round trip in what TLS 1.3 does at once.
    handshake = shortest(result, "handshake")
    assert handshake >= whole if two else handshake < whole
    # The dial is not the client's to wait for twice: the 200 costs one round trip on each wire.
    assert shortest(result, "connect") < 2 * whole


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_model_agrees_with_the_measurement(world, origins, proxy, version):
    result = ask(world, origins[version], "--proxy", proxy.url, "--compare", "model")
    model, = result["models"]
    assert "TCP to the proxy" in result["model_of"] and "Server-Timing" in result["model_of"]
    told = found("--model", "--rtt-client-proxy", "40ms", "--rtt-proxy-origin", "60ms", "--tls",
                 version.removeprefix("TLSv"))
    told = next(one for one in told["models"] if one["way"] == "CONNECT")
    for word in ("proxy_tcp", "connect", "server_hello", "handshake", "first_byte"):
        measured, predicted = shortest(result, word), phase(told, word)["duration_ms"]
        assert measured >= predicted, word
        assert phase(model, word)["duration_ms"] >= predicted, word
        # A busy machine adds to every wait; a round trip too many would add a whole way.
        if predicted:
            assert measured < 3 * predicted + 50, word
    total = shortest(result, "total")
    assert told["total_ms"] <= total < 3 * told["total_ms"]


def test_a_look_up_far_away_is_the_proxys_own_share(world, origins, penstock):
    """The name server is as far from the proxy as the origin is."""
    near, far = 1000 * CLIENT_PROXY, 1000 * PROXY_ORIGIN
    origin = origins["TLSv1.3"]
    names = Names(table({"far.test": [ORIGIN]}), host=ORIGIN, ns=world.origin)
    with contextlib.closing(names):
        rule = {"name": "far", "allow": ["far.test:1-65535"], "addresses": [f"{ORIGIN}/32"]}
        proxy = penstock({"listeners": [{"address": f"{world.near.far_address}:0"}],
                          "policy": {"rules": [rule]}, "dns": {"servers": [names.address]},
                          "server_timing": True}, ns=world.gate)
        run, = found("--ca", origin.ca, "--timeout", "30s", "--proxy",
                     "http://%s:%d" % proxy.address, f"https://far.test:{origin.port}/",
                     ns=world.client)["runs"]
    resolve, dial, wait = (phase(run, word) for word in ("proxy_resolve", "proxy_dial", "connect"))
    assert resolve["duration_ms"] >= far and dial["duration_ms"] >= far
    assert wait["duration_ms"] >= near + 2 * far
    assert wait["start_ms"] <= resolve["start_ms"] <= dial["start_ms"]
    assert dial["end_ms"] <= wait["end_ms"]


def test_the_comparison_is_told_in_a_table(world, origins, proxy):
    origin = origins["TLSv1.3"]
    text = report("--ca", origin.ca, "--proxy", proxy.url, "--compare", "model", "-n", 2,
                  f"https://app.test:{origin.port}/", ns=world.client)
    assert "phase, ms                  fastest       model  difference" in text
    assert "model of client-proxy" in text
