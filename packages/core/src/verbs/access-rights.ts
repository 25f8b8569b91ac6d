/** What this side and peers may do with registered memory. @spec verbs/1.3 */
import { VerbsError } from '../base/verbs-error.ts';
import { Access } from '../engine/status.ts';

/** 'window-bind': memory windows may be opened on it. */
export type AccessRight = 'local-write' | 'remote-write' | 'remote-read' | 'remote-atomic' | 'window-bind';

/** Rights as bits. @throws VerbsError EINVAL there is no such right */
export function accessBits(call: string, rights: readonly AccessRight[]): number {
  let bits = 0;
  for (const right of rights) {
    const bit = BITS[right];
    if (bit === undefined) {
      throw new VerbsError('EINVAL', call, `there is no access right '${right}'`, {
        try: Object.keys(BITS).join(', '),
      });
    }
    bits |= bit;
  }
  return bits;
}

/** Bits as rights. */
export function accessRights(bits: number): AccessRight[] {
  return (Object.keys(BITS) as AccessRight[]).filter((right) => (bits & BITS[right]) !== 0);
}

const BITS: Readonly<Record<AccessRight, number>> = {
  'local-write': Access.LOCAL_WRITE,
  'remote-write': Access.REMOTE_WRITE,
  'remote-read': Access.REMOTE_READ,
  'remote-atomic': Access.REMOTE_ATOMIC,
  'window-bind': Access.MW_BIND,
};
