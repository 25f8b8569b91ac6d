/** Calls that are nearly right, and noise, over the socket. */
import type { SeededRandom } from '@verbena/core';
import {
  type AttributeType,
  ERRNO,
  encodeRequest,
  MANAGEMENT,
  type Method,
  type ObjectSchema,
  UAPI,
} from '@verbena/core/uapi';
import type { Attack, HostileCase } from '../attack.ts';
import { DEVICES } from '../daemon-process.ts';
import { Keep, RawClient } from '../raw-client.ts';
import { type RawRequest, RemoteWorld } from '../remote-world.ts';
import { closeDescriptor, memoryFile, pipePair } from '../system-calls.ts';

export const userApiFuzz: HostileCase = {
  name: 'fuzz of the user API over the socket, driven by its schema',
  proves: 'R224 R058 L16',
  async attack(attack) {
    const wanted = CALLS * attack.effort;
    for (let clients = 0; (attack.facts.calls ?? 0) < wanted && clients < wanted / 100; clients++) {
      fuzzOneClient(attack, Math.min(wanted - (attack.facts.calls ?? 0), CALLS_PER_CLIENT));
      await null;
    }
    attack.expect(attack.facts.calls === wanted, `only ${attack.facts.calls} of ${wanted} calls were made`);
  },
};

function fuzzOneClient(attack: Attack, calls: number): void {
  const { random } = attack;
  const jobs = random.chance(0.7);
  const client = RawClient.connect(attack.socket, jobs ? Keep.JOB : Keep.NONE);
  let world: RemoteWorld | undefined;
  try {
    for (let call = 0; call < calls; call++) {
      if (world === undefined || call % CALLS_PER_WORLD === 0) {
        world?.raw.outcome('DEVICE', 'CLOSE', {});
        world = new RemoteWorld(client, DEVICES[random.below(2)]!, jobs);
      }
      let request: RawRequest;
      try {
        request = anyRequest(random, world, jobs);
      } catch {
        // an earlier call has destroyed what the case needs
        world.raw.outcome('DEVICE', 'CLOSE', {});
        world = undefined;
        continue;
      }
      const answer = client.exchange(request.bytes, request.files);
      for (const fd of request.files) closeDescriptor(fd);
      attack.count('calls');
      if (answer === undefined) {
        attack.expect(false, `call ${call}: ${client.ended ? 'the connection ended' : 'no answer'}`);
        return;
      }
      const view = new DataView(answer.bytes.buffer);
      const [length, error] = [view.getUint32(0, true), view.getUint16(4, true)];
      attack.expect(
        length === answer.bytes.length,
        `call ${call}: the answer of ${answer.bytes.length} bytes says ${length}`,
      );
      attack.expect(error === 0 || KNOWN_ERRORS.has(error), `call ${call}: unknown error ${error}`);
      attack.expect(error !== ERRNO.EIO, `call ${call}: EIO from a device that is well`);
      const sent = new DataView(request.bytes.buffer, request.bytes.byteOffset);
      const cookie = view.getUint32(8, true);
      attack.expect(cookie === sent.getUint32(20, true) || cookie === 0, `call ${call}: the answer to another call`);
      attack.count(error === 0 ? 'accepted' : 'refused');
    }
  } finally {
    client.close();
  }
}

/** Right, nearly right, right by type only, or noise; always with the length in front, so that it is a message. */
export function anyRequest(random: SeededRandom, world: RemoteWorld, jobs: boolean): RawRequest {
  const kind = random.next();
  let request: RawRequest;
  if (kind < 0.75) request = world.request(world.cases[random.below(world.cases.length)]!, random.uint32());
  else request = byType(random, world, jobs);
  if (kind >= 0.2 && kind < 0.9) request = { bytes: damaged(random, request.bytes), files: request.files };
  if (random.chance(0.05)) request = { ...request, files: [...request.files, ...someFiles(random)] };
  const files = request.files.slice(0, MAX_FILES);
  for (const fd of request.files.slice(MAX_FILES)) closeDescriptor(fd);
  return { bytes: request.bytes, files };
}

/** A method with attributes of the right types and any values. */
function byType(random: SeededRandom, world: RemoteWorld, jobs: boolean): RawRequest {
  // who may make jobs may also end those of others over the management channel: that is no attack
  const objects: readonly ObjectSchema[] = Object.values(
    random.chance(0.2) && !jobs ? { ...UAPI, ...MANAGEMENT } : UAPI,
  );
  const of = objects[random.below(objects.length)]!;
  const methods = Object.values(of.methods);
  const method = methods[random.below(methods.length)]!;
  const extra = Object.values(method.attributes).flatMap(({ id, direction, type, mandatory }) =>
    direction === 'in' && random.chance(mandatory ? 0.95 : 0.4)
      ? [{ id, flags: random.below(2), value: anyValue(random, type, world) }]
      : [],
  );
  if (random.chance(0.1)) extra.push({ id: random.below(65_536), flags: random.below(4), value: noise(random, 40) });
  const empty: Method = { ...method, attributes: {} };
  const header = of.id < 0x100 ? world.raw.header : {};
  const bytes = encodeRequest(of, empty, {}, { ...header, cookie: random.uint32(), extra });
  return { bytes, files: random.chance(0.4) ? someFiles(random) : [] };
}

function anyValue(random: SeededRandom, type: AttributeType, world: RemoteWorld): Uint8Array {
  const handles = [...world.world.handles.values()];
  const handle = () => (random.chance(0.8) ? (handles[random.below(handles.length)] ?? 0) : edge(random));
  const words = (...list: number[]) => new Uint8Array(new Uint32Array(list).buffer);
  switch (type.kind) {
    case 'handle':
      return words(random.chance(0.7) ? (world.world.handles.get(type.object) ?? 0) : handle());
    case 'handles':
    case 'numbers':
      return words(...Array.from({ length: random.below(8) }, handle));
    case 'choice':
    case 'flags': {
      const known = Object.values(type.kind === 'choice' ? type.values : type.bits);
      return words(random.chance(0.9) ? known[random.below(known.length)]! : edge(random));
    }
    case 'u32':
      return words(edge(random));
    case 'u64':
    case 'size':
      return words(edge(random), random.chance(0.8) ? 0 : edge(random));
    case 'text':
      return noise(random, random.chance(0.9) ? 16 : type.max + 2);
    case 'bytes':
      return noise(random, type.max + 1, random.chance(0.7) ? type.max : undefined);
    case 'struct': {
      const bytes = noise(random, type.layout.bytes, type.layout.bytes);
      if (random.chance(0.8))
        for (let i = 0; i < bytes.length; i += 4) bytes.set(words(edge(random)), Math.min(i, bytes.length - 4));
      return bytes;
    }
    default:
      return noise(random, 200);
  }
}

/** One to four changes, most of them in the headers; the length stays true. */
function damaged(random: SeededRandom, original: Uint8Array): Uint8Array {
  let bytes: Uint8Array = original.slice();
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = 4 + random.below(Math.min(bytes.length - 4, random.chance(0.6) ? 60 : bytes.length));
    const how = random.below(6);
    if (how === 0) bytes[at]! ^= 1 << random.below(8);
    else if (how === 1) bytes[at] = random.below(256);
    else if (how === 2) new DataView(bytes.buffer).setUint32(Math.min(at & ~3, bytes.length - 4), edge(random), true);
    else if (how === 3) bytes = bytes.slice(0, Math.max(32, at));
    else if (how === 4) bytes = joined(bytes, noise(random, 64));
    else bytes.copyWithin(at, random.below(bytes.length), bytes.length);
  }
  new DataView(bytes.buffer).setUint32(0, bytes.length, true);
  return bytes;
}

function someFiles(random: SeededRandom): number[] {
  return Array.from({ length: random.below(MAX_FILES + 1) }, () => {
    if (random.chance(0.7)) return memoryFile(4096 * (1 + random.below(32)), random.chance(0.8));
    const [reading, writing] = pipePair();
    closeDescriptor(writing);
    return reading;
  });
}

function noise(random: SeededRandom, most: number, length = random.below(most + 1)): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function edge(random: SeededRandom): number {
  return random.chance(0.5)
    ? random.below(300)
    : random.chance(0.5)
      ? EDGES[random.below(EDGES.length)]!
      : random.uint32();
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

const KNOWN_ERRORS = new Set<number>(Object.values(ERRNO));
const EDGES = [0, 1, 0x7f, 0xff, 0x1000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
/** Of a short run. */
const CALLS = 5000;
const CALLS_PER_CLIENT = 2500;
const CALLS_PER_WORLD = 250;
const MAX_FILES = 4;
