/** Which column of a Parquet file holds the images. */
import { type FileMetaData, parquetSchema, type SchemaTree } from "hyparquet";
import { EmberwingError } from "../errors.js";
import { beginsAsImage, IMAGE_FILE } from "./image-formats.js";
import { imagesIn } from "./parquet-images.js";

export interface ImageColumn {
  name: string;
  /** Others that hold images too. */
  others: string[];
}

/** The column of a name. */
export function namedColumn(path: string, metadata: FileMetaData, wanted: string, option: string): string {
  const names = columnNames(metadata);
  if (names.includes(wanted)) return wanted;
  throw new EmberwingError(
    "InvalidFile",
    `${path}: expected a column \`${wanted}\` (${option}), found the columns ${names.join(", ")}`,
  );
}

/**
 * The column that Hugging Face's metadata in the file call images; without these, the first whose content is an image.
 *
 * @param firstValue The first value of a column that is not null.
 */
export async function findImageColumn(
  path: string,
  metadata: FileMetaData,
  firstValue: (column: string) => Promise<unknown>,
): Promise<ImageColumn> {
  const declared = columnNames(metadata).filter((name) => isImageFeature(features(metadata)[name]));
  const [first, ...others] = declared.length > 0 ? declared : await columnsByContent(metadata, firstValue);
  if (first !== undefined) return { name: first, others };
  throw new EmberwingError(
    "InvalidFile",
    `${path}: expected a column of images, found the columns ${columnNames(metadata).join(", ")}; ` +
      "`imageColumn` (--image-column) chooses one",
  );
}

const columnNames = (metadata: FileMetaData): string[] =>
  parquetSchema(metadata).children.map(({ element }) => element.name);

/** The features in the metadata that Hugging Face's `datasets` writes, by column; other metadata have none. */
function features(metadata: FileMetaData): Record<string, unknown> {
  const text = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value ?? "{}";
  try {
    return JSON.parse(text).info?.features ?? {};
  } catch {
    return {};
  }
}

/** An image, or a list of images: `{"_type": "List", "feature": …}`, and `[…]` in old files. */
function isImageFeature(feature: unknown): boolean {
  const { _type, feature: inner } = (feature ?? {}) as { _type?: unknown; feature?: unknown };
  if (Array.isArray(feature)) return isImageFeature(feature[0]);
  return _type === "Image" || (inner !== undefined && isImageFeature(inner));
}

/** What the numbers of a column mean, where it is a `ClassLabel`. */
export function classNamesOf(metadata: FileMetaData, column: string): readonly string[] | undefined {
  const names: unknown = (features(metadata)[column] as { names?: unknown } | undefined)?.names;
  return Array.isArray(names) ? names : undefined;
}

/** Those with images come first, then those with paths of image files. */
async function columnsByContent(
  metadata: FileMetaData,
  firstValue: (column: string) => Promise<unknown>,
): Promise<string[]> {
  const columns = parquetSchema(metadata).children.filter(couldHoldImages);
  const found: Record<"images" | "paths" | "bytes", string[]> = { images: [], paths: [], bytes: [] };
  for (const column of columns) {
    const { name } = column.element;
    const [image] = imagesIn(await firstValue(name));
    if (image?.bytes && beginsAsImage(image.bytes)) found.images.push(name);
    else if (image?.path !== undefined && IMAGE_FILE.test(image.path)) found.paths.push(name);
    else if (holdsBytes(column)) found.bytes.push(name);
  }
  if (found.images.length > 0) return found.images;
  if (found.paths.length > 0) return found.paths.slice(0, 1);
  // Bytes that are no image: where there is only one such column, its rows say best what is wrong with them.
  return found.bytes.length === 1 ? found.bytes : [];
}

/** Bytes or text, structs with these, and lists of either. */
function couldHoldImages(column: SchemaTree): boolean {
  return holdsBytes(column) || leavesOf(column).some(({ element }) => element.type === "BYTE_ARRAY");
}

function holdsBytes(column: SchemaTree): boolean {
  return leavesOf(column).some(({ element: { type, converted_type, logical_type } }) => {
    const isPlain = converted_type === undefined && logical_type === undefined;
    return isPlain && (type === "BYTE_ARRAY" || type === "FIXED_LEN_BYTE_ARRAY");
  });
}

const leavesOf = (column: SchemaTree): SchemaTree[] =>
  column.children.length === 0 ? [column] : column.children.flatMap(leavesOf);
