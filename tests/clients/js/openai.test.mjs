// The official OpenAI client for JavaScript.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { ALL, RED_DOT, reach, spoiled, stand, withoutSchemas } from './stand.mjs';

const Person = z.object({ name: z.string(), age: z.number() });
const Weather = z.object({ city: z.string() });
const hello = [{ role: 'user', content: 'Say hello.' }];
let at;
before(async () => { at = await stand(); });
after(async () => { await at?.stop(); });

function client(url) {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0, timeout: 30_000 });
}

for (const upstream of ALL) {
  describe(`openai at ${upstream}`, () => {
    let openai, model;
    before(() => {
      const place = reach(at, upstream, 'gpt-4.1-mini');
      [openai, model] = [client(place.url), place.model];
    });

    test('chat: joined deltas are the buffered answer', async () => {
      const whole = await openai.chat.completions.create({ model, messages: hello });
      let text = '';
      let usage;
      const stream = await openai.chat.completions.create({
        model, messages: hello, stream: true, stream_options: { include_usage: true },
      });
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta?.content ?? '';
        usage = chunk.usage ?? usage;
      }
      assert.ok(text.trim());
      assert.equal(text, whole.choices[0].message.content);
      assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
    });

    test('chat: the stream helper gathers structured output', async () => {
      const reply = await openai.chat.completions.parse({
        model, messages: hello, response_format: zodResponseFormat(Person, 'person'),
      });
      assert.equal(typeof reply.choices[0].message.parsed.age, 'number');
      const stream = openai.chat.completions.stream({
        model, messages: hello, response_format: zodResponseFormat(Person, 'person'),
      });
      const final = await stream.finalChatCompletion();
      assert.equal(typeof final.choices[0].message.parsed.name, 'string');
    });

    test('chat: tools run, and their results go back', async () => {
      const asked = [];
      const runner = openai.chat.completions.runTools({
        model,
        messages: [{ role: 'user', content: 'Weather in Rome? [[sim:tool=get_weather]]' }],
        tools: [{
          type: 'function',
          function: {
            name: 'get_weather', description: 'The weather in a city', parse: JSON.parse,
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
            function: async (input) => { asked.push(input); return 'sunny'; },
          },
        }],
      });
      assert.ok((await runner.finalContent()).trim());
      assert.equal(asked.length, 1);
      assert.equal(typeof asked[0].city, 'string');
    });

    test('chat: an image is taken', async () => {
      const reply = await openai.chat.completions.create({
        model,
        messages: [{
          role: 'user',
          content: [
            { type: 'text', text: 'What is this? [[sim:echo]]' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${RED_DOT}` } },
          ],
        }],
      });
      assert.ok(reply.choices[0].message.content.includes(RED_DOT));
    });

    test('responses: the stream helper ends with the buffered answer', async () => {
      const whole = await openai.responses.create({ model, input: 'Say hello.', store: false });
      const stream = openai.responses.stream({ model, input: 'Say hello.', store: false });
      const kinds = [];
      for await (const event of stream) kinds.push(event.type);
      const final = await stream.finalResponse();
      assert.equal(kinds[0], 'response.created');
      assert.equal(kinds.at(-1), 'response.completed');
      assert.ok(final.output_text.trim());
      assert.equal(final.output_text, whole.output_text);
    });

    test('responses: structured output and tools are parsed', withoutSchemas(upstream), async () => {
      const reply = await openai.responses.parse({
        model, input: 'Invent a person.', text: { format: zodTextFormat(Person, 'person') }, store: false,
      });
      assert.equal(typeof reply.output_parsed.age, 'number');
      const called = await openai.responses.parse({
        model, input: 'Weather? [[sim:tool=Weather]]', store: false,
        tools: [{ type: 'function', name: 'Weather', parameters: z.toJSONSchema(Weather), strict: true }],
      });
      const call = called.output.find((item) => item.type === 'function_call');
      assert.equal(typeof JSON.parse(call.arguments).city, 'string');
    });

    test('an error inside a stream rejects', async () => {
      await assert.rejects(async () => {
        const stream = await openai.chat.completions.create({
          model, stream: true,
          messages: [{ role: 'user', content: 'A page. [[sim:tokens=60]] [[sim:error-in-stream=5]]' }],
        });
        for await (const _ of stream);
      }, OpenAI.APIError);
    });
  });
}

describe('openai at the relay', () => {
  const refuses = async (status, kind) => {
    await assert.rejects(
      client(at.relay).chat.completions.create({
        model: spoiled('openai'), messages: [{ role: 'user', content: `[[sim:status=${status}]]` }],
      }),
      kind,
    );
  };
  test('400 is a BadRequestError', () => refuses(400, OpenAI.BadRequestError));
  test('404 is a NotFoundError', () => refuses(404, OpenAI.NotFoundError));
  test('429 is a RateLimitError', () => refuses(429, OpenAI.RateLimitError));
  test('500 is an InternalServerError', () => refuses(500, OpenAI.InternalServerError));
  test('503 is an InternalServerError', () => refuses(503, OpenAI.InternalServerError));
  test('the provider refusing our key is not the client\'s 401', () => refuses(401, OpenAI.InternalServerError));

  test('a stream that breaks off rejects', async () => {
    await assert.rejects(async () => {
      const stream = await client(at.relay).chat.completions.create({
        model: spoiled('openai'), stream: true,
        messages: [{ role: 'user', content: 'A page. [[sim:tokens=60]] [[sim:truncate=5]]' }],
      });
      for await (const _ of stream);
    }, OpenAI.APIError);
  });

  test('embeddings, images, moderations and models', async () => {
    const openai = client(at.relay);
    const floats = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'], encoding_format: 'float' });
    const packed = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'] });
    assert.equal(floats.data.length, 2);
    for (const [i, { embedding }] of floats.data.entries()) {
      assert.equal(embedding.length, packed.data[i].embedding.length);
      embedding.forEach((value, j) => assert.ok(Math.abs(value - packed.data[i].embedding[j]) < 1e-5));
    }
    const image = await openai.images.generate({ model: 'gpt-image-1', prompt: 'A red square' });
    assert.ok(image.data[0].b64_json.length > 0);
    const moderation = await openai.moderations.create({ model: 'omni-moderation-latest', input: 'Hello' });
    assert.equal(moderation.results.length, 1);
    const ids = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    assert.ok(ids.includes('via-gemini'));
    assert.equal((await openai.models.retrieve('via-gemini')).id, 'via-gemini');
  });

  test('the request id and the provider are in the headers', async () => {
    const { data, response, request_id } = await client(at.relay).chat.completions
      .create({ model: 'via-anthropic', messages: hello }).withResponse();
    assert.ok(data.choices[0].message.content);
    assert.ok(request_id);
    assert.equal(response.headers.get('x-sluicegate-provider'), 'anthropic');
  });

  test('aborting a stream ends the upstream call', async () => {
    const counts = () => fetch(`${at.simulator}/sim/requests`).then((r) => r.json());
    const earlier = await counts();
    const stream = await client(at.relay).chat.completions.create({
      model: 'via-gemini', stream: true, messages: [{ role: 'user', content: '[[sim:tps=5]] [[sim:tokens=500]]' }],
    });
    for await (const _ of stream) break;
    stream.controller.abort();
    for (let i = 0; i < 60; i++) {
      if ((await counts()).cancelled > earlier.cancelled) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.fail('the simulator still works for nobody');
  });
});
