/**
 * CSV as in [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), which `metadata.csv` of Hugging Face is: commas, fields in
 * quotation marks where they hold commas, lines or marks. The one rule that there is needs no package.
 */

/** Lines of fields; empty lines are left out. `undefined` where a quotation mark is never closed. */
export function parseCsv(text: string): string[][] | undefined {
  const lines: string[][] = [];
  let line: string[] = [];
  for (let at = 0; at < text.length; ) {
    const field = text[at] === '"' ? quotedField(text, at) : plainField(text, at);
    if (!field) return undefined;
    line.push(field.value);
    at = field.end;
    if (text[at] === ",") {
      at++;
      // A comma at the end of the text has an empty field after it.
      if (at < text.length) continue;
      line.push("");
    }
    at += text.startsWith("\r\n", at) ? 2 : 1;
    if (line.length > 1 || line[0] !== "") lines.push(line);
    line = [];
  }
  return lines;
}

interface Field {
  value: string;
  /** Where it ends: at a comma, at the end of the line, or of the text. */
  end: number;
}

function plainField(text: string, start: number): Field {
  const ends = /[,\r\n]|$/g;
  ends.lastIndex = start;
  const end = ends.exec(text)?.index ?? text.length;
  return { value: text.slice(start, end), end };
}

function quotedField(text: string, start: number): Field | undefined {
  const field = /"((?:[^"]|"")*)"/y;
  field.lastIndex = start;
  const inside = field.exec(text)?.[1];
  if (inside === undefined) return undefined;
  const rest = plainField(text, field.lastIndex);
  return { value: inside.replaceAll('""', '"') + rest.value, end: rest.end };
}
