/** Attacks with lengths and offsets: at 2^31, 2^32, 2^53, 2^63 and 2^64, in every header that has such fields. */
import { describe, expect, it } from 'vitest';
import { byteLength } from '../../../wire/header.ts';
import { emit } from '../../../wire/record.ts';
import { NextHeader, PdsType, RudiPacket, UudRequest } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  decode,
  fill,
  KEY,
  mediumDataSes,
  mediumSes,
  nextSes,
  readSes,
  request,
  SAFE_KEY,
  START,
  SYN,
  sendNextSes,
  sendSes,
  smallSes,
  writeSes,
} from '../rig-packets.testdata.ts';
import { ATTACKER, MTU, OPEN_BYTES, Scene } from './scene.testdata.ts';

/** The attacker's number of its context. */
const SPDCID = 0x0bad;
const TOP = 2n ** 64n;
/** Around every place where a sum, a sign or a double could go wrong. */
const OFFSETS: readonly bigint[] = [
  ...[0n, 1n, BigInt(OPEN_BYTES)].flatMap((at) => [at - 1n, at, at + 1n]),
  ...[31n, 32n, 33n, 52n, 53n, 54n, 63n, 64n].flatMap((bit) => [2n ** bit - 1n, 2n ** bit, 2n ** bit + 1n]),
  ...[1n, 2n, 8n, 16n, 256n, 257n, 4095n, 4096n, 4097n, 2n ** 32n, 2n ** 32n - 1n].map((below) => TOP - below),
  ...[1n, 8n, 16n, 256n].map((size) => BigInt(OPEN_BYTES) - size),
]
  .map((offset) => ((offset % TOP) + TOP) % TOP)
  .filter((offset, i, all) => all.indexOf(offset) === i);
const LENGTHS = [0, 1, 8, 16, MTU] as const;

/** What a region of that size allows, in arithmetic that cannot overflow. */
const isInside = (offset: bigint, length: number): boolean => offset + BigInt(length) <= BigInt(OPEN_BYTES);

/** The attacker has a context, and the PSN of its next packet. */
class Opened extends Scene {
  psn = START;
  #id = 0;

  constructor() {
    super({ settings: { idleTime: 5e9 } });
    this.attack(request({ psn: START, flags: SYN | AR, spdcid: SPDCID, ses: writeSes({}, fill(0)) }));
    this.pass(1e5);
    this.#id = this.contexts(ATTACKER)[0]!.id;
    this.toAttacker.length = 0;
  }

  /** Gives one request and returns the return code that it got; undefined when none came back. */
  ask(ses: Uint8Array, next: number = NextHeader.REQUEST_STD): number | undefined {
    const { victim, rig } = this;
    const psn = ++this.psn;
    this.attack(request({ psn, spdcid: SPDCID, dpdcid: this.#id, next, ses, flags: AR }));
    rig.now += 10_000;
    victim.engine.expire(rig.now);
    const mine = rig.drain(victim).filter(({ path }) => path === ATTACKER);
    const seen = mine.map(({ bytes }) => decode(bytes));
    const answers = seen.filter((one) => one.kind === 'ack' && one.psn === psn);
    for (const one of seen) if (one.kind === 'nack') this.psn--; // the number was not used
    return answers.find(({ ses: said }) => said !== undefined)?.ses?.['returnCode'] as number | undefined;
  }

  get image(): Uint8Array {
    return this.open.slice();
  }
}

/** What a write of that many bytes may change. */
function expectWritten(scene: Opened, before: Uint8Array, offset: bigint, bytes: Uint8Array, what: string): void {
  const guard = (scene.open.length - OPEN_BYTES) / 2;
  const due = before.slice();
  if (isInside(offset, bytes.length)) due.set(bytes, guard + Number(offset));
  expect(Buffer.compare(scene.open, due), what).toBe(0);
}

describe('buffer offsets', () => {
  it('offset overflow at 2^32 and 2^64 of a write with the standard header: taken where BigInt says that it fits, else BAD_ADDR (uet:ses/8, N24)', () => {
    const scene = new Opened();
    const cases = LENGTHS.flatMap((length) => OFFSETS.map((offset) => ({ length, offset })));
    scene.during(cases.length, (turn) => {
      const { length, offset } = cases[turn]!;
      const [before, bytes] = [scene.image, fill(length, turn)];
      const code = scene.ask(writeSes({ bufferOffset: offset, messageId: 1 + turn }, bytes));
      const what = `${length} bytes at ${offset}`;
      expect(code, what).toBe(isInside(offset, length) ? ReturnCode.OK : ReturnCode.BAD_ADDR);
      expectWritten(scene, before, offset, bytes, what);
    });
    scene.close();
  });

  it('and with the medium header, with and without header data (uet:ses/2.5, uet:ses/8, N24)', () => {
    const scene = new Opened();
    const cases = LENGTHS.flatMap((length) => OFFSETS.map((offset) => ({ length, offset })));
    scene.during(cases.length, (turn) => {
      const { length, offset } = cases[turn]!;
      const [before, bytes] = [scene.image, fill(length, turn)];
      const code = scene.ask(mediumSes({ bufferOffset: offset }, bytes), NextHeader.REQUEST_MEDIUM);
      expect(code, `${length} at ${offset}`).toBe(isInside(offset, length) ? ReturnCode.OK : ReturnCode.BAD_ADDR);
      expectWritten(scene, before, offset, bytes, `${length} at ${offset}`);
      // with header data there is no offset: the same bits are data, and the place is 0
      const again = scene.image;
      const write = { opcode: SesOpcode.WRITE, memoryKey: KEY, headerData: offset };
      expect(scene.ask(mediumDataSes(write, bytes), NextHeader.REQUEST_MEDIUM)).toBe(ReturnCode.OK);
      expectWritten(scene, again, 0n, bytes, 'header data');
    });
    scene.close();
  });

  it('and with the small header, whose key is an index (uet:ses/2.3, uet:ses/8, N24)', () => {
    const scene = new Opened();
    // optimized key 1 of the process
    const { region } = scene.victim.regions.find(({ keyLo }) => keyLo === KEY)!;
    scene.victim.regions.push({
      keyHi: 0x4000_0000,
      keyLo: 1,
      region,
      length: OPEN_BYTES,
      rights: 15,
      pd: 1,
      jobId: 0,
    });
    const cases = LENGTHS.flatMap((length) => OFFSETS.map((offset) => ({ length, offset })));
    scene.during(cases.length, (turn) => {
      const { length, offset } = cases[turn]!;
      const [before, bytes] = [scene.image, fill(length, turn)];
      const code = scene.ask(smallSes({ bufferOffset: offset, resourceIndex: 1 }, bytes), NextHeader.REQUEST_SMALL);
      expect(code, `${length} at ${offset}`).toBe(isInside(offset, length) ? ReturnCode.OK : ReturnCode.BAD_ADDR);
      expectWritten(scene, before, offset, bytes, `${length} at ${offset}`);
    });
    scene.close();
  });

  it('reads from such places give no byte away, whatever the header (uet:ses/8, N24)', () => {
    const scene = new Opened();
    scene.open.fill(0x77, 512, 512 + OPEN_BYTES);
    const cases = [1, 16, 2 ** 14 - 1, 2 ** 31, 2 ** 32 - 1].flatMap((length) =>
      OFFSETS.map((offset) => ({ length, offset })),
    );
    let refused = 0;
    scene.during(cases.length, (turn) => {
      const { length, offset } = cases[turn]!;
      if (isInside(offset, length)) return;
      const codes = [scene.ask(readSes(length, { bufferOffset: offset, messageId: 1 + turn }))];
      if (length < 2 ** 14) {
        const ses = mediumSes({ opcode: SesOpcode.READ, bufferOffset: offset, requestLength: length }, fill(0));
        if (length <= MTU) codes.push(scene.ask(ses, NextHeader.REQUEST_MEDIUM));
      }
      for (const code of codes) expect(code, `${length} at ${offset}`).toBe(ReturnCode.BAD_ADDR);
      refused += codes.length;
    });
    expect(refused).toBeGreaterThan(150);
    scene.close();
  });
});

describe('lengths', () => {
  it('a request length of 2^32-1, of 2^31, of one more than there is: refused at the first packet, nothing written, nothing kept (uet:ses/8, N24)', () => {
    const scene = new Opened();
    const before = scene.image;
    const lengths = [OPEN_BYTES + 1, 2 ** 14, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1];
    scene.during(lengths.length * 4, (turn) => {
      const requestLength = lengths[turn % lengths.length]!;
      for (const bufferOffset of [0n, 1n, 2n ** 32n - 1n, TOP - 1n, TOP - BigInt(requestLength)]) {
        const ses = writeSes({ requestLength, bufferOffset, eom: 0, messageId: 1 + scene.psn - START }, fill(MTU));
        expect(scene.ask(ses), `${requestLength} at ${bufferOffset}`).toBe(ReturnCode.BAD_ADDR);
      }
    });
    expect(Buffer.compare(scene.open, before)).toBe(0);
    // of each of the refused messages a mark is kept until its context ends
    scene.pass(20e9);
    expect(scene.census('inbound_messages')).toBe(0);
    scene.close();
  });

  it('lengths that lie about the packet: more or less payload than said, in each header (uet:ses/8, N24, N31)', () => {
    const scene = new Opened();
    const before = scene.image;
    let id = 1;
    scene.during(20, () => {
      for (const [said, there] of [
        [8, 7],
        [8, 9],
        [0, 8],
        [8, 0],
        [MTU, MTU - 1],
        [MTU + 1, MTU + 1],
        [2 ** 32 - 1, 8],
      ]) {
        const values = { requestLength: said!, messageId: id++ };
        expect(scene.ask(writeSes(values, fill(there!))), `${said} of ${there}`).toBe(ReturnCode.OP_VIOLATION);
        if (said! >= 2 ** 14) continue;
        const short = { requestLength: said! };
        expect(scene.ask(mediumSes(short, fill(there!)), NextHeader.REQUEST_MEDIUM)).toBe(ReturnCode.OP_VIOLATION);
        expect(scene.ask(smallSes(short, fill(there!)), NextHeader.REQUEST_SMALL)).toBe(ReturnCode.OP_VIOLATION);
      }
    });
    expect(Buffer.compare(scene.open, before)).toBe(0);
    scene.close();
  });
});

describe('places in a message', () => {
  it('a message offset beyond the message, at 2^32, off the grid, on a first packet and on later ones: nothing is written (uet:ses/8, N24, N25)', () => {
    const scene = new Opened();
    const before = scene.image;
    const total = 3 * MTU + 7;
    const places = [1, MTU - 1, 4 * MTU, 3 * MTU, total, 2 ** 31 - MTU, 2 ** 31, 2 ** 32 - MTU, 2 ** 32 - 1];
    let id = 1;
    let refused = 0;
    scene.during(30, () => {
      for (const messageOffset of places) {
        for (const [payloadLength, there] of [
          [MTU, MTU],
          [MTU, 8],
          [8, MTU],
          [0x3fff, MTU],
          [0, 0],
        ] as const) {
          const values = { requestLength: total, messageOffset, payloadLength, bufferOffset: 0n, messageId: id++ };
          const code = scene.ask(nextSes(values, fill(there)));
          expect(code, `${payloadLength} (${there}) at ${messageOffset}`).toBe(ReturnCode.OP_VIOLATION);
          refused++;
        }
      }
    });
    expect(refused).toBe(30 * places.length * 5);
    expect(Buffer.compare(scene.open, before)).toBe(0);
    scene.close();
  });

  it('later packets that differ from the first one, in length, key, offset, job or opcode, end that message and write nowhere else (uet:ses/8, N25, N26)', () => {
    const scene = new Opened();
    const lies = [
      { requestLength: 2 ** 32 - 1 },
      { requestLength: 4 * MTU - 1 },
      { memoryKey: KEY + 1 },
      { memoryKey: TOP - 1n },
      { jobId: 9 },
      { pidOnFep: 2 },
      { opcode: SesOpcode.SEND },
      { bufferOffset: TOP - 1n },
      { bufferOffset: BigInt(OPEN_BYTES) },
      { bufferOffset: TOP - BigInt(MTU) },
      { messageOffset: 2 ** 32 - MTU },
      { messageOffset: 4 * MTU },
    ];
    let id = 1;
    scene.during(lies.length * 3, (turn) => {
      const messageId = id++;
      const first = writeSes({ requestLength: 4 * MTU, eom: 0, messageId, bufferOffset: 0n }, fill(MTU, turn));
      scene.ask(first);
      const before = scene.image;
      const next = { requestLength: 4 * MTU, messageId, bufferOffset: 0n, messageOffset: MTU };
      const code = scene.ask(nextSes({ ...next, ...lies[turn % lies.length]! }, fill(MTU, turn + 1)));
      expect(
        code,
        JSON.stringify(lies[turn % lies.length]!, (_, v) => String(v)),
      ).toBeGreaterThan(ReturnCode.OK);
      expect(Buffer.compare(scene.open, before)).toBe(0);
      // the message is over: what follows of it gets the same answer
      expect(scene.ask(nextSes({ ...next, messageOffset: 2 * MTU }, fill(MTU)))).toBe(code);
      expect(Buffer.compare(scene.open, before)).toBe(0);
    });
    scene.close();
  });

  it('sends with such lengths and offsets fill no more than the receive that was posted (uet:ses/3, N24, N25)', () => {
    const scene = new Opened();
    const inbox = new Uint8Array(3 * MTU).fill(0xa5);
    const region = scene.victim.register(inbox, 0, 0);
    scene.victim.addQueuePair(3);
    for (let n = 0; n < 50; n++) scene.victim.postReceive(3, region, MTU, MTU, 7_000_000 + n);
    scene.victim.engine.doorbell(scene.rig.now, 3);
    let id = 1;
    const places = [MTU, 2 * MTU, 2 ** 31 - MTU, 2 ** 31, 2 ** 32 - 2 * MTU];
    scene.during(places.length, (turn) => {
      const whole = { requestLength: 2 ** 32 - 1, resourceIndex: 3, eom: 0 };
      const messageId = id++;
      scene.ask(sendSes({ ...whole, messageId, bufferOffset: TOP - 1n }, fill(MTU, 9)));
      scene.ask(sendNextSes({ ...whole, messageId, messageOffset: places[turn]! }, fill(MTU, 9)));
      expect(inbox.subarray(0, MTU).every((byte) => byte === 0xa5)).toBe(true);
      expect(inbox.subarray(2 * MTU).every((byte) => byte === 0xa5)).toBe(true);
    });
    scene.pass(20e9);
    expect(scene.census('inbound_messages')).toBe(0);
    scene.close();
  });
});

describe('without a context', () => {
  const rudi = (ses: Uint8Array, pktId: number): Uint8Array => {
    const bytes = new Uint8Array(byteLength(RudiPacket) + ses.length);
    const view = new DataView(bytes.buffer);
    emit(RudiPacket, view, 0, { type: PdsType.RUDI_REQ, nextHeader: NextHeader.REQUEST_STD, pktId });
    bytes.set(ses, byteLength(RudiPacket));
    return bytes;
  };
  const uud = (ses: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(byteLength(UudRequest) + ses.length);
    emit(UudRequest, new DataView(bytes.buffer), 0, { type: PdsType.UUD_REQ, nextHeader: NextHeader.REQUEST_STD });
    bytes.set(ses, byteLength(UudRequest));
    return bytes;
  };

  it('idempotent writes and reads at every such place (uet:pds/6.1, uet:ses/8, N24)', () => {
    const scene = new Opened();
    const cases = [1, 16, MTU].flatMap((length) => OFFSETS.map((offset) => ({ length, offset })));
    let id = 0;
    const memoryKey = SAFE_KEY;
    scene.during(cases.length, (turn) => {
      const { length, offset } = cases[turn]!;
      const [before, bytes] = [scene.image, fill(length, turn)];
      scene.attack(rudi(writeSes({ bufferOffset: offset, memoryKey }, bytes), id++));
      expectWritten(scene, before, offset, bytes, `${length} at ${offset}`);
      const values = { requestLength: 2 ** 32 - 1, messageOffset: 2 ** 32 - MTU, bufferOffset: offset, memoryKey };
      const again = scene.image;
      scene.attack(rudi(nextSes({ ...values, payloadLength: length }, bytes), id++));
      scene.attack(rudi(readSes(2 ** 32 - 1, { bufferOffset: offset, memoryKey }), id++));
      expect(Buffer.compare(scene.open, again)).toBe(0);
    });
    scene.close();
  });

  it('datagrams that lie about their length, are longer than a packet or than the receive (uet:pds/6.2, N24, N31)', () => {
    const scene = new Opened();
    const inbox = new Uint8Array(1_024).fill(0xa5);
    const region = scene.victim.register(inbox, 0, 0);
    scene.victim.addQueuePair(3, { type: 'UD' });
    scene.victim.postReceive(3, region, 256, 64, 7_000_000);
    const datagram = (requestLength: number, there: number, more = {}) =>
      uud(
        writeSes(
          { opcode: SesOpcode.DATAGRAM_SEND, resourceIndex: 3, messageId: 0, memoryKey: 0, requestLength, ...more },
          fill(there),
        ),
      );
    let given = 0;
    scene.during(50, () => {
      for (const [said, there] of [
        [8, 7],
        [8, 9],
        [0, 1],
        [2 ** 32 - 1, 8],
        [2 ** 31, 0],
        [MTU + 1, MTU + 1],
        [25, 25],
      ]) {
        scene.attack(datagram(said!, there!));
        given++;
      }
      scene.attack(datagram(8, 8, { som: 0 }));
      given++;
    });
    expect(scene.drops('datagram')).toBe(given);
    expect(inbox.every((byte) => byte === 0xa5)).toBe(true);
    scene.attack(datagram(24, 24, { bufferOffset: TOP - 1n }));
    expect(inbox.subarray(256 + 40, 256 + 64)).toEqual(fill(24));
    expect(inbox.subarray(256 + 64).every((byte) => byte === 0xa5)).toBe(true);
    scene.close();
  });
});
