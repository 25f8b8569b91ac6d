/** Structures that several methods share. */
import { layout } from './layout.ts';

/** Memory, as a program names it. */
export const MEMORY = layout('memory', 'memory that the program gives', {
  /** One of {@link MemoryKind}. */
  kind: 'u32',
  /** ATTACHMENT: position of the attachment; UMEM: handle. */
  index: 'u32',
  /** Bytes from the start of the attachment or mapping. */
  offset: 'size',
  length: 'size',
});

/** A peer's address. */
export const ADDRESS = layout('address', 'where a peer is', {
  /** IPv4 as ::ffff:a.b.c.d. */
  address: 'address',
  /** 0: the transport's own. */
  port: 'u32',
  /** Entry of the address table that packets leave from; its type chooses the transport. */
  sgidIndex: 'u32',
});

export const MemoryKind = { ATTACHMENT: 0, UMEM: 1 } as const;
