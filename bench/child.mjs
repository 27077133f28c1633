import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A process that waits for a line of JSON, does what it says, and answers with one. */
export class Child {
  #process;
  #answers;
  #complaints = "";

  /** @param {{ command: string, args: string[], env?: Record<string, string> }} program */
  constructor({ command, args, env = {} }) {
    this.#process = spawn(command, args, { env: { ...process.env, ...env } });
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.#process.stderr.on("data", (text) => {
      this.#complaints += text;
    });
    // Writing to a process that has died: `ask` finds out by the missing answer.
    this.#process.stdin.on("error", () => {});
  }

  async ask(request) {
    this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`${this.#process.spawnargs.join(" ")} ended:\n${this.#complaints.slice(-2000)}`);
    return JSON.parse(value);
  }

  async stop() {
    const running = this.#process.exitCode === null && this.#process.signalCode === null;
    this.#process.stdin.end();
    if (running) await once(this.#process, "exit");
  }
}
