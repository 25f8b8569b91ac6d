import { describe, expect, it } from 'vitest';
import { TRANSPORTS } from '../catalog.ts';
import { STATUS_ROWS, Status } from '../engine/status.ts';
import { ErrorMap, FABRIC_ERROR_CODES, FabricErrno, fabricErrorName, fabricErrorText } from './errors.ts';

describe('errors of operations (R122, uet:ses/2.12 uet:ses/8)', () => {
  it('have an error for each status, and text for each error', () => {
    const map = new ErrorMap();
    const known = new Set<number>(Object.values(FabricErrno));
    for (const { value, name } of STATUS_ROWS) {
      if (value === Status.SUCCESS) continue;
      expect(known.has(map.errno(value, 0, false)), name).toBe(true);
      expect(known.has(map.errno(value, 0, true)), name).toBe(true);
    }
    for (const errno of known) expect(fabricErrorText(errno)).toContain('; ');
    expect(FABRIC_ERROR_CODES.rows).toHaveLength(known.size);
    expect(fabricErrorName(77)).toBe('EOTHER');
  });

  it('tell a receive that was too short from a message that was too long', () => {
    const map = new ErrorMap();
    expect(map.errno(Status.LOC_LEN_ERR, 0, true)).toBe(FabricErrno.ETRUNC);
    expect(map.errno(Status.LOC_LEN_ERR, 0, false)).toBe(FabricErrno.EMSGSIZE);
  });

  it('follow the code of the transport where it says more than the status', () => {
    for (const { codes = [] } of TRANSPORTS) {
      const map = new ErrorMap(codes);
      for (const { rows, vendorBase = 0 } of codes) {
        for (const { value = 0, status, fabricError } of rows) {
          if (fabricError === undefined || fabricError === 0 || status === undefined) continue;
          const local = [Status.LOC_LEN_ERR, Status.WR_FLUSH_ERR, Status.TM_ERR] as readonly number[];
          if (local.includes(status)) continue;
          expect(map.errno(status, vendorBase + value, false)).toBe(fabricError);
        }
      }
    }
    const uet = new ErrorMap(TRANSPORTS.find(({ name }) => name === 'uet')!.codes);
    expect(uet.errno(Status.REM_ACCESS_ERR, 0x1c, false)).toBe(FabricErrno.EKEYREJECTED);
    expect(uet.errno(Status.REM_ACCESS_ERR, 0x1d, false)).toBe(FabricErrno.EFAULT);
    expect(uet.errno(Status.REM_ACCESS_ERR, 0, false)).toBe(FabricErrno.EACCES);
    // a code of another kind with the same number
    expect(uet.errno(Status.RETRY_EXC_ERR, 0x1c, false)).toBe(FabricErrno.ETIMEDOUT);
    // a code does not outweigh what happened here
    expect(uet.errno(Status.WR_FLUSH_ERR, 0x1c, true)).toBe(FabricErrno.ECANCELED);
  });
});
