/** Transports with the reliable kinds of queue pairs that they carry: what runs over the one must run over the other. */
import { TRANSPORTS, type Transport } from '@verbena/core';
import type { QpType } from '@verbena/core/uapi';

export interface ReliableKind {
  readonly transport: Transport;
  readonly kind: QpType;
}

export const RELIABLE_KINDS: readonly ReliableKind[] = TRANSPORTS.flatMap((transport) =>
  (['RU', 'RC'] as const)
    .filter((kind) => transport.attributes.queuePairTypes.includes(kind))
    .map((kind) => ({ transport, kind })),
);
