/** Messages with tags, and receives that say what they take. */
import { ANY_SOURCE } from '../../fabric/address-vector.ts';
import { OperationFlag } from '../../fabric/flags.ts';
import type { FabricHints } from '../../fabric/hints.ts';
import { check, checkEqual } from '../suite-case.ts';
import { checkError, checkOk, checkPattern, codeOf, type FabricCase, fabricCase } from './fabric-case.ts';

const TAGGED = ['tagged'] as const;
/** Everything that goes with matching, in order. */
export const MATCHING: FabricHints = {
  caps: { msg: true, tagged: true, directedReceive: true, multiReceive: true, cancel: true },
  endpoint: { type: 'rdm' },
  transmit: { messageOrder: ['SAS'] },
};
/** Long enough for everything that is under way. */
const A_WHILE = 20_000_000;

export const FABRIC_TAGGED_CASES: readonly FabricCase[] = [
  fabricCase('tagged/sizes-expected-and-unexpected', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING });
    const { a, b } = bed;
    const sizes = [0, 1, 1024, 5000];
    for (const [i, length] of sizes.entries()) {
      for (const isLate of [false, true]) {
        const into = b.memory(length + 3);
        const tag = BigInt.asUintN(64, 0xf123_4567_89ab_cd00n + BigInt(i));
        const receive = () => b.endpoint.tagged.receive(into, 3, length, a.to(b) < 0 ? 0 : ANY_SOURCE, tag, 0, `r${i}`);
        if (!isLate) receive();
        a.endpoint.tagged.sendData(a.memory(length, i), 0, length, 70 + i, a.to(b), tag, `s${i}`);
        if (isLate) {
          bed.pass(A_WHILE);
          receive();
        }
        const due = 2 * i + (isLate ? 2 : 1);
        bed.completed(b, 0, due);
        bed.completed(a, due, 0);
        const received = b.received[due - 1];
        checkOk(received);
        checkOk(a.sent[due - 1]);
        checkEqual(received.flags, TAG_RECV | OperationFlag.REMOTE_CQ_DATA, 'flags');
        checkEqual([received.tag, received.data], [tag, BigInt(70 + i)], 'tag and data');
        checkEqual([received.length, received.source], [length, b.to(a)], 'length and sender');
        checkPattern(into.bytes, length, i, 3);
      }
    }
    bed.close();
  }),
  fabricCase('tagged/first-posted-that-matches-takes-it', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING, ends: 3 });
    const [a, b, c] = bed.ends as [typeof bed.a, typeof bed.a, typeof bed.a];
    const { tagged } = b.endpoint;
    const into = b.memory(64);
    tagged.receive(into, 0, 8, b.to(c), 5, 0, 'five from c');
    tagged.receive(into, 8, 8, ANY_SOURCE, 0x100, 0xff, 'any 0x1xx');
    tagged.receive(into, 16, 8, ANY_SOURCE, 5, 0, 'five');
    tagged.receive(into, 24, 8, ANY_SOURCE, 0, -1n & 0xffff_ffff_ffff_ffffn, 'anything');
    a.endpoint.tagged.inject(Uint8Array.of(1), a.to(b), 5);
    bed.completed(b, 0, 1);
    a.endpoint.tagged.inject(Uint8Array.of(2), a.to(b), 0x1ab);
    bed.completed(b, 0, 2);
    c.endpoint.tagged.inject(Uint8Array.of(3), c.to(b), 6);
    bed.completed(b, 0, 3);
    c.endpoint.tagged.inject(Uint8Array.of(4), c.to(b), 5);
    bed.completed(b, 0, 4);
    checkEqual(
      b.received.map(({ context }) => context as string),
      ['five', 'any 0x1xx', 'anything', 'five from c'],
      'receives',
    );
    checkEqual(
      b.received.map(({ source }) => source),
      [b.to(a), b.to(a), b.to(c), b.to(c)],
      'senders',
    );
    bed.close();
  }),
  fabricCase('tagged/messages-with-and-without-tags-do-not-mix', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING });
    const { a, b } = bed;
    b.endpoint.tagged.receive(b.memory(8), 0, 8, ANY_SOURCE, 0, 0xffff_ffff_ffff_ffffn, 'tagged');
    b.endpoint.messages.receive(b.memory(8), 0, 8, ANY_SOURCE, 'plain');
    a.endpoint.messages.inject(Uint8Array.of(1), a.to(b));
    bed.completed(b, 0, 1);
    a.endpoint.tagged.inject(Uint8Array.of(1), a.to(b), 0);
    bed.completed(b, 0, 2);
    checkEqual(
      b.received.map(({ context }) => context as string),
      ['plain', 'tagged'],
      'receives',
    );
    bed.close();
  }),
  fabricCase('tagged/directed-receives-without-tags', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING, ends: 3 });
    const [a, b, c] = bed.ends as [typeof bed.a, typeof bed.a, typeof bed.a];
    b.endpoint.messages.receive(b.memory(8), 0, 8, b.to(c), 'from c');
    b.endpoint.messages.receive(b.memory(8), 0, 8, ANY_SOURCE, 'from anybody');
    a.endpoint.messages.inject(Uint8Array.of(1), a.to(b));
    bed.completed(b, 0, 1);
    c.endpoint.messages.inject(Uint8Array.of(1), c.to(b));
    bed.completed(b, 0, 2);
    checkEqual(
      b.received.map(({ context }) => context as string),
      ['from anybody', 'from c'],
      'receives',
    );
    bed.close();
  }),
  fabricCase('tagged/truncated-tells-how-much', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING });
    const { a, b } = bed;
    for (const isLate of [false, true]) {
      const into = b.memory(3000);
      const receive = () => b.endpoint.tagged.receive(into, 0, 1500, ANY_SOURCE, 9, 0, 'short');
      if (!isLate) receive();
      a.endpoint.tagged.send(a.memory(2500, 4), 0, 2500, a.to(b), 9, 'long');
      if (isLate) {
        bed.pass(A_WHILE);
        receive();
      }
      const due = isLate ? 2 : 1;
      bed.completed(b, 0, due);
      const received = b.received[due - 1]!;
      checkError(received, 'ETRUNC');
      checkEqual([received.length, received.error!.overflow], [1500, 1000], 'length and excess');
      checkEqual(received.tag, 9n, 'tag');
      checkPattern(into.bytes, 1500, 4);
      check(
        into.bytes.subarray(1500).every((one) => one === 0),
        'bytes beyond the receive were written',
      );
      bed.completed(a, due, 0);
      checkOk(a.sent[due - 1], 'the send');
    }
    bed.close();
  }),
  fabricCase('tagged/peek-claim-discard', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING });
    const { a, b } = bed;
    const { tagged } = b.endpoint;
    tagged.receiveMessage({ tag: 1, peek: true, context: 'nothing there' });
    bed.completed(b, 0, 1);
    checkError(b.received[0], 'ENOMSG');
    checkEqual(b.received[0]!.context as string, 'nothing there', 'context');
    for (let i = 0; i < 3; i++) {
      a.endpoint.tagged.sendData(a.memory(100, i), 0, 100, 40 + i, a.to(b), 1, i);
      bed.pass(A_WHILE);
    }
    tagged.receiveMessage({ tag: 1, peek: true, context: 'look' });
    bed.completed(b, 0, 2);
    const look = b.received[1];
    checkOk(look);
    checkEqual([look.length, look.source, look.tag], [100, b.to(a), 1n], 'what waits');
    checkEqual(look.data, 40n, 'its data');
    // reserves the first: a receive for the same tag gets the second
    tagged.receiveMessage({ tag: 1, peek: true, claim: true, context: 'claim' });
    bed.completed(b, 0, 3);
    checkOk(b.received[2]);
    const other = b.memory(100);
    tagged.receive(other, 0, 100, ANY_SOURCE, 1, 0, 'second');
    bed.completed(b, 0, 4);
    checkPattern(other.bytes, 100, 1);
    checkEqual(
      codeOf(() => tagged.receiveMessage({ tag: 1, claim: true, context: 'not that one' })),
      'EINVAL',
      'a claim of nobody',
    );
    const into = b.memory(100);
    tagged.receiveMessage({ tag: 1, claim: true, region: into, context: 'claim' });
    bed.completed(b, 0, 5);
    checkOk(b.received[4]);
    checkEqual(b.received[4].data, 40n, 'data of what was claimed');
    checkPattern(into.bytes, 100, 0);
    tagged.receiveMessage({ tag: 1, peek: true, discard: true, context: 'away' });
    bed.completed(b, 0, 6);
    checkOk(b.received[5]);
    tagged.receiveMessage({ tag: 1, peek: true, context: 'again nothing' });
    bed.completed(b, 0, 7);
    checkError(b.received[6], 'ENOMSG');
    checkEqual(
      codeOf(() => tagged.receiveMessage({ tag: 1, discard: true })),
      'EINVAL',
      'discarding a receive',
    );
    checkEqual(b.endpoint.receiveSpace, Math.min(b.info.receive.size, b.receiveQueue.size), 'room for receives');
    bed.close();
  }),
  fabricCase('tagged/cancel', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING });
    const { a, b } = bed;
    const [first, second] = [{ name: 'first' }, { name: 'second' }];
    b.endpoint.tagged.receive(b.memory(8), 0, 8, ANY_SOURCE, 1, 0, first);
    b.endpoint.tagged.receive(b.memory(8), 0, 8, ANY_SOURCE, 1, 0, second);
    b.endpoint.messages.receive(b.memory(8), 0, 8, ANY_SOURCE, 'plain');
    checkEqual(b.endpoint.cancel({ name: 'first' }), false, 'an equal object is another one');
    checkEqual(b.endpoint.cancel(first), true, 'called back');
    checkEqual(b.endpoint.cancel('plain'), true, 'called back, without a tag');
    bed.completed(b, 0, 2);
    for (const one of b.received) checkError(one, 'ECANCELED');
    check(b.received.some(({ context }) => context === first) && b.endpoint.cancel(first) === false, 'it is over');
    a.endpoint.tagged.inject(Uint8Array.of(7), a.to(b), 1);
    bed.completed(b, 0, 3);
    check(b.received[2]!.context === second && b.received[2]!.ok, 'the other one takes the message');
    checkEqual(b.endpoint.receiveSpace, Math.min(b.info.receive.size, b.receiveQueue.size), 'room for receives');
    bed.close();
  }),
  fabricCase('tagged/one-receive-for-many-messages', ['multiReceive'], (suite) => {
    const bed = suite.bed({ hints: MATCHING, endpoint: { minMultiReceive: 100 } });
    const { a, b } = bed;
    const into = b.memory(1000);
    b.endpoint.messages.receiveMessage({ region: into, multi: true, context: 'many' });
    for (let i = 0; i < 3; i++) {
      a.endpoint.messages.send(a.memory(320, i), 0, 320, a.to(b), i);
      bed.completed(a, i + 1, 0);
    }
    bed.until('the receive to end', () => b.received.some(({ isReleased }) => isReleased));
    const messages = b.received.filter(({ length }) => length > 0);
    checkEqual(
      messages.map(({ offset }) => offset),
      [0, 320, 640],
      'places',
    );
    for (const [i, one] of messages.entries()) {
      checkOk(one);
      check(one.context === 'many', 'the context');
      checkPattern(into.bytes, 320, i, one.offset);
    }
    checkEqual(b.received.filter(({ isReleased }) => isReleased).length, 1, 'ends');
    checkEqual(b.endpoint.receiveSpace, Math.min(b.info.receive.size, b.receiveQueue.size), 'room for receives');
    // a second one, ended by closing
    b.endpoint.messages.receiveMessage({ region: into, multi: true, context: 'open' });
    bed.pass(1_000_000);
    bed.close();
  }),
  fabricCase('tagged/lossy-links-every-message-once', TAGGED, (suite) => {
    for (const messageOrder of [[], ['SAS']] as const) {
      const faults = { loss: 0.05, duplicate: 0.05, reorder: 0.1 };
      const hints: FabricHints = { ...MATCHING, transmit: { messageOrder } };
      const bed = suite.bed({ hints, ends: 3, seed: 61 + messageOrder.length, faults });
      const [a, b, c] = bed.ends as [typeof bed.a, typeof bed.a, typeof bed.a];
      const count = 60;
      const length = 2500;
      const into = b.memory(2 * count * length);
      const receive = (i: number) => {
        const from = i % 2 === 0 ? a : c;
        b.endpoint.tagged.receive(into, i * length, length, b.to(from), i >> 1, 0, i);
      };
      for (let i = 0; i < count; i++) receive(i);
      const out = [a, c].map((end, which) => end.memory(length, which));
      for (let i = 0; i < count; i++) {
        for (const [which, end] of [a, c].entries()) {
          end.endpoint.tagged.sendData(out[which]!, 0, length - i, i, end.to(b), i, i);
        }
      }
      bed.pass(A_WHILE / 10);
      for (let i = count; i < 2 * count; i++) receive(i);
      bed.completed(b, 0, 2 * count);
      for (const end of [a, c]) bed.completed(end, count, 0);
      for (const one of [...a.sent, ...c.sent, ...b.received]) checkOk(one);
      for (const one of b.received) {
        const i = one.context as number;
        checkEqual(
          [one.tag, one.data, one.length],
          [BigInt(i >> 1), BigInt(i >> 1), length - (i >> 1)],
          `receive ${i}`,
        );
        checkEqual(one.source, b.to(i % 2 === 0 ? a : c), 'who sent');
        checkPattern(into.bytes, one.length, i % 2, i * length);
      }
      checkEqual(new Set(b.received.map(({ context }) => context)).size, 2 * count, 'receives, each once');
      bed.close();
    }
  }),
  fabricCase('tagged/match-complete-tells-that-it-was-taken', TAGGED, (suite) => {
    const bed = suite.bed({ hints: MATCHING });
    const { a, b } = bed;
    b.endpoint.tagged.receive(b.memory(8), 0, 8, ANY_SOURCE, 3, 0, 'r');
    const region = a.memory(8);
    a.endpoint.tagged.sendMessage({ region, to: a.to(b), tag: 3, matchComplete: true, context: 'match' });
    a.endpoint.tagged.sendMessage({ region, to: a.to(b), tag: 4, deliveryComplete: true, context: 'delivery' });
    bed.completed(b, 0, 1);
    bed.completed(a, 2, 0);
    for (const one of a.sent) checkOk(one);
    bed.close();
  }),
];

const TAG_RECV = OperationFlag.TAGGED | OperationFlag.RECV;
