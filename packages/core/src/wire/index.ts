/** Wire formats: declarations, code points, captures and dissector. The public subpath `@verbena/core/wire`. */
export * from './capture.ts';
export * from './crc32.ts';
export * from './crc32c.ts';
export * from './diagram.ts';
export * from './dissect.ts';
export type { Dissected, DissectOptions, Layer, Remark } from './dissection.ts';
export * from './dissector.ts';
export * from './eth.ts';
export * from './header.ts';
export * from './ip/index.ts';
export * from './names.ts';
export * from './pcap.ts';
export * from './pcapng.ts';
export * from './pcapng-reader.ts';
export * from './record.ts';
export * from './roce/index.ts';
export * from './uet/index.ts';
