/** The table of all options, from their types: a new option comes into `test/option-kinds.json`, and with it into the tests of wrong values. */
import { readdirSync, readFileSync } from "node:fs";
import ts from "typescript";
import { expect, test } from "vitest";

const source = new URL("../../ts/src/", import.meta.url);

/** The members of all types of options, as they are written: `name: type`. */
function optionTypes(): Record<string, Record<string, string>> {
  const aliases = new Map<string, string>();
  const found: [string, Record<string, string>][] = [];
  const paths = readdirSync(source, { recursive: true }) as string[];
  for (const path of paths.filter((path) => /\.ts$/.test(path) && !/^(cli|studio|report|worker)\//.test(path)).sort()) {
    const text = readFileSync(new URL(path, source), "utf8");
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
    ts.forEachChild(file, (node) => {
      const isAlias = ts.isTypeAliasDeclaration(node);
      if (isAlias && !node.typeParameters && !ts.isTypeLiteralNode(node.type))
        aliases.set(node.name.text, node.type.getText(file));
      if (!isAlias && !ts.isInterfaceDeclaration(node)) return;
      if (!/(Options|Config|Access|^SetTimesteps)$/.test(node.name.text)) return;
      const members = isAlias ? ((node.type as ts.TypeLiteralNode).members ?? []) : node.members;
      const options = [...members].filter(ts.isPropertySignature).map((member): [string, string] => {
        return [member.name.getText(file), member.type?.getText(file).replace(/\s+/g, " ") ?? ""];
      });
      found.push([node.name.text, Object.fromEntries(options)]);
    });
  }
  const resolved = (type: string): string =>
    type.replace(/\b[A-Z]\w+\b/g, (name) => (name === "Array" ? name : (aliases.get(name) ?? name)));
  const types: Record<string, Record<string, string>> = {};
  for (const [name, options] of found) {
    const entries = Object.entries(options).map(([option, type]) => [option, resolved(type)]);
    // The core's settings and what TypeScript adds to them have one name.
    if (entries.length > 0) types[name] = { ...types[name], ...Object.fromEntries(entries) };
  }
  return types;
}

test("the table of options is that of the types", async () => {
  const text = `${JSON.stringify(optionTypes(), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot("../option-kinds.json");
});
