import { defineConfig } from "vitest/config";
import solid from "vite-plugin-solid";

export default defineConfig({
  plugins: [solid()],
  resolve: { conditions: ["browser", "module", "import", "default"] },
  build: {
    target: "es2022",
    outDir: "dist",
    sourcemap: false,
    // The server sends these headers and compresses; the page asks for nothing outside its own origin.
    assetsInlineLimit: 2048,
  },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.ts", "src/**/*.test.tsx", "tests/unit/**/*.test.ts"],
    restoreMocks: true,
    // Property tests on a machine that is busy with other things; none of them waits for a clock.
    testTimeout: 60_000,
    // The browser build of the XMPP library, as the page has it.
    server: { deps: { inline: ["strophe.js"] } },
  },
});
