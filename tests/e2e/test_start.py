"""Starting: what is refused with which exit status, and whom the program is started by."""

import json
import os
import re
import signal
import socket
import sys

import pytest

from proxy import BINARY, Penstock, run_command
from wire import connect_head, read_reply


def fails_to_start(tmp_path, config, **options):
    with pytest.raises(AssertionError, match="ended at the start with status 1") as failure:
        Penstock(tmp_path, config, **options)
    return str(failure.value)


def test_an_address_in_use_is_said_in_one_line(tmp_path, listener):
    taken = listener()
    said = fails_to_start(tmp_path, {"listeners": [{"address": taken.authority}]})
    assert [line for line in said.splitlines()
            if taken.authority in line and "in use" in line.lower()], said


def test_two_proxies_do_not_share_a_port(penstock, tmp_path):
    first = penstock()
    said = fails_to_start(tmp_path, {"listeners": [{"address": "%s:%d" % first.address}]})
    assert "in use" in said.lower()


BROKEN = """
listeners:
  - address: 127.0.0.1:99999
admin: {address: "127.0.0.1:0"}
polcy: {}
timeouts: {head: 10}
limits: {tunnels: -1, head_bytes: lots}
policy:
  mode: enforced
  rules:
    - name: a
      allow: ["*.example.com", "10.0.0.0/99:1"]
"""


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_bad_configuration_exits_with_2_and_names_every_fault(tmp_path, command):
    file = tmp_path / "bad.yaml"
    file.write_text(BROKEN)
    done = run_command(command, "--config", str(file))
    assert done.returncode == 2
    said = done.stderr + done.stdout
    places = set(re.findall(r"bad\.yaml:(\d+):\d+: ", said))
    assert places >= {"3", "5", "6", "7", "9", "12"}, said
    assert "policy" in said  # what `polcy` should have been


def test_a_configuration_that_is_missing_exits_with_2(tmp_path):
    done = run_command("run", "--config", str(tmp_path / "none.yaml"))
    assert done.returncode == 2 and "none.yaml" in done.stderr


def test_a_good_configuration_passes_check(penstock):
    done = run_command("check", "--config", str(penstock().config_file))
    assert done.returncode == 0, done.stderr


def test_the_schema_is_json():
    done = run_command("check", "--schema")
    assert done.returncode == 0 and json.loads(done.stdout)["type"] == "object"


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["run", "--help"],
                                       ["check", "--help"], ["explain", "--help"],
                                       ["load", "--help"], ["load", "origin", "--help"]])
def test_help_and_version_exit_with_0(arguments):
    done = run_command(*arguments)
    assert done.returncode == 0 and "penstock" in done.stdout


COMMANDS = ["run", "check", "explain", "plan", "probe", "load", "trace", "ca", "version"]


def test_help_lists_every_command():
    said = run_command("--help").stdout
    assert re.findall(r"^  ([a-z]+) ", said, re.M) == COMMANDS, said


def test_an_unknown_command_is_told_which_there_are():
    done = run_command("frobnicate")
    there_are = f"{', '.join(COMMANDS[:-1])} and {COMMANDS[-1]}"
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (f'no command "frobnicate"; there are {there_are} '
                           "(--help says more)\n")


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["run", "--nothing"], ["explain"],
                                       ["load", "--nothing"], ["load", "nothing"]])
def test_wrong_usage_exits_with_2(arguments):
    assert run_command(*arguments).returncode == 2


def test_several_listeners_of_both_families(penstock, echo):
    proxy = penstock({"listeners": [{"address": "127.0.0.1:0"}, {"address": "[::1]:0"}]})
    addresses = proxy.addresses("listening on")
    assert {host for host, _ in addresses} == {"127.0.0.1", "::1"}
    for address in addresses:
        with proxy.socket(address) as sock:
            sock.sendall(connect_head(echo.authority))
            assert read_reply(sock).status == 200


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.set_inheritable(3, True)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_listeners_can_be_inherited_from_a_service_manager(penstock, echo):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        # Bytes that came before the program did.
        early = socket.create_connection(address, timeout=30)
        early.sendall(connect_head(echo.authority))
        proxy = penstock({"listeners": [{"address": "%s:%d" % address}]},
                         launcher=[sys.executable, "-c", ACTIVATE, str(listener.fileno())],
                         pass_fds=[listener.fileno()])
    assert proxy.address == address
    with early:
        assert read_reply(early).status == 200
    assert proxy.tunnel(echo.authority).echoes()
    assert BINARY.name in os.readlink(f"/proc/{proxy.process.pid}/exe")


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_is_told_about_start_reload_and_end(penstock, tmp_path, abstract):
    path = f"\0penstock-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(30)
        proxy = penstock(env={"NOTIFY_SOCKET": path.replace("\0", "@")})

        def told(word):
            while word not in (message := manager.recv(4096).decode()).splitlines():
                assert message
            return message

        told("READY=1")
        proxy.reload({})
        assert "MONOTONIC_USEC=" in told("RELOADING=1")
        told("READY=1")
        proxy.signal(signal.SIGTERM)
        told("STOPPING=1")
    proxy.judge_end()


def test_without_a_configuration_only_public_https_is_open(quarantine, tmp_path):
    proxy = Penstock(tmp_path, ns=quarantine, arguments=["run"])
    try:
        assert proxy.address == ("127.0.0.1", 3128) and proxy.admin == ("127.0.0.1", 3129)
        for target in ("127.0.0.1:443", "10.0.0.1:443", "45.77.1.1:22", "169.254.169.254:80"):
            assert proxy.refusal(target).status == 403
        # Allowed, and there is no way out of this place.
        assert proxy.refusal("45.77.1.1:443").error == "destination_ip_unroutable"
        proxy.end()
    finally:
        proxy.kill()
