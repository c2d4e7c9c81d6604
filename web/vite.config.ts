import { fileURLToPath } from 'node:url';
import { compressed } from './vite-compress.ts';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// `npm run dev` shows the console with a running server behind it; `npm run build` makes what the binary embeds.
const server = process.env.ARGOSY_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), compressed()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { proxy: { '/api': { target: server, changeOrigin: true } } },
  html: { cspNonce: '__CSP_NONCE__' },
  build: {
    target: 'es2022',
    // The budget of the first load is 300 kB gzip: charts and rarely seen pages are loaded on demand.
    chunkSizeWarningLimit: 600,
    assetsInlineLimit: 0,
  },
  test: { environment: 'jsdom', include: ['src/**/*.test.{ts,tsx}'] },
});
