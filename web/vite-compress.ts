/** Writes `.br` and `.gz` beside every text file of the build: the server sends them as they are and compresses nothing itself. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const TEXT = /\.(js|css|svg|json|woff2?|map)$/;

export function compressed(): Plugin {
  let out = 'dist';
  return {
    name: 'argosy-compressed',
    apply: 'build',
    configResolved(config) {
      out = config.build.outDir;
    },
    closeBundle() {
      const walk = (folder: string) => {
        for (const name of readdirSync(folder)) {
          const file = join(folder, name);
          if (statSync(file).isDirectory()) walk(file);
          else if (TEXT.test(name)) {
            const bytes = readFileSync(file);
            writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }));
            writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
          }
        }
      };
      walk(out);
    },
  };
}
