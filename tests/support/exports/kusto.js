// Microsoft's own parser of KQL, as the editors of Fabric and Azure Data Explorer have it, over stdin and stdout, line by line.
//
// In:  [{"tables": {name: "(column: type, ...)"}, "functions": [[name, "(parameters)", "{ body }"]], "text": text}]
// Out: [{"errors": [message], "columns": [[name, type]], "tree": node}]. A node is [kind, text] or [kind, [node]]; what
//      is not there is left out.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const vm = require("node:vm");

const folder = path.join(process.argv[2], "node_modules/@kusto/language-service-next");
for (const name of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  vm.runInThisContext(fs.readFileSync(path.join(folder, name), "utf8"), name);
}
const { GlobalState, KustoCode, Symbols, Syntax } = globalThis.Kusto.Language;

function list(found) {
  return Array.from({ length: found ? found.Count : 0 }, (_, at) => found.getItem(at));
}

function tree(node) {
  const kind = System.Enum.toString(Syntax.SyntaxKind, node.Kind);
  if (node.Text !== undefined && node.ChildCount === 0) return [kind, node.Text];
  const children = Array.from({ length: node.ChildCount }, (_, at) => node.GetChild(at)).filter(Boolean);
  return [kind, children.map(tree)];
}

const databases = new Map();

function database(tables, functions) {
  const symbols = [
    ...Object.entries(tables).map(([name, columns]) => new Symbols.TableSymbol.$ctor7(name, columns, "")),
    ...functions.map(([name, parameters, body]) => new Symbols.FunctionSymbol.$ctor16(name, parameters, body, "")),
  ];
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("db", symbols));
}

function answer({ tables, functions, text }) {
  const key = JSON.stringify([tables, functions]);
  if (!databases.has(key)) databases.set(key, database(tables, functions));
  const code = KustoCode.ParseAndAnalyze(text, databases.get(key));
  const columns = code.ResultType && code.ResultType.Columns ? list(code.ResultType.Columns) : [];
  return {
    errors: list(code.GetDiagnostics()).map((each) => `${each.Message} (at ${text.slice(each.Start, each.Start + 40)})`),
    columns: columns.map((each) => [each.Name, each.Type.Name]),
    tree: tree(code.Syntax),
  };
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(`${JSON.stringify(JSON.parse(line).map(answer))}\n`);
});
