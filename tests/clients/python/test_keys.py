"""Keys that are made, limited, switched off and rotated while the relay runs, as the clients' own exception classes."""

import json
import pathlib
import subprocess
import urllib.request

import anthropic
import openai
import pytest

import stand

MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def keys(tmp_path, simulator_url):
    """A relay whose only keys are made by command; keys("create", "name") gives what the command printed."""
    with stand.relay(tmp_path, stand.config(simulator_url), env={"STAND_KEY": stand.PROVIDER_KEY}) as program:

        def run(*arguments):
            data = str(pathlib.Path(tmp_path) / "data")
            command = [stand.binary(), "keys", *arguments, "--data-dir", data]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, env={"STAND_KEY": "x"})
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        run.url = program.url
        yield run


def of_openai(keys, secret):
    return openai.OpenAI(base_url=keys.url + "/v1", api_key=secret, max_retries=0)


def of_anthropic(keys, secret):
    return anthropic.Anthropic(base_url=keys.url, api_key=secret, max_retries=0)


def chat(client, model="via-openai"):
    return client.chat.completions.create(model=model, messages=MESSAGES)


def message(client, model="via-anthropic"):
    return client.messages.create(model=model, max_tokens=16, messages=MESSAGES)


def test_a_key_works_until_it_is_switched_off_and_the_clients_say_authentication(keys):
    secret = keys("create", "web-app")
    assert chat(of_openai(keys, secret)).choices
    assert message(of_anthropic(keys, secret)).content
    keys("disable", "web-app")
    with pytest.raises(openai.AuthenticationError) as refused:
        chat(of_openai(keys, secret))
    assert refused.value.status_code == 401 and "switched off" in str(refused.value)
    with pytest.raises(anthropic.AuthenticationError):
        message(of_anthropic(keys, secret))
    keys("enable", "web-app")
    assert chat(of_openai(keys, secret)).choices
    rotated = keys("rotate", "web-app", "--grace", "0s")
    with pytest.raises(openai.AuthenticationError):
        chat(of_openai(keys, secret))
    assert chat(of_openai(keys, rotated)).choices


def test_a_key_without_the_right_is_permission_denied(keys):
    secret = keys("create", "narrow", "--models", "via-openai", "--endpoints", "/chat/completions")
    assert chat(of_openai(keys, secret)).choices
    with pytest.raises(openai.PermissionDeniedError) as refused:
        chat(of_openai(keys, secret), "via-gemini")
    assert refused.value.status_code == 403
    with pytest.raises(openai.PermissionDeniedError):
        of_openai(keys, secret).embeddings.create(model="via-openai", input="a")
    with pytest.raises(anthropic.PermissionDeniedError):
        message(of_anthropic(keys, secret))


def test_a_key_is_told_what_it_is(keys):
    secret = keys("create", "web-app", "--owner", "Ada", "--rpm", "600")
    request = urllib.request.Request(keys.url + "/v1/key", headers={"authorization": f"Bearer {secret}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        told = json.load(answer)
    assert (told["name"], told["owner"], told["limits"]["requests_per_minute"]) == ("web-app", "Ada", 600)
