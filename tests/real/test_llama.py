"""A real language model behind the relay, spoken to in every dialect."""

import base64
import concurrent.futures
import json
import re
import socket
import struct
import threading
import time
import urllib.request

import openai
import pytest

import speakers
import stand

FORMATS = ["chat", "responses", "messages", "generate"]
WAYS = ["chat", "responses", "messages"]
MODEL = "smollm2-135m"


# One thread computes for everybody, and not fast where other things run too: nobody here is in a hurry.
PATIENCE = 180


def speaks(format, relay):
    return speakers.SPEAKERS[format](relay.url, timeout=PATIENCE)


@pytest.fixture(scope="session")
def direct(llama):
    return openai.OpenAI(base_url=f"{llama.url}/v1", api_key="unused", max_retries=0, timeout=PATIENCE)


@pytest.fixture(scope="session")
def relayed(llama_relay):
    return openai.OpenAI(base_url=f"{llama_relay.url}/v1", api_key="unused", max_retries=0, timeout=PATIENCE)


@pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("format", FORMATS)
def test_the_model_answers(llama_relay, format, way, stream):
    speaker = speaks(format, llama_relay)
    answer = speaker.ask(f"{way}/{MODEL}", ["Name three animals."], system="You are brief.", limit=32, stream=stream)
    assert re.search(r"[a-zA-Z]{3}", answer.text)
    assert answer.finish in ("stop", "length")
    assert answer.tokens_in > 5 and 0 < answer.tokens_out <= 33
    assert answer.headers["x-sluicegate-provider"] == way
    if stream:
        assert answer.deltas > 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_conversation_goes_on(llama_relay, format):
    speaker = speaks(format, llama_relay)
    first = speaker.ask("small", ["My name is Ada."], limit=24)
    second = speaker.ask("small", ["My name is Ada.", first, "What is my name?"], limit=24)
    assert second.text.strip() and second.tokens_in > first.tokens_in


# What greedy decoding says depends on nothing but the prompt, if nothing is taken from a cache. `cache_prompt` is
# llama.cpp's own: a field no relay knows, and one that must pass.
GREEDY = dict(
    messages=[{"role": "user", "content": "Count from one to five."}],
    temperature=0, seed=7, max_tokens=24, extra_body={"cache_prompt": False},
)


def test_the_words_are_those_of_the_model_itself(direct, relayed):
    own = direct.chat.completions.create(model=MODEL, **GREEDY)
    passed = relayed.chat.completions.create(model="small", **GREEDY)
    assert passed.choices[0].message.content == own.choices[0].message.content
    assert passed.usage.completion_tokens == own.usage.completion_tokens
    assert passed.usage.prompt_tokens == own.usage.prompt_tokens
    stream = relayed.chat.completions.create(model="small", stream=True, stream_options={"include_usage": True}, **GREEDY)
    text, usage = "", None
    for chunk in stream:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    assert text == own.choices[0].message.content
    assert usage.completion_tokens == own.usage.completion_tokens


def test_usage_that_was_not_asked_for_is_not_shown(relayed):
    chunks = list(relayed.chat.completions.create(model="small", stream=True, **GREEDY))
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason


def test_a_schema_is_enforced_by_the_models_grammar(relayed):
    schema = {
        "type": "object",
        "properties": {"animal": {"type": "string", "enum": ["cat", "dog"]}, "legs": {"type": "integer"}},
        "required": ["animal", "legs"],
        "additionalProperties": False,
    }
    reply = relayed.chat.completions.create(
        model="small", messages=[{"role": "user", "content": "Name an animal and count its legs, as JSON."}], max_tokens=64,
        response_format={"type": "json_schema", "json_schema": {"name": "animal", "schema": schema, "strict": True}},
    )
    assert json.loads(reply.choices[0].message.content)["animal"] in ("cat", "dog")


@pytest.mark.parametrize("format", ["messages", "generate", "responses"])
def test_a_schema_is_enforced_through_translation(llama_relay, format):
    schema = {
        "type": "object", "properties": {"animal": {"type": "string", "enum": ["cat", "dog"]}},
        "required": ["animal"], "additionalProperties": False,
    }
    answer = speaks(format, llama_relay).ask("small", ["Name an animal, as JSON."], schema=schema, limit=64)
    assert json.loads(answer.text)["animal"] in ("cat", "dog")


def test_many_streams_at_once_do_not_mix(llama_relay):
    def one(number):
        speaker = speaks(FORMATS[number % 4], llama_relay)
        return speaker.ask("small", [f"Tell me about the number {number}."], limit=24, stream=True)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(16)))
    assert all(answer.text.strip() and answer.tokens_out > 0 for answer in answers)
    assert all(answer.finish in ("stop", "length") for answer in answers)


def busy(llama):
    with urllib.request.urlopen(f"{llama.url}/slots", timeout=10) as response:
        return sum(slot["is_processing"] for slot in json.load(response))


@pytest.mark.parametrize("format", ["chat", "messages"])
def test_a_client_that_goes_away_frees_the_model(llama, llama_relay, relayed, format):
    stream = relayed.chat.completions.create(
        model=f"{format}/{MODEL}", stream=True, max_tokens=4000,
        messages=[{"role": "user", "content": "Count from one to a thousand, one number a line."}],
        extra_body={"ignore_eos": True} if format == "chat" else None,
    )
    for _ in stream:
        break
    assert busy(llama) >= 1
    stream.close()
    until = time.monotonic() + 5
    while busy(llama) and time.monotonic() < until:
        time.sleep(0.05)
    assert busy(llama) == 0, "the model still computes for nobody"


def test_embeddings_are_those_of_the_model_itself(embedder, relayed):
    own = openai.OpenAI(base_url=f"{embedder.url}/v1", api_key="unused", max_retries=0)
    words = ["a cat on a mat", "the moon at night"]
    for options in ({"encoding_format": "float"}, {"encoding_format": "base64"}, {}):
        expected = own.embeddings.create(model=MODEL, input=words, encoding_format="float")
        got = relayed.embeddings.create(model="vectors", input=words, **options)
        assert [item.index for item in got.data] == [0, 1]
        assert got.usage.prompt_tokens == expected.usage.prompt_tokens > 0
        for one, two in zip(got.data, expected.data, strict=True):
            value = one.embedding
            if isinstance(value, str):
                value = unpack(value)
            assert len(value) == 576
            assert value == pytest.approx(two.embedding, rel=1e-3, abs=1e-4)


def unpack(text):
    raw = base64.b64decode(text)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def test_an_error_of_the_model_is_the_right_exception(relayed):
    with pytest.raises(openai.BadRequestError):
        relayed.chat.completions.create(model="small", messages=[{"role": "user", "content": "word " * 20000}])


def test_what_was_done_is_in_the_metrics(llama_relay, relayed):
    relayed.chat.completions.create(model="small", **GREEDY)
    with urllib.request.urlopen(f"{llama_relay.url}/metrics", timeout=10) as response:
        metrics = response.read().decode()
    assert "sluicegate_build_info" in metrics
    assert re.search(r"^sluicegate_calls_total\{[^}]*\} [1-9]", metrics, re.M)
    assert "Count from one" not in metrics


class Cutter:
    """A way to a server that closes the first connection after so many events of its answer."""

    def __init__(self, url, events):
        self.target = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self.events = events
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.target)
            threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, True), daemon=True).start()

    def pump(self, source, sink, answer):
        seen = 0
        try:
            while piece := source.recv(256):
                sink.sendall(piece)
                seen += piece.count(b"data: ")
                if answer and not self.cuts and seen >= self.events:
                    self.cuts += 1
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_a_stream_that_breaks_is_gone_on_with(tmp_path, llama):
    """llama.cpp goes on with a last message of the assistant's, so a cut stream ends as the whole one does."""
    (tmp_path / "quirks.json").write_text(
        '[{ "providers": ["openai_compatible"], "models": ["smollm2*"], "continues": "last_message" }]'
    )
    cutter = Cutter(llama.url, 8)
    config = f"""\
        version: 1
        quirks_file: quirks.json
        providers:
          cut:   {{ kind: openai_compatible, base_url: "{cutter.url}/v1" }}
          whole: {{ kind: openai_compatible, base_url: "{llama.url}/v1" }}
        models:
          resumed: {{ to: cut/smollm2-135m, resume: continue }}
        """
    with stand.relay(tmp_path, config, "--log-format", "json") as relay:
        client = openai.OpenAI(base_url=f"{relay.url}/v1", api_key="unused", max_retries=0, timeout=PATIENCE)

        def ask(model):
            stream = client.chat.completions.create(
                model=model, stream=True, stream_options={"include_usage": True}, **GREEDY
            )
            chunks = list(stream)
            choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
            return "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason, chunks[-1].usage

        (whole, finish, once), resumed = ask(f"whole/{MODEL}"), ask("resumed")
        assert cutter.cuts == 1
        assert resumed[:2] == (whole, finish)
        assert resumed[2].prompt_tokens > once.prompt_tokens, "the input was paid for twice"
    line = json.loads(next(line for line in relay.output().splitlines() if '"model":"resumed"' in line))
    assert [attempt["result"] for attempt in line["attempts"]] == ["broken", "ok"]
    assert len(line["resumed_at_bytes"]) == 1 and line["end"] == "done"
