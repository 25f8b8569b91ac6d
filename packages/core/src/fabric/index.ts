/**
 * The fabric API: the object model of libfabric over the same devices. Start with `new Fabric(device, transportOfAddress)`,
 * or with `openFabric` of the host; docs/fabric.md tells the rest.
 */
export {
  addressText,
  decodeAddress,
  type EndpointAddress,
  encodeAddress,
  FABRIC_ADDRESS_BYTES,
  PeerAbility,
} from './address.ts';
export {
  AddressVector,
  type AddressVectorOptions,
  ANY_SOURCE,
  type InsertOptions,
  NOT_AVAILABLE,
} from './address-vector.ts';
export { AtomicOperations, type AtomicRequest } from './atomic-operations.ts';
export { AUTH_KEY_BYTES, authKeyOf, CAPABILITY_BYTES } from './auth-keys.ts';
export { Completion, type OperationError } from './completion.ts';
export { CompletionBatch } from './completion-batch.ts';
export { CompletionQueue, type CompletionQueueOptions } from './completion-queue.ts';
export { type CountedOperations, Counter, type CounterOptions } from './counter.ts';
export { Domain, type DomainOptions } from './domain.ts';
export { Endpoint, type EndpointOptions, type QueueBinding } from './endpoint.ts';
export { FABRIC_ERROR_CODES, FabricErrno, type FabricErrorName, fabricErrorName, fabricErrorText } from './errors.ts';
export { EventQueue } from './event-queue.ts';
export { Fabric, type FabricOptions, type TransportLookup } from './fabric.ts';
export { FabricObject } from './fabric-object.ts';
export { flagNames, OperationFlag } from './flags.ts';
export type { FabricHints } from './hints.ts';
export {
  type Capabilities,
  type Capability,
  type DomainAttributes,
  type EndpointAttributes,
  type EndpointType,
  type FabricInfo,
  type FabricMode,
  MESSAGE_ORDERS,
  type MemoryMode,
  type MessageOrder,
  type ReceiveAttributes,
  type TransmitAttributes,
} from './info.ts';
export { type MemoryAccess, type MemoryOptions, MemoryRegion, RemoteKey } from './memory-region.ts';
export { MessageOperations, type ReceiveMessage, type SendMessage } from './message-operations.ts';
export type { TransmitDefaults, TransmitOptions } from './operation-options.ts';
export { type RemoteAccess, RmaOperations, type WriteMessage } from './rma-operations.ts';
export { type Tag, TaggedOperations, type TaggedReceiveMessage, type TaggedSendMessage } from './tagged-operations.ts';
export type { DataOptions, Segment } from './templates.ts';
