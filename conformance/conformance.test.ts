import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAULTS, QUICK_FAULTS } from './mutations/faults.ts';
import { EngineCopy } from './mutations/mutate.ts';
import { runMutations } from './mutations/run-mutations.ts';
import { RULES_PAGE, rulesPage } from './page.ts';
import { counts, report } from './report.ts';
import { Broken, claim, type Rule, Skipped, topic } from './rule.ts';
import { RULES } from './rules/index.ts';
import type { Result } from './suite.ts';
import { lacks, readTarget } from './target.ts';
import { fill, nackPacket, response, rudiResponse } from './tester/packets.ts';
import { decode, differences, textOf } from './tester/seen.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const resultOf = (rule: Rule, outcome: Result['outcome']): Result => ({
  ...{ rule, outcome, reason: 'why <not>', expected: 'ACK & more', seen: 'nothing', ms: 3 },
});

describe('rules', () => {
  test('each has a name of its own, a section of a description, and says what it demands', () => {
    expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
    expect(RULES.length).toBeGreaterThan(500);
    for (const { id, section, text } of RULES) {
      expect(id).toMatch(/^[a-z-]+\/[a-z0-9-]+$/);
      expect(section).toMatch(/^uet:(pds|ses|tss)\/[1-9]/);
      expect(text.length, id).toBeGreaterThan(15);
      expect(text, id).not.toMatch(/\.$/);
    }
  });

  test('every NACK code and every operation of version 1.0 is somewhere among them', () => {
    const text = RULES.map((rule) => `${rule.id} ${rule.text}`).join('\n');
    for (const name of ['NO_PDC_AVAIL', 'PSN_OOR_WINDOW', 'ROD_OOO', 'NEW_START_PSN', 'RCVR_INFER_LOSS'])
      expect(text).toContain(name);
    for (const name of ['WRITE', 'READ', 'SEND', 'TAGGED_SEND', 'DEFERRABLE_RTR', 'CSWAP', 'MSG_ERROR', 'NO_OP'])
      expect(text).toContain(name);
  });

  test('docs/conformance-rules.md lists them: `npm run conformance -- --page` writes it', () => {
    // what came out is a matter of the run
    const lines = (page: string) =>
      page
        .split('\n')
        .filter((line) => line.includes('| uet:'))
        .map((line) => line.replace(/\| [a-z ]+ \|$/, '|'));
    const wanted = rulesPage(RULES.map((rule) => ({ rule, outcome: 'pass' })));
    expect(lines(readFileSync(RULES_PAGE, 'utf8'))).toEqual(lines(wanted));
  });

  test('faults have names and say what is wrong; there are at least 20', () => {
    expect(FAULTS.length).toBeGreaterThanOrEqual(20);
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
    for (const { from, to } of FAULTS) expect(from).not.toBe(to);
    for (const name of QUICK_FAULTS) expect(FAULTS.some((one) => one.name === name)).toBe(true);
  });
});

describe('the tester', () => {
  test('decodes what it makes, and says what differs', () => {
    const seen = decode(nackPacket({ nackCode: 0x0d, nackPsn: 5, spdcid: 1, dpdcid: 2, payload: 7 }, 0x10));
    expect(seen).toMatchObject({
      kind: 'nack',
      nackCode: 0x0d,
      psn: 5,
      spdcid: 1,
      dpdcid: 2,
      payload: 7,
      retx: true,
      fault: '',
    });
    expect(differences(seen, { nackCode: 0x0d, psn: 5 })).toBe('');
    expect(differences(seen, { nackCode: 0x0e })).toBe('nackCode ROD_OOO instead of INV_DPDCID');
    expect(textOf(seen)).toBe('NACK ROD_OOO +5 payload +7 RETX');
    expect(decode(rudiResponse(9, response({ returnCode: 1 })))).toMatchObject({
      kind: 'rudi-answer',
      pktId: 9,
      code: 1,
    });
  });

  test('knows packets that are cut short, of reserved types, with reserved flags, or too long', () => {
    const nack = nackPacket({ nackCode: 1, nackPsn: 1 });
    expect(decode(new Uint8Array())).toMatchObject({ kind: 'strange' });
    expect(decode(Uint8Array.of(0xf8, 0))).toMatchObject({ kind: 'strange', fault: 'type 31' });
    for (let length = 2; length < nack.length; length++) expect(decode(nack.subarray(0, length)).kind).toBe('strange');
    expect(decode(nackPacket({ nackCode: 1, nackPsn: 1 }, 0x40)).fault).toBe('a reserved flag is set');
    expect(decode(new Uint8Array([...nack, 1])).fault).toBe('1 bytes behind the headers');
    expect(fill(3)).toEqual(Uint8Array.of(1, 32, 63));
  });

  test('tells a rule that is broken from one that was not run', async () => {
    expect(() => claim(false, 'a', 'b')).toThrow(Broken);
    expect(() => claim(true, 'a', 'b')).not.toThrow();
    const rule = topic('t', 'ses', { on: 'other' })('one', '2.1', 'nothing', async () => {
      throw new Skipped('why');
    });
    expect(rule).toMatchObject({ id: 't/one', section: 'uet:ses/2.1', level: 'must', on: 'other' });
    await expect(rule.run(undefined as never)).rejects.toThrow('why');
  });
});

describe('target files', () => {
  const main = { address: '192.0.2.1', payloadMtu: 1024, job: 5, operations: ['write'], queues: {}, regions: {} };

  test('are read, and what is wrong with one is named', () => {
    expect(readTarget(JSON.stringify({ endpoints: { main } }))).toMatchObject({ name: 'target', endpoints: { main } });
    for (const [text, wrong] of [
      ['{', 'no JSON'],
      ['{}', 'endpoints: must be an object'],
      ['{"endpoints":{}}', 'name at least one'],
      [JSON.stringify({ endpoints: { main: { ...main, address: 5 } } }), 'endpoints.main.address'],
      [JSON.stringify({ endpoints: { main: { ...main, payloadMtu: 0 } } }), 'endpoints.main.payloadMtu'],
      [JSON.stringify({ endpoints: { main: { ...main, queues: [] } } }), 'endpoints.main.queues'],
    ] as const) {
      expect(() => readTarget(text)).toThrow(wrong);
    }
  });

  test('say what a target has not: such rules are skipped', () => {
    expect(lacks(main, false, ['write'])).toBe('');
    expect(lacks(main, false, ['read'])).toBe('the operation read');
    expect(lacks(main, false, ['upper'])).toBe('an upper tester');
    expect(lacks(main, true, ['queue:dry'])).toBe('a queue `dry`');
    expect(lacks(main, true, ['region:open'])).toBe('a region `open`');
  });
});

describe('reports', () => {
  const [rule] = RULES;
  const results = (['pass', 'fail', 'skip'] as const).map((outcome) => resultOf(rule!, outcome));
  const about = { target: 'x', seed: 4 };

  test('as text, JSON and JUnit', () => {
    expect(counts(results)).toBe('3 rules: 1 pass, 1 fail, 1 skip');
    expect(report(results, 'text', about)).toContain('expected  ACK & more');
    const { results: rows, seed } = JSON.parse(report(results, 'json', about)) as { results: object[]; seed: number };
    expect(seed).toBe(4);
    expect(rows[1]).toMatchObject({ id: rule!.id, section: rule!.section, outcome: 'fail', expected: 'ACK & more' });
    const xml = report(results, 'junit', about);
    expect(xml).toContain('<testsuite name="x" tests="3" failures="1" skipped="1">');
    expect(xml).toContain('expected ACK &amp; more');
    expect(xml).toContain('<skipped message="why &lt;not&gt;"/>');
  });
});

describe('our endpoint', () => {
  let folder = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'verbena-endpoint-'));
    await build({
      ...{ entryPoints: [here('./endpoint/main.ts')], outfile: join(folder, 'endpoint/main.js'), bundle: true },
      ...{ format: 'esm', platform: 'node', target: 'node20', external: ['@verbena/*'], logLevel: 'error' },
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('every fault fits the engine as it is', () => {
    const copy = EngineCopy.make(folder);
    try {
      for (const fault of FAULTS) expect(() => copy.build(fault)(), fault.name).not.toThrow();
    } finally {
      copy.remove();
    }
  });

  test('keeps all rules, and two faults in a copy of it are found', async () => {
    const faults = FAULTS.filter(({ name }) => QUICK_FAULTS.includes(name));
    const faultRules = RULES.filter(({ id }) => id.startsWith('pds-ack/'));
    const { cleanFailures, verdicts } = await runMutations(RULES, 1, faults, () => {}, {
      conformance: folder,
      faultRules,
    });
    expect(cleanFailures).toEqual([]);
    expect(verdicts.map(({ fault, foundBy }) => [fault.name, foundBy.length > 0])).toEqual(
      QUICK_FAULTS.map((name) => [name, true]),
    );
  }, 300_000);
});
