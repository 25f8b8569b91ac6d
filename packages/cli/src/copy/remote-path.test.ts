import { expect, it } from 'vitest';
import { BadInput } from '../failure.ts';
import { parseRemotePath } from './remote-path.ts';

it.each([
  ['host:file', { host: 'host', path: 'file' }],
  ['127.0.0.1:a/b:c', { host: '127.0.0.1', path: 'a/b:c' }],
  ['[::1]:file', { host: '::1', path: 'file' }],
  ['[fe80::1%eth0]:a:b', { host: 'fe80::1%eth0', path: 'a:b' }],
  ['host:', { host: 'host', path: '' }],
  ['file', undefined],
  ['./a:b', undefined],
  ['/tmp/a:b', undefined],
])('%s', (text, expected) => {
  expect(parseRemotePath(text)).toEqual(expected);
});

it('asks for brackets around IPv6', () => {
  expect(() => parseRemotePath('fe80::1:file')).toThrow(BadInput);
});
