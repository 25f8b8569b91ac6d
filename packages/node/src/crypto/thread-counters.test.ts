import { Worker } from 'node:worker_threads';
import { isVerbsError } from '@verbena/core';
import { describe, expect, test } from 'vitest';
import { DomainStore } from './domain-store.ts';
import { ThreadCounters } from './thread-counters.ts';

const idOf = (n: number) => n.toString(16).padStart(24, '0');

describe('counters that threads share', () => {
  test('give no value twice, in whichever thread they are asked for (uet:tss/12, uet:tss/20)', () => {
    const one = new ThreadCounters();
    const other = new ThreadCounters(one.memory);
    const taken = new Map<string, number>();
    for (let n = 0; n < 500; n++) {
      const id = idOf(n % 7);
      const count = 1 + (n % 5);
      expect((n % 3 === 0 ? one : other).reserve(id, count)).toBe(taken.get(id) ?? 0);
      taken.set(id, (taken.get(id) ?? 0) + count);
    }
    expect(() => one.reserve('g', 1)).toThrow(RangeError);
  });

  test('are bounded: further names get no values (uet:tss/12)', () => {
    const store = new ThreadCounters();
    for (let n = 0; n < 4096; n++) expect(store.reserve(idOf(n), 2 ** 24)).toBe(0);
    expect(store.reserve(idOf(4096), 1)).toBe(-1);
    expect(store.reserve(idOf(0), 1)).toBe(2 ** 24);
    expect(store.reserve(idOf(1), 2 ** 47)).toBe(2 ** 24); // the whole range fits
  });

  test('give no value twice while threads ask at the same time (uet:tss/20)', async () => {
    const store = new ThreadCounters();
    const program = `
      const { parentPort, workerData } = require('node:worker_threads');
      const words = new Int32Array(workerData), next = new BigInt64Array(workerData);
      // the lock and the sum of the store, as another thread meets them
      while (Atomics.compareExchange(words, 0, 0, 1) !== 0) Atomics.wait(words, 0, 1, 1);
      parentPort.postMessage('locked');
      Atomics.wait(words, 0, 1, 100);
      Atomics.store(words, 0, 0);
      Atomics.notify(words, 0, 1);
    `;
    const worker = new Worker(program, { eval: true, workerData: store.memory });
    await new Promise((resolve) => worker.once('message', resolve));
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    expect(store.reserve(idOf(1), 3)).toBe(0); // waits for the lock
    expect(store.reserve(idOf(1), 3)).toBe(3);
    await ended;
  });
});

describe('domains handed to another thread', () => {
  const KEY = { bytes: new Uint8Array(32).fill(7), an: 0, epoch: 0 };

  test('take their packet counters from the same store, and hear of every change (uet:tss/12, uet:tss/13)', () => {
    const here = new DomainStore();
    here.add(7, { mode: 'direct' }, KEY);
    here.install(7, { ...KEY, bytes: new Uint8Array(32).fill(8), an: 1 });
    let there: DomainStore | undefined;
    const { handed, end } = here.handOver((change) => there!.follow(structuredClone(change)));
    there = DomainStore.of(structuredClone(handed));
    expect(there.rows()).toEqual(here.rows());
    const counters = [here, there, here].map((store) => store.table.get(7).sending!.take());
    expect(counters).toEqual([0, 2 ** 24, 1]);
    here.activate(7, 1);
    here.retire(7, 0);
    here.add(9, { mode: 'cluster', ssi: 3 }, { ...KEY, an: 1 });
    here.install(9, { ...KEY, bytes: new Uint8Array(32).fill(9) });
    expect(there.rows()).toEqual(here.rows());
    expect(there.table.get(7).sending!.take()).toBe(0);
    expect(here.table.get(7).sending!.take()).toBe(2 ** 24);
    here.remove(7);
    expect(there.rows()).toMatchObject([{ sdi: 9, mode: 'cluster', ssi: 3, tx_an: 1 }]);
    end();
    here.remove(9);
    expect(there.table.size).toBe(1);
  });

  test('are not those whose counters only this thread knows (uet:tss/12)', () => {
    const store = new DomainStore({ reserve: () => 0 });
    try {
      store.handOver(() => {});
      throw new Error('nothing was refused');
    } catch (error) {
      if (!isVerbsError(error)) throw error;
      expect(error.code).toBe('EOPNOTSUPP');
    }
  });
});
