import { init } from "../../ts/src/browser.js";
import { pageFiles } from "../page/page-files.js";

await init({ gpu: true, files: pageFiles });
