import { describe, expect, it } from 'vitest';
import { noAttributes } from '../../../engine/engine.ts';
import { Packet } from '../../../engine/packet.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { byteLength } from '../../../wire/header.ts';
import { emit, extract, type HeaderValues } from '../../../wire/record.ts';
import { NextHeader, PdsType, UudRequest } from '../../../wire/uet/pds.ts';
import { RequestStd, ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  Bench,
  fill,
  JOB,
  MTU,
  mediumSes,
  PATH,
  request,
  START,
  SYN,
  smallSes,
  writeSes,
} from '../rig-packets.testdata.ts';

const QKEY = 0x1111_1111;
const UD = 2;
const NUMBER = (UD << 12) | 1;

function bench() {
  const one = new Bench();
  one.node.addQueuePair(UD, { type: 'UD', attributes: { ...noAttributes(), qkey: QKEY }, sourceId: 77 });
  return one;
}

function datagram(ses: Uint8Array, next: number = NextHeader.REQUEST_STD): Uint8Array {
  const bytes = new Uint8Array(byteLength(UudRequest) + ses.length);
  emit(UudRequest, new DataView(bytes.buffer), 0, { type: PdsType.UUD_REQ, nextHeader: next });
  bytes.set(ses, byteLength(UudRequest));
  return bytes;
}

const std = (values: HeaderValues<typeof RequestStd> = {}, payload = fill(8)) =>
  writeSes(
    {
      ...{ opcode: SesOpcode.DATAGRAM_SEND, messageId: 0, resourceIndex: UD, requestLength: payload.length },
      ...{ memoryKey: BigInt(QKEY) as never, ...values },
    },
    payload,
  );

function receive(of: Bench, length = 40 + MTU): Uint8Array {
  const into = new Uint8Array(length);
  of.node.postReceive(UD, of.node.register(into, 0x9000 + of.node.regions.length), 0, length, 5);
  return into;
}

describe('UUD (uet:pds/6.2)', () => {
  it('sends one packet without flags, and is done when it has left', () => {
    const of = bench();
    const region = of.node.register(fill(8), 0x99);
    const work = { opcode: WorkOpcode.SEND_WITH_IMM, region, length: 8, immLo: 9, qkey: QKEY, remoteQpn: NUMBER };
    of.node.post(UD, { ...work, wrIdLo: 3 });
    of.engine.doorbell(of.now, UD);
    const sent = of.rig.drain(of.node);
    expect(sent).toHaveLength(1);
    const { bytes } = sent[0]!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    expect(view.getUint32(0)).toBe(((PdsType.UUD_REQ << 27) | (NextHeader.REQUEST_STD << 23)) >>> 0);
    expect(extract(RequestStd, view, 4)).toMatchObject({
      ...{ opcode: SesOpcode.DATAGRAM_SEND, messageId: 0, som: 1, eom: 1, hd: 1, rel: 1, jobId: JOB },
      ...{ pidOnFep: 1, resourceIndex: UD, initiator: 77, requestLength: 8 },
    });
    expect(of.done).toEqual([[3, Status.SUCCESS]]);
    expect(of.engine.census()).toMatchObject({ contexts: 0, messages: 0, timers: 0 });
    expect(of.engine.deadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('delivers behind a routing header, with key and sender in the match bits', () => {
    const of = bench();
    const into = receive(of);
    const match = (BigInt(0x12_3456) << 32n) | BigInt(QKEY);
    of.give(datagram(std({ memoryKey: match as never, initiator: 3 })));
    expect(of.received).toEqual([[5, Status.SUCCESS, 48]]);
    expect([...into.subarray(40, 48)]).toEqual([...fill(8)]);
    expect(of.node.completions[0]).toMatchObject({ remoteQpn: 0x12_3456, sourceId: 3, jobId: JOB, hasGrh: true });
    expect(of.rig.drain(of.node)).toEqual([]); // nothing is ever answered
  });

  it('takes the medium header', () => {
    const of = bench();
    receive(of);
    const ses = mediumSes({
      ...{ opcode: SesOpcode.DATAGRAM_SEND, resourceIndex: UD, memoryKey: BigInt(QKEY) as never },
    });
    of.give(datagram(ses, NextHeader.REQUEST_MEDIUM));
    expect(of.received).toEqual([[5, Status.SUCCESS, 48]]);
  });

  it('drops in silence what fits nothing, under a reason, and keeps the receive', () => {
    const of = bench();
    receive(of, 60);
    const bad: [reason: string, packet: Uint8Array][] = [
      ['qkey', datagram(std({ memoryKey: 1n as never }))],
      ['datagram', datagram(std({ opcode: SesOpcode.MSG_ERROR }))],
      ['datagram', datagram(std({ ver: 1 }))],
      ['datagram', datagram(std({ ie: 1 }))],
      ['datagram', datagram(std({ som: 0 }))],
      ['datagram', datagram(std({ requestLength: 9 }))],
      ['datagram', datagram(std({ jobId: 99 }))],
      ['datagram', datagram(std({ resourceIndex: 1 }))], // a queue pair of another kind
      ['datagram', datagram(std({ resourceIndex: 99 }))],
      ['datagram', datagram(std({ rel: 0 }))],
      ['datagram', datagram(std({}, fill(21)))], // longer than the receive
      ['datagram', datagram(std({}, fill(MTU + 1)))],
      ['next_header', datagram(smallSes({}), NextHeader.REQUEST_SMALL)],
      ['next_header', datagram(std(), NextHeader.RESPONSE)],
      ['next_header', datagram(std()).slice(0, 47)],
    ];
    for (const [reason, packet] of bad) {
      const before = of.drops(reason);
      of.give(packet);
      expect(of.drops(reason), reason).toBe(before + 1);
    }
    const packet = new Packet(datagram(std()));
    Object.assign(packet, { length: 24, path: PATH, trimmed: true });
    of.engine.receive(of.now, packet);
    expect(of.drops('trimmed')).toBe(1);
    expect(of.rig.drain(of.node)).toEqual([]);
    of.give(datagram(std({ opcode: SesOpcode.SEND })), datagram(std())); // some senders say SEND (uet:ses/9 D-14)
    expect(of.received).toEqual([[5, Status.SUCCESS, 48]]);
    expect(of.drops('no_receive')).toBe(1);
  });

  it('is all that such a queue pair takes: reliable requests find no such index', () => {
    const of = bench();
    const ses = writeSes({ resourceIndex: UD });
    const [sent] = of.exchange(request({ psn: START, flags: SYN | AR, ses }));
    expect(sent).toMatchObject({ kind: 'ack', ses: { returnCode: ReturnCode.BAD_INDEX } });
    expect([...of.memory]).toEqual([...fill(4096, 5)]);
  });
});
