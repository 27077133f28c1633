/**
 * A worker whose graphics card fails, as its name says: "wrong" takes nothing but zeros in; "lost" goes away when anything is
 * said on the channel of that name.
 */
// It only listens when it is loaded: what is changed below is changed before a card is asked for.
import "../../ts/src/worker-host.js";

/** The part of WebGPU that is changed here; TypeScript's libraries do not have it yet. */
declare const GPUQueue: { prototype: { writeBuffer(...args: unknown[]): void } };
declare const GPUAdapter: { prototype: { requestDevice(...args: unknown[]): Promise<{ destroy(): void }> } };

if (self.name === "wrong") {
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = function (buffer, offset, data, ...range) {
    const bytes = data as Uint8Array;
    writeBuffer.call(this, buffer, offset, bytes.byteLength > 1000 ? new Uint8Array(bytes.byteLength) : data, ...range);
  };
}

if (self.name === "lost") {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    new BroadcastChannel("lost").onmessage = () => device.destroy();
    return device;
  };
}
