/** The library: devices, objects and the user API. Hosts (`@verbena/node`, the simulator) open devices with it. */
export { DOORBELL_PAGE_BYTES, DoorbellPage } from './abi/doorbell-page.ts';
export type { CodeRow, CodeTable } from './base/code-table.ts';
export { Counters } from './base/counters.ts';
export { ERROR_CODES } from './base/errno.ts';
export { formatAddress, parseAddress } from './base/ip-address.ts';
export { SeededRandom } from './base/random.ts';
export { type ErrorCode, type ErrorFacts, isVerbsError, VerbsError } from './base/verbs-error.ts';
export * from './catalog.ts';
export * from './device/index.ts';
export * from './engine/index.ts';
export * from './soft/index.ts';
export {
  ACCESS_FLAGS,
  type Cell,
  decodeAnswer,
  encodeError,
  encodeRequest,
  type LayoutValue,
  layout,
  MAX_MESSAGE_BYTES,
  MemoryKind,
  type Message,
  QP_TYPES,
  type Row,
  UAPI,
} from './uapi/index.ts';
export { MANAGEMENT } from './uapi/management/index.ts';
/** How drivers declare objects, methods and attributes of their own. */
export * as schema from './uapi/schema.ts';
export * from './verbs/index.ts';
