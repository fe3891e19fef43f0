// Bundles src/main.ts into one minified ES module: the only file the Python package ships.
// ATTNSCOPE_OUT sets where it goes, BUNDLE_BANNER its first line.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { statSync } from "node:fs";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = resolve(here, process.env.ATTNSCOPE_OUT ?? "../src/attnscope/static/attnscope.js");
const banner = process.env.BUNDLE_BANNER;

await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  outfile: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
  ...(banner ? { banner: { js: banner } } : {}),
});
console.log(`${out} ${(statSync(out).size / 1024).toFixed(1)} KB`);
