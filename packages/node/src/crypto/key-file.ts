/** Secure domains and their keys from a file that only its owner can read. Nothing in it shows in an error. @spec uet:tss/16 */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { VerbsError } from '@verbena/core';
import { z } from 'zod';
import { isTrusted, ownUid } from '../ipc/socket-path.ts';
import { DomainStore, domainOptionsSchema } from './domain-store.ts';
import { FileCounters } from './file-counters.ts';

const keySchema = z.strictObject({
  key: z.string().regex(/^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{88})$/, 'must be 64 hexadecimal digits, of a client 88'),
  an: z.int().min(0).max(1).optional().describe('slot; 0 for the first key, 1 for the second'),
  epoch: z.int().min(0).max(0xffff).optional().describe('0 when left out'),
  active: z.boolean().optional().describe('packets are sent under this one; the first when left out'),
});

export const keyFileSchema = z.strictObject({
  $schema: z.string().max(4096).optional(),
  counters: z
    .string()
    .max(4096)
    .optional()
    .describe('file of packet counters; that of the keys with .counters behind it when left out'),
  domains: z
    .array(
      domainOptionsSchema.extend({
        sdi: z.int().min(1).max(0xff_ffff).describe('secure domain identifier'),
        keys: z.array(keySchema).min(1).max(2),
      }),
    )
    .max(256),
});

/**
 * Reads a key file.
 *
 * @throws VerbsError `ENOENT` · `EACCES` others could read or change it · `EINVAL` what it says, without what it says of keys ·
 *   what adding a domain says
 */
export function readKeyFile(path: string): DomainStore {
  const { counters = `${path}.counters`, domains } = parse(path, read(path));
  const store = new DomainStore(new FileCounters(counters));
  for (const { sdi, keys, ...options } of domains) {
    const slots = keys.map(({ key, an, epoch = 0, active = false }, i) => ({
      bytes: bytesOf(key),
      an: an ?? i,
      epoch,
      active,
    }));
    const first = slots.find((one) => one.active) ?? slots[0]!;
    try {
      store.add(sdi, options as never, first);
      for (const slot of slots) if (slot !== first) store.install(sdi, slot);
    } finally {
      for (const { bytes } of slots) bytes.fill(0);
    }
  }
  return store;
}

function read(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? 'ENOENT' : 'EACCES', `${path}: ${code}`, 'a file that this user can read');
  }
  try {
    const stats = fstatSync(fd);
    check(path, stats, 0o077);
    check(dirname(path), statSync(dirname(path)), 0o022);
    if (!stats.isFile() || stats.size > MAX_BYTES)
      throw refuse('EINVAL', `${path} is no file of up to ${MAX_BYTES} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function parse(path: string, text: string): z.infer<typeof keyFileSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('EINVAL', `${path} is no JSON`); // what the parser says quotes the file
  }
  const result = keyFileSchema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, MAX_ISSUES).map(({ path: at, message, code }) => {
    // names that are not known come from the file, too
    return `${at.map(String).join('.')}: ${code === 'unrecognized_keys' ? 'has a name that is not known' : message}`;
  });
  throw refuse('EINVAL', `${path}: ${issues.join('; ')}`, 'docs/transports/uet.md shows one');
}

/** @param others - permission bits that nobody else may have */
function check(path: string, { mode, uid }: Stats, others: number): void {
  const sticky = others === 0o022 && (mode & 0o1000) !== 0;
  if (isTrusted(uid) && ((mode & others) === 0 || sticky)) return;
  throw refuse(
    'EACCES',
    `${path} could be ${others === 0o077 ? 'read' : 'changed'} by others`,
    `chmod ${others === 0o077 ? '0600' : 'go-w'} ${path}, and an owner who is this user or root`,
    `owner ${uid}, mode ${(mode & 0o7777).toString(8).padStart(4, '0')}; this is user ${ownUid()}`,
  );
}

function refuse(code: 'ENOENT' | 'EACCES' | 'EINVAL', problem: string, hint = '', given = ''): VerbsError {
  return new VerbsError(code, 'readKeyFile', problem, {
    ...(given === '' ? {} : { given }),
    ...(hint === '' ? {} : { try: hint }),
    see: 'docs/transports/uet.md',
  });
}

function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const MAX_BYTES = 2 ** 20;
const MAX_ISSUES = 8;
