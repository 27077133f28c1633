/** Progress on standard error: a bar on a terminal, a line now and then in a pipe or a log file. */
import { SingleBar } from "cli-progress";
import { formatDuration } from "./durations.js";

export interface Progress {
  /** `done` of `total` are done; `text` says more, such as the loss. */
  update(done: number, total: number, text?: string): void;
  /** Ends the bar, so that the next output starts on a line of its own. */
  stop(): void;
}

const MILLISECONDS_BETWEEN_LINES = 10_000;

/** Shows how the work called `label` advances. */
export function showProgress(label: string): Progress {
  return process.stderr.isTTY ? progressBar(label) : progressLines(label);
}

function progressBar(label: string): Progress {
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total}{text}`,
    stream: process.stderr,
    hideCursor: true,
    gracefulExit: false,
    barsize: 24,
    barCompleteChar: "█",
    barIncompleteChar: "░",
  });
  const start = performance.now();
  // Also where the process exits in between: the bar hides the cursor and switches line wrapping off.
  const stop = (): void => bar.stop();
  process.once("exit", stop);
  return {
    update(done, total, text = "") {
      const payload = { text: spaced(text, timeText(start, done, total)) };
      if (bar.isActive) bar.update(done, payload);
      else bar.start(total, done, payload);
    },
    stop() {
      process.off("exit", stop);
      stop();
    },
  };
}

function progressLines(label: string): Progress {
  const start = performance.now();
  let printed = Number.NEGATIVE_INFINITY;
  return {
    update(done, total, text = "") {
      const now = performance.now();
      if (done < total && now - printed < MILLISECONDS_BETWEEN_LINES) return;
      printed = now;
      process.stderr.write(`${label} ${done}/${total}${spaced(text, timeText(start, done, total))}\n`);
    },
    stop: () => undefined,
  };
}

const spaced = (...parts: string[]): string => parts.map((part) => (part === "" ? "" : `  ${part}`)).join("");

/** How long the rest takes if it goes on as fast as up to now. */
function timeText(start: number, done: number, total: number): string {
  const passed = (performance.now() - start) / 1000;
  return done < total ? `${formatDuration((passed / done) * (total - done))} left` : `took ${formatDuration(passed)}`;
}
