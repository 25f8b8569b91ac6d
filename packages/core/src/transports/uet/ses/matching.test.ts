import { describe, expect, it } from 'vitest';
import { CompletionOpcode, Status } from '../../../engine/status.ts';
import { NextHeader } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import { AR, fill, JOB, KEY, MTU, mediumSes, START, writeSes } from '../rig-packets.testdata.ts';
import { MatchingBench, QP } from './matching.testdata.ts';

const OK = { opcode: SesResponseOpcode.DEFAULT_RESPONSE, returnCode: ReturnCode.OK };
const PARTLY = { opcode: SesResponseOpcode.NO_RESPONSE };
const OVERFLOW = { list: 1, opcode: SesResponseOpcode.RESPONSE, returnCode: ReturnCode.OK };

describe('a tagged message that is expected (uet:ses/3.3 uet:ses/4.1, R122)', () => {
  it('goes to the oldest receive that takes its tag, in any order of packets', () => {
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
    ]) {
      const match = new MatchingBench();
      const other = match.receive({ id: 1, tag: 9 });
      const inbox = match.receive({ id: 2, tag: 0x1234, ignoreLo: 0xff });
      match.receive({ id: 3, tag: 0x1277 });
      const content = fill(2 * MTU + 9);
      const pieces = match.pieces(0x1277, content, { hd: 1, headerData: 0xabcdn });
      const answers = order.map((n) => match.give(pieces[n]!));
      expect(answers).toMatchObject([{ ses: PARTLY }, { ses: PARTLY }, { ses: OK }]);
      expect(match.taken()).toEqual([[2, Status.SUCCESS, content.length]]);
      expect(match.last[0]).toMatchObject({
        ...{ opcode: CompletionOpcode.RECV_TAGGED, tagLo: 0x1277, tagHi: 0, hasImm: true, immLo: 0xabcd },
        ...{ sourceId: 3, jobId: JOB, path: 1, holdsReceive: false, isReleased: false, extra: 0 },
      });
      expect([...inbox.subarray(0, content.length)]).toEqual([...content]);
      expect(other.every((byte) => byte === 0xee)).toBe(true);
      expect(match.bench.census('inbound_messages')).toBe(0);
    }
  });

  it('comes with the MEDIUM header as well', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, tag: 5 });
    const ses = mediumSes({ opcode: SesOpcode.TAGGED_SEND, resourceIndex: QP, memoryKey: 5 });
    const [answer] = match.bench.exchange(
      match.bench.request(1, { flags: AR, clear: START, next: NextHeader.REQUEST_MEDIUM, ses }),
    );
    expect(answer).toMatchObject({ ses: OK });
    expect(match.taken()).toEqual([[1, Status.SUCCESS, 8]]);
  });

  it('of no bytes matches and completes like any other', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, tag: 5 }, 0);
    expect(match.send(5, 0)).toMatchObject({ ses: OK });
    expect(match.taken()).toEqual([[1, Status.SUCCESS, 0]]);
  });

  it('does not take a receive for another job, another path or another source (R104)', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, tag: 5, jobId: JOB + 1 });
    match.receive({ id: 2, tag: 5, path: 2 });
    match.receive({ id: 3, tag: 5, directed: true, sourceId: 4 });
    match.receive({ id: 4, tag: 5, directed: true, sourceId: 3, jobId: JOB, path: 1 });
    match.send(5);
    expect(match.taken()).toEqual([[4, Status.SUCCESS, 8]]);
    expect(match.send(5)).toMatchObject({ ses: OVERFLOW });
    expect(match.taken()).toEqual([]);
  });

  it('is refused where the queue pair has no index among those for tags (uet:ses/1.4 row 5)', () => {
    const match = new MatchingBench();
    const ses = writeSes({ opcode: SesOpcode.TAGGED_SEND, memoryKey: KEY });
    const [answer] = match.bench.exchange(match.bench.request(1, { flags: AR, clear: START, ses }));
    expect(answer).toMatchObject({ ses: { returnCode: ReturnCode.BAD_INDEX } });
  });

  it('that is too long is cut, and both ends are told (uet:ses/4.1)', () => {
    const match = new MatchingBench();
    const inbox = match.receive({ id: 1, tag: 5 }, 100);
    const answer = match.send(5, 200);
    expect(answer).toMatchObject({ req: 1, ses: { ...OK, opcode: SesResponseOpcode.RESPONSE, modifiedLength: 100 } });
    expect(match.taken()).toEqual([[1, Status.LOC_LEN_ERR, 100]]);
    expect(match.last[0]!.extra).toBe(100);
    expect([...inbox]).toEqual([...fill(200, 5).subarray(0, 100)]);
  });

  it('that is too long is refused where that is asked for, and the receive stays (uet:ses/1.4 row 13)', () => {
    const match = new MatchingBench({ settings: { rejectTooLong: 1 } });
    match.receive({ id: 1, tag: 5 }, 100);
    for (const length of [101, 200]) {
      expect(match.send(5, length)).toMatchObject({ ses: { returnCode: ReturnCode.TOO_LONG } });
    }
    expect(match.send(5, 100)).toMatchObject({ ses: OK });
    expect(match.taken()).toEqual([[1, Status.SUCCESS, 100]]);
  });
});

describe('a message that no receive takes (uet:ses/3.4)', () => {
  for (const length of [0, 8, MTU, MTU + 1, 5 * MTU]) {
    it(`is kept, told to the sender at once, and delivered in full: ${length} bytes (uet:ses/9 D-30)`, () => {
      const match = new MatchingBench();
      const content = fill(length, 3);
      const pieces = match.pieces(7, content, { hd: 1, headerData: 5n });
      const answers = pieces.map((piece) => match.give(piece));
      expect(answers[0]).toMatchObject({ req: 1, ses: { ...OVERFLOW, modifiedLength: length } });
      if (pieces.length > 1) expect(answers.at(-1)).toMatchObject({ ses: { ...OK, list: 0 } });
      expect(match.bench.census('unexpected_messages')).toBe(1);
      const inbox = match.receive({ id: 1, tag: 7 });
      expect(match.taken()).toEqual([[1, Status.SUCCESS, length]]);
      expect(match.last[0]).toMatchObject({ tagLo: 7, sourceId: 3, jobId: JOB, path: 1, hasImm: true, immLo: 5 });
      expect([...inbox.subarray(0, length)]).toEqual([...content]);
      expect(inbox.subarray(length).every((byte) => byte === 0xee)).toBe(true);
      expect(match.bench.census('unexpected_messages')).toBe(0);
      expect(match.bench.census('unexpected_bytes')).toBe(0);
    });
  }

  it('is found in the order of arrival, by tag or by wildcard', () => {
    const match = new MatchingBench();
    for (const tag of [1, 2, 1, 3]) match.send(tag, 10 + tag);
    match.receive({ id: 1, tag: 1 });
    match.receive({ id: 2, tag: 0, ignoreLo: 0xff });
    match.receive({ id: 3, tag: 3 });
    match.receive({ id: 4, tag: 0, ignoreLo: 0xff });
    expect(match.taken()).toEqual([
      [1, 0, 11],
      [2, 0, 12],
      [3, 0, 13],
      [4, 0, 11],
    ]);
  });

  for (const order of [
    [0, 1, 2, 3],
    [3, 1, 0, 2],
    [2, 3, 1, 0],
  ]) {
    for (const before of [1, 2, 3]) {
      it(`is taken while it arrives: ${before} packets before, order ${order.join(' ')}`, () => {
        const match = new MatchingBench();
        const content = fill(3 * MTU + 5, 9);
        const pieces = match.pieces(7, content, { hd: 1, headerData: 5n });
        for (const n of order.slice(0, before)) match.give(pieces[n]!);
        const inbox = match.receive({ id: 1, tag: 7 });
        expect(match.taken()).toEqual([]);
        expect(match.bench.census('unexpected_bytes')).toBe(0);
        const answers = order.slice(before).map((n) => match.give(pieces[n]!));
        expect(answers.at(-1)).toMatchObject({ ses: OK });
        expect(match.taken()).toEqual([[1, Status.SUCCESS, content.length]]);
        expect(match.last[0]).toMatchObject({ hasImm: true, immLo: 5, tagLo: 7 });
        expect([...inbox.subarray(0, content.length)]).toEqual([...content]);
        expect(inbox.subarray(content.length).every((byte) => byte === 0xee)).toBe(true);
      });
    }
  }

  it('taken while it arrives, and too long, is cut', () => {
    const match = new MatchingBench();
    const pieces = match.pieces(7, fill(3 * MTU, 9));
    match.give(pieces[1]!);
    const inbox = match.receive({ id: 1, tag: 7 }, 100);
    match.give(pieces[2]!);
    expect(match.give(pieces[0]!)).toMatchObject({ ses: { modifiedLength: 100, opcode: SesResponseOpcode.RESPONSE } });
    expect(match.taken()).toEqual([[1, Status.LOC_LEN_ERR, 100]]);
    expect([...inbox]).toEqual([...fill(3 * MTU, 9).subarray(0, 100)]);
  });

  it('goes without a trace when its sender gives it up, or its context ends (uet:ses/3.12)', () => {
    const match = new MatchingBench();
    const pieces = match.pieces(7, fill(3 * MTU));
    match.give(pieces[0]!);
    match.give(writeSes({ opcode: SesOpcode.MSG_ERROR, som: 0, messageId: 1, headerData: BigInt(MTU) } as never));
    expect(match.bench.census('unexpected_messages')).toBe(0);
    match.receive({ id: 1, tag: 7 });
    expect(match.taken()).toEqual([]);
  });

  it('refuses with NO_MATCH where there is no room, and the receive later takes a new one', () => {
    const match = new MatchingBench({ settings: { maxUnexpected: 4 } });
    expect([1, 2, 3].map((tag) => match.send(tag).ses!.returnCode)).toEqual([1, 1, ReturnCode.NO_MATCH]);
    expect(match.bench.count('unexpected_refused')).toBe(1);
    match.receive({ id: 1, tag: 3 });
    expect(match.send(3)).toMatchObject({ ses: OK });
    expect(match.taken()).toEqual([[1, 0, 8]]);
    match.receive({ id: 2, tag: 1 });
    expect(match.send(4)).toMatchObject({ ses: OVERFLOW });
  });

  it('none at all is kept where that is asked for', () => {
    const match = new MatchingBench({ settings: { maxUnexpected: 0 } });
    expect(match.send(1)).toMatchObject({ ses: { list: 0, returnCode: ReturnCode.NO_MATCH } });
  });

  it('is refused when its bytes have no room, however few messages there are', () => {
    const match = new MatchingBench({ settings: { maxUnexpectedBytes: 8 * MTU } });
    expect(match.send(1, 4 * MTU)).toMatchObject({ ses: OK });
    expect(match.send(2, 3 * MTU).ses).toMatchObject({ returnCode: ReturnCode.NO_MATCH });
    expect(match.send(3, MTU)).toMatchObject({ ses: OVERFLOW });
    expect(match.bench.census('unexpected_bytes')).toBe(4 * MTU); // short ones have a place of their own
  });

  it('shuts the index of ordered senders until there is room, under a new generation (uet:ses/3.4)', () => {
    const match = new MatchingBench({ ordered: true, settings: { maxUnexpected: 4 } });
    match.send(1);
    match.send(2);
    expect(match.send(3).ses).toMatchObject({ returnCode: ReturnCode.DISABLED_GEN, riGeneration: 0 });
    match.peek({ id: 9, tag: 1 });
    expect(match.send(4).ses).toMatchObject({ returnCode: ReturnCode.DISABLED_GEN });
    match.receive({ id: 1, tag: 2 });
    expect(match.send(4).ses).toMatchObject({ returnCode: ReturnCode.BAD_GENERATION, riGeneration: 1 });
    expect(match.send(3, 8, { riGeneration: 1 })).toMatchObject({ ses: OVERFLOW });
    expect(match.taken().map(([id]) => id)).toEqual([9, 1]);
  });
});

describe('receives for many messages (uet:ses/4.2)', () => {
  it('keep messages apart whose packets arrive between each other', () => {
    const match = new MatchingBench();
    const inbox = match.receive({ id: 1, multi: true, minBytes: 16 }, 400);
    const contents = [fill(2 * MTU, 1), fill(MTU + 1, 2), fill(30, 3)];
    const [a, b, c] = contents.map((content) => match.pieces(undefined, content));
    for (const piece of [a![1]!, b![0]!, c![0]!, a![0]!, b![1]!]) match.give(piece);
    expect(match.taken()).toEqual([
      [1, 0, 30],
      [1, 0, 2 * MTU],
      [1, 0, MTU + 1],
    ]);
    expect(match.last.map(({ extra }) => extra)).toEqual([2 * MTU + MTU + 1, 0, 2 * MTU]);
    expect(match.last.every(({ holdsReceive, isReleased }) => holdsReceive && !isReleased)).toBe(true);
    for (const [n, content] of contents.entries()) {
      const at = [0, 2 * MTU, 3 * MTU + 1][n]!;
      expect([...inbox.subarray(at, at + content.length)]).toEqual([...content]);
    }
  });

  it('are given back with the last message that still arrives, not with the one that filled them', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, multi: true, minBytes: 100 }, 200);
    const slow = match.pieces(undefined, fill(MTU + 1));
    match.give(slow[0]!);
    match.send(undefined, 60);
    expect(match.last).toEqual([]);
    expect(match.taken()).toEqual([[1, 0, 60]]);
    expect(match.last[0]).toMatchObject({ holdsReceive: true, isReleased: false });
    match.give(slow[1]!);
    expect(match.taken()).toEqual([[1, 0, MTU + 1]]);
    expect(match.last[0]).toMatchObject({ holdsReceive: false, isReleased: true });
  });

  it('give way to the next one for what does not fit, and cut only what fits none', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, multi: true, minBytes: 1 }, 100);
    match.receive({ id: 2, multi: true, minBytes: 1 }, 100);
    match.send(undefined, 60);
    match.send(undefined, 150);
    expect(match.taken()).toEqual([
      [1, 0, 60],
      [1, 0, 0],
      [2, Status.LOC_LEN_ERR, 100],
    ]);
    expect(match.last[1]).toMatchObject({ isReleased: true, jobId: 0, extra: 0 });
    expect(match.last[2]).toMatchObject({ isReleased: true, extra: 50 });
  });

  it('take what waits, in the order of arrival, tagged as well (FI_TAGGED_MULTI_RECV)', () => {
    const match = new MatchingBench();
    for (const tag of [1, 2, 3]) match.send(tag, 20 + tag);
    match.receive({ id: 1, tag: 0, ignoreLo: 3, multi: true, minBytes: 10 }, 60);
    expect(match.taken()).toEqual([
      [1, 0, 21],
      [1, 0, 22],
      [1, 0, 0],
    ]);
    expect(match.last[2]!.isReleased).toBe(true);
    expect(match.bench.census('unexpected_messages')).toBe(1);
  });

  it('end one message in error and go on', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, multi: true, minBytes: 1 }, 300);
    match.give(match.pieces(undefined, fill(2 * MTU))[0]!);
    match.give(writeSes({ opcode: SesOpcode.MSG_ERROR, som: 0, messageId: 1, headerData: BigInt(MTU) } as never));
    match.send(undefined, 8);
    expect(match.taken()).toEqual([
      [1, Status.REM_ABORT_ERR, 0],
      [1, 0, 8],
    ]);
    expect(match.last.every(({ holdsReceive }) => holdsReceive)).toBe(true);
  });
});

describe('peek and claim (uet:ses/4.3)', () => {
  it('tell of the oldest message that fits, once its first packet is here', () => {
    const match = new MatchingBench();
    match.peek({ id: 1, tag: 7 });
    const pieces = match.pieces(7, fill(MTU + 1), { hd: 1, headerData: 3n });
    match.give(pieces[1]!);
    match.peek({ id: 2, tag: 7 });
    match.give(pieces[0]!);
    match.peek({ id: 3, tag: 7 });
    expect(match.taken()).toEqual([
      [1, Status.TM_ERR, 0],
      [2, Status.TM_ERR, 0],
      [3, 0, MTU + 1],
    ]);
    expect(match.last[2]).toMatchObject({
      ...{ opcode: CompletionOpcode.PEEK, tagLo: 7, sourceId: 3, jobId: JOB, path: 1, hasImm: true, immLo: 3 },
    });
    expect(match.bench.census('unexpected_messages')).toBe(1);
  });

  it('claimed while it arrives, it goes to the receive that claims it and to no other', () => {
    const match = new MatchingBench();
    const content = fill(2 * MTU, 4);
    const pieces = match.pieces(7, content);
    match.give(pieces[0]!);
    match.peek({ id: 5, tag: 7, claim: true });
    match.receive({ id: 1, tag: 7 });
    const inbox = match.receive({ id: 5, tag: 7, claim: true });
    match.give(pieces[1]!);
    expect(match.taken()).toEqual([
      [5, 0, 2 * MTU],
      [5, 0, 2 * MTU],
    ]);
    expect([...inbox.subarray(0, 2 * MTU)]).toEqual([...content]);
  });

  it('thrown away while it arrives, the rest is accepted and goes nowhere', () => {
    const match = new MatchingBench();
    const pieces = match.pieces(7, fill(3 * MTU));
    match.give(pieces[0]!);
    match.peek({ id: 5, tag: 7, discard: true });
    expect(match.bench.census('unexpected_bytes')).toBe(0);
    match.receive({ id: 1, tag: 7 });
    expect(match.give(pieces[1]!)).toMatchObject({ ses: PARTLY });
    expect(match.give(pieces[2]!)).toMatchObject({ ses: OK });
    expect(match.taken()).toEqual([[5, 0, 3 * MTU]]);
    expect(match.inbox.every((byte) => byte === 0xee)).toBe(true);
    expect(match.bench.census('inbound_messages')).toBe(0);
  });

  it('a claim of nothing, and of what its sender gave up, finds nothing', () => {
    const match = new MatchingBench();
    match.receive({ id: 5, tag: 7, claim: true });
    match.give(match.pieces(7, fill(2 * MTU))[0]!);
    match.peek({ id: 6, tag: 7, claim: true });
    match.give(writeSes({ opcode: SesOpcode.MSG_ERROR, som: 0, messageId: 1, headerData: BigInt(MTU) } as never));
    match.receive({ id: 6, tag: 7, claim: true });
    expect(match.taken().map(([id, status]) => [id, status])).toEqual([
      [5, Status.TM_ERR],
      [6, Status.SUCCESS],
      [6, Status.TM_ERR],
    ]);
  });
});

describe('cancel (uet:ses/3.13)', () => {
  it('of a receive that waits', () => {
    const match = new MatchingBench();
    match.receive({ id: 5, tag: 7 });
    match.cancel(5);
    match.cancel(5);
    expect(match.taken()).toEqual([
      [5, Status.WR_FLUSH_ERR, 0],
      [5, Status.SUCCESS, 0],
      [5, Status.TM_ERR, 0],
    ]);
    expect(match.last.map(({ opcode }) => opcode)).toEqual([
      CompletionOpcode.RECV_TAGGED,
      CompletionOpcode.CANCEL,
      CompletionOpcode.CANCEL,
    ]);
    expect(match.last[0]!.vendorStatus).toBe(ReturnCode.CANCELLED);
    expect(match.send(7)).toMatchObject({ ses: OVERFLOW });
  });

  it('of one in which a message arrives: the rest is refused with CANCELLED, for certain', () => {
    const match = new MatchingBench();
    const inbox = match.receive({ id: 5, tag: 7 });
    const pieces = match.pieces(7, fill(3 * MTU));
    match.give(pieces[0]!);
    match.cancel(5);
    expect(match.taken()).toEqual([
      [5, Status.WR_FLUSH_ERR, 0],
      [5, Status.SUCCESS, 0],
    ]);
    inbox.fill(0xee);
    expect(match.give(pieces[1]!)).toMatchObject({ req: 1, ses: { returnCode: ReturnCode.CANCELLED } });
    expect(match.give(pieces[2]!)).toMatchObject({ ses: { returnCode: ReturnCode.CANCELLED } });
    expect(inbox.every((byte) => byte === 0xee)).toBe(true);
    expect(match.taken()).toEqual([]);
    expect(match.bench.census('inbound_messages')).toBe(0);
  });

  it('of one for many messages: all that arrive in it are refused, and it comes back once', () => {
    for (const isClosed of [false, true]) {
      const match = new MatchingBench();
      match.receive({ id: 5, multi: true, minBytes: isClosed ? 200 : 1 }, 400);
      const [a, b] = [match.pieces(undefined, fill(2 * MTU)), match.pieces(undefined, fill(2 * MTU))];
      match.give(a[0]!);
      match.give(b[0]!);
      match.cancel(5);
      expect(match.taken()).toEqual([
        [5, Status.WR_FLUSH_ERR, 0],
        [5, Status.SUCCESS, 0],
      ]);
      expect(match.last[0]).toMatchObject({ isReleased: true, holdsReceive: false });
      for (const piece of [a[1]!, b[1]!]) {
        expect(match.give(piece)).toMatchObject({ ses: { returnCode: ReturnCode.CANCELLED } });
      }
      expect(match.taken()).toEqual([]);
    }
  });
});

describe('the end of a queue pair that matches', () => {
  it('flushes its receives in order, ends what arrives, and keeps nothing', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, tag: 1 });
    match.receive({ id: 2, tag: 2 });
    match.receive({ id: 3, multi: true, minBytes: 1 });
    const [expected, waiting] = [match.pieces(2, fill(2 * MTU)), match.pieces(9, fill(2 * MTU))];
    match.give(expected[0]!);
    match.give(waiting[0]!);
    match.give(match.pieces(undefined, fill(2 * MTU))[0]!);
    match.send(8, 100);
    match.send(8, 10);
    match.peek({ id: 7, tag: 8, claim: true });
    match.taken();
    match.bench.engine.removeQueuePair(match.bench.now, QP);
    const flushed = match.taken();
    expect(flushed.every(([, status]) => status === Status.WR_FLUSH_ERR)).toBe(true);
    expect(flushed.map(([id]) => id).sort()).toEqual([1, 2, 3, 3]);
    expect(match.last.filter(({ holdsReceive }) => !holdsReceive)).toHaveLength(3);
    expect(match.bench.census('unexpected_messages')).toBe(0);
    expect(match.bench.census('unexpected_bytes')).toBe(0);
    expect(match.give(expected[1]!)).toMatchObject({ ses: { returnCode: ReturnCode.DISABLED } });
  });

  it('a receive that names memory wrongly comes back at once', () => {
    const match = new MatchingBench();
    match.receive({ id: 1, tag: 1, status: Status.LOC_PROT_ERR });
    expect(match.taken()).toEqual([[1, Status.LOC_PROT_ERR, 0]]);
    expect(match.send(1)).toMatchObject({ ses: OVERFLOW });
  });

  it('memory that is gone when the message comes ends the receive, not the engine', () => {
    const match = new MatchingBench();
    match.send(1, 100);
    match.bench.node.dma.detach(match.bench.node.regions.at(-1)!.region);
    match.receive({ id: 1, tag: 1 });
    match.receive({ id: 2, tag: 2 });
    match.send(2);
    expect(match.taken().map(([id, status]) => [id, status])).toEqual([
      [1, Status.LOC_PROT_ERR],
      [2, Status.LOC_PROT_ERR],
    ]);
  });
});
