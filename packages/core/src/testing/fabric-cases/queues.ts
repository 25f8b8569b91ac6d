/** Completion queues, counters, and what happens at their bounds. */
import { CompletionBatch } from '../../fabric/completion-batch.ts';
import type { Counter } from '../../fabric/counter.ts';
import { check, checkEqual } from '../suite-case.ts';
import { checkError, checkOk, codeOf, type FabricCase, fabricCase } from './fabric-case.ts';

const MSG = ['msg'] as const;

export const FABRIC_QUEUE_CASES: readonly FabricCase[] = [
  fabricCase('queues/read-fills-a-batch', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const into = b.memory(64 * 8);
    for (let i = 0; i < 64; i++) b.endpoint.messages.receive(into, 8 * i, 8, undefined, i);
    for (let i = 0; i < 64; i++) a.endpoint.messages.send(undefined, 0, 0, a.to(b), i);
    const batch = new CompletionBatch(10);
    const seen: unknown[] = [];
    bed.pump.drive({
      until: () => {
        for (let n = a.sendQueue.read(batch); n > 0; n = a.sendQueue.read(batch)) {
          check(n <= 10, 'more rows than the batch has');
          for (let row = 0; row < n; row++) seen.push(batch.context[row]);
        }
        return seen.length === 64;
      },
    });
    checkEqual(
      (seen as number[]).sort((x, y) => x - y),
      Array.from({ length: 64 }, (_, i) => i),
      'contexts',
    );
    bed.completed(b, 0, 64);
    bed.close();
  }),
  fabricCase('queues/full-transmit-queue-refuses-and-goes-on', MSG, (suite) => {
    const hints = { caps: { msg: true }, transmit: { size: 8 }, receive: { size: 8 } };
    const bed = suite.bed({ hints });
    const { a, b } = bed;
    checkEqual([a.endpoint.transmitSpace, a.endpoint.receiveSpace], [8, 8], 'room');
    for (let i = 0; i < 8; i++) b.endpoint.messages.receive(undefined, 0, 0, undefined, i);
    checkEqual(
      codeOf(() => b.endpoint.messages.receive(undefined, 0, 0)),
      'EAGAIN',
      'a ninth receive',
    );
    for (let i = 0; i < 8; i++) a.endpoint.messages.send(undefined, 0, 0, a.to(b), i);
    checkEqual(
      codeOf(() => a.endpoint.messages.inject(new Uint8Array(1), a.to(b))),
      'EAGAIN',
      'a ninth send',
    );
    checkEqual(a.endpoint.transmitSpace, 0, 'room when full');
    bed.completed(a, 8, 0);
    checkEqual(a.endpoint.transmitSpace, 8, 'room afterwards');
    b.endpoint.messages.receive(undefined, 0, 0);
    a.endpoint.messages.send(undefined, 0, 0, a.to(b));
    bed.completed(b, 0, 9);
    bed.completed(a, 9, 0);
    bed.close();
  }),
  fabricCase('queues/full-completion-queue-refuses-before-anything-is-lost', MSG, (suite) => {
    const bed = suite.bed({ queueSize: 4 });
    const { a, b } = bed;
    for (let i = 0; i < 4; i++) b.endpoint.messages.receive(undefined, 0, 0, undefined, i);
    checkEqual(
      codeOf(() => b.endpoint.messages.receive(undefined, 0, 0)),
      'EAGAIN',
      'a fifth receive',
    );
    for (let i = 0; i < 4; i++) a.endpoint.messages.send(undefined, 0, 0, a.to(b), i);
    bed.pump.drive({ limitNs: 1e9 });
    a.domain.progress();
    checkEqual(
      codeOf(() => a.endpoint.messages.send(undefined, 0, 0, a.to(b))),
      'EAGAIN',
      'while four wait to be read',
    );
    bed.completed(a, 4, 0);
    bed.completed(b, 0, 4);
    b.endpoint.messages.receive(undefined, 0, 0);
    a.endpoint.messages.send(undefined, 0, 0, a.to(b));
    bed.completed(b, 0, 5);
    bed.completed(a, 5, 0);
    bed.close();
  }),
  fabricCase('queues/more-unasked-than-fit-is-an-overrun', ['rma'], (suite) => {
    const bed = suite.bed({
      ends: [{}, { queueSize: 4, hints: { caps: { msg: true, rma: true }, receive: { size: 64 } } }],
    });
    const { a, b } = bed;
    if (b.info.modes.includes('rx-cq-data')) {
      bed.close();
      return;
    }
    const far = b.memory(8);
    for (let i = 0; i < 6; i++) a.endpoint.rma.injectWriteData(Uint8Array.of(i), i, a.to(b), 0, far.key);
    bed.pump.drive({ limitNs: 1e9 });
    let kept = 0;
    const read = () => {
      while (b.receiveQueue.readOne() !== undefined) kept++;
    };
    checkEqual(codeOf(read), 'EIO', 'after what is there');
    checkEqual(kept, 4, 'completions that were kept');
    checkEqual(codeOf(read), 'EIO', 'again');
    bed.pump.close();
  }),
  fabricCase('queues/selective-shows-what-asks-and-what-fails', MSG, (suite) => {
    const bed = suite.bed({ selective: true });
    const { a, b } = bed;
    const out = a.memory(8, 1);
    for (let i = 0; i < 3; i++) {
      b.endpoint.messages.receiveMessage({ region: b.memory(8), context: i, completion: i === 2 });
    }
    a.endpoint.messages.send(out, 0, 8, a.to(b), 'silent');
    bed.pump.drive({ limitNs: 1e8 });
    a.endpoint.messages.sendMessage({ region: out, to: a.to(b), context: 'asked', completion: true });
    bed.completed(a, 1, 0);
    a.endpoint.messages.sendMessage({ region: out, to: a.to(b), context: 'silent too' });
    bed.completed(b, 0, 1);
    checkEqual(
      a.sent.map(({ context }) => context as string),
      ['asked'],
      'what was shown',
    );
    if (a.info.caps.rma) {
      a.endpoint.rma.write(out, 0, 8, a.to(b), 0, 0x1234n, 'fails');
      bed.completed(a, 2, 0);
      check(a.sent[1]!.error !== undefined && a.sent[1]!.context === 'fails', 'failures are always shown');
    }
    bed.close();
  }),
  fabricCase('queues/counters-count-each-class', ['msg', 'rma'], (suite) => {
    const counters = new Map<string, Counter>();
    const bed = suite.bed({
      prepare: (end) => {
        for (const name of ['send', 'receive', 'read', 'write'] as const) {
          const counter = end.domain.openCounter();
          end.endpoint.bind(counter, { [name]: true });
          counters.set(`${end.node.index} ${name}`, counter);
        }
      },
    });
    const { a, b } = bed;
    const values = (node: number) =>
      ['send', 'receive', 'read', 'write'].map((name) => counters.get(`${node} ${name}`)!.read());
    const far = b.memory(64);
    for (let i = 0; i < 3; i++) b.endpoint.messages.receive(undefined, 0, 0);
    for (let i = 0; i < 3; i++) a.endpoint.messages.inject(new Uint8Array(0), a.to(b));
    for (let i = 0; i < 2; i++) a.endpoint.rma.injectWrite(Uint8Array.of(1), a.to(b), 0, far.key);
    a.endpoint.rma.read(a.memory(8), 0, 8, a.to(b), 0, far.key);
    bed.until('the counters', () => String(values(0)) === '3,0,1,2' && String(values(1)) === '0,3,0,0');
    a.endpoint.rma.write(a.memory(8), 0, 8, a.to(b), 0, 0x77n, 'bad');
    bed.completed(a, 2, 0);
    checkEqual([counters.get('0 write')!.read(), counters.get('0 write')!.readError()], [2, 1], 'after a failure');
    checkEqual(
      codeOf(() => counters.get('0 write')!.close()),
      'EBUSY',
      'closing a counter that is bound',
    );
    const one = counters.get('0 write')!;
    one.add(10);
    one.setError(5);
    checkEqual([one.read(), one.readError()], [12, 5], 'set by hand');
    checkEqual(
      codeOf(() => one.add(-20)),
      'EINVAL',
      'below 0',
    );
    bed.pump.close();
  }),
  fabricCase('queues/counter-of-bytes-without-a-queue', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const endpoint = b.domain.openEndpoint(b.info);
    const [received, sent] = [b.domain.openCounter({ unit: 'bytes' }), b.domain.openCounter()];
    endpoint.bind(b.vector);
    endpoint.bind(received, { receive: true });
    endpoint.bind(sent, { send: true });
    endpoint.enable();
    const number = a.vector.insert(endpoint.getName());
    const into = b.memory(200);
    endpoint.messages.receive(into, 0, 100);
    endpoint.messages.receive(into, 100, 100);
    a.endpoint.messages.send(a.memory(100, 1), 0, 70, number);
    a.endpoint.messages.send(a.memory(100, 1), 0, 30, number);
    bed.until('both messages', () => received.read() === 100);
    checkEqual(b.received.length, 0, 'visible completions');
    bed.completed(a, 2, 0);
    endpoint.close();
    received.close();
    sent.close();
    bed.close();
  }),
  fabricCase('queues/closing-an-endpoint-cancels-what-is-posted', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    for (let i = 0; i < 5; i++) b.endpoint.messages.receive(b.memory(8), 0, 8, undefined, i);
    b.endpoint.close();
    b.drain();
    checkEqual(b.received.length, 5, 'completions');
    for (const one of b.received) checkError(one, 'ECANCELED');
    checkEqual(b.receiveQueue.room, b.receiveQueue.size, 'room in the queue');
    checkEqual(
      codeOf(() => b.endpoint.messages),
      'EINVAL',
      'operations afterwards',
    );
    a.endpoint.messages.send(a.memory(8), 0, 8, a.to(b), 'late');
    bed.completed(a, 1, 0, 300e9);
    check(!a.sent[0]!.ok, 'a message to a closed endpoint');
    bed.close();
  }),
  fabricCase('queues/lossy-links-lose-nothing', ['msg', 'rma'], (suite) => {
    const bed = suite.bed({ seed: 2_026, faults: { loss: 0.05, duplicate: 0.05, reorder: 0.1 } });
    const { a, b } = bed;
    const count = 120;
    const into = b.memory(count * 2048);
    const far = b.memory(count * 2048);
    const out = a.memory(2048, 4);
    for (let i = 0; i < count; i++) b.endpoint.messages.receive(into, 2048 * i, 2048, undefined, i);
    for (let i = 0; i < count; i++) {
      a.endpoint.messages.send(out, 0, 2048, a.to(b), `s${i}`);
      a.endpoint.rma.write(out, 0, 2048, a.to(b), 2048 * i, far.key, `w${i}`);
    }
    bed.completed(b, 0, count);
    bed.completed(a, 2 * count, 0);
    for (const one of [...a.sent, ...b.received]) checkOk(one);
    checkEqual(new Set(b.received.map(({ context }) => context)).size, count, 'receives, each once');
    checkEqual(new Set(a.sent.map(({ context }) => context)).size, 2 * count, 'operations, each once');
    for (let i = 0; i < count; i++) {
      checkEqual([into.bytes[2048 * i + 9]!, far.bytes[2048 * i + 9]!], [out.bytes[9]!, out.bytes[9]!], 'bytes');
    }
    bed.close();
  }),
];
