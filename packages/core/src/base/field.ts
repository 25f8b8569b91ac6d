/**
 * Fields: the only codec machinery in the repository.
 *
 * One small class for each way in which a value can lie in a word. A declared header (`wire/header.ts`) is made of
 * these; so are the ring structures (`abi`). Hot code binds the fields that it touches to module constants, and V8
 * then folds offset, shift and mask into the machine code. That is why each property below is assigned exactly once:
 * a property that is written twice is no longer treated as constant, and a read costs three times as much.
 */

/** A value at a fixed place in a structure that starts at byte `at` of a view. */
export abstract class Field {
  /** Distance in bits from the start of the structure; bit 0 is the most significant bit of byte 0. */
  declare readonly bit: number;
  /** Width in bits. */
  declare readonly width: number;

  constructor(bit: number, width: number) {
    this.bit = bit;
    this.width = width;
  }

  abstract get(view: DataView, at: number): number;
  /** Stores the low `width` bits of `value`; bits beside the field keep their value. */
  abstract set(view: DataView, at: number, value: number): void;
}

/** One whole byte. */
export class U8 extends Field {
  readonly byte = this.bit >> 3;
  get(view: DataView, at: number): number {
    return view.getUint8(at + this.byte);
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint8(at + this.byte, value);
  }
}

/** Two whole bytes, big-endian. */
export class U16 extends Field {
  readonly byte = this.bit >> 3;
  get(view: DataView, at: number): number {
    return view.getUint16(at + this.byte);
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint16(at + this.byte, value);
  }
}

/** Three whole bytes, big-endian, on a word boundary or across one. */
export class U24 extends Field {
  readonly byte = this.bit >> 3;
  get(view: DataView, at: number): number {
    return (view.getUint16(at + this.byte) << 8) | view.getUint8(at + this.byte + 2);
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint16(at + this.byte, value >>> 8);
    view.setUint8(at + this.byte + 2, value);
  }
}

/** Four whole bytes, big-endian. */
export class U32 extends Field {
  readonly byte = this.bit >> 3;
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.byte);
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint32(at + this.byte, value);
  }
}

/** Two whole bytes, big-endian, two's complement. */
export class S16 extends Field {
  readonly byte = this.bit >> 3;
  get(view: DataView, at: number): number {
    return view.getInt16(at + this.byte);
  }
  set(view: DataView, at: number, value: number): void {
    view.setInt16(at + this.byte, value);
  }
}

/** Some bits of one byte. */
export class Within8 extends Field {
  readonly byte = this.bit >> 3;
  readonly shift = 8 - (this.bit & 7) - this.width;
  readonly mask = 2 ** this.width - 1;
  get(view: DataView, at: number): number {
    return (view.getUint8(at + this.byte) >>> this.shift) & this.mask;
  }
  set(view: DataView, at: number, value: number): void {
    const word = at + this.byte;
    const kept = view.getUint8(word) & ~(this.mask << this.shift);
    view.setUint8(word, kept | ((value & this.mask) << this.shift));
  }
}

/** Some bits of one big-endian 16-bit word. */
export class Within16 extends Field {
  readonly word = (this.bit >> 4) << 1;
  readonly shift = 16 - (this.bit & 15) - this.width;
  readonly mask = 2 ** this.width - 1;
  get(view: DataView, at: number): number {
    return (view.getUint16(at + this.word) >>> this.shift) & this.mask;
  }
  set(view: DataView, at: number, value: number): void {
    const word = at + this.word;
    const kept = view.getUint16(word) & ~(this.mask << this.shift);
    view.setUint16(word, kept | ((value & this.mask) << this.shift));
  }
}

/** Some bits of one big-endian 32-bit word. */
export class Within32 extends Field {
  readonly word = (this.bit >> 5) << 2;
  readonly shift = 32 - (this.bit & 31) - this.width;
  readonly mask = 2 ** this.width - 1;
  get(view: DataView, at: number): number {
    return (view.getUint32(at + this.word) >>> this.shift) & this.mask;
  }
  set(view: DataView, at: number, value: number): void {
    const word = at + this.word;
    const kept = view.getUint32(word) & ~(this.mask << this.shift);
    view.setUint32(word, kept | ((value & this.mask) << this.shift));
  }
}

/** Two whole bytes, little-endian: rings in shared memory, never the wire. */
export class U16Le extends Field {
  readonly byte = this.bit >> 3;
  get(view: DataView, at: number): number {
    return view.getUint16(at + this.byte, true);
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint16(at + this.byte, value, true);
  }
}

/** Four whole bytes, little-endian: rings in shared memory, never the wire. */
export class U32Le extends Field {
  readonly byte = this.bit >> 3;
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.byte, true);
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint32(at + this.byte, value, true);
  }
}
