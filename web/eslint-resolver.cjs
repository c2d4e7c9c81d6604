// Finds `@/…` and relative imports for the linter of layers, without a resolver package and its native binaries.
const { existsSync, statSync } = require('node:fs');
const path = require('node:path');

exports.interfaceVersion = 2;
exports.resolve = (source, file) => {
  const base = source.startsWith('@/')
    ? path.join(__dirname, 'src', source.slice(2))
    : source.startsWith('.')
      ? path.resolve(path.dirname(file), source)
      : null;
  if (base === null) return { found: true, path: null };
  const found = [base, `${base}.ts`, `${base}.tsx`, `${base}.css`, path.join(base, 'index.ts'), path.join(base, 'index.tsx')]
    .find((name) => existsSync(name) && statSync(name).isFile());
  return found ? { found: true, path: found } : { found: false };
};
