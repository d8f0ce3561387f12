"""Input that nobody well-meaning sends: always a clear 4xx in the dialect of the path, and the connection lives on."""

import json
import socket
import urllib.error
import urllib.request

import pytest


def post(relay, path, body, headers=None):
    request = urllib.request.Request(
        relay.url + path, data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"content-type": "application/json", "anthropic-version": "2023-06-01"} | (headers or {}),
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


BAD_BODIES = [
    pytest.param(b"", id="empty"),
    pytest.param(b"{", id="cut"),
    pytest.param(b"[]", id="array"),
    pytest.param(b"null", id="null"),
    pytest.param(b'{"model": "via-openai"} x', id="garbage-after"),
    pytest.param(b'{"model": 7, "messages": []}', id="model-is-a-number"),
    pytest.param(b'{"model": "a", "model": "b", "messages": []}', id="model-twice"),
    pytest.param(b'{"mod\\u0065l": "a", "model": "b", "messages": []}', id="model-twice-in-disguise"),
    pytest.param(b'{"model": "via-openai", "messages": ' + b"[" * 5000 + b"]" * 5000 + b"}", id="too-deep"),
    pytest.param(b'{"model": "via-openai", "messages": [{"role": "user", "content": NaN}]}', id="nan"),
    pytest.param(b'{"model": "via-openai", "messages": "\xff\xfe"}', id="not-utf-8"),
    pytest.param(b'{"model": "via-openai", "stream": "yes", "messages": []}', id="stream-is-a-string"),
]


@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_bad_bodies_are_400_in_the_dialect_of_the_path(relay, path, body):
    status, answer = post(relay, path, body)
    assert status == 400, answer
    error = json.loads(answer)
    if path == "/v1/messages":
        assert error["type"] == "error" and error["error"]["type"] == "invalid_request_error"
    else:
        assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["message"]


@pytest.mark.parametrize("path,status", [("/v1/nonsense", 404), ("/v1/chat/completions/", None), ("//v1/chat/completions", None)])
def test_unknown_paths_are_clean(relay, path, status):
    got, answer = post(relay, path, {"model": "via-openai", "messages": [{"role": "user", "content": "Hello"}]})
    assert got == status or (status is None and got in (200, 404))
    json.loads(answer)


def test_a_wrong_method_is_405(relay):
    request = urllib.request.Request(f"{relay.url}/v1/chat/completions", method="GET")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 405 and json.load(caught.value)["error"]["message"]


def test_a_connection_is_usable_after_an_error(relay):
    host, port = relay.url.removeprefix("http://").split(":")
    good = b'{"model":"via-openai","messages":[{"role":"user","content":"Hello"}]}'
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        stream = connection.makefile("rb")
        for body, wanted in [(b"{", b"400"), (good, b"200"), (b"[]", b"400"), (good, b"200")]:
            connection.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                % (host.encode(), len(body)) + body
            )
            assert stream.readline().split()[1] == wanted
            length = None
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            assert length is not None, "a buffered answer says how long it is"
            stream.read(length)


SMUGGLED = [
    pytest.param(b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="both-lengths"),
    pytest.param(b"content-length: 4\r\ncontent-length: 5\r\n\r\n{}{}", id="two-lengths"),
    pytest.param(b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunked-not-last"),
    pytest.param(b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown-coding"),
    pytest.param(b"content-length: +4\r\n\r\n{}{}", id="signed-length"),
    pytest.param(b"content-length : 4\r\n\r\n{}{}", id="space-before-colon"),
    pytest.param(b"authorization: Bearer a\r\nauthorization: Bearer b\r\ncontent-length: 2\r\n\r\n{}", id="two-keys"),
]


@pytest.mark.parametrize("rest", SMUGGLED)
def test_ambiguous_requests_are_refused(relay, rest):
    host, port = relay.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: %s\r\n" % host.encode() + rest)
        connection.settimeout(10)
        answer = connection.recv(4096)
    assert answer == b"" or answer.split()[1] == b"400", answer


def test_keyless_mode_insists_on_a_loopback_host(relay):
    body = {"model": "via-openai", "messages": [{"role": "user", "content": "Hello"}]}
    status, _ = post(relay, "/v1/chat/completions", body, {"host": "evil.example"})
    assert status in (400, 403, 421)
    status, _ = post(relay, "/v1/chat/completions", body, {"origin": "https://evil.example"})
    assert status == 403
