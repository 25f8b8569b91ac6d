import { findTransport } from '@verbena/core';
import { Bed, type SentPacket } from '@verbena/core/testing';
import { PdsRequest } from '@verbena/core/wire';
import { describe, expect, it } from 'vitest';
import { uetInspector } from './uet-inspector.ts';

describe('the inspector of UET packets', () => {
  const seen: SentPacket[] = [];
  const bed = new Bed({
    transport: findTransport('uet')!,
    faults: { loss: 0.1 },
    inspect: (packet) => {
      seen.push({ ...packet, bytes: packet.bytes.slice(0, packet.length) });
      return undefined;
    },
  });
  const { a, b } = bed;
  const [source, sink] = [a.buffer(40_000, { salt: 1 }), b.buffer(40_000)];
  a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
  bed.completed(a, 1, 0);

  const verdicts = (packets: readonly SentPacket[]) => {
    const inspect = uetInspector();
    return packets.map(inspect).filter((text) => text !== undefined);
  };
  const viewOf = ({ bytes }: SentPacket) => new DataView(bytes.buffer);
  const first = seen[0]!;
  const second = seen.filter(({ from, bytes }) => from === 0 && bytes.length > 500)[3]!;
  const changed = (packet: SentPacket, change: (view: DataView) => void): SentPacket => {
    const copy = { ...packet, bytes: packet.bytes.slice() };
    change(viewOf(copy));
    return copy;
  };

  it('is content with an honest run', () => {
    expect(verdicts(seen)).toEqual([]);
    expect(seen.some((packet) => packet.from === 0 && PdsRequest.retx.get(viewOf(packet), 0) === 1)).toBe(true);
  });

  it('finds a PSN that is used again, uet:pds/4', () => {
    expect(verdicts([first, second, second])[0]).toMatch(/for a second new packet/);
  });

  it('finds a retransmission of nothing', () => {
    const retransmitted = changed(second, (view) => PdsRequest.retx.set(view, 0, 1));
    expect(verdicts([first, retransmitted])[0]).toMatch(/what was never sent/);
  });

  it('finds what runs ahead of the window', () => {
    const ack = seen.find(({ from }) => from === 1)!;
    const far = changed(second, (view) => {
      PdsRequest.syn.set(view, 0, 0);
      PdsRequest.psn.set(view, 0, PdsRequest.psn.get(view, 0) + 3000);
    });
    expect(verdicts([...seen.slice(0, seen.indexOf(ack) + 1), far])[0]).toMatch(/ahead of what is acknowledged/);
  });
});
