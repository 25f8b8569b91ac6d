import { it } from 'vitest';
import { WorkOpcode } from '../../../engine/status.ts';
import { EngineRig } from '../../../testing/engine-rig.ts';
import { uet } from '../index.ts';
import { JOB, MTU } from '../rig-packets.testdata.ts';
it('x', () => {
  const rig = new EngineRig(uet, { payloadMtu: MTU, settings: { maxRnrRetries: 255 } });
  for (const n of [rig.a, rig.b]) n.engine.addJob(JOB);
  rig.a.addQueuePair(1); rig.b.addQueuePair(2, { matching: true });
  const region = rig.a.register(new Uint8Array(8), 5);
  for (let n = 0; n < 3000; n++) rig.a.post(1, { opcode: WorkOpcode.TAGGED_SEND, wrIdLo: n, rkeyLo: 7, region, length: 8, remoteQpn: (2 << 12) | 1 });
  rig.a.engine.doorbell(rig.now, 1);
  rig.run({ until: () => rig.a.completed === 3000 });
  const m = new Map();
  for (const c of rig.a.completions) { const k = `${c.status} ${c.vendorStatus}`; m.set(k, (m.get(k) ?? 0) + 1); }
  console.log(m, rig.now);
  const nz = (e) => Object.entries(e.counters.toJSON()).filter(([, v]) => v).map(([k, v]) => `${k}=${v}`).join(' ');
  console.log(nz(rig.a.engine)); console.log(nz(rig.b.engine));
});
