/** Pictures side by side, each on a canvas of its own size that the style sheet enlarges. */
import type { Image } from "emberwing";
import { h } from "./dom.js";

export class Gallery {
  readonly #host: HTMLElement;

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  /** @param label What a screen reader says in place of the pictures. */
  show(images: readonly Image[], label: string): void {
    while (this.#host.childElementCount > images.length) this.#host.lastElementChild?.remove();
    while (this.#host.childElementCount < images.length) this.#host.append(h("canvas"));
    for (const [index, image] of images.entries()) image.drawOn(this.#host.children[index] as HTMLCanvasElement);
    this.#host.setAttribute("aria-label", label);
  }
}
