// @vitest-environment node
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import en from './en.json';
import ko from './ko.json';

type Tree = { [key: string]: string | Tree };

/** Korean has no plural: `x_one` and `x_other` are one text there. */
function keys(tree: Tree, at = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) => (typeof value === 'string' ? [`${at}${key}`] : keys(value, `${at}${key}.`)));
}
const withoutPlural = (all: string[]) => [...new Set(all.map((k) => k.replace(/_(one|other)$/, '')))].sort();
const texts = (tree: Tree): string[] => Object.values(tree).flatMap((v) => (typeof v === 'string' ? [v] : texts(v)));
const holes = (text: string) => (text.match(/{{\w+}}/g) ?? []).sort().join();

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return /\.tsx?$/.test(name) && !name.includes('.test.') && !name.endsWith('.d.ts') ? [path] : [];
  });
}
const parse = (path: string) => ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);

/** Names and units that are the same in every language. */
const NAMES = new Set(['Argosy', 'MQTT', 'SHA-256', 'OpenAPI', 'ESP-IDF', '한국어', 'English', '/', '–', '#', '·', '×', '%', '…', '→']);
const SPOKEN = new Set(['label', 'placeholder', 'title', 'aria-label', 'description', 'alt', 'hint', 'caption']);

describe('every text is in both languages', () => {
  it('has the same keys in Korean and English', () => {
    expect(withoutPlural(keys(ko))).toEqual(withoutPlural(keys(en)));
    expect(texts(ko).every((t) => t.trim() !== '')).toBe(true);
  });

  it('fills the same holes in both', () => {
    const flat = (tree: Tree, at = ''): [string, string][] =>
      Object.entries(tree).flatMap(([k, v]) => (typeof v === 'string' ? [[`${at}${k}`, v]] : flat(v, `${at}${k}.`)) as [string, string][]);
    const english = new Map(flat(en));
    for (const [key, text] of flat(ko)) expect(holes(text), key).toBe(holes(english.get(key) ?? ''));
  });

  it('has no text in the code', () => {
    const found: string[] = [];
    for (const path of sources(join(import.meta.dirname, '../..'))) {
      const visit = (node: ts.Node) => {
        if (ts.isJsxText(node)) {
          for (const word of node.text.split(/\s+/)) if (/\p{L}{2,}/u.test(word) && !NAMES.has(word)) found.push(`${path}: ${node.text.trim()}`);
        }
        if (ts.isJsxAttribute(node) && SPOKEN.has(node.name.getText()) && node.initializer && ts.isStringLiteral(node.initializer)) {
          const text = node.initializer.text;
          if (/\p{L}{2,}/u.test(text) && !NAMES.has(text)) found.push(`${path}: ${node.name.getText()}="${text}"`);
        }
        ts.forEachChild(node, visit);
      };
      visit(parse(path));
    }
    expect(found).toEqual([]);
  });
});
