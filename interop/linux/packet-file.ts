/** Cuts what one scenario sent and received out of the file into which QEMU writes all packets of a guest. */
import { existsSync } from 'node:fs';
import { open, stat, writeFile } from 'node:fs/promises';

/** A place in a growing pcap file, always between two packets: QEMU writes each packet at once. */
export type PacketMark = number;

export class PacketFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The place after the packets so far. */
  async mark(): Promise<PacketMark> {
    if (!existsSync(this.path)) return HEADER_BYTES;
    return Math.max(HEADER_BYTES, (await stat(this.path)).size);
  }

  /** Copies the packets since `from` into a pcap file of their own; answers its size in bytes. At most 64 MiB. */
  async cut(from: PacketMark, target: string): Promise<number> {
    const to = Math.min(await this.mark(), from + MAX_CUT);
    const bytes = new Uint8Array(HEADER_BYTES + to - from);
    const file = await open(this.path);
    try {
      await file.read(bytes, 0, HEADER_BYTES, 0);
      await file.read(bytes, HEADER_BYTES, to - from, from);
    } finally {
      await file.close();
    }
    await writeFile(target, bytes);
    return bytes.length;
  }
}

const HEADER_BYTES = 24;
const MAX_CUT = 64 << 20;
