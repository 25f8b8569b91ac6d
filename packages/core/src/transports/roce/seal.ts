/** The invariant CRC as the stage that hosts run. @spec IBTA vol. 1 §7.8.1 */
import type { Seal } from '../../engine/seal.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { ICRC_BYTES, icrcBegin, icrcHeaders, icrcMatches, icrcUpdate, writeIcrc } from '../../wire/roce/icrc.ts';

export const icrcSeal: Seal = {
  bytes: ICRC_BYTES,
  checksum: 'crc32',
  begin: icrcBegin,
  headers: icrcHeaders,
  update: icrcUpdate,
  // what may change on the way lies within the BTH; the rest is as good as payload
  headerLength: (_bytes, _at, length) => Math.min(BTH_BYTES, length),
  write: writeIcrc,
  matches: icrcMatches,
};
