import { describe, expect, it } from 'vitest';
import { VerbsError } from '../../base/verbs-error.ts';
import type { Row } from '../../uapi/rows.ts';
import type { ProvisionedKey, SecureDomains } from '../secure-domains.ts';
import { ManagementRig, manage, thrown } from './management-rig.testdata.ts';

/** Remembers what it was told. */
class Recorder implements SecureDomains {
  readonly calls: unknown[] = [];
  add(sdi: number, options: Row, key: ProvisionedKey): void {
    this.calls.push(['add', sdi, options, key.bytes.slice(), key.an, key.epoch]);
    if (sdi === 99) throw new VerbsError('EEXIST', 'secureDomain', 'there is a domain of that identifier');
  }
  install(sdi: number, key: ProvisionedKey): void {
    this.calls.push(['install', sdi, key.bytes.slice(), key.an, key.epoch]);
  }
  activate(...args: [number, number]): void {
    this.calls.push(['activate', ...args]);
  }
  retire(...args: [number, number]): void {
    this.calls.push(['retire', ...args]);
  }
  remove(sdi: number): void {
    this.calls.push(['remove', sdi]);
  }
  rows(): Row[] {
    return [{ sdi: 7, mode: 'direct' }];
  }
}

const KEY = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i);

describe('secure domains over the management channel (uet:tss/16)', () => {
  it('are added, rotated and removed by administrators and nobody else; everybody sees them', () => {
    const rig = new ManagementRig();
    const domains = new Recorder();
    rig.system.secureDomains = domains;
    const steps = [
      ['ADD', { sdi: 7, options: { mode: 'direct' }, key: KEY.slice() }],
      ['INSTALL', { sdi: 7, key: KEY.slice(), an: 1, epoch: 3 }],
      ['ACTIVATE', { sdi: 7, an: 1 }],
      ['RETIRE', { sdi: 7, an: 0 }],
      ['DELETE', { sdi: 7 }],
    ] as const;
    const user = rig.user();
    for (const [method, input] of steps) {
      expect(thrown(() => manage(user, 'SECDOM', method, input)).code).toBe('EPERM');
    }
    expect(domains.calls).toEqual([]);
    for (const [method, input] of steps) manage(rig.admin, 'SECDOM', method, input);
    expect(domains.calls).toEqual([
      ['add', 7, { mode: 'direct' }, KEY, 0, 0],
      ['install', 7, KEY, 1, 3],
      ['activate', 7, 1],
      ['retire', 7, 0],
      ['remove', 7],
    ]);
    expect(manage(user, 'SECDOM', 'SHOW', {}).rows).toEqual([{ sdi: 7, mode: 'direct' }]);
  });

  it('need a host with cryptography; a key of another length does not come through', () => {
    const rig = new ManagementRig();
    const add = (length: number) =>
      manage(rig.admin, 'SECDOM', 'ADD', { sdi: 7, options: {}, key: new Uint8Array(length) });
    expect(thrown(() => add(32)).code).toBe('EOPNOTSUPP');
    expect(manage(rig.admin, 'SECDOM', 'SHOW', {}).rows).toEqual([]);
    rig.system.secureDomains = new Recorder();
    for (const length of [0, 31, 45]) expect(thrown(() => add(length)).code).toBe('EINVAL');
  });

  it('show no key to those who trace, nor in errors (uet:tss/20)', () => {
    const rig = new ManagementRig();
    rig.system.secureDomains = new Recorder();
    const tracer = rig.session();
    manage(tracer, 'TRACE', 'START', {});
    const shown: string[] = [];
    manage(rig.admin, 'SECDOM', 'ADD', { sdi: 7, options: { mode: 'direct' }, key: KEY.slice() });
    shown.push(thrown(() => manage(rig.admin, 'SECDOM', 'ADD', { sdi: 99, options: {}, key: KEY.slice() })).explain());
    manage(rig.admin, 'SECDOM', 'INSTALL', { sdi: 7, key: KEY.slice(), an: 1 });
    const { rows } = manage(tracer, 'TRACE', 'READ', {});
    expect(rows).toHaveLength(3);
    shown.push(JSON.stringify(rows));
    expect(shown[1]).toContain('<32 bytes>');
    for (const text of shown) expect(text).not.toMatch(/a0a1|160,161|"0":160/i);
  });
});
