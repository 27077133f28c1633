/** Parquet files with images: damaged ones, and those that say that they hold far more than they are. */
import { loadDataset } from "emberwing";
import fc from "fast-check";
import { fuzz } from "./fuzz.js";
import { corpus, damaged } from "./mutations.js";

const seeds = corpus("parquet");

interface Table {
  bytes: Uint8Array;
  labels: boolean;
  named: boolean;
}

const tables: fc.Arbitrary<Table> = fc.record({ bytes: damaged(seeds), labels: fc.boolean(), named: fc.boolean() });

async function load({ bytes, labels, named }: Table): Promise<void> {
  const dataset = await loadDataset(new File([bytes as Uint8Array<ArrayBuffer>], "set.parquet"), {
    ...{ resolution: 4, onWarning: () => undefined },
    ...(labels && { classLabels: "label" }),
    ...(named && { imageColumn: "image" }),
  });
  dataset.dispose();
}

fuzz("parquet", { inputs: tables, read: load, share: 2 });
