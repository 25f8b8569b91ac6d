/** Frames that are no calls, halves of calls, and descriptors of all kinds. */
import { mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERRNO } from '@verbena/core/uapi';
import type { Attack, HostileCase } from '../attack.ts';
import { DEVICES, LIMITS } from '../daemon-process.ts';
import { Keep, linkFrame, RawClient } from '../raw-client.ts';
import { RemoteWorld } from '../remote-world.ts';
import { closeDescriptor, datagramSocket, memoryFile, pipePair } from '../system-calls.ts';

export const wrongFrames: HostileCase = {
  name: 'frames that are too long, too short, garbage, or lie about their length; too many descriptors, and wrong ones',
  proves: 'L11 L16 L17 L18',
  longest: 10,
  async attack(attack) {
    const { random } = attack;
    const before = await attack.daemon.counters();
    // each of these is answered, up to a number; then the client is dropped
    const frames: Uint8Array[] = [
      new Uint8Array(1),
      new Uint8Array(15),
      new Uint8Array(16),
      new Uint8Array(31),
      new Uint8Array(32),
      headed(32, 33),
      headed(32, 0xffff_ffff),
      headed(64, 32),
      headed(65_536, 65_535),
      new Uint8Array(65_537),
      new Uint8Array(100_000),
      new Uint8Array(150_000).fill(0xff),
      linkFrame(3),
      linkFrame(1, 0xffff_ffff),
      linkFrame(0xffff),
    ];
    for (let i = 0; i < 400 * attack.effort; i++) {
      const noise = Uint8Array.from({ length: 1 + random.below(random.chance(0.5) ? 64 : 2000) }, () =>
        random.below(256),
      );
      frames.push(noise);
    }
    let client = RawClient.connect(attack.socket, Keep.NONE);
    let dropped = 0;
    for (const frame of frames) {
      const answer = client.exchange(frame, [], 5000);
      attack.count('frames');
      if (answer !== undefined) {
        const error = new DataView(answer.bytes.buffer).getUint16(4, true);
        attack.expect(error !== 0, `${frame.length} bytes were taken for a call`);
        continue;
      }
      attack.expect(client.ended, `${frame.length} bytes: no answer`);
      dropped++;
      client.close();
      client = RawClient.connect(attack.socket, Keep.NONE);
    }
    attack.facts['connections dropped'] = dropped;
    client.close();
    await descriptors(attack);
    const after = await attack.daemon.counters();
    const counted = (after.malformedFrames ?? 0) - (before.malformedFrames ?? 0);
    attack.expect(counted > frames.length / 2, `only ${counted} of ${frames.length} frames were counted as malformed`);
    attack.expect((after.droppedMalformed ?? 0) - (before.droppedMalformed ?? 0) >= dropped, 'drops were not counted');
  },
};

/** Descriptors where memory files are due, and where none are. */
async function descriptors(attack: Attack): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  const kinds: Readonly<Record<string, () => number>> = {
    pipe: () => {
      const [reading, writing] = pipePair();
      closeDescriptor(writing);
      return reading;
    },
    socket: datagramSocket,
    '/dev/null': () => openSync('/dev/null', 'r+'),
    '/dev/zero': () => openSync('/dev/zero', 'r+'),
    directory: () => openSync(folder, 'r'),
    file: () => openSync(new URL(import.meta.url), 'r'),
    'unsealed memory': () => memoryFile(8192, false),
    'memory of no pages': () => memoryFile(0),
    'memory of part of a page': () => memoryFile(100),
  };
  const client = RawClient.connect(attack.socket, Keep.NONE);
  const context = client.open(DEVICES[0]);
  const pd = Number(context.call('PD', 'ALLOC', {}).handle);
  const memory = { kind: 0, index: 0, offset: 0, length: 4096 };
  for (const [kind, open] of Object.entries(kinds)) {
    const fd = open();
    const outcomes = [
      context.outcome('UMEM', 'CREATE', { kind: 0, attachment: 0 }, [fd]),
      context.outcome('MR', 'REG', { pd, memory, access: 1 }, [fd]),
      context.outcome('CQ', 'CREATE', { ring: memory, entries: 16 }, [fd]),
    ];
    attack.count('wrong descriptors', outcomes.length);
    for (const outcome of outcomes) {
      attack.expect(outcome === 'EPERM' || outcome === 'EINVAL', `${kind} for memory: ${outcome}`);
    }
    closeDescriptor(fd);
  }
  rmdirSync(folder);
  const good = memoryFile(65_536);
  // a good file, and a place in it that does not exist
  for (const [offset, length] of [
    [0, 65_537],
    [65_536, 1],
    [2 ** 40, 4096],
    [2 ** 53 - 1, 4096],
    [4096, 2 ** 53 - 1],
    [0, 0],
  ] as const) {
    const outcome = context.outcome('MR', 'REG', { pd, memory: { kind: 0, index: 0, offset, length }, access: 1 }, [
      good,
    ]);
    attack.expect(outcome !== 'OK' && outcome !== 'EIO', `${length} bytes at ${offset} of 65536: ${outcome}`);
  }
  attack.expect(context.outcome('UMEM', 'CREATE', { kind: 0, attachment: 1 }, [good]) !== 'OK', 'attachment 1 of one');
  attack.expect(
    context.outcome('UMEM', 'CREATE', { kind: 0, attachment: 0xffff_ffff }, [good]) !== 'OK',
    'attachment -1',
  );
  // the same file many times over is one mapping each, and none is left
  for (let i = 0; i < 20; i++) context.call('UMEM', 'CREATE', { kind: 0, attachment: 0 }, [good]);
  client.close();

  // as many as a message carries, without end, beside calls that want none
  const flood = RawClient.connect(attack.socket, Keep.NONE);
  const list = linkFrame(2);
  for (let i = 0; i < 200 * attack.effort && !flood.ended; i++) {
    if (flood.sendPatiently(list, [good, good, good, good])) attack.count('descriptors sent', 4);
  }
  flood.close();
  const over = RawClient.connect(attack.socket, Keep.NONE);
  for (let i = 0; i < LIMITS.malformedFrames; i++) {
    const answer = over.exchange(
      headed(32, 32),
      Array.from({ length: 5 + i * 3 }, () => good),
    );
    if (answer === undefined) break;
    const error = new DataView(answer.bytes.buffer).getUint16(4, true);
    attack.expect(error === ERRNO.EMSGSIZE, `${5 + i * 3} descriptors: error ${error}`);
    attack.count('messages with too many descriptors');
  }
  over.close();
  closeDescriptor(good);
}

export const halfMessages: HostileCase = {
  name: 'messages cut at every length, with a header that says the old length, or the new one',
  proves: 'R058 L16',
  longest: 2,
  async attack(attack) {
    let client = RawClient.connect(attack.socket, Keep.JOB);
    let world = new RemoteWorld(client, DEVICES[1], true);
    const step = attack.effort > 1 ? 1 : 3;
    for (const one of world.cases) {
      if (one.method === 'CLOSE') continue;
      const { bytes, files } = world.request(one, 77);
      for (let length = 1; length < bytes.length; length += length < 40 ? 1 : step) {
        const cut = bytes.slice(0, length);
        const honest = length >= 32;
        // what says its length is a wrong call, and nobody is dropped for that
        if (honest) new DataView(cut.buffer).setUint32(0, length, true);
        else if (length > 16 && !attack.random.chance(0.2)) continue;
        const answer = client.exchange(cut, files);
        attack.count('cut messages');
        const error = answer === undefined ? 0 : new DataView(answer.bytes.buffer).getUint16(4, true);
        if (honest)
          attack.expect(error === ERRNO.EINVAL, `${one.object}.${one.method} cut to ${length}: error ${error}`);
        if (answer !== undefined) continue;
        attack.expect(client.ended && !honest, `${one.object}.${one.method} cut to ${length}: no answer`);
        client.close();
        client = RawClient.connect(attack.socket, Keep.JOB);
        world = new RemoteWorld(client, DEVICES[1], true);
        break;
      }
      // the header says more than there is
      const late = bytes.slice(0, bytes.length - 1);
      if (client.exchange(late, files) === undefined) {
        client.close();
        client = RawClient.connect(attack.socket, Keep.JOB);
        world = new RemoteWorld(client, DEVICES[1], true);
      }
      for (const fd of files) closeDescriptor(fd);
    }
    client.close();
  },
};

function headed(length: number, says: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, says, true);
  return bytes;
}
