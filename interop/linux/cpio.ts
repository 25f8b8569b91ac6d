/** Writes a cpio archive in the "newc" form, which the Linux kernel takes as initial file system. */

export type CpioEntry = { readonly path: string } & (
  | { readonly kind: 'folder' }
  | { readonly kind: 'file'; readonly bytes: Uint8Array; readonly executable?: boolean }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'device'; readonly major: number; readonly minor: number }
);

/**
 * The archive as bytes. Paths are relative, without a leading slash; folders that an entry needs and that were not given
 * are added. All belongs to root; all times are zero, so the same entries make the same bytes.
 *
 * @throws RangeError for an absolute or empty path, or a path that stands twice
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  let inode = 0;
  for (const entry of withFolders(entries)) {
    inode += 1;
    pushRecord(chunks, entry.path, inode, recordOf(entry));
  }
  pushRecord(chunks, TRAILER, 0, { mode: 0, links: 1, data: EMPTY, major: 0, minor: 0 });
  return Buffer.concat(chunks);
}

interface Record {
  readonly mode: number;
  readonly links: number;
  readonly data: Uint8Array;
  readonly major: number;
  readonly minor: number;
}

function recordOf(entry: CpioEntry): Record {
  const plain = { links: 1, data: EMPTY, major: 0, minor: 0 };
  switch (entry.kind) {
    case 'folder':
      return { ...plain, mode: 0o040755, links: 2 };
    case 'file':
      return { ...plain, mode: entry.executable === true ? 0o100755 : 0o100644, data: entry.bytes };
    case 'link':
      return { ...plain, mode: 0o120777, data: new TextEncoder().encode(entry.target) };
    case 'device':
      return { ...plain, mode: 0o020600, major: entry.major, minor: entry.minor };
  }
}

/** Each folder before what is in it, as the kernel wants them. */
function withFolders(entries: readonly CpioEntry[]): CpioEntry[] {
  const all = new Map<string, CpioEntry>();
  for (const entry of entries) {
    if (entry.path === '' || entry.path.startsWith('/')) throw new RangeError(`path "${entry.path}" is not relative`);
    const parts = entry.path.split('/');
    for (let length = 1; length < parts.length; length++) {
      const path = parts.slice(0, length).join('/');
      if (!all.has(path)) all.set(path, { path, kind: 'folder' });
    }
    const known = all.get(entry.path);
    if (known !== undefined && !(known.kind === 'folder' && entry.kind === 'folder')) {
      throw new RangeError(`path "${entry.path}" stands twice`);
    }
    all.set(entry.path, entry);
  }
  return [...all.values()];
}

function pushRecord(chunks: Uint8Array[], path: string, inode: number, record: Record): void {
  const name = new TextEncoder().encode(`${path}\0`);
  const fields = [
    inode,
    record.mode,
    0, // user
    0, // group
    record.links,
    0, // time
    record.data.length,
    0, // device that holds the file
    0,
    record.major,
    record.minor,
    name.length,
    0, // checksum, unused in this form
  ];
  const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const head = new TextEncoder().encode(header);
  chunks.push(head, name, padding(head.length + name.length), record.data, padding(record.data.length));
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const EMPTY = new Uint8Array(0);
