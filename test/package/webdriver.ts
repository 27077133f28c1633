/**
 * Drives a browser in the commands of WebDriver, which Firefox and WebKit take each in their own way: Firefox by itself in messages
 * over TCP (Marionette), WebKit through a program that answers HTTP.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A browser with one page. */
export interface DrivenBrowser {
  /** Such as `140.12.0`. */
  version: string;
  /** Resolves when the page and its scripts are loaded. */
  open(url: string): Promise<void>;
  /** Runs the body of a function in the page; where that returns a promise, its value is waited for. */
  run<Result>(body: string, args?: unknown[]): Promise<Result>;
  /** A PNG. */
  screenshot(): Promise<Buffer>;
  close(): Promise<void>;
}

/** What a page is given for a script, a training among them, on a machine that does other things too. */
const SCRIPT_MS = 120_000;
const START_MS = 60_000;

/** A command of WebDriver, and its answer. */
type Ask = (command: Command, parameters?: object) => Promise<unknown>;
type Command = "open" | "run" | "screenshot";

function driven(ask: Ask, version: string, close: () => Promise<void>): DrivenBrowser {
  // Not the command that runs a function at once: WebKit's does not wait for promises.
  async function run<Result>(body: string, args: unknown[] = []): Promise<Result> {
    const script = `
      const done = arguments[arguments.length - 1];
      (async (...args) => { ${body} })(...Array.from(arguments).slice(0, -1))
        .then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = (await ask("run", { script, args })) as { value: Result; error?: string };
    if (error !== undefined) throw new Error(`the page's script: ${error}`);
    return value;
  }
  return {
    version,
    async open(url) {
      await ask("open", { url });
      // WebKit answers before that.
      await run('while (document.readyState !== "complete") await new Promise((next) => setTimeout(next, 20))');
    },
    run,
    screenshot: async () => Buffer.from((await ask("screenshot")) as string, "base64"),
    close,
  };
}

const MARIONETTE = { open: "Navigate", run: "ExecuteAsyncScript", screenshot: "TakeScreenshot" };

/** Firefox without a window, with a profile of its own. */
export async function startFirefox(program: string): Promise<DrivenBrowser> {
  const profile = await mkdtemp(join(tmpdir(), "emberwing-firefox-"));
  // Any free port; nothing is asked of the network by itself.
  const settings = {
    "marionette.port": 0,
    "app.update.enabled": false,
    "browser.safebrowsing.malware.enabled": false,
    "browser.safebrowsing.phishing.enabled": false,
    "browser.shell.checkDefaultBrowser": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "services.settings.server": "data:,none",
    "toolkit.telemetry.enabled": false,
  };
  const lines = Object.entries(settings).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
  await writeFile(join(profile, "user.js"), lines.join("\n"));
  // A profile of its own does not need the home folder, which root's may refuse.
  const firefox = started(program, ["--headless", "--marionette", "--no-remote", "--profile", profile], {});
  const close = async (): Promise<void> => {
    await ended(firefox);
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const port = await polled("Firefox", firefox, async () =>
      Number(await readFile(join(profile, "MarionetteActivePort"))),
    );
    const socket = connect(port, "127.0.0.1");
    const ask = await marionette(socket);
    const { capabilities } = (await ask("WebDriver:NewSession", {
      timeouts: { script: SCRIPT_MS, pageLoad: START_MS },
    })) as { capabilities: { browserVersion: string } };
    const unwrapped: Ask = async (command, parameters = {}) => {
      const answer = await ask(`WebDriver:${MARIONETTE[command]}`, parameters);
      return (answer as { value?: unknown }).value;
    };
    return driven(unwrapped, capabilities.browserVersion, async () => {
      socket.destroy();
      await close();
    });
  } catch (error) {
    await close();
    throw error;
  }
}

/** Messages are `length:JSON`; a request is `[0, id, command, parameters]`, its answer `[1, id, error, result]`. */
async function marionette(socket: Socket): Promise<(command: string, parameters: object) => Promise<unknown>> {
  const waiting = new Map<number, (error: { message: string } | null, result: unknown) => void>();
  let received = Buffer.alloc(0);
  socket.on("data", (part) => {
    received = Buffer.concat([received, part]);
    for (;;) {
      const colon = received.indexOf(":");
      const end = colon + 1 + Number(received.subarray(0, colon));
      if (colon < 0 || received.length < end) return;
      const message = JSON.parse(received.subarray(colon + 1, end).toString());
      received = received.subarray(end);
      // The first message is a greeting.
      if (Array.isArray(message)) waiting.get(message[1])?.(message[2], message[3]);
    }
  });
  socket.on("close", () => {
    for (const answer of waiting.values()) answer({ message: "Firefox has closed the connection" }, undefined);
  });
  await once(socket, "connect");
  let last = 0;
  return (command, parameters) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, (error, result) => {
        waiting.delete(id);
        if (error) reject(new Error(`${command}: ${error.message}`));
        else resolve(result);
      });
      const message = JSON.stringify([0, id, command, parameters]);
      socket.write(`${Buffer.byteLength(message)}:${message}`);
    });
}

const HTTP = { open: "url", run: "execute/async", screenshot: "screenshot" };

/** WebKitGTK's small browser, on a display that nobody sees: it has no way to run without one. */
export async function startWebKit({ driver, display }: WebKitPrograms): Promise<DrivenBrowser> {
  const screen = spawn(display, ["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1400x1000x24"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const processes: ChildProcess[] = [screen];
  const home = await mkdtemp(join(tmpdir(), "emberwing-webkit-"));
  const close = async (): Promise<void> => {
    for (const each of processes.reverse()) await ended(each);
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const [number] = await once(screen.stdout as NodeJS.ReadableStream, "data");
    const port = await freePort();
    const folders = Object.fromEntries(
      ["HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"].map((name) => [name, home]),
    );
    const program = started(driver, [`--port=${port}`, "--host=127.0.0.1"], {
      ...folders,
      DISPLAY: `:${String(number).trim()}`,
      GDK_BACKEND: "x11",
      // Otherwise the page's language may be "C", which is none.
      LC_ALL: "en_US.UTF-8",
      // As in Safari. WebKitGTK has it switched off, also where it says that a page is cross-origin isolated.
      JSC_useSharedArrayBuffer: "1",
    });
    processes.push(program);
    const address = `http://127.0.0.1:${port}`;
    await polled("WebKitWebDriver", program, () => fetch(`${address}/status`));
    const { sessionId, capabilities } = (await post(`${address}/session`, {
      capabilities: {
        alwaysMatch: {
          timeouts: { script: SCRIPT_MS, pageLoad: START_MS },
        },
      },
    })) as { sessionId: string; capabilities: { browserVersion: string } };
    const session = `${address}/session/${sessionId}`;
    const ask: Ask = (command, parameters) => post(`${session}/${HTTP[command]}`, parameters);
    return driven(ask, capabilities.browserVersion, async () => {
      await fetch(session, { method: "DELETE" });
      await close();
    });
  } catch (error) {
    await close();
    throw error;
  }
}

export interface WebKitPrograms {
  /** `WebKitWebDriver`, which starts the browser that it was installed with. */
  driver: string;
  /** `Xvfb`. */
  display: string;
}

/** What is only asked for is a GET. */
async function post(url: string, body?: object): Promise<unknown> {
  const response = await fetch(url, body && { method: "POST", body: JSON.stringify(body) });
  const { value } = (await response.json()) as { value: { error?: string; message?: string } };
  if (!response.ok) throw new Error(`${new URL(url).pathname}: ${value.error}: ${value.message}`);
  return value;
}

function started(program: string, args: string[], environment: Record<string, string>): ChildProcess {
  return spawn(program, args, { stdio: "ignore", env: { ...process.env, ...environment } });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  const forced = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exit;
  clearTimeout(forced);
}

/** Asks again until there is an answer, or the program has ended. */
async function polled<Result>(name: string, program: ChildProcess, ask: () => Promise<Result>): Promise<Result> {
  const end = Date.now() + START_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (program.exitCode !== null) throw new Error(`${name} has ended with ${program.exitCode}`);
      if (Date.now() > end) throw new Error(`${name} does not start: ${error}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
