import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { NackCode } from '../../../wire/uet/pds.ts';
import { ContextTable } from './context-table.ts';
import { PdcState } from './states.ts';

const LIMITS = { reserved: 0, cccs: 1000, bitmaps: 1000, sendSlots: 16, receiveRange: 128 };

function table(contexts = 16, perPeer = 4, random = new SeededRandom(1)) {
  return new ContextTable({ ...LIMITS, contexts, perPeer }, () => random.next());
}

/** A live context with its identity, as the engine makes them. */
function open(of: ContextTable, path: number, remoteId: number, ordered = false, jobId = 1, now = 0) {
  const context = of.allocate(now, path, remoteId);
  if (context === undefined) return undefined;
  context.open(now, remoteId === 0, ordered, path, 100, 128);
  context.remoteId = remoteId;
  context.jobId = jobId;
  context.state = PdcState.ESTABLISHED;
  return context;
}

describe('context table (uet:pds/3.1, uet:pds/3.2, R184, R185)', () => {
  it('gives ids that are not 0, not in use and not lately used', () => {
    const of = table(16, 16);
    const seen = new Set<number>();
    for (let n = 0; n < 200; n++) {
      const context = open(of, 1, 0)!;
      expect(context.localId).toBeGreaterThan(0);
      expect(context.localId).toBeLessThan(0x1_0000);
      expect(seen.has(context.localId)).toBe(false);
      seen.add(context.localId);
      expect(of.get(context.localId)).toBe(context);
      of.release(0, context, 1000);
      expect(of.get(context.localId)).toBeUndefined();
      expect(of.closedCode(999, context.localId)).toBe(NackCode.CLOSING);
      expect(of.closedCode(1000, context.localId)).toBe(0);
    }
  });

  it('reuses an id that was closed lately rather than to fail, and always ends', () => {
    let calls = 0;
    const of = new ContextTable({ ...LIMITS, contexts: 4, perPeer: 4 }, () => {
      calls++;
      return 0.5;
    });
    const first = open(of, 1, 0)!;
    const { localId } = first;
    of.release(0, first, 1000);
    expect(open(of, 1, 0)!.localId).toBe(localId);
    expect(calls).toBeLessThan(100);
  });

  it('finds an initiator context by path, mode and job, not by anything else', () => {
    const of = table();
    const one = open(of, 1, 0, false, 7)!;
    expect(of.find(1, false, 7)).toBe(one);
    expect(of.find(2, false, 7)).toBeUndefined();
    expect(of.find(1, true, 7)).toBeUndefined();
    expect(of.find(1, false, 8)).toBeUndefined();
    one.state = PdcState.QUIESCE;
    expect(of.find(1, false, 7)).toBeUndefined();
    open(of, 1, 0x55);
    expect(of.find(1, false, 1)).toBeUndefined(); // a target context is no way out
  });

  it('finds a target context by path and the peer PDCID, and remembers its start for a while', () => {
    const of = table();
    const one = open(of, 3, 0x55)!;
    expect(of.findSyn(3, 0x55)).toBe(one);
    expect(of.findSyn(2, 0x55)).toBeUndefined();
    expect(of.closedStart(0, 3, 0x55)).toBe(-1);
    of.release(0, one, 1000);
    expect(of.findSyn(3, 0x55)).toBeUndefined();
    expect(of.closedStart(999, 3, 0x55)).toBe(100);
    expect(of.closedStart(1000, 3, 0x55)).toBe(-1);
  });

  it('limits a peer, keeps a part for own work, and recovers (N07)', () => {
    const of = table(16, 4);
    const mine = Array.from({ length: 4 }, (_, n) => open(of, 1, n + 1)!);
    expect(of.shortage(1)).toBe(NackCode.NO_PDC_AVAIL);
    expect(open(of, 1, 9)).toBeUndefined();
    expect(of.shortage(2)).toBe(0);
    of.release(0, mine[0]!, 1000);
    expect(open(of, 1, 9)).toBeDefined();
    for (let path = 2; of.shortage(path) === 0; path++) for (let n = 1; n <= 4; n++) open(of, path, n);
    expect(of.size).toBe(14); // an eighth stays
    expect(open(of, 99, 1)).toBeUndefined();
    expect(open(of, 99, 0)).toBeDefined();
    expect(open(of, 99, 0)).toBeDefined();
    expect(open(of, 99, 0)).toBeUndefined();
    expect(of.size).toBe(16);
  });

  it('forgets the oldest closed contexts at its bound', () => {
    const of = table(16, 16);
    const first = open(of, 1, 1)!;
    of.release(0, first, 1000);
    for (let n = 0; n < 4096; n++) of.release(0, open(of, 2, (n % 0xffff) + 1)!, 1000);
    expect(of.closedStart(1, 1, 1)).toBe(-1);
    expect(of.closedStart(1, 2, 4096)).toBe(100);
    expect(of.forgetfulUntil).toBe(1000); // starts are asked for twice until what was forgotten would be over
  });
});
