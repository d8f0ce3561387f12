"""A mock of several providers that others wrote, as the upstream of every kind it can play."""

import pytest

import speakers
from conftest import MOCK_KEY
from speakers import Result, Tool

FORMATS = ["chat", "responses", "messages", "generate"]
UPSTREAMS = {"openai": "gpt-4.1", "compat": "gpt-4.1", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
COLOURS = "red, green and blue, in this order and no other"
WEATHER = Tool(
    "get_weather", "The weather in a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PAIRS = [pytest.param(f, u, id=f"{f}-{u}") for f in FORMATS for u in UPSTREAMS]


@pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])
@pytest.mark.parametrize("format,upstream", PAIRS)
def test_the_words_arrive_whole(mock_relay, format, upstream, stream):
    speaker = speakers.SPEAKERS[format](mock_relay.url)
    answer = speaker.ask(f"{upstream}/{UPSTREAMS[upstream]}", ["Which colours?"], system="You are brief.", stream=stream)
    assert answer.text == COLOURS
    assert answer.finish == "stop"


@pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])
@pytest.mark.parametrize("format,upstream", PAIRS)
def test_a_tool_is_called_and_its_result_understood(mock_relay, format, upstream, stream):
    speaker = speakers.SPEAKERS[format](mock_relay.url)
    model = f"{upstream}/{UPSTREAMS[upstream]}"
    asked = speaker.ask(model, ["How is the weather?"], tools=[WEATHER], stream=stream)
    assert asked.finish == "tools"
    assert [(call.name, call.arguments) for call in asked.calls] == [("get_weather", {"city": "Rome"})]
    told = speaker.ask(
        model, ["How is the weather?", asked, [Result(call, "sunny") for call in asked.calls]], tools=[WEATHER], stream=stream
    )
    assert told.text == "It is sunny in Rome."


@pytest.mark.parametrize("option,value", [
    ("--chaos-drop", "1"), ("--chaos-malformed", "1"), ("--chaos-disconnect", "1"), ("--chaos-ratelimit", "1"),
])
def test_whatever_goes_wrong_there_is_an_error_here(chaos, option, value):
    relay = chaos(option, value)
    asked = set()
    for format in FORMATS:
        speaker = speakers.SPEAKERS[format](relay.url)
        for upstream, model in UPSTREAMS.items():
            for stream in (False, True):
                with pytest.raises(speaker.fault) as caught:
                    speaker.ask(f"{upstream}/{model}", ["Which colours?"], stream=stream)
                status = getattr(caught.value, "status_code", None) or getattr(caught.value, "code", None)
                if option != "--chaos-ratelimit":
                    wanted = (500, 502, 503)
                elif upstream not in asked:
                    wanted = (429,)
                else:
                    # Told to come back in a minute, the relay asks no more, and says that the call's time is shorter.
                    wanted = (429, 504)
                asked.add(upstream)
                assert status in wanted, (format, upstream, stream, caught.value)
                assert MOCK_KEY not in str(caught.value)
    assert relay.process.poll() is None
