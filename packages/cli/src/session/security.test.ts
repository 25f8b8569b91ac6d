import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isVerbsError } from '@verbena/core';
import { KeyRing } from '@verbena/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BadInput } from '../failure.ts';
import { Endpoint } from './endpoint.ts';
import { securityOf } from './security.ts';

let folder: string;
let keys: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-security-'));
  keys = join(folder, 'keys.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (...identifiers: number[]) => {
  const ring = KeyRing.empty();
  for (const sdi of identifiers) ring.add(sdi, { mode: 'cluster' });
  ring.write(keys, true);
};

describe('--keys and --domain (uet:tss/16)', () => {
  it('name the domain, which goes without saying where there is one', () => {
    expect(securityOf({})).toBeUndefined();
    write(7);
    expect(securityOf({ keys })!.domain).toBe(7);
    write(7, 9);
    expect(securityOf({ keys, domain: 9 })!.domain).toBe(9);
  });

  it('say what is in the way, each before a packet has left (uet:tss/15)', async () => {
    write(7, 9);
    expect(() => securityOf({ keys })).toThrow('several domains: 0x7, 0x9');
    expect(() => securityOf({ domain: 7 })).toThrow(BadInput);
    await expect(Endpoint.serving('127.0.13.20', { keys, domain: 5 })).rejects.toThrow('ENOENT');
    await expect(Endpoint.serving('127.0.13.20', { keys, domain: 7, transport: 'roce' })).rejects.toThrow(
      'cannot be protected',
    );
    write();
    expect(() => securityOf({ keys })).toThrow('has no domain');
    chmodSync(keys, 0o644);
    try {
      securityOf({ keys, domain: 7 });
      throw new Error('nothing was refused');
    } catch (error) {
      if (!isVerbsError(error)) throw error;
      expect(error.explain()).toMatch(/EACCES.*could be read by others[\s\S]*mode 0644[\s\S]*chmod 0600/);
    }
  });
});
