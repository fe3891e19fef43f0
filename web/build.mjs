// Bundles src/main.ts into one minified ES module: the only file the Python package ships.
// ATTNSCOPE_OUT sets where it goes, BUNDLE_BANNER its first line.
import { build, transform } from "esbuild";
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = resolve(here, process.env.ATTNSCOPE_OUT ?? "../src/attnscope/static/attnscope.js");
const banner = process.env.BUNDLE_BANNER;

// The style sheet is a template string, which esbuild leaves as it is written: 2 KB of spaces.
const smallerStyle = {
  name: "smaller style",
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]style\.ts$/ }, async ({ path }) => {
      const [before, css, after] = readFileSync(path, "utf8").split(/(?<=CSS_TEXT = `)([^`]*)(?=`)/);
      const { code } = await transform(css.replaceAll("${FONT}", "FONT_NAMES"), { loader: "css", minify: true });
      return { contents: before + code.trim().replaceAll("\\", "\\\\").replaceAll("FONT_NAMES", "${FONT}") + after, loader: "ts" };
    });
  },
};

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
  plugins: [smallerStyle],
  ...(banner ? { banner: { js: banner } } : {}),
});
console.log(`${out} ${(statSync(out).size / 1024).toFixed(1)} KB`);
