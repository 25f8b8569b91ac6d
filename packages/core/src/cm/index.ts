/** Connecting queue pairs: the connection manager of InfiniBand over RoCEv2. */
export { Connection, type ConnectionEnd } from './connection.ts';
export { ConnectionManager, type ConnectionManagerOptions } from './connection-manager.ts';
export { ConnectionRequest } from './connection-request.ts';
export { Listener, type ListenOptions } from './listener.ts';
export type {
  AcceptOptions,
  ConnectedType,
  ConnectionOptions,
  ConnectionParameters,
  ConnectionPeer,
  ConnectOptions,
  RequestParameters,
} from './parameters.ts';
export { ConnectionRejected, REJECT_CODES, REJECT_REASONS, type RejectReason } from './reject-reasons.ts';
