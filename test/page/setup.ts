import { init } from "../../ts/src/browser.js";
import { pageFiles } from "./page-files.js";

await init({ files: pageFiles });
