/** Models as files: download and open, to and from zip files and folders. */
import { zip } from "emberwing";
import { activity, setActivity, usableDuring } from "./activity.js";
import { hideAlert, showAlert } from "./alert.js";
import { byId, h } from "./dom.js";
import { filesOf, loadModel } from "./model.js";
import { pretrainedModel } from "./pretrained.js";
import type { Session } from "./session.js";

/** In Chrome and Edge. */
interface DirectoryPicker {
  showDirectoryPicker?(options: { mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

export class FilesView {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
    const button = (id: string, action: () => Promise<void>): HTMLButtonElement => {
      const element = byId(id, HTMLButtonElement);
      element.addEventListener("click", () => void busy(element.textContent ?? "", action));
      return element;
    };
    const input = (id: string): HTMLInputElement => {
      const element = byId(id, HTMLInputElement);
      element.addEventListener("change", () => {
        const files = [...(element.files ?? [])];
        element.value = "";
        if (files.length > 0) void busy("Opening the model", () => this.#open(files));
      });
      return element;
    };
    const saveFolder = button("save-folder", () => this.#saveFolder());
    saveFolder.hidden = (window as DirectoryPicker).showDirectoryPicker === undefined;
    usableDuring(
      ["idle", "paused"],
      button("download", () => this.#download()),
      saveFolder,
    );
    usableDuring(
      ["idle"],
      input("open-zip"),
      input("open-folder"),
      button("pretrained", () => this.#pretrained()),
    );
  }

  async #download(): Promise<void> {
    const url = URL.createObjectURL(await zip(await filesOf(this.#session.model)));
    h("a", { href: url, download: "emberwing-model.zip" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  async #saveFolder(): Promise<void> {
    const folder = await (window as DirectoryPicker).showDirectoryPicker?.({ mode: "readwrite" });
    if (folder) await this.#session.model.pipeline.savePretrained(folder);
  }

  async #open(files: readonly File[]): Promise<void> {
    const { api, device } = this.#session;
    const [first] = files as [File];
    const [folder] = first.webkitRelativePath.split("/");
    const name = folder || first.name.replace(/\.zip$/i, "");
    this.#session.model = await loadModel(api, folder ? files : first, { name, device });
  }

  async #pretrained(): Promise<void> {
    const { api, device } = this.#session;
    this.#session.model = await pretrainedModel(api, device);
  }
}

async function busy(doing: string, action: () => Promise<void>): Promise<void> {
  const before = activity();
  hideAlert();
  setActivity("loading");
  try {
    await action();
  } catch (error) {
    // Whoever closes the browser's own window without choosing has not failed.
    if ((error as Error).name !== "AbortError") showAlert(error, doing);
  } finally {
    setActivity(before);
  }
}
