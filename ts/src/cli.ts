#!/usr/bin/env node
/** The `emberwing` command. */
import "./node.js";
import { terminalIsGone } from "./cli/output.js";
import { main } from "./cli/program.js";

process.exitCode = await main(process.argv.slice(2));
if (terminalIsGone()) process.kill(process.pid, "SIGHUP");
