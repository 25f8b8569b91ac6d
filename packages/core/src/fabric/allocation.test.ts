import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TRANSPORTS } from '../catalog.ts';
import { CompletionOpcode } from '../engine/status.ts';
import { FabricBed } from '../testing/fabric-bed.ts';
import { MATCHING } from '../testing/fabric-cases/tagged.ts';
import { CompletionBatch as VerbsBatch } from '../verbs/completion-batch.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import type { ReceiveRequest, WorkRequest } from '../verbs/work-request.ts';
import { CompletionBatch } from './completion-batch.ts';
import { ErrorMap } from './errors.ts';
import { TaggedOperations } from './tagged-operations.ts';
import { Traffic } from './traffic.ts';

const uet = TRANSPORTS.find(({ name }) => name === 'uet')!;

describe('the data path of an endpoint', () => {
  it('allocates nothing per operation: two million of them wake no garbage collector (R122)', async () => {
    const bed = new FabricBed({ transport: uet, hints: MATCHING });
    const { a, b } = bed;
    let lastId = 0;
    // completes at once whatever is posted, so that only this layer is looked at
    const qp = {
      tryPost: (request: WorkRequest) => {
        lastId = request.id as number;
        return true;
      },
      tryPostReceive: (request: ReceiveRequest) => {
        lastId = request.id as number;
        return true;
      },
    } as unknown as QueuePair;
    const traffic = new Traffic({
      ...{ info: a.info, qp, idempotentQp: undefined, vector: a.vector, index: 0, errors: new ErrorMap(), name: '' },
      ...{ transmitQueue: a.sendQueue, receiveQueue: a.receiveQueue },
      ...{ sendCounter: undefined, receiveCounter: undefined, readCounter: undefined, writeCounter: undefined },
    });
    const tagged = new TaggedOperations({
      ...{ traffic, selectiveTransmit: false, selectiveReceive: false, minMultiReceive: () => 0 },
      defaults: { completion: false, deliveryComplete: false, matchComplete: false },
      refusal: () => new Error(),
    } as never);
    const done = new VerbsBatch(1);
    const batch = new CompletionBatch(4);
    const [region, peer] = [a.memory(64), a.to(b)];
    done.path[0] = 5;
    const complete = (opcode: number) => {
      done.idLo[0] = lastId;
      done.opcode[0] = opcode;
      traffic.completed(done, 0);
    };
    const rounds = (count: number) => {
      for (let i = 0; i < count; i++) {
        tagged.receive(region, 0, 64, peer, 7, 0, region);
        complete(CompletionOpcode.RECV_TAGGED);
        tagged.send(region, 0, 64, peer, 7, region);
        complete(CompletionOpcode.TAGGED_SEND);
        if (a.sendQueue.read(batch) + a.receiveQueue.read(batch) !== 2) throw new Error('a completion is missing');
      }
    };
    rounds(50_000);
    const collections: PerformanceEntry[] = [];
    const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
    observer.observe({ entryTypes: ['gc'] });
    rounds(1_000_000);
    for (let i = 0; i < 5; i++) await turn();
    observer.disconnect();
    // 16 bytes for each operation are 32 MB, twice the largest half of the young generation and many times the usual one
    const isMinor = (entry: PerformanceEntry) =>
      (entry as unknown as { readonly detail: { readonly kind: number } }).detail.kind ===
      constants.NODE_PERFORMANCE_GC_MINOR;
    expect(collections.filter(isMinor).length).toBeLessThanOrEqual(1);
    bed.close();
  });
});
