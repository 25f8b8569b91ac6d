/**
 * Memory windows: requests open them on a part of a region, and close them. The device does such requests itself when
 * it takes them from the ring, in the order of posting; no engine sees them.
 * @spec verbs/1.4
 */
import { Access, Status } from '../engine/status.ts';
import type { SoftQueuePair, SoftWindow } from './objects.ts';
import type { Registry } from './registry.ts';

/** What a BIND_MW request asks for, read once. Nothing of it is trusted. */
export class BindWork {
  mw = 0;
  keyLo = 0;
  keyHi = 0;
  lkey = 0;
  /** Bytes from the start of the region. */
  offset = 0;
  length = 0;
  rights = 0;
}

/**
 * Opens a window under a new key.
 *
 * The upper 40 bits of a window's key never change, the low eight are the program's choice. Type 1: they must change, and
 * a length of 0 closes the window. Type 2: the window must be closed, and only the queue pair that opened it lets peers in.
 *
 * @returns a status
 */
export function bindWindow(registry: Registry, qp: SoftQueuePair, work: BindWork): number {
  const mw = registry.windows.get(work.mw);
  if (mw === undefined || mw.pd !== qp.pd) return Status.MW_BIND_ERR;
  const { keyLo, keyHi, offset, length, rights } = work;
  if (keyHi !== mw.keyHi || (keyLo ^ mw.keyLo) >>> 8 !== 0) return Status.MW_BIND_ERR;
  if (mw.type === 1 && keyLo === mw.keyLo) return Status.MW_BIND_ERR;
  if (mw.type === 2 && mw.region !== undefined) return Status.MW_BIND_ERR;
  if (length === 0) {
    if (mw.type === 2) return Status.MW_BIND_ERR;
    closeWindow(registry, mw);
    mw.keyLo = keyLo;
    return Status.SUCCESS;
  }
  const region = registry.regions.get(work.lkey);
  if (region === undefined || region.pd !== qp.pd || (region.rights & Access.MW_BIND) === 0) return Status.MW_BIND_ERR;
  if (!(offset <= region.length && length <= region.length - offset)) return Status.MW_BIND_ERR;
  // what peers may write must be writable here; reading needs nothing, as for regions
  const writes = rights & (Access.REMOTE_WRITE | Access.REMOTE_ATOMIC);
  if ((rights & ~REMOTE) !== 0 || (writes !== 0 && (region.rights & Access.LOCAL_WRITE) === 0)) {
    return Status.MW_BIND_ERR;
  }
  const holder = registry.keys.get(qp.pd.handle, keyLo, keyHi);
  if (holder !== 0 && holder !== mw.handle) return Status.MW_BIND_ERR;
  closeWindow(registry, mw);
  mw.keyLo = keyLo;
  mw.region = region;
  mw.offset = offset;
  mw.length = length;
  mw.rights = rights;
  mw.qp = mw.type === 2 ? qp.handle : 0;
  region.windows++;
  // the region cannot go while the window shows it
  mw.object.need(region.object);
  registry.keys.set(qp.pd.handle, keyLo, keyHi, mw.handle);
  return Status.SUCCESS;
}

/** Ends remote access under a key: of a type 2 window, or of a region without windows. @returns a status */
export function invalidateKey(registry: Registry, qp: SoftQueuePair, keyLo: number, keyHi: number): number {
  const handle = registry.keys.get(qp.pd.handle, keyLo, keyHi);
  const mw = registry.windows.get(handle);
  if (mw !== undefined) {
    if (mw.type !== 2 || mw.qp !== qp.handle) return Status.MW_BIND_ERR;
    closeWindow(registry, mw);
    return Status.SUCCESS;
  }
  const region = registry.regions.get(handle);
  if (region === undefined || region.windows > 0) return Status.MW_BIND_ERR;
  region.invalid = true;
  registry.keys.delete(qp.pd.handle, keyLo, keyHi);
  return Status.SUCCESS;
}

/** Nothing is seen through it any more. */
export function closeWindow(registry: Registry, mw: SoftWindow): void {
  const { region } = mw;
  if (region === undefined) return;
  registry.keys.delete(mw.pd.handle, mw.keyLo, mw.keyHi);
  mw.region = undefined;
  mw.length = 0;
  region.windows--;
  mw.object.drop(region.object);
}

const REMOTE = Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
