"""Fixtures: one simulator and one relay for the whole run, and the speakers that talk to them."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import speakers
import stand


@pytest.fixture(scope="session")
def simulator_url(tmp_path_factory):
    with stand.simulator(tmp_path_factory.mktemp("simulator")) as program:
        yield program.url


@pytest.fixture(scope="session")
def relay(tmp_path_factory, simulator_url):
    """The relay as a person on one machine runs it: on loopback, no key asked of clients."""
    program = stand.relay(
        tmp_path_factory.mktemp("relay"), stand.config(simulator_url), env={"STAND_KEY": stand.PROVIDER_KEY}
    )
    with program:
        yield program
        assert program.process.poll() is None, f"the relay did not live to the end:\n{program.output()[-4000:]}"
        assert stand.PROVIDER_KEY not in program.output(), "the provider's key is in the log"


@pytest.fixture(scope="session")
def guarded(tmp_path_factory, simulator_url):
    """The relay with client keys: `full` may use everything, `narrow` one alias."""
    keys = """\
keys:
  - { name: full, value_env: STAND_FULL }
  - { name: narrow, value_env: STAND_NARROW, models: [via-openai] }
"""
    env = {"STAND_KEY": stand.PROVIDER_KEY, "STAND_FULL": "sk-sg-full-0123456789", "STAND_NARROW": "sk-sg-narrow-0123456789"}
    with stand.relay(tmp_path_factory.mktemp("guarded"), stand.config(simulator_url, keys), env=env) as program:
        yield program
        for secret in env.values():
            assert secret not in program.output(), "a key is in the log"


@pytest.fixture(scope="session")
def speak(request):
    """speak(format, upstream) gives a speaker and the model name with which it reaches that upstream."""
    made = {}

    def make(format, upstream):
        if upstream == "direct":
            url, model = request.getfixturevalue("simulator_url"), "gpt-4.1-mini"
        else:
            url, model = request.getfixturevalue("relay").url, f"via-{upstream}"
        if (format, url) not in made:
            made[format, url] = speakers.SPEAKERS[format](url)
        return made[format, url], model

    return make


@pytest.fixture(scope="session")
def spoil(speak):
    """The same for tests that make the upstream fail: each time another copy of it, that nobody has used."""
    unused = {name: iter(range(stand.COPIES)) for name in stand.UPSTREAMS}

    def make(format, upstream):
        speaker, model = speak(format, upstream)
        if upstream != "direct":
            model = f"{upstream}-{next(unused[upstream])}/{stand.UPSTREAMS[upstream]}"
        return speaker, model

    return make


os.environ.pop("OPENAI_BASE_URL", None)
os.environ.pop("ANTHROPIC_BASE_URL", None)
