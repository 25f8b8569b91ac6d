import { expect, it } from 'vitest';
import { resolveHost } from './local-address.ts';

it.each([
  ['127.0.0.1', '127.0.0.1'],
  ['[::1]', '::1'],
  ['::1%lo', '::1'],
  ['[fd00::2%eth0]', 'fd00::2'],
  // the same address may be on every link
  ['[fe80::1%eth0]', 'fe80::1%eth0'],
  ['FE90::1%2', 'FE90::1%2'],
])('the address of %s is %s', async (host, address) => {
  expect(await resolveHost(host, 'test')).toBe(address);
});
