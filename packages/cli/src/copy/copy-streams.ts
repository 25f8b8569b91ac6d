/**
 * The four loops that move a file. The server does all remote access, so it never grants any to its own memory:
 *
 *     get   server: disk → pool → RDMA WRITE with immediate → client: window → disk
 *     put   client: disk → window → server: RDMA READ → pool → disk
 *
 * Each keeps disk, wire and hash overlapped: a chunk is hashed while the next one is on its way.
 */
import { RemoteMemory } from '@verbena/core';
import { packSignal, SignalKind } from '../session/session.ts';
import type { ChunkWindow } from './chunk-window.ts';
import type { FileSink } from './file-sink.ts';
import type { FileSource } from './file-source.ts';
import { StreamHash } from './stream-hash.ts';
import { SlotWork, type Transfer } from './transfer.ts';

/** Server of a get: reads the file and writes it into the client's window. @returns SHA-256 of what was sent */
export async function writeToPeer(
  transfer: Transfer,
  source: FileSource,
  pool: ChunkWindow,
  rkey: bigint,
): Promise<string> {
  const { context } = transfer.channel.endpoint;
  const hash = new StreamHash(context);
  const remote = new RemoteMemory(rkey);
  const writes = new SlotWork(pool.slots, (error) => transfer.fail(error));
  const fill = async (sequence: number) => {
    await transfer.slotFree(sequence);
    await writes.previous(sequence);
    await source.read(pool.chunk(sequence, transfer.length(sequence)), sequence * pool.slotBytes);
  };
  let filled = transfer.chunks > 0 ? fill(0) : undefined;
  try {
    for (let sequence = 0; sequence < transfer.chunks; sequence++) {
      await filled;
      const length = transfer.length(sequence);
      const offset = pool.offset(sequence);
      writes.start(
        sequence,
        transfer.move({
          opcode: 'write',
          region: pool.region,
          offset,
          length,
          remote,
          remoteOffset: offset,
          imm: packSignal(SignalKind.LANDED, transfer.id, sequence),
        }),
      );
      // with one slot the next chunk cannot be filled before this one is hashed
      const hashFirst = pool.slots === 1;
      if (hashFirst) hash.update(pool.chunk(sequence, length));
      filled = sequence + 1 < transfer.chunks ? fill(sequence + 1) : undefined;
      filled?.catch(() => {});
      if (!hashFirst) hash.update(pool.chunk(sequence, length));
    }
  } finally {
    await writes.all();
  }
  transfer.check();
  await source.checkUnchanged();
  return hash.digest();
}

/** Client of a get: takes what lands in its window. @returns SHA-256 of what was in its memory */
export async function takeFromWindow(
  transfer: Transfer,
  window: ChunkWindow,
  sink: FileSink,
  onProgress: (bytes: number) => void,
): Promise<string> {
  const hash = new StreamHash(transfer.channel.endpoint.context);
  const stores = new SlotWork(window.slots, (error) => transfer.fail(error));
  const store = async (sequence: number, chunk: Uint8Array) => {
    await sink.write(chunk, sequence * window.slotBytes);
    await transfer.signal(SignalKind.CREDIT, sequence);
  };
  try {
    for (let sequence = 0; sequence < transfer.chunks; sequence++) {
      await transfer.arrived(sequence);
      const chunk = window.chunk(sequence, transfer.length(sequence));
      hash.update(chunk); // before the credit: afterwards the slot is the server's
      stores.start(sequence, store(sequence, chunk));
      onProgress(sequence * window.slotBytes + chunk.length);
    }
  } finally {
    await stores.all();
  }
  transfer.check();
  return hash.digest();
}

/** Client of a put: fills its window and tells the server what to read. */
export async function offerWindow(
  transfer: Transfer,
  window: ChunkWindow,
  source: FileSource,
  onProgress: (bytes: number) => void,
): Promise<string> {
  const hash = new StreamHash(transfer.channel.endpoint.context);
  const signals = new SlotWork(window.slots, (error) => transfer.fail(error));
  try {
    for (let sequence = 0; sequence < transfer.chunks; sequence++) {
      await transfer.slotFree(sequence);
      await signals.previous(sequence);
      const chunk = window.chunk(sequence, transfer.length(sequence));
      await source.read(chunk, sequence * window.slotBytes);
      signals.start(sequence, transfer.signal(SignalKind.READY, sequence));
      hash.update(chunk);
      onProgress(sequence * window.slotBytes + chunk.length);
    }
    await transfer.allConsumed();
  } finally {
    await signals.all();
  }
  transfer.check();
  await source.checkUnchanged();
  return hash.digest();
}

/** Server of a put: reads the client's window and writes the file. */
export async function readFromPeer(
  transfer: Transfer,
  pool: ChunkWindow,
  sink: FileSink,
  rkey: bigint,
): Promise<string> {
  const hash = new StreamHash(transfer.channel.endpoint.context);
  const remote = new RemoteMemory(rkey);
  const work = new SlotWork(pool.slots, (error) => transfer.fail(error));
  const fetched = transfer.gate();
  const stored = transfer.gate();
  const fetch = async (sequence: number) => {
    const offset = pool.offset(sequence);
    const length = transfer.length(sequence);
    await transfer.move({ opcode: 'read', region: pool.region, offset, length, remote, remoteOffset: offset });
    fetched.arrive(sequence);
    await transfer.signal(SignalKind.CREDIT, sequence);
  };
  const store = async (sequence: number, chunk: Uint8Array) => {
    await sink.write(chunk, sequence * pool.slotBytes);
    stored.arrive(sequence);
  };
  const fetchAll = async () => {
    for (let sequence = 0; sequence < transfer.chunks; sequence++) {
      await transfer.arrived(sequence);
      if (sequence >= pool.slots) await stored.wait(sequence - pool.slots);
      work.start(sequence, fetch(sequence));
    }
  };
  const fetching = fetchAll().catch((error: unknown) => transfer.fail(error));
  try {
    for (let sequence = 0; sequence < transfer.chunks; sequence++) {
      await fetched.wait(sequence);
      const chunk = pool.chunk(sequence, transfer.length(sequence));
      hash.update(chunk);
      work.start(sequence, store(sequence, chunk));
    }
  } finally {
    await fetching;
    await work.all();
  }
  transfer.check();
  return hash.digest();
}
