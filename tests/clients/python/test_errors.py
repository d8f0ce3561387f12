"""Errors as the clients' own exception classes, whoever made them.

The rows say what a client must see when the provider answers so: its own key refused is never the client's 401, a
provider's overload has the form of the client's dialect, and a stream that broke raises instead of ending well.
"""

import json
import urllib.request

import anthropic
import openai
import pytest
from google.genai import errors as google

import speakers
import stand

FORMATS = ["chat", "responses", "messages", "generate"]
UPSTREAMS = list(stand.UPSTREAMS)


def status_of(error):
    return getattr(error, "status_code", None) or getattr(error, "code", None)


# Provider's status -> what the client sees: OpenAI's class and status, Anthropic's, Google's.
TABLE = [
    pytest.param(400, (openai.BadRequestError, 400), (anthropic.BadRequestError, 400), (google.ClientError, 400), id="400"),
    pytest.param(401, (openai.InternalServerError, {502, 503}), (anthropic.InternalServerError, {500, 502}), (google.ServerError, None), id="401"),
    pytest.param(404, (openai.NotFoundError, 404), (anthropic.NotFoundError, 404), (google.ClientError, 404), id="404"),
    pytest.param(429, (openai.RateLimitError, 429), (anthropic.RateLimitError, 429), (google.ClientError, 429), id="429"),
    pytest.param(500, (openai.InternalServerError, None), (anthropic.InternalServerError, None), (google.ServerError, None), id="500"),
    pytest.param(503, (openai.InternalServerError, 503), (anthropic.OverloadedError, 529), (google.ServerError, 503), id="503"),
    pytest.param(529, (openai.InternalServerError, 503), (anthropic.OverloadedError, 529), (google.ServerError, 503), id="529"),
]


# Only Anthropic says 529.
REFUSALS = [
    pytest.param(*row.values, upstream, id=f"{row.id}-{upstream}")
    for row in TABLE for upstream in UPSTREAMS if row.id != "529" or upstream == "anthropic"
]


@pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("status,to_openai,to_anthropic,to_google,upstream", REFUSALS)
def test_a_refusal_of_the_provider_is_the_right_exception(
    spoil, format, upstream, stream, status, to_openai, to_anthropic, to_google
):
    speaker, model = spoil(format, upstream)
    kind, code = {"chat": to_openai, "responses": to_openai, "messages": to_anthropic, "generate": to_google}[format]
    with pytest.raises(kind) as caught:
        speaker.ask(model, [f"Hello [[sim:status={status}]]"], stream=stream)
    seen = status_of(caught.value)
    assert code is None or seen in (code if isinstance(code, set) else {code}), caught.value
    assert seen >= 500 or status < 500
    assert stand.PROVIDER_KEY not in str(caught.value) and "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("upstream", ["direct", *UPSTREAMS])
@pytest.mark.parametrize("format", FORMATS)
def test_an_error_inside_a_stream_raises(spoil, format, upstream):
    speaker, model = spoil(format, upstream)
    with pytest.raises(speaker.fault):
        speaker.ask(model, ["Write a page. [[sim:tokens=60]] [[sim:error-in-stream=5]]"], stream=True)


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("marker", ["truncate=5", "reset=5"])
def test_a_stream_that_breaks_off_never_ends_well(spoil, format, upstream, marker):
    speaker, model = spoil(format, upstream)
    with pytest.raises(speaker.fault):
        speaker.ask(model, [f"Write a page. [[sim:tokens=60]] [[sim:{marker}]]"], stream=True)


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("marker", ["empty", "error-200", "reset", "malformed=1", "redirect"])
@pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])
def test_nothing_usable_before_the_first_byte_is_an_error_response(spoil, format, upstream, marker, stream):
    speaker, model = spoil(format, upstream)
    with pytest.raises(speaker.fault) as caught:
        speaker.ask(model, [f"Hello [[sim:{marker}]]"], stream=stream)
    assert status_of(caught.value) in (429, 500, 502, 503, 504, 529), "an HTTP status, not a broken 200"


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_buffered_body_cut_short_is_an_error(spoil, format, upstream):
    speaker, model = spoil(format, upstream)
    with pytest.raises(speaker.fault) as caught:
        speaker.ask(model, ["Write a page. [[sim:truncate=1]]"])
    assert status_of(caught.value) in (500, 502, 504) or status_of(caught.value) is None


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_malformed_event_raises(spoil, format, upstream):
    speaker, model = spoil(format, upstream)
    with pytest.raises(speaker.fault):
        speaker.ask(model, ["Write a page. [[sim:tokens=60]] [[sim:malformed=6]]"], stream=True)


def test_a_rate_limit_says_when_to_come_back(spoil):
    chat, model = spoil("chat", "openai")
    with pytest.raises(openai.RateLimitError) as caught:
        chat.ask(model, ["[[sim:status=429]] [[sim:retry-after=7s]]"])
    headers = caught.value.response.headers
    assert headers["retry-after"] == "7"
    assert headers["x-should-retry"] in ("true", "false")
    assert caught.value.code == "rate_limit_exceeded"


def test_an_overloaded_provider_is_tried_again_and_the_answer_says_how_often(relay):
    client = openai.OpenAI(base_url=f"{relay.url}/v1", api_key="unused", max_retries=0)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="stubborn/m", messages=[{"role": "user", "content": "[[sim:status=503]]"}])
    assert int(caught.value.response.headers["x-sluicegate-attempts"]) > 1
    assert caught.value.response.headers["x-should-retry"] in ("true", "false")


def test_money_gone_at_the_provider_is_not_worth_a_retry(spoil):
    chat, model = spoil("chat", "openai")
    with pytest.raises(openai.APIStatusError) as caught:
        chat.ask(model, ["[[sim:status=429]] [[sim:code=insufficient_quota]]"])
    assert caught.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("format", FORMATS)
def test_an_unknown_model_is_not_found_with_its_nearest_names(speak, format):
    speaker, _ = speak(format, "openai")
    with pytest.raises(speaker.fault) as caught:
        speaker.ask("via-opnai", ["Hello"])
    assert status_of(caught.value) == 404
    assert "via-openai" in str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_a_wrong_key_is_an_authentication_error(guarded, format):
    with pytest.raises(speakers.SPEAKERS[format].fault) as caught:
        speakers.SPEAKERS[format](guarded.url, key="sk-sg-wrong").ask("via-openai", ["Hello"])
    error = caught.value
    if format == "generate":
        assert status_of(error) in (400, 401)
    else:
        assert isinstance(error, (openai.AuthenticationError, anthropic.AuthenticationError))
    assert "sk-sg-wrong" not in str(error)


@pytest.mark.parametrize("format", FORMATS)
def test_a_right_key_opens(guarded, format):
    assert speakers.SPEAKERS[format](guarded.url, key="sk-sg-full-0123456789").ask("via-openai", ["Hello"]).text


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-goog-api-key", "api-key"])
@pytest.mark.parametrize("white", ["", " "])
def test_every_form_of_a_key_is_accepted_and_none_is_passed_on(guarded, header, white):
    key = "sk-sg-full-0123456789"
    value = f"Bearer {key}{white}" if header == "authorization" else f"{white}{key}"
    body = {"model": "via-openai", "messages": [{"role": "user", "content": "[[sim:echo]]"}]}
    request = urllib.request.Request(
        f"{guarded.url}/v1/chat/completions", data=json.dumps(body).encode(),
        headers={"content-type": "application/json", header: value},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read().decode()
    assert key not in text


@pytest.mark.parametrize("format", FORMATS)
def test_a_key_without_the_right_is_refused(guarded, format):
    speaker = speakers.SPEAKERS[format](guarded.url, key="sk-sg-narrow-0123456789")
    assert speaker.ask("via-openai", ["Hello"]).text
    with pytest.raises(speaker.fault) as caught:
        speaker.ask("via-anthropic", ["Hello"])
    assert status_of(caught.value) == 403


def test_models_are_listed_only_as_far_as_the_key_reaches(guarded):
    narrow = openai.OpenAI(base_url=f"{guarded.url}/v1", api_key="sk-sg-narrow-0123456789", max_retries=0)
    assert [model.id for model in narrow.models.list()] == ["via-openai"]
