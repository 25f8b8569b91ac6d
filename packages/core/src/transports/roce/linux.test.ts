/**
 * The engine in the place of one end of a conversation between two Linux machines: fed with what one of them sent, it
 * must send what the other one did. Provenance of the packets: testing/captures/roce/README.md.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { noAttributes } from '../../engine/engine.ts';
import { Status, WorkOpcode } from '../../engine/status.ts';
import { EngineRig, type RigNode } from '../../testing/engine-rig.ts';
import { readCapture } from '../../wire/pcap.ts';
import { BTH_BYTES, Bth } from '../../wire/roce/bth.ts';
import { Aeth, AtomicEth, Reth } from '../../wire/roce/extended.ts';
import { ROCE_FLAGS, ROCE_HEADER_BYTES, ROCE_REQUEST } from '../../wire/roce/opcodes.ts';
import { roce } from './index.ts';

/** What Linux sent behind UDP, without ICRC: requests and their answers. */
function conversation(name: string): { readonly requests: Uint8Array[]; readonly answers: Uint8Array[] } {
  const file = new Uint8Array(readFileSync(new URL(`../../../../../testing/captures/roce/${name}`, import.meta.url)));
  const packets = [...readCapture(file)].map(({ data }) => data.slice(14 + 20 + 8, data.length - 4));
  const isRequest = (bytes: Uint8Array) => (ROCE_FLAGS[bytes[0]!]! & ROCE_REQUEST) !== 0;
  return { requests: packets.filter(isRequest), answers: packets.filter((bytes) => !isRequest(bytes)) };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const destOf = (bytes: Uint8Array): number => Bth.destQp.get(viewOf(bytes), 0);
const psnOf = (bytes: Uint8Array): number => Bth.psn.get(viewOf(bytes), 0);
const dataOf = (bytes: Uint8Array): Uint8Array =>
  bytes.subarray(ROCE_HEADER_BYTES[bytes[0]!]!, bytes.length - Bth.padCount.get(viewOf(bytes), 0));
const whole = (packets: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(packets.flatMap((bytes) => [...dataOf(bytes)]));

/** One engine whose queue pair has the number, the peer and the PSNs of a machine that was captured. */
function inPlaceOf(own: number, peer: number, psn: number, type = 'RC'): { rig: EngineRig; node: RigNode } {
  const rig = new EngineRig(roce);
  rig.a.addQueuePair(1, {
    ...{ type, qpn: own, peerPath: 1, peerQpn: peer },
    attributes: {
      ...{ ...noAttributes(), pathMtu: 1024, rqPsn: psn, sqPsn: psn, timeout: 14, retryCount: 7, rnrRetry: 7 },
      ...{ minRnrTimer: 12, maxRdAtomic: 1, maxDestRdAtomic: 1 },
    },
  });
  return { rig, node: rig.a };
}

/** Headers and payload, without what an implementation is free to choose: credits, when to ask for an answer, MSN of before. */
function comparable(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const view = viewOf(copy);
  Bth.ackReq.set(view, 0, 0);
  Bth.migrated.set(view, 0, 0);
  const opcode = copy[0]!;
  const isRequest = (ROCE_FLAGS[opcode]! & ROCE_REQUEST) !== 0;
  if (!isRequest && ROCE_HEADER_BYTES[opcode]! > BTH_BYTES) {
    Aeth.msn.set(view, BTH_BYTES, 0);
    copy[BTH_BYTES] = copy[BTH_BYTES]! < 32 ? 0 : copy[BTH_BYTES]!; // an acknowledgement of any credit
  }
  return copy;
}

const numbers = (packets: readonly Uint8Array[]): number[][] => packets.map((bytes) => [...comparable(bytes)]);

/** The engine answers requests of Linux. @param own - what its memory holds under the key of the request */
function answersTo(
  requests: readonly Uint8Array[],
  peer: number,
  memory?: Uint8Array,
): { node: RigNode; sent: Uint8Array[] } {
  const { rig, node } = inPlaceOf(destOf(requests[0]!), peer, psnOf(requests[0]!));
  if (memory !== undefined) {
    const region = node.dma.attach({ bytes: memory, address: 0 });
    const at = viewOf(requests[0]!);
    // the region begins where the request points to
    node.reach = (access) => {
      expect(access.keyLo).toBe(Reth.rkey.get(at, BTH_BYTES));
      const start = Reth.virtualAddress.num(at, BTH_BYTES);
      access.region = region;
      access.regionOffset = access.offset - start;
      return 0;
    };
  }
  for (const request of requests) rig.deliver(node, request);
  return { node, sent: rig.drain(node).map(({ bytes }) => bytes) };
}

describe('in the place of Linux Soft-RoCE', () => {
  it('sends a SEND of three packets as Linux did, and takes its acknowledgement', () => {
    const { requests, answers } = conversation('rc-send.pcap');
    const data = whole(requests);
    const { rig, node } = inPlaceOf(destOf(answers[0]!), destOf(requests[0]!), psnOf(requests[0]!));
    node.post(1, { region: node.register(data, 1), length: data.length });
    node.engine.doorbell(rig.now, 1);
    expect(numbers(rig.drain(node).map(({ bytes }) => bytes))).toEqual(numbers(requests));
    for (const answer of answers) rig.deliver(node, answer);
    expect(node.completions.map(({ status, byteLength }) => [status, byteLength])).toEqual([[0, data.length]]);
  });

  it('receives it, and acknowledges as Linux did', () => {
    const { requests, answers } = conversation('rc-send.pcap');
    const { rig, node } = inPlaceOf(destOf(requests[0]!), destOf(answers[0]!), psnOf(requests[0]!));
    const inbox = new Uint8Array(4096);
    node.postReceive(1, node.register(inbox, 1), 0, inbox.length, 7);
    for (const request of requests) rig.deliver(node, request);
    expect(numbers(rig.drain(node).map(({ bytes }) => bytes))).toEqual(numbers(answers));
    expect(node.completions).toMatchObject([{ status: Status.SUCCESS, wrIdLo: 7, byteLength: 3001 }]);
    expect(inbox.subarray(0, 3001)).toEqual(whole(requests));
  });

  it('writes as Linux did, and is written to', () => {
    const { requests, answers } = conversation('rc-write.pcap');
    const data = whole(requests);
    const first = viewOf(requests[0]!);
    const { rig, node } = inPlaceOf(destOf(answers[0]!), destOf(requests[0]!), psnOf(requests[0]!));
    node.post(1, {
      ...{ opcode: WorkOpcode.RDMA_WRITE, region: node.register(data, 1), length: data.length },
      ...{ rkeyLo: Reth.rkey.get(first, BTH_BYTES), remoteOffsetLo: Reth.virtualAddress.lo.get(first, BTH_BYTES) },
      remoteOffsetHi: Reth.virtualAddress.hi.get(first, BTH_BYTES),
    });
    node.engine.doorbell(rig.now, 1);
    expect(numbers(rig.drain(node).map(({ bytes }) => bytes))).toEqual(numbers(requests));
    for (const answer of answers) rig.deliver(node, answer);
    expect(node.completions.map(({ status }) => status)).toEqual([Status.SUCCESS]);
    const memory = new Uint8Array(data.length);
    const { sent } = answersTo(requests, destOf(answers[0]!), memory);
    expect(numbers(sent)).toEqual(numbers(answers));
    expect(memory).toEqual(data);
  });

  it('reads as Linux did, and is read', () => {
    const { requests, answers } = conversation('rc-read.pcap');
    const data = whole(answers);
    const first = viewOf(requests[0]!);
    const { rig, node } = inPlaceOf(destOf(answers[0]!), destOf(requests[0]!), psnOf(requests[0]!));
    const sink = new Uint8Array(data.length);
    node.post(1, {
      ...{ opcode: WorkOpcode.RDMA_READ, region: node.register(sink, 1), length: data.length },
      ...{ rkeyLo: Reth.rkey.get(first, BTH_BYTES), remoteOffsetLo: Reth.virtualAddress.lo.get(first, BTH_BYTES) },
      remoteOffsetHi: Reth.virtualAddress.hi.get(first, BTH_BYTES),
    });
    node.engine.doorbell(rig.now, 1);
    expect(numbers(rig.drain(node).map(({ bytes }) => bytes))).toEqual(numbers(requests));
    for (const answer of answers) rig.deliver(node, answer);
    expect(node.completions.map(({ status }) => status)).toEqual([Status.SUCCESS]);
    expect(sink).toEqual(data);
    const { sent } = answersTo(requests, destOf(answers[0]!), data);
    expect(numbers(sent)).toEqual(numbers(answers));
  });

  for (const index of [0, 1]) {
    it(`does atomic ${index} of the capture as Linux did, at either end`, () => {
      const { requests, answers } = conversation('rc-atomics.pcap');
      const [request, answer] = [requests[index]!, answers[index]!];
      const view = viewOf(request);
      const isSwap = request[0] === 0x13;
      const { rig, node } = inPlaceOf(destOf(answer), destOf(request), psnOf(request));
      const result = new Uint8Array(8);
      const operands = {
        swapLo: AtomicEth.swapAdd.lo.get(view, BTH_BYTES),
        swapHi: AtomicEth.swapAdd.hi.get(view, BTH_BYTES),
        compareAddLo: AtomicEth.compare.lo.get(view, BTH_BYTES),
        compareAddHi: AtomicEth.compare.hi.get(view, BTH_BYTES),
      };
      node.post(1, {
        ...{ opcode: isSwap ? WorkOpcode.ATOMIC_CMP_AND_SWP : WorkOpcode.ATOMIC_FETCH_AND_ADD },
        ...{ region: node.register(result, 1), length: 8, rkeyLo: AtomicEth.rkey.get(view, BTH_BYTES) },
        ...{ remoteOffsetLo: AtomicEth.virtualAddress.lo.get(view, BTH_BYTES) },
        ...{ remoteOffsetHi: AtomicEth.virtualAddress.hi.get(view, BTH_BYTES) },
        ...(isSwap ? operands : { compareAddLo: operands.swapLo, compareAddHi: operands.swapHi }),
      });
      node.engine.doorbell(rig.now, 1);
      const [sent] = rig.drain(node);
      // what FETCH_ADD carries in the field for the comparison means nothing
      const due = comparable(request);
      if (!isSwap) due.fill(0, BTH_BYTES + 20, BTH_BYTES + 28);
      expect([...comparable(sent!.bytes)]).toEqual([...due]);
      rig.deliver(node, answer);
      expect(node.completions.map(({ status }) => status)).toEqual([Status.SUCCESS]);
      const before = viewOf(answer).getBigUint64(BTH_BYTES + 4);
      expect(viewOf(result).getBigUint64(0, true)).toBe(before);

      const memory = new Uint8Array(8);
      viewOf(memory).setBigUint64(0, before, true);
      const target = inPlaceOf(destOf(request), destOf(answer), psnOf(request));
      const region = target.node.dma.attach({ bytes: memory, address: 0 });
      target.node.reach = (access) => {
        access.region = region;
        access.regionOffset = 0;
        return 0;
      };
      target.rig.deliver(target.node, request);
      expect(numbers(target.rig.drain(target.node).map(({ bytes }) => bytes))).toEqual(numbers([answer]));
    });
  }

  it('waits as long as the RNR NAK of Linux says, and then sends the same again', () => {
    const [nak] = conversation('rnr-nak.pcap').answers;
    const { rig, node } = inPlaceOf(destOf(nak!), 0x33, psnOf(nak!));
    node.post(1, { region: node.register(new Uint8Array(64).fill(5), 1), length: 64 });
    node.engine.doorbell(rig.now, 1);
    const [first] = rig.drain(node);
    rig.deliver(node, nak!);
    expect(rig.drain(node)).toEqual([]);
    const start = rig.now;
    rig.now = node.engine.deadline();
    node.engine.expire(rig.now);
    expect(rig.now - start).toBe(640_000); // code 12
    const again = rig.drain(node);
    expect(numbers(again.map(({ bytes }) => bytes))).toEqual(numbers([first!.bytes]));
    expect(node.completions).toEqual([]);
  });

  it('goes back to the PSN that a sequence NAK of Linux names', () => {
    const { requests, answers } = conversation('sequence-nak.pcap');
    const [nak] = answers;
    const missing = psnOf(nak!);
    const { rig, node } = inPlaceOf(destOf(nak!), destOf(requests[0]!), missing);
    for (const id of [1, 2, 3])
      node.post(1, { wrIdLo: id, region: node.register(new Uint8Array(8).fill(id), id), length: 8 });
    node.engine.doorbell(rig.now, 1);
    const sent = rig.drain(node);
    rig.deliver(node, nak!);
    expect(numbers(rig.drain(node).map(({ bytes }) => bytes))).toEqual(numbers(sent.map(({ bytes }) => bytes)));
  });
});
