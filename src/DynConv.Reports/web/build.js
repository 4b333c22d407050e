// node build.js FOLDER: bundles the page's script and style sheet. uPlot's licence asks to be wherever its code goes.
import { readFile } from "node:fs/promises";
import { build } from "esbuild";

const licence = await readFile(new URL("node_modules/uplot/LICENSE", import.meta.url), "utf8");
await build({
    entryPoints: ["src/report.js"],
    outdir: process.argv[2],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    legalComments: "none",
    banner: { js: `/*! This page draws with uPlot.\n${licence.replaceAll("*/", "")}*/` },
    logLevel: "warning",
});
