"""A client that goes away: the provider must not go on working for nobody."""

import json
import socket
import time
import urllib.request

import pytest

import stand

SLOW = "[[sim:tps=5]] [[sim:tokens=500]]"
REQUESTS = {
    "chat": lambda model: (
        "/v1/chat/completions", {"model": model, "stream": True, "messages": [{"role": "user", "content": SLOW}]}
    ),
    "responses": lambda model: ("/v1/responses", {"model": model, "stream": True, "store": False, "input": SLOW}),
    "messages": lambda model: (
        "/v1/messages",
        {"model": model, "stream": True, "max_tokens": 600, "messages": [{"role": "user", "content": SLOW}]},
    ),
    "generate": lambda model: (
        f"/v1beta/models/{model}:streamGenerateContent?alt=sse", {"contents": [{"role": "user", "parts": [{"text": SLOW}]}]}
    ),
}


def counts(simulator_url):
    with urllib.request.urlopen(f"{simulator_url}/sim/requests", timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize("upstream", list(stand.UPSTREAMS))
@pytest.mark.parametrize("format", list(REQUESTS))
def test_a_client_that_goes_away_ends_the_upstream_call(relay, simulator_url, format, upstream):
    before = counts(simulator_url)
    path, body = REQUESTS[format](f"via-{upstream}")
    data = json.dumps(body).encode()
    host, port = relay.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"anthropic-version: 2023-06-01\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
        )
        seen = b""
        while b"data:" not in seen:
            piece = connection.recv(4096)
            assert piece, seen
            seen += piece
    until = time.monotonic() + 3
    while time.monotonic() < until:
        now = counts(simulator_url)
        if now["cancelled"] > before["cancelled"] and now["in_flight"] <= before["in_flight"]:
            return
        time.sleep(0.02)
    pytest.fail(f"the simulator still works for nobody: {before} -> {counts(simulator_url)}")
