import { describe, expect, it } from 'vitest';
import { TRANSPORTS } from '../catalog.ts';
import { FabricBed, type FabricBedOptions, type FabricEnd } from '../testing/fabric-bed.ts';
import { MATCHING } from '../testing/fabric-cases/tagged.ts';
import { decodeAddress } from './address.ts';
import { authKeyOf } from './auth-keys.ts';

const uet = TRANSPORTS.find(({ name }) => name === 'uet')!;
const bedOf = (options: Partial<FabricBedOptions> = {}) =>
  new FabricBed({ transport: uet, hints: { caps: { msg: true, rma: true } }, seed: 11, ...options });

describe('authorisation keys are jobs (R122, uet:ses/7.4)', () => {
  it('have four bytes, big-endian, and name a job of 24 bits', () => {
    expect([...authKeyOf(0x01_02_03)]).toEqual([0, 1, 2, 3]);
    expect(() => authKeyOf(0)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => authKeyOf(0x100_0000)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  it('are refused in any other size, and when they name no job', () => {
    const bed = bedOf();
    const { fabric, info, domain } = bed.a;
    for (const key of [new Uint8Array(0), new Uint8Array(3), new Uint8Array(8), new Uint8Array(4).fill(255)]) {
      const refused = expect.objectContaining({ code: 'EINVAL' });
      expect(() => fabric.openDomain(info, { authKey: key })).toThrow(refused);
      expect(() => domain.allocate(8, { authKey: key })).toThrow(refused);
      const endpoint = domain.openEndpoint(info, { authKey: key });
      endpoint.bind(bed.a.vector);
      endpoint.bind(bed.a.sendQueue, { transmit: true, receive: true });
      expect(() => endpoint.enable()).toThrow(refused);
      endpoint.close();
    }
    expect(() => bed.a.vector.insertAuthKey(authKeyOf(3))).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    bed.close();
  });

  it('can be capabilities, for programs that may not make jobs', () => {
    const bed = bedOf({ domain: { authKey: authKeyOf(5) } });
    const token = bed.b.node.device.open().createJob({ id: 9 }).export();
    const domain = bed.b.fabric.openDomain(bed.b.info, { authKey: token });
    const vector = domain.openAddressVector();
    const queue = domain.openCompletionQueue();
    const endpoint = domain.openEndpoint();
    endpoint.bind(vector);
    endpoint.bind(queue, { transmit: true, receive: true });
    endpoint.enable();
    // a peer of job 5 does not reach it
    bed.a.endpoint.messages.send(undefined, 0, 0, bed.a.vector.insert(endpoint.getName()), 'other job');
    bed.completed(bed.a, 1, 0);
    expect(bed.a.sent[0]!.ok).toBe(false);
    bed.pump.close();
  });

  it('separate endpoints of one domain', () => {
    const bed = bedOf({ domain: { authKey: authKeyOf(5) }, ends: [{}, { endpoint: { authKey: authKeyOf(6) } }] });
    bed.b.endpoint.messages.receive(undefined, 0, 0);
    bed.a.endpoint.messages.send(undefined, 0, 0, bed.a.to(bed.b));
    bed.completed(bed.a, 1, 0);
    expect(bed.a.sent[0]!.error?.name).toMatch(/^E(ACCES|HOSTUNREACH)$/);
    bed.close();
  });

  it('come from the address vector for endpoints that serve several jobs', () => {
    const server = { hints: MATCHING, domain: { authKeysFrom: 'address-vector' } as const };
    const client = (job: number) => ({ hints: MATCHING, domain: { authKey: authKeyOf(job) } });
    const bed = bedOf({ ends: [server, client(5), client(6)] });
    const [s, five, six] = bed.ends as [FabricEnd, FabricEnd, FabricEnd];
    expect(decodeAddress('test', s.endpoint.getName()).isAbsolute).toBe(true);
    expect(decodeAddress('test', five.endpoint.getName()).isAbsolute).toBe(false);
    const keys = [5, 6].map((job) => s.vector.insertAuthKey(authKeyOf(job))) as [number, number];
    expect([...s.vector.lookupAuthKey(keys[1])]).toEqual([0, 0, 0, 6]);
    const toFive = s.vector.insert(five.endpoint.getName(), { authKey: keys[0] });
    const toSix = s.vector.insert(six.endpoint.getName(), { authKey: keys[1] });

    // a receive for the members of one job
    s.endpoint.messages.receive(undefined, 0, 0, keys[1], 'for job 6');
    s.endpoint.messages.receive(undefined, 0, 0, -1, 'for anybody');
    five.endpoint.messages.inject(new Uint8Array(0), five.to(s));
    bed.completed(s, 0, 1);
    six.endpoint.messages.inject(new Uint8Array(0), six.to(s));
    bed.completed(s, 0, 2);
    expect(s.received.map(({ context }) => context)).toEqual(['for anybody', 'for job 6']);

    // and each is worked with for its own job
    for (const one of [five, six]) one.endpoint.messages.receive(undefined, 0, 0);
    s.endpoint.messages.send(undefined, 0, 0, toFive, 'to five');
    s.endpoint.messages.send(undefined, 0, 0, toSix, 'to six');
    bed.completed(s, 2, 2);
    expect(s.sent.every(({ ok }) => ok)).toBe(true);
    bed.completed(five, 0, 1);
    bed.completed(six, 0, 1);
    // for the wrong job it does not arrive
    const wrong = s.vector.insert(five.endpoint.getName(), { authKey: keys[1] });
    s.endpoint.messages.send(undefined, 0, 0, wrong, 'wrong');
    bed.completed(s, 3, 0);
    expect(s.sent[2]!.ok).toBe(false);
    bed.pump.close();
  });
});
