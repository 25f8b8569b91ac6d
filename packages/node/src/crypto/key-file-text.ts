/** Key files as text: read from and written to files that only their owner can read. Nothing in them shows in an error. @spec uet:tss/16 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { VerbsError } from '@verbena/core';
import { z } from 'zod';
import { isTrusted, ownUid } from '../ipc/socket-path.ts';
import { domainOptionsSchema } from './domain-store.ts';

const keySchema = z.strictObject({
  key: z.string().regex(/^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{88})$/, 'must be 64 hexadecimal digits, of a client 88'),
  an: z.int().min(0).max(1).optional().describe('slot; 0 for the first key, 1 for the second'),
  epoch: z.int().min(0).max(0xffff).optional().describe('0 when left out'),
  active: z.boolean().optional().describe('packets are sent under this one; the first when left out'),
});

const keyFileSchema = z.strictObject({
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

export type KeyFile = z.infer<typeof keyFileSchema>;

/** @throws VerbsError `ENOENT` · `EACCES` others could read or change it · `EINVAL` what it says, without what it says of keys */
export function readKeyText(path: string): KeyFile {
  return parse(path, read(path));
}

/**
 * Writes a key file for this user alone. It is there whole or not at all, and its keys are on the disk when this returns.
 *
 * @param replace - false: a file that is there stays
 * @throws VerbsError `EEXIST` · `ENOENT` · `EACCES` · `ENOSPC` · `EIO`
 */
export function writeKeyText(path: string, file: KeyFile, replace: boolean): void {
  const near = `${path}.${randomBytes(6).toString('hex')}`;
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  let made = false;
  try {
    const fd = openSync(near, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    made = true;
    try {
      const bytes = Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      bytes.fill(0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (replace) {
      renameSync(near, path);
      made = false;
    } else linkSync(near, path); // unlike a rename it finds out when there is one
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw notWritten(code, path);
  } finally {
    if (made) unlinkSync(near);
  }
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

function parse(path: string, text: string): KeyFile {
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

function notWritten(code: string, path: string): VerbsError {
  const known = ['EEXIST', 'ENOENT', 'EACCES', 'ENOSPC'] as const;
  const found = known.find((one) => one === code) ?? (code === 'EPERM' || code === 'EROFS' ? 'EACCES' : 'EIO');
  const hint = found === 'EEXIST' ? 'another name: keys that are gone cannot be had again' : 'a folder of this user';
  const problem = found === 'EEXIST' ? `${path} is there already` : `${path} cannot be written: ${code}`;
  return new VerbsError(found, 'writeKeyFile', problem, { try: hint });
}

const MAX_BYTES = 2 ** 20;
const MAX_ISSUES = 8;
