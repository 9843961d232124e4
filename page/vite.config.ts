import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

const OUT = "../semlens/app/static";
const SERVER = process.env.SEMLENS_SERVER ?? "http://127.0.0.1:8765";

// Two bundles of one source: the page (app.js) and the notebook's module (widget.js). Names without hashes, so that a
// commit shows what changed; the server sends an ETag.
export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: mode === "development" })],
  // `npm run dev` beside `semlens serve --no-token`: the server must not see that the page came from elsewhere.
  server: { proxy: { "/api": { target: SERVER, changeOrigin: true, headers: { origin: SERVER } } } },
  publicDir: mode === "widget" ? false : "public",
  build: {
    outDir: OUT,
    emptyOutDir: mode !== "widget",
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    ...(mode === "widget" && { lib: { entry: "src/widget.tsx", formats: ["es" as const], fileName: () => "widget.js" } }),
    rollupOptions: {
      output: {
        entryFileNames: mode === "widget" ? "widget.js" : "app.js",
        assetFileNames: mode === "widget" ? "widget[extname]" : "app[extname]",
      },
    },
  },
}));
