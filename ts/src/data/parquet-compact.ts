/** Thrift's compact protocol, in which Parquet's heads are written, looked over before hyparquet makes objects of it. */

/** Of a number of 64 bits. */
const LONGEST_VARINT = 10;
/** Parquet's own structures lie in one another six deep. */
const MOST_LEVELS = 32;
const STOP = 0;
const [TRUE, FALSE, BYTE, I64, DOUBLE, BINARY, LIST, STRUCT] = [1, 2, 3, 6, 7, 8, 9, 12];

/**
 * Refuses a struct whose lists are longer than the bytes that are left, or whose numbers have no end: both would be
 * believed, and cost memory or time without bound.
 */
export function checkCompact(view: DataView): void {
  new Walk(view).struct(0);
}

class Walk {
  readonly #view: DataView;
  #at = 0;

  constructor(view: DataView) {
    this.#view = view;
  }

  struct(level: number): void {
    if (level > MOST_LEVELS) throw new Error("structures lie in one another without end");
    for (;;) {
      const head = this.#byte();
      const type = head & 15;
      if (type === STOP) return;
      if (head >> 4 === 0) this.#varint();
      this.#element(type, level);
    }
  }

  #element(type: number, level: number): void {
    if (type === TRUE || type === FALSE) return;
    if (type === BYTE) this.#skip(1);
    else if (type > BYTE && type <= I64) this.#varint();
    else if (type === DOUBLE) this.#skip(8);
    else if (type === BINARY) this.#skip(this.#varint());
    else if (type === LIST) this.#list(level);
    else if (type === STRUCT) this.struct(level + 1);
    else throw new Error(`a value of the unknown type ${type}`);
  }

  #list(level: number): void {
    const head = this.#byte();
    const count = head >> 4 === 15 ? this.#varint() : head >> 4;
    if (count > this.#view.byteLength - this.#at) throw new Error(`a list of ${count} values has no room for them`);
    if (level + 1 > MOST_LEVELS) throw new Error("lists lie in one another without end");
    const type = head & 15;
    // In a list, true and false take a byte.
    for (let index = 0; index < count; index++) this.#element(type === TRUE || type === FALSE ? BYTE : type, level + 1);
  }

  #byte(): number {
    return this.#view.getUint8(this.#at++);
  }

  /** Not negative; rounded above 2⁵³, where it is too large for a length anyway. */
  #varint(): number {
    let value = 0;
    for (let index = 0; index < LONGEST_VARINT; index++) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return value;
    }
    throw new Error("a number without an end");
  }

  #skip(count: number): void {
    if (count > this.#view.byteLength - this.#at) throw new Error(`${count} bytes are missing`);
    this.#at += count;
  }
}
