/**
 * A transfer on each transport, over a bad link where it can: bundled and run in a bare context by the purity test.
 * Loop is for links that lose, repeat and reorder nothing.
 */
import { TRANSPORTS } from './catalog.ts';
import { Bed } from './testing/bed.ts';

export interface PurityRow {
  readonly name: string;
  readonly status: string;
  readonly equal: boolean;
  readonly retransmitted: number;
  readonly hash: string;
}

export function run(): PurityRow[] {
  return TRANSPORTS.map((transport) => {
    const faults = transport.name === 'loop' ? {} : { loss: 0.1, reorder: 0.1, jitterNs: 1000 };
    const bed = new Bed({ transport, seed: 4, faults });
    const { a, b } = bed;
    const [source, sink] = [a.buffer(50_000, { salt: 1 }), b.buffer(50_000)];
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
    bed.completed(a, 1, 0);
    const equal = source.bytes.every((byte, i) => byte === sink.bytes[i]);
    const retransmitted = a.node.kernel.counters().retransmitted_packets ?? 0;
    bed.close();
    return { name: transport.name, status: a.sent[0]!.status, equal, retransmitted, hash: bed.pump.trace.hash };
  });
}
