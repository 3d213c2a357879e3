import { defineConfig } from "vite";

// One script, one style sheet, names without digests: the server marks each with an ETag, and the built files are
// committed, so that a rebuild from the same sources gives the same bytes under the same names.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../engrams/serve/inspector/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    assetsDir: "",
    cssCodeSplit: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        entryFileNames: "inspector.js",
        assetFileNames: "inspector[extname]",
        codeSplitting: false,
      },
    },
  },
});
