import { join } from 'node:path';
import { decodeAnswer, encodeRequest, UAPI } from '@verbena/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LinkFrame, linkFrame } from '../ipc/link-frames.ts';
import { MAX_FRAME_BYTES, type SeqpacketConnection } from '../ipc/seqpacket.ts';
import { connectSeqpacket } from '../ipc/seqpacket-client.ts';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { createMemoryFile } from '../memory/memory-file.ts';
import { Daemon } from './daemon.ts';
import { socketFolder, until } from './process-rig.testdata.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: clients of a daemon: ${libcProblem()}`);

const { LIST, OPEN } = UAPI.DEVICE.methods;
const list = (cookie: number) => encodeRequest(UAPI.DEVICE, LIST, {}, { cookie });
const open = () => encodeRequest(UAPI.DEVICE, OPEN, { device: 'uet0' });

describe.skipIf(libc === undefined)('client of a daemon', () => {
  let folder: ReturnType<typeof socketFolder>;
  let daemon: Daemon;
  let connections: SeqpacketConnection[];

  beforeEach(async () => {
    folder = socketFolder();
    connections = [];
    daemon = await Daemon.start({
      socket: join(folder.path, 'verbena.sock'),
      devices: [{ name: 'uet0', address: '127.0.77.251', port: 0 }],
      limits: { malformedFrames: 3, connectionsPerUid: 2, queuedAnswers: 8, slowReaderMs: 60_000, mappings: 2 },
    });
  });

  afterEach(async () => {
    for (const one of connections) one.close();
    await daemon.close();
    folder.remove();
  });

  function connect(): SeqpacketConnection {
    const made = connectSeqpacket(libc, daemon.socket);
    connections.push(made);
    return made;
  }

  async function answer(connection: SeqpacketConnection): Promise<Uint8Array> {
    let bytes: Uint8Array | undefined;
    await until(() => (bytes = connection.receive()?.bytes.slice()) !== undefined, 'an answer');
    return bytes!;
  }

  const ended = (connection: SeqpacketConnection) =>
    until(() => connection.receive() === undefined && connection.ended, 'the daemon ends it');

  test('answers carry the cookie of their call', async () => {
    const one = connect();
    one.send(list(17));
    one.send(list(18));
    for (const cookie of [17, 18]) {
      const bytes = await answer(one);
      expect(new DataView(bytes.buffer).getUint32(8, true)).toBe(cookie);
      expect(decodeAnswer(LIST, bytes).devices).toMatchObject([{ name: 'uet0' }]);
    }
  });

  test('what is no call is answered with an error, and too much of it ends the connection (threats L16)', async () => {
    const one = connect();
    for (const bytes of [new Uint8Array(1), new Uint8Array(40), linkFrame(99)]) {
      one.send(bytes);
      const error = await answer(one);
      expect(() => decodeAnswer(LIST, error)).toThrow(/EINVAL/);
    }
    one.send(list(1)); // it goes on meanwhile
    expect(decodeAnswer(LIST, await answer(one)).devices).toHaveLength(1);
    one.send(new Uint8Array(3));
    await ended(one);
    expect(daemon.counters).toMatchObject({ malformedFrames: 4, droppedMalformed: 1 });
  });

  test('a frame of the full length is taken, and its nonsense answered', async () => {
    const one = connect();
    const bytes = new Uint8Array(MAX_FRAME_BYTES);
    new DataView(bytes.buffer).setUint32(0, bytes.length, true);
    one.send(bytes);
    const error = await answer(one);
    expect(() => decodeAnswer(LIST, error)).toThrow(/E[A-Z]+/);
    expect(daemon.counters.malformedFrames).toBe(0);
  });

  test('a client that asks and does not read is dropped, others are served (threats L16)', async () => {
    const [one, other] = [connect(), connect()];
    for (let i = 0; daemon.counters.droppedSlowReader === 0 && i < 100_000; i++) {
      if (one.send(list(i)) !== 'sent') await new Promise((turned) => setImmediate(turned));
    }
    expect(daemon.counters.droppedSlowReader).toBe(1);
    other.send(list(5));
    expect(decodeAnswer(LIST, await answer(other)).devices).toHaveLength(1);
    expect(daemon.clients.size).toBe(1);
  });

  test('one user gets so many connections (threats L16)', async () => {
    const [one, two] = [connect(), connect()];
    one.send(list(1));
    two.send(list(1));
    await Promise.all([answer(one), answer(two)]);
    await ended(connect());
    expect(daemon.counters.refusedPerUid).toBe(1);
    one.close();
    await until(() => daemon.clients.size === 1, 'the first is gone');
    const three = connect();
    three.send(list(1));
    await answer(three);
  });

  test('rights given up at the beginning are gone for good', async () => {
    const one = connect();
    one.send(linkFrame(LinkFrame.HELLO, 2));
    one.send(list(1));
    await answer(one);
    const [session] = [...daemon.system.sessions];
    expect(session!.credentials).toMatchObject({ pid: process.pid, rights: { admin: false, job: true, raw: false } });
    one.send(linkFrame(LinkFrame.HELLO, 7));
    const error = await answer(one);
    expect(() => decodeAnswer(LIST, error)).toThrow(/EINVAL/);
    expect(session!.credentials.rights.admin).toBe(false);
  });

  test('memory files are mapped up to a number, and closed when nobody takes them (threats L11 L18)', async () => {
    const one = connect();
    one.send(open());
    const { context, driver } = decodeAnswer(OPEN, await answer(one));
    const { CREATE } = UAPI.UMEM.methods;
    const file = createMemoryFile(libc, 4096);
    const umem = encodeRequest(UAPI.UMEM, CREATE, { kind: 0, attachment: 0 }, { context, driver });
    for (let i = 0; i < 2; i++) {
      one.send(umem, [file.fd]);
      decodeAnswer(CREATE, await answer(one));
    }
    one.send(umem, [file.fd]);
    const error = await answer(one);
    expect(() => decodeAnswer(CREATE, error)).toThrow(/ENOMEM/);
    one.send(list(1), [file.fd, file.fd, file.fd, file.fd]);
    await answer(one);
    expect(daemon.mapped.mappings).toBe(2);
    one.close();
    file.release();
    await until(() => daemon.mapped.mappings === 0, 'mappings end with the connection');
  });
});
