"""Programs that listen on a port: started in a folder of their own, ended with the test."""

import contextlib
import socket
import subprocess
import tempfile
from pathlib import Path

from wire import DEADLINE, eventually


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _end(process):
    """In good order, since squid leaves shared memory behind otherwise."""
    process.terminate()
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Programs:
    """`start` is given a command and the port on 127.0.0.1 on which it will listen."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        # Daemons that give up root's rights read and write here after that.
        self.folder = Path(self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix="penstock-programs-")))
        self.folder.chmod(0o777)

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o644)
        return path

    def start(self, command, port):
        output = self.folder / f"{command[0]}-{port}.out"
        with open(output, "wb") as said:
            process = subprocess.Popen([str(word) for word in command], stdout=said,
                                       stderr=subprocess.STDOUT, cwd=self.folder)
        self._stack.callback(_end, process)

        def listens():
            assert process.poll() is None, output.read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True
        eventually(listens, command[0])
        return process

    def close(self):
        self._stack.close()

    # Those that more than one test needs.

    def squid(self, lines, port=None):
        """A squid with `lines` in its configuration beside what every one has: its port."""
        port = port or free_port()
        name = f"squid{port}"
        config = self.write(f"{name}.conf", f"""
{lines.replace("@PORT@", str(port))}
http_access allow all
cache deny all
cache_mem 8 MB
memory_cache_shared off
cache_log {self.folder}/{name}.log
access_log none
pid_filename {self.folder}/{name}.pid
coredump_dir {self.folder}
netdb_filename none
icp_port 0
pinger_enable off
shutdown_lifetime 0 seconds
""")
        # Its shared memory goes by this name, and there may be another squid on the machine.
        self.start(["squid", "-N", "-n", name, "-f", config], port)
        return port

    def haproxy(self, sections):
        """An haproxy in TCP mode: its port, which is @PORT@ in `sections`."""
        port = free_port()
        config = self.write(f"haproxy{port}.cfg", f"""
defaults
  mode tcp
  timeout connect 30s
  timeout client 30s
  timeout server 30s
{sections.replace("@PORT@", str(port))}
""")
        self.start(["haproxy", "-db", "-f", config], port)
        return port


def both(certificate):
    """A certificate and its key, as Authority.issue() gives them, in one file's text."""
    files, key = certificate
    return Path(files).read_bytes() + Path(key).read_bytes()
