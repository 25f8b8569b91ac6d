/** Cryptography for hosts on Node: the cipher, secure domains, where their keys and counters come from. */
export { DomainStore } from './domain-store.ts';
export { FileCounters } from './file-counters.ts';
export { keyFileSchema, readKeyFile } from './key-file.ts';
export { NodeCipher } from './node-cipher.ts';
