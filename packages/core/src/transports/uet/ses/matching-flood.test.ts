import { describe, expect, it } from 'vitest';
import { WorkOpcode } from '../../../engine/status.ts';
import { ReceiveWork } from '../../../engine/work.ts';
import { EngineRig } from '../../../testing/engine-rig.ts';
import { NackCode } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import { uet } from '../index.ts';
import { AR, decode, fill, JOB, MS, MTU, request, type Seen, START, SYN, writeSes } from '../rig-packets.testdata.ts';

const QP = 2;
const ATTACKER = 2;
const S = 1000 * MS;

/** A victim whose queue pair 2 matches, an honest sender, and an attacker whose packets are made by hand. */
class Flood {
  readonly rig: EngineRig;
  readonly inbox = new Uint8Array(1 << 16);
  readonly answers: Seen[] = [];
  #context = 0;
  #psn = START;
  #messages = 0;
  #honest = 0;

  constructor(settings: Record<string, number>) {
    this.rig = new EngineRig(uet, { payloadMtu: MTU, settings });
    const { a, b } = this.rig;
    for (const node of [a, b]) node.engine.addJob(JOB);
    a.addQueuePair(1);
    b.addQueuePair(QP, { matching: true });
    b.register(this.inbox, 1);
  }

  /** One packet of a message by the attacker. */
  attack(values: Parameters<typeof writeSes>[0], payload: Uint8Array): Seen | undefined {
    const psn = this.#psn++;
    const all = {
      opcode: SesOpcode.TAGGED_SEND,
      resourceIndex: QP,
      messageId: 1 + (this.#messages++ % 60_000),
      ...values,
    };
    const flags = this.#context === 0 ? SYN | AR : AR;
    const ses = writeSes({ requestLength: payload.length, ...all }, payload);
    this.rig.deliver(this.rig.b, request({ psn, flags, dpdcid: this.#context, clear: psn - 1, ses }), ATTACKER);
    this.#collect();
    const answer = this.answers.at(-1);
    if (this.#context === 0) this.#context = answer!.spdcid;
    return answer;
  }

  /** The honest sender posts a message. */
  send(length: number): void {
    const { a } = this.rig;
    const salt = ++this.#honest;
    const region = a.register(fill(length, salt), 100 + salt);
    const work = { opcode: WorkOpcode.TAGGED_SEND, wrIdLo: salt, rkeyLo: salt, region, length };
    a.post(1, { ...work, remoteQpn: (QP << 12) | 1 });
    a.engine.doorbell(this.rig.now, 1);
  }

  /** Moves honest packets and time; what goes to the attacker is collected. */
  run(forNanos: number): void {
    const { rig } = this;
    rig.run({
      forNanos,
      lose: ({ to, bytes, path }) => {
        if (to !== rig.a || path !== ATTACKER) return false;
        this.answers.push(decode(bytes));
        return true;
      },
    });
  }

  /** Receives everything of the honest sender. */
  expectHonest(): void {
    const { b } = this.rig;
    for (let tag = 1; tag <= this.#honest; tag++) {
      const work = Object.assign(new ReceiveWork(), { wrIdLo: tag, tagged: true, tagLo: tag, path: 1, length: 400 });
      work.segments.add(b.regions[0]!.region, tag * 400, 400);
      b.receives.get(QP)!.push(work);
    }
    b.engine.doorbell(this.rig.now, QP);
    this.run(2 * S);
    expect(this.rig.a.completions.map(({ status }) => status)).toEqual(Array(this.#honest).fill(0));
    const got = b.completions.filter(({ receive }) => receive);
    expect(got).toHaveLength(this.#honest);
    for (const { wrIdLo, status, byteLength } of got) {
      expect(status).toBe(0);
      const bytes = this.inbox.subarray(wrIdLo * 400, wrIdLo * 400 + byteLength);
      expect([...bytes]).toEqual([...fill(byteLength, wrIdLo)]);
    }
  }

  census(name: string): number {
    return this.rig.b.engine.census()[name]!;
  }

  #collect(): void {
    const { rig } = this;
    const aside: Uint8Array[] = [];
    for (const { bytes, path } of rig.drain(rig.b)) {
      if (path === ATTACKER) this.answers.push(decode(bytes));
      else aside.push(bytes);
    }
    for (const bytes of aside) rig.deliver(rig.a, bytes);
  }
}

describe('a peer that floods a queue pair with what nobody receives (N27, N28)', () => {
  it('gets half of the room and then NO_MATCH; honest messages are kept and delivered beside it', () => {
    const flood = new Flood({ maxUnexpected: 64, maxUnexpectedBytes: 64 * MTU, maxRnrRetries: 50 });
    const codes = new Map<number, number>();
    for (let n = 0; n < 3_000; n++) {
      const answer = flood.attack({ memoryKey: n }, fill(8));
      const code = Number(answer!.ses?.returnCode);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      if (n % 300 === 150) flood.send(n % 2 === 0 ? 300 : 20);
      if (n % 100 === 0) flood.run(MS);
      expect(flood.census('unexpected_messages')).toBeLessThanOrEqual(48);
    }
    expect(codes.get(ReturnCode.OK)).toBeLessThanOrEqual(32);
    expect(codes.get(ReturnCode.NO_MATCH)).toBeGreaterThan(2_900);
    flood.run(S);
    flood.expectHonest();
  });

  it('and begins messages that it never ends: what they were promised comes back when its context goes', () => {
    const settings = {
      maxUnexpectedBytes: 256 * MTU,
      maxInboundPerPeer: 16,
      maxInboundMessages: 64,
      maxUnexpected: 256,
    };
    const flood = new Flood(settings);
    for (let n = 0; n < 200; n++) {
      flood.attack({ memoryKey: n, requestLength: 5 * MTU, eom: 0 }, fill(MTU));
      if (n === 100) for (let m = 0; m < 10; m++) flood.send(200);
    }
    expect(flood.census('inbound_messages')).toBeLessThanOrEqual(16);
    expect(flood.census('unexpected_bytes')).toBeLessThanOrEqual(128 * MTU);
    expect(flood.answers.some(({ code }) => code === NackCode.NO_SES_MSG_AVAIL)).toBe(true);
    flood.expectHonest();
    flood.run(200 * S);
    expect(flood.census('inbound_messages')).toBe(0);
    expect(flood.census('unexpected_messages')).toBe(0);
    expect(flood.census('unexpected_bytes')).toBe(0);
  });

  it('announces more bytes than there can be: nothing is promised (N24)', () => {
    const flood = new Flood({});
    for (const length of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      const answer = flood.attack({ memoryKey: 1, requestLength: length, eom: 0 }, fill(MTU));
      expect(answer).toMatchObject({ ses: { returnCode: ReturnCode.NO_MATCH } });
    }
    expect(flood.census('unexpected_bytes')).toBe(0);
  });

  it('sends one piece again and again: it takes no more room than the message was promised', () => {
    const flood = new Flood({ maxUnexpectedBytes: 64 * MTU });
    const all = { opcode: SesOpcode.TAGGED_SEND, requestLength: MTU + 1, messageId: 9, memoryKey: 5 } as const;
    for (let n = 0; n < 60; n++) {
      flood.attack({ ...all, som: 0, headerData: (1n << 32n) | BigInt(MTU) }, fill(1));
    }
    expect(flood.census('unexpected_bytes')).toBe(2 * MTU);
    for (let n = 0; n < 6; n++) flood.send(200);
    flood.run(S);
    flood.expectHonest();
  });
});
