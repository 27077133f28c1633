/**
 * What went wrong, for programs: the codes of the core's error enum, then those of the TypeScript side.
 *
 * - `Disposed`: a method was called after `dispose()`.
 * - `InvalidConfig`: a configuration or an options object cannot be read or cannot work.
 * - `InvalidArgument`: an argument has a value outside what the function takes.
 * - `ShapeMismatch`: a tensor has the wrong shape or the wrong number of values.
 * - `NotFinite`: a tensor holds NaN or infinity.
 * - `InvalidFile`: a file's content is not what its name or format says.
 * - `MissingFile`: a file or folder that is needed does not exist.
 * - `InvalidImage`: an image cannot be decoded.
 * - `Unsupported`: something that diffusers knows and emberwing does not do.
 * - `DeviceUnavailable`: a device is not there, is not in this build, or cannot be opened.
 * - `DeviceLost`: a graphics card stopped answering; what lived on it is lost.
 * - `OutOfMemory`: a device has no memory left for what was asked.
 * - `Internal`: a calculation failed inside; always a bug worth a report.
 * - `WriteFailed`: a file or folder cannot be written.
 * - `InUse`: another run writes to the folder, or another program listens on the port.
 * - `Network`: a server cannot be reached, is out of order, or answers what it should not.
 * - `AccessDenied`: the hub asks for a token, or refuses the one that it got.
 * - `NotInitialized`: the engine is not there: `init()` was not awaited, or the native addon was not built.
 * - `WorkerLost`: a worker was ended, crashed, or could not be started; what lived in it is lost.
 * - `Usage`: the command line was not understood.
 */
export type ErrorCode =
  | "Disposed"
  | "InvalidConfig"
  | "InvalidArgument"
  | "ShapeMismatch"
  | "NotFinite"
  | "InvalidFile"
  | "MissingFile"
  | "InvalidImage"
  | "Unsupported"
  | "DeviceUnavailable"
  | "DeviceLost"
  | "OutOfMemory"
  | "Internal"
  | "WriteFailed"
  | "InUse"
  | "Network"
  | "AccessDenied"
  | "NotInitialized"
  | "WorkerLost"
  | "Usage";

/**
 * Every error that emberwing throws, except an abort, which rejects with the signal's own `reason`.
 *
 * @example
 * try {
 *   new DDPMScheduler({ betaStart: 2 });
 * } catch (error) {
 *   if (error instanceof EmberwingError && error.code === "InvalidConfig") console.log(error.message);
 * }
 */
export class EmberwingError extends Error {
  override readonly name = "EmberwingError";

  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An argument outside what a function takes. */
export function invalidArgument(argument: string, expected: string, got: unknown): EmberwingError {
  return new EmberwingError("InvalidArgument", `${argument}: expected ${expected}, got ${describe(got)}`);
}

/** What kind of object a value is, also where its class is another window's. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

const LONGEST_TEXT = 60;

/** A value in a message: short, and with strings told from other things. */
export function describe(value: unknown, depth?: unknown): string {
  if (typeof value === "string") return JSON.stringify(value).slice(0, LONGEST_TEXT);
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (value === null || typeof value !== "object") return String(value);
  if (ArrayBuffer.isView(value)) return `${tagOf(value)}(${value.byteLength} bytes)`;
  if (Array.isArray(value)) {
    if (value.length > 8 || depth === NESTED) return `an array of ${value.length}`;
    return `[${Array.from(value, (item) => describe(item, NESTED)).join(", ")}]`;
  }
  const tag = tagOf(value);
  return tag === "Object" ? `an object with ${Object.keys(value).join(", ") || "no keys"}` : `an object of ${tag}`;
}

/** Arrays in arrays are not shown: one may hold itself. */
const NESTED = Symbol();
