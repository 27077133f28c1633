/** Which files are images: by the endings of their names, and by how their content begins. */

/** Endings of the formats that are read, as Pillow knows them. */
export const IMAGE_FILE = /\.(png|apng|jpe?g|jpe|jfif|mpo|webp|gif|bmp)$/i;

export const READ_FORMATS = "PNG, JPEG, WebP, GIF or BMP";

/** Endings of formats that are images too, and are not read. */
const UNREAD_FILE = new RegExp(
  `\\.(${[
    ...["avifs?", "hei[cf]s?", "hif", "jxl", "jp[2cfx]", "j2[ck]", "jxr", "wdp", "tiff?", "svgz?", "ps[db]", "xcf"],
    ...["ico", "cur", "icns", "dib", "tga", "exr", "hdr", "p[bgnp]m", "pam", "pfm", "pcx", "dds", "qoi", "eps", "ai"],
    ...["dng", "cr[23w]", "ne[fw]", "nrw", "arw", "sr[2fw]", "orf", "rw2", "raf", "raw", "pef", "3fr", "erf", "kdc"],
    ...["mrw", "x3f", "iiq", "dcm", "fits?"],
  ].join("|")})$`,
  "i",
);

/** Such as "2 .heic, 1 .tif"; empty where there are none. */
export function unreadFormats(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) {
    const ending = UNREAD_FILE.exec(name)?.[0].toLowerCase();
    if (ending !== undefined) counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
  return Array.from(counts, ([ending, count]) => `${count} ${ending}`).join(", ");
}

/** Whether content begins as image files do, also those of formats that are not read. */
export function beginsAsImage(bytes: Uint8Array): boolean {
  const text = String.fromCharCode(...bytes.subarray(0, 16));
  return /^(\x89PNG|\xff\xd8\xff|GIF8|RIFF[\s\S]{4}WEBP|BM[\s\S]{4}\0\0\0\0|II\*\0|MM\0\*|[\s\S]{4}ftyp(avi|hei|hev|mif))/.test(
    text,
  );
}
