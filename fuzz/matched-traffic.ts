/**
 * Traffic between queue pairs that match, where the transport has them: receives with tags, with masks and for many
 * messages, messages that wait for one, long ones that may be put off or read by their target, and atomics on what a
 * receive names. Much of it stays as it is, so a changed packet meets live state.
 */
import { RemoteMemory } from '@verbena/core';
import type { Bed } from '@verbena/core/testing';

export function matchedTraffic(bed: Bed): void {
  const { a, b } = bed;
  const { operations, indexKeys = false } = bed.pump.transport.attributes;
  if (!operations.includes('tagged')) return;
  let sends = a.sent.length;
  const depth = { sendDepth: 64, receiveDepth: 1024, matching: true };
  for (const ordered of [true, false]) {
    const far = b.queuePair({ ordered, ...depth });
    const near = a.queuePair({ ordered, ...depth });
    const to = { to: a.to(b), qpn: far.qpn };
    const send = (tag: number | undefined, length: number, more: object = {}) => {
      const what = tag === undefined ? { opcode: 'send' as const } : { opcode: 'tagged-send' as const, tag };
      near.post({ ...what, ...to, ...a.buffer(length, { salt: length }).part(), ...more });
      sends++;
    };
    for (let tag = 0; tag < 8; tag++) far.postReceive({ tag, ...b.buffer(900).part() });
    for (let i = 0; i < 8; i++) far.postReceive({ tag: 0x1000, ignore: 0xff, ...b.buffer(900).part() });
    far.postReceive({ ...b.buffer(1000).part(), multi: 100 });
    far.postReceive(b.buffer(900).part());
    for (const [tag, length] of [0, 5, 256, 800].entries()) {
      send(tag, length, { imm: 7 });
      send(0x1000 + (length % 256), length, { deliveryComplete: true });
      send(undefined, Math.min(length, 300));
    }
    if (operations.includes('tagged-atomic')) {
      const access = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const;
      const region = a.pd.registerMemory(a.context.allocate(64), { access });
      const typed = { atomicOp: 'SUM', atomicType: 'UINT32', ...to, region, offset: 0 } as const;
      for (const [tag, length] of [
        [0x2000, 4],
        [0x2001, 32],
      ] as const) {
        for (let i = 0; i < 4; i++) far.postReceive({ tag, ...b.buffer(64).part() });
        near.post({ opcode: 'atomic', tag, ...typed, length });
        near.post({ opcode: 'fetching-atomic', tag, ...typed, length, result: { region, offset: 32, length } });
        sends += 2;
      }
    }
    bed.completed(a, sends, 0);
    // nobody waits for these: they are kept, put off, or wait for the match
    send(0x77, 700);
    send(0x78, 20);
    send(0x79, 60, { matchComplete: true });
    bed.pass(200_000);
    // some are asked for, or thrown away, a while later
    far.postReceive({ tag: 0x77, ...b.buffer(900).part() });
    far.postReceive({ id: 9, tag: 0x78, operation: 'peek', claim: true });
    bed.pass(200_000);
    far.postReceive({ tag: 0x79, ...b.buffer(900).part() });
    bed.completed(a, sends, 0);
    send(0x7a, 600);
    send(0x7b, 60, { matchComplete: true });
    sends -= 2; // how these end is open
    bed.pass(200_000);
    sends = a.sent.length;
    for (let i = 0; i < 200; i++) far.postReceive({ tag: i % 4, ignore: i % 3, ...b.buffer(64).part() });
  }
  if (!indexKeys) return;
  const access = ['local-write', 'remote-write', 'remote-read'] as const;
  const open = b.pd.registerMemory(b.context.allocate(1024), { access, key: INDEX_KEY });
  const part = a.buffer(40, { salt: 5 }).part();
  for (const opcode of ['write', 'read'] as const) {
    a.qp.post({ opcode, to: a.to(b), ...part, remote: new RemoteMemory(open.rkey), remoteOffset: 100 });
    sends++;
  }
  bed.completed(a, sends, 0);
}

/** Bit 62 makes a key an index. */
const INDEX_KEY = (1n << 62n) + 0x123n;
