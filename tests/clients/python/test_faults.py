"""Providers that fail, as the official clients meet them: what another key or another provider can mend they never see,
and what nobody can mend raises the class that their own documentation names.

The simulated provider is told from beside which of its keys fails and how. The whole matrix is a Rust test; here a part
of it goes through the clients that people use.
"""

import itertools
import json
import urllib.request

import anthropic
import openai
import pytest
from google.genai import errors as google

import speakers
import stand

FORMATS = ["chat", "responses", "messages", "generate"]
KINDS = {"chat": "openai", "responses": "openai", "messages": "anthropic", "generate": "gemini"}
OTHERS = {"chat": "anthropic", "responses": "gemini", "messages": "openai", "generate": "openai"}

# Orders, whether another key can mend it, and what is raised where nothing can.
ANY = (openai.InternalServerError, anthropic.InternalServerError, google.ServerError)
LIMITED = (openai.RateLimitError, anthropic.RateLimitError, google.ClientError)
WRONG = (openai.BadRequestError, anthropic.BadRequestError, google.ClientError)
MISSING = (openai.NotFoundError, anthropic.NotFoundError, google.ClientError)
FAULTS = {
    "500": ("[[sim:status=500]]", ANY),
    "reset": ("[[sim:reset]]", ANY),
    "overloaded": ("[[sim:throttle=overloaded]]", (openai.InternalServerError, anthropic.OverloadedError, google.ServerError)),
    "requests": ("[[sim:throttle=requests]]", LIMITED),
    "concurrency": ("[[sim:throttle=concurrency]]", LIMITED),
    "billing": ("[[sim:throttle=billing]]", ANY),
    "bad-key": ("[[sim:bad-key]]", ANY),
    "page": ("[[sim:page]]", ANY),
    "empty": ("[[sim:empty]]", ANY),
    "context-length": ("[[sim:context-length]]", WRONG),
    "no-model": ("[[sim:no-model]]", MISSING),
}
NOBODY_CAN_MEND = ("context-length", "no-model")
CELLS = list(itertools.product(FAULTS, FORMATS, [False, True]))


def key(number, index):
    return f"sk-{number}-{index}"


@pytest.fixture(scope="session")
def failing(tmp_path_factory):
    """A simulator that fails by key, and a relay with a name for each cell: alone, with a second key, with a fallback."""
    with stand.simulator(tmp_path_factory.mktemp("failing-simulator")) as simulator:
        providers, models, rules = [], [], []
        url = simulator.url
        address = lambda kind: f'kind: {kind}, base_url: "{url}{"/v1" if kind == "openai" else ""}"'
        for kind in ("openai", "anthropic", "gemini"):
            providers.append(f"  well-{kind}: {{ {address(kind)}, api_key: well }}")
        for number, (fault, format, _) in enumerate(CELLS):
            kind = KINDS[format]
            for way, keys in (("alone", 1), ("keys", 2), ("fallback", 1)):
                name = f"{way}-{number}"
                pool = ", ".join(f"{{ name: k{i}, value: {key(name, i)} }}" for i in range(keys))
                providers.append(f"  {name}: {{ {address(kind)}, keys: [{pool}] }}")
                fallbacks = f", fallbacks: [well-{OTHERS[format]}/m]" if way == "fallback" else ""
                models.append(f"  m-{name}: {{ to: {name}/m{fallbacks} }}")
                rules.append({"key": key(name, ""), "first_key": way == "keys", "orders": FAULTS[fault][0]})
        request = urllib.request.Request(
            f"{url}/_simulate/faults", data=json.dumps({"rules": rules}).encode(), method="POST"
        )
        with urllib.request.urlopen(request) as response:
            assert response.status == 200
        config = "version: 1\nproviders:\n" + "\n".join(providers) + "\nmodels:\n" + "\n".join(models) + "\n"
        with stand.relay(tmp_path_factory.mktemp("failing-relay"), config) as relay:
            yield {format: speakers.SPEAKERS[format](relay.url) for format in FORMATS}


def cells(wanted):
    return pytest.mark.parametrize(
        "number",
        [
            pytest.param(number, id=f"{fault}-{format}-{'streamed' if stream else 'buffered'}")
            for number, (fault, format, stream) in enumerate(CELLS)
            if wanted(fault)
        ],
    )


def ask(failing, way, number):
    _, format, stream = CELLS[number]
    return failing[format].ask(f"m-{way}-{number}", ["Hello"], stream=stream, limit=200)


@cells(lambda fault: True)
def test_what_nobody_can_mend_raises_its_own_class(failing, number):
    fault, format, _ = CELLS[number]
    of_openai, of_anthropic, of_google = FAULTS[fault][1]
    kind = {"messages": of_anthropic, "generate": of_google}.get(format, of_openai)
    with pytest.raises(kind):
        ask(failing, "alone", number)


@cells(lambda fault: fault not in (*NOBODY_CAN_MEND, "overloaded"))
def test_another_key_mends_it_unseen(failing, number):
    assert ask(failing, "keys", number).text


@cells(lambda fault: fault not in NOBODY_CAN_MEND)
def test_another_provider_mends_it_unseen(failing, number):
    assert ask(failing, "fallback", number).text


@cells(lambda fault: fault in NOBODY_CAN_MEND)
def test_what_the_caller_did_is_told_although_there_is_a_fallback(failing, number):
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError, google.ClientError)):
        ask(failing, "fallback", number)
