/** Cryptography for hosts on Node: the cipher, secure domains, where their keys and counters come from. */
export { DomainStore } from './domain-store.ts';
export { FileCounters } from './file-counters.ts';
export { readKeyFile } from './key-file.ts';
export { KeyRing, type NewDomain } from './key-ring.ts';
export { NodeCipher } from './node-cipher.ts';
export { hostCipher } from './openssl-cipher.ts';
