import boundaries from 'eslint-plugin-boundaries';
import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

// Imports go only downwards: app → pages → widgets → features → entities → shared. A slice does not import its sibling.
const layers = ['app', 'pages', 'widgets', 'features', 'entities', 'shared'];
const below = (layer) => layers.slice(layers.indexOf(layer) + 1);

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/shared/api/schema.d.ts', '*.cjs'] },
  ...ts.configs.strict,
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { boundaries, 'react-hooks': hooks },
    settings: {
      'import/resolver': { [new URL('./eslint-resolver.cjs', import.meta.url).pathname]: {} },
      'boundaries/elements': [
        { type: 'app', pattern: 'src/app' },
        ...['pages', 'widgets', 'features', 'entities'].map((type) => ({
          type,
          pattern: `src/${type}/*`,
          capture: ['slice'],
        })),
        { type: 'shared', pattern: 'src/shared' },
      ],
    },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          policies: layers.map((layer) => ({
            from: { element: { type: layer } },
            allow: below(layer).map((type) => ({ to: { element: { type } } })),
          })),
        },
      ],
    },
  },
);
