/** A worker as browsers have it that write files in workers alone, and there in place. */
import "../../ts/src/worker-host.ts";

Reflect.deleteProperty(FileSystemFileHandle.prototype, "createWritable");
