/**
 * The memory of a graphics card that a page takes from now on: bytes of buffers that are made, less those that are destroyed.
 * @returns {() => number}
 */
export function countBuffers() {
  /** Types of WebGPU are not among the DOM's. @type {any} */
  const { GPUDevice, GPUBuffer } = globalThis;
  let bytes = 0;
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (/** @type {unknown[]} */ ...args) {
    const buffer = createBuffer.apply(this, args);
    bytes += buffer.size;
    return buffer;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    bytes -= this.size;
    destroy.call(this);
  };
  return () => bytes;
}
