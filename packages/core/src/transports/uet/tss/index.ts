/** Transport security of UET (TSS): what hosts provision. @spec uet:tss */
export { type CounterStore, VolatileCounters } from './counter-store.ts';
export type { DomainMode, DomainOptions } from './domain-options.ts';
export { DomainTable, type DomainTableOptions } from './domain-table.ts';
export { clientKey } from './key-derivation.ts';
export { openingProblem, PacketOpener } from './packet-opener.ts';
export { PacketProtection, type ProtectionOptions } from './packet-protection.ts';
export type { DomainKey, SecureDomain } from './secure-domain.ts';
