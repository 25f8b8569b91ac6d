import { afterEach, describe, expect, it } from 'vitest';
import { AddressedLink } from './addressed-link.ts';
import { ConnectedLink, mtuCode } from './connected-link.ts';
import { Endpoint } from './endpoint.ts';
import { parseEnd } from './link-end.ts';

const open: Endpoint[] = [];
afterEach(async () => {
  for (const endpoint of open.splice(0).reverse()) await endpoint.close();
});

async function sides(transport: string) {
  const here = await Endpoint.reaching('127.0.0.1', undefined, { transport });
  open.push(here);
  const there = await Endpoint.reaching(here.address, undefined, { transport });
  open.push(there);
  return { here, there };
}

describe.each([
  ['loop', AddressedLink],
  ['loop', ConnectedLink],
  ['uet', AddressedLink],
  ['roce', ConnectedLink],
] as const)('link over %s: %o', (transport, Kind) => {
  it('joins two queue pairs by what each side says of its end', async () => {
    const { here, there } = await sides(transport);
    const [cq, cqThere] = [here, there].map(({ context }) => context.createCompletionQueue({ entries: 16 })) as never[];
    const near = new Kind(here, { cq: cq! });
    const far = new Kind(there, { cq: cqThere! });
    const memory = there.register(64, ['local-write']);
    far.qp.postReceive({ id: 5, region: memory });
    near.join(there.place, parseEnd({ ...far.end }));
    far.join(here.place, parseEnd({ ...near.end }));
    near.qp.post({ opcode: 'send', id: 6, inline: Uint8Array.of(7, 8), ...near.route });
    const arrived = await far.qp.recvCq.next({ timeoutMs: 5_000 });
    expect(arrived).toMatchObject({ id: 5n, status: 'SUCCESS', byteLength: 2 });
    expect([...memory.bytes.subarray(0, 2)]).toEqual([7, 8]);
    expect(await near.qp.sendCq.next({ timeoutMs: 5_000 })).toMatchObject({ id: 6n, status: 'SUCCESS' });
    near.close();
    far.close();
  });
});

describe('what peers say of their ends', () => {
  it.each([
    undefined,
    null,
    {},
    { qpn: -1, psn: 0, mtu: 4096 },
    { qpn: 2 ** 32, psn: 0, mtu: 4096 },
    { qpn: 17, psn: 2 ** 24, mtu: 4096 },
    { qpn: 17, psn: 0, mtu: 0 },
    { qpn: 17, psn: 0.5, mtu: 4096 },
    { qpn: '17', psn: 0, mtu: 4096 },
  ])('%j is refused', (value) => {
    expect(() => parseEnd(value)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  it('codes the size of packets as verbs do, and never a larger one than given', () => {
    expect([256, 512, 1000, 1024, 2048, 4095, 4096, 9000, 100].map(mtuCode)).toEqual([1, 2, 2, 3, 4, 4, 5, 5, 1]);
  });
});
