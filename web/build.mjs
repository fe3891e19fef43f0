// Bundles each file of src/pages into one minified ES module, so that a page or a widget loads the
// code of its own view only. ATTNSCOPE_OUT is the folder, BUNDLE_BANNER the first line of each.
import { build, transform } from "esbuild";
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { readdirSync, readFileSync, statSync } from "node:fs";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = resolve(here, process.env.ATTNSCOPE_OUT ?? "../src/attnscope/static");
const banner = process.env.BUNDLE_BANNER;

// Style sheets are template strings, which esbuild leaves as they are written: 2 KB of spaces.
const smallerStyle = {
  name: "smaller style",
  setup({ onLoad }) {
    onLoad({ filter: /[/\\](style|\w+Style)\.ts$/ }, async ({ path }) => {
      const [before, css, after] = readFileSync(path, "utf8").split(/(?<=CSS_TEXT = `)([^`]*)(?=`)/);
      const { code } = await transform(css.replaceAll("${FONT}", "FONT_NAMES"), { loader: "css", minify: true });
      return { contents: before + code.trim().replaceAll("\\", "\\\\").replaceAll("FONT_NAMES", "${FONT}") + after, loader: "ts" };
    });
  },
};

await build({
  absWorkingDir: here,
  entryPoints: readdirSync(resolve(here, "src/pages")).map((name) => `src/pages/${name}`),
  outdir: out,
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
for (const name of readdirSync(out)) console.log(`${name} ${(statSync(resolve(out, name)).size / 1000).toFixed(1)} KB`);
