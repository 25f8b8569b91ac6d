import { findTransport } from '@verbena/core';
import { Bed, type SentPacket } from '@verbena/core/testing';
import { Bth, RoceOpcode } from '@verbena/core/wire';
import { describe, expect, it } from 'vitest';
import { roceInspector } from './roce-inspector.ts';

describe('the inspector of RoCEv2 packets', () => {
  const seen: SentPacket[] = [];
  const bed = new Bed({
    transport: findTransport('roce')!,
    faults: { loss: 0.1 },
    inspect: (packet) => {
      seen.push({ ...packet, bytes: packet.bytes.slice(0, packet.length) });
      return undefined;
    },
  });
  const { a, b } = bed;
  const [source, sink] = [a.buffer(40_000, { salt: 1 }), b.buffer(40_000)];
  a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
  a.qp.post({ opcode: 'read', to: a.to(b), ...a.buffer(5000).part(), remote: sink.remote });
  bed.completed(a, 2, 0);

  const verdicts = (packets: readonly SentPacket[]) => {
    const inspect = roceInspector();
    return packets.map(inspect).filter((text) => text !== undefined);
  };
  const requests = seen.filter(({ from }) => from === 0);
  const [first, second] = requests as [SentPacket, SentPacket];
  const changed = (packet: SentPacket, change: (view: DataView) => void): SentPacket => {
    const bytes = packet.bytes.slice();
    change(new DataView(bytes.buffer));
    return { ...packet, bytes };
  };
  const psnOf = ({ bytes }: SentPacket): number => Bth.psn.get(new DataView(bytes.buffer), 0);

  it('is content with an honest run in which packets are sent again', () => {
    expect(verdicts(seen)).toEqual([]);
    expect(new Set(requests.map(psnOf)).size).toBeLessThan(requests.length);
  });

  it('finds a PSN that carries a second thing', () => {
    const other = changed(second, (view) => view.setUint8(100, view.getUint8(100) ^ 1));
    expect(verdicts([first, second, other])[0]).toMatch(/carried something else before/);
    const asking = changed(second, (view) => Bth.ackReq.set(view, 0, 1 - Bth.ackReq.get(view, 0)));
    expect(verdicts([first, second, asking])).toEqual([]);
  });

  it('finds packets of a wrong size', () => {
    const opcode = (packet: SentPacket) => packet.bytes[0];
    const last = requests.find((one) => opcode(one) === RoceOpcode.RC_WRITE_LAST)!;
    const middle = changed(last, (view) => view.setUint8(0, RoceOpcode.RC_WRITE_MIDDLE));
    expect(verdicts([first, middle])[0]).toMatch(/middle, and not full/);
    expect(verdicts([{ ...first, length: first.length - 1 }])[0]).toMatch(/no words/);
    const padded = changed(second, (view) => Bth.padCount.set(view, 0, 3));
    expect(verdicts([first, padded])[0]).toMatch(/not full/);
  });

  it('finds an opcode that is reserved', () => {
    expect(verdicts([changed(first, (view) => view.setUint8(0, 0x15))])[0]).toMatch(/reserved/);
  });

  it('finds what runs ahead of the window', () => {
    const ack = seen.find(({ from }) => from === 1)!;
    const early = changed(second, (view) => Bth.psn.set(view, 0, Bth.psn.get(view, 0) + 2000));
    expect(verdicts([...seen.slice(0, seen.indexOf(ack) + 1), early])[0]).toMatch(/ahead of what is answered/);
  });

  it('finds an answer that nobody asked for', () => {
    const ack = seen.find(({ from, bytes }) => from === 1 && bytes[0] === RoceOpcode.RC_ACKNOWLEDGE)!;
    const ahead = changed(ack, (view) => Bth.psn.set(view, 0, psnOf(second) + 1));
    expect(verdicts([first, second, ahead])[0]).toMatch(/nobody has asked for/);
  });
});
