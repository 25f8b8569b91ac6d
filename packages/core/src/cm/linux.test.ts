/** The machine against messages that Linux sent. Provenance: testing/captures/roce/README.md. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatAddress } from '../base/ip-address.ts';
import { describe as about, byteLength } from '../wire/header.ts';
import { readCapture } from '../wire/pcap.ts';
import { CmReq, ipServiceId } from '../wire/roce/cm.ts';
import { MAD_BYTES, MAD_HEADER_BYTES } from '../wire/roce/mad.ts';
import { CmEngine } from './cm-engine.ts';
import type { CmLink, CmPeer } from './cm-link.ts';
import { bytesOf } from './cm-rig.testdata.ts';
import { type CmMessage, parseIpRequest, parseMessage, type RepMessage, type ReqMessage } from './messages.ts';

interface Captured {
  readonly from: CmPeer;
  readonly bytes: Uint8Array;
  readonly message: CmMessage;
}

/** The messages of a capture, in order; packets that are not for queue pair 1 are left out. */
function captured(name: string): Captured[] {
  const file = new Uint8Array(readFileSync(new URL(`../../../../testing/captures/roce/${name}`, import.meta.url)));
  return [...readCapture(file)].flatMap(({ data }) => {
    const isIpv6 = data[12] === 0x86;
    const [ip, source, length] = isIpv6 ? [40, 22, 16] : [20, 26, 4];
    const bth = 14 + ip + 8;
    if (data[bth + 7] !== 1) return [];
    const address = formatAddress(data.slice(source, source + length));
    const bytes = data.slice(bth + 20, bth + 20 + MAD_BYTES);
    const message = parseMessage(viewOf(bytes), 0, bytes.length);
    if (typeof message === 'string') throw new Error(`${name}: ${message}`);
    return [{ from: { key: address, address }, bytes, message }];
  });
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A machine in the place of one that was captured: it draws the numbers that the other one drew. */
function standIn(address: string, ...drawn: readonly number[]): CmEngine {
  let next = 0;
  return new CmEngine({ address, pathMtu: 3, guid: 0n, random: () => drawn[next++ % drawn.length]! });
}

function sent(engine: CmEngine): Uint8Array {
  const bytes = new Uint8Array(MAD_BYTES);
  if (engine.transmit(viewOf(bytes), 0) === undefined) throw new Error('nothing was sent');
  return bytes;
}

/** Fields of a REQ in which two differ. */
function differing(one: Uint8Array, other: Uint8Array): string[] {
  const bitAt = (bytes: Uint8Array, bit: number) => (bytes[bit >> 3]! >> (7 - (bit & 7))) & 1;
  const fields = about(CmReq).fields.filter(({ bit, bits }) =>
    Array.from({ length: bits }, (_, i) => 8 * MAD_HEADER_BYTES + bit + i).some(
      (at) => bitAt(one, at) !== bitAt(other, at),
    ),
  );
  return fields.map(({ name }) => name);
}

const FILES = ['cm-connection.pcap', 'ipv6-connection.pcap', 'cm-refusal.pcap'];

describe.each(FILES)('%s of Linux rdma_cm (IBTA vol. 1 §12.6)', (file) => {
  it('is read and written again, but for what RoCE does not use', () => {
    for (const { bytes, message } of captured(file)) {
      const again = bytesOf(message);
      if (message.kind === 'REQ') {
        // Linux leaves a bit of the flow label in the reserved ones
        expect(differing(bytes, again).filter((name) => !['flowLabel', '_r3', 'packetRate'].includes(name))).toEqual(
          [],
        );
        const rest = MAD_HEADER_BYTES + byteLength(CmReq);
        expect(again.subarray(rest)).toEqual(bytes.subarray(rest));
      } else expect(again).toEqual(bytes);
    }
  });
});

describe.each(FILES.slice(0, 2))('in the place of a side of %s', (file) => {
  const [req, rep, rtu, dreq, drep] = captured(file) as [Captured, Captured, Captured, Captured, Captured];
  const asked = req.message as ReqMessage;
  const answered = rep.message as RepMessage;

  it('the kinds are those of rping', () => {
    expect(captured(file).map(({ message }) => message.kind)).toEqual(['REQ', 'REP', 'RTU', 'DREQ', 'DREP']);
    expect(asked.serviceId).toBe(ipServiceId(6, 7174));
    expect(parseIpRequest(asked.privateData)).toMatchObject({
      sourceAddress: req.from.address,
      destinationAddress: rep.from.address,
    });
  });

  it('the server: what it sends is byte for byte what Linux sent', () => {
    const engine = standIn(rep.from.address, answered.localCommId);
    engine.listen(7174, 1);
    engine.receive(1, req.from, viewOf(req.bytes), 0, MAD_BYTES);
    const event = engine.take()!;
    expect(event.kind).toBe('request');
    engine.accept(2, event.link, answered);
    expect(sent(engine)).toEqual(rep.bytes);
    engine.receive(3, req.from, viewOf(rtu.bytes), 0, MAD_BYTES);
    expect(engine.take()?.kind).toBe('established');
    engine.receive(4, req.from, viewOf(dreq.bytes), 0, MAD_BYTES);
    expect(engine.take()).toMatchObject({ kind: 'ended', by: 'peer' });
    expect(sent(engine)).toEqual(drep.bytes);
  });

  it('the client: likewise', () => {
    const { transactionId, localCommId } = asked;
    const words = [Number(transactionId >> 32n), Number(transactionId & 0xffff_ffffn)];
    const engine = standIn(req.from.address, ...words, localCommId);
    const link = engine.connect(1, rep.from, asked, 60e9) as CmLink;
    expect(sent(engine)).toEqual(bytesOf(asked));
    engine.receive(2, rep.from, viewOf(rep.bytes), 0, MAD_BYTES);
    expect(engine.take()?.kind).toBe('replied');
    engine.confirm(3, link);
    expect(sent(engine)).toEqual(rtu.bytes);
    expect(engine.take()?.kind).toBe('established');
    engine.disconnect(4, link, new Uint8Array(0));
    expect(sent(engine)).toEqual(dreq.bytes);
    engine.receive(5, rep.from, viewOf(drep.bytes), 0, MAD_BYTES);
    expect(engine.take()).toMatchObject({ kind: 'ended', by: 'local' });
  });
});

describe('cm-refusal.pcap', () => {
  const [req, rej] = captured('cm-refusal.pcap') as [Captured, Captured];

  it('is what a machine without a listener says', () => {
    const engine = standIn(rej.from.address, 1);
    engine.receive(1, req.from, viewOf(req.bytes), 0, MAD_BYTES);
    expect(sent(engine)).toEqual(rej.bytes);
    expect(engine.size).toBe(0);
  });

  it('is understood', () => {
    const engine = standIn(req.from.address, 1, 2, req.message.localCommId);
    engine.connect(1, rej.from, req.message as ReqMessage, 60e9);
    sent(engine);
    engine.receive(2, rej.from, viewOf(rej.bytes), 0, MAD_BYTES);
    expect(engine.take()).toMatchObject({ kind: 'refused', refusal: { reason: 8 } });
  });
});
