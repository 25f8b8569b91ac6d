import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const FOLDER = new URL('./', import.meta.url);
const DRIVERS = readdirSync(FOLDER).filter((name) => name.endsWith('-like'));
const text = (path: string): string => readFileSync(new URL(path, FOLDER), 'utf8');
const imports = (path: string): string[] => [...text(path).matchAll(/from '([^']+)'/g)].map(([, from]) => from!);

describe.each(DRIVERS)('%s', (driver) => {
  const files = readdirSync(new URL(`${driver}/`, FOLDER)).filter((name) => !name.endsWith('.test.ts'));

  it('has halves that know each other only by declarations, calls and the form of queues (R069 R072)', () => {
    const shared = ['./abi.ts', '../toy-hardware.ts', '@verbena/core', '@verbena/core/testing'];
    for (const file of files) {
      for (const from of imports(`${driver}/${file}`)) expect(shared, `${file} imports ${from}`).toContain(from);
    }
    // what the user half takes of the library is declarations, never a device, a system or a driver
    if (files.includes('user.ts')) {
      expect(text(`${driver}/user.ts`)).not.toMatch(/\b(Device|System|Driver|Session|DeviceContext)\b(?!Program)/);
    }
  });

  it('says what plays PD, QP and MR, and is small (R172)', () => {
    const kernel = text(`${driver}/kernel.ts`);
    for (const role of ['PD', 'QP', 'MR', 'doorbell']) expect(kernel).toMatch(new RegExp(`\\* {3}${role} +\\|`));
    for (const file of files) expect(text(`${driver}/${file}`).split('\n').length, file).toBeLessThan(200);
  });
});
