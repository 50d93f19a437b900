"""Calls of gRPC by a proxy, in a process of their own: grpcio brings threads and reads http_proxy
when it is loaded. Arguments: the server's certificate and key, the owner's root, the proxy."""

import os
import sys
from concurrent import futures

certificate, key, root, proxy = sys.argv[1:]
os.environ["http_proxy"] = f"http://{proxy}"
os.environ.pop("no_proxy", None)

import grpc  # noqa: E402


def read(path):
    with open(path, "rb") as file:
        return file.read()


def unary(request, context):
    if request == b"error":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "so it is")
    context.set_trailing_metadata((("asked-by", dict(context.invocation_metadata())["who"]),))
    return request.upper()


def up(requests, _context):
    return b"".join(requests)


def down(request, _context):
    for byte in request:
        yield bytes([byte])


def both(requests, _context):
    for request in requests:
        yield request.upper()


HANDLERS = {"Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Up": grpc.stream_unary_rpc_method_handler(up),
            "Down": grpc.unary_stream_rpc_method_handler(down),
            "Both": grpc.stream_stream_rpc_method_handler(both)}


def main():
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("penstock.Echo", HANDLERS),))
    port = server.add_secure_port("127.0.0.1:0",
                                  grpc.ssl_server_credentials([(read(key), read(certificate))]))
    server.start()
    channel = grpc.secure_channel(f"app.test:{port}", grpc.ssl_channel_credentials(read(root)),
                                  [("grpc.enable_http_proxy", 1)])
    name = "/penstock.Echo/"
    answer, call = channel.unary_unary(name + "Unary").with_call(
        b"hello", metadata=(("who", "me"),), timeout=30)
    assert answer == b"HELLO" and ("asked-by", "me") in [tuple(m) for m in call.trailing_metadata()]
    print("unary")
    try:
        channel.unary_unary(name + "Unary")(b"error", timeout=30)
        sys.exit("no error came")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        assert error.details() == "so it is", error
    print("error")
    big = bytes(1 << 20)
    assert channel.stream_unary(name + "Up")(iter([big, big, b"x"]), timeout=30) == big + big + b"x"
    print("up")
    assert b"".join(channel.unary_stream(name + "Down")(b"abc" * 100, timeout=30)) == b"abc" * 100
    print("down")
    heard = []

    def talk():
        yield b"a"
        for letter in (b"b", b"c"):
            while len(heard) < letter[0] - ord("a"):  # not before the last one was answered
                pass
            yield letter
    for word in channel.stream_stream(name + "Both")(talk(), timeout=30):
        heard.append(word)
    assert heard == [b"A", b"B", b"C"]
    print("both")
    calls = [channel.unary_unary(name + "Unary").future(b"%d" % n, metadata=(("who", "me"),), timeout=30)
             for n in range(100)]
    assert [call.result() for call in calls] == [b"%d" % n for n in range(100)]
    print("many")
    channel.close()
    server.stop(None)


main()
