import { defineConfig } from 'vite';

// `npm run dev` shows the page against a box that is already running somewhere.
const box = process.env['CAMERA_SERVICE_URL'] ?? 'http://127.0.0.1:8003';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    // The page is served under a policy without inline code or inline styles,
    // so nothing may be folded into the document.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    proxy: {
      '/ws': { target: box.replace(/^http/, 'ws'), ws: true },
      '/whep': box,
      '/health': box,
      '/files': box,
      '/claim': box,
    },
  },
});
