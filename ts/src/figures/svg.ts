/** SVG and HTML as text: escaping and elements. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text that is safe between tags and inside quoted attributes. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** One element; `children` are markup already, attribute values are escaped. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: string[]
): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeMarkup(String(value))}"`);
  return `<${name}${written.join("")}>${children.join("")}</${name}>`;
}

/** An element that holds text. */
export function textElement(name: string, attributes: Readonly<Record<string, string | number>>, text: string): string {
  return element(name, attributes, escapeMarkup(text));
}

/** A coordinate with two decimals at most: short files, no visible loss. */
export function coordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}
