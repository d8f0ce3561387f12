"""One conversation, four tongues.

A speaker turns a neutral request into calls of an official client and its answer back into a neutral one, so that
a test can be written once and run for every pair of client format and upstream. Speakers use only public surfaces
of the clients, and read streams event by event: helpers that gather a stream are tested where they belong, in the
client's own file.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types as gt


@dataclass
class Call:
    name: str
    arguments: dict
    id: str | None = None


@dataclass
class Answer:
    text: str = ""
    finish: str = ""  # stop, length, tools, filtered
    calls: list[Call] = field(default_factory=list)
    thoughts: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    deltas: int = 0
    model: str = ""
    headers: Any = None
    native: Any = None  # the assistant's turn as this client wants it back


@dataclass
class Image:
    """Bytes of a kind, or an address."""

    data: str | None = None
    kind: str = "image/png"
    url: str | None = None

    @property
    def data_url(self):
        return self.url or f"data:{self.kind};base64,{self.data}"


@dataclass
class Result:
    call: Call
    output: str


@dataclass
class Tool:
    name: str
    description: str
    schema: dict


def as_user(turn):
    return isinstance(turn, (str, list)) and not (isinstance(turn, list) and isinstance(turn[0], Result))


def parts_of(turn):
    return [turn] if isinstance(turn, str) else turn


class Chat:
    """OpenAI's client, chat completions."""

    name = "chat"
    fault = openai.APIError

    def __init__(self, url, key="unused", timeout=30):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=timeout)

    def ask(self, model, turns, *, stream=False, system=None, tools=None, choice=None, limit=None, stop=None,
            schema=None, effort=None, headers=None):
        messages = [{"role": "system", "content": system}] if system else []
        for turn in turns:
            if isinstance(turn, Answer):
                messages.append(turn.native)
            elif as_user(turn):
                content = turn if isinstance(turn, str) else [self._part(part) for part in turn]
                messages.append({"role": "user", "content": content})
            else:
                messages += [{"role": "tool", "tool_call_id": r.call.id, "content": r.output} for r in turn]
        body = {"model": model, "messages": messages}
        if tools:
            body["tools"] = [
                {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.schema}}
                for t in tools
            ]
        if choice:
            named = {"type": "function", "function": {"name": choice}}
            body["tool_choice"] = {"auto": "auto", "any": "required"}.get(choice, named)
        if limit:
            body["max_completion_tokens"] = limit
        if stop:
            body["stop"] = stop
        if schema:
            body["response_format"] = {
                "type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}
            }
        if effort:
            body["reasoning_effort"] = effort
        if stream:
            return self._stream(body, headers)
        raw = self.client.chat.completions.with_raw_response.create(**body, extra_headers=headers)
        reply = raw.parse()
        choice = reply.choices[0]
        answer = Answer(
            text=choice.message.content or "",
            thoughts=getattr(choice.message, "reasoning_content", None) or "",
            finish=self._finish(choice.finish_reason),
            calls=[Call(c.function.name, json.loads(c.function.arguments), c.id) for c in choice.message.tool_calls or []],
            tokens_in=reply.usage.prompt_tokens,
            tokens_out=reply.usage.completion_tokens,
            model=reply.model,
            headers=raw.headers,
        )
        assert reply.usage.total_tokens == answer.tokens_in + answer.tokens_out
        assert reply.object == "chat.completion" and choice.message.role == "assistant"
        answer.native = choice.message.model_dump(exclude_none=True)
        return answer

    def _stream(self, body, headers):
        raw = self.client.chat.completions.with_raw_response.create(
            **body, stream=True, stream_options={"include_usage": True}, extra_headers=headers
        )
        answer, calls, finishes, ids = Answer(headers=raw.headers), {}, [], set()
        for chunk in raw.parse():
            ids.add(chunk.id)
            assert chunk.object == "chat.completion.chunk"
            answer.model = chunk.model or answer.model
            if chunk.usage:
                answer.tokens_in, answer.tokens_out = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
            for choice in chunk.choices:
                if choice.delta.content:
                    answer.text += choice.delta.content
                    answer.deltas += 1
                answer.thoughts += getattr(choice.delta, "reasoning_content", None) or ""
                for piece in choice.delta.tool_calls or []:
                    call = calls.setdefault(piece.index, {"id": None, "name": None, "arguments": ""})
                    call["id"] = piece.id or call["id"]
                    call["name"] = piece.function.name or call["name"]
                    call["arguments"] += piece.function.arguments or ""
                if choice.finish_reason:
                    finishes.append(choice.finish_reason)
        assert len(finishes) == 1, finishes
        assert len(ids) == 1, "every chunk of one answer has the same id"
        assert sorted(calls) == list(range(len(calls))), "tool calls are numbered 0, 1, 2"
        answer.finish = self._finish(finishes[0])
        answer.calls = [Call(c["name"], json.loads(c["arguments"]), c["id"]) for _, c in sorted(calls.items())]
        answer.native = {"role": "assistant", "content": answer.text or None}
        if calls:
            answer.native["tool_calls"] = [
                {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
                for _, c in sorted(calls.items())
            ]
        return answer

    @staticmethod
    def _part(part):
        if isinstance(part, Image):
            return {"type": "image_url", "image_url": {"url": part.data_url}}
        return {"type": "text", "text": part}

    @staticmethod
    def _finish(word):
        return {"stop": "stop", "length": "length", "tool_calls": "tools", "content_filter": "filtered"}[word]


class Responses:
    """OpenAI's client, Responses."""

    name = "responses"
    fault = openai.APIError

    def __init__(self, url, key="unused", timeout=30):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=timeout)

    def ask(self, model, turns, *, stream=False, system=None, tools=None, choice=None, limit=None, stop=None,
            schema=None, effort=None, headers=None):
        assert stop is None, "Responses has no stop"
        items = []
        for turn in turns:
            if isinstance(turn, Answer):
                items += turn.native
            elif as_user(turn):
                content = turn if isinstance(turn, str) else [self._part(part) for part in turn]
                items.append({"role": "user", "content": content})
            else:
                items += [{"type": "function_call_output", "call_id": r.call.id, "output": r.output} for r in turn]
        body = {"model": model, "input": items, "store": False}
        if system:
            body["instructions"] = system
        if tools:
            body["tools"] = [
                {"type": "function", "name": t.name, "description": t.description, "parameters": t.schema, "strict": False}
                for t in tools
            ]
        if choice:
            body["tool_choice"] = {"auto": "auto", "any": "required"}.get(choice, {"type": "function", "name": choice})
        if limit:
            body["max_output_tokens"] = limit
        if schema:
            body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}}
        if effort:
            body["reasoning"] = {"effort": effort, "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        if stream:
            return self._stream(body, headers)
        raw = self.client.responses.with_raw_response.create(**body, extra_headers=headers)
        return self._read(raw.parse(), raw.headers)

    def _read(self, reply, headers):
        assert reply.object == "response"
        calls = [i for i in reply.output if i.type == "function_call"]
        answer = Answer(
            text=reply.output_text,
            calls=[Call(c.name, json.loads(c.arguments), c.call_id) for c in calls],
            model=reply.model,
            headers=headers,
        )
        if reply.usage:
            answer.tokens_in, answer.tokens_out = reply.usage.input_tokens, reply.usage.output_tokens
            assert reply.usage.total_tokens == answer.tokens_in + answer.tokens_out
        for item in reply.output:
            if item.type == "reasoning":
                answer.thoughts += "".join(part.text for part in item.summary)
        if reply.status == "completed":
            answer.finish = "tools" if calls else "stop"
        else:
            assert reply.status == "incomplete", reply.status
            answer.finish = {"max_output_tokens": "length", "content_filter": "filtered"}[reply.incomplete_details.reason]
        answer.native = [item.model_dump(exclude_none=True) for item in reply.output]
        return answer

    def _stream(self, body, headers):
        raw = self.client.responses.with_raw_response.create(**body, stream=True, extra_headers=headers)
        text, arguments, numbers, last, deltas = "", {}, [], None, 0
        for event in raw.parse():
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                text += event.delta
                deltas += 1
            elif event.type == "response.function_call_arguments.delta":
                arguments[event.output_index] = arguments.get(event.output_index, "") + event.delta
            elif event.type in ("response.completed", "response.incomplete", "response.failed"):
                assert last is None, "one terminal event"
                last = event
            elif event.type == "error":
                raise openai.APIError(event.message, raw.http_request, body=None)
        # Some servers leave the numbers out, and a relay that passes bytes through does not invent them.
        given = [number for number in numbers if number is not None]
        assert given in ([], list(range(len(numbers)))), "sequence numbers start at 0 and have no gap"
        assert last is not None, "a stream ends with a terminal event"
        if last.type == "response.failed":
            raise openai.APIError(last.response.error.message, raw.http_request, body=None)
        answer = self._read(last.response, raw.headers)
        assert text == answer.text, "joined deltas are the text of the last event"
        gathered = [json.loads(value) for _, value in sorted(arguments.items())]
        assert gathered == [call.arguments for call in answer.calls]
        answer.deltas = deltas
        return answer

    @staticmethod
    def _part(part):
        if isinstance(part, Image):
            return {"type": "input_image", "image_url": part.data_url, "detail": "auto"}
        return {"type": "input_text", "text": part}


class Messages:
    """Anthropic's client."""

    name = "messages"
    fault = anthropic.APIError

    def __init__(self, url, key="unused", timeout=30):
        self.client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=timeout)

    def ask(self, model, turns, *, stream=False, system=None, tools=None, choice=None, limit=None, stop=None,
            schema=None, effort=None, headers=None):
        messages = []
        for turn in turns:
            if isinstance(turn, Answer):
                messages.append({"role": "assistant", "content": turn.native})
            elif as_user(turn):
                content = turn if isinstance(turn, str) else [self._part(part) for part in turn]
                messages.append({"role": "user", "content": content})
            else:
                content = [{"type": "tool_result", "tool_use_id": r.call.id, "content": r.output} for r in turn]
                messages.append({"role": "user", "content": content})
        body = {"model": model, "messages": messages, "max_tokens": limit or 4000}
        if system:
            body["system"] = system
        if tools:
            body["tools"] = [{"name": t.name, "description": t.description, "input_schema": t.schema} for t in tools]
        if choice:
            body["tool_choice"] = {"auto": {"type": "auto"}, "any": {"type": "any"}}.get(
                choice, {"type": "tool", "name": choice}
            )
        if stop:
            body["stop_sequences"] = stop
        if schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        if effort:
            body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if stream:
            return self._stream(body, headers)
        raw = self.client.messages.with_raw_response.create(**body, extra_headers=headers)
        reply = raw.parse()
        assert reply.type == "message" and reply.role == "assistant"
        answer = Answer(model=reply.model, headers=raw.headers, finish=self._finish(reply.stop_reason))
        self._usage(answer, reply.usage)
        for block in reply.content:
            self._block(answer, block)
        answer.native = [block.model_dump(exclude_none=True) for block in reply.content]
        return answer

    def _stream(self, body, headers):
        raw = self.client.messages.with_raw_response.create(**body, stream=True, extra_headers=headers)
        answer, blocks, open_block, ended = Answer(headers=raw.headers), [], None, False
        usage = {}
        for event in raw.parse():
            assert not ended, "nothing follows message_stop"
            if event.type == "message_start":
                answer.model = event.message.model
                usage |= event.message.usage.model_dump(exclude_none=True) if event.message.usage else {}
            elif event.type == "content_block_start":
                assert open_block is None, "blocks do not overlap"
                assert event.index == len(blocks), "blocks are numbered 0, 1, 2"
                open_block = event.content_block.model_dump(exclude_none=True)
                open_block["json"] = ""
                blocks.append(open_block)
            elif event.type == "content_block_delta":
                assert event.index == len(blocks) - 1 and open_block is not None
                delta = event.delta
                if delta.type == "text_delta":
                    open_block["text"] += delta.text
                    answer.deltas += 1
                elif delta.type == "input_json_delta":
                    open_block["json"] += delta.partial_json
                elif delta.type == "thinking_delta":
                    open_block["thinking"] += delta.thinking
                elif delta.type == "signature_delta":
                    open_block["signature"] = delta.signature
            elif event.type == "content_block_stop":
                open_block = None
            elif event.type == "message_delta":
                usage |= event.usage.model_dump(exclude_none=True) if event.usage else {}
                answer.finish = self._finish(event.delta.stop_reason)
            elif event.type == "message_stop":
                ended = True
        assert ended and open_block is None, "a stream ends with message_stop, every block closed"
        for block in blocks:
            text = block.pop("json")
            if block["type"] == "tool_use":
                block["input"] = json.loads(text or "{}")
                answer.calls.append(Call(block["name"], block["input"], block["id"]))
            elif block["type"] == "text":
                answer.text += block["text"]
            elif block["type"] == "thinking":
                answer.thoughts += block["thinking"]
        answer.tokens_in = usage.get("input_tokens", 0) + usage.get("cache_read_input_tokens", 0)
        answer.tokens_in += usage.get("cache_creation_input_tokens", 0)
        answer.tokens_out = usage.get("output_tokens", 0)
        answer.native = blocks
        return answer

    @staticmethod
    def _usage(answer, usage):
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        answer.tokens_in, answer.tokens_out = usage.input_tokens + cached, usage.output_tokens

    @staticmethod
    def _block(answer, block):
        if block.type == "text":
            answer.text += block.text
        elif block.type == "tool_use":
            answer.calls.append(Call(block.name, block.input, block.id))
        elif block.type == "thinking":
            answer.thoughts += block.thinking

    @staticmethod
    def _part(part):
        if not isinstance(part, Image):
            return {"type": "text", "text": part}
        if part.url:
            return {"type": "image", "source": {"type": "url", "url": part.url}}
        return {"type": "image", "source": {"type": "base64", "media_type": part.kind, "data": part.data}}

    @staticmethod
    def _finish(word):
        return {
            "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tools", "refusal": "filtered"
        }[word]


class Generate:
    """Google's client."""

    name = "generate"
    fault = genai.errors.APIError
    # FUNCTION_CALL is no word of Google's; a mock that others wrote says it.
    FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "filtered", "FUNCTION_CALL": "tools"}

    def __init__(self, url, key="unused", timeout=30):
        self.client = genai.Client(
            api_key=key, vertexai=False, http_options=gt.HttpOptions(base_url=url, api_version="v1beta", timeout=timeout * 1000)
        )

    def ask(self, model, turns, *, stream=False, system=None, tools=None, choice=None, limit=None, stop=None,
            schema=None, effort=None, headers=None):
        contents = []
        for turn in turns:
            if isinstance(turn, Answer):
                contents.append(turn.native)
            elif as_user(turn):
                contents.append(gt.Content(role="user", parts=[self._part(part) for part in parts_of(turn)]))
            else:
                parts = [
                    gt.Part(function_response=gt.FunctionResponse(id=r.call.id, name=r.call.name, response={"output": r.output}))
                    for r in turn
                ]
                contents.append(gt.Content(role="user", parts=parts))
        config = gt.GenerateContentConfig(
            system_instruction=system,
            max_output_tokens=limit,
            stop_sequences=stop,
            automatic_function_calling=gt.AutomaticFunctionCallingConfig(disable=True),
            http_options=gt.HttpOptions(headers=headers) if headers else None,
        )
        if tools:
            config.tools = [gt.Tool(function_declarations=[
                gt.FunctionDeclaration(name=t.name, description=t.description, parameters_json_schema=t.schema) for t in tools
            ])]
        if choice:
            known = {"auto": gt.FunctionCallingConfig(mode="AUTO"), "any": gt.FunctionCallingConfig(mode="ANY")}
            named = gt.FunctionCallingConfig(mode="ANY", allowed_function_names=[choice])
            config.tool_config = gt.ToolConfig(function_calling_config=known.get(choice, named))
        if schema:
            config.response_mime_type = "application/json"
            config.response_json_schema = schema
        if effort:
            config.thinking_config = gt.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
        answer = Answer()
        if not stream:
            reply = self.client.models.generate_content(model=model, contents=contents, config=config)
            self._take(answer, reply)
        else:
            for reply in self.client.models.generate_content_stream(model=model, contents=contents, config=config):
                self._take(answer, reply)
        assert answer.finish, "the last piece names a finish reason"
        if answer.calls and answer.finish == "stop":
            answer.finish = "tools"
        return answer

    def _take(self, answer, reply):
        if reply.sdk_http_response and answer.headers is None:
            answer.headers = reply.sdk_http_response.headers
        answer.model = reply.model_version or answer.model
        if usage := reply.usage_metadata:
            answer.tokens_in = usage.prompt_token_count or answer.tokens_in
            answer.tokens_out = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) or answer.tokens_out
        for candidate in reply.candidates or []:
            for part in (candidate.content and candidate.content.parts) or []:
                if answer.native is None:
                    answer.native = gt.Content(role="model", parts=[])
                answer.native.parts.append(part)
                if part.function_call:
                    call = part.function_call
                    answer.calls.append(Call(call.name, dict(call.args or {}), call.id))
                elif part.thought:
                    answer.thoughts += part.text or ""
                elif part.text:
                    answer.text += part.text
                    answer.deltas += 1
            if candidate.finish_reason:
                answer.finish = self.FINISH[candidate.finish_reason.value]

    @staticmethod
    def _part(part):
        if not isinstance(part, Image):
            return gt.Part(text=part)
        if part.url:
            return gt.Part(file_data=gt.FileData(file_uri=part.url, mime_type=part.kind))
        return gt.Part(inline_data=gt.Blob(mime_type=part.kind, data=base64.b64decode(part.data)))


SPEAKERS = {speaker.name: speaker for speaker in (Chat, Responses, Messages, Generate)}
