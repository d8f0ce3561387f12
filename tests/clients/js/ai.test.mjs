// The AI SDK with the providers it has for OpenAI (Responses and chat), its compatible ones, Anthropic and Google.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { ALL, RED_DOT, reach, stand, withoutSchemas } from './stand.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;
let at;
before(async () => { at = await stand(); });
after(async () => { await at?.stop(); });

const PROVIDERS = {
  'openai (responses)': ['gpt-4.1-mini', (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: 'unused' }).responses],
  'openai (chat)': ['gpt-4.1-mini', (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: 'unused' }).chat],
  'openai-compatible': ['gpt-4.1-mini', (url) => createOpenAICompatible({
    name: 'compat', baseURL: `${url}/v1`, apiKey: 'unused', includeUsage: true, supportsStructuredOutputs: true,
  })],
  anthropic: ['claude-haiku-4-5', (url) => createAnthropic({ baseURL: `${url}/v1`, apiKey: 'unused' })],
  google: ['gemini-2.5-flash', (url) => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: 'unused' })],
};

for (const [name, [directModel, make]] of Object.entries(PROVIDERS)) {
  for (const upstream of ALL) {
    describe(`ai with ${name} at ${upstream}`, () => {
      let model;
      before(() => {
        const place = reach(at, upstream, directModel);
        model = make(place.url)(place.model);
      });

      test('streamed text is the generated text', async () => {
        const whole = await generateText({ model, prompt: 'Say hello.', maxRetries: 0 });
        const stream = streamText({ model, prompt: 'Say hello.', maxRetries: 0 });
        let text = '';
        for await (const piece of stream.textStream) text += piece;
        assert.ok(text.trim());
        assert.equal(text, whole.text);
        assert.equal(await stream.finishReason, 'stop');
        const usage = await stream.usage;
        assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
      });

      test('a tool runs in the loop, buffered and streamed', async () => {
        for (const streamed of [false, true]) {
          const cities = [];
          const order = {
            model, maxRetries: 0, stopWhen: stepCountIs(3), prompt: 'The weather in Rome? [[sim:tool=get_weather]]',
            tools: {
              get_weather: tool({
                description: 'The weather in a city', inputSchema: z.object({ city: z.string() }),
                execute: async ({ city }) => { cities.push(city); return 'sunny'; },
              }),
            },
          };
          const result = streamed ? streamText(order) : await generateText(order);
          assert.ok((await result.text).trim());
          assert.equal(cities.length, 1);
        }
      });

      test('an object fits its schema', withoutSchemas(upstream), async () => {
        const { output } = await generateText({
          model, maxRetries: 0, prompt: 'Invent a person.',
          output: Output.object({ schema: z.object({ name: z.string(), age: z.number() }) }),
        });
        assert.equal(typeof output.name, 'string');
        assert.equal(typeof output.age, 'number');
      });

      test('an image is taken', async () => {
        const { text } = await generateText({
          model, maxRetries: 0, maxOutputTokens: 4000,
          messages: [{
            role: 'user',
            content: [{ type: 'text', text: 'What is this? [[sim:echo]]' }, { type: 'image', image: RED_DOT, mediaType: 'image/png' }],
          }],
        });
        assert.ok(text.includes(RED_DOT));
      });
    });
  }
}

describe('ai at the relay', () => {
  test('a refusal is an APICallError with its status', async () => {
    for (const [, make] of Object.values(PROVIDERS)) {
      await assert.rejects(
        generateText({ model: make(at.relay)('via-openai'), maxRetries: 0, prompt: '[[sim:status=429]]' }),
        (error) => APICallError.isInstance(error) && error.statusCode === 429,
      );
    }
  });

  test('embeddings', async () => {
    const provider = createOpenAI({ baseURL: `${at.relay}/v1`, apiKey: 'unused' });
    const { embeddings } = await embedMany({ model: provider.embedding('text-embedding-3-small'), values: ['one', 'two'] });
    assert.equal(embeddings.length, 2);
    assert.ok(embeddings[0].length > 0);
  });
});
