// The stand of the JavaScript tests: the real binary in front of a simulated provider, as in the Python ones.
// Programs listen on a free port and say where; nothing of the caller's environment reaches them but PATH and HOME.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../..', import.meta.url));

export const UPSTREAMS = {
  openai: 'gpt-4.1-mini',
  azure: 'gpt-4.1',
  deepseek: 'deepseek-chat',
  compat: 'qwen3-8b',
  anthropic: 'claude-haiku-4-5',
  gemini: 'gemini-2.5-flash',
};

// What the relay learns of a provider that fails it remembers, so a test that makes one fail takes a copy of it that
// nobody has used. Kinds with the version their addresses end in.
const KINDS = { openai: '/v1', anthropic: '', gemini: '' };
const COPIES = 20;
const used = {};

// The model by which a copy of an upstream is reached that nobody has used.
export function spoiled(name) {
  used[name] = (used[name] ?? -1) + 1;
  return `${name}-${used[name]}/${UPSTREAMS[name]}`;
}

function binary() {
  if (process.env.SLUICEGATE_BIN) return process.env.SLUICEGATE_BIN;
  const target = process.env.CARGO_TARGET_DIR ?? join(repository, 'target');
  const built = ['debug', 'quick', 'dist'].map((profile) => join(target, profile, 'sluicegate')).filter(existsSync);
  if (built.length === 0) throw new Error('no sluicegate binary: build it, or name one in SLUICEGATE_BIN');
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

async function start(name, args, folder, env = {}) {
  const log = join(folder, `${name}.log`);
  const out = openSync(log, 'w');
  const { PATH, HOME } = process.env;
  const child = spawn(binary(), args, { cwd: folder, env: { PATH, HOME, ...env }, stdio: ['ignore', out, out] });
  const output = () => readFileSync(log, 'utf8');
  const until = Date.now() + 30_000;
  while (Date.now() < until) {
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(output());
    if (found) {
      const stop = async () => {
        child.kill('SIGTERM');
        for (let i = 0; i < 300 && child.exitCode === null && child.signalCode === null; i++) await sleep(50);
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      };
      return { url: found[0], output, stop };
    }
    if (child.exitCode !== null) break;
    await sleep(20);
  }
  child.kill('SIGKILL');
  throw new Error(`${name} did not start:\n${output().slice(-4000)}`);
}

// Starts both and returns their addresses and a function that stops them.
export async function stand() {
  const folder = mkdtempSync(join(tmpdir(), 'sluicegate-js-'));
  const simulator = await start('simulator', ['simulate', 'provider', '--listen', '127.0.0.1:0'], folder);
  const url = simulator.url;
  const copies = Object.keys(KINDS).flatMap((name) =>
    Array.from({ length: COPIES }, (_, number) =>
      `  ${name}-${number}: { kind: ${name}, base_url: "${url}${KINDS[name]}", api_key_env: STAND_KEY, max_retries: 0, models: [none] }`));
  const aliases = Object.entries(UPSTREAMS).map(([name, model]) => `  via-${name}: { to: ${name}/${model} }`);
  writeFileSync(
    join(folder, 'sluicegate.yaml'),
    `version: 1
providers:
  openai:    { kind: openai, base_url: "${url}/v1", api_key_env: STAND_KEY, max_retries: 0, models: [text-embedding-3-small, gpt-image-1, omni-moderation-latest] }
  azure:     { kind: azure, base_url: "${url}", api_key_env: STAND_KEY, max_retries: 0 }
  deepseek:  { kind: deepseek, base_url: "${url}", api_key_env: STAND_KEY, max_retries: 0 }
  compat:    { kind: openai_compatible, base_url: "${url}/v1", api_key_env: STAND_KEY, max_retries: 0 }
  anthropic: { kind: anthropic, base_url: "${url}", api_key_env: STAND_KEY, max_retries: 0 }
  gemini:    { kind: gemini, base_url: "${url}", api_key_env: STAND_KEY, max_retries: 0 }
${copies.join('\n')}
models:
${aliases.join('\n')}
`,
  );
  let relay;
  try {
    relay = await start('relay', ['serve', '--config', 'sluicegate.yaml', '--listen', '127.0.0.1:0'], folder, {
      STAND_KEY: 'provider-secret-that-no-client-may-see',
      SLUICEGATE_DATA: join(folder, 'data'),
    });
    for (let i = 0; ; i++) {
      const ready = await fetch(`${relay.url}/health/ready`).then((r) => r.ok, () => false);
      if (ready) break;
      if (i > 300) throw new Error(`the relay was not ready:\n${relay.output().slice(-4000)}`);
      await sleep(50);
    }
  } catch (error) {
    await relay?.stop();
    await simulator.stop();
    throw error;
  }
  const stop = async () => {
    await relay.stop();
    await simulator.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { simulator: url, relay: relay.url, stop };
}

// Where each upstream is reached: `direct` is the simulator with no relay in between.
export function reach(at, upstream, directModel) {
  return upstream === 'direct'
    ? { url: at.simulator, model: directModel }
    : { url: at.relay, model: `via-${upstream}` };
}

export const ALL = ['direct', ...Object.keys(UPSTREAMS)];

// DeepSeek knows no schema: asked for one through another format, the relay refuses.
export const withoutSchemas = (upstream) => (upstream === 'deepseek' ? { skip: 'no schemas at DeepSeek' } : {});

export const PERSON = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
};

export const RED_DOT =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
